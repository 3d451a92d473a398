"""What can go: models and shards that nothing names any more, experiments, and what killed runs left."""

import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from semiser.experiments.records import read_receipts
from semiser.experiments.run import take
from semiser.experiments.tree import Tree
from semiser.publish import TEMPORARY_SUFFIX
from semiser.shards.table import named_from_elsewhere

logger = logging.getLogger(__name__)
LATER = "Nothing was removed: try again when it has ended"
MISSED = {
    "models": "of earlier options, or of a training that did not end; who goes back to them trains again, and "
    "`compare` misses them",
    "shards": "of earlier options or files, of predictions, or of an extraction that did not end; who goes back to "
    "them computes again",
    "experiment": "all that was made for it and the records of its runs, not the features that experiments share",
}
LEFT_S = 3600  # what was written to within it may be at work, by `semiser.load` for one, which takes no experiment


@dataclass(frozen=True)
class Removable:
    """Something that can go.

    Attributes:
        name: by which it is removed.
        what: it is.
        paths: folders and files.
        size: bytes.
        experiments: that no run may be at work on while it is removed.
    """

    name: str
    what: str
    paths: list[Path]
    size: int
    experiments: list[str]

    @property
    def kind(self) -> str:
        """First part of the name; `MISSED` says what is lost with it."""
        return self.name.partition(":")[0]


def removable(tree: Tree) -> list[Removable]:
    """Everything that can go: models, shards, leftovers, and experiments as a whole."""
    return [*_old_models(tree), *_old_shards(tree), *_leftovers(tree), *_whole(tree)]


def remove(tree: Tree, names: Sequence[str]) -> list[Removable]:
    """Remove what is named, and nothing else.

    Raises:
        ValueError: a name is none of those that `removable` gives.
        ExperimentTaken: a run is at work on an experiment that it concerns; then nothing is removed.
    """
    found = {part.name: part for part in removable(tree)}
    if unknown := [name for name in names if name not in found]:
        raise ValueError(f"nothing is called {', '.join(unknown)}: `kedro semiser clean` lists what can be removed")
    with ExitStack() as locks:
        for experiment in sorted({experiment for name in names for experiment in found[name].experiments}):
            locks.callback(take(tree.reporting / experiment, instead=LATER).release)
        # Looked at again: a run may have ended in between, and what it made is not to go.
        chosen = [part for part in removable(tree) if part.name in names]
        for path in (path for part in chosen for path in part.paths):
            _remove(path, tree.data)
    return chosen


def _old_models(tree: Tree) -> Iterator[Removable]:
    for experiment in tree.experiments():
        for pipeline in sorted((tree.models / experiment).glob("*/")):
            if not (present := {pipeline / model.folder for model in read_receipts(pipeline)}):
                continue  # a first training that did not end leaves no receipt
            paths = [path for path in sorted(pipeline.rglob("seed-*/fold-*/*/")) if path not in present]
            what = f"{len(paths)} trained folds that no present result is made of"
            yield from _some(f"models:{experiment}/{pipeline.name}", what, paths, [experiment])


def _old_shards(tree: Tree) -> Iterator[Removable]:
    """Shards on a disk that no experiment's manifest names, by family and digest of its version and options.

    Of manifests on an object store those count that left word beside the shards; where one of them cannot be read now,
    nothing of that folder can go.
    """
    if tree.features is None:
        return
    named = {path for manifest in (tree.data / "03_primary").glob("*/*.json") for path in _shards_of(manifest)}
    for folder in sorted(tree.features.glob("*/*/")):
        try:
            elsewhere = set(named_from_elsewhere(folder))
        except ValueError as error:
            logger.warning("shards in %s are not offered: %s", folder.relative_to(tree.features), error)
            continue
        shards = sorted(folder.rglob("*.parquet"))
        paths = [path for path in shards if path not in named | elsewhere]
        what = f"{len(paths)} of {len(shards)} shards, which no experiment's features are made of"
        yield from _some(f"shards:{folder.relative_to(tree.features)}", what, paths, tree.experiments())


def _shards_of(manifest: Path) -> list[Path]:
    """The shards of a feature table; none of a JSON document that is no manifest of one."""
    document = json.loads(manifest.read_bytes())
    if not isinstance(document, dict) or not isinstance(folder := document.get("folder"), str):
        return []
    return [Path(os.path.normpath(manifest.parent / folder / shard["path"])) for shard in document["shards"]]


def _leftovers(tree: Tree) -> Iterator[Removable]:
    old = time.time() - LEFT_S
    found = [path for path in sorted(tree.data.rglob(f"*{TEMPORARY_SUFFIX}")) if path.lstat().st_mtime < old]
    paths = [path for path in found if path.is_file()]
    yield from _some("leftovers", f"{len(paths)} files that killed runs did not finish", paths, tree.experiments())


def _whole(tree: Tree) -> Iterator[Removable]:
    for name in tree.experiments():
        yield from _some(f"experiment:{name}", "all of it", tree.folders_of(name), [name])


def _some(name: str, what: str, paths: list[Path], experiments: list[str]) -> Iterator[Removable]:
    if paths:
        yield Removable(name, what, paths, sum(map(_size, paths)), experiments)


def _size(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.lstat().st_size for file in files if not file.is_dir())


def _remove(path: Path, root: Path) -> None:
    """Remove a file or folder, and the folders above it, up to two below `root`, that are then empty."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    for above in path.parents:
        if above.parent == root or root not in above.parents or any(above.iterdir()):
            return
        above.rmdir()
