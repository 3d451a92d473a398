"""Processes that torchrun started: two agents on this machine stand for two hosts."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import shared_batches
import torch
from torch import distributed

from semiser import torchrun
from semiser.hooks import Torchrun
from semiser.options.training import TrainingOptions
from semiser.training import hosts, processes

TESTS = Path(__file__).parents[1]
STARTED = {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2", "RANK": "0", "LOCAL_WORLD_SIZE": "2", "GROUP_WORLD_SIZE": "1"}
STARTED["TORCHELASTIC_MAX_RESTARTS"] = "0"


def start(where: Path, *arguments: str) -> subprocess.Popen:
    """An agent of torchrun whose processes listen on the loopback alone."""
    where.mkdir(exist_ok=True)
    python_path = os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])
    environment = os.environ | {"PYTHONPATH": python_path, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    split = arguments.index("--")
    command = [sys.executable, "-m", "torch.distributed.run", "--max-restarts=0", "--local-addr=127.0.0.1"]
    command += [*arguments[:split], str(TESTS / "shared_torchrun.py"), *arguments[split + 1 :]]
    return subprocess.Popen(
        command, cwd=where, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def end(process: subprocess.Popen) -> str:
    try:
        return process.communicate(timeout=120)[0]
    finally:
        process.kill()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder, data = tmp_path_factory.mktemp("one"), shared_batches.make_data()
    return {name: shared_batches.train(data, folder / name, name) for name in shared_batches.VARIANTS}


def assert_alike(found, expected):
    torch.testing.assert_close(found["probabilities"], expected["probabilities"], rtol=1e-5, atol=1e-5)
    values = [torch.tensor([row["value"] for row in result["curves"]]) for result in (found, expected)]
    torch.testing.assert_close(*values, rtol=1e-5, atol=1e-5)


def test_two_hosts_train_as_one_process_and_the_second_needs_no_file_of_the_first(tmp_path, undisturbed):
    begun = tmp_path / "0" / "run" / "mmmd_epoch_wise"
    shared_batches.train_until(5, shared_batches.make_data(), begun, "mmmd_epoch_wise")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    where = ["--nnodes=2", "--nproc-per-node=1", "--master-addr=127.0.0.1", f"--master-port={port}"]
    agents = [start(tmp_path / rank, *where, f"--node-rank={rank}", "--", "run") for rank in "01"]
    told = [end(agent) for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], told
    found = torch.load(tmp_path / "0" / "run" / "found.pt", weights_only=True)
    for name in shared_batches.VARIANTS:
        assert_alike(found[name], undisturbed[name])
        assert (tmp_path / "0" / "run" / name / "model.safetensors").exists()
    assert list((tmp_path / "1").iterdir()) == []


@pytest.mark.faults
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_all_and_one_process_goes_on_where_they_were(
    tmp_path, undisturbed, killed, record_property
):
    record_property("fault", f"kill -9 of process {killed} of two that torchrun started")
    agent = start(tmp_path, "--standalone", "--nproc-per-node=2", "--", "run", str(killed))
    told = end(agent)
    assert agent.returncode != 0 and "exitcode  : -9" in told, told
    assert not (tmp_path / "run" / "found.pt").exists()
    folder, data = tmp_path / "run", shared_batches.make_data()
    assert list(folder.rglob("checkpoint.ckpt")), told
    for name in shared_batches.VARIANTS:
        assert_alike(shared_batches.train(data, folder / name, name), undisturbed[name])


@pytest.fixture
def store(monkeypatch):
    """Torchrun's environment of the first of two processes, and its store."""
    for name, value in STARTED.items():
        monkeypatch.setenv(name, value)
    store = distributed.HashStore()
    for module in (hosts, processes):
        monkeypatch.setattr(module, "open_store", lambda: store)
    return store


@pytest.mark.parametrize(
    "ending, word",
    [(None, "end"), (SystemExit(0), "end"), (SystemExit(1), "failed"), (ValueError("no luck"), "failed")],
)
def test_the_others_hear_how_the_run_ended(store, ending, word):
    try:
        with hosts.leading():
            if ending:
                raise ending
    except (SystemExit, ValueError) as error:
        assert error is ending
    assert hosts.hear(store, 1) == word
    if word == "end":
        processes.serve()
    else:
        with pytest.raises(SystemExit, match="the first process ended with an error"):
            processes.serve()


def test_hosts_with_different_numbers_of_processes_are_refused(store, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ValueError, match="give all hosts the same --nproc-per-node"), hosts.leading():
        pass


def test_restarts_are_refused(store, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    with pytest.raises(ValueError, match="start torchrun with --max-restarts=0"), hosts.leading():
        pass


def test_another_number_of_devices_is_refused(store, tmp_path):
    run, three = shared_batches.make_run(tmp_path), TrainingOptions(accelerator="cpu", devices=3)
    with pytest.raises(ValueError, match=r"training\.devices is 3, but torchrun started 2 processes"):
        processes.fit_in_processes(None, None, None, three, run)


class Context:
    """What the hook takes of Kedro's."""

    def __init__(self, **training):
        self.config_loader = {"parameters": {"training": training, "features": {}}}


def test_the_number_of_processes_is_torchruns(monkeypatch):
    context = Context(devices=1, reuse=True)
    Torchrun().after_context_created(context)
    assert context.config_loader["parameters"]["training"] == {"devices": 1, "reuse": True}
    assert torchrun.processes() is None and torchrun.rank() == 0
    for name, value in STARTED.items():
        monkeypatch.setenv(name, value)
    for devices in (1, 2):
        context = Context(devices=devices, reuse=True)
        Torchrun().after_context_created(context)
        assert context.config_loader["parameters"] == {"training": {"devices": 2, "reuse": True}, "features": {}}
    with pytest.raises(ValueError, match=r"training\.devices is 4, but torchrun started 2 processes: leave it at 1"):
        Torchrun().after_context_created(Context(devices=4))
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(RuntimeError, match=r"torchrun \.\.\. -m semiser"):
        Torchrun().after_context_created(Context())


def test_the_first_process_runs_the_pipeline_and_the_others_serve(store, monkeypatch):
    import semiser.__main__ as main

    seen = []
    monkeypatch.setattr(main, "_run", lambda *args: seen.append(("run", *args)))
    monkeypatch.setattr("semiser.training.processes.serve", lambda: seen.append("serve"))
    main.main(["--pipelines=x"])
    monkeypatch.setenv("RANK", "1")
    main.main(["--pipelines=x"])
    monkeypatch.delenv("TORCHELASTIC_RUN_ID")
    main.main()
    assert seen == [("run", ["--pipelines=x"]), "serve", ("run",)]
    assert hosts.hear(store, 1) == "end"


def test_python_m_semiser_is_kedro_run(capsys):
    import semiser.__main__ as main

    with pytest.raises(SystemExit) as end:
        main.main(["--help"])
    assert end.value.code == 0 and "--pipelines" in capsys.readouterr().out
