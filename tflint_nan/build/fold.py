"""Python's own arithmetic on literals, bounded: a hostile `10 ** 10 ** 10` takes no time."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from tflint_nan.ops.table import APIS
from tflint_nan.value import UNSET, Class, Const, Function, Method, Symbol, Value

#: Integers longer than this, and strings longer than this many characters, are not computed.
MAX_BITS = 4096
MAX_TEXT = 4096

_BINARY: dict[str, Callable[[Any, Any], object]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "pow": operator.pow,
    "equal": operator.eq,
    "not_equal": operator.ne,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "bit_and": operator.and_,
    "bit_or": operator.or_,
    "bit_xor": operator.xor,
    "left_shift": operator.lshift,
    "right_shift": operator.rshift,
}


def fold(name: str, x: Value, y: Value) -> Value | None:
    """The literal that Python computes for two literals; None where there is none, or it is too large."""
    a, b = x.literal, y.literal
    if a is UNSET or b is UNSET or name not in _BINARY or not _bounded(name, a, b):
        return None
    try:
        result = _BINARY[name](a, b)
    except (ArithmeticError, TypeError, ValueError):
        return None
    return Const(result)


def _bounded(name: str, a: object, b: object) -> bool:
    if isinstance(a, (str, bytes)) or isinstance(b, (str, bytes)):
        if name == "mul":
            text, count = (a, b) if isinstance(a, (str, bytes)) else (b, a)
            return isinstance(count, int) and isinstance(text, (str, bytes)) and len(text) * count <= MAX_TEXT
        if name == "add":
            return isinstance(a, (str, bytes)) and isinstance(b, (str, bytes)) and len(a) + len(b) <= MAX_TEXT
        return name != "mod"  # formats with any width that its text asks for: see `strings.percent`
    if isinstance(a, int) and isinstance(b, int):
        if name == "pow":
            return a.bit_length() * abs(b) <= MAX_BITS
        if name == "left_shift":
            return a.bit_length() + b <= MAX_BITS
        return a.bit_length() + b.bit_length() <= 2 * MAX_BITS
    return True


def truth(value: Value) -> bool | None:
    """Whether Python takes `value` for true, as every function; None where that is not known."""
    if isinstance(value, (Function, Method, Class)) or (isinstance(value, Symbol) and value.name in APIS):
        return True
    literal = value.literal
    return None if literal is UNSET else bool(literal)
