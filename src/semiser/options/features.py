"""`params:features`: which families are extracted, and their options."""

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, create_model, model_validator

from semiser.options.base import Options
from semiser.options.families import DECLARED, FAMILIES, GIVE, default_options
from semiser.options.family import FamilyOptions
from semiser.options.plausible import PlausibleFeaturesOptions
from semiser.options.proxies import ProxyOptions
from semiser.options.text_features import ValenceOptions


class ShardOptions(Options):
    """How a corpus is cut.

    Attributes:
        utterances: utterances per shard, in the order of their ids.
        max_quarantined_share: the run stops when a family cannot use more than this share of a corpus's utterances;
            a family's own `max_quarantined_share` wins.
        timeout_s: time for one utterance; one that takes longer is left out, and tried again by the next run. None
            waits for ever.
        verify: read finished shards whole and compute those again whose checksums do not fit; their keys and whether
            they are complete are looked at in any case.
    """

    utterances: int = Field(default=100, ge=1)
    max_quarantined_share: float = Field(default=0.05, ge=0, le=1)
    timeout_s: float | None = Field(default=600, gt=0)
    verify: bool = False


class _WithFamilies(Options):
    """The `features` parameter group: what is extracted, how it is cut, and one key per family with its options.

    Attributes:
        extract: families that are on. None, in conf, stands for what the configured trainings need
            (`semiser.needs.as_configured` puts them here); to the code it is none.
        shards: how a corpus is cut.
        plausible: from which shares on what is odd about a table is a warning, or stops the run.
        proxies: what is made of `voice` and `valence`.
    """

    extract: tuple[str, ...] | None = None
    shards: ShardOptions = ShardOptions()
    plausible: PlausibleFeaturesOptions = PlausibleFeaturesOptions()
    proxies: ProxyOptions = ProxyOptions()

    @property
    def active(self) -> dict[str, FamilyOptions]:
        """The families that are on, with their options."""
        return {name: getattr(self, name) for name in FAMILIES if name in (self.extract or ())}

    @model_validator(mode="after")
    def _what_is_on_is_known_and_has_its_files(self) -> Self:
        for name in self.extract or ():
            if name not in FAMILIES:
                raise ValueError(f"extract names {name}, which is no family: there are {', '.join(FAMILIES)}")
            family = getattr(self, name)
            if family is None or (isinstance(family, ValenceOptions) and not family.dictionaries):
                raise ValueError(f"the family {name} is to be extracted and lacks files of yours: give {GIVE[name]}")
        return self


if TYPE_CHECKING:
    FeaturesOptions = _WithFamilies
else:
    _FIELDS: dict[str, Any] = {
        name: (family.options | None if family.lacks else family.options, default_options(family))
        for name, family in DECLARED.items()
    }
    FeaturesOptions = create_model(
        "FeaturesOptions", __base__=_WithFamilies, __module__=__name__, __doc__=_WithFamilies.__doc__, **_FIELDS
    )
