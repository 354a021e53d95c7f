"""Applies fixes: what does not overlap at once, then lint again, until nothing is left to fix.

A fix is kept only where its result is Python and its finding is gone, and where whatever came in its place
(a softmax by hand becomes `softmax`, and now the `log` around it is one of a softmax) has a fix of its own.
"""

from __future__ import annotations

import difflib
import logging
import re
import sys
from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import libcst as cst

from tflint_nan.engine import RANK
from tflint_nan.faults import CRASH, fault
from tflint_nan.finding import Applicability, Edit, Finding, risks
from tflint_nan.imports import unused
from tflint_nan.places import children
from tflint_nan.source import Source, SourceError

Lint = Callable[[Source], Sequence[Finding]]
#: Start, end, new text.
Change = tuple[int, int, str]
log = logging.getLogger(__name__)
#: Each round lints once. Most files need two; names that one function lacks and bad fixes take more.
MAX_ROUNDS = 100
_ASSIGNED = re.compile(r"(?:^[ \t]*|, )(\w+)(?=(?:, \w+)* = )", re.MULTILINE)
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass(frozen=True, slots=True)
class FixResult:
    """What fixing came to.

    Attributes:
        source: the text with the fixes.
        found: the findings of the text without them.
        fixed: the findings whose fixes were applied, as they stood when they were.
        remaining: the findings of `source`.
        failed: those of them whose fix was undone, and why.
    """

    source: Source
    found: tuple[Finding, ...]
    fixed: tuple[Finding, ...]
    remaining: tuple[Finding, ...]
    failed: tuple[tuple[Finding, str], ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Code -> how many of the findings are gone, sorted by code."""
        found, remaining = (
            Counter(finding.code for finding in findings) for findings in (self.found, self.remaining)
        )
        return dict(sorted((found - remaining).items()))

    @property
    def findings(self) -> list[Finding]:
        """What is left to report: what remains, and a NAN901 for each fix that was undone."""
        faults = [undone(finding, reason) for finding, reason in self.failed]
        return sorted([*self.remaining, *faults], key=lambda finding: finding.sort_key)


def undone(finding: Finding, reason: str) -> Finding:
    """The NAN901 for a finding whose fix was undone."""
    return fault(
        CRASH,
        finding.filename,
        f"the fix of {finding.code} was undone: {reason}",
        "this is a fault in tflint-nan; please report it together with the file",
        finding.span.start,
        finding.cell,
    )


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A finding with its fix in offsets of the text, and where the finding begins."""

    finding: Finding
    edits: tuple[Edit, ...]
    changes: tuple[Change, ...]
    start: int

    def renamed(self, name: str, other: str) -> _Candidate | None:
        """The same with another new name, None where not every `name` in its text is sure to be that one.

        The name is free where the fix is, so the word is the new name or, in text that the fix moves, an
        attribute, an argument's name, or a part of a string or comment.
        """
        text = "\n".join(content for _, _, content in self.changes)
        assigned = re.findall(rf"\b{name}\b\s+=(?!=)", text)
        if len(assigned) != 1 or re.search("[\"'#]", text):
            return None
        word = re.compile(rf"(?<![\w.]){name}\b(?!=(?!=))")
        return replace(
            self,
            edits=tuple(replace(edit, content=word.sub(other, edit.content)) for edit in self.edits),
            changes=tuple((start, end, word.sub(other, content)) for start, end, content in self.changes),
        )


class _Together:
    """Fixes that can be applied at once: they touch different text, and no two give one name to something."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._taken: list[tuple[int, int]] = []
        #: A new name -> the functions in which fixes speak of it, None for the module.
        self._names: dict[str, set[int | None]] = {}
        self._numbers: Counter[str] = Counter()
        self.chosen: list[_Candidate] = []

    def add(self, candidate: _Candidate) -> None:
        """Take the candidate, unless it clashes with one that is here."""
        if any(self._touches(start, end) for start, end, _ in candidate.changes):
            return
        for name, places in self._new_names(candidate).items():
            other = name
            if _meet(places, self._names.get(name, set())):
                other = self._free(name)
                again = candidate.renamed(name, other)
                if again is None:
                    return
                candidate = again
            self._names.setdefault(other, set()).update(places)
        for start, end, _ in candidate.changes:
            insort(self._taken, (start, end))
        self.chosen.append(candidate)

    def _touches(self, start: int, end: int) -> bool:
        """Whether text is taken; an insertion at the edge of something touches it."""
        index = bisect_right(self._taken, (end, sys.maxsize)) - 1
        while index >= 0 and self._taken[index][1] >= start:
            first, last = self._taken[index]
            if start == end or first == last or (start < last and first < end):
                return True
            index -= 1
        return False

    def _new_names(self, candidate: _Candidate) -> dict[str, set[int | None]]:
        """The names that a fix gives, each with the functions in which it may be read."""
        names = {name for _, _, content in candidate.changes for name in _ASSIGNED.findall(content)}
        places = {self._function(start) for start, _, _ in candidate.changes} if names else set()
        return dict.fromkeys(names, places)

    def _free(self, name: str) -> str:
        """The name with a number that neither the file nor a fix has."""
        stem = re.sub(r"_\d+$", "", name)
        while True:
            self._numbers[stem] += 1
            other = f"{stem}_{self._numbers[stem]}"
            if other not in self._names and other not in self._source.names_in(self._source.tree):
                return other

    def _function(self, offset: int) -> int | None:
        """Where the outermost function around an offset begins."""
        index = bisect_right(self._functions, (offset, sys.maxsize)) - 1
        return self._functions[index][0] if index >= 0 and offset <= self._functions[index][1] else None

    @cached_property
    def _functions(self) -> list[tuple[int, int]]:
        spans = [self._source.span(node.body) for node in _outermost(self._source.tree)]
        return sorted((self._source.offset(span.start), self._source.offset(span.end)) for span in spans)


def _meet(some: set[int | None], others: set[int | None]) -> bool:
    """Whether there is a function in both; every function reads the names of the module."""
    return bool(some and others) and (None in some or None in others or not some.isdisjoint(others))


def _outermost(node: cst.CSTNode) -> Iterator[cst.FunctionDef]:
    if isinstance(node, cst.FunctionDef):
        yield node
    elif not isinstance(node, (cst.BaseExpression, cst.BaseSmallStatement)):
        for child in children(node):
            yield from _outermost(child)


def fix_source(source: Source, lint: Lint, unsafe: bool) -> FixResult:
    """Apply the fixes of what `lint` finds, the unsafe ones too where `unsafe`.

    Args:
        source: the text to fix; it is left as it is.
        lint: finds what is wrong with a source.
        unsafe: also apply fixes that change what is trained. Fixes for display are never applied.

    Raises:
        SourceError: `source` is not Python.
    """
    fixing = _Fixing(source, lint, risks(unsafe))
    for _ in range(MAX_ROUNDS):
        if not fixing.round():
            break
    fixing.tidy()
    return fixing.result()


class _Fixing:
    """The state between two rounds."""

    def __init__(self, source: Source, lint: Lint, wanted: Sequence[Applicability]) -> None:
        self._source = self._first = source
        self._lint = lint
        self._wanted = wanted
        self._findings = self._found = list(lint(source))
        self._fixed: list[Finding] = []
        #: What tells a finding's fix from others -> why it was undone.
        self._undone: dict[object, str] = {}
        self._texts = {source.text}
        #: How many fixes are applied together: half as many where that fails, until the bad one is found.
        self._most = sys.maxsize

    def result(self) -> FixResult:
        remaining: list[Finding] = []
        failed: list[tuple[Finding, str]] = []
        for finding, key in self._keyed():
            reason = self._undone.get(key)
            if isinstance(reason, _OnlyWithUnsafe) and finding.fix is not None:
                finding = replace(finding, fix=replace(finding.fix, applicability=Applicability.UNSAFE))
            elif reason is not None:
                failed.append((finding, reason))
            remaining.append(finding)
        return FixResult(
            self._source, tuple(self._found), tuple(self._fixed), tuple(remaining), tuple(failed)
        )

    def round(self) -> bool:
        """Apply what can be applied together; False where nothing is left to try."""
        chosen = self._chosen()
        if not chosen:
            return False
        outcome = self._attempt([candidate for _, candidate in chosen])
        if not isinstance(outcome, str):
            self._source, self._findings = outcome
            self._texts.add(self._source.text)
            self._fixed += [candidate.finding for _, candidate in chosen]
            self._most *= 2
        elif len(chosen) == 1:
            self._undone[chosen[0][0]] = outcome
        else:
            self._most = len(chosen) // 2
        return True

    def tidy(self) -> None:
        """Take out the imports that the fixes left without a use, if nothing comes of it."""
        edits = unused(self._first, self._source) if self._fixed else []
        if not edits:
            return
        after = self._source.edit(edits)
        try:
            findings = list(self._lint(after))
        except Exception as error:
            log.info("%s: its imports stay", self._source.filename, exc_info=error)
            return
        if sorted(finding.code for finding in findings) == sorted(f.code for f in self._findings):
            self._source, self._findings = after, findings

    def _keyed(self) -> Iterator[tuple[Finding, object]]:
        """The findings, each with what is the same for its fix wherever in the text it has moved."""
        seen: Counter[object] = Counter()
        for finding in self._findings:
            if finding.fix is None:
                yield finding, None
                continue
            row = self._source.joined_span(finding.span, finding.cell).start.row
            contents = tuple(edit.content for edit in finding.fix.edits)
            key = (finding.code, self._source.line(row), finding.fix.message, contents)
            yield finding, (*key, seen[key])
            seen[key] += 1

    def _chosen(self) -> list[tuple[object, _Candidate]]:
        """Fixes to apply together: in the order of the text, without those that clash with an earlier one."""
        together = _Together(self._source)
        keys: dict[int, object] = {}
        for finding, key in self._keyed():
            if finding.fix is None or finding.fix.applicability not in self._wanted or key in self._undone:
                continue
            if finding.fix.others:
                continue  # made by those who know the other files
            try:
                changes = tuple(self._source.changes(finding.fix.edits))
            except ValueError as error:
                self._undone[key] = str(error)
                continue
            keys[id(finding)] = key
            together.add(
                _Candidate(finding, finding.fix.edits, changes, _offset(self._source, finding)),
            )
        return [(keys[id(candidate.finding)], candidate) for candidate in together.chosen[: self._most]]

    def _attempt(self, chosen: Sequence[_Candidate]) -> tuple[Source, list[Finding]] | str:
        """The source with the chosen fixes and its findings, or what is wrong with it."""
        edits = [edit for candidate in chosen for edit in candidate.edits]
        try:
            after = self._source.edit(edits)
            if after.text in self._texts:
                return "it takes back what another fix did"
            if after.broken_cells != self._source.broken_cells:
                return "the result is not Python"
            if not after.data:
                return "nothing is left of the file"
            remaining = list(self._lint(after))
        except SourceError as error:
            return f"the result is not Python: {error.reason}"
        except Exception as error:
            log.info("%s: a fix failed", self._source.filename, exc_info=error)
            return f"{type(error).__name__}: {error}"
        return self._harm(chosen, after, remaining) or (after, remaining)

    def _harm(self, chosen: Sequence[_Candidate], after: Source, remaining: Sequence[Finding]) -> str | None:
        """What is as bad as before, or worse."""
        places = _Places(chosen)
        there = {(finding.code, _offset(self._source, finding)) for finding in self._findings}
        before = Counter(
            (number, finding.code)
            for finding in self._findings
            for number in places.covering(_offset(self._source, finding))
        )
        now: Counter[tuple[int, str]] = Counter()
        unmended: Counter[tuple[int, str]] = Counter()
        left: dict[str, Finding] = {}
        # What breaks is worth a weaker finding: a guard in place of a log of 0 may stop a gradient.
        ranks = [RANK[candidate.finding.level] for candidate in chosen]
        for finding in remaining:
            offset = places.origin(_offset(after, finding))
            covering = places.covering(offset)
            mended = finding.fix is not None and finding.fix.applicability in self._wanted
            known = (finding.code, offset) in there
            if not (covering or mended or known or RANK[finding.level] > max(ranks)):
                return _brought(finding, f"it brings {finding.code} in row {finding.span.start.row}")
            for number in covering:
                now[number, finding.code] += 1
                if not mended and RANK[finding.level] <= ranks[number]:
                    unmended[number, finding.code] += 1
                    left[finding.code] = finding
        for number, candidate in enumerate(chosen):
            own = (number, candidate.finding.code)
            if now[own] >= before[own]:
                return f"{candidate.finding.code} is still there"
        worse = next((key for key in sorted(unmended) if unmended[key] > before[key]), None)
        return None if worse is None else _brought(left[worse[1]], f"it brings {worse[1]}")


class _OnlyWithUnsafe(str):
    """Why a fix was undone that is right as the first of two steps, of which the second is unsafe."""


def _brought(finding: Finding, reason: str) -> str:
    """The reason, for a fix that brings a finding to light which the fixes that are wanted do not mend."""
    unsafe = finding.fix is not None and finding.fix.applicability is Applicability.UNSAFE
    return _OnlyWithUnsafe(reason) if unsafe else reason


class _Places:
    """Where the text of some fixes was, and where text that comes after them was."""

    def __init__(self, chosen: Sequence[_Candidate]) -> None:
        changes = sorted(
            (change, number) for number, candidate in enumerate(chosen) for change in candidate.changes
        )
        self._changes = [change for change, _ in changes]
        self._numbers = [number for _, number in changes]
        self._starts = [start for start, _, _ in self._changes]
        #: Where each change begins in the text with all of them, and the shift of what follows.
        self._new_starts: list[int] = []
        self._shifts = [0]
        for start, end, content in self._changes:
            self._new_starts.append(start + self._shifts[-1])
            self._shifts.append(self._shifts[-1] + len(content) - (end - start))
        self._findings: dict[int, set[int]] = {}
        for number, candidate in enumerate(chosen):
            self._findings.setdefault(candidate.start, set()).add(number)

    def covering(self, offset: int) -> set[int]:
        """The numbers of the fixes that are about the text at `offset`."""
        found = set(self._findings.get(offset, ()))
        index = bisect_right(self._starts, offset) - 1
        while index >= 0:
            start, end, _ = self._changes[index]
            if offset < max(end, start + 1):
                found.add(self._numbers[index])
            if index and self._starts[index - 1] != start:
                break
            index -= 1
        return found

    def origin(self, offset: int) -> int:
        """Where text at `offset` of the edited text was before; new text was where it was put."""
        index = bisect_right(self._new_starts, offset) - 1
        if index >= 0:
            start, _, content = self._changes[index]
            if offset < self._new_starts[index] + len(content):
                return start
        return offset - self._shifts[index + 1]


def _offset(source: Source, finding: Finding) -> int:
    return source.offset(source.joined_span(finding.span, finding.cell).start)


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
