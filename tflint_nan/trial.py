"""Whether a file tries numbers out, as tests do, or trains on data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeGuard

import libcst as cst

from tflint_nan.evidence import ancestors
from tflint_nan.graph import Graph
from tflint_nan.source import Source
from tflint_nan.value import Op, sources

#: Files that unittest and pytest collect from by default, and folders that projects keep their tests in.
_FILE = re.compile(r"test.*\.py|.*_test\.py")
_FOLDERS = frozenset({"test", "tests"})
#: Names of classes that hold tests, and of those that such classes are made of.
_CASE = re.compile(r"Test.*|.*(Test|Tests|TestCase)")
#: How training gets its numbers: op -> the argument that holds them, or is computed from them.
_STEPS = {"fit": "x", "feed": "data", "minimize": "loss", "gradients": "loss"}
#: Data that is known by its reader.
_DATA = frozenset({"pixels", "class_ids", "csv", "scaled_images"})
#: What makes numbers up or takes structures of them apart, and reads none.
_WITHIN = ("tf.experimental.numpy.", "tf.nest.")


def is_trial(source: Source, graph: Graph) -> bool:
    """True for a file of tests in which nothing is seen to be trained on data from outside.

    Its numbers are literals, random samples and arguments, chosen to see what comes out: NaN, too.
    """
    return has_tests(source) and not _trains_on_data(graph)


def has_tests(source: Source) -> bool:
    """Whether the file defines tests: functions `test*` where they are collected from, or a class of them.

    Where they are collected from, a class may leave its tests to those that derive from it. A program has
    none, wherever it lies and whatever it is called.
    """
    *folders, name = source.filename.replace("\\", "/").split("/")
    collected = bool(_FILE.fullmatch(name)) or not _FOLDERS.isdisjoint(folders)
    return any(
        (collected and _is_test(statement) and _is_called_by_nobody(source, statement))
        or (isinstance(statement, cst.ClassDef) and _is_case(statement, collected))
        for statement in source.tree.body
    )


def _is_case(cls: cst.ClassDef, collected: bool) -> bool:
    derived = any(map(_CASE.fullmatch, _bases(cls)))
    if any(map(_is_test, cls.body.body)):
        return derived or _CASE.fullmatch(cls.name.value) is not None
    return derived and collected


def _bases(cls: cst.ClassDef) -> Iterator[str]:
    """What the bases of a class are called: `unittest.TestCase`, or a project's own."""
    for base in cls.bases:
        node = base.value.attr if isinstance(base.value, cst.Attribute) else base.value
        if isinstance(node, cst.Name):
            yield node.value


def _is_test(statement: cst.CSTNode) -> TypeGuard[cst.FunctionDef]:
    return isinstance(statement, cst.FunctionDef) and statement.name.value.startswith("test")


def _is_called_by_nobody(source: Source, function: cst.FunctionDef) -> bool:
    """A `test_step` that a loop calls is no test."""
    return len(re.findall(rf"\b{function.name.value}\b", source.text)) == 1


def _trains_on_data(graph: Graph) -> bool:
    given = [made for step in graph.ops(*_STEPS) for made in sources(step.arg(_STEPS[step.name]))]
    return any(leaf and _is_brought(op) for made in given for op, leaf in ancestors(made))


def _is_brought(op: Op) -> bool:
    """Whether the program does not make the numbers up: it reads them, or some other library does."""
    called = op.name == "unknown_call" and "." in op.api and not op.api.startswith(_WITHIN)
    return called or op.name in _DATA
