"""Experiments as a person handles them: one run at a time, what was run, how two runs differ, what can go."""
