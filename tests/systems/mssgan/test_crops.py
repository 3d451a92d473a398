import json

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from semiser.systems.mssgan.crops import average, frame_count, middle_rows, read_crops, require_frames
from semiser.systems.mssgan.options import CropOptions

FRAMES = CropOptions(frames=16, kept_frames=20)


def audio(lengths: dict[str, int]) -> pa.dataset.Dataset:
    """Two bands: the frame's number, and the same plus 100."""
    values = [(np.arange(n)[:, None] + [0, 100]).astype(np.float32).ravel() for n in lengths.values()]
    field = pa.field("fbank", pa.list_(pa.float32()), metadata={"shape": json.dumps((None, 2))})
    schema = pa.schema([pa.field("utterance_id", pa.string()), field])
    return pa.dataset.dataset(pa.table([pa.array(list(lengths)), pa.array(values)], schema=schema))


def faces(times: dict[str, list[float]]) -> pa.dataset.Dataset:
    """Three values, all of them the picture's number."""
    pictures = [[[float(n)] * 3 for n in range(len(of_one))] for of_one in times.values()]
    return pa.dataset.dataset(
        pa.table(
            {
                "utterance_id": list(times),
                "dface": pa.array(pictures, pa.list_(pa.list_(pa.float32(), 3))),
                "frame_time_s": list(times.values()),
            }
        )
    )


def utterances(**seconds: float) -> pa.Table:
    names = list(seconds)
    columns = {"utterance_id": names, "audio_path": names, "duration_s": list(seconds.values())}
    nothing = dict.fromkeys(("start_s", "end_s", "video_start_s", "video_end_s"), pa.nulls(len(names), pa.float64()))
    return pa.table(columns | {"video_path": names} | nothing)


@pytest.mark.parametrize(
    "frames, kept, rows",
    [
        (10, 4, [3, 4, 5, 6]),
        (9, 4, [2, 3, 4, 5]),
        (4, 4, [0, 1, 2, 3]),
        (2, 6, [0, 0, 0, 1, 1, 1]),  # the ends are repeated
        (1, 3, [0, 0, 0]),
    ],
)
def test_the_middle_of_an_utterance(frames, kept, rows):
    assert middle_rows(frames, kept).tolist() == rows


def test_audio_is_cut_to_its_middle_or_padded_with_its_ends():
    found = read_crops({"fbank": audio({"a": 40, "b": 18})}, utterances(b=0.2, a=0.4), FRAMES)
    assert found.x["fbank"].shape == (2, 20, 2) and found.utterance.tolist() == [0, 1]
    assert found.x["fbank"][0, :, 0].tolist() == [0, *range(18), 17]
    assert found.x["fbank"][1, :, 1].tolist() == list(range(110, 130))


def test_a_face_is_seen_at_every_audio_frame_from_its_picture_to_the_next():
    table = faces({"a": [0.0, 0.24, 0.48], "b": [0.07]})
    # 48 frames fit into 0.495 s; the middle 20 begin with frame 14
    found = read_crops({"dface": table}, utterances(a=0.495, b=0.5), FRAMES)
    assert found.x["dface"].shape == (2, 20, 3)
    assert found.x["dface"][0, :, 0].tolist() == [0] * 10 + [1] * 10
    assert (found.x["dface"][1] == 0).all()


def test_audio_and_faces_are_cut_at_the_same_place():
    tables = {"fbank": audio({"a": 48}), "dface": faces({"a": [round(n * 0.01, 2) for n in range(48)]})}
    found = read_crops(tables, utterances(a=0.495), FRAMES).x
    assert found["fbank"][0, :, 0].tolist() == found["dface"][0, :, 0].tolist() == list(range(14, 34))


def test_an_utterance_in_a_longer_video_is_as_long_as_its_bounds_say():
    table = utterances(a=0.3, b=99.0)
    for name, values in (("video_start_s", [None, 7.0]), ("video_end_s", [None, 8.0])):
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values))
    found = [frame_count(row) for row in table.to_pylist()]
    assert found == [28, 98]  # 1 + (0.300 - 0.025) / 0.010 and 1 + (1 - 0.025) / 0.010


def test_neighbouring_frames_and_bands_are_averaged():
    values = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    assert average(values, 2, 2).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]
    assert average(values, 1, 1) is values
    with pytest.raises(ValueError, match=r"crop\.bands_averaged must divide the 4 bands, not be 3"):
        average(values, 1, 3)


def test_an_utterance_without_faces_is_named():
    with pytest.raises(KeyError, match="1 utterances have no dface, the first is b"):
        read_crops({"dface": faces({"a": [0.0]})}, utterances(a=0.5, b=0.5), FRAMES)


def matrix(frames: dict[str, int], of: int = 30) -> pa.dataset.Dataset:
    """Matrices of `of` frames x 2, the last of which hold sound: the frame's number from 1, and the same plus 100."""
    values = [np.concatenate([np.zeros((of - n, 2)), np.arange(1, n + 1)[:, None] + [0, 100]]) for n in frames.values()]
    field = pa.field(
        "stft", pa.list_(pa.float32(), of * 2), metadata={"shape": f"[{of}, 2]", "axes": '["frame", "bin"]'}
    )
    schema = pa.schema([pa.field("utterance_id", pa.string()), pa.field("frames", pa.int32()), field])
    flat = pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate(values).ravel(), pa.float32()), of * 2)
    return pa.dataset.dataset(pa.table([list(frames), pa.array(frames.values(), pa.int32()), flat], schema=schema))


def test_matrices_of_a_fixed_length_are_cut_where_they_hold_sound():
    found = read_crops({"stft": matrix({"a": 24, "b": 18})}, utterances(b=0.2, a=0.25), FRAMES).x["stft"]
    assert found[0, :, 0].tolist() == [1, *range(1, 19), 18]
    assert found[1, :, 1].tolist() == list(range(103, 123))


def test_what_no_crops_are_cut_of_is_refused_with_what_fits():
    vectors = pa.dataset.dataset(pa.table({"utterance_id": ["a"], "speech_encoder": [[1.0]]}))
    with pytest.raises(
        ValueError, match=r"as one vector per utterance: set features\.speech_encoder\.pooling to frames"
    ):
        require_frames({"speech_encoder": vectors})
    other, seen = matrix({"a": 9}), faces({"a": [0.0]})
    require_frames({"stft": other})
    with pytest.raises(
        ValueError, match=r"frames of stft are cut to a fixed length: beside faces they must lie 10 ms apart"
    ):
        require_frames({"stft": other, "dface": seen})


@pytest.mark.parametrize(
    ("stated", "options", "found"),
    [("0.02", {}, "lie 20 ms apart"), (None, {"step_ms": 5.0}, "lie 5 ms apart"), (None, {}, "that is not said"),
     ("0.01", {}, None), (None, {"step_ms": 10.0}, None)],
)  # fmt: skip
def test_frames_beside_faces_lie_10_ms_apart(tmp_path, stated, options, found):
    metadata = {"shape": "[null, 2]"} | ({"step_s": stated} if stated else {})
    field = pa.field("x", pa.list_(pa.float32()), metadata=metadata)
    schema = pa.schema([pa.field("utterance_id", pa.string()), pa.field("frames", pa.int32()), field])
    facts = json.dumps({"family": "x", "version": 1, "options": options})
    table = pa.Table.from_pylist([{"utterance_id": "a", "frames": 1, "x": [0.0, 1.0]}], schema)
    pq.write_table(table.replace_schema_metadata({"semiser": facts}), tmp_path / "x.parquet")
    tables = {"x": pa.dataset.dataset(tmp_path / "x.parquet"), "dface": faces({"a": [0.0]})}
    require_frames({"x": tables["x"]})
    if found is None:
        require_frames(tables)
        return
    with pytest.raises(ValueError, match=f"frames of x .*{found}: beside faces they must lie 10 ms apart"):
        require_frames(tables)
