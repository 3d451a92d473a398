"""The unit of scale: map a function over shards of utterances; `store` keeps the shards, `engine` runs the map."""
