"""Video files: pictures at regular times, decoded in order and chosen by their time stamps.

Header frame counts lie and a cut file often decodes without an error, so nothing is counted: a picture serves the time
from its own stamp to the next one's, and a file must last as long as it promises. PyAV hands FFmpeg's messages to
nobody unless asked (`av.logging`), so a damaged file prints nothing.
"""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

from semiser.errors import Unusable
from semiser.media.container import MOST_PIXELS, open_av, reason_of
from semiser.media.content import check_file

_SAME_TIME_S = 1e-4  # time stamps are fractions: 0.24 s may be stored as 0.23999 s
_MISSING_S = 0.5  # a video track may end this much before what the header or the segment says
_SEEK_S = 1.0  # an earlier start is reached by decoding
_LONGEST_S = 3600.0  # of one utterance: beyond it time stamps are damaged, and a picture would be shown for ever


def sample_frames(
    path: Path, step_s: float, start_s: float | None = None, end_s: float | None = None
) -> Iterator[tuple[float, np.ndarray]]:
    """Pictures on show at `start_s`, `start_s + step_s`, ... before `end_s`, in one pass.

    A time at which the file shows no picture yet gets its first one. Only sampled pictures are converted to RGB; the
    rotation that a phone notes in the file is applied, a pixel aspect ratio is not.

    Args:
        path: video file.
        step_s: seconds between samples, above 0.
        start_s, end_s: bounds in seconds of the file's own time, both None for the whole file.

    Yields:
        Time in seconds of the file's own time, and the picture, (height, width, 3) uint8 RGB.

    Raises:
        Unusable: missing, empty, not a video, without pictures, damaged between the bounds, or shorter than its
            header or `end_s` says by more than 0.5 s, longer than an hour, or of more than 8K pixels. What lies
            outside the bounds may be damaged.
    """
    if step_s <= 0:
        raise ValueError(f"step_s must be above 0, not {step_s}")
    begin, number = start_s or 0.0, 0
    with _open(path) as container:
        promised_s, until = _promised_s(container), 0.0
        for frame, shown_from, until in _shown(container, begin):
            if frame.is_corrupt and until > begin:
                raise Unusable(f"damaged: the picture at {shown_from:.2f} s is incomplete")
            last = min(until, end_s) if end_s is not None else until
            if last - begin > _LONGEST_S:
                raise Unusable(
                    f"pictures for {last - begin:,.0f} s, an utterance has at most {_LONGEST_S:,.0f} s of them"
                )
            picture = None
            while (time_s := begin + number * step_s) < last - _SAME_TIME_S:
                picture = _upright(frame) if picture is None else picture
                yield time_s, picture
                number += 1
            if end_s is not None and until >= end_s:
                return
    _check_length(until, promised_s, end_s)


def _open(path: Path) -> av.container.InputContainer:
    """The opened file, sure to have a video track."""
    check_file(path)
    container = open_av(path, "video")
    if not _video_streams(container):
        container.close()
        raise Unusable("no video track in the file")
    return container


def _video_streams(container: av.container.InputContainer) -> list[av.VideoStream]:
    """Video tracks that can be decoded; the cover picture of a sound file is none."""
    streams = container.streams.video
    return [stream for stream in streams if not stream.disposition & Disposition.attached_pic and stream.codec_context]


def _tick_s(stream: av.VideoStream) -> Fraction:
    """The unit of the stream's stamps, in seconds."""
    if stream.time_base is None:
        raise Unusable("damaged: the video track has no time base")
    return stream.time_base


def _promised_s(container: av.container.InputContainer) -> float | None:
    """How long the video track lasts by the headers, in seconds; None where they do not say."""
    stream = _video_streams(container)[0]
    if stream.duration:
        return float(stream.duration * _tick_s(stream))
    if tag := stream.metadata.get("DURATION"):  # Matroska: hours:minutes:seconds
        with suppress(ValueError):
            hours, minutes, seconds = map(float, tag.split(":"))
            return 3600 * hours + 60 * minutes + seconds
    return container.duration / av.time_base if container.duration else None


def _shown(container: av.container.InputContainer, begin: float) -> Iterator[tuple[av.VideoFrame, float, float]]:
    """Each picture with the times from and until which it is on show, from the key picture before `begin` on."""
    stream = _video_streams(container)[0]
    origin = (container.start_time or 0) / av.time_base
    step = 1 / float(stream.average_rate or 25)
    held: av.VideoFrame | None = None
    since = 0.0
    for frame in _decode(container, stream, begin + origin):
        time_s = since + step if frame.time is None else frame.time - origin
        if held is not None:
            yield held, since, time_s
        held, since = frame, time_s
    if held is None:
        raise Unusable("no picture can be decoded")
    yield held, since, since + (float(held.duration * held.time_base) if held.duration and held.time_base else step)


def _decode(container: av.container.InputContainer, stream: av.VideoStream, stamp_s: float) -> Iterator[av.VideoFrame]:
    """Pictures in order from a key picture at or before the stamp; from the first one where no such can be found."""
    stream.codec_context.thread_count = 1  # the shard map already fills the processors
    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
    try:
        if stamp_s > _SEEK_S:
            container.seek(int(stamp_s / _tick_s(stream)), stream=stream)
            first = next(container.decode(stream), None)
            early = first is not None and first.time is not None and first.time <= stamp_s
            container.seek(first.pts if first and first.pts and early else 0, stream=stream)
        yield from container.decode(stream)
    except (av.error.FFmpegError, OSError, OverflowError) as error:
        raise Unusable(f"damaged: the video track cannot be decoded ({reason_of(error)})") from error


def _upright(frame: av.VideoFrame) -> np.ndarray:
    """The picture as a player shows it: `rotation` is counter-clockwise, in degrees."""
    try:
        picture = frame.to_ndarray(format="rgb24")
    except (av.error.FFmpegError, ValueError) as error:
        raise Unusable(f"damaged: a picture cannot be converted ({reason_of(error)})") from error
    return np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90) % 4)) if frame.rotation else picture


def _check_length(until: float, promised_s: float | None, end_s: float | None) -> None:
    """Refuse a file whose pictures end well before its segment or its header does."""
    if end_s is not None and until < end_s - _MISSING_S:
        raise Unusable(f"pictures end at {until:.2f} s, before the segment's end at {end_s:.2f} s")
    if end_s is None and promised_s is not None and until < promised_s - _MISSING_S:
        raise Unusable(f"truncated: pictures end at {until:.2f} s of the {promised_s:.2f} s in the header")
