"""Rows of length 1, however they are made and put together, and the cosines that their products are."""

from __future__ import annotations

from dataclasses import dataclass

from tflint_nan.interval import Interval, epsilon, round_to, smallest
from tflint_nan.ops.points import aligned, bare, fresh, integer, integers, is_given, rank, same
from tflint_nan.value import Const, Items, Op, Value, Witness

#: Ops after which every number is where it was.
_UNMOVED = frozenset({"identity", "stop_gradient", "refine"})
#: Ops after which a length is the same number, if not at the same place.
_MOVED = _UNMOVED | {
    "cast",
    "reshape",
    "expand_dims",
    "squeeze",
    "slice",
    "tile",
    "broadcast_to",
    "transpose",
}
#: A guard of this many smallest numbers is larger than what the squares under them lose.
_HELD = 2.0**20
#: What rounding adds to a sum of any number of products that would be 1: half formats stop counting at 2.
_SLACK = 0.01
_SLACKS: dict[str | None, float] = dict.fromkeys(("float16", "bfloat16"), 1.0)
#: How many parts rows are put together of, at most.
_PARTS = 64
#: Products of the vectors of two tensors.
_PRODUCTS = frozenset({"matmul", "einsum", "tensordot"})
#: The guard of `l2_normalize` where none is given (TensorFlow and Keras).
_GUARD = 1e-12


# ---- what divides by a length


@dataclass(frozen=True, slots=True)
class Unit:
    """`vector` over its length, measured along the axis of `over`: a norm, a sum of squares, or both in one.

    `bounded`: whether no result is longer than 1. Where nothing keeps it off 0, the length of a vector whose
    squares are flushed is 0.
    """

    vector: Value
    over: Op
    bounded: bool


def normalised(op: Op) -> Unit | None:
    """The vector that `op` divides by its own length, by one call or by hand; None where it does not."""
    x, y = op.arg("x"), op.arg("y")
    if op.name == "l2_normalize":
        given = op.arg("epsilon")
        guard = given.number if isinstance(given, Const) and given.number is not None else _GUARD
        return Unit(x, op, _holds(guard, op.value.dtype))
    if op.name == "div":
        return _over(x, _length(y))
    if op.name == "mul":
        for vector, inverse in ((x, y), (y, x)):
            plain = bare(inverse, _MOVED)
            found = plain.op
            if found is not None and found.name in ("rsqrt", "reciprocal"):
                length = (_squares if found.name == "rsqrt" else _length)(found.arg("x"))
                return _over(vector, length, beside=aligned(plain, inverse))
    return None


def over_lengths(op: Op) -> tuple[Value, Value] | None:
    """The vectors whose inner product `op` divides by the lengths of both; None where it does not."""
    if op.name != "div":
        return None
    first = bare(op.arg("x"), _MOVED).op
    lengths: tuple[Value, ...] = ()
    if first is not None and first.name == "div":  # one length after the other
        product, lengths = bare(first.arg("x"), _MOVED).op, (first.arg("y"), op.arg("y"))
    else:
        product, both = first, _guarded(op.arg("y"))[0].op
        if both is not None and both.name == "mul":
            lengths = both.arg("x"), both.arg("y")
    pair = None if product is None else factors(product)
    measured = [_length(length) for length in lengths]
    if pair is None or len(measured) != 2:
        return None
    vectors = [bare(found.vector, _MOVED).op for found in measured if found is not None]
    multiplied = [bare(vector, _MOVED).op for vector in pair]
    return pair if multiplied in (vectors, vectors[::-1]) and None not in vectors else None


def factors(op: Op) -> tuple[Value, Value] | None:
    """The vectors of which `op` is the inner product."""
    product = op.arg("x").op if op.name == "sum" else op if op.name in _PRODUCTS else None
    if product is None or (product is not op and product.name != "mul"):
        return None
    pair = [value for name, value in product.args.items() if name in ("x", "y", "0", "1")]
    return (pair[0], pair[1]) if len(pair) == 2 else None


@dataclass(frozen=True, slots=True)
class _Length:
    """The length of `vector`; `guard` is what its square is not less than, if that is known.

    `beside`: whether it stands beside each row of the vector, with as many axes.
    """

    vector: Value
    over: Op
    guard: float
    beside: bool


def _over(vector: Value, length: _Length | None, *, beside: bool = True) -> Unit | None:
    if length is None or not same(vector, length.vector):
        return None
    beside = beside and length.beside and aligned(vector, length.vector)
    return Unit(vector, length.over, beside and _holds(length.guard, vector.dtype))


def _holds(guard: float, dtype: str | None) -> bool:
    return round_to(guard, dtype) >= _HELD * smallest(dtype)


def _length(value: Value) -> _Length | None:
    inside, guard, beside = _guarded(value)
    op = inside.op
    if op is not None and op.name == "norm" and op.arg("ord").literal in (None, "euclidean", 2):
        return _Length(op.arg("x"), op, guard * guard, beside and op.arg("keepdims").literal is True)
    found = _squares(op.arg("x")) if op is not None and op.name == "sqrt" else None
    if found is None:
        return None
    return _Length(found.vector, found.over, max(guard * guard, found.guard), beside and found.beside)


def _squares(value: Value) -> _Length | None:
    """What `value` is the sum of the squares of."""
    inside, guard, beside = _guarded(value)
    op = inside.op
    square = op.arg("x").op if op is not None and op.name == "sum" else None
    if op is None or square is None:
        return None
    x, y = square.arg("x"), square.arg("y")
    even = square.name == "pow" and y.interval == Interval(2.0, 2.0)
    if square.name == "square" or even or (square.name == "mul" and aligned(x, y)):
        return _Length(x, op, guard, beside and op.arg("keepdims").literal is True)
    return None


def _guarded(value: Value) -> tuple[Value, float, bool]:
    """`value` before a positive number is added to it, or it is kept from being less; that number, and
    whether nothing has rearranged it.
    """
    inside, guard = bare(value, _MOVED), 0.0
    beside = aligned(inside, value)
    op = inside.op
    if op is not None and op.name in ("add", "maximum"):
        for one, other in ((op.arg("x"), op.arg("y")), (op.arg("y"), op.arg("x"))):
            if other.interval.is_point and other.interval.lo > 0.0:
                inside, guard = bare(one, _MOVED), other.interval.lo
                return inside, guard, beside and aligned(inside, one)
    return inside, guard, beside


# ---- along which axis


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows along `axis` of `value`, which has `least` axes or more."""

    value: Value
    axis: Value
    least: int

    @property
    def place(self) -> int | None:
        """The number of the axis, counted from the end where the rank is known."""
        place, count = integer(self.axis), rank(self.value)
        return place - count if place is not None and place >= 0 and count is not None else place

    def differs(self, other: Value) -> bool | None:
        """Whether the rows do not lie along the axis `other`; None where that is not known."""
        a, b, count = self.place, integer(other), rank(self.value)
        if a is None or b is None:
            return False if self.axis is other else None
        if b >= 0 and count is not None:
            b -= count
        if (a < 0) == (b < 0):
            return a != b
        # An axis from the front and one from the end are the same in tensors of one rank alone.
        return True if self.least > max(a, b) - min(a, b) else None


@dataclass(frozen=True, slots=True)
class _Found:
    units: tuple[Unit, ...]
    certain: bool


def _units(rows: _Rows) -> _Found | None:
    """What the rows are made of, if none is known not to have the length 1; and whether that is certain."""
    todo, seen = [rows], set[tuple[int, int | None]]()
    units, certain = dict[int, Unit](), True
    for part in todo:
        op = part.value.op
        if op is None or len(todo) > _PARTS:
            return None
        if (op.serial, part.place) in seen:
            continue
        seen.add((op.serial, part.place))
        unit = normalised(op)
        if unit is None:
            behind = _behind(op, part)
            if behind is None:
                return None
            todo += behind[0]
            certain = certain and behind[1]
            continue
        along = unit.over.arg("axis")
        if not is_given(along) and unit.over.name != "l2_normalize" and rank(unit.vector) != 1:
            return None  # the length of all rows together
        differs = part.differs(single(along) if is_given(along) else Const(-1))
        if differs:
            return None
        units[op.serial] = unit
        certain = certain and unit.bounded and differs is False
    return _Found(tuple(units.values()), certain) if units else None


def _behind(op: Op, rows: _Rows) -> tuple[list[_Rows], bool] | None:
    """The rows that `op` hands on, whole, and whether it is certain that it does; None where it does not."""
    x, axis, least = op.arg("x"), rows.axis, rows.least
    if op.name in _UNMOVED:
        return [_Rows(x, axis, least)], True
    if op.name == "concat":
        values = op.arg("values")
        differs = rows.differs(op.arg("axis") if is_given(op.arg("axis")) else Const(0))
        if differs is False or not isinstance(values, Items):
            return None
        return [_Rows(value, axis, least) for value in values.items], differs is True
    if op.name == "split":
        differs = rows.differs(op.arg("axis") if is_given(op.arg("axis")) else Const(0))
        return None if differs is False else ([_Rows(x, axis, least)], differs is True)
    if op.name == "slice" and "index" in op.args:
        whole = _whole(op.arg("index"), rows)
        return None if whole is False else ([_Rows(x, axis, least)], whole is True)
    if op.name in ("transpose", "swap"):
        before = _turned(op, rows.place)
        return None if before is None else ([_Rows(x, Const(before[0]), least)], before[1])
    return None


def _whole(index: Value, rows: _Rows) -> bool | None:
    """Whether an index leaves all rows whole that it takes; None where that is not known."""
    parts = list(index.items) if isinstance(index, Items) and index.kind != "slice" else [index]
    if not all(isinstance(part, Items) and part.kind == "slice" for part in parts) or rows.place is None:
        return False
    takes_all = [all(end.literal is None for end in part.items) for part in parts if isinstance(part, Items)]
    count = rank(rows.value)
    if rows.place < 0 and count is None:
        behind = rows.least + rows.place >= len(parts)
        return True if behind or all(takes_all) else None
    place = rows.place if count is None else rows.place % count
    return place >= len(parts) or takes_all[place]


def _turned(op: Op, place: int | None) -> tuple[int, bool] | None:
    """Which axis of `x` is the one at `place` of its transpose, and whether that is certain."""
    if place is None or not -2 <= place <= 1:
        return None
    other = -3 - place if place < 0 else 1 - place
    if op.name == "swap":
        exchanged = op.api.endswith((".matrix_transpose", ".adjoint")) and place < 0
        return (other, True) if exchanged else None
    count, given = rank(op.arg("x")), is_given(op.arg("perm"))
    if given:
        return (other, True) if integers(op.arg("perm")) == (1, 0) else None
    # Most tensors that are transposed without an order are matrices.
    return None if count not in (None, 2) else (other, count == 2)


# ---- their products


def single(axis: Value) -> Value:
    """The one axis that a list names, in place of the list."""
    named = integers(axis) if isinstance(axis, Items) else None
    return Const(named[0]) if named is not None and len(named) == 1 else axis


def cosine(
    op: Op,
    first: tuple[Value, Value],
    second: tuple[Value, Value],
    n: int | None,
    dtype: str | None,
    least: int,
) -> tuple[Interval | None, tuple[Witness, ...]]:
    """Bounds of the products of rows of length 1, past 1 by rounding, and the 1 that they reach.

    Rows that are multiplied with themselves do, and such that training moves.

    Args:
        op: what multiplies.
        first: the rows and the axis along which they lie.
        second: as `first`.
        n: how long the rows are, None where that is not known.
        dtype: the format of the product.
        least: how many axes both have at least.
    """
    if any(isinstance(axis, Items) for _, axis in (first, second)):
        return None, ()  # a sum of several cosines
    one, other = (_units(_Rows(value, axis, least)) for value, axis in (first, second))
    if one is None or other is None:
        return None, ()
    own = bare(first[0], _TURNING).op is bare(second[0], _TURNING).op
    moves = own or any(_is_moved(unit.vector) for unit in (*one.units, *other.units))
    found = fresh(op, 1.0) if moves else ()
    if not (one.certain and other.certain):
        return None, found
    slack = _SLACKS.get(dtype, _SLACK)
    if n is not None:
        slack = min(slack, (n + 16) * epsilon(dtype))
    low = 0.0 if all(value.interval.lo >= 0.0 for value, _ in (first, second)) else -1.0 - slack
    return Interval(low, 1.0 + slack), found


def reached(op: Op) -> tuple[Witness, ...]:
    """The 1 that an inner product over both lengths reaches, of vectors that training moves."""
    pair = over_lengths(op)
    return fresh(op, 1.0) if pair is not None and any(map(_is_moved, pair)) else ()


#: Ops that hand on all rows of a matrix.
_TURNING = _UNMOVED | {"transpose", "swap", "cast"}


def _is_moved(vector: Value) -> bool:
    """Whether inputs of the program decide what `vector` is."""
    return any(witness.inputs and witness.value != 0.0 for witness in vector.witnesses)
