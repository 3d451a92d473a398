"""CH-SIMS v2: the layout of CH-SIMS with other clips (Liu et al., "Make acoustic and visual cues matter", ICMI 2022).

The supervised part, `ch-simsv2s`, has `meta.csv` and `Raw` as CH-SIMS has them. The root is its folder or the one
above. Where `ch-simsv2u` lies beside it, its clips, `Raw/<video>/<clip>.mp4`, follow without labels.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

from semiser.corpora import ch_sims
from semiser.corpora.files import iter_files, read_files
from semiser.corpora.reader import ReaderOptions
from semiser.corpora.utterance import Rejected, Utterance

SUPERVISED, UNLABELLED = "ch-simsv2s", "ch-simsv2u"


def read(corpus: str, root: Path, options: ReaderOptions) -> Iterator[Utterance | Rejected]:
    """Rows of the table of the supervised part, then one per clip of the other.

    Raises:
        ValueError: the table lacks columns or is in no known encoding.
    """
    folder = SUPERVISED if (root / SUPERVISED).is_dir() else ""
    for row in ch_sims.read(corpus, root / folder, options):
        yield _below(folder, row)
    if (root / UNLABELLED).is_dir():
        paths = (PurePosixPath(UNLABELLED, path) for path in iter_files(root / UNLABELLED, {".mp4"}))
        yield from read_files(corpus, paths, partial(_describe_unlabelled, corpus))


def _below(folder: str, row: Utterance | Rejected) -> Utterance | Rejected:
    if not folder:
        return row
    if isinstance(row, Rejected):
        return replace(row, path=f"{folder}/{row.path}")
    path = f"{folder}/{row.audio_path}"
    return replace(row, audio_path=path, video_path=path)


def _describe_unlabelled(corpus: str, path: PurePosixPath) -> Utterance:
    video = path.parent.name
    return Utterance(
        utterance_id=f"{corpus}/unlabelled/{video}/{path.stem}",
        corpus=corpus,
        audio_path=str(path),
        video_path=str(path),
        split="unlabelled",
        dialogue_id=f"{corpus}/unlabelled/{video}",
        language="zh-Hans",
        programme=video,
    )


READER = replace(
    ch_sims.READER,
    read=read,
    pattern="meta.csv, and Raw/<video_id>/<clip_id>.mp4, at the root or in ch-simsv2s; and ch-simsv2u beside it",
    expected={"utterances/train": 2722, "utterances/valid": 647, "utterances/test": 1034},
    signs=(f"{SUPERVISED}/meta.csv", f"../{SUPERVISED}/meta.csv"),
)
