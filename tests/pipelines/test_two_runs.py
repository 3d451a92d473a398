"""Two runs of Kedro at the same time in one project folder, from raw files to metrics."""

import hashlib
import os
import re
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest
from tiny_project import FOLDS, start_kedro, write_project

NODE = re.compile(r"\[\d+/\d+\] ")  # the line of a node that begins
NEURAL = {"hidden": [8, 4], "epochs": 2, "batch_size": 8}
OPTIONS = {"one": "train_mmmd.dnn.epochs=2", "other": "train_mmmd.dnn.epochs=3"}


@pytest.fixture
def project(tmp_path):
    """A project in which nothing was run yet, not even ingest."""
    mmmd = {"folds": FOLDS, "modalities": ["acoustic"], "variants": ["dnn", "mixmatch"], "dnn": NEURAL, "mmd": NEURAL}
    return write_project(tmp_path, {"train_mmmd": mmmd})


def _start(project: Path, experiment: str, *more: str):
    """Kedro from the raw corpus to metrics.json."""
    params = ",".join([f"experiment={experiment}", OPTIONS[experiment], *more])
    wanted = ("--pipelines=features,train_mmmd", "--to-outputs=train_mmmd_metrics")
    return start_kedro(project, "run", *wanted, "--params", params)


def _ended(runs):
    """Exit status and what was said of each."""
    try:
        said = [run.communicate(timeout=300)[1] for run in runs]
    finally:
        for run in runs:
            run.kill()
    return [(run.returncode, text) for run, text in zip(runs, said, strict=True)]


@contextmanager
def _stopped(run):
    """A run that has its experiment and stands still meanwhile, however fast it or the machine is."""
    assert any(NODE.search(line) for line in run.stderr)
    os.kill(run.pid, signal.SIGSTOP)
    try:
        yield run
    finally:
        os.kill(run.pid, signal.SIGCONT)


def _left(project: Path, experiment: str) -> dict[str, str]:
    """SHA-256 of folds, predictions, curves, weights and metrics of an experiment."""
    found = {}
    for stage in ("05_model_input", "06_models", "07_model_output", "08_reporting"):
        below = project / "data" / stage / experiment
        files = (path for path in below.rglob("*") if path.suffix in (".parquet", ".safetensors"))
        for path in [*files, *below.glob("*/metrics.json")]:
            name = f"{stage}/{path.relative_to(below)}"
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def test_two_experiments_at_once_leave_what_each_leaves_alone_and_of_two_runs_of_one_the_second_is_told(
    project, tmp_path_factory
):
    at_once = _ended([_start(project, "one"), _start(project, "other")])
    assert [status for status, _ in at_once] == [0, 0], at_once
    alone = write_project(tmp_path_factory.mktemp("alone"), {})
    (alone / "conf/tiny/parameters.yml").write_bytes((project / "conf/tiny/parameters.yml").read_bytes())
    with _stopped(_start(alone, "one")) as first:
        ((status, told),) = _ended([_start(alone, "one")])
    assert status == 1 and not NODE.search(told)
    command = (
        "kedro run --env tiny --pipelines=features,train_mmmd --to-outputs=train_mmmd_metrics --params experiment=one,"
    )
    assert f"another run is at work on the experiment one: `{command}{OPTIONS['one']}` (process {first.pid} on " in told
    assert "Wait for it with `--params runs.wait=true`, or run under another name" in told
    with _stopped(_start(alone, "other")) as second:
        waiting = _start(alone, "other", "runs.wait=true")
        assert any("experiment other: waiting until `kedro run " in line for line in waiting.stderr)
    ended = _ended([first, second, waiting])
    assert [status for status, _ in ended] == [0, 0, 0], ended
    assert [text.count("finished before with the same data and options") for _, text in ended] == [0, 0, 6]
    for experiment in OPTIONS:
        found = _left(project, experiment)
        assert found == _left(alone, experiment)
        names = {name.split("/")[0] for name in found}
        assert names == {"05_model_input", "06_models", "07_model_output", "08_reporting"}
        assert sum(name.endswith(".safetensors") for name in found) == 6
    assert _left(project, "one") != _left(project, "other")  # their options differ
