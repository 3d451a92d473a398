"""Proxy arousal and valence: scores of utterances against their speaker's baseline, without any annotation.

Source: AV-SpNET (Lu et al. 2018), sections 2.2.2 and 2.2.3, Eq. 1-4; the rule is Bone et al.'s (2014).

What the paper leaves open is decided so:
* The baseline N is made of all of the group's values, the utterance's own among them ("constructed by v_u per
  speaker").
* Ties. The printed comparison is strict: neither the utterance itself nor an equal one counts as exceeded, and n
  utterances score -1 to 1 - 2 / n, so that at most half of a group can score above 0. Table 1 has 58 % of positive
  valence, which that cannot give: sums of sentiment are small integers, and ties decide. Two other readings are
  `half` and `at_least`, where an equal value (the utterance's own, too) counts half and whole.
* A score above 0 is high, 0 and below is low; decided in integers, so that no rounding does.
* An utterance without a value, or whose group has no second one with a value, gets no score but a reason. It is no
  part of the baseline.
"""

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from semiser.options.proxies import TIES, Ties

ARRAYS: TypeAlias = np.ndarray | pa.Array | pa.ChunkedArray

PROXY_SCHEMA = pa.schema(
    [
        pa.field("score", pa.float32(), metadata={"unit": "[-1, 1]"}),
        pa.field("label", pa.string()),
        pa.field("reason", pa.string()),
    ]
)

NO_GROUP = "no speaker or episode: there is no baseline"
SINGLE = "the only utterance with a value of its speaker or episode: there is no baseline"
UNVOICED = "unvoiced: no pitch"
NO_INTENSITY = "no vocal intensity"
NO_TRANSCRIPT = "no transcript"


def score_against_baseline(values: ARRAYS, groups: ARRAYS, ties: Ties = "strict") -> tuple[np.ndarray, np.ndarray]:
    """The share of its group's values that each value exceeds, scaled to [-1, 1] (Eq. 1 and 4).

        a_u = 2 * E[x_u > N] - 1

    Args:
        values: x_u, one per utterance; null or NaN where there is none.
        groups: whose baseline each utterance is held against; null where it is unknown.
        ties: what a value of the baseline counts that is equal to the utterance's: nothing (`strict`), `half`, or as
            one that is exceeded (`at_least`).

    Returns:
        Scores, float64, NaN where there is none; and the number of values in the utterance's baseline, 0 where its
        group is unknown. Both of shape (utterances,).

    Raises:
        ValueError: values and groups differ in number, or a value is infinite.
    """
    surplus, counts = _surplus(values, groups, ties)
    return np.where(counts > 1, surplus / np.maximum(counts, 1), np.nan), counts


def _surplus(values: ARRAYS, groups: ARRAYS, ties: Ties) -> tuple[np.ndarray, np.ndarray]:
    """How many values of the baseline more are exceeded than not, and how many there are; NaN where there is none.

    A score is their quotient. The first are whole numbers, for what `half` counts is halved twice.
    """
    x, codes = _as_floats(values), _as_codes(groups)
    if x.shape != codes.shape:
        raise ValueError(f"values and groups must be equally many, not {x.size} and {codes.size}")
    usable = np.flatnonzero(~np.isnan(x) & (codes >= 0))
    sizes = np.bincount(codes[usable], minlength=codes.max(initial=-1) + 1)
    order = usable[np.lexsort((x[usable], codes[usable]))]  # groups one after the other, ascending within
    position = np.arange(order.size)
    new_group = np.diff(codes[order], prepend=-1) != 0
    new_value = new_group | (np.diff(x[order], prepend=np.nan) != 0)
    first_of_group = np.maximum.accumulate(np.where(new_group, position, 0))
    first_of_equals = np.maximum.accumulate(np.where(new_value, position, 0))
    equals = np.bincount(np.cumsum(new_value) - 1)[np.cumsum(new_value) - 1]
    counts = np.where(codes >= 0, np.append(sizes, 0)[codes], 0)
    surplus = np.full(x.size, np.nan)
    twice_exceeded = 2 * (first_of_equals - first_of_group) + {"strict": 0, "half": 1, "at_least": 2}[ties] * equals
    surplus[order] = twice_exceeded - counts[order]
    return surplus, counts


def proxy_arousal(pitch_hz: ARRAYS, intensity_db: ARRAYS, groups: ARRAYS) -> pa.Table:
    """Rule-based arousal: the mean of the scores of median pitch and median vocal intensity (Eq. 1-2).

    Args:
        pitch_hz, intensity_db: medians of each utterance (the `voice` family); null or NaN where there is none.
        groups: whose baseline each utterance is held against; null where it is unknown.

    Returns:
        `PROXY_SCHEMA`, a row per utterance in the order given: score and label (`high`, `low`), or the reason why
        there is none.
    """
    pitch, pitch_counts = _surplus(pitch_hz, groups, "strict")
    intensity, intensity_counts = _surplus(intensity_db, groups, "strict")
    reasons = np.select(
        [
            np.isnan(_as_floats(pitch_hz)),
            np.isnan(_as_floats(intensity_db)),
            _as_codes(groups) < 0,
            np.minimum(pitch_counts, intensity_counts) < 2,
        ],
        [UNVOICED, NO_INTENSITY, NO_GROUP, SINGLE],
        "",
    )
    both = pitch * intensity_counts + intensity * pitch_counts  # the sign of the scores' sum
    scores = both / np.maximum(2 * pitch_counts * intensity_counts, 1)
    return _table(scores, both > 0, reasons, ("low", "high"))


def proxy_valence(sentiment: ARRAYS, groups: ARRAYS, ties: Ties = "strict") -> pa.Table:
    """Dictionary-based valence: the score of an utterance's sentiment sum (Eq. 4).

    Args:
        sentiment: v_u of each utterance (Eq. 3, the `valence` family); null where the transcript is missing or empty.
        groups: whose baseline each utterance is held against; null where it is unknown.
        ties: see `score_against_baseline`.

    Returns:
        `PROXY_SCHEMA`, a row per utterance in the order given: score and label (`positive`, `negative`), or the
        reason why there is none.
    """
    scores, counts = score_against_baseline(sentiment, groups, ties)
    reasons = np.select(
        [np.isnan(_as_floats(sentiment)), _as_codes(groups) < 0, counts < 2], [NO_TRANSCRIPT, NO_GROUP, SINGLE], ""
    )
    return _table(scores, scores > 0, reasons, ("negative", "positive"))


def count_by_ties(sentiment: ARRAYS, groups: ARRAYS) -> dict[str, dict[str, int]]:
    """How many utterances are positive and negative by each reading of ties, to be set beside Table 1."""
    found: dict[str, dict[str, int]] = {}
    for ties in TIES:
        labels = proxy_valence(sentiment, groups, ties)["label"].to_pylist()
        found[ties] = {name: labels.count(name) for name in ("positive", "negative")}
    return found


def _table(scores: np.ndarray, above: np.ndarray, reasons: np.ndarray, names: tuple[str, str]) -> pa.Table:
    missing = reasons != ""
    labels = np.where(above, names[1], names[0])
    columns: list[Any] = [
        pa.array(scores, pa.float32(), mask=missing),
        pa.array(labels, pa.string(), mask=missing),
        pa.array(reasons, pa.string(), mask=~missing),
    ]
    return pa.table(columns, PROXY_SCHEMA)


def _as_floats(values: ARRAYS) -> np.ndarray:
    array = pa.chunked_array([pa.array(values, from_pandas=True)]) if isinstance(values, np.ndarray) else values
    floats = array.cast(pa.float64()).to_numpy(zero_copy_only=False) if len(array) else np.empty(0)
    if infinite := np.count_nonzero(np.isinf(floats)):
        raise ValueError(f"{infinite} of {floats.size} values are infinite: every value must be finite or missing")
    return floats


def _as_codes(groups: ARRAYS) -> np.ndarray:
    """Groups numbered from 0 in the order they appear, -1 where unknown."""
    array = pa.array(groups, from_pandas=True) if isinstance(groups, np.ndarray) else groups
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return array.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
