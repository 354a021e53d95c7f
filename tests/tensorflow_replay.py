"""Computes a trace again in TensorFlow: the numbers that a finding prints, from the inputs that it assumes.

A trace says of one element what it is at each op. A tensor is a row here, `COLUMNS` wide: the first column
is that element, the others are its neighbours in softmaxes and reductions. What the trace does not say
(neighbours, labels, masks, dividends) is free, within the range that the graph gives; arrangements of it are
tried until the numbers come out, and if none gives them the witness is wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import tensorflow as tf
from test_ops_soundness import CASES, FLOATS, numbers_of, tensor

from tflint_nan.evidence import GAPS
from tflint_nan.interval import INTEGERS, epsilon
from tflint_nan.trace import Trace, label
from tflint_nan.value import Const, Items, Op, Value, sources

#: Neighbours in the rows that are tried, the element itself included.
COLUMNS = (2, 3)
#: Arrangements of what is free that are tried before a witness counts as wrong.
TRIES = 600
#: What is closer to 0 than this may have been flushed to it.
TINY = 2.0**-125
#: Reductions whose source is their own 0, which operands without a spread have.
SPREADS = ("std", "variance")
#: Ops that take no numbers of their operand, only its shape.
LIKE = {"zeros": tf.zeros_like, "ones": tf.ones_like}
#: Sums over groups of rows, of which there is one here.
GROUPED = {"segment_sum": lambda rows: tf.math.unsorted_segment_sum(rows, [0], 1)}
#: Ops that are a row times a column here.
PRODUCTS = ("matmul", "tensordot", "einsum")
#: Ops that the walk adds: branches that meet, and guards.
UNWRITTEN = ("join", "refine")
_ITEM = re.compile(r"(?:^|, | -> )(\S.*?) = (\[[^\]]*\]|\S+?)(?=, | -> |$)")


class Wrong(AssertionError):
    """A trace that TensorFlow does not confirm, with the reason."""


def printed(text: str) -> list[tuple[str, str]]:
    """The (name, number) pairs of a printed witness."""
    return _ITEM.findall(text)


class _Choices:
    """Decisions of one attempt; `following` gives those of the next, as an odometer does."""

    def __init__(self, decided: Sequence[int] = ()) -> None:
        self._decided = list(decided)
        self._sizes: list[int] = []

    def choose(self, options: Sequence[Any]) -> Any:
        place = len(self._sizes)
        self._sizes.append(len(options))
        if place == len(self._decided):
            self._decided.append(0)
        return options[self._decided[place]]

    def following(self) -> list[int] | None:
        decided = self._decided[: len(self._sizes)]
        while decided and decided[-1] + 1 == self._sizes[len(decided) - 1]:
            decided.pop()
        if decided:
            decided[-1] += 1
        return decided or None


class _Attempt:
    """One arrangement of what is free, and what TensorFlow computes from it."""

    def __init__(self, inputs: dict[Op, float], chain: Sequence[Op], choices: _Choices) -> None:
        self._inputs = inputs
        self._choices = choices
        self._columns = choices.choose(COLUMNS)
        self._made: dict[int, Any] = {}
        self._moved = _depending(chain[-1], inputs) if inputs else {op.serial for op in chain}
        self.tape = tf.GradientTape(persistent=True)
        #: The rows that are assumed, of which gradients are taken.
        self.assumed: list[Any] = []

    def of(self, op: Op) -> Any:
        """The row of an op."""
        if op.serial not in self._made:
            made = self._source(op) if op in self._inputs else self._computed(op)
            self._made.setdefault(op.serial, made)
        return self._made[op.serial]

    def in_graph(self, op: Op) -> Any:
        """The row of an op as a graph computes it: its optimizer changes the order of sums."""
        assumed, made = [source.serial for source in self._inputs], self._made

        @tf.function
        def compute(*rows: Any) -> Any:
            free = {serial: row for serial, row in made.items() if serial not in self._moved}
            self._made = {**free, **dict(zip(assumed, rows, strict=True))}
            return self.of(op)

        result = compute(*(made[serial] for serial in assumed))
        self._made = made
        return result

    # Sources.

    def _row(self, numbers: Sequence[float], dtype: str) -> Any:
        if dtype == "bool":
            return tf.constant([[bool(n) for n in numbers]])
        if dtype in INTEGERS:
            return tf.constant([[int(n) for n in numbers]], dtype)
        row = tensor([list(numbers)], dtype)
        self.tape.watch(row)
        return row

    def _source(self, op: Op) -> Any:
        """The row in which the first element takes the assumed number."""
        number, dtype = self._inputs[op], op.value.dtype or "float32"
        if op.name == "softmax":
            gap = float(GAPS[dtype])
            first, others = (gap, 0.0) if number == 1 else (0.0, gap)
            # One neighbour has the largest share.
            row = self._row([first, others, *[0.0] * (self._columns - 2)], dtype)
            self.assumed.append(row)
            return tf.nn.softmax(row)
        if op.name in SPREADS:
            operand = op.arg("x").op
            # Deviations from a mean are all 0.
            row = self._row([self._choices.choose([1.0, 0.0])] * self._columns, dtype)
            if operand is not None:
                row = self._made.setdefault(operand.serial, row)
            self.assumed.append(row)
            return CASES[op.name].compute(row)[:, None]
        others = (number, 1.0 - number, 0.0, 1.0, *(w.value for w in op.value.witnesses))
        beside = self._choices.choose([n for n in dict.fromkeys(others) if n in op.value.interval])
        row = self._row([number] + [beside] * (self._columns - 1), dtype)
        self.assumed.append(row)
        return row

    def _free(self, value: Value) -> Any:
        """A row of what nothing is said of."""
        if value.interval.is_point:
            return tf.fill([1, self._columns], tensor(value.interval.lo, _format(value)))
        first, beside = self._choices.choose([(1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
        bounds = value.interval
        first, beside = (min(max(n, bounds.lo), bounds.hi) for n in (first, beside))
        dtype = value.dtype if value.dtype in (*FLOATS, *INTEGERS) else "float32"
        return self._row([first] + [beside] * (self._columns - 1), dtype)

    # Ops.

    def _computed(self, op: Op) -> Any:
        literal = _literal(op.args.get("value"))
        if literal is not None:
            return self._constant(literal, _format(op.value))
        if op.serial not in self._moved:
            return self._free(op.value)
        if op.name == "join":
            return self.value(self._choices.choose(list(op.args.values())))
        if op.name in ("where", "select"):
            condition, x, y = (self.value(op.arg(name)) for name in ("condition", "x", "y"))
            return tf.where(tf.cast(condition, tf.bool), *_alike([x, y], op))
        if op.name in ("stack", "concat") or (op.flow and op.name != "clip"):
            return self._handed_on(op)
        for named in (LIKE, GROUPED):
            if op.name in named:
                return named[op.name](self.value(op.arg("x")))
        case = CASES.get(op.name)
        if case is None:
            raise Wrong(f"no TensorFlow function is known for {op.name}")
        operands = _alike([self.value(op.arg(name)) for name in case.names], op)
        if case.rows or op.name in PRODUCTS:
            operands = [tf.broadcast_to(operand, [1, self._columns]) for operand in operands]
        if op.name in PRODUCTS:
            # A row by the column that has the other's numbers.
            return tf.matmul(*operands, transpose_b=True)
        result = case.compute(*operands)
        return result[:, None] if len(result.shape) == 1 else result

    def _handed_on(self, op: Op) -> Any:
        """The same numbers, in the op's format: what is selected or arranged anew is the first column."""
        given = [value for name in op.flow for value in _each(op.arg(name))]
        moved = [value for value in given if value.op is not None and value.op.serial in self._moved]
        row = self.value(self._choices.choose(moved or given))
        return tf.cast(row, op.value.dtype) if op.value.dtype else tf.identity(row)

    def _constant(self, literal: np.ndarray, dtype: str) -> Any:
        """Literals; where they are no row of this width, any one of them."""
        if literal.ndim and literal.shape[-1] == self._columns:
            return tensor(literal.reshape(-1, self._columns), dtype)
        number = self._choices.choose(list(dict.fromkeys(literal.ravel()[:16].tolist())))
        return tensor([[number] * self._columns], dtype)

    def value(self, value: Value) -> Any:
        """The row of any value; a number of Python as it is."""
        if isinstance(value, Const):
            return value.value
        if value.op is not None:
            return self.of(value.op)
        key = -id(value)
        if key not in self._made:
            self._made[key] = self._free(value)
        return self._made[key]


def _format(value: Value) -> str:
    return value.dtype if value.dtype in FLOATS else "float32"


def _each(value: Value) -> tuple[Value, ...]:
    return value.items if isinstance(value, Items) else (value,)


def _literal(value: Value | None) -> np.ndarray | None:
    """The numbers of a literal list, None for anything else."""

    def plain(part: Value) -> Any:
        if isinstance(part, Items):
            return [plain(item) for item in part.items]
        if not isinstance(part, Const) or not isinstance(part.value, (int, float)):
            raise ValueError
        return part.value

    try:
        return None if value is None else np.asarray(plain(value), np.float64)
    except ValueError:
        return None


def _alike(operands: Sequence[Any], op: Op) -> list[Any]:
    """Operands as tensors of one format: the op's, where it is one of numbers, else that of the first row."""
    rows = [operand for operand in operands if isinstance(operand, tf.Tensor)]
    formats = [row.dtype.name for row in rows if row.dtype.name in FLOATS]
    dtype = op.value.dtype if op.value.dtype in FLOATS else next(iter(formats), None)
    if dtype is None:
        dtype = rows[0].dtype.name if rows else "float32"
    return [
        tf.cast(operand, dtype) if isinstance(operand, tf.Tensor) else tensor(operand, dtype)
        for operand in operands
    ]


def _depending(op: Op, inputs: dict[Op, float]) -> set[int]:
    """The ops behind `op`, itself included, that are computed from the inputs."""
    operands: dict[int, list[int]] = {}
    todo = [op]
    while todo:
        current = todo.pop()
        if current.serial in operands:
            continue
        made = [] if current in inputs else [s for value in current.args.values() for s in sources(value)]
        operands[current.serial] = [one.serial for one in made]
        todo.extend(made)
    moved = {source.serial for source in inputs}
    for serial in sorted(operands):
        if any(operand in moved for operand in operands[serial]):
            moved.add(serial)
    return moved


def replay(trace: Trace, sink: Op | None = None, *, in_graph: bool = False) -> None:
    """Compute the trace again, up to `sink` where its number is not one of the printed ones.

    What only happens `in_graph`, to numbers that are fine in eager execution, a `tf.function` computes.

    Raises:
        Wrong: a step is missing, or no arrangement of what is free gives all the printed numbers.
    """
    inputs, choices = dict(trace.inputs), _Choices()
    chain = [op for op, _ in trace.steps]
    if sink is not None and sink not in chain:
        chain.append(sink)
    _whole(trace, chain)
    said = printed(str(trace))
    for _ in range(TRIES):
        attempt = _Attempt(inputs, chain, choices)
        with attempt.tape:
            rows = {op.serial: attempt.of(op) for op in (*inputs, *chain)}
        if in_graph:
            rows[chain[-1].serial] = attempt.in_graph(chain[-1])
        if _shows(trace, chain[-1], rows, said) and (
            trace.gradient is None or _has_gradient(attempt, rows[chain[-1].serial], trace.gradient)
        ):
            return
        following = choices.following()
        if following is None:
            break
        choices = _Choices(following)
    last = {f"{op!r}": numbers_of(rows[op.serial]).tolist() for op in (*inputs, *chain)}
    raise Wrong(f"{trace}: TensorFlow does not compute these numbers, but {last}")


def _whole(trace: Trace, chain: Sequence[Op]) -> None:
    """Every step takes the one before it; the first is assumed, or made of literals."""
    if trace.inputs and chain[0] not in dict(trace.inputs):
        raise Wrong(f"{trace}: it does not start at what is assumed")
    for before, after in pairwise(chain):
        todo = [source for value in after.args.values() for source in sources(value)]
        for op in todo:
            if op.name in UNWRITTEN:
                todo.extend(source for value in op.args.values() for source in sources(value))
        if before not in todo:
            raise Wrong(f"{trace}: a step is missing between {before} and {after}")
    unsaid = [
        label(op) for op, _ in trace.inputs if label(op) not in [name for name, _ in printed(str(trace))]
    ]
    if unsaid:
        raise Wrong(f"{trace}: it assumes {unsaid} and does not say so")


def _shows(trace: Trace, last: Op, rows: dict[int, Any], said: list[tuple[str, str]]) -> bool:
    """Whether one element has all the printed numbers, in order, and at the end is not finite."""
    ops = list(dict.fromkeys(op for op, _ in (*trace.steps, *trace.inputs, (last, 0.0))))
    arrays = np.broadcast_arrays(*(numbers_of(rows[op.serial]) for op in ops))
    for place in np.ndindex(arrays[0].shape):
        computed = {op.serial: float(array[place]) for op, array in zip(ops, arrays, strict=True)}
        ends_badly = trace.gradient is not None or not math.isfinite(computed[last.serial])
        if ends_badly and _said_in_order(trace, computed, rows, list(said)):
            return True
    return False


def _said_in_order(
    trace: Trace, computed: dict[int, float], rows: dict[int, Any], said: list[tuple[str, str]]
) -> bool:
    beside = [op for op, _ in trace.inputs if op not in dict(trace.steps)]
    for op, _ in trace.steps:
        for name, number in _expected(op, trace, computed[op.serial]):
            while said and not (said[0][0] == name and _equal(said[0][1], number, rows[op.serial])):
                # What else the step takes is said before it.
                entering = next((o for o in beside if _is(o, said[0], computed[o.serial], rows)), None)
                if entering is None:
                    return False
                beside.remove(entering)
                said.pop(0)
            if not said:
                return False
            said.pop(0)
    return said == ([] if trace.gradient is None else [("its gradient", f"{trace.gradient:g}")])


def _expected(op: Op, trace: Trace, number: float) -> Iterator[tuple[str, Any]]:
    """What is printed of a step: of a softmax that is assumed, the row and the logits that give it."""
    if op.name == "softmax" and op in dict(trace.inputs):
        dtype = op.value.dtype or "float32"
        logits = [float(GAPS[dtype]), 0.0]
        yield "logits", logits
        yield "softmax", numbers_of(tf.nn.softmax(tensor(logits, dtype))).tolist()
    else:
        yield label(op), number


def _is(op: Op, said: tuple[str, str], number: float, rows: dict[int, Any]) -> bool:
    return label(op) == said[0] and _equal(said[1], number, rows[op.serial])


def _equal(text: str, number: Any, row: Any) -> bool:
    """Whether a printed number (six digits) or row is the computed one."""
    if text.startswith("["):
        return [float(part) for part in text.strip("[]").split(",")] == number
    shown = float(text)
    if math.isnan(shown) or math.isinf(shown):
        return math.isnan(number) if math.isnan(shown) else shown == number
    name = row.dtype.name if row.dtype.name in FLOATS else "float32"
    slack = max(1e-5, 16 * epsilon(name)) * max(abs(shown), abs(number)) + TINY
    return abs(shown - number) <= slack


def _has_gradient(attempt: _Attempt, last: Any, bad: float) -> bool:
    """Whether some gradient of what is assumed is NaN, or infinite."""
    gradients = attempt.tape.gradient(last, attempt.assumed)
    test = np.isnan if math.isnan(bad) else np.isinf
    return any(g is not None and np.any(test(numbers_of(g))) for g in gradients)
