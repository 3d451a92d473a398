import json

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pytest
import torch

from semiser.data.samples import read_samples
from semiser.folds.make import make_folds
from semiser.folds.options import FoldOptions
from semiser.folds.rows import FoldRows
from semiser.options.training import ScalingOptions, TrainingOptions
from semiser.training.experiment import experiment_on, run_variant

CPU = torch.device("cpu")
SHAPE = (2, 3)


def table(counts: dict[str, int]) -> pa.dataset.Dataset:
    """Segments of 2 bins x 3 frames, all values of one being its number in the table."""
    ids = [name for name, count in counts.items() for _ in range(count)]
    values = np.repeat(np.arange(len(ids), dtype=np.float32), 6)
    field = pa.field("s", pa.list_(pa.float32(), 6), metadata={"shape": json.dumps(SHAPE)})
    columns = [pa.array(ids), pa.FixedSizeListArray.from_arrays(pa.array(values), 6)]
    return pa.dataset.dataset(pa.table(columns, schema=pa.schema([pa.field("utterance_id", pa.string()), field])))


def rows(roles: list[str], numbers=None) -> FoldRows:
    count = len(roles)
    return FoldRows(
        numbers=np.arange(count) if numbers is None else np.array(numbers),
        roles=np.array(roles),
        labels=["low", "high", None, "low"][:count],
        corpora=np.array(["c"] * count),
        speakers=np.array(["c/a", "c/a", "c/b", "c/b"][:count], dtype=object),
        classes=("low", "high"),
    )


def test_samples_come_utterance_by_utterance_in_the_order_asked_for():
    found = read_samples({"s": table({"a": 2, "b": 1, "c": 3})}, ["c", "a"])
    assert found.x["s"][:, 0, 0].tolist() == [3, 4, 5, 0, 1]
    assert found.x["s"].shape == (5, *SHAPE)
    assert found.utterance.tolist() == [0, 0, 0, 1, 1]


def test_an_utterance_without_samples_is_named():
    with pytest.raises(KeyError, match="1 utterances have no s, the first is z"):
        read_samples({"s": table({"a": 1})}, ["a", "z"])


def test_a_fold_knows_the_samples_of_its_roles():
    features = read_samples({"s": table({"a": 2, "b": 1, "c": 3, "d": 1})}, list("abcd"))
    data, _ = features.of_fold(rows(["test", "train", "unlabelled"], numbers=[3, 0, 2]), CPU)
    assert data.utterance.tolist() == [1, 1, -1, 2, 2, 2, 0]
    assert {role: data.samples(role).tolist() for role in ("train", "unlabelled", "test", "validation")} == {
        "train": [0, 1],
        "unlabelled": [3, 4, 5],
        "test": [6],
        "validation": [],
    }
    assert data.y.tolist() == [0, 1, -1]


def test_bands_are_scaled_by_the_training_part():
    features = read_samples({"s": table({"a": 1, "b": 1, "c": 1})}, list("abc"), scaling=ScalingOptions(), band_axis=0)
    data, provenance = features.of_fold(rows(["train", "train", "test"]), CPU)  # train: 0 and 1, mean and deviation 0.5
    assert data.x["s"][:, 1, 2].tolist() == [-1, 1, 3]
    assert provenance.scaling["s"]["mean"].tolist() == [0.5, 0.5]


def test_frames_of_any_number_are_made_to_fit():
    field = pa.field("f", pa.list_(pa.float32()), metadata={"shape": json.dumps([None, 2])})
    schema = pa.schema([pa.field("utterance_id", pa.string()), field])
    frames = pa.dataset.dataset(pa.table([["a", "b"], [[1.0, 2], [3.0, 4, 5, 6]]], schema=schema))
    found = read_samples({"f": frames}, ["b", "a"], fit_frames=lambda values: values[-1:])
    assert found.x["f"].tolist() == [[[5, 6]], [[1, 2]]]


def test_the_hash_follows_the_values_and_facts_of_the_utterances():
    def digest(count, fact, numbers):
        about = {"p": np.array([[0.0], [fact]], np.float32)}
        return read_samples({"s": table({"a": 1, "b": count})}, ["a", "b"], about=about).digest(np.array(numbers))

    assert digest(1, 0, [0]) == digest(2, 1, [0])
    assert len({digest(1, 0, [0, 1]), digest(2, 0, [0, 1]), digest(1, 1, [0, 1]), digest(1, 0, [1, 0])}) == 4


def test_an_experiment_runs_on_samples(tmp_path):
    ids = [f"c/{speaker}{number}" for speaker in "ab" for number in range(4)]
    utterances = pa.table(
        {
            "utterance_id": ids,
            "corpus": ["c"] * 8,
            "speaker_id": [f"c/{name[2]}" for name in ids],
            "emotion": ["low", "high"] * 4,
        }
    )
    options = FoldOptions(experiment="e", corpora=["c"], classes=["low", "high"], validation={"kind": "none"})
    folds = make_folds(utterances, options)
    samples = table({name: 1 + number % 2 for number, name in enumerate(ids)})
    experiment = experiment_on(folds, utterances, lambda names: read_samples({"s": samples}, names), str(tmp_path))

    def by_number_of_samples(data, options, run):
        counts = torch.bincount(data.utterance[data.utterance >= 0], minlength=len(data.y))[data.rows["test"]]
        return torch.nn.functional.one_hot(counts - 1, 2).float()

    predictions = run_variant(experiment, "count", by_number_of_samples, ScalingOptions(), TrainingOptions())[0]
    assert predictions["prediction"].to_pylist() == predictions["target"].to_pylist()
