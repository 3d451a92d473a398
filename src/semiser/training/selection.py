"""The utterances that an experiment's folds are made of."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semiser.options.folds import FoldOptions
from semiser.training.classes import class_names, code_classes
from semiser.training.coded import ABSENT, Coded, encode, encode_column, to_numpy


@dataclass(frozen=True)
class Rows:
    """The utterances of an experiment in the order of their ids, so that no draw depends on the table's order."""

    table: pa.Table
    corpus: Coded
    speaker: Coded
    label: Coded  # names are the classes, in their order
    is_target: np.ndarray  # of a corpus that is trained on and tested

    @property
    def labelled(self) -> np.ndarray:
        """Which rows may train, validate or test: bool of shape (N,)."""
        return self.is_target & (self.label.codes != ABSENT)

    @property
    def target_corpora(self) -> str:
        """The names of the corpora that are trained on and tested, for messages."""
        return ", ".join(self.corpus.names[code] for code in np.unique(self.corpus.codes[self.is_target]))


def select_rows(utterances: pa.Table, options: FoldOptions) -> tuple[Rows, list[dict]]:
    """The rows of the experiment's corpora with their classes, and what was left out.

    Raises:
        ValueError: a column or a corpus is missing, an id occurs twice, or no utterance has one of the classes.
    """
    _require_columns(utterances, ["utterance_id", "corpus", options.target])
    _require_corpora(utterances, options)
    wanted = pa.array([*options.corpora, *options.unlabelled_corpora])
    table = utterances.filter(pc.is_in(utterances["corpus"], value_set=wanted)).combine_chunks()
    table = table.take(pc.sort_indices(table["utterance_id"]))
    if pc.count_distinct(table["utterance_id"]).as_py() < len(table):
        raise ValueError("utterances: an utterance_id occurs more than once; ids must be unique, ingest again")
    is_target = to_numpy(pc.is_in(table["corpus"], value_set=pa.array(options.corpora)))
    words = class_names(table, options)
    label, dropped = code_classes(words, is_target, options)
    kept = ~(dropped & is_target)  # a row of another class; in an unlabelled corpus it is unlabelled all the same
    left_out = _count_dropped(table, words, ~kept)
    table = table.filter(pa.array(kept))
    rows = Rows(
        table, encode(table["corpus"]), encode_column(table, "speaker_id"), Coded(label.codes[kept], label.names),
        is_target[kept],
    )  # fmt: skip
    if not rows.labelled.any():
        raise ValueError(
            f"no labelled utterance in {', '.join(options.corpora)}: column {options.target!r} has none of the classes "
            f"{label.names}; check target, classes and merges"
        )
    return rows, left_out


def _require_columns(table: pa.Table, names: list[str]) -> None:
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise ValueError(f"utterances has no column {', '.join(missing)}; it has {', '.join(table.column_names)}")


def _require_corpora(utterances: pa.Table, options: FoldOptions) -> None:
    known = sorted(pc.unique(utterances["corpus"]).drop_null().to_pylist())
    unknown = [name for name in [*options.corpora, *options.unlabelled_corpora] if name not in known]
    if unknown:
        raise ValueError(
            f"unknown corpus {', '.join(unknown)}: utterances holds {', '.join(known) or 'no corpus'}; "
            "ingest it first or correct the options corpora and unlabelled_corpora"
        )


def _count_dropped(table: pa.Table, words: pa.Array, dropped: np.ndarray) -> list[dict]:
    mask = pa.array(dropped)
    pairs = zip(table["corpus"].filter(mask).to_pylist(), words.filter(mask).to_pylist(), strict=True)
    return [
        {"corpus": corpus, "reason": f"label {word} is not among the classes", "utterances": count}
        for (corpus, word), count in sorted(Counter(pairs).items())
    ]
