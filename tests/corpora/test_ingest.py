import csv
import json
import re

import numpy as np
import pytest
import soundfile
from helpers import voice, write_wav

from semiser.corpora.ingest import Tally, _log, _say_hours, implausible, ingest
from semiser.corpora.options import IngestOptions
from semiser.corpora.utterance import Unmatched
from semiser.errors import TooManyUnusable, Unusable
from semiser.options.plausible import PlausibleSpeechOptions


def _corpus(folder, rows, files=None):
    """A manifest corpus; every row is audio_path, emotion, speaker and an optional id."""
    folder.mkdir(exist_ok=True)
    with (folder / "utterances.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["audio_path", "emotion", "speaker_id", "utterance_id"])
        writer.writerows([(*row, row[0].rsplit(".", 1)[0])[:4] if len(row) == 3 else row for row in rows])
    for name in files if files is not None else [row[0] for row in rows]:
        write_wav(folder / name, voice(0.5))
    return folder


def _ingest(folder, share=1.0, **corpus):
    corpus = {"reader": "manifest", "root": str(folder), **corpus}
    return ingest(IngestOptions(corpora={"mine": corpus}, max_quarantined_share=share))


def _good(count=3):
    return [(f"{number}.wav", "sad" if number % 2 else "happy", f"s{number % 2}") for number in range(count)]


def test_rows_carry_what_the_manifest_and_the_files_say(tmp_path):
    found = _ingest(_corpus(tmp_path / "c", _good()), options={"language": "en"})
    row = found.utterances.to_pylist()[1]
    path = tmp_path / "c" / "1.wav"
    assert (
        row
        | {
            "utterance_id": "mine/1",
            "corpus": "mine",
            "audio_path": "1.wav",
            "speaker_id": "mine/s1",
            "emotion": "sadness",
            "emotion_original": "sad",
            "language": "en",
            "duration_s": 0.5,
            "sample_rate_hz": 16_000,
            "channels": 1,
            "audio_bytes": path.stat().st_size,
            "audio_modified_ns": path.stat().st_mtime_ns,
        }
        == row
    )
    assert found.quarantine.num_rows == 0


def test_a_missing_video_costs_the_utterance_nothing_but_its_video(tmp_path):
    root = _corpus(tmp_path / "c", _good(2))
    (root / "utterances.csv").write_text("audio_path,video_path\n0.wav,0.mp4\n1.wav,gone.mp4\n")
    (root / "0.mp4").write_bytes(b"12345")
    found = _ingest(root)
    assert found.utterances["video_bytes"].to_pylist() == [5, None]


def test_the_summary_compares_found_and_expected(tmp_path, caplog):
    expected = {"utterances": 4, "speakers": 2, "emotions": 2}
    summary = _ingest(_corpus(tmp_path / "c", _good()), expected=expected).summary["mine"]
    assert summary["found"] == {"utterances": 3, "speakers": 2, "emotions": 2}
    assert summary["differs"] == {"utterances": {"found": 3, "expected": 4}}
    assert summary["emotions"] == {"happiness": 2, "sadness": 1}
    assert summary["hours"] == pytest.approx(1.5 / 3600, abs=1e-4)
    assert "mine: 3 utterances found, 4 expected" in caplog.text
    expected["utterances"] = 2
    assert _ingest(tmp_path / "c", expected=expected).summary["mine"]["differs"] == {
        "utterances": {"found": 3, "expected": 2}
    }


def test_the_scales_of_labels_are_in_the_tables_metadata(tmp_path):
    found = _ingest(_corpus(tmp_path / "c", _good()), options={"scales": {"arousal": [1, 5]}})
    facts = json.loads(found.utterances.schema.metadata[b"semiser"])
    assert facts["corpora"]["mine"]["scales"] == {"arousal": [1, 5]}


def _empty(path):
    path.write_bytes(b"")


def _text(path):
    path.write_text("this is no audio")


def _truncate(path):
    path.write_bytes(path.read_bytes()[:2_000])


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (_empty, "empty file"),
        (_text, "not readable as wav"),
        (_truncate, "truncated: the header promises"),
        (lambda path: path.unlink(), "cannot be opened"),
    ],
)
def test_a_bad_file_goes_to_quarantine_and_the_others_are_kept(tmp_path, spoil, reason):
    root = _corpus(tmp_path / "c", _good())
    spoil(root / "1.wav")
    found = _ingest(root)
    assert found.utterances["audio_path"].to_pylist() == ["0.wav", "2.wav"]
    (row,) = found.quarantine.to_pylist()
    assert (row["corpus"], row["path"], row["stage"]) == ("mine", "1.wav", "ingest")
    assert reason in row["reason"]
    assert found.summary["mine"]["quarantined"] == 1


def test_duplicate_ids_keep_the_first(tmp_path):
    rows = [("0.wav", "sad", "s", "same"), ("1.wav", "sad", "s", "same"), ("2.wav", "happy", "s", "other")]
    found = _ingest(_corpus(tmp_path / "c", rows))
    assert found.utterances["audio_path"].to_pylist() == ["2.wav", "0.wav"]  # in the order of ids
    assert "duplicate utterance_id 'mine/same', already taken by 0.wav" in found.quarantine["reason"][0].as_py()


@pytest.mark.parametrize("path", ["../outside.wav", "a/../../outside.wav", "ABSOLUTE"])
def test_a_path_that_leaves_the_root_is_not_followed(tmp_path, path):
    outside = write_wav(tmp_path / "outside.wav", voice(0.5))
    path = str(outside) if path == "ABSOLUTE" else path
    root = _corpus(tmp_path / "c", [*_good(), (path, "sad", "s", "x")], files=["0.wav", "1.wav", "2.wav"])
    found = _ingest(root)
    assert found.utterances.num_rows == 3
    assert found.quarantine.num_rows == 1
    assert "relative" in found.quarantine["reason"][0].as_py() or "leaves" in found.quarantine["reason"][0].as_py()


def test_an_unknown_emotion_word_is_named_with_the_known_ones(tmp_path):
    found = _ingest(_corpus(tmp_path / "c", [*_good(), ("9.wav", "wistful", "s")]))
    assert "'wistful'" in found.quarantine["reason"][0].as_py()
    assert "neutral" in found.quarantine["reason"][0].as_py()


def test_stereo_48_khz_full_scale_and_float_files_are_fine(tmp_path):
    root = _corpus(tmp_path / "c", _good())
    write_wav(root / "0.wav", np.ones((24_000, 2), np.float32), 48_000)
    write_wav(root / "1.wav", np.ones(8_000, np.float32), subtype="FLOAT")
    found = _ingest(root, share=0.0)
    assert found.utterances["channels"].to_pylist() == [2, 1, 1]


def test_too_many_bad_files_stop_the_run(tmp_path):
    root = _corpus(tmp_path / "c", _good(4))
    _empty(root / "3.wav")
    with pytest.raises(TooManyUnusable, match=r"'mine': 1 of 4 entries .* = 5%. The first: 3.wav: empty file"):
        _ingest(root, share=0.05)
    assert _ingest(root, share=0.25).utterances.num_rows == 3


def test_a_missing_root_is_named_with_its_option(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"ingest.corpora.mine.root = .*nowhere is not a folder"):
        _ingest(tmp_path / "nowhere")


def test_a_folder_with_nothing_usable_shows_what_was_looked_for(tmp_path):
    (tmp_path / "c").mkdir()
    with pytest.raises(Unusable, match=r"corpus 'mine': nothing usable at .*03a01Fa.wav"):
        _ingest(tmp_path / "c", reader="emodb")


def test_corpora_follow_each_other_in_one_table(tmp_path):
    for name in ("a", "b"):
        _corpus(tmp_path / name, _good(2))
    corpora = {name: {"reader": "manifest", "root": str(tmp_path / name)} for name in ("b", "a")} | {"off": None}
    found = ingest(IngestOptions(corpora=corpora))
    assert found.utterances["corpus"].to_pylist() == ["b", "b", "a", "a"]
    assert list(found.summary) == ["b", "a"]


@pytest.mark.corpora
def test_casia_has_1200_rows_with_transcripts_and_two_stray_files(shared_corpora):
    found = ingest(IngestOptions(corpora={"casia": {"reader": "casia", "root": str(shared_corpora / "casia")}}))
    assert found.utterances.num_rows == 1_200
    assert found.utterances["transcript"].null_count == 0
    assert found.summary["casia"]["differs"] == {}
    assert sorted(found.quarantine["path"].to_pylist()) == ["201.wav", "202.wav"]
    row = found.utterances.to_pylist()[0]
    assert soundfile.info(shared_corpora / "casia" / row["audio_path"]).duration == row["duration_s"]


def test_names_that_no_file_can_have_go_to_quarantine(tmp_path):
    root = _corpus(tmp_path / "c", _good(1))
    long = "x" * 300
    header = "utterance,audio,dialogue,speaker,start,end,video\n"
    lines = f"1,a\0.wav,d,s,0,1,\n2,{long}.wav,d,s,0,1,\n3,0.wav,d,s,0,1,{long}.mp4\n4,0.wav,d,s,1,2,v\0.mp4\n"
    (root / "n.csv").write_text(header + lines)
    found = _ingest(root, reader="nnime", options={"table": "n.csv"})
    assert found.utterances["video_bytes"].to_pylist() == [None, None]
    reasons = [row["reason"] for row in found.quarantine.to_pylist()]
    assert reasons == ["cannot be opened: embedded null byte", "cannot be opened: File name too long"]


def test_a_reason_that_quotes_a_whole_book_is_cut(tmp_path):
    root = _corpus(tmp_path / "c", _good(1))
    (root / "utterances.csv").write_text(f"audio_path,emotion\n0.wav,sad\n0.wav,{'x' * 100_000}\n")
    (row,) = _ingest(root).quarantine.to_pylist()
    assert row["reason"].startswith("unknown emotion word 'xxx") and len(row["reason"]) == 1005
    assert row["reason"].endswith("map it with the option `emotions`")


def test_what_is_odd_about_the_sound_and_the_speakers_is_said(tmp_path, caplog):
    signal = voice(0.4)
    for name, samples in (("a", signal), ("b", signal * 0), ("c", np.stack([signal, -signal], 1)), ("d", signal)):
        write_wav(tmp_path / f"{name}.wav", samples)
    lines = "".join(f"{name}.wav,{speaker}\n" for name, speaker in zip("abcd", ("s", "NaN", "t", "NaN"), strict=True))
    (tmp_path / "utterances.csv").write_text("audio_path,speaker_id\n" + lines)
    options = {"corpora": {"own": {"reader": "manifest", "root": str(tmp_path)}}}
    found = ingest(IngestOptions(**options))
    heard = found.summary["own"]["heard"]
    assert heard == {
        "utterances": 4,
        "silent": 1,
        "clipped": 0,
        "beyond_full_scale": 0,
        "dead_channel": 0,
        "opposite_phase": 1,
    }
    assert found.summary["own"]["speakers_like_none"] == {"NaN": 2}
    warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "own: 1 of 4 utterances are silent" in warned and any("word for nobody" in message for message in warned)
    assert [said.split()[0] for said in found.summary["own"]["implausible"]] == ["1", "1", "2"]
    assert found.utterances["level_db"].to_pylist()[1] == -120.0
    caplog.clear()
    shares = {"silent": 0.26, "opposite_phase": 0.26, "nameless_speakers": 0.51}
    ingest(IngestOptions(**options, plausible=shares))
    assert not any(record.levelname == "WARNING" for record in caplog.records)
    ingest(IngestOptions(**options, plausible=shares | {"nameless_speakers": 0.5}))
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    quiet = ingest(IngestOptions(**options, listen=0))
    assert quiet.utterances["level_db"].null_count == 4 and quiet.summary["own"]["heard"]["utterances"] == 0


def test_speakers_and_words_and_files_that_cannot_be_what_was_meant_are_said(tmp_path, caplog):
    rows = [
        ("a.wav", "Jos\u00e9", "ja"),
        ("b.wav", "Jose\u0301", "nan"),
        ("c.wav", "spk 1", "nan"),
        ("c.wav", "SPK_1", ""),
    ]
    for name in ("a.wav", "b.wav", "c.wav"):
        write_wav(tmp_path / name, voice(0.3))
    lines = "".join(f"{number},{','.join(row)}\n" for number, row in enumerate(rows))
    lines += "4,a.wav,11-2,no\n5,b.wav,1-12,no\n"  # alike to no other
    (tmp_path / "utterances.csv").write_text("utterance_id,audio_path,speaker_id,transcript\n" + lines, "utf-8")
    summary = _ingest(tmp_path).summary["mine"]
    assert summary["with_transcript"] == 5
    assert summary["speakers_alike"] == [["Jose\u0301", "Jos\u00e9"], ["SPK_1", "spk 1"]]
    assert summary["transcripts_like_none"] == {"nan": 2}
    assert summary["repeated"] == {"utterances": 3, "first": "a.wav"}
    assert summary["implausible"] == [
        "4 of 6 speakers have a name like another's, such as 'Jose\\u0301', 'Jos\\xe9': one person? "
        "Folds would part them",
        "2 of 5 transcripts are 'nan': a word for none? Leave them empty",
        "3 of 6 utterances are the same part of the same file as another, such as of a.wav",
    ]
    warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert [f"mine: {said}" for said in summary["implausible"]] == warned
    odd = {"alike_speakers": 0.7, "nameless_transcripts": 0.41}
    for share, warnings in ((0.49, 1), (0.5, 1), (0.51, 0)):  # three of six
        caplog.clear()
        options = {"corpora": {"mine": {"reader": "manifest", "root": str(tmp_path)}}}
        ingest(IngestOptions(**options, plausible={**odd, "repeated": share}))
        assert sum(record.levelname == "WARNING" for record in caplog.records) == warnings


def test_a_label_that_is_a_word_for_none_is_to_be_left_empty(tmp_path):
    root = _corpus(tmp_path / "c", [("0.wav", "nan", "s"), ("1.wav", "sad", "t")])
    with pytest.raises(TooManyUnusable, match="nan looks like a word for none: leave the label empty"):
        _ingest(root, share=0.1)


def test_the_first_ones_are_listened_to_however_many_are_checked_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("semiser.corpora.ingest._CHUNK", 2)
    root = _corpus(tmp_path / "c", [("gone.wav", "sad", "s"), *_good(5)], files=[f"{n}.wav" for n in range(5)])
    found = ingest(IngestOptions(corpora={"mine": {"reader": "manifest", "root": str(root)}}, listen=3,
                                 max_quarantined_share=0.5))  # fmt: skip
    assert [level is not None for level in found.utterances["level_db"].to_pylist()] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_segment_beyond_its_file_has_a_reason_and_one_inside_its_own_length(tmp_path):
    write_wav(tmp_path / "a.wav", voice(1.0))
    lines = "1,a.wav,0.25,0.75\n2,a.wav,0.5,1.005\n3,a.wav,0.5,1.1\n4,a.wav,,\n5,a.wav,0,0.4\n"  # 5 ms are rounding
    (tmp_path / "utterances.csv").write_text("utterance_id,audio_path,start_s,end_s\n" + lines)
    found = _ingest(tmp_path)
    assert found.utterances["utterance_id"].to_pylist() == ["mine/1", "mine/2", "mine/4", "mine/5"]
    assert found.utterances["duration_s"].to_pylist() == pytest.approx([0.5, 0.505, 1.0, 0.4])
    assert found.quarantine["reason"].to_pylist() == ["the segment ends at 1.1 s, the file at 1.000 s"]


def test_counts_that_are_not_those_of_a_paper_are_said(caplog):
    rows = [{"table": "Table 1", "what": "", "published": 3, "found": found} for found in (2, 3, 4)]
    rows.append({"table": "Table 2", "what": "", "published": 5, "found": 5})
    _log("c", Tally().summary({}) | {"papers": rows}, [])
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "c: 2 of 3 counts are not those of Table 1: ingest_summary.json has both"
    ]


def test_a_corpus_of_silence_stops_the_run(tmp_path):
    for number in range(21):
        write_wav(tmp_path / "own" / f"{number}.wav", voice(0.1) * (number < 12))
    (tmp_path / "own/utterances.csv").write_text("audio_path\n" + "".join(f"{number}.wav\n" for number in range(21)))
    options = {"corpora": {"own": {"reader": "manifest", "root": str(tmp_path / "own")}}}
    assert ingest(IngestOptions(**options)).summary["own"]["heard"]["silent"] == 9
    with pytest.raises(TooManyUnusable, match=r"'own': 9 of 21 utterances are silent, .*plausible.stop_silent = 42%"):
        ingest(IngestOptions(**options, plausible={"stop_silent": 0.42}))
    few = IngestOptions(**options, plausible={"stop_silent": 0.4}, listen=19)
    assert ingest(few).summary["own"]["heard"]["utterances"] == 19  # of 19 silence may be chance
    with pytest.raises(TooManyUnusable, match="'own': 8 of 20 utterances are silent"):
        ingest(few.model_copy(update={"listen": 20}))


@pytest.mark.parametrize(
    "named, warned, said",
    [
        ("as the recordings", False, "1 lines of transcripts belong to no recording, such as in 0001/0001.txt"),
        ("otherwise", True, "200 lines .*, such as in 0001/0001.txt; 1 files match none at all, perhaps"),
    ],
)
def test_transcripts_that_belong_to_nothing_are_said(tmp_path, named, warned, said):
    names = [f"0001_{number:06d}" for number in range(200)]
    for name in names[: 199 if named == "as the recordings" else 1]:
        write_wav(tmp_path / f"0001/Angry/{name}.wav", voice(0.05))
    lines = "".join(f"{name if named == 'as the recordings' else '0002' + name[4:]}\t一\t生气\n" for name in names)
    (tmp_path / "0001/0001.txt").write_text(lines, "utf-8")
    corpora = {"esd": {"reader": "esd", "root": str(tmp_path), "expected": {}}}
    summary = ingest(IngestOptions(corpora=corpora, listen=0)).summary["esd"]
    ((warning, found),) = implausible(summary, PlausibleSpeechOptions())
    assert warning == warned and re.match(said, found) and summary["implausible"] == [found]
    for limit, expected in ((0.005, True), (0.00501, warned)):  # 1 of 200, 200 of 201
        ((warning, _),) = implausible(summary, PlausibleSpeechOptions(unmatched_transcripts=limit))
        assert warning == expected


def test_a_summary_names_ten_files_of_transcripts_and_counts_all():
    unmatched = [Unmatched("c", f"{number:02d}.txt", 2, 2) for number in range(11)]
    summary = Tally(unmatched=unmatched).summary({}) | {"repeated": {"utterances": 0}}
    found = summary["unmatched_transcripts"]
    assert found["lines"] == 22
    ((_, said),) = implausible(summary, PlausibleSpeechOptions())
    assert "22 lines" in said and "; at least 10 files match none at all" in said
    assert list(found["files"]) == found["files_of_nothing"] == [f"{number:02d}.txt" for number in range(10)]


def test_the_log_says_how_much_there_is_and_that_it_was_listened_to(tmp_path, caplog):
    caplog.set_level("INFO")
    write_wav(tmp_path / "a.wav", voice(6.0))
    (tmp_path / "utterances.csv").write_text("audio_path,split\na.wav,train\n")
    corpus = {"reader": "manifest", "root": str(tmp_path), "expected": {"utterances/train": 2}}
    ingest(IngestOptions(corpora={"own": corpus}))
    assert caplog.messages == [
        "own: 1 utterances, 0.1 min, 0 speakers, 0 quarantined",
        "own: 1 utterances/train found, 2 expected",
        "own: listened to 1: none silent, clipped, beyond full scale or of odd channels",
    ]
    caplog.clear()
    ingest(IngestOptions(corpora={"own": corpus | {"expected": {}}}, listen=0))
    assert caplog.messages == ["own: 1 utterances, 0.1 min, 0 speakers, 0 quarantined"]


@pytest.mark.parametrize("hours, said", [(0.5, "30.0 min"), (0.99, "59.4 min"), (1.0, "1.0 h"), (12.04, "12.0 h")])
def test_hours_are_said_as_minutes_below_one(hours, said):
    assert _say_hours(hours) == said
