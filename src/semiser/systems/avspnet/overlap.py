"""Overlapping talk: utterances during which someone else of the dialogue speaks (AV-SpNET, AVEC 2018, section 2.1.2).

The times are those in the dialogue: of the video where a row has them, as IEMOCAP's and NNIME's readers give them, else
of the audio, where it is a part of a longer file.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semiser.folds.coded import ABSENT, encode, to_numpy

COLUMNS = ("dialogue_id", "speaker_id", "start_s", "end_s", "video_start_s", "video_end_s")


def overlapping(utterances: pa.Table) -> np.ndarray:
    """Which utterances overlap with another speaker's; touching is no overlap.

    Args:
        utterances: the whole table, with COLUMNS: what somebody says over an utterance need not be of use otherwise.

    Returns:
        bool of shape (N,); False where the dialogue, the speaker or a time is not known.
    """
    if not set(COLUMNS) <= set(utterances.column_names):
        return np.zeros(len(utterances), bool)
    start, end = (
        to_numpy(pc.fill_null(pc.coalesce(utterances[f"video_{name}"], utterances[name]), np.nan))
        for name in ("start_s", "end_s")
    )
    dialogue, speaker = (encode(utterances[name]).codes for name in ("dialogue_id", "speaker_id"))
    known = np.flatnonzero(np.isfinite(start) & np.isfinite(end) & (dialogue != ABSENT) & (speaker != ABSENT))
    found = np.zeros(len(utterances), bool)
    order = known[np.argsort(dialogue[known], kind="stable")]
    for rows in np.split(order, np.flatnonzero(np.diff(dialogue[order])) + 1):
        meets = (start[rows][:, None] < end[rows]) & (start[rows] < end[rows][:, None])
        found[rows] = (meets & (speaker[rows][:, None] != speaker[rows])).any(axis=1)
    return found
