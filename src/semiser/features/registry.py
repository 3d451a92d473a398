"""Feature families by name; a family's module is imported only when it is asked for."""

from importlib import import_module

from semiser.features.family import Family
from semiser.options.features import FeaturesOptions

# Families of one group are computed in one pass, from an utterance that is decoded once.
AUDIO = ("is10",)

_CLASSES = {"is10": "Is10"}


def make_families(names: tuple[str, ...], options: FeaturesOptions) -> dict[str, Family | None]:
    """Families with their options, None for one that is switched off."""
    return {name: _make_family(name, getattr(options, name)) for name in names}


def _make_family(name: str, options) -> Family | None:
    return options and getattr(import_module(f"semiser.features.{name}"), _CLASSES[name])(options)
