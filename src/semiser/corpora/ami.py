"""AMI Meeting Corpus: crops around three words drawn from the transcripts, as MSSGAN's unlabelled data has them.

Layout as on https://groups.inf.ed.ac.uk/ami/corpus/ (Carletta, LREC 2006). Media: `ES2002a/audio/
ES2002a.Headset-0.wav` and `ES2002a/video/ES2002a.Closeup1.avi`, at the root or below `amicorpus`. Annotations:
`words/ES2002a.A.words.xml` and `corpusResources/meetings.xml`, at the root or in a folder of it, such as
`ami_public_manual_1.6.2`. `meetings.xml` gives each participant's letter (A to E), headset, camera and global name,
whose first letter is the gender. Its attribute `camera` is read as `Closeup1` and as `1`; where it is missing or the
video is not there, the row has no video.

A sample is a crop of fixed width around three consecutive words of one speaker, centred between the beginning of the
first and the end of the third (MSSGAN, ACII 2019, section IV). Punctuation is no word; a stretch that could not be
transcribed, a word without times and a pause longer than `max_pause_s` part words. The paper states the number of
frames, 128; with windows of 25 ms every 10 ms they span 127 * 0.010 + 0.025 = 1.295 s.

The draw is one without replacement: every three words get a number hashed from the seed and their identifier, and the
lowest numbers win. So it does not depend on the order of files, a smaller draw is part of a larger one with the same
seed, and no more than the drawn samples are held. Crops may overlap.
"""

import hashlib
import heapq
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import Field

from semiser.corpora.files import printable
from semiser.corpora.nxt import Element, UnreadableXml, read_elements
from semiser.corpora.reader import Reader, ReaderOptions
from semiser.corpora.text import is_there
from semiser.corpora.utterance import Rejected, Utterance, Word

MEETINGS = PurePosixPath("corpusResources/meetings.xml")

_WORDS_NAME = re.compile(r"(?P<meeting>\w+)\.(?P<agent>[A-Z])\.words\.xml")
_SERIES = re.compile(r"(?P<series>[A-Z]{2}\d{4})[a-z]?")
_GENDERS = {"F": "female", "M": "male"}
_WORDS = 3


class AmiOptions(ReaderOptions):
    """Options of the reader.

    Attributes:
        samples: crops to draw; all that there are, if there are fewer.
        seed: seed of the draw.
        crop_s: width of a crop in seconds.
        max_pause_s: longest pause between consecutive words of a crop; ours, the paper states none.
        with_video: draw only from speakers whose close-up video is there.
    """

    samples: int = Field(default=25_000, ge=1)
    seed: int = 0
    crop_s: float = Field(default=1.295, gt=0)
    max_pause_s: float = Field(default=0.5, ge=0)
    with_video: bool = False


@dataclass(frozen=True)
class _Participant:
    """Who speaks in a words file, and into which files."""

    meeting: str
    global_name: str
    headset: PurePosixPath
    video: PurePosixPath | None


@dataclass(frozen=True, slots=True)
class _Sample:
    """Three words, under the identifier of the first."""

    identifier: str
    words: tuple[Word, ...]
    participant: _Participant

    @property
    def middle_s(self) -> float:
        return (self.words[0].start_s + self.words[-1].end_s) / 2


def read(corpus: str, root: Path, options: AmiOptions) -> Iterator[Utterance | Rejected]:
    """Drawn crops of AMI in the order of meetings, speakers and time.

    Meetings without a folder of media are passed over, for the annotations of all meetings come in one archive.

    Raises:
        ValueError: `meetings.xml` is not well formed or declares entities.
    """
    annotations = _find_annotations(root)
    if annotations is None:
        return
    draw = _Draw(options.samples, options.seed)
    speakers = _read_speakers(root / annotations / MEETINGS)
    for path in sorted((root / annotations / "words").glob("*.words.xml")):
        try:
            for sample in _list_samples(path, root, speakers, options):
                draw.offer(sample)
        except (UnreadableXml, _NoMedia) as error:
            yield Rejected(corpus, printable(annotations / "words" / path.name), str(error))
    for sample in draw.drawn():
        yield _describe(corpus, sample, options)


class _NoMedia(Exception):
    """A speaker of a meeting that is there, without a headset recording."""


class _Draw:
    """The `count` offered samples whose hashed numbers are lowest."""

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._key = hashlib.blake2b(str(seed).encode(), digest_size=16).digest()
        self._held: list[tuple[int, str, int, _Sample]] = []  # a heap, the highest number first
        self._offered = 0  # decides between samples of one identifier, which ingest tells from one another

    def offer(self, sample: _Sample) -> None:
        digest = hashlib.blake2b(sample.identifier.encode(), key=self._key, digest_size=8).digest()
        entry = (-int.from_bytes(digest), sample.identifier, self._offered, sample)
        self._offered += 1
        if len(self._held) < self._count:
            heapq.heappush(self._held, entry)
        elif entry[:2] > self._held[0][:2]:
            heapq.heapreplace(self._held, entry)

    def drawn(self) -> list[_Sample]:
        samples = [sample for *_, sample in self._held]
        return sorted(samples, key=lambda s: (s.participant.headset, s.words[0].start_s, s.identifier))


def _find_annotations(root: Path) -> PurePosixPath | None:
    found = [root] if is_there(root / MEETINGS) else sorted(p.parents[1] for p in root.glob(f"*/{MEETINGS}"))
    return PurePosixPath(found[0].relative_to(root).as_posix()) if found else None


def _read_speakers(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    """Attributes of every speaker by meeting and letter."""
    speakers, meeting = {}, ""
    for element in read_elements(path):
        if element.name == "meeting":
            meeting = element.attributes.get("observation", "")
        elif element.name == "speaker" and "nxt_agent" in element.attributes:
            speakers[meeting, element.attributes["nxt_agent"]] = element.attributes
    return speakers


def _list_samples(
    path: Path, root: Path, speakers: dict[tuple[str, str], dict[str, str]], options: AmiOptions
) -> Iterator[_Sample]:
    match = _WORDS_NAME.fullmatch(path.name)
    folder = _find_media(root, match["meeting"]) if match else None
    if match is None or folder is None:
        return
    participant = _identify(root, folder, match["meeting"], match["agent"], speakers)
    if options.with_video and participant.video is None:
        return
    for run in _list_runs(read_elements(path), options.max_pause_s):
        for first in range(len(run) - _WORDS + 1):
            words = tuple(word for _, word in run[first : first + _WORDS])
            identifier = run[first][0] or f"{match['meeting']}.{match['agent']}-{words[0].start_s:g}"
            sample = _Sample(identifier, words, participant)
            if sample.middle_s >= options.crop_s / 2:
                yield sample


def _find_media(root: Path, meeting: str) -> PurePosixPath | None:
    folders = (PurePosixPath(meeting), PurePosixPath("amicorpus", meeting))
    return next((folder for folder in folders if (root / folder / "audio").is_dir()), None)


def _identify(
    root: Path, folder: PurePosixPath, meeting: str, agent: str, speakers: dict[tuple[str, str], dict[str, str]]
) -> _Participant:
    speaker = speakers.get((meeting, agent), {})
    if "channel" not in speaker or "global_name" not in speaker:
        raise _NoMedia(f"{MEETINGS.name} has no channel and global_name for speaker {agent} of {meeting}")
    headset = folder / "audio" / f"{meeting}.Headset-{speaker['channel']}.wav"
    if not os.path.isfile(root / headset):  # also where the name is too long for a file
        raise _NoMedia(f"{headset} is not there: no words of speaker {agent} can be drawn")
    camera = speaker.get("camera", "")
    video = folder / "video" / f"{meeting}.{'Closeup' if camera.isdecimal() else ''}{camera}.avi"
    return _Participant(meeting, speaker["global_name"], headset, video if os.path.isfile(root / video) else None)


def _list_runs(elements: list[Element], max_pause_s: float) -> Iterator[list[tuple[str, Word]]]:
    """Words with their identifiers that follow one another without a gap or a long pause."""
    run: list[tuple[str, Word]] = []
    for element in elements:
        if element.name not in ("w", "gap") or element.attributes.get("punc") == "true":
            continue
        word = _to_word(element) if element.name == "w" else None
        if word is None or (run and not _follows(word, run[-1][1], max_pause_s)):
            yield run
            run = []
        if word is not None:
            run.append((element.attributes.get("nite:id", ""), word))
    yield run


def _follows(word: Word, last: Word, max_pause_s: float) -> bool:
    """Whether a word comes after the last one, and soon; times are given in hundredths, so microseconds are noise."""
    return 0 <= round(word.start_s - last.end_s, 6) <= max_pause_s


def _to_word(element: Element) -> Word | None:
    """The word of a `w`; None where it has no text or no times that make sense."""
    try:
        start_s, end_s = (float(element.attributes.get(name, "")) for name in ("starttime", "endtime"))
    except ValueError:
        return None
    text = " ".join(element.text.split())
    if not text or not (0 <= start_s <= end_s and math.isfinite(end_s)):
        return None
    return Word(text, start_s, end_s)


def _describe(corpus: str, sample: _Sample, options: AmiOptions) -> Utterance:
    who = sample.participant
    start_s, end_s = (round(sample.middle_s + sign * options.crop_s / 2, 6) for sign in (-1, 1))
    series = _SERIES.fullmatch(who.meeting)
    return Utterance(
        utterance_id=f"{corpus}/{sample.identifier}",
        corpus=corpus,
        audio_path=str(who.headset),
        speaker_id=f"{corpus}/{who.global_name}",
        gender=_GENDERS.get(who.global_name[:1]),
        session_id=f"{corpus}/{series['series'] if series else who.meeting}",
        dialogue_id=f"{corpus}/{who.meeting}",
        language="en",
        start_s=max(start_s, 0.0),
        end_s=end_s,
        transcript=" ".join(word.word for word in sample.words),
        words=list(sample.words),
        video_path=str(who.video) if who.video else None,
        video_start_s=max(start_s, 0.0) if who.video else None,
        video_end_s=end_s if who.video else None,
    )


READER = Reader(
    read=read,
    pattern="corpusResources/meetings.xml, words/<meeting>.<letter>.words.xml and "
    "<meeting>/audio/<meeting>.Headset-<channel>.wav",
    example="words/ES2002a.A.words.xml and ES2002a/audio/ES2002a.Headset-0.wav",
    language="en",
    options=AmiOptions,
    source="the AMI consortium: https://groups.inf.ed.ac.uk/ami/corpus",
)
