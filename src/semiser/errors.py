"""Errors that the whole project shares."""


class Unusable(ValueError):
    """One input cannot be used; the message is the reason that its row in a quarantine table carries."""


class Unsteady(Unusable):
    """One input could not be used this time (gone, changed, stalled, short of memory): the next run tries it again."""


class TooManyUnusable(ValueError):
    """More inputs were unusable than the options allow: the run stops before anything is built on the rest."""
