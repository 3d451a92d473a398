"""Feature families by name; a family's module is imported only when it is asked for."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from semiser.features.family import Family
from semiser.options.features import FeaturesOptions

# Families of a group are computed in one pass: an utterance is decoded, segmented into words or tracked once for all.
AUDIO = (
    *("is10", "egemaps", "compare2016", "emobase", "is10_lld", "egemaps_lld", "compare2016_lld", "emobase_lld"),
    *("segments", "chunks", "fft", "fbank", "stft", "wav2vec", "voice", "speech_encoder"),
)
TEXT = ("word2vec", "social", "valence", "text_encoder")
VIDEO = ("face_track", "expression", "dface", "image_encoder")

# Family to its module and class.
_CLASSES = {
    "is10": ("functionals", "Is10"),
    "egemaps": ("functionals", "Egemaps"),
    "compare2016": ("functionals", "Compare2016"),
    "emobase": ("functionals", "Emobase"),
    "is10_lld": ("descriptors", "Is10Lld"),
    "egemaps_lld": ("descriptors", "EgemapsLld"),
    "compare2016_lld": ("descriptors", "Compare2016Lld"),
    "emobase_lld": ("descriptors", "EmobaseLld"),
    "segments": ("segments", "Segments"),
    "chunks": ("chunks", "Chunks"),
    "fft": ("fft", "Fft"),
    "fbank": ("fbank", "Fbank"),
    "stft": ("stft", "Stft"),
    "wav2vec": ("wav2vec", "Wav2Vec"),
    "voice": ("voice", "VoiceFamily"),
    "speech_encoder": ("speech_encoder", "SpeechEncoder"),
    "text_encoder": ("text_encoder", "TextEncoder"),
    "word2vec": ("word2vec", "Word2Vec"),
    "social": ("social", "Social"),
    "valence": ("valence", "Valence"),
    "face_track": ("face_track", "FaceTrack"),
    "expression": ("expression", "Expression"),
    "dface": ("dface", "Dface"),
    "image_encoder": ("image_encoder", "ImageEncoder"),
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


def _make_family(name: str, options: Any, argument: Any) -> Family | None:
    if options is None:
        return None
    module, made = _CLASSES[name]
    family = getattr(import_module(f"semiser.features.{module}"), made)
    return family(options) if argument is None else family(options, argument)
