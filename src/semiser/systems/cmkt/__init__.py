"""CMKT: cross-modal knowledge transfer and semi-supervised learning."""
