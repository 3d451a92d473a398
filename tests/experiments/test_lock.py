"""Who has an experiment, told from processes that hold it, let go of it and die."""

import subprocess
import sys
from pathlib import Path

import pytest
from experiments.holders import holding

from semiser.experiments.lock import claim, is_held


def test_one_process_has_an_experiment_at_a_time(tmp_path):
    assert not is_held(tmp_path)
    with holding(tmp_path):
        assert is_held(tmp_path)
        assert claim(tmp_path) is None
    assert not is_held(tmp_path)
    lock = claim(tmp_path)
    assert lock.is_locked and is_held(tmp_path)
    lock.release()
    assert not is_held(tmp_path)


def test_who_dies_holds_nothing(tmp_path):
    with holding(tmp_path) as holder:
        holder.kill()
        holder.wait()
        assert not is_held(tmp_path)
        claim(tmp_path).release()


def test_who_waits_gets_it_when_the_other_lets_go(tmp_path):
    code = "import sys; from pathlib import Path; from semiser.experiments.lock import claim\n" \
           "claim(Path(sys.argv[1]), wait=True).release(); print('had it')"  # fmt: skip
    with holding(tmp_path):
        waiting = subprocess.Popen(
            [sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, env={"PYTHONPATH": ":".join(sys.path)}
        )
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1)
    assert waiting.communicate(timeout=30)[0] == b"had it\n"


def test_a_look_at_the_lock_refuses_no_run(tmp_path, monkeypatch):
    """`is_held` has the lock for a moment."""
    monkeypatch.setattr("semiser.experiments.lock._SHORT_S", 30)  # a busy machine may take its time
    with holding(tmp_path, seconds=0.2):
        lock = claim(Path(tmp_path))
        assert lock is not None
        lock.release()
