"""Kaldi data folders, on made ones."""

from pathlib import Path

import pytest
from helpers import voice, write_wav

from semiser.corpora.ingest import ingest
from semiser.corpora.kaldi import READER, KaldiOptions
from semiser.corpora.options import IngestOptions
from semiser.corpora.utterance import Rejected, Utterance


def _write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_scp", ".scp")).write_text(text, encoding="utf-8")
    return folder


def _read(root: Path, **options):
    return list(READER.read("mine", root, KaldiOptions(**options)))


def test_a_folder_with_all_tables(tmp_path):
    write_wav(tmp_path / "wav/r1.wav", voice(1.0))
    _write(
        tmp_path / "data/train",
        wav_scp="r1 wav/r1.wav\n",
        segments="u1 r1 0.25 0.5\nu2 r1 0 -1\n",
        utt2spk="u1 anna\nu2 bert\n",
        spk2gender="anna f\nbert m\n",
        text="u1 今天 好\n",
        utt2emo="u1 Angry\n",
        utt2lang="u1 zh-Hans\n",
    )
    common = {"corpus": "mine", "audio_path": "wav/r1.wav", "split": "train"}
    assert _read(tmp_path) == [
        Utterance(
            utterance_id="mine/u1", speaker_id="mine/anna", gender="female", start_s=0.25, end_s=0.5,
            transcript="今天 好", emotion="anger", emotion_original="Angry", language="zh-Hans", **common,
        ),
        Utterance(utterance_id="mine/u2", speaker_id="mine/bert", gender="male", **common),
    ]  # fmt: skip
    found = ingest(IngestOptions(corpora={"mine": {"reader": "kaldi", "root": str(tmp_path)}}))
    assert found.utterances["duration_s"].to_pylist() == [0.25, 1.0]


def test_paths_below_the_root_beside_the_list_and_of_another_machine(tmp_path):
    write_wav(tmp_path / "data/dev/a.wav", voice(0.1))
    _write(
        tmp_path / "data/dev",
        wav_scp=f"a a.wav\nb {tmp_path}/data/b.wav\nc /export/mine/c.wav\nd /elsewhere/d.wav\ne ../e.wav\n",
    )
    *paths, strange, above = _read(tmp_path, strip="/export/mine")
    assert [row.audio_path for row in paths] == ["data/dev/a.wav", "data/b.wav", "c.wav"]
    assert strange.path == "data/dev/wav.scp:4" and "`strip`" in strange.reason
    assert "'../e.wav' is no path below the root" in above.reason


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"wav_scp": "u sox a.mp3 -t wav - |\n"}, "has the command 'sox a.mp3 -t wav - |', which is not run"),
        ({"wav_scp": "u cat a.wav|\n"}, "which is not run"),
        ({"wav_scp": "u raw.ark:512\n"}, "has the archive 'raw.ark:512'"),
        ({"wav_scp": "u\n"}, "'' is no path"),
        ({"wav_scp": "r a.wav\n", "segments": "u q 0 1\n"}, "wav.scp has no recording 'q'"),
        ({"wav_scp": "r a.wav\n", "segments": "u r 2 1\n"}, "expected 0 <= start < end"),
        ({"wav_scp": "r a.wav\n", "segments": "u r 1 nan\n"}, "expected 0 <= start < end"),
        ({"wav_scp": "r a.wav\n", "segments": "u r 1 -1\n"}, "has no end"),
        ({"wav_scp": "r a.wav\n", "segments": "u r soon\n"}, "expected utterance, recording, start and end"),
        ({"wav_scp": "u a.wav\n", "utt2emo": "u meh\n"}, "unknown emotion word 'meh'"),
        ({"wav_scp": "u a.wav\n", "utt2spk": "u s\n", "spk2gender": "s q\n"}, "gender 'q'"),
        ({"wav_scp": "u a.wav\n", "utt2lang": "u English\n"}, "set the option `language`"),
    ],
)
def test_lines_that_cannot_be_used_say_why(tmp_path, files, reason):
    _write(tmp_path, **files)
    (row,) = _read(tmp_path)
    assert isinstance(row, Rejected) and row.path.endswith(":1") and reason in row.reason


def test_folders_are_chosen_and_their_names_are_splits(tmp_path):
    for name in ("train", "train_sp", "dev"):
        _write(tmp_path / "data" / name, wav_scp=f"{name} {name}.wav\n")
    assert [row.split for row in _read(tmp_path)] == ["dev", "train", "train_sp"]
    assert [row.split for row in _read(tmp_path, folders=["data/train", "data/dev"])] == ["train", "dev"]
    with pytest.raises(FileNotFoundError, match=r"no wav\.scp in data/test"):
        _read(tmp_path, folders=["data/test"])
