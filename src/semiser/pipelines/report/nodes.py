"""Node of report."""

import logging
from typing import Any

from semiser.options.places import PlacesOptions
from semiser.options.report import ReportOptions

logger = logging.getLogger(__name__)


def write_report(
    places: PlacesOptions,
    options: ReportOptions,
    ingest: dict[str, Any] | None,
    features: dict[str, Any] | None,
    *made: Any,
) -> tuple[str, dict[str, Any], Any]:
    """The page, what it says first, and ours beside the published figures.

    Args:
        places: whatever lies in the experiment's reporting folder is shown, whichever run made it.
        options: which experiments are shown beside it.
        ingest: `ingest_summary`, None where there is none.
        features: `features_summary`, likewise.
        made: metrics, details and final models of the training pipelines: they put this node behind the training of the
            same run, and are read from the folder with the figures beside them.
    """
    from pathlib import Path

    import pandas as pd

    from semiser.prediction.final import FINAL, is_final, read_final
    from semiser.reporting.page import make_report
    from semiser.reporting.side_by_side import side_by_side
    from semiser.systems.system import get_system, system_names

    folder = Path(places.models) / FINAL
    final = read_final(folder).model_dump() if is_final(folder) else None
    described = {system.pipeline: system.variants for system in map(get_system, system_names())}
    beside_it = side_by_side(Path(places.reporting), options.names) if options.names != [] else None
    report = make_report(places.reporting, ingest, features, beside_it, described, final)
    for finding in report.summary["findings"]:
        where = ", ".join(finding["corpora"])
        logger.info(
            "%s on %s: %s %.3f. %s", finding["best"], where, finding["metric"], finding["mean"], finding["certainty"]
        )
    return report.html, report.summary, pd.DataFrame(report.comparison)
