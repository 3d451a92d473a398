"""Z-normalisation of features, with all statistics from the training part of a fold.

Strategies for the utterances that are trained on with labels, validated and tested:

* `global`: mean and standard deviation of the rows with the role train.
* `speaker`: every speaker by their own mean and standard deviation, whatever the role. No other speaker's data is
  used, but a test utterance is scaled with its speaker's other test utterances (without their labels): transductive.

Strategies for unlabelled utterances of further corpora (MSSGAN, ACII 2019, section V-B, Figure 7):

* `none`: as they are.
* `self`: each unlabelled corpus by its own statistics (each of its speakers, under the strategy `speaker`; those
  utterances of a corpus whose speaker is not known together, as if of one).
* `shift`: by the statistics of the rows with the role train.
* `combine`: by the statistics of the train and unlabelled rows together, which then also scale all other rows.

Acted utterances were recorded elsewhere: their corpus is scaled by its own statistics, likewise.

Unlabelled utterances of a corpus that is also trained on with labels (hidden by a label budget) were recorded like the
labelled ones and are scaled like them, whatever the strategy for unlabelled data.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Self, get_args

import numpy as np

Strategy = Literal["global", "speaker"]
UnlabelledStrategy = Literal["none", "self", "shift", "combine"]
JUDGED = ("train", "validation", "test")  # roles of labelled utterances

BLOCK_ROWS = 16_384  # statistics are float64: of a block, never of a copy of all features
_COLUMNS = 128  # of a block
_WRITTEN = 1 << 19  # values that are scaled at a time
# A deviation of this share of the mean is rounding of float32, not variation: the column counts as constant.
CONSTANT_SHARE = 10 * np.finfo(np.float32).eps


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of each feature.

    Attributes:
        mean: (D,) float64.
        std: (D,) float64, of the population; 0 for a constant column, which `apply` turns into 0.
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray, rows: np.ndarray | None = None) -> Self:
        """The statistics of features (N, ..., D) over all axes but the last.

        Args:
            x: features.
            rows: numbers of those of the N that count; None: all.

        Raises:
            ValueError: there is no row, or a value is not finite.
        """
        rows = np.arange(len(x)) if rows is None else rows
        count = len(rows) * math.prod(x.shape[1:-1])
        if count == 0:
            raise ValueError("no row to fit the scaling on: the training part of the fold is empty")
        mean, squares = np.empty(x.shape[-1]), np.empty(x.shape[-1])
        for columns in _some_columns(x.shape[-1]):
            mean[columns] = sum(block.sum(axis=0) for block in _blocks(x[..., columns], rows)) / count
        if not np.isfinite(mean).all():
            column = int(np.flatnonzero(~np.isfinite(mean))[0])
            raise ValueError(
                f"feature column {column} has {int(np.sum(~np.isfinite(x[..., column][rows])))} values that are not "
                "finite in the rows to fit on; quarantine those utterances in the features pipeline"
            )
        for columns in _some_columns(x.shape[-1]):
            squares[columns] = sum(_squares(block, mean[columns]) for block in _blocks(x[..., columns], rows))
        return cls.of(mean, squares / count)

    @classmethod
    def of(cls, mean: np.ndarray, variance: np.ndarray) -> Self:
        """The scaler of these statistics, (D,) each; a variance that is rounding alone counts as none."""
        std = np.sqrt(variance)
        return cls(mean, np.where(std <= CONSTANT_SHARE * np.abs(mean), 0.0, std))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Features (N, ..., D) scaled, as float32 of the same shape; constant columns give 0.

        Raises:
            ValueError: the number of features differs from that of the fit.
        """
        scaled = np.empty(x.shape, dtype=np.float32)
        self.write(x, np.arange(len(x)), scaled)
        return scaled

    def write(self, x: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
        """What `apply` gives of some rows, put into another array or into the same one.

        Args:
            x: features (N, ..., D).
            rows: numbers of those of the N that are scaled.
            out: float32 of the same shape; may be x.

        Raises:
            ValueError: the number of features differs from that of the fit.
        """
        if x.shape[-1] != len(self.mean):
            raise ValueError(f"number of features must be {len(self.mean)}, as in the fit, not {x.shape[-1]}")
        inverse = np.divide(1.0, self.std, out=np.zeros_like(self.std), where=self.std > 0)
        at_once = max(1, _WRITTEN // max(1, math.prod(x.shape[1:])))
        for start in range(0, len(rows), at_once):
            some = rows[start : start + at_once]
            block = x[some].astype(np.float64)
            block -= self.mean
            block *= inverse
            out[some] = block


class Moments:
    """Mean and deviation of features that come in parts, such as those of a corpus that is not held in memory.

    The parts' squared deviations are merged pairwise (Chan et al. 1983), which loses no digits where the mean is large.
    """

    def __init__(self) -> None:
        self._count, self._mean, self._squares = 0, np.zeros(()), np.zeros(())  # of no row yet; then (D,)

    def add(self, x: np.ndarray) -> None:
        """Take more rows (N, D) into account."""
        block = x.astype(np.float64)
        mean = block.mean(axis=0)
        shift, total = mean - self._mean, self._count + len(block)
        between = np.square(shift) * self._count * len(block) / total
        self._squares = self._squares + (np.square(block - mean).sum(axis=0) + between)
        self._mean = self._mean + shift * len(block) / total
        self._count = total

    def scaler(self) -> Scaler:
        """Of all rows so far.

        Raises:
            ValueError: there was no row, or a value was not finite.
        """
        if self._count == 0:
            raise ValueError("no row to fit the scaling on")
        if not np.isfinite(self._squares).all():
            column = int(np.flatnonzero(~np.isfinite(self._squares))[0])
            raise ValueError(
                f"feature column {column} has values that are not finite in the rows to fit on; quarantine those "
                "utterances in the features pipeline"
            )
        return Scaler.of(self._mean, self._squares / self._count)


@dataclass(frozen=True)
class ScaledFold:
    """The features of one fold, scaled.

    Attributes:
        features: (N, ..., D) float32, in the order given.
        scaler: statistics of the training part (of train and unlabelled rows under `combine`), to be saved beside a
            model. Under `speaker` it is what is left for an utterance whose speaker is not known.
        transductive: whether test utterances were scaled with the help of other test utterances.
        lone_speakers: under `speaker`, how many speakers have one utterance: it becomes all zeros.
    """

    features: np.ndarray
    scaler: Scaler
    transductive: bool
    lone_speakers: int


def scale_by_speaker(x: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    """Scales every speaker's features by that speaker's own mean and standard deviation.

    A vector of a speaker with a single utterance equals its mean, so it becomes all zeros: it tells nothing.

    Args:
        x: (N, ..., D) features.
        speakers: (N,) names.

    Returns:
        (N, ..., D) float32.
    """
    scaled = np.empty(x.shape, dtype=np.float32)
    _scale_groups(x, speakers, np.ones(len(x), bool), scaled)
    return scaled


def scale(
    features: np.ndarray,
    roles: np.ndarray,
    corpora: np.ndarray,
    speakers: np.ndarray,
    strategy: Strategy = "global",
    unlabelled_strategy: UnlabelledStrategy = "self",
    out: np.ndarray | None = None,
) -> ScaledFold:
    """Scales the features of one fold; see the module for the strategies.

    Args:
        features: (N, ..., D) of all rows of the fold.
        roles: (N,) train, unlabelled, validation, test or acted.
        corpora: (N,) names.
        speakers: (N,) names or None; `speaker` needs those of labelled rows.
        strategy: for labelled, validation and test rows.
        unlabelled_strategy: for unlabelled rows of corpora without a row in train.
        out: float32 of the shape of the features, which gets what is scaled; `features` itself, where nobody needs them
            as they were, takes no memory beside them. None: a new array.

    Raises:
        ValueError: an unknown strategy, no training row, a labelled row whose speaker is needed and not known, or
            `combine` together with `speaker`, whose statistics nothing can be combined with.
    """
    _require_strategies(strategy, unlabelled_strategy)
    roles, corpora = np.asarray(roles), np.asarray(corpora)
    groups = scaling_groups(speakers, corpora, np.isin(roles, JUDGED) if strategy == "speaker" else None)
    train = roles == "train"
    acted = roles == "acted"
    foreign = (roles == "unlabelled") & ~np.isin(corpora, np.unique(corpora[train]))
    fitted_on = train | (roles == "unlabelled") if unlabelled_strategy == "combine" else train
    scaler = Scaler.fit(features, np.flatnonzero(fitted_on))
    scaled, lone = np.empty(features.shape, dtype=np.float32) if out is None else out, 0
    if strategy == "global":
        scaler.write(features, np.flatnonzero(~(foreign | acted)), scaled)
        _scale_groups(features, corpora, acted, scaled)  # the group is the corpus
    else:
        lone = _scale_groups(features, groups, ~foreign, scaled)
    if unlabelled_strategy == "self":
        more = _scale_groups(features, groups if strategy == "speaker" else corpora, foreign, scaled)
        lone += more if strategy == "speaker" else 0
    elif unlabelled_strategy != "none":
        scaler.write(features, np.flatnonzero(foreign), scaled)
    elif scaled is not features:
        np.copyto(scaled, features, where=foreign.reshape(-1, *(1 for _ in features.shape[1:])))
    return ScaledFold(scaled, scaler, strategy == "speaker", lone)


def scaling_groups(speakers: np.ndarray, corpora: np.ndarray, needed: np.ndarray | None = None) -> np.ndarray:
    """Who is scaled together under the strategy `speaker`: a speaker, and those of a corpus whose speaker is not known.

    Args:
        speakers: (N,) names or None.
        corpora: (N,) names.
        needed: (N,) bool, rows whose speaker must be known: their scores would hang on the whole corpus.

    Returns:
        (N,) names of speakers and corpora, which share none: a speaker's begins with the corpus and a slash.

    Raises:
        ValueError: a speaker that is needed is not known.
    """
    unknown = np.array([name is None or name != name for name in speakers], dtype=bool)
    if needed is not None and (lacking := unknown & needed).any():
        where = ", ".join(sorted(set(corpora[lacking])))
        raise ValueError(
            f"{where}: scaling by speaker needs the speaker_id of every labelled utterance, which is null for "
            f"{int(lacking.sum())}; complete it, or set the training's scaling.strategy to global"
        )
    return np.where(unknown, corpora, np.asarray(speakers, dtype=object)).astype(str)


def _scale_groups(x: np.ndarray, groups: np.ndarray, marked: np.ndarray, out: np.ndarray) -> int:
    """Write the marked rows of x, each group by its own statistics; gives how many groups have a single row."""
    rows = np.flatnonzero(marked)
    _, codes, counts = np.unique(groups[rows], return_inverse=True, return_counts=True)
    for own in np.split(rows[np.argsort(codes, kind="stable")], np.cumsum(counts)[:-1]):
        if len(own):
            Scaler.fit(x, own).write(x, own, out)
    return int(np.sum(counts == 1))


def _require_strategies(strategy: str, unlabelled_strategy: str) -> None:
    for option, value, known in (
        ("strategy", strategy, get_args(Strategy)),
        ("unlabelled_strategy", unlabelled_strategy, get_args(UnlabelledStrategy)),
    ):
        if value not in known:
            raise ValueError(f"{option} must be one of {', '.join(known)}, not {value!r}")
    if strategy == "speaker" and unlabelled_strategy == "combine":
        raise ValueError("unlabelled_strategy combine needs global statistics: set strategy to global, or choose self")


def _some_columns(count: int) -> Iterator[slice]:
    """All of so many columns in a few parts; each column's sums are those of all together."""
    ends = np.linspace(0, count, -(-count // _COLUMNS) + 1).astype(int).tolist()
    return map(slice, ends[:-1], ends[1:])


def _squares(block: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Sums of squared deviations, (D,), from a block that nobody needs any more."""
    block -= mean
    return np.square(block, out=block).sum(axis=0)


def _blocks(x: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Some of x (N, ..., D), one after the other, as float64 of shape (BLOCK_ROWS, D); the last may have fewer rows."""
    each = math.prod(x.shape[1:-1])
    order: Literal["C", "K"] = "C" if len(rows) > 1 else "K"  # in which sums are taken, and so how they round
    for start in range(0, len(rows) * each, BLOCK_ROWS):
        end, first = min(start + BLOCK_ROWS, len(rows) * each), start // each
        block = x[rows[first : -(-end // each)]].reshape(-1, x.shape[-1])
        yield block[start - first * each : end - first * each].astype(np.float64, order=order)
