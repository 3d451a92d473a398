"""One page over everything that was run in an experiment: which system did best on what, and how sure that is."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.report.nodes import write_report
from semiser.systems.system import system_names


def create_pipeline(systems: Sequence[str] | None = None) -> Pipeline:
    """The report pipeline.

    Args:
        systems: whose training the report waits for in the same run; None: any. Whatever lies in the experiment's
            folder is shown in either case; their metrics are optional in the catalog.
    """
    names = system_names() if systems is None else systems
    return Pipeline(
        [
            Node(
                func=write_report,
                inputs=[
                    "params:places",
                    "params:report",
                    "ingest_summary",
                    "features_summary",
                    *(f"train_{name}_{kind}" for name in names for kind in ("metrics", "details", "final")),
                ],
                outputs=["report", "report_summary", "report_comparison"],
                name="write_report",
                tags=["evaluation"],
            )
        ]
    )
