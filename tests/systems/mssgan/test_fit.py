"""MSSGAN: losses by hand, whose weights a step moves, and whole trainings of tiny networks."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import fitted
from interruption import killed_after
from torch.nn import functional as F

from semiser.data.samples import SampleData
from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.systems.mssgan import fit as mssgan
from semiser.systems.mssgan.network import Critic, Criticised
from semiser.systems.mssgan.options import (
    CropOptions,
    CtGanOptions,
    GanOptions,
    MssganOptions,
    OptimisationOptions,
    SelfTrainingOptions,
)
from semiser.training.run import TrainingRun

NETWORK = CtGanOptions(noise=8, generator_channels=(8, 4), discriminator_channels=(4, 8))
CROP = CropOptions(frames=16, kept_frames=16)
SUPERVISED = MssganOptions(
    network=NETWORK,
    crop=CROP,
    optimisation=OptimisationOptions(epochs=4, batches=3, batch_size=8, learning_rate=0.01),
)
GAN = SUPERVISED.model_copy(update={"gan": GanOptions()})
SELF_TRAINED = SUPERVISED.model_copy(update={"self_training": SelfTrainingOptions(confidence=0.5, epochs=2)})
VARIANTS = {"fsbase": SUPERVISED, "ssbase": SELF_TRAINED, "ssgan": GAN}


@pytest.fixture
def data():
    """60 utterances of 24 x 12 and 24 x 7 values, three classes apart in their bands, of which 16 frames are seen."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(60) % 3
    x = {
        "fbank": torch.randn(60, 24, 12, generator=generator) + F.one_hot(y, 12)[:, None] * 2,
        "dface": torch.randn(60, 24, 7, generator=generator) + F.one_hot(y, 7)[:, None] * 2,
    }
    rows = {"train": (0, 15), "unlabelled": (15, 36), "validation": (36, 48), "test": (48, 60)}
    return SampleData(
        {name: values[:, 4:20].contiguous() for name, values in x.items()},
        torch.arange(60),
        y.where(~torch.isin(torch.arange(60), torch.arange(15, 36)), -1),
        {name: torch.arange(*bounds) for name, bounds in rows.items()},
        ("low", "medium", "high"),
        {"target": F.one_hot(y, 3).float()},
    )


def _run(folder, seed=0, key="k"):
    run = TrainingRun(folder, seed, TrainingOptions(accelerator="cpu", checkpoint_every_s=0), key)
    run.provenance = Provenance({"strategy": "global", "fbank": {"mean": np.zeros(12), "std": np.ones(12)}})
    return run


def _one(data, name="fbank"):
    return replace(data, x={name: data.x[name]})


def _begin(data, options, folder):
    """Context, state and a batch, before the first step."""
    run = _run(folder)
    run.seed_everything()
    data = data.to(run.fabric.device)
    context = mssgan.make_context(data, options, run.seed)
    state = mssgan.make_state(context, run)
    batch = mssgan.draw_batch(context, *mssgan.plan_epoch(context, state)[0], data.about["target"], run)
    return context, state, batch, run


def test_the_supervised_loss_is_the_cross_entropy_of_soft_labels():
    logits = torch.log(torch.tensor([[0.2, 0.3, 0.4, 0.1], [0.25, 0.25, 0.25, 0.25]]))  # the last is "generated"
    targets = torch.tensor([[1 / 3, 0, 2 / 3], [0, 1, 0]])
    first, second = -(math.log(0.2) / 3 + 2 * math.log(0.4) / 3), -math.log(0.25)
    assert mssgan.supervised_loss(logits, targets).item() == pytest.approx((first + second) / 2)
    weighted = mssgan.supervised_loss(logits, targets, torch.tensor([1.0, 3.0, 1.0]))
    assert weighted.item() == pytest.approx((first + 3 * second) / 2)


def test_the_adversarial_terms_are_the_logarithms_of_the_last_probability_and_of_its_complement():
    logits = torch.log(torch.tensor([[0.2, 0.3, 0.4, 0.1], [0.1, 0.1, 0.1, 0.7]]))
    torch.testing.assert_close(mssgan.log_generated(logits).exp(), torch.tensor([0.1, 0.7]))
    torch.testing.assert_close(mssgan.log_real(logits).exp(), torch.tensor([0.9, 0.3]))


@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_extreme_logits_give_finite_losses_and_gradients(size):
    logits = torch.tensor([[size, -size, 0, -size], [-size, -size, -size, size]], requires_grad=True)
    targets = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    losses = [mssgan.supervised_loss(logits, targets), *mssgan.log_generated(logits), *mssgan.log_real(logits)]
    twice = Criticised(logits, logits), Criticised(-logits, logits)
    total = sum(losses) / size + mssgan.consistency(*twice, GanOptions())
    total.backward()
    assert all(torch.isfinite(loss) for loss in losses) and torch.isfinite(logits.grad).all()


def test_the_consistency_term_adds_a_tenth_of_the_second_to_last_layers_difference_above_the_margin():
    first = Criticised(torch.log(torch.tensor([[0.5, 0.5], [0.5, 0.5]])), torch.tensor([[1.0, 2.0], [0.0, 0.0]]))
    second = Criticised(torch.log(torch.tensor([[0.7, 0.3], [0.5, 0.5]])), torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    one = 0.2**2 + 0.1 * (0 + 2**2) / 2  # of the first sample; the second's is 0
    assert mssgan.consistency(first, second, GanOptions()).item() == pytest.approx(one / 2)
    assert mssgan.consistency(first, second, GanOptions(margin=0.1)).item() == pytest.approx((one - 0.1) / 2)
    assert mssgan.consistency(first, second, GanOptions(hidden_factor=0)).item() == pytest.approx(0.2**2 / 2)


def test_the_consistency_term_is_positive_in_training_and_zero_in_evaluation(data):
    torch.manual_seed(0)
    critic = Critic({"fbank": (16, 12)}, 4, NETWORK)
    x = {"fbank": data.x["fbank"][:8]}
    critic.train()
    assert mssgan.consistency(critic(x), critic(x), GanOptions()) > 0
    critic.eval()
    assert mssgan.consistency(critic(x), critic(x), GanOptions()) == 0


def test_feature_matching_is_the_squared_distance_of_the_means():
    generated, real = torch.tensor([[0.0, 2.0], [2.0, 2.0]]), torch.tensor([[3.0, 0.0]])
    assert mssgan.matching_loss(generated, real) == (3 - 1) ** 2 + 2**2


def _weights(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


def _same(network, before):
    return [torch.equal(*pair) for pair in zip(network.parameters(), before, strict=True)]


@pytest.mark.parametrize("modalities", [1, 2])
def test_a_step_of_the_discriminator_moves_no_generator_and_the_reverse(data, tmp_path, modalities):
    context, state, batch, run = _begin(data if modalities == 2 else _one(data), GAN, tmp_path)
    before = _weights(state["critic"]), _weights(state["generators"])
    mssgan.discriminator_step(context, batch, state, run)
    assert all(_same(state["generators"], before[1])) and not any(_same(state["critic"], before[0]))
    before = _weights(state["critic"]), _weights(state["generators"])
    mssgan.generator_step(context, batch, state, run)
    assert all(_same(state["critic"], before[0]))
    assert all(parameter.requires_grad for parameter in state["critic"].parameters())
    same = dict(zip(dict(state["generators"].named_parameters()), _same(state["generators"], before[1]), strict=True))
    assert not any(kept for name, kept in same.items() if name.endswith("weight"))  # biases before a norm may stay


def test_real_samples_are_labelled_and_unlabelled_ones_and_labels_alone_where_there_are_no_others(data, tmp_path):
    context, _, batch, _ = _begin(data, GAN, tmp_path / "a")
    real = mssgan.real_samples(batch)
    assert {name: tuple(x.shape) for name, x in real.items()} == {"fbank": (16, 16, 12), "dface": (16, 16, 7)}
    none = GAN.model_copy(update={"unlabelled_samples": 0})
    context, state, batch, run = _begin(data, none, tmp_path / "b")
    assert batch.unlabelled is None and len(mssgan.real_samples(batch)["fbank"]) == 8
    assert torch.isfinite(mssgan.train_step(context, batch, state, run)["loss"])


def test_a_smaller_draw_of_unlabelled_samples_is_part_of_a_larger_one(data):
    draws = [
        set(mssgan.make_context(data, GAN.model_copy(update={"unlabelled_samples": n}), 3).unlabelled.tolist())
        for n in (5, 12, 100)
    ]
    assert draws[0] < draws[1] < draws[2] == set(range(15, 36))


def test_an_epoch_sees_every_unlabelled_sample_once_and_labelled_ones_again_and_again(data, tmp_path):
    options = GAN.model_copy(update={"optimisation": OptimisationOptions(batch_size=7)})
    context, state, *_ = _begin(data, options, tmp_path)
    steps = mssgan.plan_epoch(context, state)
    assert [len(part) for step in steps for part in step] == [7, 7] * 3
    assert sorted(torch.cat([unlabelled for _, unlabelled in steps]).tolist()) == list(range(15, 36))
    assert set(torch.cat([labelled for labelled, _ in steps]).tolist()) == set(range(15))


def test_crops_come_from_one_place_in_all_modalities_drawn_in_training_and_the_middle_otherwise(data, tmp_path):
    ramp = torch.arange(24.0)[None, :, None].expand(60, 24, 1)
    wide = replace(data, x={"fbank": ramp + 0.0, "dface": ramp + 100.0})
    options = GAN.model_copy(update={"crop": CropOptions(frames=16, kept_frames=24)})
    context, *_ = _begin(wide, options, tmp_path)
    middle = mssgan.crops(context, torch.arange(5), draw=False)
    assert (middle["fbank"][:, 0, 0] == 4).all() and middle["fbank"].shape == (5, 16, 1)
    drawn = mssgan.crops(context, torch.arange(60), draw=True)
    assert torch.equal(drawn["fbank"] + 100, drawn["dface"])
    assert (drawn["fbank"][:, 1:] - drawn["fbank"][:, :-1] == 1).all()
    assert set(drawn["fbank"][:, 0, 0].tolist()) == set(range(9))


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("modalities", [["fbank"], ["fbank", "dface"]])
def test_every_variant_learns_what_can_be_learnt_and_loads_from_its_card(data, tmp_path, name, modalities):
    data = replace(data, x={modality: data.x[modality] for modality in modalities})
    options = VARIANTS[name].model_copy(
        update={"optimisation": SUPERVISED.optimisation.model_copy(update={"epochs": 8})}
    )
    run = _run(tmp_path)
    probabilities = fitted(mssgan.fit, data, options, run)
    assert probabilities.shape == (12, 3)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(12))
    assert (probabilities.argmax(1) == data.y[48:]).float().mean() > 0.6
    names = {row["name"] for row in run.curves}
    assert ("generator_loss" in names) == (name == "ssgan") and "validation_uar" in names
    assert ("self_labelled" in names) == (name == "ssbase")
    critic, saved = mssgan.load_mssgan(tmp_path)
    card = saved.facts
    assert (card["system"], card["classes"], list(card["shapes"])) == ("mssgan", ["low", "medium", "high"], modalities)
    logits = critic({modality: x[48:] for modality, x in data.x.items()}).logits[:, :3]
    torch.testing.assert_close(logits.softmax(1), probabilities)


def test_self_training_adds_the_samples_that_the_baseline_is_sure_of(data, tmp_path):
    context, state, *_ = _begin(_one(data), SELF_TRAINED, tmp_path)
    state["critic"].load_state_dict({name: 0 * value for name, value in state["critic"].state_dict().items()})
    state["critic"].classifier.bias.data[1] = math.log(6.0)  # softmax: 1/8, 6/8, 1/8
    mssgan._label_by_itself(context, state)
    assert state["pseudo"]["rows"].tolist() == list(range(15, 36))
    targets = mssgan.training_targets(context, state)
    assert targets[15:36].argmax(1).eq(1).all() and targets[15:36].sum() == 21
    torch.testing.assert_close(targets[:15].cpu(), data.about["target"][:15])
    strict = SELF_TRAINED.model_copy(update={"self_training": SelfTrainingOptions(confidence=0.8)})
    context, state, *_ = _begin(_one(data), strict, tmp_path)
    state["critic"].load_state_dict({name: 0 * value for name, value in state["critic"].state_dict().items()})
    state["critic"].classifier.bias.data[1] = math.log(6.0)
    mssgan._label_by_itself(context, state)
    assert len(state["pseudo"]["rows"]) == 0


def test_no_label_of_test_or_unlabelled_utterances_is_read(data, tmp_path):
    changed = replace(data, about={"target": data.about["target"].clone()}, y=data.y.clone())
    for role in ("test", "unlabelled"):
        changed.about["target"][data.rows[role]] = data.about["target"][data.rows[role]].flip(0)
        changed.y[data.rows[role]] = -1
    for name, options in VARIANTS.items():
        first, second = (
            fitted(mssgan.fit, _one(d), options, _run(tmp_path / f"{name}{n}")) for n, d in enumerate((data, changed))
        )
        assert torch.equal(first, second)


def test_a_tie_in_validation_counts_for_both_classes(data, tmp_path):
    data.about["target"][data.rows["validation"]] = torch.tensor([0.5, 0.5, 0.0])
    context, state, *_ = _begin(_one(data), SUPERVISED, tmp_path)
    state["critic"].load_state_dict({name: 0 * value for name, value in state["critic"].state_dict().items()})
    for favoured, expected in ((0, 1.0), (1, 1.0), (2, 0.0)):
        with torch.no_grad():
            state["critic"].classifier.bias.copy_(F.one_hot(torch.tensor(favoured), 3).float())
        assert mssgan._validate(context, state)["validation_uar"] == expected


def test_balanced_losses_let_every_class_add_as_much(data):
    options = SUPERVISED.model_copy(update={"optimisation": OptimisationOptions(balanced=True)})
    data.about["target"][:15] = torch.tensor([1.0, 0.0, 0.0])
    data.about["target"][0:5] = torch.tensor([0.0, 0.5, 0.5])
    weights = mssgan.make_context(data, options, 0).weights
    torch.testing.assert_close(weights, torch.tensor([15 / (3 * 10), 15 / (3 * 2.5), 15 / (3 * 2.5)]))


@pytest.mark.parametrize("name, steps", [("fsbase", 6), ("ssbase", 18), ("ssgan", 7)])
def test_a_training_killed_inside_an_epoch_ends_with_the_undisturbed_predictions(data, tmp_path, name, steps):
    options, data = VARIANTS[name], data if name == "ssgan" else _one(data)
    expected_run = _run(tmp_path / "a")
    undisturbed = fitted(mssgan.fit, data, options, expected_run)
    with killed_after(steps) as done:
        fitted(mssgan.fit, data, options, _run(tmp_path / "b"))
    assert done[-1] > 0, "the kill is to fall inside an epoch"
    torch.manual_seed(99)  # whatever the new process drew before
    run = _run(tmp_path / "b")
    assert torch.equal(fitted(mssgan.fit, data, options, run), undisturbed)
    assert run.curves == expected_run.curves
    assert not (tmp_path / "b" / "checkpoint.ckpt").exists()
    assert json.loads((tmp_path / "b" / "card.json").read_text())["system"] == "mssgan"
