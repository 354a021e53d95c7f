"""A whole program: its module, then every function and class that nothing in it calls."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import libcst as cst

from tflint_nan.build.calls import MIN_WORK, WORK_PER_STATEMENT, Calls
from tflint_nan.build.state import Frame
from tflint_nan.graph import Graph
from tflint_nan.source import Source
from tflint_nan.value import Class, Const, Function, Object, Scope, Value

#: Python frames that the walk may nest: calls are bounded, and so are expressions.
RECURSION_LIMIT = 12_000


class Program(Calls):
    """The walk over one program."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._definitions: list[Function | Class] = []

    def defined(self, value: Value) -> None:
        """Take note of a function or class, to be read later if nothing calls it."""
        if isinstance(value, (Function, Class)) and len(self.frames) == 1:
            self._definitions.append(value)

    def run(self) -> None:
        """Read the module, then what it leaves uncalled."""
        tree = self._source.tree
        scope = Scope(tree, self._source, None)
        self.frames.append(Frame(scope))
        self.work = allowance = max(MIN_WORK, WORK_PER_STATEMENT * self._source.text.count("\n"))
        self.bind("__name__", Const("__main__"))
        self.execute(tree.body)
        done: set[int] = set()
        for definition in self._definitions:
            if id(definition.node) in done:
                continue
            done.add(id(definition.node))
            self.work = max(self.work, allowance // max(1, len(self._definitions)))
            if isinstance(definition, Class):
                self._class_entry(definition)
            elif id(definition.node) not in self.entered and not self._is_method(definition):
                self._enter(definition, [], {}, definition.node)

    def _is_method(self, function: Function) -> bool:
        return isinstance(function.scope.node, cst.ClassDef)

    def _class_entry(self, cls: Class) -> None:
        """Call the methods that nothing called, on an instance."""
        methods = [
            member
            for name in cls.names
            if isinstance(member := self.member(cls, name), Function) and member.owner is cls
        ]
        if all(id(method.node) in self.entered for method in methods):
            return
        instance: Value | None = self.instances.get(id(cls.node))
        if instance is None:
            instance = self._instantiate(cls, [], {}, cls.node)
        assert isinstance(instance, Object)
        order = {"__init__": 0, "build": 1}
        for method in sorted(methods, key=lambda method: order.get(method.name, 2)):
            if id(method.node) not in self.entered and isinstance(method.node, cst.FunctionDef):
                self.call(self._bound(instance, method.node.name.value), [], {})


def build(source: Source, thresholds: Mapping[str, float]) -> Graph:
    """Read a program into its graph of ops; nothing of it is run.

    Args:
        source: the file to read.
        thresholds: the numbers that rules may ask the graph for.

    Raises:
        tflint_nan.source.SourceError: the text is not Python.
    """
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, RECURSION_LIMIT))
    try:
        program = Program(source)
        program.run()
    finally:
        sys.setrecursionlimit(limit)
    return Graph(program.ops, thresholds)
