"""What the systems share: folds, scaling, the data of a fold, seeds, checkpoints, the experiment loop."""
