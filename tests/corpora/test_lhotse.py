"""Lhotse manifests, on made ones."""

import gzip
import json
from pathlib import Path

import pytest

from semiser.corpora.lhotse import READER, LhotseOptions
from semiser.corpora.utterance import Rejected, Utterance, Word


def _write(path: Path, *rows: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def _recording(path: str = "r1.wav", channels: tuple[int, ...] = (0,), kind: str = "file", **more) -> dict:
    source = {"type": kind, "channels": list(channels), "source": path}
    return {"id": "r1", "sources": [source], "sampling_rate": 16000, "num_samples": 32000, "duration": 2.0, **more}


def _supervision(**more) -> dict:
    return {"id": "u1", "recording_id": "r1", "start": 0.5, "duration": 1.0, "channel": 0, **more}


def _read(root: Path, **options):
    return list(READER.read("mine", root, LhotseOptions(**options)))


def test_supervisions_of_packed_manifests(tmp_path):
    _write(tmp_path / "m/x_recordings_train.jsonl.gz", _recording("wav/r1.wav"))
    _write(
        tmp_path / "m/x_supervisions_train.jsonl.gz",
        _supervision(
            text="oh no", speaker="S1", gender="F", language="en", custom={"emotion": "sad", "valence": 2},
            alignment={"word": [["oh", 0.5, 0.25], ["no", 0.75, 0.5, 0.9]]},
        ),
        _supervision(id="u2", start=0, duration=2.0),
    )  # fmt: skip
    common = {"corpus": "mine", "audio_path": "wav/r1.wav", "split": "train"}
    assert _read(tmp_path) == [
        Utterance(
            utterance_id="mine/u1", speaker_id="mine/S1", gender="female", language="en", start_s=0.5, end_s=1.5,
            transcript="oh no", words=[Word("oh", 0.5, 0.75), Word("no", 0.75, 1.25)], emotion="sadness",
            emotion_original="sad", valence=2.0, **common,
        ),
        Utterance(utterance_id="mine/u2", **common),
    ]  # fmt: skip


def test_recordings_without_supervisions_are_utterances(tmp_path):
    _write(tmp_path / "recordings.jsonl", _recording())
    assert _read(tmp_path) == [Utterance(utterance_id="mine/r1", corpus="mine", audio_path="r1.wav")]


def test_the_channel_of_a_supervision_names_the_file(tmp_path):
    sources = [{"type": "file", "channels": [number], "source": f"c{number}.wav"} for number in (0, 1)]
    _write(tmp_path / "recordings.jsonl", _recording() | {"sources": sources})
    _write(tmp_path / "supervisions.jsonl", _supervision(channel=1))
    assert [row.audio_path for row in _read(tmp_path)] == ["c1.wav"]


@pytest.mark.parametrize(
    ("recording", "supervision", "reason"),
    [
        (_recording(kind="command"), {}, "comes from a command, which is not read"),
        (_recording(kind="url"), {}, "comes from a url"),
        (_recording(transforms=[{"name": "Speed"}]), {}, "has transforms"),
        (_recording() | {"sources": 3}, {}, "expected sources with type"),
        (_recording("/far/away.wav"), {}, "`strip`"),
        (_recording(channels=(0, 1)), {}, "no file has the channel 0 alone"),
        (_recording(), {"recording_id": "r2"}, "has no recording 'r2'"),
        (_recording(), {"id": None}, "no id"),
        (_recording(), {"duration": 0}, "duration above 0"),
        (_recording(), {"start": "soon"}, "start 'soon' is no number"),
        (_recording(), {"language": "English"}, "set the option `language`"),
        (_recording(), {"custom": {"emotion": "meh"}}, "unknown emotion word 'meh'"),
        (_recording(), {"custom": [1]}, "is no object"),
        (_recording(), {"speaker": ["a"]}, "speaker ['a'] is no text"),
        (_recording(), {"alignment": {"word": [["a", 1]]}}, "expected words as"),
        (_recording(), {"alignment": {"word": [["a", 1, -1]]}}, "expected 0 <= start"),
    ],
)
def test_what_cannot_be_used_says_why(tmp_path, recording, supervision, reason):
    _write(tmp_path / "recordings.jsonl", recording)
    _write(tmp_path / "supervisions.jsonl", _supervision(**supervision))
    (row,) = _read(tmp_path)
    assert isinstance(row, Rejected) and row.path == "supervisions.jsonl:1" and reason in row.reason


def test_lines_that_are_no_objects_and_files_that_are_not_packed(tmp_path):
    (tmp_path / "recordings.jsonl").write_text('[1]\n\n{"id": \n')
    assert [(row.path, row.reason[:8]) for row in _read(tmp_path)] == [
        ("recordings.jsonl:1", "expected"),
        ("recordings.jsonl:3", "not JSON"),
    ]
    (tmp_path / "a_recordings.jsonl.gz").write_bytes(b"not packed")
    with pytest.raises(ValueError, match=r"a_recordings\.jsonl\.gz cannot be read as JSON lines"):
        _read(tmp_path)


def test_supervisions_of_cuts_lie_where_the_cut_lies(tmp_path):
    own = {"id": "u", "start": -0.25, "duration": 0.75, "speaker": "s", "custom": {"emotion": "anger"}}
    own |= {"alignment": {"word": [["hm", 0.0, 0.25]]}}
    cut = {"id": "c", "type": "MonoCut", "start": 1.0, "duration": 1.0, "channel": 0, "recording": _recording()}
    _write(
        tmp_path / "x_cuts_train.jsonl.gz",
        cut | {"supervisions": [own, own | {"id": "v", "start": 0.5, "duration": 9.0}]},
        cut | {"id": "alone", "supervisions": []},
        cut | {"id": "m", "type": "MixedCut"},
    )
    first, second, alone, mixed = _read(tmp_path)
    assert (first.utterance_id, first.start_s, first.end_s, first.emotion) == ("mine/u", 1.0, 1.5, "anger")
    assert (first.speaker_id, first.split, first.words) == ("mine/s", "train", [Word("hm", 1.0, 1.25)])
    assert (second.start_s, second.end_s) == (1.5, 2.0)
    assert (alone.utterance_id, alone.start_s, alone.end_s, alone.emotion) == ("mine/alone", 1.0, 2.0, None)
    assert "MixedCut" in mixed.reason
    _write(tmp_path / "x_recordings_train.jsonl", _recording())
    assert [row.utterance_id for row in _read(tmp_path)] == ["mine/r1"]
