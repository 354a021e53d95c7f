"""Networks that give exactly 0 where what they are given is 0: no layer on the way adds a bias."""

from __future__ import annotations

from tflint_nan.architecture import has_bias
from tflint_nan.evidence import number
from tflint_nan.graph import Graph
from tflint_nan.training import LINEAR, ancestors
from tflint_nan.value import Items, Object, Op, Value

#: Functions that are 0 at 0, besides those that hand on what they are given.
_KEEPING = frozenset(
    {"relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "gelu", "swish", "tanh", "softsign"}
    | {"neg", "abs", "square", "sqrt", "sum", "mean", "max", "div"}
)
#: What a program is given, and pictures that it reads.
_GIVEN = frozenset({"placeholder", "parameter", "pixels"})


def is_blank_for_blanks(graph: Graph, value: Value) -> bool:
    """Whether `value` is exactly 0 where a part of the input is, the background of a picture.

    Shown by convolutions, which see no more than a part: that all of an input is 0 need not occur.
    """
    zero: dict[int, bool] = {}
    convolved = False
    for _, op in sorted(ancestors(value).items()):
        zero[op.serial] = found = _keeps(graph, op, zero)
        convolved = convolved or (found and op.name == "conv")
    return convolved and _is_zero(value, zero)


def _keeps(graph: Graph, op: Op, zero: dict[int, bool]) -> bool:
    """Whether `op` is 0 where the input is."""
    if op.name in _GIVEN:
        return 0.0 in op.value.interval
    if op.name in LINEAR or op.name == "mul":
        # What is written by hand adds its bias later.
        own = isinstance(op.arg("layer"), Object) and has_bias(graph, op)
        return not own and any(_is_zero(given, zero) for given in op.args.values())
    if op.name in ("add", "sub"):
        return _is_zero(op.arg("x"), zero) and _is_zero(op.arg("y"), zero)
    if op.name in _KEEPING:
        return _is_zero(op.arg("x"), zero)
    return bool(op.flow) and op.name != "clip" and all(_is_zero(op.arg(name), zero) for name in op.flow)


def _is_zero(value: Value, zero: dict[int, bool]) -> bool:
    if isinstance(value, Items):
        return all(_is_zero(item, zero) for item in value.items)
    return number(value) == 0 if value.op is None else zero.get(value.op.serial, False)
