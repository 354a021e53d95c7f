"""New content for a file, as a whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile


def overwrite(path: str, before: bytes, data: bytes) -> None:
    """Replace the content of a file as a whole.

    A link to it stays one, permissions, owner and extended attributes stay as they are where this process may
    set them. Another name of the same file (a hard link) keeps the old content.

    Raises:
        OSError: the file may not be written, or holds something else than `before`; it is as it was.
    """
    real = os.path.realpath(path)
    status = os.stat(real)
    if not os.access(real, os.W_OK):
        # The folder's permission is enough to replace a file that is protected itself.
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(real), prefix=".tflint-nan-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
        if hasattr(os, "chown"):
            for owner, group in ((status.st_uid, -1), (-1, status.st_gid)):
                with contextlib.suppress(PermissionError):
                    os.chown(temporary, owner, group)
        shutil.copystat(real, temporary)
        os.utime(temporary)  # It is new, for those who compare times.
        with open(real, "rb") as file:
            if file.read() != before:
                raise OSError(errno.EBUSY, "it has changed since it was read")
        os.replace(temporary, real)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
