"""Commands that the project adds to Kedro's, from `kedro semiser doctor` to `export`; and its own `run`.

`run` is Kedro's with names that are looked at first, lists among the parameters, and errors as a person reads them.
"""

import re
from collections.abc import Iterable
from copy import copy
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from omegaconf import OmegaConf

from semiser.errors import did_you_mean
from semiser.telling import install, telling

install()
_MARKS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "missing": ("missing", "red")}


@click.group()
def cli() -> None:
    """What Kedro takes into its own commands."""


def split_params(context: click.Context, param: Any, value: Any) -> Any:
    """`a.b=1,c=[x,y]` as nested parameters; commas inside brackets separate no parameters."""
    if isinstance(value, dict):
        return value
    items = [item.strip() for item in _outside_brackets(value) if item.strip()]
    for item in items:
        if not re.match(r"[^=\s]+\s*=", item):
            raise click.UsageError(
                f"--params: {item!r} is no parameter: write <name>=<value>, with commas between several"
            )
    return OmegaConf.to_container(OmegaConf.from_dotlist(items))


def _outside_brackets(value: str) -> list[str]:
    """The parts between the commas that stand in no brackets, however deep these are."""
    depth, parts = 0, [""]
    for sign in value:
        depth = max(0, depth + (sign in "[{") - (sign in "]}"))
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    if depth:
        raise click.UsageError(f"--params: a bracket of {parts[-1]!r} is not closed")
    return parts


def _with_lists(option: click.Parameter) -> click.Parameter:
    if option.name == "params":
        option = copy(option)
        option.callback = split_params
    return option


@cli.command(params=[_with_lists(option) for option in kedro_run.params], help=kedro_run.help)
def run(**given: Any) -> Any:
    """Kedro's own."""
    from semiser.pipeline_registry import pipeline_names

    with telling():
        if (one := given["pipeline"]) and not given["pipelines"]:
            given |= {"pipeline": None, "pipelines": [one]}
        for name in given["pipelines"] or ():
            if name not in (known := pipeline_names()):
                hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
                raise click.UsageError(f"--pipelines: there is no pipeline {name!r}{hint}")
        assert kedro_run.callback is not None  # a command that Kedro decorates
        return kedro_run.callback(**given)


@cli.group()
def semiser() -> None:
    """Commands of semiser."""


@semiser.command()
@click.option("--env", "-e", default=None, help="Configuration env, as of kedro run.")
@click.option(
    "--params",
    default="",
    callback=split_params,
    help="Parameters, as of kedro run: ingest.corpora.casia.root=<folder>.",
)
def doctor(env: str | None, params: dict[str, Any]) -> None:
    """Say what this set-up has, what it lacks, and what to do.

    Ends with 1 where something is missing that `kedro run` with the same env and params needs.
    """
    import shutil
    import textwrap

    from kedro.framework.session import KedroSession

    from semiser.configuration import ExperimentConfigLoader
    from semiser.doctor import examine

    with telling():
        session = KedroSession.create(project_path=_project(), env=env, runtime_params=params)
        with session:
            configuration = session.load_context().config_loader
        assert isinstance(configuration, ExperimentConfigLoader)  # settings.py has it
        primary = f"{configuration['globals']['primary']}/{configuration.experiment}"
        parameters = configuration["parameters"]  # unchecked: what is wrong is to be shown
        group, advice, missing = None, "", 0
        width = shutil.get_terminal_size((120, 24)).columns
        for check in examine(parameters, _project(), primary):
            if check.group != group:
                group = check.group
                click.secho(f"\n{group}", bold=True)
            mark, colour = _MARKS[check.state]
            found = textwrap.fill(check.found, max(width - 27, 40), break_long_words=False)
            found = found.replace("\n", f"\n{'':27}")
            click.echo(f"  {click.style(f'{mark:8}', fg=colour)}{check.name:16} {found}")
            if check.advice and check.advice != advice:
                click.echo(f"{'':26} -> {check.advice}")
            advice = check.advice
            missing += check.state == "missing"
        if missing:
            click.echo()
            raise click.ClickException(f"{missing} missing: see above what to do")
        click.secho("\nnothing is missing for `kedro run` with these options", fg="green")


@semiser.command()
@click.argument("name")
@click.option(
    "--labelled", required=True, help="Folder of sounds, or a table that names them (CSV, TSV, JSONL, Parquet)."
)
@click.option("--unlabelled", default=None, help="Likewise, of speech without labels that helps in training.")
def new(name: str, labelled: str, unlabelled: str | None) -> None:
    """Look at your speech and write an experiment NAME on it: conf/NAME/parameters.yml.

    Says what it understood; whatever it guessed is a line of the file. Writes over nothing.
    """
    import shlex
    from pathlib import Path

    from semiser.new import describe, draft, write_env

    with telling():
        alone = click.get_current_context().find_root().info_name == "semiser"
        words = [*([] if alone else ["kedro"]), "semiser", "new", name, "--labelled", labelled]
        words += ["--unlabelled", unlabelled] if unlabelled else []
        project = Path.cwd()
        found = draft(name, labelled, unlabelled)
        path = write_env(found, project / "conf", project, shlex.join(words))
        _print(describe(found))
        click.echo(
            f"written     {path.relative_to(project)}, {len(path.read_text(encoding='utf-8').splitlines())} lines"
        )
        click.echo(f"\nnext        {'semiser run' if alone else 'kedro run --env'} {name}")


@semiser.command()
@click.option("--experiment", default=None, help="Of this experiment only.")
def runs(experiment: str | None) -> None:
    """List what was run: when, how it ended, its options' hash, its best figure, and the command."""
    from semiser.experiments.show import show_runs

    with telling():
        _print(show_runs(_tree(), experiment))


@semiser.command()
@click.argument("a")
@click.argument("b")
def compare(a: str, b: str) -> None:
    """Say how two runs differ: in options, and in what the variants that both trained score on common folds.

    A and B are names of experiments, whose last training is taken, or ids of runs.
    """
    from semiser.experiments.compare import compare_runs, find_run
    from semiser.experiments.show import show_comparison

    with telling():
        tree = _tree()
        _print(show_comparison(compare_runs(tree, find_run(tree, a), find_run(tree, b))))


@semiser.command()
@click.option("--remove", "names", multiple=True, metavar="NAME", help="Remove this; may be given several times.")
def clean(names: tuple[str, ...]) -> None:
    """Say what can go and how large it is; remove what is named, and nothing else."""
    from semiser.experiments.clean import removable, remove
    from semiser.experiments.show import show_removable

    with telling():
        tree = _tree()
        _print(show_removable(remove(tree, names) if names else removable(tree), bool(names)))


@semiser.command()
@click.argument("experiment")
@click.argument("folder")
@click.option(
    "--as", "kind", type=click.Choice(["csv", "audformat", "emobox", "poleval"]), default="csv", show_default=True
)
@click.option(
    "--inputs", metavar="IN_TSV", help="PolEval's in.tsv: write its out.tsv from what was predicted for them."
)
def export(experiment: str, folder: str, kind: Any, inputs: str | None) -> None:
    """Write the folds and predictions of EXPERIMENT to a new FOLDER, for other tools and challenges."""
    from pathlib import Path

    from semiser.experiments.export import export as write
    from semiser.experiments.export import export_submission

    with telling():
        tree, place = _tree(), Path(folder)
        if inputs is not None and kind != "poleval":
            raise ValueError("--inputs goes with --as poleval alone")
        written = export_submission(tree, experiment, place, Path(inputs)) if inputs else None
        _print(str(path) for path in written or write(tree, experiment, place, kind))


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


def _project() -> Path:
    """The project that this folder is in, as `kedro run` finds it."""
    from kedro.utils import find_kedro_project

    return find_kedro_project(Path.cwd()) or Path.cwd()


def _tree() -> Any:
    """Where the experiments of the project that this folder is in lie."""
    from kedro.framework.session import KedroSession

    from semiser.experiments.tree import Tree

    session = KedroSession.create(project_path=_project())
    with session:
        return Tree.of(session.load_context().config_loader["parameters"]["places"], _project())
