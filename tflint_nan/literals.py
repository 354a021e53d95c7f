"""Arrays whose numbers stand in the program: lists, `np.linspace`, `np.arange`, arithmetic on these."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tflint_nan.evidence import number
from tflint_nan.value import NONE, Const, Items, Op, Value

#: Longer arrays are not computed.
LONGEST = 10_000
_ELEMENTWISE: dict[str, Callable[[float, float], float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: math.pow(a, b),
}
_UNARY: dict[str, Callable[[float], float]] = {
    "neg": lambda a: -a,
    "square": lambda a: a * a,
    "abs": abs,
    "sin": math.sin,
    "cos": math.cos,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
}


@dataclass(frozen=True, slots=True)
class Array:
    """Numbers in row-major order, with the lengths of at most two axes."""

    numbers: tuple[float, ...]
    shape: tuple[int, ...]

    def at(self, row: int, column: int) -> float:
        """The element at a place of the shape that this one is broadcast to."""
        rows, columns = (1, 1, *self.shape)[-2:]
        return self.numbers[(row if rows > 1 else 0) * columns + (column if columns > 1 else 0)]

    def column(self) -> Array:
        """A row of samples as a column of them: one feature each."""
        return Array(self.numbers, (len(self.numbers), 1))

    def rows(self) -> list[tuple[float, ...]]:
        """The rows of a matrix; a single row where this is one."""
        columns = self.shape[-1] if self.shape else 1
        return [self.numbers[i : i + columns] for i in range(0, len(self.numbers), columns)]


def evaluated(value: Value, known: Mapping[int, Array]) -> Array | None:
    """The numbers that `value` is, `known` being those of some ops by serial; None where unknown."""
    try:
        found = _evaluated(value, known, {})
    except (ArithmeticError, ValueError):
        return None  # outside of a function's domain, or of a float
    return found if found is not None and all(map(math.isfinite, found.numbers)) else None


def _evaluated(value: Value, known: Mapping[int, Array], done: dict[int, Array | None]) -> Array | None:
    if isinstance(value, Const):
        return None if value.number is None else Array((value.number,), ())
    if isinstance(value, Items):
        return _stacked([_evaluated(item, known, done) for item in value.items]) if value.complete else None
    op = value.op
    if op is None:
        return None
    if op.serial in known:
        return known[op.serial]
    if op.serial not in done:
        done[op.serial] = None
        done[op.serial] = _computed(op, lambda name: _evaluated(op.arg(name), known, done))
    return done[op.serial]


def _stacked(items: list[Array | None]) -> Array | None:
    arrays = [item for item in items if item is not None]
    if len(arrays) != len(items) or not arrays or len(arrays) * len(arrays[0].numbers) > LONGEST:
        return None
    shape = arrays[0].shape
    if len(shape) > 1 or any(array.shape != shape for array in arrays):
        return None
    return Array(tuple(x for array in arrays for x in array.numbers), (len(arrays), *shape))


def _computed(op: Op, arg: Callable[[str], Array | None]) -> Array | None:
    if op.name == "constant":
        return arg("value")
    if op.name in ("linspace", "range"):
        return _spaced(op)
    if op.name in ("ones", "zeros"):
        return _filled(op)
    x = arg("x")
    if x is None:
        return None
    if op.name in ("cast", "identity"):
        whole = "int" in str(op.value.dtype)
        return None if whole else x
    if op.name in ("reshape", "expand_dims", "slice", "transpose", "flatten"):
        return _reshaped(op, x)
    if op.name in ("mean", "std", "max", "min"):
        return _reduced(op, x)
    if op.name in _UNARY:
        return Array(tuple(map(_UNARY[op.name], x.numbers)), x.shape)
    y = arg("y")
    return None if y is None or op.name not in _ELEMENTWISE else _broadcast(_ELEMENTWISE[op.name], x, y)


def _spaced(op: Op) -> Array | None:
    start, end = number(op.arg("start")), op.arg("stop" if op.name == "linspace" else "limit")
    if start is None:
        return None
    if op.name == "linspace":
        stop, count = number(end), number(op.arg("num")) if op.arg("num") is not NONE else 50.0
        if stop is None or count is None or not 2 <= count <= LONGEST or op.arg("endpoint") is not NONE:
            return None
        step = (stop - start) / (count - 1)
    else:
        stop = number(end)
        if end is NONE:
            start, stop = 0.0, start
        step = 1.0 if op.arg("delta") is NONE else number(op.arg("delta")) or 0.0
        if stop is None or step == 0:
            return None
        count = math.ceil((stop - start) / step)
    if not 0 < count <= LONGEST:
        return None
    return Array(tuple(start + i * step for i in range(int(count))), (int(count),))


def _filled(op: Op) -> Array | None:
    shape = op.value.shape
    if shape is None or None in shape or len(shape) > 2:
        return None
    known = tuple(n or 0 for n in shape)
    count = math.prod(known)
    return Array((1.0 if op.name == "ones" else 0.0,) * count, known) if 0 < count <= LONGEST else None


def _reshaped(op: Op, x: Array) -> Array | None:
    """Reshapes that keep the order, to a shape that is known."""
    if op.name == "transpose":
        if len(x.shape) < 2:
            return x
        columns = tuple(number for column in zip(*x.rows(), strict=True) for number in column)
        return Array(columns, (x.shape[1], x.shape[0])) if op.args.keys() <= {"x"} else None
    if op.name == "slice" and not _only_new_axes(op.arg("index")):
        return None
    shape = op.value.shape
    if shape is None or len(shape) > 2 or shape.count(None) > 1:
        return None
    rest = math.prod(n for n in shape if n is not None)
    if rest == 0 or len(x.numbers) % rest:
        return None
    full = tuple(len(x.numbers) // rest if n is None else n for n in shape)
    return Array(x.numbers, full) if math.prod(full) == len(x.numbers) else None


def _only_new_axes(index: Value) -> bool:
    """Whether an index is `[:, None]` or its like."""
    parts = index.items if isinstance(index, Items) and index.kind == "tuple" else ()
    return bool(parts) and all(
        part.literal is None or (isinstance(part, Items) and all(end.literal is None for end in part.items))
        for part in parts
    )


def _reduced(op: Op, x: Array) -> Array | None:
    axis = op.arg("axis")
    if any(value is not NONE for name, value in op.args.items() if name not in ("x", "axis")):
        return None  # weighted, the middle one, of another length
    if axis is NONE or axis.literal is None or len(x.shape) == 1:
        return Array((_summary(op.name, x.numbers),), ())
    if axis.literal != 0:
        return None
    columns = tuple(_summary(op.name, column) for column in zip(*x.rows(), strict=True))
    return Array(columns, (len(columns),))


def _summary(name: str, numbers: tuple[float, ...]) -> float:
    mean = math.fsum(numbers) / len(numbers)
    if name == "std":
        return math.sqrt(math.fsum((x - mean) ** 2 for x in numbers) / len(numbers))
    return {"mean": mean, "max": max(numbers), "min": min(numbers)}[name]


def _broadcast(f: Callable[[float, float], float], x: Array, y: Array) -> Array | None:
    shapes = [(1, 1, *array.shape)[-2:] for array in (x, y)]
    rows, columns = (max(a, b) for a, b in zip(*shapes, strict=True))
    if any(n not in (1, whole) for shape in shapes for n, whole in zip(shape, (rows, columns), strict=True)):
        return None
    if rows * columns > LONGEST:
        return None
    numbers = tuple(f(x.at(i, j), y.at(i, j)) for i in range(rows) for j in range(columns))
    return Array(numbers, (rows, columns)[2 - max(len(x.shape), len(y.shape)) :])
