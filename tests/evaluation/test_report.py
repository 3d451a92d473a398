"""metrics.json from a handful of predictions worked out by hand."""

import json

import numpy as np
import pyarrow as pa
import pytest

from semiser.evaluation.report import (
    DIMENSIONS_SCHEMA,
    PREDICTIONS_SCHEMA,
    compare_predictions,
    evaluate,
    metrics_table,
)

CLASSES = ["anger", "joy"]


def predictions(*variants: tuple[str, int, str], schema: pa.Schema = PREDICTIONS_SCHEMA) -> pa.Table:
    """Rows of (variant, seed, letters): per fold, which is a speaker, a word of predictions; targets are ajaj..."""
    rows = []
    for variant, seed, words in variants:
        for fold, word in enumerate(words.split()):
            for place, letter in enumerate(word):
                rows.append(
                    {
                        "experiment": "e",
                        "variant": variant,
                        "seed": seed,
                        "fold": fold,
                        "utterance_id": f"x/{fold}_{place}",
                        "speaker_id": f"x/{fold}",
                        "target": CLASSES[place % 2],
                        "prediction": {"a": "anger", "j": "joy"}[letter],
                    }
                )
    return pa.Table.from_pylist(rows, schema.with_metadata({"classes": json.dumps(CLASSES)}))


def test_figures_by_hand():
    # Fold 0 is all right; fold 1 has anger right once in two, joy not at all: UAR 0.25. Fold 2 has no joy.
    metrics = evaluate(predictions(("svm", 0, "ajaj aaja a")), {"corpora": "x"})
    figure = metrics["variants"]["svm"]["uar"]
    assert figure["per_fold"] == [1, 0.25, 1]
    assert figure["mean"] == pytest.approx(0.75)
    assert figure["std"] == pytest.approx(np.std([1, 0.25, 1], ddof=1))
    assert figure["pooled"] == pytest.approx((4 / 5 + 2 / 4) / 2)
    assert figure["ci95"] == [0.25, 1]
    joy = metrics["variants"]["svm"]["recall/joy"]
    assert joy["per_fold"] == [1, 0, None]
    assert joy["mean"] == 0.5
    assert metrics["paired"] == {}
    assert metrics["protocol"]["corpora"] == "x"
    assert metrics["protocol"]["classes"] == CLASSES
    assert metrics["protocol"]["test"] == {"utterances": 9, "folds": 3}
    assert "over folds" in metrics["protocol"]["statistics"]["std"]
    assert "3 units (speaker); too narrow" in metrics["protocol"]["statistics"]["ci95"]


def test_std_is_over_seeds_where_there_are_several():
    metrics = evaluate(predictions(("svm", 3, "aj aj"), ("svm", 8, "aj jj")), {})
    figure = metrics["variants"]["svm"]["wa"]
    assert figure["per_fold"] == [1, 0.75]
    assert figure["mean"] == 0.875
    assert figure["std"] == pytest.approx(np.std([1, 0.75], ddof=1))
    assert metrics["protocol"]["seeds"] == [3, 8]
    assert "over seeds" in metrics["protocol"]["statistics"]["std"]


def test_paired_on_the_utterances_that_both_have():
    both = predictions(("base", 0, "aa aa aa aa aj"), ("new", 0, "aj aj aa aj"))
    metrics = evaluate(both, {})
    assert list(metrics["paired"]) == ["new - base"]
    entry = metrics["paired"]["new - base"]["wa"]
    assert entry["difference"] == pytest.approx(0.375)  # 0.5, 0.5, 0, 0.5; the fifth speaker is not in both
    assert entry["utterances"] == 8
    assert entry["test"] == "t"
    assert 0.05 < entry["p"] < 0.06  # t = 0.375 / (0.25 / 2) = 3 with three degrees of freedom
    assert entry["ci95"] == [0.125, 0.5]  # three zeros of four are drawn in 5 % of resamples, four in 0.4 %
    turned = evaluate(both, {}, pairs=[("base", "new")])["paired"]["base - new"]["wa"]
    assert turned["difference"] == pytest.approx(-0.375)
    assert evaluate(both, {}, pairs=[])["paired"] == {}
    with pytest.raises(ValueError, match="unknown variants mlp; there are base, new"):
        evaluate(both, {}, pairs=[("base", "mlp")])


def test_two_tables_are_compared_as_two_variants_of_one():
    both = predictions(("svm", 0, "ajaj aaja"), ("net", 0, "ajjj ajaj"))
    of_one = evaluate(both, {}, pairs=[("net", "svm")])["paired"]["net - svm"]
    a, b = predictions(("mmd", 0, "ajjj ajaj")), predictions(("mmd", 0, "ajaj aaja"))
    found = compare_predictions(a, b)
    assert found == of_one
    # By hand: folds 0.75 and 1 against 1 and 0.25.
    assert found["uar"]["difference"] == pytest.approx(0.25)
    assert compare_predictions(a, predictions(("mmd", 7, "ajaj"))) == {}


def test_numbers_are_compared_by_concordance_and_never_with_classes():
    facts = {"experiment": "e", "variant": "net", "seed": 0, "fold": 0, "dimension": "arousal"}
    rows = [facts | {"utterance_id": f"x/{n}", "speaker_id": f"x/{n % 2}", "target": float(n)} for n in range(4)]
    right = pa.Table.from_pylist([row | {"prediction": row["target"]} for row in rows], DIMENSIONS_SCHEMA)
    wrong = pa.Table.from_pylist([row | {"prediction": 3 - row["target"]} for row in rows], DIMENSIONS_SCHEMA)
    assert compare_predictions(right, wrong)["ccc/arousal"]["difference"] == pytest.approx(2)
    with pytest.raises(ValueError, match="one predicts classes and the other numbers"):
        compare_predictions(right, predictions(("net", 0, "aj")))
    other = predictions(("net", 0, "aj")).replace_schema_metadata({"classes": '["anger", "sadness"]'})
    with pytest.raises(ValueError, match="the classes differ: anger, sadness and anger, joy"):
        compare_predictions(other, predictions(("net", 0, "aj")))


def test_utterances_are_resampled_where_there_is_one_speaker_or_none_is_known():
    for speaker in ("x/0", None):
        table = predictions(("svm", 0, "aj aj aa aa"))
        table = table.set_column(5, "speaker_id", pa.array([speaker] * len(table), pa.string()))
        metrics = evaluate(table, {})
        assert "8 units (utterance)" in metrics["protocol"]["statistics"]["ci95"]
        low, high = metrics["variants"]["svm"]["wa"]["ci95"]
        assert 0.3 < low < 0.75 < high <= 1


def test_concordance_has_its_own_rows():
    rows = [
        {"experiment": "e", "variant": "svm", "seed": 0, "fold": 0, "utterance_id": f"x/{place}", "target": target,
         "speaker_id": None, "dimension": "arousal", "prediction": prediction}
        for place, (target, prediction) in enumerate([(1.0, 2.0), (2.0, 2.0), (3.0, 5.0)])
    ]  # fmt: skip
    numbers = pa.Table.from_pylist(rows, DIMENSIONS_SCHEMA)
    figure = evaluate(predictions(("svm", 0, "aj")), {}, dimensions=numbers)["variants"]["svm"]["ccc/arousal"]
    assert figure["mean"] == pytest.approx(6 / 11)
    assert figure["per_fold"] == [pytest.approx(6 / 11)]
    assert figure["std"] is None


def test_metrics_are_plain_json_and_the_same_in_any_order():
    table = predictions(("base", 0, "aa aj a"), ("new", 0, "aj jj a"))
    metrics = evaluate(table, {})
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    halves = [table.slice(0, 5).take([4, 2, 0, 3, 1]), table.slice(5).take([4, 2, 0, 3, 1])]
    assert evaluate(pa.concat_tables(halves), {}) == metrics


def test_table_has_a_row_per_variant():
    frame = metrics_table(evaluate(predictions(("base", 0, "aa aa"), ("new", 0, "aj aa")), {}))
    assert frame["variant"].tolist() == ["base", "new"]
    assert frame["uar"].tolist() == [0.5, 0.75]
    assert frame["uar_ci95_low"].tolist() == [0.5, 0.5]
    assert frame["f1/joy"].tolist() == [0, 0.5]
    assert list(frame.columns[:5]) == ["variant", "uar", "uar_std", "uar_ci95_low", "uar_ci95_high"]


def test_predictions_that_cannot_be_evaluated_are_refused():
    table = predictions(("svm", 0, "aj aj"))
    with pytest.raises(ValueError, match="1 predictions stand twice"):
        evaluate(pa.concat_tables([table, table.slice(0, 1)]), {})
    with pytest.raises(ValueError, match=r"prediction holds \['fear'\], which are not among the classes"):
        evaluate(table.set_column(7, "prediction", pa.array(["fear"] * 4)), {})
    with pytest.raises(ValueError, match="variant svm stands in more than one experiment"):
        evaluate(table.set_column(0, "experiment", pa.array(["e", "e", "f", "f"])), {})
    with pytest.raises(ValueError, match="there is no prediction to evaluate"):
        evaluate(table.slice(0, 0), {})
    with pytest.raises(ValueError, match="give one of them"):
        evaluate(table.replace_schema_metadata(None), {})
    assert evaluate(table.replace_schema_metadata(None), {"classes": CLASSES})["variants"]["svm"]["wa"]["mean"] == 1
