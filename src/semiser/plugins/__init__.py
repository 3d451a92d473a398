"""Feature families that are not ours: of installed packages, and of files of the user's.

A package names its declarations by an entry point, `[project.entry-points."semiser.families"]`, `energy =
"my_package.energy:FAMILY"`. A file that no package has is named by the environment variable `SEMISER_FAMILIES`: a file,
or several with the path separator (`:`) between them, each of which has `FAMILY`, a declaration, or `FAMILIES`, some.
Files are modules of this package, so a worker, which inherits the variable, finds the class of a family that it is
handed. Naming a file runs it, as naming a module on `PYTHONPATH` does.
"""

import os
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from semiser.options.family import Declared

VARIABLE, ENTRY_POINTS = "SEMISER_FAMILIES", "semiser.families"

_files = [Path(name).resolve() for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]
__path__ = [*__path__, *dict.fromkeys(str(file.parent) for file in _files)]


def declared_elsewhere() -> Iterator[tuple[str, Declared]]:
    """Where a family is declared, and its declaration.

    Raises:
        ValueError: a file is missing, cannot be imported or declares nothing; the message says what to do.
    """
    for entry in entry_points(group=ENTRY_POINTS):
        yield from _declarations(f"the entry point {ENTRY_POINTS}, {entry.name}", entry.load)
    names: dict[str, Path] = {}
    for file in _files:
        if not file.is_file() or file.suffix != ".py" or not file.stem.isidentifier():
            raise ValueError(f"{VARIABLE} names {file}: expected a Python file that is there, <name>.py")
        if names.setdefault(file.stem, file) != file:
            raise ValueError(f"{VARIABLE} names {names[file.stem]} and {file}: give one of them another name")
        yield from _declarations(f"{VARIABLE}, {file}", lambda name=file.stem: import_module(f"{__name__}.{name}"))


def _declarations(place: str, load: Any) -> Iterator[tuple[str, Declared]]:
    try:
        found = load()
    except Exception as error:  # the user's code may raise anything
        raise ValueError(f"{place}: cannot be imported: {type(error).__name__}: {error}") from error
    if not isinstance(found, Declared | tuple | list):
        found = getattr(found, "FAMILIES", getattr(found, "FAMILY", ()))
    families = [found] if isinstance(found, Declared) else list(found)
    if not families or not all(isinstance(family, Declared) for family in families):
        raise ValueError(
            f"{place}: declares no family: it needs FAMILY = Declared(...) of semiser.options.family "
            "(docs/extending.md)"
        )
    yield from ((place, family) for family in families)
