"""What of a family's table is odd, corpus by corpus: lost, cut, padded, without a value."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from semiser.errors import TooManyUnusable
from semiser.features.family import Family
from semiser.options.plausible import PlausibleFeaturesOptions
from semiser.shards.utterances import UtteranceFile

_KNOWN_WORD = "known_word"
_MOST_OF_FEW = 5  # rows: of fewer, none may have a known word by chance


def beyond_lengths(families: Iterable[Family], utterances: UtteranceFile) -> dict[str, dict[str, dict[str, int]]]:
    """Family to corpus to how many utterances are `cut` and `padded`, of those families that take a fixed length."""
    fixed = {family.name: family.whole_s for family in families if family.whole_s != (0, np.inf)}
    if not fixed:
        return {}
    about = utterances.read(["corpus", "duration_s"]).to_pandas()
    found: dict[str, dict[str, dict[str, int]]] = {name: {} for name in fixed}
    for corpus, durations in about.groupby("corpus")["duration_s"]:
        for name, (shortest, longest) in fixed.items():
            counts = {"cut": int((durations >= longest).sum()), "padded": int((durations < shortest).sum())}
            found[name][str(corpus)] = counts
    return found


def implausible(name: str, facts: Mapping[str, Any], options: PlausibleFeaturesOptions) -> list[tuple[bool, str]]:
    """Whether it is a warning, and a sentence, for all that is odd about a family by its summary."""
    return [(limit is not None and share >= limit, said) for share, limit, said in _oddities(name, facts, options)]


def _oddities(
    name: str, facts: Mapping[str, Any], options: PlausibleFeaturesOptions
) -> Iterator[tuple[float, float | None, str]]:
    for corpus, counts in facts["corpora"].items():
        of, where = counts["utterances"], f"{name}: {corpus}"
        if counts["lost"]:
            yield counts["lost"] / of, options.lost, f"{where}: {counts['lost']} of {of} utterances are lost"
        for what in ("cut", "padded"):
            if count := counts.get(what):
                yield count / of, getattr(options, what), f"{where}: {count} of {of} utterances are {what}"
        for what, count in counts["without"].items():
            if count:
                said = f"{where}: {count} of {of} utterances are without {what.replace('_', ' ')}"
                yield count / of, options.without, said


def refuse_rubbish(summary: Mapping[str, Mapping[str, Any]], options: PlausibleFeaturesOptions) -> None:
    """Stop where a corpus has transcripts and next to none of their words has a vector.

    Raises:
        TooManyUnusable: with what to look at.
    """
    for name, facts in summary.items():
        for corpus, counts in facts["corpora"].items():
            rows, without = counts["with_transcript"], counts["without"].get(_KNOWN_WORD, 0)
            without -= counts["utterances"] - counts["lost"] - rows  # those without a transcript are no wonder
            if rows >= _MOST_OF_FEW and without / rows >= options.stop_without_known_word:
                raise TooManyUnusable(
                    f"{name}: {without} of {rows} transcripts of corpus {corpus!r} have no word that has a vector, not "
                    f"less than features.plausible.stop_without_known_word = {options.stop_without_known_word:.0%}: "
                    "are the word vectors of another language, script or case (features.word2vec.lower_case)?"
                )
