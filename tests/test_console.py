"""The command `semiser`, in folders of its own."""

from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from helpers import voice, write_wav

import semiser
from semiser import console


class Model:
    """Says anger for all, and nothing for what is no sound."""

    def __init__(self, asked):
        self.asked = asked

    def predict(self, path):
        self.asked.append(Path(path))
        names = sorted(file.name for file in Path(path).iterdir()) if Path(path).is_dir() else [Path(path).name]
        known = [name.endswith(".wav") for name in names]
        return pa.table(
            {
                "utterance_id": names,
                "path": names,
                "start_s": pa.array([None] * len(names), pa.float64()),
                "end_s": pa.array([None] * len(names), pa.float64()),
                "prediction": ["anger" if usable else None for usable in known],
                "probability/anger": [0.75 if usable else None for usable in known],
                "probability/fear": [0.25 if usable else None for usable in known],
                "reason": [None if usable else "not readable" for usable in known],
            }
        )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "configure_project", lambda name: None)
    return tmp_path


def _run(*words):
    return CliRunner().invoke(console.main, words, prog_name="semiser")


def test_files_are_predicted_together_and_keep_their_names(folder, monkeypatch):
    loaded, asked = [], []
    monkeypatch.setattr(semiser, "load", lambda name: loaded.append(name) or Model(asked))
    for name in ("one/a.wav", "two/a.wav", "b.txt"):
        write_wav(folder / name, voice(0.1)) if name.endswith("wav") else (folder / name).write_text("words")
    found = _run("predict", "one/a.wav", "two/a.wav", "b.txt", "--model", "mine", "--out", "o.csv")
    assert found.exit_code == 0, found.output
    assert found.output.splitlines() == [
        "one/a.wav: anger (anger 0.75, fear 0.25)",
        "two/a.wav: anger (anger 0.75, fear 0.25)",
        "b.txt: no prediction: not readable",
        "written: o.csv",
    ]
    assert loaded == ["mine"] and len(asked) == 1
    assert (folder / "o.csv").read_text().splitlines()[1].startswith("one/a.wav,one/a.wav,")


def test_the_only_final_model_is_taken_and_several_are_asked_about(folder, monkeypatch):
    loaded = []
    monkeypatch.setattr(semiser, "load", lambda name: loaded.append(name) or Model([]))
    write_wav(folder / "a.wav", voice(0.1))
    missing = _run("predict", "a.wav")
    assert missing.exit_code == 1 and "has a final model" in missing.output
    for name in ("mine", "yours"):
        (folder / f"data/06_models/{name}/final").mkdir(parents=True)
    (folder / "data/06_models/mine/final/card.json").write_text("{}")
    assert _run("predict", "a.wav").exit_code == 0 and loaded == ["mine"]
    (folder / "data/06_models/yours/final/card.json").write_text("{}")
    assert "choose by --model mine or yours" in _run("predict", "a.wav").output
    assert "nothing at b.wav" in _run("predict", "b.wav").output


def test_new_brings_the_configuration_where_there_is_none(folder):
    for name in ("anna/anger_1", "anna/sad_1", "ben/anger_1", "ben/sad_1"):
        write_wav(folder / f"speech/{name}.wav", voice(0.1))
    found = _run("new", "mine", "--labelled", "speech")
    assert found.exit_code == 0, found.output
    assert (folder / "conf/base/globals.yml").is_file() and (folder / "conf/logging.yml").is_file()
    assert found.output.splitlines()[0].startswith("copied      conf/base")
    assert found.output.splitlines()[-1] == "next        semiser run mine"


def test_commands_reach_kedro_and_say_what_is_missing(folder, monkeypatch):
    asked = []
    monkeypatch.setattr(console.commands.cli, "main", lambda words, standalone_mode: asked.append(words))
    without = _run("run", "mine")
    assert without.exit_code == 2 and "has no conf/base" in without.output
    (folder / "conf/base").mkdir(parents=True)
    (folder / "conf/mine").mkdir()
    (folder / "conf/mine/parameters.yml").touch()
    assert "which experiment? There are mine" in _run("doctor").output
    assert _run("run", "mine", "--params", "train_mmmd.variants=svm").exit_code == 0
    assert _run("report", "mine").output.strip() == "data/08_reporting/mine/report.html"
    assert asked == [
        ["run", "--params", "train_mmmd.variants=svm", "--env", "mine"],
        ["run", "--pipelines=report", "--env", "mine"],
    ]


def test_the_version_says_where_the_configuration_lies(folder):
    assert f"its configuration lies at {console.CONF}" in _run("--version").output
    assert (console.CONF / "base").is_dir()
