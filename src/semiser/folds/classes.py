"""The class of every utterance: its label or discretised number, merged, and coded into the experiment's classes."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semiser.folds.coded import ABSENT, Coded, encode, encode_column, to_numpy
from semiser.folds.options import FoldOptions, Levels, SpeakerMean


def class_names(table: pa.Table, options: FoldOptions, everyone: pa.Table | None = None) -> pa.Array:
    """The class of every row, merges applied, as strings; null where there is none.

    Args:
        table: the rows.
        options: target, discretisation, merges.
        everyone: table whose rows a speaker's mean is taken of, those of `table` among them; None: `table`.

    Raises:
        ValueError: `discretise` and the type of the target do not go together, or a value cannot be discretised.
    """
    column = table[options.target].combine_chunks()
    numeric = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
    how = options.discretise
    if numeric != (how is not None):
        needed = "a numeric target needs the option discretise" if numeric else "discretise needs a numeric target"
        raise ValueError(f"target {options.target!r} is a column of {column.type}: {needed}")
    of_all = table if everyone is None else everyone
    words = pc.cast(column, pa.string()) if how is None else _discretise(table, options.target, how, of_all)
    coded = encode(words)
    merged = pa.array([options.merges.get(name, name) for name in coded.names], pa.string())
    return merged.take(pa.array(coded.codes, mask=coded.codes == ABSENT))


def map_acted(words: pa.Array, table: pa.Table, options: FoldOptions) -> pa.Array:
    """The classes with those of acted rows replaced by their corpus's mapping; null where it names none.

    Args:
        words: what `class_names` returned for the table.
        table: with `corpus` and the target column.
        options: with the mapping of each acted corpus.
    """
    for acted in options.acted:
        own = encode(pc.cast(table[options.target], pa.string()))
        names = pa.array([acted.emotions.get(name) for name in own.names], pa.string())
        mapped = names.take(pa.array(own.codes, mask=own.codes == ABSENT))
        words = pc.if_else(pc.equal(table["corpus"].combine_chunks(), acted.corpus), mapped, words)
    return words


def _discretise(table: pa.Table, target: str, how: Levels | SpeakerMean, everyone: pa.Table) -> pa.Array:
    values = _numbers(table, target)
    if isinstance(how, SpeakerMean):
        level = (values > _speaker_means(table, values, everyone, target)).astype(int)
    else:
        level = level_numbers(values, how, f"target {target!r}")
    return pa.array(how.names).take(pa.array(level, mask=np.isnan(values)))


def level_numbers(values: np.ndarray, levels: Levels, what: str) -> np.ndarray:
    """The level of each number, 0 for the lowest and for NaN, int64 of the same shape.

    Raises:
        ValueError: a number, which the message calls `what`, lies beyond the last level.
    """
    beyond = [values > level.up_to if level.inclusive else values >= level.up_to for level in levels.levels]
    number = np.sum(beyond, axis=0)
    if (outside := number == len(levels.levels)).any():
        raise ValueError(
            f"{what}: {int(outside.sum())} values such as {values[outside][0]:g} lie beyond the last level "
            f"{levels.names[-1]!r} (up_to {levels.levels[-1].up_to:g}); raise its bound"
        )
    return number


def _numbers(table: pa.Table, target: str) -> np.ndarray:
    return to_numpy(pc.fill_null(pc.cast(table[target], pa.float64()), np.nan))


def _speaker_means(table: pa.Table, values: np.ndarray, everyone: pa.Table, target: str) -> np.ndarray:
    """The mean of the speaker of each row, over everyone's rows with a value; NaN where the row has none."""
    names = encode_column(everyone, "speaker_id")
    speaker = to_numpy(pc.fill_null(pc.index_in(table["speaker_id"], pa.array(names.names, pa.string())), ABSENT))
    if (speaker[~np.isnan(values)] == ABSENT).any():
        raise ValueError(f"target {target!r}: a speaker's own mean needs speaker_id, which is null in some rows")
    of_all = _numbers(everyone, target)
    known = ~np.isnan(of_all) & (names.codes != ABSENT)
    total, count = (np.bincount(names.codes[known], of_all[known], len(names.names) + 1),
                    np.bincount(names.codes[known], minlength=len(names.names) + 1))  # fmt: skip
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)[speaker]


def code_classes(words: pa.Array, is_target: np.ndarray, options: FoldOptions) -> tuple[Coded, np.ndarray]:
    """Codes into the classes, and which rows have a label that is none of them.

    Args:
        words: what `class_names` returned, of length N.
        is_target: bool of shape (N,); these rows say what the classes are where the options do not.
        options: classes, merges and levels.
    """
    coded = encode(words)
    classes = options.classes
    if classes is None and options.discretise is not None:
        classes = list(dict.fromkeys(options.merges.get(name, name) for name in options.discretise.names))
    if classes is None:
        present = set(coded.codes[is_target].tolist())
        classes = [name for code, name in enumerate(coded.names) if code in present]
    place = {name: code for code, name in enumerate(classes)}
    lookup = np.array([*(place.get(name, ABSENT) for name in coded.names), ABSENT])  # the last serves ABSENT itself
    codes = lookup[coded.codes]
    return Coded(codes, classes), (codes == ABSENT) & (coded.codes != ABSENT)
