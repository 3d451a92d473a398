"""One page over everything that was run: which system did best on what, and how sure that is."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.report.nodes import write_report
from semiser.systems.system import system_names

# The metrics of every training pipeline; each is optional in its catalog and left out where it was not run.
METRICS = tuple(f"train_{name}_metrics" for name in system_names())


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
