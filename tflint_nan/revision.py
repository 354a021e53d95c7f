"""A project as it was at a revision of git."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Endings of the files that say what a program does, or how it is checked.
_TEXTS = (".py", ".pyi", ".ipynb", ".toml", ".cfg")


class RevisionError(Exception):
    """Git cannot say what was there, in words for the user."""


def top(folder: Path) -> Path:
    """The top folder of the repository that `folder` is part of.

    Raises:
        RevisionError: it is part of none, or there is no git.
    """
    return Path(_git(folder, "rev-parse", "--show-toplevel").rstrip("\n"))


@contextmanager
def checked_out(revision: str, repository: Path) -> Iterator[Path]:
    """A folder with the texts of `revision`, by the names that they have now; it is gone afterwards.

    The repository and its index stay as they are. A file that was renamed since has its new name.

    Args:
        revision: anything that git takes for a commit.
        repository: the top folder.

    Raises:
        RevisionError: there is no such revision.
    """
    wanted = f"{revision}^{{commit}}"
    commit = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", wanted).strip()
    names = _renamed(repository, commit)
    blobs = []
    for entry in _git(repository, "ls-tree", "-r", "-z", commit).split("\0"):
        head, _, name = entry.partition("\t")
        kind = head.split(" ")[1:2]
        if kind == ["blob"] and name.endswith(_TEXTS):
            blobs.append((head.split(" ")[2], names.get(name, name)))
    with tempfile.TemporaryDirectory(prefix="tflint-nan-") as scratch:
        # Git's own mark of a project's top: imports are not looked for above it.
        folder = Path(scratch).resolve()
        (folder / ".git").mkdir()
        for name, content in _contents(repository, blobs):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        yield folder


def _renamed(repository: Path, commit: str) -> dict[str, str]:
    """Name at the commit -> name now, of the files that git takes for renamed."""
    words = _git(repository, "diff", "--name-status", "-z", "-M", "--diff-filter=R", commit).split("\0")
    return {words[index + 1]: words[index + 2] for index in range(0, len(words) - 2, 3)}


def _contents(repository: Path, blobs: list[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
    """Name and content of each (object, name), read by one process."""
    asked = "".join(f"{blob}\n" for blob, _ in blobs).encode()
    answer = _run(repository, ["cat-file", "--batch"], asked)
    start = 0
    for _, name in blobs:
        head = answer.index(b"\n", start)
        size = int(answer[start:head].split(b" ")[2])
        yield name, answer[head + 1 : head + 1 + size]
        start = head + 1 + size + 1


def _git(folder: Path, *words: str) -> str:
    return _run(folder, list(words), b"").decode(errors="surrogateescape")


def _run(folder: Path, words: list[str], given: bytes) -> bytes:
    try:
        done = subprocess.run(["git", *words], cwd=folder, input=given, capture_output=True, check=False)
    except OSError as error:
        raise RevisionError(f"git cannot be run: {error.strerror or error}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise RevisionError(said or f"git knows no revision {words[-1].removesuffix('^{commit}')!r}")
    return done.stdout
