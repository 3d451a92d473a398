"""The documentation's code runs, its commands name what there is, and it builds without a warning."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers import committed, voice, write_wav
from tiny_project import FOLDS, run_kedro, write_project

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
    from semiser.corpora.options import IngestOptions

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

    from semiser.options.audio_features import AudioOptions
    from semiser.options.features import ShardOptions
    from semiser.prediction.features import InProcess
    from semiser.shards.extract import extract

    write_wav(tmp_path / "c/a/loud.wav", np.full(1600, 0.5, np.float32))
    write_wav(tmp_path / "c/a/mute.wav", np.zeros(1600, np.float32))
    family, roots = _example("family").Energy(AudioOptions()), {"tiny": str(tmp_path / "c")}
    options = ShardOptions(max_quarantined_share=1)
    receipts = extract([family], str(tmp_path / "f"), utterances_of(tmp_path / "c"), roots, InProcess(), options)
    (row,) = committed(receipts["energy"], tmp_path).dataset().to_table().to_pylist()
    assert row["utterance_id"] == "tiny/a/loud" and row["energy"] == pytest.approx([0.5, 0.5, 0], abs=1e-3)
    assert receipts["energy"].shards[0].unusable[0]["reason"] == "silence"


def test_the_family_of_extending_is_trained_on_and_predicts(tmp_path, monkeypatch):
    """As a user has it: a file of their own, an experiment's options, and nothing else of it anywhere."""
    mine = {
        "train_baselines": {"folds": FOLDS, "variants": ["svm"], "modalities": ["energy"]},
        "train_mmmd": {"folds": FOLDS, "variants": ["mmd"], "modalities": ["energy", "fft"], "mmd": {"epochs": 20}},
        "features": {"energy": {"sample_rate_hz": 8000}},
        "engine": {"workers": 2},
    }
    project = write_project(tmp_path, mine)
    text = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    (code,) = re.findall(r'```python title="family"\n(.*?)```', text, re.DOTALL)
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 25
    (tmp_path / "energy.py").write_text(code, encoding="utf-8")
    monkeypatch.setenv("SEMISER_FAMILIES", str(tmp_path / "energy.py"))
    wanted = "--to-outputs=train_baselines_metrics,train_mmmd_metrics"
    run = run_kedro(project, "run", "--pipelines=features,train_baselines,train_mmmd", wanted)
    assert run.returncode == 0, run.stderr
    for name, variant in (("train_baselines", "svm"), ("train_mmmd", "mmd")):
        metrics = json.loads((project / f"data/08_reporting/tiny/{name}/metrics.json").read_text())
        assert metrics["variants"][variant]["uar"]["mean"] > 0.9
    shards = list((project / "data/04_feature/energy").rglob("*.parquet"))
    assert sum(len(pq.read_table(shard)) for shard in shards) == 18
    doctor = run_kedro(project, "semiser", "doctor")
    assert re.search(r"energy.*18", doctor.stdout), doctor.stdout
    program = """if __name__ == "__main__":
        import semiser, sys
        for card in sys.argv[1:]:
            print(*semiser.load(card).predict("corpus")["prediction"].drop_null().to_pylist())"""
    (project / "mine.py").write_text(program)
    cards = [next((project / f"data/06_models/tiny/{name}/seed-0/fold-00").rglob("card.json"))
             for name in ("train_baselines/svm", "train_mmmd/mmd")]  # fmt: skip
    command = [sys.executable, "mine.py", *map(str, cards)]
    path = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    predicted = subprocess.run(command, cwd=project, env=path, capture_output=True, text=True, check=False)
    assert len(said := predicted.stdout.split()) == 36, predicted.stderr
    assert sum(np.array(said) == ["sadness", "happiness"] * 18) > 30


def test_a_family_of_ones_own_that_is_not_named_here_is_asked_for():
    from semiser.options.features import FeaturesOptions
    from semiser.options.modalities import feature_columns
    from semiser.prediction.features import make_family

    with pytest.raises(ValueError, match="modalities names energy, which is none"):
        feature_columns(["energy"], [])
    with pytest.raises(ValueError, match="one of your own, install its package or name its file in SEMISER_FAMILIES"):
        make_family({"family": "energy", "version": 1, "options": {}}, FeaturesOptions(), "")


_DECLARED = "from semiser.options.family import Declared; FAMILY = Declared"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (None, "expected a Python file that is there"),
        ("1 / 0", "cannot be imported: ZeroDivisionError"),
        ("FAMILY = 'energy'", "declares no family"),
        (f"{_DECLARED}('is10', 'x:Y')", "the family is10, which semiser has"),
        (f"{_DECLARED}('text', 'x:Y')", "it needs another name"),
    ],
)
def test_a_file_that_declares_no_family_is_refused(tmp_path, code, said):
    if code:
        (tmp_path / "mine.py").write_text(code)
    named = os.environ | {"SEMISER_FAMILIES": str(tmp_path / "mine.py"), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", "import semiser.options.families"]
    found = subprocess.run(command, env=named, capture_output=True, text=True, check=False)
    assert found.returncode == 1 and said in found.stderr and str(tmp_path / "mine.py") in found.stderr


def _write_system(folder: Path) -> int:
    """The system of extending.md as a folder; the number of lines beside its algorithm."""
    text = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    found = dict(re.findall(r'```python title="nearest_mean/(\w+)"\n(.*?)```', text, re.DOTALL))
    (folder / "nearest_mean").mkdir()
    for name, code in {"__init__": "", **found}.items():
        (folder / "nearest_mean" / f"{name}.py").write_text(code, encoding="utf-8")
    return sum(bool(line.strip()) for name in ("system", "predict") for line in found[name].splitlines())


def test_the_system_of_extending_has_its_pipeline_sweeps_and_prediction(tmp_path, monkeypatch):
    from helpers import committed, utterances_of
    from system_runs import run_system

    import semiser
    import semiser.systems
    from semiser.features.registry import make_families
    from semiser.options.features import FeaturesOptions, ShardOptions
    from semiser.prediction.features import InProcess
    from semiser.shards.extract import extract
    from semiser.systems.system import get_system, system_names

    assert _write_system(tmp_path) <= 60
    monkeypatch.setattr(semiser.systems, "__path__", [*semiser.systems.__path__, str(tmp_path)])
    assert "nearest_mean" in system_names()
    system = get_system("nearest_mean")
    for speaker in "ab":
        for number in range(4):
            write_wav(tmp_path / f"c/{speaker}/{number}.wav", voice(0.4, pitch_hz=(110, 220)[number % 2], seed=number))
    utterances = utterances_of(tmp_path / "c")
    emotions = ["high" if int(name[-1]) % 2 else "low" for name in utterances["utterance_id"].to_pylist()]
    place = utterances.column_names.index("emotion")
    utterances = utterances.set_column(place, utterances.schema.field("emotion"), [emotions])
    families = make_families(("is10",), FeaturesOptions(extract=("is10",))).values()
    roots = {"tiny": str(tmp_path / "c")}
    receipts = extract(families, str(tmp_path / "f"), utterances, roots, InProcess(), ShardOptions())
    data = {"utterances": utterances, "is10": committed(receipts["is10"], tmp_path).dataset()}
    folds = {"experiment": "e", "corpora": ["tiny"], "classes": ["low", "high"], "validation": {"kind": "none"}}
    options = system.options(folds=folds)
    made = run_system("nearest_mean", data, options, tmp_path / "models")
    assert made["train_nearest_mean_metrics"]["variants"]["nearest_mean"]["uar"]["mean"] == 1.0
    again = run_system("nearest_mean", data, options, tmp_path / "models")
    assert again["train_nearest_mean_models"] == made["train_nearest_mean_models"]
    sweeps = system.sweeps.options(temperature=(1.0, 2.0))
    swept = run_system("nearest_mean", data, options, tmp_path / "models", sweeps=sweeps)
    assert swept["temperature_table"]["variant"].tolist() == [
        "nearest_mean/temperature=1",
        "nearest_mean/temperature=2",
    ]
    card = tmp_path / "models/train_nearest_mean" / made["train_nearest_mean_models"][0]["folder"] / "card.json"
    predicted = semiser.load(card).predict(tmp_path / "c/a/1.wav")
    assert predicted["prediction"].to_pylist() == ["high"]


def test_the_system_of_extending_trains_in_two_processes_as_in_one(tmp_path):
    """In a project that has its folder and an experiment's options, and nothing else of it, as a user starts it."""
    folds = FOLDS | {"protocol": {"kind": "k_fold", "k": 2}}
    project = write_project(tmp_path, {"train_nearest_mean": {"folds": folds}})
    _write_system(project / "src/semiser/systems")
    found = {}
    for devices in (1, 2):
        params = f"experiment=on_{devices},training.accelerator=cpu,training.devices={devices}"
        wanted = ("--pipelines=features,train_nearest_mean", "--to-outputs=train_nearest_mean_metrics")
        run = run_kedro(project, "run", *wanted, "--params", params)
        assert run.returncode == 0, run.stderr
        assert "nearest_mean: UAR " in run.stderr and "finished before" not in run.stderr
        place = project / f"data/07_model_output/on_{devices}/train_nearest_mean/nearest_mean.parquet"
        found[devices] = pq.read_table(place)
    assert found[1].drop("probabilities").equals(found[2].drop("probabilities")) and len(found[1]) == 18
    probabilities = [np.array(found[devices]["probabilities"].to_pylist()) for devices in (1, 2)]
    np.testing.assert_allclose(*probabilities, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_name_pipelines_and_envs_that_there_are(page):
    text = page.read_text(encoding="utf-8")
    from semiser.pipeline_registry import register_pipelines

    pipelines = set(register_pipelines())
    envs = {path.name for path in (ROOT / "conf").iterdir() if path.is_dir()} | {"mine"}  # what `new` writes in docs
    named = {name for names in re.findall(r"kedro run[^\n`]*--pipelines=([\w,]+)", text) for name in names.split(",")}
    assert named - {"x"} <= pipelines
    assert set(re.findall(r"kedro run[^\n`]*--env[ =](\w+)", text)) <= envs
    assert not re.findall(r"kedro run[^\n`]*--pipeline[ =]", text)  # Kedro 1.7 deprecates it


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """The program that makes reference.md."""
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs/make_reference.py")
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_made_of_the_present_options(reference):
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "run `python docs/make_reference.py`"


def test_the_reference_has_every_group_and_every_option_is_described(reference):
    from semiser.hooks import SHARED_GROUPS
    from semiser.systems.system import get_system, system_names

    groups = set(reference.groups())
    assert groups >= {*SHARED_GROUPS} - {"experiment"}  # which is a name and told above the tables
    for system in map(get_system, system_names()):
        assert groups >= {system.pipeline, *([f"{system.name}_sweeps"] if system.sweeps else [])}
    rows = [(table.title, row) for table in reference.tables() for row in table.rows]
    assert not [f"{title}: {row.path}" for title, row in rows if not row.what]
    assert not [f"{title}: {row.path}" for title, row in rows if "Undefined" in row.kind + row.default + row.what]


def test_the_reference_says_types_defaults_and_forms_in_plain_words(reference):
    from typing import Annotated, Literal

    from pydantic import Field

    from semiser.options.base import Options

    class One(Options):
        """One.

        Attributes:
            low, high: bounds | of it.
        """

        kind: Literal["one"] = "one"
        low: float = Field(default=0.5, gt=0, lt=1)
        high: int | None = Field(default=None, ge=1)

    class Two(Options):
        """Two."""

        kind: Literal["two"] = "two"

    class Group(Options):
        """A group.

        Attributes:
            form: which
                it is; None: neither.
            names: of files.
            more: by name.
            must: as in docs/corpora.md.
        """

        form: Annotated[One | Two, Field(discriminator="kind")] = One(low=0.25)
        names: tuple[str, ...] = Field(default=("a",), min_length=1)
        more: dict[str, Two | None] = {}
        must: bool

    rows = list(reference._rows(Group, None, {"names": ["b"], "must": None}, "group"))
    assert [reference._line(row) for row in rows] == [
        "| `group.form` | options |  | which it is; `null`: neither. |",
        "| `group.form.kind` | `one`, `two` | `one` | `one`: One. `two`: Two. |",
        "| `group.form.low` (kind `one`) | number (above 0, below 1) | `0.25` | bounds \\| of it. |",
        "| `group.form.high` (kind `one`) | whole number (at least 1) or null | `null` | bounds \\| of it. |",
        '| `group.names` | list (not empty) of: text | `["b"]` | of files. |',
        "| `group.more` | names, each with: options or null | `{}` | by name. |",
        "| `group.must` | true or false | to be given | as in [corpora.md](corpora.md). |",
    ]


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
