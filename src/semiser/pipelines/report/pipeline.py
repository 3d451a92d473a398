"""One page over everything that was run: which system did best on what, and how sure that is."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.report.nodes import write_report

# The metrics of every training pipeline; each is optional in its catalog and left out where it was not run.
METRICS = ("mmmd_metrics", "avspnet_metrics", "began_metrics", "mssgan_metrics", "cmkt_metrics")


def create_pipeline() -> Pipeline:
    """The report pipeline."""
    return Pipeline(
        [
            Node(
                func=write_report,
                inputs=["reporting_folder", "ingest_summary", "features_summary", *METRICS],
                outputs=["report", "report_summary", "report_comparison"],
                name="write_report",
            )
        ]
    )
