"""The project's own modules: which file an import means, and its source, read once."""

from __future__ import annotations

import os
from pathlib import Path

from tflint_nan.source import Source, SourceError

#: Files that mark a folder as the top of a project; imports are not looked for above it.
_TOP = (".git", "pyproject.toml", "setup.py", "setup.cfg", ".hg")
#: Folders that are looked at upwards from a script without such a mark.
_MAX_LEVELS = 6
#: Characters of text that are kept parsed; a tree takes about 300 bytes for each.
_MAX_KEPT = 400_000
#: Libraries are described by the operator table, even where their own source is in reach.
_LIBRARIES = frozenset(
    {"tensorflow", "keras", "numpy", "tf_keras", "pandas", "sklearn", "tensorflow_probability"}
)


class Project:
    """Finds and keeps the sources that programs import."""

    def __init__(self) -> None:
        self._sources: dict[Path, Source | None] = {}
        self._exists: dict[Path, bool] = {}
        self._tops: dict[Path, tuple[Path, ...]] = {}
        self._kept = 0

    def find(self, name: str, level: int, importer: str) -> Path | None:
        """The file of module `name`, as `importer` (a file's path) means it; None where it is no file here.

        Args:
            name: dotted name, empty in `from . import x`.
            level: leading dots of a relative import.
            importer: the importing file's path.
        """
        folder = Path(importer).parent
        parts = [part for part in name.split(".") if part]
        if level:
            for _ in range(level - 1):
                folder = folder.parent
            return self._module(folder, parts)
        if not parts or parts[0] in _LIBRARIES:
            return None
        for top in self._search_path(folder):
            found = self._module(top, parts)
            if found is not None:
                return found
        return None

    def source(self, path: Path) -> Source | None:
        """The source of a file; None where it cannot be read or is not Python."""
        if path not in self._sources:
            source: Source | None
            try:
                source = Source.read(path)
                assert source.tree is not None
            except SourceError:
                source = None  # a check of that file itself reports it
            size = len(source.text) if source is not None else 0
            if self._kept + size > _MAX_KEPT:
                self._sources.clear()
                self._kept = 0
            self._kept += size
            self._sources[path] = source
        return self._sources[path]

    def _search_path(self, folder: Path) -> tuple[Path, ...]:
        """The script's own folder, as Python has it, then those above it up to the project's top."""
        if folder not in self._tops:
            folders = [folder]
            for parent in folder.absolute().parents:
                if len(folders) > _MAX_LEVELS or any((folders[-1] / mark).exists() for mark in _TOP):
                    break
                folders.append(parent)
            self._tops[folder] = tuple(folders)
        return self._tops[folder]

    def _module(self, folder: Path, parts: list[str]) -> Path | None:
        base = folder.joinpath(*parts)
        candidates = [base / "__init__.py"]
        if parts:
            candidates.insert(0, base.with_name(base.name + ".py"))
        return next((path for path in candidates if self._is_file(path)), None)

    def _is_file(self, path: Path) -> bool:
        if path not in self._exists:
            self._exists[path] = os.path.isfile(path)
        return self._exists[path]
