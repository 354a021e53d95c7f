"""Imports: of libraries by their normalised names, of the project's modules when they are first used."""

from __future__ import annotations

import os.path
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import libcst as cst

from tflint_nan.build.expressions import Expressions
from tflint_nan.build.names import normalise
from tflint_nan.build.project import Project
from tflint_nan.build.state import Frame
from tflint_nan.source import Source
from tflint_nan.value import Const, Import, Items, Module, OneOf, Scope, Symbol, Table, Tensor, Unknown, Value

#: Characters of the project's other files that one program may bring in.
MAX_IMPORTED = 100_000
#: Folders that one program may add to `sys.path`.
MAX_FOLDERS = 16
#: What may stand for something else than it was when it was made.
_CHANGING = frozenset({Items, Table, OneOf, Import, Tensor, Unknown})


class Imports(Expressions):
    """Binds imported names."""

    def __init__(self) -> None:
        super().__init__()
        #: Statements that following calls may still take.
        self.work = 0
        #: Frames whose statements are the text's own and always read; those of calls above them take work.
        self.ground = 1
        #: Where imports are looked for; None reads one file alone.
        self.project: Project | None = None
        self._modules: dict[Path, Module | Unknown] = {}
        self._imported = 0
        #: Folders that the program itself adds to `sys.path`.
        self._folders: list[Path] = []
        #: Modules that are imported, and not read yet.
        self._waiting: dict[Path, None] = {}

    @abstractmethod
    def allowance(self, source: Source) -> int:
        """The statements that following the calls of a text may take."""

    @abstractmethod
    def execute(self, body: Sequence[cst.BaseStatement | cst.BaseSmallStatement]) -> Any:
        """Run a block."""

    def import_modules(self, node: cst.Import) -> None:
        """`import a.b as c`."""
        for alias in node.names:
            name = dotted(alias.name)
            whole = self.module(name, 0)
            if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
                self.bind(alias.asname.name.value, whole)
            else:
                top = name.partition(".")[0]
                module = self.module(top, 0)
                if isinstance(whole, Import) and not isinstance(module, Import):
                    # A folder without `__init__.py` is a package by what is imported from it.
                    folder = whole.path.parents[name.count(".") - (whole.path.name != "__init__.py")]
                    module = Import(folder / "__init__.py")
                self.bind(top, module)

    def import_names(self, node: cst.ImportFrom) -> None:
        """`from a import b as c`."""
        base = dotted(node.module) if node.module is not None else ""
        level = len(node.relative)
        module = self.module(base, level)
        if isinstance(node.names, cst.ImportStar):
            self._import_star(self.loaded(module))
            return
        for alias in node.names:
            bound = alias.asname.name if alias.asname is not None else alias.name
            if not isinstance(bound, cst.Name):
                continue
            name = dotted(alias.name)
            value: Value = Unknown()
            inner = self.module(f"{base}.{name}" if base else name, level) if base or level else module
            if isinstance(module, Import):
                value = Import(module.path, name)
            elif isinstance(inner, Import):
                value = inner
            elif isinstance(module, Symbol):
                value = self.constant(normalise(f"{base}.{name}"))
            self.bind(bound.value, value)

    def search(self, folder: str) -> None:
        """`sys.path.append(folder)`; a relative one is meant from the script's own folder."""
        importer = self.frame.scope.source.filename
        path = Path(os.path.normpath(self.absolute(importer).parent / folder))
        if path not in self._folders and len(self._folders) < MAX_FOLDERS:
            self._folders.append(path)

    def absolute(self, filename: str) -> Path:
        """The path of the file that reports call so."""
        return Path(filename).absolute() if self.project is None else self.project.disk.absolute(filename)

    def module(self, name: str, level: int) -> Value:
        """The module `name`: the project's where it has one, else the library's symbol."""
        if self.project is not None:
            path = self.project.find(name, level, self.frame.scope.source.filename, self._folders)
            if path is not None:
                if path not in self._modules:
                    self._waiting[path] = None
                return Import(path)
        return Symbol(normalise(name)) if name and not level else Unknown()

    def _import_star(self, module: Value) -> None:
        if isinstance(module, Module):
            listed = module.scope.names.get("__all__")
            known = self.elements(self.loaded(listed)) if listed is not None else None
            public = None if known is None else {item.literal for item in known}
            for name, value in list(module.scope.names.items()):
                if name in public if public is not None else not name.startswith("_"):
                    self.bind(name, value)
            libraries = self.star_imports.get(module.scope)
            if libraries and public is None:
                self.star_imports.setdefault(self.module_scope(), []).extend(libraries)
            elif libraries and public is not None:
                for word in public - module.scope.names.keys():
                    if isinstance(word, str):
                        self.bind(word, self._exported(module, word))
        elif isinstance(module, Symbol):
            self.star_imports.setdefault(self.module_scope(), []).append(module.name)

    def loaded(self, value: Value) -> Value:
        """What an `Import` stands for, a list, dict or array as it is now; any other value as it is."""
        if type(value) not in _CHANGING:
            return value
        if isinstance(value, (Items, Table)):
            return self.now(value)
        if isinstance(value, (Tensor, Unknown)):
            return self.array(value)
        if isinstance(value, OneOf) and any(isinstance(choice, Import) for choice in value.choices):
            return self.either([self.loaded(choice) for choice in value.choices])
        followed: set[Value] = set()
        while isinstance(value, Import):
            if value in followed:
                return Unknown()  # two modules that import a name from each other
            followed.add(value)
            module = self._load(value.path)
            if value.name is None or not isinstance(module, Module):
                return module
            value = self._attribute_in(module, value.name)
        return value

    def load_waiting(self, name: str) -> None:
        """Read the modules that are imported and not read, where one writes the word `name`.

        For what a module does when it is imported, such as the definition of flags.
        """
        for path in list(self._waiting):
            if self.project is not None and self.project.mentions(path, name):
                self._load(path)

    def module_attribute(self, module: Module, name: str) -> Value:
        """`module.name`: a variable, or a module of the package."""
        return self.loaded(self._attribute_in(module, name))

    def _attribute_in(self, module: Module, name: str) -> Value:
        value = module.scope.names.get(name)
        # `from . import name` in a package's own file means the module, not the variable it binds.
        if value in (None, Import(module.path, name)) and self.project is not None:
            path = self.project.find(name, 1, str(module.path))
            package = module.path.name == "__init__.py"
            return Import(path) if package and path is not None else self._exported(module, name)
        if isinstance(value, Unknown) and module.scope in self.star_imports:
            library = self.starred(module.scope, name)
            if isinstance(library, Symbol) and _is_made_of(value, library):
                return library
        return Unknown() if value is None else value

    def _exported(self, module: Module, name: str) -> Value:
        """A name that a module does not define: a library's, where it has all of a library's names."""
        libraries = self.star_imports.get(module.scope, ())
        value = self.starred(module.scope, name) if libraries else None
        if value is None and len(libraries) == 1 and not name.startswith("_"):
            return self.constant(normalise(f"{libraries[0]}.{name}"))
        return Unknown() if value is None else value

    def _load(self, path: Path) -> Value:
        self._waiting.pop(path, None)
        known = self._modules.get(path)
        if known is not None:
            return known
        source = self.project.source(path) if self.project is not None else None
        if source is None or self._imported + len(source.text) > MAX_IMPORTED:
            return self._modules.setdefault(path, Unknown())
        self._imported += len(source.text)
        scope = Scope(source.tree, source, None)
        module = self._modules[path] = Module(path, scope)
        # Reading it takes nothing from the work that is left for the text that imports it.
        left = self.work, self.ground
        self.work, self.ground = self.allowance(source), len(self.frames) + 1
        # A module is read once, whatever branch needs it first: its variables are no part of the branch.
        with self.apart():
            self.enter(Frame(scope))
            try:
                self.bind("__name__", Const(path.stem))
                self.bind("__file__", Const(str(path)))
                self.execute(source.tree.body)
            finally:
                self.leave()
                self.work, self.ground = left
        return module


def _is_made_of(value: Value, library: Symbol) -> bool:
    """Whether an unknown value was made of a library's module: a copy with some names exchanged."""
    given = () if value.op is None else value.op.args.values()
    return any(isinstance(one, Symbol) and f"{one.name}.".startswith(f"{library.name}.") for one in given)


def dotted(node: cst.BaseExpression) -> str:
    """The text of a dotted name."""
    parts: list[str] = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    if isinstance(node, cst.Name):
        parts.append(node.value)
    return ".".join(reversed(parts))
