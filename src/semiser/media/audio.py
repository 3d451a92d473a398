"""Audio files: what their headers say, and their samples as mono float32 at one rate.

libsndfile reads what it knows (wav, flac, ogg, mp3 ...), PyAV the sound track of video files and everything else.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from semiser.errors import Unusable
from semiser.media.container import open_av, reason_of
from semiser.media.content import check_file, is_container, modified_ns

# An unfinished stream's header holds one of these instead of the number of data bytes: no promise, so none broken.
_UNKNOWN_LENGTHS = {0, 0x7FFFFFFF, 0x7FFFFFFF - 36, 0xFFFFFFFF, 0xFFFFFFFF - 36}
# A raw file says neither rate nor type.
_SOUNDFILE_SUFFIXES = {f".{name.lower()}" for name in soundfile.available_formats() if name != "RAW"} | {
    ".wave",
    ".aif",
    ".sph",
    ".opus",
}
_RATES_HZ = (1_000, 1_000_000)  # a header beyond it is damaged; at 1 Hz a small file would be resampled to a huge one
END_TOLERANCE_S = 0.01  # a segment's end may lie so far beyond its file's: lists give times in ms or hundredths
_BEYOND, _MOST_BEYOND = 1.5, 1e-3  # of full scale, and the share of samples that may lie there: what a codec overshoots
_OPPOSITE = -0.95  # correlation of two channels
_UNKNOWN_FRAMES = 1 << 62  # libsndfile's word for a number of samples that the header does not know
_NO_CHUNK = 1_024  # bytes: a tag that is written badly, which costs no sample, is shorter
_MOST_VALUES = 1 << 28  # samples of all channels in one decoded signal: 1 GiB, 4.6 h of one channel at 16 kHz


@dataclass(frozen=True)
class AudioInfo:
    """What a header says: duration in seconds, rate in Hz, number of channels; size and time stamp of the file."""

    duration_s: float
    sample_rate_hz: int
    channels: int
    audio_bytes: int
    audio_modified_ns: int


def probe_audio(path: Path) -> AudioInfo:
    """Read the header of an audio or video file and check that its last sample is there.

    Raises:
        Unusable: missing, empty, truncated or not audio; the message is the reason.
    """
    found = check_file(path)
    probe = _probe_soundfile if _for_soundfile(path) else _probe_av
    duration_s, sample_rate_hz, channels = probe(path)
    _check_rate(sample_rate_hz)
    if duration_s <= 0:
        raise Unusable("no audio samples after the header")
    return AudioInfo(duration_s, sample_rate_hz, channels, found.st_size, modified_ns(found))


def decode_audio(
    path: Path, sample_rate_hz: int, start_s: float | None = None, end_s: float | None = None
) -> np.ndarray:
    """Decode a file, or the part from `start_s` to `end_s`, to mono at one rate (mean of channels, soxr HQ).

    Of two channels in opposite phase, whose mean is next to nothing, it is the first; ingest says how many there are.

    Args:
        path: audio or video file.
        sample_rate_hz: rate of the result.
        start_s, end_s: bounds in seconds, both None for the whole file.

    Returns:
        float32 of shape (samples,), nominally in [-1, 1].

    Raises:
        Unusable: the file cannot be decoded, ends before `end_s`, holds NaN or infinite samples, or more samples than
            any utterance has (1 GiB, read or resampled).
    """
    read = _read_soundfile if _for_soundfile(path) else _read_av
    signal, rate = read(path, start_s, end_s)
    _check_size(signal.shape[0] / rate * sample_rate_hz)
    if not np.isfinite(signal).all():
        raise Unusable(f"{np.count_nonzero(~np.isfinite(signal))} of {signal.size} samples are NaN or infinite")
    _check_scale(signal)
    if signal.shape[1] > 1 and not in_opposite_phase(signal):
        signal = signal.mean(axis=1, dtype=np.float32)
    else:
        signal = signal[:, 0]
    return signal if rate == sample_rate_hz else soxr.resample(signal, rate, sample_rate_hz, quality="HQ")


def read_samples(path: Path, start_s: float | None = None, end_s: float | None = None) -> np.ndarray:
    """Samples as the file has them, float32 of shape (samples, channels), at its own rate.

    Raises:
        Unusable: see `decode_audio`.
    """
    return (_read_soundfile if _for_soundfile(path) else _read_av)(path, start_s, end_s)[0]


def in_opposite_phase(signal: np.ndarray) -> bool:
    """Whether of (samples, channels) the first two are each other's negative, as where a cable was soldered wrongly."""
    if signal.shape[1] != 2 or signal.shape[0] < 2:
        return False
    first, second = (channel - channel.mean() for channel in signal.astype(np.float64).T)
    return float(first @ second) < _OPPOSITE * float(np.sqrt((first @ first) * (second @ second)))


def _for_soundfile(path: Path) -> bool:
    """Whether libsndfile reads the file: what its name says, unless its first bytes say otherwise."""
    return path.suffix.lower() in _SOUNDFILE_SUFFIXES and not is_container(path)


def _check_scale(signal: np.ndarray) -> None:
    """Refuse floating-point samples in another scale, of which every feature would be that of a square wave."""
    beyond = int(np.count_nonzero(np.abs(signal) > _BEYOND))
    if beyond > _MOST_BEYOND * signal.size:
        raise Unusable(
            f"{beyond / signal.size:.2%} of the samples lie beyond {_BEYOND} (up to {np.abs(signal).max():,.0f}); "
            "full scale is 1: floating-point samples in another scale? Divide them, or write them as integers"
        )


def _check_rate(rate: int) -> None:
    low, high = _RATES_HZ
    if not low <= rate <= high:
        raise Unusable(f"a sample rate of {rate:,} Hz is not within {low:,} to {high:,}: is the header damaged?")


def _check_size(values: float) -> None:
    if values > _MOST_VALUES:
        raise Unusable(
            f"{values:,.0f} samples are no utterance, which has at most {_MOST_VALUES:,}: give start_s and end_s of "
            "the utterances in the file"
        )


def _probe_soundfile(path: Path) -> tuple[float, int, int]:
    try:
        info = soundfile.info(str(path), verbose=True)
        if promised := _missing_data_bytes(info.extra_info):
            raise Unusable(
                f"truncated: the header promises {promised[0]:,} bytes of samples, there are {promised[1]:,}"
            )
        if (lost := _bytes_of_no_chunk(info.extra_info)) > _NO_CHUNK:
            raise Unusable(
                f"the header counts {info.frames:,} samples, and {lost:,} bytes follow that are none and no chunk of "
                "the file either: is the header damaged? Write the file anew"
            )
        with soundfile.SoundFile(str(path)) as file:
            if not file.seekable() or info.frames >= _UNKNOWN_FRAMES:
                return _probe_av(path)
            if info.frames and (file.seek(info.frames - 1) != info.frames - 1 or len(file.read(1)) != 1):
                raise Unusable("truncated: the last sample cannot be read")
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise Unusable(_reason(path, error)) from error
    return info.frames / info.samplerate, info.samplerate, info.channels


def _missing_data_bytes(log: str) -> tuple[int, int] | None:
    """Promised and real bytes of the data chunk where libsndfile's log says that they differ."""
    match = re.search(r"^\s*data : (\d+) \(should be (\d+)\)", log, re.MULTILINE)
    if not match:
        return None
    promised, real = int(match[1]), int(match[2])
    return None if promised in _UNKNOWN_LENGTHS or promised <= real else (promised, real)


def _bytes_of_no_chunk(log: str) -> int:
    """Bytes of a wav behind its samples that its header counts as part of the file, and that are no chunk of it."""
    size = re.search(r"^RIFF : (\d+)", log, re.MULTILINE)
    at = re.search(r"^\*\*\* Unknown chunk marker .* at position (\d+)", log, re.MULTILINE)
    return max(0, int(size[1]) + 8 - int(at[1])) if size and at else 0


def _reason(path: Path, error: Exception) -> str:
    """A sentence without the path of this machine, which libsndfile puts in its messages."""
    if "psf_fseek" in str(error):
        return "truncated: the last sample cannot be read"
    detail = str(error).replace(str(path), path.name).removeprefix(f"Error opening {path.name!r}: ")
    if "possibly a pipe" in detail:  # libsndfile's guess at why its MP3 decoder gave up
        detail = "Format not recognised."
    return f"not readable as {path.suffix.lstrip('.').lower() or 'audio'}: {detail}"


def _read_soundfile(path: Path, start_s: float | None, end_s: float | None) -> tuple[np.ndarray, int]:
    try:
        with soundfile.SoundFile(str(path)) as file:
            _check_rate(file.samplerate)
            if not file.seekable() or file.frames >= _UNKNOWN_FRAMES:
                return _read_av(path, start_s, end_s)
            start, stop = (0, file.frames) if end_s is None else _frames(start_s or 0.0, end_s, file.samplerate)
            stop = _within(stop, file.frames, file.samplerate)
            if stop > file.frames:
                raise Unusable(f"ends at {file.frames / file.samplerate:.3f} s, before the segment's end at {end_s} s")
            _check_size((stop - start) * file.channels)
            file.seek(start)
            signal = file.read(stop - start, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise Unusable(_reason(path, error)) from error
    if len(signal) < stop - start:
        raise Unusable(f"truncated: {len(signal):,} of {stop - start:,} samples can be decoded")
    return signal, file.samplerate


def _within(stop: int, frames: int, rate: int) -> int:
    """Where a segment ends that was rounded up beyond its file's end: there."""
    return frames if frames < stop <= frames + END_TOLERANCE_S * rate else stop


def _frames(start_s: float, end_s: float, rate: int) -> tuple[int, int]:
    return round(start_s * rate), round(end_s * rate)


def _probe_av(path: Path) -> tuple[float, int, int]:
    import av

    with _open_av(path) as (container, stream):
        length = stream.duration * stream.time_base if stream.duration else (container.duration or 0) / av.time_base
        if not length:  # the header does not say: count
            length = sum(block.shape[1] for block in _blocks(container, stream)) / stream.rate
        return float(length), stream.rate, stream.codec_context.channels


def _read_av(path: Path, start_s: float | None, end_s: float | None) -> tuple[np.ndarray, int]:
    with _open_av(path) as (container, stream):
        rate = stream.rate
        _check_rate(rate)
        start, stop = (0, None) if end_s is None else _frames(start_s or 0.0, end_s, rate)
        blocks, position, held = [], 0, 0
        for block in _blocks(container, stream):
            part = block[:, max(0, start - position) : None if stop is None else max(0, stop - position)]
            blocks.append(part)
            position += block.shape[1]
            held += part.size
            _check_size(held)
            if stop is not None and position >= stop:
                break
    if not position:
        raise Unusable("the sound track holds no samples")
    if stop is not None and position < _within(stop, position, rate):
        raise Unusable(f"ends at {position / rate:.3f} s, before the segment's end at {end_s} s")
    return np.concatenate(blocks, axis=1).T, rate


def _blocks(container: Any, stream: Any) -> Iterator[np.ndarray]:
    """The sound track in pieces, float32 of shape (channels, samples)."""
    import av

    try:
        resampler = av.AudioResampler(format="fltp", rate=stream.rate)
        for frame in container.decode(stream):
            for resampled in resampler.resample(frame):
                yield resampled.to_ndarray()
    except (av.error.FFmpegError, OSError, ValueError) as error:  # ValueError: the format changes on the way
        raise Unusable(f"sound track cannot be decoded: {reason_of(error)}") from error


@contextmanager
def _open_av(path: Path) -> Iterator[tuple[Any, Any]]:
    """The opened file and its first sound track that can be decoded."""
    with open_av(path, "audio or video") as container:
        if not container.streams.audio:
            raise Unusable("video without a sound track")
        stream = next((stream for stream in container.streams.audio if stream.codec_context), None)
        if stream is None or not (stream.rate and stream.codec_context.channels and stream.time_base):
            raise Unusable("the sound track is of no known format, or its header is damaged")
        yield container, stream
