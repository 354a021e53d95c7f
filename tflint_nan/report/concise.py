"""One line a finding: `path:row:column: CODE message`."""

from __future__ import annotations

from tflint_nan.finding import Finding
from tflint_nan.report import Report
from tflint_nan.report.summary import summary


def place(finding: Finding) -> str:
    """`path:row:column`, in a notebook `path:cell n:row:column`."""
    cell = "" if finding.cell is None else f"cell {finding.cell}:"
    return f"{finding.filename}:{cell}{finding.span.start.row}:{finding.span.start.column}"


def render(report: Report) -> str:
    """The report's lines and the summary."""
    lines = [f"{place(finding)}: {finding.code} {finding.message}\n" for finding in report.findings]
    return "".join(lines) + summary(report)
