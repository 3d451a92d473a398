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
