"""Which of the project's files an import means, and which files are imported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tflint_nan.disk import Disk

#: Files that mark a folder as the top of a project; imports are not looked for above it.
_TOP = frozenset({".git", "pyproject.toml", "setup.py", "setup.cfg", ".hg"})
#: Folders that are looked at upwards from a script without such a mark.
_MAX_LEVELS = 6
#: Libraries are described by the operator table, even where their own source is in reach.
_LIBRARIES = frozenset(
    {"tensorflow", "keras", "numpy", "tf_keras", "pandas", "sklearn", "tensorflow_probability"}
)
#: Files beside a script that are looked at for an import of it.
_NEIGHBOURS = 200
#: A line that imports, with what is taken from the module; in a notebook, it stands in quotes. Looked for by
#: the end of the line before, which takes half of the time.
_IMPORT = re.compile(
    rb'\n[ \t]*"?(?:from\b[ \t]*([.\w\x80-\xff]+)[ \t]*import\b[ \t]*'
    rb"(\((?:[\w\x80-\xff\s,]+|#[^\n]*)*|(?:\\\r?\n|[^\n#])*)"
    rb"|import[ \t]+((?:\\\r?\n|[^\n#;])+))"
)
_NAME = re.compile(r"(?:^|[(,])\s*(\w+(?:\.\w+)*)")
#: What may stand between names beside spaces.
_BETWEEN = re.compile(r"#[^\n]*|\\\r?\n")
#: Answers, and folders with what their files import, that are remembered, whatever the size of a project.
_REMEMBERED = 50_000
_FOLDERS = 50


class Lookup(NamedTuple):
    """An import, as a file means it.

    Attributes:
        folder: the absolute folder of the importing file.
        name: dotted name, empty in `from . import x`.
        level: leading dots of a relative import.
        folders: further folders to look in (absolute), the latest last.
    """

    folder: str
    name: str
    level: int = 0
    folders: tuple[str, ...] = ()


class Modules:
    """The modules of the project; each question is answered once."""

    def __init__(self, disk: Disk | None = None) -> None:
        """Args:

        disk: where files are looked for, this machine's where none is given.
        """
        self.disk = Disk() if disk is None else disk
        self._tops: dict[Path, tuple[Path, ...]] = {}
        self._found: dict[Lookup, Path | None] = {}
        self._imports: dict[Path, Mapping[str, frozenset[str]]] = {}

    def find(self, lookup: Lookup) -> Path | None:
        """The file that an import means; None where it is no file of the project."""
        if lookup not in self._found:
            if len(self._found) == _REMEMBERED:
                self._found.clear()
            self._found[lookup] = self._find(lookup)
        return self._found[lookup]

    def _find(self, lookup: Lookup) -> Path | None:
        folder = Path(lookup.folder)
        parts = [part for part in lookup.name.split(".") if part]
        if lookup.level:
            for _ in range(lookup.level - 1):
                folder = folder.parent
            return self._module(folder, parts)
        if not parts or parts[0] in _LIBRARIES:
            return None
        for top in (*self._search_path(folder), *map(Path, lookup.folders)):
            found = self._module(top, parts)
            if found is not None:
                return found
        return None

    def is_imported(self, path: Path) -> bool:
        """Whether a file in the same folder, or the one above, imports the module at `path` (absolute)."""
        if path.name == "__init__.py":
            return True
        return any(
            path.stem in imported
            for folder in (path.parent, path.parent.parent)
            for name, imported in self._imports_in(folder).items()
            if name != path.name
        )

    def forget(self, path: Path) -> None:
        """Look again at an absolute path, and at what it may have to do with imports."""
        self._found.clear()
        self._imports.clear()
        self.disk.forget(path)

    def _imports_in(self, folder: Path) -> Mapping[str, frozenset[str]]:
        """The names of files in a folder, each with the names that it imports, or imports from."""
        if folder not in self._imports:
            if len(self._imports) == _FOLDERS:
                self._imports.clear()
            names = sorted(name for name in self.disk.names(folder) if name.endswith((".py", ".ipynb")))
            found = self._imports[folder] = {}
            for name in names[:_NEIGHBOURS]:
                try:
                    data = self.disk.read(folder / name)
                except (OSError, ValueError):
                    continue
                found[name] = frozenset(
                    part for module, _, names in imports(data) for part in (*module.split("."), *names)
                )
        return self._imports[folder]

    def top(self, folder: Path) -> tuple[Path, bool]:
        """The project's folder around an absolute one, and whether something marks it as its top."""
        top = self._search_path(folder)[-1]
        return top, not self.disk.names(top).isdisjoint(_TOP)

    def _search_path(self, folder: Path) -> tuple[Path, ...]:
        """The script's own folder, as Python has it, then those above it up to the project's top."""
        if folder not in self._tops:
            folders = [folder]
            for parent in folder.parents:
                if len(folders) > _MAX_LEVELS or not self.disk.names(folders[-1]).isdisjoint(_TOP):
                    break
                folders.append(parent)
            self._tops[folder] = tuple(folders)
        return self._tops[folder]

    def _module(self, folder: Path, parts: list[str]) -> Path | None:
        # Most names that are looked for are libraries: the folder's listing tells.
        if parts and not {parts[0], parts[0] + ".py"} & self.disk.names(folder):
            return None
        base = folder.joinpath(*parts)
        candidates = [base / "__init__.py"]
        if parts:
            candidates.insert(0, base.with_name(base.name + ".py"))
        return next((path for path in candidates if self.disk.is_file(path)), None)


def imports(data: bytes) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """(module, leading dots, names that are taken from it) of all that looks like an import in a content.

    It is not parsed: some of it may stand in a string, and what does not begin its line is left out.
    """
    for module, names, modules in _IMPORT.findall(b"\n" + data):
        taken = tuple(_NAME.findall(_BETWEEN.sub(" ", (names or modules).decode(errors="replace"))))
        if modules:
            for name in taken:
                parts = name.split(".")
                for end in range(1, len(parts) + 1):  # `import a.b` runs `a` as well.
                    yield ".".join(parts[:end]), 0, ()
        else:
            text = module.decode(errors="replace")
            name = text.lstrip(".")
            yield name, len(text) - len(name), taken
