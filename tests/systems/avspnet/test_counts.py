"""Counts beside the paper's Table 1."""

import pyarrow as pa
import pyarrow.dataset
import pytest

from semiser.systems.avspnet.counts import SEGMENT_S, count_segments, counts_beside, read_counts


def test_the_papers_hours_are_those_of_its_segments():
    counts = read_counts()
    for corpus in ("daai", "iemocap", "nnime"):
        hours = counts[corpus, "segments"] * SEGMENT_S / 3600
        assert counts[corpus, "hours"] == pytest.approx(hours, abs=0.006)
    assert counts["daai", "valence: positive"] / counts["daai", "utterances"] == pytest.approx(0.581, abs=5e-4)


def test_utterances_segments_and_hours_of_those_that_are_asked_for():
    table = pyarrow.dataset.dataset(pa.table({"utterance_id": ["n/1"] * 3 + ["n/2"] * 2 + ["n/3"]}))
    found = count_segments(table, {"nnime": pa.array(["n/1", "n/2"])})
    assert found == {("nnime", "utterances"): 2, ("nnime", "segments"): 5, ("nnime", "hours"): 0.0}
    rows = counts_beside(found | {("mine", "utterances"): 7})
    assert {row["corpus"] for row in rows} == {"nnime"} and len(rows) == 7
    assert rows[1] == {
        "corpus": "nnime", "table": "AV-SpNET, Table 1", "what": "segments", "published": 12210.0, "found": 5,
    }  # fmt: skip
    assert rows[-1]["found"] is None  # no valence was asked for
