"""A trained model's files, its report: a kill between any two of them, damage, a disk without room."""

import hashlib
import json
import subprocess
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pytest
import torch

import semiser.training.experiment
import semiser.training.saved
from semiser.data.streamed import read_vectors
from semiser.folds.make import make_folds
from semiser.folds.options import FoldOptions
from semiser.options.training import ScalingOptions, TrainingOptions
from semiser.publish import publishing_on_disk
from semiser.reporting.gather import gather
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd.options import MmdOptions, MmmdOptions
from semiser.training.experiment import experiment_on, run_variant
from semiser.training.run import TrainingRun
from semiser.training.saved import is_whole, read_facts

pytestmark = pytest.mark.faults
FILES = ("model.safetensors", "card.json", "curves.json", "predictions.parquet")


@pytest.fixture
def experiment(tmp_path):
    """Three speakers of four utterances; a fold per speaker, of which the first is looked at."""
    ids = [f"c/{speaker}{number}" for speaker in "abc" for number in range(4)]
    speakers = [f"c/{name[2]}" for name in ids]
    columns = {"utterance_id": ids, "corpus": ["c"] * 12, "speaker_id": speakers, "emotion": ["anger", "sadness"] * 6}
    names = {"names": json.dumps([f"pcm_{number}" for number in range(10)])}
    field = pa.field("is10", pa.list_(pa.float32(), 10), metadata=names)
    values = np.random.default_rng(0).normal(size=120).astype("f4")
    schema = pa.schema([pa.field("utterance_id", pa.string()), field])
    table = pa.table([pa.array(ids), pa.FixedSizeListArray.from_arrays(pa.array(values), 10)], schema=schema)
    options = FoldOptions(experiment="e", corpora=["c"], classes=["anger", "sadness"], validation={"kind": "none"})
    utterances = pa.table(columns)
    folds = make_folds(utterances, options)

    def read(wanted):
        return read_vectors({"is10": pa.dataset.dataset(table)}, wanted, folds=folds, scaling=ScalingOptions())

    return experiment_on(folds, utterances, read, str(tmp_path / "models"))


def train(experiment, rate=0.01, seed=0, **training):
    network = MmdOptions(grouping="joint", hidden=(4, 4), epochs=2, batch_size=8, learning_rate=rate)
    options = TrainingOptions(accelerator="cpu", seeds=(seed,), **training)
    return run_variant(experiment, "mmd", mmmd.fit, MmmdOptions(network=network), options)


def hashes(folder):
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", FILES)
def test_a_repeated_training_killed_between_two_files_leaves_the_old_set(experiment, monkeypatch, inject, name, after):
    inject(f"kill {'after' if after else 'before'} {name} of a repeated training")
    first = train(experiment)
    folder = experiment.models / first.models[0]["folder"]
    before = hashes(folder)

    @contextmanager
    def killed(path, *arguments, **options):
        if path.name == name and not after:
            raise KeyboardInterrupt
        with publishing_on_disk(path, *arguments, **options) as file:
            yield file
        if path.name == name:
            raise KeyboardInterrupt

    monkeypatch.setattr(semiser.training.saved, "publishing_on_disk", killed)
    monkeypatch.setattr(semiser.training.experiment, "publishing_on_disk", killed)
    with pytest.raises(KeyboardInterrupt):
        train(experiment, reuse=False)
    monkeypatch.undo()
    assert hashes(folder) == before and is_whole(folder)
    again = train(experiment)
    assert again.predictions.equals(first.predictions) and again.curves.equals(first.curves)
    found = experiment.models / again.models[0]["folder"]
    assert is_whole(found) and (found == folder or name == "predictions.parquet")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "of another training"])
def test_a_fold_whose_files_are_not_of_one_training_is_trained_again(experiment, inject, name, damage):
    inject(f"{name} {damage}")
    first, other = train(experiment), train(experiment, rate=0.5)
    path, theirs = (experiment.models / of.models[0]["folder"] / name for of in (first, other))
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "of another training":
        path.write_bytes(theirs.read_bytes())
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    again = train(experiment)
    folder = experiment.models / again.models[0]["folder"]
    assert is_whole(folder) and hashes(folder).keys() == set(FILES)
    assert again.predictions.equals(first.predictions)
    assert read_facts(folder / "card.json")["options"]["network"]["learning_rate"] == 0.01


def test_a_training_that_diverges_says_so_and_gives_no_class(experiment, inject):
    inject("diverging training")
    with pytest.raises(ValueError, match=r"mmd seed 0 fold 0: the training diverged: 4 of 4 test utterances"):
        train(experiment, rate=1e38)


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_under_a_checkpoint_ends_no_training_and_blocks_no_model(disk, inject, caplog):
    inject("disk full under a checkpoint")
    run = TrainingRun(disk / "f", 0, TrainingOptions(accelerator="cpu", checkpoint_every_s=0), "k")
    run.save_checkpoint({"layer": torch.nn.Linear(300, 300), "epoch": 1}, force=True)
    assert "no checkpoint, the training goes on without" in caplog.text and "are missing; make room" in caplog.text
    assert list((disk / "f").iterdir()) == []
    run.save_model({"w": torch.zeros(100, 100)}, {"system": "x"})
    assert is_whole(disk / "f")


def test_a_checkpoint_makes_room_for_the_finished_model(disk, inject, caplog):
    inject("disk full under a model, beside its checkpoint")
    run = TrainingRun(disk / "f", 0, TrainingOptions(accelerator="cpu", checkpoint_every_s=0), "k")
    run.save_checkpoint({"layer": torch.nn.Linear(90, 90), "epoch": 1}, force=True)
    assert (disk / "f" / "checkpoint.ckpt").exists()
    with pytest.raises(OSError, match=r"No space left on device: it takes 360,[0-9]+ bytes, .* are missing; make room"):
        run.save_model({"w": torch.zeros(300, 300)}, {"system": "x"})
    assert (disk / "f" / "checkpoint.ckpt").exists(), "it would not have made enough room"
    run.save_model({"w": torch.zeros(100, 90)}, {"system": "x"})
    assert is_whole(disk / "f") and "its checkpoint makes room" in caplog.text


@pytest.mark.parametrize(
    "name, data",
    [
        ("confusion.png", b"\x89PNG\r\n\x1a\n" + b"x" * 100),
        ("confusion.png", b"\x89PNG\r\n\x1a\n"),
        ("epsilon.csv", b"a,b\n1,"),
        ("metrics.json", b'{"variants": {'),
    ],
)
def test_a_report_takes_no_half_file(tmp_path, inject, name, data):
    inject(f"half {name} under the report")
    (tmp_path / "train_x").mkdir()
    (tmp_path / "train_x" / name).write_bytes(data)
    with pytest.raises(ValueError, match=f"{name} .*run its pipeline again, or remove it"):
        gather(tmp_path)
