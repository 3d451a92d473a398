"""Files that Kedro's datasets write: complete or absent, and safe for spreadsheet programs."""

from copy import deepcopy

import pandas as pd
import pytest
from fsspec import url_to_fs
from kedro.io import DatasetError
from matplotlib.figure import Figure

from semiser.datasets.figure import FigureDataset
from semiser.datasets.published import TableDataset, TextDataset


class Broken:
    """Something that fails while it is being written."""

    def __str__(self):
        raise RuntimeError("killed here")


def figure(last=2):
    drawn = Figure()
    drawn.subplots().plot([1, last])
    return drawn


@pytest.mark.parametrize(
    "kind, data, end",
    [
        (TextDataset, "<html>ü</html>", "ü</html>".encode()),
        (TableDataset, pd.DataFrame({"a": ["x", "ü"]}), "ü\n".encode()),
        (FigureDataset, figure(), b"IEND\xaeB`\x82"),
    ],
)
@pytest.mark.parametrize("place", ["{}/f", "memory://{}/f"])
def test_a_file_appears_when_it_is_whole(tmp_path, kind, data, end, place):
    dataset = kind(filepath=place.format(tmp_path))
    dataset.save(data)
    assert url_to_fs(place.format(tmp_path))[0].cat_file(place.format(tmp_path)).endswith(end)
    assert [path.name for path in tmp_path.iterdir()] in ([], ["f"], ["f.svg", "f"], ["f", "f.svg"])


def test_a_table_that_fails_half_way_leaves_the_one_before(tmp_path):
    dataset = TableDataset(filepath=str(tmp_path / "t.csv"), save_args={"index": False})
    dataset.save(pd.DataFrame({"a": [1]}))
    with pytest.raises(DatasetError, match="killed here"):
        dataset.save(pd.DataFrame({"a": [0] * 100_000 + [Broken()]}))
    assert (tmp_path / "t.csv").read_text() == "a\n1\n" and len(list(tmp_path.iterdir())) == 1
    assert dataset.load().to_dict("list") == {"a": [1]}
    assert deepcopy(dataset).preview()["data"] == [[1]], "kedro-viz shows it"


def test_a_figure_that_fails_half_way_leaves_the_one_before(tmp_path, monkeypatch):
    dataset = FigureDataset(filepath=str(tmp_path / "f.png"))
    dataset.save(figure())
    before = (tmp_path / "f.png").read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(DatasetError, match="Input/output error"):
        dataset.save(figure(last=3))
    assert (tmp_path / "f.png").read_bytes() == before and not list(tmp_path.glob("*.partial"))


def test_no_text_begins_a_formula(tmp_path):
    texts = [
        "=cmd()|x!A1.wav",
        "@SUM(1).wav",
        "-rf.wav",
        "+1+cmd()",
        "\t=1",
        "\r=1",
        "plain",
        "-1.5",
        "+2",
        "-3e-05",
        "10%",
    ]
    dataset = TableDataset(filepath=str(tmp_path / "t.csv"), save_args={"index": False})
    dataset.save(pd.DataFrame({"=path": texts, "value": [-1.5] * len(texts), "none": [None] * len(texts)}))
    found = dataset.load()
    assert found.columns.tolist() == ["'=path", "value", "none"]
    assert found["'=path"].tolist() == [f"'{text}" for text in texts[:6]] + texts[6:]
    assert found["value"].tolist() == [-1.5] * len(texts) and found["none"].isna().all()
