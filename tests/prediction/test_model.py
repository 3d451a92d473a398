"""Prediction by a trained model: what comes out for files of every kind, and that it is what training gave."""

import csv
import json
import logging
import shutil
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import committed, resaved, utterances_of, voice, write_wav

import semiser
from semiser.data.streamed import read_vectors
from semiser.features.registry import make_families
from semiser.folds.make import make_folds
from semiser.folds.options import FoldOptions
from semiser.options.engine import EngineOptions
from semiser.options.features import FeaturesOptions, ShardOptions
from semiser.options.modalities import ATTRIBUTES
from semiser.options.training import ScalingOptions, TrainingOptions
from semiser.prediction.features import InProcess
from semiser.prediction.loaded import Loaded, Step
from semiser.shards.extract import extract
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd.options import MmdOptions, MmmdOptions
from semiser.training.experiment import experiment_on, run_variant


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three speakers, two emotions told apart by pitch; MMD on voice (functionals, pooled frames) and topic."""
    folder = tmp_path_factory.mktemp("trained")
    for speaker in "abc":
        for number in range(6):
            pitch_hz = 220 if number % 2 else 110
            signal = voice(0.5, pitch_hz=pitch_hz + number, seed=10 * ord(speaker) + number)
            write_wav(folder / "corpus" / speaker / f"{number}.wav", signal)
    utterances = utterances_of(folder / "corpus")
    emotions = ["happiness" if int(name[-1]) % 2 else "sadness" for name in utterances["utterance_id"].to_pylist()]
    place = utterances.column_names.index("emotion")
    utterances = utterances.set_column(place, utterances.schema.field("emotion"), pa.array(emotions))
    names = ("is10", "fbank", "social")
    families = make_families(names, FeaturesOptions(extract=names))
    roots = {"tiny": str(folder / "corpus")}
    receipts = extract(families.values(), str(folder / "features"), utterances, roots, InProcess(), ShardOptions())
    tables = {}
    for name, column in (("is10", "is10"), ("fbank", "fbank"), ("social", "query_topic")):
        tables[column] = committed(receipts[name], folder).dataset()
    protocol = {"kind": "leave_one_speaker_out"}
    folds = make_folds(utterances, FoldOptions(experiment="tiny", corpora=["tiny"], protocol=protocol))
    models, scaling = str(folder / "models"), ScalingOptions(strategy="speaker")
    read = partial(read_vectors, tables, folds=folds, scaling=scaling, as_is=ATTRIBUTES, pooling=("mean", "std"))
    experiment = experiment_on(folds, utterances, read, models)
    options = MmmdOptions(network=MmdOptions(hidden=(8, 4), pooled=16, epochs=3, batch_size=6, learning_rate=0.01))
    found = run_variant(experiment, "mmd", mmmd.fit, options, TrainingOptions(accelerator="cpu"))
    return folder, found.predictions, [{"pipeline": "", **row} for row in found.models]


@pytest.fixture(scope="module")
def card(trained):
    return trained[0] / "models" / trained[2][0]["folder"] / "card.json"


def _write_manifest(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["audio_path", "speaker_id", "query_topic"], restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def _probabilities(table, classes):
    return np.stack([table[f"probability/{name}"].to_numpy() for name in classes], axis=1)


def test_a_tested_speaker_gets_the_probabilities_that_training_gave(trained, card):
    folder, predictions, _ = trained
    model = semiser.load(card)
    fold = predictions.filter(pa.compute.equal(predictions["fold"], 0)).sort_by("utterance_id")
    names = [name.removeprefix("tiny/") for name in fold["utterance_id"].to_pylist()]
    rows = [{"audio_path": f"{name}.wav", "speaker_id": "a"} for name in names]
    found = model.predict(_write_manifest(folder / "corpus/tested.csv", rows), min_utterances=6)
    assert found["path"].to_pylist() == [row["audio_path"] for row in rows]
    assert found["prediction"].to_pylist() == fold["prediction"].to_pylist()
    np.testing.assert_allclose(
        _probabilities(found, model.classes), np.stack(fold["probabilities"].to_numpy(zero_copy_only=False)), atol=1e-5
    )
    assert set(found["scaling"].to_pylist()) == {"speaker"}
    assert set(found["reason"].to_pylist()) == {None}


def test_what_a_manifest_does_not_say_is_zeros_and_named(trained, card):
    folder = trained[0]
    rows = [{"audio_path": "a/0.wav", "query_topic": "Joke"}, {"audio_path": "a/1.wav"}]
    found = semiser.load(card).predict(_write_manifest(folder / "corpus/topics.csv", rows))
    assert found["missing"].to_pylist() == [None, "query_topic"]


def test_every_file_of_a_folder_has_a_row_and_what_is_unusable_a_reason(trained, card, tmp_path, caplog):
    shutil.copy(trained[0] / "corpus/b/0.wav", tmp_path / "good.wav")
    write_wav(tmp_path / "below" / "short.wav", voice(0.05))
    (tmp_path / "empty.wav").touch()
    (tmp_path / "notes.txt").write_text("not speech")
    (tmp_path / "gone.wav").symlink_to("nowhere")
    (tmp_path / ".hidden.wav").touch()
    (tmp_path / "linked").symlink_to("below")
    (tmp_path / "circle").symlink_to(tmp_path)
    with caplog.at_level(logging.WARNING):
        found = semiser.load(card).predict(tmp_path)
    reasons = dict(zip(found["path"].to_pylist(), found["reason"].to_pylist(), strict=True))
    assert reasons == {
        "below/short.wav": "is10: 0.050 s of audio: IS10 needs at least 0.1 s",
        "empty.wav": "empty file (0 bytes)",
        "gone.wav": "cannot be opened: No such file or directory",
        "good.wav": None,
        "linked/short.wav": "is10: 0.050 s of audio: IS10 needs at least 0.1 s",
        "notes.txt": "not an audio or video file by its name (.txt)",
    }
    assert found["prediction"].null_count == 5
    assert np.isclose(_probabilities(found, ("happiness", "sadness"))[3].sum(), 1)
    assert "5 of 6 inputs have no prediction" in caplog.text
    assert "1 utterances, whose speaker has fewer than 5 here, are scaled by the training's" in caplog.text


def test_one_file_is_enough_and_a_broken_one_is_a_row(trained, card, tmp_path):
    good = semiser.load(card).predict(trained[0] / "corpus/b/0.wav")
    assert good["path"].to_pylist() == ["0.wav"] and good["scaling"].to_pylist() == ["training"]
    (tmp_path / "bad.wav").write_bytes(b"RIFF but no more")
    bad = semiser.load(card).predict(tmp_path / "bad.wav")
    assert len(bad) == 1 and bad["prediction"].to_pylist() == [None]
    assert bad["reason"][0].as_py().startswith("not readable as wav")


def test_utterances_without_speaker_are_scaled_together_from_min_utterances_on(trained, card, caplog):
    folder = trained[0] / "corpus/c"
    with caplog.at_level(logging.WARNING):
        together = semiser.load(card).predict(folder, min_utterances=6)
    assert set(together["scaling"].to_pylist()) == {"input"}
    assert "6 utterances name no speaker and are scaled together, as of one" in caplog.text
    named = _write_manifest(folder / "c.csv", [{"audio_path": f"{n}.wav", "speaker_id": "c"} for n in range(6)])
    alone = semiser.load(card).predict(named, min_utterances=6)
    (folder / "c.csv").unlink()
    for name in ("happiness", "sadness"):  # all of them are of one speaker, so it is the same scaling
        np.testing.assert_allclose(
            together[f"probability/{name}"].to_numpy(), alone[f"probability/{name}"].to_numpy(), atol=1e-6
        )


def test_a_speaker_with_too_few_utterances_is_scaled_as_if_alone(trained, card):
    folder = trained[0] / "corpus/c"
    rows = [{"audio_path": f"{number}.wav", "speaker_id": "c"} for number in range(2)]
    found = semiser.load(card).predict(_write_manifest(folder / "two.csv", rows), min_utterances=3)
    (folder / "two.csv").unlink()
    alone = [semiser.load(card).predict(folder / f"{number}.wav") for number in range(2)]
    assert found["scaling"].to_pylist() == ["training", "training"]
    wanted = np.concatenate([_probabilities(one, ("happiness", "sadness")) for one in alone])
    np.testing.assert_allclose(_probabilities(found, ("happiness", "sadness")), wanted, rtol=0, atol=1e-6)


def test_a_model_scales_by_speaker_where_one_of_its_steps_does():
    plain, own = Step(), Step(by_speaker=True)
    by_speaker = [Loaded(("a",), ("x",), steps, np.zeros).by_speaker for steps in ((plain,), (plain, own))]
    assert by_speaker == [False, True]


def test_features_in_a_store_are_not_computed_again(trained, card, tmp_path, caplog):
    model = semiser.load(card)
    first = model.predict(trained[0] / "corpus/b", store=tmp_path)
    (shard,) = tmp_path.glob("is10/*/input/00000-*.parquet")
    made = shard.stat().st_mtime_ns
    with caplog.at_level(logging.INFO):
        again = model.predict(trained[0] / "corpus/b", store=tmp_path)
    assert "is10: 1 of 1 shards are complete" in caplog.text
    assert shard.stat().st_mtime_ns == made and again.equals(first)
    content = bytearray(shard.read_bytes())
    content[len(content) // 3] ^= 0xFF
    shard.write_bytes(content)
    assert model.predict(trained[0] / "corpus/b", store=tmp_path).equals(first)
    assert "is damaged and is computed again" in caplog.text


def test_a_store_may_be_a_link_to_a_folder_and_nothing_else(trained, card, tmp_path):
    (tmp_path / "real").mkdir()
    for name, target in (("link", "real"), ("broken", "nowhere")):
        (tmp_path / name).symlink_to(target)
    (tmp_path / "file").touch()
    model = semiser.load(card)
    model.predict(trained[0] / "corpus/b/0.wav", store=tmp_path / "link")
    assert list((tmp_path / "real").glob("is10/*/input/*.parquet"))
    for name in ("broken", "file"):
        with pytest.raises(ValueError, match=f"{name} is no folder, or a link to none"):
            model.predict(trained[0] / "corpus/b/0.wav", store=tmp_path / name)


def test_a_card_says_how_its_features_were_made(card):
    families = json.loads(card.read_text())["families"]
    assert families["is10"]["family"] == "is10"
    assert families["is10"]["options"] == {"sample_rate_hz": 16000}
    assert families["is10"]["version"] == 1
    assert "opensmile" in families["is10"]["libraries"]
    assert families["query_topic"]["family"] == "social"


def _changed(card, folder, **changes):
    shutil.copytree(card.parent, folder, dirs_exist_ok=True)
    return resaved(folder, **changes)


def test_a_card_of_other_code_is_refused(card, tmp_path):
    families = json.loads(card.read_text())["families"]
    families["is10"]["version"] = 99
    model = semiser.load(_changed(card, tmp_path, families=families))
    with pytest.raises(ValueError, match="trained on version 99 of the family is10, this semiser computes version 1"):
        model.predict(tmp_path)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"system": "other"}, "models of 'other' do not predict; those of avspnet, baselines, began"),
        ({"families": {}}, "does not say how its features were made"),
        ({"families": {"is10": {}}}, "does not say how its features were made"),
        ({"families": ["is10"]}, "does not say how its features were made"),
        ({"families": {"is10": {"family": "is10"}}}, r"card.json does not say how \w+ was made"),
    ],
)
def test_a_card_that_cannot_predict_says_why(card, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        semiser.load(_changed(card, tmp_path, **changes))


def test_missing_cards_weights_and_inputs_are_named(card, tmp_path):
    (tmp_path / "train/svm/seed-0").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="an older semiser saved no model of the SVM"):
        semiser.load(tmp_path / "train/svm/seed-0")
    with pytest.raises(FileNotFoundError, match="below data/06_models"):
        semiser.load(tmp_path / "card.json")
    (tmp_path / "card.json").write_text("[]")
    with pytest.raises(ValueError, match="it names no system"):
        semiser.load(tmp_path)
    shutil.copy(card, tmp_path / "card.json")
    with pytest.raises(FileNotFoundError, match=r"no model\.safetensors beside the card"):
        semiser.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="give an audio or video file"):
        semiser.load(card).predict(tmp_path / "nowhere")
    (tmp_path / "bare").mkdir()
    with pytest.raises(ValueError, match="no file in the folder"):
        semiser.load(card).predict(tmp_path / "bare")
    with pytest.raises(ValueError, match="no line in the manifest"):
        semiser.load(card).predict(_write_manifest(tmp_path / "bare/none.csv", []))


def test_what_is_odd_about_the_input_is_said(trained, card, tmp_path, caplog):
    write_wav(tmp_path / "a.wav", voice(0.5) * 0 + 0.3)
    write_wav(tmp_path / "b.wav", voice(0.5))
    rows = [{"audio_path": "a.wav", "speaker_id": "nan"}, {"audio_path": "b.wav", "speaker_id": "s"}]
    semiser.load(card).predict(_write_manifest(tmp_path / "input.csv", rows))
    assert "1 of 2 utterances are silent" in caplog.text
    assert "1 utterances are of the speaker 'nan': a word for nobody?" in caplog.text


@pytest.mark.parametrize(
    "given, taken", [(None, EngineOptions()), (EngineOptions(workers=3), EngineOptions(workers=3))]
)
def test_features_are_computed_as_wide_as_asked_for(trained, card, monkeypatch, given, taken):
    asked = []

    def computed(families, sources, store, engine):
        asked.append(engine)
        raise InterruptedError

    monkeypatch.setattr("semiser.prediction.model.ComputedFeatures", computed)
    with pytest.raises(InterruptedError):
        semiser.load(card).predict(trained[0] / "corpus/b/0.wav", engine=given)
    assert asked == [taken]


def test_the_node_publishes_what_the_api_gives(trained, card, tmp_path):
    from semiser.options.places import PlacesOptions
    from semiser.options.predict import PredictOptions
    from semiser.pipelines.predict.nodes import predict_input

    places = PlacesOptions(features=str(tmp_path / "store"), models=str(trained[0] / "models"), reporting="")
    others = FeaturesOptions(), EngineOptions(), places, None, None
    options = PredictOptions(input=str(trained[0] / "corpus/b/0.wav"), card=str(card))
    table, frame = predict_input(options, *others)
    named = options.model_copy(update={"card": None, "model": "/mmd"})
    assert predict_input(named, *others, None, trained[2])[0].equals(table)
    assert table.equals(semiser.load(card).predict(options.input))
    assert list(frame.columns) == table.column_names
    pq.write_table(table, tmp_path / "table.parquet")
    with pytest.raises(ValueError, match=r"--params predict\.input="):
        predict_input(PredictOptions(), *others)
