"""Many files, one result each: looked up or checked, then written. A file that fails stops no other."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from tflint_nan.faults import UNREADABLE, fault
from tflint_nan.files import File
from tflint_nan.job import HERE, Job, Mode, Result, Workers

if TYPE_CHECKING:
    from tflint_nan.cache import Cache

# What reads a program is imported where one is read: a run that finds all of its results has no need of it.


def run(
    files: Sequence[File],
    mode: Mode,
    checked: Callable[[], object] = int,
    cache: Cache | None = None,
    workers: Workers = HERE,
) -> list[Result]:
    """One result for each file, in the same order.

    Files are written when all are checked, so that what one file says of another that it imports does not
    depend on which came first.

    Args:
        files: what is checked.
        mode: what is done with it; a baseline there counts instead of those of the files' configurations.
        checked: called whenever one more file is checked.
        cache: results of files that need no check; those of the others are kept there.
        workers: who checks.

    Raises:
        tflint_nan.baseline.BaselineError: a configuration names a baseline that cannot be read.
        tflint_nan.job.ClusterError: the workers are a cluster's, which cannot do it.
    """
    jobs = _jobs(files, mode)
    results = _looked_up(jobs, cache)
    for _ in results:
        checked()
    waiting = [number for number in range(len(jobs)) if number not in results]
    found = _checked([jobs[number] for number in waiting], cache, workers)
    for number, result in zip(waiting, found, strict=True):
        results[number] = result
        checked()
    settled, together = _settled(jobs, [results[number] for number in range(len(jobs))], mode)
    if mode.write:
        _write_all(jobs, settled, together)
    return settled


def _jobs(files: Sequence[File], mode: Mode) -> list[Job]:
    """What is asked about each file, by its configuration; files with the same one share its settings."""
    settings = [file.config.settings(file.path) for file in files]
    across = {id(one): replace(one, across=True) for one in settings}
    configs = {file.config.baseline: file.config for file in files}
    known = {path: config.known() for path, config in configs.items()}
    return [
        Job(
            str(file.path),
            file.name,
            across[id(one)],
            replace(mode, baseline=mode.baseline or known[file.config.baseline]),
        )
        for file, one in zip(files, settings, strict=True)
    ]


def _looked_up(jobs: Sequence[Job], cache: Cache | None) -> dict[int, Result]:
    """The results that are known, by the numbers of their jobs, where they leave nothing to fix."""
    found = {}
    for number, result in ({} if cache is None else cache.known(jobs)).items():
        mode = jobs[number].mode
        new = result.without(mode.baseline)
        if not any(finding.fix and finding.fix.applicability in mode.applied for finding in new.findings):
            found[number] = new
    return found


def _checked(jobs: Sequence[Job], cache: Cache | None, workers: Workers) -> Iterator[Result]:
    """The results of checks, which are kept as they come, each without what its baseline knows."""
    if not jobs:
        return
    results: Generator[Result, None, None]
    if workers.cluster is not None:
        from tflint_nan import cluster

        results = cluster.check_all(jobs, workers.cluster)
    else:
        from tflint_nan import pool

        results = pool.check_all(jobs, workers.processes)
    try:
        with closing(results):
            for job, result in zip(jobs, results, strict=True):
                if cache is not None:
                    cache.keep(job, result)
                yield result if job.mode.fix else result.without(job.mode.baseline)
    finally:
        if cache is not None:
            cache.write()


def _settled(
    jobs: Sequence[Job], results: list[Result], mode: Mode
) -> tuple[list[Result], list[frozenset[int]]]:
    """The results with the fixes that change several files, and which files those changed together."""
    others = {
        name
        for result in results
        for finding in result.findings
        if finding.fix is not None
        for name in finding.fix.others
    }
    # Where nothing is fixed, a fix of several files of the run is shown as it is.
    if not others or (not mode.fix and others <= {job.name for job in jobs}):
        return results, []
    from tflint_nan.across import settle

    settled = settle(jobs, results)
    return settled.results, settled.together


def _write_all(jobs: Sequence[Job], results: list[Result], together: Sequence[frozenset[int]]) -> None:
    """Write the fixes of all files: of those that were changed together all, or none."""
    alone = set(range(len(jobs))).difference(*together)
    for numbers in (*together, *({number} for number in sorted(alone) if results[number].diff)):
        _write(jobs, results, sorted(numbers))


def _write(jobs: Sequence[Job], results: list[Result], numbers: Sequence[int]) -> None:
    """Write the fixes of files that belong together; where one may not be written, all are as they were."""
    from tflint_nan.check import Surroundings, check_file
    from tflint_nan.overwrite import Change, overwrite

    changed = [number for number in numbers if results[number].diff]
    try:
        overwrite([Change(jobs[n].file, results[n].before, results[n].data) for n in changed])
    except OSError as error:
        names = {jobs[number].file: jobs[number].name for number in changed}
        for number in changed:
            job = jobs[number]
            whose = "" if error.filename == job.file else f"{names[error.filename]} "
            message = f"{whose}cannot be written: {error.strerror or error}"
            refused = fault(UNREADABLE, job.name, message, "the file is as it was")
            unfixed = check_file(replace(job, mode=Mode()), Surroundings()).without(job.mode.baseline)
            results[number] = replace(unfixed, findings=[refused, *unfixed.findings])
