"""One module per published system: the training algorithm, readable beside the paper."""
