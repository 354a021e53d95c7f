"""A whole program: its module, then every function and class that nothing in it calls."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

import libcst as cst

from tflint_nan.build.attributes import Arguments
from tflint_nan.build.calls import CALLED_BY_KERAS, Calls, named_parameters
from tflint_nan.build.project import Project
from tflint_nan.build.state import Frame
from tflint_nan.graph import Graph
from tflint_nan.ops.policies import in_force, restore
from tflint_nan.source import Source
from tflint_nan.value import NONE, Class, Const, Function, Object, OneOf, Scope, Value

#: Python frames that the walk may nest: calls are bounded, and so are expressions.
RECURSION_LIMIT = 12_000
#: The parameters by whose names Keras' losses and metrics are known.
KERAS_LOSS = ("y_true", "y_pred")


class Program(Calls):
    """The walk over one program."""

    def __init__(self, source: Source, project: Project | None) -> None:
        super().__init__()
        self._source = source
        self.project = project
        #: What callers that are not seen may get.
        self.escaped: list[Value] = []
        #: By identity of the definition's node, its latest value.
        self._definitions: dict[int, Function | Class] = {}

    def defined(self, value: Function | Class) -> None:
        """Take note of a function or class, to be read later if nothing calls it."""
        if value.source is self._source:
            self._definitions[id(value.node)] = value

    def run(self) -> None:
        """Read the module, then what it leaves uncalled."""
        tree = self._source.tree
        scope = Scope(tree, self._source, None)
        self.enter(Frame(scope))
        self.node = tree
        self.work = allowance = self.allowance(self._source)
        self.bind("__name__", Const("__main__"))
        self.bind("__file__", Const(str(self.absolute(self._source.filename))))
        self.execute(tree.body)
        self.ground = 2
        share = allowance // max(1, len(self._definitions))
        policy = in_force(self)
        done: set[int] = set()
        # Reading one definition brings up those inside it.
        while waiting := [key for key in self._definitions if key not in done]:
            for key in waiting:
                done.add(key)
                self.work = max(self.work, share)
                self._entry(self._definitions[key])
                restore(self, policy)  # what nothing calls is set for nobody

    def _entry(self, definition: Function | Class) -> None:
        self.node = definition.node
        if isinstance(definition, Class):
            self._class_entry(definition)
        elif id(definition.node) not in self.entered and not self._is_method(definition):
            result = self._enter(self._from_outside(definition), Arguments(definition.node, complete=False))
            self.escaped.append(self.element(result) if isinstance(result, Object) else result)

    def _from_outside(self, function: Function) -> Function:
        """The function as a caller that is not seen may call it.

        Its switches can have any value, and what is None by default is often given; other defaults (an
        epsilon, a number of units) are what most callers leave.
        """
        defaults: dict[str, Value] = {}
        outer = self.node
        places = {param.name.value: param.name for param in named_parameters(function.node)}
        for name, value in function.defaults.items():
            if isinstance(value.literal, bool):
                continue
            self.node = places[name]
            defaults[name] = OneOf((value, self.parameter(name))) if value == NONE else value
        positional = [param.name.value for param in function.node.params.params]
        if tuple(positional[function.bound is not None :][:2]) == KERAS_LOSS:
            # Keras gives labels and the output of some model to what has these names.
            for name, kind in zip(KERAS_LOSS, ("labels", "prediction"), strict=True):
                self.node = places[name]
                defaults[name] = self.emit(kind, {"name": Const(name)})
        self.node = outer
        return replace(function, defaults=defaults)

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
            instance = self._instantiate(cls, Arguments(cls.node, complete=False), self._from_outside)
        assert isinstance(instance, Object)
        if instance.kind in CALLED_BY_KERAS:
            self.build_once(instance, cls.node)
        order = {"__init__": 0, "build": 1}
        for method in sorted(methods, key=lambda method: order.get(method.name, 2)):
            if id(method.node) not in self.entered and isinstance(method.node, cst.FunctionDef):
                bound = self.bound(instance, method.node.name.value)
                outside = self._from_outside(bound) if isinstance(bound, Function) else bound
                self.escaped.append(self.call(outside, [], {}))
        self.escaped.extend(instance.attrs.values())


def build(
    source: Source,
    thresholds: Mapping[str, float],
    project: Project | None = None,
    options: Mapping[str, object] | None = None,
) -> Graph:
    """Read a program into its graph of ops; nothing of it is run.

    Args:
        source: the file to read.
        thresholds: the numbers that rules may ask the graph for.
        project: where the modules that it imports are found; without it, the file is read alone.
        options: settings of the command line that are not at their defaults.

    Raises:
        tflint_nan.source.SourceError: the text is not Python.
    """
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, RECURSION_LIMIT))
    try:
        program = Program(source, project)
        program.options = options or {}
        program.run()
    finally:
        sys.setrecursionlimit(limit)
    around = Project() if project is None else project
    return Graph(
        program.ops,
        thresholds,
        program.escaped,
        tuple(program.asked),
        lambda source: around.is_imported(around.disk.absolute(source.filename)),
    )
