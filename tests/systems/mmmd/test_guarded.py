import json
import math

import numpy as np
import pytest
import torch
from helpers import fitted
from interruption import killed_after
from pydantic import ValidationError

from semiser.data.vectors import FoldData
from semiser.features.opensmile_sets import set_names
from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd import guarded
from semiser.systems.mmmd.options import GuardedOptions, GuardOptions, MixMatchOptions, MmdOptions, MmmdOptions
from semiser.systems.mmmd.predict import load
from semiser.training.run import TrainingRun

NETWORK = MmdOptions(hidden=(8, 4), epochs=3, batch_size=16, learning_rate=0.01, input_noise=0.1)
MIXED = MmmdOptions(network=NETWORK, mixmatch=MixMatchOptions(alignment="labelled"))
OPTIONS = GuardedOptions(supervised=MmmdOptions(network=NETWORK), semi_supervised=MIXED, guard=GuardOptions(parts=3))


@pytest.fixture
def data():
    """Three classes that shift all 1,582 columns of 60 utterances; 24 labelled, 24 not, 12 to test."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(60) % 3
    x = torch.randn(60, 1582, generator=generator) + (y[:, None] - 1) * 0.2
    parts = {"train": (0, 24), "unlabelled": (24, 48), "validation": (48, 48), "test": (48, 60)}
    rows = {role: torch.arange(*ends) for role, ends in parts.items()}
    hidden = torch.where(torch.arange(60) < 24, y, -1)
    return FoldData(x, hidden, rows, ("a", "b", "c"), set_names("IS10"))


def _run(folder, key="k"):
    run = TrainingRun(folder, 0, TrainingOptions(accelerator="cpu", checkpoint_every_s=0), key)
    run.provenance = Provenance({"strategy": "global", "mean": np.zeros(1582), "std": np.ones(1582)})
    return run


def test_every_class_is_dealt_evenly_and_one_with_a_single_utterance_is_kept():
    y = torch.tensor([0] * 5 + [1] * 4 + [2])
    found = guarded.deal(y, 3, seed=0)
    assert found[9] == guarded.KEPT
    assert sorted(torch.bincount(found[:5], minlength=3).tolist()) == [1, 2, 2]
    assert torch.bincount(found[:9]).tolist() == [3, 3, 3]
    assert not torch.equal(found, guarded.deal(y, 3, seed=1))
    assert guarded.deal(torch.tensor([0, 1, 2]), 3, seed=0).tolist() == [guarded.KEPT] * 3
    assert guarded.deal(y, 0, seed=0).tolist() == [guarded.KEPT] * 10


def test_the_temperature_is_that_of_the_least_cross_entropy():
    """Ten answers of 0.9 of which seven are right: 0.7 is what they are worth, and (9)^(1/T) = 7/3 there."""
    p = torch.tensor([[0.9, 0.1]] * 10)
    y = torch.tensor([0] * 7 + [1] * 3)
    expected = math.log(9) / math.log(7 / 3)
    assert guarded.best_temperature(p, y) == pytest.approx(expected, rel=0.05)
    torch.testing.assert_close(guarded.cooled(p[:1], expected), torch.tensor([[0.7, 0.3]]))


def test_the_better_group_gets_the_share_and_in_doubt_it_is_one_half():
    y = torch.zeros(40, dtype=torch.int64)
    poor, good = torch.tensor([[0.4, 0.6]] * 40), torch.tensor([[0.8, 0.2]] * 40)
    options = GuardOptions()
    assert guarded.share_of_second(poor, good, y, options) == 1
    assert guarded.share_of_second(good, poor, y, options) == 0
    assert guarded.share_of_second(good, good, y, options) == 0.5
    # One of 40 is better by far, all others a little worse: the mean is better, but by less than a standard error
    lucky = torch.tensor([[0.795, 0.205]] * 39 + [[0.99, 0.01]])
    first = torch.tensor([[0.8, 0.2]] * 39 + [[0.3, 0.7]])
    assert guarded.share_of_second(first, lucky, y, GuardOptions(caution=1)) == 0.5
    assert guarded.share_of_second(first, lucky, y, GuardOptions(caution=0)) == 1
    assert guarded.share_of_second(good, good, y, GuardOptions(shares=(0.25, 0.75))) == 0.25


def test_groups_are_weighed_and_what_was_found_is_told():
    y = torch.zeros(30, dtype=torch.int64)
    poor, good = torch.tensor([[0.4, 0.6]] * 30), torch.tensor([[0.8, 0.2]] * 30)
    groups, facts = guarded.weigh([poor, good], y, GuardOptions())
    assert [group.weight for group in groups] == [0, 1]
    assert facts["semi_supervised_share"] == 1 and facts["held_out_mixture"] == facts["held_out_semi_supervised"]
    alone, facts = guarded.weigh([good], y, GuardOptions())
    assert [group.weight for group in alone] == [1] and set(facts) == {"held_out_supervised"}
    with pytest.raises(ValueError, match=r"diverged: .* not finite\. Lower its learning rate"):
        guarded.weigh([good, good * math.nan], y, GuardOptions())


def test_few_held_out_labels_decide_nothing():
    y = torch.zeros(20, dtype=torch.int64)
    poor, good = torch.tensor([[0.4, 0.6]] * 20), torch.tensor([[0.8, 0.2]] * 20)
    assert guarded.weigh([poor, good], y, GuardOptions())[1]["semi_supervised_share"] == 1
    votes, facts = guarded.weigh([poor[:19], good[:19]], y[:19], GuardOptions())
    assert votes == [guarded.Vote(1.0, 0.5)] * 2 and facts == {"semi_supervised_share": 0.5}
    assert guarded.weigh([good[:19]], y[:19], GuardOptions()) == ([guarded.Vote(1.0, 1.0)], {})
    assert guarded.weigh([poor[:0], good[:0]], y[:0], GuardOptions(shares=(0.25, 0.75)))[0][1].weight == 0.25


def test_with_one_label_a_class_one_network_of_each_group_learns_and_both_count_half(data, tmp_path):
    first = [int(torch.nonzero(data.y == number)[0, 0]) for number in range(3)]
    few = FoldData(data.x, data.y, data.rows | {"train": torch.tensor(first)}, data.classes, data.names)
    fitted(guarded.fit, few, OPTIONS, _run(tmp_path))
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["votes"] == [{"temperature": 1.0, "weight": 0.5}] * 2


def test_half_is_the_mean_of_the_supervised_and_the_semi_supervised_network(data, tmp_path):
    halves = OPTIONS.model_copy(update={"guard": GuardOptions(parts=0, shares=(0.5,))})
    found = fitted(guarded.fit, data, halves, _run(tmp_path / "both"))
    card = json.loads((tmp_path / "both/card.json").read_text())
    assert card["votes"] == [{"temperature": 1.0, "weight": 0.5}] * 2
    supervised, semi_supervised = guarded.train(data, halves, _run(tmp_path / "again")).networks
    test = data.x[data.rows["test"]]
    each = [mmmd.predict(network, test, NETWORK) for network in (supervised, semi_supervised)]
    assert not torch.allclose(*each)
    torch.testing.assert_close(found, sum(each) / 2)
    torch.testing.assert_close(each[0], fitted(mmmd.fit, data, halves.supervised, _run(tmp_path / "alone")))


@pytest.mark.parametrize("parts, said", [(1, "one part would hold out all labels"), (-1, "greater than or equal to 0")])
def test_labels_are_dealt_into_two_parts_or_more_or_none(parts, said):
    with pytest.raises(ValidationError, match=said):
        GuardOptions(parts=parts)


def test_no_network_learns_from_the_labels_that_it_is_asked_about(data, tmp_path, monkeypatch):
    """Each part's labels are turned round: what the network without them says does not change."""
    seen = []
    weigh = guarded.weigh
    monkeypatch.setattr(
        guarded, "weigh", lambda held_out, y, options: seen.append(held_out) or weigh(held_out, y, options)
    )
    parts = guarded.deal(data.y[:24], 3, 0)
    fitted(guarded.fit, data, OPTIONS, _run(tmp_path / "a"))
    wrong = data.y.clone()
    wrong[:24][parts == 2] = (data.y[:24][parts == 2] + 1) % 3
    monkeypatch.setattr(guarded, "deal", lambda *_: parts)
    changed = FoldData(data.x, wrong, data.rows, data.classes, data.names)
    last = OPTIONS.model_copy(update={"semi_supervised": None})
    fitted(guarded.fit, changed, last, _run(tmp_path / "b"))
    assert not torch.equal(seen[1][0][parts == 0], seen[0][0][parts == 0])
    # Two networks are trained before the third, which draws from where they left the random state, whatever the labels
    torch.testing.assert_close(seen[1][0][parts == 2], seen[0][0][parts == 2])


def test_the_prediction_is_the_votes_sum_and_the_saved_networks_give_it_again(data, tmp_path):
    run = _run(tmp_path)
    found = fitted(guarded.fit, data, OPTIONS, run)
    torch.testing.assert_close(found.sum(1), torch.ones(12))
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["network"] == "guarded" and sum(vote["weight"] for vote in card["votes"]) == pytest.approx(1)
    share = {row["name"]: row["value"] for row in run.curves}["semi_supervised_share"]
    assert len(card["votes"]) == (4 if share in (0, 1) else 8)
    group = [vote["weight"] for vote in card["votes"][:4]]
    assert group[3] == pytest.approx(sum(group[:3])) and len(set(group[:3])) == 1
    model = load(tmp_path)
    x = data.x[data.rows["test"]].numpy()
    again = model.predict({model.columns[0]: [x[:5], x[5:]]})
    np.testing.assert_allclose(again, found.numpy(), atol=1e-6)


def test_without_unlabelled_speech_labels_alone_are_learnt(data, tmp_path):
    rows = data.rows | {"unlabelled": torch.arange(0)}
    alone = FoldData(data.x, data.y, rows, data.classes, data.names)
    found = fitted(guarded.fit, alone, OPTIONS, _run(tmp_path / "a"))
    members = fitted(guarded.fit, data, OPTIONS.model_copy(update={"semi_supervised": None}), _run(tmp_path / "b"))
    torch.testing.assert_close(found, members)


@pytest.mark.parametrize("steps", [1, 9, 22, 41])
def test_a_training_killed_anywhere_ends_with_the_undisturbed_predictions(data, tmp_path, steps):
    expected_run = _run(tmp_path / "a")
    undisturbed = fitted(guarded.fit, data, OPTIONS, expected_run)
    with killed_after(steps):
        fitted(guarded.fit, data, OPTIONS, _run(tmp_path / "b"))
    torch.manual_seed(99)
    run = _run(tmp_path / "b")
    assert torch.equal(fitted(guarded.fit, data, OPTIONS, run), undisturbed)
    assert run.curves == expected_run.curves


def test_a_card_whose_votes_do_not_add_up_is_refused(data, tmp_path):
    fitted(guarded.fit, data, OPTIONS, _run(tmp_path))
    path = tmp_path / "card.json"
    card = json.loads(path.read_text())
    for wrong, said in (
        ([*card["votes"][:-1], {**card["votes"][-1], "weight": 0.9}], "do not add up to 1"),
        ([*card["votes"][:-1], {**card["votes"][-1], "temperature": 0}], "greater than 0"),
        ([], "has 0"),
    ):
        path.write_text(json.dumps(card | {"votes": wrong}))
        with pytest.raises(ValueError, match=rf"card\.json is no card of such a network: .*{said}"):
            load(tmp_path)
