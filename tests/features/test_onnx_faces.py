"""Expression networks in ONNX files, made here, against their preparation by hand."""

import json

import cv2
import numpy as np
import pytest
from onnx_networks import linear_faces, write_network

from semiser.demo.clips import write_clip
from semiser.demo.faces import draw_face, random_identity
from semiser.demo.sound import SAMPLE_RATE_HZ
from semiser.features.expression import Expression
from semiser.features.face_track import face_track
from semiser.features.family import Source
from semiser.features.onnx_faces import our_classes
from semiser.needs import families_without_network
from semiser.options.face_features import ExpressionOptions, TrackOptions
from semiser.options.onnx import FaceOnnxOptions
from semiser.shards.task import family_facts

HSEMOTION = ["Anger", "Contempt", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise"]
FACE_API = ["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"]
WALL = np.full((160, 160, 3), 150, np.uint8)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Seven sampled frames: three faces, two walls, two other faces."""
    pytest.importorskip("onnxruntime")
    root = tmp_path_factory.mktemp("clips")
    first, second = (draw_face(name, random_identity(3), size=160) for name in ("anger", "surprise"))
    write_clip(
        root / "v.mp4",
        [first] * 15 + [WALL] * 12 + [second] * 13,
        np.zeros(SAMPLE_RATE_HZ * 40 // 25, np.float32),
    )
    return Source({"video_path": "v.mp4", "audio_path": "v.mp4", "start_s": None, "end_s": None}, root)


def family_of(file, **onnx) -> Expression:
    return Expression(ExpressionOptions(onnx={"model": file, **onnx}))


def found_faces(source, size, colour):
    """The faces that were found at the network's size, (N, size, size, channels) float64."""
    made = []
    for frame in face_track(source, TrackOptions()):
        if frame.found:
            crop = cv2.resize(frame.crop, (size, size), interpolation=cv2.INTER_AREA)
            made.append(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[..., None] if colour == "grey" else crop)
    return np.stack(made).astype(np.float64)


def softmax(scores):
    shares = np.exp(scores - scores.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def test_a_network_like_ferplus_grey_up_to_255_one_face_at_a_time(source, tmp_path):
    names = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]
    weight = linear_faces(tmp_path / "fer.onnx", 1, 16, 8, batch=1) / 50
    linear = weight * 50
    options = {"classes": names, "table": {"contempt": None}, "colour": "grey", "value_range": (0, 255), "std": [50]}
    (row,) = (family := family_of(tmp_path / "fer.onnx", **options)).rows(source)
    each = softmax(found_faces(source, 16, "grey").reshape(-1, 256) / 50 @ linear)[:, :7]
    expected = (each / each.sum(1, keepdims=True)).mean(0)
    np.testing.assert_allclose(row["expression"], expected, atol=1e-5)
    assert json.loads(family.fields()[0].metadata[b"names"]) == names[:7]
    assert row["frames_pooled"] == len(each) and row["frames"] > len(each)


def test_a_network_like_hsemotion_rgb_scaled_by_imagenets_statistics(source, tmp_path):
    weight = linear_faces(tmp_path / "hs.onnx", 3, 20, 8)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    (row,) = family_of(tmp_path / "hs.onnx", classes=HSEMOTION, mean=tuple(mean), std=tuple(std)).rows(source)
    prepared = ((found_faces(source, 20, "rgb") / 255 - mean) / std).transpose(0, 3, 1, 2).reshape(-1, 1200)
    np.testing.assert_allclose(row["expression"], softmax(prepared @ weight).mean(0), atol=1e-5)


def test_a_network_like_face_api_channels_last_bgr_and_probabilities(source, tmp_path):
    weight = linear_faces(tmp_path / "fa.onnx", 3, 20, 7, nhwc=True, softmax=True)
    options = {"classes": FACE_API, "colour": "bgr", "layout": "nhwc", "value_range": (-1, 1)}
    family = family_of(tmp_path / "fa.onnx", scores="probabilities", **options)
    (row,) = family.rows(source)
    prepared = (found_faces(source, 20, "rgb")[..., ::-1] / 127.5 - 1).reshape(-1, 1200)
    np.testing.assert_allclose(row["expression"], softmax(prepared @ weight).mean(0), atol=1e-5)
    assert json.loads(family.fields()[0].metadata[b"names"])[1:4] == ["happiness", "sadness", "anger"]


def test_several_classes_may_be_one_of_ours():
    options = FaceOnnxOptions(model="x.onnx", classes=["happy", "laughing", "sad"], table={"laughing": "happiness"})
    assert our_classes(options) == {"happiness": [0, 1], "sadness": [2]}


def test_the_hash_and_the_table_and_not_the_place_are_in_the_fingerprint(source, tmp_path):
    linear_faces(tmp_path / "a.onnx", 3, 16, 8)
    (tmp_path / "b.onnx").write_bytes((tmp_path / "a.onnx").read_bytes())
    facts = [family_facts(family_of(tmp_path / name, classes=HSEMOTION)) for name in ("a.onnx", "b.onnx")]
    assert facts[0] == facts[1] != family_facts(family_of(tmp_path / "a.onnx", classes=HSEMOTION, table={"Fear": None}))
    assert "model" not in facts[0]["options"]["onnx"] and len(facts[0]["options"]["onnx"]["model_sha256"]) == 64
    with pytest.raises(ValueError, match=r"features\.expression\.onnx\.model: the hash must be 00, not"):
        family_of(tmp_path / "a.onnx", classes=HSEMOTION, model_sha256="00")


@pytest.mark.parametrize(
    "options, said",
    [
        ({"classes": FACE_API}, r"classes names 7, and of one face the network gives \(8,\) scores"),
        (
            {"classes": HSEMOTION, "colour": "grey"},
            r"takes \(any, 3, 16, 16\), and the options make \(any, 1, 16, 16\)",
        ),
        ({"classes": HSEMOTION, "input_size": 32}, r"options make \(any, 3, 32, 32\) \(pictures, c, h, w\)"),
        ({"classes": HSEMOTION, "layout": "nhwc"}, r"options make \(any, 3, 3, 3\) \(pictures, h, w, c\)"),
        ({"classes": HSEMOTION, "scores": "probabilities"}, r"they are no probabilities, give logits"),
        ({"classes": HSEMOTION, "output": "other"}, r"output: .* has no output other: it has scores"),
    ],
)
def test_what_does_not_fit_is_refused(source, tmp_path, options, said):
    linear_faces(tmp_path / "a.onnx", 3, 16, 8)
    with pytest.raises(ValueError, match=said):
        list(family_of(tmp_path / "a.onnx", **options).rows(source))


def test_unknown_words_and_damaged_files_are_refused(source, tmp_path):
    linear_faces(tmp_path / "a.onnx", 3, 16, 2)
    with pytest.raises(
        ValueError, match=r"classes: Zest is no emotion known here: say in .*table .* \{Zest: happiness"
    ):
        family_of(tmp_path / "a.onnx", classes=["Zest", "happy"])
    (tmp_path / "b.onnx").write_bytes(b"no network")
    with pytest.raises(ValueError, match=r"b\.onnx cannot be loaded by onnxruntime"):
        list(family_of(tmp_path / "b.onnx", classes=["sad", "happy"]).rows(source))
    with pytest.raises(FileNotFoundError, match=r"features\.expression\.onnx\.model: there is no file"):
        family_of(tmp_path / "c.onnx", classes=["sad", "happy"])


def test_weights_in_another_file_are_refused(source, tmp_path):
    onnx = pytest.importorskip("onnx")
    linear_faces(tmp_path / "a.onnx", 3, 16, 2)
    onnx.save(
        onnx.load(tmp_path / "a.onnx"), tmp_path / "b.onnx", save_as_external_data=True, location="w", size_threshold=0
    )
    assert (tmp_path / "w").exists()
    with pytest.raises(ValueError, match=r"b\.onnx cannot be loaded .* with all its weights in it"):
        list(family_of(tmp_path / "b.onnx", classes=["sad", "happy"]).rows(source))


def test_two_inputs_are_refused(source, tmp_path):
    nodes = [("Add", ["a", "b"], "c", {})]
    write_network(tmp_path / "a.onnx", nodes, {"a": [1, 2], "b": [1, 2]}, {"c": [1, 2]}, {})
    with pytest.raises(ValueError, match=r"must take one input of numbers, it takes a: tensor\(float\) \[1, 2\], b"):
        list(family_of(tmp_path / "a.onnx", classes=["sad", "happy"]).rows(source))


def test_without_the_extra_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("semiser.features.onnx_network.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"features\.expression\.onnx needs .* pip install 'semiser\[onnx\]'"):
        family_of(tmp_path / "a.onnx", classes=["sad", "happy"])


def test_one_network_is_enough_and_two_are_too_many():
    onnx = {"model": "a.onnx", "classes": ["sad", "happy"]}
    assert families_without_network({"features": {"extract": ["expression"], "expression": {"onnx": onnx}}}) == []
    with pytest.raises(ValueError, match="weights and onnx are both given"):
        ExpressionOptions(weights="x", onnx=onnx)
    with pytest.raises(ValueError, match="table names zest, which is none of classes: sad, happy"):
        FaceOnnxOptions(**onnx, table={"zest": None})
