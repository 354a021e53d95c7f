"""One line a finding: `path:row:column: CODE message`."""

from __future__ import annotations

from tflint_nan.finding import Finding, Position
from tflint_nan.report import Report
from tflint_nan.report.summary import summary


def place(filename: str, cell: int | None, start: Position) -> str:
    """`path:row:column`, in a notebook `path:cell n:row:column`."""
    inside = "" if cell is None else f"cell {cell}:"
    return f"{filename}:{inside}{start.row}:{start.column}"


def line(finding: Finding) -> str:
    """A finding in one line."""
    where = place(finding.filename, finding.cell, finding.span.start)
    return f"{where}: {finding.code} {finding.message}\n"


def render(report: Report) -> str:
    """The report's lines and the summary."""
    return "".join(line(finding) for finding in report.findings) + summary(report)
