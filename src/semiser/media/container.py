"""Files that PyAV opens, for their sound or for their pictures."""

from pathlib import Path
from typing import Any

from semiser.errors import Unusable

MOST_PIXELS = 8192 * 4352  # of one picture: 8K. A file of some bytes may claim two thousand million


def reason_of(error: Exception) -> str:
    """What the system or FFmpeg says of an error, without the path of this machine."""
    return getattr(error, "strerror", None) or str(error)


def open_av(path: Path, kind: str) -> Any:
    """A file opened by PyAV; titles and comments in it may be in any encoding, or none.

    Raises:
        Unusable: it is no file that FFmpeg knows; the message calls what was expected `kind`.
    """
    import av

    try:
        # the limit holds for the pictures that FFmpeg decodes to find out what is in the file
        return av.open(str(path), metadata_errors="replace", options={"max_pixels": str(MOST_PIXELS)})
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise Unusable(f"not readable as {kind}: {reason_of(error)}") from error
