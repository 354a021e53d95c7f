"""Findings as the protocol's diagnostics, and their fixes as its code actions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from lsprotocol import types as lsp

from tflint_nan.faults import FAULTS
from tflint_nan.finding import Applicability, Edit, Finding, Position, Related, Severity, Span
from tflint_nan.report.pages import url
from tflint_nan.server.texts import Text

NAME = "tflint-nan"
FIX_ALL = "source.fixAll.tflint-nan"
_SEVERITY = {
    Severity.ERROR: lsp.DiagnosticSeverity.Error,
    Severity.WARNING: lsp.DiagnosticSeverity.Warning,
}


def diagnostic(finding: Finding, text: Text) -> lsp.Diagnostic:
    """What the editor shows at the place of a finding."""
    told = [finding.message, f"help: {finding.help}"]
    if finding.witness:
        told.insert(1, f"witness: {finding.witness}")
    page = url(finding.code)
    return lsp.Diagnostic(
        range=text.range(finding.span, finding.cell),
        message="\n".join(told),
        severity=_SEVERITY[finding.severity],
        code=finding.code,
        code_description=None if page is None else lsp.CodeDescription(page),
        source=NAME,
        related_information=[
            lsp.DiagnosticRelatedInformation(_location(step, text), step.message) for step in finding.related
        ],
    )


def _location(step: Related, text: Text) -> lsp.Location:
    if step.filename == text.source.filename:
        return lsp.Location(text.parts[step.cell].uri, text.range(step.span, step.cell))
    start, end = step.span.start, step.span.end
    # Another file: its columns are those of its text, which for Python's names is what UTF-16 has.
    place = lsp.Range(
        lsp.Position(start.row - 1, start.column - 1), lsp.Position(end.row - 1, end.column - 1)
    )
    return lsp.Location(Path(step.filename).absolute().as_uri(), place)


def quick_fixes(
    finding: Finding, text: Text, others: Mapping[str, Text] | None = None
) -> Iterator[lsp.CodeAction]:
    """The fix of a finding, and a comment that silences it.

    Args:
        finding: of the text.
        text: as it was when the fix was made.
        others: the other texts that the fix changes, as they were then; it is left out without one of them.
    """
    shown = [diagnostic(finding, text)]
    texts = others or {}
    fix = finding.fix
    if fix is not None and fix.applicability is not Applicability.DISPLAY and fix.others <= texts.keys():
        safe = fix.applicability is Applicability.SAFE
        changes = [
            change
            for name, edits in fix.by_file.items()
            for change in (text if name is None else texts[name]).changed(edits).document_changes or ()
        ]
        yield lsp.CodeAction(
            title=f"{fix.message} ({finding.code}{'' if safe else ', changes the training'})",
            kind=lsp.CodeActionKind.QuickFix,
            diagnostics=shown,
            is_preferred=safe,
            edit=lsp.WorkspaceEdit(document_changes=changes),
        )
    comment = _silenced(finding, text)
    if comment is not None:
        yield lsp.CodeAction(
            title=f"Silence {finding.code} here",
            kind=lsp.CodeActionKind.QuickFix,
            diagnostics=shown,
            edit=text.changed([comment]),
        )


def _silenced(finding: Finding, text: Text) -> Edit | None:
    """`# noqa: CODE` behind the statement, where no comment stands there yet."""
    row = finding.statement[1]
    lines = text.parts[finding.cell].lines
    if finding.code in FAULTS or row > len(lines):
        return None
    line = lines[row - 1].rstrip("\r\n")
    if "#" in line or line.endswith("\\"):
        return None
    end = Position(row, len(line.rstrip()) + 1)
    return Edit(Span(end, Position(row, len(line) + 1)), f"  # noqa: {finding.code}", finding.cell)
