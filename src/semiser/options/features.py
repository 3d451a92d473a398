"""`params:features`: which families are extracted, and their options."""

from pydantic import Field

from semiser.options.audio_features import (
    ChunksOptions,
    FbankOptions,
    FftOptions,
    SegmentsOptions,
    StftOptions,
    VoiceOptions,
    Wav2VecOptions,
)
from semiser.options.base import Options
from semiser.options.face_features import DfaceOptions, ExpressionOptions, FaceTrackOptions
from semiser.options.family import FamilyOptions
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


class Is10Options(FamilyOptions):
    """openSMILE IS10 paralinguistics functionals.

    Attributes:
        sample_rate_hz: rate of the signal that openSMILE gets.
    """

    sample_rate_hz: int = Field(default=16_000, ge=8_000)


class FeaturesOptions(Options):
    """The `features` parameter group: `shards`, and one key per family; null, the default of most, switches it off."""

    shards: ShardOptions = ShardOptions()
    is10: Is10Options | None = Is10Options()
    segments: SegmentsOptions | None = None
    chunks: ChunksOptions | None = None
    fft: FftOptions | None = None
    fbank: FbankOptions | None = None
    stft: StftOptions | None = None
    wav2vec: Wav2VecOptions | None = None
    voice: VoiceOptions | None = None
    word2vec: Word2VecOptions | None = None
    social: SocialOptions | None = None
    valence: ValenceOptions | None = None
    face_track: FaceTrackOptions | None = None
    expression: ExpressionOptions | None = None
    dface: DfaceOptions | None = None
