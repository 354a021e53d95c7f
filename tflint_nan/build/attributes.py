"""Attributes: of libraries, modules, classes, instances and tensors, read and bound."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import libcst as cst

from tflint_nan.build import standard
from tflint_nan.build.names import normalise
from tflint_nan.build.statements import Statements
from tflint_nan.ops.table import APIS
from tflint_nan.value import (
    Class,
    Const,
    Function,
    Method,
    Module,
    Object,
    OneOf,
    Symbol,
    Tensor,
    Unknown,
    Value,
)

#: Classes that one derives from, further ones are not looked at.
MAX_LINEAGE = 32


@dataclass(slots=True)
class Arguments:
    """What a call gives: values by position and by keyword, and the expressions of those written out.

    `complete` is False where a `*args` or `**kwargs` of unknown content may give more.
    """

    node: cst.CSTNode
    values: list[Value] = field(default_factory=list)
    keywords: dict[str, Value] = field(default_factory=dict)
    nodes: dict[int | str, cst.BaseExpression] = field(default_factory=dict)
    complete: bool = True

    def after(self, receiver: Value) -> Arguments:
        """The same with a receiver in front."""
        shifted = {key + 1 if isinstance(key, int) else key: node for key, node in self.nodes.items()}
        return Arguments(self.node, [receiver, *self.values], self.keywords, shifted, self.complete)


class Attributes(Statements):
    """Looks attributes up."""

    def __init__(self) -> None:
        super().__init__()
        self._lineages: dict[Class, Sequence[Class]] = {}

    @abstractmethod
    def apply(self, function: Value, given: Arguments) -> Value:
        """Call any value with arguments."""

    def call(self, function: Value, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
        """Call any value: a project's function, a library symbol, a layer, a model."""
        return self.apply(function, Arguments(self.node, list(args), dict(kwargs)))

    def method(self, receiver: Value, name: str, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
        """`receiver.name(*args, **kwargs)`."""
        return self.call(self.bound(receiver, name), args, kwargs)

    def get(self, receiver: Value, name: str) -> Value:
        """`receiver.name`, UNKNOWN where nothing is known of it."""
        if isinstance(receiver, Symbol):
            return self.constant(normalise(f"{receiver.name}.{name}" if name else receiver.name))
        if isinstance(receiver, Module):
            return self.module_attribute(receiver, name)
        if isinstance(receiver, Tensor):
            return self._property("tensor", receiver, name)
        if isinstance(receiver, Object):
            return self._attribute_of(receiver, name)
        if isinstance(receiver, Class):
            return self._class_attribute(receiver, name)
        if isinstance(receiver, OneOf):
            return self.each(receiver, lambda choice: self.get(choice, name))
        if isinstance(receiver, Function):
            value = Const(receiver.name) if name == "__name__" else receiver.attrs.get(name)
            return Unknown() if value is None else self.loaded(value)
        if isinstance(receiver, Const) and listed(f"str.{name}") and isinstance(receiver.value, str):
            return Method(receiver, name)
        if isinstance(receiver, Unknown) and f"tensor.{name}" in APIS and receiver.op is not None:
            return self._property("tensor", receiver, name)
        return Unknown()

    def _property(self, kind: str, receiver: Value, name: str) -> Value:
        """A library's attribute that is declared like a method without arguments (`tensor.T`)."""
        full = f"{kind}.{name}"
        api = APIS.get(full)
        if full in standard.PROPERTIES or (api is not None and len(api.params) == 1):
            return self.call(Symbol(full), [receiver], {})
        return Method(receiver, name) if listed(full) else Unknown()

    def _attribute_of(self, receiver: Object, name: str) -> Value:
        value = receiver.attrs.get(name)
        if value is not None and receiver.kind != "super":
            return self.loaded(value)
        if name == "__dict__":
            return replace(receiver, kind="namespace", cls=None)  # the same attributes, as a dict
        if name == "__class__" and receiver.cls is not None:
            return receiver.cls
        member = self.bound(receiver, name)
        if isinstance(member, Function) and member.kind == "property":
            return self.call(member, [], {})
        if isinstance(member, Method):
            return self._property(kind_of(member.receiver), member.receiver, name)
        if isinstance(member, Object) and member.cls is not None and receiver.cls is not None:
            getter = self.member(member.cls, "__get__")
            if isinstance(getter, Function):
                return self.call(bind_method(getter, member), [receiver, receiver.cls], {})
        if isinstance(member, Unknown) and receiver.kind == "flags":
            self.load_waiting(name)
            return self.loaded(receiver.attrs.get(name, member))
        if isinstance(member, Unknown) and receiver.cls is not None and not name.startswith("__"):
            missing = self.member(receiver.cls, "__getattr__")
            if isinstance(missing, Function):
                return self.call(bind_method(missing, receiver), [Const(name)], {})
        return member

    def _class_attribute(self, cls: Class, name: str) -> Value:
        member = self.member(cls, name)
        if isinstance(member, Function) and member.kind == "classmethod":
            return replace(member, bound=cls)
        if member is None:
            return Const(cls.name) if name == "__name__" else Unknown()
        return self.loaded(member)

    def bound(self, receiver: Value, name: str) -> Value:
        """`receiver.name` as something to call."""
        if isinstance(receiver, OneOf):
            return self.each(receiver, lambda choice: self.bound(choice, name))
        if isinstance(receiver, Object):
            if receiver.kind == "super":
                return self._inherited(receiver, name)
            if receiver.kind != "super" and name in receiver.attrs:
                return receiver.attrs[name]
            if receiver.cls is not None:
                member = self.member(receiver.cls, name)
                if isinstance(member, Function):
                    method = bind_method(member, receiver)
                    return method
                if member is not None:
                    return self.loaded(member)
            if name == "__call__":
                return receiver
            return Method(receiver, name) if listed(f"{receiver.kind}.{name}") else Unknown()
        if isinstance(receiver, (Tensor, Unknown)):
            if f"tensor.{name}" in APIS and (isinstance(receiver, Tensor) or receiver.op is not None):
                return Method(receiver, name)
            return Unknown(receiver.op)
        return self.get(receiver, name)

    def _inherited(self, proxy: Object, name: str) -> Value:
        receiver, owner = proxy.attrs["self"], proxy.cls
        assert owner is not None
        cls = receiver.cls if isinstance(receiver, Object) else receiver
        order = self.lineage(cls) if isinstance(cls, Class) else ()
        member = _found(order[order.index(owner) + 1 :] if owner in order else owner.bases, name)
        if isinstance(member, Function):
            return bind_method(member, receiver)
        if name == "__new__":
            return Symbol("builtins.object.__new__")
        listed_here = isinstance(receiver, Object) and listed(f"{receiver.kind}.{name}")
        return Method(receiver, name) if listed_here else Unknown()

    def member(self, cls: Class, name: str) -> Value | None:
        """The class attribute or method, looked up through the project's bases."""
        return _found(self.lineage(cls), name)

    def lineage(self, cls: Class) -> Sequence[Class]:
        """The class and the project's classes that it derives from, in the order of method resolution."""
        todo = [cls]
        while cls not in self._lineages:
            one = todo[-1]
            bases = [base for base in one.bases if isinstance(base, Class)]
            waiting = [base for base in bases if base not in self._lineages]
            if waiting:
                todo.extend(waiting)
                continue
            todo.pop()
            behind = _merged([*(list(self._lineages[base]) for base in bases), bases])
            self._lineages[one] = (one, *behind)[:MAX_LINEAGE]
        return self._lineages[cls]


def listed(name: str) -> bool:
    """True where a library's name is known to one of the tables."""
    return name in APIS or name in standard.NAMES


def bind_method(function: Function, receiver: Value) -> Function:
    """The function with its first parameter given."""
    if function.kind == "staticmethod":
        return function
    bound = receiver
    if function.kind == "classmethod" and isinstance(receiver, Object) and receiver.cls is not None:
        bound = receiver.cls
    return replace(function, bound=bound)


def _found(classes: Iterable[Value], name: str) -> Value | None:
    for one in classes:
        if isinstance(one, Class):
            value = one.names.get(name)
            if isinstance(value, Function) and value.owner is None:
                return replace(value, owner=one)
            if value is not None:
                return value
    return None


def _merged(orders: list[list[Class]]) -> list[Class]:
    """Python's order of bases (C3): each class before its own bases, and bases as they are written.

    Where the orders contradict each other (Python refuses such a class), the first that is written.
    """
    result: list[Class] = []
    while orders := [order for order in orders if order]:
        behind = {one for order in orders for one in order[1:]}
        head = next((order[0] for order in orders if order[0] not in behind), orders[0][0])
        result.append(head)
        orders = [[one for one in order if one is not head] for order in orders]
    return result


def kind_of(value: Value) -> str:
    """The kind under which the tables list the methods of a value."""
    if isinstance(value, Object):
        return value.kind
    return "str" if isinstance(value.literal, str) else "tensor"
