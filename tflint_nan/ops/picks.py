"""Elements that a mask picks out of an array: which conditions pick them, and what these ask about."""

from __future__ import annotations

from collections.abc import Iterator

from tflint_nan.ops.points import is_given, is_numpy, rank
from tflint_nan.value import Items, Op, Value

#: Arguments by which ops take some elements.
_BY = ("index", "indices", "mask", "condition", "to_retain")
#: Names of NumPy's that give the places where an array is not 0.
_PLACES = frozenset({"np.nonzero", "np.flatnonzero"})
#: How many ops behind a condition are looked at.
_MANY = 128
#: 0 where all elements are alike.
_SPREADS = frozenset({"std", "variance", "peak_to_peak"})


def picking(op: Op) -> Iterator[tuple[Value, bool]]:
    """The conditions by which `op` takes elements out of its `x`, and whether each element has passed it.

    Of places along one axis, whatever stands there is taken: rows with an element that has passed.
    """
    x = op.arg("x")
    for name in _BY:
        index = op.arg(name)
        for condition, made in conditions(index):
            whole = made is None or (index.op is made and (is_numpy(made) or op.api == "tf.gather_nd"))
            yield condition, whole or rank(x) == 1


def conditions(index: Value) -> Iterator[tuple[Value, Op | None]]:
    """The masks in an index, or whose places it lists, each with the op that does: `where(mask)`."""
    for part in index.items if isinstance(index, Items) and index.kind == "tuple" else (index,):
        made = part.made_by("where", "index") if part.dtype != "bool" and is_given(part) else None
        if part.dtype == "bool":
            yield part, None
        elif made is not None and made.name == "where" and not is_given(made.arg("x")):
            yield made.arg("condition"), made
        elif made is not None and made.api in _PLACES:
            yield made.arg("a"), made


def behind(value: Value) -> Iterator[Op]:
    """The ops that a value is computed from, the nearest first; not all of many."""
    todo = [] if value.op is None else [value.op]
    seen = {op.serial for op in todo}
    for op in todo:
        yield op
        for operand in op.operands:
            if operand.serial not in seen and len(seen) < _MANY:
                seen.add(operand.serial)
                todo.append(operand)


def spreads_are_asked_for(value: Value) -> bool:
    """Whether these are elements that were picked by how much some numbers differ.

    A program that leaves out what is constant has met a spread of 0.
    """
    return any(
        asked.name in _SPREADS
        for op in value.producers()
        for mask, _ in picking(op)
        for asked in behind(mask)
    )
