"""Predictions as files of challenges: EmoBox and PolEval 2025, task 4.

Formats as their public repositories have them: `emo-box/EmoBox` (metadata of a fold, `EmoEval`) and
`poleval/2025-speech-emotion`. Whether an experiment's corpora and training keep to a challenge's rules is the user's
matter.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

CHALLENGES = ("emobox", "poleval")
EMOBOX = {"anger": "Angry", "happiness": "Happy", "sadness": "Sad"}  # others begin with a capital letter


def write_submissions(folder: Path, kind: str, pipeline: str, predictions: pd.DataFrame) -> None:
    """A folder for each variant with its settings and each seed, `<pipeline>_<variant>_seed-S`, with one per fold.

    * EmoBox: `label_map.json` and `fold_<from 1>/<corpus>_test_fold_<from 1>.jsonl`, whose lines have `key`, `dataset`,
      `wav`, `emo` (what was spoken), and `label` and `pred`, as `EmoEval` compares them.
    * PolEval: `fold-<from 0>/in.tsv` (corpus and file), `expected.tsv` and `out.tsv`, a class a line.

    Args:
        folder: that they lie in.
        kind: one of `CHALLENGES`.
        pipeline: whose predictions these are.
        predictions: `file`, `variant`, `seed`, `fold`, `utterance_id` (corpus and key), `target`, `prediction`.
    """
    for (variant, seed), rows in predictions.groupby(["variant", "seed"]):
        place = folder / f"{plain(pipeline)}_{plain(str(variant))}_seed-{seed}"
        found = rows.sort_values("utterance_id").to_dict("records")
        for fold in sorted({row["fold"] for row in found}):
            of_fold = [row for row in found if row["fold"] == fold]
            if kind == "emobox":
                _write_emobox(place / f"fold_{fold + 1}", fold + 1, of_fold)
            else:
                _write_poleval(place / f"fold-{fold}", of_fold)
        if kind == "emobox":
            classes = sorted({row[column] for row in found for column in ("target", "prediction")})
            names = {name: _emobox(name) for name in classes}
            (place / "label_map.json").write_text(json.dumps(names, indent=4, ensure_ascii=False), encoding="utf-8")


def submission(predictions: pd.DataFrame, inputs: Path) -> list[str]:
    """The lines of PolEval's `out.tsv` for its `in.tsv`: the class that was predicted for each file, in that order.

    Args:
        predictions: `path` and `prediction`, as `kedro run --pipelines=predict` leaves them.
        inputs: lines of corpus, tab and file name.

    Raises:
        ValueError: a line has no file, or a file no prediction or several; the message names the first.
    """
    rows = [row for row in predictions.to_dict("records") if isinstance(row["prediction"], str)]
    counts = Counter(PurePosixPath(row["path"]).name for row in rows)
    known = {PurePosixPath(row["path"]).name: row["prediction"] for row in rows}
    lines = []
    for number, line in enumerate(inputs.read_text(encoding="utf-8").splitlines(), 1):
        *_, name = line.split("\t")
        if "\t" not in line or not name:
            raise ValueError(f"{inputs}, line {number}: expected a corpus, a tab and a file, found {line!r}")
        if counts[name] != 1:
            how = "several predictions: its name stands in several folders" if counts[name] else "no prediction"
            raise ValueError(
                f"{inputs}, line {number}: {name} has {how}; predict the folder of these files and no other"
            )
        lines.append(known[name])
    return lines


def plain(name: str) -> str:
    """A name that audformat and every file system takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)


def _emobox(name: str) -> str:
    return EMOBOX.get(name, name.capitalize())


def _write_emobox(folder: Path, fold: int, rows: Sequence[Mapping[Any, Any]]) -> None:
    lines: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        corpus, _, key = row["utterance_id"].partition("/")
        said = {"label": _emobox(row["target"]), "pred": _emobox(row["prediction"])}
        line = {"key": key, "dataset": corpus, "wav": row["file"], "emo": row["target"]} | said
        lines[corpus].append(json.dumps(line, ensure_ascii=False))
    folder.mkdir(parents=True)
    for corpus, of_corpus in lines.items():
        _write_lines(folder / f"{corpus}_test_fold_{fold}.jsonl", of_corpus)


def _write_poleval(folder: Path, rows: Sequence[Mapping[Any, Any]]) -> None:
    folder.mkdir(parents=True)
    given = [f"{row['utterance_id'].partition('/')[0]}\t{PurePosixPath(row['file']).name}" for row in rows]
    _write_lines(folder / "in.tsv", given)
    _write_lines(folder / "expected.tsv", [row["target"] for row in rows])
    _write_lines(folder / "out.tsv", [row["prediction"] for row in rows])


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
