"""Every feature family there is, declared once: pipelines, options, systems and prediction read this list."""

from collections.abc import Iterator

from pydantic import ValidationError

from semiser.options.audio_features import (
    ChunksOptions,
    FbankOptions,
    FftOptions,
    OpenSmileOptions,
    SegmentsOptions,
    StftOptions,
    VoiceOptions,
    Wav2VecOptions,
)
from semiser.options.base import first_problem
from semiser.options.encoders import ImageEncoderOptions, SpeechEncoderOptions, TextEncoderOptions
from semiser.options.face_features import DfaceOptions, ExpressionOptions, FaceTrackOptions
from semiser.options.family import Declared, FamilyOptions, Group
from semiser.options.onnx import SoundNetworkOptions
from semiser.options.text_features import SocialOptions, ValenceOptions, Word2VecOptions
from semiser.plugins import declared_elsewhere

OWN = (
    Declared("is10", "functionals:Is10", OpenSmileOptions),
    Declared("egemaps", "functionals:Egemaps", OpenSmileOptions),
    Declared("compare2016", "functionals:Compare2016", OpenSmileOptions),
    Declared("emobase", "functionals:Emobase", OpenSmileOptions),
    Declared("is10_lld", "descriptors:Is10Lld", OpenSmileOptions, gives="frames"),
    Declared("egemaps_lld", "descriptors:EgemapsLld", OpenSmileOptions, gives="frames"),
    Declared("compare2016_lld", "descriptors:Compare2016Lld", OpenSmileOptions, gives="frames"),
    Declared("emobase_lld", "descriptors:EmobaseLld", OpenSmileOptions, gives="frames"),
    Declared("segments", "segments:Segments", SegmentsOptions, gives="segments"),
    Declared("chunks", "chunks:Chunks", ChunksOptions, gives="segments"),
    Declared("fft", "fft:Fft", FftOptions, gives="frames"),
    Declared("fbank", "fbank:Fbank", FbankOptions, gives="frames"),
    Declared("stft", "stft:Stft", StftOptions, gives="frames"),
    Declared(
        "wav2vec", "wav2vec:Wav2Vec", Wav2VecOptions, gives="frames",
        lacks="features.wav2vec.checkpoint, the folder of a wav2vec 2.0 model",
    ),
    Declared(
        "speech_encoder", "speech_encoder:SpeechEncoder", SpeechEncoderOptions, gives="frames",
        lacks="features.speech_encoder.checkpoint, the folder of a wav2vec 2.0, HuBERT, WavLM, data2vec, Whisper or "
        "AST model",
    ),
    Declared(
        "sound_network", "sound_network:SoundNetwork", SoundNetworkOptions, gives="frames",
        lacks="features.sound_network.model, the .onnx file of a network on sound",
    ),
    Declared("voice", "voice:VoiceFamily", VoiceOptions, gives=None),
    Declared("word2vec", "word2vec:Word2Vec", Word2VecOptions, "text"),
    Declared("social", "social:Social", SocialOptions, "text", gives=None),
    Declared(
        "valence", "valence:Valence", ValenceOptions, "text", gives=None,
        lacks="features.valence.ntusd, cvaw or cliwc, a dictionary",
    ),
    Declared(
        "text_encoder", "text_encoder:TextEncoder", TextEncoderOptions, "text", gives="frames",
        lacks="features.text_encoder.checkpoint, the folder of a BERT-like model",
    ),
    Declared("face_track", "face_track:FaceTrack", FaceTrackOptions, "video", gives=None),
    Declared("expression", "expression:Expression", ExpressionOptions, "video"),
    Declared("dface", "dface:Dface", DfaceOptions, "video", gives="frames"),
    Declared(
        "image_encoder", "image_encoder:ImageEncoder", ImageEncoderOptions, "video", gives="frames",
        lacks="features.image_encoder.checkpoint, the folder of a ViT, DINOv2 or CLIP model",
    ),
)  # fmt: skip


def _all() -> Iterator[tuple[str, Declared]]:
    """Name to declaration, ours and those of the user's modules.

    Raises:
        ValueError: two families have one name, or one cannot be a family's.
    """
    places = {family.name: "semiser" for family in OWN}
    yield from ((family.name, family) for family in OWN)
    for place, family in declared_elsewhere():
        if not family.name.isidentifier() or family.name != family.name.lower() or family.name in _TAKEN:
            raise ValueError(f"{place} declares the family {family.name!r}: it needs another name, lower-case letters")
        if family.name in places:
            raise ValueError(f"{place} declares the family {family.name}, which {places[family.name]} has: rename it")
        places[family.name] = place
        yield family.name, family


# Other options of `params:features`, and what lists of modalities call something else.
_TAKEN = ("extract", "shards", "plausible", "proxies", "acoustic", "text", "query_topic", "accent")

DECLARED: dict[str, Declared] = dict(_all())
FAMILIES = tuple(DECLARED)
# What families cannot do without, and nobody but the user has.
GIVE = {name: family.lacks for name, family in DECLARED.items() if family.lacks}


def of_group(group: Group) -> tuple[str, ...]:
    """The families of a group."""
    return tuple(name for name, family in DECLARED.items() if family.group == group)


def default_options(family: Declared) -> FamilyOptions | None:
    """A family's options where nothing is given; None where it lacks something of the user's.

    Raises:
        ValueError: an option has no default, and the declaration does not say what it lacks.
    """
    if family.lacks:
        return None
    try:
        return family.options()
    except ValidationError as error:
        problem = first_problem(error, f"features.{family.name}")
        raise ValueError(f"{problem}: give the option a default, or say in the declaration what it lacks") from error
