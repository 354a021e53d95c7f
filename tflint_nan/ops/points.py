"""Helpers of the transfer functions: dtypes, shapes, witnesses, and factories of operators.

One definition of an operation, a function of numbers, makes both approximations: the interval from
the function's ends and turning points, the witnesses by applying it to the numbers that are reached.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from tflint_nan.interval import EVERYTHING, FORMATS, INTEGERS, Interval, round_to
from tflint_nan.ops.table import Facts, operator
from tflint_nan.record import record
from tflint_nan.value import UNKNOWN, Const, Items, Length, Op, Shape, Symbol, Tensor, Value, Witness

#: How many witnesses a value keeps.
LIMIT = 8
#: How many sources a witness may assume: a sum of a thousand variables takes no time for it.
SOURCES = 16
#: exp(±104) leaves float32 (and bfloat16, float16), exp(±750) leaves float64.
FAR = 104.0
FAR_DOUBLE = 750.0

Point = Callable[[float], float]
Point2 = Callable[[float, float], float]

_WIDTH = {"float16": 1, "bfloat16": 1, "float32": 2, "float64": 3}


def far(dtype: str | None) -> float:
    """A number that a trained layer can reach and whose exponential the format cannot hold."""
    return FAR_DOUBLE if dtype == "float64" else FAR


# ---- witnesses


def unbounded(op: Op, dtype: str | None) -> tuple[Witness, ...]:
    """The witnesses of what training moves freely: the output of a linear layer, a variable.

    Integers are not trained and have none.
    """
    if dtype is not None and dtype not in FORMATS:
        return ()
    edge = far(dtype)
    return tuple(Witness(v, ((op, v),)) for v in (-edge, -1.0, 0.0, 1.0, edge))


def fresh(op: Op, *numbers: float) -> tuple[Witness, ...]:
    """Numbers that the output of `op` reaches, whatever its inputs are: `op` is their source."""
    return tuple(Witness(v, ((op, v),)) for v in numbers)


#: Data and arguments: whatever they are, they are not computed from what is trained.
_GIVEN = frozenset({"placeholder", "parameter", "labels"})


def moved(op: Op, witnesses: tuple[Witness, ...], dtype: str | None, *values: Value) -> tuple[Witness, ...]:
    """The witnesses of a sum; where they would assume too many sources, the sum is a source of its own.

    So it is where data, or a part of them, is added to an output that training moves anywhere.
    """
    if witnesses or not any(is_unbounded(value) for value in values):
        return witnesses
    return unbounded(op, dtype) if all(value.witnesses or _is_data(value) for value in values) else ()


def _is_data(value: Value) -> bool:
    makers = [op for op in value.producers() if not op.flow]
    return bool(makers) and all(op.name in _GIVEN for op in makers)


def is_unbounded(value: Value) -> bool:
    """True where `value` is shown to reach far numbers of both signs."""
    numbers = [w.value for w in value.witnesses]
    edge = far(value.dtype)
    return any(v <= -edge for v in numbers) and any(v >= edge for v in numbers)


def select(witnesses: Iterable[Witness], interval: Interval = EVERYTHING) -> tuple[Witness, ...]:
    """At most `LIMIT` of the witnesses, the telling ones first: 0, NaN, infinities, the extremes, ±1.

    Among equal numbers those come first that need the fewest inputs to be moved away from 0.
    What the interval excludes (a relation proves that two assumptions do not go together) is dropped;
    NaN is in no interval and stays.
    """
    seen: dict[tuple[float | None, tuple[tuple[Op, float], ...]], Witness] = {}
    for witness in witnesses:
        number = witness.value
        if number != number:
            seen.setdefault((None, witness.inputs), witness)
        elif interval.lo <= number <= interval.hi:
            seen.setdefault((number, witness.inputs), witness)
    kept = list(seen.values())
    if len(kept) <= LIMIT:
        return tuple(kept)
    finite = [w.value for w in kept if math.isfinite(w.value)]
    ends = (min(finite), max(finite)) if finite else ()

    def rank(number: float) -> int:
        if number == 0.0:
            return 0
        if not math.isfinite(number):
            return 1
        if number in ends:
            return 2
        return 3 if abs(number) == 1.0 else 4

    def effort(witness: Witness) -> tuple[int, int, int]:
        moved = sum(1 for _, number in witness.inputs if number != 0.0)
        return rank(witness.value), moved, len(witness.inputs)

    first: list[Witness] = []
    again: list[Witness] = []
    values: set[str] = set()
    for witness in sorted(kept, key=effort):
        name = repr(witness.value)
        (again if name in values else first).append(witness)
        values.add(name)
    return tuple((first + again)[:LIMIT])


def stored(number: float, dtype: str | None) -> float | None:
    """A computed number as `dtype` holds it, None where an integer format wraps around."""
    if dtype in INTEGERS:
        lowest, highest = INTEGERS[dtype]
        return number if lowest <= number <= highest else None
    return round_to(number, dtype)


def mapped(point: Point, x: Value, dtype: str | None) -> tuple[Witness, ...]:
    """The witnesses of `x` through a function of one number."""
    result = []
    for witness in x.witnesses:
        number = stored(point(round_to(witness.value, dtype)), dtype)
        if number is not None:
            result.append(Witness(number, witness.inputs))
    return tuple(result)


def combined(point: Callable[..., float], values: Sequence[Value], dtype: str | None) -> tuple[Witness, ...]:
    """The witnesses of several operands through a function, where they agree on their sources."""
    rows: list[tuple[tuple[float, ...], Witness]] = [((), Witness(0.0))]
    for value in values:
        longer = []
        for numbers, so_far in rows:
            for witness in value.witnesses:
                inputs = so_far.joined(witness)
                if inputs is not None and len(inputs) <= SOURCES:
                    longer.append(((*numbers, round_to(witness.value, dtype)), Witness(0.0, inputs)))
        rows = longer
    result = []
    for numbers, so_far in rows:
        number = stored(point(*numbers), dtype)
        if number is not None:
            result.append(Witness(number, so_far.inputs))
    return tuple(result)


def facts(
    interval: Interval,
    witnesses: Iterable[Witness] = (),
    dtype: str | None = None,
    shape: Shape = None,
) -> Facts:
    """Facts with the witnesses selected."""
    return Facts(interval, select(witnesses, interval), dtype, shape)


def joined_facts(values: list[Value], dtype: str | None) -> Facts:
    """The hull of several values and all their witnesses: branches that meet, tensors put together."""
    if not values:
        return Facts(dtype=dtype)
    interval = values[0].interval.stored(dtype)
    for value in values[1:]:
        interval = interval.hull(value.interval.stored(dtype))
    witnesses = [Witness(round_to(w.value, dtype), w.inputs) for v in values for w in v.witnesses]
    return facts(interval, witnesses, dtype)


# ---- dtypes

_DTYPES = frozenset({*FORMATS, *INTEGERS, "string", "complex64", "complex128"})
_ALIASES = {
    "half": "float16",
    "float": "float64",
    "double": "float64",
    "int": "int64",
    "float_": "float64",
    "int_": "int64",
    "bool_": "bool",
    "single": "float32",
    "long": "int64",
    "uint": "uint64",
    "f": "float32",
    "f2": "float16",
    "f4": "float32",
    "f8": "float64",
    "i4": "int32",
    "i8": "int64",
    "u1": "uint8",
}


#: What TensorFlow and Keras mean by Python's own types; for NumPy they are 64 bits wide.
_TENSORFLOW_ALIASES = {"float": "float32", "int": "int32"}


def dtype_named(value: Value, api: str = "") -> str | None:
    """The format that a `dtype` argument names, None where it is not known.

    `api` is the name that takes the argument: TensorFlow's `float` is not NumPy's.
    """
    literal = value.literal
    if isinstance(literal, str):
        name = literal
    elif isinstance(value, Symbol):
        name = value.name.rpartition(".")[2]
    else:
        return None
    name = name.removesuffix("_ref").lstrip("<>=")
    if api.startswith(("tf.", "keras.")):
        name = _TENSORFLOW_ALIASES.get(name, name)
    name = _ALIASES.get(name, name)
    return name if name in _DTYPES else None


def is_numpy(op: Op | None) -> bool:
    """True where the program made the value through NumPy (or pandas)."""
    return op is not None and op.api.startswith(("np.", "pd.", "rng."))


def dtype_of(op: Op, *values: Value) -> str | None:
    """The format of an operation over `values`.

    Python numbers adopt the other operand's; a NumPy float64 meeting a TensorFlow tensor is converted
    to the tensor's; NumPy operands among themselves widen. None where nothing is known.
    """
    names: list[str] = []
    unknown = assumed = real = scalar = whole = False
    for value in values:
        if value.dtype == "float64" and value.shape == () and is_numpy(value.op):
            scalar = True  # np.sqrt(2.0) adopts like a Python number
        elif value.dtype is not None:
            names.append(value.dtype)
        elif isinstance(value, Const):
            real = real or isinstance(value.value, float)
            whole = whole or not isinstance(value.value, bool)
        else:
            unknown = True
            assumed = assumed or bool(value.witnesses)
    numpy = is_numpy(op) or all(is_numpy(value.op) for value in values if value.dtype is not None)
    floats = [name for name in names if name in FORMATS]
    if floats:
        if all(name == floats[0] for name in floats):
            # A layer's output, taken for float32, converts a NumPy array that it meets.
            return None if assumed and numpy and floats[0] == "float64" else floats[0]
        if numpy:
            return max(floats, key=_WIDTH.__getitem__)
        narrow = [name for name in floats if name != "float64"] or floats
        # Keras widens (TensorFlow raises where tensors meet, and makes of a NumPy array what the tensor is).
        tensors = [v.dtype for v in values if v.dtype in narrow and not is_numpy(v.op)]
        widened = narrow if op.api.startswith("keras.ops.") else tensors or narrow
        return max(widened, key=_WIDTH.__getitem__)
    if unknown:
        return None
    if not names:
        return "float64" if scalar else None
    if all(name in INTEGERS for name in names):
        if real or scalar:
            return "float64" if is_numpy(op) or any(is_numpy(v.op) for v in values) else None
        widest = max(names, key=lambda name: INTEGERS[name][1])
        # Where a mask meets a number, only NumPy computes with it.
        return "int64" if widest == "bool" and whole else widest
    return names[0]


def real_dtype(op: Op, *values: Value) -> str | None:
    """As `dtype_of`, for functions whose result is never an integer: NumPy's is float64 then."""
    name = dtype_of(op, *values)
    if name not in INTEGERS:
        return name
    return "float64" if is_numpy(op) or any(is_numpy(v.op) for v in values) else None


# ---- shapes


def rank(value: Value) -> int | None:
    """The number of axes, None where it is not known."""
    return None if value.shape is None else len(value.shape)


def integer(value: Value) -> int | None:
    """The literal integer, None for anything else."""
    literal = value.literal
    return literal if isinstance(literal, int) and not isinstance(literal, bool) else None


def integers(value: Value) -> tuple[int | None, ...] | None:
    """The axes or dimensions that a list or an integer names; None where its length is not known."""
    if isinstance(value, Items):
        return tuple(integer(item) for item in value.items) if value.complete else None
    number = integer(value)
    return None if number is None else (number,)


def dimensions(value: Value) -> Shape:
    """The shape that an argument names; an unknown length or -1 is None."""
    if isinstance(value, Length):
        return (None,)
    sizes = integers(value)
    return None if sizes is None else tuple(None if n is None or n < 0 else n for n in sizes)


def broadcast(*shapes: Shape) -> Shape:
    """The shape of an elementwise operation."""
    result: Shape = ()
    for shape in shapes:
        if shape is None or result is None:
            return None
        longer, shorter = (result, shape) if len(result) >= len(shape) else (shape, result)
        offset = len(longer) - len(shorter)
        merged: list[int | None] = list(longer[:offset])
        for one, other in zip(longer[offset:], shorter, strict=True):
            merged.append(other if one == 1 else one if other in (1, None) else other)
        result = tuple(merged)
    return result


def is_given(value: Value) -> bool:
    """False where an argument is absent or the literal None."""
    return value.literal is not None


# ---- sameness


#: Operations that keep every number and their order.
_IN_PLACE = frozenset(
    {"identity", "stop_gradient", "number", "cast", "reshape", "expand_dims", "squeeze", "refine"}
)
#: Of these the ones after which every number is where it was, and what it was.
_UNMOVED = frozenset({"identity", "stop_gradient", "number", "refine"})


def bare(value: Value, through: frozenset[str] = _IN_PLACE) -> Value:
    """`value` before casts, stops of gradients and reshapes, which change no number."""
    for _ in range(16):
        op = value.op
        if op is None or op.name not in through or "x" not in op.args:
            break
        value = op.args["x"]
    return value


def same(a: Value, b: Value) -> bool:
    """True where both are shown to hold the same numbers: one op's output, or one constant."""
    a, b = bare(a), bare(b)
    one, other = a.interval, b.interval
    return _is_one(a, b) or (one.is_point and one.lo == other.lo and other.is_point)


def aligned(a: Value, b: Value) -> bool:
    """True where both hold the same number at every place; of `x[:, None]` and `x[None]` the diagonals do."""
    return _is_one(bare(a, _UNMOVED), bare(b, _UNMOVED))


def _is_one(a: Value, b: Value) -> bool:
    """True for one value and one op's output; parts of what is unknown come from its op, and may differ."""
    tensors = isinstance(a, Tensor) and isinstance(b, Tensor)
    return (a is b and a is not UNKNOWN) or (tensors and a.op is b.op)


# ---- factories


@record()
class Real:
    """A function of one real number.

    Attributes:
        point: the function; total: NaN outside of its domain, infinities at poles and on overflow.
        image: what the function's values lie in.
        domain: where it is defined, poles at the ends included.
        turns: arguments at which it changes direction.
        ulps: by how many units in the last place TensorFlow's kernels may be off.
        exact: results that the kernels reach without error.
        floor: smallest magnitude that such a unit is taken of (for functions with zeros inside).
        odd: the result has the sign of the argument.
        single: the kernel's constants are float32 in every format, so float64 is no better.
    """

    point: Point
    image: Interval = EVERYTHING
    domain: Interval = EVERYTHING
    turns: tuple[float, ...] = ()
    ulps: int = 0
    exact: tuple[float, ...] = ()
    floor: float = 0.0
    odd: bool = False
    single: bool = False

    def over(self, x: Interval, dtype: str | None) -> Interval:
        """The values over all arguments in `x`."""
        part = x.meet(self.domain)
        if part is None:
            return self.image
        ends = [part.lo, part.hi, *(t for t in self.turns if part.lo < t < part.hi)]
        values = [self.point(end) for end in ends]
        if any(value != value for value in values):
            return self.image
        raw = Interval(min(values), max(values))
        if dtype in INTEGERS:
            return raw.stored(dtype)
        wide = 2**30 if self.single and dtype == "float64" else 1
        result = raw.stored(dtype, self.ulps * wide, self.floor, self.exact)
        if self.odd:
            result = result.clamped(
                Interval(0.0 if raw.lo >= 0.0 else -math.inf, 0.0 if raw.hi <= 0.0 else math.inf)
            )
        return result.clamped(self.image)


def elementwise(
    name: str, function: Real, *, differentiable: bool = True, keeps_integers: bool = False
) -> None:
    """Register an operation that applies `function` to each element of `x`."""

    @operator(name, differentiable=differentiable)
    def transfer(op: Op) -> Facts:
        x = op.arg("x")
        dtype = dtype_of(op, x) if keeps_integers else real_dtype(op, x)
        interval = function.over(x.interval.stored(dtype), dtype)
        return facts(interval, mapped(function.point, x, dtype), dtype, x.shape)


def corners(point: Point2, x: Interval, y: Interval) -> Interval:
    """The hull of a function over the corners of a box; 0 where a corner is undefined (0 * inf)."""
    values = [point(a, b) for a in (x.lo, x.hi) for b in (y.lo, y.hi)]
    values = [0.0 if v != v else v for v in values]
    return Interval(min(values), max(values))
