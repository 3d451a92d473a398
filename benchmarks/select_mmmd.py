"""Options of the semi-supervised variants on CASIA with a tenth of the labels, by validation speakers alone.

    python benchmarks/select_mmmd.py [--only mmmd_epoch_wise] [--seeds 2]

Reads the tables of a finished `kedro run --env casia_ssl --pipelines=features` below `data`. As in `select_mmd.py`,
every pair of speakers is left out of the training once and the model is scored on both; the other two speakers give a
tenth of their labels and the rest unlabelled; EmoDB is acted. For the test speaker t a candidate counts by its scores
on the validation speakers v of the pairs {t, v}: models that saw neither. Scores are kept in a JSON file, so that a run
that was stopped goes on.
"""

import argparse
import itertools
import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from semiser.configuration import load_parameters
from semiser.data.matrix import feature_matrix
from semiser.data.scaling import scale_by_speaker
from semiser.data.vectors import FoldData
from semiser.evaluation.metrics import confusion_matrix, uar
from semiser.folds.draws import shuffled_ranks
from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.shards.table import ShardedTable
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd.options import MmmdOptions, TrainMmmdOptions
from semiser.training.run import TrainingRun

BUDGET = 0.1
_RISING = {"unlabelled_weight": 1.0, "ramp": 0.3}
_MIXMATCH: list[dict] = [
    {"unlabelled_weight": 0.01},  # with the other options as in conf/demo: the paper's optimum
    _RISING,
    _RISING | {"mix_acted": False},
    _RISING | {"temperature": 0.5, "guess": "joint"},
    _RISING | {"noise": 1.0},
    {"unlabelled_weight": 10.0, "ramp": 0.3, "noise": 1.0},
]
_STRONG = {"mixmatch": {"unlabelled_weight": 10.0, "ramp": 0.3, "mix_acted": False}}
# Variant, and what is changed of conf/demo: group -> option -> value.
CANDIDATES: list[tuple[str, dict]] = [
    *(("dnn", {"dnn": {"epochs": epochs, "input_noise": noise}}) for epochs in (30, 100) for noise in (0.5, 1.0)),
    *(("mmd", {"mmd": {"epochs": epochs, "input_noise": noise}}) for epochs in (30, 100) for noise in (0.5, 1.0)),
    *((name, {"mixmatch": changes}) for name in ("mmmd_epoch_wise", "mmmd_without_acted", "mixmatch")
      for changes in _MIXMATCH if name == "mmmd_epoch_wise" or "mix_acted" not in changes),
    ("mmmd_epoch_wise", _STRONG),
    ("mmmd_epoch_wise", _STRONG | {"acted_weight": 0.1}),
    ("mmmd_epoch_wise", _STRONG | {"acted_weight": 0.01}),
    ("mmmd_without_acted", _STRONG),
]  # fmt: skip


def main() -> None:
    """Score the candidates that have no score yet, then print all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="data", help="the project's data folder")
    parser.add_argument("--experiment", default="casia_ssl", help="whose utterances and features")
    parser.add_argument("--scores", default="data/08_reporting/select_mmmd.json")
    parser.add_argument("--only", help="candidates of this variant alone")
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path, corpus = Path(arguments.scores), _read(Path(arguments.data), arguments.experiment)
    scores = json.loads(path.read_text()) if path.exists() else {}
    for variant, changes in CANDIDATES:
        name = f"{variant} {json.dumps(changes)}"
        if name not in scores and arguments.only in (None, variant):
            scores[name] = _score_pairs(corpus, _options(variant, changes), arguments.seeds)
            path.write_text(json.dumps(scores, indent=1))
            print(f"{np.mean([*scores[name].values()]):.4f} {name}", flush=True)
    _print_choices(scores, sorted(set(corpus["speakers"][~corpus["acted"]])))


def _print_choices(scores: dict[str, dict[str, float]], speakers: list[str]) -> None:
    for variant in dict.fromkeys(name.split()[0] for name in scores):
        own = {name: found for name, found in scores.items() if name.split()[0] == variant}
        print(f"\n{variant}")
        for name, found in sorted(own.items(), key=lambda item: -np.mean([*item[1].values()])):
            print(f"  {np.mean([*found.values()]):.4f} {name}")
        for test in speakers:
            best = max(
                own, key=lambda name: np.mean([own[name][f"{test} {other}"] for other in speakers if other != test])
            )
            print(f"  for test speaker {test}: {best}")


def _options(variant: str, changes: dict) -> MmmdOptions:
    group = load_parameters("conf", "demo")["train_mmmd"]
    for name, values in changes.items():
        if isinstance(values, dict):
            group[name] |= values
        else:
            group[name] = values
    return TrainMmmdOptions(**group).neural(variant)


def _read(data: Path, experiment: str) -> dict:
    conf = load_parameters("conf", "casia_ssl")["train_mmmd"]["folds"]
    table = pq.read_table(data / "02_intermediate" / experiment / "utterances.parquet")
    mapped = {"casia": {name: name for name in conf["classes"]}, "emodb": conf["acted"][0]["emotions"]}
    rows = zip(table["corpus"].to_pylist(), table["emotion"].to_pylist(), strict=True)
    labels = [mapped.get(corpus, {}).get(emotion) for corpus, emotion in rows]
    table = table.filter([label is not None for label in labels])
    features = ShardedTable(str(data / "03_primary" / experiment / "is10.json")).dataset()
    x = feature_matrix(features, "is10", table["utterance_id"].to_pylist())
    speakers = np.array(table["speaker_id"].to_pylist())
    y = np.array([conf["classes"].index(label) for label in labels if label is not None])
    names = json.loads(features.schema.field("is10").metadata[b"names"])
    acted = np.array(table["corpus"].to_pylist()) == "emodb"
    return {"x": scale_by_speaker(x, speakers), "y": y, "speakers": speakers, "acted": acted, "names": tuple(names),
            "classes": tuple(conf["classes"])}  # fmt: skip


def _score_pairs(corpus: dict, options: MmmdOptions, seeds: int) -> dict[str, float]:
    """'left out beside it, scored on' -> UAR, mean over seeds."""
    speakers = sorted(set(corpus["speakers"][~corpus["acted"]]))
    found = {}
    for number, pair in enumerate(itertools.combinations(speakers, 2)):
        runs = [_train_and_score(corpus, pair, number, options, seed) for seed in range(seeds)]
        for other, scored in (pair, pair[::-1]):
            found[f"{other} {scored}"] = float(np.mean([run[scored] for run in runs]))
    return found


def _train_and_score(
    corpus: dict, pair: tuple[str, str], number: int, options: MmmdOptions, seed: int
) -> dict[str, float]:
    held = np.isin(corpus["speakers"], pair)
    train = np.flatnonzero(~held & ~corpus["acted"])
    rank, size = shuffled_ranks(corpus["y"][train], np.random.default_rng(number))
    parts = {"train": train[rank < BUDGET * size], "unlabelled": train[rank >= BUDGET * size], "validation": train[:0],
             "test": np.flatnonzero(held), "acted": np.flatnonzero(corpus["acted"])}  # fmt: skip
    rows = {role: torch.from_numpy(part) for role, part in parts.items()}
    x, y = torch.from_numpy(corpus["x"]), torch.from_numpy(corpus["y"])
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(Path(folder), seed, TrainingOptions(accelerator="cpu", checkpoint_every_s=1e9), "selection")
        run.provenance = Provenance({"strategy": "speaker", "mean": np.zeros(1582), "std": np.ones(1582)})
        predicted = mmmd.fit(FoldData(x, y, rows, corpus["classes"], corpus["names"]), options, run).argmax(1).numpy()
    return {
        speaker: float(uar(confusion_matrix(corpus["y"][held][mask], predicted[mask], len(corpus["classes"]))))
        for speaker in pair
        for mask in [corpus["speakers"][held] == speaker]
    }


if __name__ == "__main__":
    main()
