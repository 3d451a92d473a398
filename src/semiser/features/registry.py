"""Feature families by name; a family's module is imported only when it is asked for."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from semiser.features.family import Family
from semiser.options.families import DECLARED, of_group
from semiser.options.features import FeaturesOptions

AUDIO, TEXT, VIDEO = of_group("audio"), of_group("text"), of_group("video")


def table_name(family: str) -> str:
    """What nodes call the table of a feature family."""
    return f"{family}_features"


def with_networks(features: FeaturesOptions, cards: Mapping[str, Mapping[str, Any] | None]) -> FeaturesOptions:
    """The options with the networks of face families where they name none of their own.

    Args:
        features: options of all families.
        cards: family to the card of the network that was trained for it; empty or None where none was.
    """
    found = {}
    for name, card in cards.items():
        options = getattr(features, name)
        if options.weights is None and not getattr(options, "onnx", None) and card:
            found[name] = options.model_copy(update={"weights": card["folder"]})
    return features.model_copy(update=found)


def make_families(
    names: tuple[str, ...], options: FeaturesOptions, arguments: Mapping[str, Any] | None = None
) -> dict[str, Family | None]:
    """Families with their options, None for one that is not on.

    Args:
        names: of families, such as a group.
        options: of all families.
        arguments: name to what that family's constructor takes beside its options.
    """
    return {name: _make_family(name, options.active.get(name), (arguments or {}).get(name)) for name in names}


def family_class(name: str) -> type[Family]:
    """The class that computes a family.

    Raises:
        ValueError: its declaration has another name than the class.
    """
    made: Any = DECLARED[name].made
    if isinstance(made, str):
        module, _, called = made.partition(":")
        made = getattr(import_module(module if "." in module else f"semiser.features.{module}"), called)
    if made.name != name:
        raise ValueError(f"the family {name} is declared with the class {made.__name__}, whose name is {made.name}")
    return made


def _make_family(name: str, options: Any, argument: Any) -> Family | None:
    if options is None:
        return None
    made: Any = family_class(name)
    return made(options) if argument is None else made(options, argument)
