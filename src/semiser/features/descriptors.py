"""openSMILE's low-level descriptors: what the functionals of the same set are statistics of (`opensmile_sets`).

Frames are 10 ms apart; their lengths are the set's (20 to 60 ms).
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from semiser.features.family import Source
from semiser.features.opensmile_sets import OpenSmileFamily, set_names
from semiser.features.spectra import frames_fields

STEP_S = 0.01


class Descriptors(OpenSmileFamily):
    """A table of one row per utterance: `frames`, and as many x D float32 in a list named as the family."""

    level = "LowLevelDescriptors"

    def fields(self) -> list[pa.Field]:
        names = set_names(self.feature_set, self.level)
        return frames_fields(self.name, len(names), names=names, unit=self.unit, step_s=STEP_S)

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        values = self.values(source)
        yield {"frames": len(values), self.name: values.ravel()}


class Is10Lld(Descriptors):
    """The `is10_lld` table, 38 values a frame."""

    name = "is10_lld"
    feature_set = "IS10"


class EgemapsLld(Descriptors):
    """The `egemaps_lld` table, 25 values a frame."""

    name = "egemaps_lld"
    feature_set = "eGeMAPSv02"


class Compare2016Lld(Descriptors):
    """The `compare2016_lld` table, 65 values a frame."""

    name = "compare2016_lld"
    feature_set = "ComParE_2016"


class EmobaseLld(Descriptors):
    """The `emobase_lld` table, 26 values a frame."""

    name = "emobase_lld"
    feature_set = "emobase"
