"""Fixtures and limits that every test shares."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two busy threads on two cores make training tests crawl


import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--pretend-device`: what asks for the CPU is on a pretended GPU (`pretend_device`), in every test."""
    parser.addoption("--pretend-device", action="store_true", help="put trainings onto a pretended GPU")


@pytest.fixture(autouse=True)
def pretended(request: pytest.FixtureRequest):
    """The pretended GPU where it is asked for."""
    if not request.config.getoption("--pretend-device"):
        yield None
        return
    from pretend_device import on_pretend_device

    with on_pretend_device() as device:
        yield device


PROJECT_ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_corpora() -> Path:
    """Folder that holds real corpora (`casia`, `emodb`): `SEMISER_CORPORA`, else `../shared/corpora`."""
    folder = Path(os.environ.get("SEMISER_CORPORA", PROJECT_ROOT.parent / "shared" / "corpora"))
    if not folder.is_dir():
        pytest.skip(f"no real corpora at {folder} (set SEMISER_CORPORA)")
    return folder


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Keep torch to one thread where it is used, without importing it where it is not."""
    import sys

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
