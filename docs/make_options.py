"""Makes options.md, the options of the published experiments beside the papers': `python docs/make_options.py`."""

import json
from collections.abc import Iterator
from pathlib import Path

from semiser.effective import effective_options, experiment_parameters
from semiser.evaluation.hyperparameters import OURS, PUBLISHED_ENVS, Compared, compare_options
from semiser.evaluation.published import PAPERS
from semiser.systems.system import get_system

ROOT = Path(__file__).parents[1]
HEAD = """# Options of the published experiments

What each published experiment runs with, beside what its paper says and where. An empty cell means that the paper says
nothing; **bold** is a value that is not the paper's. The reason stands beside either.

The papers' values are kept in `src/semiser/systems/<system>/hyperparameters.csv`. This page is made from them and from
`conf` by `python docs/make_options.py`; a test fails where an option differs from the paper without a reason, or where
this page is old.
"""


def page() -> str:
    """The page."""
    return "\n".join([HEAD, *(line for system in PUBLISHED_ENVS for line in _system(system))])


def _system(system: str) -> Iterator[str]:
    yield f"## {get_system(system).title}\n"
    yield f"{PAPERS[system]}.\n"
    for env in PUBLISHED_ENVS[system]:
        yield f"### {'`conf/base`' if env == 'base' else f'`--env {env}`'}: {get_system(system).title}\n"
        yield "| option | here | paper | where, why |"
        yield "|---|---|---|---|"
        options = effective_options(experiment_parameters(ROOT / "conf", env))
        yield from map(_row, compare_options(system, env, options))
        yield ""


def _row(compared: Compared) -> str:
    paper = compared.paper
    value = _cell(compared.value)
    if paper and paper.value != compared.value:
        value = f"**{value}**"
    note = compared.note.removeprefix(f"{OURS}: ").replace(f"; {OURS}: ", "; here: ").replace("|", "\\|")
    return f"| `{compared.option}` | {value} | {_cell(paper.value) if paper else ''} | {note} |"


def _cell(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value).replace("|", "\\|")


if __name__ == "__main__":
    (ROOT / "docs/options.md").write_text(page(), encoding="utf-8")
