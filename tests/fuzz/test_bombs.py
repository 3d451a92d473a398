"""Files made to fill the memory or to take for ever, read by a process with 256 MB: each is refused in time."""

import gzip
import json
import os
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch
from fuzz import limited
from fuzz.cases import LIMIT_S, OUTCOMES

from semiser.training.saved import write_saved

BIG = 400 << 20  # sparse: takes no room on the disk


def _wav(path: Path, *patches: tuple[int, bytes]) -> None:
    """A tenth of a second of silence with bytes of the header replaced."""
    soundfile.write(path, np.zeros(1600), 16_000)
    data = bytearray(path.read_bytes())
    for at, new in patches:
        data[at : at + len(new)] = new
    path.write_bytes(data)


def _slow_wav(path: Path) -> None:
    """A million samples of 1 Hz, which at 16 kHz are 64 GB."""
    soundfile.write(path, np.zeros(1_000_000), 1)


def _flac(path: Path) -> None:
    """A STREAMINFO that promises 2**36 - 1 samples, 275 GB."""
    soundfile.write(path, np.zeros(1600), 16_000)
    data = bytearray(path.read_bytes())
    data[21] |= 0x0F
    data[22:26] = b"\xff" * 4
    path.write_bytes(data)


def _silence(path: Path) -> None:
    """Five hours of digital silence: 288 million samples in a megabyte."""
    with soundfile.SoundFile(path, "w", 16_000, 1, format="FLAC", compression_level=0) as file:
        block = np.zeros(16_000 * 600, np.int16)
        for _ in range(5 * 6):
            file.write(block)


def _huge_picture(path: Path) -> None:
    """A motion JPEG whose picture claims 65,500 x 65,500 pixels."""
    _write_video(path, [0, 1], codec="mjpeg", pixel_format="yuvj420p")
    data = path.read_bytes()
    side = struct.pack(">H", 65_500)
    parts = data.split(b"\xff\xc0")
    path.write_bytes(b"\xff\xc0".join([parts[0], *(part[:3] + side + side + part[7:] for part in parts[1:])]))


def _endless_video(path: Path) -> None:
    """Two pictures, the second four months after the first."""
    _write_video(path, [0, 25 * 10**7], codec="mjpeg", pixel_format="yuvj420p")


def _write_video(path: Path, times_25: list[int], codec: str = "mpeg4", pixel_format: str = "yuv420p") -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, pixel_format
        for time in times_25:
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _png(side: int) -> Callable[[Path], None]:
    """A black picture of one bit per pixel, which becomes three bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def write(path: Path) -> None:
        packer = zlib.compressobj(1)
        rows = b"".join(packer.compress(bytes(1 + (side + 7) // 8)) for _ in range(side)) + packer.flush()
        header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
        image = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + image)

    return write


def _laughs(path: Path) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    path.write_text(f'<!DOCTYPE r [<!ENTITY e0 "ha">{entities}]><r>&e9;</r>')


def _default_attributes(path: Path) -> None:
    """A default of 100 kB which each of 20,000 elements would repeat."""
    path.write_text(f'<!DOCTYPE r [<!ATTLIST w x CDATA "{"A" * 100_000}">]><r>{"<w/>" * 20_000}</r>')


def _long_token(path: Path) -> None:
    path.write_text(f'<r x="{"A" * (15 << 20)}"/><')


def _many_pieces(path: Path) -> None:
    path.write_text(f"<r>{'text<b/>' * 300_000}</s>")


def _sparse(begin: bytes) -> Callable[[Path], None]:
    """A file that goes on with zeros for ever, in one line."""

    def write(path: Path) -> None:
        path.write_bytes(begin)
        os.truncate(path, BIG)

    return write


def _text(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text)


def _packed_zeros(path: Path) -> None:
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"1 100\nword ")
        for _ in range(300):
            file.write(bytes(1 << 20))


def _card(path: Path) -> None:
    """A network of 16,384 channels throughout: hundreds of gigabytes."""
    network = {"kind": "mobilenet_v2", "width": 16, "stages": [[64, 16384, 2, 1]], "last_channels": 16384}
    write_saved(path.parent, {"w": torch.zeros(1)}, {"network": network, "classes": ["a", "b"], "seed": 0, "key": "k"})


def _header(path: Path) -> None:
    """Weights whose header claims to be 2**62 bytes long."""
    network = {"kind": "densenet_bc", "depth": 10, "growth": 2, "input_size": 16}
    write_saved(path.parent, {"w": torch.zeros(1)}, {"network": network, "classes": ["a", "b"], "seed": 0, "key": "k"})
    path.with_name("model.safetensors").write_bytes(struct.pack("<Q", 1 << 62) + b"{}")


# name of the file: kind of reader, maker, the refusal
BOMBS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "four_gigabytes.wav": ("sound", lambda path: _wav(path, (40, b"\xfe\xff\xff\xff")), ""),
    "one_hertz.wav": ("sound", _slow_wav, "sample rate of 1 Hz"),
    "promise.flac": ("sound", _flac, "no utterance|truncated"),
    "silence.flac": ("sound", _silence, "no utterance"),
    "huge.avi": ("video", _huge_picture, "not readable|no picture|damaged|no video track"),
    "endless.mkv": ("video", _endless_video, "at most 3,600 s"),
    "sparse.mp4": ("video", _sparse(b""), "not readable as video"),
    "black.png": ("picture", _png(30_000), "30000 x 30000|exceeds limit"),
    "less_black.png": ("picture", _png(9_000), "9000 x 9000 pixels are no picture of a face"),
    "laughs.xml": ("xml", _laughs, "declares XML entities"),
    "attributes.xml": ("xml", _default_attributes, "declares XML entities or attributes"),
    "token.xml": ("xml", _long_token, "not well-formed"),
    "pieces.xml": ("xml", _many_pieces, "not well-formed"),
    "sparse.xml": ("xml", _sparse(b"<r>"), "an annotation file at most"),
    "field.csv": ("table", _text(f'a,b\n1,"{"x" * 10_000_000}'), "field larger than field limit"),
    "quote.csv": ("table", _text('a,b\n1,"' + "x\n" * 5_000_000), "field larger than field limit"),
    "line.csv": ("table", _sparse(b"a,b\n1,"), "line 2 is longer than"),
    "header.csv": ("table", _sparse(b"a,"), "line 1 is longer than"),
    "line.jsonl": ("manifest", _sparse(b'{"audio_path": "'), "line 1 is longer than"),
    "manifest.csv": ("manifest", _sparse(b"audio_path\n"), "line 2 is longer than"),
    "transcript.txt": ("text", _sparse(b"hello"), "a list or transcript at most"),
    "words.txt": ("vectors", _text("999999999999 99999999\na 1 2\n"), "too few to hold them"),
    "words.bin": ("vectors", _text("99999 99999\na xxxxxxxxxxxxxx"), "too few to hold them"),
    "zeros.bin.gz": ("vectors", _packed_zeros, "unpacks to more than 20 times its length"),
    "card/card.json": ("network", _card, "does not fit"),
    "header/card.json": ("network", _header, "is no file of weights"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, tuple[str, str, float]]:
    """What became of each bomb in a process of its own: kind of error, message, seconds."""
    folder, arguments = tmp_path_factory.mktemp("bombs"), []
    for name, (kind, make, _) in BOMBS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        make(folder / name)
        arguments += [kind, str(folder / name)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, limited.__file__, *arguments]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    found = {}
    for line in ran.stdout.splitlines():
        path, *rest = json.loads(line)
        found[str(Path(path).relative_to(folder))] = tuple(rest)
    assert len(found) == len(BOMBS), f"ended by {ran.returncode} after {list(found)[-1:]}: {ran.stderr[-500:]}"
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_time_and_within_memory(outcomes, name):
    became, message, seconds = outcomes[name]
    OUTCOMES["bombs"]["refused"] += 1
    reason = BOMBS[name][2]
    if not reason:  # libsndfile gives the samples that there are; ingest compares the header with them
        assert became in ("read", "Unusable")
    else:
        assert became in ("Unusable", "ValueError", "UndecodableText", "UnreadableXml", "BadVectors"), message
        assert re.search(reason, message)
    assert seconds < LIMIT_S
