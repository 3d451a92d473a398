"""EmoVoxCeleb: VoxCeleb1 with the emotions that a face network saw in each utterance's video, as a CSV.

Sound as VoxCeleb1 is given out: `wav/id10001/<video>/00001.wav`, also below `dev` and `test` (or `vox1_dev_wav`,
`vox1_test_wav`); video, if there, `mp4/id10001/<video>/00001.mp4`. `vox1_meta.csv`, with tabs between its columns
`VoxCeleb1 ID, VGGFace1 ID, Gender, Nationality, Set`, gives gender and split.

The predictions (Albanie et al., "Emotion recognition in speech using cross-modal transfer in the wild", ACM MM 2018)
were published as a MATLAB file: per wav a matrix of frames by eight logits, in FERPlus's order, under old names such
as `A.J._Buckley/test/Y8hIVOBuels_0000001.wav` (so a public script that reads it). The CSV read here is that file
written out, a line per frame or per utterance; its form is a default that nobody has confirmed, with every name an
option. Both kinds of wav names are understood, old ones by way of `vox1_meta.csv`.

`visual_probabilities` is the mean over an utterance's lines of the softmax of each (CMKT, section 4: average over the
face track, then normalise). The corpus has no labels by people, so `emotion` stays empty. The language is given as
English, as CMKT takes it; a part of VoxCeleb1 is in other languages.
"""

import math
import os
import re
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field, field_validator

from semiser.corpora.emotions import EXPRESSIONS
from semiser.corpora.files import Misfit
from semiser.corpora.reader import Reader, ReaderOptions
from semiser.corpora.tables import Line, read_lines, to_number
from semiser.corpora.text import is_there
from semiser.corpora.utterance import Rejected, Utterance

META = "vox1_meta.csv"

_NEW_NAME = re.compile(r"(?:.*/)?(?P<speaker>id\d{5})/(?P<video>[\w-]+)/(?P<number>\d{1,9})\.wav")
_OLD_NAME = re.compile(r"(?P<speaker>[^/]+)/(?:.*/)?(?P<video>[\w-]{11})_(?P<number>\d{1,9})\.wav")
_GENDERS = {"f": "female", "m": "male"}


class EmovoxcelebOptions(ReaderOptions):
    """Options of the reader.

    Attributes:
        predictions: the CSV below the root.
        wav: its column of wav names; the lines of a wav stand together.
        columns: the column of each expression; one that is not named has probability 0.
        values: what the cells hold.
        wav_folders, video_folders: where speakers' folders lie below the root; the first that has a file is taken.
        skip_missing: pass over predictions whose wav is not there; false rejects them.
    """

    predictions: str = "predictions.csv"
    wav: str = "wav"
    columns: dict[str, str] = Field(default={name: name for name in EXPRESSIONS}, min_length=2)
    values: Literal["logits", "probabilities"] = "logits"
    wav_folders: tuple[str, ...] = ("wav", "dev/wav", "test/wav", "vox1_dev_wav/wav", "vox1_test_wav/wav")
    video_folders: tuple[str, ...] = ("mp4", "dev/mp4", "test/mp4")
    skip_missing: bool = False

    @field_validator("columns")
    @classmethod
    def _check_names(cls, columns: dict[str, str]) -> dict[str, str]:
        if wrong := sorted(set(columns) - set(EXPRESSIONS)):
            raise ValueError(f"columns: {', '.join(wrong)} is none of {', '.join(EXPRESSIONS)}")
        return columns


def read(corpus: str, root: Path, options: EmovoxcelebOptions) -> Iterator[Utterance | Rejected]:
    """Rows of EmoVoxCeleb, one per wav of the predictions.

    Raises:
        ValueError: the predictions lack columns.
    """
    path = root / options.predictions
    if not is_there(path):
        return
    people = _read_people(root / META)
    lines = read_lines(path, {options.wav, *options.columns.values()})
    for wav, frames in groupby(lines, key=lambda line: line[1][options.wav]):
        held = iter(frames)
        first = next(held)
        try:
            row = _describe(corpus, root, options, people, wav, chain([first], held))
        except Misfit as misfit:
            yield Rejected(corpus, f"{options.predictions}:{first[0]}", str(misfit))
        else:
            if row is not None:
                yield row


def _read_people(path: Path) -> dict[str, dict[str, str]]:
    """Lines of the list of people, by the new and by the old identifier."""
    if not is_there(path):
        return {}
    people = [cells for _, cells in read_lines(path, {"VoxCeleb1 ID", "VGGFace1 ID"}, delimiter="\t")]
    return {cells[column]: cells for column in ("VGGFace1 ID", "VoxCeleb1 ID") for cells in people}


def _describe(
    corpus: str,
    root: Path,
    options: EmovoxcelebOptions,
    people: dict[str, dict[str, str]],
    wav: str,
    lines: Iterator[Line],
) -> Utterance | None:
    speaker, video, number = _parse_name(wav, people)
    audio = _find(root, options.wav_folders, PurePosixPath(speaker, video, f"{number}.wav"))
    if audio is None and options.skip_missing:
        return None
    if audio is None:
        raise Misfit(f"no file {speaker}/{video}/{number}.wav in {', '.join(options.wav_folders)}")
    person = people.get(speaker, {})
    return Utterance(
        utterance_id=f"{corpus}/{speaker}/{video}/{number}",
        corpus=corpus,
        audio_path=audio,
        split=person.get("Set") or None,
        speaker_id=f"{corpus}/{speaker}",
        gender=_GENDERS.get(person.get("Gender", "").lower()),
        dialogue_id=f"{corpus}/{video}",
        language="en",
        video_path=_find(root, options.video_folders, PurePosixPath(speaker, video, f"{number}.mp4")),
        visual_probabilities=_average(_to_probabilities(cells, options) for _, cells in lines),
    )


def _parse_name(wav: str, people: dict[str, dict[str, str]]) -> tuple[str, str, str]:
    path = wav.replace("\\", "/")
    if match := _NEW_NAME.fullmatch(path):
        return match["speaker"], match["video"], match["number"].zfill(5)
    match = _OLD_NAME.fullmatch(path)
    if match is None:
        raise Misfit(f"wav {wav!r} is neither <id>/<video>/<number>.wav nor <name>/<video>_<number>.wav")
    if match["speaker"] not in people:
        raise Misfit(f"{META} has no VGGFace1 ID {match['speaker']!r}, under which wav {wav!r} stands")
    return people[match["speaker"]]["VoxCeleb1 ID"], match["video"], f"{int(match['number']):05d}"


def _find(root: Path, folders: tuple[str, ...], path: PurePosixPath) -> str | None:
    paths = (PurePosixPath(folder) / path for folder in folders)
    return next((str(path) for path in paths if os.path.isfile(root / path)), None)


def _to_probabilities(cells: dict[str, str], options: EmovoxcelebOptions) -> list[float]:
    read = {name: to_number(column, cells[column]) for name, column in options.columns.items()}
    values = {name: value for name, value in read.items() if value is not None}
    if len(values) < len(read):
        raise Misfit(f"an empty cell among {', '.join(options.columns.values())}")
    if options.values == "logits":
        highest = max(values.values())
        values = {name: math.exp(value - highest) for name, value in values.items()}
    total = sum(values.values())
    if min(values.values()) < 0 or not 0 < total < math.inf:
        raise Misfit("negative probabilities, only zeros or too large: does the option `values` fit?")
    return [values.get(name, 0.0) / total for name in EXPRESSIONS]


def _average(frames: Iterable[list[float]]) -> list[float]:
    sums, count = [0.0] * len(EXPRESSIONS), 0
    for frame in frames:
        count += 1
        sums = [total + value for total, value in zip(sums, frame, strict=True)]
    return [total / count for total in sums]


READER = Reader(
    read=read,
    pattern="predictions.csv (option `predictions`) and wav/<speaker>/<video>/<number>.wav",
    example="wav/id10001/1zcIwhmdeo4/00001.wav",
    language="en",
    options=EmovoxcelebOptions,
    source="the Visual Geometry Group of the University of Oxford",
)
