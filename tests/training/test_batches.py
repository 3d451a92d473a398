"""Batches as row numbers."""

import torch

from semiser.training.batches import planned, repeated, shuffled


def test_shuffled_rows_are_all_rows_in_a_drawn_order():
    torch.manual_seed(0)
    rows = torch.arange(10, 30)
    orders = [shuffled(rows).tolist() for _ in range(2)]
    assert orders[0] != orders[1] and all(sorted(order) == rows.tolist() for order in orders)


def test_repeated_rows_are_each_taken_once_before_one_comes_again():
    rows = torch.tensor([3, 5, 8])
    found = repeated(rows, 7).tolist()
    assert len(found) == 7 and sorted(found[:3]) == sorted(found[3:6]) == [3, 5, 8] and found[6] in (3, 5, 8)
    assert sorted(repeated(rows, 3).tolist()) == [3, 5, 8] and len(repeated(rows, 2)) == 2
    assert repeated(rows[:0], 4).tolist() == []
    torch.manual_seed(3)
    repeated(rows, 4)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    for _ in range(2):
        shuffled(rows)
    assert drawn == torch.rand(1), "no more is drawn than is taken"


def test_an_epoch_that_goes_on_has_the_steps_that_it_began_with_and_draws_on_where_it_was():
    state = {"step": 0}
    torch.manual_seed(1)
    steps = planned(state, lambda: shuffled(torch.arange(20)))
    drawn = torch.rand(1)
    state["step"] = 7
    torch.manual_seed(2)
    wanted = torch.rand(1)
    torch.manual_seed(2)
    assert planned(state, lambda: shuffled(torch.arange(20))).tolist() == steps.tolist()
    assert torch.rand(1) == wanted != drawn
