"""Sequential, threads, processes: every runner of Kedro leaves the same bytes, and goes on where another stopped."""

import hashlib
import shutil
from pathlib import Path

import pytest
from tiny_project import FOLDS, run_kedro, write_project

TRAIN = ("--pipelines=train_mmmd,train_began", "--tags=training")
NEURAL = {"hidden": [8, 4], "epochs": 2, "batch_size": 8}
CLASSIFIER = {"filters": [4], "kernel": 3, "pool": "frames", "dropout": 0.5, "epochs": 2, "batch_size": 8}
ENCODER = {"network": {"filters": 4, "code": 8, "convolutions": 1, "fold": [8, 2], "smallest": [8, 8]}}


def _parameters():
    """Two systems that draw all the time: noise, mixing, dropout, weights, an encoder before the folds."""
    corpora = {name: {"reader": "manifest", "root": "corpus"} for name in ("tiny", "wild")}
    folds = FOLDS | {"unlabelled_corpora": ["wild"]}
    mmmd = {"folds": folds, "modalities": ["acoustic"], "variants": ["dnn", "mixmatch"], "dnn": NEURAL, "mmd": NEURAL}
    began = {"folds": folds, "tasks": ["emotion"], "variants": ["from_scratch", "began"], "classifier": CLASSIFIER}
    began |= {"from_scratch": CLASSIFIER, "encoder": ENCODER | {"epochs": 2, "batch_size": 8}}
    return {"ingest": {"corpora": corpora}, "train_mmmd": mmmd, "train_began": began}


def _digests(project: Path) -> dict[str, str]:
    """SHA-256 of all predictions and curves."""
    below = project / "data/07_model_output/tiny"
    files = sorted(path for path in below.rglob("*.parquet"))
    return {path.relative_to(below).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _weights(project: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (project / "data/06_models").rglob("*.safetensors")}


@pytest.fixture(scope="module")
def featured(tmp_path_factory):
    """A project with features, in which nothing was trained."""
    project = write_project(tmp_path_factory.mktemp("featured"), _parameters())
    run = run_kedro(project, "run", "--pipelines=features")
    assert run.returncode == 0, run.stderr
    return project


@pytest.fixture(scope="module")
def sequential(featured, tmp_path_factory):
    return _trained(featured, tmp_path_factory.mktemp("runs") / "sequential", "SequentialRunner")


def _trained(featured: Path, project: Path, runner: str) -> Path:
    shutil.copytree(featured, project)
    run = run_kedro(project, "run", *TRAIN, f"--runner={runner}")
    assert run.returncode == 0, run.stderr
    assert "finished before" not in run.stderr
    return project


@pytest.mark.parametrize("runner, after", [("ThreadRunner", "ParallelRunner"), ("ParallelRunner", "ThreadRunner")])
def test_another_runner_leaves_the_same_bytes_and_yet_another_trains_nothing_again(
    featured, sequential, tmp_path, runner, after
):
    project = _trained(featured, tmp_path / "project", runner)
    found = _digests(project)
    assert found == _digests(sequential) and len(found) >= 8
    weights = _weights(project)
    assert len(weights) == 4 * 3 + 1  # four variants on three folds, and the encoder
    run = run_kedro(project, "run", *TRAIN, f"--runner={after}")
    assert run.returncode == 0, run.stderr
    assert _weights(project) == weights and _digests(project) == found
