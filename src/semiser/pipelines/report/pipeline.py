"""One page over everything that was run in an experiment: which system did best on what, and how sure that is."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.report.nodes import write_report

# Their metrics are optional in the catalog: what was not run is left out.
TRAINING = ("train_avspnet", "train_began", "train_cmkt", "train_mmmd", "train_mssgan")


def create_pipeline() -> Pipeline:
    """The report pipeline."""
    metrics = [f"{pipeline}.metrics" for pipeline in TRAINING]
    return Pipeline(
        [
            Node(
                func=write_report,
                inputs=["params:places", "params:report", "ingest_summary", "features_summary", *metrics],
                outputs=["report", "report_summary", "report_comparison"],
                name="write_report",
            )
        ]
    )
