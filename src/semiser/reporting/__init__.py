"""The report: what an experiment left, as one page, with our figures beside the published ones."""
