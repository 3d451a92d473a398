"""Options of CMKT on CASIA with a tenth of the labels and simulated visual knowledge, by validation speakers alone.

    python benchmarks/select_cmkt.py fixmatch threshold=0.5 optimisation.learning_rate=0.003 [--seeds 1]

Reads the tables of a finished `kedro run --env cmkt_casia --pipelines=features` below `data`. Takes the options of that
env with the changes that are named, trains the variant on two speakers (a tenth of their labels, the rest unlabelled)
and scores the next one, four times; the fourth speaker, the test part of the fold, is not looked at. Prints the mean
UAR and appends it with the options to a file.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from selection import change, work_on

from semiser.configuration import load_parameters
from semiser.options.training import TrainingOptions
from semiser.pipelines.steps import train
from semiser.systems.cmkt.options import TrainCmktOptions
from semiser.systems.system import get_system


def main() -> None:
    """Score one variant with the changes asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("variants", help="names with commas between them")
    parser.add_argument("changes", nargs="*", help="option=value, dots between groups, values as JSON")
    parser.add_argument("--data", default="data", help="the project's data folder")
    parser.add_argument("--experiment", default="cmkt_casia", help="whose utterances and features")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--scores", default="data/08_reporting/select_cmkt.jsonl")
    arguments = parser.parse_args()
    variants = arguments.variants.split(",")
    system, options = get_system("cmkt"), _options(arguments.changes, variants)
    training = TrainingOptions(accelerator="cpu", checkpoint_every_s=1e9, seeds=range(arguments.seeds))
    with tempfile.TemporaryDirectory() as models:
        work = work_on(system, options, training, arguments.data, arguments.experiment, models)
        for variant in variants:
            started = time.process_time()
            curves = train(system, {"experiment": work}, variant)[1].to_pandas()
            scores = curves[curves["name"] == "validation_uar"].pivot_table("value", "epoch", "fold")
            found = {"variant": variant, "changes": arguments.changes, "uar": float(scores.iloc[-1].mean()),
                     "by_fold": scores.iloc[-1].round(3).tolist(), "best_epoch_uar": float(scores.mean(axis=1).max()),
                     "cpu_s": round(time.process_time() - started)}  # fmt: skip
            with Path(arguments.scores).open("a") as file:
                file.write(json.dumps(found) + "\n")
            curve = scores.mean(axis=1).to_numpy()[:: max(1, len(scores) // 8)]
            losses = {name: of.groupby("epoch")["value"].mean().to_numpy()[[0, len(scores) // 2, -1]].round(3).tolist()
                      for name, of in curves.groupby("name")}  # fmt: skip
            print(json.dumps(found), np.round(curve, 3), losses, flush=True)


def _options(changes: list[str], variants: list[str]) -> TrainCmktOptions:
    group = load_parameters("conf", "cmkt_casia")["train_cmkt"] | {"variants": variants}
    change(group, changes)
    group["folds"]["validation"] = {"kind": "speakers"}
    return TrainCmktOptions(**group)


if __name__ == "__main__":
    main()
