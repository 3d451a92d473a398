"""Which variant becomes the final model, and what score may be expected of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from semiser.options.final import FinalOptions
from semiser.reporting.findings import deciding_metric, find_best, metric_label, task_of
from semiser.reporting.protocol import protocol_of
from semiser.reporting.words import describe_folds


@dataclass(frozen=True)
class Chosen:
    """A variant with its score in the cross-validation.

    Attributes:
        variant: its name in metrics.json.
        metric: that decides.
        figures: mean, interval, per fold.
        protocol: of its task.
        chosen_from: variants that it is the best of; 1 where it was named.
    """

    variant: str
    metric: str
    figures: Mapping[str, Any]
    protocol: Mapping[str, Any]
    chosen_from: int

    def facts(self, kind: str) -> dict[str, Any]:
        """Those of the final model's card that say what was chosen and what to expect."""
        classes = self.protocol.get("classes") or ()
        low, high = self.figures["ci95"]
        folds, seeds = len(self.figures["per_fold"]), len(self.protocol.get("seeds") or [0])
        how = describe_folds(self.protocol.get("protocol"), folds)
        tested = f"{how}, {seeds} seed{'s' * (seeds > 1)}"
        interval = f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else ""
        note = f"{metric_label(self.metric)} {self.figures['mean']:.3f}{interval} in the cross-validation ({tested})."
        if self.chosen_from > 1:
            note += f" It is the best of {self.chosen_from} by this very figure, which is therefore optimistic."
        return {
            "variant": self.variant,
            "kind": kind,
            "expected": {
                "metric": self.metric,
                "label": metric_label(self.metric),
                "mean": self.figures["mean"],
                "ci95": (low, high),
                "chance": 1 / len(classes) if self.metric == "uar" and classes else None,
                "tested": tested,
                "chosen_from": self.chosen_from,
                "note": f"{note} {_OF_KIND[kind]}",
            },
        }


_OF_KIND = {
    "refit": "The model itself has been trained on all of this speech and was tested on none.",
    "ensemble": "It is that of one fold's model; their average was not tested.",
}


def choose(options: FinalOptions, pipeline: str, metrics: Mapping[str, Any]) -> Chosen | None:
    """The variant of a pipeline that becomes the final model.

    Args:
        options: what is wanted.
        pipeline: whose metrics these are.
        metrics: as in metrics.json.

    Returns:
        None where the options want no final model, or that of another pipeline.

    Raises:
        ValueError: the named variant was not scored; the message says which were.
    """
    wanted, _, named = (options.model or "").partition("/")
    if options.kind == "none" or wanted != pipeline:
        return None
    variants = {name: figures for name, figures in metrics["variants"].items() if _predicts_classes(figures)}
    if named and named not in variants:
        raise ValueError(
            f"final.model is {options.model!r}, but {pipeline} has scored {', '.join(variants)}: name one of them, or "
            f"{pipeline} alone for the best"
        )
    if not variants:
        raise ValueError(f"final.model is {options.model!r}, but no variant of {pipeline} predicts classes")
    chosen_from = 1
    if not named:  # the first task; of several shares of the labels, the best
        found = find_best(pipeline, {**metrics, "variants": variants})
        tasks = [_without_share(best.setting) for best in found]
        best = max((best for best in found if _without_share(best.setting) == tasks[0]), key=lambda best: best.mean)
        named = best.best
        chosen_from = sum(_without_share(task_of(name)) == tasks[0] for name in variants)
    metric = deciding_metric({named: variants[named]})
    protocol = protocol_of(metrics["protocol"], named)
    return Chosen(named, metric, variants[named][metric], protocol, chosen_from)


def _predicts_classes(figures: Mapping[str, Any]) -> bool:
    return (figures.get("uar") or {}).get("mean") is not None


def _without_share(setting: str) -> str:
    return "/".join(part for part in setting.split("/") if not part.startswith("share="))
