"""What the options of every feature family share."""

from semiser.options.base import Options


class FamilyOptions(Options):
    """Options of a feature family.

    Attributes:
        corpora: corpora to extract from; None takes all. It changes no value, so it is no part of a fingerprint.
    """

    corpora: tuple[str, ...] | None = None
