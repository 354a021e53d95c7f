"""Names that mean several operations on shapes, or answer with Python numbers."""

from __future__ import annotations

from tflint_nan.ops import points
from tflint_nan.ops.points import dtype_named, integer, integers, is_given
from tflint_nan.ops.table import Call, Handler, Machine
from tflint_nan.value import NONE, UNKNOWN, Const, Format, Items, Tensor, Unknown, Value

#: Parts of a split that are listed one by one.
MAX_PARTS = 64


def concat(machine: Machine, call: Call) -> Value:
    """`concat(values, axis)`; TensorFlow before 1.0 took the axis first."""
    values, axis = call.arg("values"), call.arg("axis")
    if integer(values) is not None and is_given(axis):
        values, axis = axis, values
    return machine.emit("concat", {"values": values, "axis": axis}, call=call)


def concat_pair(machine: Machine, call: Call) -> Value:
    """`append(x1, x2, axis)`; without an axis both are made vectors first."""
    values, axis = Items((call.arg("x"), call.arg("y"))), call.arg("axis")
    args = {"values": values, "axis": axis if is_given(axis) else UNKNOWN}
    return machine.emit("concat", args, call=call)


def side_by_side(plane: str) -> Handler:
    """`vstack`, `hstack`, `dstack`, `column_stack`; the axis is known where all have equally many.

    A vector is a row of the first, a column of the last, and `hstack` makes one vector of several.
    """

    def handler(machine: Machine, call: Call) -> Value:
        values = call.arg("values")
        ranks = {points.rank(value) for value in values.items} if isinstance(values, Items) else {None}
        axes = (ranks.pop() if len(ranks) == 1 else None) or 0
        name, axis = _SIDES.get((plane, min(axes, 3)), ("concat", UNKNOWN))
        return machine.emit(name, {"values": values, "axis": axis}, call=call)

    return handler


#: The function and how many axes the arrays have, 3 standing for more: what it does, and along which axis.
_SIDES: dict[tuple[str, int], tuple[str, Value]] = {
    **{("vstack", axes): ("concat", Const(0)) for axes in (2, 3)},
    **{("hstack", axes): ("concat", Const(1)) for axes in (2, 3)},
    ("vstack", 1): ("stack", Const(0)),
    ("hstack", 1): ("concat", Const(0)),
    ("dstack", 2): ("stack", Const(2)),
    ("dstack", 3): ("concat", Const(2)),
    ("column_stack", 1): ("stack", Const(1)),
    ("column_stack", 2): ("concat", Const(1)),
}


def _parts(machine: Machine, call: Call, count: int) -> Value:
    sizes = call.arg("num")
    args = {"x": call.arg("x"), "axis": call.arg("axis"), "num": sizes if is_given(sizes) else Const(count)}
    return Items(
        tuple(machine.emit("split", {**args, "part": Const(i)}, call=call) for i in range(count)), "list"
    )


def split(machine: Machine, call: Call) -> Value:
    """`split(value, num_or_sizes, axis)`; TensorFlow before 1.0 took (axis, num, value)."""
    x, num = call.arg("x"), call.arg("num")
    if integer(x) is not None and isinstance(call.arg("axis"), Tensor):
        call.args["x"], call.args["axis"] = call.arg("axis"), x
    count = integer(num)
    if count is None and isinstance(num, Items) and num.complete:
        count = len(num.items)
    if count is None or not 0 < count <= MAX_PARTS:
        return machine.emit("split", call.args, call=call)
    return _parts(machine, call, count)


def unstack(machine: Machine, call: Call) -> Value:
    """`unstack(value, num, axis)`: as many tensors as the axis is long."""
    x = call.arg("x")
    count = integer(call.arg("num"))
    axis = integer(call.arg("axis")) if is_given(call.arg("axis")) else 0
    if count is None and x.shape and axis is not None and -len(x.shape) <= axis < len(x.shape):
        count = x.shape[axis]
    if count is None or not 0 < count <= MAX_PARTS:
        return machine.emit("unstack", call.args, call=call)
    return _parts(machine, call, count)


def top_k(machine: Machine, call: Call) -> Value:
    """`top_k(x, k)`: the largest values and where they are."""
    values = machine.emit("gather", {"x": call.arg("x")}, call=call)
    return Items((values, machine.emit("index", {}, call=call)))


def shape(machine: Machine, call: Call) -> Value:
    """The shape of a tensor: its known lengths as numbers, the others as positive integers."""
    x = call.arg("x")
    known = x.shape
    if known is None or len(known) > MAX_PARTS or not isinstance(x, Tensor):
        return machine.emit("shape", {"x": x}, call=call)
    return Items(
        tuple(Const(n) if n is not None else machine.emit("size", {"x": x}, call=call) for n in known)
    )


def lengths(machine: Machine, call: Call) -> Value:
    """`int_shape(x)`: the lengths as Python numbers, None where one is not known."""
    known = call.arg("x").shape
    if known is None:
        return Unknown()
    return Items(tuple(Const(n) for n in known[:MAX_PARTS]))


def dtype(machine: Machine, call: Call) -> Value:
    """The format of a tensor as a string."""
    x = call.arg("x")
    return Format(x.dtype, x.op) if x.dtype is not None else Unknown()


def as_dtype(machine: Machine, call: Call) -> Value:
    """`tf.as_dtype("half")`: the format of that name, by its own."""
    given = call.arg("type_value")
    name = dtype_named(given, call.api)
    if name is None:
        return machine.emit("unknown_call", {"0": given}, call=call)
    return given if given.literal == name else Const(name)


def rank(machine: Machine, call: Call) -> Value:
    """The number of axes, as a Python number where it is known."""
    x = call.arg("x")
    if isinstance(x, Tensor) and x.shape is not None:
        return Const(len(x.shape))
    return machine.emit("size", {"x": x}, call=call)


def reshape(machine: Machine, call: Call) -> Value:
    """The method `x.reshape(2, 3)` or `x.reshape((2, 3))`."""
    target = call.arg("shape")
    if call.rest:
        target = Items((target, *call.rest))
    elif integers(target) is not None and not isinstance(target, Items):
        target = Items((target,))
    return machine.emit("reshape", {"x": call.arg("x"), "shape": target}, call=call)


def transpose(machine: Machine, call: Call) -> Value:
    """The method `x.transpose()`, `x.transpose(1, 0)` or `x.transpose((1, 0))`."""
    order = call.arg("perm")
    if call.rest:
        order = Items((order, *call.rest))
    return machine.emit("transpose", {"x": call.arg("x"), "perm": order}, call=call)


def as_it_is(machine: Machine, call: Call) -> Value:
    """A method that only a known tensor has; anything else stays unknown."""
    x = call.arg("x")
    if not isinstance(x, Tensor):
        return machine.emit("unknown_call", {"0": x}, call=call)
    return machine.emit("identity", {"x": x}, call=call)


def filled(machine: Machine, call: Call) -> Value:
    """`fillna(value)`: the numbers that are there, and the one put for those that are not."""
    x, value = call.arg("x"), call.arg("value")
    if not isinstance(x, Tensor) or not isinstance(value, (Tensor, Const)) or not is_given(value):
        return machine.emit("gather", {"x": x}, call=call)
    return machine.emit("join", {"0": x, "1": value}, call=call)


def nothing(machine: Machine, call: Call) -> Value:
    """A method that is called for its effect."""
    return NONE
