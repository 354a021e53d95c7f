"""Many files on all cores of this machine, one result each, in order."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache

from tflint_nan.check import Surroundings, check_file, collect_rarely
from tflint_nan.faults import crash, log, log_to_stderr
from tflint_nan.job import Job, Result

#: Fewer files than this are faster in one process than in several.
FEW = 8


def _start(level: int) -> None:
    """Prepare a process of the pool; an interrupt is its parent's business, files are never half written."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log_to_stderr(level)
    collect_rarely()


def check_all(jobs: Sequence[Job]) -> Iterator[Result]:
    """One result for each job, in the same order, each as soon as it and those before it are there."""
    collect_rarely()
    workers = min(os.cpu_count() or 1, len(jobs))
    if workers < 2 or len(jobs) < FEW:
        surroundings = Surroundings()
        yield from (check_file(job, surroundings) for job in jobs)
        return
    with ProcessPoolExecutor(workers, initializer=_start, initargs=(log.level,)) as pool:
        futures = [pool.submit(_check_in_pool, job) for job in jobs]
        try:
            for job, future in zip(jobs, futures, strict=True):
                try:
                    result = future.result()
                except BrokenProcessPool:
                    # One file that kills its process takes the others with it: each gets one of its own.
                    result = _check_alone(job)
                yield result
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise


def _check_alone(job: Job) -> Result:
    with ProcessPoolExecutor(1) as pool:
        try:
            return pool.submit(_check_in_pool, job).result()
        except BrokenProcessPool as error:
            return Result(job.name, [crash(job.name, "the process", error)])


def _check_in_pool(job: Job) -> Result:
    return check_file(job, _surroundings())


@cache
def _surroundings() -> Surroundings:
    """Those of a process of the pool, which lives for one run."""
    return Surroundings()
