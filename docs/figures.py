"""Make the pictures of docs/features.md from the demo's feature tables.

kedro run --pipelines=features && python docs/figures.py [--utterance demo_video/...]
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semiser.features.word2vec import FUNCTIONALS
from semiser.media.audio import decode_audio
from semiser.media.video import sample_frames
from semiser.shards.table import ShardedTable
from semiser.systems.mmmd.paths import acoustic_paths

PROJECT = Path(__file__).parents[1]
TABLES = PROJECT / "data/03_primary/demo"
CLIPS = PROJECT / "data/01_raw/demo/video"


def main() -> None:
    """Draw the three pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--utterance", default=None, help="an utterance of demo_video; the first happy one if not given"
    )
    name = parser.parse_args().utterance
    rows = pq.read_table(PROJECT / "data/02_intermediate/demo/utterances.parquet").to_pylist()
    clips = [row for row in rows if row["corpus"] == "demo_video"]
    wanted = (row for row in clips if (row["utterance_id"] == name if name else row["emotion"] == "happiness"))
    row = next(wanted)
    for picture, draw in (("audio", draw_audio), ("text", draw_text), ("face", draw_face)):
        figure = draw(row)
        figure.savefig(PROJECT / f"docs/images/features_{picture}.png", dpi=110)
    print(row["utterance_id"], row["transcript"])


def rows_of(family: str, row: dict) -> list[dict]:
    """The utterance's rows of a family's table."""
    table = ShardedTable(str(TABLES / f"{family}.json")).dataset()
    return table.to_table(filter=pc.field("utterance_id") == row["utterance_id"]).to_pylist()


def image(axis: Axes, values: np.ndarray, title: str, x: str, y: str) -> None:
    """A matrix as a picture, first axis upwards."""
    axis.imshow(values, origin="lower", aspect="auto", cmap="magma", interpolation="nearest")
    axis.set(title=title, xlabel=x, ylabel=y)


def draw_audio(row: dict) -> Figure:
    """Waveform, IS10, segments, chunks, fft, fbank, stft."""
    figure = Figure(figsize=(12, 12), layout="constrained")
    axes = figure.subplots(4, 2).ravel()
    signal = decode_audio(CLIPS / row["audio_path"], 16_000)
    voice = rows_of("voice", row)[0]
    axes[0].plot(np.arange(signal.size) / 16_000, signal, lw=0.4)
    pitch_hz, intensity_db = voice["pitch_hz"], voice["intensity_db"]
    measured = f"pitch {pitch_hz:.0f} Hz, intensity {intensity_db:.1f} dB, voiced {voice['voiced_share']:.0%}"
    axes[0].set(title=f"16 kHz signal; voice: {measured}", xlabel="s", xlim=(0, signal.size / 16_000))
    draw_is10(axes[1], row)
    segment = np.array(rows_of("segments", row)[0]["segments"]).reshape(200, 80)
    image(axes[2], segment, "segments: the first of 810 ms, ln magnitude", "frame of 10 ms", "bin of 20 Hz")
    chunk = np.array(rows_of("chunks", row)[0]["chunks"]).reshape(513, 32)
    image(axes[3], chunk, "chunks: the first second, dB scaled to [-1, 1]", "frame of 32 ms", "bin of 15.6 Hz")
    for axis, family in zip(axes[4:6], ("fft", "fbank"), strict=True):
        values = np.array(rows_of(family, row)[0][family]).reshape(-1, 128)
        image(axis, values.T, f"{family}: {values.shape[0]} x 128", "frame of 10 ms", "band")
    found = rows_of("stft", row)[0]
    values = np.array(found["stft"]).reshape(555, 512)[-found["frames"] :]
    values = np.arcsinh(4 * values)  # the table holds magnitudes without a logarithm
    image(
        axes[6], values.T, f"stft: the {found['frames']} real frames of 555 x 512", "frame of 10 ms", "bin of 15.6 Hz"
    )
    axes[7].remove()
    return figure


def draw_is10(axis: Axes, row: dict) -> None:
    """Every functional in deviations from the corpus's mean, coloured by path."""
    table = ShardedTable(str(TABLES / "is10.json")).dataset().to_table()
    values = np.stack(table["is10"].combine_chunks().to_numpy(zero_copy_only=False))
    names = json.loads(table.schema.field("is10").metadata[b"names"])
    place = table["utterance_id"].to_pylist().index(row["utterance_id"])
    deviations = (values[place] - values.mean(0)) / np.maximum(values.std(0), 1e-9)
    for name, columns in acoustic_paths(names).items():
        axis.plot(columns, deviations[columns], ".", ms=2, label=name)
    axis.set(
        title="is10: 1,582 functionals, standardised over the demo", xlabel="column", ylabel="deviations", ylim=(-5, 5)
    )
    axis.legend(fontsize=6, ncols=5, markerscale=3, loc="lower center")


def draw_text(row: dict) -> Figure:
    """word2vec functionals, social one-hots of an utterance of demo_wild."""
    figure = Figure(figsize=(12, 4), layout="constrained")
    first, second = figure.subplots(1, 2, width_ratios=[3, 1])
    found = rows_of("word2vec", row)[0]
    values = np.array(found["word2vec"]).reshape(len(FUNCTIONALS), -1)
    shown = (values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True)
    title = f"word2vec: 14 functionals x {values.shape[1]} of {found['known_words']} words, each row standardised"
    image(first, shown, title, "dimension of the vectors", "")
    first.set_yticks(range(len(FUNCTIONALS)), FUNCTIONALS, fontsize=8)
    wild = {"utterance_id": sorted(_ids("social", "demo_wild"))[0]}
    social = rows_of("social", wild)[0]
    vector = np.concatenate([social["query_topic"], social["accent"]])
    second.bar(range(vector.size), vector)
    second.set(title=f"social: one-hots of\n{wild['utterance_id']}", xlabel="7 topics, then accents", yticks=[0, 1])
    return figure


def _ids(family: str, corpus: str) -> list[str]:
    table = ShardedTable(str(TABLES / f"{family}.json")).dataset().to_table(columns=["utterance_id"])
    return [name for name in table["utterance_id"].to_pylist() if name.startswith(corpus)]


def draw_face(row: dict) -> Figure:
    """Frames with the tracked square, expression probabilities, DenseNet features over time."""
    track = rows_of("face_track", row)
    frames = list(sample_frames(CLIPS / row["video_path"], 0.24))[: len(track)]
    figure = Figure(figsize=(12, 5), layout="constrained")
    grid = figure.add_gridspec(2, 2 * max(len(frames), 4))
    for place, ((time_s, frame), face) in enumerate(zip(frames, track, strict=False)):
        axis = figure.add_subplot(grid[0, 2 * place : 2 * place + 2])
        axis.imshow(frame)
        square = face["x_px"], face["y_px"], face["side_px"]
        axis.plot(*_outline(*square), color="lime" if face["found"] else "orange")
        axis.set(title=f"{time_s:.2f} s", xticks=[], yticks=[])
    middle = grid.ncols // 2
    expression = rows_of("expression", row)[0]
    schema = ShardedTable(str(TABLES / "expression.json")).dataset().schema.field("expression")
    axis = figure.add_subplot(grid[1, :middle])
    axis.barh(json.loads(schema.metadata[b"names"]), expression["expression"])
    axis.set(title=f"expression: mean over {expression['frames_pooled']} frames ({row['emotion']})", xlim=(0, 1))
    dface = np.array(rows_of("dface", row)[0]["dface"])
    image(
        figure.add_subplot(grid[1, middle:]), dface.T, f"dface: {dface.shape[0]} x {dface.shape[1]}", "frame", "value"
    )
    return figure


def _outline(x: float, y: float, side: float) -> tuple[list[float], list[float]]:
    return [x, x + side, x + side, x, x], [y, y, y + side, y + side, y]


if __name__ == "__main__":
    main()
