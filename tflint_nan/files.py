"""Which files are checked: what the paths name, less what ignore files and the configuration leave out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from tflint_nan.config import Config, Configs

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
