"""Where experiments lie."""

from pathlib import Path

import pytest

from semiser.experiments.tree import Tree, is_on_disk

PLACES = {"features": "data/04_feature", "models": "data/06_models/demo", "reporting": "data/08_reporting/demo"}


def test_all_experiments_are_found_from_the_places_of_one(tmp_path):
    tree = Tree.of(PLACES, tmp_path)
    assert tree.experiments() == []
    for folder in ("02_intermediate/a", "06_models/b", "08_reporting/a", "08_reporting/.hidden", "04_feature/is10"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    (tmp_path / "data/08_reporting/report.html").touch()
    assert tree.experiments() == ["a", "b"]
    data = tmp_path / "data"
    assert tree.folders_of("a") == [data / "02_intermediate/a", data / "08_reporting/a"]
    assert (tree.data, tree.features) == (data, data / "04_feature")


def test_results_on_an_object_store_are_refused():
    assert Tree.of(PLACES | {"features": "s3://bucket/features"}, Path()).features is None
    with pytest.raises(ValueError, match=r"places\.models is s3://bucket/models"):
        Tree.of(PLACES | {"models": "s3://bucket/models"}, Path())


@pytest.mark.parametrize(
    "place, on_disk",
    [
        ("data/x", True),
        ("/data/x:y/z", True),
        ("C:/data", True),
        ("s3://b/x", False),
        ("memory:/x", False),
        ("simplecache::s3://b", False),
    ],
)
def test_an_address_is_no_path(place, on_disk):
    assert is_on_disk(place) == on_disk
