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
    options: PredictOptions, features: FeaturesOptions, engine: EngineOptions, places: PlacesOptions
) -> tuple[pa.Table, Any]:
    """Probabilities of every utterance of the input, by the model of the card; the same as a table for a CSV.

    Args:
        options: input and card.
        features: where weights and dictionaries lie; their other options are the card's.
        engine: how wide features are computed.
        places: where the features are kept, so that they are computed once for all models that share them.

    Raises:
        ValueError: input or card is not given.
    """
    if options.input is None or options.card is None:
        raise ValueError(
            "predict needs an input and a model: `kedro run --pipelines=predict --params "
            "predict.input=<file, folder or manifest>,predict.card=<card.json of a trained model>`"
        )
    import semiser

    found = semiser.load(options.card).predict(
        options.input,
        manifest=options.manifest,
        min_utterances=options.min_utterances,
        features=features,
        word_vectors=options.word_vectors,
        store=f"{places.features}/predict",
        engine=engine,
    )
    logger.info(
        "%d of %d inputs have a prediction", found["prediction"].length() - found["prediction"].null_count, len(found)
    )
    return found, found.to_pandas()
