"""A trained model on new speech: `semiser.load(card).predict(path)`."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from semiser.data.pooling import pool
from semiser.data.scaling import Scaler
from semiser.features.family import Family
from semiser.options.engine import EngineOptions
from semiser.options.features import FeaturesOptions
from semiser.options.predict import CutOptions, PredictOptions
from semiser.prediction.cutting import cut_long
from semiser.prediction.features import Block, ComputedFeatures, make_family
from semiser.prediction.final import CARD, is_final, locate, read_final
from semiser.prediction.loaded import Loaded, Step, load_network, read_card
from semiser.prediction.scaling import INPUT, TRAINING, choose_strategies, own_statistics, scale_bands
from semiser.prediction.sources import CORPUS, find_sources

logger = logging.getLogger(__name__)
_DEFAULTS, _NO_PLACES = PredictOptions(), FeaturesOptions()
NOT_FINITE = "the model gives no finite probabilities: the features are far beyond those of its training"
OwnScalers = Mapping[str | None, Mapping[str, Scaler]]  # speaker -> column -> scaler; None: who is not named


class Model:
    """A trained model.

    Attributes:
        card: what the model's training wrote about it; of an ensemble, that of its first model.
        final: the card of an experiment's final model, None of any other.
        classes: names in the order of the probabilities.
        families: the feature families that it needs, by name: version, options and libraries, as in training.
    """

    def __init__(self, card: str | Path):
        """Load the model.

        Args:
            card: `card.json` of a trained model, or the folder that it lies in, or the name of an experiment, whose
                final model it is.
        """
        path = locate(card)
        folder = path if path.is_dir() else path.parent
        self.final = read_final(folder) if is_final(folder) else None
        places = [folder / member.folder for member in self.final.members] if self.final else [path]
        cards = [read_card(place) for place in places]
        self.card, self._folder = cards[0]
        self._members = [load_network(*found) for found in cards]
        self._loaded = self._members[0]
        self.classes = self._loaded.classes
        self._check_members(places, [read for read, _ in cards])
        facts = {column: self.card["families"][column] for column in self._loaded.columns}
        self._family_of = {column: made["family"] for column, made in facts.items()}
        self._pooling = {column: made["pooling"] for column, made in facts.items() if "pooling" in made}
        self.families = {made["family"]: made for made in facts.values()}

    def _check_members(self, places: Sequence[Path], cards: Sequence[Mapping[str, Any]]) -> None:
        """Refuse models whose average means nothing, and a final card that speaks of others.

        Raises:
            ValueError: classes or features of one are others.
        """
        wanted = self.final.classes if self.final else self.classes
        for place, card, loaded in zip(places, cards, self._members, strict=True):
            if loaded.classes != wanted:
                raise ValueError(
                    f"{place / CARD}: the classes {', '.join(loaded.classes)} are not those of the final model, "
                    f"{', '.join(wanted)}, in their order: copy the folder as a whole, or run the training again"
                )
            if card["families"] != self.card["families"]:
                raise ValueError(
                    f"{place / CARD}: its features are made otherwise than those of {places[0] / CARD}, with which it "
                    "is averaged: copy the folder as a whole, or run the training again"
                )

    def __repr__(self) -> str:
        if self.final is None:
            return f"<Model of {self.card['system']}: {', '.join(self.classes)}>"
        what, expected = f"{self.final.title} {self.final.variant} of {self.final.final}", self.final.expected
        return f"<Model {what}: {', '.join(self.classes)}; expected {expected.label} {expected.mean:.3f}>"

    def summary(self) -> str:
        """What the model is, what it was trained on, what it needs, and what to expect of it: lines of text."""
        families = ", ".join(f"{name} (version {facts['version']})" for name, facts in self.families.items())
        scaled = "each speaker by their own statistics" if self._loaded.by_speaker else "by the training's statistics"
        needs = {"classes": ", ".join(self.classes), "features": families, "scaling": scaled}
        if self.final is None:
            made = {"model": f"of the system {self.card['system']}, seed {self.card['seed']}, one fold"}
            return _lines(made | needs | {"expected": "see metrics.json of its experiment; one fold is no estimate"})
        final = self.final
        how = f"{len(final.members)} models, averaged" if final.kind == "ensemble" else "trained on all labelled speech"
        counts = ", ".join(f"{count} {name}" for name, count in final.labelled.items())
        labelled = f"{sum(final.labelled.values())} utterances of {final.speakers} speakers ({counts})"
        made = {
            "model": f"{final.title} {final.variant} ({final.pipeline}) of the experiment {final.final}: {how}",
            "trained on": f"{labelled}; {final.unlabelled} without label",
        }
        return _lines(made | needs | {"expected": final.expected.note})

    def predict(
        self,
        path: str | Path,
        *,
        manifest: Mapping[str, Any] | None = None,
        min_utterances: int = _DEFAULTS.min_utterances,
        features: FeaturesOptions = _NO_PLACES,
        word_vectors: str | Path = _DEFAULTS.word_vectors,
        cut: CutOptions = _DEFAULTS.cut,
        store: str | Path | None = None,
        engine: EngineOptions | None = None,
    ) -> pa.Table:
        """Probabilities of every utterance at a path.

        Features are computed by the families, and with the options, that the model was trained with. What an utterance
        lacks is what it was in training: a transcript or social attribute that is not known is zeros, and named in
        the column `missing`; an utterance without usable audio, or without the face that the model needs, has no
        prediction but a reason.

        Args:
            path: an audio or video file, a folder of them, or a manifest.
            manifest: options of the reader `manifest`.
            min_utterances: that a speaker needs for statistics of their own, see `semiser.prediction.scaling`.
            features: where feature families find weights and dictionaries on this machine, for a model that needs
                them: `FeaturesOptions(dface={"weights": <folder of the network>})`.
            word_vectors: file of the word vectors, for a model that reads text, or a folder that has them among others.
            cut: how recordings are cut that are longer than an utterance; each segment is a row.
            store: folder that keeps the features, so that they are not computed again; None keeps nothing.
            engine: how wide features are computed; as many tasks as processors by default.

        Returns:
            A row per file or manifest line, in the order of their ids: `utterance_id`, `path`, `start_s`, `end_s`,
            `speaker_id`, `prediction`, `probability/<class>` in [0, 1], `scaling` (whose statistics), `missing`, and
            `reason`, which is null where there is a prediction.

        Raises:
            FileNotFoundError: nothing is at the path, or weights or word vectors of a feature are missing.
            ValueError: a folder without a file, a manifest that is not understood, or features that cannot be computed
                as in training.
        """
        families = [self._family(facts, features, word_vectors) for facts in self.families.values()]
        sources = cut_long(find_sources(path, manifest), cut).sources
        rows = [{"utterance_id": f"{CORPUS}/{bad.path}", "audio_path": bad.path, "reason": bad.reason}
                for bad in sources.rejected]  # fmt: skip
        if sources.utterances.num_rows:
            with TemporaryDirectory() as temporary:
                computed = ComputedFeatures(families, sources, store or temporary, engine or EngineOptions())
                found = list(self._predict(computed, min_utterances))
                rows += found
                usable = {row["utterance_id"] for row in found}
                rows += [{**row, "reason": reason} for row, reason in computed.refused(usable)]
        _warn(rows, self._loaded.by_speaker, min_utterances)
        return self._table(rows)

    def _family(self, facts: Mapping[str, Any], features: FeaturesOptions, word_vectors: str | Path) -> Family:
        try:
            return make_family(facts, features, word_vectors)
        except ValueError as error:
            raise ValueError(f"{self._folder / 'card.json'}: {error}") from error

    def _predict(self, computed: ComputedFeatures, min_utterances: int) -> Iterator[dict[str, Any]]:
        """A row per usable utterance.

        The features are read once, and once more for every step whose scaling takes statistics that speakers bring.
        """
        speakers = [row["speaker_id"] for block in computed.blocks({}) for row in block.rows]
        strategies = choose_strategies(speakers, self._loaded.by_speaker, min_utterances)
        bringing = {speaker for speaker, strategy in strategies.items() if strategy != TRAINING}
        for found in zip(*(self._of_member(loaded, computed, bringing) for loaded in self._members), strict=True):
            block, probabilities = found[0][0], np.mean([of_member for _, of_member in found], axis=0)
            for row, missing, values in zip(block.rows, block.missing, probabilities, strict=True):
                result = {"probabilities": values} if np.isfinite(values).all() else {"reason": NOT_FINITE}
                yield {**row, "scaling": strategies[row["speaker_id"]], "missing": missing, **result}

    def _of_member(
        self, loaded: Loaded, computed: ComputedFeatures, bringing: set[str | None]
    ) -> Iterator[tuple[Block, np.ndarray]]:
        """The blocks with the probabilities that one model gives."""
        done: list[_Scaling] = []
        for step in loaded.steps:
            own: OwnScalers = {}
            if step.by_speaker and step.scaling and bringing:
                prepared = (_prepared(block, step) for block in self._blocks(computed, done))
                own = own_statistics(prepared, step.scaling, step.band_axis, step.least_std)
            done.append(_Scaling(step, {speaker: own[speaker] for speaker in bringing & own.keys()}))
        for block in self._blocks(computed, done):
            yield block, loaded.predict(block.features)

    def _blocks(self, computed: ComputedFeatures, done: Sequence["_Scaling"]) -> Iterator[Block]:
        """The features after some steps."""
        for block in computed.blocks(self._family_of):
            block = _pooled(block, self._pooling)
            for scaling in done:
                block = _scaled(_prepared(block, scaling.step), scaling)
            yield block

    def _table(self, rows: list[dict[str, Any]]) -> pa.Table:
        rows = sorted(rows, key=lambda row: row["utterance_id"])

        def column(name: str, kind: pa.DataType) -> pa.Array:
            return pa.array([row.get(name) for row in rows], kind)

        found = [row.get("probabilities") for row in rows]
        best = [None if values is None else self.classes[int(np.argmax(values))] for values in found]
        columns = {
            "utterance_id": pa.array([row["utterance_id"].removeprefix(f"{CORPUS}/") for row in rows], pa.string()),
            "path": column("audio_path", pa.string()),
            "start_s": column("start_s", pa.float64()),
            "end_s": column("end_s", pa.float64()),
            "speaker_id": column("speaker_id", pa.string()),
            "prediction": pa.array(best, pa.string()),
        }
        for place, name in enumerate(self.classes):
            values = [None if row is None else float(row[place]) for row in found]
            columns[f"probability/{name}"] = pa.array(values, pa.float64())
        missing = [", ".join(row.get("missing", [])) or None for row in rows]
        columns |= {"scaling": column("scaling", pa.string()), "missing": pa.array(missing, pa.string())}
        return pa.table(columns | {"reason": column("reason", pa.string())})


def _lines(facts: Mapping[str, str]) -> str:
    """Names and texts in two columns."""
    width = max(map(len, facts))
    indent = " " * (width + 2)
    return "\n".join(
        fill(text, 100, initial_indent=f"{name:<{width}}  ", subsequent_indent=indent) for name, text in facts.items()
    )


class _Scaling(NamedTuple):
    """A step with the scalers of the speakers who bring statistics; all others take the training's."""

    step: Step
    own: OwnScalers


def _pooled(block: Block, pooling: Mapping[str, Mapping[str, Any]]) -> Block:
    """Vectors, (1, D), in place of the frames and matrices of some columns, as training made them."""
    made = {
        column: [pool(values, facts)[None] for values in block.features[column]] for column, facts in pooling.items()
    }
    return replace(block, features={**block.features, **made})


def _prepared(block: Block, step: Step) -> Block:
    arrays = list(block.features.values())
    each = [
        step.prepare(row, dict(zip(block.features, values, strict=True)))
        for row, *values in zip(block.rows, *arrays, strict=True)
    ]
    return replace(block, features={column: [values[column] for values in each] for column in each[0]})


def _scaled(block: Block, scaling: _Scaling) -> Block:
    """Each utterance's features by its own scaler; a column that has none stays as it is."""
    step = scaling.step
    scalers = [scaling.own.get(row["speaker_id"], step.scaling) for row in block.rows]
    features = {
        column: [
            scale_bands(values, scaler[column], step.band_axis) if column in scaler else values
            for values, scaler in zip(arrays, scalers, strict=True)
        ]
        for column, arrays in block.features.items()
    }
    return replace(block, features=features)


def _warn(rows: list[dict[str, Any]], by_speaker: bool, min_utterances: int) -> None:
    """Say in the log what the table says row by row, and a reader of its first rows might miss."""
    predicted = [row for row in rows if "probabilities" in row]
    if refused := len(rows) - len(predicted):
        logger.warning("%d of %d inputs have no prediction: the column `reason` says why", refused, len(rows))
    for name, count in Counter(name for row in predicted for name in row["missing"]).items():
        logger.warning("%d of %d utterances have no %s: zeros, as in training", count, len(predicted), name)
    used = Counter(row["scaling"] for row in predicted)
    if by_speaker and used[TRAINING]:
        logger.warning(
            "the model was trained on speakers scaled by their own statistics; %d utterances, whose speaker has fewer "
            "than %d here, are scaled by the training's, which is worse: give more of their speech",
            used[TRAINING], min_utterances,
        )  # fmt: skip
    if used[INPUT]:
        logger.warning(
            "%d utterances name no speaker and are scaled together, as of one: a manifest with speaker_id does better",
            used[INPUT],
        )
