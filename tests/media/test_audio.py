import os

import av
import numpy as np
import pytest
import soundfile
import soxr
from helpers import voice, write_wav

from semiser.errors import Unusable
from semiser.media import audio
from semiser.media.audio import decode_audio, probe_audio


def test_probe_gives_duration_rate_channels_and_the_files_identity(tmp_path):
    path = write_wav(tmp_path / "a.wav", np.zeros((24_000, 2), np.float32), 48_000)
    info = probe_audio(path)
    assert (info.duration_s, info.sample_rate_hz, info.channels) == (0.5, 48_000, 2)
    assert (info.audio_bytes, info.audio_modified_ns) == (path.stat().st_size, path.stat().st_mtime_ns)


def _truncated(path, share=0.5):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def _bad_files(folder):
    signal = voice(1.0)
    yield "missing.wav", None, "cannot be opened"
    yield "empty.wav", lambda path: path.write_bytes(b""), "empty file"
    yield "text.wav", lambda path: path.write_text("not audio at all " * 20), "not readable as wav"
    yield "truncated.wav", lambda path: _truncated(write_wav(path, signal)), "truncated: the header promises 32,000"
    yield "header_only.wav", lambda path: path.write_bytes(write_wav(path, signal).read_bytes()[:44]), "truncated"
    yield "no_samples.wav", lambda path: write_wav(path, signal[:0]), "no audio samples"
    yield "half.flac", lambda path: (soundfile.write(path, signal, 16_000), _truncated(path)), "truncated"
    yield "text.mp4", lambda path: path.write_text("no video"), "not readable as audio or video"


@pytest.mark.parametrize("number", range(8))
def test_probe_says_why_a_file_cannot_be_used(tmp_path, number):
    name, make, reason = list(_bad_files(tmp_path))[number]
    if make:
        make(tmp_path / name)
    with pytest.raises(Unusable, match=reason) as caught:
        probe_audio(tmp_path / name)
    assert str(tmp_path) not in str(caught.value)  # reasons go into tables: no path of this machine


def test_a_streamed_wav_with_unknown_length_is_whole(tmp_path):
    path = write_wav(tmp_path / "a.wav", voice(1.0))
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert probe_audio(path).duration_s == 1.0


def test_decode_averages_channels_and_keeps_the_rate(tmp_path):
    left, right = voice(0.5, seed=1), voice(0.5, seed=2)
    path = write_wav(tmp_path / "a.wav", np.stack([left, right], axis=1), subtype="FLOAT")
    np.testing.assert_allclose(decode_audio(path, 16_000), (left + right) / 2, atol=1e-7)


def test_decode_resamples_with_soxr_hq(tmp_path):
    signal = voice(0.5, rate=48_000)
    path = write_wav(tmp_path / "a.wav", signal, 48_000, subtype="FLOAT")
    np.testing.assert_array_equal(decode_audio(path, 16_000), soxr.resample(signal, 48_000, 16_000, quality="HQ"))


def test_decode_takes_the_segment(tmp_path):
    signal = voice(2.0)
    path = write_wav(tmp_path / "a.wav", signal, subtype="FLOAT")
    np.testing.assert_array_equal(decode_audio(path, 16_000, 0.5, 1.25), signal[8_000:20_000])


def test_decode_refuses_a_segment_beyond_the_end(tmp_path):
    path = write_wav(tmp_path / "a.wav", voice(1.0))
    with pytest.raises(Unusable, match=r"ends at 1.000 s, before the segment's end at 1.5 s"):
        decode_audio(path, 16_000, 0.5, 1.5)


def test_decode_refuses_nan_samples(tmp_path):
    signal = voice(0.2)
    signal[7] = np.nan
    signal[9] = np.inf
    path = write_wav(tmp_path / "a.wav", signal, subtype="FLOAT")
    with pytest.raises(Unusable, match="2 of 3200 samples are NaN or infinite"):
        decode_audio(path, 16_000)


def _write_video(path, signal=None, rate=16_000, title=""):
    with av.open(str(path), "w") as container:
        container.metadata["title"] = title
        video = container.add_stream("mpeg4", rate=25)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=rate, layout="mono") if signal is not None else None
        for _ in range(25):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if sound:
            samples = (signal * 32767).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate = rate
            container.mux(sound.encode(frame))
            container.mux(sound.encode())
    return path


def test_the_sound_track_of_a_video_is_audio(tmp_path):
    signal = voice(1.0)
    path = _write_video(tmp_path / "a.avi", signal)
    info = probe_audio(path)
    assert (info.sample_rate_hz, info.channels) == (16_000, 1)
    assert info.duration_s == pytest.approx(1.0, abs=0.05)
    np.testing.assert_allclose(decode_audio(path, 16_000), signal, atol=2e-4)


def test_a_video_without_sound_is_refused(tmp_path):
    with pytest.raises(Unusable, match="without a sound track"):
        probe_audio(_write_video(tmp_path / "a.mp4"))


def test_a_pipe_is_no_file_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(Unusable, match="not a file"):
        probe_audio(tmp_path / "a.wav")


def test_a_raw_file_says_nothing_of_itself(tmp_path):
    (tmp_path / "a.raw").write_bytes(bytes(4000))
    with pytest.raises(Unusable, match=r"not readable as audio or video|without a sound track"):
        probe_audio(tmp_path / "a.raw")


@pytest.mark.parametrize("rate", [1, 2_000_000])
def test_a_rate_that_no_recorder_has_is_refused(tmp_path, rate):
    path = write_wav(tmp_path / "a.wav", voice(0.1), rate)
    for read in (probe_audio, lambda path: decode_audio(path, 16_000)):
        with pytest.raises(Unusable, match=f"a sample rate of {rate:,} Hz is not within"):
            read(path)


def test_more_samples_than_an_utterance_has_are_not_decoded_but_a_part_of_them_is(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "_MOST_VALUES", 10_000)
    for path in (write_wav(tmp_path / "a.wav", voice(1.0)), _write_video(tmp_path / "a.avi", voice(1.0))):
        with pytest.raises(Unusable, match="samples are no utterance, which has at most 10,000"):
            decode_audio(path, 16_000)
        assert decode_audio(path, 16_000, 0.25, 0.75).shape == (8000,)
    with pytest.raises(Unusable, match="16,000 samples are no utterance"):  # resampled
        decode_audio(write_wav(tmp_path / "b.wav", voice(2.0, rate=4000), 4000), 8000)


def test_a_part_of_a_sound_track_is_the_part_of_the_whole(tmp_path):
    path = _write_video(tmp_path / "a.avi", voice(1.0))
    np.testing.assert_array_equal(decode_audio(path, 16_000, 0.3, 0.7), decode_audio(path, 16_000)[4800:11_200])
    with pytest.raises(Unusable, match=r"ends at 1.000 s, before the segment's end at 1.5 s"):
        decode_audio(path, 16_000, 0.5, 1.5)


def test_a_title_in_another_encoding_does_not_matter(tmp_path):
    path = _write_video(tmp_path / "a.avi", voice(0.5), title="ABCD")
    data = path.read_bytes()
    assert b"ABCD" in data
    path.write_bytes(data.replace(b"ABCD", "标题".encode("gbk")))
    assert decode_audio(path, 16_000).shape == (8000,)


def test_of_channels_in_opposite_phase_the_first_is_taken(tmp_path):
    mono = voice(0.5)
    path = write_wav(tmp_path / "a.wav", np.stack([mono, -mono], axis=1), subtype="FLOAT")
    np.testing.assert_array_equal(decode_audio(path, 16_000), mono)
    other = write_wav(tmp_path / "b.wav", np.stack([mono, -0.5 * mono + voice(0.5, seed=3)], axis=1), subtype="FLOAT")
    np.testing.assert_allclose(decode_audio(other, 16_000), (0.5 * mono + voice(0.5, seed=3)) / 2, atol=1e-6)
