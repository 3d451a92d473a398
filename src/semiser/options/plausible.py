"""From which share of a corpus's utterances on something odd is a warning, and from which on it stops the run.

What is found stands in summary, log and report in any case; below the share it is a line, from it on a warning.
"""

from typing import Annotated

from pydantic import Field

from semiser.options.base import Options

Share = Annotated[float, Field(ge=0, le=1)]


class PlausibleSpeechOptions(Options):
    """The `ingest.plausible` group: shares of the utterances that ingest listened to.

    Attributes:
        silent: below -70 dB of full scale.
        clipped: more than a sample in a thousand at full scale.
        beyond_full_scale: more than a sample in a thousand beyond it (floating-point samples).
        dead_channel: a channel without sound beside one with.
        opposite_phase: two channels that are each other's negative; the first is taken, for their mean is nothing.
        unmatched_transcripts: lines of transcript files that belong to no recording, of all lines.
        nameless_speakers: utterances whose speaker is a word for nobody, such as `NA` or `unknown`.
        alike_speakers: speakers, of all, whose names differ from another's by case, blanks, marks or the form of
            Unicode alone: if they are one person, folds test them on themselves.
        nameless_transcripts: transcripts that are a word for none, such as `nan`.
        repeated: utterances that are the same part of the same file as another one, which may be trained and tested on.
        stop_silent: the run stops from this share on: a model of silence is none.
    """

    silent: Share = 0.01
    clipped: Share = 0.01
    beyond_full_scale: Share = 0.01
    dead_channel: Share = 0.01
    opposite_phase: Share = 0.01
    unmatched_transcripts: Share = 0.01
    nameless_speakers: Share = 0.0
    alike_speakers: Share = 0.0
    nameless_transcripts: Share = 0.01
    repeated: Share = 0.0
    stop_silent: Share = 0.5


class PlausibleFeaturesOptions(Options):
    """The `features.plausible` group: shares of the utterances of a corpus in a family's table.

    Attributes:
        lost: cannot be used by a family.
        without: have no value and are zeros, such as a transcript without a known word.
        cut: are longer than the family takes.
        padded: are shorter than the family's fixed length, as most are than STFT's 5.6 s; None: never a warning.
        stop_without_known_word: the run stops from this share on: vectors of another language, script or case.
    """

    lost: Share = 0.01
    without: Share = 0.5
    cut: Share = 0.1
    padded: Share | None = None
    stop_without_known_word: Share = 0.95
