"""The documentation's code runs, its commands name what there is, and it builds without a warning."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from helpers import committed, voice, write_wav

ROOT = Path(__file__).parents[1]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])


def _example(title: str) -> ModuleType:
    """The code block with that title in extending.md, run as a module."""
    text = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    (code,) = re.findall(rf'```python title="{title}"\n(.*?)```', text, re.DOTALL)
    module = ModuleType(f"example_{title}")
    sys.modules[module.__name__] = module  # dataclasses and pydantic look their module up
    exec(compile(code, f"extending.md: {title}", "exec"), module.__dict__)
    assert len(code.splitlines()) <= 30
    return module


def test_the_reader_of_extending_reads_a_corpus(tmp_path, monkeypatch):
    from semiser.corpora import registry
    from semiser.corpora.ingest import ingest
    from semiser.options.ingest import IngestOptions

    monkeypatch.setitem(sys.modules, "semiser.corpora.mine", _example("corpus"))
    monkeypatch.setattr(registry, "READERS", (*registry.READERS, "mine"))
    for name in ("anna/anger_01", "anna/sad_02", "bert/neutral_01"):
        write_wav(tmp_path / f"{name}.wav", voice(0.2))
    write_wav(tmp_path / "stray.wav", voice(0.2))
    corpora = {"home": {"reader": "mine", "root": str(tmp_path)}}
    found = ingest(IngestOptions(corpora=corpora, max_quarantined_share=0.5))
    assert found.utterances["utterance_id"].to_pylist() == [
        "home/anna/anger_01",
        "home/anna/sad_02",
        "home/bert/neutral_01",
    ]
    assert found.utterances["emotion"].to_pylist() == ["anger", "sadness", "neutral"]
    assert found.utterances["speaker_id"].to_pylist() == ["home/anna", "home/anna", "home/bert"]
    assert found.quarantine["reason"].to_pylist() == ["expected <speaker>/<emotion>_<number>.wav"]


def test_the_family_of_extending_goes_through_the_shard_map(tmp_path):
    from helpers import utterances_of

    from semiser.options.family import FamilyOptions
    from semiser.options.features import ShardOptions
    from semiser.prediction.features import InProcess
    from semiser.shards.extract import extract

    write_wav(tmp_path / "c/a/loud.wav", np.full(1600, 0.5, np.float32))
    write_wav(tmp_path / "c/a/mute.wav", np.zeros(1600, np.float32))
    family, roots = _example("family").Energy(FamilyOptions()), {"tiny": str(tmp_path / "c")}
    options = ShardOptions(max_quarantined_share=1)
    receipts = extract([family], str(tmp_path / "f"), utterances_of(tmp_path / "c"), roots, InProcess(), options)
    (row,) = committed(receipts["energy"], tmp_path).dataset().to_table().to_pylist()
    assert row["utterance_id"] == "tiny/a/loud" and row["energy"] == pytest.approx([0.5, 0.5], abs=1e-3)
    assert receipts["energy"].shards[0].unusable[0]["reason"] == "silence"


def test_the_system_of_extending_trains_and_tests_folds(tmp_path):
    from training.test_experiment import _experiment

    from semiser.options.training import TrainingOptions
    from semiser.training.experiment import run_variant

    system, training = _example("system"), TrainingOptions(accelerator="cpu")
    options = system.NearestMeanOptions()
    predictions, _ = run_variant(_experiment(tmp_path), "nearest_mean", system.fit, options, training)
    assert predictions["prediction"].to_pylist() == predictions["target"].to_pylist()
    assert (tmp_path / "nearest_mean/seed-0/fold-00/card.json").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_name_pipelines_and_envs_that_there_are(page):
    text = page.read_text(encoding="utf-8")
    pipelines = {path.name for path in (ROOT / "src/semiser/pipelines").iterdir() if path.is_dir()}
    envs = {path.name for path in (ROOT / "conf").iterdir() if path.is_dir()}
    named = {name for names in re.findall(r"kedro run[^\n`]*--pipelines=([\w,]+)", text) for name in names.split(",")}
    assert named - {"x"} <= pipelines
    assert set(re.findall(r"kedro run[^\n`]*--env[ =](\w+)", text)) <= envs
    assert not re.findall(r"kedro run[^\n`]*--pipeline[ =]", text)  # Kedro 1.7 deprecates it


def test_the_documentation_builds_without_a_warning_and_asks_for_nothing_else(tmp_path):
    pytest.importorskip("mkdocs")
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr + run.stdout
    pages = [path.read_text(encoding="utf-8") for path in (tmp_path / "site").glob("*.html")]
    assert len(pages) >= len(PAGES)
    assert not [found for page in pages for found in re.findall(r"<(?:script|link|img)[^>]*https?://[^>]*>", page)]
    assert any("semiser.prediction.model.Model" in page for page in pages)
