import librosa
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import spectra, utterances_of, voice, write_wav
from pydantic import ValidationError

from semiser.data.samples import matrices
from semiser.errors import Unusable
from semiser.features.family import Source
from semiser.features.spectra import as_stored, spectra_of
from semiser.features.stft import Stft, compute_stft
from semiser.options.audio_features import StftOptions
from semiser.shards.store import ShardFolder

pytestmark = pytest.mark.filterwarnings("error")


def _magnitudes(signal):
    padded = np.pad(signal.astype(np.float64), 312)  # librosa centres the window of 400 in 1024 samples
    spectra = librosa.stft(padded, n_fft=1024, win_length=400, hop_length=160, window="hamming", center=False)
    return np.abs(spectra)[:512].T


@pytest.mark.parametrize("log", [False, True])
def test_values_equal_librosas_normalised_per_bin(log):
    magnitudes = np.log(_magnitudes(voice(1.0))) if log else _magnitudes(voice(1.0))
    expected = (magnitudes - magnitudes.mean(axis=0)) / magnitudes.std(axis=0)
    found = compute_stft(spectra(voice(1.0), StftOptions()), StftOptions(log=log))
    assert found.shape == (98, 512)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("signal", [np.zeros(1600), np.full(1600, 0.5), voice(0.025)], ids=["silence", "dc", "a frame"])
def test_a_bin_that_does_not_vary_is_zero(signal):
    found = compute_stft(spectra(signal.astype(np.float32), StftOptions()), StftOptions())
    np.testing.assert_allclose(found, 0, atol=1e-3)


def test_shorter_than_a_frame_is_refused():
    with pytest.raises(Unusable, match=r"a frame takes 0.025 s"):
        spectra(np.zeros(399, np.float32), StftOptions())


def _row(tmp_path, seconds):
    write_wav(tmp_path / "s" / "a.wav", voice(seconds))
    (row,) = utterances_of(tmp_path).to_pylist()
    source = Source(row, tmp_path)
    (values,) = Stft(StftOptions()).rows(source)
    return values, compute_stft(spectra_of(source, StftOptions()), StftOptions())


def test_short_utterances_are_padded_at_the_head(tmp_path):
    row, real = _row(tmp_path, 0.05)
    assert row["frames"] == 3
    assert row["stft"].shape == (555, 512)
    assert not row["stft"][:552].any()
    np.testing.assert_array_equal(row["stft"][552:], real)


def test_long_utterances_are_cut_at_the_end_after_normalising(tmp_path):
    row, real = _row(tmp_path, 6.0)
    assert len(real) == 598
    assert row["frames"] == 555
    np.testing.assert_array_equal(row["stft"], real[:555])


def test_more_bins_than_the_transform_has_are_refused():
    with pytest.raises(ValidationError, match=r"bins must be at most dft_size / 2 \+ 1 = 257, not 512"):
        StftOptions(dft_size=512)


def test_half_the_room_costs_a_thousandth_of_a_value_and_has_a_fingerprint_of_its_own(tmp_path):
    """Through a shard of the store and back as training reads it; float16 has 11 significant bits."""
    write_wav(tmp_path / "s" / "a.wav", voice(3.0))
    (row,) = utterances_of(tmp_path).to_pylist()
    read, sizes = {}, {}
    for stored in ("float32", "float16"):
        family = Stft(StftOptions(stored=stored))
        (values,) = family.rows(Source(row, tmp_path))
        schema = pa.schema([pa.field("utterance_id", pa.string()), *family.fields()])
        folder = ShardFolder(str(tmp_path / stored))
        with folder.shard("c/00000", schema, {"key": "0" * 64}) as writer:
            writer.add({"utterance_id": "a", **values})
        (path,) = (tmp_path / stored).rglob("*.parquet")
        sizes[stored] = path.stat().st_size
        (batch,) = pq.read_table(path).to_batches()
        read[stored] = matrices(batch, schema.field("stft"))[0]
    assert read["float32"].dtype == read["float16"].dtype == np.float32
    assert 0 < np.abs(read["float16"] - read["float32"]).max() < 2**-10 * np.abs(read["float32"]).max()
    assert sizes["float16"] < 0.6 * sizes["float32"]
    assert "stored" not in StftOptions().model_dump() and StftOptions(stored="float16").model_dump()["stored"]


def test_what_float16_cannot_hold_is_refused():
    with pytest.raises(Unusable, match="a value of 70000 is beyond float16"):
        as_stored(np.full((2, 2), 7e4, np.float32), "float16")
