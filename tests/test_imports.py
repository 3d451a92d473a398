"""Imports point one way (docs/architecture.md, "Rooms"), wherever in a file they stand."""

import ast
import json
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import semiser

ROOT = Path(semiser.__file__).parent
# A room to those that it may import, beside those that all may.
ROOMS = {
    "media": "",
    "corpora": "media",
    "folds": "",
    "training": "folds torchrun",
    "faces": "corpora training evaluation",
    "features": "faces corpora media",
    "shards": "features corpora media",
    "data": "shards features folds",
    "prediction": "training data shards features corpora media",
    "systems": "prediction evaluation data training shards features corpora folds",
    "evaluation": "folds",
    "reporting": "evaluation",
    "experiments": "reporting evaluation shards",
    "demo": "faces features",
    "datasets": "shards evaluation",
    "plan": "systems data",
    "pipelines": "plan demo systems prediction evaluation reporting training shards features faces corpora",
    "torchrun": "",
}
BOTTOM = {"options", "plugins", "errors", "progress", "publish", "claim", "hold", "devices", "provenance", "card"}
# Around the rooms: what a user starts, what Kedro starts, and what looks at an experiment as a whole.
TOP = {"__main__", "cli", "configuration", "doctor", "effective", "hooks", "needs", "new",
       "console", "pipeline_registry", "settings", "telling", "tracking"}  # fmt: skip
FINDS_BY_NAME = ("prediction", "semiser.systems")  # the loaders in the folders of systems
KNOW_KEDRO = {"pipelines", "datasets", "cli", "console", "configuration", "hooks", "pipeline_registry", "__main__"}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): ast.parse(path.read_bytes()) for path in ROOT.rglob("*.py")}


def names_imported(tree: ast.Module) -> set[str]:
    """What a file imports, in functions, too; but not what it names to a checker of types alone."""
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inside = "" if node.level == 0 else "."
            found |= {f"{inside}{node.module}.{alias.name}" for alias in node.names}
    return found


def imports(module: str) -> set[str]:
    """The project's own modules that a module imports."""
    found = set()
    for name in names_imported(MODULES[module]):
        if name.startswith("."):  # only a package takes from its own files so
            name = f"{module}{name}"
        while name and name not in MODULES:
            name = name.rpartition(".")[0]
        found |= {name} - {"", module}
    return found


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_rooms_import_what_the_arrows_allow():
    allowed = {name: {*below.split(), *BOTTOM, name, ""} for name, below in ROOMS.items()}
    allowed |= {name: BOTTOM for name in BOTTOM}
    against = [
        f"{module} imports {other}"
        for module in MODULES
        if room(module) not in TOP | {""}
        for other in imports(module)
        if room(other) not in allowed[room(module)] and (room(module), other) != FINDS_BY_NAME
    ]
    assert against == []


def test_rooms_and_what_lies_around_them_are_all_that_there_is():
    assert {room(module) for module in MODULES} - {""} == {*ROOMS, *BOTTOM, *TOP}


def test_no_files_import_each_other_in_a_circle():
    graph = {module: imports(module) for module in MODULES}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
    assert order.index("semiser.folds.table") < order.index("semiser.training.experiment")


def test_training_and_data_know_nothing_of_each_other():
    between = [(room(module), room(other)) for module in MODULES for other in imports(module)]
    assert ("training", "data") not in between and ("data", "training") not in between
    assert ("systems", "data") in between  # what is looked for would be found


def test_only_what_kedro_starts_knows_kedro():
    knowing = {
        room(module)
        for module, tree in MODULES.items()
        if any(name.split(".")[0] in ("kedro", "kedro_datasets") for name in names_imported(tree))
    }
    assert knowing == KNOW_KEDRO


@pytest.mark.parametrize(
    "module, without",
    [
        ("folds", {"torch", "pandas", "cv2"}),
        ("pipelines", {"torch", "pandas", "cv2"}),
        ("systems.system", {"torch", "pandas", "cv2"}),
        ("pipeline_registry", {"torch", "pandas", "cv2"}),
        # What a run loads in which everything is finished: half of its time was theirs.
        ("training.experiment", {"lightning_fabric", "scipy"}),
        ("systems.mmmd", {"lightning_fabric", "scipy.signal"}),
        ("systems.mssgan", {"lightning_fabric", "scipy.signal"}),
        ("features.segments", {"scipy.signal"}),
        ("features.chunks", {"scipy.signal"}),
    ],
)
def test_a_room_is_imported_without_what_it_needs_for_work_alone(module, without):
    code = (
        "import sys, json, pkgutil, importlib\n"
        f"found = importlib.import_module('semiser.{module}')\n"
        "for module in pkgutil.walk_packages(getattr(found, '__path__', []), found.__name__ + '.'):\n"
        "    importlib.import_module(module.name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert without & set(json.loads(out)) == set()
