"""A project of its own over a tiny corpus, and Kedro in it as a user starts it."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from helpers import voice, write_wav

ROOT = Path(__file__).parents[1]
FOLDS = {
    "experiment": "tiny",
    "corpora": ["tiny"],
    "classes": ["sadness", "happiness"],
    "protocol": {"kind": "leave_one_speaker_out"},
    "validation": {"kind": "none"},
}


def write_project(folder: Path, parameters: dict[str, Any]) -> Path:
    """The project's configuration and code, a corpus of 3 speakers with 6 utterances each, and an env `tiny` over it.

    Its 2 emotions are told apart by pitch.

    Args:
        folder: is filled.
        parameters: of the env, beside the corpus.
    """
    shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    _write_corpus(folder / "corpus")
    own = folder / "conf" / "tiny"
    own.mkdir()
    corpora = {"tiny": {"reader": "manifest", "root": "corpus"}}
    (own / "parameters.yml").write_text(yaml.safe_dump({"ingest": {"corpora": corpora}, **parameters}))
    return folder


def _write_corpus(folder: Path) -> None:
    folder.mkdir()
    with (folder / "utterances.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["audio_path", "speaker_id", "emotion"])
        for speaker in "abc":
            for number in range(6):
                emotion, pitch_hz = ("happiness", 220) if number % 2 else ("sadness", 110)
                name = f"{speaker}{number}.wav"
                write_wav(folder / name, voice(0.6, pitch_hz=pitch_hz + number, seed=ord(speaker) * 10 + number))
                rows.writerow([name, speaker, emotion])


def start_kedro(project: Path, *arguments: str, env: str = "tiny") -> subprocess.Popen:
    """A command of Kedro in the project's folder, with what it says in `stderr`."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", "KEDRO_ENV": env}
    command = [sys.executable, "-m", "kedro", *arguments]
    return subprocess.Popen(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run_kedro(project: Path, *arguments: str, env: str = "tiny") -> subprocess.CompletedProcess:
    """The same, ended."""
    process = start_kedro(project, *arguments, env=env)
    try:
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
