"""Visual knowledge p_v of utterances (CMKT, Section 3.2): what a face network says, in the experiment's classes."""

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset

from semiser.corpora.emotions import EXPRESSIONS
from semiser.folds.table import protocol_facts
from semiser.systems.cmkt.options import SimulatedKnowledge, TrainCmktOptions

logger = logging.getLogger(__name__)


def read_knowledge(
    folds: pa.Table,
    utterances: pa.Table,
    expression: pa.dataset.Dataset | None,
    utterance_ids: Sequence[str],
    options: TrainCmktOptions,
) -> np.ndarray:
    """p_v of the given utterances: float32 of shape (U, C), NaN where there is none.

    Args:
        folds: with the classes, and the true labels that simulated knowledge is drawn from.
        utterances: with `visual_probabilities` where published knowledge is asked for.
        expression: feature table; None where it was not extracted.
        utterance_ids: the experiment's utterances.
        options: kind of knowledge, and the class of each expression.

    Raises:
        ValueError: the feature table is needed and missing.
    """
    classes = protocol_facts(folds)["classes"]
    if options.visual is None:
        return np.full((len(utterance_ids), len(classes)), np.nan, np.float32)
    if isinstance(options.visual, SimulatedKnowledge):
        logger.warning(
            "SIMULATED visual knowledge: p_v is drawn from the true labels with an inconsistency of %g; scores say "
            "nothing about transfer from faces",
            options.visual.inconsistency,
        )
        return simulate_probabilities(_true_labels(folds, utterance_ids), classes, options.visual)
    if options.visual.kind == "published":
        source, column, names = pa.dataset.dataset(utterances), "visual_probabilities", EXPRESSIONS
    elif expression is None:
        raise ValueError(
            "train_cmkt.visual.kind is expression, but the features expression were not extracted: let "
            "features.extract name them (null takes what the trainings need) and run `kedro run --pipelines=features`, "
            "or leave out the variants that need visual knowledge and set visual to null"
        )
    else:
        source, column = expression, "expression"
        names = json.loads(expression.schema.field(column).metadata[b"names"])
    found = read_probabilities(source, column, len(names), utterance_ids)
    return class_probabilities(found, names, options.class_of_expression, classes)


def keep_with_knowledge(
    folds: pa.Table, utterances: pa.Table, expression: pa.dataset.Dataset | None, options: TrainCmktOptions
) -> pa.Table:
    """The folds without unlabelled utterances that have no visual knowledge: X^U is then the same for every variant.

    What is left out is counted by corpus in the protocol, and in the counts of each fold.

    Args:
        folds, utterances, expression, options: as of `read_knowledge`.
    """
    unlabelled = pc.equal(folds["role"], "unlabelled")
    ids = pc.unique(folds.filter(unlabelled)["utterance_id"]).to_pylist()
    known = ~np.isnan(read_knowledge(folds, utterances, expression, ids, options)).any(1)
    without = pa.array([name for name, is_known in zip(ids, known, strict=True) if not is_known], pa.string())
    dropped = pc.and_(unlabelled, pc.is_in(folds["utterance_id"], value_set=without))
    facts = protocol_facts(folds)
    for fold in facts["folds"]:
        own = pc.and_(dropped, pc.equal(folds["fold"], fold["fold"]))
        fold["utterances"]["unlabelled"] -= pc.sum(own).as_py() or 0
    corpora = utterances.filter(pc.is_in(utterances["utterance_id"], value_set=without))["corpus"].to_pylist()
    facts["left_out"] += [
        {"corpus": corpus, "reason": "unlabelled, without visual knowledge", "utterances": count}
        for corpus, count in sorted(Counter(corpora).items())
    ]
    return folds.filter(pc.invert(dropped)).replace_schema_metadata({"protocol": json.dumps(facts, ensure_ascii=False)})


def knowledge_facts(
    folds: pa.Table,
    visual: np.ndarray,
    utterance_ids: Sequence[str],
    options: TrainCmktOptions,
    expression: pa.dataset.Dataset | None = None,
) -> dict[str, Any]:
    """What stands in the protocol about the visual knowledge of the utterances that are unlabelled in some fold.

    Args:
        folds, utterance_ids, options, expression: as of `read_knowledge`.
        visual: what it gave.

    Returns:
        Kind and options; what the face network learnt from (`images`: a reader of face images, or `drawn`), where that
        is known; how many utterances have it and how many not; and `inconsistency`, the share of those with a
        known true label whose visual class is another, None where there is none.
    """
    if options.visual is None:
        return {"visual": None}
    unlabelled = set(folds.filter(pc.equal(folds["role"], "unlabelled"))["utterance_id"].to_pylist())
    inside = np.array([name in unlabelled for name in utterance_ids], bool)
    known = inside & ~np.isnan(visual).any(1)
    classes = np.array(protocol_facts(folds)["classes"])
    truth = np.array(_true_labels(folds, utterance_ids), object)
    judged = known & np.array([name is not None for name in truth], bool)
    wrong = classes[visual[judged].argmax(1)] != truth[judged]
    simulated = isinstance(options.visual, SimulatedKnowledge)
    facts = {
        **({"warning": "SIMULATED from the true labels: no result of a cross-modal transfer"} if simulated else {}),
        **options.visual.model_dump(mode="json"),
        **({} if simulated else {"class_map": options.class_of_expression}),
        **_learned_from(expression, options),
        "unlabelled_utterances": int(inside.sum()),
        "with_knowledge": int(known.sum()),
        "without_face_or_class": int(inside.sum() - known.sum()),
        "inconsistency_with_true_labels": float(wrong.mean()) if len(wrong) else None,
    }
    return {"visual": facts}


def _learned_from(expression: pa.dataset.Dataset | None, options: TrainCmktOptions) -> dict[str, Any]:
    """What stands about the face network in the column of its probabilities."""
    if expression is None or options.visual is None or options.visual.kind != "expression":
        return {}
    found = json.loads((expression.schema.field("expression").metadata or {}).get(b"learned_from", b"{}"))
    if found.get("images") == "drawn":
        found["warning"] = "the face network learnt from DRAWN faces: what it says of real ones means nothing"
    return {"network": found} if found else {}


def _true_labels(folds: pa.Table, utterance_ids: Sequence[str]) -> list[str | None]:
    found = dict(zip(folds["utterance_id"].to_pylist(), folds["true_label"].to_pylist(), strict=True))
    return [found.get(name) for name in utterance_ids]


def class_probabilities(
    expressions: np.ndarray, names: Sequence[str], class_of: Mapping[str, str], classes: Sequence[str]
) -> np.ndarray:
    """Probabilities of expressions -> of classes: the sum over each class's expressions, normalised.

    Args:
        expressions: (N, E); NaN where there is no face.
        names: of the E expressions.
        class_of: expression to class.
        classes: C names in their order.

    Returns:
        float32 of shape (N, C); NaN where there is no face, and where the most probable expression has no class.
    """
    belongs = np.array([[class_of.get(name) == found for found in classes] for name in names], np.float64)  # (E, C)
    sums = np.nan_to_num(expressions.astype(np.float64)) @ belongs
    known = ~np.isnan(expressions).any(1)
    known[known] = belongs[expressions[known].argmax(1)].any(1)
    shares = np.full(sums.shape, np.nan)
    shares[known] = sums[known] / sums[known].sum(1, keepdims=True)
    return shares.astype(np.float32)


def read_probabilities(table: pa.dataset.Dataset, column: str, width: int, utterance_ids: Sequence[str]) -> np.ndarray:
    """A column of probabilities for the given utterances: float32 of shape (N, width), NaN where there is none."""
    place = {name: row for row, name in enumerate(utterance_ids)}
    found = np.full((len(place), width), np.nan, np.float32)
    for batch in table.to_batches(columns=["utterance_id", column]):
        for name, values in zip(batch["utterance_id"].to_pylist(), batch[column].to_pylist(), strict=True):
            if name in place and values is not None:
                found[place[name]] = values
    return found


def simulate_probabilities(
    true_labels: Sequence[str | None], classes: Sequence[str], options: SimulatedKnowledge
) -> np.ndarray:
    """p_v drawn from true labels with a stated confusion: float32 of shape (N, C), NaN where the label is not known.

    The class is the true one, or with probability `inconsistency` one of the others, evenly. Its probability is drawn
    evenly from `confidence`, the rest goes to the others in shares drawn evenly from the simplex.
    """
    random = np.random.default_rng([options.seed, 5181])
    count, width = len(true_labels), len(classes)
    codes = np.array([classes.index(name) if name in classes else -1 for name in true_labels])
    wrong = random.random(count) < options.inconsistency
    shown = np.where(wrong, (codes + random.integers(1, width, count)) % width, codes)
    others = random.dirichlet(np.ones(width - 1), count)  # (N, C - 1)
    confidence = random.uniform(*options.confidence, count)
    found = np.empty((count, width), np.float32)
    for row in range(count):
        found[row] = np.insert(others[row] * (1 - confidence[row]), shown[row], confidence[row])
    found[codes < 0] = np.nan
    return found
