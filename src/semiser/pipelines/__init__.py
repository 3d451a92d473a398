"""Kedro pipelines: thin nodes over the library's rooms."""
