"""Methods on the same folds, budgets and draws of labels."""
