"""Trained models on new speech: their cards, the input, its features and scaling, and a loader per system."""
