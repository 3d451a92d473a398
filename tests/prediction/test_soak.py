"""Prediction called again and again, and by two processes at once, gives back what it takes."""

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from fuzz.test_fuzz_prediction import clip, model  # noqa: F401  fixtures

import semiser

CALLS = int(os.environ.get("SEMISER_SOAK", "40"))  # 1000 by hand


def _held() -> tuple[int, int, float]:
    """Open files, threads, resident MB of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return len(os.listdir("/proc/self/fd")), threading.active_count(), pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc")
def test_predict_again_and_again_holds_no_more_files_threads_or_memory(model, clip):  # noqa: F811
    loaded = semiser.load(model)
    for _ in range(5):
        loaded.predict(clip)
    files, threads, megabytes = _held()
    for _ in range(CALLS):
        loaded.predict(clip)
    now = _held()
    assert now[:2] == (files, threads)
    assert now[2] < megabytes + 20, f"{now[2] - megabytes:.0f} MB more after {CALLS} calls"


def test_two_live_processes_share_a_store(model, clip, tmp_path):  # noqa: F811
    """This process has predicted with the store and lives; another one does not wait for it."""
    mine = semiser.load(model)
    first = mine.predict(clip, store=tmp_path / "store")
    code = (
        f"import semiser; print(semiser.load({str(model)!r}).predict({str(clip)!r}, store={str(tmp_path / 'store')!r})"
    )
    code += "['prediction'].to_pylist())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr[-500:]
    assert run.stdout.strip() == str(first["prediction"].to_pylist())
    assert "another run is at work" not in run.stderr
