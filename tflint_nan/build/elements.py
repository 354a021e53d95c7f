"""What lists, dicts and everything that can be iterated over hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tflint_nan.build.guards import Guards
from tflint_nan.ops.picks import conditions
from tflint_nan.ops.tables import is_column
from tflint_nan.value import NONE, Const, Items, Object, OneOf, Op, Symbol, Table, Tensor, Unknown, Value

#: Ops that give the numbers of an argument in another format.
_FORMATTED = {"cast": "x", "constant": "value"}


class Elements(Guards):
    """Takes values apart."""

    def key(self, value: Value) -> object:
        """What a dict's key is known by: the literal, or the tensor or object itself; else None."""
        if isinstance(value, Const):
            return value.value
        return value if isinstance(value, (Tensor, Object, Symbol)) else None

    def item(self, value: Value, index: Value) -> Value:
        """`value[index]`."""
        return self.loaded(self._item(value, index))

    def _item(self, value: Value, index: Value) -> Value:
        literal = index.literal
        if isinstance(value, OneOf):
            return self.each(value, lambda choice: self.item(choice, index))
        if isinstance(value, Table):
            key = self.key(index)
            self.ask(index, [key for key in value.items if key != index.literal])
            if key is not None and key in value.items:
                return value.items[key]
            if key is not None and value.factory is not None:
                made = self.call(value.factory, [], {})
                self.mutate(value, replace(value, items={**value.items, key: made}))
                return made
            known = value.complete and key is None  # a key that is not there is not any of the others
            return self.either(tuple(value.items.values())) if known else Unknown()
        if isinstance(value, Items):
            if isinstance(literal, int):
                if -len(value.items) <= literal < len(value.items) and value.complete:
                    return value.items[literal]
                return Unknown() if value.complete else self.either(value.items)
            if isinstance(index, Items) and index.kind == "slice" and value.complete:
                ends = [
                    part.value
                    for part in index.items
                    if isinstance(part, Const) and isinstance(part.value, (int, type(None)))
                ]
                if len(ends) == 3 and ends[2] != 0:
                    return Items(value.items[slice(*ends)], value.kind)
            return self.either(value.items)
        if isinstance(value, Object):
            return self.method(value, "__getitem__", [index], {})
        if isinstance(value, Tensor):
            name = "column" if is_column(value, index) else "slice"
            together, formats = _together(value)
            part = self.emit(name, {"x": together, "index": index})
            for op in reversed(formats):
                part = self.emit(op.name, {**op.args, _FORMATTED[op.name]: part}, at=op)
            return part
        if value.op is not None and any(conditions(index)):
            return self.emit(
                "slice", {"x": value, "index": index}
            )  # whatever it is, these have passed a test
        return Unknown(value.op)

    def each(self, value: OneOf, ask: Callable[[Value], Value]) -> Value:
        """What is found of the alternatives, joined; a test that has chosen of them has chosen that, too."""
        choice = self.choice(value)
        if choice is None:
            return self.either(tuple(ask(one) for one in value.choices if one != NONE))
        holds, fails = map(ask, choice.sides)
        return self.choose(choice.test, self.join(holds, fails), holds, fails)

    def elements(self, value: Value) -> Sequence[Value] | None:
        """The elements of a tuple or list that is known whole, else None."""
        if isinstance(value, Items) and value.kind != "slice":
            return [self.loaded(item) for item in value.items] if value.complete else None
        if isinstance(value, Table):
            return [Const(key) for key in value.items] if value.complete else None
        return None

    def element(self, value: Value) -> Value:
        """What iteration over `value` yields, all turns joined."""
        if isinstance(value, Items):
            return self.either([self.loaded(item) for item in value.items])
        if isinstance(value, Table):
            return self.either([Const(key) for key in value.items]) if value.complete else Unknown()
        if isinstance(value, OneOf):
            return self.each(value, self.element)
        if isinstance(value, Tensor):
            return self.emit("slice", {"x": value})
        if isinstance(value, Object):
            return value.attrs["element"] if "element" in value.attrs else Unknown()
        return Unknown() if value.op is None else self.emit("unknown_call", {"0": value})


def _together(value: Tensor) -> tuple[Tensor, list[Op]]:
    """The tensors that `value` was put together of, and what has changed their format since, the last first.

    A part of them in another format is the part in that format.
    """
    formats: list[Op] = []
    inner: Value = value
    while isinstance(inner, Tensor) and inner.made.name in _FORMATTED and "shape" not in inner.made.args:
        formats.append(inner.made)
        inner = inner.made.arg(_FORMATTED[inner.made.name])
    if formats and isinstance(inner, Tensor) and inner.made.name in ("stack", "concat"):
        return inner, formats
    return value, []
