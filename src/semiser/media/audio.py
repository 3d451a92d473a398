"""Audio files: what their headers say, and their samples as mono float32 at one rate.

libsndfile reads what it knows (wav, flac, ogg, mp3 ...), PyAV the sound track of video files and everything else.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from semiser.errors import Unusable

# An unfinished stream's header holds one of these instead of the number of data bytes: no promise, so none broken.
_UNKNOWN_LENGTHS = {0, 0x7FFFFFFF, 0x7FFFFFFF - 36, 0xFFFFFFFF, 0xFFFFFFFF - 36}
_SOUNDFILE_SUFFIXES = {f".{name.lower()}" for name in soundfile.available_formats()} | {
    ".wave",
    ".aif",
    ".sph",
    ".opus",
}


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
    try:
        stat = path.stat()
    except OSError as error:
        raise Unusable(f"cannot be opened: {error.strerror}") from error
    if stat.st_size == 0:
        raise Unusable("empty file (0 bytes)")
    probe = _probe_soundfile if path.suffix.lower() in _SOUNDFILE_SUFFIXES else _probe_av
    duration_s, sample_rate_hz, channels = probe(path)
    if duration_s <= 0:
        raise Unusable("no audio samples after the header")
    return AudioInfo(duration_s, sample_rate_hz, channels, stat.st_size, stat.st_mtime_ns)


def decode_audio(
    path: Path, sample_rate_hz: int, start_s: float | None = None, end_s: float | None = None
) -> np.ndarray:
    """Decode a file, or the part from `start_s` to `end_s`, to mono at one rate (mean of channels, soxr HQ).

    Args:
        path: audio or video file.
        sample_rate_hz: rate of the result.
        start_s, end_s: bounds in seconds, both None for the whole file.

    Returns:
        float32 of shape (samples,), nominally in [-1, 1].

    Raises:
        Unusable: the file cannot be decoded, ends before `end_s`, or holds NaN or infinite samples.
    """
    read = _read_soundfile if path.suffix.lower() in _SOUNDFILE_SUFFIXES else _read_av
    signal, rate = read(path, start_s, end_s)
    if not np.isfinite(signal).all():
        raise Unusable(f"{np.count_nonzero(~np.isfinite(signal))} of {signal.size} samples are NaN or infinite")
    signal = signal.mean(axis=1, dtype=np.float32) if signal.shape[1] > 1 else signal[:, 0]
    return signal if rate == sample_rate_hz else soxr.resample(signal, rate, sample_rate_hz, quality="HQ")


def _probe_soundfile(path: Path) -> tuple[float, int, int]:
    try:
        info = soundfile.info(str(path), verbose=True)
        if promised := _missing_data_bytes(info.extra_info):
            raise Unusable(
                f"truncated: the header promises {promised[0]:,} bytes of samples, there are {promised[1]:,}"
            )
        with soundfile.SoundFile(str(path)) as file:
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


def _reason(path: Path, error: Exception) -> str:
    """A sentence without the path of this machine, which libsndfile puts in its messages."""
    if "psf_fseek" in str(error):
        return "truncated: the last sample cannot be read"
    detail = str(error).replace(str(path), path.name).removeprefix(f"Error opening {path.name!r}: ")
    return f"not readable as {path.suffix.lstrip('.').lower() or 'audio'}: {detail}"


def _read_soundfile(path: Path, start_s: float | None, end_s: float | None) -> tuple[np.ndarray, int]:
    try:
        with soundfile.SoundFile(str(path)) as file:
            start, stop = (0, file.frames) if end_s is None else _frames(start_s or 0.0, end_s, file.samplerate)
            if stop > file.frames:
                raise Unusable(f"ends at {file.frames / file.samplerate:.3f} s, before the segment's end at {end_s} s")
            file.seek(start)
            signal = file.read(stop - start, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise Unusable(_reason(path, error)) from error
    if len(signal) < stop - start:
        raise Unusable(f"truncated: {len(signal):,} of {stop - start:,} samples can be decoded")
    return signal, file.samplerate


def _frames(start_s: float, end_s: float, rate: int) -> tuple[int, int]:
    return round(start_s * rate), round(end_s * rate)


def _probe_av(path: Path) -> tuple[float, int, int]:
    import av

    with _open_av(path) as container:
        stream = container.streams.audio[0]
        length = stream.duration * stream.time_base if stream.duration else (container.duration or 0) / av.time_base
        return float(length), stream.rate, stream.codec_context.channels


def _read_av(path: Path, start_s: float | None, end_s: float | None) -> tuple[np.ndarray, int]:
    import av

    with _open_av(path) as container:
        rate = container.streams.audio[0].rate
        resampler = av.AudioResampler(format="fltp", rate=rate)
        try:
            blocks = [
                resampled.to_ndarray() for frame in container.decode(audio=0) for resampled in resampler.resample(frame)
            ]
        except av.error.FFmpegError as error:
            raise Unusable(f"sound track cannot be decoded: {error.strerror}") from error
    if not blocks:
        raise Unusable("the sound track holds no samples")
    signal = np.concatenate(blocks, axis=1).T
    if end_s is None:
        return signal, rate
    start, stop = _frames(start_s or 0.0, end_s, rate)
    if stop > len(signal):
        raise Unusable(f"ends at {len(signal) / rate:.3f} s, before the segment's end at {end_s} s")
    return signal[start:stop], rate


def _open_av(path: Path):
    import av

    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise Unusable(f"not readable as audio or video: {error.strerror}") from error
    if not container.streams.audio:
        container.close()
        raise Unusable("video without a sound track")
    return container
