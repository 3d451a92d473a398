"""Node of report."""

import logging
from typing import Any

logger = logging.getLogger(__name__)


def write_report(
    folder: str, ingest: dict[str, Any] | None, features: dict[str, Any] | None, *metrics: dict[str, Any] | None
) -> tuple[str, dict[str, Any], Any]:
    """The page, what it says first, and ours beside the published figures.

    Args:
        folder: data/08_reporting; whatever lies there is shown, whichever run made it.
        ingest: `ingest_summary`, None where there is none.
        features: `features_summary`, likewise.
        metrics: of the training pipelines: they put this node behind the training of the same run, and are read from
            the folder with the figures beside them.
    """
    import pandas as pd

    from semiser.reporting.page import make_report

    report = make_report(folder, ingest, features)
    for finding in report.summary["findings"]:
        where = ", ".join(finding["corpora"])
        logger.info(
            "%s on %s: %s %.3f. %s", finding["best"], where, finding["metric"], finding["mean"], finding["certainty"]
        )
    return report.html, report.summary, pd.DataFrame(report.comparison)
