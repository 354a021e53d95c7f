"""Results of files that have not changed, kept in a folder between runs.

A result is used again where the file, the settings, this tool and all that the check asked of other files
are what they were. Whatever is wrong with the folder, the run goes on without it. What stands in it is data
that is read with care, since a folder may come along with other people's code: nothing in it is ever run,
and no fix of it is ever applied.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import stat
import sys
import time
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from urllib.parse import quote

from tflint_nan import __version__
from tflint_nan.codec import decode, encode
from tflint_nan.config import Config
from tflint_nan.disk import Disk
from tflint_nan.facts import Facts, answer
from tflint_nan.faults import CRASH, log
from tflint_nan.finding import Finding
from tflint_nan.job import Job, Result, Settings
from tflint_nan.modules import Modules
from tflint_nan.registry import folders
from tflint_nan.screen import Screen, Summary
from tflint_nan.unused import UNUSED

NAME = ".tflint_nan_cache"
#: Begins the file that keeps backups away, see https://bford.info/cachedir/.
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a cache of tflint-nan.\n"
_OWN_FILES = {".gitignore": "*\n", "CACHEDIR.TAG": _TAG}
_SUFFIX = ".sqlite"
#: Days after which it begins anew, so that what is gone from the project goes from here, too.
_DAYS = 30
#: Seconds to wait for another process that writes.
_PATIENCE = 5.0
#: Results that are written together.
_BATCH = 200
_TABLES = (
    "CREATE TABLE results (job TEXT PRIMARY KEY, content TEXT, result TEXT, seal TEXT)",
    "CREATE TABLE summaries (content TEXT PRIMARY KEY, summary TEXT, seal TEXT)",
)
#: What can be wrong with a folder, a file or a row.
_TROUBLE = (
    *(OSError, ImportError, sqlite3.Error, ValueError, TypeError, LookupError, RecursionError, OverflowError),
)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A result, and what it rests on.

    Attributes:
        lines: (file, cell, its lines in one text).
        rows: (file, cell, rows).
        answers: in each line a question, a tab and its answer, both as JSON.
        screened: whether the screen was asked.
    """

    findings: tuple[Finding, ...]
    lines: tuple[tuple[str, int | None, str], ...]
    rows: tuple[tuple[str, int | None, tuple[int, ...]], ...]
    answers: str
    screened: bool


class Cache:
    """The results of one version of this tool, in a file of one folder.

    Attributes:
        folder: where it is.
    """

    def __init__(self, folder: Path, working: Path) -> None:
        """Args:

        folder: where it is, absolute; made where it is not there.
        working: the absolute folder that relative names start from.
        """
        self.folder = folder
        self._working = working
        self._results: list[tuple[str, str, str]] = []
        self._summaries: dict[str, Summary] = {}
        #: By identity, which lasts as long as they are here.
        self._settings: dict[int, tuple[Settings, str]] = {}
        self._file: Path | None = None
        with self._careful():
            self._file = folder / f"{__version__}-{tool()}{_SUFFIX}"

    def known(self, jobs: Sequence[Job]) -> dict[int, Result]:
        """Number of a job -> its result as it would be without fixes, of those that need no check."""
        found: dict[int, Result] = {}
        with self._careful():
            if self._file is not None and _is_there(self._file):
                with _database(self._file, "rw") as database:
                    if not _tables(database):
                        return found  # A run that was ended, or had no room, when it began to write.
                    reader = _Reader(database)
                    for number, job in enumerate(jobs):
                        result = reader.result(job, self._key(job))
                        if result is not None:
                            found[number] = result
                self._summaries.update(reader.new)
        return found

    def keep(self, job: Job, result: Result) -> None:
        """Keep what a check came to; what cannot be the same again, or was fixed, is not kept."""
        facts = result.facts
        if facts is None or facts.content is None or result.diff or (job.mode.fix and job.mode.baseline):
            return
        self._summaries.update(facts.summaries)
        if facts.summary is not None:
            self._summaries[_text(job, facts.content)] = facts.summary
        if not result.has_tensorflow or any(finding.code == CRASH.code for finding in result.findings):
            return
        kept = _Kept(
            tuple(result.findings),
            tuple((*place, "\n".join(lines)) for place, lines in result.lines.items()),
            tuple((*place, tuple(rows)) for place, rows in result.rows.items()),
            "\n".join(f"{json.dumps(asked)}\t{json.dumps(said)}" for asked, said in facts.answers.items()),
            facts.summary is not None,
        )
        self._results.append((self._key(job), facts.content, json.dumps(encode(kept))))
        if len(self._results) >= _BATCH:
            self.write()

    def write(self) -> None:
        """Write what was kept since the last time."""
        results, summaries = self._results, self._summaries
        self._results, self._summaries = [], {}
        if self._file is None or not (results or summaries):
            return
        with self._careful():
            _make(self.folder)
            self._drop_old(self._file)
            texts = [(key, json.dumps(encode(summary))) for key, summary in summaries.items()]
            with _database(self._file, "rwc") as database:
                database.execute("BEGIN IMMEDIATE")
                if not _tables(database):
                    for table in _TABLES:
                        database.execute(table)
                    database.execute(f"PRAGMA user_version = {_day()}")
                database.executemany(
                    "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)",
                    [(*row, _digest(*row)) for row in results],
                )
                database.executemany(
                    "INSERT OR REPLACE INTO summaries VALUES (?, ?, ?)",
                    [(*row, _digest(*row)) for row in texts],
                )
                database.execute("COMMIT")

    def _drop_old(self, own: Path) -> None:
        """Take away files of other versions of this tool that nobody has written for long."""
        for path in _files(self.folder):
            if path != own and path.stat().st_mtime < time.time() - _DAYS * 86400:
                path.unlink()

    @contextlib.contextmanager
    def _careful(self) -> Iterator[None]:
        """Whatever goes wrong is said in one line to those who want to know, and the run does without."""
        try:
            yield
        except _TROUBLE as error:
            log.info("no cache in %s: %s", self.folder, error)
            file, self._file = self._file, None
            if file is not None and _is_broken(error):
                with contextlib.suppress(OSError):
                    file.unlink()
                    self._file = file  # It begins anew.

    def _key(self, job: Job) -> str:
        known = self._settings.get(id(job.settings))
        if known is None:
            known = self._settings[id(job.settings)] = job.settings, _digest(*_words(job.settings))
        return _digest(job.file, job.name, str(self._working), known[1])


class _Broken(ValueError):
    """A file that this tool has not written, or not like this."""


class _Reader:
    """Looks results up, each fact in them once."""

    def __init__(self, database: sqlite3.Connection) -> None:
        if _tables(database) != _TABLES:
            raise _Broken("not a cache")
        if database.execute("PRAGMA user_version").fetchone()[0] < _day() - _DAYS:
            raise _Broken("it is too old")
        self._database = database
        self._modules = Modules(Disk())
        summaries = {
            key: decode(Summary, json.loads(_sealed(summary, seal, key)))
            for key, summary, seal in database.execute("SELECT content, summary, seal FROM summaries")
        }
        #: Those that the screen has to make: of files that have changed since, and are none of the run's.
        self.new: dict[str, Summary] = {}
        self._summaries = ChainMap(self.new, summaries)
        self._screen = Screen(self._modules, self._summaries)
        #: A question with an answer -> whether that is so now.
        self._facts: dict[str, bool] = {}

    def result(self, job: Job, key: str) -> Result | None:
        path = Path(job.file)
        try:
            data = self._modules.disk.read(path)
        except (OSError, ValueError):
            return None
        content = self._modules.disk.digest(path)
        assert content is not None
        summary = self._summaries.get(_text(job, content))
        if summary is not None:
            judged = UNUSED.code in job.settings.shown and summary.mentions_noqa
            if not judged and self._screen.leaves_out(path, summary):
                return Result(job.name, data=data, has_tensorflow=False, facts=Facts(content, summary))
        query = "SELECT result, seal FROM results WHERE job = ? AND content = ?"
        # All of them, though there is one: a query that is not at its end keeps others from writing.
        rows = self._database.execute(query, (key, content)).fetchall()
        if not rows:
            return None
        kept = decode(_Kept, json.loads(_sealed(*rows[0], key, content)))
        if kept.screened is not (summary is not None):
            return None
        answers = kept.answers.splitlines()
        if not all(map(self._holds, answers)):
            return None
        lines = {(name, cell): text.split("\n") for name, cell, text in kept.lines}
        rows_of = {(name, cell): of for name, cell, of in kept.rows}
        facts: Facts | None = None
        if job.mode.fix:
            pairs = (map(json.loads, line.split("\t")) for line in answers)
            facts = Facts(content, summary, {tuple(asked): said for asked, said in pairs})
        return Result(job.name, kept.findings, data=data, lines=lines, rows=rows_of, facts=facts)

    def _holds(self, line: str) -> bool:
        if line not in self._facts:
            asked, said = line.split("\t")
            self._facts[line] = answer(json.loads(asked), self._modules) == json.loads(said)
        return self._facts[line]


def location(config: Config, working: Path) -> Path:
    """The folder of the cache, by the configuration of the working folder.

    It is the one that is named there, else one beside the configuration file, else one at the top of the
    repository, else one in the working folder.
    """
    if config.cache_dir is not None:
        return config.cache_dir
    if config.path is not None:
        return config.root / NAME
    around = (folder for folder in (working, *working.parents) if (folder / ".git").exists())
    return next(around, working) / NAME


def clean(folder: Path) -> bool:
    """Take a cache away, and its folder where nothing else is in it; False where there is none.

    Raises:
        OSError: it may not be taken away.
    """
    files = [*_files(folder), *(path for name in _OWN_FILES if (path := folder / name).is_file())]
    if not (folder / "CACHEDIR.TAG").is_file() and not _files(folder):
        return False
    for path in files:
        path.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()
    return True


def _make(folder: Path) -> None:
    """Make the folder, and mark it as a cache where it holds nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        for name, text in _OWN_FILES.items():
            (folder / name).write_text(text, encoding="ascii")


def _files(folder: Path) -> list[Path]:
    """The files that results are in."""
    return [path for path in folder.glob(f"*{_SUFFIX}*") if path.is_file() and not path.is_symlink()]


def _is_there(path: Path) -> bool:
    """Whether there is a file.

    Raises:
        OSError: there is something else.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path.name} is no file")
    return True


@contextlib.contextmanager
def _database(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """The database, closed at the end: one that is open must not be there when a process is forked."""
    _is_there(path)
    database = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=_PATIENCE, isolation_level=None
    )
    try:
        database.execute("PRAGMA trusted_schema = OFF")
        # A machine that loses power may lose the file; what a file says is sealed.
        database.execute("PRAGMA synchronous = OFF")
        yield database
    finally:
        database.close()


def _tables(database: sqlite3.Connection) -> tuple[str, ...]:
    made = database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
    return tuple(sql for (sql,) in made)


def _is_broken(error: BaseException) -> bool:
    """Whether it is the file's content that is wrong; else it is locked, or may not be read, or is full."""
    return not isinstance(error, (OSError, ImportError, sqlite3.OperationalError))


def _sealed(text: object, seal: object, *others: str) -> str:
    """The text of a row.

    Raises:
        _Broken: it is not what was written there.
    """
    if not isinstance(text, str) or _digest(*others, text) != seal:
        raise _Broken("a row is damaged")
    return text


def _digest(*words: str) -> str:
    joined = "\0".join(words).encode(errors="surrogateescape")
    return hashlib.blake2b(joined, digest_size=16).hexdigest()


def _text(job: Job, content: str) -> str:
    """What tells a text: a notebook's is not that of a script with the same content."""
    return f"{content}.ipynb" if job.file.endswith(".ipynb") else content


def _words(settings: Settings) -> Iterator[str]:
    for field in fields(settings):
        value = getattr(settings, field.name)
        yield repr(sorted(value.items()) if isinstance(value, Mapping) else value)


def _day() -> int:
    return int(time.time() // 86400)


@cache
def tool() -> str:
    """What tells this tool from others: its code, its rules', the parser's version and Python's.

    Raises:
        ImportError, OSError: that cannot be read.
    """
    digest = hashlib.blake2b(digest_size=8)
    digest.update(f"{__version__} {_parser()} {sys.version_info[:2]}".encode())
    for folder in folders():
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode(errors="surrogateescape"))
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _parser() -> str:
    """LibCST's version, as the folder that its installer left has it in its name."""
    named = (folder.name for entry in sys.path for folder in Path(entry).glob("libcst-*.dist-info"))
    found = next(named, None)
    if found is None:
        from importlib.metadata import version

        found = version("libcst")
    return found
