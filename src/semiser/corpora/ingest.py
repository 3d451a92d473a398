"""Ingest: readers' rows, checked against the files on disk, become the tables `utterances` and `quarantine`."""

import json
import logging
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from semiser.corpora.emotions import EMOTIONS, likely_emotion
from semiser.corpora.files import leaves_root
from semiser.corpora.options import CorpusOptions, IngestOptions
from semiser.corpora.reader import PaperCount, Reader
from semiser.corpora.refusal import refuse_unusable
from semiser.corpora.registry import get_reader
from semiser.corpora.spool import Spool
from semiser.corpora.utterance import QUARANTINE_SCHEMA, UTTERANCES_SCHEMA, Entry, Rejected, Unmatched, Utterance
from semiser.errors import TooManyUnusable, Unusable
from semiser.media.audio import END_TOLERANCE_S, probe_audio
from semiser.media.content import modified_ns
from semiser.media.plausible import ODDITIES, listen
from semiser.options.plausible import PlausibleSpeechOptions

logger = logging.getLogger(__name__)

_CHUNK = 1_000  # rows probed at a time: bounds memory and keeps the threads busy
_SOUGHT_S = 600.0  # an utterance that begins later is not listened to: some formats are decoded from their beginning
_NO_NAMES = {
    "",
    "-",
    "?",
    "n/a",
    "na",
    "nan",
    "nil",
    "none",
    "null",
    "unk",
    "unknown",
    "missing",
    "undefined",
    "nobody",
}
_NAMED = 10  # files in a summary
_FEW = 20  # utterances: fewer silent ones may be chance
_PROBE_THREADS = 8  # headers wait for the disk, not for a processor


@dataclass(frozen=True)
class Ingested:
    """What ingest found; the rows wait on disk and are read in batches, or all of them into a table.

    Attributes:
        summary: per corpus, JSON-safe.
    """

    summary: dict[str, Any]
    _spool: Spool
    _metadata: dict[str, str]

    def utterance_batches(self) -> pa.RecordBatchReader:
        """Rows of `utterances`: corpus after corpus, each in the order of its ids; no batch has rows of two."""
        schema = UTTERANCES_SCHEMA.with_metadata(self._metadata)
        batches = chain.from_iterable(map(self._spool.utterances, self.summary))
        return pa.RecordBatchReader.from_batches(schema, (batch.cast(schema) for batch in batches))

    def quarantine_batches(self) -> pa.RecordBatchReader:
        """Rows of `quarantine`, in the readers' order."""
        entries = chain.from_iterable(map(self._spool.rejected, self.summary))
        chunks = iter(lambda: [asdict(entry) for entry in islice(entries, _CHUNK)], [])
        batches = (pa.RecordBatch.from_pylist(chunk, QUARANTINE_SCHEMA) for chunk in chunks)
        return pa.RecordBatchReader.from_batches(QUARANTINE_SCHEMA, batches)

    @property
    def utterances(self) -> pa.Table:
        """All utterances in memory."""
        return self.utterance_batches().read_all()

    @property
    def quarantine(self) -> pa.Table:
        """All that cannot be used in memory."""
        return self.quarantine_batches().read_all()


def ingest(options: IngestOptions) -> Ingested:
    """Read every corpus that is switched on.

    Raises:
        FileNotFoundError: a root is no folder.
        Unusable: nothing at a root fits the reader's layout.
        TooManyUnusable: more than `max_quarantined_share` of a corpus's entries cannot be used.
    """
    spool, facts = Spool(), {}
    summary: dict[str, dict[str, Any]] = {}
    for name, corpus in options.active.items():
        reader = get_reader(corpus.reader)
        tally = ingest_corpus(name, corpus, reader, spool, options.listen)
        looked_for = (
            f"{corpus.root}; the reader {corpus.reader!r} looks for {reader.pattern} (such as {reader.example})"
        )
        refuse_unusable(
            f"corpus {name!r}", looked_for, tally.utterances, tally.rejected, islice(spool.rejected(name), 3),
            options.max_quarantined_share, "ingest.max_quarantined_share", _say_words(name, tally),
        )  # fmt: skip
        expected = reader.expected if corpus.expected is None else corpus.expected
        summary[name] = {
            **tally.summary(expected),
            "repeated": spool.repeated(name),
            "quarantined_reasons": spool.reasons(name, 10),
            "root": corpus.root,
        }
        facts[name] = {"reader": corpus.reader, "scales": _scales(reader, corpus)}
        odd = implausible(summary[name], options.plausible)
        summary[name]["implausible"] = [said for _, said in odd]
        _log(name, summary[name], odd)
        _refuse_silence(name, tally, options.plausible)
    return Ingested(summary, spool, {"semiser": json.dumps({"corpora": facts})})


def _say_words(name: str, tally: "Tally") -> str:
    """What to do about emotion words that are not known, where most is rejected for them: all, and lines to paste."""
    words = tally.unknown_words
    if 2 * words.total() <= tally.rejected:
        return ""
    counts = ", ".join(f"{word} ({count})" for word, count in words.items())
    none = ", ".join(word for word in words if word.strip().casefold() in _NO_NAMES)
    empty = f"{none} looks like a word for none: leave the label empty where there is none. " if none else ""
    guessed = ", ".join(f"{json.dumps(word, ensure_ascii=False)}: {likely_emotion(word)}" for word in words)
    return empty + (
        f"emotion words that are not known: {counts}. Say which of {', '.join(EMOTIONS)} each is, below "
        f"ingest.corpora.{name}.options (guessed here; look them through):\n  emotions: {{{guessed}}}"
    )


def _scales(reader: Reader, corpus: CorpusOptions) -> dict[str, tuple[float, float]]:
    """Ranges of the dimensional labels: the user's, where the reader takes them as an option, else the published."""
    return dict(getattr(reader.options(**corpus.options), "scales", None) or reader.scales)


def ingest_corpus(name: str, corpus: CorpusOptions, reader: Reader, spool: Spool, to_hear: int = 0) -> "Tally":
    """Put the utterances of one corpus, each file probed, and what cannot be used, with the reason, into the spool.

    Args:
        name: of the corpus, for messages.
        corpus: its root and the reader's options.
        reader: lists its files with what they are about.
        spool: takes the rows.
        to_hear: so many utterances are listened to, from the first one on.

    Returns:
        The counts of what was found.

    Raises:
        FileNotFoundError: the root is not a folder.
    """
    root = Path(corpus.root)
    if not root.is_dir():
        raise FileNotFoundError(f"corpus {name!r}: ingest.corpora.{name}.root = {corpus.root} is not a folder")
    entries = reader.read(name, root, reader.options(**corpus.options))
    tally = Tally(papers=reader.papers)
    with ThreadPoolExecutor(_PROBE_THREADS) as pool:
        while chunk := list(islice(entries, _CHUNK)):
            listening = [number < to_hear for number in range(tally.entries, tally.entries + len(chunk))]
            checked = pool.map(lambda entry, heard: _check(entry, root, reader.language, heard), chunk, listening)
            for entry, oddities in checked:
                if isinstance(entry, Unmatched):
                    tally.unmatched.append(entry)
                else:
                    tally.count(entry, spool.add(entry), oddities)
    return tally


def _check(entry: Entry, root: Path, language: str | None, listening: bool) -> tuple[Entry, tuple[str, ...]]:
    """Fill in what the file says, or say why it cannot be used; and what of its sound is odd."""
    if not isinstance(entry, Utterance):
        return entry, ()
    oddities: tuple[str, ...] = ()
    try:
        _refuse_escape(entry.audio_path)
        if entry.video_path:
            _refuse_escape(entry.video_path)
        info = probe_audio(root / entry.audio_path)
        if entry.end_s is not None and entry.end_s > info.duration_s + END_TOLERANCE_S:
            raise Unusable(f"the segment ends at {entry.end_s} s, the file at {info.duration_s:.3f} s")
    except Unusable as error:
        return Rejected(entry.corpus, entry.audio_path, str(error)), ()
    for key, value in asdict(info).items():
        setattr(entry, key, value)
    if listening and (entry.start_s or 0) <= _SOUGHT_S:
        with suppress(Unusable):  # the families say what cannot be decoded, and go on with the others
            heard = listen(root / entry.audio_path, entry.start_s, entry.end_s)
            entry.level_db, oddities = heard.level_db, heard.oddities
    video = root / entry.video_path if entry.video_path else None
    if video and os.path.isfile(video):  # without it the voice is still of use; the face families say what is missing
        entry.video_bytes, entry.video_modified_ns = video.stat().st_size, modified_ns(video.stat())
    if entry.end_s is not None:
        entry.duration_s = entry.end_s - (entry.start_s or 0.0)
    entry.language = entry.language or language
    return entry, oddities


def _refuse_escape(path: str) -> None:
    """A path from a list must stay below the root; links on the user's own disk may lead anywhere."""
    if leaves_root(path):
        raise Unusable("the path leaves the corpus root: give it relative to the root, without ..")


@dataclass
class Tally:
    """Counts of one corpus; what it holds grows with speakers and labels, not with utterances."""

    utterances: int = 0
    rejected: int = 0
    seconds: float = 0.0
    with_transcript: int = 0
    speakers: set[str] = field(default_factory=set)
    emotions: Counter[str | None] = field(default_factory=Counter)
    unknown_words: Counter[str] = field(default_factory=Counter)
    splits: Counter[str | None] = field(default_factory=Counter)
    papers: tuple[PaperCount, ...] = ()
    of_papers: Counter[int] = field(default_factory=Counter)
    heard: int = 0
    oddities: Counter[str] = field(default_factory=Counter)
    nameless: Counter[str] = field(default_factory=Counter)
    wordless: Counter[str] = field(default_factory=Counter)
    unmatched: list[Unmatched] = field(default_factory=list)

    @property
    def entries(self) -> int:
        """How many were counted."""
        return self.utterances + self.rejected

    def count(self, entry: Utterance | Rejected, usable: bool, oddities: Iterable[str] = ()) -> None:
        """Count an entry, which is usable or rejected, and what of its sound is odd."""
        if isinstance(entry, Rejected) or not usable:
            self.rejected += 1
            if isinstance(entry, Rejected) and entry.word:
                self.unknown_words[entry.word] += 1
            return
        self.utterances += 1
        self.seconds += entry.duration_s or 0.0
        self.with_transcript += entry.transcript is not None
        if entry.transcript is not None and entry.transcript.strip().casefold() in _NO_NAMES:
            self.wordless[entry.transcript] += 1
        if entry.speaker_id is not None:
            self.speakers.add(entry.speaker_id)
            if (name := entry.speaker_id.rpartition("/")[2]).strip().casefold() in _NO_NAMES:
                self.nameless[name] += 1
        self.heard += entry.level_db is not None
        self.oddities.update(oddities)
        self.emotions[entry.emotion] += 1
        self.splits[entry.split] += 1
        self.of_papers.update(place for place, paper in enumerate(self.papers) if paper.counts(entry))

    def summary(self, expected: Mapping[str, int]) -> dict[str, Any]:
        """JSON-safe: found and expected, hours, speakers, labels, how many are quarantined."""
        found = {
            "utterances": self.utterances,
            "speakers": len(self.speakers),
            "emotions": len(set(self.emotions) - {None}),
        } | {f"utterances/{split}": count for split, count in self.splits.items() if split}
        differs = {
            key: {"found": found.get(key, 0), "expected": count}
            for key, count in expected.items()
            if found.get(key, 0) != count and (key in found or "/" not in key)
        }
        return {
            "found": found,
            "expected": dict(expected),
            "differs": differs,
            "papers": [
                {"table": paper.table, "what": paper.what, "published": paper.count, "found": self.of_papers[place]}
                for place, paper in enumerate(self.papers)
            ],
            "hours": round(self.seconds / 3600, 4),
            "emotions": {str(word or "unlabelled"): count for word, count in self.emotions.most_common()},
            "with_transcript": self.with_transcript,
            "quarantined": self.rejected,
            "heard": {"utterances": self.heard, **{name: self.oddities[name] for name in ODDITIES}},
            "speakers_like_none": dict(self.nameless),
            "speakers_alike": _alike(name.partition("/")[2] or name for name in self.speakers),
            "transcripts_like_none": dict(self.wordless),
            "unmatched_transcripts": {
                "lines": sum(entry.lines for entry in self.unmatched),
                "files": {entry.path: entry.lines for entry in self.unmatched[:_NAMED]},
                "files_of_nothing": [entry.path for entry in self.unmatched if entry.lines == entry.of][:_NAMED],
            },
        }


def _alike(names: Iterable[str]) -> list[list[str]]:
    """Names that differ by case, blanks, marks or the form of Unicode alone, sorted."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        words = re.split(r"[\W_]+", unicodedata.normalize("NFKC", name).casefold())
        groups.setdefault(" ".join(words).strip(), []).append(name)
    return [group for words, group in groups.items() if words and len(group) > 1]


def _say_hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def _log(name: str, summary: dict[str, Any], odd: list[tuple[bool, str]]) -> None:
    found = summary["found"]
    logger.info(
        "%s: %d utterances, %s, %d speakers, %d quarantined",
        name, found["utterances"], _say_hours(summary["hours"]), found["speakers"], summary["quarantined"],
    )  # fmt: skip
    for key, count in summary["differs"].items():
        logger.warning("%s: %d %s found, %d expected", name, count["found"], key, count["expected"])
    others = Counter(row["table"] for row in summary["papers"] if row["found"] != row["published"])
    for table, count in others.items():
        of = sum(row["table"] == table for row in summary["papers"])
        logger.warning("%s: %d of %d counts are not those of %s: ingest_summary.json has both", name, count, of, table)
    for warning, said in odd:
        logger.log(logging.WARNING if warning else logging.INFO, "%s: %s", name, said)
    if (heard := summary["heard"]["utterances"]) and not any(summary["heard"][kind] for kind in ODDITIES):
        logger.info("%s: listened to %d: none silent, clipped, beyond full scale or of odd channels", name, heard)


def implausible(summary: Mapping[str, Any], options: PlausibleSpeechOptions) -> list[tuple[bool, str]]:
    """Whether it is a warning, and a sentence, for all that is odd about a corpus by its summary."""
    kinds = (_odd_sound, _odd_speakers, _odd_transcripts, _odd_files)
    return [found for kind in kinds for found in kind(summary, options)]


_Odd = Iterator[tuple[bool, str]]


def _odd_sound(summary: Mapping[str, Any], options: PlausibleSpeechOptions) -> _Odd:
    heard = summary["heard"]
    for kind, what in ODDITIES.items():
        if count := heard[kind]:
            share = count / heard["utterances"]
            yield share >= getattr(options, kind), f"{count} of {heard['utterances']} utterances {what}"


def _odd_speakers(summary: Mapping[str, Any], options: PlausibleSpeechOptions) -> _Odd:
    for word, count in summary["speakers_like_none"].items():
        said = f"{count} utterances are of the speaker {word!r}: a word for nobody? Leave it empty"
        yield count / summary["found"]["utterances"] >= options.nameless_speakers, said
    if alike := summary["speakers_alike"]:
        names, many = ", ".join(map(ascii, alike[0])), sum(map(len, alike))
        of = summary["found"]["speakers"]
        said = f"{many} of {of} speakers have a name like another's, such as {names}: one person? Folds would part them"
        yield many / of >= options.alike_speakers, said


def _odd_transcripts(summary: Mapping[str, Any], options: PlausibleSpeechOptions) -> _Odd:
    for word, count in summary["transcripts_like_none"].items():
        of = summary["with_transcript"]
        said = f"{count} of {of} transcripts are {word!r}: a word for none? Leave them empty"
        yield count / of >= options.nameless_transcripts, said
    unmatched = summary["unmatched_transcripts"]
    if lines := unmatched["lines"]:
        first = next(iter(unmatched["files_of_nothing"] or unmatched["files"]))
        said = f"{lines} lines of transcripts belong to no recording, such as in {first}"
        if nothing := len(unmatched["files_of_nothing"]):
            many = f"at least {nothing}" if nothing == _NAMED else str(nothing)
            said += f"; {many} files match none at all, perhaps for their names"
        warning = nothing > 0 or lines / (lines + summary["with_transcript"]) >= options.unmatched_transcripts
        yield warning, said


def _odd_files(summary: Mapping[str, Any], options: PlausibleSpeechOptions) -> _Odd:
    if count := summary["repeated"]["utterances"]:
        first = summary["repeated"]["first"]
        of = summary["found"]["utterances"]
        said = f"{count} of {of} utterances are the same part of the same file as another, such as of {first}"
        yield count / of >= options.repeated, said


def _refuse_silence(name: str, tally: Tally, options: PlausibleSpeechOptions) -> None:
    silent = tally.oddities["silent"]
    if tally.heard >= _FEW and silent / tally.heard >= options.stop_silent:
        raise TooManyUnusable(
            f"corpus {name!r}: {silent} of {tally.heard} utterances are silent, not less than "
            f"ingest.plausible.stop_silent = {options.stop_silent:.0%}: were the files converted or copied as they "
            "should be? Listen to some of them, or raise the share"
        )
