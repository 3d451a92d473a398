"""`params:places`: folders that nodes work in, shard by shard or fold by fold."""

from semiser.options.base import Options


class PlacesOptions(Options):
    """The `places` parameter group; conf/base makes them of the experiment's name.

    Attributes:
        features: the shards of feature tables, shared by all experiments; a folder or an fsspec path.
        models: the experiment's models, in a folder per pipeline.
        reporting: the experiment's tables and figures, in a folder per pipeline.
    """

    features: str
    models: str
    reporting: str
