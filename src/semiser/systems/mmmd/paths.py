"""IS10's columns grouped by low-level descriptor: the acoustic paths of MMD (Zhou et al. 2021, Section Methodology)."""

import re
from collections.abc import Sequence
from typing import Literal

Grouping = Literal["family", "descriptor", "single"]

# Name of a path, and the beginning of the openSMILE names that belong to it; the number of columns in IS10.
_FAMILIES = {
    "loudness": "pcm_loudness",  # 42
    "mfcc": "mfcc",  # 630
    "log_mel_bands": "logMelFreqBand",  # 336
    "lsp": "lspFreq",  # 336
    "f0_envelope": "F0finEnv",  # 42
    "voicing": "voicingFinalUnclipped",  # 42
    "f0": "F0final",  # 40, with the two turn-level values: number and duration of voiced segments
    "jitter_local": "jitterLocal",  # 38
    "jitter_ddp": "jitterDDP",  # 38
    "shimmer": "shimmerLocal",  # 38
}


def acoustic_paths(names: Sequence[str], grouping: Grouping = "family") -> dict[str, list[int]]:
    """Columns of each acoustic path.

    Args:
        names: feature names as openSMILE gives them.
        grouping: `family` gives the 10 families of descriptors, `descriptor` one path per descriptor with its deltas
            (38 in IS10), `single` one path of all columns.

    Returns:
        Path name to the indices of its columns, in the order of first appearance.

    Raises:
        ValueError: a name fits no family.
    """
    paths: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        paths.setdefault(_path_of(name, grouping), []).append(column)
    return paths


def _path_of(name: str, grouping: Grouping) -> str:
    if grouping == "single":
        return "acoustic"
    if grouping == "descriptor":
        return re.sub(r"_sma(_de)?(\[\d+\])?_.*", lambda match: match[2] or "", name).split("__")[0]
    for path, prefix in _FAMILIES.items():
        if name.startswith(prefix):
            return path
    raise ValueError(f"feature {name!r} belongs to no family of IS10's descriptors; is this an IS10 table?")
