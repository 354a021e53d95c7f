"""Which files no rule can say anything about, told without a syntax tree of LibCST's."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from importlib.util import decode_source
from pathlib import Path

from tflint_nan.modules import Lookup, Modules
from tflint_nan.suppress import mentioned


@dataclass(frozen=True, slots=True)
class Summary:
    """What the screen has to know of a text.

    Attributes:
        imports: (module, leading dots, names that are taken from it) of each import; None where the text has
            to be read with care, since it mentions TensorFlow, or is nothing that the running Python can
            parse (a notebook's magic, the syntax of another version, an error).
        mentions_noqa: False where it surely has no `noqa` comment.
    """

    imports: tuple[tuple[str, int, tuple[str, ...]], ...] | None
    mentions_noqa: bool


def summarised(text: str) -> Summary:
    """The summary of a text."""
    return Summary(_imports(text), mentioned(text))


class Screen:
    """Tells files that no rule can say anything about, without a syntax tree of LibCST's.

    Every op comes from a library, and every way to TensorFlow or Keras spells one of the two names, in
    the file or in a file of the project that it imports.
    """

    def __init__(self, modules: Modules, summaries: MutableMapping[str, Summary] | None = None) -> None:
        """Args:

        modules: where imported files are found.
        summaries: digest of a content -> its summary; those of further files are added.
        """
        self._modules = modules
        self.summaries = {} if summaries is None else summaries
        #: File -> the project's files that it imports, None where it has to be read with care.
        self._imports: dict[Path, tuple[Path, ...] | None] = {}
        self._left_out: set[Path] = set()

    def leaves_out(self, path: Path, summary: Summary) -> bool:
        """True where the file at `path` (absolute), of this summary, is Python and nothing is in it."""
        self._imports[path] = self._files(summary, path)
        return self.leaves_out_file(path)

    def leaves_out_file(self, path: Path) -> bool:
        """The same of a file (absolute) as it is on disk."""
        todo = [path]
        seen = {path}
        for path in todo:
            imports = self._imports_of(path)
            if imports is None:
                return False
            todo += [other for other in imports if other not in seen and other not in self._left_out]
            seen.update(imports)
        self._left_out.update(todo)
        return True

    def _imports_of(self, path: Path) -> tuple[Path, ...] | None:
        if path not in self._imports:
            digest = self._modules.disk.digest(path)
            if digest is None:
                return ()  # What cannot be read is not followed.
            if digest not in self.summaries:
                try:
                    data = self._modules.disk.read(path)
                except (OSError, ValueError):
                    return ()
                self.summaries[digest] = summarised(_decoded(data))
            self._imports[path] = self._files(self.summaries[digest], path)
        return self._imports[path]

    def _files(self, summary: Summary, path: Path) -> tuple[Path, ...] | None:
        """The project's files that a text at `path` imports."""
        if summary.imports is None:
            return None
        folder = str(path.parent)
        found: dict[Path | None, None] = {}
        for module, level, names in summary.imports:
            base = self._modules.find(Lookup(folder, module, level))
            found[base] = None
            if base is None or base.name == "__init__.py":
                for name in names:
                    inner = f"{module}.{name}".lstrip(".")
                    found[self._modules.find(Lookup(folder, inner, level))] = None
        return tuple(other for other in found if other is not None)


def _decoded(data: bytes) -> str:
    """The text of a script; what is not in its encoding is nothing that Python can parse either."""
    try:
        return decode_source(data)
    except (SyntaxError, UnicodeError):
        return data.decode(errors="replace")


def _imports(text: str) -> tuple[tuple[str, int, tuple[str, ...]], ...] | None:
    if "tensorflow" in text or "keras" in text:
        return None
    try:
        with warnings.catch_warnings():
            # Odd escapes and the like are not our business.
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found: dict[tuple[str, int, tuple[str, ...]], None] = {}
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            # `import a.b` runs `a` as well.
            parts = [alias.name.split(".") for alias in node.names]
            for of in parts:
                found.update(dict.fromkeys((".".join(of[:end]), 0, ()) for end in range(1, len(of) + 1)))
        elif isinstance(node, ast.ImportFrom):
            found[node.module or "", node.level, tuple(alias.name for alias in node.names)] = None
    return tuple(found)


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Every statement: imports stand nowhere else, and expressions are most of a tree."""
    todo: list[ast.AST] = [tree]
    for node in todo:
        yield node
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            todo += getattr(node, block, ())
