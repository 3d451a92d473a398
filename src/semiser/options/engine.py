"""`params:engine`: where and how wide the shard map runs."""

from typing import Literal

from pydantic import Field

from semiser.options.base import Options


class EngineOptions(Options):
    """Engine of the shard map.

    Attributes:
        kind: `local` runs on this machine: threads or spawned processes, whichever the feature family asks for.
        workers: tasks at once; None takes the number of processors that this process may use.
    """

    kind: Literal["local"] = "local"
    workers: int | None = Field(default=None, ge=1)
