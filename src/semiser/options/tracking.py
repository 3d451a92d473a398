"""`params:tracking`: whether runs are recorded by MLflow, and where."""

from semiser.options.base import Options


class TrackingOptions(Options):
    """The `tracking` parameter group.

    Attributes:
        enabled: record this run; needs the extra `tracking`.
        folder: of the store, `mlflow.db`, and of the artifacts; relative to the project or absolute.
        experiment: name under which MLflow groups the runs.
    """

    enabled: bool = False
    folder: str = "data/09_tracking"
    experiment: str = "semiser"
