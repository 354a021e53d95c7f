"""JUnit's XML, which most CI servers show as test results: a failed test case for each finding."""

from __future__ import annotations

from itertools import groupby
from xml.etree import ElementTree as xml

from tflint_nan.faults import FAULTS
from tflint_nan.finding import Finding
from tflint_nan.fingerprint import path_from
from tflint_nan.report import Report
from tflint_nan.report.concise import line


def render(report: Report) -> str:
    """A suite for each file with findings; where there are none, one suite with one case that passed."""
    root = xml.Element("testsuites", name="tflint-nan")
    for filename, group in groupby(report.findings, key=lambda finding: finding.filename):
        findings = list(group)
        errors = sum(finding.code in FAULTS for finding in findings)
        failures = len(findings) - errors
        suite = _suite(root, path_from(".", filename), len(findings), failures, errors)
        for finding in findings:
            _case(suite, finding)
    if not report.findings:
        suite = _suite(root, "tflint-nan", 1, 0, 0)
        xml.SubElement(suite, "testcase", name="no findings", classname="tflint-nan")
    xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(root, encoding="unicode") + "\n"


def _suite(root: xml.Element, name: str, tests: int, failures: int, errors: int) -> xml.Element:
    counts = {"tests": str(tests), "failures": str(failures), "errors": str(errors)}
    return xml.SubElement(root, "testsuite", {"name": _clean(name), **counts})


def _case(suite: xml.Element, finding: Finding) -> None:
    file, start = suite.attrib["name"], finding.span.start
    where = {"file": file, "line": str(start.row), "column": str(start.column)}
    if finding.cell is not None:
        where["cell"] = str(finding.cell)
    name = {"name": f"{finding.code} {finding.name}", "classname": file}
    case = xml.SubElement(suite, "testcase", {**name, **where})
    kind = "error" if finding.code in FAULTS else "failure"
    detail = xml.SubElement(case, kind, {"message": _clean(finding.message), "type": finding.code})
    told = [line(finding).strip(), f"help: {finding.help}"]
    if finding.witness:
        told.insert(1, f"witness: {finding.witness}")
    detail.text = _clean("\n".join(told))


def _clean(text: str) -> str:
    """The text without the characters that XML 1.0 has no way to write."""
    return "".join(
        char
        if char in "\t\n\r" or "\x20" <= char <= "\ud7ff" or "\ue000" <= char <= "\ufffd" or char > "\uffff"
        else "\N{REPLACEMENT CHARACTER}"
        for char in text
    )
