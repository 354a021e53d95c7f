"""Whether two values are the same numbers because the same is computed twice from the same."""

from __future__ import annotations

from tflint_nan.ops.points import aligned
from tflint_nan.ops.table import OPERATORS
from tflint_nan.value import UNSET, Items, Op, Unknown, Value

#: Operations that draw, or do something by chance: twice they give two results.
_CHANCE = frozenset(
    {"augment", "categorical", "drawn", "dropout", "initial_values", "measure", "noise", "resize", "sample"}
    | {"random_choice", "random_counts", "random_integers", "random_normal", "random_positive", "random_real"}
    | {"random_uniform", "sampled_loss", "shuffle", "uninitialised"}
)
#: How many operations deep two computations are compared.
_DEEP = 8


def alike(a: Value, b: Value, deep: int = _DEEP) -> bool:
    """Whether both are the same numbers in the same places: one op's, or the same functions of the same."""
    if a is b:
        return True
    if isinstance(a, Unknown) or isinstance(b, Unknown):
        return False  # two parts of what is not known have the same origin
    if aligned(a, b):
        return True
    if isinstance(a, Items) and isinstance(b, Items):
        pairs = zip(a.items, b.items, strict=False)
        return len(a.items) == len(b.items) and all(alike(x, y, deep) for x, y in pairs)
    one, other = a.op, b.op
    if one is None or other is None:
        return a.literal is not UNSET and a == b
    return deep > 0 and _is_repeated(one, other, deep)


def _is_repeated(one: Op, other: Op, deep: int) -> bool:
    if one.name != other.name or one.name not in OPERATORS or one.name in _CHANCE:
        return False
    if not one.operands or one.args.keys() != other.args.keys():
        return False  # what takes nothing is told apart by where it stands
    return all(alike(value, other.args[name], deep - 1) for name, value in one.args.items())
