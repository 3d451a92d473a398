"""A study of the classifier's options on validation speakers; no test row takes part in it."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from semiser import __version__
from semiser.evaluation.report import evaluate
from semiser.folds.table import folds_hash, protocol_facts
from semiser.systems.began.classifier import fit
from semiser.systems.began.encoder import load_feature_map
from semiser.systems.began.options import TrainBeganOptions
from semiser.systems.system import Work
from semiser.training.experiment import run_variant
from semiser.training.tuning import search, validation_as_test

if TYPE_CHECKING:
    from semiser.training.experiment import Experiment


def tune(work: Work[TrainBeganOptions], read: Callable[[Work[TrainBeganOptions]], "Experiment"]) -> dict[str, Any]:
    """The best values of the search space for the emotions, with the first seed.

    Args:
        work: with `options.tune` and the encoder's card.
        read: the experiment on the encoder.
    """
    options, encoder, asked = work.options, work.made["encoder"], work.options.tune
    assert asked
    own = work.training.model_copy(update={"seeds": work.training.seeds[:1], "reuse": False})
    labelled = work.folds.filter(pc.not_equal(work.folds["role"], "unlabelled"))
    validation = validation_as_test(labelled, asked.folds)
    experiment = read(replace(work, folds=validation, training=own))
    shape = load_feature_map(Path(work.models, encoder["folder"]), options.stage, options.cepstrum).map_shape

    def score(values: dict[str, Any]) -> float:
        how = options.tuned(values).fit_options("emotion", shape, encoder["folder"])
        found = run_variant(experiment, "study", fit, how, own)
        facts = protocol_facts(work.folds)
        return evaluate(found.predictions, facts, pairs=[], resamples=1)["variants"]["study"]["uar"]["mean"]

    given = options.model_dump(mode="json")
    facts = {name: given[name] for name in ("scaling", "stage", "cepstrum", "classifier")} | {
        "version": __version__,
        "precision": own.precision,
        "features": experiment.features.digest(np.arange(len(experiment.utterance_ids))).hex(),
        "sampler": given["tune"]["seed"],
        "folds": folds_hash(validation),
        "encoder": encoder["key"],
        "seed": own.seeds[0],
        "space": given["tune"]["space"],
    }
    name = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return search(score, asked, Path(work.models) / "study" / "study.sqlite", name)
