"""Protocols, options and names in words for a reader."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from semiser.reporting.protocol import protocol_of

_HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28,}\b")
MOST_NAMED = 8  # entries of a list that are written out


def describe_protocol(protocol: Mapping[str, Any], variant: str = "") -> list[tuple[str, str]]:
    """The protocol as names and values that a person reads; what it does not have is left out.

    Args:
        protocol: of metrics.json.
        variant: whose own protocol stands for all, where tasks differ; the classes are told of every task.
    """
    tasks, protocol = protocol.get("tasks") or {}, protocol_of(protocol, variant)
    of_tasks = "; ".join(f"{name}: {', '.join(facts.get('classes') or ())}" for name, facts in tasks.items())
    budget, statistics = protocol.get("label_budget") or {}, protocol.get("statistics") or {}
    test, seeds = protocol.get("test") or {}, protocol.get("seeds") or ()
    lines = [
        ("trained and tested on", _corpora(protocol.get("corpora"))),
        ("unlabelled", _corpora(protocol.get("unlabelled_corpora"))),
        ("acted", _corpora(protocol.get("acted_corpora"))),
        ("classes", of_tasks or ", ".join(protocol.get("classes") or ())),
        ("folds", describe_folds(protocol.get("protocol"), test.get("folds"))),
        ("tested", f"{test['utterances']:,} utterances in {_count(test['folds'], 'fold')}" if test else ""),
        ("validation", _validation(protocol.get("validation"))),
        ("labels", f"{100 * budget['share']:g} % of the training part" if budget.get("share") else ""),
        ("labels of each class", str(budget.get("per_class") or "")),
        ("further speech of tested speakers", _heard(protocol.get("transductive"))),
        ("scaling", _scaling(protocol.get("scaling"))),
        ("seeds", f"{_count(len(seeds), 'seed')}: {', '.join(map(str, seeds))}" if seeds else ""),
        *((words(name), str(text)) for name, text in statistics.items() if name != "pooled"),  # the page has one UAR
        ("folds hash", str(protocol.get("folds_hash", ""))[:12]),
    ]
    return [(name, text) for name, text in lines if text]


def describe_folds(protocol: Any, folds: int | None) -> str:
    """`5 folds over speakers`, `leave one speaker out (10 folds)`."""
    if not isinstance(protocol, Mapping):
        return words(protocol)
    kind = protocol.get("kind")
    if kind == "k_fold":
        return f"{protocol.get('k')} folds over {protocol.get('group')}s"
    if kind == "cross_corpus":
        heard = "the others heard without labels" if protocol.get("hear_tested") else "the others not heard"
        return f"each corpus trains, each other is tested, its speakers in {protocol.get('parts')} parts, {heard}"
    if kind == "speaker_dependent_share":
        share = f"{100 * protocol.get('train_share', 0):g} %"
        return f"{share} of each speaker's utterances train, the others are tested, {protocol.get('repeats')} times"
    return f"{words(kind)} ({_count(folds, 'fold')})" if folds and kind != "official_split" else words(kind)


def _validation(validation: Any) -> str:
    if not isinstance(validation, Mapping):
        return words(validation)
    kind, count = validation.get("kind"), validation.get("count")
    if kind == "none":
        return "no part of its own: every epoch is trained, the last one counts"
    if kind == "share":
        return f"{100 * validation.get('share', 0):g} % of the training part"
    return f"{_count(count, 'speaker')} of the {'held-out' if kind == 'held_out_speakers' else 'training'} ones"


def _heard(transductive: Any) -> str:
    return (
        "" if transductive is None else "heard without labels in training" if transductive else "kept out of training"
    )


def _scaling(value: Any) -> str:
    if isinstance(value, Mapping):
        of_unlabelled = f"; unlabelled corpora: {value['unlabelled']}" if value.get("unlabelled") else ""
        return f"{_scaling(value.get('strategy'))}{of_unlabelled}"
    return {
        "speaker": "each speaker by their own mean and deviation, tested ones by those of all their tested utterances",
        "global": "by mean and deviation of the training part",
    }.get(value, words(value))


def _corpora(corpora: Any) -> str:
    if not isinstance(corpora, Mapping):
        return ", ".join(corpora or ())
    parts = []
    for name, facts in corpora.items():
        counts = [f"{facts[key]:,} {key}" for key in ("utterances", "speakers") if facts.get(key)]
        parts.append(f"{name} ({', '.join(counts)})" if counts else name)
    return "; ".join(parts)


def words(name: Any) -> str:
    """`k_fold` as `k fold`; nothing for None."""
    return str(name or "").replace("_", " ")


def _count(number: int | None, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def describe_option(value: Any) -> str:
    """An option's value without brackets and quotes; a long list by its first entries, a hash by its first digits."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        described = {name: describe_option(inner) for name, inner in value.items() if inner is not None}
        return ", ".join(f"{words(name)} {text}" for name, text in described.items() if text)
    if isinstance(value, Sequence) and not isinstance(value, str):
        shown = [describe_option(inner) for inner in value[:MOST_NAMED]]
        more = [f"and {len(value) - MOST_NAMED} more"] if len(value) > MOST_NAMED else []
        return ", ".join(shown + more)
    return short_hashes(str(value))


def short_hashes(text: str) -> str:
    """The same with the first twelve digits of every long hash."""
    return _HASH.sub(r"\1…", text)


def format_hours(hours: float) -> str:
    """`2.4 min` below an hour, else `3.10 h`."""
    return f"{60 * hours:.1f} min" if hours < 1 else f"{hours:.2f} h"
