"""Fixtures of the fault injection, and its count at the end of a test run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="faults are injected with the means of POSIX")

from faults.tiny import Corpus, Here, digests, run

from semiser.options.engine import EngineOptions
from semiser.shards.engine import make_engine


@pytest.fixture
def inject(record_property):
    """Count a fault: `inject("what is done to the run")`."""
    return lambda fault: record_property("fault", fault)


def pytest_terminal_summary(terminalreporter):
    """A line that says how many faults were injected and survived."""
    faults = {
        outcome: [value for report in terminalreporter.stats.get(outcome, []) for key, value in report.user_properties
                  if key == "fault" and report.when == "call"]
        for outcome in ("passed", "failed")
    }  # fmt: skip
    if total := sum(map(len, faults.values())):
        terminalreporter.write_line(f"faults injected: {total}, survived: {len(faults['passed'])}")


@pytest.fixture
def corpus(tmp_path) -> Corpus:
    return Corpus(tmp_path / "corpus")


@pytest.fixture
def store(tmp_path) -> Path:
    return tmp_path / "store"


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> dict[str, str]:
    """Digests of the store that a run without any fault leaves."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run(Corpus(folder / "corpus"), folder / "store", Here())
    return digests(folder / "store")


@pytest.fixture(params=["local", "dask"])
def kind(request) -> str:
    if request.param == "dask":
        pytest.importorskip("distributed")
    return request.param


@pytest.fixture
def engine(kind):
    return make_engine(EngineOptions(kind=kind, workers=1))


@pytest.fixture
def start_run(corpus, store):
    """Start a run in a process of its own, which is killed at the end of the test if it is still there."""
    processes = []

    def start(*arguments: str) -> subprocess.Popen:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", "from faults.tiny import main; main()", str(corpus.root), str(store)]
        process = subprocess.Popen([*command, *arguments], env=environment, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()
