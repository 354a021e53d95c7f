"""How a file spells things at a place: which name holds a value there, what it calls a library function."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from weakref import WeakKeyDictionary

import libcst as cst

from tflint_nan.build.state import unrefined
from tflint_nan.graph import Graph
from tflint_nan.ops.generations import is_v1_only, is_v2_only
from tflint_nan.ops.table import APIS
from tflint_nan.places import within
from tflint_nan.source import Source
from tflint_nan.value import NONE, Binding, Object, Op, Scope, Symbol, Value

#: library -> the import that binds it, and the name bound.
_IMPORTS = {
    "tf": ("import tensorflow as tf", "tf"),
    "keras": ("import keras", "keras"),
    "np": ("import numpy as np", "np"),
}
_V1_IMPORT = "import tensorflow.compat.v1 as tf"
_BRANCHES = (cst.If, cst.For, cst.While, cst.Try, cst.TryStar, cst.Match)


class _Names:
    """What the names of one scope were bound to, found without reading its history again for every fix.

    Attributes:
        bindings: name -> its bindings in order.
        holders: identity of a value -> the names that held it.
        attributes: identity of a value -> attribute that it was -> the names that held an object with it.
        symbols: the names that were a library's module, function or class.
    """

    def __init__(self, scope: Scope) -> None:
        self.bindings: dict[str, list[Binding]] = {}
        for binding in scope.history:
            self.bindings.setdefault(binding.name, []).append(binding)
        self.holders: dict[int, dict[str, None]] = {}
        self.attributes: dict[int, dict[str, dict[str, None]]] = {}
        self.symbols: dict[str, None] = {}
        for name, bindings in self.bindings.items():
            for value in {id(binding.value): binding.value for binding in bindings}.values():
                self.holders.setdefault(id(unrefined(value)), {})[name] = None
                if isinstance(value, Symbol):
                    self.symbols[name] = None
                if isinstance(value, Object):
                    for key, held in value.attrs.items():
                        self.attributes.setdefault(id(held), {}).setdefault(key, {})[name] = None


class _Index:
    """What the fixes of one graph ask again and again."""

    def __init__(self, graph: Graph) -> None:
        self._names: dict[Scope, _Names] = {}
        self._code: dict[cst.CSTNode, str] = {}
        self._targets: dict[cst.CSTNode, tuple[cst.Attribute, ...]] = {}
        self._expressions: dict[Scope, dict[int, list[tuple[cst.BaseExpression, Op]]]] = {}
        self._ops: dict[Scope, list[Op]] = {}
        for op in graph.ops():
            self._ops.setdefault(op.scope, []).append(op)

    def expressions(self, scope: Scope, value: Value) -> Sequence[tuple[cst.BaseExpression, Op]]:
        """The expressions of a scope whose value this is, each with an op beside it."""
        found = self._expressions.get(scope)
        if found is None:
            found = self._expressions[scope] = {}
            for op in self._ops.get(scope, ()):
                for key, held in op.args.items():
                    if key in op.nodes:
                        found.setdefault(id(held), []).append((op.nodes[key], op))
                if isinstance(op.node, cst.BaseExpression) and _denotes(op):
                    found.setdefault(id(op.value), []).append((op.node, op))
        return found.get(id(value), ())

    def names(self, scope: Scope) -> _Names:
        found = self._names.get(scope)
        if found is None:
            found = self._names[scope] = _Names(scope)
        return found

    def targets(self, function: cst.CSTNode) -> tuple[cst.Attribute, ...]:
        """The attributes that stand on the left of an assignment in a function."""
        found = self._targets.get(function)
        if found is None:
            kinds = (cst.AssignTarget, cst.AugAssign, cst.AnnAssign)
            sides = [part.target for part in within(function) if isinstance(part, kinds)]
            parts = [part for side in sides for part in within(side)]
            found = tuple(part for part in parts if isinstance(part, cst.Attribute))
            self._targets[function] = found
        return found

    def code(self, source: Source, statement: cst.CSTNode | None) -> str:
        """The text of a statement, empty for none."""
        if statement is None:
            return ""
        found = self._code.get(statement)
        if found is None:
            found = self._code[statement] = source.code(statement)
        return found


_INDEXES: WeakKeyDictionary[Graph, _Index] = WeakKeyDictionary()


class Spelling:
    """The names that can be read where `op` stands."""

    def __init__(self, graph: Graph, op: Op) -> None:
        self._graph = graph
        self._op = op
        self._source = op.source
        self._index = _INDEXES.get(graph) or _INDEXES.setdefault(graph, _Index(graph))

    # Places.

    @cached_property
    def _around(self) -> frozenset[int]:
        """The op's statement and what it stands in, by identity."""
        return frozenset(id(node) for node in self._ancestors(self._op.statement or self._op.node))

    def _ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        current: cst.CSTNode | None = node
        while current is not None:
            yield current
            current = self._source.parent(current)

    def _arms(self, statement: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
        """The branching statements around a statement in its function, each with the branch it is in."""
        child = statement
        for parent in self._ancestors(statement):
            if isinstance(parent, (cst.FunctionDef, cst.ClassDef)) and parent is not statement:
                return
            if isinstance(parent, _BRANCHES) and parent is not child:
                yield parent, child
            child = parent

    def surely_before(self, statement: cst.CSTNode | None) -> bool:
        """Whether the op is only reached through the branches that `statement` stands in."""
        return statement is None or all(id(arm) in self._around for _, arm in self._arms(statement))

    def _in_other_branch(self, statement: cst.CSTNode | None) -> bool:
        """Whether `statement` stands in one branch of an `if`, and the op in another."""
        return statement is not None and any(
            isinstance(parent, cst.If) and id(parent) in self._around and id(arm) not in self._around
            for parent, arm in self._arms(statement)
        )

    # Names.

    def scopes(self, scope: Scope | None = None) -> Iterator[Scope]:
        """The scopes whose names can be read at the op (or from `scope`), innermost first."""
        innermost = current = scope or self._op.scope
        while True:
            if current is innermost or not isinstance(current.node, cst.ClassDef):
                yield current
            if current.parent is None:
                return
            current = current.parent

    def _latest(self, name: str, scope: Scope, serial: int) -> Binding | None:
        """The last binding of `name` in `scope` before an op, those of branches without the op left out."""
        bindings = self._index.names(scope).bindings.get(name, ())
        for number in range(bisect_right(bindings, serial, key=_serial) - 1, -1, -1):
            if not self._in_other_branch(bindings[number].statement):
                return bindings[number]
        return None

    def _binding(self, name: str, scope: Scope | None = None, serial: int | None = None) -> Binding | None:
        """What binds `name` where the op stands, or in `scope` before `serial`."""
        before = self._op.serial if serial is None else serial
        for outer in self.scopes(scope):
            binding = self._latest(name, outer, before)
            if binding is not None:
                return binding
        return None

    def value_at(self, name: str, scope: Scope, serial: int) -> Value | None:
        """What `name` holds at another place, None where nothing binds it."""
        binding = self._binding(name, scope, serial)
        return None if binding is None else binding.value

    def still_holds(self, name: str, value: Value | None, site: Op | None = None) -> bool:
        """Whether `name` is sure to hold at the op what it held elsewhere; None: nothing bound it.

        Where nothing binds it between `site`, through which the op is reached, and the op, it does.
        """
        binding = self._binding(name)
        if site is not None and binding is not None and self._follows(site):
            earlier = self._binding(name, site.scope, site.serial)
            between = self._index.names(site.scope).bindings.get(name, ())
            first = bisect_right(between, site.serial, key=_serial)
            if earlier is binding and first == bisect_right(between, self._op.serial, key=_serial):
                return True
        if binding is None or value is None:
            return binding is None and value is None
        return binding.value is value and self.surely_before(binding.statement)

    def _follows(self, site: Op) -> bool:
        """Whether the op is reached through `site`, in the same call."""
        return (
            site.scope is self._op.scope
            and site.serial <= self._op.serial
            and self.surely_before(site.statement)
        )

    def name_of(self, value: Value) -> str | None:
        """A name that is sure to hold `value` at the op, or `object.attribute`."""
        if value is NONE:
            return None
        root = unrefined(value)
        for scope in self.scopes():
            for name in self._index.names(scope).holders.get(id(root), ()):
                binding = self._binding(name)
                if (
                    binding is not None
                    and unrefined(binding.value) is root
                    and self.surely_before(binding.statement)
                ):
                    return name
        return self._attribute_of(value)

    def _attribute_of(self, value: Value) -> str | None:
        """`self.logits` where the statement that computed the value stored it there."""
        made = value.op
        if made is None or made.statement is None or made.source is not self._source:
            return None
        stored = _stored_attribute(made.statement)
        holder = None if stored is None else self.holder(stored, value)
        return None if holder is None else f"{holder}.{stored}"

    def holder(self, attribute: str, value: Value) -> str | None:
        """A name that holds an object with `value` in this attribute."""
        for scope in self.scopes():
            for name in self._index.names(scope).attributes.get(id(value), {}).get(attribute, ()):
                binding = self._binding(name)
                held = None if binding is None else binding.value
                if isinstance(held, Object) and held.attrs.get(attribute) is value:
                    return name
        return None

    def attribute_targets(self, function: cst.CSTNode) -> tuple[cst.Attribute, ...]:
        """The attributes that a function (or a module) sets."""
        return self._index.targets(function)

    def attributes_of(self, value: Value) -> Iterator[tuple[str, str]]:
        """The attributes that hold `value`, each with a name of their object."""
        for scope in self.scopes():
            for attribute in self._index.names(scope).attributes.get(id(value), ()):
                if (holder := self.holder(attribute, value)) is not None:
                    yield holder, attribute

    def free_name(self, wanted: str, taken: set[str]) -> str:
        """`wanted`, with a number where the function around the op (the file, outside of one) uses it."""
        function = self._op.scope.node
        used = self._source.names_in(function if isinstance(function, cst.FunctionDef) else self._source.tree)
        number, name = 0, wanted
        while name in used or name in taken:
            number += 1
            name = f"{wanted}_{number}"
        return name

    def expressions(self, value: Value) -> list[tuple[cst.BaseExpression, Op]]:
        """The expressions in the scopes around the op whose value it is, each with an op beside it."""
        found = [pair for scope in self.scopes() for pair in self._index.expressions(scope, value)]
        return sorted(found, key=lambda pair: pair[1].serial)

    # Library names.

    @cached_property
    def _imports(self) -> dict[str, tuple[str, str]]:
        """Name in the file -> the library's name for it, and the statement that says so."""
        found: dict[str, tuple[str, str]] = {}
        for scope in self.scopes():
            for name in self._index.names(scope).symbols:
                binding = self._binding(name)
                if binding is not None and isinstance(binding.value, Symbol):
                    line = self._index.code(self._source, binding.statement)
                    found.setdefault(name, (binding.value.name, line))
        return found

    @cached_property
    def _symbols(self) -> list[tuple[str, str, bool]]:
        """Normalised name, name in the file, and whether it is of `tensorflow.compat.v1`."""
        imported = [
            (symbol, name, "compat.v1" in line)
            for name, (symbol, line) in self._imports.items()
            # TensorFlow's own modules (`array_ops`) are read as `tf`, and hold only some of its names.
            if not (symbol.startswith("tf") and "tensorflow.python" in line)
        ]
        return [*imported, *self._called()]

    def _called(self) -> Iterator[tuple[str, str, bool]]:
        """What the op's own call says of a name that several statements bind.

        Where `T.math.log` is `tf.math.log`, `T` is `tf`, whichever branch of a `try` has imported it.
        """
        function = self._op.node.func if isinstance(self._op.node, cst.Call) else None
        symbol = self._op.api
        while isinstance(function, cst.Attribute) and symbol.endswith(f".{function.attr.value}"):
            symbol, function = symbol.rpartition(".")[0], function.value
        if isinstance(function, cst.Name) and function.value not in self._imports:
            yield symbol, function.value, False

    @cached_property
    def is_v1(self) -> bool:
        """Whether the file is written for TensorFlow 1."""
        return self._graph.is_for_v1(self._source)

    def _exists(self, name: str) -> bool:
        """Whether the libraries that the file is written for have `name`."""
        if name.startswith("keras.ops."):
            return any(symbol.startswith("keras.ops") for symbol, _, _ in self._symbols) or any(
                api.startswith("keras.ops.") for api in self._graph.apis(self._source)
            )
        return not is_v2_only(name) if self.is_v1 else True

    def api(self, *names: str) -> tuple[str, str | None] | None:
        """The file's spelling of the first of these names that it has, and the import that it takes.

        Names are normalised (`tf.`, `keras.`, `np.`). None where the file has none of them.
        """
        existing = [name for name in names if self._exists(name)]
        for name in existing:
            spelled = self._spelled(name)
            if spelled is not None:
                return spelled, None
        for name in existing:
            imported = self._imported(name)
            if imported is not None:
                return imported
        return None

    def _spelled(self, name: str) -> str | None:
        """By the binding that leaves least to write."""
        best: tuple[int, str] | None = None
        for target, prefix in ((name, ""), (f"tf.{name}", "keras.")):
            if not name.startswith(prefix):
                continue
            for symbol, bound, v1 in self._symbols:
                if target != symbol and not target.startswith(symbol + "."):
                    continue
                rest = target[len(symbol) :]
                if symbol == "tf" and is_v1_only(name) and not (self.is_v1 or v1):
                    rest = ".compat.v1" + rest
                candidate = (len(rest), bound + rest)
                if best is None or candidate < best:
                    best = candidate
            if best is not None:
                return best[1]
        return None

    def _imported(self, name: str) -> tuple[str, str] | None:
        library, _, rest = name.partition(".")
        if library not in _IMPORTS:
            return None
        line, bound = _IMPORTS[library]
        if library == "tf" and is_v1_only(name):
            line = _V1_IMPORT
        if library == "keras" and any("tensorflow" in line for _, line in self._imports.values()):
            line = "from tensorflow import keras"
        if bound in self._source.names_in(self._source.tree):
            return None
        return f"{bound}.{rest}", line


def _denotes(op: Op) -> bool:
    """Whether the value of the op's expression is its output; a layer's ops stand at its constructor."""
    if isinstance(op.node, (cst.BinaryOperation, cst.UnaryOperation, cst.Comparison)):
        return True
    api = APIS.get(op.api)
    return isinstance(op.node, cst.Call) and api is not None and api.target == op.name


def _serial(binding: Binding) -> int:
    return binding.serial


def _stored_attribute(statement: cst.CSTNode) -> str | None:
    """`logits` for the statement `self.logits = ...`."""
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        return None
    assign = statement.body[0]
    if isinstance(assign, cst.Assign) and len(assign.targets) == 1:
        target = assign.targets[0].target
        if isinstance(target, cst.Attribute) and isinstance(target.value, cst.Name):
            return target.attr.value
    return None
