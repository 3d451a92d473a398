"""`params:final`: the model of an experiment that is meant for new speech."""

from typing import Literal

from semiser.options.base import Options


class FinalOptions(Options):
    """The `final` parameter group.

    Attributes:
        kind: `refit` trains the chosen variant once more on all labelled speech of the experiment; `ensemble` takes the
            models of all folds and seeds, whose probabilities are averaged, and trains nothing; `none` makes no final
            model.
        model: what is chosen: a pipeline, `train_mmmd`, which takes the variant that did best in the cross-validation,
            or `<pipeline>/<variant>` as metrics.json names it. None: the pipeline of the only training that the
            experiment configures; where there are several, no final model is made until one is named.
    """

    kind: Literal["refit", "ensemble", "none"] = "refit"
    model: str | None = None
