import json

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pytest

from semiser.features.proxy_labels import (
    NO_GROUP,
    NO_TRANSCRIPT,
    PROXY_SCHEMA,
    SINGLE,
    UNVOICED,
    count_by_ties,
    proxy_arousal,
    proxy_valence,
    score_against_baseline,
)
from semiser.features.proxy_tables import valence_table
from semiser.features.voice import measure_voice
from semiser.media.audio import decode_audio
from semiser.options.proxies import ProxyOptions

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize(
    "values, groups, expected",
    [
        ([10, 20, 30, 40], "aaaa", [-1, -0.5, 0, 0.5]),  # exceeds 0, 1, 2, 3 of 4: itself is one it does not exceed
        ([30, 10, 40, 20], "aaaa", [0, -1, 0.5, -0.5]),
        ([10, 20, 20, 40], "aaaa", [-1, -0.5, -0.5, 0.5]),  # a tie is not exceeded
        ([7, 7, 7], "aaa", [-1, -1, -1]),
        ([10, 5, 20, 6], "abab", [-1, -1, 0, 0]),  # each group against its own
        ([10, None, 20, 30], "aaaa", [-1, None, -1 / 3, 1 / 3]),  # a missing value is no part of the baseline
        ([10, 20, 30], "aab", [-1, 0, None]),
        ([10, None], "aa", [None, None]),
        ([10, 20, 30], ["a", None, "a"], [-1, None, 0]),
        ([-0.0, 0.0, 1.0], "aaa", [-1, -1, 1 / 3]),
        ([], "", []),
    ],
)
def test_scores_worked_by_hand(values, groups, expected):
    scores, _ = score_against_baseline(pa.array(values, pa.float64()), pa.array(list(groups), pa.string()))
    np.testing.assert_allclose(scores, np.array(expected, float), atol=1e-12)
    as_numpy = np.array([np.nan if value is None else value for value in values])
    again, _ = score_against_baseline(as_numpy, np.array(list(groups), object))
    np.testing.assert_array_equal(again, scores)


@pytest.mark.parametrize(
    "ties, expected",
    [("strict", [0.5, -1, -0.5, -0.5]), ("half", [0.75, -0.75, 0, 0]), ("at_least", [1, -0.5, 0.5, 0.5])],
)
def test_ties_worked_by_hand(ties, expected):
    # of 2, -1, 0, 0 each value has 3, 0, 1, 1 below it and 1, 1, 2, 2 equal to it
    scores, _ = score_against_baseline(np.array([2.0, -1, 0, 0]), np.array(["s"] * 4), ties)
    assert scores.tolist() == expected


def test_at_most_half_of_a_baseline_is_positive_by_the_printed_comparison():
    sums, groups = np.array([1.0, 1, 1, 0, 0, 0, 0, -1, -1, -1]), np.array(["s"] * 10)
    assert count_by_ties(sums, groups) == {
        "strict": {"positive": 3, "negative": 7},  # 7, 3 and 0 of 10 are below
        "half": {"positive": 3, "negative": 7},  # 0 has 3 below and 4 equal: 5 of 10
        "at_least": {"positive": 7, "negative": 3},
    }


def test_a_sum_of_scores_that_is_zero_is_low_whatever_the_rounding():
    """69 and 34 of 103 exceeded: 2 * 69 / 103 - 1 + 2 * 34 / 103 - 1 is 0, and 5.6e-17 in floating point."""
    pitch, intensity = np.arange(103.0), np.arange(103.0)
    intensity[[69, 34]] = intensity[[34, 69]]
    found = proxy_arousal(pitch, intensity, np.array(["s"] * 103))
    assert (found["score"][69].as_py(), found["label"][69].as_py()) == (0.0, "low")


@pytest.mark.parametrize(
    "baseline, expected", [("speaker", [0, 0.5, -1, -0.5, None]), ("speaker_and_episode", [-1, 0, -1, 0, None])]
)
def test_a_speaker_has_a_baseline_in_every_episode(baseline, expected):
    ids = ["1", "2", "3", "4", "5"]
    utterances = pa.table(
        {
            "utterance_id": ids,
            "corpus": ["c"] * 5,
            "speaker_id": ["s"] * 4 + [None],
            "programme": ["p"] * 5,
            "episode": ["1", "1", "2", "2", "3"],
        }
    )
    sums = pyarrow.dataset.dataset(pa.table({"utterance_id": ids, "valence_sum": [3.0, 4.0, 1.0, 2.0, 9.0]}))
    found = valence_table(utterances, sums, ProxyOptions(baseline=baseline))
    assert found["score"].to_pylist() == expected
    assert found["reason"].to_pylist()[-1] == SINGLE  # without a speaker it is the episode, here with one utterance
    assert set(json.loads(found.schema.metadata[b"by_ties"])) == {"strict", "half", "at_least"}


def test_counts_are_those_of_the_baseline():
    _, counts = score_against_baseline(np.array([1.0, np.nan, 3.0, 4.0, 5.0]), np.array(["a", "a", "a", "b", None]))
    assert counts.tolist() == [2, 2, 2, 1, 0]


def test_arousal_is_the_mean_of_pitch_and_intensity():
    found = proxy_arousal(
        np.array([100.0, 200.0, 300.0, 400.0]), np.array([-20.0, -30.0, -10.0, -40.0]), np.array(["s"] * 4)
    )
    # pitch scores -1, -0.5, 0, 0.5; intensity scores 0, -0.5, 0.5, -1
    assert found["score"].to_pylist() == [-0.5, -0.5, 0.25, -0.25]
    assert found["label"].to_pylist() == ["low", "low", "high", "low"]
    assert found["reason"].null_count == 4
    assert found.schema == PROXY_SCHEMA


def test_a_score_of_zero_is_low():
    found = proxy_arousal(np.array([1.0, 2.0]), np.array([1.0, 2.0]), np.array(["s", "s"]))
    assert found["score"].to_pylist() == [-1, 0]
    assert found["label"].to_pylist() == ["low", "low"]


def test_without_a_score_there_is_a_reason():
    pitch = pa.array([None, 100.0, 150.0, 200.0, 300.0])
    found = proxy_arousal(pitch, pitch, pa.array(["s", "s", "s", "alone", None]))
    assert found["score"].to_pylist() == [None, -1, 0, None, None]
    assert found["label"].to_pylist() == [None, "low", "low", None, None]
    assert found["reason"].to_pylist() == [UNVOICED, None, None, SINGLE, NO_GROUP]


def test_valence_scores_sums_of_sentiment():
    found = proxy_valence(pa.array([2, -1, 0, 0, None, 3]), pa.array(["s", "s", "s", "s", "s", "alone"]))
    # the baseline of s is 2, -1, 0, 0: exceeded 3, 0, 1, 1 of 4
    assert found["score"].to_pylist() == [0.5, -1, -0.5, -0.5, None, None]
    assert found["label"].to_pylist() == ["positive", "negative", "negative", "negative", None, None]
    assert found["reason"].to_pylist() == [None, None, None, None, NO_TRANSCRIPT, SINGLE]


def test_groups_are_encoded_tables_columns_too():
    groups = pa.chunked_array([["s", "t"], ["s", "t"]]).dictionary_encode()
    found = proxy_valence(pa.chunked_array([[1, 5], [2, 4]]), groups)
    assert found["score"].to_pylist() == [-1, 0, 0, -1]


def test_unequal_lengths_and_infinite_values_are_refused():
    with pytest.raises(ValueError, match="must be equally many, not 2 and 1"):
        score_against_baseline(np.array([1.0, 2.0]), np.array(["a"]))
    with pytest.raises(ValueError, match="1 of 2 values are infinite"):
        score_against_baseline(np.array([1.0, -np.inf]), np.array(["a", "a"]))


def test_a_million_utterances_equal_the_rule_read_literally():
    random = np.random.default_rng(0)
    values, groups = random.integers(0, 200, 1_000_000).astype(float), random.integers(0, 5_000, 1_000_000)
    scores, counts = score_against_baseline(values, groups)
    for utterance in random.choice(1_000_000, 50):
        baseline = values[groups == groups[utterance]]
        assert counts[utterance] == baseline.size
        assert scores[utterance] == pytest.approx(2 * np.mean(values[utterance] > baseline) - 1)


@pytest.mark.corpora
def test_every_casia_speaker_is_more_aroused_when_angry_or_happy_than_when_sad(shared_corpora):
    paths = [path for path in sorted(shared_corpora.glob("casia/*/*/*.wav")) if int(path.stem) % 5 == 1]
    assert len(paths) == 240
    voices = [measure_voice(decode_audio(path, 16_000), 16_000) for path in paths]
    speakers = np.array([path.parts[-3] for path in paths])
    emotions = np.array([path.parts[-2] for path in paths])
    found = proxy_arousal(
        pa.array([voice.pitch_hz for voice in voices]), pa.array([voice.intensity_db for voice in voices]), speakers
    )
    scores = found["score"].to_numpy()
    for speaker in np.unique(speakers):
        means = {
            emotion: scores[(speakers == speaker) & (emotions == emotion)].mean() for emotion in np.unique(emotions)
        }
        print(speaker, {emotion: round(float(mean), 2) for emotion, mean in means.items()})
        assert min(means["angry"], means["happy"]) > means["sad"]
