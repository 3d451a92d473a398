import hashlib

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from semiser.demo.clips import write_clip
from semiser.demo.faces import Pose, draw_face, random_identity
from semiser.demo.sound import SAMPLE_RATE_HZ
from semiser.errors import Unusable
from semiser.faces.crop import Face, crop_face, resize_face
from semiser.features import face_track as module
from semiser.features.face_track import (
    FaceTrack,
    HaarDetector,
    align_to_audio,
    checked_hash,
    face_track,
    find_largest,
    haar_square,
    track_faces,
    video_bounds,
    yunet_square,
)
from semiser.features.family import Source
from semiser.media.video import sample_frames
from semiser.options.face_features import FaceTrackOptions, TrackOptions
from semiser.shards.store import ShardFolder
from semiser.shards.task import table_schema

WALL = np.full((160, 160, 3), 150, np.uint8)


def face_at(x: float = 0.0, y: float = 0.0, scale: float = 1.0, size: int = 160) -> np.ndarray:
    return draw_face("happiness", random_identity(3), pose=Pose(x=x, y=y, scale=scale), size=size)


def frames_of(*pictures: np.ndarray) -> list[tuple[float, np.ndarray]]:
    return [(0.24 * number, picture) for number, picture in enumerate(pictures)]


def scripted(*found: list[Face]):
    """A detector that finds what is written, frame after frame."""
    script = iter(found)
    return lambda picture: next(script)


def test_both_detectors_give_one_square_about_their_own_centre():
    # Haar: 107 / 1.07 = 100 about (153.5, 153.5); YuNet: 0.95 x (80 + 120) / 2 = 95 about (140, 160)
    haar = haar_square(np.array([100.0, 100, 107, 107]), 12)
    yunet = yunet_square(np.array([100.0, 100, 80, 120]), 0.9)
    assert (haar.x_px, haar.y_px, haar.side_px, haar.score) == pytest.approx((103.5, 103.5, 100, 12))
    assert (yunet.x_px, yunet.y_px, yunet.side_px, yunet.score) == pytest.approx((92.5, 112.5, 95, 0.9))


@pytest.mark.parametrize("size", [160, 480])
def test_haar_finds_the_drawn_face_where_it_is(size):
    face = find_largest(face_at(x=0.1, y=-0.05, scale=0.9, size=size), HaarDetector(TrackOptions()))
    half = size / 2
    centre = face.x_px + face.side_px / 2, face.y_px + face.side_px / 2
    assert centre == pytest.approx((1.1 * half, (0.95 + 0.9 * 0.047) * half), abs=0.06 * half)
    assert face.side_px == pytest.approx(0.9 * 1.03 * half, rel=0.2)
    assert face.score >= 5


def test_haar_finds_none_on_a_wall_and_none_below_the_smallest_size():
    small = cv2.resize(face_at(), (40, 40), interpolation=cv2.INTER_AREA)
    picture = WALL.copy()
    picture[20:60, 20:60] = small
    assert find_largest(WALL, HaarDetector(TrackOptions())) is None
    assert find_largest(picture, HaarDetector(TrackOptions(min_side_share=0.5))) is None


def test_a_side_sees_only_its_half_and_reports_in_the_whole_frame():
    picture = np.hstack([face_at(scale=0.8), face_at()])
    detect = HaarDetector(TrackOptions())
    left, right, either = (find_largest(picture, detect, side) for side in ("left", "right", None))
    assert left.x_px + left.side_px / 2 == pytest.approx(80, abs=8)
    assert right.x_px + right.side_px / 2 == pytest.approx(240, abs=8)
    assert either.x_px + either.side_px / 2 == pytest.approx(240, abs=8)  # the larger one


def test_the_previous_square_serves_where_none_is_found():
    first, last = Face(10, 20, 30, 9), Face(50, 60, 40, 7)
    pictures = [np.full((120, 160, 3), value, np.uint8) for value in (10, 20, 30, 40, 50)]

    track = track_faces(frames_of(*pictures), scripted([], [first], [], [], [last]))

    assert [frame.face for frame in track] == [None, first, first, first, last]
    assert [frame.found for frame in track] == [False, True, False, False, True]
    assert track[0].crop is None
    assert [int(frame.crop.mean()) for frame in track[1:]] == [20, 30, 40, 50]  # old square, new picture
    assert [frame.crop.shape for frame in track[1:]] == [(30, 30, 3)] * 3 + [(40, 40, 3)]
    assert {(frame.width_px, frame.height_px) for frame in track} == {(160, 120)}


def test_the_largest_face_wins_and_ties_are_settled():
    small, large, twin = Face(0, 0, 30, 90), Face(50, 0, 40, 5), Face(10, 0, 40, 5)
    assert find_largest(WALL, scripted([small, large])) == large
    assert find_largest(WALL, scripted([large, twin])) == twin == find_largest(WALL, scripted([twin, large]))


@pytest.mark.parametrize("side, end", [(None, "no face in 2 frames"), ("left", r"frames \(their left half\)")])
def test_a_video_without_a_face_is_unusable(side, end):
    with pytest.raises(Unusable, match=end):
        track_faces(frames_of(WALL, WALL), HaarDetector(TrackOptions()), side)


def test_a_crop_keeps_its_pixels_and_repeats_the_edge():
    frame = np.arange(36, dtype=np.uint8).reshape(6, 6, 1).repeat(3, axis=2)
    inside = crop_face(frame, Face(1, 2, 3, 1), 3, grey=True)
    np.testing.assert_array_equal(inside, [[13, 14, 15], [19, 20, 21], [25, 26, 27]])
    corner = crop_face(frame, Face(-1, -1, 3, 1), 3, grey=False)
    np.testing.assert_array_equal(corner[..., 0], [[0, 0, 1], [0, 0, 1], [6, 6, 7]])
    halved = crop_face(frame, Face(0, 0, 2, 1), 1, grey=True)
    assert halved.tolist() == [[round((0 + 1 + 6 + 7) / 4)]]


def test_a_scaled_square_keeps_its_centre_and_large_crops_are_reduced():
    assert Face(10, 20, 40, 1).scaled(1.5) == Face(0, 10, 60, 1)
    picture = np.zeros((400, 400, 3), np.uint8)
    (frame,) = track_faces(frames_of(picture), scripted([Face(0, 0, 300, 1)]), crop_scale=1.2)
    assert frame.crop.shape == (224, 224, 3)
    assert frame.face.side_px == 300
    assert resize_face(frame.crop, 64, grey=True).shape == (64, 64)


def test_audio_frames_take_the_latest_picture():
    frames = np.array([0.24, 0.48, 0.72])
    audio = np.array([0.0, 0.23, 24 * 0.01, 0.47, 0.48, 0.9])
    assert align_to_audio(frames, audio).tolist() == [0, 0, 0, 0, 1, 2]
    assert np.bincount(align_to_audio(np.arange(5) * 0.24, np.arange(96) * 0.01)).tolist() == [24, 24, 24, 24]


@pytest.mark.parametrize(
    "row, expected",
    [
        ({"video_path": "v", "audio_path": "v"}, (None, None)),
        ({"video_path": "v", "audio_path": "v", "start_s": 1.0, "end_s": 2.0}, (1.0, 2.0)),
        ({"video_path": "v", "audio_path": "a", "start_s": 1.0, "end_s": 2.0}, (None, None)),
        ({"video_path": "v", "audio_path": "a", "video_start_s": 3.0, "video_end_s": 4.0, "end_s": 2.0}, (3.0, 4.0)),
    ],
)
def test_the_bounds_of_an_utterance_in_its_video(row, expected):
    assert video_bounds(row) == expected


@pytest.fixture(scope="module")
def clip_root(tmp_path_factory):
    """Two seconds: a face for a second, a wall for a half, a face again."""
    root = tmp_path_factory.mktemp("clips")
    pictures = [face_at()] * 25 + [WALL] * 12 + [face_at(x=0.05)] * 13
    write_clip(root / "v.mp4", pictures, np.zeros(2 * SAMPLE_RATE_HZ, np.float32))
    return root


def source_of(root, **row) -> Source:
    return Source({"video_path": "v.mp4", "audio_path": "v.mp4", "start_s": None, "end_s": None} | row, root)


def test_the_family_follows_a_video_and_its_table_keeps_the_rows(clip_root, tmp_path):
    family = FaceTrack(FaceTrackOptions())
    rows = list(family.rows(source_of(clip_root)))

    assert [row["frame_time_s"] for row in rows] == [0.0, 0.24, 0.48, 0.72, 0.96, 1.2, 1.44, 1.68, 1.92]
    assert [row["found"] for row in rows] == [True] * 5 + [False] * 2 + [True] * 2
    assert rows[5]["x_px"] == rows[4]["x_px"] and rows[5]["score"] is None
    assert rows[8]["x_px"] == pytest.approx(rows[0]["x_px"] + 4, abs=4)

    shards = ShardFolder(str(tmp_path / "face_track"))
    with shards.shard("tiny/00000", table_schema(family), {"key": "k"}) as writer:
        for row in rows:
            writer.add({"utterance_id": "tiny/v", **row})
    stored = pq.read_table(tmp_path / "face_track/tiny/00000-k.parquet")
    assert stored["found"].to_pylist() == [row["found"] for row in rows]
    assert stored["score"].null_count == 2
    assert stored.schema.field("score").metadata[b"unit"].startswith(b"Haar: accepted windows")


def test_times_count_from_the_utterances_start(clip_root):
    rows = list(FaceTrack(FaceTrackOptions()).rows(source_of(clip_root, start_s=0.5, end_s=1.0)))
    assert [row["frame_time_s"] for row in rows] == [0.0, 0.24, 0.48]
    with pytest.raises(Unusable, match="no face in 2 frames"):
        list(FaceTrack(FaceTrackOptions()).rows(source_of(clip_root, start_s=1.05, end_s=1.4)))


def test_an_utterance_without_a_video_is_unusable(tmp_path):
    with pytest.raises(Unusable, match="no video"):
        face_track(source_of(tmp_path, video_path=None), TrackOptions())


def test_families_of_one_pass_share_the_track_and_its_failure(clip_root, monkeypatch):
    opened = []
    monkeypatch.setattr(module, "sample_frames", lambda path, *rest: opened.append(path) or sample_frames(path, *rest))
    source, failing = source_of(clip_root), source_of(clip_root, video_path="none.mp4")

    assert face_track(source, TrackOptions()) is face_track(source, TrackOptions())
    for _ in range(2):
        with pytest.raises(Unusable, match="cannot be opened"):
            face_track(failing, TrackOptions())
    face_track(source, TrackOptions(step_s=0.5))

    assert [path.name for path in opened] == ["v.mp4", "none.mp4", "v.mp4"]


def test_a_model_file_counts_by_its_hash_and_not_by_its_place(tmp_path):
    content = b"not really a network"
    for place in ("a.onnx", "b.onnx"):
        (tmp_path / place).write_bytes(content)
    options = [TrackOptions(yunet_model=str(tmp_path / place)) for place in ("a.onnx", "b.onnx")]
    dumps = [FaceTrack(FaceTrackOptions(track=track)).options.model_dump() for track in options]

    assert dumps[0] == dumps[1]
    assert dumps[0]["track"]["yunet_sha256"] == hashlib.sha256(content).hexdigest()
    assert "yunet_model" not in dumps[0]["track"]
    with pytest.raises(ValueError, match="cannot be loaded as a YuNet model"):
        module.make_detector(options[0])


def test_a_missing_or_wrong_file_is_named(tmp_path):
    (tmp_path / "w").write_bytes(b"x")
    with pytest.raises(FileNotFoundError, match=r"weights: there is no file .*none"):
        checked_hash([tmp_path / "none"], None, "weights")
    with pytest.raises(ValueError, match="weights: the hash must be 00, not 2d711642"):
        checked_hash([tmp_path / "w"], "00", "weights")


@pytest.mark.corpora
@pytest.mark.parametrize("name, step_s, frames", [("pyfeat_single_face", 0.24, 10), ("pyfeat_pexels", 0.72, 28)])
def test_real_faces_are_found_in_at_least_95_of_100_frames(shared_corpora, name, step_s, frames):
    # the long clip in steps of 0.72 s to save time; benchmarks/face_track.py takes every 0.24 s
    source = source_of(shared_corpora.parent / "clips", video_path=f"{name}.mp4")
    track = face_track(source, TrackOptions(step_s=step_s))
    assert len(track) == frames
    assert sum(frame.found for frame in track) >= 0.95 * frames


@pytest.mark.corpora
def test_no_face_is_invented_in_a_title_card(shared_corpora):
    with pytest.raises(Unusable, match="no face in 17 frames"):
        face_track(source_of(shared_corpora.parent / "clips", video_path="pyfeat_no_face.mp4"), TrackOptions())


@pytest.mark.corpora
@pytest.mark.parametrize("cut, reason", [(0.6, "not readable as video"), (0.0, "empty file")])
def test_a_damaged_real_clip_has_a_stated_outcome(shared_corpora, tmp_path, cut, reason):
    data = (shared_corpora.parent / "clips/pyfeat_single_face.mp4").read_bytes()
    (tmp_path / "v.mp4").write_bytes(data[: int(cut * len(data))])
    with pytest.raises(Unusable, match=reason):
        face_track(source_of(tmp_path), TrackOptions())
