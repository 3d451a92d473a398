"""Throughput of prediction against extraction of the same features alone, in one process, runs interleaved.

    python benchmarks/predict.py data/06_models/emodb/train_mmmd/mmd/seed-0/fold-00/<key> <folder of wavs> [--rounds 3]

Prediction is everything from the path to the table: finding and probing files, features, scaling, the network. The
reference is the shard map alone, on rows that are there already. Prints the ratio of utterances per second; the model's
loading, once per process, is apart.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import semiser
from semiser.options.engine import EngineOptions
from semiser.options.features import FeaturesOptions
from semiser.prediction.features import ComputedFeatures, make_family
from semiser.prediction.sources import find_sources


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("card", type=Path)
    parser.add_argument("input", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    engine = EngineOptions(workers=arguments.workers)
    start = time.perf_counter()
    model = semiser.load(arguments.card)
    print(f"loading the model: {time.perf_counter() - start:.2f} s, imports among it")
    sources = find_sources(arguments.input)
    model.predict(arguments.input, engine=engine)  # warms libraries and files
    alone, predicted = [], []
    for _ in range(arguments.rounds):
        alone.append(_seconds(lambda: _extract(model, sources, engine)))
        predicted.append(_seconds(lambda: model.predict(arguments.input, engine=engine)))
        print(f"extraction alone {alone[-1]:.2f} s, prediction {predicted[-1]:.2f} s")
    count = sources.utterances.num_rows
    ratio = statistics.median(alone) / statistics.median(predicted)
    print(f"{count} utterances: prediction runs at {ratio:.3f} of the rate of extraction alone (medians)")


def _extract(model, sources, engine: EngineOptions) -> None:
    families = [make_family(facts, FeaturesOptions(), "") for facts in model.families.values()]
    with tempfile.TemporaryDirectory() as store:
        ComputedFeatures(families, sources, store, engine)


def _seconds(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
