"""What the hooks leave behind, and what a run is told that finds its experiment taken."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from helpers import voice, write_wav

from semiser.experiments.records import read_records
from semiser.experiments.run import Run
from semiser.hooks import InProject, Runs, command_line

ROOT = Path(__file__).parents[1]


def test_a_command_is_written_as_it_is_typed():
    assert command_line({"env": None, "pipeline_names": None, "runtime_params": {}}) == "kedro run"
    params = {"ingest": {"corpora": {"casia": {"root": "/my data"}}}, "training": {"reuse": False}, "mmmd": None}
    found = command_line({"env": "casia", "pipeline_names": ["report", "features"], "runtime_params": params})
    assert found == (
        "kedro run --env casia --pipelines=features,report --params "
        "'ingest.corpora.casia.root=/my data,training.reuse=False,mmmd=null'"
    )
    assert (
        command_line({"pipeline_names": ["__default__"], "node_names": ["train_svm"]}) == "kedro run --nodes=train_svm"
    )
    assert command_line({"from_nodes": ["a", "b"]}) == "kedro run --from-nodes=a,b"


def test_a_run_that_was_cut_off_lets_the_next_one_of_its_session_begin(monkeypatch, tmp_path):
    """Kedro calls no hook after Ctrl-C, which a notebook survives."""

    def begin(run_params, command, pipeline, catalog):
        return Run(tmp_path / "demo", tmp_path / "models", {}, command, {})

    monkeypatch.setattr("semiser.experiments.run.begin", begin)
    hook = Runs()
    hook.before_pipeline_run({}, None, None)
    hook.before_pipeline_run({}, None, None)
    assert [record.state for record in read_records(tmp_path / "demo")] == ["interrupted", "running"]
    hook.on_pipeline_error(ValueError("no"))
    hook.before_pipeline_run({}, None, None)
    hook.after_pipeline_run()
    assert [record.state for record in read_records(tmp_path / "demo")] == ["interrupted", "failed", "finished"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project's configuration over one utterance; every test has an experiment of its own."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("conf", "src"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("local", "__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder / name)
    write_wav(folder / "corpus/one.wav", voice(0.3))
    (folder / "corpus/utterances.csv").write_text("audio_path,speaker_id,emotion\none.wav,a,anger\n")
    corpora = {"tiny": {"reader": "manifest", "root": "corpus"}}
    (folder / "conf/tiny").mkdir()
    (folder / "conf/tiny/parameters.yml").write_text(yaml.safe_dump({"ingest": {"corpora": corpora}}))
    return folder


def _start(project, *arguments):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "KEDRO_ENV": "tiny"}
    command = [sys.executable, "-m", "kedro", *arguments]
    return subprocess.Popen(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _ingest(project, params):
    return _start(project, "run", "--env", "tiny", "--pipelines=ingest", "--params", params)


def _taken(project, experiment):
    """Another run of the experiment: this process."""
    folder = project / "data/08_reporting" / experiment
    return Run(folder, project / "data/06_models" / experiment, {}, "kedro run --env mine", {})


def test_a_run_leaves_its_record_and_says_where_its_results_lie(project):
    run = _ingest(project, "experiment=alone")
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 0, said
    assert "finished: 1 node of experiment alone; results are below data/02_intermediate" in said.splitlines()[-1]
    (record,) = read_records(project / "data/08_reporting/alone")
    assert (record.state, record.pid, record.pipelines) == ("finished", run.pid, ["ingest"])
    assert record.command == "kedro run --env tiny --pipelines=ingest --params experiment=alone"
    assert list(record.options) == ["ingest"] and record.options["ingest"]["corpora"]["tiny"]["reader"] == "manifest"


def test_a_failed_run_is_recorded(project):
    run = _ingest(project, "experiment=broken,ingest.corpora.tiny.root=nowhere")
    run.communicate(timeout=60)
    assert run.returncode != 0
    (record,) = read_records(project / "data/08_reporting/broken")
    assert record.state == "failed" and "nowhere is not a folder" in record.error


def test_a_second_run_of_an_experiment_is_refused_before_any_work(project):
    holder = _taken(project, "twice")
    refused, other = _ingest(project, "experiment=twice"), _ingest(project, "experiment=twin")
    said, _ = refused.communicate(timeout=60)
    assert refused.returncode != 0
    assert "another run is at work on the experiment twice: `kedro run --env mine` (process " in said
    assert "Wait for it with `--params runs.wait=true`, or run under another name" in said
    assert not re.search(r"\[\d+/\d+\] ", said)  # no node has begun
    said, _ = other.communicate(timeout=60)
    assert other.returncode == 0, said  # another experiment knows nothing of it
    holder.finish()
    assert [record.state for record in read_records(project / "data/08_reporting/twice")] == ["finished"]


def test_a_second_run_waits_where_it_is_asked_to(project):
    holder = _taken(project, "queue")
    waiting = _ingest(project, "experiment=queue,runs.wait=true")
    for line in waiting.stdout:
        if "waiting until" in line:
            break
    assert "experiment queue: waiting until `kedro run --env mine` (process " in line
    time.sleep(0.3)
    assert waiting.poll() is None
    holder.finish()
    said, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, said
    first, second = read_records(project / "data/08_reporting/queue")
    assert second.start >= first.end and second.state == "finished"


def test_commands_tell_runs_and_wrong_names_without_a_traceback(project):
    _taken(project, "seen").finish()
    said, _ = _start(project, "semiser", "runs", "--experiment", "seen").communicate(timeout=60)
    assert "finished" in said and said.splitlines()[-1].endswith("kedro run --env mine")
    run = _start(project, "semiser", "compare", "seen", "nix")
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 1 and said.startswith("error: no recorded run of the experiment seen trained anything")
    said, _ = _start(project, "semiser", "clean").communicate(timeout=60)
    assert "experiment:seen" in said and "nothing was removed" in said
    said, _ = _start(project, "semiser", "clean", "--remove", "experiment:seen").communicate(timeout=60)
    assert "removed" in said and not (project / "data/08_reporting/seen").exists()


def test_a_run_is_in_the_project_s_folder_and_leaves_it_again(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    hook = InProject()
    for end in (hook.after_pipeline_run, hook.on_pipeline_error):
        hook.before_pipeline_run({"project_path": str(tmp_path)})
        assert os.getcwd() == str(tmp_path)
        end()
        assert os.getcwd() == str(tmp_path / "notebooks")
