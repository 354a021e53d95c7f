"""Checks on a machine that has none of the files: what is sent along, and what turns out to be missing.

What a check asks of a file system is asked of replies that came with the work. The sender guesses the
questions by the imports of the texts. Whatever else is asked comes back, and the file is checked again with
the reply: a result rests on nothing but what the machine says that has the files.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Final

from tflint_nan.check import Surroundings, check_file
from tflint_nan.disk import Disk
from tflint_nan.job import Job, Result
from tflint_nan.modules import Lookup, Modules, imports

#: `("content", path)`, `("names", folder)`, and `("imported", path)`: whether files beside it import it.
Question = tuple[str, str]
#: A content, or why there is none; names; a truth.
Reply = bytes | Exception | frozenset[str] | bool
#: Bytes that are sent along with one file on a guess. Its check parses few, and looks for words in all.
_MOST: Final = 2_000_000
#: Files whose imports are remembered.
_REMEMBERED: Final = 5000


class Sender:
    """The machine that has the files."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        #: File -> the files that it imports, and what is asked on the way there.
        self._links: dict[Path, tuple[Set[Path], Set[Question]]] = {}

    def guess(self, jobs: Iterable[Job]) -> dict[Question, Reply]:
        """What checks of these files will probably ask, with the replies."""
        contents: dict[Question, Reply] = {}
        questions: set[Question] = set()
        for job in jobs:
            questions.add(("imported", job.file))
            todo = [Path(job.file)]
            seen = set(todo)
            size = 0
            for path in todo:
                question = "content", str(path)
                if question not in contents:
                    contents[question] = self._reply(question)
                data = contents[question]
                if isinstance(data, bytes):
                    size += len(data)
                    if size > _MOST:
                        break
                    files, asked = self._imported(path, data)
                    questions |= asked
                    todo += files - seen
                    seen |= files
        return {**contents, **self.answer(questions)}

    def answer(self, questions: Iterable[Question]) -> dict[Question, Reply]:
        """The reply to each question."""
        return {question: self._reply(question) for question in questions}

    def _imported(self, path: Path, data: bytes) -> tuple[Set[Path], Set[Question]]:
        """The project's files that a text imports, and what is asked on the way there."""
        if path not in self._links:
            if len(self._links) == _REMEMBERED:
                self._links.clear()
            top, _ = self._modules.top(path.parent)
            inside = [folder for folder in path.parents if folder.is_relative_to(top)]
            lookups: set[Lookup] = set()
            for module, level, names in imports(data):
                lookup = Lookup(str(path.parent), module, level)
                base = self._modules.find(lookup)
                lookups.add(lookup)
                lookups.update(lookup._replace(name=f"{module}.{name}".lstrip(".")) for name in names)
                if base is not None:  # What a package does not define is looked for in its folder.
                    lookups.update(Lookup(str(base.parent), name, 1) for name in names)
            found = map(self._modules.find, lookups)
            # A folder of the name of a library is looked into.
            outer = {lookup.name.partition(".")[0] for lookup in lookups if not lookup.level}
            near = (folder / name for folder in inside for name in outer & self._modules.disk.names(folder))
            asked = {("names", str(folder)) for folder in (*inside, *near)}
            self._links[path] = {file for file in found if file is not None}, asked
        return self._links[path]

    def _reply(self, question: Question) -> Reply:
        kind, path = question[0], Path(question[1])
        if kind == "names":
            return self._modules.disk.names(path)
        if kind == "imported":
            return self._modules.is_imported(path)
        try:
            return self._modules.disk.read(path)
        except (OSError, ValueError) as error:
            return error.with_traceback(None)


class _Sent(Disk):
    """The file system of the sender.

    Attributes:
        missing: the questions that nobody foresaw; they get a reply for nothing.
    """

    def __init__(self, working: Path, replies: Mapping[Question, Reply]) -> None:
        super().__init__(working)
        self._replies = replies
        self.missing: set[Question] = set()

    def ask(self, kind: str, path: Path) -> Reply | None:
        """The reply, None where it is missing."""
        question = kind, str(self.absolute(str(path)))
        if question not in self._replies:
            self.missing.add(question)
        return self._replies.get(question)

    def is_file(self, path: Path) -> bool:
        return path.name in self.names(path.parent) and isinstance(self.ask("content", path), bytes)

    def names(self, folder: Path) -> frozenset[str]:
        names = frozenset() if self._is_absent(folder) else self.ask("names", folder)
        return names if isinstance(names, frozenset) else frozenset()

    def _is_absent(self, folder: Path) -> bool:
        """Whether what was said of the folders above tells that there is no such folder."""
        for child, parent in zip((folder, *folder.parents), folder.parents, strict=False):
            names = self._replies.get(("names", str(parent)))
            if isinstance(names, frozenset):
                return child.name not in names
        return False

    def _content(self, path: Path) -> bytes:
        said = self.ask("content", path)
        if isinstance(said, bytes):
            return said
        raise (
            said
            if isinstance(said, Exception)
            else FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        )


class _Modules(Modules):
    """The modules of the sender's projects."""

    def __init__(self, sent: _Sent) -> None:
        super().__init__(sent)
        self._sent = sent

    def is_imported(self, path: Path) -> bool:
        return bool(self._sent.ask("imported", path))


def check_sent(
    jobs: Sequence[Job], working: Path, replies: Mapping[Question, Reply]
) -> list[Result | frozenset[Question]]:
    """For each file its result, or questions whose replies its check lacked.

    Args:
        jobs: the files, of the machine that sends them.
        working: the absolute folder there that relative names start from.
        replies: what that machine says.
    """
    results: list[Result | frozenset[Question]] = []
    sent = _Sent(working, replies)
    surroundings = Surroundings(modules=_Modules(sent))
    for job in jobs:
        result = check_file(job, surroundings)
        results.append(frozenset(sent.missing) or result)
        if sent.missing:  # What was made of nothing must not reach the next file.
            sent = _Sent(working, replies)
            surroundings = Surroundings(modules=_Modules(sent))
    return results
