"""Makes the tables that stand in the docs from data: `python docs/make_options.py`.

A page of a system has two places for them, each between a comment that names the table and one that ends it:

* `<!-- options -->`: what the paper says of every option, what a published experiment runs with, and why;
* `<!-- published -->`: what of ours stands beside every published figure, or why nothing does.

benchmark.md has two for published figures of corpora: `<!-- anchors -->`, speakers apart, and `<!-- shared -->`, the
others.

options.md has the options of all systems whose page has no place for them.
"""

import json
from collections.abc import Collection, Iterator
from pathlib import Path

from semiser.effective import effective_options, experiment_parameters
from semiser.evaluation.anchors import Anchor, read_anchors
from semiser.evaluation.hyperparameters import OURS, PUBLISHED_ENVS, Compared, compare_options
from semiser.evaluation.published import PAPERS, Published, read_published
from semiser.systems.system import get_system

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
END = "<!-- end -->"
HEAD = """# Options of the published experiments

What each published experiment runs with, beside what its paper says and where. An empty cell means that the paper says
nothing; **bold** is a value that is not the paper's. The reason stands beside either.

The papers' values are kept in `src/semiser/systems/<system>/hyperparameters.csv`. This page, and the tables on those of
the systems, are made from them and from `conf` by `python docs/make_options.py`; a test fails where an option differs
from the paper without a reason, or where a page is old. [All options](reference.md) has every option there is, with its
default.
"""


def pages() -> dict[Path, str]:
    """Every page with a table, as it should be."""
    made = {}
    for system in PUBLISHED_ENVS:
        page = DOCS / f"{system}.md"
        text = page.read_text(encoding="utf-8")
        text = _fill(text, "options", options_table(system))
        made[page] = _fill(text, "published", published_table(system))
    page = DOCS / "benchmark.md"
    text = page.read_text(encoding="utf-8")
    for name, speakers in (("anchors", ("apart",)), ("shared", ("shared", "not checked"))):
        text = _fill(text, name, anchors_table(speakers))
    index = "\n".join([HEAD, *_index(made)])
    return made | {page: text} | {DOCS / "options.md": index}


def _fill(text: str, name: str, table: Iterator[str]) -> str:
    """The text with a table between its comments, where it has them."""
    begin, end = f"<!-- {name} -->\n", f"\n{END}"
    before, found, rest = text.partition(begin)
    if not found:
        return text
    return f"{before}{begin}\n" + "\n".join(table) + f"\n{end}{rest.split(end, 1)[1]}"


def _index(made: dict[Path, str]) -> Iterator[str]:
    for page, text in made.items():
        title = get_system(page.stem).title
        yield f"## {title}\n"
        yield f"{PAPERS[page.stem]}.\n"
        if "<!-- options -->" in text:
            yield f"Its options stand in [{page.name}]({page.name}#options).\n"
        else:
            yield from [*options_table(page.stem), ""]


def options_table(system: str) -> Iterator[str]:
    """What the paper says, what runs, and why; an experiment is named where they differ."""
    envs = PUBLISHED_ENVS[system]
    found: dict[tuple[str, str], list[str]] = {}
    for env in envs:
        options = effective_options(experiment_parameters(ROOT / "conf", env))
        for compared in compare_options(system, env, options):
            found.setdefault((compared.option, _row(compared)), []).append(env)
    places = list(dict.fromkeys(option for option, _ in found))
    yield "| option | the paper says | here | where, why |"
    yield "|---|---|---|---|"
    for (option, row), named in sorted(found.items(), key=lambda item: places.index(item[0][0])):
        where = "" if tuple(named) == envs else f" ({', '.join(f'`{name}`' for name in named)})"
        yield f"| `{option}`{where} | {row} |"


def _row(compared: Compared) -> str:
    paper, value = compared.paper, _cell(compared.value)
    if paper and paper.value != compared.value:
        value = f"**{value}**"
    note = compared.note.removeprefix(f"{OURS}: ").replace(f"; {OURS}: ", "; here: ").replace("|", "\\|")
    return f"{_cell(paper.value) if paper else ''} | {value} | {note}"


def published_table(system: str) -> Iterator[str]:
    """Every variant of the paper's tables with its figures, and what of ours stands beside them."""
    rows: dict[tuple[str, ...], list[Published]] = {}
    for row in read_published(system):
        rows.setdefault((row.table, row.corpus, row.task, row.variant, row.setting, row.ours, row.note), []).append(row)
    yield "| table | on | variant | figures | ours |"
    yield "|---|---|---|---|---|"
    for (table, corpus, task, variant, setting, ours, note), own in rows.items():
        name = f"{variant}, {setting.replace('/', ', ').replace('=', ' ')}" if setting else variant
        beside = f"`{ours}`{f': {note}' if note else ''}" if ours else f"none: {note}"
        figures = ", ".join(f"`{row.metric}`" for row in own)
        yield f"| {table} | {corpus}, {task} | {_cell(name)} | {figures} | {_cell(beside)} |"


def anchors_table(speakers: Collection[str]) -> Iterator[str]:
    """Published figures of corpora; those of one source and protocol in a row, the highest first."""
    rows: dict[tuple[str, ...], list[Anchor]] = {}
    for anchor in read_anchors():
        if anchor.speakers in speakers:
            classes, labels = str(anchor.classes or ""), f"{100 * anchor.labels:g} %"
            key = (anchor.corpus, classes, anchor.protocol, anchor.speakers, labels, anchor.metric, anchor.source)
            rows.setdefault((*key, anchor.note), []).append(anchor)
    yield "| corpus | classes | protocol | speakers | labels | figures | source |"
    yield "|---|---|---|---|---|---|---|"
    for (corpus, classes, protocol, apart, labels, metric, source, note), own in rows.items():
        ranked = sorted(own, key=lambda anchor: -anchor.value)
        figures = "; ".join(f"{anchor.method} {anchor.value:.3f}" for anchor in ranked)
        where = f"{source}: {note}" if note else source
        cells = (corpus, classes, protocol, apart, labels, f"`{metric}` {figures}", where)
        yield f"| {' | '.join(map(_cell, cells))} |"


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
