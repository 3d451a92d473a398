"""Who plays which role: the table of folds."""
