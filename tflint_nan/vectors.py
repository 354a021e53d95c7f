"""Lengths and inner products of vectors, and sums of these that vanish where two of the vectors are equal.

`|a|^2 - 2 a.b + |b|^2` is the squared distance of `a` and `b`, however it is written: its terms are inner
products of the two vectors, which are all one number where `a` equals `b`, and its coefficients add up to 0.
"""

from __future__ import annotations

from collections.abc import Iterator

from tflint_nan.evidence import is_epsilon, number
from tflint_nan.ops.choices import MIRRORED, TESTS
from tflint_nan.ops.points import same
from tflint_nan.ops.units import normalised
from tflint_nan.value import Op, Value

#: Products of the vectors of two tensors.
_PRODUCTS = ("matmul", "tensordot", "einsum")
#: Terms and factors that are looked at: a distance has three of them, in at most a few steps each.
_TERMS = 16
#: What ops without numbers of others have on their diagonal.
_FILLED = {"eye": 1.0, "ones": 1.0, "zeros": 0.0}
#: How far a mask is followed back.
_DEPTH = 40


def reduction(root: Op) -> Op | None:
    """The op that reduces a vector's squares: the norm itself, or the sum inside of a root."""
    if root.name == "norm":
        return root
    inside = root.arg("x").op
    if inside is not None and inside.name in ("add", "maximum"):
        operands = (inside.arg("x"), inside.arg("y"))
        guarded = next((value for value in operands if not is_epsilon(number(value) or 0.0)), root.arg("x"))
        return guarded.made_by("sum")
    return root.arg("x").made_by("sum")


def unit_vector(root: Op) -> Value | None:
    """The vector whose Euclidean norm `root` is."""
    over = reduction(root)
    if over is None or over is root:
        return None if over is None else over.arg("x")
    return squared(over.arg("x"))


def squared(value: Value) -> Value | None:
    """What `value` is the square of, however it is written."""
    op = value.op
    if op is None:
        return None
    twice = op.name == "mul" and same(op.arg("x"), op.arg("y"))
    even = op.name == "pow" and number(op.arg("y")) == 2
    return op.arg("x") if twice or even or op.name == "square" else None


def is_unit(value: Value) -> bool:
    """Whether a vector has been divided by its length."""
    op = made(value)
    return op is not None and normalised(op) is not None


def made(value: Value) -> Op | None:
    """The op that computes the numbers of `value`, however they are arranged."""
    return next((op for op in value.producers() if not op.flow), None)


def apart(op: Op) -> tuple[Op, ...] | None:
    """The ops whose vectors `op` compares: it is 0 where they are equal. None where it does not.

    One op where all vectors are of one tensor: then each is equal to itself, on a diagonal.
    """
    products: list[tuple[float, Value, Value]] = []
    constant = 0.0
    for coefficient, value in terms(op.value):
        given = number(value)
        factors = None if given is not None else _factors(value)
        if factors is not None:
            products.append((coefficient * factors[0], *factors[1:]))
        elif given is not None:
            constant += coefficient * given
        else:
            return None
    multiplied = [vector for _, *pair in products for vector in pair]
    vectors = {op: None for op in map(made, multiplied) if op is not None}
    if not 0 < len(vectors) <= 2:
        return None
    if sum(coefficient for coefficient, *_ in products) + constant != 0:
        return None
    if all(map(is_unit, multiplied)):
        return tuple(vectors)
    # Lengths that are not 1 have to be among the terms, as squares.
    squares = {made(a) for _, a, b in products if made(a) is made(b)}
    return None if constant or squares != vectors.keys() else tuple(vectors)


def at_equal(op: Op) -> float:
    """What a sum of inner products is where each vector has the length 1, and all are equal."""
    total = 0.0
    for coefficient, value in terms(op.value):
        given, factors = number(value), _factors(value)
        total += coefficient * (given if given is not None else factors[0] if factors is not None else 1.0)
    return total


def terms(value: Value) -> Iterator[tuple[float, Value]]:
    """The terms of a linear combination with their coefficients; `value` itself where it is none.

    Those past a number of them are left as they are.
    """
    todo, seen = [(1.0, value)], 0
    while todo:
        coefficient, term = todo.pop()
        op, seen = made(term), seen + 1
        if op is None or number(term) is not None or seen > _TERMS:
            yield coefficient, term
            continue
        factor, inner = _scaled(op)
        if op.name in ("add", "sub"):
            todo.append((-coefficient if op.name == "sub" else coefficient, op.arg("y")))
            todo.append((coefficient, op.arg("x")))
        elif inner is not None:
            todo.append((coefficient * factor, inner))
        else:
            yield coefficient, term


def _scaled(op: Op) -> tuple[float, Value | None]:
    """The number that `op` multiplies something with, and that; 1 and None where it does not."""
    x, y = op.arg("x"), op.arg("y")
    if op.name == "neg":
        return -1.0, x
    if op.name == "div" and number(y):
        return 1.0 / (number(y) or 1.0), x
    if op.name == "mul":
        for one, other in ((x, y), (y, x)):
            factor = number(one)
            if factor is not None:
                return factor, other
    return 1.0, None


def _factors(value: Value) -> tuple[float, Value, Value] | None:
    """The vectors whose inner product `value` is, times a number."""
    op, whole = made(value), None
    if op is None:
        return None
    if op.name in _PRODUCTS:
        pair = [arg for name, arg in op.args.items() if name in ("x", "y", "0", "1")]
    elif op.name == "sum" and "axis" in op.args:
        whole = squared(op.arg("x"))
        product = made(op.arg("x"))
        pair = [] if product is None or product.name != "mul" else [product.arg("x"), product.arg("y")]
    else:
        root = squared(op.value)
        norm = None if root is None else root.made_by("norm")
        whole, pair = None if norm is None else norm.arg("x"), []
    if whole is not None:
        pair = [whole, whole]
    if len(pair) != 2:
        return None
    (a, x), (b, y) = map(_vector, pair)
    return a * b, x, y


def _vector(value: Value) -> tuple[float, Value]:
    """A vector and the number that it is multiplied with."""
    coefficient = 1.0
    for _ in range(_TERMS):
        op = made(value)
        factor, inner = (1.0, None) if op is None else _scaled(op)
        if inner is None:
            break
        coefficient, value = coefficient * factor, inner
    return coefficient, value


def on_diagonal(value: Value) -> float | None:
    """What a mask of pairs is for each one with itself; None where that is not one known number."""
    return _on_diagonal(value, {}, 0)


def _on_diagonal(value: Value, known: dict[int, float | None], depth: int) -> float | None:
    op = value.op
    if op is None or number(value) is not None or depth > _DEPTH:
        return number(value)
    if op.serial not in known:
        known[op.serial] = None
        known[op.serial] = _computed(op, known, depth + 1)
    return known[op.serial]


def _computed(op: Op, known: dict[int, float | None], depth: int) -> float | None:
    if op.arg("k").literal:
        return None  # another diagonal, or a triangle without it
    if op.name in _FILLED:
        return _FILLED[op.name]
    compared = made(op.arg("x")) if op.name in MIRRORED else None
    if compared is not None and compared is made(op.arg("y")):
        return float(TESTS[op.name](0.0, 0.0))
    if op.name == "set_diag":
        return _on_diagonal(op.arg("diagonal"), known, depth)
    if len(op.flow) == 1:
        return _on_diagonal(op.arg(op.flow[0]), known, depth)
    x = _on_diagonal(op.arg("x"), known, depth)
    if op.name == "logical_not":
        return None if x is None else 1.0 - x
    y = _on_diagonal(op.arg("y"), known, depth)
    if op.name in ("mul", "logical_and") and 0.0 in (x, y):
        return 0.0
    if op.name == "logical_or" and 1.0 in (x, y):
        return 1.0
    if x is None or y is None:
        return None
    if op.name in TESTS:
        return float(TESTS[op.name](x, y))
    return {"mul": x * y, "add": x + y, "sub": x - y}.get(op.name)
