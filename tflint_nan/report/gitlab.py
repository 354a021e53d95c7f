"""A code quality report as GitLab reads it from a job's artifacts."""

from __future__ import annotations

import json

from tflint_nan.finding import Severity
from tflint_nan.fingerprint import fingerprints, path_from
from tflint_nan.report import Report

#: GitLab's words: a NaN stops the training, what makes it worse does not.
_SEVERITY = {Severity.ERROR: "critical", Severity.WARNING: "minor"}


def render(report: Report) -> str:
    """A list of objects; paths are relative to the working folder, which is the repository's in a job.

    The format: "Code Quality report format" in GitLab's documentation.
    """
    marks = fingerprints(report.findings, report.lines)
    objects = [
        {
            "description": f"{finding.code} {finding.message}",
            "check_name": finding.code,
            "fingerprint": mark,
            "severity": _SEVERITY[finding.severity],
            "location": {
                "path": path_from(".", finding.filename),
                "lines": dict(zip(("begin", "end"), report.document_rows(finding), strict=True)),
            },
        }
        for finding, mark in zip(report.findings, marks, strict=True)
    ]
    return json.dumps(objects, indent=2) + "\n"
