"""Arrays that a program draws, drawn several times by a generator of their own: always the same numbers."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence

import libcst as cst

from tflint_nan.evidence import number
from tflint_nan.literals import LONGEST, Array
from tflint_nan.source import Source
from tflint_nan.value import NONE, Items, Op, Value, sources

#: Arguments of a draw that is sampled here; others make another distribution of it.
_ARGUMENTS: Mapping[str, frozenset[str]] = {
    "random_uniform": frozenset({"minval", "maxval", "shape", "self"}),
    "random_normal": frozenset({"mean", "stddev", "shape", "self"}),
}
#: Draws by Python and NumPy are made once where they stand; in a graph of TensorFlow, at every run.
_EAGER = ("np.random.", "rng.", "random.")
#: Numbers that are drawn for one question, over all its trials, and bounds for the trials.
_NUMBERS, _FEWEST, _MOST = 20_000, 10, 100
_LOOPS = (cst.For, cst.While)


def drawn_in(values: Iterable[Value]) -> list[Op]:
    """The draws that values are computed from; where weights start is not looked at."""
    todo, seen, found = [op for value in values for op in sources(value)], set[int](), list[Op]()
    while todo:
        op = todo.pop()
        if op.serial in seen or op.name == "variable":
            continue
        seen.add(op.serial)
        if op.name in _ARGUMENTS:
            found.append(op)
        else:
            todo += op.operands
    return sorted(found, key=lambda op: op.serial)


def trials(draws: Sequence[Op]) -> range:
    """The seeds for `drawn`: one where nothing is drawn, none where that cannot be sampled.

    The number of trials goes down with the length of what is drawn: a long sample is like any other.
    """
    lengths = [_length(op) for op in draws]
    whole = sum(length or 0 for length in lengths)
    if None in lengths or whole > LONGEST or any(map(_is_repeated, draws)):
        return range(0)
    return range(min(_MOST, max(_FEWEST, _NUMBERS // whole)) if whole else 1)


def drawn(draws: Sequence[Op], seed: int) -> dict[int, Array]:
    """The numbers of each draw in one trial, by its serial; to be asked only where there are `trials`."""
    generator = random.Random(seed)
    found = {}
    for op in draws:
        shape = _shape(op) or ()
        one, other = _parameters(op) or (0.0, 0.0)
        draw = generator.uniform if op.name == "random_uniform" else generator.gauss
        found[op.serial] = Array(tuple(draw(one, other) for _ in range(math.prod(shape))), shape)
    return found


def _length(op: Op) -> int | None:
    """How many numbers are drawn, at least 1; None where they cannot be sampled."""
    shape = _shape(op)
    eager = op.api.startswith(_EAGER) and op.args.keys() <= _ARGUMENTS[op.name]
    known = eager and shape is not None and len(shape) <= 2 and _parameters(op) is not None
    return math.prod(shape) or None if known and shape is not None else None


def _shape(op: Op) -> tuple[int, ...] | None:
    given, shape = op.arg("shape"), op.value.shape
    if given is NONE or given.literal is None or (isinstance(given, Items) and not given.items):
        return ()
    return None if shape is None or None in shape else tuple(n or 0 for n in shape)


def _parameters(op: Op) -> tuple[float, float] | None:
    """The bounds of a uniform distribution; mean and deviation of a normal one."""
    names = ("minval", "maxval") if op.name == "random_uniform" else ("mean", "stddev")
    found = [
        default if op.arg(name) is NONE else number(op.arg(name))
        for name, default in zip(names, (0.0, 1.0), strict=True)
    ]
    first, second = found
    return None if first is None or second is None else (first, second)


def _is_repeated(op: Op) -> bool:
    """Whether a loop stands around a draw, or around a call that it is reached through."""
    return any(_in_loop(source, node) for source, node in ((op.source, op.node), *op.calls))


def _in_loop(source: Source, node: cst.CSTNode) -> bool:
    above = source.parent(node)
    while above is not None and not isinstance(above, (cst.FunctionDef, cst.Lambda)):
        if isinstance(above, _LOOPS):
            return True
        above = source.parent(above)
    return False
