from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest
import soundfile

from semiser.corpora.emotions import EMOTIONS
from semiser.corpora.utterance import Utterance
from semiser.demo import corpus

ROOT = Path(__file__).parents[2] / "data" / "01_raw" / "demo"
PARTS = ("acted", "wild", "video")
MEGABYTE = 1_000_000


def manifest(part: str) -> pd.DataFrame:
    return pd.read_csv(ROOT / part / "utterances.csv", encoding="utf-8")


def test_fits_into_eight_megabytes():
    assert sum(path.stat().st_size for path in ROOT.rglob("*") if path.is_file()) < 8 * MEGABYTE


@pytest.mark.parametrize(("part", "utterances", "speakers"), [("acted", 120, 6), ("wild", 160, 10), ("video", 32, 6)])
def test_manifest_and_files_agree(part, utterances, speakers):
    rows = manifest(part)
    files = {path.relative_to(ROOT / part).as_posix() for path in (ROOT / part).rglob("*.*")}
    assert set(rows.audio_path) == files - {"utterances.csv"}
    assert len(rows) == rows.utterance_id.nunique() == utterances
    assert rows.speaker_id.nunique() == speakers
    assert set(rows.columns) <= set(Utterance.__dataclass_fields__)
    assert set(rows.emotion.dropna()) <= set(EMOTIONS)
    assert set(rows.language) == {"zh-Hans"}
    assert rows.transcript.str.fullmatch(r"[\u4e00-\u9fff，]+").all()
    assert rows.groupby("speaker_id").gender.first().value_counts().to_dict() == dict.fromkeys(
        ["female", "male"], speakers // 2
    )


@pytest.mark.parametrize("part", ["acted", "wild"])
def test_recordings_are_16_khz_mono_speech(part):
    for path in manifest(part).audio_path:
        signal, rate = soundfile.read(ROOT / part / path, dtype="float32")
        info = soundfile.info(ROOT / part / path)
        assert (rate, signal.ndim, info.format, info.subtype) == (16_000, 1, "FLAC", "PCM_16")
        assert 0.6 < signal.size / rate < 2.0
        assert np.abs(signal).max() < 0.96  # not clipped
        assert -48 < 10 * np.log10(np.mean(signal**2)) < -14


def test_acted_part_is_balanced_over_emotions_for_every_speaker():
    table = pd.crosstab(manifest("acted").speaker_id, manifest("acted").emotion)
    assert list(table.columns) == ["anger", "disgust", "happiness", "neutral", "sadness"]
    assert (table == 4).all(axis=None)


def test_wild_part_is_a_third_labelled_and_unbalanced():
    rows = manifest("wild")
    assert rows.emotion.value_counts().to_dict() == corpus.WILD_LABELLED
    assert set(rows.groupby("speaker_id").emotion.count()) == {5, 6}
    assert set(rows.query_topic) == {"Chat", "Consultation", "Joke", "Entertainment", "Operation", "Search", "Other"}
    assert set(rows.accent) == set(corpus.ACCENTS)


def test_video_part_labels_and_split():
    rows = manifest("video")
    labelled = rows.emotion.notna()
    scores = rows.filter(like="sentiment")
    assert labelled.sum() == 20
    assert (scores.notna().all(axis=1) == labelled).all()
    assert scores.abs().max(axis=None) <= 1
    assert rows[labelled].emotion.value_counts().to_dict() == dict.fromkeys(corpus.VIDEO_EMOTIONS, 5)
    assert rows.groupby("speaker_id").split.nunique().eq(1).all()
    assert rows.split.value_counts().to_dict() == {"train": 24, "valid": 4, "test": 4}
    sign = {"neutral": 0, "happiness": 1, "sadness": -1, "anger": -1}
    assert (np.sign(rows[labelled].sentiment) == rows[labelled].emotion.map(sign)).all()
    assert (rows.audio_path == rows.video_path).all()


def test_clips_have_sound_and_a_face_in_every_sampled_frame():
    detector = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")
    for path in manifest("video").video_path[::3]:
        with av.open(str(ROOT / "video" / path)) as container:
            assert container.streams.audio[0].rate == 16_000
            assert 1 < container.duration / av.time_base < 2.2
            frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
        assert frames[0].shape == (160, 160)
        for frame in frames[::6]:  # each 0.24 s
            grey = cv2.equalizeHist(cv2.resize(frame, (320, 320)))
            assert len(detector.detectMultiScale(grey, 1.1, 5, minSize=(38, 38)))


def test_committed_manifests_are_what_the_plans_say():
    plans = {
        "acted": corpus.plan_acted(np.random.default_rng([corpus.SEED, 1])),
        "wild": corpus.plan_wild(np.random.default_rng([corpus.SEED, 2])),
        "video": corpus.plan_video(np.random.default_rng([corpus.SEED, 4])),
    }
    for part, takes in plans.items():
        planned = pd.DataFrame([take.row for take in takes]).replace("", np.nan).infer_objects()
        pd.testing.assert_frame_equal(planned, manifest(part), check_dtype=False)


def test_a_fifth_of_the_faces_and_of_the_texts_disagree_with_the_voice():
    takes = corpus.plan_video(np.random.default_rng([corpus.SEED, 4]))
    assert sum(take.expression != take.emotion for take in takes) == 6  # 0.2 * 32 = 6.4


def test_flac_part_is_written_as_planned(tmp_path, monkeypatch):
    pytest.importorskip("espeakng_loader", reason="the extra demo is not installed")
    monkeypatch.setattr(corpus, "ACTED_SPEAKERS", corpus.ACTED_SPEAKERS[:1])
    corpus.write_acted(tmp_path / "acted")
    written = pd.read_csv(tmp_path / "acted" / "utterances.csv")
    pd.testing.assert_frame_equal(written, manifest("acted")[:20])
    signal, rate = soundfile.read(tmp_path / "acted" / written.audio_path[0])
    committed, _ = soundfile.read(ROOT / "acted" / written.audio_path[0])
    assert rate == 16_000
    assert signal.size == pytest.approx(committed.size, rel=0.02)  # other library versions may differ in a sample
