"""Totals of the fuzz tests at the end of a run."""

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.fuzz)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    outcomes = getattr(sys.modules.get("fuzz.cases"), "OUTCOMES", {})
    if outcomes:
        total = sum(counts.total() for counts in outcomes.values())
        terminalreporter.section(f"{total:,} inputs fuzzed")
    for target, counts in sorted(outcomes.items()):
        each = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
        terminalreporter.write_line(f"{target}: {counts.total():,} ({each})")
