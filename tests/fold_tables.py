"""Utterances small enough to work their folds out by hand, and what is asked of the folds."""

import pyarrow as pa
import pyarrow.compute as pc

from semiser.folds.options import FoldOptions

LOSO = {"kind": "leave_one_speaker_out"}
NONE = {"kind": "none"}


def table(rows: list[dict]) -> pa.Table:
    """The columns of `utterances` that folds read; null where a row does not name them."""
    names = ("utterance_id", "corpus", "speaker_id", "session_id", "dialogue_id", "split", "emotion")
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    return pa.table(columns | {"arousal": pa.array([row.get("arousal") for row in rows], pa.float64())})


def speech(speakers: str = "abcd", per_class: int = 2, corpus: str = "x") -> list[dict]:
    """Every speaker says `per_class` utterances of anger and of joy; speakers sit in sessions of two."""
    rows = []
    for place, name in enumerate(speakers):
        for emotion in ("anger", "joy"):
            for take in range(per_class):
                rows.append(
                    {
                        "utterance_id": f"{corpus}/{name}_{emotion}_{take}",
                        "corpus": corpus,
                        "speaker_id": f"{corpus}/{name}",
                        "session_id": f"{corpus}/s{place // 2}",
                        "emotion": emotion,
                    }
                )
    return rows


def split_rows() -> list[dict]:
    """Speaker a trains, b validates and c is tested, by the corpus's own split."""
    rows = speech("abc", per_class=1)
    for row in rows:
        row["split"] = {"a": "Train", "b": "Valid", "c": "Test"}[row["speaker_id"][-1]]
    return rows


def options(**changes) -> FoldOptions:
    """Leave one speaker of corpus x out without validation, but for the changes."""
    return FoldOptions(**({"experiment": "e", "corpora": ["x"], "protocol": LOSO, "validation": NONE} | changes))


def ids(folds: pa.Table, fold: int, role: str) -> list[str]:
    """The utterances with a role in a fold, sorted."""
    inside = pc.and_(pc.equal(folds["fold"], fold), pc.equal(folds["role"], role))
    return sorted(folds.filter(inside)["utterance_id"].to_pylist())


def speakers(folds: pa.Table, fold: int, role: str) -> list[str]:
    """The speakers with a role in a fold, sorted."""
    return sorted({name.split("_")[0] for name in ids(folds, fold, role)})
