"""Face tracks: the largest face in the frames of an utterance, sampled every 0.24 s (CMKT; MSSGAN, Section IV-B).

One convention for all detectors: a face is a square of about the side that SeetaFace (MSSGAN's detector) gives. A Haar
square is 1.07 times as large, and the square is 0.95 times the mean of a YuNet box's width and height; the centre stays
the detector's own.

Alignment with audio: frame times are seconds from the utterance's start on a regular grid, the same clock as the audio
frames'. `align_to_audio` gives every audio frame the latest picture at or before its time, as a viewer would see it,
so a picture is repeated for `step_s / hop` audio frames; audio before the first face takes the first face.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import cv2.data
import numpy as np
import pyarrow as pa

from semiser.errors import Unusable
from semiser.faces.crop import Face, cut_face, resize_face
from semiser.features.family import Family, Source
from semiser.media.video import sample_frames
from semiser.options.face_features import FaceTrackOptions, TrackOptions

# Columns of `utterances` that decide what the frames of an utterance are.
VIDEO_COLUMNS = (
    "video_path", "video_side", "video_start_s", "video_end_s", "video_bytes", "video_modified_ns",
    "audio_path", "start_s", "end_s",
)  # fmt: skip
_HAAR_CASCADES = ("haarcascade_frontalface_alt2.xml", "haarcascade_frontalface_default.xml")
_HAAR_SIDE, _YUNET_SIDE = 1 / 1.07, 0.95
_MAX_CROP_PX = 224  # a track keeps its cut-out faces: larger ones would only fill memory


class TrackedFrame(NamedTuple):
    """One sampled frame.

    Attributes:
        time_s: seconds from the utterance's start.
        face: found here, or carried over from the frame before; None before the first face.
        found: the face was found in this very frame.
        crop: the face, square RGB uint8 of at most 224 pixels a side; None where `face` is.
        width_px, height_px: size of the upright frame.
    """

    time_s: float
    face: Face | None
    found: bool
    crop: np.ndarray | None
    width_px: int
    height_px: int


class Detector(Protocol):
    """Finds faces in a picture: (height, width, 3) uint8 RGB -> squares, in any order."""

    def __call__(self, picture: np.ndarray) -> list[Face]: ...


class HaarDetector:
    """OpenCV's frontal Haar cascade `alt2`, and `default` where that finds nothing, on an equalised grey picture.

    Source of the constants: 313 of 323 faces and no wrong largest box on ten real clips.
    """

    def __init__(self, options: TrackOptions):
        cv2.setNumThreads(1)  # the shard map already fills the processors
        self._options = options
        self._cascades = [cv2.CascadeClassifier(cv2.data.haarcascades + name) for name in _HAAR_CASCADES]

    def __call__(self, picture: np.ndarray) -> list[Face]:
        """See `Detector`."""
        small, factor = _shrink(picture, self._options.long_side_px)
        grey = cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
        smallest = round(self._options.min_side_share * min(grey.shape))
        for cascade in self._cascades:
            boxes, windows = cascade.detectMultiScale2(
                grey, scaleFactor=1.1, minNeighbors=5, minSize=(smallest, smallest)
            )
            if len(boxes):
                squares = np.asarray(boxes, float) * factor
                return [haar_square(box, count) for box, count in zip(squares, windows, strict=True)]
        return []


class YuNetDetector:
    """OpenCV's YuNet with a model file of the user."""

    def __init__(self, options: TrackOptions, model: str):
        cv2.setNumThreads(1)
        self._options = options
        try:
            self._net = cv2.FaceDetectorYN.create(model, "", (320, 320), options.yunet_min_score)
        except cv2.error as error:
            raise ValueError(
                f"track.yunet_model: {model} cannot be loaded as a YuNet model by OpenCV "
                f"{cv2.__version__} ({error.err}); give a face_detection_yunet_*.onnx, or null for the Haar cascades"
            ) from error

    def __call__(self, picture: np.ndarray) -> list[Face]:
        """See `Detector`."""
        small, factor = _shrink(picture, self._options.long_side_px)
        height, width = small.shape[:2]
        self._net.setInputSize((width, height))
        _, rows = self._net.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        rows = np.empty((0, 15)) if rows is None else rows
        tall_enough = rows[rows[:, 2:4].max(axis=1) >= self._options.min_side_share * min(height, width)]
        return [yunet_square(row[:4] * factor, row[14]) for row in tall_enough]


def haar_square(box: np.ndarray, windows: float) -> Face:
    """The square of a Haar box (x, y, width, height)."""
    return _square(box, _HAAR_SIDE * box[2], windows)


def yunet_square(box: np.ndarray, confidence: float) -> Face:
    """The square of a YuNet box (x, y, width, height)."""
    return _square(box, _YUNET_SIDE * (box[2] + box[3]) / 2, confidence)


def _square(box: np.ndarray, side: float, score: float) -> Face:
    x, y = box[0] + (box[2] - side) / 2, box[1] + (box[3] - side) / 2
    return Face(float(x), float(y), float(side), float(score))


def _shrink(picture: np.ndarray, long_side: int) -> tuple[np.ndarray, float]:
    """The picture with at most that long side, and the factor from its pixels back to the original's."""
    factor = max(picture.shape[:2]) / long_side
    if factor <= 1:
        return picture, 1.0
    size = round(picture.shape[1] / factor), round(picture.shape[0] / factor)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA), factor


@cache
def make_detector(options: TrackOptions) -> Detector:
    """This process's detector for the options."""
    return YuNetDetector(options, options.yunet_model) if options.yunet_model else HaarDetector(options)


def find_largest(frame: np.ndarray, detect: Detector, side: str | None = None) -> Face | None:
    """The largest face of a frame, or of its left or right half; None where there is none.

    Args:
        frame: (height, width, 3) uint8 RGB.
        detect: finds faces.
        side: `left`, `right` or None: IEMOCAP's pictures show two people side by side.
    """
    middle = frame.shape[1] // 2
    first = middle if side == "right" else 0
    faces = detect(frame[:, first : middle if side == "left" else None])
    if not faces:
        return None
    largest = max(faces, key=lambda face: (face.side_px, face.score, -face.x_px, -face.y_px))
    return replace(largest, x_px=largest.x_px + first)


def track_faces(
    frames: Iterable[tuple[float, np.ndarray]], detect: Detector, side: str | None = None, crop_scale: float = 1.0
) -> list[TrackedFrame]:
    """Follow the largest face; where a frame shows none, the previous frame's square serves (MSSGAN, Section IV-B).

    Frames before the first face have none: the paper says nothing of them, and nothing is made up.

    Args:
        frames: times in seconds and pictures (height, width, 3) uint8 RGB.
        detect: finds faces.
        side: half of the pictures to look at, see `find_largest`.
        crop_scale: side of the cut-out as a multiple of the square's.

    Raises:
        Unusable: no frame, or no face in any of them.
    """
    track: list[TrackedFrame] = []
    face: Face | None = None
    for time_s, frame in frames:
        here = find_largest(frame, detect, side)
        face = here or face
        crop = _keep(cut_face(frame, face.scaled(crop_scale))) if face else None
        track.append(TrackedFrame(time_s, face, here is not None, crop, frame.shape[1], frame.shape[0]))
    if face is None:
        raise Unusable(f"no face in {len(track)} frames" + (f" (their {side} half)" if side else ""))
    return track


def _keep(crop: np.ndarray) -> np.ndarray:
    return crop if crop.shape[0] <= _MAX_CROP_PX else resize_face(crop, _MAX_CROP_PX, grey=False)


def face_track(source: Source, options: TrackOptions) -> list[TrackedFrame]:
    """The face track of an utterance, made once for all families that ask with the same options.

    Raises:
        Unusable: the utterance has no video, the video cannot be decoded, or it shows no face.
    """
    return source.once(("face_track", options), lambda: _track_source(source, options))


def _track_source(source: Source, options: TrackOptions) -> list[TrackedFrame]:
    row = source.row
    if not row.get("video_path"):
        raise Unusable("the utterance has no video (video_path is empty)")
    start_s, end_s = video_bounds(row)
    frames = sample_frames(source.root / row["video_path"], options.step_s, start_s, end_s)
    since_start = ((time_s - (start_s or 0.0), frame) for time_s, frame in frames)
    return track_faces(since_start, make_detector(options), row.get("video_side"), options.crop_scale)


def video_bounds(row: Any) -> tuple[float | None, float | None]:
    """Start and end of an utterance in its video, in seconds; both None where the whole file is the utterance.

    `video_start_s` and `video_end_s` say it; without them the audio's bounds hold where both are one file.
    """
    if row.get("video_end_s") is not None:
        return row.get("video_start_s") or 0.0, row["video_end_s"]
    if row.get("end_s") is not None and row.get("video_path") == row.get("audio_path"):
        return row.get("start_s") or 0.0, row["end_s"]
    return None, None


def align_to_audio(frame_times_s: np.ndarray, audio_times_s: np.ndarray) -> np.ndarray:
    """The visual frame that belongs to each audio frame: the latest at or before it, else the first.

    Args:
        frame_times_s: rising times of the visual frames, in seconds from the utterance's start, (V,).
        audio_times_s: times of the audio frames on the same clock, for instance n * 0.010 s, (A,).

    Returns:
        Numbers of visual frames, (A,) int64.
    """
    slack = 1e-6  # 24 * 0.01 lies below 0.24
    return np.maximum(np.searchsorted(frame_times_s, np.asarray(audio_times_s) + slack, side="right") - 1, 0)


def with_model_hash(options: TrackOptions) -> TrackOptions:
    """The options with the hash of the YuNet model, so that other weights make another fingerprint."""
    if options.yunet_model is None:
        return options
    sha256 = checked_hash([Path(options.yunet_model)], options.yunet_sha256, "track.yunet_model")
    return options.model_copy(update={"yunet_sha256": sha256})


def checked_hash(paths: Iterable[Path], expected: str | None, option: str) -> str:
    """SHA-256 of files laid end to end.

    Args:
        paths: the files.
        expected: the hash that the options insist on; None takes any.
        option: its name, for the error.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the hash is not the expected one.
    """
    digest = hashlib.sha256()
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{option}: there is no file {path}; train or fetch it first, or mend the option")
        digest.update(path.read_bytes())
    if expected and digest.hexdigest() != expected.lower():
        raise ValueError(f"{option}: the hash must be {expected}, not {digest.hexdigest()}: mend the file or the hash")
    return digest.hexdigest()


class FaceTrack(Family[FaceTrackOptions]):
    """The `face_track` table: one row per sampled frame."""

    name = "face_track"
    version = 1
    inputs = VIDEO_COLUMNS
    requires = "video_path"
    pool = "processes"
    libraries = ("av", "opencv-python-headless")

    def __init__(self, options: FaceTrackOptions):
        super().__init__(options.model_copy(update={"track": with_model_hash(options.track)}))

    def fields(self) -> list[pa.Field]:
        score = "YuNet: confidence" if self.options.track.yunet_model else "Haar: accepted windows"
        corner = {"unit": "pixels of the upright frame; null before the first face"}
        return [
            pa.field("frame_time_s", pa.float64(), metadata={"unit": "seconds from the utterance's start"}),
            pa.field("found", pa.bool_(), metadata={"meaning": "false: carried over from the frame before"}),
            pa.field("x_px", pa.float32(), metadata=corner),
            pa.field("y_px", pa.float32(), metadata=corner),
            pa.field("side_px", pa.float32(), metadata=corner),
            pa.field("score", pa.float32(), metadata={"unit": f"{score}; null where not found"}),
            pa.field("frame_width_px", pa.int32()),
            pa.field("frame_height_px", pa.int32()),
        ]

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        for frame in face_track(source, self.options.track):
            face = frame.face
            yield {
                "frame_time_s": round(frame.time_s, 6),
                "found": frame.found,
                "x_px": face and face.x_px,
                "y_px": face and face.y_px,
                "side_px": face and face.side_px,
                "score": face.score if face and frame.found else None,
                "frame_width_px": frame.width_px,
                "frame_height_px": frame.height_px,
            }
