"""`params:runs`: what a run does that finds its experiment taken."""

from semiser.options.base import Options


class RunsOptions(Options):
    """The `runs` parameter group.

    Attributes:
        wait: until the run that has the experiment ends; false refuses at once.
    """

    wait: bool = False
