"""EmoBox's metadata, on made lists, up to the folds."""

import json
from pathlib import Path

import pytest
from helpers import voice, write_wav

from semiser.corpora.emobox import READER, EmoBoxOptions
from semiser.corpora.ingest import ingest
from semiser.corpora.options import IngestOptions
from semiser.corpora.utterance import Rejected
from semiser.folds.make import make_folds, protocol_facts
from semiser.folds.options import FoldOptions

_WORDS = ("ang", "exc")


def _object(speaker: str, word: str, **more) -> dict:
    key = f"x-{speaker}-{word}"
    return {"key": key, "dataset": "x", "wav": f"downloads/x/{speaker}/{word}.wav", "type": "raw", "emo": word, **more}


def _write(root: Path, folds: dict[str, dict[str, list[dict]]], speakers: dict[str, str] | None = None) -> None:
    folder = root / "data/x"
    lines = []
    for fold, parts in folds.items():
        for part, objects in parts.items():
            path = folder / f"fold_{fold}/x_{part}_fold_{fold}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(entry) + "\n" for entry in objects))
            lines += [f"{entry['key']} 1 {entry['key'].split('-')[1]} 0 1 <> x" for entry in objects if entry["key"]]
    (folder / "label_map.json").write_text('{"ang": "Angry", "exc": "Happy"}')
    if speakers is not None:
        lines = [f"{key} 1 {name} 0 1 <> x" for key, name in speakers.items()]
    (folder / "data.seg.wrd.stm").write_text("\n".join(lines))


def _of(*speakers: str) -> list[dict]:
    return [_object(speaker, word) for speaker in speakers for word in _WORDS]


def _read(root: Path, **options):
    return list(READER.read("box", root, EmoBoxOptions(**options)))


def test_one_fold_is_the_official_split(tmp_path):
    _write(tmp_path, {"1": {"train": _of("a"), "valid": _of("b"), "test": _of("c")}})
    rows = _read(tmp_path, strip="downloads/x")
    assert [(row.utterance_id, row.split) for row in rows][::2] == [
        ("box/x-c-ang", "test"),
        ("box/x-a-ang", "train"),
        ("box/x-b-ang", "valid"),
    ]
    assert (rows[1].audio_path, rows[1].emotion, rows[1].emotion_original) == ("c/exc.wav", "happiness", "exc")
    assert rows[1].speaker_id == "box/c"


def test_several_folds_become_as_many_of_ours(tmp_path):
    _write(tmp_path, {
        "1": {"train": _of("a", "b"), "test": _of("c")},
        "2": {"train": _of("b", "c"), "test": _of("a")},
    })  # fmt: skip
    for entry in _of("a", "b", "c"):
        write_wav(tmp_path / entry["wav"], voice(0.1))
    utterances = ingest(IngestOptions(corpora={"box": {"reader": "emobox", "root": str(tmp_path)}})).utterances
    assert dict(zip(utterances["speaker_id"].to_pylist(), utterances["split"].to_pylist(), strict=True)) == {
        "box/a": "1:train 2:test",
        "box/b": "1:train 2:train",
        "box/c": "1:test 2:train",
    }
    options = {"experiment": "e", "corpora": ["box"], "protocol": {"kind": "official_split"}}
    folds = make_folds(utterances, FoldOptions(**options, validation={"kind": "none"}))
    roles = {(row["fold"], row["utterance_id"]): row["role"] for row in folds.to_pylist()}
    assert [roles[fold, f"box/x-{name}-ang"] for fold in (0, 1) for name in "abc"] == [
        "train", "train", "test", "test", "train", "train",
    ]  # fmt: skip
    facts = protocol_facts(folds)
    assert [fold["test"] for fold in facts["folds"]] == ["1:test", "2:test"] and facts["left_out"] == []


def test_folds_that_share_speakers_are_marked_and_refused_unless_declared(tmp_path, caplog):
    parts = {"train": [*_of("a"), *_of("b")], "test": [_object("c", "ang")]}
    speakers = {entry["key"]: "b" for entry in (*_of("b"), *_of("c"))} | {entry["key"]: "a" for entry in _of("a")}
    _write(tmp_path, {"1": parts}, speakers)
    for entry in (*parts["train"], *parts["test"]):
        write_wav(tmp_path / entry["wav"], voice(0.1))
    utterances = ingest(IngestOptions(corpora={"box": {"reader": "emobox", "root": str(tmp_path)}})).utterances
    assert "fold 1 tests 1 speakers that it trains on, such as b" in caplog.text
    options = {"experiment": "e", "corpora": ["box"], "validation": {"kind": "none"}}
    with pytest.raises(ValueError, match=r"1 test speakers also play another role, such as box/b"):
        make_folds(utterances, FoldOptions(**options, protocol={"kind": "official_split"}))
    declared = {"kind": "official_split", "speaker_dependent": True}
    assert protocol_facts(make_folds(utterances, FoldOptions(**options, protocol=declared)))["speaker_dependent"]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"key": None}, "no key"),
        ({"type": "feature"}, "expected raw"),
        ({"start_time": 2, "end_time": 1}, "expected 0 <= start_time < end_time"),
        ({"emo": "meh"}, "unknown emotion word 'meh'"),
        ({"wav": "../1.wav"}, "no path below the root"),
    ],
)
def test_lines_that_cannot_be_used_say_why(tmp_path, more, reason):
    _write(tmp_path, {"1": {"train": [_object("a", "ang", key="x-a-ang") | more]}}, {})
    (row,) = _read(tmp_path)
    assert isinstance(row, Rejected) and row.path == "fold_1/x_train_fold_1.jsonl:1" and reason in row.reason


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"found none: name it by the option `metadata`"):
        _read(tmp_path)
    _write(tmp_path, {"1": {"train": _of("a"), "test": _of("a")}})
    with pytest.raises(ValueError, match="'x-a-ang' is in test of the same fold"):
        _read(tmp_path)
    (tmp_path / "data/x/data.seg.wrd.stm").unlink()
    with pytest.raises(FileNotFoundError, match=r"no data\.seg\.wrd\.stm"):
        _read(tmp_path)
    with pytest.raises(FileNotFoundError, match="no fold_1 in data/y"):
        _read(tmp_path, metadata="data/y")
