"""MSP-Podcast: `Labels/labels_consensus.csv` or `.json`, `Audios/MSP-PODCAST_0001_0008.wav`, `Transcripts`.

Columns `FileName, EmoClass, EmoAct, EmoVal, EmoDom, SpkrID, Gender, Split_Set` as in releases 1.8 to 2.0 (Lotfian and
Busso, IEEE Transactions on Affective Computing 10(4), 2019, and programs that read them); the JSON has the same by
file. Where a release has no `Split_Set`, `Partitions.txt` (`Train; MSP-PODCAST_0001_0008.wav`) says it. The labels may
lie at the root, audio in `Audios` or `Audio`. `X` is no agreement: `emotion` is empty; `O` is another emotion. Speakers
that nobody knows are empty. Test set 3 has no published labels; files that nothing lists are passed over.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from semiser.corpora.files import Misfit
from semiser.corpora.lists import check_scale, number_of, text_of, to_gender
from semiser.corpora.reader import Reader, ReaderOptions
from semiser.corpora.tables import describe_lines, read_lines
from semiser.corpora.text import is_there, read_text
from semiser.corpora.utterance import Rejected, Utterance

LABELS = "labels_consensus"

_NEEDED = {"FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender"}
_EMOTIONS = {
    "A": "anger",
    "S": "sadness",
    "H": "happiness",
    "U": "surprise",
    "F": "fear",
    "D": "disgust",
    "C": "contempt",
    "N": "neutral",
    "O": "other",
    "X": None,
}
_DIMENSIONS = {"arousal": "EmoAct", "valence": "EmoVal", "dominance": "EmoDom"}
_SCALE = (1, 7)


class MspPodcastOptions(ReaderOptions):
    """Options of the reader.

    Attributes:
        skip_missing: pass over labelled files that are not there, as some of a release are not given out; false
            rejects them.
    """

    skip_missing: bool = False


def read(corpus: str, root: Path, options: MspPodcastOptions) -> Iterator[Utterance | Rejected]:
    """Rows of MSP-Podcast, one per labelled file.

    Raises:
        ValueError: the labels lack columns, or are no JSON object of objects.
    """
    table = _find(root, *(f"{folder}{LABELS}{end}" for end in (".csv", ".json") for folder in ("Labels/", "")))
    if table is None:
        return
    lines = read_lines(root / table, _NEEDED) if table.suffix == ".csv" else _read_json(root / table)
    audio = next((name for name in ("Audios", "Audio") if (root / name).is_dir()), "Audios")
    describe = partial(_describe, corpus, root, audio, _read_partitions(root), options)
    yield from describe_lines(corpus, str(table), lines, describe)


def _find(root: Path, *names: str) -> PurePosixPath | None:
    return next((PurePosixPath(name) for name in names if (root / name).is_file()), None)


def _read_json(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        entries = json.loads(read_text(path)).items()
    except (ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path.name} is no JSON object of an object per file: {error}") from error
    for number, (name, cells) in enumerate(entries, start=1):
        if not isinstance(cells, dict):
            raise ValueError(f"{path.name}: {name!r} has {cells!r}, expected an object")
        yield number, {"FileName": name, **cells}


def _read_partitions(root: Path) -> dict[str, str]:
    path = _find(root, "Partitions.txt", "partitions.txt", "Labels/Partitions.txt")
    if path is None:
        return {}
    pairs = (line.partition(";") for line in read_text(root / path).splitlines())
    return {name.strip(): split.strip() for split, _, name in pairs if name.strip()}


def _describe(
    corpus: str,
    root: Path,
    audio: str,
    partitions: dict[str, str],
    options: MspPodcastOptions,
    cells: dict[str, Any],
) -> Utterance | None:
    name, word, speaker = (text_of(cells, key) for key in ("FileName", "EmoClass", "SpkrID"))
    if not name or not set(name).isdisjoint("/\\"):
        raise Misfit(f"FileName {name!r} is no file in {audio}")
    if word not in _EMOTIONS:
        raise Misfit(f"EmoClass {word!r} is none of {', '.join(_EMOTIONS)}")
    path = PurePosixPath(audio, name)
    if not (root / path).is_file():
        if options.skip_missing:
            return None
        raise Misfit(f"no file {path}: is {audio} complete? The option `skip_missing` passes over such lines")
    split = text_of(cells, "Split_Set") or partitions.get(name)
    values = {ours: check_scale(ours, number_of(cells, theirs), _SCALE) for ours, theirs in _DIMENSIONS.items()}
    return Utterance(
        utterance_id=f"{corpus}/{path.stem}",
        corpus=corpus,
        audio_path=str(path),
        split=split,
        speaker_id=f"{corpus}/{speaker}" if speaker and speaker.lower() != "unknown" else None,
        gender=to_gender(text_of(cells, "Gender")),
        language="en",
        transcript=_read_transcript(root / "Transcripts" / f"{path.stem}.txt"),
        emotion=_EMOTIONS[word],
        emotion_original=word,
        arousal=values["arousal"],
        valence=values["valence"],
        dominance=values["dominance"],
    )


def _read_transcript(path: Path) -> str | None:
    return read_text(path, "cp1252").strip() or None if is_there(path) else None


READER = Reader(
    read=read,
    pattern="Labels/labels_consensus.csv (or .json), and Audios/<file>",
    example="Audios/MSP-PODCAST_0001_0008.wav",
    options=MspPodcastOptions,
    language="en",
    scales=dict.fromkeys(_DIMENSIONS, _SCALE),
    source="the MSP Lab of Carlos Busso, on request: https://lab-msp.com/MSP/MSP-Podcast.html",
    signs=tuple(f"{folder}{LABELS}{end}" for folder in ("Labels/", "") for end in (".csv", ".json")),
)
