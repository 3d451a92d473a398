"""How utterances without annotation get proxy labels (AV-SpNET, AVEC 2018, sections 2.2.2 and 2.2.3)."""

from typing import Literal, get_args

from semiser.options.base import Options

Ties = Literal["strict", "half", "at_least"]
TIES: tuple[Ties, ...] = get_args(Ties)


class ProxyOptions(Options):
    """What an utterance's value is compared with, and how.

    Attributes:
        baseline: `speaker_and_episode`: the same speaker in the same episode of a programme; `speaker`: in all of them.
            Where the speaker is not known it is the episode, where the episode is not known the speaker.
        ties: what an equal sentiment sum counts in proxy valence: nothing, as Eq. 4 is printed, `half`, or as much as
            a lower one (`at_least`). With `strict` at most half of a baseline's utterances are positive.
    """

    baseline: Literal["speaker_and_episode", "speaker"] = "speaker_and_episode"
    ties: Ties = "strict"
