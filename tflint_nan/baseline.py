"""Findings that are known and left for later: written once, and not reported any more.

A baseline is JSON, sorted, so that it can be read and merged line by line. Findings are told by their
fingerprints: those of code that was moved stay known, those of a line that was changed are new.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tflint_nan.faults import FAULTS
from tflint_nan.finding import Finding, Lines
from tflint_nan.fingerprint import fingerprints, path_from

#: The version of the file's form.
FORM = 1
NAME = "tflint-nan-baseline.json"


class BaselineError(Exception):
    """A baseline that cannot be read, in words for the user."""


def render(findings: Sequence[Finding], lines: Lines, folder: Path) -> str:
    """The baseline of these findings, for a file in `folder`; faults of the run are never part of it."""
    marks = fingerprints(findings, lines, str(folder))
    entries = sorted(
        (path_from(str(folder), finding.filename), finding.code, mark)
        for finding, mark in zip(findings, marks, strict=True)
        if finding.code not in FAULTS
    )
    rows = [
        json.dumps({"file": name, "code": code, "fingerprint": mark}, ensure_ascii=True)
        for name, code, mark in entries
    ]
    listed = "[\n    " + ",\n    ".join(rows) + "\n  ]" if rows else "[]"
    return f'{{\n  "version": {FORM},\n  "findings": {listed}\n}}\n'


@dataclass(frozen=True, slots=True)
class Baseline:
    """Known findings: their fingerprints, with file names that are counted from `folder`."""

    folder: Path
    known: frozenset[str]

    def unknown(self, findings: Sequence[Finding], lines: Lines) -> list[Finding]:
        """Those of the findings of one file that are not known; what could not be checked never is."""
        marks = fingerprints(findings, lines, str(self.folder))
        return [
            finding
            for finding, mark in zip(findings, marks, strict=True)
            if mark not in self.known or finding.code in FAULTS
        ]


def read(path: Path) -> Baseline:
    """The baseline in a file.

    Raises:
        BaselineError: it cannot be read, or is no baseline.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise BaselineError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise BaselineError(f"{path}: not JSON: {error}") from error
    version = content.get("version") if isinstance(content, dict) else None
    if version != FORM:
        what = "no baseline" if version is None else f"version {version!r}, and this tool reads {FORM}"
        raise BaselineError(f"{path}: {what}; write one with `tflint-nan baseline`")
    try:
        known = frozenset(str(entry["fingerprint"]) for entry in content["findings"])
    except (KeyError, TypeError) as error:
        raise BaselineError(f"{path}: an entry has no fingerprint") from error
    return Baseline(path.absolute().parent, known)
