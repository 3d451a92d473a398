import json
import math

import numpy as np
import pytest
import torch
from helpers import fitted
from interruption import killed_after
from safetensors.torch import load_file
from torch.nn import functional as F

from semiser.data.vectors import FoldData
from semiser.features.opensmile_sets import set_names
from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd import sae
from semiser.systems.mmmd.mixing import sharpen
from semiser.systems.mmmd.network import Mmd, MmdLogits
from semiser.systems.mmmd.options import VARIANTS as VARIANT_NAMES
from semiser.systems.mmmd.options import MixMatchOptions, MmdOptions, MmmdOptions, SaeOptions, TrainMmmdOptions
from semiser.systems.mmmd.paths import acoustic_paths
from semiser.training.run import TrainingRun

NETWORK = MmdOptions(hidden=(8, 4), epochs=6, batch_size=16, learning_rate=0.01, input_noise=0.1, hidden_dropout=0.1)
TINY = MmmdOptions(network=NETWORK)


def _with(**changes):
    return MmmdOptions(network=NETWORK.model_copy(update=changes))


@pytest.fixture
def data():
    """Three classes that shift all 1,582 columns of 60 utterances; 36 to train, 12 to validate, 12 to test."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(60) % 3
    x = torch.randn(60, 1582, generator=generator) + (y[:, None] - 1) * 0.5
    rows = {
        "train": torch.arange(36),
        "unlabelled": torch.arange(0),
        "validation": torch.arange(36, 48),
        "test": torch.arange(48, 60),
    }
    return FoldData(x, y, rows, ("a", "b", "c"), set_names("IS10"))


@pytest.fixture
def multimodal(data):
    """The same with 6 textual values and two one-hot vectors; 12 of 36 labelled, and 15 acted utterances."""
    generator = torch.Generator().manual_seed(1)
    x, y = torch.cat([data.x, data.x[:15] * 1.5]), torch.cat([data.y, data.y[:15]])
    text = torch.randn(75, 6, generator=generator) + (y[:, None] - 1)
    topic, accent = F.one_hot(y, 3).float(), F.one_hot(torch.arange(75) % 2, 2).float()
    rows = data.rows | {"train": torch.arange(12), "unlabelled": torch.arange(12, 36), "acted": torch.arange(60, 75)}
    ranges = {"is10": (0, 1582), "word2vec": (1582, 1588), "query_topic": (1588, 1591), "accent": (1591, 1593)}
    names = (*set_names("IS10"), *(f"other_{number}" for number in range(11)))
    return FoldData(torch.cat([x, text, topic, accent], 1), y, rows, data.classes, names, ranges)


def _run(folder, seed=0, key="k", size=1582):
    run = TrainingRun(folder, seed, TrainingOptions(accelerator="cpu", checkpoint_every_s=0), key)
    run.provenance = Provenance({"strategy": "global", "mean": np.zeros(size), "std": np.ones(size)})
    return run


def _context(data, options, run):
    shares = mmmd.label_shares(data, options)
    return mmmd.make_context(data, options, run, {"guessed": shares.repeat(20, 1)})


def test_the_objective_is_the_global_loss_and_the_weighted_sum_of_the_local_ones():
    local = torch.log(torch.tensor([[[0.5, 0.5], [0.25, 0.75]], [[0.1, 0.9], [0.8, 0.2]]]))
    globally = torch.log(torch.tensor([[0.2, 0.8], [0.6, 0.4]]))
    y = torch.tensor([0, 1])
    expected_global = -(math.log(0.2) + math.log(0.4)) / 2
    expected_local = -(math.log(0.5) + math.log(0.9)) / 2 - (math.log(0.25) + math.log(0.2)) / 2
    loss = mmmd.supervised_loss(MmdLogits(local, globally), y, MmdOptions(local_loss_weight=0.5))
    assert loss.item() == pytest.approx(expected_global + 0.5 * expected_local, rel=1e-6)


def test_class_weights_let_every_class_add_as_much():
    weights = mmmd.class_weights(torch.tensor([0, 0, 0, 1]), 2)
    torch.testing.assert_close(weights, torch.tensor([4 / 6, 4 / 2]))
    logits = MmdLogits(torch.zeros(4, 1, 2), torch.log(torch.tensor([[0.5, 0.5]] * 3 + [[0.8, 0.2]])))
    loss = mmmd.supervised_loss(logits, torch.tensor([0, 0, 0, 1]), MmdOptions(local_loss_weight=0), weights)
    assert loss.item() == pytest.approx((3 * 4 / 6 * math.log(2) - 2 * math.log(0.2)) / 4)


def test_gradients_reach_every_local_classifier_and_the_global_one():
    network = Mmd({"a": [0, 1], "b": [2], "c": [3, 4, 5]}, {}, 2, NETWORK)
    mmmd.supervised_loss(network(torch.randn(8, 6)), torch.tensor([0, 1] * 4), NETWORK).backward()
    for layer in [*network.input.layers, network.hidden, network.local]:
        assert (layer.weight.grad.abs().amax(dim=(1, 2)) > 0).all()
    assert network.globally.weight.grad.abs().max() > 0


@pytest.mark.parametrize("progress, expected", [(0.0, 0.1), (0.5, 0.05), (1.0, 0.0)])
def test_the_cosine_schedule_falls_from_the_full_rate_to_zero(progress, expected):
    options = MmdOptions(learning_rate=0.1, schedule="cosine")
    assert mmmd.learning_rate(options, progress) == pytest.approx(expected, abs=1e-9)
    assert mmmd.learning_rate(MmdOptions(learning_rate=0.1), progress) == 0.1


def test_batches_are_of_near_equal_size_and_hold_every_row_once():
    rows = torch.arange(100, 121)
    batches = mmmd._batches(rows, batch_size=10)
    assert [len(batch) for batch in batches] == [7, 7, 7]
    assert sorted(torch.cat(batches).tolist()) == rows.tolist()


def test_fit_learns_what_can_be_learnt_and_saves_weights_with_a_card(data, tmp_path):
    run = _run(tmp_path)
    probabilities = fitted(mmmd.fit, data, TINY, run)
    assert probabilities.shape == (12, 3)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(12))
    assert (probabilities.argmax(1) == data.y[48:]).float().mean() > 0.8
    losses = [row["value"] for row in run.curves if row["name"] == "loss"]
    assert losses[-1] < 0.6 * losses[0]
    card = json.loads((tmp_path / "card.json").read_text())
    assert (card["system"], card["classes"], card["scaling"]) == ("mmmd", ["a", "b", "c"], "global")
    network = Mmd(acoustic_paths(card["features"]["is10"]), {}, 3, MmmdOptions(**card["options"]).network)
    weights = load_file(tmp_path / "model.safetensors")
    network.load_state_dict({name: tensor for name, tensor in weights.items() if not name.startswith("scaling.")})
    torch.testing.assert_close(mmmd.predict(network, data.x[48:], NETWORK), probabilities)


def test_the_same_seed_gives_the_same_probabilities_and_another_seed_others(data, tmp_path):
    first, second, other = (
        fitted(mmmd.fit, data, TINY, _run(tmp_path / str(n), seed)) for n, seed in enumerate((0, 0, 1))
    )
    assert torch.equal(first, second) and not torch.equal(first, other)


VARIANTS = TrainMmmdOptions(
    folds={"experiment": "e", "corpora": ["c"]}, dnn=NETWORK.model_copy(update={"grouping": "joint"}), mmd=NETWORK
)


OF_ONE_NETWORK = [name for name in VARIANT_NAMES if name != "svm" and VARIANTS.guarded(name) is None]


@pytest.mark.parametrize("name", OF_ONE_NETWORK)
def test_every_variant_learns_what_can_be_learnt(multimodal, tmp_path, name):
    run = _run(tmp_path, size=len(multimodal.names))
    probabilities = fitted(mmmd.fit, multimodal, VARIANTS.neural(name), run)
    assert (probabilities.argmax(1) == multimodal.y[multimodal.rows["test"]]).float().mean() > 0.6
    curves = {row["name"] for row in run.curves}
    assert ("unlabelled_loss" in curves) == name.startswith(("mixmatch", "mmmd", "softmatch"))
    assert ("acted_loss" in curves) == (name == "mmmd_epoch_wise")


@pytest.mark.parametrize(
    "options, steps",
    [
        (_with(select="last", schedule="cosine"), 9),
        (_with(select="validation"), 7),
        (VARIANTS.neural("mmmd_epoch_wise"), 11),
        (VARIANTS.neural("mmmd_with_acted"), 13),
        (VARIANTS.neural("sae"), 5),
        (
            MmmdOptions(network=NETWORK.model_copy(update={"ema_decay": 0.9}), mixmatch=MixMatchOptions(ramp=0.5)),
            6,
        ),
        (MmmdOptions(network=NETWORK, mixmatch=MixMatchOptions(alignment="labelled", partners="own")), 6),
    ],
)
def test_a_training_killed_inside_an_epoch_ends_with_the_undisturbed_predictions(multimodal, tmp_path, options, steps):
    size = len(multimodal.names)
    expected_run = _run(tmp_path / "a", size=size)
    undisturbed = fitted(mmmd.fit, multimodal, options, expected_run)
    with killed_after(steps) as done:
        fitted(mmmd.fit, multimodal, options, _run(tmp_path / "b", size=size))
    assert done[-1] > 0, "the kill is to fall inside an epoch"
    torch.manual_seed(99)  # whatever the new process drew before
    run = _run(tmp_path / "b", size=size)
    assert torch.equal(fitted(mmmd.fit, multimodal, options, run), undisturbed)
    assert run.curves == expected_run.curves
    assert not (tmp_path / "b" / "checkpoint.ckpt").exists()


def test_a_training_killed_between_epochs_ends_with_the_undisturbed_predictions(data, tmp_path, monkeypatch):
    undisturbed = fitted(mmmd.fit, data, TINY, _run(tmp_path / "a"))
    save = TrainingRun.save_checkpoint

    def save_and_die(run, state, force=False):
        save(run, state, force)
        if state["epoch"] == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingRun, "save_checkpoint", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        fitted(mmmd.fit, data, TINY, _run(tmp_path / "b"))
    monkeypatch.undo()
    run = _run(tmp_path / "b")
    assert torch.equal(fitted(mmmd.fit, data, TINY, run), undisturbed)
    assert [row["epoch"] for row in run.curves if row["name"] == "loss"] == list(range(6))


def test_a_checkpoint_of_other_data_or_options_is_not_resumed(data, tmp_path, monkeypatch):
    state = {"epoch": 3}
    _run(tmp_path).save_checkpoint(state)
    assert not _run(tmp_path, key="other").resume({"epoch": 0})
    restored = {"epoch": 0}
    assert _run(tmp_path).resume(restored) and restored["epoch"] == 3


def test_a_damaged_checkpoint_is_not_resumed(tmp_path, caplog):
    run = _run(tmp_path)
    run.save_checkpoint({"epoch": 3})
    path = tmp_path / "checkpoint.ckpt"
    path.write_bytes(path.read_bytes()[:100])
    assert not run.resume({"epoch": 0})
    assert "damaged" in caplog.text


def test_selection_reads_no_test_label(data, tmp_path):
    options = _with(select="validation")
    permuted = FoldData(data.x, data.y.clone(), data.rows, data.classes, data.names)
    permuted.y[data.rows["test"]] = data.y[data.rows["test"]].flip(0)
    first, second = (fitted(mmmd.fit, d, options, _run(tmp_path / str(n))) for n, d in enumerate((data, permuted)))
    assert torch.equal(first, second)


def test_the_labelled_mix_loss_is_the_cross_entropy_of_soft_labels():
    logits = torch.log(torch.tensor([[[0.5, 0.5], [0.25, 0.75]], [[0.1, 0.9], [0.8, 0.2]]]))
    targets = torch.tensor([[[0.6, 0.4], [1.0, 0.0]], [[0.0, 1.0], [0.7, 0.3]]])
    local = -(0.6 * math.log(0.5) + 0.4 * math.log(0.5) + math.log(0.9)) / 2
    globally = -(math.log(0.25) + 0.7 * math.log(0.8) + 0.3 * math.log(0.2)) / 2
    loss = mmmd.labelled_mix_loss(logits, targets, MmdOptions(local_loss_weight=0.5))
    assert loss.item() == pytest.approx(globally + 0.5 * local, rel=1e-6)


def test_the_unlabelled_loss_is_the_squared_error_averaged_over_utterances_and_classes():
    logits = torch.log(torch.tensor([[[0.5, 0.5], [0.25, 0.75]], [[0.1, 0.9], [0.8, 0.2]]]))
    targets = torch.tensor([[[0.6, 0.4], [1.0, 0.0]], [[0.0, 1.0], [0.7, 0.3]]])
    local = (0.1**2 + 0.1**2 + 0.1**2 + 0.1**2) / (2 * 2)
    globally = (0.75**2 + 0.75**2 + 0.1**2 + 0.1**2) / (2 * 2)
    loss = mmmd.unlabelled_mix_loss(logits, targets, MmdOptions(local_loss_weight=0.5))
    assert loss.item() == pytest.approx(globally + 0.5 * local, rel=1e-6)


def test_soft_one_hot_labels_give_the_loss_of_hard_ones():
    torch.manual_seed(0)
    logits = MmdLogits(torch.randn(5, 3, 4), torch.randn(5, 4))
    y, weights, options = torch.tensor([0, 3, 1, 1, 2]), torch.tensor([1.0, 2.0, 0.5, 3.0]), MmdOptions()
    targets = F.one_hot(y, 4).float()[:, None].expand(-1, 4, -1)
    soft = mmmd.labelled_mix_loss(mmmd.stacked(logits), targets, options, weights)
    torch.testing.assert_close(soft, mmmd.supervised_loss(logits, y, options, weights))


class Fixed(torch.nn.Module):
    """Two paths: the local one sees column 0, the global one column 1, as logits against 0."""

    path_names = ("local",)

    def classify(self, a):
        pairs = torch.stack([a[0], torch.zeros_like(a[0])], -1)  # (1, B, 2) -> (B, 2, C)
        return MmdLogits(pairs[:, :1], pairs[:, 1])


def test_guesses_are_the_means_over_the_copies_in_each_path():
    three, nine = math.log(3), math.log(9)  # probabilities 0.75 and 0.9
    copies = torch.tensor([[three, nine], [0.0, 0.0], [0.0, nine], [0.0, three]])  # K = 2 of U = 2
    options = MmmdOptions(mixmatch=MixMatchOptions(copies=2, temperature=0.5))
    found = sharpen(mmmd.guess_labels(Fixed(), copies[None], options), 0.5)

    def squared(p):
        return [p**2 / (p**2 + (1 - p) ** 2), (1 - p) ** 2 / (p**2 + (1 - p) ** 2)]

    expected = [[squared((0.75 + 0.5) / 2), squared(0.9)], [squared(0.5), squared((0.5 + 0.75) / 2)]]
    torch.testing.assert_close(found, torch.tensor(expected))
    joint = mmmd.guess_labels(Fixed(), copies[None], MmmdOptions(mixmatch=MixMatchOptions(guess="joint")))
    both = [squared((0.625 + 0.9) / 2)] * 2
    torch.testing.assert_close(sharpen(joint[0], 0.5), torch.tensor(both))


def test_each_path_is_taught_by_the_others():
    local, globally = [[0.8, 0.2], [0.4, 0.6], [0.3, 0.7]], [0.6, 0.4]
    found = mmmd.of_others(torch.tensor([[*local, globally]]))
    paths = [(0.35 + 0.6) / 2, (0.55 + 0.6) / 2, (0.6 + 0.6) / 2]
    torch.testing.assert_close(found[0, :, 0], torch.tensor([*paths, 0.5]))
    joint = mmmd.of_others(torch.tensor([[[0.8, 0.2], [0.6, 0.4]]]))
    torch.testing.assert_close(joint, torch.tensor([[[0.6, 0.4], [0.8, 0.2]]]))


def test_with_partners_of_its_own_no_guess_is_part_of_the_labelled_loss(multimodal, tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(mmmd, "labelled_mix_loss", lambda logits, y, *rest: seen.update(x=y) or logits.sum())
    monkeypatch.setattr(mmmd, "unlabelled_mix_loss", lambda logits, y, *rest: seen.update(u=y) or logits.sum())
    monkeypatch.setattr(mmmd, "guess_labels", lambda network, a, options: torch.full((6, 14, 3), 1 / 3))
    options = MmmdOptions(network=NETWORK, mixmatch=MixMatchOptions(partners="own"))
    network = Mmd(*mmmd.network_paths(multimodal, "family"), 3, NETWORK)
    step = mmmd.Step("mixed", torch.tensor([0, 3, 6, 9]), torch.arange(12, 18))  # labels of class 0 alone
    mmmd.mixed_losses(network, _context(multimodal, options, _run(tmp_path)), step)
    assert seen["x"].shape == (4, 14, 3) and (seen["x"][..., 0] == 1).all()
    torch.testing.assert_close(seen["u"], torch.full((12, 14, 3), 1 / 3))


def test_alignment_follows_the_guesses_and_scales_them_to_the_labels(multimodal, tmp_path, monkeypatch):
    """Twelve labels, four of a class: each third. Guesses that are always (0.6, 0.2, 0.2) come to be alike."""
    seen = []
    monkeypatch.setattr(mmmd, "unlabelled_mix_loss", lambda logits, y, *rest: seen.append(y) or logits.sum())
    guess = torch.tensor([0.6, 0.2, 0.2]).expand(6, 14, 3)
    monkeypatch.setattr(mmmd, "guess_labels", lambda network, a, options: guess)
    mixmatch = MixMatchOptions(partners="own", alignment="labelled", temperature=1)
    options = MmmdOptions(network=NETWORK, mixmatch=mixmatch)
    network = Mmd(*mmmd.network_paths(multimodal, "family"), 3, NETWORK)
    context = mmmd.make_context(multimodal, options, _run(tmp_path), {"guessed": torch.full((14, 3), 1 / 3)})
    step = mmmd.Step("mixed", torch.arange(4), torch.arange(12, 18))
    mmmd.mixed_losses(network, context, step)
    first = torch.tensor([0.6 / 0.36, 0.2 / 0.32, 0.2 / 0.32])  # 0.9 / 3 + 0.1 of the guess
    torch.testing.assert_close(seen[0][0, 0], first / first.sum(), rtol=1e-4, atol=1e-5)
    for _ in range(80):
        mmmd.mixed_losses(network, context, step)
    torch.testing.assert_close(seen[-1][0, 0], torch.full((3,), 1 / 3), rtol=1e-3, atol=1e-3)


def test_all_modalities_of_an_utterance_share_lambda_and_permutation(multimodal, monkeypatch, tmp_path):
    """Without noise the paths get what their first layers make of one mixture of two rows in all its columns."""
    data = multimodal
    options = MmmdOptions(network=NETWORK, mixmatch=MixMatchOptions(copies=1, noise=0.0))
    context = _context(data, options, _run(tmp_path))
    network = Mmd(*mmmd.network_paths(data, "family"), 3, NETWORK)
    drawn, seen, draw, classify = [], [], mmmd.draw_lambda, network.classify
    monkeypatch.setattr(mmmd, "draw_lambda", lambda *a: drawn.append(draw(*a)) or drawn[-1])
    monkeypatch.setattr(network, "classify", lambda a: seen.append(a) or classify(a))
    torch.manual_seed(3)
    mmmd.mixed_losses(network, context, mmmd.Step("mixed", torch.arange(5), torch.arange(12, 17)))
    torch.manual_seed(3)
    rows = data.x[[*range(5), *range(12, 17)]]
    order, lam = torch.randperm(10), drawn[0][:, None]
    assert lam.min() >= 0.5 and len(lam.unique()) == 10 and order.tolist() != list(range(10))
    mixed = lam * rows + (1 - lam) * rows[order]
    torch.testing.assert_close(seen[-1], network.pre_activations(mixed), rtol=1e-4, atol=1e-4)


def test_gradients_of_the_mixed_losses_reach_every_classifier_of_every_modality(multimodal, tmp_path):
    options = MmmdOptions(network=NETWORK, mixmatch=MixMatchOptions())
    acoustic, others = mmmd.network_paths(multimodal, "family")
    assert (len(acoustic), list(others)) == (10, ["word2vec", "query_topic", "accent"])
    context = _context(multimodal, options, _run(tmp_path))
    for name in ("loss", "unlabelled_loss"):
        network = Mmd(acoustic, others, 3, NETWORK)
        torch.manual_seed(0)
        step = mmmd.Step("mixed", multimodal.rows["train"], multimodal.rows["unlabelled"])
        mmmd.mixed_losses(network, context, step)[name].backward()
        for layer in [*network.input.layers, network.hidden, network.local]:
            assert (layer.weight.grad.abs().amax(dim=(1, 2)) > 0).all()
        assert network.globally.weight.grad.abs().max() > 0


def test_mixed_steps_take_the_precision_of_the_run(multimodal, tmp_path, monkeypatch):
    losses, dtypes, elu = [], set(), F.elu
    monkeypatch.setattr("semiser.systems.mmmd.network.F.elu", lambda a, **how: dtypes.add(a.dtype) or elu(a, **how))
    for precision in ("32-true", "bf16-mixed"):
        run = TrainingRun(tmp_path, 0, TrainingOptions(accelerator="cpu", precision=precision), "k")
        options = MmmdOptions(network=NETWORK.model_copy(update={"hidden_dropout": 0.0}), mixmatch=MixMatchOptions())
        data = multimodal.to(run.fabric.device)
        context = _context(data, options, run)
        torch.manual_seed(0)
        network = run.fabric.setup(Mmd(*mmmd.network_paths(data, "family"), 3, NETWORK))
        step = mmmd.Step("mixed", data.rows["train"], data.rows["unlabelled"])
        losses.append(torch.stack(list(mmmd.mixed_losses(network, context, step).values())))
    assert dtypes == {torch.float32, torch.bfloat16}
    assert losses[1].dtype == torch.float32 and not torch.equal(*losses)
    torch.testing.assert_close(*losses, rtol=0.02, atol=1e-3)


def test_noise_leaves_one_hot_vectors_as_they_are(multimodal, tmp_path):
    context = _context(multimodal, TINY, _run(tmp_path))
    noisy = context.augment(multimodal.x, 1.0)
    assert torch.equal(noisy[:, 1588:], multimodal.x[:, 1588:])
    assert (noisy[:, :1588] - multimodal.x[:, :1588]).std().item() == pytest.approx(1, abs=0.02)


def _phases(data, name, **changes):
    options = VARIANTS.neural(name)
    options = options.model_copy(update={"network": options.network.model_copy(update={"batch_size": 5} | changes)})
    torch.manual_seed(0)
    return mmmd.plan_epoch(data, options, seed=0)


def test_an_epoch_takes_acted_then_labelled_then_mixed(multimodal):
    steps = _phases(multimodal, "mmmd_epoch_wise")
    assert [step.phase for step in steps] == ["acted"] * 3 + ["labelled"] * 3 + ["mixed"] * 6
    rows = {phase: torch.cat([s.labelled for s in steps if s.phase == phase]) for phase in ("acted", "labelled")}
    assert sorted(rows["acted"].tolist()) == list(range(60, 75)) and sorted(rows["labelled"].tolist()) == [*range(12)]
    mixed = steps[6:]
    assert {len(step.labelled) for step in mixed} == {5} and {len(step.unlabelled) for step in mixed} == {5}
    assert set(torch.cat([step.unlabelled for step in mixed]).tolist()) == set(range(12, 36))
    assert set(torch.cat([step.labelled for step in mixed]).tolist()) == {*range(12), *range(60, 75)}


def test_random_order_mixes_acted_and_labelled_rows_and_the_phases(multimodal):
    steps = _phases(multimodal, "mmmd_with_acted")
    phases = [step.phase for step in steps]
    assert sorted(phases) == ["labelled"] * 6 + ["mixed"] * 6 and phases != sorted(phases)
    first = next(step for step in steps if step.phase == "labelled").labelled
    assert first.min() < 12 and first.max() >= 60
    assert [step.phase for step in _phases(multimodal, "mmd")] == ["labelled"] * 3


def test_a_share_of_the_unlabelled_rows_is_part_of_a_larger_share(multimodal):
    shares = [
        set(mmmd._unlabelled_rows(multimodal, MixMatchOptions(unlabelled_share=share), seed=0).tolist())
        for share in (0.0, 0.25, 0.5, 1.0)
    ]
    assert [len(share) for share in shares] == [0, 6, 12, 24]
    assert shares[1] < shares[2] < shares[3]


def test_without_unlabelled_rows_labelled_ones_are_mixed(multimodal, tmp_path):
    options = MmmdOptions(network=NETWORK, mixmatch=MixMatchOptions(unlabelled_share=0))
    run = _run(tmp_path, size=len(multimodal.names))
    fitted(mmmd.fit, multimodal, options, run)
    assert {row["name"] for row in run.curves} == {"loss", "mixed_loss", "validation_uar"}


@pytest.mark.parametrize("progress, expected", [(0.0, 0.0), (0.1, 1.0), (0.2, 2.0), (0.9, 2.0)])
def test_lambda_u_rises_in_a_line(progress, expected):
    options = MixMatchOptions(unlabelled_weight=2.0, ramp=0.2)
    assert mmmd.unlabelled_weight(options, progress) == pytest.approx(expected)
    assert mmmd.unlabelled_weight(MixMatchOptions(unlabelled_weight=2.0), progress) == 2.0


def test_the_moving_average_follows_the_parameters():
    average, network = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    with torch.no_grad():
        average.weight.fill_(1.0), network.weight.fill_(3.0)
    mmmd._update_average(average, network, decay=0.75)
    assert average.weight.item() == pytest.approx(1.5)


def test_pre_training_removes_noise_better_than_no_training(multimodal, monkeypatch):
    torch.manual_seed(0)
    network = Mmd(*mmmd.network_paths(multimodal, "joint"), 3, NETWORK)
    before = [parameter.clone() for parameter in network.parameters()]
    rows, losses = torch.arange(36), []
    error = sae.F.mse_loss
    monkeypatch.setattr(sae.F, "mse_loss", lambda *a: losses.append(error(*a)) or losses[-1])
    options = SaeOptions(epochs=20, learning_rate=0.01)
    sae.pretrain(network, multimodal.x, rows, lambda x, noise: x + noise * torch.randn_like(x), options, 36)
    assert losses[19] < 0.9 * losses[0] and losses[39] < 0.9 * losses[20]
    changed = [not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True)]
    names = [name.split(".")[0] for name, _ in network.named_parameters()]
    assert {name for name, moved in zip(names, changed, strict=True) if moved} == {"input", "hidden"}
