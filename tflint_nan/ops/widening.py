"""What repeats: whether a turn brought anything new, and values that hold for every further one."""

from __future__ import annotations

from tflint_nan.interval import EVERYTHING, Interval
from tflint_nan.value import Const, Items, OneOf, Table, Tensor, Unknown, Value

#: A body is read this often: once, once from what the first turn left, and once from what was widened then.
TURNS = 3


def covers(before: Value, after: Value) -> bool:
    """Whether every number that `after` may be was one that `before` may be."""
    if before is after or isinstance(before, Unknown):
        return True
    if isinstance(before, Items) and isinstance(after, Items):
        pairs = zip(before.items, after.items, strict=False)
        return len(before.items) == len(after.items) and all(covers(one, two) for one, two in pairs)
    if isinstance(before, Table) and isinstance(after, Table):
        alike = before.items.keys() == after.items.keys()
        return alike and all(covers(value, after.items[key]) for key, value in before.items.items())
    if isinstance(before, OneOf) or isinstance(after, OneOf):
        sides = [value.choices if isinstance(value, OneOf) else (value,) for value in (before, after)]
        return all(any(covers(one, two) for one in sides[0]) for two in sides[1])
    if isinstance(after, Const) and isinstance(before, Const):
        return type(after.value) is type(before.value) and after.value == before.value
    if isinstance(before, Tensor):
        return after.interval.lo in before.interval and after.interval.hi in before.interval
    return type(before) is type(after) and not isinstance(after, (Tensor, Unknown))


def widened(before: Value, after: Value) -> Value:
    """`after`, whose ranges have grown past those of `before`, with the ends that moved at infinity."""
    if isinstance(after, Tensor):
        return _ranging(after, before.interval.widen(after.interval))
    if isinstance(before, Items) and isinstance(after, Items) and len(before.items) == len(after.items):
        items = tuple(widened(one, two) for one, two in zip(before.items, after.items, strict=True))
        return Items(items, after.kind, after.complete, after.first)
    return after


def forgotten(value: Value) -> Value:
    """`value` with nothing known of its numbers."""
    if isinstance(value, Tensor):
        return _ranging(value, EVERYTHING)
    if isinstance(value, Items):
        return Items(tuple(map(forgotten, value.items)), value.kind, False, value.first)
    if isinstance(value, Table):
        items = {key: forgotten(item) for key, item in value.items.items()}
        return Table(items, False, value.factory, value.first)
    return Unknown() if isinstance(value, (Const, OneOf)) else value


def _ranging(value: Tensor, interval: Interval) -> Tensor:
    return Tensor(value.made, interval, value.witnesses, value.dtype, value.shape)
