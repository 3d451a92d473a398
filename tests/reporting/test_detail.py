"""Details as the page shows them."""

import json

from reporting.test_findings import metrics
from reporting.test_page import Page

from semiser.reporting.detail import often_wrong, show
from semiser.reporting.page import make_report

NET = {
    "classes": ["a", "b"],
    "confusion": [[3, 1], [0, 0]],
    "seeds": 1,
    "speakers": [
        {"speaker": f"s{n:02}", "utterances": 4, "right": 0.5, "recall": 0.25, "classes": 1} for n in range(14)
    ],
    "calibration": [{"confidence": 0.6, "right": 0.5, "count": 4}],
    "curves": {
        "mixed_loss": {"epoch": [1, 2], "mean": [20.0, 10.0], "std": [0, 0]},
        "validation_uar": {"epoch": [1, 2], "mean": [0.4, 0.6], "std": [0, 0]},
    },
}
WRONG = {
    "task": "", "utterance_id": "c/1", "corpus": "c", "speaker_id": "s01", "audio_path": "a b.wav", "start_s": 1.5,
    "end_s": 2.0, "target": "a", "said": {"b": 2}, "wrong": 2, "of": 3,
}  # fmt: skip


def test_recalls_shares_and_the_worst_speakers():
    (found,) = show({"variants": {"net": NET}}, ["net", "svm"])
    assert found.rows == [("a", 4, [(3, 0.75), (1, 0.25)], 0.75), ("b", 0, [(0, 0.0), (0, 0.0)], None)]
    assert len(found.speakers) == 12 and found.more_speakers == 2 and found.validated


def test_curves_are_vectors_whose_text_follows_the_page():
    (found,) = show({"variants": {"net": NET}}, ["net"])
    assert found.curves.startswith("<svg ") and "mixed loss" in found.curves and "validation uar" in found.curves
    assert "currentColor" in found.curves and "#000000" not in found.curves and "<image" not in found.curves


def test_a_player_stands_where_the_sound_is(tmp_path):
    corpus, page = tmp_path / "corpus", tmp_path / "data/08_reporting/x"
    corpus.mkdir()
    page.mkdir(parents=True)
    assert often_wrong([WRONG], {"c": str(corpus)}, page)[0].player is None
    (corpus / "a b.wav").touch()
    (found,) = often_wrong([WRONG], {"c": str(corpus)}, page)
    assert found.player == "../../../corpus/a%20b.wav#t=1.5,2" and found.said == "b 2"
    assert often_wrong([WRONG], {}, page)[0].player is None


def test_the_page_shows_details_what_variants_are_and_the_final_model(tmp_path):
    made = metrics({"net": 0.6, "svm": 0.5, "dnn": 0.4}, [("net - svm", 0.1, 0.02), ("net - dnn", 0.2, 0.03)])
    fold = {
        "fold": 0,
        "test": "s01",
        "utterances": {"train": 7, "unlabelled": 9, "test": 2},
        "unlabelled_kept_apart": 3,
    }
    made["protocol"] |= {"folds": [fold], "seeds": [0]}
    (tmp_path / "train_mmmd").mkdir()
    (tmp_path / "train_mmmd/metrics.json").write_text(json.dumps(made))
    (tmp_path / "train_mmmd/details.json").write_text(json.dumps({"variants": {"net": NET}, "wrong": [WRONG]}))
    expected = {"note": "UAR 0.600, which is optimistic."}
    final = {"final": "mine", "title": "MMMD", "variant": "net", "kind": "refit", "labelled": {"a": 3, "b": 4},
             "speakers": 2, "expected": expected}  # fmt: skip
    report = make_report(tmp_path, described={"train_mmmd": {"net": "one network"}}, final=final)
    page = Page(report.html)
    text = " ".join(page.text.split())
    assert page.open == []
    assert "one network" in text and "std over folds" in text
    assert "p, Holm's" in text and "0.020" in text and "0.040" in text  # 2 times 0.020, then the larger of it and 0.03
    assert "trained once more on all 7 labelled utterances of 2 speakers. Expect: UAR 0.600" in text
    assert "heard as b 2: wrong 2 times of 3" in text and "Dashed: validation" in text
    assert "labelled, trains" in text and "unlabelled, kept apart" in text
