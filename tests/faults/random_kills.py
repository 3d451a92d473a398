"""kill -9 at random moments of every pipeline, by hand: `python tests/faults/random_kills.py <folder> --kills 200`.

`--signal SIGTERM` or `SIGINT` (Ctrl-C, to all processes of the run) ends them so.

The demo, cut to a few speakers and steps of training, is run once without disturbance, pipeline after pipeline. Then
pipelines are started again and again from where the one before left the project, killed at a random moment (the process
alone, as the kernel would: workers must end by themselves), looked at, and run to their end. What then lies there must
be what the undisturbed run left, file for file, but for what says when something was run. Linux.
"""

import argparse
import csv
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
STEPS = ("ingest", "train_faces", "features", "train_mmmd", "train_baselines", "train_began", "train_mssgan",
         "train_cmkt", "train_avspnet", "train_benchmark", "report", "predict")  # fmt: skip
KEPT = {"acted": 3, "wild": 4, "video": 4}  # speakers
ROWS = 6  # of a speaker
COSTS = ("seconds", "processor_s", "memory_mib")  # columns of efficiency.csv, too
NEVER_THE_SAME = {".lock", "run.json", "cost.json", "report.html", "report.json"}  # they hold times
DRAWN = {"train_identities": 4, "validation_identities": 2, "pictures": 1}
CLASSES = ["neutral", "sadness", "anger", "happiness"]
SMALL = {
    "engine": {"workers": 2},
    "features": {"shards": {"utterances": 8}},
    "train_faces": {"expression": {"training": {"epochs": 1, "drawn": DRAWN}},
                    "dface": {"training": {"epochs": 1, "drawn": DRAWN}}},
    "train_mmmd": {"variants": ["svm", "mmd", "mmmd_with_acted"], "mmd": {"epochs": 2}, "dnn": {"epochs": 2}},
    "train_baselines": {"modality_sets": [["acoustic"]]},
    "train_began": {"variants": ["svm", "from_scratch", "began"], "encoder": {"epochs": 1},
                    "classifier": {"epochs": 1}, "from_scratch": {"epochs": 1}},
    "train_mssgan": {"variants": ["fsbase", "ssgan"], "features": ["fbank"],
                     "optimisation": {"epochs": 1, "batches": 1}, "self_training": {"epochs": 1}},
    "train_cmkt": {"variants": ["supervised", "dcmkt"], "optimisation": {"epochs": 1}},
    "train_avspnet": {"variants": ["random", "avspnet_arousal"], "shares": [1.0], "pretraining": {"epochs": 1},
                      "recognition": {"tuned": {"epochs": 2}}},
    "train_benchmark": {"shares": [0.5], "variants": ["logistic", "self_training"]},
}  # fmt: skip


def make_project(folder: Path) -> Path:
    """The project with an env `small`, and the cut corpora beside it."""
    corpora = {}
    for name, speakers in KEPT.items():
        source, cut = ROOT / "data/01_raw/demo" / name, folder / "corpora" / name
        cut.mkdir(parents=True)
        with (source / "utterances.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        wanted, counts = list(dict.fromkeys(row["speaker_id"] for row in rows))[:speakers], Counter()
        for row in rows:
            counts[row["speaker_id"], row["emotion"]] += 1
            row["number"] = (row["emotion"] == "", counts[row["speaker_id"], row["emotion"]])
        rows.sort(key=lambda row: row.pop("number"))  # one of every emotion first, without label last
        counts.clear()
        with (cut / "utterances.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            for row in rows:
                if row["speaker_id"] in wanted and counts[row["speaker_id"]] < ROWS:
                    counts[row["speaker_id"]] += 1
                    table.writerow(row)
                    for path in {row["audio_path"], row.get("video_path", row["audio_path"])}:
                        (cut / path).parent.mkdir(exist_ok=True)
                        shutil.copy2(source / path, cut / path)
        corpora[f"demo_{name}"] = {"reader": "manifest", "root": str(cut)}
    project = folder / "project"
    for name in ("conf", "src"):
        shutil.copytree(
            ROOT / name, project / name, ignore=shutil.ignore_patterns("local", "__pycache__", "*.egg-info")
        )
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, project / name)
    shutil.copytree(ROOT / "data/01_raw/demo/lexicon", project / "data/01_raw/demo/lexicon")
    demo = {}
    for path in sorted((ROOT / "conf/demo").glob("*.yml")):
        demo |= yaml.safe_load(path.read_text("utf-8"))
    tasks = demo["train_mssgan"]["tasks"]
    demo["train_mssgan"]["tasks"] = {"arousal": tasks["arousal"]}
    demo["train_avspnet"]["tasks"] = {"emotion": demo["train_avspnet"]["tasks"]["emotion"]}
    for group in ("cmkt_sweeps", "mmmd_sweeps", "mssgan_sweeps"):
        del demo[group]
    del demo["train_mmmd"]["folds"]["acted"][0]["emotions"]["disgust"]
    for group in ("train_mmmd", "train_baselines", "train_benchmark"):
        demo[group]["folds"]["classes"] = CLASSES
    for system in demo.values():
        for options in (system, system.get("folds", {})):
            validation = options.get("validation", {}).get("kind")
            if options.get("protocol") and validation != "speakers":  # which needs three
                options["protocol"] = {"kind": "k_fold", "k": 2}
    (project / "conf/small").mkdir()
    parameters = joined(demo, SMALL | {"ingest": {"corpora": corpora}})
    (project / "conf/small/parameters.yml").write_text(yaml.safe_dump(parameters, allow_unicode=True), "utf-8")
    return project


def joined(of: dict, other: dict) -> dict:
    """Options with others put in, group by group."""
    return of | {key: joined(of[key], value) if isinstance(value, dict) and isinstance(of.get(key), dict) else value
                 for key, value in other.items()}  # fmt: skip


def preload() -> None:
    """What every run imports, so that a fork of this process begins at once."""
    import importlib
    import pkgutil

    import semiser

    for module in pkgutil.walk_packages(semiser.__path__, "semiser."):
        if not module.name.endswith(("__main__", "pipeline_registry", "settings")):
            importlib.import_module(module.name)
    import lightning_fabric  # noqa: F401


def start(project: Path, step: str, log: int) -> int:
    """A fork that runs a pipeline, in a session of its own; its process id."""
    if pid := os.fork():
        return pid
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell started this in the background
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(project)
        arguments = ["run", "--env", "small", f"--pipelines={step}"]
        if step == "predict":
            arguments.append(f"--params=predict.input={project.parent / 'corpora/wild/audio'}")
        sys.argv = ["kedro", *arguments]
        from kedro.framework.cli.cli import main

        main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def wait(pid: int, limit_s: float = 600) -> int | None:
    """The exit status, None where it still runs after the limit."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    return None


def end(pid: int, how: signal.Signals) -> float | None:
    """Seconds until a run ended on a signal, sent to all its processes as a terminal does where it is Ctrl-C.

    None where two minutes were not enough: it is killed.
    """
    begin = time.monotonic()
    (os.killpg if how == signal.SIGINT else os.kill)(pid, how)
    if wait(pid, 120) is not None:
        return round(time.monotonic() - begin, 1)
    os.killpg(pid, signal.SIGKILL)
    wait(pid, 60)
    return None


def left_behind(session: int, limit_s: float = 30) -> int:
    """Processes of a session that are still there after so long."""
    end = time.monotonic() + limit_s
    while True:
        alive = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, _, _, of = stat.read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            alive += of == str(session) and state != "Z"
        if not alive or time.monotonic() > end:
            return alive
        time.sleep(0.05)


def unreadable(project: Path) -> list[str]:
    """Files under a final name that a reader of their kind refuses."""
    import pyarrow.parquet

    found = []
    for path in (path for path in (project / "data").rglob("*") if path.is_file()):
        data = path.read_bytes()
        try:
            if path.suffix == ".parquet":
                pyarrow.parquet.read_table(path)
            elif path.suffix == ".json":
                json.loads(data)
            elif path.suffix == ".csv":
                assert data.endswith(b"\n")
            elif path.suffix == ".png":
                assert data.endswith(b"IEND\xaeB`\x82")
            elif path.suffix == ".html":
                assert data.rstrip().endswith(b"</html>")
        except Exception as error:  # whatever a reader of half a file says
            found.append(f"{path.relative_to(project)}: {error!r}"[:200])
    return found


def digests(project: Path) -> dict[str, str]:
    """SHA-256 of all that lies there, but for what says when something was run."""
    data = project / "data"
    files = (path for path in data.rglob("*") if path.is_file() and path.name not in NEVER_THE_SAME)
    files = (path for path in files if path.relative_to(data).parts[:1] != ("01_raw",) and path.parent.name != "runs")
    return {path.relative_to(data).as_posix(): hashlib.sha256(_lasting(path)).hexdigest() for path in files}


def _lasting(path: Path) -> bytes:
    """What a file says, without what a training took."""
    data = path.read_bytes()
    if path.suffix == ".json":
        return json.dumps(_without_costs(json.loads(data)), sort_keys=True).encode()
    if path.suffix == ".csv" and data.startswith(b"tested,method,"):
        return json.dumps(_without_costs(list(csv.DictReader(data.decode().splitlines())))).encode()
    return data


def _without_costs(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_costs(one) for key, one in value.items() if key not in ("cost", *COSTS)}
    return [_without_costs(one) for one in value] if isinstance(value, list) else value


def main() -> None:
    """Run, kill, run again, compare; totals at the end, a line of JSON per kill in kills.jsonl."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="an empty or new folder")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", default=",".join(STEPS))
    parser.add_argument("--signal", default="SIGKILL", choices=("SIGKILL", "SIGTERM", "SIGINT"))
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder / "project/src"), "DO_NOT_TRACK": "1"}
    project, states = make_project(folder), folder / "states"
    sys.path.insert(0, str(project / "src"))
    preload()
    log = os.open(folder / "runs.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    lengths, expected = {}, {}
    for step in STEPS:
        shutil.copytree(project / "data", states / step)
        begin = time.monotonic()
        if wait(start(project, step, log)) != 0:
            sys.exit(f"{step} fails without any disturbance: see {folder / 'runs.log'}")
        lengths[step], expected[step] = time.monotonic() - begin, digests(project)
        print(f"{step}: {lengths[step]:.1f} s undisturbed, {len(expected[step])} files", flush=True)
    draw, totals = random.Random(arguments.seed), Counter()
    steps = arguments.steps.split(",")
    drawn = draw.choices(steps, [lengths[step] ** -0.5 for step in steps], k=arguments.kills)  # long ones less often
    with (folder / "kills.jsonl").open("w") as lines:
        for step in drawn:
            shutil.rmtree(project / "data")
            shutil.copytree(states / step, project / "data")
            pid, at = start(project, step, log), draw.uniform(0, lengths[step])
            took = end(pid, signal.Signals[arguments.signal]) if (hit := wait(pid, at) is None) else 0
            alive, broken = left_behind(pid), unreadable(project)
            leftovers = sum(1 for _ in (project / "data").rglob("*.partial"))
            status = wait(start(project, step, log))
            now = digests(project)
            differs = sorted(
                name for name in now.keys() | expected[step].keys() if now.get(name) != expected[step].get(name)
            )
            fact = {"step": step, "at_s": round(at, 2), "hit": hit, "took_s": took, "processes_left": alive,
                    "unreadable": broken, "partial": leftovers, "rerun": status, "differs": differs}  # fmt: skip
            lines.write(json.dumps(fact) + "\n")
            lines.flush()
            totals.update(runs=1, hit=hit, no_end=took is None, processes_left=alive > 0, unreadable=bool(broken),
                          partial=leftovers, rerun_failed=status != 0, differs=bool(differs))  # fmt: skip
            if took is None or alive or broken or status or differs:
                print(json.dumps(fact), flush=True)
    print(json.dumps(totals))


if __name__ == "__main__":
    main()
