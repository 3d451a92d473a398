"""What a run leaves, however it ends, and what one is told that finds its experiment taken."""

import json
import logging
import os
import re
import socket
from pathlib import Path

import pytest
from experiments.holders import holding
from reporting.test_findings import metrics

from semiser.experiments.lock import is_held
from semiser.experiments.records import read_receipts, read_records
from semiser.experiments.run import ExperimentTaken, Run


@pytest.fixture
def folder(tmp_path):
    """The reporting folder of an experiment, with metrics of an earlier run."""
    folder = tmp_path / "08_reporting/demo"
    (folder / "train_x").mkdir(parents=True)
    _metrics(folder).write_text(json.dumps(metrics({"svm": 0.5})))
    models = tmp_path / "06_models/demo/train_x"
    models.mkdir(parents=True)
    receipt = {"seed": 0, "fold": 1, "key": "0123456789abcdef"}
    for variant in ("net", "gone"):
        place = f"{variant}/seed-0/fold-01/0123456789ab"
        (models / f"{variant}.json").write_text(json.dumps([receipt | {"variant": variant, "folder": place}]))
    return folder


def _metrics(folder):
    return folder / "train_x/metrics.json"


def _run(folder, **arguments):
    facts = {"command": "kedro run", "options": {"train_x": {"epochs": 3}}, "metrics": {"train_x": _metrics(folder)}}
    return Run(folder, models=folder.parents[1] / "06_models/demo", **(facts | arguments))


def test_a_run_is_recorded_with_what_it_wrote(folder):
    run = _run(folder, env="casia", pipelines=["train_x"])
    (record,) = read_records(folder)
    assert (record.state, record.end, record.pid, record.host) == ("running", None, os.getpid(), socket.gethostname())
    document = metrics({"net": 0.6, "svm": 0.5})
    document["protocol"]["folds_hash"] = "f01d"
    published = _metrics(folder).with_suffix(".partial")
    published.write_text(json.dumps(document))
    published.replace(_metrics(folder))
    run.finish()
    (record,) = read_records(folder)
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", record.id)
    assert (record.experiment, record.env, record.pipelines) == ("demo", "casia", ["train_x"])
    assert (record.state, record.error, record.end >= record.start) == ("finished", None, True)
    assert record.options == {"train_x": {"epochs": 3}}
    # echo -n '{"train_x": {"epochs": 3}}' | sha256sum
    assert record.options_hash == "ace8185ed0d4e42cc4084fecb2423d9cec50b093b9a9a8083c8e9338db127475"
    result = record.results["train_x"]
    assert [(best.variant, best.metric, best.mean) for best in result.headlines] == [("net", "uar", 0.6)]
    assert result.folds_hash == "f01d" and result.metrics == document
    assert [model.folder for model in result.models] == ["net/seed-0/fold-01/0123456789ab"]
    assert not is_held(folder)


def test_what_an_earlier_run_wrote_is_not_its_own(folder):
    _run(folder).finish()
    assert read_records(folder)[0].results == {}


def test_a_failure_is_recorded_in_a_line(folder):
    _run(folder).finish(ValueError("no speaker\nand more"))
    (record,) = read_records(folder)
    assert (record.state, record.error) == ("failed", "ValueError: no speaker")
    assert not is_held(folder)


def test_a_run_that_never_said_how_it_ended_was_interrupted(folder):
    first = _run(folder)
    first.release()
    assert [record.state for record in read_records(folder)] == ["interrupted"]
    second = _run(folder)
    assert [record.state for record in read_records(folder)] == ["interrupted", "running"]
    states = [json.loads(path.read_text())["state"] for path in (folder / "runs").iterdir()]
    assert sorted(states) == ["interrupted", "running"]  # on the disk, too, where others read them
    second.finish()


def test_a_second_run_is_refused_with_the_holder_and_what_to_do(folder):
    run = _run(folder, command="kedro run --env demo")
    with pytest.raises(ExperimentTaken) as refused:
        _run(folder)
    (record,) = read_records(folder)
    assert str(refused.value) == (
        f"another run is at work on the experiment demo: `kedro run --env demo` (process {os.getpid()} on "
        f"{socket.gethostname()}, since {record.start:%Y-%m-%d %H:%M:%S} UTC). Wait for it with "
        "`--params runs.wait=true`, or run under another name with `--params experiment=<name>`"
    )
    run.finish()


def test_a_run_may_wait(folder, caplog):
    with caplog.at_level(logging.WARNING), holding(folder, seconds=1):
        _run(folder, wait=True).finish()
    assert caplog.messages == [
        "experiment demo: waiting until a run that is just beginning, or `kedro semiser clean` ends"
    ]
    assert [record.state for record in read_records(folder)] == ["finished"]


def test_experiments_do_not_keep_each_other_waiting(folder):
    run, other = _run(folder), _run(folder.with_name("other"), metrics={})
    run.finish()
    other.finish()
    assert [record.experiment for record in read_records(folder.with_name("other"))] == ["other"]


def test_receipts_are_the_lists_among_the_documents(folder):
    models = folder.parents[1] / "06_models/demo/train_x"
    (models / "encoder.json").write_text('{"loss": 1}')
    (models / "models.json").write_text((models / "net.json").read_text())
    assert [model.variant for model in read_receipts(models)] == ["gone", "net"]
    assert read_receipts(models / "absent") == []
    (models / "svm.json").write_text('[{"variant": "svm"}]')
    with pytest.raises(ValueError, match=r"train_x/svm\.json is no receipt of trained folds"):
        read_receipts(models)


@pytest.mark.parametrize("content", ["{", '{"id": "x"}'])
def test_a_broken_record_is_named(folder, content):
    (folder / "runs").mkdir()
    (folder / "runs/20260101T000000Z-aaaaaa.json").write_text(content)
    with pytest.raises(ValueError, match=r"runs/20260101T000000Z-aaaaaa\.json is no record of a run"):
        read_records(Path(folder))
