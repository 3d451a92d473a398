"""Errors that the whole project shares."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`, did you mean 'x'?` where one of the known names is near, else nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""


class Unusable(ValueError):
    """One input cannot be used; the message is the reason that its row in a quarantine table carries."""


class Unsteady(Unusable):
    """One input could not be used this time (gone, changed, stalled, short of memory): the next run tries it again."""


class TooManyUnusable(ValueError):
    """More inputs were unusable than the options allow: the run stops before anything is built on the rest."""


class Misnamed(ValueError):
    """A name in a command that means nothing, such as of an env or a pipeline."""
