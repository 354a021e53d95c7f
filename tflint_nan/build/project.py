"""The project's own modules: which file an import means, and its source, read once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tflint_nan.disk import Disk
from tflint_nan.source import Source, SourceError

#: Files that mark a folder as the top of a project; imports are not looked for above it.
_TOP = frozenset({".git", "pyproject.toml", "setup.py", "setup.cfg", ".hg"})
#: Folders that are looked at upwards from a script without such a mark.
_MAX_LEVELS = 6
#: Characters of text that are kept parsed; a tree takes about 300 bytes for each.
_MAX_KEPT = 500_000
#: A longer module is not followed: reading it would cost more than the file that is checked.
_MAX_MODULE = 80_000
#: Libraries are described by the operator table, even where their own source is in reach.
_LIBRARIES = frozenset(
    {"tensorflow", "keras", "numpy", "tf_keras", "pandas", "sklearn", "tensorflow_probability"}
)


class Project:
    """Finds and keeps the sources that programs import."""

    def __init__(self, disk: Disk | None = None) -> None:
        """Args:

        disk: where files are looked for, this machine's where none is given.
        """
        self.disk = Disk() if disk is None else disk
        self._sources: dict[Path, Source] = {}
        self._unreadable: set[Path] = set()
        self._tops: dict[Path, tuple[Path, ...]] = {}
        self._kept = 0

    def find(self, name: str, level: int, importer: str, folders: Sequence[Path] = ()) -> Path | None:
        """The file of module `name`, as `importer` (a file's path) means it; None where it is no file here.

        Args:
            name: dotted name, empty in `from . import x`.
            level: leading dots of a relative import.
            importer: the importing file's path.
            folders: further folders to look in (absolute), the latest last.
        """
        folder = self.disk.absolute(importer).parent
        parts = [part for part in name.split(".") if part]
        if level:
            for _ in range(level - 1):
                folder = folder.parent
            return self._module(folder, parts)
        if not parts or parts[0] in _LIBRARIES:
            return None
        for top in (*self._search_path(folder), *folders):
            found = self._module(top, parts)
            if found is not None:
                return found
        return None

    def mentions(self, path: Path, word: str) -> bool:
        """True where the file's text holds `word`."""
        source = self._sources.get(path)
        if source is not None:
            return word in source.text
        try:
            return word.encode() in self.disk.read(path)
        except OSError:
            return False

    def source(self, path: Path) -> Source | None:
        """The source of a file; None where it cannot be read or is not Python."""
        source = self._sources.pop(path, None)
        if source is None and path not in self._unreadable:
            source = self._read(path)
        if source is not None:
            self._sources[path] = source  # the latest used stands last
        return source

    def _read(self, path: Path) -> Source | None:
        try:
            if path.name == "__init__.py" and not self.disk.is_file(path) and self.disk.names(path.parent):
                source = Source(self.disk.shown(path), "")  # a package by its folder alone
            else:
                source = Source.from_bytes(self.disk.shown(path), self.disk.read(path))
            if len(source.text) > _MAX_MODULE:
                raise SourceError(source.filename, f"longer than {_MAX_MODULE} characters")
            assert source.tree is not None  # parsed here, where a syntax error is expected
        except (SourceError, OSError, ValueError):
            self._unreadable.add(path)  # a check of that file itself reports what is wrong with it
            return None
        self.keep(path, source)
        return source

    def keep(self, path: Path, source: Source) -> None:
        """Have `source` ready for those who import the file at `path` (absolute)."""
        if path in self._sources or len(source.text) > _MAX_MODULE:
            return
        self._sources[path] = source
        self._kept += len(source.text)
        while self._kept > _MAX_KEPT and self._sources:
            oldest = next(iter(self._sources))
            self._kept -= len(self._sources.pop(oldest).text)

    def forget(self, path: Path) -> None:
        """Drop what was read of the file at `path` (absolute)."""
        source = self._sources.pop(path, None)
        if source is not None:
            self._kept -= len(source.text)
        self._unreadable.discard(path)
        self.disk.forget(path)

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
