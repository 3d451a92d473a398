import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import torch
from helpers import fitted
from interruption import killed_after
from torch.nn import functional as F

from semiser.data.frames import read_frames
from semiser.folds.rows import FoldRows
from semiser.options.training import TrainingOptions
from semiser.systems.cmkt import fit as cmkt
from semiser.systems.cmkt.network import SpeechTransformer
from semiser.systems.cmkt.options import (
    VARIANTS,
    CmktOptions,
    ConsistentRandom,
    OptimisationOptions,
    PiModel,
    SpecAugmentOptions,
    TemporalEnsembling,
    TrainCmktOptions,
    TransformerOptions,
    WeightedFusion,
)
from semiser.training.run import TrainingRun

CLASSES = ("a", "b", "c")
COUNT, FRAMES, WIDTH = 60, 8, 6


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """60 utterances of 3 classes, each with its band loud; p_v shows the class in 4 of 5; the last has no face."""
    random = np.random.default_rng(0)
    y, frames = np.arange(COUNT) % 3, random.integers(4, FRAMES + 1, COUNT)
    x = random.normal(0, 0.5, (COUNT, FRAMES, WIDTH)).astype(np.float32)
    x[np.arange(COUNT), :, y] += 1.5
    x[np.arange(FRAMES) < FRAMES - frames[:, None]] = 0
    shape = json.dumps([FRAMES, WIDTH])
    field = pa.field("stft", pa.list_(pa.float32(), FRAMES * WIDTH), metadata={"shape": shape})
    schema = pa.schema([pa.field("utterance_id", pa.string()), pa.field("frames", pa.int32()), field])
    ids = [f"u{number:02d}" for number in range(COUNT)]
    arrays = [ids, pa.array(frames, pa.int32()), pa.FixedSizeListArray.from_arrays(x.ravel(), FRAMES * WIDTH)]
    path = tmp_path_factory.mktemp("table") / "0.parquet"
    pq.write_table(pa.table(arrays, schema=schema), path, row_group_size=7)
    shown = np.where(np.arange(COUNT) % 5 == 0, (y + 1) % 3, y)
    visual = np.full((COUNT, 3), 0.02, np.float32)
    visual[np.arange(COUNT), shown] = 0.96
    visual[47] = np.nan
    table = pa.dataset.dataset(str(path))
    return lambda memory_mib=1: read_frames(
        table, "stft", ids, np.arange(COUNT) % 48 < 12, visual, memory_mib=memory_mib, block_rows=16
    )


def _run(folder, seed=0, key="k"):
    return TrainingRun(folder, seed, TrainingOptions(accelerator="cpu", checkpoint_every_s=0), key)


def _fold(features, run):
    """12 labelled, 36 unlabelled, 6 to validate and 6 to test."""
    roles = np.array(["train"] * 12 + ["unlabelled"] * 36 + ["validation"] * 6 + ["test"] * 6)
    names = [CLASSES[number % 3] if roles[number] != "unlabelled" else None for number in range(COUNT)]
    return features.of_fold(FoldRows(np.arange(COUNT), roles, names, roles, roles, CLASSES), run.fabric.device)[0]


TRAIN = TrainCmktOptions(
    folds={"experiment": "e", "corpora": ["c"]},
    network=TransformerOptions(blocks=1, heads=2, hidden=8, feedforward=16, mlp=8),
    optimisation=OptimisationOptions(
        epochs=6, batch_size=8, learning_rate=0.02, first_learning_rate=0.005, warmup_epochs=2
    ),
    augment=SpecAugmentOptions(band_masks=1, band_share=0.2, time_masks=1),
    threshold=0.5,
    unlabelled_weight=1.0,
)

P_A = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.05, 0.95, 0.0]])
P_V = torch.tensor([[0.6, 0.3, 0.1], [0.9, 0.1, 0.0], [0.2, 0.2, 0.6], [0.0, 1.0, 0.0]])


def test_consistent_labels_are_kept_with_the_visual_class():
    given = cmkt.consistent_random(P_A, P_V, ConsistentRandom(epsilon=0))  # Eq. 5
    assert given.target.tolist() == [0, 0, 2, 1] and given.mask.tolist() == [1, 0, 1, 1]


def test_of_the_others_a_share_of_epsilon_is_drawn():
    p_a, p_v = P_A.repeat(5000, 1), P_V.repeat(5000, 1)
    torch.manual_seed(0)
    mask = cmkt.consistent_random(p_a, p_v, ConsistentRandom(epsilon=0.3)).mask.view(5000, 4)  # Eq. 6
    assert (mask[:, [0, 2, 3]] == 1).all()
    assert mask[:, 1].mean().item() == pytest.approx(0.3, abs=0.02)


def test_epsilon_1_takes_every_visual_label_and_needs_no_guess():
    options = ConsistentRandom(epsilon=1)
    given = cmkt.consistent_random(None, P_V, options)
    assert given.target.tolist() == [0, 0, 2, 1] and given.mask.tolist() == [1, 1, 1, 1]
    assert options.needs_visual and not options.needs_audio


def test_weighted_fusion_takes_the_class_of_the_weighted_sum_above_tau():
    # 0.2 p_a + 0.8 p_v: 0.62 of class 0, 0.74 of class 0, 0.56 of class 2, 0.99 of class 1 (Eq. 8)
    given = cmkt.weighted_fusion(P_A, P_V, WeightedFusion(alpha=0.2, threshold=0.6))
    assert given.target.tolist() == [0, 0, 2, 1] and given.mask.tolist() == [1, 1, 0, 1]


def test_alpha_1_is_fixmatch_and_reads_no_visual_knowledge():
    options = WeightedFusion(alpha=1, threshold=0.75)
    given = cmkt.weighted_fusion(P_A, torch.full_like(P_V, torch.nan), options)
    assert given.target.tolist() == [0, 1, 2, 1] and given.mask.tolist() == [0, 1, 0, 1]
    assert options.needs_audio and not options.needs_visual


def test_alpha_0_is_the_confident_visual_label_and_needs_no_guess():
    options = WeightedFusion(alpha=0, threshold=0.75)
    given = cmkt.weighted_fusion(None, P_V, options)
    assert given.target.tolist() == [0, 0, 2, 1] and given.mask.tolist() == [0, 1, 0, 1]
    assert options.needs_visual and not options.needs_audio


def test_a_probability_equal_to_tau_is_not_kept():
    given = cmkt.weighted_fusion(None, torch.tensor([[0.75, 0.25]]), WeightedFusion(alpha=0, threshold=0.75))
    assert given.mask.tolist() == [0]


def test_the_mean_is_over_the_whole_batch():
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]))
    given = cmkt.PseudoLabels(torch.tensor([0, 0, 1, 2]), torch.tensor([1.0, 0.0, 1.0, 0.0]))
    expected = -(math.log(0.5) + math.log(0.8)) / 4  # Eq. 7, 9: two of four are kept
    assert cmkt.pseudo_label_loss(logits, given).item() == pytest.approx(expected, rel=1e-5)


def test_no_gradient_goes_through_what_is_not_kept():
    logits = torch.zeros(2, 3, requires_grad=True)
    cmkt.pseudo_label_loss(logits, cmkt.PseudoLabels(torch.tensor([0, 1]), torch.tensor([1.0, 0.0]))).backward()
    assert logits.grad[0].tolist() == pytest.approx([-1 / 3, 1 / 6, 1 / 6]) and not logits.grad[1].any()


@pytest.mark.parametrize(
    "epoch, expected",
    [
        (0, 0.0025),
        (1, 0.005),
        (2, 0.0075),
        (3, 0.01),
        (7, 0.01),
        (8, 0.01 / 1.17),
        (11, 0.01 / 1.17),
        (12, 0.01 / 1.17**2),
        (49, 0.01 / 1.17**11),
    ],
)
def test_the_published_schedule(epoch, expected):
    assert cmkt.learning_rate(OptimisationOptions(), epoch) == pytest.approx(expected)


def test_without_warm_up_the_schedule_begins_at_its_rate():
    options = OptimisationOptions(warmup_epochs=0, decay=2, decay_epochs=1)
    assert [cmkt.learning_rate(options, epoch) for epoch in range(3)] == [0.01, 0.005, 0.0025]
    assert cmkt.learning_rate(OptimisationOptions(warmup_epochs=1), 0) == 0.01


@pytest.mark.parametrize(
    "progress, expected", [(0, 100 * math.exp(-5)), (0.2, 100 * math.exp(-1.25)), (0.4, 100), (1, 100)]
)
def test_the_weight_of_consistency_ramps_up_as_a_gaussian(progress, expected):
    assert cmkt.consistency_weight(PiModel(ramp=0.4), progress) == pytest.approx(expected)


def test_the_consistency_loss_is_the_mean_over_classes_and_the_whole_batch():
    z = torch.tensor([[0.6, 0.4], [0.9, 0.1]])
    target = torch.tensor([[0.5, 0.5], [0.0, 1.0]])
    assert cmkt.consistency_loss(z, target, torch.ones(2)).item() == pytest.approx((0.02 + 1.62) / 4)
    assert cmkt.consistency_loss(z, target, torch.tensor([1.0, 0.0])).item() == pytest.approx(0.02 / 4)


def _context(data, options, run):
    return cmkt.Context(data, options, *(values.to(run.fabric.device) for values in (data.visual, data.y)), run)


def test_temporal_ensembling_corrects_the_start_at_0(features, tmp_path):
    """Z = 0.6 Z + 0.4 z; after z1 and z2 the target is (0.24 z1 + 0.4 z2) / (1 - 0.36)."""
    run = _run(tmp_path)
    data = _fold(features(), run)
    how, seen = TemporalEnsembling(momentum=0.6), []
    network = torch.nn.Module()
    network.forward = lambda x, frames: torch.log(seen[-1])
    options = CmktOptions(unlabelled=how)
    context = _context(data, options, run)
    state = {"network": network, "ensemble": torch.zeros(COUNT, 3), "visits": torch.zeros(COUNT)}
    state |= {name: values.to(run.fabric.device) for name, values in state.items() if name != "network"}
    (batch,) = data.in_order(torch.tensor([20, 30]), 2)
    targets = torch.tensor([[[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]], [[0.2, 0.2, 0.6], [0.6, 0.3, 0.1]], [[1 / 3] * 3] * 2])
    losses = []
    for z in targets:
        seen.append(z.to(run.fabric.device))
        losses.append(cmkt.step_losses(state, context, how, None, batch, epoch=0)["consistency"].item())
    second = (targets[1] - targets[0]).square().mean().item()
    third = (targets[2] - (0.24 * targets[0] + 0.4 * targets[1]) / 0.64).square().mean().item()
    assert losses == pytest.approx([0, second, third], abs=1e-7)
    assert state["visits"].nonzero().flatten().tolist() == [20, 30]


def test_a_step_adds_lambda_times_the_unlabelled_loss_to_the_labelled_one(features, tmp_path):
    run = _run(tmp_path)
    data = _fold(features(), run)
    options = CmktOptions(unlabelled=ConsistentRandom(epsilon=1), unlabelled_weight=0.25)
    context = _context(data, options, run)
    probabilities = torch.tensor([[0.5, 0.3, 0.2]] * 2 + [[0.1, 0.2, 0.7]] * 3).to(run.fabric.device)
    network = torch.nn.Module()
    network.forward = lambda x, frames: torch.log(probabilities[: len(x)])
    state = {
        "network": network,
        "pseudo_labels": torch.full((1, COUNT), cmkt.NOT_SEEN).to(run.fabric.device, torch.int8),
    }
    (labelled,), (unlabelled,) = (list(data.in_order(torch.tensor(rows), 3)) for rows in ([0, 1], [13, 14, 15]))
    losses = cmkt.step_losses(state, context, options.unlabelled, labelled, unlabelled, epoch=0)
    supervised = -(math.log(0.5) + math.log(0.3)) / 2  # classes a, b
    visual = -(math.log(0.2) + math.log(0.7) + math.log(0.2)) / 3  # 13, 14: b, c; 15 is of class a and shows b
    assert losses["loss"].item() == pytest.approx(supervised, rel=1e-5)
    assert losses["total"].item() == pytest.approx(supervised + 0.25 * visual, rel=1e-5)
    assert state["pseudo_labels"].cpu()[0, [13, 14, 15, 16]].tolist() == [1, 2, 1, cmkt.NOT_SEEN]


def test_weak_augmentation_is_the_dropout_of_the_network(features, tmp_path):
    data = _fold(features(), _run(tmp_path))
    options = TransformerOptions(blocks=1, heads=2, hidden=8, dropout=0.5)
    network = SpeechTransformer(WIDTH, FRAMES, 3, options).train().to(data.device)
    (batch,) = data.in_order(torch.tensor([20, 30]), 2)
    first, second = (cmkt.weak_predictions(network, batch) for _ in range(2))
    assert not torch.equal(first, second) and not first.requires_grad
    torch.testing.assert_close(first.sum(1).cpu(), torch.ones(2))


def test_every_variant_takes_as_many_steps_as_the_larger_set_has_batches(features, tmp_path):
    data = _fold(features(), _run(tmp_path))
    assert cmkt.epoch_steps(data, TRAIN.optimisation) == 5  # 36 / 8
    assert cmkt.epoch_steps(data, TRAIN.optimisation.model_copy(update={"epoch_steps": 3})) == 3


def test_utterances_without_a_face_are_left_out_where_visual_knowledge_is_needed(features, tmp_path):
    data = _fold(features(), _run(tmp_path))
    assert len(cmkt.unlabelled_rows(data, WeightedFusion(alpha=1))) == len(cmkt.unlabelled_rows(data, PiModel())) == 36
    assert cmkt.unlabelled_rows(data, ConsistentRandom()).tolist() == list(range(12, 47))


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_learns_what_can_be_learnt(features, tmp_path, name):
    run = _run(tmp_path)
    data = _fold(features(), run)
    probabilities = fitted(cmkt.fit, data, TRAIN.neural(name), run)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(6))
    assert (probabilities.argmax(1) == data.y[data.rows["test"]]).float().mean() > 0.6
    curves = {row["name"] for row in run.curves}
    by_voice = name in ("fixmatch", "fixmatch_unmasked")
    fused = by_voice or name in ("dcmkt", "dcmkt_finetuned", "cmkt_labels", "consistent_random", "weighted_fusion")
    assert ("unlabelled_loss" in curves) == ("kept" in curves) == (fused or name == "softmatch_unmasked")
    assert ("consistency" in curves) == (name.removesuffix("_unmasked") in ("pi_model", "temporal_ensembling"))
    assert ("loss" in curves) == (name != "dcmkt")
    epochs = [row["epoch"] for row in run.curves if row["name"] == "validation_uar"]
    assert epochs == list(range(12 if name == "dcmkt_finetuned" else 6))
    record = pq.read_table(tmp_path / cmkt.PSEUDO_LABELS).to_pandas()
    if fused:
        seen = 36 if by_voice else 35  # one has no face
        assert record.groupby("epoch")["row"].nunique().tolist() == [seen] * 6
        assert set(record["row"]) == set(range(12, 12 + seen)) and set(record["class"]) <= {0, 1, 2}
    else:
        assert len(record) == 0


def test_the_card_is_enough_to_build_and_feed_the_network(features, tmp_path):
    run = _run(tmp_path)
    data = _fold(features(), run)
    expected = fitted(cmkt.fit, data, TRAIN.neural("supervised"), run)
    network, saved = cmkt.load_network(tmp_path)
    card = saved.facts
    assert (card["system"], card["classes"], card["options"]["labelled"]) == ("cmkt", ["a", "b", "c"], True)
    fed = {"column": "stft", "pool_frames": 1, "scaling": "none"}
    fed |= {"longest_frames": FRAMES, "frames": FRAMES, "width": WIDTH}
    assert card["input"] == fed
    torch.testing.assert_close(cmkt.predict(network.to(data.device), data, data.rows["test"]), expected)


@pytest.mark.parametrize(
    "name, steps, memory_mib",
    [
        ("weighted_fusion", 8, 1),
        ("weighted_fusion", 8, 0),
        ("temporal_ensembling", 13, 1),
        ("dcmkt_finetuned", 33, 1),
        ("softmatch_unmasked", 13, 1),
    ],
)
def test_a_training_killed_inside_an_epoch_ends_with_the_undisturbed_predictions(
    features, tmp_path, name, steps, memory_mib
):
    found, options = features(memory_mib), TRAIN.neural(name)
    expected_run = _run(tmp_path / "a")
    undisturbed = fitted(cmkt.fit, _fold(found, expected_run), options, expected_run)
    run = _run(tmp_path / "b")
    with killed_after(steps) as done:
        fitted(cmkt.fit, _fold(found, run), options, run)
    assert done[-1] % 5, "the kill is to fall inside an epoch"
    torch.manual_seed(99)  # whatever the new process drew before
    run = _run(tmp_path / "b")
    assert torch.equal(fitted(cmkt.fit, _fold(found, run), options, run), undisturbed)
    assert run.curves == expected_run.curves
    records = [pq.read_table(tmp_path / folder / cmkt.PSEUDO_LABELS) for folder in "ab"]
    assert records[0].equals(records[1])
    assert not (tmp_path / "b" / "checkpoint.ckpt").exists()


def test_selection_keeps_the_best_epoch_of_the_validation_part(features, tmp_path):
    options = TRAIN.neural("supervised").model_copy(update={"select": "validation"})
    run = _run(tmp_path)
    data = _fold(features(), run)
    fitted(cmkt.fit, data, options, run)
    network, _ = cmkt.load_network(tmp_path)
    rows = data.rows["validation"]
    accuracy = (cmkt.predict(network.to(data.device), data, rows).argmax(1) == data.y[rows]).float().mean().item()
    assert accuracy == pytest.approx(max(row["value"] for row in run.curves if row["name"] == "validation_uar"))


def test_a_fold_without_what_the_variant_needs_is_refused(features, tmp_path):
    run = _run(tmp_path)
    data = _fold(features(), run)
    data.rows["unlabelled"] = torch.tensor([47])
    with pytest.raises(ValueError, match="no unlabelled \\(and visual, if it is needed\\) utterance"):
        fitted(cmkt.fit, data, TRAIN.neural("consistent_random"), run)


def test_no_label_of_an_unlabelled_utterance_is_in_the_data(features, tmp_path):
    data = _fold(features(), _run(tmp_path))
    assert (data.y[data.rows["unlabelled"]] == -1).all()
    assert F.one_hot(data.y[data.rows["train"]], 3).sum(0).tolist() == [4, 4, 4]
