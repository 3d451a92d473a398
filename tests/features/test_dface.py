import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from semiser.demo.clips import write_clip
from semiser.demo.faces import draw_face, random_identity
from semiser.demo.sound import SAMPLE_RATE_HZ
from semiser.faces.network import build_expression_network, load_expression_network, to_input
from semiser.features.dface import Dface
from semiser.features.expression import stack_faces
from semiser.features.face_track import face_track
from semiser.features.family import Source
from semiser.options.face_features import EXPRESSIONS, DenseNetOptions, DfaceOptions, TrackOptions
from semiser.options.training import TrainingOptions
from semiser.shards.store import ShardFolder
from semiser.shards.task import table_schema
from semiser.training.run import TrainingRun

TINY = DenseNetOptions(input_size=64, depth=10, growth=4)  # 9 features
WALL = np.full((160, 160, 3), 150, np.uint8)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    network = build_expression_network(TINY, len(EXPRESSIONS))
    folder = tmp_path_factory.mktemp("network")
    card = {"network": TINY.model_dump(mode="json"), "classes": EXPRESSIONS, "num_features": network.num_features}
    TrainingRun(folder, 0, TrainingOptions(accelerator="cpu"), "k").save_model(network.state_dict(), card)
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Seven sampled frames: two walls, three faces, a wall, a face."""
    root = tmp_path_factory.mktemp("clips")
    face = draw_face("fear", random_identity(4), size=160)
    pictures = [WALL] * 12 + [face] * 18 + [WALL] * 6 + [face] * 4
    write_clip(root / "v.mp4", pictures, np.zeros(SAMPLE_RATE_HZ * len(pictures) // 25, np.float32))
    return Source({"video_path": "v.mp4", "audio_path": "v.mp4", "start_s": None, "end_s": None}, root)


def family_of(weights) -> Dface:
    return Dface(DfaceOptions(weights=str(weights)))


def test_a_vector_per_frame_from_the_first_face_on(source, weights):
    (row,) = family_of(weights).rows(source)

    assert row["frame_time_s"] == [0.48, 0.72, 0.96, 1.2, 1.44]
    values = np.stack(row["dface"])
    assert values.shape == (5, 9) and values.dtype == np.float32
    crops = [frame.crop for frame in face_track(source, TrackOptions()) if frame.face]
    network, _ = load_expression_network(weights)
    with torch.no_grad():
        maps = network.stages(network.stem(to_input(torch.from_numpy(stack_faces(crops, 64, 1)))))
        expected = torch.relu(network.norm(maps)).flatten(2).mean(-1)
    np.testing.assert_allclose(values, expected.numpy(), atol=1e-5)
    assert np.abs(values[3] - values[2]).max() > 1e-3  # the carried-over square shows the wall


def test_tracks_of_any_length_stand_in_one_table(source, weights, tmp_path):
    family = family_of(weights)
    shorter = Source({**source.row, "start_s": 0.5, "end_s": 1.1}, source.root)
    shards = ShardFolder(str(tmp_path))
    with shards.shard("tiny/00000", table_schema(family), {"key": "k"}) as writer:
        for name, each in (("a", source), ("b", shorter)):
            writer.add({"utterance_id": f"tiny/{name}", **next(family.rows(each))})

    stored = pq.read_table(tmp_path / "tiny/00000-k.parquet")
    assert [len(track) for track in stored["dface"].to_pylist()] == [5, 3]
    first = next(family.rows(source))["dface"]
    np.testing.assert_array_equal(np.array(stored["dface"][0].as_py(), np.float32), np.stack(first))
    field = stored.schema.field("dface")
    assert field.type.value_type.list_size == 9
    assert field.metadata[b"shape"] == b"T x 9"


def test_a_batch_gives_what_single_utterances_give(source, weights):
    family = Dface(DfaceOptions(weights=str(weights), batch=3))
    shorter = Source({**source.row, "start_s": 0.5, "end_s": 1.1}, source.root)
    for one, row in zip(
        (source, shorter), family.compute([family.prepare(one) for one in (source, shorter)]), strict=True
    ):
        (alone,) = family.rows(one)
        np.testing.assert_allclose(np.stack(row["dface"]), np.stack(alone["dface"]), atol=1e-5)
        assert row["frame_time_s"] == alone["frame_time_s"]


def test_the_standard_network_gives_342_values(tmp_path):
    network = build_expression_network(DenseNetOptions(), 8)
    card = {"network": DenseNetOptions().model_dump(mode="json"), "classes": list("abcdefgh"),
            "num_features": network.num_features}  # fmt: skip
    TrainingRun(tmp_path, 0, TrainingOptions(accelerator="cpu"), "k").save_model(network.state_dict(), card)
    assert family_of(tmp_path).fields()[0].type.value_type.list_size == 342
