"""SARIF 2.1.0 (OASIS, 2020), as GitHub code scanning, Azure DevOps and editors' viewers read it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tflint_nan import HOME, __version__
from tflint_nan.faults import FAULTS
from tflint_nan.finding import Applicability, Finding, Fix, Position, Related, Severity, Span
from tflint_nan.fingerprint import fingerprints, path_from
from tflint_nan.registry import Rule
from tflint_nan.report import Report
from tflint_nan.report.pages import page, pages, url

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
#: What paths in the report are relative to; the reader of a log says where that is on his machine.
ROOT = "SRCROOT"
_LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning"}
#: The name under which SARIF keeps fingerprints of one way of making them.
_FINGERPRINT = "codeAndLine/v1"


def render(report: Report) -> str:
    """One run with the rules that found something, and a result for each finding."""
    found = sorted({finding.code for finding in report.findings})
    rules = [rule for rule in pages() if rule.code in found]
    marks = fingerprints(report.findings, report.lines)
    results = [
        _result(report, finding, found.index(finding.code), mark)
        for finding, mark in zip(report.findings, marks, strict=True)
        if finding.code not in FAULTS
    ]
    faults = [_notification(report, finding) for finding in report.findings if finding.code in FAULTS]
    run = {
        "tool": {
            "driver": {
                "name": "tflint-nan",
                "informationUri": HOME,
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {ROOT: {"uri": Path.cwd().as_uri() + "/"}},
        "invocations": [{"executionSuccessful": not faults, "toolExecutionNotifications": faults}],
        "results": results,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        **({"helpUri": link} if (link := url(rule.code)) else {}),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.summary},
        "help": {"text": page(rule, "text"), "markdown": page(rule, "text")},
        "properties": {"tags": ["numerical-stability"]},
    }


def _result(report: Report, finding: Finding, index: int, mark: str) -> dict[str, Any]:
    place = _location(report, finding)
    related = [{**_location(report, step), "message": {"text": step.message}} for step in finding.related]
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": _LEVEL[finding.severity],
        "message": {"text": _message(finding)},
        "locations": [place],
        "partialFingerprints": {_FINGERPRINT: mark},
    }
    if related:
        result["relatedLocations"] = [{**step, "id": number} for number, step in enumerate(related, 1)]
        result["codeFlows"] = [{"threadFlows": [{"locations": list(_flow(finding, place, related))}]}]
    fix = finding.fix
    # The places of a notebook's fix are in its cells, and SARIF's are in the file.
    if fix is not None and fix.applicability is not Applicability.DISPLAY and finding.cell is None:
        result["fixes"] = [_fix(finding.filename, fix)]
    return result


def _message(finding: Finding) -> str:
    """What happens, how it was shown, and what to do, a sentence each."""
    told = [finding.message, finding.help]
    if finding.witness:
        told.insert(1, f"witness: {finding.witness}")
    return ". ".join(f"{text[:1].upper()}{text[1:]}" for text in told) + "."


def _flow(
    finding: Finding, place: dict[str, Any], related: Iterable[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """From the producer to the sink; a step that stands at the sink is the sink's own."""
    at_sink = _is_sink(finding)
    for step, location in zip(finding.related, related, strict=True):
        if step not in at_sink:
            yield {"location": location}
    words = at_sink[0].message if at_sink else finding.message
    yield {"location": {**place, "message": {"text": words}}}


def _is_sink(finding: Finding) -> list[Related]:
    here = (finding.filename, finding.cell, finding.span)
    return [step for step in finding.related if (step.filename, step.cell, step.span) == here]


def _location(report: Report, where: Finding | Related) -> dict[str, Any]:
    first, last = report.document_rows(where)
    # A column of a cell is another one in the string of the JSON.
    region = _region(where.span) if where.cell is None else {"startLine": first, "endLine": last}
    snippet = {"snippet": {"text": text}} if (text := _text(report, where)) else {}
    place = {
        "physicalLocation": {"artifactLocation": _artifact(where.filename), "region": {**region, **snippet}}
    }
    if where.cell is None:
        return place
    name = f"cell {where.cell}:{where.span.start.row}:{where.span.start.column}"
    return {**place, "logicalLocations": [{"name": name, "kind": "cell"}]}


def _text(report: Report, where: Finding | Related) -> str:
    """The text of the span, in a cell of its whole rows."""
    start, end = where.span.start, where.span.end
    rows = list(report.lines.get((where.filename, where.cell), ())[start.row - 1 : end.row])
    if rows and where.cell is None:
        rows[-1] = rows[-1][: end.column - 1]
        rows[0] = rows[0][start.column - 1 :]
    return "\n".join(rows)


def _artifact(filename: str) -> dict[str, Any]:
    relative = path_from(os.curdir, filename)
    if relative.startswith("../") or os.path.isabs(relative):
        return {"uri": Path(filename).absolute().as_uri()}
    return {"uri": quote(relative, errors="surrogateescape"), "uriBaseId": ROOT}


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.start.row,
        "startColumn": span.start.column,
        "endLine": span.end.row,
        "endColumn": span.end.column,
    }


def _fix(filename: str, fix: Fix) -> dict[str, Any]:
    changes = [
        {
            "artifactLocation": _artifact(name or filename),
            "replacements": [
                {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.content}}
                for edit in edits
            ],
        }
        for name, edits in fix.by_file.items()
    ]
    return {
        "description": {"text": f"{fix.message} ({fix.applicability.value})"},
        "artifactChanges": changes,
    }


def _notification(report: Report, finding: Finding) -> dict[str, Any]:
    """What kept a file from being checked: a fault of the run, no result of it."""
    start = finding.span.start
    whole = replace(finding, span=Span(start, Position(start.row, start.column + 1)))
    return {
        "descriptor": {"id": finding.code},
        "level": "error",
        "message": {"text": finding.message},
        "locations": [_location(report, whole)],
    }
