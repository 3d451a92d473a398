"""What benchmarks share, and what those decide that choose options."""

import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
DEMO = Path(__file__).parents[1] / "data/01_raw/demo/acted"


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    for name in ("floor", "run_all", "why_mixmatch", "features_memory", "half_shards"):
        sys.modules.pop(name, None)


def test_a_floor_has_the_products_of_a_step_forward_and_backward(benchmarks):
    from floor import Floor, _Recorder

    layer, x = torch.nn.Linear(5, 3), torch.randn(4, 5, requires_grad=True)

    def step():
        torch.nn.functional.dropout(layer(x), 0.5).sum().backward()

    with _Recorder() as recorder:
        step()
    shapes = sorted(
        (call[0].overloadpacket.__name__, *(tuple(given.shape) for given in call[1] if hasattr(given, "shape")))
        for call in recorder.calls
    )
    # x W + b; dW = g^T x; dx = g W; the dropout mask
    assert shapes == [
        ("addmm", (3,), (4, 5), (5, 3)),
        ("bernoulli_", (4, 3)),
        ("mm", (3, 4), (4, 5)),
        ("mm", (4, 3), (3, 5)),
    ]
    floor = Floor(step, layer.parameters(), x.nbytes)
    assert set(floor.parts) == {"products", "draws", "memory"}
    for work in floor.parts.values():
        work()


def test_ratios_are_found_in_what_is_printed(benchmarks):
    from run_all import ratios_of

    printed = "plain 4.0 ms, ours 2.0 ms, ratio 0.500\nstep / floor = 1.67 (half of the rounds: 1.62 to 1.82)\n3.0 ms\n"
    assert [found[:2] for found in ratios_of(printed)] == [("ratio", 0.5), ("step / floor", 1.67)]
    assert ratios_of("ratio, median of rounds   1.03")[0][:2] == ("ratio", 1.03)


@pytest.mark.parametrize("now, code", [(1.49, 0), (1.51, 1)])
def test_a_ratio_that_is_half_as_much_again_as_the_kept_one_fails_the_short_form(
    benchmarks, monkeypatch, tmp_path, now, code
):
    import run_all

    monkeypatch.setattr(run_all, "QUICK", {"mmmd_step": "--steps 5"})
    monkeypatch.setattr(run_all, "KEPT", tmp_path / "ratios.json")
    monkeypatch.setattr(run_all, "run", lambda name, words: (0, "step / floor = 1.00\n", 0.1))
    assert run_all.quick(renew=True) == 0
    monkeypatch.setattr(run_all, "run", lambda name, words: (0, f"step / floor = {now}\n", 0.1))
    assert run_all.quick(renew=False) == code


def test_each_group_chooses_by_its_own_scored_speakers_each_corpus_counting_alike(benchmarks):
    from why_mixmatch import chosen_by_groups

    scores = {  # "a" is better on two problems of one corpus, "b" by more on the one of another
        (0, "casia", 0.1): {"a": 0.52, "b": 0.50},
        (0, "casia", 0.25): {"a": 0.52, "b": 0.50},
        (0, "ased", 0.07): {"a": 0.70, "b": 0.73, "c": 0.99},  # "c" was not scored on all
        (1, "casia", 0.1): {"a": 0.60, "b": 0.50},
    }
    rows = [
        {"group": group, "corpus": corpus, "share": share, "name": name, "uar": uar}
        for (group, corpus, share), found in scores.items()
        for name, uar in found.items()
    ]
    assert chosen_by_groups(rows) == {0: "b", 1: "a"}


def test_speakers_who_are_left_out_neither_train_nor_choose(benchmarks):
    from why_mixmatch import GROUPS, problem

    speakers = np.repeat([f"s{number}" for number in range(12)], 6)
    corpus = {
        "x": np.zeros((72, 3), np.float32),
        "y": np.tile([0, 1], 36),
        "speakers": speakers,
        "classes": ("anger", "fear"),
        "names": ("a", "b", "c"),
    }

    def who(found, *roles):
        return {name for role in roles for name in speakers[found.data.rows[role].numpy()]}

    tested = []
    for group in range(GROUPS):
        choosing, testing = (problem(corpus, group, 0.5, left_out=left_out) for left_out in (False, True))
        chose = who(choosing, "train", "unlabelled", "test")
        assert who(testing, "train", "unlabelled") == chose
        assert not who(choosing, "train", "unlabelled") & who(choosing, "test")
        assert not who(testing, "test") & chose
        tested += sorted(who(testing, "test"))
    assert sorted(tested) == sorted(set(speakers))


def test_the_memory_of_all_families_that_need_no_file_is_measured(benchmarks):
    from features_memory import extract_all

    found = extract_all(Namespace(root=DEMO, files=1, times=2, workers=1))
    assert found["utterances"] == 2
    assert found["main_mb"] > 0


def test_the_room_and_error_of_half_shards_are_measured(benchmarks, monkeypatch, capsys):
    import half_shards

    monkeypatch.setattr(sys, "argv", ["half_shards", "--root", str(DEMO), "--files", "2"])
    half_shards.main()
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("2 utterances: ")
    assert 0.4 < float(first.split()[-1]) < 0.7  # of the room
    assert 0 < float(last.split()[2]) < 0.01  # in deviations of a bin
