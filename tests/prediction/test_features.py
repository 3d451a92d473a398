"""Features of new utterances: layouts of columns, utterances that a family has no value for, statistics in blocks."""

import json
from importlib.metadata import version

import numpy as np
import pyarrow as pa
import pytest
import torch
from helpers import committed

from semiser.corpora.utterance import UTTERANCES_SCHEMA
from semiser.data.samples import read_samples
from semiser.data.scaling import Scaler
from semiser.errors import Unusable
from semiser.features.family import Family
from semiser.features.registry import make_families
from semiser.folds.rows import FoldRows
from semiser.options.engine import EngineOptions
from semiser.options.family import FamilyOptions
from semiser.options.features import FeaturesOptions
from semiser.prediction.features import Block, ComputedFeatures, InProcess, make_family, with_places
from semiser.prediction.scaling import choose_strategies, own_statistics, scale_bands
from semiser.prediction.sources import Sources


class Vector(Family):
    """Two rows of 2 x 3 values per utterance, none for the utterance named `quiet`."""

    name, version, inputs = "vector", 1, ("audio_path",)

    def fields(self):
        return [pa.field("vector", pa.list_(pa.float32(), 6), metadata={"shape": "[2, 3]"})]

    def rows(self, source):
        if "quiet" in source.row["utterance_id"]:
            raise Unusable("no voice")
        for number in range(2):
            yield {"vector": np.arange(6) + 10 * number + len(source.row["audio_path"])}


class Frames(Family):
    """As many frames of width 2 as the path has letters, flat; and the same as a list of vectors."""

    name, version, inputs = "frames", 1, ("audio_path",)

    def fields(self):
        shape = json.dumps((None, 2))
        return [
            pa.field("flat", pa.list_(pa.float32()), metadata={"shape": shape}),
            pa.field("listed", pa.list_(pa.list_(pa.float32(), 2))),
            pa.field("count", pa.int32()),
            pa.field("times", pa.list_(pa.float64()), metadata={"shape": "T"}),
        ]

    def rows(self, source):
        values = np.arange(2 * len(source.row["audio_path"]), dtype=np.float32).reshape(-1, 2)
        yield {"flat": values, "listed": list(values), "count": len(values), "times": values[:, 0]}


class Faces(Vector):
    name, requires = "faces", "video_path"


def _sources(root, *names):
    rows = [{"utterance_id": f"input/{name}", "corpus": "input", "audio_path": name} for name in names]
    return Sources(pa.Table.from_pylist(rows, UTTERANCES_SCHEMA), [], root)


def test_all_layouts_of_a_column_become_matrices(tmp_path):
    families = [Vector(FamilyOptions()), Frames(FamilyOptions())]
    found = ComputedFeatures(families, _sources(tmp_path, "abc", "a", "quiet"), tmp_path / "store", EngineOptions())
    (block,) = found.blocks({"vector": "vector", **dict.fromkeys(("flat", "listed", "count", "times"), "frames")})
    assert [row["audio_path"] for row in block.rows] == ["a", "abc"]
    np.testing.assert_array_equal(block.features["vector"][0], [[[1, 2, 3], [4, 5, 6]], [[11, 12, 13], [14, 15, 16]]])
    for column in ("flat", "listed"):
        assert [values.shape for values in block.features[column]] == [(1, 2), (3, 2)]
        np.testing.assert_array_equal(block.features[column][1], [[0, 1], [2, 3], [4, 5]])
    assert [values.tolist() for values in block.features["count"]] == [[1], [3]]
    assert [values.tolist() for values in block.features["times"]] == [[0], [0, 2, 4]]
    ((row, reason),) = found.refused({"input/a", "input/abc"})
    assert (row["audio_path"], reason) == ("quiet", "vector: no voice")


def test_more_than_a_shard_comes_in_blocks_by_id(tmp_path):
    names = [f"{number:03d}" for number in range(120)]
    engine = EngineOptions(workers=1)
    family = Vector(FamilyOptions())
    family.pool = "threads"
    found = ComputedFeatures([family], _sources(tmp_path, *reversed(names)), tmp_path / "store", engine)
    blocks = list(found.blocks({"vector": "vector"}))
    assert [len(block.rows) for block in blocks] == [50, 50, 20]
    assert [row["audio_path"] for block in blocks for row in block.rows] == names


def test_a_shard_at_most_needs_no_worker(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr("semiser.prediction.features.make_engine", lambda engine: made.append(engine) or InProcess())
    for count, wanted in ((49, 0), (50, 0), (51, 1)):
        names = [f"{number:03d}" for number in range(count)]
        ComputedFeatures([Vector(FamilyOptions())], _sources(tmp_path, *names), tmp_path / str(count), EngineOptions())
        assert len(made) == wanted


def test_a_modality_that_nothing_has_is_the_reason_of_every_row(tmp_path):
    families = [Vector(FamilyOptions()), Faces(FamilyOptions())]
    found = ComputedFeatures(families, _sources(tmp_path, "a", "b"), tmp_path / "store", EngineOptions())
    assert list(found.blocks({"vector": "vector"})) == []
    assert [reason for _, reason in found.refused(set())] == ["faces needs video_path, which nothing here has"] * 2


def test_statistics_are_kept_apart_by_speaker():
    rows = [{"speaker_id": name} for name in ("a", None, "a")]
    features = {"x": [np.full((1, 2), value) for value in (1.0, 5.0, 3.0)]}
    found = own_statistics([Block(rows, features, [[], [], []])], ["x"])
    assert found["a"]["x"].mean.tolist() == [2, 2] and found["a"]["x"].std.tolist() == [1, 1]
    assert found[None]["x"].mean.tolist() == [5, 5] and found[None]["x"].std.tolist() == [0, 0]
    raised = own_statistics([Block(rows, features, [[], [], []])], ["x"], least_std=0.5)
    assert raised["a"]["x"].std.tolist() == [1, 1] and raised[None]["x"].std.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    "by_speaker, expected",
    [(True, {"a": "speaker", "b": "training", None: "input"}), (False, dict.fromkeys(("a", "b", None), "training"))],
)
def test_who_brings_statistics(by_speaker, expected):
    assert choose_strategies(["a", "a", "b", None, None], by_speaker, min_utterances=2) == expected


def test_a_cards_options_take_the_places_of_this_machine_and_nothing_else():
    trained = FeaturesOptions(
        dface={"weights": "/there/dface", "weights_sha256": "abc", "track": {"yunet_model": "/there/yunet.onnx"}},
        valence={"ntusd": {"positive": "/there/p", "negative": "/there/n"}},
    )
    here = FeaturesOptions(
        dface={"weights": "here/dface", "corpora": ["x"], "track": {"yunet_model": "here/yunet.onnx", "step_s": 0.5}},
        valence={"ntusd": {"positive": "here/p", "negative": "here/n"}},
    )
    card = {name: getattr(trained, name).model_dump(mode="json") for name in ("dface", "valence")}
    assert "there" not in json.dumps(card)
    dface = with_places(card["dface"], here.dface)
    assert (dface["weights"], dface["weights_sha256"]) == ("here/dface", "abc")
    assert dface["track"] == card["dface"]["track"] | {"yunet_model": "here/yunet.onnx"}
    assert "corpora" not in dface
    assert with_places(card["valence"], here.valence)["ntusd"] == {"positive": "here/p", "negative": "here/n"}
    assert with_places(card["valence"], None) == card["valence"]


def test_a_family_whose_files_nobody_names_is_asked_for():
    facts = {"family": "dface", "version": 1, "options": {"weights_sha256": "abc"}, "libraries": {}}
    with pytest.raises(ValueError, match=r"features\.dface has no network: let .* or features\.dface\.weights"):
        make_family(facts, FeaturesOptions(), "")


def test_files_that_training_did_not_have_are_refused(tmp_path):
    """A detector of one's own changes the faces, and so what a model that was trained without it sees."""
    model = tmp_path / "yunet.onnx"
    model.write_bytes(b"a detector")
    family = make_families(("face_track",), FeaturesOptions(extract=["face_track"]))["face_track"]
    facts = {"family": "face_track", "version": family.version, "options": family.options.model_dump(mode="json")}
    assert make_family(facts, FeaturesOptions(), "").options == family.options
    here = FeaturesOptions(face_track={"track": {"yunet_model": str(model)}})
    with pytest.raises(ValueError, match=r"features\.face_track: the files named here make other options \(track\)"):
        make_family(facts, here, "")


@pytest.mark.parametrize("trained_with, said", [(version("soundfile"), False), ("0.0", True)])
def test_another_version_of_a_library_is_said(trained_with, said, caplog):
    family = make_families(("fbank",), FeaturesOptions(extract=["fbank"]))["fbank"]
    facts = {"family": "fbank", "version": family.version, "options": family.options.model_dump(mode="json")}
    make_family({**facts, "libraries": {"soundfile": trained_with}}, FeaturesOptions(), "")
    assert ("fbank: trained with soundfile 0.0, computed now with" in caplog.text) == said


def test_samples_that_are_trained_on_say_which_family_made_them(tmp_path):
    family = Vector(FamilyOptions())
    computed = ComputedFeatures([family], _sources(tmp_path, "a", "b"), tmp_path / "store", EngineOptions())
    (receipt,) = computed._receipts.values()
    samples = read_samples({"vector": committed(receipt, tmp_path).dataset()}, ["input/a", "input/b"])
    assert samples.families == {"vector": {"family": "vector", "version": 1, "options": {}, "libraries": {}}}
    rows = FoldRows(
        np.arange(2), np.array(["train", "test"]), ["x", None], np.array(["c", "c"]), np.array(["a", "b"]), ("x",)
    )
    _, provenance = samples.of_fold(rows, torch.device("cpu"))
    assert provenance.families == samples.families


def test_matrices_are_scaled_by_the_bands_of_any_axis():
    """Two rows of 2 bands x 3 frames; a band's statistics are over rows and frames."""
    values = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    found = own_statistics([Block([{"speaker_id": "a"}], {"x": [values]}, [[]])], ["x"], band_axis=0)["a"]["x"]
    assert found.mean.tolist() == [4, 7]  # of 0 1 2 6 7 8 and of 3 4 5 9 10 11
    scaled = scale_bands(values, found, band_axis=0)
    assert scaled.shape == (2, 2, 3)
    np.testing.assert_allclose(scaled[:, 1], (values[:, 1] - 7) / found.std[1], rtol=1e-6)
    frames = scale_bands(values[0], Scaler(np.array([0.0, 0, 1]), np.array([1.0, 1, 2])), band_axis=-1)
    np.testing.assert_allclose(frames, [[0, 1, 0.5], [3, 4, 2]])
