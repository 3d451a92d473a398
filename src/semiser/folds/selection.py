"""The utterances that an experiment's folds are made of."""

from collections import Counter
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semiser.folds.classes import class_names, code_classes, map_acted
from semiser.folds.coded import ABSENT, Coded, encode, encode_column, to_numpy
from semiser.folds.options import CrossCorpus, FoldOptions

_COLUMNS = (
    "utterance_id",
    "corpus",
    "speaker_id",
    "session_id",
    "dialogue_id",
    "split",
)  # what protocols ask for, beside the target


@dataclass(frozen=True)
class Rows:
    """The utterances of an experiment in the order of their ids, so that no draw depends on the table's order."""

    table: pa.Table
    corpus: Coded
    speaker: Coded
    label: Coded  # names are the classes, in their order
    is_target: np.ndarray  # of a corpus that is trained on and tested
    is_acted: np.ndarray  # of a corpus that helps in every fold

    @property
    def labelled(self) -> np.ndarray:
        """Which rows may train, validate or test: bool of shape (N,)."""
        return self.is_target & (self.label.codes != ABSENT)

    @property
    def target_corpora(self) -> str:
        """The names of the corpora that are trained on and tested, for messages."""
        return ", ".join(self.corpus.names[code] for code in np.unique(self.corpus.codes[self.is_target]))


def select_rows(
    utterances: pa.Table, options: FoldOptions, everyone: pa.Table | None = None
) -> tuple[Rows, list[dict]]:
    """The rows of the experiment's corpora with their classes, and what was left out.

    Args:
        utterances: those that take part.
        options: corpora and classes.
        everyone: of whom a speaker's mean is taken; None: of those that take part.

    Raises:
        ValueError: a column or a corpus is missing, an id occurs twice, or no utterance has one of the classes.
    """
    _require_columns(utterances, ["utterance_id", "corpus", options.target])
    _require_corpora(utterances, options)
    wanted = pa.array([*options.corpora, *options.unlabelled_corpora, *options.acted_corpora])
    table = utterances.select([name for name in utterances.column_names if name in {*_COLUMNS, options.target}])
    inside = pc.is_in(table["corpus"], value_set=wanted)
    table = table if pc.all(inside).as_py() else table.filter(inside)
    ids = table["utterance_id"]
    if not pc.all(pc.less_equal(ids[:-1], ids[1:])).as_py():  # ingest writes them in order
        table = table.take(pc.sort_indices(ids)).combine_chunks()
        ids = table["utterance_id"]
    if pc.any(pc.equal(ids[1:], ids[:-1])).as_py():
        raise ValueError("utterances: an utterance_id occurs more than once; ids must be unique, ingest again")
    is_target = to_numpy(pc.is_in(table["corpus"], value_set=pa.array(options.corpora)))
    is_acted = to_numpy(pc.is_in(table["corpus"], value_set=pa.array(options.acted_corpora, pa.string())))
    words = map_acted(class_names(table, options, everyone), table, options)
    if isinstance(options.protocol, CrossCorpus):
        options = options.model_copy(update={"classes": _shared_classes(words, table, options)})
    label, dropped = code_classes(words, is_target, options)
    _require_mapped_classes(options, label.names)
    # A target row of another class goes; an acted one without class too; in an unlabelled corpus it is unlabelled.
    bare = is_target & (label.codes == ABSENT) & ~dropped & (not options.unlabelled_rows)
    kept = ~(dropped & is_target) & ~((label.codes == ABSENT) & is_acted) & ~bare
    left_out = _count_dropped(table, words, dropped & is_target, "label {} is not among the classes")
    left_out += _count_dropped(table, words, bare, "no label, and folds.unlabelled_rows is false")
    own = pc.fill_null(pc.cast(table[options.target].combine_chunks(), pa.string()), "(none)")
    left_out += _count_dropped(table, own, ~kept & is_acted, "acted: emotion {} has no counterpart in the mapping")
    table = table if kept.all() else table.filter(pa.array(kept))
    rows = Rows(
        table, encode(table["corpus"]), encode_column(table, "speaker_id"), Coded(label.codes[kept], label.names),
        is_target[kept], is_acted[kept],
    )  # fmt: skip
    if not rows.labelled.any():
        raise ValueError(_no_labels(options, label.names))
    return rows, left_out


def _shared_classes(words: pa.Array, table: pa.Table, options: FoldOptions) -> list[str]:
    """The classes that every corpus has, in the order of the options where they name them.

    Raises:
        ValueError: two corpora share fewer than two classes, or all of them together do.
    """
    named = options.classes
    found: dict[str, list[str]] = {}
    for corpus in options.corpora:
        inside = pc.equal(table["corpus"].combine_chunks(), corpus)
        own = set(pc.unique(words.filter(inside)).drop_null().to_pylist())
        found[corpus] = [name for name in named if name in own] if named else sorted(own)
    for a, b in combinations(options.corpora, 2):
        if len(both := sorted(set(found[a]) & set(found[b]))) < 2:
            each = " and ".join(f"{name} ({', '.join(found[name]) or 'no class'})" for name in (a, b))
            raise ValueError(
                f"cross_corpus: {each} share {_alone(both)}; two are needed. Leave one of them out of corpora, or name "
                "its words for a class of the other in merges"
            )
    shared = [name for name in found[options.corpora[0]] if all(name in own for own in found.values())]
    if len(shared) < 2:
        raise ValueError(
            f"cross_corpus: {', '.join(options.corpora)} have together {_alone(shared)} in common; two are needed. Run "
            "fewer corpora at a time"
        )
    return shared


def _alone(classes: list[str]) -> str:
    return f"{classes[0]} alone" if classes else "no class"


def _no_labels(options: FoldOptions, classes: list[str]) -> str:
    """Why no utterance of the target corpora has a class, and what to do."""
    begin = f"no labelled utterance in {', '.join(options.corpora)}: column {options.target!r}"
    if not classes:
        return (
            f"{begin} is empty. Say where labels are (options of its reader: `aliases` names a table's column, "
            "`pattern` what a folder's paths mean), or move the corpus to unlabelled_corpora"
        )
    return f"{begin} has none of the classes {classes}; check target, classes and merges"


def _require_columns(table: pa.Table, names: list[str]) -> None:
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise ValueError(f"utterances has no column {', '.join(missing)}; it has {', '.join(table.column_names)}")


def _require_corpora(utterances: pa.Table, options: FoldOptions) -> None:
    known = sorted(pc.unique(utterances["corpus"]).drop_null().to_pylist())
    used = [*options.corpora, *options.unlabelled_corpora, *options.acted_corpora]
    unknown = [name for name in used if name not in known]
    if unknown:
        raise ValueError(
            f"unknown corpus {', '.join(unknown)}: utterances holds {', '.join(known) or 'no corpus'}; "
            "ingest it first or correct the options corpora, unlabelled_corpora and acted"
        )


def _require_mapped_classes(options: FoldOptions, classes: list[str]) -> None:
    for acted in options.acted:
        if unknown := sorted(set(acted.emotions.values()) - set(classes)):
            raise ValueError(
                f"acted corpus {acted.corpus}: emotions maps to {', '.join(unknown)}, which is none of the classes "
                f"{classes}; leave out an emotion that has no counterpart"
            )


def _count_dropped(table: pa.Table, words: pa.Array, dropped: np.ndarray, reason: str) -> list[dict]:
    mask = pa.array(dropped)
    pairs = zip(table["corpus"].filter(mask).to_pylist(), words.filter(mask).to_pylist(), strict=True)
    return [
        {"corpus": corpus, "reason": reason.format(word), "utterances": count}
        for (corpus, word), count in sorted(Counter(pairs).items(), key=str)
    ]
