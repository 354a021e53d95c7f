"""Counts for each code, most frequent first."""

from __future__ import annotations

import json
from collections import Counter

from tflint_nan.finding import Applicability
from tflint_nan.report import Report


def render(report: Report, output_format: str) -> str:
    """One line a code with its count; `json` gives a list of objects."""
    counts = Counter((finding.code, finding.name) for finding in report.findings)
    fixable = Counter(
        finding.code
        for finding in report.findings
        if finding.fix and finding.fix.applicability is not Applicability.DISPLAY
    )
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if output_format == "json":
        objects = [
            {"code": code, "name": name, "count": count, "fixable_count": fixable[code]}
            for (code, name), count in rows
        ]
        return json.dumps(objects, indent=2) + "\n"
    width = max((len(str(count)) for _, count in rows), default=0)
    return "".join(
        f"{count:>{width}}  {code}  {name}" + (f" ({fixable[code]} fixable)" if fixable[code] else "") + "\n"
        for (code, name), count in rows
    )
