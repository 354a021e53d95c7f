"""A list of objects as Ruff's `--output-format json` has them, with `severity`, `related` and `witness`."""

from __future__ import annotations

import json
import os
from typing import Any

from tflint_nan.finding import Finding, Fix, Position, Span
from tflint_nan.report import Report
from tflint_nan.report.pages import url


def render(report: Report) -> str:
    """All findings; file names are absolute, as Ruff's are."""
    # ASCII only: it reads the same in every encoding, also file names that are not text.
    return json.dumps([as_dict(finding) for finding in report.findings], indent=2) + "\n"


def as_dict(finding: Finding) -> dict[str, Any]:
    """One finding as JSON's types."""
    return {
        "cell": finding.cell,
        "code": finding.code,
        **_place(finding.span),
        "filename": _absolute(finding.filename),
        "fix": None if finding.fix is None else _fix(finding.fix),
        "message": finding.message,
        "name": finding.name,
        "noqa_row": finding.statement[1],
        "related": [
            {
                "message": step.message,
                "filename": _absolute(step.filename),
                **_place(step.span),
                **_cell(step.cell),
            }
            for step in finding.related
        ],
        "severity": finding.severity.value,
        "url": url(finding.code),
        "witness": finding.witness,
    }


def _absolute(filename: str) -> str:
    # "-" is standard input.
    return filename if filename == "-" else os.path.abspath(filename)


def _position(position: Position) -> dict[str, int]:
    return {"row": position.row, "column": position.column}


def _place(span: Span) -> dict[str, dict[str, int]]:
    return {"location": _position(span.start), "end_location": _position(span.end)}


def _cell(cell: int | None) -> dict[str, int]:
    # An import goes into another cell than the finding's; Ruff's objects have no word for that.
    return {} if cell is None else {"cell": cell}


def _other(filename: str | None) -> dict[str, str]:
    # A fix may change other files than the finding's; Ruff's do not.
    return {} if filename is None else {"filename": _absolute(filename)}


def _fix(fix: Fix) -> dict[str, Any]:
    return {
        "applicability": fix.applicability.value,
        "message": fix.message,
        "edits": [
            {"content": edit.content, **_place(edit.span), **_cell(edit.cell), **_other(edit.filename)}
            for edit in fix.edits
        ],
    }
