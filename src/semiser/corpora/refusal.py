"""When what a reader found is too little or too bad to build on."""

from collections.abc import Iterable

from semiser.corpora.utterance import Rejected
from semiser.errors import TooManyUnusable, Unusable


def refuse_unusable(
    what: str,
    looked_for: str,
    found: int,
    rejected: int,
    first: Iterable[Rejected],
    allowed: float,
    limit: str,
    remedy: str = "",
) -> None:
    """Stop where nothing was found, or where more than the allowed share of the entries cannot be used.

    Args:
        what: the corpus or the images, as the message begins.
        looked_for: root, layout and an example of it, for a folder with nothing usable.
        found: entries that can be used.
        rejected: entries that cannot.
        first: the first of them, whose reasons the messages give.
        allowed: share in [0, 1] of all entries that may be rejected.
        limit: what sets it, as the message names it.
        remedy: what is wrong and what to do, where that is known better than by the first reasons.

    Raises:
        Unusable: nothing was found.
        TooManyUnusable: too much was rejected; both messages give the first reasons.
    """
    reasons = remedy or "The first: " + "; ".join(f"{row.path}: {row.reason}" for row in first)
    if not found and remedy:
        raise Unusable(f"{what}: none of {rejected} entries can be used: {remedy}")
    if not found:
        raise Unusable(
            f"{what}: nothing usable at {looked_for}" + (f". {rejected} rejected. {reasons}" if rejected else "")
        )
    if rejected > allowed * (found + rejected):
        raise TooManyUnusable(
            f"{what}: {rejected} of {found + rejected} entries cannot be used, more than "
            f"{limit} = {allowed:.0%}. {reasons}" + ("" if remedy else ". Mend them or raise the share")
        )
