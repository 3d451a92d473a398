"""The report: what lies below data/08_reporting as one page, with our figures beside the published ones."""
