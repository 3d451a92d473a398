"""A first experiment on one's own speech: looks at what is there and writes an env that trains MMMD on it.

Everything in the env is a guess and a line of its own, with the reason beside it, so that it is read and changed.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from semiser.corpora.look import SENTIMENTS, Look, look_at
from semiser.corpora.utterance import Utterance

MOST_FOLDS = 12  # speakers up to which each is tested alone
K = 5
_VALIDATION = ("validation", "valid", "dev", "development", "val")  # names of a part that selects
FEW = 10  # utterances of a class under which its recall says little


@dataclass(frozen=True)
class Draft:
    """An experiment before it is written.

    Attributes:
        name: of the experiment and of its labelled corpus.
        labelled: what is trained on and tested.
        unlabelled: what helps without labels.
        classes: that are trained, and why others are not.
        protocol: who is tested.
    """

    name: str
    labelled: Look
    unlabelled: Look | None
    classes: list[str]
    protocol: dict[str, Any]
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def pile(self) -> str:
        """Name of the unlabelled corpus."""
        return f"{self.name}_unlabelled"


def draft(name: str, labelled: str | Path, unlabelled: str | Path | None = None) -> Draft:
    """Look at the data and decide what can be done with them.

    Args:
        name: of the experiment; letters, digits and _.
        labelled: a folder or a table.
        unlabelled: likewise.

    Raises:
        FileNotFoundError: nothing is at a path.
        ValueError: the name cannot be one, no labels are found, or too few for any protocol; the message says what was
            looked for.
    """
    if not name.isidentifier():
        raise ValueError(f"the name {name!r} is to be a folder and a part of ids: use letters, digits and _ only")
    found = look_at(labelled, name)
    pile = look_at(unlabelled, f"{name}_unlabelled") if unlabelled else None
    _refuse_overlap(found, pile, labelled, unlabelled)
    if not found.rows:
        raise ValueError(f"nothing in {labelled} can be used: {'; '.join(found.rejected) or 'no sound was found'}")
    if not found.emotions:
        raise ValueError(_no_labels(labelled, found))
    protocol = choose_protocol(found)
    classes, left_out = choose_classes(found, protocol)
    if len(classes) < 2:
        raise ValueError(
            f"{labelled}: fewer than two classes can be trained and tested ({found.emotions}): "
            f"{'; '.join(f'{name}: {why}' for name, why in left_out.items())}. Label more utterances"
        )
    return Draft(name, found, pile, classes, protocol, left_out)


def _refuse_overlap(found: Look, pile: Look | None, labelled: str | Path, unlabelled: str | Path | None) -> None:
    """An utterance that is labelled and unlabelled would be heard in training and tested."""
    if pile is None:
        return
    one = {os.path.realpath(found.root / row.audio_path) for row in found.rows}
    both = [row for row in pile.rows if os.path.realpath(pile.root / row.audio_path) in one]
    if both:
        raise ValueError(
            f"{len(both)} sounds such as {both[0].audio_path} are in {labelled} and in {unlabelled}: they would be "
            "heard in training and tested. Give a folder of its own for the unlabelled ones"
        )


def _no_labels(path: str | Path, found: Look) -> str:
    if found.reader == "manifest":
        return (
            f"{path}: no column with emotions was seen among {', '.join(map(repr, found.passed_over)) or 'its columns'}"
            ": name one `emotion`, or give a table that has one"
        )
    example = found.rows[0].audio_path
    if found.reader != "folder":
        return (
            f"{path}: the corpus {found.reader} was read, and none of its {len(found.rows)} utterances has an emotion"
        )
    return (
        f"{path}: no emotion was seen in folders and names of files such as {example}. Give a table with the columns "
        "audio_path, speaker_id and emotion, or write the env by hand with the option `pattern` of the reader folder "
        "(docs/corpora.md)"
    )


def choose_protocol(found: Look) -> dict[str, Any]:
    """The strictest protocol that the data allow: speakers apart where they are known and several."""
    if (official := official_split(found)) is not None:
        return official
    speakers = {row.speaker_id for _, row in found.labelled}
    if not found.all_speakers_known or len(speakers) < 2:
        return {"kind": "k_fold", "k": K, "group": "utterance"}
    return {"kind": "leave_one_speaker_out"} if len(speakers) <= MOST_FOLDS else {"kind": "k_fold", "k": K}


def official_split(found: Look) -> dict[str, Any] | None:
    """The corpus's own parts, where it has them and they keep speakers apart."""
    parts = {part for _, row in found.labelled for _, part in _parts(row)}
    named = {part.lower(): part for part in sorted(parts, reverse=True)}
    train = named.get("train")
    test = named.get("test") or next((named[name] for name in sorted(named) if name.startswith("test")), None)
    if train is None or test is None:
        return None
    heard: dict[tuple[str, str], set[str]] = {}
    for _, row in found.labelled:
        for fold, part in _parts(row):
            heard.setdefault((fold, part), set()).add(row.speaker_id or "")
    shared = any((heard[fold, train] & heard.get((fold, test), set())) - {""} for fold, part in heard if part == train)
    if shared:
        return None
    validation = next((named[name] for name in _VALIDATION if name in named), None)
    own = {"train": train, "validation": validation, "test": test}
    return {"kind": "official_split"} | {name: part for name, part in own.items() if part and part != name}


def _parts(row: Utterance) -> list[tuple[str, str]]:
    """Fold and part of each of the corpus's own folds: `1:train 2:test`, or one without a number."""
    found = re.findall(r"(\d+):(\S+)", row.split or "")
    return found or ([("", row.split)] if row.split else [])


def choose_classes(found: Look, protocol: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """The classes that every fold can train, and why the others are left out."""
    kept, left_out = [], {}
    for name, count in found.emotions.items():
        speakers = {row.speaker_id for label, row in found.labelled if label == name}
        splits = {part for label, row in found.labelled if label == name for _, part in _parts(row)}
        if protocol["kind"] == "official_split":
            wanted = {protocol.get("train", "train"), protocol.get("test", "test")}
            lacking = "" if wanted <= splits else f"not in {' and '.join(sorted(wanted))}"
        elif protocol.get("group") == "utterance":
            lacking = "" if count >= 2 * K else f"{count} utterances are too few for {K} folds"
        else:
            lacking = "" if len(speakers) > 1 else "one speaker alone has it"
        if lacking:
            left_out[name] = lacking
        else:
            kept.append(name)
    return sorted(kept), left_out


def describe(draft: Draft) -> Iterator[str]:
    """What was understood, in lines for a person."""
    found = draft.labelled
    yield f"labelled    {_size(found)}, {len(found.speakers) or 'no'} speakers known"
    yield f"            {', '.join(f'{name} {count}' for name, count in found.emotions.most_common())}"
    yield from _how(found)
    if draft.unlabelled:
        yield f"unlabelled  {_size(draft.unlabelled)}, {len(draft.unlabelled.speakers) or 'no'} speakers known"
        yield from _how(draft.unlabelled)
    for name, why in draft.left_out.items():
        yield f"left out    {name}: {why}"
    for name in draft.classes:
        if found.emotions[name] < FEW:
            yield f"few         {name}: {found.emotions[name]} utterances, its recall will say little"


def _size(found: Look) -> str:
    length = f"{found.hours:.1f} h" if found.hours >= 1 else f"{60 * found.hours:.1f} min"
    said = f"{len(found.rows)} utterances, {length} ({found.shortest_s:.1f} to {found.longest_s:.1f} s)"
    return said + (f", {found.unreadable} of {found.probed} tried are no sound" if found.unreadable else "")


def _how(found: Look) -> Iterator[str]:
    options = found.options
    if found.reader == "manifest":
        yield f"            table {options['file']}, {options.get('encoding', 'UTF-8')}"
        for theirs, ours in options.get("aliases", {}).items():
            yield f"            column {theirs} is {ours}"
        if found.passed_over:
            yield f"            passed over: {', '.join(found.passed_over)}"
    elif found.reader == "folder":
        yield f"            paths {options.get('pattern', 'say nothing')}"
    else:
        yield f"            the layout {found.reader}"
        for theirs, ours in options.get("aliases", {}).items():
            yield f"            column {theirs} is {ours}"
        if "cache" in options:
            yield f"            sound that is embedded is written to {found.root / options['cache']}"
    for reason, count in found.rejected.most_common(3):
        yield f"            {count} cannot be used: {reason}"


# ---- the env


def write_env(draft: Draft, conf: Path, project: Path, command: str) -> Path:
    """Write `conf/<name>/parameters.yml`.

    Args:
        draft: of the experiment.
        conf: folder of the envs.
        project: folder that relative roots start from.
        command: that asked for it, for the first line.

    Raises:
        FileExistsError: there is such an env; nothing is changed.
    """
    folder = conf / draft.name
    if folder.exists():
        raise FileExistsError(
            f"{conf.name}/{draft.name} is there already and is not written over: choose another name, edit it, or "
            "remove it first"
        )
    text = "\n".join(env_lines(draft, project, command)) + "\n"
    folder.mkdir(parents=True)
    path = folder / "parameters.yml"
    path.write_text(text, encoding="utf-8")
    return path


def env_lines(draft: Draft, project: Path, command: str) -> Iterator[str]:
    """The lines of the env."""
    yield f"# {command}: every line is a guess that you may change"
    yield "ingest:"
    yield "  corpora:"
    yield from _corpus(draft.name, draft.labelled, project)
    if draft.unlabelled:
        pile = draft.unlabelled
        facts = {"reader": pile.reader, "root": _shown(pile.root, project)} | (
            {"options": pile.options} if pile.options else {}
        )
        yield f"    {draft.pile}: {_flow(facts)}"
    yield "train_mmmd:"
    yield "  folds:"
    yield f"    corpora: [{draft.name}]"
    if draft.unlabelled:
        unknown = not draft.unlabelled.speakers
        yield f"    unlabelled_corpora: [{draft.pile}]" + (" # nobody in it may be a speaker of the other" * unknown)
    if draft.labelled.by_sentiment:
        names = [{"name": name, "up_to": up_to} for name, up_to in SENTIMENTS.items()]
        names[0]["inclusive"] = False
        yield "    target: sentiment # no emotion is labelled"
        yield f"    discretise: {_flow({'kind': 'levels', 'levels': names})}"
    counts = draft.labelled.emotions
    left = ", ".join(f"{name} ({why})" for name, why in draft.left_out.items())
    yield (
        f"    classes: {_flow(draft.classes)} # {', '.join(str(counts[name]) for name in draft.classes)} utterances"
        + (f"; left out: {left}" if left else "")
    )
    yield f"    protocol: {_flow(draft.protocol)} # {_why(draft)}"
    yield "    validation: {kind: none} # the last epoch is taken, nothing is selected"
    if by_speaker(draft.labelled):
        yield "  scaling: {strategy: speaker} # each by their own mean and deviation; without speaker all together"
    else:
        yield "  scaling: {strategy: global} # by the training part; speakers are not all known"
    several = "[svm, dnn, mixmatch, mmd, mmmd_without_acted, mmmd_half]" if draft.unlabelled else "[svm, dnn, mmd]"
    yield f"  variants: {several} # {'no acted speech is named' if draft.unlabelled else 'nothing is unlabelled'}"
    yield "  mmd: &network {epochs: 30, batch_size: 64, schedule: cosine, input_noise: 1.0, balanced: true}"
    yield "  dnn: *network"


def by_speaker(found: Look) -> bool:
    """Whether features can be scaled by speaker."""
    return found.all_speakers_known and len(found.speakers) > 1


def _why(draft: Draft) -> str:
    kind, speakers = draft.protocol["kind"], len(draft.labelled.speakers)
    if kind == "official_split":
        return "the column split"
    if draft.protocol.get("group") == "utterance":
        return "speakers are not known, the same voice may be trained on and tested" if speakers != 1 else "one speaker"
    return f"{speakers} speakers"


def _corpus(name: str, found: Look, project: Path) -> Iterator[str]:
    shown = _shown(found.root, project)
    if not found.options:
        yield f"    {name}: {_flow({'reader': found.reader, 'root': shown})}"
        return
    yield f"    {name}:"
    yield f"      reader: {found.reader}"
    yield f"      root: {_scalar(shown)}"
    yield "      options:"
    for option, value in found.options.items():
        note = f" # {', '.join(found.passed_over)}" if option == "ignore" else ""
        yield f"        {option}: {_flow(value)}{note}"


def _shown(root: Path, project: Path) -> str:
    """A root as an env has it: relative to the project where it lies in it."""
    root, project = root.resolve(), project.resolve()
    return root.relative_to(project).as_posix() if root.is_relative_to(project) else root.as_posix()


def _flow(value: Any) -> str:
    """YAML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """A YAML scalar, quoted where it could be read as something else."""
    import yaml  # type: ignore[import-untyped]

    plain = re.fullmatch(r"[^\W_][\w ./+-]*", str(value)) is not None and yaml.safe_load(str(value)) == value
    return str(value) if plain else json.dumps(value, ensure_ascii=False)
