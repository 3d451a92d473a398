"""Options of FSBase, SSBase and SSGAN on CASIA with a tenth of the labels, by validation speakers alone.

    python benchmarks/select_ssgan.py [--task emotion] [--features fbank] [--seeds 2] [--only ssgan]

Reads the tables of a finished `kedro run --env ssgan_casia --pipelines=features` below `data`, and makes the folds of
that env: in each the test speaker is left out, the next one validates. A candidate's score is the best validation UAR
of its epochs, mean over folds and seeds; the test part is not scored. Scores are kept in a JSON file, so that a run
that was stopped goes on.
"""

import argparse
import json
import logging
import tempfile
import time
from pathlib import Path

import numpy as np
from selection import work_on

from semiser.configuration import load_parameters
from semiser.options.training import TrainingOptions
from semiser.pipelines.steps import train
from semiser.systems.mssgan.options import TrainMssganOptions
from semiser.systems.system import get_system

EXPERIMENT = "ssgan_casia"
_FSBASE = {"epochs": 10}
_SHORT = {"epochs": 10, "batch_size": 32}
_FINER = {"crop": {"bands_averaged": 2}}
# Variant, and what is changed of conf/ssgan_casia: group -> option -> value.
CANDIDATES: list[tuple[str, dict]] = [
    ("fsbase", {}),
    *(("fsbase", {"optimisation": _FSBASE | {"learning_rate": rate}}) for rate in (3e-3, 2e-3, 1e-3)),
    ("fsbase", {"optimisation": _FSBASE | {"learning_rate": 1e-3}, "network": {"dropout": 0.5}}),
    ("fsbase", {"optimisation": _FSBASE | {"learning_rate": 2e-3}, "crop": {"frames": 192, "kept_frames": 256}}),
    *(("fsbase", {"optimisation": _FSBASE | {"learning_rate": rate}} | _FINER) for rate in (1e-3, 3e-4)),
    ("fsbase", {"optimisation": _FSBASE | {"learning_rate": 1e-3}, "network": {"dropout": 0.5}} | _FINER),
    ("ssgan", {}),
    ("ssgan", {"gan_optimisation": {"epochs": 20}}),
    *(("ssgan", {"gan_optimisation": _SHORT | {"learning_rate": rate}}) for rate in (1e-3, 3e-3)),
    ("ssgan", {"gan_optimisation": _SHORT | {"learning_rate": 1e-3}, "network": {"generator_channels": [32, 16, 8]}}),
    ("ssgan", {"gan": {"consistency_weight": 10.0}}),
]


def main() -> None:
    """Score the candidates that have no score yet, then print all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="emotion")
    parser.add_argument("--features", default="fbank")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", help="score this variant's candidates alone")
    parser.add_argument("--scores", type=Path, default=Path("data/select_ssgan.json"))
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    known = json.loads(arguments.scores.read_text()) if arguments.scores.exists() else {}
    for variant, changes in CANDIDATES:
        key = json.dumps([variant, changes, arguments.task, arguments.features, arguments.seeds])
        if key not in known and arguments.only in (None, variant):
            begun = time.process_time()
            known[key] = score(variant, changes, arguments.task, arguments.features, arguments.seeds)
            arguments.scores.write_text(json.dumps(known, indent=1))
            print(f"{known[key]:.4f} {time.process_time() - begun:6.0f} s CPU  {key}", flush=True)
    print()
    for key, found in sorted(known.items(), key=lambda item: -item[1]):
        print(f"{found:.4f}  {key}")


def score(variant: str, changes: dict, task: str, features: str, seeds: int) -> float:
    """Mean over folds and seeds of the best validation UAR."""
    given = load_parameters("conf", EXPERIMENT)["train_mssgan"]
    for group, values in changes.items():
        given[group] = (given.get(group) or {}) | values
    given |= {"tasks": {task: given["tasks"][task]}, "features": [features], "variants": [variant]}
    system, options = get_system("mssgan"), TrainMssganOptions(**given)
    training = TrainingOptions(accelerator="cpu", seeds=range(seeds), checkpoint_every_s=1e9)
    with tempfile.TemporaryDirectory() as models:
        work = work_on(system, options, training, "data", EXPERIMENT, models)
        _, curves, _ = train(system, {"experiment": work}, variant)
    best: dict[tuple[int, int], float] = {}
    for row in curves.to_pylist():
        if row["name"] == "validation_uar":
            place = row["fold"], row["seed"]
            best[place] = max(best.get(place, 0.0), row["value"])
    return float(np.mean(list(best.values())))


if __name__ == "__main__":
    main()
