import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from semiser.demo.clips import write_clip
from semiser.demo.sound import SAMPLE_RATE_HZ
from semiser.errors import Unusable
from semiser.faces.network import build_expression_network, load_expression_network, to_input
from semiser.features.expression import Expression, pool_probabilities, stack_faces
from semiser.features.face_track import face_track
from semiser.features.family import Source
from semiser.options.face_features import EXPRESSIONS, ExpressionOptions, MobileNetOptions, TrackOptions
from semiser.options.training import TrainingOptions
from semiser.shards.store import ShardFolder
from semiser.shards.task import family_facts, table_schema
from semiser.training.run import TrainingRun

TINY = MobileNetOptions(input_size=32, stem_channels=4, stages=((1, 4, 1, 1),), last_channels=8, divisor=4)
WALL = np.full((160, 160, 3), 150, np.uint8)


def save_network(folder, seed: int = 0):
    """An untrained network with marked probabilities, as `train_expression` would leave it."""
    torch.manual_seed(seed)
    network = build_expression_network(TINY, len(EXPRESSIONS))
    torch.nn.init.normal_(network.classifier[1].weight, std=3)
    card = {"network": TINY.model_dump(mode="json"), "classes": EXPRESSIONS, "num_features": network.num_features}
    run = TrainingRun(folder, seed, TrainingOptions(accelerator="cpu"), "k")
    run.save_model(network.state_dict(), card)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_network(tmp_path_factory.mktemp("network"))


def family_of(weights, **changes) -> Expression:
    return Expression(ExpressionOptions(weights=str(weights), **changes))


def test_probabilities_are_averaged_and_normalised():
    pooled = pool_probabilities(np.array([[0.2, 0.8], [0.6, 0.4]], np.float32))
    np.testing.assert_allclose(pooled, [0.4, 0.6], rtol=1e-6)
    np.testing.assert_allclose(pool_probabilities(np.array([[0.1, 0.3]])), [0.25, 0.75])
    assert pooled.dtype == np.float32


def test_faces_become_one_tensor_of_the_networks_size():
    crops = [np.full((50, 50, 3), (10, 20, 30), np.uint8), np.full((8, 8, 3), (200, 100, 50), np.uint8)]
    faces = stack_faces(crops, 16, 3)
    assert faces.shape == (2, 3, 16, 16) and faces.dtype == np.uint8
    assert faces.mean((2, 3)).tolist() == [[10, 20, 30], [200, 100, 50]]
    assert stack_faces(crops, 16, 1).shape == (2, 1, 16, 16)


def test_the_row_pools_the_frames_in_which_the_face_was_found(face_source, weights):
    (row,) = family_of(weights).rows(face_source)

    track = face_track(face_source, TrackOptions())
    assert [frame.found for frame in track] == [True] * 3 + [False] * 2 + [True] * 4
    found = [frame.crop for frame in track if frame.found]
    network, _ = load_expression_network(weights)
    with torch.no_grad():
        each = torch.cat([network(to_input(torch.from_numpy(stack_faces([crop], 32, 3)))).softmax(1) for crop in found])
    np.testing.assert_allclose(row["expression"], each.mean(0).numpy(), atol=1e-6)
    assert row["expression"].sum() == pytest.approx(1, abs=1e-6)
    assert (row["frames_pooled"], row["frames"]) == (7, 9)


def test_a_batch_gives_what_single_utterances_give(face_source, weights):
    family = family_of(weights, batch=2)
    shorter = Source({**face_source.row, "start_s": 0.0, "end_s": 0.6}, face_source.root)
    sources = (face_source, shorter)
    for one, row in zip(sources, family.compute([family.prepare(one) for one in sources]), strict=True):
        (alone,) = family.rows(one)
        np.testing.assert_allclose(row["expression"], alone["expression"], atol=1e-5)
        assert row["frames"] == alone["frames"]


def test_the_table_names_the_classes(face_source, weights, tmp_path):
    family = family_of(weights)
    shards = ShardFolder(str(tmp_path))
    with shards.shard("tiny/00000", table_schema(family), {"key": "k"}) as writer:
        writer.add({"utterance_id": "tiny/v", **next(family.rows(face_source))})

    stored = pq.read_table(tmp_path / "tiny/00000-k.parquet")
    assert json.loads(stored.schema.field("expression").metadata[b"names"]) == list(EXPRESSIONS)
    assert len(stored["expression"][0]) == 7
    assert stored["frames_pooled"].to_pylist() == [7]


def test_the_weights_hash_and_not_their_place_is_in_the_fingerprint(weights, tmp_path):
    same, other = save_network(tmp_path / "same"), save_network(tmp_path / "other", seed=1)
    facts = [family_facts(family_of(folder)) for folder in (weights, same, other)]
    assert facts[0] == facts[1] != facts[2]
    assert "weights" not in facts[0]["options"]
    with pytest.raises(ValueError, match=r"features.expression.weights: the hash must be"):
        family_of(other, weights_sha256=facts[0]["options"]["weights_sha256"])


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"features.expression.weights: there is no file .*model.safetensors"):
        family_of(tmp_path)


def test_an_utterance_without_a_face_is_unusable(weights, tmp_path):
    write_clip(tmp_path / "v.mp4", [WALL] * 12, np.zeros(SAMPLE_RATE_HZ // 2, np.float32))
    row = {"video_path": "v.mp4", "audio_path": "v.mp4", "start_s": None, "end_s": None}
    with pytest.raises(Unusable, match="no face in 2 frames"):
        list(family_of(weights).rows(Source(row, tmp_path)))
