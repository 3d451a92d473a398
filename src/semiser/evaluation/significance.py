"""How sure a figure is: intervals that resample speakers, and paired tests between two variants.

Utterances of one speaker are alike, so the unit that is resampled is the speaker. The statistic is always that of the
report: the mean over cells (a seed's fold) of a figure of the cell's test part. A cell is known by the sums of its
clusters (speakers), which makes a resample a matrix product; what resamples and exchanges make of a variant's sums is
worked out once for all pairs that it is in.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from semiser.evaluation.metrics import mean_of_known

Figures = Callable[[np.ndarray], np.ndarray]  # sums (..., K) -> figures (..., M)

RESAMPLES = 2000
FEWEST_FOR_INTERVALS = 10  # below it, percentile intervals hold the truth clearly less often than 95 %
FEWEST_FOR_SWAPS = 6  # with S speakers the smallest p of a swap test is 2 / 2^S: 0.125 for four, 0.031 for six
MOST_EXACT = 11  # up to 2^11 patterns all are tried
LEVEL = 0.05  # p below it, after Holm's correction, is significant
SETTLED_AFTER, SETTLED_WITH = RESAMPLES, 20  # random exchanges, and how many of them as large, that give p above 0.01
WEIGHTS_AT_ONCE = 4000000  # numbers of resamples or exchanges held in memory


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
        smallest_p: what p can be at least with so many clusters and exchanges; 0 for `t`.
    """

    difference: np.ndarray
    ci95: np.ndarray
    p: np.ndarray
    test: str
    smallest_p: float


def compare(
    a: ClusteredSums, b: ClusteredSums, figures: Figures, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Paired comparison of two variants, a minus b, as in `compare_pairs`."""
    return compare_pairs({"a": a, "b": b}, [("a", "b")], figures, resamples, resamples, seed)["a", "b"]


def compare_pairs(
    variants: Mapping[str, ClusteredSums],
    pairs: Sequence[tuple[str, str]],
    figures: Figures,
    resamples: int = RESAMPLES,
    exchanges: int = RESAMPLES,
    seed: int = 0,
) -> dict[tuple[str, str], Comparison]:
    """Paired comparisons of variants, clustered by speaker.

    * `swap`, from six clusters on: under the hypothesis that the variants do not differ, exchanging all of a speaker's
      predictions between them changes nothing. Up to eleven clusters every pattern of exchanges is tried, else
      `exchanges` random ones, the same for all pairs; p = share of patterns whose difference is as large (with the
      observed one). A figure in which 20 of the first 2,000 are as large is settled by these (after Besag and Clifford
      1991, "Sequential Monte Carlo p-values"): the others serve to tell small p apart, and its p, above 0.01, is
      the same for any larger number.
    * `t`, below six clusters, where no swap test can reach p < 0.05: a t test with S - 1 degrees of freedom on the S
      differences of the speakers' own figures (Ibragimov and Mueller 2010, "t-statistic based correlation and
      heterogeneity robust inference"), which keeps its level for few clusters of unequal variance. A bootstrap of so
      few would not. p is NaN where all speakers differ by one same amount other than 0.

    Args:
        variants: name to sums, all with the same cells and clusters.
        pairs: names (a, b) for a - b.
        figures: figures of sums, (..., K) -> (..., M).
        resamples: of the interval.
        exchanges: random ones (`enough_exchanges`).
        seed: of both.

    Raises:
        ValueError: cells and clusters differ.
    """
    places = {name: place for place, name in enumerate(variants)}
    data = list(variants.values())
    if any(
        not (np.array_equal(one.cell, data[0].cell) and np.array_equal(one.cluster, data[0].cluster)) for one in data
    ):
        raise ValueError("a paired comparison needs the same folds, seeds and speakers in both variants")
    if not pairs:
        return {}
    first, second = (np.array([places[pair[side]] for pair in pairs]) for side in (0, 1))
    observed = np.stack([mean_of_known(figures(one.cell_sums()), 0) for one in data])
    means = _bootstrap_means(data, figures, resamples, seed)
    differences = observed[first] - observed[second]
    if data[0].n_clusters < FEWEST_FOR_SWAPS:
        own = [_cluster_figures(one, figures) for one in data]
        p, test = np.stack([_t_test(own[a] - own[b]) for a, b in zip(first, second, strict=True)]), "t"
    else:
        p, test = _swap_tests(data, first, second, figures, differences, exchanges, seed), "swap"
    smallest = smallest_p(data[0].n_clusters, exchanges)
    return {
        (a, b): Comparison(differences[n], _percentiles(means[places[a]] - means[places[b]]), p[n], test, smallest)
        for n, (a, b) in enumerate(pairs)
    }


def enough_exchanges(comparisons: int, resamples: int = RESAMPLES) -> int:
    """Random exchanges with which p can be significant after Holm's correction for that many comparisons.

    The smallest p of n random exchanges is 1 / (n + 1): it has to be below 0.05 / comparisons, and is half of that.
    """
    return max(resamples, round(2 * comparisons / LEVEL))


def smallest_p(n_clusters: int, exchanges: int) -> float:
    """What p can be at least for so many clusters: all patterns and their mirror images, or random ones; 0 for t."""
    if n_clusters < FEWEST_FOR_SWAPS:
        return 0.0
    return 2 / 2**n_clusters if n_clusters <= MOST_EXACT else 1 / (exchanges + 1)


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
    by_cluster = weights.T
    for rows in data.cells():
        drawn = by_cluster[data.cluster[rows]]  # (clusters of the cell, B)
        # One cluster weighted by w has the figures of one cluster, so they are worked out once.
        values = figures((data.sums[rows].T @ drawn).T) if len(rows) > 1 else figures(data.sums[rows])  # (B or 1, M)
        counted = drawn.mean(axis=0)[:, None] * ~np.isnan(values)  # (B, M)
        total = total + counted * np.nan_to_num(values)
        known = known + counted
    return np.divide(total, known, out=np.full(known.shape, np.nan), where=known > 0)


def _swap_tests(
    data: Sequence[ClusteredSums],
    first: np.ndarray,
    second: np.ndarray,
    figures: Figures,
    differences: np.ndarray,
    exchanges: int,
    seed: int,
) -> np.ndarray:
    """p of the pairs of variants (first, second) whose differences (pairs, M) were observed, (pairs, M)."""
    totals = [one.cell_sums().T[..., None] for one in data]  # (K, cells, 1)
    at_least, tried = np.zeros(differences.shape), np.zeros(differences.shape)
    exact = data[0].n_clusters <= MOST_EXACT
    numbers = data[0].n_clusters + len(data) * totals[0].size  # of one pattern
    for swapped in _swap_patterns(data[0].n_clusters, exchanges, max(1, WEIGHTS_AT_ONCE // numbers), seed):
        unsettled = (tried < SETTLED_AFTER) | (at_least < SETTLED_WITH) | exact
        moved = [_exchanged(one, swapped) for one in data]
        for n in np.flatnonzero(unsettled.any(axis=1)):
            a, b = first[n], second[n]
            change = moved[b] - moved[a]
            permuted = _cell_means(totals[a] + change, figures) - _cell_means(totals[b] - change, figures)  # (P, M)
            # The tolerance lets patterns that are equal but for rounding count as equal.
            as_large = np.sum(np.abs(permuted) >= np.abs(differences[n]) - 1e-12, axis=0)
            at_least[n] += np.where(unsettled[n], as_large, 0)
        tried += np.where(unsettled, len(swapped), 0)
    p = at_least / tried if exact else (at_least + 1) / (tried + 1)
    return np.where(np.isnan(differences), np.nan, p)


def _swap_patterns(n_clusters: int, exchanges: int, at_once: int, seed: int) -> Iterator[np.ndarray]:
    """Patterns of exchanged clusters as 0 and 1, in blocks (P, S), one of which ends where pairs may be settled."""
    if n_clusters <= MOST_EXACT:
        patterns = ((np.arange(2**n_clusters)[:, None] >> np.arange(n_clusters)) & 1).astype(np.float64)
        yield from (patterns[start : start + at_once] for start in range(0, len(patterns), at_once))
        return
    random = np.random.default_rng([seed, 1])
    done = 0
    while done < exchanges:
        end = SETTLED_AFTER if done < SETTLED_AFTER < exchanges else exchanges
        block = min(at_once, end - done)
        yield random.integers(2, size=(block, n_clusters)).astype(np.float64)
        done += block


def _exchanged(data: ClusteredSums, swapped: np.ndarray) -> np.ndarray:
    """The sums of the clusters that patterns exchange, cell by cell: (P, S) -> (K, cells, P)."""
    by_cluster = np.ascontiguousarray(swapped.T)
    return np.stack([data.sums[rows].T @ by_cluster[data.cluster[rows]] for rows in data.cells()], axis=1)


def _cell_means(sums: np.ndarray, figures: Figures) -> np.ndarray:
    """Mean over cells of the figures of sums (K, cells, P), (P, M)."""
    return mean_of_known(figures(np.moveaxis(sums, 0, -1)), 0)


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
