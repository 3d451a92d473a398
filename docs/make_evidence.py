"""What unlabelled speech is worth: the figure and the table that README and docs/benchmark.md open with.

    python docs/make_evidence.py [--data data] [--image docs/images/evidence.png]

Reads what `kedro run --env <corpus>_benchmark --pipelines=ingest,features,benchmark,report` of the four corpora left,
draws docs/images/evidence.png (or --image) and prints the table, of methods that all four have. Intervals and p of
a corpus are the benchmark's own. Over corpora: the mean of the corpora's UAR, pooled over folds and draws; for p the
predictions of random speakers, of all corpora at once, are exchanged between the two methods.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

matplotlib.use("Agg")
from matplotlib import pyplot as plt

CORPORA = {"ased": "ASED", "casia": "CASIA", "emodb": "EmoDB", "nemo": "nEMO"}
DRAWN = (
    ("mixmatch", "dnn"),
    ("softmatch_half", "dnn"),
    ("mmmd_without_acted", "mmd"),
    ("mmmd_half", "mmd"),
    ("self_training", "logistic"),
)
PAIRS = (
    *DRAWN,
    ("softmatch", "dnn"),
    ("mmmd_softmatch", "mmd"),
    ("softmatch_half", "dnn_members"),
    ("mmmd_half", "mmd_members"),
    ("softmatch_half", "svm"),
    ("mmmd_half", "svm"),
    ("mixmatch_guarded", "dnn"),
    ("mmmd_guarded", "mmd"),
    ("softmatch_guarded", "dnn"),
    ("softmatch_guarded", "dnn_members"),
    ("mixmatch_guarded", "dnn_members"),
    ("mmmd_guarded", "mmd_members"),
    ("mmmd_guarded", "svm"),
)
MEAN = "mean"
EXCHANGES = 20_000
IMAGE = Path(__file__).parent / "images" / "evidence.png"


def main() -> None:
    """Draw the figure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="data", help="the project's data folder")
    parser.add_argument("--image", default=IMAGE, help="where the figure goes")
    arguments = parser.parse_args()
    rows = pd.concat([_of_corpus(Path(arguments.data), corpus) for corpus in CORPORA])
    rows = pd.concat([rows, _over_corpora(Path(arguments.data), rows)], ignore_index=True)
    draw(rows).savefig(arguments.image, dpi=150)
    print(table(rows))


def _of_corpus(data: Path, corpus: str) -> pd.DataFrame:
    """The pairs of a corpus: a method, another one, UAR of both, difference, interval, p."""
    folder = data / "08_reporting" / f"{corpus}_benchmark" / "train_benchmark"
    tests, scores = pd.read_csv(folder / "tests.csv"), pd.read_csv(folder / "efficiency.csv")
    uar = {(row.method, row.share): row.uar for row in scores[scores.tested == "all"].itertuples()}
    rows = []
    for test in tests[tests.tested == "all"].itertuples():
        for a, b, sign in ((test.a, test.b, 1), (test.b, test.a, -1)):
            if (a, b) in PAIRS and test.share != "all":
                ends = sorted((sign * test.ci95_low, sign * test.ci95_high))
                rows.append(
                    {"corpus": corpus, "share": float(test.share), "method": a, "other": b}
                    | {"uar": uar[a, test.share], "uar_other": uar[b, test.share]}
                    | {"difference": sign * test.difference, "low": ends[0], "high": ends[1], "p": test.p}
                )
    return pd.DataFrame(rows)


def _over_corpora(data: Path, rows: pd.DataFrame) -> pd.DataFrame:
    found = []
    for (share, method, other), group in rows.groupby(["share", "method", "other"]):
        if group.corpus.nunique() < len(CORPORA):
            continue
        counts = [_counts(data, corpus, share, method, other) for corpus in CORPORA]
        difference, p, (low, high) = exchange(counts)
        means = {name: float(group[name].mean()) for name in ("uar", "uar_other")}
        place = {"corpus": MEAN, "share": share, "method": method, "other": other}
        found.append({**place, **means, "difference": difference, "low": low, "high": high, "p": p})
    return pd.DataFrame(found)


def _counts(data: Path, corpus: str, share: float, method: str, other: str) -> np.ndarray:
    """Utterances by method, speaker, true and predicted class, over all folds and draws, (2, S, C, C)."""
    folder = data / "07_model_output" / f"{corpus}_benchmark" / "train_benchmark"
    tables = [_predictions(folder, name, share) for name in (method, other)]
    classes = sorted(set(tables[0]["target"].to_pylist()))
    speakers = sorted(set(tables[0]["speaker_id"].to_pylist()))
    counts = np.zeros((2, len(speakers), len(classes), len(classes)))
    for place, rows in enumerate(tables):
        codes = [
            np.searchsorted(known, rows[name].to_numpy(zero_copy_only=False))
            for name, known in (("speaker_id", speakers), ("target", classes), ("prediction", classes))
        ]
        np.add.at(counts[place], tuple(codes), 1)
    return counts


def _predictions(folder: Path, method: str, share: float) -> pa.Table:
    table = pq.read_table(folder / f"{method}.parquet")
    return table.filter([name.endswith(f"/share={share:g}") for name in table["variant"].to_pylist()])


def exchange(counts: list[np.ndarray], exchanges: int = EXCHANGES) -> tuple[float, float, tuple[float, float]]:
    """Mean over corpora of UAR's difference, its two-sided p, and the interval that resampled speakers give.

    Args:
        counts: of each corpus, from `_counts`.
        exchanges: random ones, and resamples.
    """
    random = np.random.default_rng(0)
    observed, swapped, resampled = 0.0, np.zeros(exchanges), np.zeros(exchanges)
    for each in counts:
        speakers = each.shape[1]
        first = random.integers(0, 2, (exchanges, speakers)).astype(float)
        weights = random.multinomial(speakers, np.full(speakers, 1 / speakers), exchanges).astype(float)
        whole = each.sum(1)
        observed += _uar(whole[0]) - _uar(whole[1])
        mixed = np.tensordot(first, each[0], 1) + np.tensordot(1 - first, each[1], 1)
        swapped += _uar(mixed) - _uar(whole.sum(0) - mixed)
        resampled += _uar(np.tensordot(weights, each[0], 1)) - _uar(np.tensordot(weights, each[1], 1))
    n = len(counts)
    p = (1 + int((np.abs(swapped) >= abs(observed) - 1e-12).sum())) / (1 + exchanges)
    low, high = np.quantile(resampled / n, (0.025, 0.975))
    return observed / n, p, (float(low), float(high))


def _uar(counts: np.ndarray) -> np.ndarray:
    """Mean recall over the classes that there are, of counts (..., C, C), targets first."""
    with np.errstate(invalid="ignore"):
        recalls = np.diagonal(counts, axis1=-2, axis2=-1) / counts.sum(-1)
    return np.nanmean(recalls, axis=-1)


def _rows_of(rows: pd.DataFrame, share: float, pair: tuple[str, str]) -> pd.DataFrame:
    return rows[(rows.share == share) & (rows.method == pair[0]) & (rows.other == pair[1])]


def draw(rows: pd.DataFrame) -> plt.Figure:
    """What each method adds to its counterpart, by corpus, with 95 % intervals over speakers; a panel per budget."""
    shares = sorted(rows.share.unique())
    figure, panels = plt.subplots(1, len(shares), figsize=(9, 4.4), sharex=True, sharey=True, layout="constrained")
    places = [*CORPORA, MEAN]
    colours = dict(zip(DRAWN, ("#c8841f", "#8a5208", "#5b9bd5", "#1f4e79", "#7a7a7a"), strict=True))
    for panel, share in zip(np.atleast_1d(panels), shares, strict=True):
        panel.axvline(0, color="black", linewidth=0.8)
        for number, pair in enumerate(DRAWN):
            for row in _rows_of(rows, share, pair).itertuples():
                height = -places.index(row.corpus) + 0.3 - 0.15 * number
                label = " - ".join(pair) if row.corpus == MEAN else None
                marker = "D" if row.corpus == MEAN else "o"
                panel.plot([row.low, row.high], [height] * 2, color=colours[pair], linewidth=1.5)
                panel.plot(row.difference, height, marker, color=colours[pair], markersize=5, label=label)
        panel.set_title(f"{share:.0%} of the labels")
        panel.set_xlabel("UAR with unlabelled speech less without")
        panel.set_yticks(
            [-place for place in range(len(places))], [CORPORA.get(name, "mean of four") for name in places]
        )
        panel.spines[["top", "right"]].set_visible(False)
    figure.legend(
        *np.atleast_1d(panels)[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False
    )
    return figure


def table(rows: pd.DataFrame) -> str:
    """A line per pair and budget: UAR of the second and what the first adds, * where p < 0.05; the mean with its p."""
    lines = ["| labels | with - without | " + " | ".join(CORPORA.values()) + " | mean of four | p |"]
    lines.append("|---|---|" + "---|" * (len(CORPORA) + 2))
    for share in sorted(rows.share.unique()):
        for method, other in PAIRS:
            own = _rows_of(rows, share, (method, other)).set_index("corpus")
            if MEAN not in own.index:
                continue
            cells = [_cell(own.loc[name]) for name in CORPORA]
            mean = own.loc[MEAN]
            whole = f"{mean.difference:+.3f} [{mean.low:+.3f}, {mean.high:+.3f}]"
            lines.append(
                f"| {share:.0%} | `{method}` - `{other}` | {' | '.join(cells)} | {whole} | {max(mean.p, 0.0001):.4f} |"
            )
    return "\n".join(lines)


def _cell(row: pd.Series) -> str:
    return f"{row.uar_other:.3f} {row.difference:+.3f}{'*' if row.p < 0.05 else ''}"


if __name__ == "__main__":
    main()
