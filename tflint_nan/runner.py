"""Many files, one result each: looked up or checked, then written. One that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from tflint_nan.cache import Cache
from tflint_nan.faults import UNREADABLE, fault
from tflint_nan.files import File
from tflint_nan.job import Job, Mode, Result


def run(
    files: Sequence[File], mode: Mode, checked: Callable[[], object] = int, cache: Cache | None = None
) -> list[Result]:
    """One result for each file, in the same order.

    Files are written when all are checked, so that what one file says of another that it imports does not
    depend on which came first.

    Args:
        files: what is checked.
        mode: what is done with it.
        checked: called whenever one more file is checked.
        cache: results of files that need no check; those of the others are kept there.
    """
    jobs = [Job(str(file.path), file.name, file.config.settings(file.path), mode) for file in files]
    results: dict[int, Result] = {}
    for number, result in ({} if cache is None else cache.known(jobs)).items():
        known = result.without(mode.baseline)
        if not any(finding.fix and finding.fix.applicability in mode.applied for finding in known.findings):
            results[number] = known
            checked()
    waiting = [number for number in range(len(jobs)) if number not in results]
    for number, result in zip(waiting, _checked([jobs[number] for number in waiting], cache), strict=True):
        results[number] = result if mode.fix else result.without(mode.baseline)
        checked()
    return [_written(job, results[number]) if mode.write else results[number] for number, job in enumerate(jobs)]


def _checked(jobs: Sequence[Job], cache: Cache | None) -> Iterator[Result]:
    """The results of checks, which are kept as they come."""
    if not jobs:
        return
    # A run that finds all of its results has no need of the rules, nor of LibCST.
    from tflint_nan.pool import check_all

    try:
        for job, result in zip(jobs, check_all(jobs), strict=True):
            if cache is not None:
                cache.keep(job, result)
            yield result
    finally:
        if cache is not None:
            cache.write()
