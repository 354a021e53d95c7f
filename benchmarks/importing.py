"""Imports files and tells their names: `python benchmarks/importing.py`, reading paths, one on each line.

For each path one line of JSON is printed: {"names": {...}} or {"error": "..."}, and with either "absent", the
libraries that are not installed here and for which an empty stand-in was imported. Each file is imported in a
process of its own, forked from one that has imported TensorFlow, without a network, in an empty folder. After
`v1 ` a path is imported with `tensorflow.compat.v1` as TensorFlow, and a stand-in for its `contrib`.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import json
import os
import signal
import sys
import tempfile
import types
from abc import ABCMeta
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

#: Longer than any import takes; a script that trains when it is imported does not end in it. In seconds.
TIMEOUT = 60
#: What programs for TensorFlow import.
_WARM = ("numpy", "tensorflow", "keras", "tensorflow.compat.v1")


class _Meta(ABCMeta):
    """The class of stand-ins: whatever is asked of one is another."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return _stand_in(name)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if "_stand_in" not in cls.__dict__:
            return super().__call__(*args, **kwargs)
        # As a decorator it leaves what it decorates.
        decorates = len(args) == 1 and not kwargs and (inspect.isroutine(args[0]) or inspect.isclass(args[0]))
        return args[0] if decorates else cls

    def __getitem__(cls, key: object) -> Any:
        return cls

    def __iter__(cls) -> Iterator[Any]:
        return iter(())


def _stand_in(name: str) -> _Meta:
    return _Meta(name, (), {"_stand_in": True, "__init__": lambda self, *args, **kwargs: None})


class _Absent(types.ModuleType):
    __version__ = "99.0"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return _stand_in(name)


class _StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds whatever no other finder did, unless it is of the project or of a library that is here."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.absent: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        top = fullname.partition(".")[0]
        if fullname.startswith("tensorflow.contrib"):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        here = (self._root / top).exists() or (self._root / f"{top}.py").exists()
        known = top in sys.stdlib_module_names or (top in sys.modules and top not in self.absent)
        if here or known or not self._asked_by_project():
            return None
        self.absent.add(top)
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def _asked_by_project(self) -> bool:
        """Libraries import what they can do without."""
        frame: types.FrameType | None = sys._getframe(2)
        while frame is not None and "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        return frame is not None and frame.f_code.co_filename.startswith(str(self._root))

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Absent(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing is in it."""


def root_of(path: Path) -> tuple[Path, str]:
    """The folder that has to be on the search path, and the name of the module."""
    parts = [] if path.name == "__init__.py" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts)


def names(module: types.ModuleType) -> dict[str, object]:
    """What a module defines: its names, with the parameters of functions and the members of classes."""
    found: dict[str, object] = {}
    for name, value in vars(module).items():
        own = getattr(value, "__module__", None) == module.__name__
        if own and inspect.isclass(value):
            found[name] = {key: _parameters(member) for key, member in sorted(vars(value).items())}
        else:
            found[name] = _parameters(value) if own else ""
    return found


def _parameters(value: object) -> str:
    return " ".join(inspect.signature(value).parameters) if inspect.isfunction(value) else ""


def imported(path: Path) -> dict[str, object]:
    """What importing one file comes to, see the module's description."""
    root, name = root_of(path)
    finder = _StandIns(root)
    sys.path.insert(0, str(root))
    sys.path.insert(0, str(path.parent))
    sys.meta_path.append(finder)
    result: dict[str, object]
    try:
        module = importlib.import_module(name)
        where = getattr(module, "__file__", None)
        if where is None or Path(where).resolve() != path.resolve():
            result = {"error": "another module of this name is installed"}
        else:
            result = {"names": names(module)}
    except BaseException as error:
        words = " ".join(str(error).split()).replace(str(root), "")
        result = {"error": f"{type(error).__name__}: {words[:200]}"}
    return {**result, "absent": sorted(finder.absent)}


def take_v1() -> None:
    """Let `import tensorflow` mean its first generation."""
    contrib = _Absent("tensorflow.contrib")
    contrib.__path__ = []
    v1 = sys.modules["tensorflow.compat.v1"]
    setattr(v1, "contrib", contrib)  # noqa: B010
    sys.modules.update({"tensorflow": v1, "tensorflow.contrib": contrib})


def in_child(path: Path, v1: bool) -> dict[str, object]:
    """`imported` in a forked process."""
    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch) / "answer"
        child = os.fork()
        if not child:
            signal.alarm(TIMEOUT)
            os.mkdir(os.path.join(scratch, "cwd"))
            os.chdir(os.path.join(scratch, "cwd"))
            os.environ["HOME"] = os.getcwd()
            if v1:
                take_v1()
            result = imported(path)
            answer.write_text(json.dumps(result), encoding="utf-8")
            os._exit(0)
        os.waitpid(child, 0)
        if answer.exists() and (text := answer.read_text(encoding="utf-8")):
            return dict(json.loads(text))
    return {"error": "does not end", "absent": []}


def main() -> None:
    """Answer until the input ends."""
    # What an import prints is not for the reader of this.
    out = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.environ.update(http_proxy="127.0.0.1:9", https_proxy="127.0.0.1:9", CUDA_VISIBLE_DEVICES="-1")
    for library in _WARM:
        importlib.import_module(library)
    for line in sys.stdin:
        path = line.rstrip("\n")
        print(
            json.dumps(in_child(Path(path.removeprefix("v1 ")), path.startswith("v1 "))), file=out, flush=True
        )


if __name__ == "__main__":
    main()
