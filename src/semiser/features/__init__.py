"""One module per feature family: pure functions of decoded input, and the family that the shard map calls."""
