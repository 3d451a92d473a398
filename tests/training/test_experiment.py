import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import torch

from semiser.data.matrix import feature_matrix
from semiser.data.streamed import read_vectors
from semiser.data.tables import with_features
from semiser.folds.make import make_folds
from semiser.folds.options import FoldOptions
from semiser.options.base import Options
from semiser.options.training import ScalingOptions, TrainingOptions
from semiser.training import side_by_side
from semiser.training.experiment import Queue, VariantPlan, experiment_on, run_variant


class NoOptions(Options):
    bias: float = 0.0


def _utterances():
    """Three speakers with four utterances, classes low and high in turn."""
    ids = [f"c/{speaker}{number}" for speaker in "abc" for number in range(4)]
    columns = {
        "utterance_id": ids,
        "corpus": ["c"] * 12,
        "speaker_id": [f"c/{name[2]}" for name in ids],
        "emotion": ["low", "high"] * 6,
    }
    return pa.table(columns)


def _features(ids, shift=0.0):
    values = np.stack([np.array([number % 2 * 2 - 1 + shift, number], np.float32) for number in range(len(ids))])
    field = pa.field("f", pa.list_(pa.float32(), 2), metadata={"names": json.dumps(["x", "y"])})
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), 2)
    schema = pa.schema([pa.field("utterance_id", pa.string()), field])
    return pa.dataset.dataset(pa.table([pa.array(ids), vectors], schema=schema))


@pytest.fixture
def experiment(tmp_path):
    return _experiment(tmp_path)


def _experiment(folder, shift=0.0):
    utterances = _utterances()
    options = FoldOptions(experiment="e", corpora=["c"], classes=["low", "high"], validation={"kind": "none"})
    table = _features(utterances["utterance_id"].to_pylist()[::-1], shift)
    folds = make_folds(utterances, options)
    return experiment_on(
        folds, utterances, lambda ids: read_vectors({"f": table}, ids, folds, ScalingOptions()), folder
    )


CALLS = []


def _sign_of_first(data, options, run):
    """A system: the class by the sign of the first standardised feature."""
    CALLS.append(run.folder.parent.name)
    run.log(0, loss=0.5)
    first = data.x[data.rows["test"], 0] + options.bias
    return torch.stack([first, -first], dim=1).softmax(1)  # rows were reversed: low utterances have the higher value


def _run_variant(experiment, options=None, **training):
    CALLS.clear()
    training = TrainingOptions(accelerator="cpu", **training)
    return run_variant(experiment, "sign", _sign_of_first, options or NoOptions(), training)


def test_predictions_have_a_row_per_test_utterance_and_fold(experiment):
    predictions, curves, models = _run_variant(experiment, seeds=(0, 1))
    assert predictions.num_rows == 24
    assert sorted(set(zip(*(predictions[c].to_pylist() for c in ("fold", "speaker_id")), strict=True))) == [
        (0, "c/a"),
        (1, "c/b"),
        (2, "c/c"),
    ]
    assert predictions["prediction"].to_pylist() == predictions["target"].to_pylist()
    assert json.loads(predictions.schema.metadata[b"classes"]) == ["low", "high"]
    assert curves.num_rows == 6 and curves["value"].to_pylist() == [0.5] * 6
    assert [(row["seed"], row["fold"]) for row in models] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert models[4]["folder"] == f"sign/seed-1/fold-01/{models[4]['key'][:12]}"
    assert all((experiment.models / row["folder"] / "predictions.parquet").is_file() for row in models)


def test_a_finished_fold_is_not_trained_again_unless_something_changed(experiment, tmp_path):
    first, curves, models = _run_variant(experiment)
    assert CALLS == ["fold-00", "fold-01", "fold-02"]
    assert _run_variant(experiment) == (first, curves, models) and CALLS == []
    _run_variant(experiment, reuse=False)
    assert len(CALLS) == 3
    _run_variant(experiment, NoOptions(bias=0.1))
    assert len(CALLS) == 3
    _run_variant(_experiment(tmp_path, shift=0.25), NoOptions(bias=0.1))
    assert len(CALLS) == 3


def test_other_options_do_not_destroy_what_was_trained_before(experiment):
    """A, B, A: the third run reads what the first one left."""
    first = _run_variant(experiment)
    other = _run_variant(experiment, NoOptions(bias=5.0))
    assert len(CALLS) == 3 and other.predictions != first.predictions
    assert _run_variant(experiment) == first and CALLS == []


def test_finished_folds_stand_under_the_name_that_the_folds_have_now(experiment):
    before = _run_variant(experiment).predictions
    place = experiment.folds.column_names.index("experiment")
    renamed = experiment.folds.set_column(place, "experiment", [["new"] * len(experiment.folds)])
    after = _run_variant(replace(experiment, folds=renamed)).predictions
    assert CALLS == []
    assert set(before["experiment"].to_pylist()) == {"e"} and set(after["experiment"].to_pylist()) == {"new"}
    assert after.drop("experiment").equals(before.drop("experiment"))
    assert after.schema.metadata == before.schema.metadata


def _drawn(data, options, run):
    """A system that draws from torch's random state, slowly enough for another one to come in between."""
    run.seed_everything()
    found = []
    for _ in data.rows["test"]:
        found.append(torch.rand(2))
        time.sleep(0.002)
    return torch.stack(found).softmax(1)


def test_variants_in_threads_draw_what_they_draw_one_after_the_other(tmp_path):
    training = TrainingOptions(accelerator="cpu", seeds=(0, 1))

    def run(folder, name):
        return run_variant(_experiment(tmp_path / folder), name, _drawn, NoOptions(), training).predictions

    alone = [run("alone", name) for name in "ab"]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(partial(run, "together"), "ab"))
    assert together == alone


def test_folds_side_by_side_leave_what_they_leave_one_after_the_other(tmp_path):
    training = TrainingOptions(accelerator="cpu", seeds=(0, 1))
    alone = run_variant(_experiment(tmp_path / "alone"), "a", _drawn, NoOptions(), training)
    two = training.model_copy(update={"side_by_side": 2})
    together = run_variant(_experiment(tmp_path / "together"), "a", _drawn, NoOptions(), two)
    side_by_side.stop()
    assert together[:2] == alone[:2]
    assert [row | {"cost": None} for row in together.models] == [row | {"cost": None} for row in alone.models]
    found, expected = (sorted((tmp_path / of).rglob("predictions.parquet")) for of in ("together", "alone"))
    assert [path.read_bytes() for path in found] == [path.read_bytes() for path in expected] and len(found) == 6


def _queue(folder, names, opened, training):
    """A queue whose variants each have an experiment of their own, and the names of those that were opened."""

    def open_(name):
        opened.append(name)
        return VariantPlan(_experiment(folder), name, _drawn, NoOptions(), training)

    return Queue(training, {name: partial(open_, name) for name in names})


def test_variants_of_a_queue_leave_what_each_leaves_alone(tmp_path):
    """Three folds on two workers: the third has company from the next variant, whichever was asked for first."""
    training = TrainingOptions(accelerator="cpu", side_by_side=2)
    alone = {name: run_variant(_experiment(tmp_path / "alone"), name, _drawn, NoOptions(), training) for name in "ab"}
    opened = []
    queue = _queue(tmp_path / "queue", "abc", opened, training)
    found = {"b": queue.trained("b")}
    assert opened == ["b", "a"]  # the features of two experiments at most
    found["a"] = queue.trained("a")
    assert opened == ["b", "a", "c"]
    side_by_side.stop()
    for name in "ab":
        assert found[name][:2] == alone[name][:2]
        assert [row | {"cost": None} for row in found[name].models] == [
            row | {"cost": None} for row in alone[name].models
        ]
    with pytest.raises(KeyError):
        queue.trained("a")


def test_a_queue_without_workers_trains_nothing_that_was_not_asked_for(tmp_path):
    opened = []
    training = TrainingOptions(accelerator="cpu")
    assert _queue(tmp_path, "ab", opened, training).trained("b").predictions.num_rows == 12 and opened == ["b"]
    assert not (tmp_path / "a").exists()


def test_a_training_leaves_the_random_state_as_it_was(experiment):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    run_variant(experiment, "drawn", _drawn, NoOptions(), TrainingOptions(accelerator="cpu"))
    assert torch.equal(torch.rand(3), expected)


def test_a_half_written_result_is_trained_again(experiment, tmp_path):
    _run_variant(experiment)
    (path,) = (tmp_path / "sign" / "seed-0" / "fold-01").glob("*/predictions.parquet")
    path.write_bytes(path.read_bytes()[:50])
    _run_variant(experiment)
    assert CALLS == ["fold-01"]


def test_a_result_with_a_flipped_byte_is_trained_again(experiment, tmp_path):
    _run_variant(experiment)
    (path,) = (tmp_path / "sign" / "seed-0" / "fold-01").glob("*/predictions.parquet")
    content = bytearray(path.read_bytes())
    place = pq.read_schema(path).names.index("utterance_id")
    content[pq.read_metadata(path).row_group(0).column(place).data_page_offset + 40] ^= 0xFF
    path.write_bytes(content)
    _run_variant(experiment)
    assert CALLS == ["fold-01"]


def test_several_devices_train_in_processes_with_data_prepared_on_the_cpu(experiment, monkeypatch):
    expected, *_ = _run_variant(experiment, reuse=False)
    seen = []

    def fit_in_processes(fit, data, options, training, run):
        seen.append((training.devices, data.x.device.type, run.scaling["strategy"]))
        return fit(data, options, run)

    monkeypatch.setattr("semiser.training.experiment.fit_in_processes", fit_in_processes)
    predictions, curves, _ = _run_variant(experiment, reuse=False, devices=2)
    assert seen == [(2, "cpu", "global")] * 3
    assert predictions == expected and curves.num_rows == 3


def test_features_are_gathered_in_the_order_asked_for():
    table = _features(["c/a", "c/b", "c/c"])
    assert feature_matrix(table, "f", ["c/c", "c/a"]).tolist() == [[-1.0, 2.0], [-1.0, 0.0]]


def test_a_missing_feature_row_is_named():
    with pytest.raises(KeyError, match="1 utterances have no f features, the first is c/z"):
        feature_matrix(_features(["c/a"]), "f", ["c/a", "c/z"])


def test_utterances_without_features_are_left_out():
    assert with_features(_utterances(), _features(["c/a0", "c/c3"]))["utterance_id"].to_pylist() == ["c/a0", "c/c3"]
