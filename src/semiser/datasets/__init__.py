"""Kedro datasets of our own, only where kedro-datasets has none."""
