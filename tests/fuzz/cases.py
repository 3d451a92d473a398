"""What every fuzz test shares: how many examples, odd material, mutations, and the property that must hold.

The property: a reader gives rows, or an error of the project's own kind that names the file; it never raises anything
else, and ends in time. `SEMISER_FUZZ=20` multiplies the examples, which are the same ones in every run.
"""

import json
import os
import re
import signal
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from semiser.errors import TooManyUnusable, Unusable

SCALE = float(os.environ.get("SEMISER_FUZZ", "1"))
LIMIT_S = 10.0  # of processor time for one case, so that a busy machine is no failure; most take milliseconds
OUTCOMES: dict[str, Counter] = defaultdict(Counter)  # by target, for the summary at the end

# What has broken readers before: tried more often than the rest.
SHARP = (
    "", "\0", "..", "../../etc/passwd", "/etc/passwd", "-1", "1e999", "nan", "1.2.3", "9" * 400, "9" * 5000, "x" * 300,
    "z" * 140_000, "[" * 5000, '[{"word": "a", "start_s": 0, "end_s": 1' + "0" * 400 + "}]", "a" + " " * 5000 + "b",
)  # fmt: skip
# What else tables, names and numbers should not be, and sometimes are.
ODD = (
    *SHARP, " ", "\ufeff", "\r", "\r\n", "\n\n", '"', "'", ",", ";", "\t", "|", "\\", "/", "C:\\win.ini", "a/../../b",
    ".", "~", "*", "**", "[", "]", "{}", "[]", "null", "true", "NaN", "inf", "-inf", "0", "1e308", "...", "0x10", "١٢",
    "²", "[[1]]", '{"a": 1}', " " * 5000, "\u202eabc", "e\u0301" * 50, "\U0001f600", "\x85", "\u2028", "\x1a",
    "%", "%%", "&#0;", "&a;", "<a>", "</w>", "<!--", "]]>", "A-E1: val 9" + "9" * 400 + ";",
)  # fmt: skip
ODD_BYTES = (
    b"\x00", b"\xff", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\x81", b"\xc4\xe3\xba\xc3", b"\xed\xa0\x80",
    b"\x80\x04", b"PK\x03\x04", b"\x1f\x8b\x08", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f", b"\x80\x00\x00\x00",
)  # fmt: skip
_TOKEN = re.compile(r"[^\s,;|\"'=<>\[\]():]+")


def examples(number: int) -> settings:
    """Settings for that many examples, times `SEMISER_FUZZ`: the same ones in every run."""
    return settings(
        max_examples=max(1, round(number * SCALE)),
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def outcome(target: str, call: Callable[[], Any], *names: str) -> Any:
    """What a call gives, None where it refuses its input.

    Args:
        target: under which the outcome is counted.
        call: reads the input.
        names: of the files or options of which an error must name one; an `Unusable` need not, for the row that
            quarantines it does.

    Raises:
        AssertionError: the error names none of them.
        BaseException: whatever else the call raises.
    """
    try:
        with time_limit(LIMIT_S):
            found = call()
    except (Unusable, TooManyUnusable):
        OUTCOMES[target]["refused"] += 1
        return None
    except (ValueError, OSError) as error:
        assert any(name in str(error) for name in names), f"names none of {names}: {error!r}"
        OUTCOMES[target]["refused"] += 1
        return None
    OUTCOMES[target]["accepted"] += 1
    return found


class TooSlow(BaseException):
    """A case that took longer than `LIMIT_S`; nothing that catches exceptions catches it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TooSlow` in the block after that much processor time, on systems with such an alarm."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: object) -> None:
        raise TooSlow(f"more than {seconds:g} s of processor time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def odd_text() -> st.SearchStrategy[str]:
    """A cell that nobody expects."""
    return st.sampled_from(ODD) | st.text(max_size=20) | st.integers().map(str) | st.floats().map(str)


@st.composite
def mutated_bytes(draw: st.DrawFn, original: bytes, most: int = 4, header: int = 256) -> bytes:
    """The bytes with some flipped, overwritten, cut out, doubled, inserted or cut off; half of it in the header."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, most))):
        within = min(header, len(data)) if draw(st.booleans()) else len(data)
        at = draw(st.integers(0, max(0, within - 1)))
        kind = draw(st.sampled_from(("flip", "write", "insert", "cut", "double", "truncate")))
        if kind == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "write":
            odd = draw(st.sampled_from(ODD_BYTES))
            data[at : at + len(odd)] = odd
        elif kind == "insert":
            data[at:at] = draw(st.sampled_from(ODD_BYTES) | st.binary(min_size=1, max_size=16))
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 64))]
        elif kind == "double":
            data[at:at] = data[at : at + draw(st.integers(1, 64))]
        elif draw(st.integers(0, 3)) == 0:
            del data[at:]
    return bytes(data)


@st.composite
def mutated_text(draw: st.DrawFn, original: str, most: int = 3) -> bytes:
    """A text file with cells replaced, lines lost, doubled or swapped, and another encoding or other line ends."""
    text = original
    for _ in range(draw(st.integers(1, most))):
        kind = draw(st.sampled_from(("cell", "cell", "cell", "cell", "line")))
        if kind == "cell":
            text = _replace_cell(draw, text)
        elif kind == "line":
            text = _change_lines(draw, text)
    if draw(st.integers(0, 9)) == 0:
        text = text.replace("\n", draw(st.sampled_from(("\r\n", "\r", "\x85", ""))))
    encoding = draw(st.sampled_from(("utf-8",) * 12 + ("utf-8-sig", "utf-16", "gb18030", "cp950", "latin-1")))
    data = text.encode(encoding, "replace")
    return draw(mutated_bytes(data)) if draw(st.integers(0, 4)) == 0 else data


def _replace_cell(draw: st.DrawFn, text: str) -> str:
    cells = list(_TOKEN.finditer(text))
    if not cells:
        return draw(odd_text())
    first, last = draw(st.sampled_from(cells)).span()
    new = draw(st.sampled_from(SHARP) | st.sampled_from(cells).map(lambda cell: cell[0]) | odd_text())
    return text[:first] + new + text[last:]


def _change_lines(draw: st.DrawFn, text: str) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    kind = draw(st.sampled_from(("lose", "double", "swap", "odd")))
    if kind == "lose":
        del lines[at]
    elif kind == "double":
        lines.insert(other, lines[at])
    elif kind == "swap":
        lines[at], lines[other] = lines[other], lines[at]
    else:
        lines.insert(at, draw(odd_text()) + "\n")
    return "".join(lines)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(ODD[:40]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def damaged_json(original: dict) -> st.SearchStrategy[bytes]:
    """The text mutated, or the values below some key replaced."""

    @st.composite
    def replaced(draw: st.DrawFn) -> bytes:
        document = json.loads(json.dumps(original))
        place = document
        while True:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            key = draw(st.sampled_from(list(keys)))
            if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
                place = place[key]
            else:
                break
        if isinstance(place, dict) and draw(st.booleans()):
            del place[key]
        else:
            place[key] = draw(_JSON)
        return json.dumps(document).encode()

    return mutated_text(json.dumps(original, indent=1)) | replaced()
