"""What a check sees of the file system: the one way to files, so that what was asked can be known or sent."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

#: Largest file that is read, in bytes; pictures in a notebook's outputs are not parsed.
MAX_FILE = 128_000_000


class Disk:
    """The files of this machine; what folders hold is asked once."""

    def __init__(self, working: Path | None = None) -> None:
        """Args:

        working: the absolute folder that relative names start from, the process's own where none is given.
        """
        self._working = working
        self._files: dict[Path, bool] = {}
        self._listings: dict[Path, frozenset[str]] = {}
        self._digests: dict[Path, str | None] = {}

    def absolute(self, name: str) -> Path:
        """The path of a file that reports call `name`."""
        return Path(name).absolute() if self._working is None else self._working / name

    def shown(self, path: Path) -> str:
        """What reports call an absolute path: relative to the working folder where it lies in it."""
        try:
            return str(path.relative_to(Path.cwd() if self._working is None else self._working))
        except ValueError:
            return str(path)

    def read(self, path: Path) -> bytes:
        """The content of a regular file.

        Raises:
            OSError: it cannot be read, is no regular file, or is larger than `MAX_FILE`.
            ValueError: no file can have such a name.
        """
        data = self._content(path)
        # The first counts: what was made of it may be kept, whatever the file becomes while this runs.
        self._digests.setdefault(path, hashlib.blake2b(data, digest_size=16).hexdigest())
        return data

    def digest(self, path: Path) -> str | None:
        """What tells the content of an absolute path, as it was first read; None where it cannot be read."""
        if path not in self._digests:
            try:
                self.read(path)
            except (OSError, ValueError):
                self._digests[path] = None
        return self._digests[path]

    def _content(self, path: Path) -> bytes:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        if status.st_size > MAX_FILE:
            raise OSError(errno.EFBIG, f"larger than {MAX_FILE} bytes")
        return path.read_bytes()

    def is_file(self, path: Path) -> bool:
        """Whether there is a file at an absolute path."""
        if path not in self._files:
            self._files[path] = os.path.isfile(path)
        return self._files[path]

    def names(self, folder: Path) -> frozenset[str]:
        """The names in an absolute folder; none where it cannot be read."""
        if folder not in self._listings:
            try:
                self._listings[folder] = frozenset(os.listdir(folder))
            except OSError:
                self._listings[folder] = frozenset()
        return self._listings[folder]

    def forget(self, path: Path) -> None:
        """Look again at an absolute path when it is asked for next."""
        self._files.pop(path, None)
        self._digests.pop(path, None)
        self._listings.pop(path.parent, None)
