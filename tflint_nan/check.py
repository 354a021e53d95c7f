"""One file in, its result out: read, linted, fixed; nothing is written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tflint_nan.build import Project
from tflint_nan.disk import Disk
from tflint_nan.engine import lint
from tflint_nan.facts import Facts
from tflint_nan.faults import START, UNREADABLE, crash, fault
from tflint_nan.finding import Finding, Place, Rows, Span
from tflint_nan.fix import fix_source, unified_diff
from tflint_nan.garbage import collect_later
from tflint_nan.job import Job, Mode, Result, Settings
from tflint_nan.modules import Modules
from tflint_nan.notebook import NEWLINE
from tflint_nan.screen import Screen, summarised
from tflint_nan.source import Source, SourceError
from tflint_nan.unused import UNUSED


class Surroundings:
    """The files that the files of one run import, each read once."""

    def __init__(self, disk: Disk | None = None, modules: Modules | None = None) -> None:
        """Args:

        disk: where they are, this machine's where none is given.
        modules: what finds them there.
        """
        self.project = Project(disk, modules)
        self.disk = self.project.disk
        self.screen = Screen(self.project.modules)

    def forget(self, path: Path) -> None:
        """Read the file at `path` (absolute) again when it is wanted next."""
        self.project.forget(path)
        self.screen = Screen(self.project.modules)


@collect_later()
def check_file(job: Job, surroundings: Surroundings) -> Result:
    """The result for a file, see `check_source`; nothing is written."""
    path = Path(job.file)
    facts = surroundings.project.facts = Facts(surroundings.disk.digest(path))
    surroundings.screen.summaries = facts.summaries
    try:
        source = Source.read(job.file, surroundings.disk)
    except SourceError as error:
        return Result(job.name, [_unreadable(job.name, error)], facts=facts)
    source.filename = job.name
    result = check_source(source, job.settings, job.mode, surroundings)
    return replace(result, before=source.data if result.diff else b"", facts=facts)


def check_bytes(data: bytes, name: str, settings: Settings, mode: Mode) -> Result:
    """The result for a content that is called `name`; nothing is written."""
    try:
        source = Source.from_bytes(name, data)
    except SourceError as error:
        return Result(name, [_unreadable(name, error)], data=data)
    result = check_source(source, settings, mode, Surroundings())
    return result if mode.fix else result.without(mode.baseline)


def check_source(source: Source, settings: Settings, mode: Mode, surroundings: Surroundings) -> Result:
    """The result for a text; nothing is written.

    The mode's baseline says what is not fixed; without fixes, findings are all there.

    Args:
        source: the text; imports are looked for beside the file that it is called.
        settings: what is looked for.
        mode: what is done with what is found.
        surroundings: the files that it imports; what was read before is not read again.
    """
    try:
        path = surroundings.disk.absolute(source.filename)
        summary = surroundings.project.facts.summary = summarised(source.text)
        judged = UNUSED.code in settings.shown and summary.mentions_noqa
        if not judged and surroundings.screen.leaves_out(path, summary):
            return Result(source.filename, data=source.data, has_tensorflow=False)
        check = partial(wanted, settings=settings, mode=mode, project=surroundings.project)
        if mode.fix:
            fixed = fix_source(source, check, mode.unsafe)
            after, findings, counts = fixed.source, fixed.findings, fixed.counts
            diff = unified_diff(source, after)
        else:
            after, findings, counts, diff = source, check(source), {}, ""
        # It has been parsed, so those who import it need not.
        surroundings.project.keep(path, source)
        findings = sorted([*findings, *_broken_cells(after)], key=lambda finding: finding.sort_key)
        lines, rows = _lines(after, findings, surroundings.disk), _rows(after, findings)
        return Result(source.filename, findings, counts, diff, after.data, lines, rows)
    except SourceError as error:
        finding = _unreadable(source.filename, error, source)
    except Exception as error:
        finding = crash(source.filename, "the check", error)
    return Result(
        source.filename, [finding], data=source.data, lines=_lines(source, [finding], surroundings.disk)
    )


def wanted(source: Source, settings: Settings, mode: Mode, project: Project) -> list[Finding]:
    """The findings of a text; where they are to be fixed, without those that the mode's baseline knows.

    Raises:
        SourceError: the text is not Python.
    """
    findings = lint(source, settings, project)
    if mode.baseline is None or not mode.fix or not findings:
        return findings
    return mode.baseline.unknown(findings, _split(source))


def _unreadable(name: str, error: SourceError, source: Source | None = None) -> Finding:
    cell, position = None, error.position or START
    if source is not None:
        cell, span = source.locate(Span(position, position))
        position = span.start
    return fault(UNREADABLE, name, error.reason, "nothing in this file was checked", position, cell)


def _broken_cells(source: Source) -> Iterator[Finding]:
    for cell in source.broken_cells:
        yield fault(UNREADABLE, source.filename, "not Python", "this cell was not checked", cell=cell)


def _lines(source: Source, findings: Sequence[Finding], disk: Disk) -> dict[Place, list[str]]:
    """The lines of the source, if something is said of it, and of others that chains or fixes lead to."""
    if not findings:
        return {}
    lines = _split(source)
    others = {step.filename for finding in findings for step in finding.related}
    others |= {name for finding in findings if finding.fix is not None for name in finding.fix.others}
    for filename in others - {source.filename}:
        with contextlib.suppress(SourceError):  # It was read before; without it, the place is shown alone.
            lines.update(_split(Source.read(filename, disk)))
    return lines


def _rows(source: Source, findings: Sequence[Finding]) -> Rows:
    places = {(finding.filename, finding.cell) for finding in findings}
    places |= {(step.filename, step.cell) for finding in findings for step in finding.related}
    return {
        (name, cell): source.document_rows(cell)
        for name, cell in places
        if name == source.filename and cell is not None
    }


def _split(source: Source) -> dict[Place, list[str]]:
    if source.is_notebook:
        return {(source.filename, cell.number): NEWLINE.split(cell.text) for cell in source.cells}
    return {(source.filename, None): NEWLINE.split(source.text)}
