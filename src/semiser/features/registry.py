"""Feature families by name; a family's module is imported only when it is asked for."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from semiser.features.family import Family
from semiser.options.features import FeaturesOptions

# Families of a group are computed in one pass: an utterance is decoded, segmented into words or tracked once for all.
AUDIO = ("is10", "segments", "chunks", "fft", "fbank", "stft", "wav2vec", "voice")
TEXT = ("word2vec", "social", "valence")
VIDEO = ("face_track", "expression", "dface")

_CLASSES = {
    "is10": "Is10",
    "segments": "Segments",
    "chunks": "Chunks",
    "fft": "Fft",
    "fbank": "Fbank",
    "stft": "Stft",
    "wav2vec": "Wav2Vec",
    "voice": "VoiceFamily",
    "word2vec": "Word2Vec",
    "social": "Social",
    "valence": "Valence",
    "face_track": "FaceTrack",
    "expression": "Expression",
    "dface": "Dface",
}


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
        if options.weights is None and card:
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


def _make_family(name: str, options: Any, argument: Any) -> Family | None:
    if options is None:
        return None
    family = getattr(import_module(f"semiser.features.{name}"), _CLASSES[name])
    return family(options) if argument is None else family(options, argument)
