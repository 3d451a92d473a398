"""Commands that the project adds to Kedro's: `kedro semiser doctor`."""

from typing import Any

import click
from kedro.framework.cli.utils import _split_params

_MARKS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "missing": ("missing", "red")}


@click.group()
def cli() -> None:
    """What Kedro takes into its own commands."""


@cli.group()
def semiser() -> None:
    """Commands of semiser."""


@semiser.command()
@click.option("--env", "-e", default=None, help="Configuration env, as of kedro run.")
@click.option(
    "--params",
    default="",
    callback=_split_params,
    help="Parameters, as of kedro run: ingest.corpora.casia.root=<folder>.",
)
def doctor(env: str | None, params: dict[str, Any]) -> None:
    """Say what this set-up has, what it lacks, and what to do.

    Ends with 1 where something is missing that `kedro run` with the same env and params needs.
    """
    from pathlib import Path

    from kedro.framework.session import KedroSession

    from semiser.doctor import examine

    with KedroSession.create(project_path=Path.cwd(), env=env, runtime_params=params) as session:
        configuration = session.load_context().config_loader
    primary = f"{configuration['globals']['primary']}/{configuration.experiment}"
    parameters = configuration["parameters"]  # unchecked: what is wrong is to be shown
    group, missing = None, 0
    for check in examine(parameters, Path.cwd(), primary):
        if check.group != group:
            group = check.group
            click.secho(f"\n{group}", bold=True)
        mark, colour = _MARKS[check.state]
        click.echo(f"  {click.style(f'{mark:8}', fg=colour)}{check.name:16} {check.found}")
        if check.advice:
            click.echo(f"{'':26} -> {check.advice}")
        missing += check.state == "missing"
    if missing:
        click.echo()
        raise click.ClickException(f"{missing} missing: see above what to do")
    click.secho("\nnothing is missing for `kedro run` with these options", fg="green")
