import math

import numpy as np
import pytest
import torch

from semiser.data.vectors import FoldData
from semiser.features.opensmile_sets import set_names
from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd.consistency import (
    find_fellows,
    swap_columns,
    targets_of,
    weigh_guesses,
    weighted_losses,
)
from semiser.systems.mmmd.network import MmdLogits
from semiser.systems.mmmd.options import ConsistencyOptions, MmdOptions, MmmdOptions
from semiser.training.run import TrainingRun

NETWORK = MmdOptions(
    grouping="joint", hidden=(8, 4), epochs=6, batch_size=8, learning_rate=0.01, local_loss_weight=0.0,
    local_prediction_weight=0.0,
)  # fmt: skip


@pytest.fixture
def data():
    """Three classes of two speakers; each shifts a third of the columns; 24 labelled, 24 not, 12 to test."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(60) % 3
    x = torch.randn(60, 1582, generator=generator) + 0.5 * (torch.arange(1582) % 3 == y[:, None])
    parts = {"train": (0, 24), "unlabelled": (24, 48), "validation": (48, 48), "test": (48, 60)}
    rows = {role: torch.arange(*ends) for role, ends in parts.items()}
    hidden = torch.where(torch.arange(60) < 24, y, -1)
    return FoldData(x, hidden, rows, ("a", "b", "c"), set_names("IS10"), speakers=torch.arange(60) // 3 % 2)


def _run(folder):
    run = TrainingRun(folder, 0, TrainingOptions(accelerator="cpu", checkpoint_every_s=0), "k")
    run.provenance = Provenance({"strategy": "global", "mean": np.zeros(1582), "std": np.ones(1582)})
    return run


def _options(**changes):
    return MmmdOptions(network=NETWORK, consistency=ConsistencyOptions(**changes))


def test_a_partner_is_a_known_utterance_of_the_same_speaker():
    fellows = find_fellows(torch.tensor([0, 1, 3, 4]), torch.tensor([0, 1, 1, 0, 1, 0]))
    drawn = [fellows.draw(torch.tensor([0, 1, 3, 4])).tolist() for _ in range(40)]
    first, second, third, fourth = (set(found) for found in zip(*drawn, strict=True))
    assert first == third == {0, 3} and second == fourth == {1, 4}


def test_neighbouring_columns_are_swapped_together():
    x, others = torch.zeros(200, 5), torch.ones(200, 5)
    found = swap_columns(x, others, 0.25, 2)
    assert torch.equal(found[:, 0], found[:, 1]) and torch.equal(found[:, 2], found[:, 3])
    assert 0.15 < found.mean() < 0.35
    assert torch.equal(swap_columns(x, others, 0.0, 2), x) and torch.equal(swap_columns(x, others, 1.0, 2), others)


def test_by_default_a_guess_below_the_mean_confidence_counts_by_a_bell():
    """Mean 0.7, variance 0.04: at 0.6 SoftMatch's bell, of half the deviation, is exp(-0.1^2 / (2 * 0.01))."""
    q = torch.tensor([[[0.9, 0.1]], [[0.4, 0.6]]])
    sure, guessed = torch.tensor([[0.7], [0.04]]), torch.full((1, 2), 0.5)
    found = weigh_guesses(q, ConsistencyOptions(), sure, guessed, torch.tensor([0.8]))
    torch.testing.assert_close(found, torch.tensor([[1.0], [math.exp(-0.5)]]))


def test_the_threshold_of_a_seldom_class_is_lower():
    """Thresholds are 0.8 for the class that is guessed most and 0.8 * 0.25 / 0.75 for the other one."""
    q = torch.tensor([[[0.75, 0.25]], [[0.4, 0.6]], [[0.85, 0.15]]])
    sure, guessed = torch.tensor([[0.8], [0.1]]), torch.tensor([[0.75, 0.25]])
    found = weigh_guesses(q, ConsistencyOptions(weighing="by_class"), sure, guessed, torch.tensor([0.8]))
    assert found.flatten().tolist() == [0, 1, 1]


def test_the_threshold_is_a_share_of_the_confidence_in_labelled_utterances():
    q = torch.tensor([[[0.75, 0.25]], [[0.7, 0.3]]])
    sure, guessed = torch.tensor([[0.99], [0.1]]), torch.full((1, 2), 0.5)
    found = weigh_guesses(q, ConsistencyOptions(weighing="relative"), sure, guessed, torch.tensor([0.8]))
    assert found.flatten().tolist() == [1, 0]  # 0.9 * 0.8 = 0.72
    even = weigh_guesses(q, ConsistencyOptions(weighing="even"), sure, guessed, torch.tensor([0.8]))
    assert even.flatten().tolist() == [1, 1]


def test_a_guess_teaches_its_likeliest_class_or_all_of_itself():
    q = torch.tensor([[0.6, 0.4]])
    assert targets_of(q, 0).tolist() == [[1, 0]]
    torch.testing.assert_close(targets_of(q, 0.5), torch.tensor([[0.36 / 0.52, 0.16 / 0.52]]))


def test_a_loss_is_the_cross_entropy_times_what_the_guess_counts():
    logits = torch.tensor([[[0.0, math.log(3)]]])  # probabilities 1/4 and 3/4
    found = weighted_losses(logits, torch.tensor([[[0.5, 0.5]]]), torch.tensor([[0.4]]))
    assert found.item() == pytest.approx(0.4 * 0.5 * (math.log(4) + math.log(4 / 3)))


class _Fixed(torch.nn.Module):
    """Says of a vector what its first column says: logits 0 and that column, and 0."""

    path_names = ("joint",)

    def forward(self, x):
        logits = torch.stack([torch.zeros(len(x)), x[:, 0], torch.zeros(len(x))], 1)
        return MmdLogits(logits[:, None], logits)


@pytest.mark.parametrize(("debiased", "expected"), [(False, 2.0), (True, 2.0 - 1.0)])
def test_the_losses_of_a_step_by_hand(data, tmp_path, debiased, expected):
    """Guesses are sure of class 1; of the corrupted vectors the network says it with exp(-2) and exp(-1)."""
    options = _options(weighing="even", alignment="none", temperature=0, debiased=debiased)
    state = {"guessed": torch.full((2, 3), 1 / 3), "sure": torch.tensor([[0.3, 0.3], [1.0, 1.0]])}
    context = mmmd.make_context(data, options, _run(tmp_path), state)

    def says(loss):
        """The logit beside two of 0 at which the cross entropy is `loss`: p / (1 - p) = exp(l) / 2."""
        p = math.exp(-loss)
        return math.log(2 * p / (1 - p))

    labelled, weak = torch.tensor([[says(0.25)]] * 2), torch.tensor([[9.0]] * 3 + [[9.0]] * 2)
    strong = torch.tensor([[says(2.0)]] * 3 + [[says(1.0)]] * 2)
    weak, strong = (weak, strong) if debiased else (weak[:3], strong[:3])
    views = mmmd.Views(labelled, torch.tensor([1, 1]), weak, strong, 3, (2, 3))
    losses = mmmd.view_losses(_Fixed(), _Fixed(), context, views)
    assert losses["loss"].item() == pytest.approx(0.25)
    assert losses["unlabelled_loss"].item() == pytest.approx(expected)
    assert context.guessed[0, 1] == pytest.approx(1 / 3 + 0.1 * (1 - 1 / 3), abs=1e-3)
    assert context.sure[0, 0] == pytest.approx(0.3 + 0.1 * (1 - 0.3), abs=1e-3)


def test_a_step_corrupts_with_the_speakers_own_vectors_and_leaves_one_hot_columns(data, tmp_path):
    x = (data.speakers * 100 + 1.0)[:, None].expand(60, 4).clone()
    x[:, 3] = torch.arange(60.0)
    few = FoldData(x, data.y, data.rows, data.classes, ("a", "b", "c", "d"), {"is10": (0, 3), "accent": (3, 4)},
                   speakers=data.speakers)  # fmt: skip
    options = _options(swapped=1.0, noise=0.0, debiased=True)
    state = {"guessed": torch.full((2, 3), 1 / 3), "sure": torch.ones(2, 2)}
    context = mmmd.make_context(few, options, _run(tmp_path), state)
    step = mmmd.Step("consistent", torch.arange(4), torch.arange(24, 30))
    views = mmmd.draw_views(context, step)
    assert views.own == 6 and views.sizes == (4, 6)
    assert torch.equal(views.weak, x[[*range(24, 30), *range(4)]])
    assert torch.equal(views.strong, views.weak)  # a speaker's columns are alike, and the last is not swapped


@pytest.mark.parametrize("changes", [{}, {"weighing": "by_class", "ema_decay": 0.9}, {"debiased": True}])
def test_consistency_learns_what_can_be_learnt(data, tmp_path, changes):
    options = _options(**changes)
    options = options.model_copy(
        update={"network": NETWORK.model_copy(update={"ema_decay": changes.get("ema_decay", 0)})}
    )
    found = mmmd.fit(data, options, _run(tmp_path))
    assert (found.argmax(1) == torch.arange(48, 60) % 3).float().mean() > 0.7


def test_without_unlabelled_utterances_labels_alone_are_learnt_from(data, tmp_path):
    nothing = data.rows | {"unlabelled": torch.arange(0)}
    alone = FoldData(data.x, data.y, nothing, data.classes, data.names, speakers=data.speakers)
    found = mmmd.fit(alone, _options(), _run(tmp_path))
    assert (found.argmax(1) == torch.arange(48, 60) % 3).float().mean() > 0.7


def test_streamed_utterances_are_refused(data, tmp_path):
    streamed = FoldData(data.x, data.y, data.rows, data.classes, data.names, unlabelled=object())
    with pytest.raises(ValueError, match="unlabelled_in_memory_mb"):
        mmmd.fit(streamed, _options(), _run(tmp_path))


def test_a_variant_without_consistency_has_the_key_that_it_had():
    assert "consistency" not in MmmdOptions().model_dump(mode="json")
    assert "consistency" in _options().model_dump(mode="json")
