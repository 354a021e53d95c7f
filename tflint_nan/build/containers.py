"""Methods of Python's lists and dicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tflint_nan.build.attributes import Attributes
from tflint_nan.build.expressions import items
from tflint_nan.value import NONE, Const, Items, Object, Table, Unknown, Value

#: Of `collections.deque`, what each name of the left end means for a list.
_LEFT = {"appendleft": "insert", "popleft": "pop"}


class Containers(Attributes):
    """Calls methods of containers."""

    def container(
        self, value: Items | Table, name: str, args: Sequence[Value], kwargs: Mapping[str, Value]
    ) -> Value:
        """`value.name(...)`."""
        if isinstance(value, Items):
            if name in _LEFT:
                name, args = _LEFT[name], [Const(0), *args]
            return self._list(value, name, args)
        return self._dict_method(value, name, args, kwargs)

    def _list(self, value: Items, name: str, args: Sequence[Value]) -> Value:
        first = args[0] if args else NONE
        inner = self.elements(first)
        if name in ("append", "add"):
            self._keep(value, (*value.items, first))
            return NONE
        if name in ("extend", "update"):
            more = inner if inner is not None else (self.element(first),)
            self._keep(value, (*value.items, *more), value.complete and inner is not None)
            return NONE
        if name == "insert" and len(args) == 2:
            at = first.literal if isinstance(first.literal, int) else None
            longer = list(value.items)
            longer.insert(len(longer) if at is None else at, args[1])
            self._keep(value, longer, value.complete and at is not None)
            return NONE
        if name == "pop":
            return self._pop(value, first.literal if args else -1)
        if name == "clear":
            self._keep(value, (), True)
            return NONE
        if name in ("reverse", "sort"):
            known = value.complete and name == "reverse"
            self._keep(value, value.items[::-1] if known else value.items)
            return NONE
        if name == "copy":
            return Items(value.items, value.kind, value.complete)
        if name == "index" and value.complete and first in value.items and isinstance(first, Const):
            return Const(value.items.index(first))
        return Unknown()

    def _pop(self, value: Items, index: object) -> Value:
        count = len(value.items)
        if value.complete and isinstance(index, int) and -count <= index < count:
            rest = list(value.items)
            popped = rest.pop(index)
            self._keep(value, rest)
            return self.loaded(popped)
        return self.element(value)

    def _keep(self, value: Items, held: Sequence[Value], complete: bool | None = None) -> None:
        self.mutate(value, items(held, value.kind, value.complete if complete is None else complete))

    def _dict_method(
        self, value: Table, name: str, args: Sequence[Value], kwargs: Mapping[str, Value]
    ) -> Value:
        first = args[0] if args else NONE
        if name in ("get", "pop", "setdefault"):
            return self._entry_of(value, name, self.key(first), args[1] if len(args) > 1 else NONE)
        if name == "items" and value.complete:
            pairs = [Items((Const(key), self.loaded(item))) for key, item in value.items.items()]
            return Items(tuple(pairs), "list")
        if name == "items":
            either = self.either([self.loaded(item) for item in value.items.values()])
            return Items((Items((Unknown(), either)),), "list", False)
        if name == "values":
            return Items(tuple(value.items.values()), "list", value.complete)
        if name == "keys" and value.complete:
            return Items(tuple(Const(key) for key in value.items), "list")
        if name == "update":
            more = self.mapping(first) if args else Table({})
            merged = {**value.items, **(more.items if more is not None else {}), **kwargs}
            known = value.complete and more is not None and more.complete
            self.mutate(value, replace(value, items=merged, complete=known))
            return NONE
        return Table(value.items, value.complete, value.factory) if name == "copy" else Unknown()

    def _entry_of(self, value: Table, name: str, key: object, default: Value) -> Value:
        if key is not None and key in value.items:
            found = self.loaded(value.items[key])
            if name == "pop":
                rest = {k: item for k, item in value.items.items() if k != key}
                self.mutate(value, replace(value, items=rest))
            return found
        if name == "setdefault" and key is not None:
            self.mutate(value, replace(value, items={**value.items, key: default}))
        if value.complete and key is not None:
            return default
        # One of the others, or what is not known: the name of the key decides at run time.
        return Unknown()

    def mapping(self, value: Value) -> Table | None:
        """A dict, pairs of a list, or a namespace, as a dict; None for what is none of these."""
        if isinstance(value, Table):
            return value
        if isinstance(value, Object) and value.kind == "namespace":
            return Table(dict(value.attrs))
        pairs = self.elements(value)
        if pairs is None:
            return None
        table: dict[object, Value] = {}
        for pair in pairs:
            known = self.elements(pair)
            key = self.key(known[0]) if known is not None and len(known) == 2 else None
            if known is None or key is None:
                return None
            table[key] = known[1]
        return Table(table)

    def fresh(self, value: Value, seen: dict[int, Value] | None = None) -> Value:
        """The same with lists and dicts of its own, where nobody else may write to them."""
        seen = {} if seen is None else seen
        known = seen.get(id(value))
        if known is not None:
            return known  # once, whatever holds it, itself included
        if isinstance(value, Items):
            seen[id(value)] = value
            held = [self.fresh(self.loaded(item), seen) for item in value.items]
            if value.kind != "tuple" or any(a is not b for a, b in zip(held, value.items, strict=True)):
                seen[id(value)] = Items(tuple(held), value.kind, value.complete)
        elif isinstance(value, Table):
            seen[id(value)] = value
            table = {key: self.fresh(self.loaded(item), seen) for key, item in value.items.items()}
            seen[id(value)] = Table(table, value.complete, value.factory)
        return seen.get(id(value), value)
