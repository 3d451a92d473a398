"""Files that are well-formed and not what their names say, or what a header promises."""

import io
import os
import struct

import av
import numpy as np
import pytest
import soundfile
from helpers import voice, write_wav

from semiser.errors import Unusable
from semiser.media.audio import END_TOLERANCE_S, decode_audio, probe_audio
from semiser.media.content import modified_ns


@pytest.mark.parametrize(
    "content, message",
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "a Git LFS pointer .* `git lfs pull`"),
        (b"<!DOCTYPE html><html>404</html>", "a web page: fetch the file again"),
        (b"PK\x03\x04" + bytes(60), "a zip archive"),
    ],
)
def test_what_stands_under_the_name_of_a_sound_is_said(tmp_path, content, message):
    for name in ("a.wav", "a.mp3", "a.mp4"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Unusable, match=message):
            probe_audio(tmp_path / name)


def _encoded(path, container, codec):
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray((voice(1.0)[None] * 32767).astype(np.int16), format="s16", layout="mono")
        frame.sample_rate = 16_000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            file.mux(packet)


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.flac", "a.ogg"])
@pytest.mark.parametrize("container, codec", [("ipod", "aac"), ("adts", "aac"), ("matroska", "aac")])
def test_a_container_is_read_whatever_its_name(tmp_path, name, container, codec):
    _encoded(tmp_path / name, container, codec)
    info = probe_audio(tmp_path / name)
    assert (info.sample_rate_hz, info.channels) == (16_000, 1) and 0.9 < info.duration_s < 1.3
    assert abs(len(decode_audio(tmp_path / name, 16_000)) - 16_000) < 4_000


def test_a_format_that_cannot_be_sought_is_read_in_order(tmp_path):
    write_wav(tmp_path / "a.wav", voice(1.0, rate=8_000), rate=8_000, subtype="GSM610")
    assert probe_audio(tmp_path / "a.wav").duration_s == pytest.approx(1.0, abs=0.05)
    whole = decode_audio(tmp_path / "a.wav", 8_000)
    np.testing.assert_array_equal(decode_audio(tmp_path / "a.wav", 8_000, 0.25, 0.75), whole[2000:6000])


def test_a_number_of_samples_that_the_header_does_not_know_is_counted(tmp_path):
    written = io.BytesIO()
    soundfile.write(written, voice(1.0), 16_000, format="FLAC")
    data = bytearray(written.getvalue())
    data[21] &= 0xF0  # the total of samples: 36 bits, 0 for unknown
    data[22:26] = bytes(4)
    (tmp_path / "a.flac").write_bytes(data)
    assert probe_audio(tmp_path / "a.flac").duration_s == pytest.approx(1.0)
    assert len(decode_audio(tmp_path / "a.flac", 16_000)) == 16_000


@pytest.mark.parametrize("times", [32767, 6])
def test_samples_in_another_scale_are_refused(tmp_path, times):
    write_wav(tmp_path / "a.wav", voice(1.0) * times, subtype="FLOAT")
    with pytest.raises(Unusable, match=r"of the samples lie beyond 1\.5 .*another scale"):
        decode_audio(tmp_path / "a.wav", 16_000)


def test_what_a_codec_overshoots_is_no_other_scale(tmp_path):
    signal = voice(1.0) * 1.8
    signal[100] = 3.0
    write_wav(tmp_path / "a.wav", signal, subtype="FLOAT")
    assert np.abs(decode_audio(tmp_path / "a.wav", 16_000)).max() == 3.0


@pytest.mark.parametrize("beyond_s, kept", [(0.0003, True), (END_TOLERANCE_S, True), (2 * END_TOLERANCE_S, False)])
def test_a_segment_that_was_rounded_up_ends_with_its_file(tmp_path, beyond_s, kept):
    write_wav(tmp_path / "a.wav", voice(1.0))
    _encoded(tmp_path / "a.m4a", "ipod", "aac")
    if kept:
        assert len(decode_audio(tmp_path / "a.wav", 16_000, 0.5, 1.0 + beyond_s)) == 8_000
        return
    with pytest.raises(Unusable, match=r"ends at 1\.000 s, before the segment's end at 1\.02 s"):
        decode_audio(tmp_path / "a.wav", 16_000, 0.5, 1.0 + beyond_s)


def test_time_stamps_beyond_64_bits_are_the_last_that_fit(tmp_path):
    path = write_wav(tmp_path / "a.wav", voice(0.2))
    for year, seconds in (("1600", -11676096000), ("2300", 10413792000)):
        try:
            os.utime(path, (seconds, seconds))
        except OSError:
            pytest.skip(f"no time stamps of the year {year} here")
        stamp = probe_audio(path).audio_modified_ns
        assert stamp == modified_ns(path.stat()) and abs(stamp) < 1 << 63


@pytest.mark.parametrize("seconds, tag, lost", [(0.5, b"", 8_000), (1.0, b"", 0), (1.0, b"IST\x1a" + bytes(60), 0)])
def test_samples_that_the_header_does_not_count_are_not_lost_in_silence(tmp_path, seconds, tag, lost):
    path = write_wav(tmp_path / "a.wav", voice(1.0, rate=8_000), 8_000)
    content = bytearray(path.read_bytes() + tag)
    place = content.index(b"data")
    struct.pack_into("<I", content, place + 4, round(seconds * 16_000))  # bytes: two a sample
    struct.pack_into("<I", content, 4, len(content) - 8)
    path.write_bytes(content)
    if not lost:
        assert probe_audio(path).duration_s == seconds
        return
    with pytest.raises(Unusable, match=r"counts 4,000 samples, and 8,000 bytes follow that are none"):
        probe_audio(path)
