"""The env that is written for one's own speech."""

import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from helpers import voice, write_wav

from semiser.cli import cli
from semiser.configuration import load_parameters
from semiser.needs import configured_systems
from semiser.new import choose_protocol, describe, draft, env_lines, write_env
from semiser.plan import plan_training
from semiser.systems.system import get_system

CONF = Path(__file__).parents[1] / "conf"


def _speech(folder, speakers="ab", words=("Wut", "Trauer"), times=2):
    for speaker in speakers:
        for word in words:
            for number in range(times):
                write_wav(folder / f"{speaker}/{word}_{number}.wav", voice(0.2))
    return folder


def _env(found, project):
    return yaml.safe_load("\n".join(env_lines(found, project, "command")))


def test_an_env_that_runs_is_written_once(tmp_path):
    _speech(tmp_path / "speech")
    write_wav(tmp_path / "pile/1.wav", voice(0.2))
    (tmp_path / "conf").mkdir()
    shutil.copytree(CONF / "base", tmp_path / "conf/base")
    found = draft("mine", tmp_path / "speech", tmp_path / "pile")
    path = write_env(found, tmp_path / "conf", tmp_path, "kedro semiser new mine")
    assert path == tmp_path / "conf/mine/parameters.yml" and len(path.read_text().splitlines()) <= 25
    env = yaml.safe_load(path.read_text())
    assert env["ingest"]["corpora"] == {
        "mine": {
            "reader": "folder",
            "root": "speech",
            "options": {"pattern": "{speaker}/{emotion}_*", "emotions": {"Wut": "anger", "Trauer": "sadness"}},
        },
        "mine_unlabelled": {"reader": "folder", "root": "pile"},
    }
    mmmd = env["train_mmmd"]
    assert mmmd["folds"]["unlabelled_corpora"] == ["mine_unlabelled"]
    assert (mmmd["folds"]["protocol"], mmmd["scaling"]) == ({"kind": "leave_one_speaker_out"}, {"strategy": "speaker"})
    assert "mmmd_without_acted" in mmmd["variants"] and "mmmd_epoch_wise" not in mmmd["variants"]

    parameters = load_parameters(tmp_path / "conf", "mine")
    assert configured_systems(parameters) == ["mmmd"]
    import pyarrow as pa

    from semiser.corpora.utterance import UTTERANCES_SCHEMA

    rows = [*found.labelled.rows, *found.unlabelled.rows]
    table = pa.Table.from_pylist(
        [{name: getattr(row, name) for name in UTTERANCES_SCHEMA.names} for row in rows], UTTERANCES_SCHEMA
    )
    folds = plan_training(get_system("mmmd"), parameters, table)
    assert folds["experiment"].unique().to_pylist() == ["mine"] and len(folds["fold"].unique()) == 2

    with pytest.raises(FileExistsError, match="conf/mine is there already and is not written over"):
        write_env(found, tmp_path / "conf", tmp_path, "again")


@pytest.mark.parametrize(
    ("speakers", "protocol", "scaling"),
    [
        ("ab", {"kind": "leave_one_speaker_out"}, "speaker"),
        ("abcdefghijklm", {"kind": "k_fold", "k": 5}, "speaker"),
        ("a", {"kind": "k_fold", "k": 5, "group": "utterance"}, "global"),
    ],
)
def test_the_protocol_is_the_strictest_that_the_speakers_allow(tmp_path, speakers, protocol, scaling):
    found = draft("mine", _speech(tmp_path, speakers, times=10 if speakers == "a" else 1))
    env = _env(found, tmp_path)["train_mmmd"]
    assert (env["folds"]["protocol"], env["scaling"]["strategy"]) == (protocol, scaling)
    assert env["variants"] == ["svm", "dnn", "mmd"]  # nothing is unlabelled


def test_a_class_that_a_fold_cannot_train_is_left_out_and_said(tmp_path):
    _speech(tmp_path)
    write_wav(tmp_path / "a/Angst_0.wav", voice(0.2))
    found = draft("mine", tmp_path)
    assert found.classes == ["anger", "sadness"] and found.left_out == {"fear": "one speaker alone has it"}
    assert "left out    fear: one speaker alone has it" in list(describe(found))
    assert choose_protocol(found.labelled) == {"kind": "leave_one_speaker_out"}


def test_what_cannot_become_an_experiment_is_refused(tmp_path):
    _speech(tmp_path / "speech")
    with pytest.raises(ValueError, match=r"the name 'my data' .* use letters, digits and _ only"):
        draft("my data", tmp_path / "speech")
    with pytest.raises(ValueError, match=r"4 sounds such as Trauer_0.wav are in .* heard in training and tested"):
        draft("mine", tmp_path / "speech", tmp_path / "speech/a")
    write_wav(tmp_path / "pile/1.wav", voice(0.2))
    with pytest.raises(ValueError, match=r"no emotion was seen in folders and names of files such as 1\.wav"):
        draft("mine", tmp_path / "pile")


def test_the_command_says_what_it_understood(tmp_path, monkeypatch):
    _speech(tmp_path / "speech")
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(cli, ["semiser", "new", "mine", "--labelled", "speech"])
    assert found.exit_code == 0, found.output
    assert "labelled    8 utterances, 0.0 min (0.2 to 0.2 s), 2 speakers known" in found.output
    assert "next        kedro run --env mine" in found.output
    again = CliRunner().invoke(cli, ["semiser", "new", "mine", "--labelled", "speech"])
    assert again.exit_code == 1 and "is not written over" in again.output
