"""`params:features`: which families are extracted, and their options."""

from pydantic import Field

from semiser.options.base import Options
from semiser.options.family import FamilyOptions


class ShardOptions(Options):
    """How a corpus is cut.

    Attributes:
        utterances: utterances per shard, in the order of their ids.
        max_quarantined_share: the run stops when a family cannot use more than this share of the utterances.
    """

    utterances: int = Field(default=100, ge=1)
    max_quarantined_share: float = Field(default=0.05, ge=0, le=1)


class Is10Options(FamilyOptions):
    """openSMILE IS10 paralinguistics functionals.

    Attributes:
        sample_rate_hz: rate of the signal that openSMILE gets.
    """

    sample_rate_hz: int = Field(default=16_000, ge=8_000)


class FeaturesOptions(Options):
    """The `features` parameter group: `shards`, and one key per family that is switched on (null switches off)."""

    shards: ShardOptions = ShardOptions()
    is10: Is10Options | None = Is10Options()
