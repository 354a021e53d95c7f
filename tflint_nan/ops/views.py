"""Which arrays share their memory: views of NumPy's, and what is written through them."""

from __future__ import annotations

from collections.abc import Iterator

from tflint_nan.ops.data import is_picture
from tflint_nan.ops.points import rank
from tflint_nan.ops.table import Call, Machine, api
from tflint_nan.value import Items, Op, Tensor, Unknown, Value

#: Operators whose result is part of their `x`, or `x` in another order or form, in the same memory.
_VIEWS = frozenset(
    {"slice", "column", "reshape", "expand_dims", "squeeze", "transpose", "swap", "reverse", "diag_part"}
    | {"split", "real", "imag", "broadcast_to", "refine"}
)
#: Names of other operators that hand on the array itself.
_SAME = frozenset({"tensor.view", "tensor.flat", "tensor.ravel", "np.ravel", "tensor.at", "tensor.iat"})
_GIVEN = frozenset({"np.asarray", "np.asanyarray", "np.ascontiguousarray", "np.asfortranarray"})
#: Methods of data frames that read as a slice and give another frame.
_COPIES = frozenset(
    {"tensor.drop", "tensor.sample", "tensor.reset_index", "tensor.head", "tensor.tail", "tensor.dropna"}
    | {"tensor.convert"}
)
#: Views of views, alternatives of alternatives: looked up as far as this.
_MANY = 64


def owners(value: Value) -> Iterator[Op]:
    """The ops that made the arrays whose memory `value` may be, or be a part of."""
    todo = [value]
    seen: set[int] = set()
    while todo and len(seen) < _MANY:
        op = todo.pop().op
        if op is None or op.serial in seen:
            continue
        seen.add(op.serial)
        behind = _behind(op)
        if behind is None:
            yield op
        else:
            todo += behind


def _behind(op: Op) -> tuple[Value, ...] | None:
    """What the array that an op gives may share its memory with; None where it is a new one."""
    if op.name == "join":
        return tuple(op.args.values())
    if op.api in _SAME or (op.name in _VIEWS and not _is_copied(op)):
        return (op.arg("x"),)
    if op.api in _GIVEN and isinstance(op.arg("value"), (Tensor, Unknown)):
        return (op.arg("value"),)
    return None


def _is_copied(op: Op) -> bool:
    """Whether a subscript picks elements one by one, which NumPy copies; single numbers are copied, too."""
    index = op.arg("index")
    parts = index.items if isinstance(index, Items) and index.kind == "tuple" else (index,)
    return op.value.shape == () or op.api in _COPIES or any(map(_is_fancy, parts))


def _is_fancy(index: Value) -> bool:
    if isinstance(index, Items):
        return index.kind == "list"
    return index.dtype == "bool" or bool(rank(index))


def _written(machine: Machine, call: Call) -> Value:
    """A call that writes to the elements of its first argument, or changes how many there are."""
    operands = (call.arg("x"), *call.rest)
    result = machine.emit("unknown_call", {str(i): value for i, value in enumerate(operands)}, call=call)
    machine.overwrite(call.arg("x"), resized=call.api == "tensor.resize")
    return result


def _resized(machine: Machine, call: Call) -> Value:
    """`x.resize(size)`: of an array in its place, of a picture another one."""
    if is_picture(call.arg("x")):
        return machine.emit("resize", {"x": call.arg("x")}, call=call)
    return _written(machine, call)


for _name in ("add", "subtract", "multiply", "divide", "maximum", "minimum"):
    api(f"np.{_name}.at", _written, "a:x")
api("np.put np.putmask np.fill_diagonal", _written, "a:x")
api("np.place np.put_along_axis", _written, "arr:x")
api("np.copyto", _written, "dst:x")
api("tensor.fill tensor.put tensor.partition tensor.byteswap", _written, "self:x")
api("tensor.resize", _resized, "self:x")
api("tensor.itemset", _written, "self:x", removed="2.16")
