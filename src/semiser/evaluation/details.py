"""What a reader asks behind the averages: which classes, which speakers, which utterances, how sure, how trained."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semiser.evaluation.metrics import confusion_matrix
from semiser.evaluation.tasks import classes_of, settings_of

MOST_WRONG = 15  # utterances that are named, of each task
MOST_POINTS = 200  # of a curve
BINS = 5  # of confidence
_OF_THE_UTTERANCE = ("corpus", "speaker_id", "audio_path", "start_s", "end_s", "transcript")


def look_into(
    predictions: pa.Table, protocol: Mapping[str, Any], utterances: pa.Table, curves: pa.Table
) -> dict[str, Any]:
    """JSON-safe details of all variants of a pipeline.

    Args:
        predictions: of all variants, `PREDICTIONS_SCHEMA`.
        protocol: with the classes, or those of tasks.
        utterances: whose paths and bounds are wanted.
        curves: training curves of all variants.

    Returns:
        `variants`: of each the `classes`, the `confusion` matrix of all folds and seeds, `seeds`, `speakers`
        (utterances, share that is right, mean recall of the classes that they spoke), `calibration` (by confidence:
        mean confidence, share that is right, count; empty where probabilities are missing), `curves` (name to epochs
        from 1, mean, std over folds and seeds). `wrong`: the utterances that are most often wrong, by task, over
        variants and seeds.
    """
    variants = pc.unique(predictions["variant"]).to_pylist()
    return {
        "variants": {
            name: _variant(
                predictions.filter(pc.equal(predictions["variant"], name)),
                classes_of(protocol, name),
                curves.filter(pc.equal(curves["variant"], name)),
            )
            for name in variants
        },
        "wrong": _most_wrong(predictions, utterances),
    }


def _variant(rows: pa.Table, classes: list[str], curves: pa.Table) -> dict[str, Any]:
    names = pa.array(classes, pa.string())
    target, said = (pc.index_in(rows[column], value_set=names).to_numpy() for column in ("target", "prediction"))
    return {
        "classes": classes,
        "confusion": confusion_matrix(target, said, len(classes)).tolist(),
        "seeds": len(pc.unique(rows["seed"])),
        "speakers": _speakers(rows["speaker_id"].to_pylist(), target, said, len(pc.unique(rows["seed"]))),
        "calibration": _calibration(rows, target == said),
        "curves": {name: _curve(curves, name) for name in pc.unique(curves["name"]).to_pylist()},
    }


def _speakers(speakers: list[str | None], target: np.ndarray, said: np.ndarray, seeds: int) -> list[dict[str, Any]]:
    """Of each speaker, worst first; none where speakers are not known."""
    found = []
    for name in sorted({speaker for speaker in speakers if speaker is not None}):
        own = np.array([speaker == name for speaker in speakers])
        right = (target == said)[own]
        recalls = [right[target[own] == number].mean() for number in np.unique(target[own])]
        found.append(
            {
                "speaker": name,
                "utterances": int(own.sum()) // seeds,
                "right": float(right.mean()),
                "recall": float(np.mean(recalls)),
                "classes": len(recalls),
            }
        )
    return sorted(found, key=lambda row: row["recall"])


def _calibration(rows: pa.Table, right: np.ndarray) -> list[dict[str, Any]]:
    """Predictions in bins of equal count by the probability of what was said, the least sure first."""
    if "probabilities" not in rows.column_names or rows["probabilities"].null_count or len(rows) < BINS:
        return []
    confidence = np.array([max(values) for values in rows["probabilities"].to_pylist()])
    order = np.argsort(confidence, kind="stable")
    return [
        {"confidence": float(confidence[part].mean()), "right": float(right[part].mean()), "count": len(part)}
        for part in np.array_split(order, BINS)
    ]


def _curve(curves: pa.Table, name: str) -> dict[str, list[float]]:
    rows = curves.filter(pc.and_(pc.equal(curves["name"], name), pc.is_finite(curves["value"])))
    epochs, place = np.unique(rows["epoch"].to_numpy(), return_inverse=True)
    values = rows["value"].to_numpy().astype(np.float64)
    count = np.bincount(place)
    mean = np.bincount(place, values) / count
    std = np.sqrt(np.bincount(place, np.square(values - mean[place])) / count)
    every = max(1, -(-len(epochs) // MOST_POINTS))
    shown = {"epoch": (epochs + 1).tolist(), "mean": mean.tolist(), "std": std.tolist()}
    return {key: column[::every] for key, column in shown.items()}


def _most_wrong(predictions: pa.Table, utterances: pa.Table) -> list[dict[str, Any]]:
    tasks = [settings_of(name).get("task", "") for name in predictions["variant"].to_pylist()]
    rows = zip(
        tasks, *(predictions[name].to_pylist() for name in ("utterance_id", "target", "prediction")), strict=True
    )
    said: dict[tuple[str, str, str], list[str]] = {}
    for task, name, target, prediction in rows:
        said.setdefault((task, name, target), []).append(prediction)
    counted = [(sum(word != target for word in words), task, name, target, words)
               for (task, name, target), words in said.items()]  # fmt: skip
    counted.sort(key=lambda row: (row[1], -row[0] / len(row[4]), -row[0], row[2]))
    chosen = list(_first_of_each(counted))
    columns = [name for name in _OF_THE_UTTERANCE if name in utterances.column_names]
    wanted = pc.is_in(utterances["utterance_id"], pa.array([row[2] for row in chosen], pa.string()))
    about = {
        row.pop("utterance_id"): row for row in utterances.filter(wanted).select(["utterance_id", *columns]).to_pylist()
    }
    return [
        {
            "task": task,
            "utterance_id": name,
            **about.get(name, {}),
            "target": target,
            "said": _counts(word for word in words if word != target),
            "wrong": wrong,
            "of": len(words),
        }
        for wrong, task, name, target, words in chosen
    ]


def _first_of_each(
    counted: list[tuple[int, str, str, str, list[str]]],
) -> Iterable[tuple[int, str, str, str, list[str]]]:
    """The first of each task that were wrong at all."""
    taken: dict[str, int] = {}
    for row in counted:
        if row[0] and taken.setdefault(row[1], 0) < MOST_WRONG:
            taken[row[1]] += 1
            yield row


def _counts(words: Iterable[str]) -> dict[str, int]:
    """How often each word stands there, the most frequent first."""
    found: dict[str, int] = {}
    for word in words:
        found[word] = found.get(word, 0) + 1
    return dict(sorted(found.items(), key=lambda item: -item[1]))
