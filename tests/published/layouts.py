"""Licensed corpora in small, in the layouts in which they are given out: drawn faces, humming voices, invented labels.

Every function writes one corpus below a folder. What real copies have is among it: utterances that hardly last,
annotators that are missing, clips without a face, people who talk at once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from helpers import voice, write_wav

from semiser.demo.clips import write_clip
from semiser.demo.faces import EXPRESSIONS, draw_face, random_identity

SIZE, RATE = 128, 25  # of videos, in pixels and pictures a second
WALL = np.full((SIZE, SIZE, 3), 150, np.uint8)
NXT = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<nite:root xmlns:nite="http://nite.sourceforge.net/">{}</nite:root>'
WORDS = "we should have known that they would never come back again".split()
PITCHES_HZ = {"neu": 120, "hap": 180, "exc": 190, "ang": 220, "sad": 90, "xxx": 150, "fru": 140}


@dataclass(frozen=True)
class Turn:
    """An utterance of IEMOCAP.

    Attributes:
        speaker: `F` or `M`.
        code: emotion of the majority; `xxx`: there was none.
        votes: of the evaluators, for arousal, valence and dominance alike; some may be missing.
        seconds: how long it lasts.
        start_s: None: when the one before it ends; an earlier time makes it overlap.
        wall: whether the speaker's half of the video shows a wall.
    """

    speaker: str
    code: str = "neu"
    votes: tuple[int, ...] = (3, 3, 3)
    seconds: float = 0.6
    start_s: float | None = None
    wall: bool = False


def write_iemocap(
    root: Path, turns: Sequence[Turn], sessions: Iterable[int] = range(1, 6), video: bool = False
) -> None:
    """IEMOCAP: in every session one improvised dialogue of these turns, each speaker's numbered from 000 on.

    Args:
        root: folder of the corpus.
        turns: of the dialogue of every session.
        sessions: 1 to 5.
        video: whether the dialogue's video is there, both speakers side by side, who wears the markers on the left.
    """
    for session in sessions:
        _write_dialogue(root / f"Session{session}", session, "FM"[session % 2], list(turns), video)


def _write_dialogue(folder: Path, session: int, marked: str, turns: list[Turn], video: bool) -> None:
    name = f"Ses{session:02d}{marked}_impro01"
    counts, end_s, lines, texts, spans = {"F": 0, "M": 0}, 0.0, ["% [START_TIME - END_TIME] TURN_NAME EMOTION"], [], []
    for place, turn in enumerate(turns):
        start_s = end_s if turn.start_s is None else turn.start_s
        end_s = start_s + turn.seconds
        utterance = f"{name}_{turn.speaker}{counts[turn.speaker]:03d}"
        counts[turn.speaker] += 1
        pitch_hz = PITCHES_HZ[turn.code] * (1.2 if turn.speaker == "F" else 0.9) + 2 * session
        signal = voice(turn.seconds, pitch_hz=pitch_hz, seed=100 * session + place)
        write_wav(folder / "sentences/wav" / name / f"{utterance}.wav", signal)
        lines += _evaluation(utterance, start_s, end_s, turn)
        said = " ".join(WORDS[(session + place + n) % len(WORDS)] for n in range(3))
        texts.append(f"{utterance} [{start_s:08.4f}-{end_s:08.4f}]: {said.capitalize()}.")
        spans.append((start_s, end_s, turn))
    write_text(folder / f"dialog/EmoEvaluation/{name}.txt", "\n".join(lines))
    write_text(folder / f"dialog/transcriptions/{name}.txt", "\n".join(texts))
    if video:
        pictures = list(_two_sides(spans, marked, session))
        write_video(folder / f"dialog/avi/DivX/{name}.avi", pictures)


def _evaluation(utterance: str, start_s: float, end_s: float, turn: Turn) -> Iterator[str]:
    mean = np.mean(turn.votes) if turn.votes else 3
    yield f"[{start_s:.4f} - {end_s:.4f}]\t{utterance}\t{turn.code}\t[{mean:.4f}, {mean:.4f}, {mean:.4f}]"
    for number, vote in enumerate(turn.votes, 1):
        yield f"C-E{number}:\tNeutral;\t()"
        yield f"A-E{number}:\tval {vote}; act {vote}; dom {vote};\t()"
    yield "A-F1:\tval ; act ; dom ;\t()"  # an actor who left the numbers out
    yield ""


def _two_sides(spans: list[tuple[float, float, Turn]], marked: str, session: int) -> Iterator[np.ndarray]:
    faces = {
        speaker: draw_face("neutral", random_identity(2 * session + n), size=SIZE) for n, speaker in enumerate("FM")
    }
    order = "FM" if marked == "F" else "MF"
    for number in range(round(max(end for _, end, _ in spans) * RATE)):
        now = number / RATE
        hidden = {turn.speaker for start, end, turn in spans if turn.wall and start <= now < end}
        yield np.hstack([WALL if speaker in hidden else faces[speaker] for speaker in order])


def write_emovoxceleb(root: Path, seen: Mapping[str, str], seconds: float = 1.0) -> None:
    """EmoVoxCeleb with predictions written out as a CSV, two frames an utterance.

    Args:
        root: folder of the corpus.
        seen: `<speaker>/<video>/<number>` to the expression that the face network saw.
        seconds: how long an utterance lasts.
    """
    names = (*EXPRESSIONS, "contempt")
    lines = [",".join(["wav", "frame", *names])]
    for place, (utterance, expression) in enumerate(seen.items()):
        write_wav(root / f"wav/{utterance}.wav", voice(seconds, pitch_hz=100 + 15 * (place % 10), seed=1000 + place))
        logits = ",".join("3" if name == expression else "0" for name in names)
        lines += [f"{utterance}.wav,{frame},{logits}" for frame in range(2)]
    write_text(root / "predictions.csv", "\n".join(lines))
    speakers = sorted({utterance.split("/")[0] for utterance in seen})
    people = "".join(f"{speaker}\tP._{speaker}\tm\tIreland\tdev\n" for speaker in speakers)
    write_text(root / "vox1_meta.csv", f"VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\n{people}")


@dataclass(frozen=True)
class Clip:
    """A video clip of one person: what the face shows (None: a wall), and how voice, text and face are labelled."""

    name: str
    expression: str | None
    sentiment: float | None = None
    split: str = "train"
    seconds: float = 1.0


def write_ch_sims(root: Path, clips: Iterable[Clip]) -> None:
    """CH-SIMS: `Raw/<video>/<clip>.mp4` and label.csv; a clip's name is `<video>/<clip>`."""
    lines = ["video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode"]
    for place, clip in enumerate(clips):
        video, number = clip.name.split("/")
        write_one_face(root / f"Raw/{clip.name}.mp4", clip, place)
        lines.append(f"{video},{number},今天天气好,0,0,{clip.sentiment},0,Neutral,{clip.split}")
    write_text(root / "label.csv", "\n".join(lines), "utf-8")


def write_clips(root: Path, clips: Iterable[Clip]) -> None:
    """Clips of one's own with a manifest, as iQIYI-VID's are to be given: `<name>.mp4` and utterances.csv."""
    lines = ["audio_path,video_path"]
    for place, clip in enumerate(clips):
        write_one_face(root / f"{clip.name}.mp4", clip, 500 + place)
        lines.append(f"{clip.name}.mp4,{clip.name}.mp4")
    write_text(root / "utterances.csv", "\n".join(lines))


def write_rafdb(root: Path, people: int = 3) -> None:
    """RAF-DB's basic part: of every expression a face of each person, the last person's for the test."""
    numbers = {"surprise": 1, "fear": 2, "disgust": 3, "happiness": 4, "sadness": 5, "anger": 6, "neutral": 7}
    lines, place = [], 0
    for person in range(people):
        for expression, number in numbers.items():
            place += 1
            part = "test" if person == people - 1 else "train"
            name = f"{part}_{place:05d}"
            lines.append(f"{name}.jpg {number}")
            write_picture(root / f"basic/Image/aligned/{name}_aligned.jpg", expression, person)
    write_text(root / "basic/EmoLabel/list_patition_label.txt", "\n".join(lines))


def write_ferplus(root: Path, people: int = 3) -> None:
    """FERPlus with its pictures in folders: of every expression a face of each person, the last one's validates."""
    columns = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]
    lines = [",".join(["Usage", "Image name", *columns])]
    for person in range(people):
        usage, folder = ("PublicTest", "FER2013Valid") if person == people - 1 else ("Training", "FER2013Train")
        for expression in columns[:7]:
            name = f"fer{len(lines):07d}.png"
            lines.append(",".join([usage, name, *("10" if column == expression else "0" for column in columns)]))
            write_picture(root / folder / name, expression, person, size=48)
    write_text(root / "fer2013new.csv", "\n".join(lines))


def write_ami(root: Path, faceless: int = 0, words: int = 12) -> None:
    """AMI: a meeting of two speakers, their headsets and close-ups; the first shows a wall for some seconds at the end.

    Args:
        root: folder of the corpus.
        faceless: words at the end of the first speaker's during which there is no face.
        words: of each speaker, one every half second from the first on.
    """
    seconds = 2 + words / 2
    for agent, channel in (("A", 0), ("B", 1)):
        elements = (
            f'<w nite:id="ES2002a.{agent}.words{n}" starttime="{1 + n / 2}" endtime="{1.3 + n / 2}">w</w>'
            for n in range(words)
        )
        write_text(root / f"words/ES2002a.{agent}.words.xml", NXT.format("".join(elements)))
        write_wav(root / f"ES2002a/audio/ES2002a.Headset-{channel}.wav", voice(seconds, pitch_hz=110 + 60 * channel))
        face = draw_face("neutral", random_identity(70 + channel), size=SIZE)
        seen = seconds - (1.5 + faceless / 2 if faceless and agent == "A" else 0)
        pictures = [face if n < seen * RATE else WALL for n in range(round(seconds * RATE))]
        write_video(root / f"ES2002a/video/ES2002a.Closeup{channel + 1}.avi", pictures)
    speakers = "".join(
        f'<speaker nite:id="{agent}" nxt_agent="{agent}" channel="{channel}" camera="Closeup{channel + 1}" '
        f'global_name="{name}" role="PM"/>'
        for agent, channel, name in (("A", 0, "FEE005"), ("B", 1, "MEE006"))
    )
    meeting = f'<meeting observation="ES2002a" type="scenario">{speakers}</meeting>'
    write_text(root / "corpusResources/meetings.xml", NXT.format(meeting))


@dataclass(frozen=True)
class Query:
    """An utterance of a manifest, with columns of `utterances` to their cells beside sound and speaker."""

    name: str
    speaker: str
    cells: Mapping[str, str]
    seconds: float = 0.6
    pitch_hz: float = 120.0


def write_manifest(root: Path, queries: Iterable[Query]) -> None:
    """Speech of one's own: `<name>.wav` and utterances.csv."""
    queries = list(queries)
    columns = list(dict.fromkeys(column for query in queries for column in query.cells))
    lines = [",".join(["audio_path", "speaker_id", *columns])]
    for place, query in enumerate(queries):
        write_wav(root / f"{query.name}.wav", voice(query.seconds, pitch_hz=query.pitch_hz, seed=place))
        cells = [query.cells.get(column, "") for column in columns]
        lines.append(",".join([f"{query.name}.wav", query.speaker, *cells]))
    write_text(root / "utterances.csv", "\n".join(lines), "utf-8")


def write_one_face(path: Path, clip: Clip, seed: int) -> None:
    """A clip of one drawn person, or of a wall, with a voice."""
    signal = voice(clip.seconds, pitch_hz=100 + 12 * (seed % 11), seed=seed)
    picture = WALL if clip.expression is None else draw_face(clip.expression, random_identity(seed), size=SIZE)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_clip(path, [picture] * round(clip.seconds * RATE), signal)


def write_video(path: Path, pictures: Sequence[np.ndarray]) -> None:
    """A silent AVI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 400_000
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def write_picture(path: Path, expression: str, person: int, size: int = 100) -> None:
    """A picture of a drawn face."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), draw_face(expression, random_identity(person), size=size)[:, :, ::-1])


def write_text(path: Path, text: str, encoding: str = "latin-1") -> None:
    """A text file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)


def write_ntusd(root: Path) -> None:
    """The two word lists of NTUSD, in traditional characters."""
    write_text(root / "positive.txt", "快樂\n美好\n", "utf-8")
    write_text(root / "negative.txt", "悲傷\n痛苦\n", "utf-8")


def write_television(root: Path, programmes: int = 2, episodes: int = 2, utterances: int = 6) -> None:
    """Television as of DaAi, with a manifest: a host in every episode, and in its last utterance an unnamed guest.

    Sentences say something good, bad, neither or nothing at all by turns; one utterance is shorter than a segment.
    """
    said = ("快樂 美好", "悲傷", "我們 今天", "快樂", "", "痛苦 悲傷")
    queries = []
    for programme in range(programmes):
        for episode in range(episodes):
            for number in range(utterances):
                cells = {"transcript": said[number % len(said)], "programme": f"p{programme}", "episode": f"e{episode}"}
                guest = number == utterances - 1
                queries.append(
                    Query(
                        f"p{programme}_e{episode}_{number}", "" if guest else f"host{programme}", cells,
                        seconds=0.5 if (programme, episode, number) == (0, 0, 2) else 0.9,
                        pitch_hz=100 + 15 * number + 5 * episode,
                    )
                )  # fmt: skip
    write_manifest(root, queries)


def write_nnime(root: Path, pairs: int = 6, utterances: int = 6) -> None:
    """NNIME in its reader's default layout: pairs of actors, two dialogues each, traces of two raters."""
    lines = ["utterance,audio,dialogue,speaker,start,end,gender,transcript"]
    for pair in range(pairs):
        for take in range(2):
            dialogue = f"{pair:02d}{take}"
            for number in range(utterances):
                speaker, start_s = f"{pair:02d}{'AB'[number % 2]}", 1.0 * number
                seconds = 0.4 if number == utterances - 1 else 0.9
                name = f"{dialogue}_{number}"
                signal = voice(seconds, pitch_hz=110 + 20 * pair + 30 * (number // 2), seed=pair * 100 + number)
                write_wav(root / f"wav/{name}.wav", signal)
                lines.append(f"{name},wav/{name}.wav,{dialogue},{speaker},{start_s},{start_s + seconds},,")
            for rater in range(2):
                trace = [
                    f"{t / 4},{np.sin(t / 8 + pair) / 2:.3f},{np.cos(t / 6 + rater) / 2:.3f}"
                    for t in range(4 * utterances)
                ]
                write_text(root / f"traces/{dialogue}/rater{rater}.csv", "\n".join(["time,arousal,valence", *trace]))
    write_text(root / "utterances.csv", "\n".join(lines))


def write_savee(root: Path, takes: int = 5, speakers: Sequence[str] = ("DC", "JE", "JK", "KL")) -> None:
    """SAVEE: `AudioData/<speaker>/<emotion code><number>.wav`, so many takes of every emotion."""
    for n, speaker in enumerate(speakers):
        for place, code in enumerate(("a", "d", "f", "h", "n", "sa", "su")):
            for take in range(1, takes + 1):
                signal = voice(
                    0.6 + 0.3 * (take % 3), pitch_hz=80 + 20 * place + 3 * n, seed=100 * n + 10 * place + take
                )
                write_wav(root / f"AudioData/{speaker}/{code}{take:02d}.wav", signal)


def write_emodb(root: Path, speakers: Sequence[str] = ("03", "08", "09")) -> None:
    """EmoDB: `wav/<speaker><text><emotion><version>.wav`, two texts of every emotion."""
    for n, speaker in enumerate(speakers):
        for place, letter in enumerate("AEFLNTW"):
            for text in ("a01", "b02"):
                signal = voice(0.8, pitch_hz=90 + 22 * place + 4 * n, seed=10 * place + n)
                write_wav(root / f"wav/{speaker}{text}{letter}a.wav", signal)


def write_librispeech(root: Path, split: str = "train-clean-100", speakers: int = 3) -> None:
    """LibriSpeech: two utterances in a chapter of each speaker of a split, and one of another split."""
    for number in range(speakers):
        for place in range(2):
            speaker, chapter = 100 + number, 1000 + number
            signal = voice(1.6, pitch_hz=100 + 17 * number, seed=number + 50 * place)
            write_wav(root / f"{split}/{speaker}/{chapter}/{speaker}-{chapter}-{place:04d}.flac", signal)
    write_wav(root / "test-other/9/90/9-90-0000.flac", voice(1.2))


def write_omg(root: Path) -> None:
    """OMG-Emotion: lists of three parts and clips of sound, one of which has vanished."""
    for part, count in (("Train", 14), ("Validation", 7), ("Test", 7)):
        lines = ["link,start,end,video,utterance,arousal,valence,EmotionMaxVote"]
        for number in range(count):
            lines.append(f"x,0,1,{part}v,utterance_{number}.mp4,{number / 20},{0.2 - number / 20},{number % 7}")
            write_wav(
                root / part / f"{part}v/utterance_{number}.wav", voice(0.9, pitch_hz=80 + 9 * number, seed=number)
            )
        lines.append(f"x,0,1,{part}gone,utterance_1.mp4,0.1,0.1,1")
        suffix = "_WithLabels" if part == "Test" else ""
        write_text(root / f"omg_{part}Videos{suffix}.csv", "\n".join(lines) + "\n")
