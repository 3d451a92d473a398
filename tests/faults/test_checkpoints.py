"""A training whose checkpoint was damaged when it was killed."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from semiser.data.vectors import FoldData
from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd.options import MmdOptions, MmmdOptions
from semiser.training.run import TrainingRun

pytestmark = pytest.mark.faults
OPTIONS = MmmdOptions(network=MmdOptions(grouping="joint", hidden=(4, 4), epochs=4, batch_size=8, learning_rate=0.01))


@pytest.fixture
def data():
    """Two classes that shift ten columns of 24 utterances."""
    y = torch.arange(24) % 2
    x = torch.randn(24, 10, generator=torch.Generator().manual_seed(0)) + F.one_hot(y, 10)
    rows = {"train": torch.arange(16), "unlabelled": torch.arange(0), "validation": torch.arange(0)}
    return FoldData(x, y, rows | {"test": torch.arange(16, 24)}, ("a", "b"), tuple(f"pcm_{n}" for n in range(10)))


def _run(folder):
    run = TrainingRun(folder, 0, TrainingOptions(accelerator="cpu", checkpoint_every_s=0), "k")
    run.provenance = Provenance({"strategy": "global", "mean": np.zeros(10), "std": np.ones(10)})
    return run


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_checkpoint_is_not_resumed_and_the_training_ends_as_undisturbed(
    data, tmp_path, monkeypatch, caplog, inject, share
):
    inject(f"checkpoint truncated to {share:.1%}")
    undisturbed = mmmd.fit(data, OPTIONS, _run(tmp_path / "a"))
    save, saved = TrainingRun.save_checkpoint, []

    def save_and_die(run, state, force=False):
        save(run, state, force)
        saved.append(state["epoch"])
        if len(saved) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingRun, "save_checkpoint", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        mmmd.fit(data, OPTIONS, _run(tmp_path / "b"))
    monkeypatch.undo()
    path = tmp_path / "b" / "checkpoint.ckpt"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    run = _run(tmp_path / "b")
    assert torch.equal(mmmd.fit(data, OPTIONS, run), undisturbed)
    assert "damaged and is not resumed" in caplog.text
    models = [(tmp_path / name / "model.safetensors").read_bytes() for name in "ab"]
    assert models[0] == models[1]
