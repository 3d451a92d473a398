"""The experiments that a report shows side by side."""

import pytest

from semiser.options.report import ReportOptions


@pytest.mark.parametrize(
    "asked, names",
    [(None, []), ("all", None), ("casia", ["casia"]), ("casia+emodb", ["casia", "emodb"]), (["a"], ["a"])],
)
def test_names_may_come_from_a_command_line(asked, names):
    assert ReportOptions(experiments=asked).names == names
