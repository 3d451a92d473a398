"""What is read of a run's catalog."""

from pathlib import Path

from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline

from semiser.datasets.document import DocumentDataset
from semiser.experiments.catalog import file_of, metrics_files, options_of, results_folder
from semiser.options.training import TrainingOptions


def _nothing(*_):
    return None


def _catalog(**datasets):
    return DataCatalog(datasets)


def test_options_are_those_that_the_nodes_take_with_defaults():
    pipeline = Pipeline([Node(_nothing, ["params:places", "params:training", "params:mmd", "table"], "scores")])
    catalog = _catalog(
        **{
            "params:training": MemoryDataset(TrainingOptions(seeds=[3])),
            "params:mmd": MemoryDataset({"hidden": (8, 4)}),
            "params:places": MemoryDataset({}),
            "params:other": MemoryDataset(1),
        }
    )
    found = options_of(pipeline, catalog)
    assert list(found) == ["mmd", "training"]
    assert found["mmd"] == {"hidden": [8, 4]}
    assert (found["training"]["seeds"], found["training"]["reuse"]) == ([3], True)


def test_metrics_are_found_by_the_pipeline_that_is_in_their_name():
    pipeline = Pipeline([Node(_nothing, None, ["train_x_metrics", "other"])])
    pipeline += Pipeline([Node(_nothing, None, "share_metrics")], namespace="x_sweeps")
    catalog = _catalog(**{"train_x_metrics": DocumentDataset(filepath="08/demo/train_x/metrics.json")})
    assert metrics_files(pipeline, catalog) == {"train_x": Path("08/demo/train_x/metrics.json")}
    away = _catalog(**{"train_x_metrics": DocumentDataset(filepath="memory://08/metrics.json")})
    assert metrics_files(pipeline, away) == {}
    assert file_of(_catalog(scores=MemoryDataset()), "scores") is None


def test_results_are_where_all_tables_and_figures_lie():
    reporting = Path("08/demo")
    files = [reporting / "train_x/metrics.json", reporting / "train_x/confusion.png", Path("06/demo/x.json")]
    assert results_folder(files, reporting) == Path("08/demo/train_x")
    assert results_folder([*files, reporting / "report.html"], reporting) == reporting
    assert results_folder([Path("02/demo/utterances.parquet"), Path("02/demo/summary.json")], reporting) == Path(
        "02/demo"
    )
    assert results_folder([], reporting) is None
