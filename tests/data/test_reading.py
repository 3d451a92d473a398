"""Features are read into the array that stays, a few megabytes at a time."""

import json
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import torch

from semiser.data.frames import read_frames
from semiser.data.matrix import read_matrix
from semiser.data.reading import in_batches, read_rows, sample_places
from semiser.data.samples import put_in_places, read_samples
from semiser.features.spectra import frames_fields, matrix_field
from semiser.folds.rows import FoldRows
from semiser.options.training import ScalingOptions
from semiser.shards.store import ShardWriter
from semiser.systems.began.classifier import read_maps
from semiser.systems.mssgan.crops import read_crops
from semiser.systems.mssgan.options import CropOptions

UTTERANCES, VALUES = 240, 20_000
SIZE = UTTERANCES * VALUES * 4  # 19 MB
IDS = [f"c/{number:03d}" for number in range(UTTERANCES)]
BY_SPEAKER = ScalingOptions(strategy="speaker")


def written(path, field, rows, ids, *more):
    """A shard as the store writes it; `more` are numbers."""
    with path.open("wb") as file:
        writer = ShardWriter(file, pa.schema([pa.field("utterance_id", pa.string()), *more, field]), "c/0", "k")
        for name, row in zip(ids, rows, strict=True):
            writer.add({"utterance_id": name, field.name: row} | {extra.name: 160 for extra in more})
        writer.close({"key": "k"})


def short(tmp_path):
    """Two shards: one of a twice and b, one of c and a once more; all values are numbered."""
    field = matrix_field("s", (1, 2), ("bin", "frame"))
    written(tmp_path / "0.parquet", field, np.arange(6, dtype=np.float32).reshape(3, 2), ["a", "a", "b"])
    written(tmp_path / "1.parquet", field, np.arange(6, 10, dtype=np.float32).reshape(2, 2), ["c", "a"])
    return pa.dataset.dataset([str(tmp_path / "0.parquet"), str(tmp_path / "1.parquet")])


def test_rows_that_are_wanted_come_in_the_order_of_the_table_with_their_utterances(tmp_path):
    found = [
        (batch["s"].to_pylist(), numbers.tolist()) for batch, numbers in read_rows(short(tmp_path), ["s"], ["c", "a"])
    ]
    assert found == [([[0, 1], [2, 3]], [1, 1]), ([[6, 7], [8, 9]], [0, 1])]


def test_places_are_those_of_rows_ordered_by_utterance(tmp_path):
    places, utterance = sample_places(short(tmp_path), "s", ["c", "a"])
    assert (places.tolist(), utterance.tolist()) == ([1, 2, 0, 3], [0, 1, 1, 1])
    found = read_samples({"s": short(tmp_path)}, ["c", "a"])
    assert found.x["s"].tolist() == [[[6, 7]], [[0, 1]], [[2, 3]], [[8, 9]]]
    with pytest.raises(KeyError, match="1 utterances have no s, the first is z"):
        sample_places(short(tmp_path), "s", ["a", "z"])


def test_batches_of_one_size_whatever_comes():
    parts = [np.arange(3), np.arange(3, 4), np.arange(4, 11)]
    assert [part.tolist() for part in in_batches(parts, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    assert [part.tolist() for part in in_batches(parts, 11)] == [list(range(11))]
    assert list(in_batches([], 4)) == []


def test_samples_that_nobody_asked_for_have_no_shape():
    with pytest.raises(ValueError, match="no utterance was asked for"):
        put_in_places([], np.empty(0, np.int64))


def test_a_damaged_page_is_an_error_and_not_a_value(tmp_path):
    path = tmp_path / "0.parquet"
    written(
        path, matrix_field("s", (1, 1000), ("bin", "frame")), np.random.default_rng(0).random((9, 1000)), "abcdefghi"
    )
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(OSError, match=r"CRC|checksum"):
        list(read_rows(pa.dataset.dataset(path), ["s"], ["a"]))


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """19 MB of each kind of column, in one row group of 16 MB and the rest."""
    folder, rng = tmp_path_factory.mktemp("tables"), np.random.default_rng(0)
    frames, series = frames_fields("fbank", 125)
    fields = {
        "vector": [pa.field("vector", pa.list_(pa.float32(), VALUES), metadata={"names": json.dumps(["x"] * VALUES)})],
        "segments": [matrix_field("segments", (160, 125), ("bin", "frame"))],
        "chunks": [matrix_field("chunks", (160, 125), ("bin", "frame"))],
        "stft": [matrix_field("stft", (160, 125), ("frame", "bin")), frames],
        "fbank": [series, frames],
    }
    for name, (field, *more) in fields.items():
        written(folder / f"{name}.parquet", field, rng.standard_normal((UTTERANCES, VALUES), np.float32), IDS, *more)
    return {name: pa.dataset.dataset(folder / f"{name}.parquet") for name in fields}


def crops(tables):
    utterances = pa.table({"utterance_id": IDS})
    return read_crops({"fbank": tables["fbank"]}, utterances, CropOptions(frames=160, kept_frames=160), BY_SPEAKER)


def frames_by_speaker(tables):
    kept, visual = np.ones(UTTERANCES, bool), np.full((UTTERANCES, 2), np.nan, np.float32)
    speakers = [f"c/{number % 10}" for number in range(UTTERANCES)]
    return read_frames(tables["stft"], "stft", IDS, kept, visual, speakers=speakers)


READ = {
    "vector": lambda tables: read_matrix({"vector": tables["vector"]}, IDS, BY_SPEAKER),
    "segments": lambda tables: read_samples({"segments": tables["segments"]}, IDS, scaling=BY_SPEAKER, band_axis=0),
    "chunks": lambda tables: read_maps(tables["chunks"], IDS, lambda x: x[:, None], BY_SPEAKER, batch_size=16),
    "fbank": crops,
    "stft": frames_by_speaker,
}


@pytest.mark.parametrize("name", READ)
def test_values_are_those_of_the_table(name, tables):
    expected = tables[name].to_table()[name].combine_chunks().flatten().to_numpy().reshape(UTTERANCES, 160, 125)
    found = READ[name](tables).x
    found = np.asarray(found[next(iter(found))] if isinstance(found, dict) else found)
    if name == "stft":  # ten speakers, who are scaled in their places
        parts = expected.reshape(UTTERANCES // 10, 10, 160, 125).astype(np.float64)
        expected = ((parts - parts.mean((0, 2))[:, None]) / parts.std((0, 2))[:, None]).astype(np.float32)
        np.testing.assert_allclose(found.reshape(parts.shape), expected, atol=1e-6)
    else:
        assert np.array_equal(found.reshape(expected.shape), expected)


@pytest.mark.parametrize("name", READ)
def test_a_batch_is_decoded_at_a_time_and_no_row_group(name, tables):
    group, before = pq.ParquetFile(tables[name].files[0]).metadata.row_group(0), pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in read_rows(tables[name], [name], IDS)]
    assert len(held) >= 4 and max(held) < 15e6 < group.total_byte_size


@pytest.mark.parametrize("name", READ)
def test_neither_reading_nor_scaling_takes_a_second_copy(name, tables, monkeypatch):
    monkeypatch.setattr("semiser.data.scaling.BLOCK_ROWS", 256)
    monkeypatch.setattr("semiser.data.scaling._WRITTEN", 1 << 14)
    features, beside = traced(lambda: READ[name](tables))
    assert beside < SIZE / 2
    numbers = np.arange(UTTERANCES)
    rows = FoldRows(
        numbers=numbers,
        roles=np.where(numbers % 3 == 0, "test", "train"),
        labels=["ab"[number % 2] for number in numbers],
        corpora=np.array(["c"] * UTTERANCES),
        speakers=np.array([f"c/{number % 10}" for number in numbers], object),
        classes=("a", "b"),
    )
    _, beside = traced(lambda: features.of_fold(rows, torch.device("cpu")))
    assert beside < SIZE / 2


def traced(call):
    """What a call gives, and how many bytes of numpy and Python it took at most beside that."""
    tracemalloc.start()
    found = call()
    held, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return found, most - held
