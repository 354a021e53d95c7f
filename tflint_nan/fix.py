"""Applies fixes: what does not overlap at once, then lint again, until nothing is left to fix.

A fix is kept only where its result is Python, its finding is gone, and no finding came that was not there.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tflint_nan.engine import CRASH, fault
from tflint_nan.finding import Applicability, Finding
from tflint_nan.source import Source, SourceError

Lint = Callable[[Source], Sequence[Finding]]
#: More rounds than this only fixes that all want the same new name can need.
MAX_ROUNDS = 100
_ASSIGNED = re.compile(r"^[ \t]*(\w+) = ", re.MULTILINE)
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass(frozen=True, slots=True)
class FixResult:
    """What fixing came to.

    Attributes:
        source: the text with the fixes.
        fixed: the findings whose fixes were applied, as they stood when they were.
        remaining: the findings of `source`.
        failed: those of them whose fix was undone, and why.
    """

    source: Source
    fixed: tuple[Finding, ...]
    remaining: tuple[Finding, ...]
    failed: tuple[tuple[Finding, str], ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Code -> how many findings were fixed, sorted by code."""
        return dict(sorted(Counter(finding.code for finding in self.fixed).items()))

    @property
    def findings(self) -> list[Finding]:
        """What is left to report: what remains, and a NAN901 for each fix that was undone."""
        faults = [
            fault(
                CRASH,
                finding.filename,
                f"the fix of {finding.code} was undone: {reason}",
                "this is a fault in tflint-nan; please report it together with the file",
                finding.span.start,
                finding.cell,
            )
            for finding, reason in self.failed
        ]
        return sorted([*self.remaining, *faults], key=lambda finding: finding.sort_key)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A finding with its fix in offsets of the text, and where the finding begins."""

    finding: Finding
    changes: tuple[tuple[int, int, str], ...]
    start: int

    def clashes(self, other: _Candidate) -> bool:
        """Whether the two cannot be applied together: they touch the same text, or use the same new name."""
        names = {name for _, _, text in self.changes for name in _ASSIGNED.findall(text)}
        if any(name in names for _, _, text in other.changes for name in _ASSIGNED.findall(text)):
            return True
        return any(_touch(a, b) for a in self.changes for b in other.changes)

    def covers(self, offset: int) -> bool:
        """Whether the fix is about the text at `offset`."""
        return offset == self.start or any(
            first <= offset < max(last, first + 1) for first, last, _ in self.changes
        )


def _touch(a: tuple[int, int, str], b: tuple[int, int, str]) -> bool:
    if a[0] == a[1] or b[0] == b[1]:
        return a[0] <= b[1] and b[0] <= a[1]
    return a[0] < b[1] and b[0] < a[1]


def fix_source(source: Source, lint: Lint, unsafe: bool) -> FixResult:
    """Apply the fixes of what `lint` finds, the unsafe ones too where `unsafe`.

    Args:
        source: the text to fix; it is left as it is.
        lint: finds what is wrong with a source.
        unsafe: also apply fixes that change what is trained. Fixes for display are never applied.

    Raises:
        SourceError: `source` is not Python.
    """
    fixed: list[Finding] = []
    undone: dict[object, str] = {}
    findings = list(lint(source))
    for _ in range(MAX_ROUNDS):
        chosen = _chosen(source, findings, unsafe, undone)
        if not chosen:
            break
        applied, outcome = chosen, _applied(source, findings, chosen, lint)
        if isinstance(outcome, str):
            for candidate in chosen:
                alone = _applied(source, findings, [candidate], lint) if len(chosen) > 1 else outcome
                if isinstance(alone, str):
                    undone[_key(source, candidate.finding)] = alone
                elif isinstance(outcome, str):
                    applied, outcome = [candidate], alone
        if not isinstance(outcome, str):
            source, findings = outcome
            fixed += [candidate.finding for candidate in applied]
    failed = ((finding, undone.get(_key(source, finding))) for finding in findings)
    return FixResult(
        source,
        tuple(fixed),
        tuple(findings),
        tuple((finding, reason) for finding, reason in failed if reason is not None),
    )


def _key(source: Source, finding: Finding) -> object:
    """What tells a finding's fix from others, wherever in the text it has moved."""
    if finding.fix is None:
        return None
    line = source.line(source.joined_span(finding.span, finding.cell).start.row)
    return (finding.code, line, finding.fix.message, tuple(edit.content for edit in finding.fix.edits))


def _chosen(
    source: Source, findings: Sequence[Finding], unsafe: bool, undone: dict[object, str]
) -> list[_Candidate]:
    """Fixes to apply together: in the order of the text, without those that clash with an earlier one."""
    wanted = {Applicability.SAFE, Applicability.UNSAFE} if unsafe else {Applicability.SAFE}
    chosen: list[_Candidate] = []
    for finding in findings:
        if finding.fix is None or finding.fix.applicability not in wanted:
            continue
        if _key(source, finding) in undone:
            continue
        changes = tuple(source.changes(finding.fix.edits))
        candidate = _Candidate(finding, changes, _offset(source, finding))
        if not any(candidate.clashes(other) for other in chosen):
            chosen.append(candidate)
    return chosen


def _offset(source: Source, finding: Finding) -> int:
    return source.offset(source.joined_span(finding.span, finding.cell).start)


def _applied(
    source: Source, findings: Sequence[Finding], chosen: Sequence[_Candidate], lint: Lint
) -> tuple[Source, list[Finding]] | str:
    """The source with the chosen fixes and its findings, or what is wrong with it."""
    edits = [edit for candidate in chosen if candidate.finding.fix for edit in candidate.finding.fix.edits]
    try:
        after = source.edit(edits)
        if after.broken_cells != source.broken_cells:
            return "the result is not Python"
        remaining = list(lint(after))
    except SourceError as error:
        return f"the result is not Python: {error.reason}"
    except ValueError as error:
        return str(error)

    ranges = sorted(change for candidate in chosen for change in candidate.changes)
    before = [(finding.code, _offset(source, finding)) for finding in findings]
    there = set(before)
    came: list[tuple[str, int]] = []
    for finding in remaining:
        place = (finding.code, _origin(ranges, _offset(after, finding)))
        came.append(place)
        if place not in there and not any(candidate.covers(place[1]) for candidate in chosen):
            return f"it brings {finding.code} in row {finding.span.start.row}"
    for candidate in chosen:
        old = Counter(code for code, offset in before if candidate.covers(offset))
        new = Counter(code for code, offset in came if candidate.covers(offset))
        own = candidate.finding.code
        if new[own] >= old[own]:
            return f"{own} is still there"
        worse = next((code for code in sorted(new) if new[code] > old[code]), None)
        if worse is not None:
            return f"it brings {worse}"
    return after, remaining


def _origin(ranges: Sequence[tuple[int, int, str]], offset: int) -> int:
    """Where text at `offset` of the edited text was before; new text was where it was put."""
    shift = 0
    for start, end, content in ranges:
        if offset < start + shift:
            break
        if offset < start + shift + len(content):
            return start
        shift += len(content) - (end - start)
    return offset - shift


def unified_diff(before: Source, after: Source) -> str:
    """What changed, as a unified diff; in a notebook, of the text of each changed cell."""
    if not before.is_notebook:
        return "".join(_diff(before.text, after.text, before.filename))
    return "".join(
        line
        for old, new in zip(before.cells, after.cells, strict=True)
        for line in _diff(old.text, new.text, f"{before.filename}:cell {old.number}")
    )


def _diff(before: str, after: str, name: str) -> Iterator[str]:
    for line in difflib.unified_diff(_LINE.findall(before), _LINE.findall(after), name, name):
        yield line if line.endswith(("\n", "\r")) else f"{line}\n\\ No newline at end of file\n"
