"""Many files on the machines of a Dask cluster that is there, one result each, in order."""

from __future__ import annotations

import contextlib
import logging
import pickle
import sys
import threading
import time
import warnings
import zlib
from asyncio import CancelledError
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, NamedTuple

from tflint_nan import __version__
from tflint_nan.cache import tool
from tflint_nan.faults import crash, log
from tflint_nan.garbage import collect_rarely
from tflint_nan.job import ClusterError, Job, Result
from tflint_nan.modules import Modules
from tflint_nan.remote import Question, Reply, Sender, check_sent

if TYPE_CHECKING:
    from distributed import Client, Future

#: Neighbouring files that travel together: they import the same modules.
TOGETHER: Final = 16
#: Pieces of work that a thread of the cluster is given at once, so that it never waits.
AHEAD: Final = 2
#: Seconds until a scheduler that does not answer is given up.
_ANSWER: Final = 10.0
#: Seconds until a cluster without workers is given up.
PATIENCE: Final = 30.0
#: Seconds between two looks at how many workers there are.
_LOOK: Final = 2.0
#: Bytes of stack of the thread that reads: a program nests as deep there as it does in a main thread.
_STACK: Final = 256 * 2**20


class OtherVersion(Exception):
    """A worker is not what its client is; the text says what it is."""


class _Piece(NamedTuple):
    """Numbers of jobs that are done together, with what is known of the questions that they will ask."""

    numbers: tuple[int, ...]
    replies: Mapping[Question, Reply]


def check_all(
    jobs: Sequence[Job], address: str, modules: Modules | None = None
) -> Generator[Result, None, None]:
    """One result for each job, in the same order, each as soon as it and those before it are there.

    The files travel with the work: workers need none of them. What a lost worker had is done by others.
    A file that no worker survives is a NAN901 finding.

    Args:
        jobs: the files.
        address: the scheduler's.
        modules: where the files are, this machine's where nothing is given.

    Raises:
        ClusterError: there is no such cluster, it has no workers, they are of another version, or it is lost.
    """
    if not jobs:
        return
    with _connected(address) as client:
        yield from _Run(client, address, jobs, Modules() if modules is None else modules).results()


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Client]:
    # What Dask has to say of connections is said here in one line.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        from distributed import Client
        from distributed.comm import resolve_address
    except ModuleNotFoundError as error:
        raise ClusterError(f"--dask needs {error.name}: pip install 'tflint-nan[dask]'") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            resolve_address(address)  # A client that is told nonsense waits for a minute before it goes.
            client = Client(address, timeout=_ANSWER, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            reason = str(error).partition("\n")[0] or "no answer"
            raise ClusterError(f"--dask {address}: no such cluster: {reason}") from error
        try:
            yield client
        finally:
            with contextlib.suppress(Exception):
                client.close(timeout=5)


class _Run:
    """Gives pieces of work to a cluster, a few for each of its threads at a time."""

    def __init__(self, client: Client, address: str, jobs: Sequence[Job], modules: Modules) -> None:
        self._client, self._address, self._jobs = client, address, jobs
        self._working = modules.disk.absolute(".")
        self._sender = Sender(modules)
        self._waiting = iter(range(len(jobs)))
        #: Pieces that lacked replies, which they have now.
        self._again: deque[_Piece] = deque()
        #: Files whose workers were lost again and again; each is tried when no other of them is.
        self._suspects: deque[int] = deque()
        self._suspect: Future | None = None
        self._open: dict[Future, _Piece] = {}
        self._finished: SimpleQueue[Future] = SimpleQueue()
        self._threads, self._looked, self._seen = 0, 0.0, time.monotonic()

    def results(self) -> Iterator[Result]:
        """The results in the order of the jobs."""
        done: dict[int, Result] = {}
        try:
            for number in range(len(self._jobs)):
                while number not in done:
                    self._supply()
                    with contextlib.suppress(Empty):
                        done.update(self._results_of(self._finished.get(timeout=_LOOK)))
                yield done.pop(number)
        finally:
            if self._open:
                with contextlib.suppress(Exception):
                    self._client.cancel(list(self._open), force=True)

    def _supply(self) -> None:
        self._look()
        while len(self._open) < AHEAD * self._threads:
            if self._again:
                self._submit(self._again.popleft())
            elif self._suspects and self._suspect is None:
                number = self._suspects.popleft()
                self._suspect = self._submit(self._piece([number]))
            elif numbers := list(islice(self._waiting, TOGETHER)):
                self._submit(self._piece(numbers))
            else:
                return

    def _look(self) -> None:
        """See now and then how many threads there are."""
        now = time.monotonic()
        if self._looked and now - self._looked < _LOOK:
            return
        try:
            self._threads = sum(self._client.nthreads().values())
        except Exception as error:
            raise ClusterError(f"--dask {self._address}: the cluster is lost") from error
        self._looked = time.monotonic()
        if self._threads:
            self._seen = self._looked
        elif self._looked - self._seen > PATIENCE:
            raise ClusterError(f"--dask {self._address}: no workers for {PATIENCE:.0f} seconds")

    def _piece(self, numbers: Iterable[int]) -> _Piece:
        numbers = tuple(numbers)
        return _Piece(numbers, self._sender.guess(self._jobs[number] for number in numbers))

    def _submit(self, piece: _Piece) -> Future:
        jobs = [self._jobs[number] for number in piece.numbers]
        packed = zlib.compress(pickle.dumps((jobs, self._working, piece.replies)), 1)
        # Nothing of it is unpacked where it is only passed on.
        future = self._client.submit(work, _identity(), packed, pure=False)
        self._open[future] = piece
        future.add_done_callback(self._finished.put)
        return future

    def _results_of(self, future: Future) -> dict[int, Result]:
        from distributed import KilledWorker

        if future.status in ("pending", "lost"):
            # It was done, and its worker is gone before anybody had the results: another one does it again.
            future.add_done_callback(self._finished.put)
            return {}
        piece = self._open.pop(future)
        was_suspect = future is self._suspect
        if was_suspect:
            self._suspect = None
        try:
            answers = future.result()
        except KilledWorker:
            if not was_suspect:
                self._suspects.extend(piece.numbers)
                return {}
            (number,) = piece.numbers
            name = self._jobs[number].name
            lost = ChildProcessError("its workers were lost")
            return {number: Result(name, [crash(name, "the process", lost)])}
        except OtherVersion as error:
            raise ClusterError(
                f"--dask {self._address}: a worker has {error}, this is {_identity()}"
            ) from error
        except (Exception, CancelledError) as error:
            if future.status != "error":
                raise ClusterError(f"--dask {self._address}: the cluster is lost") from error
            words = " ".join(f"{type(error).__name__}: {error}".split())
            raise ClusterError(f"--dask {self._address}: a worker failed: {words[:300]}") from error
        return self._sorted_out(piece, answers)

    def _sorted_out(
        self, piece: _Piece, answers: Sequence[Result | frozenset[Question]]
    ) -> dict[int, Result]:
        """The results; what lacked replies is done again with them."""
        results: dict[int, Result] = {}
        questions: set[Question] = set()
        for number, said in zip(piece.numbers, answers, strict=True):
            if isinstance(said, Result):
                results[number] = said
            else:
                questions |= said
        left = tuple(number for number in piece.numbers if number not in results)
        if left:
            log.info("%d files ask for more: %s", len(left), sorted(questions)[:3])
            self._again.append(_Piece(left, {**piece.replies, **self._sender.answer(questions)}))
        return results


# On a worker.


def work(client: str, packed: bytes) -> Sequence[Result | frozenset[Question]]:
    """What becomes of a piece of work.

    Args:
        client: what the client is, see `OtherVersion`.
        packed: the arguments of `remote.check_sent`.

    Raises:
        OtherVersion: this is none of the same version.
    """
    if client != _identity():
        raise OtherVersion(_identity())
    return _reader().submit(_unpacked, packed).result()


def _unpacked(packed: bytes) -> Sequence[Result | frozenset[Question]]:
    jobs, working, replies = pickle.loads(zlib.decompress(packed))
    return check_sent(jobs, working, replies)


@cache
def _reader() -> ThreadPoolExecutor:
    """One thread reads, however many a worker has: Python runs one at a time, and a check sets its limits."""
    collect_rarely()
    before = threading.stack_size(_STACK)
    reader = ThreadPoolExecutor(1, "tflint-nan")
    reader.submit(int).result()
    threading.stack_size(before)
    return reader


@cache
def _identity() -> str:
    version = ".".join(map(str, sys.version_info[:2]))
    return f"tflint-nan {__version__} ({tool()}) on Python {version}"
