"""Applies fixes: what does not overlap at once, then lint again, until nothing is left to fix.

A fix is kept only where its result is Python and its finding is gone, and where whatever came in its place
(a softmax by hand becomes `softmax`, and now the `log` around it is one of a softmax) has a fix of its own.
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
    fixing = _Fixing(
        source, lint, (Applicability.SAFE, Applicability.UNSAFE) if unsafe else (Applicability.SAFE,)
    )
    for _ in range(MAX_ROUNDS):
        if not fixing.round():
            break
    return fixing.result()


class _Fixing:
    """The state between two rounds."""

    def __init__(self, source: Source, lint: Lint, wanted: Sequence[Applicability]) -> None:
        self._source = source
        self._lint = lint
        self._wanted = wanted
        self._findings = list(lint(source))
        self._fixed: list[Finding] = []
        #: What tells a finding's fix from others -> why it was undone.
        self._undone: dict[object, str] = {}
        self._texts = {source.text}

    def result(self) -> FixResult:
        reasons = ((finding, self._undone.get(self._key(finding))) for finding in self._findings)
        failed = tuple((finding, reason) for finding, reason in reasons if reason is not None)
        return FixResult(self._source, tuple(self._fixed), tuple(self._findings), failed)

    def round(self) -> bool:
        """Apply what can be applied together; False where nothing is left to try."""
        chosen = self._chosen()
        if not chosen:
            return False
        applied, outcome = chosen, self._attempt(chosen)
        if isinstance(outcome, str):
            for candidate in chosen:
                alone = self._attempt([candidate]) if len(chosen) > 1 else outcome
                if isinstance(alone, str):
                    self._undone[self._key(candidate.finding)] = alone
                elif isinstance(outcome, str):
                    applied, outcome = [candidate], alone
        if not isinstance(outcome, str):
            self._source, self._findings = outcome
            self._texts.add(self._source.text)
            self._fixed += [candidate.finding for candidate in applied]
        return True

    def _key(self, finding: Finding) -> object:
        """The same for a fix wherever in the text it has moved."""
        if finding.fix is None:
            return None
        line = self._source.line(self._source.joined_span(finding.span, finding.cell).start.row)
        return (finding.code, line, finding.fix.message, tuple(edit.content for edit in finding.fix.edits))

    def _chosen(self) -> list[_Candidate]:
        """Fixes to apply together: in the order of the text, without those that clash with an earlier one."""
        chosen: list[_Candidate] = []
        for finding in self._findings:
            if finding.fix is None or finding.fix.applicability not in self._wanted:
                continue
            if self._key(finding) in self._undone:
                continue
            changes = tuple(self._source.changes(finding.fix.edits))
            candidate = _Candidate(finding, changes, _offset(self._source, finding))
            if not any(candidate.clashes(other) for other in chosen):
                chosen.append(candidate)
        return chosen

    def _attempt(self, chosen: Sequence[_Candidate]) -> tuple[Source, list[Finding]] | str:
        """The source with the chosen fixes and its findings, or what is wrong with it."""
        edits = [
            edit for candidate in chosen if candidate.finding.fix for edit in candidate.finding.fix.edits
        ]
        try:
            after = self._source.edit(edits)
            if after.broken_cells != self._source.broken_cells:
                return "the result is not Python"
            remaining = list(self._lint(after))
        except SourceError as error:
            return f"the result is not Python: {error.reason}"
        except ValueError as error:
            return str(error)
        if after.text in self._texts:
            return "it takes back what another fix did"
        return self._harm(chosen, after, remaining) or (after, remaining)

    def _harm(self, chosen: Sequence[_Candidate], after: Source, remaining: Sequence[Finding]) -> str | None:
        """What is as bad as before, or worse."""
        ranges = sorted(change for candidate in chosen for change in candidate.changes)
        before = [(finding.code, _offset(self._source, finding)) for finding in self._findings]
        places = set(before)
        now = [(finding, _origin(ranges, _offset(after, finding))) for finding in remaining]
        for finding, offset in now:
            there = (finding.code, offset) in places or any(candidate.covers(offset) for candidate in chosen)
            if not there and not _has_fix(finding):
                return f"it brings {finding.code} in row {finding.span.start.row}"
        for candidate in chosen:
            old = Counter(code for code, offset in before if candidate.covers(offset))
            own = candidate.finding.code
            if sum(f.code == own for f, offset in now if candidate.covers(offset)) >= old[own]:
                return f"{own} is still there"
            new = Counter(f.code for f, offset in now if candidate.covers(offset) and not _has_fix(f))
            worse = next((code for code in sorted(new) if new[code] > old[code]), None)
            if worse is not None:
                return f"it brings {worse}"
        return None


def _has_fix(finding: Finding) -> bool:
    """Whether a finding is the next step of a repair rather than harm."""
    return finding.fix is not None and finding.fix.applicability is not Applicability.DISPLAY


def _offset(source: Source, finding: Finding) -> int:
    return source.offset(source.joined_span(finding.span, finding.cell).start)


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
