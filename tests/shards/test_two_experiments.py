"""Two experiments over one corpus, one after the other and at once: each gets what it gets alone."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import committed, utterances_of, voice, write_wav

from semiser.features.functionals import Is10
from semiser.options.audio_features import OpenSmileOptions
from semiser.options.features import ShardOptions
from semiser.shards.engine import LocalEngine
from semiser.shards.extract import extract
from semiser.shards.table import ShardedTable


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    for number in range(6):
        write_wav(root / "s" / f"{number}.wav", voice(0.6, seed=number))
    return root


def _run(root, data, experiment, rate=16_000, size=2):
    rows, roots = utterances_of(root), {"tiny": str(root)}
    families, options = [Is10(OpenSmileOptions(sample_rate_hz=rate))], ShardOptions(utterances=size)
    receipt = extract(families, f"{data}/features", rows, roots, LocalEngine(1), options)["is10"]
    return committed(receipt, f"{data}/primary/{experiment}")


def _result(data, experiment):
    """The bytes of an experiment: its manifest, and the shards that it names."""
    table = ShardedTable(f"{data}/primary/{experiment}/is10.json")
    paths = [f"{data}/primary/{experiment}/is10.json", *table.dataset().files]
    digests = []
    for path in paths:
        with open(path, "rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return digests


@pytest.mark.parametrize("second", [{"rate": 8_000}, {"size": 4}, {"size": 6}], ids=str)
def test_one_after_the_other_with_other_options_and_sizes(corpus, tmp_path, second):
    _run(corpus, tmp_path, "first")
    before = _result(tmp_path, "first")
    _run(corpus, tmp_path, "second", **second)
    _run(corpus, tmp_path / "alone", "second", **second)
    assert _result(tmp_path, "first") == before
    assert _result(tmp_path, "second") == _result(tmp_path / "alone", "second")


def test_a_changed_file_leaves_the_table_of_the_other_as_it_was(tmp_path):
    for number in range(4):
        write_wav(tmp_path / "corpus/s" / f"{number}.wav", voice(0.6, seed=number))
    _run(tmp_path / "corpus", tmp_path, "first")
    before = _result(tmp_path, "first")
    write_wav(tmp_path / "corpus/s/3.wav", voice(0.7, seed=9))
    _run(tmp_path / "corpus", tmp_path, "second")
    assert _result(tmp_path, "first") == before
    tables = [ShardedTable(f"{tmp_path}/primary/{name}/is10.json") for name in ("first", "second")]
    first, second = (table.dataset().files for table in tables)
    assert first[0] == second[0] and first[1] != second[1]  # the shard of the changed file alone is another


_PROCESS = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_two_experiments import _run
root, data, experiment, rate, size = sys.argv[1:]
_run(Path(root), data, experiment, int(rate), int(size))
"""


@pytest.mark.parametrize("second", [(16_000, 2), (8_000, 2), (16_000, 3)], ids=["same", "other options", "other size"])
def test_at_once_in_two_processes(corpus, tmp_path, second):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    todo = {"first": (16_000, 2), "second": second}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PROCESS, str(corpus), str(tmp_path), name, *map(str, options)], env=environment
        )
        for name, options in todo.items()
    ]
    assert [process.wait(120) for process in processes] == [0, 0]
    for name, (rate, size) in todo.items():
        _run(corpus, tmp_path / "alone", name, rate, size)
        assert _result(tmp_path, name) == _result(tmp_path / "alone", name)
    assert not list(tmp_path.rglob("*.partial"))
