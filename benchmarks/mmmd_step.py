"""A mixed step of mmmd_epoch_wise (guess, sharpen, mix, losses, Adam) against its floor and the plain loop over paths.

    python benchmarks/mmmd_step.py [--batch 256] [--steps 10] [--device cpu]

Plain is how the algorithm reads: a module per path, a tensor per modality, a forward pass for each of the K copies, for
X'' and for each copy in U''. Ours stacks paths and inputs. Both have the 10 acoustic paths, text (4,200 values), topic
and accent, d = 2,048, and the same losses. The floor is that of `floor.py`: the products and Fourier transforms of our
step at the rate that the library reaches on them, and its memory traffic. All run in turn in this process on one
thread.
"""

import argparse
import itertools
import statistics
import tempfile
from pathlib import Path

import torch
from floor import Floor, compare, seconds
from torch import Tensor, nn
from torch.nn import functional as F

from semiser.data.vectors import FoldData
from semiser.features.opensmile_sets import set_names
from semiser.options.training import TrainingOptions
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd.compact_bilinear import CountSketch
from semiser.systems.mmmd.mixing import draw_lambda, sharpen
from semiser.systems.mmmd.network import Mmd
from semiser.systems.mmmd.options import MixMatchOptions, MmdOptions, MmmdOptions
from semiser.training.run import TrainingRun

CLASSES, ROWS = 6, 4096
SIZES = {"is10": 1582, "word2vec": 4200, "query_topic": 7, "accent": 34}
OPTIONS = MmmdOptions(network=MmdOptions(), mixmatch=MixMatchOptions(), acted="first")


class PlainMmd(nn.Module):
    """MMD as a loop over paths: a local classifier is three linear layers of its own."""

    def __init__(self, paths: dict[str, dict[str, list[int]]]):
        super().__init__()
        self.columns = [(modality, torch.tensor(columns)) for modality, of in paths.items() for columns in of.values()]
        self.first = nn.ModuleList(nn.Linear(len(columns), 128) for _, columns in self.columns)
        self.second = nn.ModuleList(nn.Linear(128, 64) for _ in self.columns)
        self.local = nn.ModuleList(nn.Linear(64, CLASSES) for _ in self.columns)
        self.acoustic = len(paths["is10"])
        self.sketches = nn.ModuleList(
            CountSketch(64 * paths, 2048, seed)
            for seed, paths in enumerate((self.acoustic, len(self.columns) - self.acoustic))
        )
        self.globally = nn.Linear(2048, CLASSES)

    def forward(self, x: dict[str, Tensor]) -> list[Tensor]:
        """Logits of every path and, last, of the global classifier, each (B, C)."""
        hidden, logits = [], []
        for (modality, columns), first, second, local in zip(
            self.columns, self.first, self.second, self.local, strict=True
        ):
            h = F.elu(second(F.elu(first(x[modality][:, columns]))))
            hidden.append(h)
            logits.append(local(h))
        parts = torch.cat(hidden[: self.acoustic], 1), torch.cat(hidden[self.acoustic :], 1)
        spectra = [torch.fft.rfft(sketch(part)) for sketch, part in zip(self.sketches, parts, strict=True)]
        pooled = torch.fft.irfft(spectra[0] * spectra[1], n=2048)
        return [*logits, self.globally(pooled)]


def plain_step(network: PlainMmd, optimiser, x: dict[str, Tensor], y: Tensor, labelled: Tensor, unlabelled: Tensor):
    """Guess, sharpen, mix and step, path by path and copy by copy."""
    options = OPTIONS.mixmatch
    x_l = {name: _noisy(name, values[labelled], options.noise) for name, values in x.items()}
    copies = [
        {name: _noisy(name, values[unlabelled], options.noise) for name, values in x.items()}
        for _ in range(options.copies)
    ]
    with torch.no_grad():
        guesses = [[torch.softmax(path, -1) for path in network(copy)] for copy in copies]
        q = [sharpen(torch.stack(of_path).mean(0), options.temperature) for of_path in zip(*guesses, strict=True)]
    p = F.one_hot(y[labelled], CLASSES).float()
    inputs = {name: torch.cat([x_l[name], *(copy[name] for copy in copies)]) for name in x}
    targets = [torch.cat([p, *[guess] * options.copies]) for guess in q]
    order = torch.randperm(len(targets[0]))
    lam = draw_lambda(len(order), options.alpha, p.device)[:, None]
    inputs = {name: lam * values + (1 - lam) * values[order] for name, values in inputs.items()}
    targets = [lam * values + (1 - lam) * values[order] for values in targets]
    size = len(labelled)
    loss = _cross_entropies(network({name: v[:size] for name, v in inputs.items()}), [t[:size] for t in targets])
    for number in range(options.copies):
        part = slice(size + number * len(unlabelled), size + (number + 1) * len(unlabelled))
        logits = network({name: values[part] for name, values in inputs.items()})
        error = sum(F.mse_loss(torch.softmax(a, -1), t[part]) for a, t in zip(logits, targets, strict=True))
        loss = loss + options.unlabelled_weight * error / options.copies
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def _noisy(name: str, values: Tensor, noise: float) -> Tensor:
    return values if name in ("query_topic", "accent") else values + noise * torch.randn_like(values)


def _cross_entropies(logits: list[Tensor], targets: list[Tensor]) -> Tensor:
    return sum(F.cross_entropy(a, t) for a, t in zip(logits, targets, strict=True))


def our_step(network: Mmd, optimiser, context: mmmd.Context, labelled: Tensor, unlabelled: Tensor) -> None:
    """The step of `semiser.systems.mmmd.fit`."""
    losses = mmmd.mixed_losses(network, context, mmmd.Step("mixed", labelled, unlabelled))
    loss = losses["loss"] + OPTIONS.mixmatch.unlabelled_weight * losses["unlabelled_loss"]
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def main() -> None:
    """Time steps and floor in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    data = make_data(ROWS, arguments.device)
    acoustic, others = mmmd.network_paths(data, "family")
    plain = PlainMmd({"is10": acoustic} | {name: {name: list(range(SIZES[name]))} for name in others}).to(
        arguments.device
    )
    ours = mmmd.make_network(data, OPTIONS.network, seed=0).to(arguments.device)
    training = TrainingOptions(accelerator="cpu" if arguments.device == "cpu" else "cuda")
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(Path(folder), 0, training, "")
    context = mmmd.make_context(data, OPTIONS, run, {"guessed": mmmd.label_shares(data, OPTIONS)})
    tables = {name: data.x[:, first:end].contiguous() for name, (first, end) in data.ranges.items()}
    optimisers = [mmmd.make_optimiser(ours, OPTIONS.network), torch.optim.Adam(plain.parameters(), 1e-3)]
    steps = {
        "plain": lambda *rows: plain_step(plain, optimisers[1], tables, data.y, *rows),
        "ours": lambda *rows: our_step(ours, optimisers[0], context, *rows),
    }
    batches = [
        torch.randperm(ROWS)[: 2 * arguments.batch].to(arguments.device).split(arguments.batch) for _ in range(9)
    ]
    both = {name: _on_each(step, batches) for name, step in steps.items()}
    pairs = [[seconds(step, arguments.device) for step in both.values()] for _ in range(arguments.steps + 2)][2:]
    plain_s, ours_s = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"plain {1000 * plain_s:.1f} ms, ours {1000 * ours_s:.1f} ms, ratio {ours_s / plain_s:.3f}")
    inputs = 4 * 2 * arguments.batch * data.x.shape[1]
    floor = Floor(both["ours"], ours.parameters(), inputs)
    compare(both["ours"], floor, arguments.steps, arguments.device)


def _on_each(step, batches: list[tuple[Tensor, ...]]):
    """The step without arguments, on one batch after the other."""
    rows = itertools.cycle(batches)
    return lambda: step(*next(rows))


def make_data(rows: int, device: str) -> FoldData:
    """Rows of random features of all modalities, with random labels."""
    ranges, start = {}, 0
    for name, size in SIZES.items():
        ranges[name], start = (start, start + size), start + size
    x = torch.randn(rows, start, device=device)
    for name in ("query_topic", "accent"):
        first, end = ranges[name]
        x[:, first:end] = F.one_hot(torch.randint(SIZES[name], (rows,), device=device), SIZES[name]).float()
    names = (*set_names("IS10"), *(f"other_{number}" for number in range(start - SIZES["is10"])))
    return FoldData(
        x, torch.randint(CLASSES, (rows,), device=device), {"train": torch.arange(rows)}, tuple("abcdef"), names, ranges
    )


if __name__ == "__main__":
    main()
