"""`params:features`: which families are extracted, and their options."""

from typing import Self

from pydantic import Field, model_validator

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
from semiser.options.base import Options
from semiser.options.encoders import ImageEncoderOptions, SpeechEncoderOptions, TextEncoderOptions
from semiser.options.face_features import DfaceOptions, ExpressionOptions, FaceTrackOptions
from semiser.options.family import FamilyOptions
from semiser.options.proxies import ProxyOptions
from semiser.options.text_features import SocialOptions, ValenceOptions, Word2VecOptions


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


class FeaturesOptions(Options):
    """The `features` parameter group: what is extracted, how it is cut, and one key per family with its options.

    Attributes:
        extract: families that are on. None, in conf, stands for what the configured trainings need
            (`semiser.needs.as_configured` puts them here); to the code it is none.
        shards: how a corpus is cut.
        proxies: what is made of `voice` and `valence`.
    """

    extract: tuple[str, ...] | None = None
    shards: ShardOptions = ShardOptions()
    proxies: ProxyOptions = ProxyOptions()
    is10: OpenSmileOptions = OpenSmileOptions()
    egemaps: OpenSmileOptions = OpenSmileOptions()
    compare2016: OpenSmileOptions = OpenSmileOptions()
    emobase: OpenSmileOptions = OpenSmileOptions()
    is10_lld: OpenSmileOptions = OpenSmileOptions()
    egemaps_lld: OpenSmileOptions = OpenSmileOptions()
    compare2016_lld: OpenSmileOptions = OpenSmileOptions()
    emobase_lld: OpenSmileOptions = OpenSmileOptions()
    segments: SegmentsOptions = SegmentsOptions()
    chunks: ChunksOptions = ChunksOptions()
    fft: FftOptions = FftOptions()
    fbank: FbankOptions = FbankOptions()
    stft: StftOptions = StftOptions()
    wav2vec: Wav2VecOptions | None = None
    speech_encoder: SpeechEncoderOptions | None = None
    voice: VoiceOptions = VoiceOptions()
    word2vec: Word2VecOptions = Word2VecOptions()
    social: SocialOptions = SocialOptions()
    valence: ValenceOptions | None = None
    text_encoder: TextEncoderOptions | None = None
    face_track: FaceTrackOptions = FaceTrackOptions()
    expression: ExpressionOptions = ExpressionOptions()
    dface: DfaceOptions = DfaceOptions()
    image_encoder: ImageEncoderOptions | None = None

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


FAMILIES = tuple(name for name in FeaturesOptions.model_fields if name not in ("extract", "shards", "proxies"))
# What families cannot do without, and nobody but the user has.
GIVE = {
    "wav2vec": "features.wav2vec.checkpoint, the folder of a wav2vec 2.0 model",
    "speech_encoder": "features.speech_encoder.checkpoint, the folder of a wav2vec 2.0, HuBERT, WavLM, data2vec, "
    "Whisper or AST model",
    "text_encoder": "features.text_encoder.checkpoint, the folder of a BERT-like model",
    "image_encoder": "features.image_encoder.checkpoint, the folder of a ViT, DINOv2 or CLIP model",
    "valence": "features.valence.ntusd, cvaw or cliwc, a dictionary",
}
