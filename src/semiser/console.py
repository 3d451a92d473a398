"""The command `semiser`: predict, new, run, report and doctor, for people who need not know Kedro.

It is thin over Kedro's commands and the library, and works in the project's clone as in any folder after `pip install`:
there the configuration that came with the package is copied beside the data when `semiser new` writes an experiment.
"""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

PACKAGE = Path(__file__).parent
# Beside the package where it was installed, in the clone where it is developed.
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parents[1] / "conf"
# Kedro reads both while it is imported: a line per event, and nothing is sent anywhere.
if not Path("conf/logging.yml").is_file():
    os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(CONF / "logging.yml"))
os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "1")

import click
from kedro.framework.project import configure_project

import semiser
from semiser import cli as commands
from semiser.telling import telling

if TYPE_CHECKING:
    import pyarrow as pa

_ALWAYS = ("base", "logging.yml")


@click.group(epilog=f"The configuration that came with it lies at {CONF}.")
@click.version_option(
    semiser.__version__, message=f"semiser %(version)s, at {PACKAGE}; its configuration lies at {CONF}"
)
def main() -> None:
    """Emotion of speech: train on your own recordings, see how good it is, use it on new ones."""
    configure_project("semiser")


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--model",
    default=None,
    help="An experiment, whose final model predicts, or a model's folder or card.json. Without it: the one experiment "
    "here that has a final model.",
)
@click.option("--out", type=click.Path(dir_okay=False), default=None, help="Write all columns to this CSV file, too.")
def predict(files: Sequence[str], model: str | None, out: str | None) -> None:
    """Say the emotion of recordings: sound files, or one folder, or one table of them."""
    with telling():
        for name in files:
            if not Path(name).exists():
                raise FileNotFoundError(f"nothing at {name}: give sound files, a folder of them, or a table")
        found = _predict(semiser.load(model or _only_model()), files)
        for row in found.to_pylist():
            click.echo(_line(row))
        if out:
            found.to_pandas().to_csv(out, index=False)
            click.echo(f"written: {out}")


def _only_model() -> str:
    """The experiment of this folder that has a final model."""
    known = sorted(card.parents[1].name for card in Path("data/06_models").glob("*/final/card.json"))
    if len(known) == 1:
        return known[0]
    if known:
        raise ValueError(f"several experiments here have a final model: choose by --model {' or '.join(known)}")
    raise FileNotFoundError(
        f"no experiment in {Path.cwd()} has a final model (data/06_models/<name>/final): go to the folder where it was "
        "trained, give --model <folder or card.json>, or train one by `semiser new` and `semiser run`"
    )


def _predict(model: Any, files: Sequence[str]) -> "pa.Table":
    """One path as it is; several as one input, so that they are scaled together."""
    if len(files) == 1:
        return model.predict(files[0])
    if folders := [name for name in files if not Path(name).is_file()]:
        raise ValueError(f"{folders[0]} is a folder: give it alone, or files alone")
    import pyarrow as pa

    with tempfile.TemporaryDirectory() as folder:
        own = {f"{number:05d}{Path(name).suffix.lower()}": name for number, name in enumerate(files)}
        for link, name in own.items():
            try:
                (Path(folder) / link).symlink_to(Path(name).resolve())
            except OSError:  # a disk without links
                shutil.copy(name, Path(folder) / link)
        found = model.predict(folder)
    paths = pa.array([own[path] for path in found["path"].to_pylist()], pa.string())
    for name in ("utterance_id", "path"):
        found = found.set_column(found.schema.get_field_index(name), name, paths)
    return found


def _line(row: dict[str, Any]) -> str:
    """An utterance in a line: where, what, how sure; or why not."""
    start, end = row.get("start_s"), row.get("end_s")
    where = row["path"] + (f" {start:.1f}-{end:.1f} s" if start is not None and end is not None else "")
    if row["prediction"] is None:
        return f"{where}: no prediction: {row.get('reason') or row.get('missing') or 'unknown'}"
    sure = sorted(
        ((value, name.removeprefix("probability/")) for name, value in row.items() if name.startswith("probability/")),
        reverse=True,
    )
    return f"{where}: {row['prediction']} ({', '.join(f'{name} {value:.2f}' for value, name in sure[:3])})"


@main.command(params=commands.new.params, help=commands.new.help)
def new(**given: Any) -> None:
    """That of Kedro, in a folder that has the configuration."""
    _have_conf()
    assert commands.new.callback
    commands.new.callback(**given)


def _have_conf() -> None:
    """Copy what came with the package where this folder has no conf/base."""
    if (Path("conf") / "base").is_dir():
        return
    for name in _ALWAYS:
        source, target = CONF / name, Path("conf") / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
    click.echo(f"copied      conf/base, the options that all experiments share, from {CONF}")


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", required=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def run(name: str | None, options: Sequence[str]) -> None:
    """Run the experiment NAME: features, training, report, and a final model.

    Whatever else is given goes to `kedro run`, such as --params train_mmmd.variants=svm+mmd.
    """
    _kedro(["run", *options], name)


@main.command()
@click.argument("name", required=False)
def report(name: str | None) -> None:
    """Write the report of the experiment NAME anew, and say where it lies."""
    _kedro(["run", "--pipelines=report"], name)
    click.echo(Path("data/08_reporting", name or "demo", "report.html"))


@main.command()
@click.argument("name", required=False)
def doctor(name: str | None) -> None:
    """Say what this machine and the experiment NAME have, lack, and what to do."""
    _kedro(["semiser", "doctor"], name)


def _kedro(words: list[str], name: str | None) -> None:
    """One of the commands that Kedro has in this project, on an experiment."""
    if not (Path("conf") / "base").is_dir():
        raise click.UsageError(
            f"{Path.cwd()} has no conf/base: go to the folder of the project, or let `semiser new` write an experiment "
            f"here (the package's own configuration lies at {CONF})"
        )
    if name is None and not Path("conf/demo").is_dir():
        known = sorted(
            path.parent.name for path in Path("conf").glob("*/parameters*.yml") if path.parent.name != "base"
        )
        raise click.UsageError(f"which experiment? There are {', '.join(known) or 'none: `semiser new` writes one'}")
    commands.cli.main([*words, *(["--env", name] if name else [])], standalone_mode=False)


if __name__ == "__main__":
    main()
