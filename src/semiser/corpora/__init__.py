"""One reader per corpus; `utterance` holds the row that every reader yields, `registry` finds a reader by name."""
