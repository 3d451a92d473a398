"""The page over made-up results: what it says, that it needs nothing else, and that it takes whatever was run."""

import json
import re
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure
from reporting.test_findings import figure, metrics

from semiser.reporting.gather import gather
from semiser.reporting.page import format_figure, make_report, rounded


@pytest.fixture
def folder(tmp_path):
    """Two systems with metrics, one with a figure and a record; sweeps without; a model's predictions."""
    mmmd = metrics({"svm": 0.5, "mmmd_epoch_wise": 0.6}, [("mmmd_epoch_wise - svm", 0.1, 0.2)], units=4)
    mmmd["variants"]["mmmd_epoch_wise"]["macro_f1"] = mmmd["variants"]["svm"]["uar"]
    _write(tmp_path / "train_mmmd/metrics.json", mmmd)
    record = {"command": "kedro run --env <x>", "finished": "2026-01-01", "versions": {"semiser": "1"}}
    _write(tmp_path / "train_mmmd/run.json", record)
    Figure(figsize=(3, 2)).savefig(tmp_path / "train_mmmd/confusion.png", dpi=150)
    _write(tmp_path / "train_avspnet/metrics.json", metrics({"random/task=arousal/share=1": 0.7}, corpora=("iemocap",)))
    (tmp_path / "mmmd_sweeps").mkdir()
    (tmp_path / "mmmd_sweeps/temperature.csv").write_text("variant,uar\nx/temperature=1,0.123456\n")
    (tmp_path / "predict").mkdir()
    (tmp_path / "predict/predictions.csv").write_text("prediction\nanger\n")
    (tmp_path / "report.html").write_text("an older one")
    return tmp_path


def _write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


class Page(HTMLParser):
    """Tags that are open, addresses that are asked for, and text."""

    def __init__(self, html):
        super().__init__()
        self.addresses, self.open, self.text = [], [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href", "srcset", "data")]
        if tag not in ("meta", "img", "wbr", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data


def test_the_page_answers_first_and_needs_nothing_else(folder):
    html = make_report(folder).html
    page = Page(html)
    assert page.open == []
    text = re.sub(r"\s+", " ", page.text)
    assert "mmmd_epoch_wise scored best: UAR 0.600, 0.100 ahead of svm (p = 0.200). Not sure" in text
    assert "Only 4 speakers were tested" in text
    assert "random/task=arousal/share=1 scored best" in text
    beside = re.compile(r"train_\w+/(metrics\.csv|metrics\.json|details\.json)")
    kept_in = ("#", "data:image/png;base64,")
    assert all(address.startswith(kept_in) or beside.fullmatch(address) for address in page.addresses)
    assert not re.search(r"url\((?!#)", html) and "@import" not in html
    assert "prefers-color-scheme: dark" in html and "@media print" in html


def test_both_sides_name_their_corpus(folder):
    text = re.sub(r"\s+", " ", Page(make_report(folder).html).text)
    assert "Table 3 · the paper on IEMOCAP, 2-class arousal · ours on iemocap same corpus, other classes" in text
    assert "Table 3 · the paper on NNIME, 2-class arousal · ours on iemocap another corpus" in text
    assert "Table 2 · the paper on IEMOCAP, 4-class emotion · nothing of ours to set beside it" in text


def test_a_setting_of_a_sweep_stands_beside_its_published_number(folder):
    swept = {"mmd/modalities=text": {"uar": figure(0.61)}}
    protocol = {"corpora": {"iemocap": {}}, "classes": list("abcd")}
    (folder / "mmmd_sweeps/modalities.json").write_text(json.dumps({"protocol": protocol, "variants": swept}))
    (folder / "mmmd_sweeps/run.json").write_text("{}")
    rows = [row for row in make_report(folder).comparison if row["ours_variant"] == "mmd/modalities=text"]
    assert [(row["table"], row["metric"], row["ours"], row["comparable"]) for row in rows] == [
        ("Table 2", "uar", 0.61, "same corpus")
    ]


def test_commands_sweeps_and_figures_are_there_and_predictions_are_not(folder):
    html = make_report(folder).html
    assert "kedro run --env &lt;x&gt;" in html  # escaped
    assert "kedro run --pipelines=train_avspnet" in html
    assert 'width="288" height="192"' in html  # 3 x 2 inches
    assert "MMMD sweeps" in html and "<td>0.123</td>" in html
    assert "predictions" not in [results.pipeline for results in gather(folder)] and ">anger<" not in html


def test_corpora_and_features_are_shown_where_there_are_any(folder):
    found = {"utterances": 3, "speakers": 2, "emotions": 1}
    corpus = {
        "found": found,
        "expected": {"utterances": 4},
        "differs": {"utterances": {"found": 3, "expected": 4}},
        "hours": 0.5,
        "emotions": {"anger": 3},
        "with_transcript": 0,
        "quarantined": 1,
        "quarantined_reasons": {"empty file (0 bytes)": 1},
    }
    families = {
        "is10": {"rows": 3, "shards": 1, "unusable": 0, "options": {"sample_rate_hz": 16000}},
        "fbank": {"family": "fbank", "rows": 0, "shards": 0, "unusable": 0},
        "proxy_arousal": {"rows": 3},
    }
    text = re.sub(r"\s+", " ", Page(make_report(folder, {"emodb": corpus}, families).html).text)
    assert "emodb: 3 utterances found, 4 published." in text
    assert "emodb: 1 quarantined, empty file (0 bytes)." in text
    assert "sample rate hz 16000" in text and "fbank" not in text and "proxy_arousal" not in text
    assert "30.0 min" in text
    assert "Corpora" not in Page(make_report(folder).html).text


def test_counts_stand_beside_those_of_the_papers_tables(folder):
    row = {"table": "MSSGAN, Table I", "what": "arousal: low", "published": 1112, "found": 1110}
    facts = {"found": {"utterances": 1, "speakers": 1}, "differs": {}, "hours": 1, "emotions": {}, "with_transcript": 0,
             "quarantined": 0, "quarantined_reasons": {}, "papers": [row]}  # fmt: skip
    text = re.sub(r"\s+", " ", Page(make_report(folder, ingest={"iemocap": facts}).html).text)
    assert "Counts beside the papers' tables (1 of 1 found, 0 the same)" in text
    assert "MSSGAN, Table Iiemocaparousal: low1,1121,110" in text


def test_summary_and_comparison_say_the_same(folder):
    report = make_report(folder)
    json.dumps(report.summary)
    assert [finding["best"] for finding in report.summary["findings"]] == [
        "random/task=arousal/share=1",
        "mmmd_epoch_wise",
    ]
    assert len(report.comparison) == 65 + 160
    ours = [row for row in report.comparison if row["ours"] is not None]
    assert {row["ours_corpora"] for row in ours if row["system"] == "avspnet"} == {"iemocap"}
    assert {row["published"] for row in ours if row["corpus"] == "IEMOCAP"} == {0.712}


def test_nothing_trained_is_said_and_a_broken_file_is_named(tmp_path):
    (tmp_path / "mine").mkdir()
    assert "Nothing was trained yet: <code>kedro run --env mine</code>" in make_report(tmp_path / "mine").html
    assert make_report(tmp_path / "absent").comparison == []
    (tmp_path / "train_x").mkdir()
    (tmp_path / "train_x/metrics.json").write_text("{")
    with pytest.raises(ValueError, match=r"train_x/metrics\.json is no JSON"):
        make_report(tmp_path)


def test_small_words():
    assert format_figure(None) == "–" and format_figure(-0.5) == "−0.500"
    assert rounded("0.123456") == "0.123" and rounded("12") == "12" and rounded("x") == "x" and rounded("") == "–"
