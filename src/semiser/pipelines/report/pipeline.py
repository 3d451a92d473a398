"""One page over everything that was run in an experiment: which system did best on what, and how sure that is."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.report.nodes import write_report

# The metrics of every training pipeline; each is optional in its catalog and left out where it was not run.
METRICS = tuple(f"train_{name}_metrics" for name in ("avspnet", "began", "cmkt", "mmmd", "mssgan"))


def create_pipeline() -> Pipeline:
    """The report pipeline."""
    return Pipeline(
        [
            Node(
                func=write_report,
                inputs=["params:places", "params:report", "ingest_summary", "features_summary", *METRICS],
                outputs=["report", "report_summary", "report_comparison"],
                name="write_report",
            )
        ]
    )
