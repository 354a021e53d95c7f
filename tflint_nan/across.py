"""Fixes that change several files, made one after the other when each file has had its own.

Only files of the run are changed. A fix is kept where every file of it is Python still, its finding is gone,
and no file of the run that rests on one of them has a finding more; else all of them stay as they were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tflint_nan.check import Surroundings, check_file
from tflint_nan.disk import Disk
from tflint_nan.faults import FAULTS
from tflint_nan.finding import Edit, Finding
from tflint_nan.fix import undone, unified_diff
from tflint_nan.imports import unused
from tflint_nan.job import Job, Mode, Result
from tflint_nan.source import Source, SourceError

#: Fixes over several files that are tried for the findings of one file.
_MOST: Final = 50


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of the files of a run.

    Attributes:
        results: one for each file.
        together: the numbers of the files that a fix has changed together: all of them are written, or none.
    """

    results: list[Result]
    together: list[frozenset[int]]


class _Changed(Disk):
    """The files of this machine, some as they will be."""

    def __init__(self, contents: Mapping[Path, bytes]) -> None:
        super().__init__()
        self._contents = contents

    def _content(self, path: Path) -> bytes:
        found = self._contents.get(self.absolute(str(path)))
        return super()._content(path) if found is None else found


def is_across(result: Result) -> bool:
    """Whether a fix of the file's findings changes other files as well."""
    return any(_others(finding) for finding in result.findings)


def alone(job: Job) -> Job:
    """The same, with fixes of the one file only."""
    return replace(job, settings=replace(job.settings, across=False))


def settle(jobs: Sequence[Job], results: Sequence[Result]) -> Settled:
    """Make the fixes that change several files, where fixes are made; nothing is written.

    What cannot be fixed so, since a file is not of the run or the fix was undone, is left to one of its file.

    Args:
        jobs: the run.
        results: what was found, and what was fixed in each file by itself.
    """
    settling = _Settling(jobs, results)
    for number, result in enumerate(results):
        if is_across(result):
            settling.settle(number)
    return Settled(settling.results, [frozenset(group) for group in settling.together])


class _Settling:
    """The files of a run on their way."""

    def __init__(self, jobs: Sequence[Job], results: Sequence[Result]) -> None:
        self.results = list(results)
        self.together: list[set[int]] = []
        self._jobs = jobs
        self._numbers = {Path(job.file): number for number, job in enumerate(jobs)}
        #: The files that are not as they are on the disk.
        self._contents = {Path(job.file): r.data for job, r in zip(jobs, results, strict=True) if r.diff}

    def settle(self, number: int) -> None:
        """Make the fixes of a file that change others as well."""
        job = self._jobs[number]
        failed: list[Finding] = []
        left = self.results[number].findings
        given_up: set[object] = set()
        for _ in range(_MOST if job.mode.fix else 0):
            # Where the text is by now: each fix moves it.
            left = self._found(number, self._contents)
            waiting = (one for one in left if self._may_fix(job, one) and _key(one) not in given_up)
            finding = next(waiting, None)
            if finding is None:
                break
            reason = self._attempt(number, finding)
            if reason is not None:
                given_up.add(_key(finding))
                failed.append(undone(finding, reason))
        if any(_others(finding) and not self._is_later(job, finding) for finding in left):
            self._refresh(number, alone(job))
        if failed:
            result = self.results[number]
            findings = sorted([*result.findings, *failed], key=lambda finding: finding.sort_key)
            self.results[number] = replace(result, findings=findings)

    def _may_fix(self, job: Job, finding: Finding) -> bool:
        """Whether a fix over several files is wanted, and only changes those of the run."""
        wanted = finding.fix is not None and finding.fix.applicability in job.mode.applied
        return wanted and self._is_ours(finding)

    def _is_later(self, job: Job, finding: Finding) -> bool:
        """Whether such a fix is there for another option, or another run."""
        return self._is_ours(finding) and not self._may_fix(job, finding)

    def _is_ours(self, finding: Finding) -> bool:
        others = _others(finding)
        return bool(others) and all(_path(name) in self._numbers for name in others)

    def _found(self, number: int, contents: Mapping[Path, bytes]) -> Sequence[Finding]:
        """The findings of a file where files have these contents."""
        job = self._jobs[number]
        result = check_file(replace(job, mode=Mode()), Surroundings(_Changed(contents)))
        return result.without(job.mode.baseline).findings

    def _attempt(self, number: int, finding: Finding) -> str | None:
        """Make one fix; what is wrong with it, where it is not made."""
        assert finding.fix is not None
        changed: dict[Path, bytes] = {}
        try:
            for name, edits in finding.fix.by_file.items():
                path = Path(self._jobs[number].file) if name is None else _path(name)
                changed[path] = self._edited(path, edits, tidy=name is None)
        except (SourceError, ValueError) as error:
            return str(error)
        after = {**self._contents, **changed}
        resting = self._resting_on(changed)
        for other in resting:
            was, now = (
                Counter(found.code for found in self._found(other, contents))
                for contents in (self._contents, after)
            )
            if other == number and now[finding.code] >= was[finding.code]:
                return f"{finding.code} is still there"
            for code in sorted(now):
                if now[code] > was[code]:
                    return f"it brings {code} to {self._jobs[other].name}"
        self._contents = after
        self._join({self._numbers[path] for path in changed})
        for other in resting:
            self._refresh(other, self._jobs[other])
        return None

    def _edited(self, path: Path, edits: Iterable[Edit], *, tidy: bool) -> bytes:
        """The content of a file with a fix; with `tidy` without imports that it left unused.

        Others may have these from a file that they import.

        Raises:
            SourceError: it would be no Python.
            ValueError: the edits cannot be made.
        """
        before = Source.read(path, _Changed(self._contents))
        after = before.edit(list(edits))
        assert after.tree is not None  # parsed here, where a syntax error is expected
        return after.edit(unused(before, after)).data if tidy else after.data

    def _resting_on(self, changed: Iterable[Path]) -> list[int]:
        """The numbers of the files whose check asks for one of these, and of these themselves."""
        paths = {str(path) for path in changed}
        return [
            number
            for number, (job, result) in enumerate(zip(self._jobs, self.results, strict=True))
            if job.file in paths
            or result.facts is None
            or any(
                answer in paths or not paths.isdisjoint(question)
                for question, answer in result.facts.answers.items()
            )
        ]

    def _join(self, numbers: set[int]) -> None:
        for group in [group for group in self.together if not group.isdisjoint(numbers)]:
            self.together.remove(group)
            numbers |= group
        self.together.append(numbers)

    def _refresh(self, number: int, job: Job) -> None:
        """The result of a file as it is by now, with fixes of its own where these are made."""
        first = self.results[number]
        result = check_file(job, Surroundings(_Changed(self._contents)))
        if not job.mode.fix:
            self.results[number] = result.without(job.mode.baseline)
            return
        before = first.before or first.data
        after = result.data or before  # a file that cannot be read any more is no empty one
        found = Counter(first.fixed) + _codes(first.findings)
        if after != before:
            self._contents[Path(job.file)] = after
        self.results[number] = replace(
            result,
            fixed=dict(sorted((found - _codes(result.findings)).items())),
            diff=_diff(result.filename, before, after),
            data=after,
            before=before if after != before else b"",
        )


def _codes(findings: Iterable[Finding]) -> Counter[str]:
    return Counter(finding.code for finding in findings if finding.code not in FAULTS)


def _others(finding: Finding) -> frozenset[str]:
    """The other files that a finding's fix changes."""
    return frozenset() if finding.fix is None else finding.fix.others


def _path(name: str) -> Path:
    """The absolute path of the file that reports call so."""
    return Disk().absolute(name)


def _key(finding: Finding) -> object:
    """What is the same of a fix wherever its text has moved."""
    assert finding.fix is not None
    return finding.code, finding.fix.message, tuple(edit.content for edit in finding.fix.edits)


def _diff(name: str, before: bytes, after: bytes) -> str:
    if before == after:
        return ""
    return unified_diff(Source.from_bytes(name, before), Source.from_bytes(name, after))
