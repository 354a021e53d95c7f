"""The objects of the `json` format, each on a line of its own."""

from __future__ import annotations

import json

from tflint_nan.report import Report
from tflint_nan.report.json import as_dict


def render(report: Report) -> str:
    """One line for each finding; nothing where there is none."""
    return "".join(json.dumps(as_dict(finding)) + "\n" for finding in report.findings)
