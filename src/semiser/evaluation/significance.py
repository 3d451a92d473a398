"""How sure a figure is: intervals that resample speakers, and paired tests between two variants.

Utterances of one speaker are alike, so the unit that is resampled is the speaker. The statistic is always that of the
report: the mean over cells (a seed's fold) of a figure of the cell's test part. A cell is known by the sums of its
clusters (speakers), which makes a resample a matrix product.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from semiser.evaluation.metrics import mean_of_known

Figures = Callable[[np.ndarray], np.ndarray]  # sums (..., K) -> figures (..., M)

RESAMPLES = 2000
FEWEST_FOR_INTERVALS = 10  # below it, percentile intervals hold the truth clearly less often than 95 %
FEWEST_FOR_SWAPS = 6  # with S speakers the smallest p of a swap test is 2 / 2^S: 0.125 for four, 0.031 for six
MOST_EXACT = 11  # up to 2^11 patterns all are tried
WEIGHTS_AT_ONCE = 4_000_000  # resamples x clusters held in memory


@dataclass(frozen=True)
class ClusteredSums:
    """What the test utterances add up to, by cell and cluster; G of the pairs (cell, cluster) have utterances.

    Attributes:
        cell: (G,) int, which seed's fold.
        cluster: (G,) int, which speaker.
        sums: (G, K) float64: a flattened confusion matrix, or moments.
        n_cells: number of cells.
        n_clusters: S, number of clusters.
    """

    cell: np.ndarray
    cluster: np.ndarray
    sums: np.ndarray
    n_cells: int
    n_clusters: int

    def cells(self) -> Iterator[np.ndarray]:
        """For each cell the places of its rows among the G."""
        order = np.argsort(self.cell, kind="stable")
        ends = np.cumsum(np.bincount(self.cell, minlength=self.n_cells))
        yield from np.split(order, ends[:-1])

    def cell_sums(self) -> np.ndarray:
        """Sums over the clusters of each cell, (n_cells, K)."""
        return np.stack([self.sums[rows].sum(axis=0) for rows in self.cells()])


def clustered_counts(cell: np.ndarray, cluster: np.ndarray, place: np.ndarray, n_places: int) -> ClusteredSums:
    """Counts how often each place (of a flattened confusion matrix) occurs.

    Args:
        cell: (N,) int in [0, cells).
        cluster: (N,) int in [0, S).
        place: (N,) int in [0, n_places).
        n_places: K.
    """
    pairs, group = _groups(cell, cluster)
    sums = np.bincount(group * n_places + place, minlength=len(pairs) * n_places)
    return _clustered(pairs, sums.reshape(-1, n_places).astype(np.float64))


def clustered_sums(cell: np.ndarray, cluster: np.ndarray, values: np.ndarray) -> ClusteredSums:
    """Sums values (N, K) such as moments; otherwise as `clustered_counts`."""
    pairs, group = _groups(cell, cluster)
    columns = [np.bincount(group, column, minlength=len(pairs)) for column in values.T]
    return _clustered(pairs, np.stack(columns, axis=-1))


def bootstrap_interval(data: ClusteredSums, figures: Figures, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """95 % percentile intervals of the mean over cells, from resampling clusters with replacement.

    A cluster that is drawn w times counts w times in every cell that it is tested in, and a cell counts by the mean w
    of its clusters. Where each fold tests one speaker this resamples the folds; where there is one fold it resamples
    the speakers of a pooled figure. With fewer than about ten clusters it is too narrow.

    Returns:
        (M, 2): lower and upper end; NaN where the figure is not defined.
    """
    return _percentiles(_bootstrap_means([data], figures, resamples, seed)[0])


@dataclass(frozen=True)
class Comparison:
    """Variant a minus variant b on the same utterances, for M figures.

    Attributes:
        difference: (M,) of the means over cells.
        ci95: (M, 2) from the same resamples of clusters for both.
        p: (M,) two-sided; NaN where it is not defined.
        test: name of the test, `swap` or `t`.
    """

    difference: np.ndarray
    ci95: np.ndarray
    p: np.ndarray
    test: str


def compare(
    a: ClusteredSums, b: ClusteredSums, figures: Figures, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Paired comparison of two variants, clustered by speaker.

    * `swap`, from six clusters on: under the hypothesis that the variants do not differ, exchanging all of a speaker's
      predictions between them changes nothing. Up to eleven clusters every pattern of exchanges is tried, else
      `resamples` random ones; p = share of patterns whose difference is as large (with the observed one).
    * `t`, below six clusters, where no swap test can reach p < 0.05: a t test with S - 1 degrees of freedom on the S
      differences of the speakers' own figures (Ibragimov and Mueller 2010, "t-statistic based correlation and
      heterogeneity robust inference"), which keeps its level for few clusters of unequal variance. A bootstrap of so
      few would not. p is NaN where all speakers differ by one same amount other than 0.

    Args:
        a: sums of the first variant.
        b: of the second, with the same cells and clusters.
        figures: figures of sums, (..., K) -> (..., M).
        resamples: of the interval, and of random swaps.
        seed: of both.

    Raises:
        ValueError: cells and clusters of the two differ.
    """
    if not (np.array_equal(a.cell, b.cell) and np.array_equal(a.cluster, b.cluster)):
        raise ValueError("a paired comparison needs the same folds, seeds and speakers in both variants")
    difference = mean_of_known(figures(a.cell_sums()), 0) - mean_of_known(figures(b.cell_sums()), 0)
    means = _bootstrap_means([a, b], figures, resamples, seed)
    if a.n_clusters < FEWEST_FOR_SWAPS:
        p, test = _t_test(_cluster_figures(a, figures) - _cluster_figures(b, figures)), "t"
    else:
        p, test = _swap_test(a, b, figures, difference, resamples, seed), "swap"
    return Comparison(difference, _percentiles(means[0] - means[1]), p, test)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Each p after Holm's step-down correction for their number: below 5 % it is significant."""
    corrected: dict[str, float] = {}
    highest = 0.0
    for place, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, p * (len(p_values) - place)))
        corrected[name] = highest
    return corrected


def _bootstrap_means(variants: list[ClusteredSums], figures: Figures, resamples: int, seed: int) -> np.ndarray:
    """Means over cells of every resample, the same resamples for all variants: (variants, resamples, M)."""
    random = np.random.default_rng([seed, 0])
    n_clusters = variants[0].n_clusters
    at_once = max(1, WEIGHTS_AT_ONCE // n_clusters)
    means = []
    for start in range(0, resamples, at_once):
        weights = _draw_weights(random, min(at_once, resamples - start), n_clusters)
        means.append(np.stack([_weighted_means(data, figures, weights) for data in variants]))
    return np.concatenate(means, axis=1)


def _draw_weights(random: np.random.Generator, resamples: int, n_clusters: int) -> np.ndarray:
    """How often each cluster is drawn in each resample, (resamples, S)."""
    drawn = random.integers(n_clusters, size=(resamples, n_clusters))
    drawn += np.arange(resamples)[:, None] * n_clusters
    return np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.float64)


def _weighted_means(data: ClusteredSums, figures: Figures, weights: np.ndarray) -> np.ndarray:
    """Mean over cells of the figures of the weighted sums: weights (B, S) -> (B, M)."""
    total = known = np.zeros((len(weights), 1))
    for rows in data.cells():
        drawn = weights[:, data.cluster[rows]]  # (B, clusters of the cell)
        # One cluster weighted by w has the figures of one cluster, so they are worked out once.
        values = figures(drawn @ data.sums[rows]) if len(rows) > 1 else figures(data.sums[rows])  # (B or 1, M)
        counted = drawn.mean(axis=1, keepdims=True) * ~np.isnan(values)  # (B, M)
        total = total + counted * np.nan_to_num(values)
        known = known + counted
    return np.divide(total, known, out=np.full(known.shape, np.nan), where=known > 0)


def _swap_test(
    a: ClusteredSums, b: ClusteredSums, figures: Figures, difference: np.ndarray, resamples: int, seed: int
) -> np.ndarray:
    exact = a.n_clusters <= MOST_EXACT
    at_least, patterns = np.zeros(difference.shape), 0
    for swapped in _swap_patterns(a.n_clusters, resamples, seed):
        permuted = _swapped_difference(a, b, figures, swapped)
        # The tolerance lets patterns that are equal but for rounding count as equal.
        at_least += np.sum(np.abs(permuted) >= np.abs(difference) - 1e-12, axis=0)
        patterns += len(swapped)
    p = at_least / patterns if exact else (at_least + 1) / (patterns + 1)
    return np.where(np.isnan(difference), np.nan, p)


def _swap_patterns(n_clusters: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Patterns of exchanged clusters as 0 and 1, in blocks (P, S)."""
    if n_clusters <= MOST_EXACT:
        yield ((np.arange(2**n_clusters)[:, None] >> np.arange(n_clusters)) & 1).astype(np.float64)
        return
    random = np.random.default_rng([seed, 1])
    at_once = max(1, WEIGHTS_AT_ONCE // n_clusters)
    for start in range(0, resamples, at_once):
        yield random.integers(2, size=(min(at_once, resamples - start), n_clusters)).astype(np.float64)


def _swapped_difference(a: ClusteredSums, b: ClusteredSums, figures: Figures, swapped: np.ndarray) -> np.ndarray:
    """Difference of the means over cells after exchanging clusters between a and b: (P, S) -> (P, M)."""
    first, second = [], []
    for rows in a.cells():
        moved = swapped[:, a.cluster[rows]] @ (b.sums[rows] - a.sums[rows])  # (P, K)
        first.append(figures(a.sums[rows].sum(axis=0) + moved))
        second.append(figures(b.sums[rows].sum(axis=0) - moved))
    return mean_of_known(np.stack(first), 0) - mean_of_known(np.stack(second), 0)


def _cluster_figures(data: ClusteredSums, figures: Figures) -> np.ndarray:
    """Each cluster's own figures, averaged over the cells that test it, (S, M)."""
    values = figures(data.sums)  # (G, M)
    known = ~np.isnan(values)
    count = np.zeros((data.n_clusters, values.shape[-1]))
    total = np.zeros_like(count)
    np.add.at(count, data.cluster, known)
    np.add.at(total, data.cluster, np.where(known, values, 0.0))
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def _t_test(differences: np.ndarray) -> np.ndarray:
    """Two-sided p that the mean of (S, M) differences is 0; 1 where all are 0, NaN where it is not defined."""
    known = ~np.isnan(differences)
    count = known.sum(axis=0)
    mean = mean_of_known(differences, 0)
    squares = np.where(known, np.square(differences - mean), 0.0).sum(axis=0)
    error = np.sqrt(squares / np.maximum(count - 1, 1) / np.maximum(count, 1))
    defined = (count > 1) & (error > 1e-12)
    t = np.divide(mean, error, out=np.zeros_like(error), where=defined)
    p = 2 * stdtr(np.maximum(count - 1, 1), -np.abs(t))
    same = (count > 1) & ~defined & (np.abs(mean) < 1e-12)
    return np.where(defined, p, np.where(same, 1.0, np.nan))


def _percentiles(means: np.ndarray) -> np.ndarray:
    """2.5 and 97.5 % of (resamples, M), resamples in which a figure is not defined left out: (M, 2)."""
    ends = np.full((means.shape[1], 2), np.nan)
    for place, column in enumerate(means.T):
        if (known := column[~np.isnan(column)]).size:
            ends[place] = np.percentile(known, [2.5, 97.5])
    return ends


def _groups(cell: np.ndarray, cluster: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs (cell, cluster) that occur, (G, 2), and which of them each row belongs to, (N,)."""
    width = int(np.max(cluster, initial=0)) + 1
    keys, group = np.unique(np.asarray(cell, np.int64) * width + cluster, return_inverse=True)
    return np.stack([keys // width, keys % width], axis=-1), group


def _clustered(pairs: np.ndarray, sums: np.ndarray) -> ClusteredSums:
    """Cells and clusters are renumbered so that each of them has utterances."""
    cells, cell = np.unique(pairs[:, 0], return_inverse=True)
    clusters, cluster = np.unique(pairs[:, 1], return_inverse=True)
    return ClusteredSums(cell, cluster, sums, len(cells), len(clusters))
