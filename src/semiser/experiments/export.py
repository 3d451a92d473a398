"""An experiment's folds and predictions for other tools: CSV files, a database of audformat, files of challenges.

Both say of every row which sound it is about, by `file`, `start` and `end` as audformat and what is built on it have
them: the file below the corpus's root as the run had it, the bounds empty where the file is the utterance.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd
import pyarrow.parquet as pq

from semiser.experiments.challenges import CHALLENGES, plain, submission, write_submissions
from semiser.experiments.tree import Tree

if TYPE_CHECKING:
    import audformat

Kind = Literal["csv", "audformat", "emobox", "poleval"]

_SOUND = ["file", "start", "end"]
_SPLITS = {"train": "train", "validation": "dev", "test": "test"}  # roles to audformat's kinds of splits


@dataclass(frozen=True)
class Exported:
    """A table of an experiment: `folds` of a pipeline, or a variant's predictions, as rows of one pandas frame."""

    pipeline: str
    variant: str | None
    rows: pd.DataFrame
    classes: list[str]


def export(tree: Tree, experiment: str, folder: Path, kind: Kind) -> list[Path]:
    """Write all folds and predictions of an experiment to a new folder, which is there completely or not at all.

    Args:
        tree: where experiments lie.
        experiment: its name.
        folder: to be made.
        kind: CSV files, `<pipeline>_folds.csv` and `<pipeline>_<variant>.csv`, one audformat database, or what a
            challenge takes (`semiser.experiments.challenges`).

    Returns:
        The files.

    Raises:
        FileExistsError: the folder is there.
        FileNotFoundError: the experiment has no utterances or no folds.
        ValueError: its tables do not say where a corpus lies.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists: name a new folder, nothing is written over")
    tables = list(_collect(tree, experiment))
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if kind == "csv":
        for table in tables:
            name = f"{table.pipeline}_{plain(table.variant or 'folds')}.csv"
            table.rows.to_csv(partial / name, index=False)
    elif kind in CHALLENGES:
        for table in tables:
            if table.variant is not None:
                write_submissions(partial, kind, table.pipeline, table.rows)
    else:
        _to_database(experiment, tables).save(str(partial), storage_format="csv", num_workers=1)
    partial.rename(folder)
    return sorted(folder.iterdir())


def export_submission(tree: Tree, experiment: str, folder: Path, inputs: Path) -> list[Path]:
    """Write `out.tsv` of PolEval for the files of its `in.tsv`, from what the experiment's model said of them.

    Args:
        tree: where experiments lie.
        experiment: of which `kedro run --pipelines=predict` was run on the folder of these files.
        folder: to be made.
        inputs: the challenge's `in.tsv`.

    Raises:
        FileExistsError: the folder is there.
        FileNotFoundError: nothing was predicted.
        ValueError: a file of the inputs has no prediction.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists: name a new folder, nothing is written over")
    path = tree.data / "07_model_output" / experiment / "predict" / "predictions.parquet"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: run `kedro run --pipelines=predict --params predict.input=<folder of the files>` first"
        )
    lines = submission(pq.read_table(path, columns=["path", "prediction"]).to_pandas(), inputs)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    (partial / "out.tsv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    partial.rename(folder)
    return [folder / "out.tsv"]


def _collect(tree: Tree, experiment: str) -> Iterator[Exported]:
    sound = _read_sound(tree, experiment)
    folds = sorted((tree.data / "05_model_input" / experiment).glob("*/folds.parquet"))
    if not folds:
        known = ", ".join(tree.experiments()) or "none"
        raise FileNotFoundError(f"experiment {experiment!r} has no folds: run it first; experiments are {known}")
    for path in folds:
        table = pq.read_table(path)
        pipeline = path.parent.name
        rows = table.to_pandas()[["experiment", "fold", "role", "utterance_id", "label", "true_label"]]
        rows = rows.astype(dict.fromkeys(rows.columns.drop("fold"), "str"))  # categories before
        if rows["experiment"].nunique() == 1:  # else these are the folds of several settings, such as label budgets
            rows = rows.drop(columns="experiment")
        classes = sorted(rows["true_label"].dropna().unique())
        yield Exported(pipeline, None, _beside(sound, rows), classes)
        for file in sorted((tree.data / "07_model_output" / experiment / pipeline).glob("*.parquet")):
            if not file.stem.endswith(("_dimensions", "_curves")):
                yield _read_predictions(file, sound)


def _read_sound(tree: Tree, experiment: str) -> pd.DataFrame:
    """`file`, `start`, `end` and `speaker` of every utterance, by its id."""
    folder = tree.data / "02_intermediate" / experiment
    path, summary = folder / "utterances.parquet", folder / "ingest_summary.json"
    if not path.is_file() or not summary.is_file():
        raise FileNotFoundError(f"experiment {experiment!r} has no utterances in {folder}: run it first")
    facts = json.loads(summary.read_text(encoding="utf-8"))
    if silent := [name for name, found in facts.items() if "root" not in found]:
        raise ValueError(f"{summary} is of before and does not say where {', '.join(silent)} lies: run ingest again")
    roots = {name: found["root"] for name, found in facts.items()}
    columns = ["utterance_id", "corpus", "audio_path", "start_s", "end_s", "speaker_id"]
    found = pq.read_table(path, columns=columns).to_pandas().set_index("utterance_id")
    found["file"] = [
        f"{roots[corpus].rstrip('/')}/{path}" for corpus, path in zip(found["corpus"], found["audio_path"], strict=True)
    ]
    named = found.rename(columns={"start_s": "start", "end_s": "end", "speaker_id": "speaker"})
    return named[[*_SOUND, "speaker"]]


def _beside(sound: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    found = sound.loc[rows["utterance_id"]].reset_index(drop=True)
    return pd.concat([found, rows.reset_index(drop=True)], axis=1)


def _read_predictions(path: Path, sound: pd.DataFrame) -> Exported:
    table = pq.read_table(path)
    classes = json.loads((table.schema.metadata or {}).get(b"classes", b"[]"))
    rows = table.select(["variant", "seed", "fold", "utterance_id", "target", "prediction"]).to_pandas()
    if "probabilities" in table.column_names and classes:
        chances = pd.DataFrame(table["probabilities"].to_pylist(), columns=[f"probability_{name}" for name in classes])
        rows = pd.concat([rows, chances], axis=1)
    return Exported(path.parent.name, path.stem, _beside(sound, rows), classes)


# ---- audformat


def _to_database(experiment: str, tables: list[Exported]) -> "audformat.Database":
    import audformat

    database = audformat.Database(experiment, description="Folds and predictions of an experiment of semiser")
    database.schemes["speaker"] = audformat.Scheme("str")
    database.schemes["probability"] = audformat.Scheme("float", minimum=0, maximum=1)
    database.raters["model"] = audformat.Rater(audformat.define.RaterType.MACHINE)
    for name, kind in _SPLITS.items():
        database.splits[name] = audformat.Split(kind)
    for name in ("unlabelled", "acted"):
        database.splits[name] = audformat.Split(audformat.define.SplitType.OTHER, description="seen in training")
    for table in tables:
        scheme = f"class.{plain(table.pipeline)}"
        if scheme not in database.schemes:
            database.schemes[scheme] = audformat.Scheme("str", labels=table.classes)
        if table.variant is None:
            _add_folds(database, table, scheme)
        else:
            _add_predictions(database, table, scheme)
    return database


def _add_folds(database: "audformat.Database", table: Exported, scheme: str) -> None:
    """A table per fold and role: the class that training may see, and the true one."""
    of = [name for name in ("experiment", "fold", "role") if name in table.rows]
    for (*setting, fold, role), rows in table.rows.groupby(of):
        name = ".".join([table.pipeline, *map(str, setting), f"fold-{fold}", str(role)])
        found = _add_table(database, plain(name), rows, str(role))
        _add_column(found, "label", rows["label"], scheme)
        _add_column(found, "true_label", rows["true_label"], scheme)


def _add_predictions(database: "audformat.Database", table: Exported, scheme: str) -> None:
    for (variant, seed, fold), rows in table.rows.groupby(["variant", "seed", "fold"]):
        name = f"{plain(table.pipeline)}.{plain(str(variant))}.seed-{seed}.fold-{fold}"
        found = _add_table(database, name, rows, "test")
        _add_column(found, "target", rows["target"], scheme)
        _add_column(found, "prediction", rows["prediction"], scheme, "model")
        for column in rows.columns:
            if column.startswith("probability_"):
                _add_column(found, plain(column), rows[column], "probability", "model")


def _add_table(database: "audformat.Database", name: str, rows: pd.DataFrame, split: str) -> "audformat.Table":
    import audformat

    if rows["end"].notna().any():
        times = [pd.to_timedelta(rows[column], unit="s").tolist() for column in ("start", "end")]
        starts = [pd.Timedelta(0) if pd.isna(start) else start for start in times[0]]
        index = audformat.segmented_index(rows["file"].tolist(), starts, times[1])
    else:
        index = audformat.filewise_index(rows["file"].tolist())
    database[name] = audformat.Table(index, split_id=split)
    _add_column(database[name], "speaker", rows["speaker"], "speaker")
    return database[name]


def _add_column(table: "audformat.Table", name: str, values: pd.Series, scheme: str, rater: str | None = None) -> None:
    import audformat

    table[name] = audformat.Column(scheme_id=scheme, rater_id=rater)
    table[name].set([None if pd.isna(value) else value for value in values])
