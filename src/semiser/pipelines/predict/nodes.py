"""Node of predict."""

import logging
from typing import Any

import pyarrow as pa

from semiser.options.engine import EngineOptions
from semiser.options.features import FeaturesOptions
from semiser.options.places import PlacesOptions
from semiser.options.predict import PredictOptions

logger = logging.getLogger(__name__)


def predict_input(
    options: PredictOptions,
    features: FeaturesOptions,
    engine: EngineOptions,
    places: PlacesOptions,
    expression_network: dict[str, Any] | None,
    dface_network: dict[str, Any] | None,
    *models: list[dict[str, Any]] | None,
) -> tuple[pa.Table, Any]:
    """Probabilities of every utterance of the input, by a trained model; the same as a table for a CSV.

    Args:
        options: input and model.
        features: where weights and dictionaries lie; their other options are the card's.
        engine: how wide features are computed.
        places: where models lie, and where features are kept, so that they are computed once for all models.
        expression_network, dface_network: cards of the experiment's face networks.
        models: the experiment's models, by pipeline; None of those that were not run.

    Raises:
        ValueError: input or model is not given.
    """
    wanted = options.model if options.card is None else options.card
    if options.input is None or wanted is None:
        raise ValueError(
            "predict needs an input and a model: `kedro run --pipelines=predict --params "
            "predict.input=<file, folder or manifest>,predict.model=train_mmmd/mmd`, or predict.card=<card.json of any "
            "trained model>"
        )
    import semiser
    from semiser.features.registry import with_networks
    from semiser.prediction.choice import choose_model

    card = options.card
    if card is None:
        trained = [row for rows in models for row in rows or []]
        card = f"{places.models}/{choose_model(trained, wanted, options.seed, options.fold)}"
    found = semiser.load(card).predict(
        options.input,
        manifest=options.manifest,
        min_utterances=options.min_utterances,
        features=with_networks(features, {"expression": expression_network, "dface": dface_network}),
        word_vectors=options.word_vectors,
        store=f"{places.features}/predict",
        engine=engine,
    )
    logger.info(
        "%d of %d inputs have a prediction", found["prediction"].length() - found["prediction"].null_count, len(found)
    )
    return found, found.to_pandas()
