"""Drawn faces: head, eyes, brows, nose and mouth as curves that an expression moves.

A face is drawn at three times its size and averaged down, so its curves are smooth, and the same arguments give the
same picture. An expression moves the features as the basic expressions do: raised or lowered brows, widened or
narrowed eyes, pulled mouth corners, parted lips, a wrinkled nose, raised cheeks.

Points are (x, y) with x to the right and y down; the origin is the middle of the frame and 1 is half its side.
"""

from dataclasses import dataclass, fields
from itertools import pairwise

import cv2
import numpy as np

EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")
HAIR_STYLES = ("short", "side", "bob", "long")

_OVERSAMPLE = 3
_EDGE = 3  # pixels that a smooth edge reaches beyond its outline, and one more
_SHIFT = 4  # fractional bits of OpenCV's drawing coordinates
_EYE_Y, _MOUTH_Y, _HEAD_Y = -0.06, 0.36, 0.03

Colour = tuple[int, int, int]  # red, green, blue
Region = tuple[slice, slice]  # rows and columns of a canvas


@dataclass(frozen=True, slots=True)
class Actions:
    """How far the parts of a face are moved from rest; 1 is a full, plausible movement of that part.

    Attributes:
        brow_inner, brow_outer: brow ends up (+) or down (-).
        eye_open: upper lid up (+) or down (-).
        lower_lid: lower lid up.
        mouth_corner: mouth corners up (+) or down (-).
        mouth_open: lips apart.
        mouth_width: mouth wider (+) or narrower (-).
        upper_lip: upper lip raised.
        lips_pressed: lips thinner.
        nose_wrinkle: creases beside and above the nose.
        cheek: cheeks raised.
    """

    brow_inner: float = 0.0
    brow_outer: float = 0.0
    eye_open: float = 0.0
    lower_lid: float = 0.0
    mouth_corner: float = 0.0
    mouth_open: float = 0.0
    mouth_width: float = 0.0
    upper_lip: float = 0.0
    lips_pressed: float = 0.0
    nose_wrinkle: float = 0.0
    cheek: float = 0.0

    def scaled(self, intensity: float) -> "Actions":
        """All movements times an intensity."""
        return Actions(*(intensity * getattr(self, field.name) for field in fields(self)))


EXPRESSION_ACTIONS = {
    "neutral": Actions(),
    "happiness": Actions(
        brow_inner=0.1, brow_outer=0.15, lower_lid=0.5, mouth_corner=1.0, mouth_open=0.4, mouth_width=0.5, cheek=1.0
    ),
    "surprise": Actions(brow_inner=1.0, brow_outer=1.0, eye_open=0.7, mouth_open=1.0, mouth_width=-0.7),
    "sadness": Actions(
        brow_inner=0.9, brow_outer=-0.6, eye_open=-0.45, mouth_corner=-0.9, mouth_width=-0.2, lips_pressed=0.2
    ),
    "anger": Actions(
        brow_inner=-1.0,
        brow_outer=0.5,
        eye_open=0.15,
        lower_lid=0.45,
        mouth_corner=-0.45,
        mouth_width=-0.25,
        lips_pressed=0.9,
    ),
    "disgust": Actions(
        brow_inner=-0.7,
        brow_outer=-0.4,
        eye_open=-0.35,
        lower_lid=0.6,
        mouth_corner=-0.5,
        mouth_open=0.05,
        mouth_width=-0.1,
        upper_lip=0.8,
        nose_wrinkle=1.0,
        cheek=0.5,
    ),
    "fear": Actions(
        brow_inner=0.9, brow_outer=0.2, eye_open=0.75, mouth_corner=-0.55, mouth_open=0.45, mouth_width=0.55
    ),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes a face a person's; colours are red, green, blue, proportions are factors around 1.

    `hair_style` is one of `HAIR_STYLES`.
    """

    skin: Colour = (224, 180, 150)
    hair: Colour = (38, 30, 28)
    iris: Colour = (70, 45, 30)
    lips: Colour = (176, 92, 86)
    shirt: Colour = (70, 90, 130)
    wall: Colour = (150, 160, 165)
    head_width: float = 1.0
    head_height: float = 1.0
    jaw: float = 1.0
    eye_distance: float = 1.0
    eye_size: float = 1.0
    brow_thickness: float = 1.0
    nose_length: float = 1.0
    mouth_width: float = 1.0
    lip_thickness: float = 1.0
    hair_style: str = "short"

    def __post_init__(self) -> None:
        """Check the hair style.

        Raises:
            ValueError: it is none of `HAIR_STYLES`.
        """
        if self.hair_style not in HAIR_STYLES:
            raise ValueError(f"identity: hair_style must be one of {', '.join(HAIR_STYLES)}, not {self.hair_style!r}")


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the head is: shift in half frames, roll in degrees (clockwise), size as a factor."""

    x: float = 0.0
    y: float = 0.0
    roll_deg: float = 0.0
    scale: float = 1.0


_SKINS = ((241, 204, 178), (228, 186, 155), (214, 168, 134), (198, 148, 112), (172, 122, 90))
_HAIRS = ((28, 24, 26), (44, 32, 26), (74, 50, 34), (60, 56, 56), (108, 76, 48))
_IRISES = ((58, 38, 26), (84, 56, 34), (60, 70, 60), (50, 58, 80))


def random_identity(seed: int, gender: str | None = None) -> Identity:
    """A person drawn from a seed.

    Args:
        seed: any non-negative integer; the same seed and gender give the same person.
        gender: `female`, `male` or None; it narrows hair style, brows, jaw and lips.
    """
    rng = np.random.default_rng([seed, 20_210_517])
    woman = gender == "female" if gender else bool(rng.integers(2))
    skin = _SKINS[rng.integers(len(_SKINS))]
    redness = np.array([0.80, 0.50, 0.52]) if woman else np.array([0.80, 0.62, 0.62])
    return Identity(
        skin=skin,
        hair=_HAIRS[rng.integers(len(_HAIRS))],
        iris=_IRISES[rng.integers(len(_IRISES))],
        lips=_rgb(np.array(skin) * redness),
        shirt=_rgb(rng.integers(40, 190, 3)),
        wall=_rgb(rng.integers(110, 190) + rng.integers(-18, 19, 3)),
        head_width=rng.uniform(0.92, 1.08),
        head_height=rng.uniform(0.95, 1.06),
        jaw=rng.uniform(0.84, 0.94) if woman else rng.uniform(0.94, 1.06),
        eye_distance=rng.uniform(0.93, 1.08),
        eye_size=rng.uniform(1.0, 1.16) if woman else rng.uniform(0.9, 1.04),
        brow_thickness=rng.uniform(0.65, 0.9) if woman else rng.uniform(1.0, 1.35),
        nose_length=rng.uniform(0.88, 1.1),
        mouth_width=rng.uniform(0.9, 1.1),
        lip_thickness=rng.uniform(1.0, 1.25) if woman else rng.uniform(0.75, 1.0),
        hair_style=("bob", "long")[rng.integers(2)] if woman else ("short", "side")[rng.integers(2)],
    )


def draw_face(
    expression: str,
    identity: Identity | None = None,
    *,
    intensity: float = 1.0,
    speaking: float = 0.0,
    blink: float = 0.0,
    pose: Pose | None = None,
    light: float = -0.4,
    size: int = 160,
) -> np.ndarray:
    """Draw one face from the front.

    Args:
        expression: one of `EXPRESSIONS`.
        identity: whose face; the default person if None.
        intensity: 0 (neutral) to 1 (full); up to 1.3 still looks right.
        speaking: how far speech opens the mouth on top of the expression, 0 to 1.
        blink: 0 (eyes as the expression has them) to 1 (shut).
        pose: position, roll and size of the head.
        light: where the light comes from, -1 (left) to 1 (right).
        size: side of the square picture in pixels, at least 32.

    Returns:
        (size, size, 3) uint8, red, green, blue.

    Raises:
        ValueError: an unknown expression, or a number out of its range.
    """
    if expression not in EXPRESSION_ACTIONS:
        raise ValueError(f"draw_face: expression must be one of {', '.join(EXPRESSIONS)}, not {expression!r}")
    _require("intensity", intensity, 0, 1.3)
    _require("speaking", speaking, 0, 1)
    _require("blink", blink, 0, 1)
    _require("light", light, -1, 1)
    _require("size", size, 32, 2048)
    person, actions = identity or Identity(), EXPRESSION_ACTIONS[expression].scaled(intensity)
    pen = _Pen(size * _OVERSAMPLE, pose or Pose())
    _draw_background(pen, person)
    _draw_head(pen, person, actions, light)
    for side in (-1, 1):
        _draw_eye(pen, person, actions, side, blink)
        _draw_brow(pen, person, actions, side)
    _draw_nose(pen, person, actions)
    _draw_mouth(pen, person, actions, speaking)
    _draw_fringe(pen, person)
    return cv2.resize(pen.canvas, (size, size), interpolation=cv2.INTER_AREA)


class _Pen:
    """A square canvas that is drawn on in half frames, through the head's pose."""

    def __init__(self, side: int, pose: Pose) -> None:
        self.side = side
        self.canvas = np.zeros((side, side, 3), np.uint8)
        turn = np.deg2rad(pose.roll_deg)
        self._scale = pose.scale * side / 2
        self._rotation = self._scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        self._origin = (1 + np.array([pose.x, pose.y])) * side / 2

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """(n, 2) half frames -> (n, 2) fixed-point pixels of OpenCV."""
        at = np.asarray(points, float) @ self._rotation.T + self._origin
        return np.round(at * (1 << _SHIFT)).astype(np.int32)

    def around(self, points: np.ndarray) -> Region:
        """The rows and columns that an outline and its smooth edge lie in."""
        at = self.pixels(points) / (1 << _SHIFT)
        return self._clipped(at.min(axis=0) - _EDGE, at.max(axis=0) + _EDGE)

    def _clipped(self, low: np.ndarray, high: np.ndarray) -> Region:
        (left, top), (right, bottom) = (
            np.clip(end, 0, self.side).astype(int).tolist() for end in (np.floor(low), np.ceil(high))
        )
        return slice(top, bottom), slice(left, right)

    def units(self, region: Region, origin: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """x and y in half frames of a region's pixels, (rows, columns) each, from the head's origin or a pixel."""
        origin = self._origin if origin is None else origin
        rows, columns = region
        right = np.arange(columns.start, columns.stop) + 0.5 - origin[0]
        down = (np.arange(rows.start, rows.stop) + 0.5 - origin[1])[:, None]
        (xx, xy), (yx, yy) = np.linalg.inv(self._rotation)
        return right * xx + down * xy, right * yx + down * yy

    def fill(self, points: np.ndarray, colour: Colour) -> None:
        cv2.fillPoly(self.canvas, [self.pixels(points)], colour, cv2.LINE_AA, _SHIFT)

    def line(self, points: np.ndarray, colour: Colour, width: float) -> None:
        thickness = max(1, round(width * self._scale))
        cv2.polylines(self.canvas, [self.pixels(points)], False, colour, thickness, cv2.LINE_AA, _SHIFT)

    def mask(self, points: np.ndarray, region: Region) -> np.ndarray:
        """1 inside the outline, (rows, columns, 1) float32 of a region, smooth at its edge."""
        mask = np.zeros((self.side, self.side), np.uint8)
        cv2.fillPoly(mask, [self.pixels(points)], 255, cv2.LINE_AA, _SHIFT)
        return mask[region][..., None].astype(np.float32) / 255

    def stain(self, x: float, y: float, width: float, height: float, colour: Colour, strength: float) -> None:
        """A soft elliptic patch: radii in half frames, strength 0 to 1 in its middle."""
        reach = 2.2 * max(width, height) * self._scale
        centre = self.pixels(np.array([[x, y]]))[0] / (1 << _SHIFT)
        region = self._clipped(centre - reach, centre + reach)
        right, down = self.units(region, centre)
        share = strength * np.exp(-((right / width) ** 2) - (down / height) ** 2)[..., None]
        patch = self.canvas[region]
        patch[:] = np.round(patch + share * (np.array(colour) - patch)).astype(np.uint8)


def _require(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"draw_face: {name} must lie in {low} to {high}, not {value}")


def _rgb(values: np.ndarray) -> Colour:
    red, green, blue = (int(value) for value in np.clip(values, 0, 255))
    return red, green, blue


def _shade(colour: Colour, factor: float) -> Colour:
    return _rgb(np.array(colour) * factor)


def _curve(*points: tuple[float, float]) -> np.ndarray:
    """(24, 2) points of the Bezier curve with these two to four control points."""
    control = [*np.array(points, float)]
    t = np.linspace(0, 1, 24)[:, None]
    while len(control) > 1:
        control = [(1 - t) * a + t * b for a, b in pairwise(control)]
    return control[0]


def _ellipse(x: float, y: float, width: float, height: float) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([x + width * np.cos(turn), y + height * np.sin(turn)], 1)


def _head_outline(person: Identity, grow: float = 1.0) -> np.ndarray:
    """An ellipse whose lower half narrows to the jaw."""
    turn = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    below = np.clip(np.sin(turn), 0, None)
    width = 0.47 * person.head_width * grow * (1 - (0.22 - 0.2 * (person.jaw - 1)) * below**2)
    return np.stack([width * np.cos(turn), _HEAD_Y + 0.64 * person.head_height * grow * np.sin(turn)], 1)


def _draw_background(pen: _Pen, person: Identity) -> None:
    """Wall, hair behind the head, shoulders, neck and ears."""
    fall = np.linspace(1.1, 0.85, pen.side)[:, None, None]
    pen.canvas[:] = np.clip(fall * np.array(person.wall), 0, 255).astype(np.uint8)
    w = person.head_width
    if person.hair_style in ("bob", "long"):
        bottom = 0.55 if person.hair_style == "bob" else 0.95
        crown = _curve((-0.6 * w, 0.1), (-0.62 * w, -1.0), (0.62 * w, -1.0), (0.6 * w, 0.1))
        pen.fill(np.vstack([[(-0.56 * w, bottom)], crown, [(0.56 * w, bottom)]]), person.hair)
    pen.fill(_curve((-1.15, 1.7), (-0.85, 0.42), (0.85, 0.42), (1.15, 1.7)), person.shirt)
    neck, shadow = 0.22 * w, _shade(person.skin, 0.72)
    pen.fill(
        np.vstack([[(-neck, 0.4), (neck, 0.4)], _curve((1.15 * neck, 0.76), (0, 1.0), (-1.15 * neck, 0.76))]), shadow
    )
    if person.hair_style in ("short", "side"):
        for side in (-1, 1):
            pen.fill(_ellipse(side * 0.475 * w, 0.05, 0.06, 0.12), _shade(person.skin, 0.82))


def _draw_head(pen: _Pen, person: Identity, actions: Actions, light: float) -> None:
    """The head as an ellipsoid under one light, with the soft shadows that make it a face."""
    outline = _head_outline(person)
    region = pen.around(outline)
    x, y = pen.units(region)
    x, y = x / (0.52 * person.head_width), (y - _HEAD_Y) / (0.72 * person.head_height)
    depth = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
    glow = 0.62 + 0.42 * np.clip(0.45 * light * x - 0.3 * y + 0.84 * depth, 0, 1)
    head, behind = pen.mask(outline, region), pen.canvas[region]
    skin = np.clip(glow[..., None] * np.array(person.skin), 0, 255)
    behind[:] = np.round(behind * (1 - head) + skin * head).astype(np.uint8)
    dark, rosy = _shade(person.skin, 0.5), _rgb(np.array(person.skin) * (1.02, 0.78, 0.76))
    lift = 0.03 * actions.cheek
    for side in (-1, 1):
        pen.stain(side * 0.185 * person.eye_distance, _EYE_Y - 0.04, 0.14, 0.10, dark, 0.45)
        pen.stain(side * 0.27, 0.17 - lift, 0.11, 0.08, rosy, 0.4 + 0.3 * actions.cheek)
        pen.stain(side * 0.25, 0.11 - lift, 0.10, 0.05, (255, 244, 232), 0.22)
    pen.stain(0, 0.02, 0.045, 0.16, (255, 246, 236), 0.3)
    pen.stain(0, _MOUTH_Y + 0.11, 0.12, 0.03, dark, 0.3)
    pen.stain(0, -0.36, 0.2, 0.1, (255, 246, 236), 0.2)


def _draw_eye(pen: _Pen, person: Identity, actions: Actions, side: int, blink: float) -> None:
    """White, iris, pupil, glint and lids of the eye on one side (-1 left, 1 right)."""
    x, half = side * 0.185 * person.eye_distance, 0.098 * person.eye_size
    open_share = (1 - blink) * person.eye_size
    top = open_share * 0.092 * max(0.1, 1 + 0.55 * actions.eye_open)
    bottom = open_share * 0.062 * (1 - 0.75 * actions.lower_lid + 0.2 * actions.eye_open)
    tilt = 0.012 * side
    left, right = (x - half, _EYE_Y + tilt), (x + half, _EYE_Y - tilt)
    upper = _curve(left, (x - 0.5 * half, _EYE_Y - top), (x + 0.5 * half, _EYE_Y - top), right)
    lower = _curve(right, (x + 0.5 * half, _EYE_Y + bottom), (x - 0.5 * half, _EYE_Y + bottom), left)
    opening = np.vstack([upper, lower])
    region = pen.around(opening)
    inside, lids = pen.mask(opening, region), pen.canvas.copy()
    pen.fill(opening, (236, 234, 230))
    _draw_iris(pen, person, x)
    lids[region] = np.round(pen.canvas[region] * inside + lids[region] * (1 - inside)).astype(np.uint8)
    pen.canvas[:] = lids
    pen.line(upper, _shade(person.hair, 0.6), 0.026)
    pen.line(lower, _shade(person.skin, 0.52), 0.012)
    pen.line(upper - np.array([0, 0.035]), _shade(person.skin, 0.6), 0.012)
    if actions.lower_lid > 0.2:
        pen.line(lower + np.array([0, 0.04]), _shade(person.skin, 0.66), 0.011)


def _draw_iris(pen: _Pen, person: Identity, x: float) -> None:
    y, radius = _EYE_Y - 0.008, 0.052 * person.eye_size
    pen.fill(_ellipse(x, y, radius, radius), _shade(person.iris, 0.7))
    pen.fill(_ellipse(x, y, 0.78 * radius, 0.78 * radius), person.iris)
    pen.fill(_ellipse(x, y, 0.42 * radius, 0.42 * radius), (12, 10, 10))
    pen.fill(_ellipse(x - 0.3 * radius, y - 0.35 * radius, 0.2 * radius, 0.2 * radius), (250, 250, 250))


def _draw_brow(pen: _Pen, person: Identity, actions: Actions, side: int) -> None:
    """A tapering brow; frowning also creases the skin between the brows."""
    centre, reach = 0.185 * person.eye_distance, 0.135
    y = _EYE_Y - 0.165
    inner = (side * (centre - reach - 0.015 * min(0, actions.brow_inner)), y + 0.015 - 0.075 * actions.brow_inner)
    outer = (side * (centre + reach), y + 0.02 - 0.065 * actions.brow_outer)
    middle = (side * (centre + 0.03), y - 0.05 - 0.04 * (actions.brow_inner + actions.brow_outer))
    path, thick = _curve(inner, middle, outer), 0.026 * person.brow_thickness
    taper = thick * np.linspace(1.0, 0.35, len(path))[:, None] * (0, 1)
    pen.fill(np.vstack([path - taper, (path + taper)[::-1]]), _shade(person.hair, 0.9))
    if actions.brow_inner < -0.2:
        crease = _curve((side * 0.035, y - 0.02), (side * 0.025, y + 0.03), (side * 0.035, y + 0.08))
        pen.line(crease, _shade(person.skin, 0.58), 0.014 * min(1, -actions.brow_inner))


def _draw_nose(pen: _Pen, person: Identity, actions: Actions) -> None:
    """Wings, nostrils and the shadow below; a wrinkled nose is shorter, wider and creased."""
    wrinkle = max(0.0, actions.nose_wrinkle)
    tip, wing = 0.17 * person.nose_length - 0.025 * wrinkle, 0.075 + 0.012 * wrinkle
    dark = _shade(person.skin, 0.55)
    pen.stain(0, tip + 0.03, 0.075, 0.03, dark, 0.55)
    pen.stain(0, tip - 0.03, 0.03, 0.03, (255, 248, 240), 0.35)
    for side in (-1, 1):
        pen.line(_curve((side * wing, tip - 0.04), (side * 1.35 * wing, tip + 0.02), (side * 0.6 * wing, tip + 0.025)),
                 dark, 0.013)  # fmt: skip
        pen.fill(_ellipse(side * 0.036, tip + 0.015, 0.017, 0.01), _shade(person.skin, 0.32))
        fold = max(wrinkle, 0.8 * actions.cheek, 0.0)
        if fold > 0.15:
            start, end = (side * 1.4 * wing, tip - 0.01), (side * 0.235, _MOUTH_Y - 0.03)
            pen.line(_curve(start, (side * 0.2, tip + 0.04), end), _shade(person.skin, 0.88 - 0.26 * fold), 0.014)
        for step in range(3 if wrinkle > 0.3 else 0):
            y = _EYE_Y + 0.02 + 0.04 * step
            pen.line(_curve((side * 0.02, y), (side * 0.055, y - 0.025)), _shade(person.skin, 1 - 0.3 * wrinkle), 0.01)


def _draw_mouth(pen: _Pen, person: Identity, actions: Actions, speaking: float) -> None:
    """Lips, and between them teeth and the dark of the mouth when they part."""
    half = 0.155 * person.mouth_width * (1 + 0.28 * actions.mouth_width - 0.12 * speaking)
    gap = 0.13 * max(0.0, actions.mouth_open) + 0.075 * speaking
    corner_y = _MOUTH_Y + 0.3 * gap - 0.062 * actions.mouth_corner
    raised = 0.05 * actions.upper_lip
    lip = 0.036 * person.lip_thickness * (1 - 0.65 * actions.lips_pressed)
    bend = 0.045 * actions.mouth_corner  # a smile hangs between its corners
    top = _MOUTH_Y - 0.25 * gap + bend - raised
    bottom = _MOUTH_Y + 1.35 * gap + bend - 0.5 * raised * (gap == 0)
    left, right = (-half, corner_y), (half, corner_y)

    def across(y: float, dip: float = 0.0) -> np.ndarray:
        """A curve from corner to corner whose middle passes near y; dip lowers its very middle (the lip's bow)."""
        path = _curve(left, (-0.45 * half, y + (y - corner_y) / 3), (0.45 * half, y + (y - corner_y) / 3), right)
        return path + dip * np.exp(-((np.linspace(-1, 1, len(path))[:, None] / 0.22) ** 2)) * (0, 1)

    inner_top, inner_bottom = across(top), across(bottom)
    outer_top, outer_bottom = across(top - 1.1 * lip, 0.3 * lip), across(bottom + 1.5 * lip)
    pen.fill(np.vstack([outer_top, outer_bottom[::-1]]), person.lips)
    pen.fill(np.vstack([outer_top, inner_top[::-1]]), _shade(person.lips, 0.82))
    pen.fill(np.vstack([inner_top, inner_bottom[::-1]]), (58, 22, 24))
    if gap > 0.02:
        teeth = np.minimum(inner_top + np.array([0, min(0.035, 0.45 * gap)]), inner_bottom)
        pen.fill(np.vstack([inner_top, teeth[::-1]]), (232, 228, 220))
    pen.line(inner_top, _shade(person.lips, 0.45), 0.012)


def _draw_fringe(pen: _Pen, person: Identity) -> None:
    """Hair over the forehead, inside a slightly grown head outline."""
    w, h = person.head_width, person.head_height
    top = _HEAD_Y - 0.70 * h
    crown = _curve((-0.5 * w, -0.1), (-0.56 * w, top - 0.22), (0.56 * w, top - 0.22), (0.5 * w, -0.1))
    if person.hair_style == "short":
        brow = _curve((0.46 * w, -0.2), (0.3 * w, -0.52 * h), (-0.3 * w, -0.52 * h), (-0.46 * w, -0.2))
    elif person.hair_style == "side":
        brow = _curve((0.46 * w, -0.15), (0.42 * w, -0.62 * h), (-0.1 * w, -0.42 * h), (-0.46 * w, -0.28))
    elif person.hair_style == "bob":
        brow = _curve((0.44 * w, 0.0), (0.4 * w, -0.44 * h), (-0.4 * w, -0.44 * h), (-0.44 * w, 0.0))
    else:
        brow = np.vstack([_curve((0.45 * w, 0.1), (0.36 * w, -0.42 * h), (0.04 * w, -0.56 * h)),
                          _curve((0.04 * w, -0.56 * h), (-0.36 * w, -0.42 * h), (-0.45 * w, 0.1))])  # fmt: skip
    pen.fill(np.vstack([crown, brow]), person.hair)
    shine = _curve((-0.3 * w, top + 0.12), (-0.15 * w, top + 0.02), (0.15 * w, top + 0.03))
    pen.line(shine, _shade(person.hair, 1.5), 0.02)
