"""Attributes: of libraries, modules, classes, instances and tensors, read and bound."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import libcst as cst

from tflint_nan.build.names import normalise
from tflint_nan.build.statements import Statements
from tflint_nan.ops.table import APIS
from tflint_nan.value import (
    NONE,
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
            member = self.member(receiver, name)
            if isinstance(member, Function) and member.kind == "classmethod":
                return replace(member, bound=receiver)
            return self.loaded(member) if member is not None else Unknown()
        if isinstance(receiver, OneOf):
            return self.either([self.get(choice, name) for choice in receiver.choices if choice != NONE])
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
        return self.call(Symbol(api.name), [receiver], {})

    def _attribute_of(self, receiver: Object, name: str) -> Value:
        value = receiver.attrs.get(name)
        if value is not None and receiver.kind != "super":
            return self.loaded(value)
        member = self.bound(receiver, name)
        if isinstance(member, Function) and member.kind == "property":
            return self.call(member, [], {})
        if isinstance(member, Method):
            return self._property(kind_of(member.receiver), member.receiver, name)
        return member

    def bound(self, receiver: Value, name: str) -> Value:
        """`receiver.name` as something to call."""
        if isinstance(receiver, OneOf):
            methods = [self.bound(choice, name) for choice in receiver.choices if choice != NONE]
            return OneOf(tuple(methods)) if methods else Unknown()
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
                return bind_method(member, receiver)
        return Method(receiver, name) if f"{receiver.kind}.{name}" in APIS else Unknown()

    def member(self, cls: Class, name: str) -> Value | None:
        """The class attribute or method, looked up through the project's bases."""
        for one in lineage(cls):
            value = one.names.get(name)
            if isinstance(value, Function) and value.owner is None:
                return replace(value, owner=one)
            if value is not None:
                return value
        return None


def bind_method(function: Function, receiver: Object) -> Function:
    """The function with its first parameter given."""
    if function.kind == "staticmethod":
        return function
    bound: Value = receiver
    if function.kind == "classmethod" and receiver.cls is not None:
        bound = receiver.cls
    return replace(function, bound=bound)


def lineage(cls: Class) -> Iterator[Class]:
    """The class and the project's classes that it derives from, nearest first, each once."""
    seen: set[int] = set()
    todo = [cls]
    while todo:
        one = todo.pop(0)
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            todo.extend(base for base in one.bases if isinstance(base, Class))


def kind_of(value: Value) -> str:
    """The kind under which the operator table lists the methods of a value."""
    return value.kind if isinstance(value, Object) else "tensor"
