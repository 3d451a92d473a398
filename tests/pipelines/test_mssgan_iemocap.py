"""An IEMOCAP folder in small, with votes and two-sided videos, and AMI in small, from files to figures."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from helpers import voice, write_wav

from semiser.demo.faces import draw_face, random_identity

ROOT = Path(__file__).parents[2]
VOTES = {0: (1, 2, 2), 1: (3, 3, 3), 2: (2, 4, 5), 3: (2, 3)}  # low, medium, high, and a tie of low and medium
SECONDS, SIZE, RATE = 0.5, 120, 25
WALL = np.full((SIZE, SIZE, 3), 150, np.uint8)
NXT = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<nite:root xmlns:nite="http://nite.sourceforge.net/">{}</nite:root>'


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project with the options of the env `mssgan`, made small, over tiny corpora."""
    folder = tmp_path_factory.mktemp("mssgan")
    shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder / name)
    for session, marker in ((1, "F"), (2, "M")):
        _write_session(folder / "iemocap" / f"Session{session}", f"Ses0{session}{marker}_impro01", wall=session == 2)
    _write_meeting(folder / "ami")
    own = folder / "conf/mssgan/parameters.yml"
    _merge(parameters := yaml.safe_load(own.read_text()), _small())
    own.write_text(yaml.safe_dump(parameters))
    return folder


def _small():
    drawn = {"train_identities": 1, "validation_identities": 1, "pictures": 1}
    network = {"kind": "densenet_bc", "input_size": 32, "depth": 10, "growth": 4}
    return {
        "ingest": {"corpora": {"iemocap": {"root": "iemocap"}, "ami": {"root": "ami", "options": {"samples": 4}}}},
        "features": {"shards": {"max_quarantined_share": 0.1}},
        "train_faces": {"dface": {"images": "drawn", "training": {"epochs": 1, "network": network, "drawn": drawn}}},
        "train_mssgan": {
            "features": ["fbank", "dface", "fbank+dface"],
            "crop": {"frames": 32, "kept_frames": 48},
            "network": {"generator_channels": [8, 4], "discriminator_channels": [4, 8]},
            "optimisation": {"epochs": 1, "batch_size": 4},
            "self_training": {"epochs": 1, "confidence": 0.3},
        },
    }


def _merge(into, changes):
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _write_session(session: Path, name: str, wall: bool) -> None:
    """Four utterances of each speaker, one after the other; at the end the right half may show a wall."""
    turns = [(speaker, number) for number in VOTES for speaker in "FM"]
    lines, pictures = [], []
    people = {speaker: draw_face("neutral", random_identity(n), size=SIZE) for n, speaker in enumerate("FM")}
    left, right = (people[speaker] for speaker in ("FM" if name[5] == "F" else "MF"))
    for place, (speaker, number) in enumerate(turns):
        utterance = f"{name}_{speaker}{number:03d}"
        signal = voice(SECONDS, pitch_hz=110 + 40 * number, seed=place)
        write_wav(session / "sentences/wav" / name / f"{utterance}.wav", signal)
        lines += [*_evaluation(utterance, place * SECONDS, VOTES[number])]
        last = wall and place >= len(turns) - 2  # both of the last turns: her face is on the right
        pictures += [np.hstack([left, WALL if last else right])] * round(SECONDS * RATE)
    _write_text(session / f"dialog/EmoEvaluation/{name}.txt", "\n".join(lines))
    _write_text(session / f"dialog/transcriptions/{name}.txt", "")
    _write_video(session / f"dialog/avi/DivX/{name}.avi", pictures)


def _evaluation(utterance, start_s, votes):
    mean = np.mean(votes)
    yield f"[{start_s:.4f} - {start_s + SECONDS:.4f}]\t{utterance}\tneu\t[{mean:.4f}, {mean:.4f}, {mean:.4f}]"
    yield from (f"A-E{n}:\tval {vote}; act {vote}; dom {vote};\t()" for n, vote in enumerate(votes, 1))
    yield ""


def _write_meeting(root: Path) -> None:
    words = "".join(
        f'<w nite:id="ES2002a.A.words{n}" starttime="{1 + n / 2}" endtime="{1.3 + n / 2}">w</w>' for n in range(8)
    )
    speaker = '<speaker nite:id="A" nxt_agent="A" channel="0" camera="Closeup1" global_name="FEE005" role="PM"/>'
    _write_text(root / "words/ES2002a.A.words.xml", NXT.format(words))
    meeting = f'<meeting observation="ES2002a" type="scenario">{speaker}</meeting>'
    _write_text(root / "corpusResources/meetings.xml", NXT.format(meeting))
    write_wav(root / "ES2002a/audio/ES2002a.Headset-0.wav", voice(7))
    face = draw_face("neutral", random_identity(7), size=SIZE)
    _write_video(root / "ES2002a/video/ES2002a.Closeup1.avi", [face] * 7 * RATE)


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="latin-1")


def _write_video(path: Path, pictures: list[np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 400_000
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def reports(project):
    """One run from raw files to figures; the folder that these lie in."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        "kedro",
        "run",
        "--env=mssgan",
        "--pipelines=features,train_mssgan",
        "--params",
        "engine.workers=1",
    ]
    run = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    return project / "data/08_reporting/mssgan/train_mssgan"


def test_both_tasks_and_modalities_are_scored_by_both_definitions_of_macro_f1(reports):
    metrics = json.loads((reports / "metrics.json").read_text())
    systems = {"fbank": ["fsbase", "ssbase", "ssgan"], "dface": ["fsbase", "ssbase", "ssgan"]}
    systems["fbank+dface"] = ["mfsbase", "mssgan"]
    assert set(metrics["variants"]) == {
        f"{system}/task={task}/features={features}"
        for features, names in systems.items()
        for system in names
        for task in ("arousal", "valence")
    }
    for figures in metrics["variants"].values():
        assert {"uar", "macro_f1", "macro_f1_uar_map"} <= set(figures) and len(figures["uar"]["per_fold"]) == 2
    assert metrics["protocol"]["classes"] == {task: ["low", "medium", "high"] for task in ("arousal", "valence")}
    assert "mssgan/task=valence/features=fbank+dface - ssgan/task=valence/features=dface" in metrics["paired"]


def test_a_session_is_left_out_and_its_speakers_part_into_validation_and_test(project, reports):
    folds = pq.read_table(project / "data/05_model_input/mssgan/train_mssgan/folds.parquet").to_pandas()
    own = folds[folds["experiment"] == "mssgan/task=valence/features=fbank"]
    assert own.groupby(["fold", "role"]).size().to_dict() == {
        (fold, role): count
        for fold in (0, 1)
        for role, count in (("test", 4), ("train", 8), ("unlabelled", 4), ("validation", 4))
    }
    for fold, session in ((0, "Ses01"), (1, "Ses02")):
        held = own[(own["fold"] == fold) & own["role"].isin(["test", "validation"])]
        assert held["utterance_id"].str.contains(session).all()
    assert set(own[own["role"] == "unlabelled"]["utterance_id"].str[:4]) == {"ami/"}
    labels = own[own["role"] == "test"].set_index("utterance_id")["label"]
    assert {name[-1]: label for name, label in labels.items()} == {"0": "low", "1": "medium", "2": "high", "3": "low"}


def test_utterances_without_a_face_are_left_out_of_visual_settings_and_counted(reports):
    settings = json.loads((reports / "metrics.json").read_text())["protocol"]["settings"]
    dropped = {"corpus": "iemocap", "reason": "no features dface", "utterances": 1}
    assert settings["mssgan/task=arousal/features=dface"]["left_out"] == [dropped]
    assert settings["mssgan/task=arousal/features=fbank"]["left_out"] == []


def test_predictions_that_name_one_of_two_tied_classes_are_right(project, reports):
    table = pq.read_table(project / "data/07_model_output/train_mssgan/fsbase.parquet")
    tied = table.filter(pc.match_substring_regex(table["utterance_id"], "3$"))
    assert len(tied)
    for row in tied.to_pylist():
        assert row["target"] == (row["prediction"] if row["prediction"] in ("low", "medium") else "low")
    others = table.filter(pc.match_substring_regex(table["utterance_id"], "2$"))
    assert set(others["target"].to_pylist()) == {"high"}


def test_frontal_and_side_faces_are_counted_apart(reports):
    faces = pd.read_csv(reports / "faces.csv")
    own = faces[faces["variant"] == "ssgan/task=valence/features=dface"]
    assert set(own["face"]) == {"frontal", "side"} and own["correct"].sum() + own["wrong"].sum() in (7, 8)
    for figure in ("confusion.png", "curves.png"):
        assert (reports / figure).read_bytes().startswith(b"\x89PNG")
