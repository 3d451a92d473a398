"""What lies at a path that a user calls their corpus: which reader reads it, with which options, and what it finds.

Nothing is asked and nothing is changed, but that sound inside tables is written beside them, as their reader does it:
columns are known by their names in several languages and by what stands in
them, folders and names of files by the emotion words among their parts, encodings by their bytes. All of it is a guess,
which the user reads and mends.
"""

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import pyarrow.parquet as pq

from semiser.corpora.emotions import EMOTIONS, UnknownEmotion, canonical_emotion, likely_emotion
from semiser.corpora.files import iter_files
from semiser.corpora.registry import READERS, get_reader
from semiser.corpora.suffixes import AUDIO, VIDEO
from semiser.corpora.text import find_encoding
from semiser.corpora.utterance import Rejected, Utterance
from semiser.errors import Unusable
from semiser.media.audio import probe_audio

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_READ_BYTES = 4 << 20  # of a table: enough to know it by
_PROBED = 200  # files whose headers are read
_READ_ROWS = 1000  # of a layout that its lists tell: enough to know it by
_DELIMITERS = (";", "\t", "|", ",")
_SEPARATORS = "_- "
SENTIMENTS = {"negative": -0.1, "neutral": 0.1, "positive": 1.0}  # below -0.1, up to 0.1, above it: CH-SIMS in CMKT
_ENOUGH = 0.8  # share of values that must be emotion words

# Names that people give columns, without what is no letter or digit.
_COLUMNS = {
    "audio_path": "audiopath audio audiofile file filename filepath path wav wavfile sound clip recording name datei "
    "dateiname pfad aufnahme fichier archivo 文件 文件名 音频 路径",
    "speaker_id": "speakerid speaker speakername spk spkid subject subjectid participant participantid actor actorid "
    "vp vpn proband versuchsperson sprecher sprecherin person locuteur hablante 说话人 被试 演员",
    "emotion": "emotion emotions emo label emotionlabel gefühl gefuehl emotionen klasse class category affect target "
    "stimmung émotion emoción 情感 情绪 标签",
    "transcript": "transcript transcription text sentence utterancetext wortlaut satz transkript 文本 转写 句子",
    "gender": "gender sex geschlecht genre género 性别",
    "session_id": "sessionid session sitzung 场次",
    "dialogue_id": "dialogueid dialogue dialog dialogid",
    "language": "language lang sprache langue idioma 语言",
    "split": "split partition set subset teil",
    "start_s": "starts start begin begintime starttime onset von anfang",
    "end_s": "ends end endtime offset bis ende",
    "utterance_id": "utteranceid utterance uttid id segmentid",
}
_MEANS = {name: ours for ours, names in _COLUMNS.items() for name in names.split()}


@dataclass
class Look:
    """What was found at a path.

    Attributes:
        reader: that reads it.
        root: folder of the corpus.
        options: of the reader, as an env writes them.
        rows: utterances, as the reader gives them.
        rejected: reasons for entries that it cannot use, with their counts.
        passed_over: columns without a meaning here.
        hours: estimated from the files that were probed.
        shortest_s, longest_s: of the files that were probed.
        unreadable: files among those that were probed that are no sound.
        probed: how many were.
    """

    reader: str
    root: Path
    options: dict[str, Any]
    rows: list[Utterance] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    passed_over: list[str] = field(default_factory=list)
    hours: float = 0.0
    shortest_s: float = 0.0
    longest_s: float = 0.0
    unreadable: int = 0
    probed: int = 0

    @property
    def speakers(self) -> set[str]:
        """Those that are known."""
        return {row.speaker_id for row in self.rows if row.speaker_id}

    @property
    def by_sentiment(self) -> bool:
        """Whether the labels are numbers from negative to positive, and no emotions."""
        return not any(row.emotion for row in self.rows) and any(row.sentiment is not None for row in self.rows)

    @property
    def labelled(self) -> Iterator[tuple[str, Utterance]]:
        """The class of every labelled utterance, and its row: the emotion, or where sentiment lies (`SENTIMENTS`)."""
        by_sentiment = self.by_sentiment
        for row in self.rows:
            if by_sentiment and row.sentiment is not None:
                low, high = SENTIMENTS["negative"], SENTIMENTS["neutral"]
                yield "negative" if row.sentiment < low else "neutral" if row.sentiment <= high else "positive", row
            elif row.emotion:
                yield row.emotion, row

    @property
    def emotions(self) -> Counter[str]:
        """Labelled utterances by class."""
        return Counter(name for name, _ in self.labelled)

    @property
    def all_speakers_known(self) -> bool:
        """Whether every labelled utterance has its speaker."""
        return all(row.speaker_id for _, row in self.labelled)


def look_at(path: str | Path, corpus: str) -> Look:
    """Look at a folder or a table.

    Args:
        path: a folder of sounds, a folder with a table, or a table.
        corpus: the name that the corpus will have.

    Raises:
        FileNotFoundError: nothing is at the path.
        ValueError: no sound, or no column that names sound files, is there; the message says what was looked for.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"nothing at {path}: give a folder of sounds, or a table that names them")
    if path.is_file() and path.suffix.lower() not in TABLES:
        raise ValueError(f"{path} is no table ({', '.join(TABLES)}): give a table or a folder of sounds")
    table = path if path.is_file() else _only_table(path)
    found = _known_layout(path) or _signed_layout(path) if path.is_dir() else None
    found = found or (_look_at_table(table) if table else _look_at_folder(path))
    _read(found, corpus)
    _probe(found)
    return found


def _only_table(folder: Path) -> Path | None:
    """The table of a folder, where there is one that names sound files."""
    tables = sorted(path for path in folder.iterdir() if path.suffix.lower() in TABLES and path.is_file())
    naming = [path for path in tables if _audio_column(*_cells(path)[:2], folder)]
    if len(naming) > 1:
        names = ", ".join(path.name for path in naming)
        raise ValueError(f"{folder} has several tables that name sounds: {names}. Give the one that is meant")
    return naming[0] if naming else None


def _known_layout(folder: Path) -> Look | None:
    """A published corpus that is complete by the count of its utterances."""
    number = sum(1 for _ in iter_files(folder, {*AUDIO, *VIDEO}))
    for name in READERS:
        reader = get_reader(name)
        expected = reader.expected.get("utterances")
        if not expected or not expected <= number <= 2 * expected:
            continue
        try:
            rows = reader.read(name, folder, reader.options())
            if sum(isinstance(row, Utterance) for row in rows) == expected:
                return Look(name, folder, {})
        except (OSError, ValueError):
            continue
    return None


def _signed_layout(folder: Path) -> Look | None:
    """A layout that many corpora have, known by its lists; the first of the readers that finds utterances there.

    Raises:
        ValueError: the signs of a reader are there, and none finds an utterance; the message says what they said.
    """
    said: list[str] = []
    for name in READERS:
        reader = get_reader(name)
        if not any(next(folder.glob(sign), None) for sign in reader.signs):
            continue
        try:
            options = _options_of(name, folder)
            rows = list(islice(reader.read(name, folder, reader.options(**options)), _READ_ROWS))
            if "strip" in reader.options.model_fields and (strip := _strip(folder, rows)):
                options |= {"strip": strip}
                rows = list(islice(reader.read(name, folder, reader.options(**options)), _READ_ROWS))
        except (OSError, ValueError, ImportError) as error:
            said.append(f"{name}: {error}")
            continue
        words = Counter(row.word for row in rows if isinstance(row, Rejected) and row.word)
        mapped = {word: ours for word, ours in map_words(words).items() if ours}
        if mapped or any(isinstance(row, Utterance) for row in rows):
            return Look(name, folder, options | ({"emotions": mapped} if mapped else {}))
        said += [f"{name}: {row.reason}" for row in rows[:1] if isinstance(row, Rejected)]
    if said:
        raise ValueError(f"{folder} looks like a known layout and nothing in it can be used: {'; '.join(said)}")
    return None


def _strip(folder: Path, rows: Sequence[object]) -> str | None:
    """What paths begin with that lead nowhere here, where the rest of them leads to files below the folder."""
    for row in rows[:20]:
        path = row.audio_path if isinstance(row, Utterance) else ""
        if isinstance(row, Rejected) and (absolute := re.match(r"'(/[^']+)' is no path below the root", row.reason)):
            path = absolute[1]
        parts = PurePosixPath(path).parts
        if not parts or (folder / path).is_file():
            continue
        for place in range(1, len(parts)):
            if folder.joinpath(*parts[place:]).is_file():
                return str(PurePosixPath(*parts[:place]))
    return None


def _options_of(reader: str, folder: Path) -> dict[str, Any]:
    """Options that a layout needs: of a Hugging Face dataset its columns, and where embedded sound is written."""
    if reader != "huggingface":
        return {}
    from semiser.corpora.huggingface import sample

    if (found := sample(folder)) is None:
        raise ValueError("no column of sound")
    header, rows, embedded = found
    aliases = {theirs: ours for theirs, ours in _aliases(header, rows, "").items() if theirs != ours}
    return ({"cache": "sound"} if embedded else {}) | ({"aliases": aliases} if aliases else {})


# ---- tables


def _look_at_table(path: Path) -> Look:
    header, rows, facts = _cells(path)
    folder = path.parent
    audio = _audio_column(header, rows, folder)
    if audio is None:
        raise ValueError(
            f"{path.name} has no column with names of sound files that lie below {folder}: found "
            f"{', '.join(map(repr, header))}, the first line being {', '.join(map(repr, rows[0] if rows else []))}"
        )
    root = _root_of(folder, [row[header.index(audio)] for row in rows])
    aliases = {audio: "audio_path"} | _aliases(header, rows, audio)
    options = {"file": PurePath(os.path.relpath(path, root)).as_posix()} | facts
    named = {theirs: ours for theirs, ours in aliases.items() if theirs != ours}
    options |= {"aliases": named} if named else {}
    if emotion := next((theirs for theirs, ours in aliases.items() if ours == "emotion"), None):
        place = header.index(emotion)
        words = Counter(row[place].strip() for row in rows if len(row) > place and row[place].strip())
        options |= {"emotions": mapped} if (mapped := map_words(words)) else {}
    extra = [name for name in header if name not in aliases]
    return Look("manifest", root, options | ({"ignore": "*"} if extra else {}), passed_over=extra)


def _cells(path: Path) -> tuple[list[str], list[list[str]], dict[str, Any]]:
    """Header and rows of the begin of a table as text, and the reader's options that it takes to read them."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            batch = next(file.iter_batches(batch_size=1024), None)
            names = file.schema_arrow.names
        return names, [[_text(row[name]) for name in names] for row in (batch.to_pylist() if batch else [])], {}
    encoding = guess_encoding(path)
    facts = {} if encoding in ("utf-8-sig", "utf-16") else {"encoding": encoding}
    with path.open("rb") as file:
        text = file.read(_READ_BYTES).decode(encoding, "replace")
    if suffix in (".jsonl", ".ndjson"):
        import json

        records = [json.loads(line) for line in text.splitlines()[:1024] if line.strip().endswith("}")]
        names = list(dict.fromkeys(name for record in records for name in record))
        return names, [[_text(record.get(name)) for name in names] for record in records], facts
    first = text.partition("\n")[0]
    delimiter = "\t" if suffix == ".tsv" else max(_DELIMITERS, key=first.count)
    facts |= {"delimiter": delimiter} if suffix == ".csv" and delimiter != "," else {}
    header, *rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row] or [[]]
    return [name.strip() for name in header], rows, facts


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def guess_encoding(path: Path) -> str:
    """UTF-8 or UTF-16 where the whole file is; else GB 18030 or Windows-1252, whichever its bytes look like.

    Chinese text has its bytes above 127 in runs of pairs, Western text has them one by one.
    """
    try:
        return find_encoding(path)
    except ValueError:
        with path.open("rb") as file:
            runs = Counter(len(run) % 2 for run in re.findall(rb"[\x80-\xff]+", file.read(_READ_BYTES)))
        return "gb18030" if runs[0] >= runs[1] else "cp1252"


def _audio_column(header: Sequence[str], rows: Sequence[Sequence[str]], folder: Path) -> str | None:
    """The column whose cells end like sound files, of several the one whose files are there."""
    endings = (*AUDIO, *VIDEO)
    candidates = []
    for place, name in enumerate(header):
        cells = [row[place].strip() for row in rows[:100] if len(row) > place and row[place].strip()]
        if cells and sum(cell.lower().endswith(endings) for cell in cells) >= _ENOUGH * len(cells):
            there = sum((folder / cell.replace("\\", "/")).is_file() for cell in cells[:20])
            candidates.append((there, _MEANS.get(_plain(name)) == "audio_path", -place, name))
    return max(candidates)[-1] if candidates else None


def _root_of(folder: Path, cells: Iterable[str]) -> Path:
    """The folder that the cells' paths are relative to: the table's, one below it, or one or two above it."""
    some = [PurePosixPath(cell.strip().replace("\\", "/")) for cell in islice((c for c in cells if c.strip()), 20)]
    below = sorted(path for path in folder.iterdir() if path.is_dir())
    around = [
        folder,
        *below,
        folder.parent,
        folder.parent.parent,
        *sorted(p for p in folder.parent.iterdir() if p.is_dir()),
    ]
    return max(around, key=lambda root: (sum((root / cell).is_file() for cell in some), root == folder))


def _aliases(header: Sequence[str], rows: Sequence[Sequence[str]], audio: str) -> dict[str, str]:
    """Our name of each further column that has one; a name is given once, and emotion is known by its words, too."""
    found: dict[str, str] = {}
    for place, name in enumerate(header):
        ours = _MEANS.get(_plain(name))
        cells = {row[place].strip() for row in rows if len(row) > place} - {""}
        if name == audio or not cells:
            continue
        if ours != "emotion" and "emotion" not in found.values() and _are_emotions(cells) and len(cells) > 1:
            ours = "emotion"
        if ours and ours != "audio_path" and ours not in found.values() and _fits(ours, cells):
            found[name] = ours
    return found


def _fits(ours: str, cells: set[str]) -> bool:
    """Whether what stands in a column can be what its name says."""
    if ours in ("start_s", "end_s"):
        return all(re.fullmatch(r"\d+([.]\d*)?", cell) for cell in cells)
    if ours == "emotion":
        return 1 < len(cells) <= 40
    if ours == "gender":
        return {cell.lower() for cell in cells} <= {"f", "w", "m", "female", "male", "weiblich", "männlich", "女", "男"}
    if ours == "language":
        return all(re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", cell) for cell in cells)
    return True


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


# ---- words


def map_words(words: Mapping[str, int]) -> dict[str, str]:
    """What each word means that is no canonical name itself, guessed where it is not known."""
    return {word: _canonical(word) or likely_emotion(word) for word in words if word.lower() not in EMOTIONS}


def _canonical(word: str) -> str | None:
    try:
        return canonical_emotion(word)
    except UnknownEmotion:
        return None


def _are_emotions(values: Iterable[str]) -> bool:
    values = list(values)
    return bool(values) and sum(_canonical(value) is not None for value in values) >= _ENOUGH * len(values)


# ---- folders


def _look_at_folder(folder: Path) -> Look:
    paths = list(iter_files(folder, {*AUDIO, *VIDEO}))
    if not paths:
        raise ValueError(f"no sound below {folder}: looked for {', '.join(sorted((*AUDIO, *VIDEO)))}")
    pattern, words = guess_pattern(paths)
    if pattern is None:
        return Look("folder", folder, {})
    mapped = map_words(words)
    return Look("folder", folder, {"pattern": pattern} | ({"emotions": mapped} if mapped else {}))


@dataclass(frozen=True)
class _Slot:
    """A part of all paths: the folder `level` steps above the file, or the part of the name at `place`."""

    name: str  # how it is shown in a pattern: `level` or `place` alone
    level: int  # 0: in the name of the file
    place: int
    values: tuple[str, ...]

    @property
    def kinds(self) -> int:
        return len(set(self.values))


def guess_pattern(paths: Sequence[PurePosixPath]) -> tuple[str | None, Counter[str]]:
    """The pattern of the reader `folder` that says emotion, and speaker where it is seen; and the emotion words.

    Emotion is the part of folder or file name that is an emotion word throughout; speaker another part that has a few
    values with several emotions each, a folder rather than a part of the name, and no counter.
    """
    separator = max(_SEPARATORS, key=lambda sign: sum(sign in path.stem for path in paths))
    slots = list(_slots(paths, separator))
    emotional = [slot for slot in slots if slot.kinds > 1 and _are_emotions(slot.values)]
    if not emotional:
        return None, Counter()
    emotion = max(emotional, key=lambda slot: (slot.level > 0, slot.kinds))
    others = [slot for slot in slots if slot != emotion and _is_speaker(slot, emotion)]
    speaker = max(others, key=lambda slot: (not _counts(slot), slot.level, -abs(slot.place)), default=None)
    if speaker and _counts(speaker) and speaker.level == 0:
        speaker = None
    return _pattern({"emotion": emotion, "speaker": speaker}, slots, separator), Counter(emotion.values)


def _slots(paths: Sequence[PurePosixPath], separator: str) -> Iterator[_Slot]:
    depth = min(len(path.parts) for path in paths) - 1
    for level in range(1, depth + 1):
        yield _Slot("folder", level, 0, tuple(path.parts[-1 - level] for path in paths))
    parts = [path.stem.split(separator) for path in paths]
    fewest = min(map(len, parts))
    yield from (_Slot("name", 0, place, tuple(part[place] for part in parts)) for place in range(fewest))
    if max(map(len, parts)) > fewest:  # names of different lengths are read from their end, too
        yield from (_Slot("name", 0, -place, tuple(part[-place] for part in parts)) for place in range(1, fewest + 1))


def _is_speaker(slot: _Slot, emotion: _Slot) -> bool:
    emotions: dict[str, set[str]] = {}
    for value, word in zip(slot.values, emotion.values, strict=True):
        emotions.setdefault(value, set()).add(word)
    several = sum(len(words) > 1 for words in emotions.values())
    return 1 < slot.kinds <= len(slot.values) // 2 and several >= _ENOUGH * len(emotions)


def _counts(slot: _Slot) -> bool:
    return all(value.isdecimal() for value in slot.values)


def _pattern(wanted: Mapping[str, _Slot | None], slots: Sequence[_Slot], separator: str) -> str:
    named = {(slot.level, slot.place): f"{{{name}}}" for name, slot in wanted.items() if slot}
    top = max((level for level, _ in named), default=0)
    folders = [named.get((level, 0), "*") for level in range(top, 0, -1)]
    in_name = sorted(place for level, place in named if level == 0)
    if not in_name:
        return "/".join([*folders, "*"])
    if in_name[0] < 0:
        name = separator.join(["*", *(named.get((0, place), "*") for place in range(in_name[0], 0))])
    else:
        parts = [named.get((0, place), "*") for place in range(in_name[-1] + 1)]
        last = max(slot.place for slot in slots if slot.level == 0)
        name = separator.join([*parts, *(["*"] if last > in_name[-1] else [])])
    return "/".join([*folders, name])


# ---- what a reader finds there


def _read(found: Look, corpus: str) -> None:
    reader = get_reader(found.reader)
    for row in reader.read(corpus, found.root, reader.options(**found.options)):
        if isinstance(row, Utterance):
            found.rows.append(row)
        elif isinstance(row, Rejected):
            found.rejected[row.reason] += 1


def _probe(found: Look, probe: Callable[[Path], Any] = probe_audio) -> None:
    step = max(1, len(found.rows) // _PROBED)
    seconds = []
    for row in found.rows[::step][:_PROBED]:
        found.probed += 1
        try:
            whole = probe(found.root / row.audio_path).duration_s
        except Unusable:
            found.unreadable += 1
            continue
        seconds.append(row.end_s - (row.start_s or 0.0) if row.end_s is not None else whole)
    if seconds:
        found.shortest_s, found.longest_s = min(seconds), max(seconds)
        found.hours = sum(seconds) / len(seconds) * len(found.rows) / 3600
