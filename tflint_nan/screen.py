"""Which files no rule can say anything about, told without a syntax tree of LibCST's."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path

from tflint_nan.build import Project
from tflint_nan.source import Source


class Screen:
    """Tells files that no rule can say anything about, without a syntax tree of LibCST's.

    Every op comes from a library, and every way to TensorFlow or Keras spells one of the two names, in
    the file or in a file of the project that it imports.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        #: File -> the project's files that it imports, None where it has to be read with care.
        self._imports: dict[Path, tuple[Path, ...] | None] = {}
        #: (importing file's folder, module, leading dots) -> file.
        self._modules: dict[tuple[Path, str, int], Path | None] = {}
        self._left_out: set[Path] = set()

    def leaves_out(self, source: Source) -> bool:
        """True where `source` is Python and nothing can be found in it."""
        path = self._project.disk.absolute(source.filename)
        self._imports[path] = self._imports_in(source.text, path)
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
            try:
                text = self._project.disk.read(path).decode(errors="replace")
            except (OSError, ValueError):
                text = ""  # What cannot be read is not followed.
            self._imports[path] = self._imports_in(text, path)
        return self._imports[path]

    def _imports_in(self, text: str, path: Path) -> tuple[Path, ...] | None:
        """The project's files that a text imports; None where it has to be read with care.

        That is: it mentions TensorFlow, or is nothing that the running Python can parse (a notebook's
        magic, the syntax of another version, an error).
        """
        if "tensorflow" in text or "keras" in text:
            return None
        try:
            with warnings.catch_warnings():
                # Odd escapes and the like are not our business.
                warnings.simplefilter("ignore")
                tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        found: dict[Path | None, None] = {}
        for node in _statements(tree):
            if isinstance(node, ast.Import):
                # `import a.b` runs `a` as well.
                parts = [alias.name.split(".") for alias in node.names]
                names = [".".join(of[:end]) for of in parts for end in range(1, len(of) + 1)]
                found.update(dict.fromkeys(self._module(name, 0, path) for name in names))
            elif isinstance(node, ast.ImportFrom):
                base = self._module(node.module or "", node.level, path)
                found[base] = None
                if base is None or base.name == "__init__.py":
                    names = [f"{node.module or ''}.{alias.name}".lstrip(".") for alias in node.names]
                    found.update(dict.fromkeys(self._module(name, node.level, path) for name in names))
        return tuple(other for other in found if other is not None)

    def _module(self, name: str, level: int, importer: Path) -> Path | None:
        key = (importer.parent, name, level)
        if key not in self._modules:
            self._modules[key] = self._project.find(name, level, str(importer))
        return self._modules[key]


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Every statement: imports stand nowhere else, and expressions are most of a tree."""
    todo: list[ast.AST] = [tree]
    for node in todo:
        yield node
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            todo += getattr(node, block, ())
