"""Torch modules, built from their options alone; they know nothing of Kedro."""
