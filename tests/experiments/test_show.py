"""What a terminal shows of runs, comparisons and what can go."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from semiser.experiments.clean import Removable
from semiser.experiments.compare import Comparison, Difference
from semiser.experiments.records import Headline, Result, new_record, write_record
from semiser.experiments.show import show_comparison, show_removable, show_runs
from semiser.experiments.tree import Tree


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "08_reporting", tmp_path / "06_models", None)


def _record(tree, experiment, seconds=95, **facts):
    best = [Headline(variant=name, setting="", metric="uar", mean=0.6, ci95=(0.5, 0.7)) for name in ("mmd", "svm", "c")]
    result = Result(headlines=best, folds_hash=None, metrics={}, models=[])
    record = new_record(experiment, f"kedro run --env {experiment}", {})
    ending = {"state": "finished", "end": record.start + timedelta(seconds=seconds), "results": {"train_x": result}}
    record = record.model_copy(update=ending | facts)
    write_record(tree.reporting / experiment, record)
    return record


def _cells(line):
    return re.split(" {2,}", line)


def test_runs_are_listed_with_their_best_and_their_command(tree):
    assert list(show_runs(tree)) == ["no run is recorded yet"]
    one = _record(tree, "one")
    two = _record(tree, "two", seconds=3700, state="failed", error="ValueError: no", results={})
    found = list(show_runs(tree))
    best = "train_x: mmd UAR 0.600 (0.500 to 0.700); train_x: svm UAR 0.600 (0.500 to 0.700); and 1 more"
    # sha256 of {}
    assert _cells(found[1]) == [one.id, "one", "finished", "1 min 35 s", "44136fa355b3", best]
    assert _cells(found[2]) == [two.id, "two", "failed", "1 h 01 min", "44136fa355b3", "ValueError: no"]
    assert found[3:] == ["", f"{one.id}  kedro run --env one", f"{two.id}  kedro run --env two"]
    assert len(list(show_runs(tree, "two"))) == 4
    with pytest.raises(ValueError, match="no experiment tow: there are one, two"):
        list(show_runs(tree, "tow"))


def test_a_comparison_says_options_figures_and_what_is_left_out(tree):
    a, b = _record(tree, "one"), _record(tree, "two")
    entry = {"difference": 0.1, "ci95": [None, None], "p": 0.04, "test": "t", "utterances": 9}
    differences = [Difference("train_x", "net", "the same folds", {"uar": entry, "wa": entry})]
    found = Comparison(a, b, [("mmd.c", 1, None)], [("ingest", b.id)], differences, [("train_x", "svm", "it is gone")])
    lines = [" ".join(line.split()) for line in show_comparison(found)]
    assert lines[0] == f"A {a.id} of one: kedro run --env one"
    assert "mmd.c 1 null" in lines
    assert "ingest: only B took these options" in lines
    assert "train_x net UAR +0.100 - 0.040 t 9 the same folds" in lines
    assert lines[-1] == "train_x svm: not compared, it is gone"
    lines = list(show_comparison(Comparison(a, b, [], [], [], [])))
    assert "no option differs in the groups that both took" in lines and lines[-1] == "they have no variant in common"


def test_what_can_go_is_shown_with_how_to_let_it_go():
    parts = [Removable("leftovers", "2 files", [Path("x")], 1_234_567_890, []), Removable("models:x", "n", [], 999, [])]
    found = list(show_removable(parts, removed=False))
    assert _cells(found[1]) == ["leftovers", "1.2 GB", "2 files"]
    assert found[2].split() == ["models:x", "999", "B", "n"]
    assert found[4].startswith("models: of earlier options, or of a training that did not end;")
    assert found[5] == "nothing was removed; `kedro semiser clean --remove <name>` removes what it names"
    assert len(list(show_removable(parts, removed=True))) == 3
    assert list(show_removable([], removed=False)) == ["nothing can go"]
