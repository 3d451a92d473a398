"""One page over everything that was run in an experiment: which system did best on what, and how sure that is."""

import warnings

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.report.nodes import write_report

# Their metrics are optional in the catalog: what was not run is left out.
TRAINING = ("train_avspnet", "train_began", "train_cmkt", "train_mmmd", "train_mssgan")


def create_pipeline() -> Pipeline:
    """The report pipeline."""
    metrics = [f"{pipeline}.metrics" for pipeline in TRAINING]
    with warnings.catch_warnings():
        # Kedro keeps dots in names for namespaces, which is what these are: the report is in none of them.
        warnings.filterwarnings("ignore", message="One or more dataset names contain '.'")
        node = Node(
            func=write_report,
            inputs=["params:places", "params:report", "ingest_summary", "features_summary", *metrics],
            outputs=["report", "report_summary", "report_comparison"],
            name="write_report",
        )
    return Pipeline([node])
