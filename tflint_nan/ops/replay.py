"""A functional model called on other inputs: its ops once more."""

from __future__ import annotations

from collections.abc import Mapping

from tflint_nan.ops.table import Machine
from tflint_nan.value import UNKNOWN, Const, Items, Op, Shape, Table, Tensor, Unknown, Value, sources

#: A call repeats at most this many ops.
MAX_REPLAY = 2000


def replay(machine: Machine, inputs: Value, output: Value, x: Value, *, checked: bool) -> Value | None:
    """What `output` is when `x` stands in the place of `inputs`; None where that is not known.

    `checked` is True of a model that refuses other lengths than its inputs declare.
    """
    if output is UNKNOWN:
        return None
    new: dict[int, Value] = {}
    if not _pair(machine, inputs, x, new):
        return None
    if checked:
        starts = {op.serial: op.value.shape for op in sources(inputs)}
        new = {serial: _shaped(machine, given, starts.get(serial)) for serial, given in new.items()}
    between = _between(output, set(new))
    if between is None:
        return None
    for op in between:
        args = {name: _replaced(value, new) for name, value in op.args.items()}
        new[op.serial] = machine.emit(op.name, args, at=op)
    return _replaced(output, new)


def _pair(machine: Machine, inputs: Value, given: Value, new: dict[int, Value]) -> bool:
    """Note which op's output each given value stands for; False where the structures differ."""
    if isinstance(inputs, Tensor):
        values = machine.elements(given)
        if values is not None:
            given = values[0] if len(values) == 1 else UNKNOWN
        new[inputs.made.serial] = given
        return True
    if isinstance(inputs, Table):
        table = given.items if isinstance(given, Table) else {}
        return all(_pair(machine, value, table.get(key, UNKNOWN), new) for key, value in inputs.items.items())
    old, values = machine.elements(inputs), machine.elements(given)
    if old is None:
        return False
    if len(old) == 1 and values is None:
        values = [given]
    if values is None or len(values) != len(old):
        values = [UNKNOWN] * len(old)
    return all(_pair(machine, one, value, new) for one, value in zip(old, values, strict=True))


def _shaped(machine: Machine, given: Value, declared: Shape) -> Value:
    """A given value with the lengths that its input declares."""
    if not isinstance(given, (Tensor, Unknown)) or declared is None or given is UNKNOWN:
        return given
    known = given.shape or (None,) * len(declared)
    if len(known) != len(declared) or all(
        a is not None or b is None for a, b in zip(known, declared, strict=True)
    ):
        return given
    return machine.emit("identity", {"x": given, "shape": Items(tuple(map(Const, declared)))})


def _between(output: Value, starts: set[int]) -> list[Op] | None:
    """The ops that depend on the ops numbered `starts` and that `output` depends on, in order."""
    seen: dict[int, Op] = {}
    todo = list(sources(output))
    while todo:
        op = todo.pop()
        if op.serial in seen or op.serial in starts:
            continue
        seen[op.serial] = op
        todo.extend(source for value in op.args.values() for source in sources(value))
    reached: set[int] = set(starts)
    result = []
    for serial in sorted(seen):
        op = seen[serial]
        if isinstance(op.value, (Tensor, Unknown)) and any(
            source.serial in reached for value in op.args.values() for source in sources(value)
        ):
            reached.add(serial)
            result.append(op)
    return result if len(result) <= MAX_REPLAY else None


def _replaced(value: Value, new: Mapping[int, Value]) -> Value:
    if isinstance(value, (Tensor, Unknown)):
        return value if value.op is None else new.get(value.op.serial, value)
    if isinstance(value, Items):
        return Items(tuple(_replaced(item, new) for item in value.items), value.kind, value.complete)
    if isinstance(value, Table):
        return Table({key: _replaced(item, new) for key, item in value.items.items()}, value.complete)
    return value
