"""Columns grouped by low-level descriptor: the acoustic paths of MMD (Zhou et al. 2021, Section Methodology).

The paper has ten for IS10. Those of openSMILE's other sets follow the descriptors' names in the same way; a family of
another kind is one path.
"""

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


# The same of openSMILE's other sets: the first pattern that a descriptor's name begins with.
_KINDS = {
    "f0": "F0final|F0semitone|F0env|F0",
    "formants": "F[1-3]",
    "voicing": "voic|logHNR|HNR",
    "jitter": "jitter",
    "shimmer": "shimmer",
    "loudness": "loudness|pcm_(loudness|intensity|RMSenergy)|audspec(Rasta)?_length",
    "mfcc": "mfcc",
    "lsp": "lspFreq",
    "auditory_bands": "audSpec",
    "zero_crossings": "pcm_zcr",
    "spectrum": "pcm_fftMag|spectral|alphaRatio|hammarberg|slope|logRelF0",
}


def column_paths(column: str, names: Sequence[str], grouping: Grouping) -> dict[str, list[int]]:
    """Columns of each path of a feature column: IS10's as `acoustic_paths`, others' named `<column>.<path>`.

    Args:
        column: of the features.
        names: of its values.
        grouping: see `acoustic_paths`; of openSMILE's other sets `family` makes a path of the descriptors of a kind
            (pitch, formants, ..., spectrum) and one, `others`, of the rest, such as rates of voiced segments.
    """
    if column == "is10":
        return acoustic_paths(names, grouping)
    if grouping != "single" and names[0].startswith("layer_"):
        return _by_layer(column, names)
    if grouping == "single" or not any("_sma" in name for name in names):
        return {column: list(range(len(names)))}
    paths: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        paths.setdefault(f"{column}.{_descriptor(name, grouping)}", []).append(place)
    return paths


def _by_layer(column: str, names: Sequence[str]) -> dict[str, list[int]]:
    """A path per layer of an encoder, whose values are named `layer_03_...`."""
    paths: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        paths.setdefault(f"{column}.{'_'.join(name.split('_')[:2])}", []).append(place)
    return paths


def _descriptor(name: str, grouping: Grouping) -> str:
    """`mfcc1_sma3_amean` is of `mfcc1`, and by family of `mfcc`; what is no descriptor's is of `others`."""
    found = re.match(r"(?P<stem>.+?)_sma\w*?(_de)?(?P<place>\[\d+\])?(_|$)", name)
    if found and grouping == "descriptor":
        return found["stem"] + (found["place"] or "")
    return next((kind for kind, pattern in _KINDS.items() if found and re.match(pattern, name)), "others")


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
