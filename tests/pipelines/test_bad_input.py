"""What users' folders hold: one corpus with every kind of bad input, through ingest, IS10 and folds."""

import csv

import numpy as np
import opensmile
import pytest
import soundfile
import soxr
from helpers import committed, voice, write_wav

from semiser.corpora.ingest import ingest
from semiser.corpora.options import IngestOptions
from semiser.features.functionals import Is10
from semiser.folds.make import make_folds
from semiser.folds.options import FoldOptions
from semiser.options.audio_features import OpenSmileOptions
from semiser.options.features import ShardOptions
from semiser.shards.engine import LocalEngine
from semiser.shards.extract import extract, summarise
from semiser.shards.utterances import UtteranceFile

ROWS = [
    # audio_path, utterance_id, emotion, and what is to become of it: None is fine, else stage and reason
    ("good_1.wav", "good_1", "sad", None),
    ("good_2.wav", "good_2", "happy", None),
    ("stereo_48khz.wav", "stereo", "sad", None),
    ("full_scale.wav", "full_scale", "happy", None),
    ("empty.wav", "empty", "sad", ("ingest", "empty file")),
    ("truncated.wav", "truncated", "sad", ("ingest", "truncated: the header promises 32,000 bytes")),
    ("text.wav", "text", "sad", ("ingest", "not readable as wav")),
    ("missing.wav", "missing", "sad", ("ingest", "cannot be opened: No such file")),
    ("good_1.wav", "good_1", "sad", ("ingest", "duplicate utterance_id 'mess/good_1'")),
    ("../outside.wav", "outside", "sad", ("ingest", "")),
    ("good_2.wav", "odd_word", "wistful", ("ingest", "unknown emotion word 'wistful'")),
    ("short.wav", "short", "sad", ("is10", "0.020 s of audio: IS10 needs at least 0.1 s")),
    ("nan.wav", "nan", "sad", ("is10", "1 of 8000 samples are NaN or infinite")),
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mess") / "corpus"
    signal = voice(1.0)
    write_wav(folder.parent / "outside.wav", signal)
    for name in ("good_1", "good_2", "truncated"):
        write_wav(folder / f"{name}.wav", signal)
    write_wav(folder / "stereo_48khz.wav", np.stack([voice(0.7, 48_000), voice(0.7, 48_000, seed=1)], 1), 48_000)
    loud = voice(0.5)
    loud[100:200:7] = 1.0
    write_wav(folder / "full_scale.wav", loud, subtype="FLOAT")
    spoilt = voice(0.5)
    spoilt[7] = np.nan
    write_wav(folder / "nan.wav", spoilt, subtype="FLOAT")
    write_wav(folder / "short.wav", voice(0.02))
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("these are words and no samples")
    (folder / "truncated.wav").write_bytes((folder / "truncated.wav").read_bytes()[:9_000])
    with (folder / "utterances.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["audio_path", "utterance_id", "emotion", "speaker_id"])
        writer.writerows([*row[:3], "one"] for row in ROWS)
    return folder


@pytest.fixture(scope="module")
def ingested(corpus):
    mess = {"reader": "manifest", "root": str(corpus)}
    return ingest(IngestOptions(corpora={"mess": mess}, max_quarantined_share=0.9))


@pytest.fixture(scope="module")
def table(corpus, ingested, tmp_path_factory):
    store = tmp_path_factory.mktemp("features")
    options = ShardOptions(max_quarantined_share=0.9)
    receipts = extract(
        [Is10(OpenSmileOptions())], str(store), ingested.utterances, {"mess": str(corpus)}, LocalEngine(2), options
    )
    return committed(receipts["is10"], store), summarise(
        receipts.values(), UtteranceFile.in_memory(ingested.utterances)
    )


def test_every_row_is_used_or_has_its_reason(ingested, table):
    table, summary = table
    quarantined = [*ingested.quarantine.to_pylist(), *summary["is10"]["unusable"]]
    expected = [outcome for *_, outcome in ROWS if outcome]
    assert len(quarantined) == len(expected)
    for stage, reason in expected:
        assert any(row["stage"] == stage and reason in row["reason"] for row in quarantined), (reason, quarantined)
    used = table.dataset().to_table()["utterance_id"].to_pylist()
    assert used == sorted(f"mess/{name}" for _, name, _, outcome in ROWS if outcome is None)


def test_no_value_is_nan_and_odd_formats_have_opensmiles_values(corpus, table):
    found = table[0].dataset().to_table().to_pandas().set_index("utterance_id")["is10"]
    assert np.isfinite(np.stack(found.to_numpy())).all()
    stereo, rate = soundfile.read(corpus / "stereo_48khz.wav", dtype="float32")
    signal = soxr.resample(stereo.mean(axis=1), rate, 16_000, quality="HQ")
    smile = opensmile.Smile(opensmile.FeatureSet.IS10, opensmile.FeatureLevel.Functionals)
    expected = smile.process_signal(signal, 16_000).to_numpy()[0]
    np.testing.assert_array_equal(found["mess/stereo"], expected)


def test_one_speaker_under_leave_one_speaker_out_is_refused(ingested):
    options = FoldOptions(experiment="e", corpora=["mess"], validation={"kind": "none"})
    with pytest.raises(ValueError, match="mess: leave_one_speaker_out needs at least two labelled speakers, found 1"):
        make_folds(ingested.utterances, options)
