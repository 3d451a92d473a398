"""Overlapping talk: who speaks over whom."""

import pyarrow as pa
import pytest

from semiser.systems.avspnet.overlap import COLUMNS, overlapping

FLOATS = pa.schema([(name, pa.float64() if name.endswith("_s") else pa.string()) for name in COLUMNS])


def table(*rows):
    """Rows of dialogue, speaker, start and end in the video."""
    names = ("dialogue_id", "speaker_id", "video_start_s", "video_end_s")
    given = [dict.fromkeys(COLUMNS) | dict(zip(names, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(given, FLOATS)


@pytest.mark.parametrize(
    "rows, expected",
    [
        ([("d", "F", 0, 2), ("d", "M", 1, 3), ("d", "M", 4, 5)], [True, True, False]),
        ([("d", "F", 0, 2), ("d", "M", 2, 3)], [False, False]),  # they touch
        ([("d", "F", 0, 2), ("e", "M", 1, 3)], [False, False]),  # another dialogue
        ([("d", "F", 0, 2), ("d", "F", 1, 3)], [False, False]),  # the speaker's own
        ([("d", "F", 0, 9), ("d", "M", 1, 2), ("d", "M", 3, 4)], [True, True, True]),  # it contains them
        ([(None, "F", 0, 2), (None, "M", 1, 3)], [False, False]),
        ([("d", None, 0, 2), ("d", "M", 1, 3)], [False, False]),
        ([("d", "F", None, None), ("d", "M", 1, 3)], [False, False]),
        ([], []),
    ],
)
def test_utterances_over_which_someone_else_speaks(rows, expected):
    assert overlapping(table(*rows)).tolist() == expected


def test_times_are_those_of_the_video_or_of_a_longer_audio_file():
    rows = table(("d", "F", 5.0, 6.0), ("d", "M", None, None)).to_pylist()
    rows[0] |= {"start_s": 0.0, "end_s": 1.0}  # in a file of its own
    rows[1] |= {"start_s": 5.5, "end_s": 7.0}
    assert overlapping(pa.Table.from_pylist(rows, FLOATS)).tolist() == [True, True]


def test_without_the_columns_nothing_overlaps():
    assert overlapping(pa.table({"utterance_id": ["a", "b"]})).tolist() == [False, False]
