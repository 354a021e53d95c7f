"""Many files on all cores of this machine, one result each, in order."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.connection import Connection, Pipe, wait

from tflint_nan.check import Surroundings, check_file
from tflint_nan.faults import crash, log, log_to_stderr
from tflint_nan.garbage import collect_rarely, keep
from tflint_nan.job import Job, Result
from tflint_nan.registry import rules

#: Fewer files than this are faster in one process than in several.
FEW = 8
#: Neighbouring files that one process reads: they import the same modules.
RUN = 32
#: Files that a process is given at once: one to work at, and one more, so that it never waits.
AHEAD = 2
#: How often a file is begun whose process is killed: the first time it may have been another's doing.
TRIES = 2
# A fork shares what is loaded, and starts in 10 ms; elsewhere than on Linux, system libraries forbid it.
_CONTEXT = multiprocessing.get_context("fork" if sys.platform == "linux" else None)


def check_all(jobs: Sequence[Job], processes: int | None = None) -> Generator[Result, None, None]:
    """One result for each job, in the same order, each as soon as it and those before it are there.

    A file whose process is killed (by the system that is out of memory, for one) is tried once again in
    another; then it is a NAN901 finding. The others go on meanwhile.

    Args:
        jobs: the files.
        processes: how many read at a time, as many as there are cores where none is given.
    """
    count = min(processes or cores(), len(jobs))
    if count < 2 or len(jobs) < FEW:
        surroundings = Surroundings()
        yield from (check_file(job, surroundings) for job in jobs)
        return
    rules()  # Loaded once, for all who are forked from here.
    pool = _Pool(jobs)
    try:
        pool.start(count)
        yield from pool.results()
    finally:
        pool.stop()


def cores() -> int:
    """The cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Worker:
    """A process with the numbers of its jobs: those it was sent, and those that wait for it here."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.sent: deque[int] = deque()
        self.waiting: deque[int] = deque()
        self.connection, other = Pipe()
        self._process = _CONTEXT.Process(
            target=_work, args=(jobs, other, self.connection, log.level), daemon=True
        )
        with _uninterrupted():
            self._process.start()
        other.close()  # Only the process holds that end now: it closes when the process is gone.

    def send(self) -> None:
        """Send on what waits, as much as the process should have."""
        with contextlib.suppress(OSError):  # It is gone, which shows when its results are asked for.
            while self.waiting and len(self.sent) < AHEAD:
                self.sent.append(self.waiting.popleft())
                self.connection.send(self.sent[-1])

    def stop(self) -> str:
        """End the process; says how it ended."""
        self.connection.close()
        self._process.terminate()
        self._process.join()
        status = self._process.exitcode or 0
        return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


class _Pool:
    """Gives runs of neighbouring files to processes, and in the end half of what one has to who has none."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._runs = deque(range(len(jobs))[start : start + RUN] for start in range(0, len(jobs), RUN))
        self._workers: list[_Worker] = []
        #: Number of a job -> how often its process was killed.
        self._killed: dict[int, int] = {}

    def start(self, count: int) -> None:
        """Start the processes."""
        for _ in range(count):
            self._workers.append(_Worker(self._jobs))

    def stop(self) -> None:
        """End the processes, whatever they do: they write nothing."""
        for worker in self._workers:
            worker.stop()

    def results(self) -> Iterator[Result]:
        """The results in the order of the jobs."""
        done: dict[int, Result] = {}
        for number in range(len(self._jobs)):
            while number not in done:
                for worker in self._workers:
                    self._supply(worker)
                ready = wait([worker.connection for worker in self._workers])
                for index, worker in enumerate(self._workers):
                    if worker.connection not in ready:
                        continue
                    try:
                        result = worker.connection.recv()
                    except (EOFError, OSError):
                        done.update(self._replace(index))
                    else:
                        done[worker.sent.popleft()] = result
            yield done.pop(number)

    def _supply(self, worker: _Worker) -> None:
        if not worker.waiting and self._runs:
            worker.waiting.extend(self._runs.popleft())
        elif not worker.waiting and not worker.sent:
            richest = max(self._workers, key=lambda other: len(other.waiting))
            half = (len(richest.waiting) + 1) // 2
            worker.waiting.extendleft(richest.waiting.pop() for _ in range(half))
        worker.send()

    def _replace(self, index: int) -> dict[int, Result]:
        """Start a process for one that is gone; the result of its file where that is given up."""
        gone = self._workers[index]
        how = gone.stop()
        left = deque((*gone.sent, *gone.waiting))
        given_up = {}
        if gone.sent:
            number = gone.sent[0]
            self._killed[number] = self._killed.get(number, 0) + 1
            if self._killed[number] == TRIES:
                name = self._jobs[left.popleft()].name
                given_up[number] = Result(name, [crash(name, "the process", ChildProcessError(how))])
        self._workers[index] = _Worker(self._jobs)
        self._workers[index].waiting = left
        return given_up


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits, and a process that is started here never hears of it: its parent sees to its end."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(jobs: Sequence[Job], connection: Connection, parent: Connection, level: int) -> None:
    """What a process does: a result for each number that comes, until its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent.close()
    log_to_stderr(level)
    collect_rarely()
    keep()
    surroundings = Surroundings()
    with contextlib.suppress(EOFError, OSError):
        while True:
            connection.send(check_file(jobs[connection.recv()], surroundings))
