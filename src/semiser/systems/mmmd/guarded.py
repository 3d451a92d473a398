"""MMMD with a guard: unlabelled speech counts as much as the labels say that it helps.

No theorem says that guessed labels cannot harm a network that is trained by cross entropy, so this is a procedure. Two
groups of networks learn, one from labels alone and one from labels and unlabelled speech. In each, one network sees all
labels, and one for each of the parts into which the labels are dealt sees those of the other parts. What these say of
the labels that they have not seen decides how the groups are mixed: by cross entropy, and in doubt half and half, since
the mean of two predictions is seldom much worse than the better one. It is ours and in no paper; its parts are
cross-fitting, calibration by temperature (Guo et al., ICML 2017) and a convex combination of a supervised and a
semi-supervised prediction (as in SafeW, Li et al., TPAMI 2021). docs/unlabelled.md says how it was chosen.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from semiser.data.vectors import FoldData
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd.options import GuardedOptions, GuardOptions, MmdOptions, MmmdOptions
from semiser.training.run import TrainingRun

logger = logging.getLogger(__name__)

KEPT = -1  # of a label that is in no part: every network learns from it
_NONE = -2  # the part that a network does not see which sees all of them
_HALF = 0.5
_TEMPERATURES = np.geomspace(0.25, 8, 51)
_LEAST = 20  # held-out labels; fewer say nothing about a temperature or a share


class Member(NamedTuple):
    """One network: its options, and the part of the labels that it does not see; `_NONE`: it sees all."""

    options: MmmdOptions
    part: int


class Trained(NamedTuple):
    """The networks of both groups; the supervised ones come first, and the last of each group saw all labels.

    Attributes:
        parts: of the labelled rows (`deal`).
        members: what each network is.
        networks: with their final weights.
    """

    parts: Tensor
    members: list[Member]
    networks: list[nn.Module]

    @property
    def in_a_group(self) -> int:
        """Networks of a group."""
        return int(self.parts.max()) + 2


class Vote(NamedTuple):
    """What a network, or a group of those that were trained alike, counts in the prediction.

    Attributes:
        temperature: divides the logits, so that probabilities fit the held-out labels best.
        weight: of the probabilities; all weights add up to 1.
    """

    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    weight: Annotated[float, Field(ge=0, le=1)]


def fit(data: FoldData, options: GuardedOptions, run: TrainingRun) -> Tensor:
    """Train the networks of both groups, weigh the groups, and score the test part.

    Args:
        data: the fold, standardised, on the run's device.
        options: of both kinds of network, and of the guard.
        run: device, seed, checkpoint and curves; it gets all networks that count, and their card.

    Returns:
        Probabilities of the test rows, shape (tests, classes).
    """
    group = train(data, options, run)
    votes = _votes(data, group, options.guard, run)
    counted = [(network, vote) for network, vote in zip(group.networks, votes, strict=True) if vote.weight]
    _save(counted, data, options.supervised, run)
    return predict(counted, data.x[data.rows["test"]], options.supervised.network)


def train(data: FoldData, options: GuardedOptions, run: TrainingRun) -> Trained:
    """Train the networks of both groups, one after the other; what a checkpoint left is gone on with."""
    run.seed_everything()
    parts = deal(data.y[data.rows["train"]].cpu(), options.guard.parts, run.seed)
    members = _members(data, options, int(parts.max()) + 1)
    epochs = [member.options.network.epochs for member in members]
    state = {**_fresh(data, parts, members[0], run), "member": 0, "made": []}
    resumed = run.resume(state)
    while state["member"] < len(members):
        number = state["member"]
        member = members[number]
        state |= {"before": sum(epochs[:number]), "of": sum(epochs)}
        network = mmmd.train(_without(data, parts, member.part), member.options, run, state, resumed)
        made = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
        state |= {"member": number + 1, "made": [*state["made"], made]}
        if number + 1 < len(members):
            state |= _fresh(data, parts, members[number + 1], run)
        resumed = False
        run.save_checkpoint(state)
    networks = [
        _network(data, member.options, made, run.seed) for member, made in zip(members, state["made"], strict=True)
    ]
    return Trained(parts, members, networks)


def held_out(data: FoldData, trained: Trained) -> tuple[list[Tensor], Tensor]:
    """What each group says of the labels that are dealt, each label's by the network that has not seen it.

    Returns:
        Probabilities by group, (n, C) each, and the labels, (n,), on the CPU.
    """
    parts, rows = trained.parts, data.rows["train"].cpu()
    dealt, count = parts != KEPT, trained.in_a_group
    said = []
    for first in range(0, len(trained.networks), count):
        found = torch.zeros(len(rows), len(data.classes))
        for place in range(first, first + count):
            member, network = trained.members[place], trained.networks[place]
            out = parts == member.part
            if out.any():
                found[out] = mmmd.predict(network, data.x[rows[out].to(data.x.device)], member.options.network).cpu()
        said.append(found[dealt])
    return said, data.y[data.rows["train"]].cpu()[dealt]


def deal(y: Tensor, parts: int, seed: int) -> Tensor:
    """Which part each labelled utterance is in: as many of every class in each as can be.

    A class with one utterance stays in no part, so that all networks know it.

    Args:
        y: class numbers, (n,).
        parts: how many; fewer where there are fewer utterances to deal, none where no class has two. 0: none.
        seed: of the order.

    Returns:
        Part numbers from 0, or `KEPT`, (n,).
    """
    found = torch.full_like(y, KEPT)
    generator = torch.Generator().manual_seed(seed)
    dealt = 0
    for number in y.unique().tolist():
        rows = torch.nonzero(y == number).flatten()
        if len(rows) > 1 and parts:
            order = torch.randperm(len(rows), generator=generator)
            found[rows[order]] = (dealt + torch.arange(len(rows))) % parts
            dealt += len(rows)
    return found


def weigh(held_out: Sequence[Tensor], y: Tensor, options: GuardOptions) -> tuple[list[Vote], dict[str, float]]:
    """Temperatures and weights of the groups by what they say of labels that they have not seen.

    Fewer than twenty such labels decide nothing: probabilities stay as they are, and the share is the one nearest to
    one half.

    Args:
        held_out: probabilities by the supervised networks and, where there are such, the semi-supervised, (n, C) each.
        y: the labels, (n,).
        options: shares that are tried, and caution.

    Returns:
        The groups, and for the curves: the cross entropy of each group's calibrated predictions, of the mixture that is
        taken, and the share of the semi-supervised networks in it.

    Raises:
        ValueError: probabilities are not finite: a network diverged.
    """
    if not all(p.isfinite().all() for p in held_out):
        raise ValueError(
            "the training diverged: a network's probabilities of held-out labels are not finite. Lower its learning "
            "rate, or look at its features"
        )
    if len(y) < _LEAST:
        if len(held_out) == 1:
            return [Vote(1.0, 1.0)], {}
        share = min(options.shares, key=_from_half)
        return [Vote(1.0, 1 - share), Vote(1.0, share)], {"semi_supervised_share": share}
    temperatures = [best_temperature(p, y) for p in held_out]
    calibrated = [cooled(p, t) for p, t in zip(held_out, temperatures, strict=True)]
    names = ("supervised", "semi_supervised")
    facts = {f"held_out_{name}": float(_losses(p, y).mean()) for name, p in zip(names, calibrated, strict=False)}
    if len(held_out) == 1:
        return [Vote(temperatures[0], 1.0)], facts
    first, second = calibrated
    share = share_of_second(first, second, y, options)
    mixture = (1 - share) * first + share * second
    facts |= {"held_out_mixture": float(_losses(mixture, y).mean()), "semi_supervised_share": share}
    return [Vote(temperatures[0], 1 - share), Vote(temperatures[1], share)], facts


def share_of_second(first: Tensor, second: Tensor, y: Tensor, options: GuardOptions) -> float:
    """The share of a second prediction in a mixture with a first one.

    Of the shares that one is taken which is nearest to one half, and of two the smaller one, whose cross entropy lies
    at most `caution` standard errors, of the paired differences, above the least.

    Args:
        first, second: probabilities, (n, C).
        y: the labels, (n,).
        options: shares that are tried, and caution.
    """
    losses = [_losses((1 - share) * first + share * second, y) for share in options.shares]
    best = min(losses, key=lambda values: float(values.mean()))
    for share, values in sorted(zip(options.shares, losses, strict=True), key=lambda pair: _from_half(pair[0])):
        difference = values - best
        error = float(difference.std(correction=1)) / len(y) ** 0.5 if len(y) > 1 else 0.0
        if float(difference.mean()) <= options.caution * error:
            return share
    raise AssertionError("the best is as good as itself")


def _from_half(share: float) -> tuple[float, float]:
    """How far a share lies from one half; of two, the smaller one comes first."""
    return abs(share - _HALF), share


def best_temperature(probabilities: Tensor, y: Tensor) -> float:
    """The temperature at which the probabilities' cross entropy is least, (n, C) and (n,): between 1/4 and 8."""
    losses = [float(_losses(cooled(probabilities, t), y).mean()) for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def cooled(probabilities: Tensor, temperature: float) -> Tensor:
    """Probabilities as if their logits were divided by the temperature, (n, C)."""
    return torch.softmax(probabilities.clamp_min(torch.finfo(torch.float32).tiny).log() / temperature, -1)


@torch.no_grad()
def predict(networks: Sequence[tuple[nn.Module, Vote]], x: Tensor, options: MmdOptions) -> Tensor:
    """The networks' calibrated probabilities, mixed, for standardised features (N, D): (N, C)."""
    parts = [vote.weight * cooled(mmmd.predict(network, x, options), vote.temperature) for network, vote in networks]
    return torch.stack(parts).sum(0)


def _losses(probabilities: Tensor, y: Tensor) -> Tensor:
    return -probabilities[torch.arange(len(y)), y].clamp_min(torch.finfo(torch.float32).tiny).log()


def _members(data: FoldData, options: GuardedOptions, parts: int) -> list[Member]:
    """Supervised networks for all parts and one that sees all; then semi-supervised ones, if speech is unlabelled."""
    kinds = [options.supervised]
    if options.semi_supervised and (len(data.rows["unlabelled"]) or data.unlabelled):
        kinds.append(options.semi_supervised)
    return [Member(kind, part) for kind in kinds for part in (*range(parts), _NONE)]


def _without(data: FoldData, parts: Tensor, part: int) -> FoldData:
    """The fold, with the labels of all parts but one."""
    kept = (parts != part).to(data.rows["train"].device)
    return replace(data, rows=data.rows | {"train": data.rows["train"][kept]})


def _fresh(data: FoldData, parts: Tensor, member: Member, run: TrainingRun) -> dict[str, Any]:
    return mmmd.fresh_state(_without(data, parts, member.part), member.options, run)


def _network(data: FoldData, options: MmmdOptions, weights: dict[str, Tensor], seed: int) -> nn.Module:
    network = mmmd.make_network(data, options.network, seed)
    network.load_state_dict(weights)
    return network.to(data.x.device)


def _votes(data: FoldData, trained: Trained, options: GuardOptions, run: TrainingRun) -> list[Vote]:
    """What each network counts, as `weigh` finds it on the rows that it has not seen; noted in the curves.

    In its group the network that saw all labels counts as much as the others together.
    """
    said, labels = held_out(data, trained)
    groups, facts = weigh(said, labels, options)
    epochs = sum(member.options.network.epochs for member in trained.members)
    run.log(epochs, epochs + 1, **facts)
    told = ", ".join(f"{name} {value:.3g}" for name, value in facts.items())
    if len(labels):
        logger.info("guard over %d held-out labels: %s", len(labels), told)
    others = trained.in_a_group - 1
    shares = [_HALF / others] * others + [_HALF] if others else [1.0]
    return [Vote(group.temperature, group.weight * share) for group in groups for share in shares]


def _save(networks: Sequence[tuple[nn.Module, Vote]], data: FoldData, options: MmmdOptions, run: TrainingRun) -> None:
    """Weights of all networks that count, and the card of one with what each counts."""
    weights = {
        f"{place}.{name}": tensor
        for place, (network, _) in enumerate(networks)
        for name, tensor in network.state_dict().items()
    }
    mmmd.save(weights, data, options, run, network="guarded", votes=[vote._asdict() for _, vote in networks])
