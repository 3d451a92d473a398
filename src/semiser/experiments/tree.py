"""Where the experiments of a project lie: a folder of the same name below every stage of `data`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STAGES = (
    "02_intermediate",
    "03_primary",
    "05_model_input",
    "06_models",
    "07_model_output",
    "08_reporting",
)


@dataclass(frozen=True)
class Tree:
    """Folders of all experiments.

    Attributes:
        reporting: holds each experiment's reporting folder.
        models: holds each experiment's models.
        features: shards, shared by all experiments; None where they are on an object store.
    """

    reporting: Path
    models: Path
    features: Path | None

    @classmethod
    def of(cls, places: Mapping[str, Any], project: Path) -> "Tree":
        """The tree around the places of one experiment.

        Args:
            places: the `places` parameter group.
            project: folder that relative places start from.

        Raises:
            ValueError: results are on an object store.
        """
        for name in ("reporting", "models"):
            if not is_on_disk(places[name]):
                raise ValueError(
                    f"places.{name} is {places[name]}: runs, compare and clean know what lies on a disk of this machine"
                )
        features = places["features"]
        return cls(
            reporting=(project / places["reporting"]).parent,
            models=(project / places["models"]).parent,
            features=project / features if is_on_disk(features) else None,
        )

    @property
    def data(self) -> Path:
        """The folder of the stages."""
        return self.models.parent

    def experiments(self) -> list[str]:
        """Names of all experiments that left anything."""
        found = {path.name for stage in STAGES for path in _folders(self.data / stage)}
        return sorted(found | {path.name for root in (self.reporting, self.models) for path in _folders(root)})

    def folders_of(self, experiment: str) -> list[Path]:
        """What an experiment has of its own; its reporting folder, which has its lock, last."""
        places = [self.data / stage / experiment for stage in STAGES] + [self.models / experiment]
        last = self.reporting / experiment
        return [path for path in dict.fromkeys(places) if path != last and path.is_dir()] + [last] * last.is_dir()


def is_on_disk(place: str) -> bool:
    """Whether a place is a path of this machine and no fsspec address, be it one that a pure path made `s3:/` of."""
    return not re.match(r"[\w+.-]{2,}:+\w*:?/", place)


def _folders(above: Path) -> list[Path]:
    if not above.is_dir():
        return []
    return [path for path in above.iterdir() if path.is_dir() and not path.name.startswith(".")]
