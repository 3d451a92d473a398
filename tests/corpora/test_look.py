"""What is seen of folders and tables that nobody described."""

import gzip
import json
from collections import Counter
from pathlib import Path, PurePosixPath

import audformat
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import voice, write_wav

from semiser.corpora.look import guess_encoding, guess_pattern, look_at, map_words


def _sounds(folder: Path, *names: str) -> Path:
    for name in names:
        write_wav(folder / name, voice(0.2))
    return folder


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        ("anna/anger_1.wav anna/sad_2.wav ben/anger_1.wav ben/sad_2.wav", "{speaker}/{emotion}_*"),
        ("s1_anger_01.wav s1_sad_02.wav s2_anger_01.wav s2_sad_02.wav", "{speaker}_{emotion}_*"),
        ("Wut/s1_01.wav Trauer/s1_02.wav Wut/s2_01.wav Trauer/s2_02.wav", "{emotion}/{speaker}_*"),
        ("生气/01.wav 悲伤/01.wav 生气/02.wav 悲伤/02.wav", "{emotion}/*"),  # a counter is no speaker
        ("1/x/anger.wav 1/x/sad.wav 2/x/anger.wav 2/x/sad.wav", "{speaker}/*/{emotion}"),  # a folder of numbers may be
        ("a-b-Wut.wav a-Freude.wav c-Wut.wav c-Freude.wav", "*-{emotion}"),
        ("000.wav 001.wav", None),
    ],
)
def test_patterns_are_guessed_from_the_words_in_the_paths(names, pattern):
    assert guess_pattern([PurePosixPath(name) for name in names.split()])[0] == pattern


def test_a_table_in_cp1252_with_german_columns(tmp_path):
    _sounds(tmp_path, "a.wav", "b.wav", "c.wav", "d.wav")
    lines = ["Datei;VP;Gefühl;Bemerkung", "a.wav;1;Wut;gut", "b.wav;2;Freude;", "c.wav;1;neutral;ä", "d.wav;2;Wutt;"]
    (tmp_path / "liste.csv").write_text("\n".join(lines), encoding="cp1252")
    found = look_at(tmp_path, "mine")
    assert (found.reader, found.root, found.passed_over) == ("manifest", tmp_path, ["Bemerkung"])
    assert found.options == {
        "file": "liste.csv",
        "encoding": "cp1252",
        "delimiter": ";",
        "aliases": {"Datei": "audio_path", "VP": "speaker_id", "Gefühl": "emotion"},
        "emotions": {"Wut": "anger", "Freude": "happiness", "Wutt": "anger"},
        "ignore": "*",
    }
    assert found.speakers == {"mine/1", "mine/2"} and found.emotions == Counter(anger=2, happiness=1, neutral=1)
    assert (found.probed, found.unreadable, round(found.shortest_s, 3)) == (4, 0, 0.2)


def test_a_column_of_emotion_words_is_known_by_them_and_a_root_beside_the_table(tmp_path):
    _sounds(tmp_path / "audio", "a.wav", "b.wav")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/all.tsv").write_text("wav\tx\tlabel\na.wav\tsad\t0\nb.wav\tangry\t1\n")
    found = look_at(tmp_path / "lists/all.tsv", "mine")
    assert found.root == tmp_path / "audio" or found.root.resolve() == (tmp_path / "audio").resolve()
    assert found.options["file"] == "../lists/all.tsv"
    assert found.options["aliases"] == {"wav": "audio_path", "x": "emotion"}
    assert found.emotions == Counter(sadness=1, anger=1)


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("Gefühl;Ärger;Müller", "cp1252", "cp1252"),
        ("文件,情感,说话人", "gb18030", "gb18030"),
        ("文件,Gefühl", "utf-8", "utf-8-sig"),
        ("文件,Gefühl", "utf-16", "utf-16"),
    ],
)
def test_encodings_are_known_by_their_bytes(tmp_path, text, encoding, expected):
    (tmp_path / "t.csv").write_text(text, encoding=encoding)
    assert guess_encoding(tmp_path / "t.csv") == expected


def test_what_cannot_be_seen_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing at .*nowhere: give a folder of sounds"):
        look_at(tmp_path / "nowhere", "mine")
    with pytest.raises(ValueError, match=r"no sound below .*looked for .*\.wav"):
        look_at(tmp_path, "mine")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"t.csv has no column with names of sound files .* found 'a', 'b'"):
        look_at(tmp_path / "t.csv", "mine")
    _sounds(tmp_path, "a.wav")
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text("file\na.wav\n")
    with pytest.raises(ValueError, match=r"several tables that name sounds: one.csv, two.csv"):
        look_at(tmp_path, "mine")


def test_words_that_are_names_already_need_no_line():
    assert map_words({"anger": 3, "Neutral": 1, "angry": 2, "Heimweh": 1}) == {"angry": "anger", "Heimweh": "other"}


def _lines(path: Path, *rows: dict | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def _audformat(root: Path) -> None:
    _sounds(root, "a.wav", "b.wav")
    database = audformat.Database("x")
    index = audformat.filewise_index(["a.wav", "b.wav"])
    database["emo"] = audformat.Table(index)
    for name, values in {"emotion": ["anger", "joy"], "speaker": ["s1", "s2"]}.items():
        database["emo"][name] = audformat.Column()
        database["emo"][name].set(values)
    database.save(str(root), storage_format="csv")


def _emobox(root: Path) -> None:
    _sounds(root, "a.wav", "b.wav")
    for part, name in {"train": "a", "test": "b"}.items():
        entry = {"key": f"x-{name}", "wav": f"downloads/x/{name}.wav", "emo": "ang"}
        _lines(root / f"data/x/fold_1/x_{part}_fold_1.jsonl", entry)
    _lines(root / "data/x/label_map.json", {"ang": "Angry"})
    _lines(root / "data/x/data.seg.wrd.stm", "x-a 1 s1 0 1 <> x", "x-b 1 s2 0 1 <> x")


def _kaldi(root: Path) -> None:
    _sounds(root, "wav/a.wav", "wav/b.wav")
    _lines(root / "data/train/wav.scp", "a /export/x/wav/a.wav", "b /export/x/wav/b.wav")
    _lines(root / "data/train/utt2spk", "a s1", "b s2")
    _lines(root / "data/train/utt2emo", "a angr", "b joy")


def _lhotse(root: Path, **more) -> dict:
    _sounds(root, "a.wav")
    source = {"type": "file", "channels": [0], "source": "a.wav"}
    recording = {"id": "a", "sources": [source], "sampling_rate": 16000, "num_samples": 3200, "duration": 0.2}
    own = {"id": "u", "recording_id": "a", "start": 0.0, "duration": 0.2, "channel": 0, "speaker": "s1"}
    _lines(root / "x_recordings_train.jsonl.gz", recording)
    _lines(root / "x_supervisions_train.jsonl.gz", own | {"custom": {"emotion": "anger"}})


def _huggingface(root: Path) -> None:
    _sounds(root, "a.wav")
    sound = [{"bytes": (root / "a.wav").read_bytes(), "path": name} for name in ("a.wav", "b.wav")]
    features = {"audio": {"_type": "Audio"}, "label": {"names": ["anger", "joy"], "_type": "ClassLabel"}}
    table = pa.table({"audio": sound, "label": [1, 0], "subject": ["s1", "s2"]})
    (root / "data").mkdir()
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(metadata), root / "data/train-00000-of-00001.parquet")
    (root / "a.wav").unlink()


def _folder_with_parquet(root: Path) -> None:
    _sounds(root, "train/a.wav", "train/b.wav")
    table = pa.table({"file_name": ["a.wav", "b.wav"], "Klasse": ["joy", "anger"]})
    pq.write_table(table, root / "train/metadata.parquet")


def _meld(root: Path) -> None:
    _sounds(root, "train/train_splits/dia0_utt1.wav")
    header = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
    _lines(root / "train/train_sent_emo.csv", header, "1,Oh.,Phoebe,sadness,negative,0,1,4,7,,")


def _msp_podcast(root: Path) -> None:
    _sounds(root, "Audios/a.wav")
    header = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set"
    _lines(root / "Labels/labels_consensus.csv", header, "a.wav,H,4,4,4,7,Male,Train")


def _mer(root: Path) -> None:
    _sounds(root, "audio/n1.wav")
    _lines(root / "track1_train_disdim.csv", "name,discrete,valence", "n1,happy,1")


def _cmu_mosei(root: Path) -> None:
    _sounds(root, "Raw/Audio/Full/WAV_16000/v.wav")
    _lines(root / "Raw/Transcript/Segmented/Combined/v.txt", "v___0___0.0___0.1___Yes.")
    answers = ("sentiment", "happiness", "sadness", "anger", "surprise", "disgust", "fear")
    header = ",".join(["Input.VIDEO_ID", "Input.CLIP", *(f"Answer.{name}" for name in answers)])
    _lines(root / "Raw/Labels/x.csv", header, "v,0,1,2,0,0,0,0,0")


def _ch_sims_v2(root: Path) -> None:
    (root / "ch-simsv2s/Raw/v1").mkdir(parents=True)
    (root / "ch-simsv2s/Raw/v1/0001.mp4").touch()
    header = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode"
    _lines(root / "ch-simsv2s/meta.csv", header, "v1,0001,好,0.2,0,0.4,0.6,Positive,train")


@pytest.mark.parametrize(
    ("make", "reader", "options", "emotions"),
    [
        (_audformat, "audformat", {}, {"anger": 1, "happiness": 1}),
        (_emobox, "emobox", {"strip": "downloads/x"}, {"anger": 2}),
        (_kaldi, "kaldi", {"strip": "/export/x", "emotions": {"angr": "anger"}}, {"anger": 1, "happiness": 1}),
        (_lhotse, "lhotse", {}, {"anger": 1}),
        (_huggingface, "huggingface", {"cache": "sound", "aliases": {"label": "emotion", "subject": "speaker_id"}},
         {"happiness": 1, "anger": 1}),
        (_folder_with_parquet, "huggingface", {"aliases": {"Klasse": "emotion"}}, {"happiness": 1, "anger": 1}),
        (_meld, "meld", {}, {"sadness": 1}),
        (_msp_podcast, "msp_podcast", {}, {"happiness": 1}),
        (_mer, "mer", {}, {"happiness": 1}),
        (_cmu_mosei, "cmu_mosei", {}, {"happiness": 1}),
        (_ch_sims_v2, "ch_sims_v2", {}, {"positive": 1}),
    ],
)  # fmt: skip
def test_layouts_that_others_write_are_known_by_their_lists(tmp_path, make, reader, options, emotions):
    make(tmp_path)
    found = look_at(tmp_path, "mine")
    assert (found.reader, found.root, found.options) == (reader, tmp_path, options)
    assert found.emotions == emotions and not found.rejected


def test_a_known_layout_in_which_nothing_can_be_used_says_why(tmp_path):
    _lines(tmp_path / "wav.scp", "a sox a.mp3 -t wav - |")
    with pytest.raises(ValueError, match="looks like a known layout and nothing in it can be used: kaldi: "):
        look_at(tmp_path, "mine")
