"""Encoders on several utterances at once: time against one utterance after the other, and how far values differ.

    python benchmarks/encoder_batches.py --family speech_encoder --options <file> --root <folder> [--files 64]
        [--budgets 1,30,60,120]

`--options` is a YAML or JSON file of the family's options, as in `features`: `{checkpoint: <folder>, device: cuda}`.
Utterances are prepared before the clock starts, so that decoding is no part of the figures; a round over all goes
before the first. Time is that of the wall, on one thread. The first budget is the reference: 1 is one after the other.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import yaml

BUDGET = {"speech_encoder": "batch_s", "wav2vec": "batch_s", "image_encoder": "batch", "expression": "batch",
          "dface": "batch", "sound_network": "batch"}  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--family", choices=BUDGET, required=True)
    parser.add_argument("--options", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--files", type=int, default=64)
    parser.add_argument("--budgets", default="1,30,60,120", help="largest sizes of a batch: seconds, faces or windows")
    arguments = parser.parse_args()
    import torch

    from semiser.features.family import BatchedFamily, Source
    from semiser.features.registry import make_families
    from semiser.options.features import FeaturesOptions
    from semiser.shards.batches import compute_batches

    torch.set_num_threads(1)
    paths = sorted(path for path in arguments.root.rglob("*") if path.suffix in {".wav", ".flac", ".mp4"})
    if not paths:
        raise SystemExit(f"--root: no .wav, .flac or .mp4 file below {arguments.root}")
    chosen = np.linspace(0, len(paths) - 1, min(arguments.files, len(paths))).round().astype(int)
    rows = [{"audio_path": paths[n].name, "video_path": paths[n].name, "start_s": None, "end_s": None} for n in chosen]
    name, given = arguments.family, yaml.safe_load(arguments.options.read_text())
    prepared, alone, reference = [], 0.0, []
    print("| budget | s | x one by one | largest difference |\n|---|---|---|---|")
    for budget in map(float, arguments.budgets.split(",")):
        options = FeaturesOptions(extract=[name], **{name: given | {BUDGET[name]: budget}})
        family = make_families((name,), options)[name]
        assert isinstance(family, BatchedFamily)
        if not prepared:
            prepared = [family.prepare(Source(row, paths[n].parent)) for row, n in zip(rows, chosen, strict=True)]
            compute_batches(family, prepared)
        start = time.perf_counter()
        found = compute_batches(family, prepared)
        seconds = time.perf_counter() - start
        values = np.concatenate([np.ravel(made[0][name]) for made in found])
        alone, reference = (alone, reference) if len(reference) else (seconds, values)
        print(f"| {budget:g} | {seconds:.2f} | {alone / seconds:.2f} | {np.abs(values - reference).max():.1e} |")


if __name__ == "__main__":
    main()
