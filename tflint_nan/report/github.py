"""Workflow commands that GitHub Actions shows as annotations of the changed files."""

from __future__ import annotations

from tflint_nan.finding import Finding
from tflint_nan.fingerprint import path_from
from tflint_nan.report import Report
from tflint_nan.report.concise import line
from tflint_nan.report.summary import summary


def render(report: Report) -> str:
    """One command for each finding, then the summary.

    The commands' syntax: "Workflow commands for GitHub Actions" in GitHub's documentation.
    """
    commands = (_command(finding, report.document_rows(finding)) for finding in report.findings)
    return "".join(commands) + summary(report)


def _command(finding: Finding, rows: tuple[int, int]) -> str:
    properties = {
        "title": f"tflint-nan ({finding.code})",
        "file": path_from(".", finding.filename),
        "line": str(rows[0]),
        "endLine": str(rows[1]),
    }
    if finding.cell is None:
        start, end = finding.span.start, finding.span.end
        properties |= {"col": str(start.column), "endColumn": str(end.column)}
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{finding.severity.value} {listed}::{_message(line(finding).strip())}\n"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
