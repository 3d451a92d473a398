"""The papers' numbers as data."""

import pytest

from semiser.evaluation.published import PAPERS, read_published

MSSGAN_OURS = "mssgan/task=valence/features=fft+dface"
MSSGAN = ("Table II", "Table III", "Table IV", "Table V", "Table VI", "Table VII", "Table VIII")


def _find(system, **wanted):
    return [row for row in read_published(system) if all(getattr(row, key) == value for key, value in wanted.items())]


@pytest.mark.parametrize(
    "system, tables",
    [
        ("mmmd", {"Table 1": 6 * 7, "Table 2": 2 + 6 + 1 + 6 + 2 + 6}),
        ("avspnet", {"Table 3": 8 * 12 + 8 * 8}),
        ("began", {"Table 1": 8, "Table 2": 8, "Table 3": 3}),
        ("mssgan", dict(zip(MSSGAN, (18, 12, 19, 12, 8, 8, 6), strict=True))),
        ("cmkt", {"Table 3": 24, "Table 4": 27, "Table 5": 24, "Table 6": 9}),
    ],
)
def test_every_cell_of_every_table_is_there_once(system, tables):
    rows = read_published(system)
    assert {table: sum(row.table == table for row in rows) for table in tables} == tables
    assert len(rows) == sum(tables.values())
    keys = [(row.table, row.corpus, row.task, row.variant, row.setting, row.metric) for row in rows]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "system, wanted, printed, value",
    [
        ("mmmd", {"variant": "epoch-wise MMMD", "metric": "f1/sadness"}, "0.3976", 0.3976),
        ("mmmd", {"variant": "MMD", "setting": "modalities=acoustic+text", "metric": "wa"}, "76.6", 0.766),
        ("avspnet", {"corpus": "IEMOCAP", "variant": "AV-SpNET_a", "setting": "task=emotion/share=1"}, "0.431", 0.431),
        ("avspnet", {"corpus": "NNIME", "variant": "AV-SpNET_v", "setting": "task=valence/share=0.75"}, "0.530", 0.53),
        ("began", {"corpus": "EmoDB", "variant": "This work"}, "72", 0.72),
        ("began", {"corpus": "OMG-Emotion", "variant": "This work", "metric": "ccc/valence"}, "0.16", 0.16),
        ("mssgan", {"metric": "uar", "ours": MSSGAN_OURS}, "63.21", 0.6321),
        ("mssgan", {"table": "Table VIII", "metric": "correct/side"}, "1441", 1441),
        ("mssgan", {"table": "Table III", "metric": "validation_uar", "printed": "58.23"}, "58.23", 0.5823),
        ("cmkt", {"table": "Table 4", "setting": "alpha=0.8", "metric": "wa"}, "49.31", 0.4931),
        ("cmkt", {"table": "Table 6", "variant": "ARE", "metric": "uar"}, "58.00", 0.58),
    ],
)  # fmt: skip
def test_numbers_stand_as_printed_and_as_fractions(system, wanted, printed, value):
    (row,) = _find(system, **wanted)
    assert row.printed == printed and row.value == pytest.approx(value)


def test_the_mean_of_the_classes_is_the_printed_average():
    """Of MMMD's Table 1; the average is rounded, so within one unit of the last place."""
    for variant in {row.variant for row in _find("mmmd", table="Table 1")}:
        classes = [row.value for row in _find("mmmd", variant=variant) if row.metric.startswith("f1/")]
        (average,) = _find("mmmd", variant=variant, metric="macro_f1")
        assert len(classes) == 6 and sum(classes) / 6 == pytest.approx(average.value, abs=1.01e-4)


def test_spreads_and_papers():
    (row,) = _find("began", variant="This work", setting="speaker=KL")
    assert row.std == pytest.approx(0.027)
    assert all(read_published(system) for system in PAPERS)
    assert read_published("unknown") == ()


@pytest.mark.parametrize("system", PAPERS)
def test_every_figure_has_one_of_ours_beside_it_or_a_reason_why_not(system):
    assert [row for row in read_published(system) if not row.ours and not row.note] == []
