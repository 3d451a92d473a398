"""What is said of a family's table, from which share on it is a warning, and when the run stops."""

import pyarrow as pa
import pytest

from semiser.corpora.utterance import UTTERANCES_SCHEMA
from semiser.errors import TooManyUnusable
from semiser.features.chunks import Chunks
from semiser.features.fbank import Fbank
from semiser.features.segments import Segments
from semiser.features.stft import Stft
from semiser.options.audio_features import ChunksOptions, FbankOptions, SegmentsOptions, StftOptions
from semiser.options.plausible import PlausibleFeaturesOptions
from semiser.shards.plausible import beyond_lengths, implausible, refuse_rubbish
from semiser.shards.utterances import UtteranceFile


def _facts(**corpora):
    full = {"utterances": 10, "with_transcript": 10, "lost": 0, "without": {}}
    return {"corpora": {name: full | facts for name, facts in corpora.items()}}


def test_each_corpus_has_its_lines_and_each_kind_its_share():
    facts = _facts(a={"lost": 1, "cut": 2, "padded": 3, "without": {"known_word": 4, "accent": 0}}, b={"cut": 0})
    shares = PlausibleFeaturesOptions(lost=0.2, cut=0.2, padded=0.2, without=0.5)
    assert implausible("word2vec", facts, shares) == [
        (False, "word2vec: a: 1 of 10 utterances are lost"),
        (True, "word2vec: a: 2 of 10 utterances are cut"),
        (True, "word2vec: a: 3 of 10 utterances are padded"),
        (False, "word2vec: a: 4 of 10 utterances are without known word"),
    ]
    below = PlausibleFeaturesOptions(lost=0.05, cut=0.15, padded=0.25, without=0.35)
    assert all(warning for warning, _ in implausible("word2vec", facts, below))
    above = PlausibleFeaturesOptions(lost=0.11, cut=0.21, padded=0.31, without=0.41)
    assert not any(warning for warning, _ in implausible("word2vec", facts, above))
    assert [warning for warning, _ in implausible("word2vec", facts, PlausibleFeaturesOptions())] == [
        True,
        True,
        False,
        False,
    ]


def test_lengths_that_a_family_pads_and_cuts_follow_from_its_frames():
    """STFT: 555 frames of 25 ms every 10 ms span 5.565 s, 556 5.575 s; a segment 810 ms, a chunk a second."""
    durations = [0.5, 0.809, 0.81, 0.999, 1.0, 5.564, 5.565, 5.574, 5.576, 9.0]
    rows = [
        {"utterance_id": f"c/{place}", "corpus": "c", "duration_s": duration}
        for place, duration in enumerate(durations)
    ]
    utterances = UtteranceFile.in_memory(pa.Table.from_pylist(rows, UTTERANCES_SCHEMA))
    families = [Stft(StftOptions()), Segments(SegmentsOptions(pad_short=True)), Chunks(ChunksOptions())]
    assert beyond_lengths([*families, Fbank(FbankOptions())], utterances) == {
        "stft": {"c": {"cut": 2, "padded": 6}},
        "segments": {"c": {"cut": 0, "padded": 2}},
        "chunks": {"c": {"cut": 0, "padded": 4}},
    }
    assert beyond_lengths([Segments(SegmentsOptions())], utterances) == {}


@pytest.mark.parametrize("without, stops", [(9, False), (10, True)])
def test_transcripts_without_any_known_word_stop_the_run(without, stops):
    """Of 12 utterances 2 have no transcript, and are not counted."""
    facts = _facts(c={"utterances": 12, "with_transcript": 10, "without": {"known_word": without + 2}})
    if not stops:
        refuse_rubbish({"word2vec": facts}, PlausibleFeaturesOptions())
        few = _facts(c={"utterances": 4, "with_transcript": 4, "without": {"known_word": 4}})
        refuse_rubbish({"word2vec": few}, PlausibleFeaturesOptions())
        return
    with pytest.raises(TooManyUnusable, match=r"10 of 10 transcripts of corpus 'c' .* another language, script or"):
        refuse_rubbish({"word2vec": facts}, PlausibleFeaturesOptions())
    refuse_rubbish({"social": _facts(c={"without": {"accent": 10}})}, PlausibleFeaturesOptions())
