"""The calls of a module's function in the other files of its project.

They are found by what the files import. The calls of a function are known where every file of the project
uses it in a way that can be read off: by its name, by its module's, or by a name that a module has for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import commonpath
from pathlib import Path
from typing import Final

import libcst as cst

from tflint_nan.build import Project
from tflint_nan.build.imports import dotted
from tflint_nan.callers import is_bound, is_hidden, occurrences
from tflint_nan.places import within
from tflint_nan.source import Source

#: Python files of a project that are searched for a name, and those of them that are parsed.
_MOST_FILES: Final = 1000
_MOST_PARSED: Final = 40
#: Folders of other people's code, and of none.
_FOREIGN: Final = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})
_SUFFIXES: Final = (".py", ".ipynb")
#: What a name of a folder hardly ends in.
_SUFFIX: Final = re.compile(r"\.[A-Za-z]\w*$")
#: What the top folder of a repository has, and how far above a project's settings it is looked for.
_REPOSITORY: Final = frozenset({".git", ".hg"})
_LEVELS: Final = 6
#: What makes of a project something that is installed, and called by anybody.
_SETUP: Final = frozenset({"setup.py", "setup.cfg"})
_INSTALLED: Final = re.compile(rb"^\[(project|build-system|tool\.poetry)\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Outside:
    """The calls of a function in other files.

    Attributes:
        calls: each with its file.
        certain: False where nothing marks the folder of the project, so there may be files outside of it.
    """

    calls: tuple[tuple[Source, cst.Call], ...]
    certain: bool


@dataclass(slots=True)
class _Uses:
    """How a file uses a function of another: its calls, and the names that it has for it."""

    calls: list[cst.Call] = field(default_factory=list)
    names: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Bound:
    """Names of a file for the function, for its module, for others of the project, and for libraries."""

    functions: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)

    @property
    def clash(self) -> bool:
        """Whether a name for the function or its module may be something else."""
        return not (self.functions | self.modules).isdisjoint(self.others | self.foreign)


def outside_calls(
    project: Project, function: cst.FunctionDef, source: Source, known: Iterable[Source]
) -> Outside | None:
    """The calls in other files of a function at the top level of a module; None where there may be more.

    Args:
        project: where the files are.
        function: a function of `source`.
        source: the module.
        known: files that have been read, one of them with a call.
    """
    if not isinstance(source.parent(function), cst.Module):
        return None
    sources = {project.disk.absolute(other.filename): other for other in known}
    origin = project.disk.absolute(source.filename)
    top, marked = _top(project, [origin, *sources])
    private = function.name.value.startswith("_") or origin.stem.startswith("_")
    if not private and _is_installed(project, origin, top):
        return None
    files = _files(project, top)
    if files is None:
        return None
    calls: list[tuple[Source, cst.Call]] = []
    todo = [(origin, function.name.value)]
    parsed: set[Path] = set()
    for target, name in todo:
        for path in _mentioning(project, files, target, name):
            parsed.add(path)
            other = sources.get(path) or project.source(path)
            if other is None or len(parsed) > _MOST_PARSED:
                return None
            uses = _uses(project, other, target, name)
            if uses is None or (other.is_notebook and uses.calls):
                return None
            calls += [(other, call) for call in uses.calls]
            todo += [(path, own) for own in sorted(uses.names) if (path, own) not in todo]
    return Outside(tuple(calls), marked)


def use_elsewhere(project: Project, known: Sequence[Source], word: str, other: str) -> bool | None:
    """Whether a file of the project has both words in its text; None where it may be one that nobody sees.

    Args:
        project: where the files are.
        known: files that are left out, at least one.
        word: for one, the name of a class.
        other: for one, a name that it may give a member.
    """
    paths = [project.disk.absolute(source.filename) for source in known]
    top, marked = _top(project, paths)
    files = _files(project, top)
    if files is None or any(
        path not in paths and project.mentions(path, word) and project.mentions(path, other) for path in files
    ):
        return True
    return False if marked and not _is_installed(project, paths[0], top) else None


def _top(project: Project, paths: Sequence[Path]) -> tuple[Path, bool]:
    """The folder of the project that a file (the first) is of, and whether something marks it as such.

    In a repository that is the whole: a folder with settings of its own is used from outside.
    """
    top, marked = project.top(paths[0].parent)
    for folder in (top, *top.parents[:_LEVELS]):
        if not project.names(folder).isdisjoint(_REPOSITORY):
            return folder, True
    if not marked:
        try:
            top = Path(commonpath([path.parent for path in paths]))
        except ValueError:  # on several drives
            top = paths[0].parent
        while "__init__.py" in project.names(top):
            top = top.parent
    return top, marked


def _is_installed(project: Project, path: Path, top: Path) -> bool:
    """Whether a file is of something that is made to be installed."""
    for folder in path.parents:
        names = project.names(folder)
        if not names.isdisjoint(_SETUP):
            return True
        if "pyproject.toml" in names:
            try:
                if _INSTALLED.search(project.read(folder / "pyproject.toml")):
                    return True
            except OSError:
                return True
        if folder == top:
            break
    return False


def _files(project: Project, top: Path) -> Sequence[Path] | None:
    """The Python files and notebooks below a folder; None where they are too many to be searched."""
    found: list[Path] = []
    folders = [top]
    for folder in folders:
        for name in sorted(project.names(folder)):
            if name.endswith(_SUFFIXES):
                found.append(folder / name)
            elif not name.startswith(".") and name not in _FOREIGN and not _SUFFIX.search(name):
                folders.append(folder / name)
        if len(found) > _MOST_FILES or len(folders) > _MOST_FILES:
            return None
    return found


def _mentioning(project: Project, files: Sequence[Path], target: Path, name: str) -> Iterator[Path]:
    """The files whose text may use `name` of the module at `target`."""
    module = _module_name(target)
    for path in files:
        # A file of a package may mean the package by dots alone.
        inside = target.name == "__init__.py" and target.parent in path.parents
        importing = path != target and (inside or project.mentions(path, module))
        if importing and (project.mentions(path, name) or project.mentions(path, "import *")):
            yield path


def _module_name(path: Path) -> str:
    return path.parent.name if path.name == "__init__.py" else path.stem


def _uses(project: Project, source: Source, target: Path, name: str) -> _Uses | None:
    """How a file uses `name` of the module at `target`; None where that cannot be read off."""
    bound, quoted = _Bound(), set[str]()
    for node in within(source.tree):
        if isinstance(node, cst.ImportFrom):
            clear = _import_names(project, source, node, target, name, bound)
        elif isinstance(node, cst.Import):
            clear = _import_modules(project, source, node, target, bound)
        else:
            if isinstance(node, cst.SimpleString):
                quoted.add(node.raw_value)
            continue
        if not clear:
            return None
    module = _module_name(target)
    # A test replaces it by such a name.
    if bound.clash or is_hidden(source, name) or any(text.endswith(f"{module}.{name}") for text in quoted):
        return None
    named = any(text.rpartition(".")[2] == module for text in quoted)
    uses, names = _Uses(names=bound.functions), occurrences(source)
    for own in bound.functions:
        for node in _variables(source, names, own):
            parent = source.parent(node)
            if not isinstance(parent, cst.Call) or parent.func is not node:
                return None  # bound to something else, or passed on
            uses.calls.append(parent)
    for module in bound.modules:
        for node in _variables(source, names, module):
            parent = source.parent(node)
            if not isinstance(parent, cst.Attribute) or parent.value is not node or is_bound(source, parent):
                return None
    for node in names.get(name, ()):
        parent = source.parent(node)
        if not isinstance(parent, cst.Attribute) or parent.attr is not node:
            continue
        holder, call = parent.value, source.parent(parent)
        if isinstance(holder, cst.Name) and holder.value in bound.modules:
            if not isinstance(call, cst.Call) or call.func is not parent:
                return None
            uses.calls.append(call)
        elif isinstance(holder, cst.Name) and holder.value in bound.others:
            return None  # that module may have it from this one
        elif isinstance(holder, cst.Attribute) and holder.attr.value == module:
            return None
        elif named and not (isinstance(holder, cst.Name) and holder.value in bound.foreign):
            return None  # the module may have been imported by its name
    return uses


def _variables(source: Source, names: Mapping[str, Sequence[cst.Name]], name: str) -> Iterator[cst.Name]:
    """Where a variable of this name stands, but for where it is imported."""
    for node in names.get(name, ()):
        parent = source.parent(node)
        apart = isinstance(parent, cst.Attribute) and parent.attr is node
        keyword = isinstance(parent, cst.Arg) and parent.keyword is node
        imported = isinstance(parent, cst.ImportAlias) or (
            isinstance(parent, cst.AsName) and isinstance(source.parent(parent), cst.ImportAlias)
        )
        base = isinstance(parent, cst.ImportFrom)
        if not (apart or keyword or imported or base):
            yield node


def _import_names(
    project: Project, source: Source, node: cst.ImportFrom, target: Path, name: str, bound: _Bound
) -> bool:
    """Add what a statement binds; False where it is not clear what it imports."""
    base, level = "" if node.module is None else dotted(node.module), len(node.relative)
    path = project.find(base, level, source.filename)
    if path is None and base.rpartition(".")[2] == _module_name(target):
        return False
    if isinstance(node.names, cst.ImportStar):
        if path == target:
            bound.functions.add(name)
        return True
    for alias in node.names:
        imported = dotted(alias.name)
        own = alias.asname.name if alias.asname is not None else alias.name
        inner = project.find(f"{base}.{imported}" if base else imported, level, source.filename)
        if not isinstance(own, cst.Name) or (path == inner is None and imported == _module_name(target)):
            return False
        if path == target and imported == name:
            bound.functions.add(own.value)
        elif inner == target:
            bound.modules.add(own.value)
        else:
            (bound.foreign if path is None and inner is None else bound.others).add(own.value)
    return True


def _import_modules(project: Project, source: Source, node: cst.Import, target: Path, bound: _Bound) -> bool:
    """As `_import_names`, of `import a.b as c`."""
    for alias in node.names:
        whole = dotted(alias.name)
        path = project.find(whole, 0, source.filename)
        own = alias.asname.name if alias.asname is not None else alias.name
        if path == target and isinstance(own, cst.Name):
            bound.modules.add(own.value)
        elif path == target or (path is None and whole.rpartition(".")[2] == _module_name(target)):
            return False
        elif isinstance(own, cst.Name):
            (bound.foreign if path is None else bound.others).add(own.value)
    return True
