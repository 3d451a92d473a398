import pyarrow as pa
import pyarrow.parquet as pq

from semiser.systems.cmkt.pseudo_labels import PseudoLabelRun, count_pseudo_labels, pseudo_label_figure

FOLDS = pa.table(
    {
        "fold": [0, 0, 0, 0, 1, 1],
        "utterance_id": list("tuvwvt"),
        "role": ["train", "unlabelled", "unlabelled", "unlabelled", "unlabelled", "test"],
        "true_label": ["a", "a", "b", None, "b", "a"],
    }
)


def _run(path, fold, rows, variant="fixmatch"):
    names = ("epoch", "row", "class", "kept")
    types = (pa.int32(), pa.int32(), pa.int8(), pa.bool_())
    columns = [pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), types, strict=True)]
    pq.write_table(pa.table(columns, names=names), path)
    return PseudoLabelRun(variant, fold, path)


def test_pseudo_labels_are_counted_and_judged_by_epoch_and_class(tmp_path):
    first = [(0, 1, 0, True), (0, 2, 0, True), (0, 3, 0, True), (1, 1, 1, False), (1, 2, 1, True)]
    runs = [
        _run(tmp_path / "0.parquet", 0, first),
        _run(tmp_path / "1.parquet", 1, [(0, 0, 1, True), (1, 0, 0, False)]),
    ]
    table = count_pseudo_labels(FOLDS, runs, ["a", "b"])
    assert table.values.tolist() == [
        ["fixmatch", 0, "a", 3, 3, 2, 1],  # u is a, v is not, w is not known
        ["fixmatch", 0, "b", 1, 1, 1, 1],
        ["fixmatch", 1, "a", 1, 0, 0, 0],
        ["fixmatch", 1, "b", 2, 1, 1, 1],
    ]


def test_the_figure_draws_shares_and_leaves_out_what_no_utterance_was_given(tmp_path):
    run = _run(tmp_path / "0.parquet", 0, [(0, 1, 0, True), (0, 2, 0, False), (1, 1, 0, False)])
    figure = pseudo_label_figure(count_pseudo_labels(FOLDS, [run], ["a", "b"]))
    kept, precision = figure.axes
    drawn = {line.get_label(): line.get_ydata().tolist() for line in kept.lines}
    assert drawn["a"] == drawn["all"] == [0.5, 0]
    assert all(value != value for value in drawn["b"])  # nan
    assert next(line for line in precision.lines if line.get_label() == "a").get_ydata()[0] == 1
    assert not pseudo_label_figure(count_pseudo_labels(FOLDS, [], ["a", "b"])).axes
