"""Numbers as targets: arousal and valence of utterances, and the table of their predictions."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semiser.evaluation.report import DIMENSIONS_SCHEMA
from semiser.training.experiment import Experiment, Tabulate


def read_dimensions(utterances: pa.Table, utterance_ids: list[str], names: tuple[str, ...]) -> np.ndarray:
    """The dimensions of the given utterances, float32 of shape (utterances, names); NaN where unknown."""
    rows = utterances.take(pc.index_in(pa.array(utterance_ids), value_set=utterances["utterance_id"].combine_chunks()))
    columns = [pc.fill_null(pc.cast(rows[name], pa.float64()), np.nan).to_numpy() for name in names]
    return np.stack(columns, axis=1).astype(np.float32)


def dimension_table(utterances: pa.Table, names: tuple[str, ...]) -> Tabulate:
    """How `run_variant` makes a table of `DIMENSIONS_SCHEMA` of a fit's values (tests, names).

    A test utterance whose target is unknown has no row.
    """

    def tabulate(
        experiment: Experiment, test: pa.Table, values: np.ndarray, labels: dict[str, Any], key: str
    ) -> pa.Table:
        ids = test["utterance_id"].to_pylist()
        targets = read_dimensions(utterances, ids, names)
        speakers = dict(zip(experiment.utterance_ids, experiment.speakers, strict=True))
        rows = [
            {**labels, "experiment": experiment_name, "utterance_id": utterance, "speaker_id": speakers[utterance],
             "dimension": name, "target": float(target), "prediction": float(value)}
            for experiment_name, utterance, of_targets, of_values in zip(
                test["experiment"].to_pylist(), ids, targets, values, strict=True
            )
            for name, target, value in zip(names, of_targets, of_values, strict=True)
            if np.isfinite(target)
        ]  # fmt: skip
        return pa.Table.from_pylist(rows, DIMENSIONS_SCHEMA).replace_schema_metadata({"key": key})

    return tabulate
