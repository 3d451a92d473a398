"""Options of AV-SpNET's recognition network on CASIA, by validation speakers alone.

    python benchmarks/select_avspnet.py [--front-end random] [--seeds 1]

Reads the tables and front ends of a `kedro run --env avspnet_casia` below `data`. Every pair of speakers is left out
of the training once and the network is scored on both; the other two speakers train it with all their labels. For the
test speaker t a candidate counts by its scores on the validation speakers v of the pairs {t, v}: networks that heard
neither. The front end is the random one unless another is named, so that no candidate is chosen for the good of a
pre-trained one. Scores are kept in a JSON file, so that a run that was stopped goes on.
"""

import argparse
import itertools
import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from semiser.data.samples import SampleFeatures, read_samples
from semiser.evaluation.metrics import confusion_matrix, uar
from semiser.folds.rows import FoldRows
from semiser.options.training import TrainingOptions
from semiser.shards.table import ShardedTable
from semiser.systems.avspnet import recognition as avspnet
from semiser.systems.avspnet.front_end import embed_utterances, load_front_end
from semiser.systems.avspnet.options import RecognitionOptions
from semiser.training.run import TrainingRun

_DENSE = {"front_end": "dense", "hidden": (512, 128), "reduction": "mean"}
_ADAM = _DENSE | {"optimiser": "adam", "learning_rate": 1e-3, "batch_size": 128, "epochs": 15}
_GLOBAL, _SPEAKER = ({"scaling": {"strategy": name}} for name in ("global", "speaker"))
CANDIDATES: list[dict] = [
    _DENSE,  # the published optimiser with a mean, 30 epochs
    _DENSE | {"optimiser": "sgd", "learning_rate": 1e-2, **_SPEAKER},
    _ADAM,
    _ADAM | _GLOBAL,
    _ADAM | _SPEAKER,
    _ADAM | _SPEAKER | {"learning_rate": 3e-4},
    _ADAM | _SPEAKER | {"epochs": 8},
    _ADAM | _SPEAKER | {"front_end": "maps"},
]


def main() -> None:
    """Score the candidates that have no score yet, then print all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="data", help="the project's data folder")
    parser.add_argument("--experiment", default="avspnet_casia", help="whose utterances and features")
    parser.add_argument("--front-end", default="random")
    parser.add_argument("--scores", default="data/08_reporting/select_avspnet.json")
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path, data = Path(arguments.scores), Path(arguments.data)
    scores = json.loads(path.read_text()) if path.exists() else {}
    table = pq.read_table(data / "02_intermediate" / arguments.experiment / "utterances.parquet")
    segments = ShardedTable(str(data / "03_primary" / arguments.experiment / "segments.json")).dataset()
    models = data / "06_models" / arguments.experiment / "train_avspnet"
    cards = json.loads((models / "front_ends.json").read_text())["front_ends"][arguments.front_end]
    folder = models / next(iter(cards.values()))["folder"]
    table = table.filter(pc.equal(table["corpus"], "casia"))
    for candidate in CANDIDATES:
        name = f"{arguments.front_end} {json.dumps(candidate)}"
        if name not in scores:
            options = RecognitionOptions(**candidate)
            features = _embeddings(folder, segments, table, options)
            scores[name] = _score_pairs(features, table, options, arguments.seeds)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(scores, indent=1))
            print(f"{np.mean([*scores[name].values()]):.4f} {name}", flush=True)
    _print_choices(scores, sorted(set(table["speaker_id"].to_pylist())))


def _print_choices(scores: dict[str, dict[str, float]], speakers: list[str]) -> None:
    for name, found in sorted(scores.items(), key=lambda item: -np.mean([*item[1].values()])):
        print(f"{np.mean([*found.values()]):.4f} {name}")
    for test in speakers:
        others = [other for other in speakers if other != test]
        best = max(scores, key=lambda name: np.mean([scores[name][f"{test} {other}"] for other in others]))
        print(f"for test speaker {test}: {best}")


def _embeddings(
    folder: Path, segments: pa.dataset.Dataset, table: pa.Table, options: RecognitionOptions
) -> SampleFeatures:
    with tempfile.TemporaryDirectory() as temporary:
        made = embed_utterances(load_front_end(folder), segments, table, options.front_end, Path(temporary))
        return read_samples({"embedding": made}, table["utterance_id"].to_pylist(), scaling=options.scaling)


def _score_pairs(
    features: SampleFeatures, table: pa.Table, options: RecognitionOptions, seeds: int
) -> dict[str, float]:
    """'left out beside it, scored on' -> UAR, mean over seeds."""
    found = {}
    for pair in itertools.combinations(sorted(set(table["speaker_id"].to_pylist())), 2):
        runs = [_train_and_score(features, table, pair, options, seed) for seed in range(seeds)]
        for other, scored in (pair, pair[::-1]):
            found[f"{other} {scored}"] = float(np.mean([run[scored] for run in runs]))
    return found


def _train_and_score(
    features: SampleFeatures, table: pa.Table, pair: tuple[str, str], options: RecognitionOptions, seed: int
) -> dict[str, float]:
    speakers, labels = np.array(table["speaker_id"].to_pylist()), table["emotion"].to_pylist()
    held, classes = np.isin(speakers, pair), tuple(sorted(set(labels)))
    rows = FoldRows(
        numbers=np.arange(len(table)),
        roles=np.where(held, "test", "train"),
        labels=labels,
        corpora=np.array(table["corpus"].to_pylist()),
        speakers=speakers.astype(object),
        classes=classes,
    )
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(Path(folder), seed, TrainingOptions(accelerator="cpu", checkpoint_every_s=1e9), "selection")
        fold, run.provenance = features.of_fold(rows, run.fabric.device)
        predicted = avspnet.fit(fold, options, run, {}).argmax(1).numpy()
    y = rows.y()[held]
    return {
        speaker: float(uar(confusion_matrix(y[mask], predicted[mask], len(classes))))
        for speaker in pair
        for mask in [speakers[held] == speaker]
    }


if __name__ == "__main__":
    main()
