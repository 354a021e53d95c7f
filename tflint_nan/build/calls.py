"""Calls: of library names, of the project's functions and classes, and attributes on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import libcst as cst

from tflint_nan.build import builtins
from tflint_nan.build.names import normalise
from tflint_nan.build.state import Frame
from tflint_nan.build.statements import Statements
from tflint_nan.ops.table import APIS, BASES, Api, Call
from tflint_nan.value import (
    NONE,
    UNSET,
    Class,
    Const,
    Function,
    Items,
    Method,
    Module,
    Object,
    OneOf,
    Scope,
    Symbol,
    Table,
    Tensor,
    Unknown,
    Value,
)

#: Calls nested deeper than this are not followed.
MAX_CALLS = 20
#: One function on the stack more often than this is recursion: its result is unknown.
MAX_RECURSION = 2
#: Work (statements) that following calls may take: for each statement of the text, and at least.
WORK_PER_STATEMENT = 40
MIN_WORK = 20_000

_Key = tuple[object, ...]


class Calls(Statements):
    """Evaluates calls."""

    def __init__(self) -> None:
        super().__init__()
        self.work = MIN_WORK
        #: Function definitions that were called, by identity of their node.
        self.entered: set[int] = set()
        #: The latest instance of each class, by identity of the class's node.
        self.instances: dict[int, Object] = {}
        self._results: dict[_Key, tuple[int, tuple[Value, ...], Value]] = {}

    def spend(self) -> bool:
        """Use one unit of work; outside calls the text itself is always read."""
        if len(self.frames) > 1:
            self.work -= 1
            return self.work > 0
        return True

    # Call expressions.

    def call_node(self, node: cst.Call) -> Value:
        """The value of a call expression."""
        func = node.func
        receiver: Value | None = None
        if isinstance(func, cst.Attribute):
            receiver = self.evaluate(func.value)
            name = func.attr.value
            if isinstance(receiver, (Items, Table)):
                return self._container(node, func.value, receiver, name)
            if isinstance(receiver, (Tensor, Unknown, Object, OneOf)):
                function: Value = self._bound(receiver, name)
            else:
                function = self.get(receiver, name)
        else:
            function = self.evaluate(func)
            if function == Symbol("builtins.super"):
                return self._super(node)
        args, kwargs, nodes, complete = self._arguments(node)
        result = self._apply(function, args, kwargs, nodes, node, complete)
        if isinstance(function, Symbol):
            self.refine_asserted(function.name, node)
        return result

    def _arguments(
        self, node: cst.Call
    ) -> tuple[list[Value], dict[str, Value], dict[int | str, cst.BaseExpression], bool]:
        args: list[Value] = []
        kwargs: dict[str, Value] = {}
        nodes: dict[int | str, cst.BaseExpression] = {}
        complete = True
        for arg in node.args:
            value = self.evaluate(arg.value)
            if arg.star == "*":
                known = self.elements(value)
                complete = complete and known is not None
                args.extend(known or ())
            elif arg.star == "**":
                if isinstance(value, Table):
                    kwargs.update({key: item for key, item in value.items.items() if isinstance(key, str)})
                complete = complete and isinstance(value, Table) and value.complete
            elif arg.keyword is not None:
                kwargs[arg.keyword.value] = value
                nodes[arg.keyword.value] = arg.value
            elif complete:
                nodes[len(args)] = arg.value
                args.append(value)
        return args, kwargs, nodes, complete

    def _container(self, node: cst.Call, place: cst.BaseExpression, value: Value, name: str) -> Value:
        """Methods of lists and dicts; what changes one assigns the changed one to its place."""
        args, kwargs, _, _ = self._arguments(node)
        first = args[0] if args else NONE
        if isinstance(value, Items):
            inner = self.elements(first)
            if name == "append" or name == "add":
                self.assign(place, Items((*value.items, first), value.kind, value.complete))
                return NONE
            if name == "extend":
                items = inner if inner is not None else (self.element(first),)
                self.assign(
                    place, Items((*value.items, *items), value.kind, value.complete and inner is not None)
                )
                return NONE
            if name == "insert" and len(args) == 2 and isinstance(first.literal, int):
                items = list(value.items)
                items.insert(first.literal, args[1])
                self.assign(place, Items(tuple(items), value.kind, value.complete))
                return NONE
            if name == "pop" and value.items and value.complete and not args:
                self.assign(place, Items(value.items[:-1], value.kind))
                return value.items[-1]
            if name == "copy":
                return value
            return Unknown()
        assert isinstance(value, Table)
        if name in ("get", "pop", "setdefault"):
            key = self.key(first)
            default = args[1] if len(args) > 1 else NONE
            if key is not None and key in value.items:
                return value.items[key]
            if name == "setdefault" and key is not None:
                self.assign(place, Table({**value.items, key: default}, value.complete))
            return default if value.complete and key is not None else Unknown()
        if name == "items" and value.complete:
            return Items(tuple(Items((Const(key), item)) for key, item in value.items.items()), "list")
        if name == "values":
            return Items(tuple(value.items.values()), "list", value.complete)
        if name == "keys" and value.complete:
            return Items(tuple(Const(key) for key in value.items), "list")
        if name == "update":
            merged = {**value.items, **kwargs}
            if isinstance(first, Table):
                merged.update(first.items)
            known = isinstance(first, Table) or not args
            self.assign(place, Table(merged, value.complete and known))
            return NONE
        return value if name == "copy" else Unknown()

    def _super(self, node: cst.Call) -> Value:
        frame = self.frame
        owner = frame.function.owner if frame.function is not None else None
        receiver = frame.receiver
        if owner is None or not isinstance(receiver, Object):
            return Unknown()
        return Object("super", owner.name, {"self": receiver}, owner)

    # Calls of values.

    def call(self, function: Value, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
        """Call any value: a project's function, a library symbol, a layer, a model."""
        return self._apply(function, list(args), dict(kwargs), {}, self.node, True)

    def method(self, receiver: Value, name: str, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
        """`receiver.name(*args, **kwargs)`."""
        return self.call(self._bound(receiver, name), args, kwargs)

    def _apply(
        self,
        function: Value,
        args: list[Value],
        kwargs: dict[str, Value],
        nodes: Mapping[int | str, cst.BaseExpression],
        node: cst.CSTNode,
        complete: bool,
    ) -> Value:
        if isinstance(function, Symbol):
            return self._library(function.name, args, kwargs, nodes, node, complete)
        if isinstance(function, Function):
            return self._enter(function, args, kwargs, node)
        if isinstance(function, Class):
            return self._instantiate(function, args, kwargs, node)
        if isinstance(function, Method):
            receiver = function.receiver
            kind = "tensor" if isinstance(receiver, (Tensor, Unknown)) else _kind(receiver)
            api = f"{kind}.{function.name}"
            # Positional arguments shift by one: the receiver is the first.
            shifted = {key + 1 if isinstance(key, int) else key: value for key, value in nodes.items()}
            return self._library(api, [receiver, *args], kwargs, shifted, node, complete)
        if isinstance(function, Object):
            return self._call_object(function, args, kwargs, nodes, node, complete)
        if isinstance(function, OneOf):
            results = [
                self._apply(choice, args, kwargs, nodes, node, complete)
                for choice in function.choices
                if choice != NONE
            ]
            result = results[0] if results else Unknown()
            for other in results[1:]:
                result = self.join(result, other)
            return result
        return self._unknown_call("call", args, kwargs, node)

    def _unknown_call(
        self, api: str, args: Sequence[Value], kwargs: Mapping[str, Value], node: cst.CSTNode
    ) -> Value:
        """What nobody knows keeps its arguments: gradients may flow through it."""
        operands = {str(index): arg for index, arg in enumerate(args)}
        operands.update(kwargs)
        return self.emit("unknown_call", operands, call=Call(api, operands, {}, node))

    def _library(
        self,
        name: str,
        args: list[Value],
        kwargs: dict[str, Value],
        nodes: Mapping[int | str, cst.BaseExpression],
        node: cst.CSTNode,
        complete: bool,
    ) -> Value:
        builtin = builtins.NAMES.get(name.removeprefix("builtins."))
        if builtin is not None and name.startswith("builtins."):
            return builtin(self, args, kwargs)
        api = APIS.get(name)
        if api is None:
            if name in BASES:
                return self.new(BASES[name], Call(name, dict(kwargs), {}, node))
            return self._unknown_call(name, args, kwargs, node)
        call = _bind(api, args, kwargs, nodes, node, complete)
        outer, self.node = self.node, node
        try:
            if isinstance(api.target, str):
                return self.emit(api.target, call.args, call=call)
            return api.target(self, call)
        finally:
            self.node = outer

    def _call_object(
        self,
        receiver: Object,
        args: list[Value],
        kwargs: dict[str, Value],
        nodes: Mapping[int | str, cst.BaseExpression],
        node: cst.CSTNode,
        complete: bool,
    ) -> Value:
        if receiver.cls is not None:
            member = self.member(receiver.cls, "__call__")
            if member is None and receiver.kind in ("layer", "model", "module", "loss", "metric"):
                self._build_once(receiver, args, node)
                member = self.member(receiver.cls, "call")
                kwargs = {key: value for key, value in kwargs.items() if key != "name"}
            if isinstance(member, Function):
                return self._enter(_bind_method(member, receiver), args, kwargs, node)
        api = f"{receiver.kind}.__call__"
        shifted = {key + 1 if isinstance(key, int) else key: value for key, value in nodes.items()}
        return self._library(api, [receiver, *args], kwargs, shifted, node, complete)

    def _build_once(self, receiver: Object, args: Sequence[Value], node: cst.CSTNode) -> None:
        """Keras calls `build` before the first `call`."""
        assert receiver.cls is not None
        member = self.member(receiver.cls, "build")
        if isinstance(member, Function) and "build" not in receiver.attrs:
            self.set(receiver, "build", Const(True))
            self._enter(_bind_method(member, receiver), [Unknown()], {}, node)

    # Attributes.

    def get(self, receiver: Value, name: str) -> Value:
        """`receiver.name`, UNKNOWN where nothing is known of it."""
        if isinstance(receiver, Symbol):
            return self.constant(normalise(f"{receiver.name}.{name}" if name else receiver.name))
        if isinstance(receiver, Module):
            return receiver.scope.names.get(name) or Unknown()
        if isinstance(receiver, Tensor):
            return self._property("tensor", receiver, name)
        if isinstance(receiver, Object):
            return self._attribute_of(receiver, name)
        if isinstance(receiver, Class):
            member = self.member(receiver, name)
            if isinstance(member, Function) and member.kind == "classmethod":
                return replace(member, bound=receiver)
            return member or Unknown()
        if isinstance(receiver, OneOf):
            results = [self.get(choice, name) for choice in receiver.choices if choice != NONE]
            result = results[0] if results else Unknown()
            for other in results[1:]:
                result = self.join(result, other)
            return result
        if isinstance(receiver, Function) and name == "__name__":
            return Const(receiver.name)
        if isinstance(receiver, Unknown) and f"tensor.{name}" in APIS and receiver.op is not None:
            return self._property("tensor", receiver, name)
        return Unknown()

    def _property(self, kind: str, receiver: Value, name: str) -> Value:
        """A library's attribute that is declared like a method without arguments (`tensor.T`)."""
        api = APIS.get(f"{kind}.{name}")
        if api is None or len(api.params) != 1:
            return Method(receiver, name) if api is not None else Unknown()
        return self._library(api.name, [receiver], {}, {}, self.node, True)

    def _attribute_of(self, receiver: Object, name: str) -> Value:
        value = receiver.attrs.get(name)
        if value is not None and receiver.kind != "super":
            return value
        member = self._bound(receiver, name)
        if isinstance(member, Function) and member.kind == "property":
            return self._enter(member, [], {}, self.node)
        if isinstance(member, Method):
            return self._property(_kind(member.receiver), member.receiver, name)
        return member

    def _bound(self, receiver: Value, name: str) -> Value:
        """`receiver.name` as something to call."""
        if isinstance(receiver, OneOf):
            methods = [self._bound(choice, name) for choice in receiver.choices if choice != NONE]
            return OneOf(tuple(methods)) if methods else Unknown()
        if isinstance(receiver, Object):
            if receiver.kind == "super":
                return self._inherited(receiver, name)
            if receiver.kind != "super" and name in receiver.attrs:
                return receiver.attrs[name]
            if receiver.cls is not None:
                member = self.member(receiver.cls, name)
                if isinstance(member, Function):
                    method = _bind_method(member, receiver)
                    return method
                if member is not None:
                    return member
            if name == "__call__":
                return receiver
            return Method(receiver, name) if f"{receiver.kind}.{name}" in APIS else Unknown()
        if isinstance(receiver, (Tensor, Unknown)):
            if f"tensor.{name}" in APIS and (isinstance(receiver, Tensor) or receiver.op is not None):
                return Method(receiver, name)
            return Unknown(receiver.op)
        return self.get(receiver, name)

    def _inherited(self, proxy: Object, name: str) -> Value:
        receiver, owner = proxy.attrs["self"], proxy.cls
        assert isinstance(receiver, Object)
        assert owner is not None
        for base in owner.bases:
            member = self.member(base, name) if isinstance(base, Class) else None
            if isinstance(member, Function):
                return _bind_method(member, receiver)
        return Method(receiver, name) if f"{receiver.kind}.{name}" in APIS else Unknown()

    def member(self, cls: Class, name: str) -> Value | None:
        """The class attribute or method, looked up through the project's bases."""
        for one in _lineage(cls):
            value = one.names.get(name)
            if isinstance(value, Function) and value.owner is None:
                return replace(value, owner=one)
            if value is not None:
                return value
        return None

    # The project's functions and classes.

    def _instantiate(
        self,
        cls: Class,
        args: list[Value],
        kwargs: dict[str, Value],
        node: cst.CSTNode,
        adapt: Callable[[Function], Function] = lambda init: init,
    ) -> Object:
        kind = next(_library_kinds(cls), "instance")
        made = self.new(kind, Call(cls.name, {}, {}, node))
        instance = Object(kind, cls.name, {}, cls, made.made)
        if made.made is not None:
            made.made.value = instance
        self.instances[id(cls.node)] = instance
        init = self.member(cls, "__init__")
        if isinstance(init, Function):
            self._enter(adapt(_bind_method(init, instance)), args, kwargs, node)
        elif any("dataclass" in _decorator(d) for d in cls.node.decorators):
            self._dataclass(cls, instance, args, kwargs)
        return instance

    def _dataclass(
        self, cls: Class, instance: Object, args: Sequence[Value], kwargs: Mapping[str, Value]
    ) -> None:
        fields = [
            statement.body[0].target.value
            for statement in cls.node.body.body
            if isinstance(statement, cst.SimpleStatementLine)
            and isinstance(statement.body[0], cst.AnnAssign)
            and isinstance(statement.body[0].target, cst.Name)
        ]
        for name, value in (*zip(fields, args, strict=False), *kwargs.items()):
            self.set(instance, name, value)

    def _enter(
        self, function: Function, args: list[Value], kwargs: dict[str, Value], node: cst.CSTNode
    ) -> Value:
        """Run a function of the project with these arguments."""
        self.entered.add(id(function.node))
        if function.bound is not None:
            args = [function.bound, *args]
        running = sum(
            frame.function is not None and frame.function.node is function.node for frame in self.frames
        )
        if len(self.frames) > MAX_CALLS or running >= MAX_RECURSION or self.work <= 0:
            return self._unknown_call("call", args, kwargs, node)
        key: _Key = (
            id(function.node),
            id(function.scope),
            *(_identity(arg) for arg in args),
            *((name, _identity(value)) for name, value in sorted(kwargs.items())),
        )
        known = self._results.get(key)
        if known is not None and known[0] == self.effects:
            return known[2]
        effects = self.effects
        result = self._run(function, args, kwargs, node)
        if effects == self.effects:
            # The arguments are kept alive: their identities are the key.
            self._results[key] = (effects, (*args, *kwargs.values()), result)
        return result

    def _run(
        self, function: Function, args: Sequence[Value], kwargs: Mapping[str, Value], node: cst.CSTNode
    ) -> Value:
        scope = Scope(function.node, function.source, function.scope)
        calls = (*self.frame.calls, (self.frame.scope.source, node))
        frame = Frame(scope, calls, function, args[0] if args else None)
        self.frames.append(frame)
        depth, self._depth = self._depth, 0
        outer, self.node = self.node, function.node
        try:
            self._parameters(function, args, kwargs)
            if isinstance(function.node, cst.Lambda):
                return self.evaluate(function.node.body)
            self.execute(function.node.body.body)
        finally:
            self.frames.pop()
            self._depth = depth
            self.node = outer
        if frame.yields:
            element = frame.yields[0]
            for other in frame.yields[1:]:
                element = self.join(element, other)
            return Object("dataset", function.name, {"element": element})
        if not frame.returns:
            return NONE
        result = frame.returns[0]
        for other in frame.returns[1:]:
            result = self.join(result, other)
        return result

    def _parameters(self, function: Function, args: Sequence[Value], kwargs: Mapping[str, Value]) -> None:
        params = function.node.params
        positional = [param.name.value for param in (*params.posonly_params, *params.params)]
        keyword = [param.name.value for param in params.kwonly_params]
        given = dict(zip(positional, args, strict=False))
        extra = {}
        for name, value in kwargs.items():
            if name in positional or name in keyword:
                given[name] = value
            else:
                extra[name] = value
        for name in (*positional, *keyword):
            value = given.get(name) or function.defaults.get(name) or self.parameter(name)
            self.bind(name, value)
        if isinstance(params.star_arg, cst.Param):
            self.bind(params.star_arg.name.value, Items(tuple(args[len(positional) :])))
        if params.star_kwarg is not None:
            self.bind(params.star_kwarg.name.value, Table(extra))

    def parameter(self, name: str) -> Value:
        """The value of a parameter that nobody is seen to pass."""
        return self.emit("parameter", {"name": Const(name)})


def _bind_method(function: Function, receiver: Object) -> Function:
    if function.kind == "staticmethod":
        return function
    bound: Value = receiver
    if function.kind == "classmethod" and receiver.cls is not None:
        bound = receiver.cls
    return replace(function, bound=bound)


def _lineage(cls: Class) -> Iterator[Class]:
    """The class and the project's classes that it derives from, nearest first, each once."""
    seen: set[int] = set()
    todo = [cls]
    while todo:
        one = todo.pop(0)
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            todo.extend(base for base in one.bases if isinstance(base, Class))


def _library_kinds(cls: Class) -> Iterator[str]:
    """The kinds of the libraries' classes that a class derives from."""
    for one in _lineage(cls):
        for base in one.bases:
            if isinstance(base, Symbol) and base.name in BASES:
                yield BASES[base.name]


def _kind(value: Value) -> str:
    return value.kind if isinstance(value, Object) else "tensor"


def _decorator(node: cst.Decorator) -> str:
    inner = node.decorator.func if isinstance(node.decorator, cst.Call) else node.decorator
    return inner.attr.value if isinstance(inner, cst.Attribute) else getattr(inner, "value", "")


def _identity(value: Value) -> object:
    """What makes two arguments the same: the literal, or being one value."""
    literal = value.literal
    return id(value) if literal is UNSET else (type(literal), literal)


def _bind(
    api: Api,
    args: Sequence[Value],
    kwargs: Mapping[str, Value],
    nodes: Mapping[int | str, cst.BaseExpression],
    node: cst.CSTNode,
    complete: bool,
) -> Call:
    """Give the arguments of a library call their canonical names."""
    bound = dict(api.fixed)
    places: dict[str, cst.BaseExpression] = {}
    names = dict(api.params)
    for index, ((_, canonical), value) in enumerate(zip(api.params, args, strict=False)):
        bound[canonical] = value
        if index in nodes:
            places[canonical] = nodes[index]
    extra: dict[str, Value] = {}
    for name, value in kwargs.items():
        if name in names:
            bound[names[name]] = value
            if name in nodes:
                places[names[name]] = nodes[name]
        else:
            extra[name] = value
    return Call(api.name, bound, places, node, tuple(args[len(api.params) :]), extra, complete)
