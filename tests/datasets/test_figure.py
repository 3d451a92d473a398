"""Figures as PNG and SVG."""

import pytest
from kedro.io import DatasetError
from matplotlib.figure import Figure

from semiser.datasets.figure import FigureDataset


def test_a_figure_is_saved_twice_and_its_text_is_text(tmp_path):
    figure = Figure(figsize=(3, 2))
    figure.subplots().set_title("recall & more")
    dataset = FigureDataset(filepath=f"{tmp_path}/below/a.png", dpi=100)
    assert not dataset.exists()
    dataset.save(figure)
    assert dataset.exists() and sorted(path.name for path in (tmp_path / "below").iterdir()) == ["a.png", "a.svg"]
    text = (tmp_path / "below/a.svg").read_text()
    assert "recall &amp; more" in text and "prefers-color-scheme: dark" in text and 'fill="currentColor"' in text
    assert dataset.preview().startswith("iVBOR")
    with pytest.raises(DatasetError, match="is a picture"):
        dataset.load()


def test_a_picture_is_drawn_again_where_it_would_be_another_or_is_not_there(tmp_path):
    def save(title, dpi=100):
        figure = Figure(figsize=(3, 2), layout="constrained")
        figure.subplots().set_title(title)
        FigureDataset(filepath=f"{tmp_path}/a.png", dpi=dpi).save(figure)
        return picture.stat().st_ino, picture.read_bytes()

    picture, vectors = tmp_path / "a.png", tmp_path / "a.svg"
    first = save("recall")
    assert save("recall") == first  # a file that is published anew is another file
    other = save("precision")
    assert other[1] != first[1] and "precision" in vectors.read_text()
    assert save("precision", dpi=50)[1] != other[1]
    assert save("recall")[1] == first[1]
    vectors.write_text(vectors.read_text().replace("recall", "preci"))
    assert save("recall")[0] != first[0] and "recall" in vectors.read_text()
    picture.unlink()
    assert save("recall")[1] == first[1]
