"""The data of a fold as tensors."""
