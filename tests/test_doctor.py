"""What the doctor finds, on set-ups with one thing wrong each."""

import json

import pytest
from click.testing import CliRunner
from helpers import voice, write_wav

from semiser import doctor
from semiser.cli import cli
from semiser.configuration import ExperimentConfigLoader
from semiser.corpora.utterance import Utterance
from semiser.doctor import check_corpora, check_extras, check_features, check_machine, check_training


def _corpora(project, **corpora):
    return {check.name: check for check in check_corpora({"corpora": corpora}, project)}


def test_corpora_are_counted_by_names_alone(tmp_path):
    for number in range(3):
        write_wav(tmp_path / f"c/{number}.wav", voice(0.1))
    lines = "".join(f"{number}.wav,a\n" for number in range(3))
    (tmp_path / "c/utterances.csv").write_text(f"audio_path,speaker_id\n{lines},b\n")
    manifest = {"reader": "manifest", "root": "c"}
    found = _corpora(tmp_path, mine=manifest, more=manifest | {"expected": {"utterances": 4}}, off=None)
    assert (found["mine"].state, found["mine"].found) == ("ok", "3 utterances, 1 files that cannot be used")
    assert (found["more"].state, found["more"].found[-16:]) == ("note", "; 4 are published"[-16:])
    assert (found["off"].state, found["off"].found) == ("ok", "switched off")


def test_what_is_wrong_with_a_corpus_is_said_with_what_to_do(tmp_path):
    (tmp_path / "bare").mkdir()
    found = _corpora(
        tmp_path,
        absent={"reader": "casia", "root": "nowhere"},
        unset={"reader": "casia", "root": None},
        bare={"reader": "emodb", "root": "bare"},
        typo={"reader": "emdb", "root": "bare"},
        broken={"reader": "manifest", "root": "bare"},
    )
    assert {check.state for check in found.values()} == {"missing"}
    assert found["absent"].found == "nowhere is not a folder"
    assert "set ingest.corpora.absent.root" in found["absent"].advice
    assert "no folder is set" in found["unset"].found
    assert found["bare"].found == "nothing usable in bare" and "the reader emodb looks for" in found["bare"].advice
    assert "unknown reader 'emdb'" in found["typo"].found
    assert "no manifest utterances.csv" in found["broken"].found


def _features(project, **families):
    options = {"extract": list(families), **families}
    return [(check.name, check.state, check.found, check.advice) for check in check_features(options, project)]


def test_files_of_features_are_looked_for(tmp_path):
    lexicon = {"ntusd": {"positive": "p.txt", "negative": "n.txt"}}
    (tmp_path / "p.txt").touch()
    assert _features(tmp_path, valence=lexicon, dface={"weights": "w"}) == [
        ("valence", "missing", "ntusd.negative: nothing at n.txt", "set features.valence.ntusd.negative"),
        ("dface", "missing", "weights: nothing at w", "set features.dface.weights"),
    ]
    ((name, state, found, _),) = _features(tmp_path, dfce={})
    assert (name, state) == ("options", "missing") and "dfce" in found


def test_an_onnx_network_is_looked_for_and_is_a_network(tmp_path):
    expression = {"onnx": {"model": "faces.onnx", "classes": ["happy", "sad"]}}
    (check,) = check_features({"extract": ["expression"], "expression": expression}, tmp_path)
    assert (check.state, check.found) == ("missing", "onnx.model: nothing at faces.onnx")
    (tmp_path / "faces.onnx").touch()
    (check,) = check_features({"extract": ["expression"], "expression": expression}, tmp_path)
    assert check.found == "no complete table yet"


def test_a_face_family_needs_a_network(tmp_path):
    (check,) = check_features({"extract": ["dface"]}, tmp_path)
    assert (check.state, check.found) == ("missing", "no network")
    assert check.advice == "set train_faces.dface.images, which it learns from, or features.dface.weights"
    (check,) = check_features({"extract": ["dface"]}, tmp_path, networks=["dface"])
    assert check.found == "no complete table yet"


def test_tables_are_complete_or_not(tmp_path):
    assert _features(tmp_path, fbank={})[0][1:3] == ("note", "no complete table yet")
    manifest = tmp_path / "data/03_primary/demo/fbank.json"
    manifest.parent.mkdir(parents=True)
    names = ("b/00000-k.parquet", "a/00000-k.parquet", "a/00001-k.parquet")
    shards = [{"path": name, "key": "k", "rows": 1, "unusable": []} for name in names]
    manifest.write_text(json.dumps({"family": "fbank", "folder": "x", "rows": 1234, "shards": shards}))
    assert _features(tmp_path, fbank={})[0][1:3] == ("ok", "1,234 rows of a, b")


def test_a_gpu_that_is_asked_for_must_be_there(tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    states = {check.name: check.state for check in check_machine(tmp_path, "cuda")}
    assert states["GPU"] == "missing"
    monkeypatch.setattr(doctor, "ENOUGH_DISK_GB", 1e9)
    states = {check.name: check.state for check in check_machine(tmp_path, "auto")}
    assert states["GPU"] == "ok" and states["free disk"] == "note"


def test_extras_say_how_to_install_them(monkeypatch):
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "mlflow" else object())
    checks = {check.name: check for check in check_extras()}
    assert checks["encoders"].state == "ok"
    assert (checks["tracking"].state, checks["tracking"].advice) == ("note", 'pip install -e ".[tracking]"')


@pytest.mark.parametrize("root, code, said", [("c", 0, "nothing is missing"), ("nowhere", 1, "1 missing: see above")])
def test_the_command_ends_with_1_where_a_run_would_fail(tmp_path, monkeypatch, root, code, said):
    from kedro.framework.session import KedroSession

    (tmp_path / "c").mkdir()
    write_wav(tmp_path / "c/0.wav", voice(0.1))
    (tmp_path / "c/utterances.csv").write_text("audio_path\n0.wav\n")
    parameters = {"ingest": {"corpora": {"mine": {"reader": "manifest", "root": root}}}}

    class Loader(dict, ExperimentConfigLoader):
        experiment = "demo"

    class Session:
        config_loader = Loader(parameters=parameters, globals={"primary": "data/03_primary"})

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def load_context(self):
            return self

    monkeypatch.setattr(KedroSession, "create", lambda **_: Session())
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["semiser", "doctor"])
    assert result.exit_code == code, result.output
    assert said in result.output


def test_a_training_is_looked_through_before_it_is_run():
    rows = [
        Utterance(utterance_id=f"c/{s}{n}", corpus="c", audio_path="x.wav", speaker_id=f"c/{s}", emotion=e)
        for s in "ab"
        for n, e in enumerate(["anger", "sadness"])
    ]
    parameters = {"train_mmmd": {"folds": {"experiment": "e", "corpora": ["c"], "validation": {"kind": "none"}}}}
    found = list(check_training(parameters, rows))
    assert [check.state for check in found] == ["ok", "note", "note"]
    assert found[0].found == "2 folds, 4 utterances are tested: anger 2, sadness 2"
    assert found[1].found == "under 10 utterances of anger, sadness"
    assert found[2].found == "2 speakers are known among the tested"
    (missing,) = check_training(parameters, rows[:2])
    assert missing.state == "missing" and "needs at least two labelled speakers" in missing.found
