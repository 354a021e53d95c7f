"""The project's own modules: which file an import means, and its source, read once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tflint_nan.disk import Disk
from tflint_nan.facts import Answer, Facts, answer
from tflint_nan.modules import Modules
from tflint_nan.source import Source, SourceError

#: Characters of text that are kept parsed; a tree takes about 25 bytes for each.
_MAX_KEPT = 500_000
#: A longer module is not followed: reading it would cost more than the file that is checked.
_MAX_MODULE = 80_000


class Project:
    """Finds and keeps the sources that programs import."""

    def __init__(self, disk: Disk | None = None, modules: Modules | None = None) -> None:
        """Args:

        disk: where files are looked for, this machine's where none is given.
        modules: what finds them there.
        """
        self.modules = Modules(disk) if modules is None else modules
        self.disk = self.modules.disk
        #: What was answered since somebody put new ones in their place.
        self.facts = Facts()
        self._sources: dict[Path, Source] = {}
        #: Importing file -> its folder; path -> the same, as an object.
        self._folders: dict[str, str] = {}
        self._paths: dict[str, Path] = {}
        self._unreadable: set[Path] = set()

    def find(self, name: str, level: int, importer: str, folders: Sequence[Path] = ()) -> Path | None:
        """The file of module `name`, as `importer` (a file's path) means it; None where it is no file here.

        Args:
            name: dotted name, empty in `from . import x`.
            level: leading dots of a relative import.
            importer: the importing file's path.
            folders: further folders to look in (absolute), the latest last.
        """
        # Every use of an imported name asks, and paths are slow to make.
        folder = self._folders.get(importer)
        if folder is None:
            folder = self._folders[importer] = str(self.disk.absolute(importer).parent)
        path = self._ask("import", folder, name, level, *map(str, folders))
        if path is None:
            return None
        found = self._paths.get(str(path))
        if found is None:
            found = self._paths[str(path)] = Path(str(path))
        return found

    def is_imported(self, path: Path) -> bool:
        """Whether a file in the same folder, or the one above, imports the module at `path` (absolute)."""
        return bool(self._ask("imported", str(path)))

    def leaves_out(self, path: Path) -> bool:
        """Whether no rule says anything about the file at `path` (absolute) when it is checked itself."""
        return bool(self._ask("left_out", str(path)))

    def top(self, folder: Path) -> tuple[Path, bool]:
        """The project's folder around an absolute one, and whether something marks it as its top."""
        return Path(str(self._ask("top", str(folder)))), bool(self._ask("marked", str(folder)))

    def names(self, folder: Path) -> frozenset[str]:
        """The names in an absolute folder; none where it cannot be read."""
        self._ask("names", str(folder))
        return self.disk.names(folder)

    def read(self, path: Path) -> bytes:
        """The content of an absolute path, see `Disk.read`."""
        self._ask("content", str(path))
        return self.disk.read(path)

    def mentions(self, path: Path, word: str) -> bool:
        """True where the file's text holds `word`."""
        self._ask("content", str(path))
        source = self._sources.get(path)
        if source is not None:
            return word in source.text
        try:
            return word.encode() in self.disk.read(path)
        except OSError:
            return False

    def source(self, path: Path) -> Source | None:
        """The source of a file; None where it cannot be read or is not Python."""
        self._ask("content", str(path))
        source = self._sources.pop(path, None)
        if source is None and path not in self._unreadable:
            source = self._read(path)
        if source is not None:
            self._sources[path] = source  # the latest used stands last
        return source

    def _ask(self, *question: str | int) -> Answer:
        """An answer that what is checked rests on."""
        if question not in self.facts.answers:
            self.facts.answers[question] = answer(question, self.modules)
        return self.facts.answers[question]

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
        kept = sum(len(source.text) for source in self._sources.values())
        while kept > _MAX_KEPT and self._sources:
            oldest = next(iter(self._sources))
            kept -= len(self._sources.pop(oldest).text)

    def forget(self, path: Path) -> None:
        """Drop what was read of the file at `path` (absolute)."""
        self._sources.pop(path, None)
        self._unreadable.discard(path)
        self.modules.forget(path)
