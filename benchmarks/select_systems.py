"""Options of CMKT and MSSGAN in the benchmark, by validation speakers of four corpora alone.

    python benchmarks/select_systems.py cmkt supervised_unmasked,fixmatch_unmasked threshold=0.7 [--corpora ased,casia]

Reads the tables of finished `kedro run --env <corpus>_benchmark --pipelines=ingest,features` with a variant of the
system among `train_benchmark.variants`, and its options there. The speakers of a corpus are dealt into four groups; for
each, a third of the other speakers is scored and the rest trains, with few labels. The group itself is not looked at.
Prints the UAR of the last epoch, mean over groups, and appends it with the options to a file of JSON lines.
"""

import argparse
import json
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from selection import change, work_on

from semiser.configuration import load_parameters
from semiser.options.training import TrainingOptions
from semiser.pipelines.steps import train
from semiser.systems.benchmark.guests import GUESTS, Guest
from semiser.systems.benchmark.options import TrainBenchmarkOptions

# Corpus: the share of labels that is seen, and the speakers that are scored, a third of those that no group leaves out.
CORPORA = {"casia": (0.1, 1), "emodb": (0.25, 3), "nemo": (0.25, 2), "ased": (0.07, 16)}
GROUPS = 4


def main() -> None:
    """Score the variants with the changes asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("system", choices=("cmkt", "mssgan"))
    parser.add_argument("variants", help="names with commas between them")
    parser.add_argument("changes", nargs="*", help="option=value, dots between groups, values as JSON")
    parser.add_argument("--corpora", default=",".join(CORPORA))
    parser.add_argument("--data", default="data", help="the project's data folder")
    parser.add_argument("--scores", default="data/08_reporting/select_systems.jsonl")
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    torch.set_num_threads(1)
    (guest,) = [guest for guest in GUESTS if guest.system.name == arguments.system]
    for corpus in arguments.corpora.split(","):
        for variant in arguments.variants.split(","):
            started = time.process_time()
            uars = score(guest, variant, corpus, arguments.changes, arguments.data)
            found = {"system": arguments.system, "variant": variant, "changes": arguments.changes, "corpus": corpus,
                     "uar": round(float(np.mean(uars)), 4), "by_group": np.round(uars, 3).tolist(),
                     "cpu_s": round(time.process_time() - started)}  # fmt: skip
            with Path(arguments.scores).open("a") as file:
                file.write(json.dumps(found) + "\n")
            print(json.dumps(found), flush=True)


def score(guest: Guest, variant: str, corpus: str, changes: list[str], data: str) -> np.ndarray:
    """UAR of the last epoch on the scored speakers, by group."""
    options = _options(guest, variant, corpus, changes)
    training = TrainingOptions(accelerator="cpu", checkpoint_every_s=1e9, seeds=[0])
    with tempfile.TemporaryDirectory() as models:
        work = work_on(guest.system, options, training, data, f"{corpus}_benchmark", models)
        curves = train(guest.system, {"experiment": work}, variant)[1].to_pandas()
    scores = curves[curves["name"] == "validation_uar"].pivot_table("value", "epoch", "fold")
    return scores.iloc[-1].to_numpy()


def _options(guest: Guest, variant: str, corpus: str, changes: list[str]) -> Any:
    group = load_parameters("conf", f"{corpus}_benchmark")["train_benchmark"]
    share, scored = CORPORA[corpus]
    given = group["systems"][guest.system.name]
    change(given, changes)
    folds = group["folds"] | {
        "experiment": f"{corpus}_benchmark",
        "protocol": {"kind": "k_fold", "k": GROUPS},
        "validation": {"kind": "speakers", "count": scored},
        "label_budget": {"share": share},
    }
    method = guest.name(variant)
    benchmark = TrainBenchmarkOptions(**group | {"variants": [method]})
    return guest.options(given, type(benchmark.folds)(**folds), [variant])


if __name__ == "__main__":
    main()
