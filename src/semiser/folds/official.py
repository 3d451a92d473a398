"""The column `split`: a part such as `train`, or the parts of several official folds, such as `1:train 2:test`."""

import re

import numpy as np

from semiser.folds.coded import ABSENT, Coded

_PARTS = re.compile(r"[^\s:]+:[^\s:]+( [^\s:]+:[^\s:]+)*")


def parts_of(split: str) -> dict[str, str]:
    """Parts by the name of their fold; a plain split is the part of the one fold that has no name."""
    if not _PARTS.fullmatch(split):
        return {"": split}
    return dict(entry.split(":") for entry in split.split(" "))


def folds_of(splits: list[str]) -> list[str]:
    """Names of the folds that any of the splits has a part in, numbers by their size."""
    found = {fold for split in splits for fold in parts_of(split)}
    return sorted(found, key=lambda name: (int(name) if name.isdecimal() else -1, name))


def in_fold(split: Coded, fold: str) -> Coded:
    """The parts of one fold, ABSENT where a split has none in it."""
    parts = [parts_of(name).get(fold) for name in split.names]
    names = sorted({part for part in parts if part is not None})
    codes = np.array([*(ABSENT if part is None else names.index(part) for part in parts), ABSENT])
    return Coded(codes[split.codes], names)
