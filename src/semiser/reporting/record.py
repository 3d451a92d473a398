"""How metrics came about: `run.json` beside them has the command, the time and the versions."""

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from semiser import __version__
from semiser.publish import publishing_on_disk

LIBRARIES = ("kedro", "torch", "opensmile", "numpy", "scikit-learn", "pyarrow", "lightning-fabric")


def write_record(dataset: Any, command: str) -> None:
    """Write the record beside the file of a Kedro dataset; nothing for a dataset that has no file of this machine."""
    path = dataset._describe().get("filepath")
    if path is not None and Path(path).is_file():
        facts = {"command": command, "finished": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "versions": versions()}
        with publishing_on_disk(Path(path).with_name("run.json")) as file:
            file.write(json.dumps(facts, indent=1).encode())


def versions() -> dict[str, str]:
    """Versions of semiser, Python and the libraries that decide results."""
    found = {"semiser": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found | {"machine": f"{platform.system()} {platform.machine()}"}
