"""The whole features pipeline on six demo clips: every family that needs no checkpoint of the user's."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from semiser.configuration import load_parameters
from semiser.features.registry import AUDIO, TEXT, VIDEO
from semiser.options.families import GIVE
from semiser.shards.table import ShardedTable

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "data/01_raw/demo"
FAMILIES = [name for name in (*AUDIO, *TEXT, *VIDEO) if name not in GIVE or name == "valence"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project's own configuration over six clips of two speakers, with networks that learn for one epoch."""
    folder = tmp_path_factory.mktemp("features")
    shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copytree(DEMO / "lexicon", folder / "data/01_raw/demo/lexicon")
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder / name)
    _copy_clips(folder / "clips")
    demo = load_parameters(ROOT / "conf", "demo")
    drawn = {"train_identities": 1, "validation_identities": 1, "pictures": 1}
    for network in demo["train_faces"].values():
        network["training"] |= {"epochs": 1, "drawn": drawn}
    parameters = {
        "ingest": {"corpora": {"clips": {"reader": "manifest", "root": "clips"}}},
        "train_faces": demo["train_faces"],
        "features": demo["features"] | {"extract": FAMILIES, "shards": {"utterances": 4}},
    }
    (folder / "conf/clips").mkdir()
    (folder / "conf/clips/parameters.yml").write_text(yaml.safe_dump(parameters))
    return folder


def _copy_clips(folder):
    with (DEMO / "video/utterances.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    speakers = sorted({row["speaker_id"] for row in rows})[:2]
    chosen = [row for speaker in speakers for row in [r for r in rows if r["speaker_id"] == speaker][:3]]
    for row in chosen:
        (folder / row["audio_path"]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DEMO / "video" / row["audio_path"], folder / row["audio_path"])
    with (folder / "utterances.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, chosen[0].keys())
        writer.writeheader()
        writer.writerows(chosen)


def _kedro(project, *arguments):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "kedro", "run", "--env=clips", "--pipelines=features", *arguments]
    run = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return run.stderr


@pytest.fixture(scope="module")
def log(project):
    return _kedro(project)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_table_has_all_utterances_and_no_nan(project, log, family):
    table = ShardedTable(str(project / f"data/03_primary/clips/{family}.json")).dataset().to_table()
    assert len(table["utterance_id"].unique()) == 6
    for column in table.columns:
        values = column.combine_chunks()
        while pa.types.is_nested(values.type):
            values = values.flatten()
        if pa.types.is_floating(values.type):
            assert np.isfinite(values.drop_null().to_numpy()).all()


def test_the_reader_of_a_file_alone_can_tell_what_it_is(project, log):
    for family in FAMILIES:
        (shard,) = (project / f"data/04_feature/{family}").glob("*/clips/00000-*.parquet")
        facts = pq.read_metadata(shard).metadata[b"semiser"]
        assert {"family", "version", "options", "key", "libraries", "unusable"} <= set(json.loads(facts))


def test_proxy_labels_have_a_row_per_utterance_with_a_label_or_a_reason(project, log):
    for name in ("proxy_arousal", "proxy_valence"):
        table = pq.read_table(project / f"data/03_primary/clips/{name}.parquet")
        assert table.num_rows == 6
        assert pc.all(pc.xor(pc.is_valid(table["label"]), pc.is_valid(table["reason"]))).as_py()
    summary = json.loads((project / "data/03_primary/clips/summary.json").read_text())
    assert sum(summary["proxy_arousal"]["labels"].values()) + sum(summary["proxy_arousal"]["missing"].values()) == 6


def test_again_nothing_is_computed_and_a_changed_option_recomputes_its_family_alone(project, log):
    shards = [path for path in (project / "data/04_feature").rglob("*.parquet") if path.parent.name == "clips"]
    before = {path: path.stat().st_mtime_ns for path in shards}
    again = _kedro(project)
    assert again.count("2 of 2 shards are complete") == len(FAMILIES)
    assert again.count("trained before with the same images and options") == 2
    assert before == {path: path.stat().st_mtime_ns for path in shards}
    changed = _kedro(project, "--params", "features.word2vec.vector_size=20")
    assert changed.count("2 of 2 shards are complete") == len(FAMILIES) - 1
    assert "word2vec: 0 of 2 shards are complete" in changed
    assert before == {path: path.stat().st_mtime_ns for path in shards}  # other options have a folder of their own
    assert len(list((project / "data/04_feature/word2vec").iterdir())) == 2
    assert len(list((project / "data/04_feature/word_vectors").glob("*.arrow"))) == 2
