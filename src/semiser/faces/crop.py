"""Faces cut out of pictures as squares, at the size that a network takes."""

from dataclasses import dataclass, replace

import cv2
import numpy as np


@dataclass(frozen=True, slots=True)
class Face:
    """A square in pixels of the upright frame (x to the right, y down, of its upper left corner), and how sure it is.

    `score` is YuNet's confidence in [0, 1], or the number of overlapping windows that the Haar cascade accepted.
    """

    x_px: float
    y_px: float
    side_px: float
    score: float

    def scaled(self, factor: float) -> "Face":
        """The square grown or shrunk about its centre."""
        shift = (1 - factor) * self.side_px / 2
        return replace(self, x_px=self.x_px + shift, y_px=self.y_px + shift, side_px=self.side_px * factor)


def crop_face(frame: np.ndarray, face: Face, size: int, grey: bool) -> np.ndarray:
    """A face cut out of its frame; edge pixels are repeated where the square leaves the frame.

    Args:
        frame: (height, width, 3) uint8 RGB.
        face: the square.
        size: side of the result in pixels.
        grey: one channel instead of three.

    Returns:
        (size, size) or (size, size, 3) uint8.
    """
    return resize_face(cut_face(frame, face), size, grey)


def resize_face(crop: np.ndarray, size: int, grey: bool) -> np.ndarray:
    """A square RGB face at another size, (size, size) or (size, size, 3) uint8."""
    method = cv2.INTER_AREA if size < crop.shape[0] else cv2.INTER_LINEAR
    resized = cv2.resize(crop, (size, size), interpolation=method)
    return cv2.cvtColor(resized, cv2.COLOR_RGB2GRAY) if grey else resized


def cut_face(frame: np.ndarray, face: Face) -> np.ndarray:
    """The square at whole pixels of the frame."""
    side = max(1, round(face.side_px))
    columns = np.clip(round(face.x_px) + np.arange(side), 0, frame.shape[1] - 1)
    rows = np.clip(round(face.y_px) + np.arange(side), 0, frame.shape[0] - 1)
    return frame[rows[:, None], columns]
