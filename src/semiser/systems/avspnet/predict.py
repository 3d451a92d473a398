"""Trained models of AV-SpNET: a front end, the recognition network on its embeddings, and the segments' vote."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from semiser.data.scaling import Scaler
from semiser.prediction.loaded import Features, Loaded, Step, Values
from semiser.systems.avspnet.front_end import COLUMN, LEAST_STD, Statistics
from semiser.systems.avspnet.recognition import load_avspnet, load_end_to_end, majority_vote
from semiser.systems.avspnet.segments import to_segments
from semiser.training.saved import CARD, read_facts


def parts(card: dict[str, Any]) -> tuple[str, ...]:
    """The front end's folder below the pipeline's models; none where the encoder was trained along."""
    return (card["front_end"]["folder"],) if card.get("front_end") else ()


def load(folder: Path) -> Loaded:
    """The network with its front end; segments are scaled by bin and, where training did so, embeddings by value.

    Raises:
        ValueError: the front end was trained anew since.
        FileNotFoundError: the front end is gone.
    """
    if "end_to_end" in read_facts(folder / CARD):
        return _load_end_to_end(folder)
    recogniser = load_avspnet(folder)
    front_end, background = recogniser.front_end, recogniser.front_end.statistics
    by_bin = Scaler(*(values[0].numpy().astype(np.float64) for values in (background.mean, background.std)))
    as_they_are = Statistics(torch.zeros_like(background.mean), torch.ones_like(background.std))
    embeddings = {}
    if recogniser.scaling:
        embeddings[COLUMN] = Scaler(*(recogniser.scaling[name].numpy() for name in ("mean", "std")))

    def embed(row: Mapping[str, Any], values: Values) -> Values:
        return {COLUMN: front_end(values[COLUMN], recogniser.layer, as_they_are).numpy()}

    family = front_end.card.get("family", COLUMN)
    cut = _cut(family, front_end.card["size"][1], front_end.on_its_axis)
    own_bins = front_end.card["options"]["pretraining"]["scaling"] == "speaker"
    steps = (
        Step(cut, {COLUMN: by_bin}, 0, by_speaker=own_bins, least_std=LEAST_STD),
        Step(embed, embeddings, by_speaker=recogniser.by_speaker),
    )
    return Loaded(recogniser.classes, (family,), steps, partial(_vote, recogniser.network))


def _load_end_to_end(folder: Path) -> Loaded:
    """An encoder that was trained along: segments are scaled by bin, and that is all."""
    network, saved = load_end_to_end(folder)
    by_bin = Scaler(*(values.numpy() for values in saved.statistics((saved.card.end_to_end.size[0],))))
    family = next(iter(saved.card.families), COLUMN)
    cut = _cut(family, saved.card.end_to_end.size[1])
    step = Step(cut, {COLUMN: by_bin}, band_axis=0, by_speaker=saved.card.scaling == "speaker")
    return Loaded(saved.card.classes, (family,), (step,), partial(_vote, network))


def _cut(
    family: str, frames: int, convert: Callable[[np.ndarray], np.ndarray] = lambda segments: segments
) -> Callable[[Mapping[str, Any], Values], Values]:
    """An utterance's values of the family as segments of so many frames, converted."""

    def prepare(row: Mapping[str, Any], values: Values) -> Values:
        return {COLUMN: convert(to_segments(values[family], family, frames))}

    return prepare


@torch.no_grad()
def _vote(network: nn.Module, features: Features) -> np.ndarray:
    """What the segments of every utterance decide, (utterances, classes)."""
    samples = features[COLUMN]
    x = torch.from_numpy(np.concatenate(samples))
    logits = torch.cat([network(part).float() for part in x.split(64)])
    utterance = torch.arange(len(samples)).repeat_interleave(torch.tensor([len(values) for values in samples]))
    return majority_vote(logits.softmax(1), utterance, len(samples)).numpy()
