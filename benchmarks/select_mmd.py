"""Which options MMD is trained with: chosen on validation speakers alone, never on the test speaker.

    python benchmarks/select_mmd.py --corpus casia [--grid neighbours] [--seeds 1]

Reads the tables of a finished `kedro run --env <corpus> --pipelines=features` below `data`. Every pair of speakers is
left out of the training once, for every candidate; the model is scored on both. For the test speaker t, the candidate
is chosen whose mean UAR is best on the validation speakers v of the pairs {t, v}: models that saw neither, scored on v.
Then the chosen candidate trains on all speakers but t and is tested on t: that is the nested figure.
"""

import argparse
import itertools
import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from semiser.data.matrix import feature_matrix
from semiser.data.scaling import scale_by_speaker
from semiser.data.vectors import FoldData
from semiser.evaluation.metrics import confusion_matrix, uar
from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.shards.table import ShardedTable
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd.options import MmdOptions, MmmdOptions
from semiser.training.run import TrainingRun

BASE = MmdOptions(epochs=30, batch_size=64, schedule="cosine", balanced=True, input_noise=1.0)

GRIDS = {
    "regularisation": {
        f"batch {batch}, noise {noise}, dropout {dropout}": {
            "batch_size": batch,
            "input_noise": noise,
            "hidden_dropout": dropout,
        }
        for batch, noise, dropout in itertools.product((64, 256), (0.0, 0.5, 1.0), (0.0, 0.3))
    },
    # The shipped options, and one change at a time.
    "neighbours": {
        "as shipped": {},
        "not balanced": {"balanced": False},
        "all eleven classifiers weigh alike": {"local_prediction_weight": 10 / 11},
        "global classifier alone": {"local_prediction_weight": 0.0},
        "constant learning rate": {"schedule": "constant"},
        "learning rate 3e-4": {"learning_rate": 3e-4},
        "20 epochs": {"epochs": 20},
        "60 epochs": {"epochs": 60},
        "local losses weigh 0.1": {"local_loss_weight": 0.1},
    },
}


def main() -> None:
    """Select, test, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--data", default="data", help="the project's data folder")
    parser.add_argument("--grid", choices=GRIDS, default="regularisation")
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    corpus = _read(Path(arguments.data), arguments.corpus)
    speakers = sorted(set(corpus["speakers"]))
    candidates = {name: BASE.model_copy(update=change) for name, change in GRIDS[arguments.grid].items()}
    pairs = {}
    for name, options in candidates.items():
        pairs[name] = _score_pairs(corpus, speakers, options, arguments.seeds)
        print(f"{name:36s} mean UAR on validation speakers {np.mean(list(pairs[name].values())):.4f}", flush=True)
    nested = [_test(corpus, speakers, speaker, candidates, pairs, arguments.seeds) for speaker in speakers]
    print(f"nested UAR, mean over {len(speakers)} test speakers: {np.mean(nested):.4f}")


def _read(data: Path, name: str) -> dict:
    table = pq.read_table(data / "02_intermediate" / name / "utterances.parquet")
    table = table.filter([value == name for value in table["corpus"].to_pylist()])
    features = ShardedTable(str(data / "03_primary" / name / "is10.json")).dataset()
    x = feature_matrix(features, "is10", table["utterance_id"].to_pylist())
    speakers = np.array(table["speaker_id"].to_pylist())
    classes, y = np.unique(table["emotion"].to_pylist(), return_inverse=True)
    names = json.loads(features.schema.field("is10").metadata[b"names"])
    return {"x": scale_by_speaker(x, speakers), "y": y, "speakers": speakers, "classes": tuple(classes), "names": names}


def _score_pairs(corpus: dict, speakers: list[str], options: MmdOptions, seeds: int) -> dict[tuple[str, str], float]:
    """(left out beside it, scored on) -> UAR."""
    found = {}
    for pair in itertools.combinations(speakers, 2):
        scores = _train_and_score(corpus, pair, options, seeds)
        found |= {(pair[0], pair[1]): scores[pair[1]], (pair[1], pair[0]): scores[pair[0]]}
    return found


def _test(corpus: dict, speakers: list[str], test: str, candidates: dict, pairs: dict, seeds: int) -> float:
    validation = {
        name: np.mean([scores[test, speaker] for speaker in speakers if speaker != test])
        for name, scores in pairs.items()
    }
    chosen = max(validation, key=validation.get)
    found = _train_and_score(corpus, (test,), candidates[chosen], seeds)[test]
    print(f"test {test:24s} chosen: {chosen:36s} UAR {found:.4f}", flush=True)
    return found


def _train_and_score(corpus: dict, left_out: tuple[str, ...], options: MmdOptions, seeds: int) -> dict[str, float]:
    held = np.isin(corpus["speakers"], left_out)
    test = torch.from_numpy(np.flatnonzero(held))
    nothing = torch.arange(0)
    rows = {"train": torch.from_numpy(np.flatnonzero(~held)), "test": test, "validation": nothing}
    data = FoldData(
        torch.from_numpy(corpus["x"]), torch.from_numpy(corpus["y"]), rows, corpus["classes"], corpus["names"]
    )
    scores = {speaker: [] for speaker in left_out}
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            run = TrainingRun(
                Path(folder), seed, TrainingOptions(accelerator="cpu", checkpoint_every_s=1e9), "selection"
            )
            run.provenance = Provenance({"strategy": "speaker", "mean": np.zeros(1582), "std": np.ones(1582)})
            predicted = mmmd.fit(data, MmmdOptions(network=options), run).argmax(1).numpy()
        for speaker in left_out:
            of_speaker = corpus["speakers"][held] == speaker
            matrix = confusion_matrix(corpus["y"][held][of_speaker], predicted[of_speaker], len(corpus["classes"]))
            scores[speaker].append(float(uar(matrix)))
    return {speaker: float(np.mean(values)) for speaker, values in scores.items()}


if __name__ == "__main__":
    main()
