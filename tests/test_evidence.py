"""The program that makes the README's figure and table: docs/make_evidence.py."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

PROGRAM = Path(__file__).parents[1] / "docs" / "make_evidence.py"


@pytest.fixture(scope="module")
def evidence():
    spec = importlib.util.spec_from_file_location("make_evidence", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _counts(*speakers):
    """Counts of two classes, right and wrong of each: (method, speaker, true, predicted)."""
    found = np.zeros((2, len(speakers), 2, 2))
    for place, pair in enumerate(speakers):
        for method, right in enumerate(pair):
            found[method, place] = [[right, 10 - right], [10 - right, right]]
    return found


def test_two_speakers_who_agree_can_be_exchanged_in_four_ways_of_which_two_are_as_far_apart(evidence):
    """One speaker in each corpus, 0.2 and 0.4 better: the mean is 0.3, and the exchanges give 0.3, 0.1, -0.1, -0.3."""
    difference, p, (low, high) = evidence.exchange([_counts((8, 6)), _counts((9, 5))], 4000)
    assert difference == pytest.approx(0.3)
    assert p == pytest.approx(0.5, abs=0.03)
    assert (low, high) == pytest.approx((0.3, 0.3)), "one speaker resampled is that speaker"


def test_equal_methods_do_not_differ(evidence):
    difference, p, interval = evidence.exchange([_counts((7, 7), (4, 4))], 200)
    assert (difference, p, interval) == (0, 1, (0, 0))


def test_the_table_has_each_corpus_and_the_mean(evidence):
    row = {"share": 0.05, "method": "mmmd_guarded", "other": "mmd", "low": 0.01, "high": 0.05}
    rows = [
        {**row, "corpus": corpus, "uar": 0.5, "uar_other": 0.47, "difference": 0.03, "p": p}
        for corpus, p in zip([*evidence.CORPORA, evidence.MEAN], (0.01, 0.5, 0.5, 0.5, 0.00002), strict=True)
    ]
    line = evidence.table(pd.DataFrame(rows)).splitlines()[-1]
    cells = "0.470 +0.030* | 0.470 +0.030 | 0.470 +0.030 | 0.470 +0.030"
    assert line == f"| 5% | `mmmd_guarded` - `mmd` | {cells} | +0.030 [+0.010, +0.050] | 0.0001 |"
