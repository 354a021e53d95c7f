"""Which files are checked: what the paths name, less what ignore files and the configuration leave out."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from tflint_nan.build import Project
from tflint_nan.config import Config, Configs
from tflint_nan.source import Source

SUFFIXES = (".py", ".ipynb")
IGNORE_FILES = (".gitignore", ".ignore")


@dataclass(frozen=True, slots=True)
class File:
    """A file to check: its absolute path, the name that reports print, its configuration."""

    path: Path
    name: str
    config: Config


@dataclass(frozen=True, slots=True)
class Found:
    """The files, sorted by name, each once; and the paths that could not be read, with the reason."""

    files: tuple[File, ...]
    errors: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Ignore:
    """The patterns of one ignore file, relative to `folder`."""

    folder: Path
    spec: GitIgnoreSpec


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
        path = Path(source.filename).absolute()
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
                text = path.read_text(encoding="utf-8", errors="replace")
            except OSError:
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


def display_name(path: Path, working: Path) -> str:
    """What reports print for an absolute path: relative to the working folder where it lies in it."""
    try:
        return str(path.relative_to(working))
    except ValueError:
        return str(path)


def find(paths: Sequence[str], configs: Configs, working: Path) -> Found:
    """All files that `paths` (relative to the absolute folder `working`) name.

    A file that is named itself is taken whatever it is called; folders are searched for Python files and
    notebooks. Links to folders are not followed, so that a loop of them ends.

    Raises:
        tflint_nan.config.ConfigError: a configuration file on the way is wrong.
    """
    files: dict[str, File] = {}
    errors: list[tuple[str, str]] = []

    def add(path: Path, config: Config) -> None:
        # Two names of one file are one file: two processes must not write it.
        real = os.path.realpath(path)
        file = File(path, display_name(path, working), config)
        if real not in files or file.name < files[real].name:
            files[real] = file

    def walk(folder: Path, ignores: tuple[_Ignore, ...], below: Path | None) -> None:
        ignores = (*ignores, *_ignores_in(folder))
        config = configs.of(folder)
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            errors.append((display_name(folder, working), error.strerror or str(error)))
            return
        for entry in entries:
            path = folder / entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            wanted = is_folder or (entry.name.endswith(SUFFIXES) and os.path.isfile(path))
            if not wanted or config.excludes(path, folder=is_folder, below=below):
                continue
            if _ignored(path, is_folder, ignores):
                continue
            if is_folder:
                walk(path, ignores, below)
            else:
                add(path, config)

    for given in paths:
        path = Path(os.path.abspath(working / given))
        try:
            path.stat()
        except (OSError, ValueError) as error:
            errors.append((given, getattr(error, "strerror", None) or str(error)))
            continue
        is_folder = path.is_dir()
        config = configs.of(path if is_folder else path.parent)
        excluded = config.excludes(path, folder=is_folder)
        if excluded and config.force_exclude:
            continue
        if is_folder:
            # What is named is searched even if it is excluded or ignored itself.
            outer = tuple(_outer_ignores(path))
            walk(path, () if _ignored(path, True, outer) else outer, path if excluded else None)
        else:
            add(path, config)
    return Found(tuple(sorted(files.values(), key=lambda file: file.name)), tuple(errors))


def _outer_ignores(folder: Path) -> Iterator[_Ignore]:
    """The ignore files above `folder` up to the root of its repository, outermost first."""
    above = [folder, *folder.parents]
    root = next((number for number, parent in enumerate(above) if (parent / ".git").exists()), None)
    if root is None:
        return
    yield from _read(above[root], above[root] / ".git" / "info" / "exclude")
    for parent in reversed(above[1 : root + 1]):
        yield from _ignores_in(parent)


def _ignores_in(folder: Path) -> Iterator[_Ignore]:
    for name in IGNORE_FILES:
        yield from _read(folder, folder / name)


def _read(folder: Path, path: Path) -> Iterator[_Ignore]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    lines = []
    for line in text.splitlines():
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            continue  # Git passes over a pattern that is none.
        lines.append(line)
    yield _Ignore(folder, GitIgnoreSpec.from_lines(lines))


def _ignored(path: Path, is_folder: bool, ignores: Sequence[_Ignore]) -> bool:
    """What the innermost ignore file that has a word on `path` says."""
    for ignore in reversed(ignores):
        name = path.relative_to(ignore.folder).as_posix() + ("/" if is_folder else "")
        verdict = ignore.spec.check_file(name).include
        if verdict is not None:
            return verdict
    return False
