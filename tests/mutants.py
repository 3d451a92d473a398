"""What mutation testing by cosmic-ray needs of this project (docs/reliability.md): a sample, and its tests.

python tests/mutants.py sample <session> --each 75 --seed 0   keep that many mutants of each room, skip the others
python tests/mutants.py serve                                 libraries, loaded once: `test` takes 2 s instead of 8
python tests/mutants.py test [--quick]                        the test command of mutation.toml; git says what changed
python tests/mutants.py retry <session>                       those that survived are to be tried again
"""

import argparse
import json
import os
import random
import resource
import select
import signal
import socket
import subprocess
import sys
from importlib import import_module
from itertools import islice
from pathlib import Path

MODULES, SOCKET = Path("src/semiser"), Path("mutants.socket")
# Tests beside the one of a module's own name, the likely and quick ones first; `*` are those of the other modules.
BESIDE = {
    "folds/*": ["folds", "data/test_samples.py"],
    "corpora/ingest": ["corpora/test_spool.py", "media/test_plausible.py", "pipelines/test_bad_input.py"],
    "training/experiment": ["training/test_saved.py", "faults/test_models.py"],
    "training/saved": ["faults/test_models.py"],
    "training/checkpoints": ["training/test_run.py", "faults/test_checkpoints.py", "faults/test_models.py"],
    "training/run": ["faults/test_checkpoints.py", "training/test_experiment.py", "faults/test_models.py",
                     "training/test_memory.py", "training/test_processes.py"],
    "shards/dask_engine": [],
    "shards/engine": ["faults/test_kills.py"],
    "shards/extract": ["shards/test_poison.py", "faults/test_disks.py", "faults/test_kills.py"],
    "shards/store": ["faults/test_disks.py"],
    "shards/table": ["shards/test_store.py", "shards/test_extract.py", "shards/test_two_experiments.py"],
    "shards/utterances": ["shards/test_extract.py"],
    "shards/*": ["shards/test_extract.py", "shards/test_poison.py", "faults/test_disks.py"],
    "prediction/choice": [],
    "prediction/cutting": ["prediction/test_model.py"],
    "prediction/final": ["prediction/test_model.py"],
    "prediction/*": ["prediction/test_model.py", "prediction/test_features.py", "prediction/test_final.py",
                     "prediction/test_systems.py"],
}  # fmt: skip
# What takes longest of them, by words of pytest's -k: `--quick` leaves it to those that survive the others.
SLOW = ("test_systems", "s3", "killed_in_the_middle", "at_once_in_two_processes", "does_not_load_fabric",
        "variants_in_threads", "side_by_side_leave", "every_row_is_used", "test_kills", "test_memory.py",
        "test_processes")  # fmt: skip
LIBRARIES = ("av", "cv2", "filelock", "hypothesis", "kedro.io", "lightning_fabric", "omegaconf", "opensmile", "pandas",
             "psutil", "pyarrow.dataset", "pyarrow.parquet", "pydantic", "safetensors.torch", "scipy.signal", 
             "scipy.stats",
             "sklearn.svm", "soundfile", "soxr", "yaml")  # fmt: skip
# Before a False these change nothing while the code is right: they guard against who writes the code.
GUARDS = ("frozen=", "strict=", "slots=", "kw_only=")
_PROCESSOR_S = 100  # of one mutant's tests, which take 2 to 20; a busy machine does not count, as it would by the clock
OPTIONS = ["-q", "-x", "-p", "no:cacheprovider", "-m", "not published and not corpora", "-k"]
CHOSEN = "(not dask or dask_engine)"


def room(module: Path) -> str:
    """The room of a module, `folds` for `src/semiser/folds/make.py`."""
    return module.relative_to(MODULES).parts[0]


def tests_of(module: Path) -> list[str]:
    """Files of tests that a mutant of a module must pass to survive: its own first."""
    own = f"{room(module)}/test_{module.stem}.py"
    beside = BESIDE.get(f"{room(module)}/{module.stem}", BESIDE.get(f"{room(module)}/*", []))
    return [f"tests/{name}" for name in dict.fromkeys([own, *beside]) if Path("tests", name).exists()]


def test(quick: bool) -> int:
    """Run the tests of the changed module; 0 where all passed."""
    changed = subprocess.run(["git", "diff", "--name-only", str(MODULES)], capture_output=True, text=True, check=True)
    files = [test for name in changed.stdout.split() for test in tests_of(Path(name))]
    chosen = " and not ".join([CHOSEN, *SLOW]) if quick and "memory" not in changed.stdout else CHOSEN
    arguments = [*OPTIONS, chosen, *(files or ["tests/folds"])]
    if not SOCKET.exists():
        return subprocess.run([sys.executable, "-m", "pytest", *arguments]).returncode
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(str(SOCKET))
        socket.send_fds(server, [json.dumps(arguments).encode()], [1, 2])
        return int(server.recv(16) or 1)


def serve() -> None:
    """Answer `test` one after the other, each in a fork, which is killed when its client goes away."""
    import pytest

    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # and take the socket away: a refused `test` counts as caught
    for name in LIBRARIES:
        import_module(name)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(SOCKET))
        server.listen()
        try:
            while True:
                client, _ = server.accept()
                with client:
                    said, (out, err), _, _ = socket.recv_fds(client, 1 << 16, 2)
                    child = os.fork()
                    if child == 0:
                        status = 1
                        try:
                            signal.signal(signal.SIGTERM, signal.SIG_DFL)
                            os.setpgid(0, 0)
                            resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR_S, _PROCESSOR_S))
                            os.dup2(out, 1)
                            os.dup2(err, 2)
                            status = int(pytest.main(json.loads(said)))
                        finally:
                            os._exit(status)
                    os.close(out)
                    os.close(err)
                    _wait(child, client)
        finally:
            SOCKET.unlink()


def _wait(child: int, client: socket.socket) -> None:
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            client.sendall(str(1 if status else 0).encode())
            return
        if select.select([client], [], [], 0.05)[0]:  # closed: cosmic-ray ended the client after its timeout
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return


def sample(session: str, each: int, seed: int) -> None:
    """Keep mutants of each room, drawn by a seed; skip the rest, and what is no Python or no test should hold."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator
    from cosmic_ray.work_db import use_db
    from cosmic_ray.work_item import WorkerOutcome, WorkResult

    def says_something(item):
        mutation = item.mutations[0]
        text = mutation.module_path.read_text("utf-8")
        row, column = mutation.start_pos
        if text.splitlines()[row - 1][:column].endswith(GUARDS):
            return False
        operator = get_operator(mutation.operator_name)(**(mutation.operator_args or {}))
        try:
            compile(mutate_code(text, operator, mutation.occurrence), "", "exec")
        except (SyntaxError, AttributeError):  # ** before keywords taken for a power; except of a dotted name
            return False
        return True

    with use_db(session) as database:
        rooms = {}
        for item in database.pending_work_items:
            rooms.setdefault(room(item.mutations[0].module_path), []).append(item)
        kept = set()
        for name, items in rooms.items():
            items.sort(key=lambda item: (str(item.mutations[0].module_path), item.mutations[0].operator_name,
                                         item.mutations[0].occurrence))  # fmt: skip
            random.Random(seed).shuffle(items)
            found = [item.job_id for item in islice(filter(says_something, items), each)]
            print(f"{name}: {len(found)} of {len(items)}")
            kept.update(found)
        others = [item.job_id for items in rooms.values() for item in items if item.job_id not in kept]
        database.set_multiple_results(others, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))


def retry(session: str) -> None:
    """Let `cosmic-ray exec` try those again that survived, on more tests than before."""
    import sqlite3

    with sqlite3.connect(session) as database:
        print(database.execute("DELETE FROM work_results WHERE test_outcome = 'SURVIVED'").rowcount)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    trying = commands.add_parser("test")
    trying.add_argument("--quick", action="store_true")
    retrying = commands.add_parser("retry")
    retrying.add_argument("session")
    commands.add_parser("serve")
    sampling = commands.add_parser("sample")
    sampling.add_argument("session")
    sampling.add_argument("--each", type=int, default=75)
    sampling.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.command == "retry":
        retry(arguments.session)
    elif arguments.command == "sample":
        sample(arguments.session, arguments.each, arguments.seed)
    else:
        sys.exit(test(arguments.quick) if arguments.command == "test" else serve())
