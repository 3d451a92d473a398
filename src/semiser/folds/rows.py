"""The utterances of one fold, without their features."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semiser.folds.table import ROLES


@dataclass(frozen=True)
class FoldRows:
    """The N utterances of one fold, without their features.

    Attributes:
        numbers: of each in the experiment's utterances, (N,).
        roles: role of each, (N,) strings.
        labels: class that training may see, None where it gives none.
        corpora: corpus of each, (N,) strings.
        speakers: speaker of each, (N,); None where unknown.
        classes: class names in the order of their numbers.
    """

    numbers: np.ndarray
    roles: np.ndarray
    labels: list[str | None]
    corpora: np.ndarray
    speakers: np.ndarray
    classes: tuple[str, ...]

    def y(self) -> np.ndarray:
        """Class numbers, int64 of shape (N,); -1 where there is no label."""
        found = pc.fill_null(pc.index_in(pa.array(self.labels, pa.string()), pa.array(self.classes, pa.string())), -1)
        return found.to_numpy(zero_copy_only=False).astype(np.int64)

    def by_role(self) -> dict[str, np.ndarray]:
        """Role to the places of its utterances in the fold, int64."""
        return {role: np.flatnonzero(self.roles == role) for role in ROLES}
