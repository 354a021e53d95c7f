"""When Python looks for garbage."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


def collect_rarely() -> None:
    """Let this process look for garbage seldom: trees make many objects, and cycles only a file at a time.

    Python's own thresholds cost a third of the time of a check of many files, and a tenth of the
    start, so this comes before what takes long to import. Never to look at the oldest objects would save one
    percent, and cost a fifth of the memory: what is left of a file has grown old.
    """
    gc.set_threshold(1_000_000, 10, 2)
    # When Python ends it looks at everything once more, a sixth of the time of a check of one file.
    atexit.register(gc.freeze)


def keep() -> None:
    """What is loaded stays: the collector need not look at it, nor the system copy it for a new process."""
    gc.freeze()


@contextmanager
def collect_later() -> Iterator[None]:
    """Look for no garbage while a text is read: it makes little, and a sixth of the time went there."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def collect() -> None:
    """Look for garbage now: what one answer leaves takes 30 ms, what twenty leave half a second."""
    gc.collect()
