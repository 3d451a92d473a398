"""When and why MixMatch harms, and how a guard mixes it with supervised networks: by validation speakers alone.

    python benchmarks/why_mixmatch.py tests [--network mmd] [--only published,oracle]
    python benchmarks/why_mixmatch.py candidates [--network mmd] [--only "single columns,half of the columns"]
    python benchmarks/why_mixmatch.py nested [--network mmd]
    python benchmarks/why_mixmatch.py paths
    python benchmarks/why_mixmatch.py guard [--network mmd]
    python benchmarks/why_mixmatch.py crowds
    python benchmarks/why_mixmatch.py skewed [--network mmd] [--only published,softmatch]
    python benchmarks/why_mixmatch.py labels [--only "mmd,dnn,200 epochs"]

Reads the tables of finished `kedro run --env <corpus>_benchmark --pipelines=ingest,features` of casia, emodb, nemo and
ased below `data`, and the options of `train_benchmark`. The speakers of a corpus are dealt into four groups. For each,
the other speakers are split: two thirds train, a tenth (of ASED 7 %) or a quarter of their labels being seen, and a
third is scored. So no group chooses what it is tested with. `tests` changes one thing of MixMatch at a time; the truth
of hidden labels tells how good the guesses are, and makes the oracle. `candidates` are forms of consistency on
corrupted vectors, each alone and as half of the prediction; below their table stands what three corpora would choose
for the fourth. `nested` reads the scores of `candidates`: in each group the candidate that gains most on its scored
speakers, over all corpora, is trained on all of the group's speakers and tested on those that the group left out, who
chose nothing; beside it stands the half that is shipped. `paths` changes one thing of MixMatch over paths at a time.
`guard` trains the networks of a guarded variant and says what each rule of mixing gives. `crowds` leaves few utterances
of each speaker, `skewed` a fifth of the unlabelled ones of every other class, so that guesses as frequent as the labels
are wrong. `labels` compares MMD at several options with support vector machines, with few labels and with all.
`--groups 2` takes the first two groups alone. Scores are appended to a file of JSON lines, so that a run that was
stopped goes on; the tables are printed at the end.
"""

import argparse
import json
import math
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semiser.configuration import load_parameters
from semiser.data.matrix import feature_matrix
from semiser.data.scaling import scale_by_speaker
from semiser.data.vectors import FoldData
from semiser.evaluation.metrics import confusion_matrix, uar
from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.shards.table import ShardedTable
from semiser.systems.baselines import svm
from semiser.systems.baselines.options import SvmOptions
from semiser.systems.benchmark.options import TrainBenchmarkOptions
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd import guarded
from semiser.systems.mmmd.options import ConsistencyOptions, GuardedOptions, MmdOptions, MmmdOptions, VariantName
from semiser.training.run import TrainingRun

Result = TypeVar("Result")
_LOSS = mmmd.unlabelled_mix_loss
CORPORA = ("casia", "emodb", "nemo", "ased")
SHARES = {"casia": (0.1, 0.25), "emodb": (0.1, 0.25), "nemo": (0.1, 0.25), "ased": (0.07,)}
GROUPS = 4
MIXED: dict[str, VariantName] = {"dnn": "mixmatch", "mmd": "mmmd_without_acted"}  # each network with MixMatch
CONSISTENT: dict[str, VariantName] = {"dnn": "softmatch", "mmd": "mmmd_softmatch"}
GUARDED: dict[str, VariantName] = {"dnn": "mixmatch_guarded", "mmd": "mmmd_guarded"}
HALF = ", half"  # of the prediction, the rest being the supervised network's
BESIDE = ("supervised", "published", "aligned")  # what candidates are compared with
ALIGNED = {"alignment": "labelled", "temperature": 0.5}
# Test: what it changes of MixMatch's options, and what else; docs/unlabelled.md says what each tells.
TESTS: dict[str, tuple[dict[str, Any], str]] = {
    "published": ({}, ""),
    "oracle": ({}, "oracle"),
    "lambda_U = 0": ({"unlabelled_weight": 0.0}, ""),
    "lambda_U = 0, partners own": ({"unlabelled_weight": 0.0, "partners": "own"}, ""),
    "unlabelled = labelled": ({}, "labelled"),
    "alpha 0.2": ({"alpha": 0.2}, ""),
    "T 1": ({"temperature": 1.0}, ""),
    "partners own": ({"partners": "own"}, ""),
    "aligned": ({"alignment": "labelled"}, ""),
    "aligned, T 0.5": (ALIGNED, ""),
    "aligned, partners own": ({"alignment": "labelled", "partners": "own"}, ""),
    "aligned, T 0.5, joint": (ALIGNED | {"guess": "joint"}, ""),
    "aligned, T 0.5, others": (ALIGNED | {"guess": "others"}, ""),
}
# Candidate: what it changes of consistency on corrupted vectors, as a first guess has it (`ConsistencyOptions`).
CANDIDATES: dict[str, dict[str, Any]] = {
    "softmatch": {},
    "softmatch, hard": {"temperature": 0.0},
    "freematch": {"weighing": "by_class", "temperature": 0.0, "alignment": "none"},
    "adamatch": {"weighing": "relative", "temperature": 0.0},
    "noise alone": {"swapped": 0.0},
    "single columns": {"run": 1},
    "half of the columns": {"run": 1, "swapped": 0.5},
    "EMA teacher": {"ema_decay": 0.98},
    "debiased": {"debiased": True, "unlabelled_weight": 0.5},
}
# What may cost MixMatch over paths its gain: changes of MixMatch, of the network, and whether local guesses teach.
OVER_PATHS: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "published": ({}, {}, True),
    "joint guesses": ({"guess": "joint"}, {}, True),
    "guesses of others": ({"guess": "others"}, {}, True),
    "no local loss in L_U": ({}, {}, False),
    "local losses weigh 0.1": ({}, {"local_loss_weight": 0.1}, True),
}
# What may keep MMD below a support vector machine: changes of its options.
OF_MMD: dict[str, dict[str, Any]] = {
    "30 epochs": {"epochs": 30},
    "200 epochs": {"epochs": 200},
    "noise 2": {"input_noise": 2.0},
    "dropout 0.5": {"hidden_dropout": 0.5},
    "decay 1": {"weight_decay": 1.0},
    "decay 5": {"weight_decay": 5.0},
    "local losses weigh 0.1": {"local_loss_weight": 0.1},
    "global classifier predicts": {"local_prediction_weight": 0.0},
    "local classifiers predict": {"local_prediction_weight": 1.0},
    "EMA 0.98": {"ema_decay": 0.98},
    "path of each descriptor": {"grouping": "descriptor"},
    "256 and 128 units": {"hidden": (256, 128)},
}
OF_PATHS = ("aligned, T 0.5, joint", "aligned, T 0.5, others")  # the same as without, where there is one path


class Problem(NamedTuple):
    """A fold, with the truth of all rows, of which it shows the labelled ones."""

    data: FoldData
    truth: Tensor


def main() -> None:
    """Score what has no score yet, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=tuple(SCORES))
    parser.add_argument("--network", choices=("dnn", "mmd"), default="dnn")
    parser.add_argument("--data", default="data", help="the project's data folder")
    parser.add_argument("--scores", default="data/08_reporting", help="folder of the scores")
    parser.add_argument("--only", help="tests, by name with commas between, beside the supervised network")
    parser.add_argument("--groups", type=int, default=GROUPS, help="how many of the groups of speakers")
    parser.add_argument("--corpora", default=",".join(CORPORA), help="with commas between")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = _scores(arguments, arguments.what)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = _read_scores(path)
    done = {(row["corpus"], row["group"], row["share"], row["name"]) for row in rows}
    options = TrainBenchmarkOptions(**_benchmark_options())
    with path.open("a") as file:
        for row in SCORES[arguments.what](arguments, options, done):
            rows.append(row)
            print(json.dumps(row), file=file, flush=True)
    _print_table(rows)
    if arguments.what == "candidates":
        _print_choice(rows)
    if arguments.what == "nested":
        print(f"chosen by group: {json.dumps(chosen_by_groups(_read_scores(_scores(arguments, 'candidates'))))}")


def _scores(arguments: argparse.Namespace, what: str) -> Path:
    return Path(arguments.scores, f"why_mixmatch_{what}_{arguments.network}.jsonl")


def _read_scores(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _benchmark_options() -> dict[str, Any]:
    values: dict[str, Any] = load_parameters("conf", "casia_benchmark")["train_benchmark"]
    return values


def read(data: Path, corpus: str) -> dict[str, Any]:
    """Features scaled by speaker, classes and speakers of a corpus's benchmark."""
    experiment = f"{corpus}_benchmark"
    table = pq.read_table(data / "02_intermediate" / experiment / "utterances.parquet")
    classes, y = np.unique(table["emotion"].to_pylist(), return_inverse=True)
    features = ShardedTable(str(data / "03_primary" / experiment / "is10.json")).dataset()
    x = feature_matrix(features, "is10", table["utterance_id"].to_pylist())
    speakers = np.array(table["speaker_id"].to_pylist())
    names = tuple(json.loads(features.schema.field("is10").metadata[b"names"]))
    return {"x": scale_by_speaker(x, speakers), "y": y, "speakers": speakers, "classes": tuple(classes), "names": names}


def problem(
    corpus: dict[str, Any], group: int, share: float, each: int | None = None, left_out: bool = False
) -> Problem:
    """A group's fold: its speakers are left out, a third of the others is scored.

    Args:
        corpus: from `read`.
        group: number of the speakers that are left out.
        share: of each class's training labels that are seen.
        each: utterances of each training speaker, drawn at random; None: all.
        left_out: the group's own speakers are scored, and all others train.
    """
    speakers, y = corpus["speakers"], corpus["y"]
    names = np.unique(speakers)
    order = np.random.default_rng(0).permutation(len(names))
    others = [name for name in names if name not in names[order[group::GROUPS]]]
    order = np.random.default_rng(100 + group).permutation(len(others))
    count = max(1, round(len(others) / 3))
    scored, train = ([others[place] for place in part] for part in (order[:count], order[count:]))
    if left_out:
        scored, train = [name for name in names if name not in others], others
    generator = np.random.default_rng(group)
    rows = np.flatnonzero(np.isin(speakers, train))
    if each is not None:
        drawn = [generator.permutation(rows[speakers[rows] == name])[:each] for name in train]
        rows = np.sort(np.concatenate(drawn))
    labelled: list[int] = []
    for number in range(len(corpus["classes"])):
        mine = generator.permutation(rows[y[rows] == number])
        labelled += mine[: max(1, round(share * len(mine)))].tolist()
    parts = {"train": np.sort(labelled), "validation": rows[:0], "test": np.flatnonzero(np.isin(speakers, scored))}
    parts["unlabelled"] = np.setdiff1d(rows, labelled)
    truth = torch.from_numpy(y)
    whose = torch.from_numpy(np.unique(speakers, return_inverse=True)[1])
    shown = torch.full_like(truth, -1)
    shown[parts["train"]] = truth[parts["train"]]
    tensors = {role: torch.from_numpy(part) for role, part in parts.items()}
    x, classes, names = torch.from_numpy(corpus["x"]), corpus["classes"], corpus["names"]
    return Problem(FoldData(x, shown, tensors, classes, names, speakers=whose), truth)


class Guesses:
    """Stands in Sharpen's place and knows the truth: notes how right and how sure the guesses are, or gives it."""

    def __init__(self, truth: Tensor, oracle: bool):
        self.truth, self.oracle = truth, oracle
        self.seen: list[tuple[Tensor, Tensor]] = []  # whether right, and how sure, of the global classifier
        self._rows = torch.empty(0)
        self._sharpen, self._losses = mmmd.sharpen, mmmd.mixed_losses

    def mixed_losses(self, network: Any, context: Any, step: Any, streamed: Any = None) -> dict[str, Tensor]:
        """The project's own, of a step whose rows are remembered."""
        self._rows = step.unlabelled
        return self._losses(network, context, step, streamed)

    def sharpen(self, q: Tensor, temperature: float) -> Tensor:
        """The project's own, noted; with the oracle the true classes."""
        truth = self.truth[self._rows]
        sharp = self._sharpen(q, temperature)
        self.seen.append((sharp[:, -1].argmax(1) == truth, sharp[:, -1].max(1)[0]))
        return F.one_hot(truth, q.shape[-1]).float()[:, None].expand_as(q) if self.oracle else sharp

    def shares(self, part: slice) -> tuple[float, float]:
        """Mean of right guesses and of confidence over some of the steps."""
        right, sure = zip(*self.seen[part], strict=True)
        return float(torch.cat(right).float().mean()), float(torch.cat(sure).mean())


@contextmanager
def watched(truth: Tensor, oracle: bool = False) -> Iterator[Guesses]:
    """The trainings inside tell of their guesses."""
    guesses = Guesses(truth, oracle)
    with patch.object(mmmd, "mixed_losses", guesses.mixed_losses), patch.object(mmmd, "sharpen", guesses.sharpen):
        yield guesses


def trained_by(fit: Callable[[TrainingRun], Result], data: FoldData) -> Result:
    """What a training gives, whose folder is then gone."""
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(Path(folder), 0, TrainingOptions(accelerator="cpu", checkpoint_every_s=1e9), "why")
        size = data.x.shape[1]
        run.provenance = Provenance({"strategy": "speaker", "mean": np.zeros(size), "std": np.ones(size), "as_is": []})
        return fit(run)


def said_by(found: Problem, options: MmmdOptions) -> Tensor:
    """A variant's probabilities for the speakers that are scored."""
    return trained_by(lambda run: mmmd.fit(found.data, options, run), found.data)


def score(found: Problem, options: MmmdOptions) -> float:
    """UAR of a variant on the speakers that are scored."""
    return _uar(said_by(found, options), found)


def _uar(probabilities: Tensor, found: Problem) -> float:
    truth = found.truth[found.data.rows["test"]].numpy()
    return float(uar(confusion_matrix(truth, probabilities.argmax(1).numpy(), len(found.data.classes))))


def _mixed(options: MmmdOptions, **changes: Any) -> MmmdOptions:
    assert options.mixmatch
    return options.model_copy(update={"mixmatch": options.mixmatch.model_copy(update=changes)})


def _score_tests(arguments: argparse.Namespace, options: TrainBenchmarkOptions, done: set) -> Iterator[dict]:
    supervised = options.neural(arguments.network)
    mixed = options.neural(MIXED[arguments.network])
    names = [*arguments.only.split(",")] if arguments.only else [
        name for name in TESTS if arguments.network == "mmd" or name not in OF_PATHS]  # fmt: skip
    for facts, corpus in _problems(arguments):
        found = problem(corpus, facts["group"], facts["share"])
        for name in ("supervised", *names):
            if (*facts.values(), name) in done:
                continue
            if name == "supervised":
                yield {**facts, "name": name, "uar": score(found, supervised)}
                continue
            changes, else_ = TESTS[name]
            asked = found
            if else_ == "labelled":
                rows = found.data.rows | {"unlabelled": found.data.rows["train"]}
                asked = found._replace(data=replace(found.data, rows=rows))
            with watched(found.truth, else_ == "oracle") as guesses:
                value = score(asked, _mixed(mixed, **changes))
            (first, _), (last, sure) = guesses.shares(slice(0, 5)), guesses.shares(slice(-10, None))
            yield {**facts, "name": name, "uar": value, "right_first": first, "right_last": last, "sure_last": sure}


def _score_candidates(arguments: argparse.Namespace, options: TrainBenchmarkOptions, done: set) -> Iterator[dict]:
    """Consistency on corrupted vectors, beside the supervised network and both forms of MixMatch."""
    supervised, mixed = options.neural(arguments.network), options.neural(MIXED[arguments.network])
    chosen = {"supervised": supervised, "published": mixed, "aligned": _mixed(mixed, **ALIGNED, guess="joint")}
    chosen |= {name: consistent(supervised, **changes) for name, changes in CANDIDATES.items()}
    names = [*arguments.only.split(",")] if arguments.only else list(CANDIDATES)
    for facts, corpus in _problems(arguments):
        found = problem(corpus, facts["group"], facts["share"])
        wanted = [name for name in (*BESIDE, *names) if (*facts.values(), name) not in done]
        if not wanted:
            continue
        without = said_by(found, supervised)
        for name in wanted:
            said = without if name == "supervised" else said_by(found, chosen[name])
            yield {**facts, "name": name, "uar": _uar(said, found)}
            if name != "supervised":
                yield {**facts, "name": name + HALF, "uar": _uar(said + without, found)}


def _score_nested(arguments: argparse.Namespace, options: TrainBenchmarkOptions, done: set) -> Iterator[dict]:
    """The candidate that the group's scored speakers choose, on the speakers that the group left out."""
    supervised, mixed = options.neural(arguments.network), options.neural(MIXED[arguments.network])
    forms = {"published": mixed, "aligned": _mixed(mixed, **ALIGNED, guess="joint"), "supervised": supervised}
    forms |= {name: consistent(supervised, **changes) for name, changes in CANDIDATES.items()}
    forms["shipped"] = options.neural(CONSISTENT[arguments.network])
    chosen = chosen_by_groups(_read_scores(_scores(arguments, "candidates")))
    for facts, corpus in _problems(arguments):
        found = problem(corpus, facts["group"], facts["share"], left_out=True)
        asked = {"supervised": "supervised", "published": "published", "shipped": f"shipped{HALF}"}
        for name, form in (asked | {"chosen": chosen[facts["group"]]}).items():
            if (*facts.values(), name) not in done:
                said = said_by(found, forms[form.removesuffix(HALF)])
                said = said + said_by(found, supervised) if form.endswith(HALF) else said
                yield {**facts, "name": name, "uar": _uar(said, found)}


def chosen_by_groups(rows: list[dict[str, Any]]) -> dict[int, str]:
    """For each group the candidate with the largest mean over corpora, of those that all of its problems have."""
    by = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        by[row["group"]][row["corpus"], row["share"]][row["name"]] = row["uar"]
    chosen = {}
    for group, problems in by.items():
        names = set.intersection(*(set(found) for found in problems.values()))
        corpora = {corpus for corpus, _ in problems}

        def mean(name: str, problems: Any = problems, corpora: set = corpora) -> float:
            of = ([found[name] for key, found in problems.items() if key[0] == corpus] for corpus in corpora)
            return float(np.mean([np.mean(values) for values in of]))

        chosen[group] = max(sorted(names), key=mean)
    return chosen


def consistent(options: MmmdOptions, **changes: Any) -> MmmdOptions:
    """A supervised network's options with consistency, as a first guess has it but for the changes."""
    chosen = ConsistencyOptions(epochs=30, run=42).model_copy(update=changes)
    network = options.network.model_copy(update={"epochs": chosen.epochs, "ema_decay": chosen.ema_decay})
    return options.model_copy(update={"network": network, "consistency": chosen})


def _score_paths(arguments: argparse.Namespace, options: TrainBenchmarkOptions, done: set) -> Iterator[dict]:
    """MixMatch over paths, one change at a time, read with both predictions; beside it the same over one path."""
    chosen = {
        "supervised": (options.neural("mmd"), True),
        "one path, supervised": (options.neural("dnn"), True),
        "one path, published": (options.neural("mixmatch"), True),
    }
    for name, (mixed, network, local) in OVER_PATHS.items():
        changed = _mixed(options.neural("mmmd_without_acted"), **mixed)
        network_options = changed.network.model_copy(update=network)
        chosen[name] = changed.model_copy(update={"network": network_options}), local
    for facts, corpus in _problems(arguments):
        found = problem(corpus, facts["group"], facts["share"])
        for name, (variant, local) in chosen.items():
            if (*facts.values(), name) not in done:
                with nullcontext() if local else patch.object(mmmd, "unlabelled_mix_loss", _global_loss):
                    network = trained_by(lambda run, data=found.data, of=variant: _network(data, of, run), found.data)
                own = variant.network.local_prediction_weight
                for ending, weight in (("", own), *([(", global classifier alone", 0.0)] if own else [])):
                    read_with = variant.network.model_copy(update={"local_prediction_weight": weight})
                    value = _uar(mmmd.predict(network, found.data.x[found.data.rows["test"]], read_with), found)
                    yield {**facts, "name": name + ending, "uar": value}


def _score_labels(arguments: argparse.Namespace, options: TrainBenchmarkOptions, done: set) -> Iterator[dict]:
    """MMD at several options beside support vector machines, with few labels and with all; less the RBF kernel."""
    plain = {"supervised": SvmOptions(), "linear SVM": options.linear_svm}
    networks = {"mmd": options.mmd, "dnn": options.dnn}
    networks |= {name: options.mmd.model_copy(update=changes) for name, changes in OF_MMD.items()}
    kept = arguments.only.split(",") if arguments.only else list(networks)
    for facts, corpus in _problems(arguments):
        shares = [facts["share"]] + [1.0] * (facts["share"] == SHARES[facts["corpus"]][0])
        for share in shares:
            here = {**facts, "share": share}
            data = problem(corpus, facts["group"], share)
            for name, kernel in plain.items():
                if (*here.values(), name) not in done:
                    said = trained_by(lambda run, of=kernel, data=data.data: svm.fit(data, of, run), data.data)
                    yield {**here, "name": name, "uar": _uar(said, data)}
            for name in kept:
                if (*here.values(), name) not in done:
                    yield {**here, "name": name, "uar": score(data, MmmdOptions(network=networks[name]))}


def _network(data: FoldData, options: MmmdOptions, run: TrainingRun) -> nn.Module:
    run.seed_everything()
    return mmmd.train(data, options, run, mmmd.fresh_state(data, options, run), resumed=False)


def _global_loss(logits: Tensor, targets: Tensor, options: MmdOptions, size: float | None = None) -> Tensor:
    """L_U of the global classifier alone."""
    return _LOSS(logits, targets, options.model_copy(update={"local_loss_weight": 0.0}), size)


def _score_crowds(arguments: argparse.Namespace, options: TrainBenchmarkOptions, done: set) -> Iterator[dict]:
    """MixMatch with few utterances of each speaker; a quarter of their labels."""
    mixed = options.neural("mixmatch")
    for corpus_name in ("nemo", "casia"):
        corpus = read(Path(arguments.data), corpus_name)
        for each in (20, 40, 60, 85):
            for group in range(GROUPS):
                found = problem(corpus, group, 0.25, each)
                facts = {"corpus": corpus_name, "group": group, "share": each}
                for name, chosen in {
                    "supervised": options.neural("dnn"), "published": mixed, "aligned, T 0.5": _mixed(mixed, **ALIGNED)
                }.items():  # fmt: skip
                    if (*facts.values(), name) not in done:
                        yield {**facts, "name": name, "uar": score(found, chosen)}


def _score_skewed(arguments: argparse.Namespace, options: TrainBenchmarkOptions, done: set) -> Iterator[dict]:
    """Unlabelled speech whose classes are not as frequent as the labels'."""
    supervised, mixed = options.neural(arguments.network), options.neural(MIXED[arguments.network])
    guard = options.guarded(GUARDED[arguments.network])
    assert guard
    chosen = {"published": mixed, "aligned": _mixed(mixed, **ALIGNED, guess="joint")}
    chosen["softmatch"] = taught = options.neural(CONSISTENT[arguments.network])
    assert taught.consistency
    unaligned = taught.consistency.model_copy(update={"alignment": "none"})
    chosen["softmatch unaligned"] = taught.model_copy(update={"consistency": unaligned})
    names = arguments.only.split(",") if arguments.only else [*chosen, "guard"]
    for facts, corpus in _problems(arguments):
        wanted = [name for name in ("supervised", *names) if (*facts.values(), name) not in done]
        if facts["share"] != SHARES[facts["corpus"]][0] or not wanted:
            continue
        found = problem(corpus, facts["group"], facts["share"])
        rows = found.data.rows | {"unlabelled": skewed(found)}
        found = found._replace(data=replace(found.data, rows=rows))
        without = said_by(found, supervised)
        for name in wanted:
            if name == "guard":
                said = trained_by(lambda run, data=found.data: guarded.fit(data, guard, run), found.data)
            else:
                said = without if name == "supervised" else said_by(found, chosen[name])
            yield {**facts, "name": name, "uar": _uar(said, found)}
            if name in chosen:
                yield {**facts, "name": name + HALF, "uar": _uar(said + without, found)}


def skewed(found: Problem) -> Tensor:
    """The unlabelled rows of a problem, of every other class a fifth alone."""
    rows = found.data.rows["unlabelled"]
    drawn = torch.from_numpy(np.random.default_rng(0).random(len(rows)) < 1 / 5)
    return rows[(found.truth[rows] % 2 == 0) | drawn]


def _score_guard(arguments: argparse.Namespace, options: TrainBenchmarkOptions, done: set) -> Iterator[dict]:
    """Each rule of mixing, of the same networks."""
    chosen = options.guarded(GUARDED[arguments.network])
    assert chosen
    for facts, corpus in _problems(arguments):
        if (*facts.values(), "supervised") not in done:
            found = problem(corpus, facts["group"], facts["share"])
            trained = trained_by(lambda run, data=found.data: guarded.train(data, chosen, run), found.data)
            for name, value in _rules(found, trained, chosen).items():
                yield {**facts, "name": name, "uar": _uar(value, found)}


def _rules(found: Problem, trained: guarded.Trained, options: GuardedOptions) -> dict[str, Tensor]:
    """Name of a rule to the probabilities by it."""
    said, labels = guarded.held_out(found.data, trained)
    x, count = found.data.x[found.data.rows["test"]], trained.in_a_group
    held, whole, groups = [], [], []
    for place, probabilities in enumerate(said):
        temperature = guarded.best_temperature(probabilities, labels)
        networks = trained.networks[place * count : (place + 1) * count]
        cool = [guarded.cooled(mmmd.predict(each, x, options.supervised.network), temperature) for each in networks]
        held.append(guarded.cooled(probabilities, temperature))
        whole.append(cool[-1])
        groups.append((cool[-1] + torch.stack(cool[:-1]).mean(0)) / 2)
    by_rule = {"supervised": whole[0], "semi-supervised": whole[1], "half of each": whole[0] + whole[1]}
    by_rule |= {"supervised group": groups[0], "semi-supervised group": groups[1], "half of each group": sum(groups)}
    for caution in (0.0, 0.25, 0.5, 1.0, 2.0):
        share = guarded.share_of_second(*held, labels, options.guard.model_copy(update={"caution": caution}))
        by_rule[f"guard, caution {caution:g}"] = (1 - share) * groups[0] + share * groups[1]
    return by_rule


def _problems(arguments: argparse.Namespace) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    corpora = {name: read(Path(arguments.data), name) for name in arguments.corpora.split(",")}
    for group in range(arguments.groups):
        for name, corpus in corpora.items():
            for share in SHARES[name]:
                yield {"corpus": name, "group": group, "share": share}, corpus


def _print_table(rows: list[dict[str, Any]]) -> None:
    """UAR above the supervised network's, mean and standard error over problems, by corpus and over corpora's means."""
    by = defaultdict(dict)
    for row in rows:
        by[row["corpus"], row["group"], row["share"]][row["name"]] = row
    corpora = [name for name in CORPORA if any(key[0] == name for key in by)]
    print("| | " + " | ".join(corpora) + " | all | least | guesses right, first to last | sure |")
    print("|---|" + "---|" * (len(corpora) + 4))
    for name in dict.fromkeys(row["name"] for row in rows):
        cells, every, told = [], [], []
        for corpus in corpora:
            own = [found for key, found in by.items() if key[0] == corpus and name in found and "supervised" in found]
            gains = [found[name]["uar"] - found["supervised"]["uar"] for found in own]
            every += gains
            told += [found[name] for found in own if "right_last" in found[name]]
            cells.append(_cell(gains))
        means = (
            [float(np.mean([row[key] for row in told])) for key in ("right_first", "right_last", "sure_last")]
            if told
            else []
        )
        guesses = f"{means[0]:.2f} to {means[1]:.2f} | {means[2]:.2f}" if means else " | "
        print(
            f"| {name} | "
            + " | ".join(cells)
            + f" | {_cell(every)} | {min(every, default=math.nan):+.3f} | {guesses} |"
        )


def _print_choice(rows: list[dict[str, Any]]) -> None:
    """What three corpora would choose, read on the fourth; among those that were scored on every problem."""
    by = defaultdict(dict)
    for row in rows:
        by[row["corpus"], row["group"], row["share"]][row["name"]] = row["uar"]
    names = [name for name in by[next(iter(by))] if all(name in found for found in by.values())]
    gains: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in names}
    for (corpus, *_), found in by.items():
        for name in names:
            gains[name][corpus].append(found[name] - found["supervised"])
    mean = {name: {corpus: float(np.mean(of)) for corpus, of in own.items()} for name, own in gains.items()}
    print(f"\nof {', '.join(names)}:\n")
    print("| read on | chosen by the others | there | by their least | there | best there |\n" + "|---" * 6 + "|")
    for corpus in mean["supervised"]:
        others = [other for other in mean["supervised"] if other != corpus]
        by_mean = max(names, key=lambda name: np.mean([mean[name][other] for other in others]))
        by_least = max(names, key=lambda name: min(min(gains[name][other]) for other in others))
        best = max(names, key=lambda name: mean[name][corpus])
        cells = [f"{name} | {mean[name][corpus]:+.3f}" for name in (by_mean, by_least)]
        print(f"| {corpus} | " + " | ".join([*cells, f"{best} {mean[best][corpus]:+.3f}"]) + " |")


def _cell(gains: list[float]) -> str:
    return f"{np.mean(gains):+.3f} ± {np.std(gains) / len(gains) ** 0.5:.3f}" if gains else ""


SCORES = {
    "tests": _score_tests,
    "candidates": _score_candidates,
    "nested": _score_nested,
    "paths": _score_paths,
    "labels": _score_labels,
    "guard": _score_guard,
    "crowds": _score_crowds,
    "skewed": _score_skewed,
}


if __name__ == "__main__":
    main()
