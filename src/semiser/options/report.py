"""`params:report`: what the report shows beside its own experiment."""

from semiser.options.base import Options


class ReportOptions(Options):
    """The `report` parameter group.

    Attributes:
        experiments: to show side by side: `all`, names, or names with a plus between them, as --params takes no list:
            `casia+emodb`. None: the report's own experiment alone.
    """

    experiments: str | list[str] | None = None

    @property
    def names(self) -> list[str] | None:
        """The experiments by name; None stands for all, an empty list for none."""
        if self.experiments == "all":
            return None
        return self.experiments.split("+") if isinstance(self.experiments, str) else self.experiments or []
