"""Methods of Python's lists and dicts; one that changes its receiver assigns the changed one to its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import libcst as cst

from tflint_nan.build.attributes import Arguments, Attributes
from tflint_nan.build.expressions import items
from tflint_nan.value import NONE, Const, Items, Table, Unknown, Value


class Containers(Attributes):
    """Calls methods of containers."""

    def container(
        self,
        value: Items | Table,
        name: str,
        given: Arguments,
        place: cst.BaseExpression,
    ) -> Value:
        """`value.name(...)`, for the container that stands at `place`."""
        if isinstance(value, Items):
            return self._list(value, name, given.values, place)
        return self._dict_method(value, name, given.values, given.keywords, place)

    def _list(self, value: Items, name: str, args: Sequence[Value], place: cst.BaseExpression) -> Value:
        first = args[0] if args else NONE
        inner = self.elements(first)
        if name == "append" or name == "add":
            self.assign(place, items((*value.items, first), value.kind, value.complete))
            return NONE
        if name == "extend":
            more = inner if inner is not None else (self.element(first),)
            self.assign(place, items((*value.items, *more), value.kind, value.complete and inner is not None))
            return NONE
        if name == "insert" and len(args) == 2 and isinstance(first.literal, int):
            longer = list(value.items)
            longer.insert(first.literal, args[1])
            self.assign(place, items(longer, value.kind, value.complete))
            return NONE
        if name == "pop" and value.items and value.complete and not args:
            self.assign(place, Items(value.items[:-1], value.kind))
            return value.items[-1]
        if name == "copy":
            return value
        return Unknown()

    def _dict_method(
        self,
        value: Table,
        name: str,
        args: Sequence[Value],
        kwargs: Mapping[str, Value],
        place: cst.BaseExpression,
    ) -> Value:
        first = args[0] if args else NONE
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
