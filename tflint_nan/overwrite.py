"""New content for files, as a whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """A file, what it holds and what it shall hold."""

    path: str
    before: bytes
    data: bytes


def overwrite(changes: Sequence[Change]) -> None:
    """Replace the content of files: that of all, or of none where one may not be written.

    A link to a file stays one, permissions, owner and extended attributes stay as they are where this process
    may set them. Another name of the same file (a hard link) keeps the old content.

    Raises:
        OSError: a file, its `filename`, may not be written, or holds something else than `before`; all are
            as they were.
    """
    temporaries: list[str] = []
    #: The file, the name of its new content, and that of its old one where others come after it.
    ready: list[tuple[str, str, str | None]] = []
    replaced: list[tuple[str, str | None]] = []
    try:
        for number, change in enumerate(changes, 1):
            with _named(change.path):
                real = os.path.realpath(change.path)
                new = _prepared(real, change.data, temporaries)
                os.utime(new)  # It is new, for those who compare times.
                # What was written can be put back without room on the disk.
                old = _prepared(real, change.before, temporaries) if number < len(changes) else None
                ready.append((real, new, old))
        for change, (real, new, old) in zip(changes, ready, strict=True):
            with _named(change.path):
                with open(real, "rb") as file:
                    if file.read() != change.before:
                        raise OSError(errno.EBUSY, "it has changed since it was read")
                os.replace(new, real)
                replaced.append((real, old))
    except BaseException:
        for real, old in replaced:
            if old is not None:
                os.replace(old, real)
        raise
    finally:
        for temporary in temporaries:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)


@contextlib.contextmanager
def _named(path: str) -> Iterator[None]:
    """Have an error say which file it is about."""
    try:
        yield
    except OSError as error:
        error.filename = path
        raise


def _prepared(real: str, data: bytes, temporaries: list[str]) -> str:
    """A file beside `real` with such a content, and otherwise like it."""
    status = os.stat(real)
    if not os.access(real, os.W_OK):
        # The folder's permission is enough to replace a file that is protected itself.
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(real), prefix=".tflint-nan-")
    temporaries.append(temporary)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)
    if hasattr(os, "chown"):
        for owner, group in ((status.st_uid, -1), (-1, status.st_gid)):
            with contextlib.suppress(PermissionError):
                os.chown(temporary, owner, group)
    shutil.copystat(real, temporary)
    return temporary
