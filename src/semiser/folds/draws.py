"""Random draws of folds: reproducible, independent of each other, and nested where a share of rows is taken."""

from enum import IntEnum

import numpy as np


class Draw(IntEnum):
    """What a draw is for: a stream of random numbers of its own, so that no option disturbs another's draw."""

    DEAL = 0
    HOLD_OUT = 1
    VALIDATION = 2
    BUDGET = 3


def random_stream(seed: int, fold: int, purpose: Draw, repeat: int = 0) -> np.random.Generator:
    """The stream of random numbers of one draw in one fold; from 1 on, of another draw for the same purpose."""
    return np.random.default_rng([seed, fold, purpose, *([repeat] if repeat else [])])


def shuffled_ranks(cells: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """For each row its place in a random order of its own cell (a class, a speaker's class), and its cell's size.

    The order does not depend on how many are then taken, so a smaller share is a subset of a larger one.

    Args:
        cells: number of each row's cell, integers of shape (N,).
        random: stream that the order is drawn from.

    Returns:
        Places from 0 and sizes, both int64 of shape (N,).
    """
    order = np.lexsort((random.permutation(len(cells)), cells))
    _, start, inverse, count = np.unique(cells[order], return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(cells), dtype=np.int64)
    rank[order] = np.arange(len(cells)) - start[inverse]
    size = np.empty(len(cells), dtype=np.int64)
    size[order] = count[inverse]
    return rank, size


def round_half_up(values: np.ndarray) -> np.ndarray:
    """Nearest integers, halves upwards: what a reader works out by hand (0.25 of 10 is 3)."""
    return np.floor(values + 0.5).astype(np.int64)
