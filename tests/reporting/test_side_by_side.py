"""Several experiments in one table."""

import json

import pytest
from reporting.test_findings import metrics
from reporting.test_page import Page

from semiser.reporting.page import make_report
from semiser.reporting.side_by_side import side_by_side


@pytest.fixture
def reporting(tmp_path):
    """Two experiments with figures, of which one has a page, and one without."""
    _write(tmp_path / "casia/train_mmmd", metrics({"svm": 0.5, "mmd": 0.6}, corpora=("casia",)))
    _write(tmp_path / "emodb/train_mmmd", metrics({"svm": 0.7}))
    _write(tmp_path / "emodb/train_avspnet", metrics({"net/task=arousal": 0.8}))
    (tmp_path / "emodb/report.html").touch()
    (tmp_path / "empty").mkdir()
    return tmp_path


def _write(folder, document):
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(document))


def test_the_best_of_every_experiment_stands_in_the_row_of_its_system(reporting):
    found = side_by_side(reporting / "casia", None)
    assert found.experiments == ["casia", "emodb"]
    shown = [
        (row.pipeline, row.setting, [cell and (cell.finding.best, cell.finding.mean, cell.page) for cell in row.cells])
        for row in found.rows
    ]
    assert shown == [
        ("train_avspnet", "task=arousal", [None, ("net/task=arousal", 0.8, "../emodb/report.html")]),
        ("train_mmmd", "", [("mmd", 0.6, None), ("svm", 0.7, "../emodb/report.html")]),
    ]
    assert side_by_side(reporting / "casia", ["emodb"]).experiments == ["emodb"]


def test_an_experiment_without_figures_is_refused(reporting):
    with pytest.raises(ValueError, match=r"report\.experiments names empty, tow, .* there are casia, emodb"):
        side_by_side(reporting / "casia", ["casia", "tow", "empty"])


def test_the_page_shows_them_where_they_are_asked_for(reporting):
    report = make_report(reporting / "casia", beside_it=side_by_side(reporting / "casia", None))
    page = Page(report.html)
    assert "../emodb/report.html#train_mmmd" in page.addresses and page.open == []
    assert "Experiments side by side" in page.text and "svm on emodb" in page.text
    assert json.loads(json.dumps(report.summary))["side_by_side"]["experiments"] == ["casia", "emodb"]
    alone = make_report(reporting / "casia")
    assert "side by side" not in alone.html and "side_by_side" not in alone.summary
    assert "experiment casia" in alone.html
