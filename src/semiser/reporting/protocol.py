"""The protocol of one variant, where a system has several tasks or feature sets with folds of their own."""

from collections.abc import Mapping
from typing import Any


def protocol_of(protocol: Mapping[str, Any], variant: str) -> dict[str, Any]:
    """What holds for all variants and, over it, what holds for the variant's setting and task.

    Args:
        protocol: of metrics.json; `settings` has protocols by the name of an experiment, which ends in the variant's
            settings, and `tasks` by the name of a task.
        variant: name with its settings, `<name>/task=<task>/...`.
    """
    _, _, setting = variant.partition("/")
    values = dict(part.split("=", 1) for part in setting.split("/") if "=" in part)
    own = (facts for name, facts in (protocol.get("settings") or {}).items() if setting and name.endswith(setting))
    return {**protocol, **next(own, {}), **(protocol.get("tasks") or {}).get(values.get("task"), {})}
