"""The audio families through the shard map: what is read back is what the functions give."""

import json

import numpy as np
import pytest
from helpers import committed, spectra, utterances_of, voice, write_wav

from semiser.features.chunks import Chunks, compute_chunks
from semiser.features.fbank import Fbank, compute_fbank
from semiser.features.fft import Fft, compute_fft
from semiser.features.segments import Segments, compute_segments
from semiser.features.stft import Stft
from semiser.features.voice import VoiceFamily
from semiser.media.audio import decode_audio
from semiser.options.audio_features import (
    ChunksOptions,
    FbankOptions,
    FftOptions,
    SegmentsOptions,
    StftOptions,
    VoiceOptions,
)
from semiser.options.features import ShardOptions
from semiser.shards.extract import extract

pytestmark = pytest.mark.filterwarnings("error")

FAMILIES = (
    Segments(SegmentsOptions()),
    Chunks(ChunksOptions()),
    Fft(FftOptions()),
    Fbank(FbankOptions()),
    Stft(StftOptions()),
    VoiceFamily(VoiceOptions()),
)


class _Inline:
    """An engine that runs one task after the other, right here."""

    def map(self, function, tasks, pool):
        return ((task, function(task)) for task in tasks)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Tables of two utterances, 1.7 s of voice and 1 s of silence; and the first one's signal."""
    root = tmp_path_factory.mktemp("corpus")
    path = write_wav(root / "s" / "a.wav", voice(1.7))
    write_wav(root / "s" / "b.wav", np.zeros(16_000, np.float32))
    store = str(tmp_path_factory.mktemp("store"))
    receipts = extract(FAMILIES, store, utterances_of(root), {"tiny": str(root)}, _Inline(), ShardOptions())
    found = {name: committed(receipt, store).dataset().to_table() for name, receipt in receipts.items()}
    return found, decode_audio(path, 16_000)


def _matrix(table, name, row):
    shape = json.loads(table.schema.field(name).metadata[b"shape"])
    return table.to_pandas()[name][row].reshape([-1 if size is None else size for size in shape])


def test_a_row_per_segment_and_chunk(tables):
    found, signal = tables
    for name, number, expected in (
        ("segments", "segment", compute_segments(signal, SegmentsOptions())),
        ("chunks", "chunk", compute_chunks(signal, ChunksOptions())),
    ):
        table = found[name]
        assert table["utterance_id"].to_pylist() == ["tiny/s/a", "tiny/s/a", "tiny/s/b"]
        assert table[number].to_pylist() == [0, 1, 0]
        np.testing.assert_array_equal(_matrix(table, name, 1), expected[1])


def test_frames_come_back_as_one_array_per_utterance(tables):
    found, signal = tables
    for name, expected in (
        ("fft", compute_fft(spectra(signal, FftOptions()), FftOptions())),
        ("fbank", compute_fbank(spectra(signal, FbankOptions()), FbankOptions())),
    ):
        assert found[name]["frames"].to_pylist() == [168, 98]
        values = _matrix(found[name], name, 0)
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, expected)


def test_silence_has_no_pitch_and_nothing_is_nan(tables):
    found, _ = tables
    assert found["voice"]["pitch_hz"].to_pylist()[0] == pytest.approx(120, rel=0.01)
    assert found["voice"].to_pylist()[1] == {
        "utterance_id": "tiny/s/b", "pitch_hz": None, "intensity_db": None, "voiced_share": 0.0
    }  # fmt: skip
    assert found["stft"]["frames"].to_pylist() == [168, 98]
    for name in ("segments", "chunks", "fft", "fbank", "stft"):
        assert all(np.isfinite(values).all() for values in found[name].to_pandas()[name])
