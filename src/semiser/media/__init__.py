"""Decoding of what corpora hold: audio here, later video."""
