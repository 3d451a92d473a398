"""openSMILE's functionals: one vector per utterance of statistics over low-level descriptors (`opensmile_sets`)."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from semiser.errors import Unusable
from semiser.features.family import Source
from semiser.features.opensmile_sets import OpenSmileFamily, set_names

MIN_DURATION_S = 0.1  # below, openSMILE may give no frame or NaN


class Functionals(OpenSmileFamily):
    """A table of one row per utterance with a column of the family's name: the set's functionals as float32."""

    level = "Functionals"

    def fields(self) -> list[pa.Field]:
        names = set_names(self.feature_set)
        metadata = {"names": json.dumps(names), "unit": self.unit}
        return [pa.field(self.name, pa.list_(pa.float32(), len(names)), metadata=metadata)]

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        rate = self.options.sample_rate_hz
        if (duration_s := source.audio(rate).size / rate) < MIN_DURATION_S:
            raise Unusable(f"{duration_s:.3f} s of audio: {self.feature_set} needs at least {MIN_DURATION_S} s")
        yield {self.name: self.values(source)[-1]}


class Is10(Functionals):
    """The `is10` table, 1,582 values: the acoustic modality of MMMD (Zhou et al. 2021)."""

    name = "is10"
    feature_set = "IS10"


class Egemaps(Functionals):
    """The `egemaps` table, 88 values."""

    name = "egemaps"
    feature_set = "eGeMAPSv02"


class Compare2016(Functionals):
    """The `compare2016` table, 6,373 values."""

    name = "compare2016"
    feature_set = "ComParE_2016"


class Emobase(Functionals):
    """The `emobase` table, 988 values."""

    name = "emobase"
    feature_set = "emobase"
