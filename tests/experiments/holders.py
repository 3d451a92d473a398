"""A process that has an experiment, and predictions that are made up."""

import subprocess
import sys
from contextlib import contextmanager

import pyarrow as pa

_HOLD = """
import sys, time
from pathlib import Path
from semiser.experiments.lock import claim
lock = claim(Path(sys.argv[1]))
print(flush=True)
time.sleep(float(sys.argv[2]))
"""


@contextmanager
def holding(folder, seconds=60):
    """Another process that has the experiment while the block lasts."""
    command = [sys.executable, "-c", _HOLD, str(folder), str(seconds)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, env={"PYTHONPATH": ":".join(sys.path)})
    holder.stdout.readline()
    try:
        yield holder
    finally:
        holder.kill()
        holder.communicate()


def predictions(rows, classes='["a", "b"]', variant="net", seed=0):
    """A table of predictions: rows are (fold, utterance, speaker, target, prediction)."""
    fold, utterance, speaker, target, prediction = zip(*rows, strict=True)
    columns = {
        "experiment": ["x"] * len(rows),
        "variant": [variant] * len(rows),
        "seed": pa.array([seed] * len(rows), pa.int64()),
        "fold": pa.array(fold, pa.int32()),
        "utterance_id": utterance,
        "speaker_id": speaker,
        "target": target,
        "prediction": prediction,
    }
    return pa.table(columns, metadata={"classes": classes})
