"""What the check of a file rests on beside its content: every answer that the file system gave it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tflint_nan.modules import Lookup, Modules
from tflint_nan.screen import Screen, Summary

#: What is asked, and of what: `("import", folder, name, level, *folders)`, see `Lookup`; `("content", path)`;
#: `("names", folder)`; `("imported", path)`, `("top", folder)` and `("marked", folder)`, see `Modules`;
#: `("left_out", path)`, see `Screen`.
Question = tuple[Any, ...]
#: A path, a digest, a truth; None where there is nothing.
Answer = str | bool | None


@dataclass(slots=True)
class Facts:
    """The answers that one check was given.

    Attributes:
        content: the digest of the file itself; None where it could not be read.
        summary: what the screen knows of it; None where the screen was not asked.
        answers: what was asked of the file system, with its answer.
        summaries: the digest of another file -> its summary, where the screen has read it for this check.
    """

    content: str | None = None
    summary: Summary | None = None
    answers: dict[Question, Answer] = field(default_factory=dict)
    summaries: dict[str, Summary] = field(default_factory=dict)


def answer(question: Question, modules: Modules) -> Answer:
    """What the file system says.

    Raises:
        LookupError, TypeError, ValueError: there is no such question.
    """
    kind, *words = question
    return _KINDS[kind](modules, *words)


def _import(modules: Modules, folder: str, name: str, level: int, *folders: str) -> str | None:
    path = modules.find(Lookup(folder, name, level, folders))
    return None if path is None else str(path)


def _content(modules: Modules, path: str) -> str | None:
    return modules.disk.digest(Path(path))


def _names(modules: Modules, folder: str) -> str:
    names = "/".join(sorted(modules.disk.names(Path(folder))))
    return hashlib.blake2b(names.encode(errors="surrogateescape"), digest_size=16).hexdigest()


def _imported(modules: Modules, path: str) -> bool:
    return modules.is_imported(Path(path))


def _top(modules: Modules, folder: str) -> str:
    return str(modules.top(Path(folder))[0])


def _marked(modules: Modules, folder: str) -> bool:
    return modules.top(Path(folder))[1]


def _left_out(modules: Modules, path: str) -> bool:
    return Screen(modules).leaves_out_file(Path(path))


_KINDS: Mapping[str, Callable[..., Answer]] = {
    "import": _import,
    "content": _content,
    "names": _names,
    "imported": _imported,
    "left_out": _left_out,
    "top": _top,
    "marked": _marked,
}
