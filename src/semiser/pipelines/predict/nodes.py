"""Node of predict."""

import logging
from pathlib import Path
from typing import Any

import pyarrow as pa

from semiser.options.engine import EngineOptions
from semiser.options.features import FeaturesOptions
from semiser.options.places import PlacesOptions
from semiser.options.predict import PredictOptions

SHOWN = 4  # digits behind the point in the CSV; the Parquet table has all
logger = logging.getLogger(__name__)


def predict_input(
    options: PredictOptions,
    features: FeaturesOptions,
    engine: EngineOptions,
    places: PlacesOptions,
    expression_network: dict[str, Any] | None,
    dface_network: dict[str, Any] | None,
    *trained: list[dict[str, Any]] | None,
) -> tuple[pa.Table, Any]:
    """Probabilities of every utterance of the input, by a trained model; the same as a table for a CSV.

    Args:
        options: input and model.
        features: where weights and dictionaries lie; their other options are the card's.
        engine: how wide features are computed.
        places: where models lie, and where features are kept, so that they are computed once for all models.
        expression_network, dface_network: cards of the experiment's face networks.
        trained: the experiment's models, and those that its final model is of, by pipeline; None of those that were
            not run.

    Raises:
        ValueError: no input is given, or no such model was trained.
        FileNotFoundError: there is no final model.
    """
    if options.input is None:
        raise ValueError(
            "predict needs an input: `kedro run --pipelines=predict --params predict.input=<file, folder or "
            "manifest>`. It takes the experiment's final model unless predict.model or predict.card names another"
        )
    import semiser
    from semiser.features.registry import with_networks
    from semiser.prediction.choice import choose_model
    from semiser.prediction.final import find_final

    card: str | Path | None = options.card
    models = Path(places.models)
    if card is None and options.model and "/" in options.model:
        rows = [row for rows in trained for row in rows or []]
        card = f"{models}/{choose_model(rows, options.model, options.seed, options.fold)}"
    elif card is None:
        card = find_final(models.parent, options.model or models.name)
    found = semiser.load(card).predict(
        options.input,
        manifest=options.manifest,
        min_utterances=options.min_utterances,
        features=with_networks(features, {"expression": expression_network, "dface": dface_network}),
        word_vectors=options.word_vectors,
        cut=options.cut,
        store=f"{places.features}/predict",
        engine=engine,
    )
    logger.info(
        "%d of %d inputs have a prediction", found["prediction"].length() - found["prediction"].null_count, len(found)
    )
    return found, found.to_pandas().round(SHOWN)
