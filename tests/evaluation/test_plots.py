"""Plots say what the numbers say."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from semiser.evaluation.plots import confusion_figure, curves_figure, reconstruction_figure, shares_figure

CLASSES = ["anger", "joy"]


def predictions() -> pa.Table:
    return pa.table(
        {
            "variant": ["svm"] * 5 + ["mmmd"] * 2,
            "seed": [0] * 7,
            "target": ["anger", "anger", "anger", "anger", "joy", "anger", "joy"],
            "prediction": ["anger", "anger", "anger", "joy", "joy", "joy", "joy"],
        }
    ).replace_schema_metadata({"classes": json.dumps(CLASSES)})


def test_confusion_figure_writes_row_percentages_and_counts(tmp_path):
    figure = confusion_figure(predictions(), CLASSES)
    svm, mmmd = figure.axes
    assert [text.get_text() for text in svm.texts] == ["75 %\n3", "25 %\n1", "0 %\n0", "100 %\n1"]
    assert [text.get_text() for text in mmmd.texts] == ["0 %\n0", "100 %\n1", "0 %\n0", "100 %\n1"]
    assert svm.get_title() == "svm\npooled UAR 0.875, 5 predictions"
    figure.savefig(tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_variants_may_have_classes_of_their_own():
    svm, mmmd = confusion_figure(predictions(), {"svm": CLASSES, "mmmd": ["joy", "anger", "fear"]}).axes
    assert [label.get_text() for label in svm.get_xticklabels()] == CLASSES
    assert [label.get_text() for label in mmmd.get_yticklabels()] == ["joy", "anger", "fear"]
    assert mmmd.texts[0].get_text() == "100 %\n1" and mmmd.texts[8].get_text() == "0 %\n0"


def test_curves_are_means_over_folds_in_a_band():
    curves = pa.table(
        {
            "variant": ["svm"] * 5,
            "fold": [0, 1, 0, 1, 0],
            "seed": [0] * 5,
            "epoch": [0, 0, 1, 1, 2],
            "name": ["loss"] * 5,
            "value": [4.0, 2.0, 2.0, 1.0, float("nan")],
        }
    )
    (axis,) = curves_figure(curves).axes
    assert axis.lines[0].get_xydata().tolist() == [[0, 3], [1, 1.5]]
    band = axis.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (1.0, 4.0)  # 3 - 1 and 3 + 1, 1.5 - 0.5 and 1.5 + 0.5


def test_panels_are_as_many_as_the_curves():
    names = ["a", "b", "c", "d"]
    curves = pa.table(
        {"variant": ["v"] * 4, "fold": [0] * 4, "seed": [0] * 4, "epoch": [0] * 4, "name": names, "value": np.ones(4)}
    )
    assert [axis.get_title() for axis in curves_figure(curves).axes] == names


def test_nothing_to_draw_is_an_error():
    with pytest.raises(ValueError, match="no prediction to draw"):
        confusion_figure(predictions().slice(0, 0), CLASSES)


def test_scores_by_share_have_a_panel_per_setting_and_a_line_with_intervals_per_variant():
    names = [
        f"{name}/task=emotion/share={share}/recognition={of}" for of in "ab" for name in "xy" for share in (0.5, 1)
    ]
    uar = np.linspace(0.2, 0.9, len(names))
    table = pd.DataFrame({"variant": names, "uar": uar, "uar_ci95_low": uar - 0.1, "uar_ci95_high": uar + 0.2})
    figure = shares_figure(table)
    assert [axis.get_title() for axis in figure.axes] == ["task=emotion recognition=a", "task=emotion recognition=b"]
    line, _, (bars,) = figure.axes[1].containers[0]
    np.testing.assert_allclose(line.get_ydata(), uar[4:6])
    np.testing.assert_allclose(line.get_xdata(), [0.495, 0.995])  # x and y stand apart by a hundredth
    np.testing.assert_allclose(bars.get_segments()[0][:, 1], [uar[4] - 0.1, uar[4] + 0.2])


def test_lines_of_one_colour_have_other_markers_and_references_are_broken():
    names = [f"m{number}/share={share}" for number in range(12) for share in (0.5, 1)]
    uar = np.linspace(0.2, 0.9, len(names))
    table = pd.DataFrame({"variant": names, "uar": uar, "uar_ci95_low": uar, "uar_ci95_high": uar})
    (axis,) = shares_figure(table, references={"duration alone": {0.5: 0.3, 1.0: 0.4}}).axes
    drawn = {(line[0].get_color(), line[0].get_marker()) for line in axis.containers}
    assert len(drawn) == 12
    (line,) = [line for line in axis.lines if line.get_label() == "duration alone"]
    assert line.get_ydata().tolist() == [0.3, 0.4] and line.get_linestyle() == "--"


@pytest.mark.parametrize("shares, ticks", [((0.01, 1), ["1 %", "100 %"]), ((0.05,), ["5 %"])])
def test_shares_of_several_magnitudes_and_one_alone_stand_as_percentages(shares, ticks):
    uar = np.linspace(0.2, 0.9, len(shares))
    table = pd.DataFrame({"variant": [f"svm/share={share:g}" for share in shares], "uar": uar})
    table = table.assign(uar_ci95_low=uar - 0.1, uar_ci95_high=uar + 0.1)
    (axis,) = shares_figure(table).axes
    assert axis.get_xscale() == "log" and [label.get_text() for label in axis.get_xticklabels()] == ticks
    np.testing.assert_allclose(axis.containers[0][0].get_xdata(), shares)


def test_segments_are_drawn_on_the_scale_of_the_first():
    values = np.arange(6.0).reshape(2, 3)
    figure = reconstruction_figure({"input": values, "made": 10 * values})
    first, second = figure.axes[:2]
    assert [axis.get_title() for axis in (first, second)] == ["input", "made"]
    assert second.images[0].get_clim() == (0, 5) and second.images[0].origin == "lower"
