"""A training that is killed when it has saved so many checkpoints."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from semiser.training.run import TrainingRun


@contextmanager
def killed_after(checkpoints: int) -> Iterator[list[int]]:
    """The block is to be ended by the kill; gives the step of the epoch at each checkpoint, 0 where it is not kept."""
    save, steps = TrainingRun.save_checkpoint, []

    def save_and_die(run, state, force=False):
        save(run, state, force)
        steps.append(state.get("step", 0))
        if len(steps) == checkpoints:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(TrainingRun, "save_checkpoint", save_and_die)
        yield steps
