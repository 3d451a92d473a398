"""`python -m semiser`: the same as `kedro run` in the project's folder.

`torchrun ... -m semiser` is that in its first process; the others take part in what it trains.
"""

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "1")  # before Kedro is imported: nothing is sent anywhere

from kedro.framework.project import configure_project

from semiser import torchrun
from semiser.cli import run


def main(*args: Any, **kwargs: Any) -> Any:
    """Run the project from its folder, or serve the process that does."""
    if torchrun.processes() is None:
        return _run(*args, **kwargs)
    if torchrun.rank() > 0:
        from semiser.training.processes import serve

        return serve()
    from semiser.training.hosts import leading

    with leading():
        return _run(*args, **kwargs)


def _run(*args: Any, **kwargs: Any) -> Any:
    configure_project(Path(__file__).parent.name)
    kwargs["standalone_mode"] = not hasattr(sys, "ps1")
    return run(*args, **kwargs)


if __name__ == "__main__":
    main()
