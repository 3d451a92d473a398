"""From raw corpora to one table of utterances."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.ingest.nodes import ingest_corpora


def create_pipeline() -> Pipeline:
    """The ingest pipeline."""
    return Pipeline(
        [
            Node(
                func=ingest_corpora,
                inputs="params:ingest",
                outputs=["utterances", "quarantine", "ingest_summary"],
                name="ingest_corpora",
                tags="ingest",
            ),
        ]
    )
