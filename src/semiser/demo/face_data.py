"""Drawn faces to train expression networks on: they cost nothing and mean nothing for real ones."""

from functools import lru_cache

import numpy as np
import torch

from semiser.demo.faces import Pose, draw_face, random_identity
from semiser.faces.crop import Face, crop_face
from semiser.faces.fit import FaceData, stack_faces
from semiser.options.face_features import ExpressionTrainingOptions

# Where the Haar square lies on a drawn head, in half frames times the head's size: mean and spread of 150 detections.
_DRAWN_Y, _DRAWN_SIDE, _DRAWN_SIDE_SPREAD, _DRAWN_SHIFT_SPREAD = 0.047, 1.033, 0.05, 0.01


def draw_faces(options: ExpressionTrainingOptions, seed: int) -> FaceData:
    """Drawn faces, cut out where the Haar cascade would: people of the validation part are not in training.

    Args:
        options: network (size and channels), classes, `drawn`.
        seed: of people, poses, light and strength of the expressions.
    """
    drawn, network = options.drawn, options.network
    size = max(64, 2 * network.input_size)  # the face takes half of the picture
    people = drawn.train_identities + drawn.validation_identities
    keys = [(person, name) for person in range(people) for name in options.classes] * drawn.pictures
    faces = [
        crop_face(picture, square, network.input_size, grey=network.channels == 1)
        for picture, square in _draw(tuple(keys), size, seed)
    ]
    in_training = torch.tensor([person < drawn.train_identities for person, _ in keys])
    rows = {"train": in_training.nonzero()[:, 0], "validation": (~in_training).nonzero()[:, 0]}
    labels = torch.tensor([options.classes.index(name) for _, name in keys])
    return FaceData(stack_faces(faces), labels, rows | {"test": torch.arange(0)})


@lru_cache(maxsize=1)  # two networks learn from the same faces, one after the other
def _draw(keys: tuple[tuple[int, str], ...], size: int, seed: int) -> list[tuple[np.ndarray, Face]]:
    """A picture of every person and expression, with the square around the face, a little off as a detector's is."""
    rng = np.random.default_rng([seed, 7_004])
    return [_draw_one(expression, 10_000 * (seed + 1) + person, size, rng) for person, expression in keys]


def _draw_one(expression: str, person: int, size: int, rng: np.random.Generator) -> tuple[np.ndarray, Face]:
    x, y = rng.uniform(-0.05, 0.05, 2)
    pose = Pose(x, y, roll_deg=rng.uniform(-5, 5), scale=rng.uniform(0.85, 1.05))
    picture = draw_face(
        expression,
        random_identity(person),
        intensity=rng.uniform(0.6, 1.1),
        speaking=rng.choice([0.0, rng.uniform(0, 0.9)]),
        blink=rng.choice([0.0, rng.uniform(0, 0.9)], p=[0.8, 0.2]),
        pose=pose,
        light=rng.uniform(-0.8, 0.8),
        size=size,
    )
    return picture, _drawn_square(pose, size, rng)


def _drawn_square(pose: Pose, size: int, rng: np.random.Generator) -> Face:
    side = pose.scale * rng.normal(_DRAWN_SIDE, _DRAWN_SIDE_SPREAD)
    x, y = rng.normal([pose.x, pose.y + pose.scale * _DRAWN_Y], pose.scale * _DRAWN_SHIFT_SPREAD)
    return Face((1 + x - side / 2) * size / 2, (1 + y - side / 2) * size / 2, side * size / 2, score=1.0)
