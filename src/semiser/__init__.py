"""semiser: semi-supervised speech emotion recognition, from raw corpora to published tables."""

__version__ = "0.1.0"
