"""EmoBox's metadata of a corpus: `data/<dataset>/fold_1/<dataset>_train_fold_1.jsonl` and its like, beside the sound.

Files as in https://github.com/emo-box/EmoBox (Ma et al., "EmoBox", Interspeech 2024): per fold the lists `train`,
`test` and for some corpora `valid`, objects with `key`, `wav` and `emo`, for one corpus `start_time` and `end_time`.
`label_map.json` has the class of each word. Who speaks stands in `data.seg.wrd.stm` alone (key, channel, speaker).
With one fold `split` is the part (`train`), with several it names the part in each: `1:train 2:test`, of which the
protocol `official_split` makes as many folds. EmoBox splits corpora of fewer than four speakers, or with classes that
speakers have unequally often, without regard to speakers: such folds are named in the log, and are refused later
unless the protocol says `speaker_dependent: true`.
"""

import json
import logging
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from semiser.corpora.files import Misfit
from semiser.corpora.lists import ListOptions, number_of, read_objects, text_of, to_emotion, to_path
from semiser.corpora.reader import Reader
from semiser.corpora.tables import describe_lines
from semiser.corpora.text import find_encoding, is_there, iter_lines, read_text
from semiser.corpora.utterance import Rejected, Utterance

logger = logging.getLogger(__name__)

SPEAKERS = "data.seg.wrd.stm"

_LIST = re.compile(r"(?P<dataset>.+)_(?P<part>train|valid|test)_fold_(?P<fold>\d+)\.jsonl")
_UNKNOWN = {"", "none", "unknown", "null", "nan", "/", "-"}

Parts = dict[str, dict[str, str]]  # of every key: the part by the fold


class EmoBoxOptions(ListOptions):
    """Options of the reader.

    Attributes:
        metadata: EmoBox's folder of the corpus, which holds `fold_1`, relative to the root or absolute; None: the only
            one in `data`.
    """

    metadata: str | None = None


def read(corpus: str, root: Path, options: EmoBoxOptions) -> Iterator[Utterance | Rejected]:
    """Rows of all lists, each utterance once, in the order in which the lists name it.

    Raises:
        FileNotFoundError: there are no lists, or several corpora and none is named, or no speakers.
        ValueError: a list or `label_map.json` cannot be read, or a list names an utterance that another part has.
    """
    folder = _find_metadata(root, options)
    lists = sorted(path for path in folder.glob("fold_*/*.jsonl") if _LIST.fullmatch(path.name))
    if not lists:
        raise FileNotFoundError(f"no <dataset>_train_fold_1.jsonl and its like in {folder.name}/fold_1")
    speakers = _read_speakers(folder)
    parts = _read_parts(lists)
    _mark_shared(corpus, parts, speakers)
    splits = _name_splits(parts)
    described: set[str] = set()
    describe = partial(_describe, corpus, root, options, _read_classes(folder), splits, speakers, described)
    for path in lists:
        yield from describe_lines(corpus, f"{path.parent.name}/{path.name}", read_objects(path), describe)


def _find_metadata(root: Path, options: EmoBoxOptions) -> Path:
    if options.metadata is not None:
        if not (root / options.metadata / "fold_1").is_dir():
            raise FileNotFoundError(f"no fold_1 in {options.metadata}: set the option `metadata` to EmoBox's folder")
        return root / options.metadata
    found = sorted(path.parent for path in root.glob("data/*/fold_1"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise FileNotFoundError(
            f"expected the lists of one corpus in data/<dataset>/fold_1 below {root}, found {names}: name it by the "
            "option `metadata`, such as data/casia"
        )
    return found[0]


def _read_speakers(folder: Path) -> dict[str, str]:
    path = folder / SPEAKERS
    if not is_there(path):
        raise FileNotFoundError(f"no {SPEAKERS} in {folder.name}, which says who speaks: copy it from EmoBox, too")
    with path.open(encoding=find_encoding(path)) as file:
        rows = (line.split() for line in iter_lines(file, path))
        return {row[0]: row[2] for row in rows if len(row) > 2 and row[2].lower() not in _UNKNOWN}


def _read_classes(folder: Path) -> dict[str, str]:
    path = folder / "label_map.json"
    if not is_there(path):
        return {}
    try:
        return {str(word): str(name) for word, name in json.loads(read_text(path)).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"label_map.json of {folder.name} is no JSON object: {error}") from error


def _read_parts(lists: list[Path]) -> Parts:
    """The part of every utterance in every fold."""
    parts: Parts = {}
    for path in lists:
        match = _LIST.fullmatch(path.name)
        assert match is not None  # as they were found
        for _, cells in read_objects(path):
            if isinstance(cells, Misfit) or not isinstance(key := cells.get("key"), str):
                continue  # rejected where the list is described
            already = parts.setdefault(key, {}).setdefault(match["fold"], match["part"])
            if already != match["part"]:
                raise ValueError(f"{path.name}: {key!r} is in {already} of the same fold, too")
    return parts


def _name_splits(parts: Parts) -> dict[str, str]:
    """What the column `split` holds of every key."""
    if len({fold for folds in parts.values() for fold in folds}) == 1:
        return {key: part for key, folds in parts.items() for part in folds.values()}
    return {
        key: " ".join(f"{fold}:{part}" for fold, part in sorted(folds.items(), key=lambda entry: int(entry[0])))
        for key, folds in parts.items()
    }


def _mark_shared(corpus: str, parts: Parts, speakers: dict[str, str]) -> None:
    """Say which folds test speakers that they train or validate on."""
    tested: dict[str, set[str]] = {}
    trained: dict[str, set[str]] = {}
    for key, folds in parts.items():
        for fold, part in folds.items():
            if key in speakers:
                (tested if part == "test" else trained).setdefault(fold, set()).add(speakers[key])
    for fold in sorted(tested, key=int):
        if shared := sorted(tested[fold] & trained.get(fold, set())):
            logger.warning(
                "%s: EmoBox's fold %s tests %d speakers that it trains on, such as %s: the protocol official_split "
                "refuses it without speaker_dependent: true",
                corpus, fold, len(shared), shared[0],
            )  # fmt: skip


def _describe(
    corpus: str,
    root: Path,
    options: EmoBoxOptions,
    classes: dict[str, str],
    splits: dict[str, str],
    speakers: dict[str, str],
    described: set[str],
    cells: dict[str, Any],
) -> Utterance | None:
    key, word = text_of(cells, "key"), text_of(cells, "emo")
    if key not in splits:
        raise Misfit("no key")
    if key in described:
        return None
    described.add(key)
    if cells.get("type", "raw") != "raw":
        raise Misfit(f"type {cells['type']!r}: expected raw, which is sound")
    start, end = number_of(cells, "start_time"), number_of(cells, "end_time")
    if (start is None) != (end is None) or (start is not None and end is not None and not 0 <= start < end):
        raise Misfit(f"start_time {start} and end_time {end}: expected 0 <= start_time < end_time, or neither")
    known = word in options.emotions or word not in classes
    labels = to_emotion(word if known else classes[word or ""], options)
    if word:
        labels["emotion_original"] = word
    return Utterance(
        utterance_id=f"{corpus}/{key}",
        corpus=corpus,
        audio_path=to_path(root, text_of(cells, "wav") or "", options),
        split=splits[key],
        speaker_id=f"{corpus}/{speakers[key]}" if key in speakers else None,
        language=options.language,
        start_s=start,
        end_s=end,
        **labels,
    )


READER = Reader(
    read=read,
    pattern="EmoBox's data/<dataset>/fold_1/<dataset>_train_fold_1.jsonl, and sound where `wav` says",
    example="data/casia/fold_1/casia_train_fold_1.jsonl",
    options=EmoBoxOptions,
    source="its authors, without sound: https://github.com/emo-box/EmoBox",
    signs=("data/*/fold_1/*_train_fold_1.jsonl", "*/fold_1/*_train_fold_1.jsonl", "fold_1/*_train_fold_1.jsonl"),
)
