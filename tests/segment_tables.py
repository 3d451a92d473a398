"""Segments of two small corpora, as the table that `features` leaves: what AV-SpNET is tested on."""

import numpy as np
import pyarrow as pa

from semiser.features.spectra import matrix_field
from semiser.shards.store import ShardFolder
from semiser.shards.table import Receipt, ShardedTable

SIZE = (20, 20)  # bins and frames: 20 -> 18 -> 6 -> 4 -> 1
OPTIONS = {"sample_rate_hz": 8000, "dft_size": 400, "window_ms": 20.0, "cutoff_hz": 400.0, "segment_frames": 20}


def utterances(speakers: str, corpus: str, per_class: int = 2) -> list[dict]:
    """Every speaker says `per_class` utterances that are low and as many that are high, of one to three segments."""
    rows = []
    for speaker in speakers:
        for number in range(2 * per_class):
            level = ("low", "high")[number % 2]
            rows.append(
                {
                    "utterance_id": f"{corpus}/{speaker}{number}",
                    "corpus": corpus,
                    "speaker_id": f"{corpus}/{speaker}",
                    "emotion": level,
                    "arousal": float(number % 2) + ord(speaker),
                    "segments": 1 + number % 3,
                }
            )
    return rows


def utterance_table(rows: list[dict]) -> pa.Table:
    """The columns of `utterances` that the system reads."""
    return pa.Table.from_pylist([{key: value for key, value in row.items() if key != "segments"} for row in rows])


def segment_table(folder, rows: list[dict], seed: int = 0) -> "pa.dataset.Dataset":
    """A committed `segments` table: noise, 2 louder in the upper half of the bins where the utterance is high."""
    shards, random = ShardFolder(str(folder)), np.random.default_rng(seed)
    schema = pa.schema(
        [
            pa.field("utterance_id", pa.string()),
            pa.field("segment", pa.int32()),
            matrix_field("segments", SIZE, ("bin", "frame")),
        ]
    )
    reports = []
    for corpus in dict.fromkeys(row["corpus"] for row in rows):
        place, facts = f"{corpus}/00000", {"key": f"{corpus}-{seed}", "options": OPTIONS}
        with shards.shard(place, schema, facts) as writer:
            for row in rows:
                if row["corpus"] == corpus:
                    for number in range(row["segments"]):
                        values = random.normal(size=SIZE).astype(np.float32)
                        values[SIZE[0] // 2 :] += 2 * (row["emotion"] == "high")
                        writer.add({"utterance_id": row["utterance_id"], "segment": number, "segments": values})
        reports.append(writer.report)
    table = ShardedTable(f"{folder}/segments.json")
    table.commit(Receipt(shards.path, {"family": "segments"}, reports))
    return table.dataset()


def proxy_table(rows: list[dict], classes: tuple[str, str]) -> pa.Table:
    """Proxy labels that say what the utterance is; those of the first speaker are missing."""
    first = rows[0]["speaker_id"]
    labels = [None if row["speaker_id"] == first else classes[row["emotion"] == "high"] for row in rows]
    return pa.table({"utterance_id": [row["utterance_id"] for row in rows], "label": labels})
