"""What is known of a divisor beside its range: data of a loss, or a number of rows, that is 0 some time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tflint_nan.evidence import Trail, ancestors, is_made_up, is_trained, number, onward
from tflint_nan.finding import Level
from tflint_nan.graph import Graph
from tflint_nan.interval import INTEGERS, Interval
from tflint_nan.ops.parts import takes_all
from tflint_nan.ops.points import bare, integers, same
from tflint_nan.value import Op, Value, Witness
from tflint_nan.vectors import squared

#: Sums over the rows before each, which are the sets at risk where rows are sorted by time.
_CUMULATIVE = frozenset({"cumsum", "cumulative_logsumexp"})
#: Ops that make a whole number of numbers: a bin, or which of them is nearest or largest.
_CHOOSING = frozenset({"argmin", "argmax", "cast", "floor", "round"})


@dataclass(frozen=True, slots=True)
class Denominator:
    """A divisor that is 0 at some time for a reason that is known.

    Attributes:
        trail: from what is 0 then to the division.
        message: what happens, see `Report`.
        level: how sure that is.
        quotient: what the division gives; None where it may be infinite or NaN.
        help: what to write instead, see `Report`; None where it is as everywhere.
        because: where the reason stands, see `Report`.
        known: whether what to divide by instead is known.
    """

    trail: Trail
    message: str
    level: Level
    quotient: float | None = None
    help: str | None = None
    because: tuple[tuple[Op, str], ...] = ()
    known: bool = True


def denominator(graph: Graph, sink: Op) -> Denominator | None:
    """What is known of a divisor that is data, None where nothing is; its interval has to hold 0.

    Its level is DEFAULT where the quotient is shown to be minimised, and where the program itself says which
    segment a row is of.
    """
    volume = _volume(graph, sink)
    if volume is not None:
        message = (
            "this divides by how much of something the target shows, 0 in a picture without it, "
            "and infinity times this 0 is NaN"
        )
        return Denominator(_of_zero(graph, [volume], sink), message, Level.DEFAULT)
    if sink.name != "div" or 0 not in sink.arg("y").interval:
        return None
    sizes = _sizes(sink)
    if sizes:
        message = "this divides by the number of rows of each segment, 0 / 0 for a segment without any"
        level = Level.DEFAULT if _is_chosen(sizes[0].arg("segment_ids")) else Level.STRICT
        return Denominator(_of_zero(graph, sizes, sink), message, level)
    shown = graph.differentiated(sink)
    if shown is False:
        return None
    target = _target(sink) if shown else None
    if target is not None:
        message = "this error is relative to its target, and infinite or NaN where the target is 0"
        return Denominator(_of_zero(graph, [target], sink), message, Level.DEFAULT)
    zeros = _symmetric(sink) if shown else None
    if zeros is not None:
        data, start = zeros
        message = "this error is relative to target and prediction, and 0 / 0 where both are 0"
        trail = _of_zero(graph, [data], sink)
        both = Witness(0.0, (*trail.witness.inputs, *start.inputs))
        return Denominator(replace(trail, witness=both), message, Level.DEFAULT)
    events = _events(sink)
    if events is None:
        return None
    message = "this divides by the number of events, 0 / 0 for a batch of which every row is censored"
    return Denominator(_of_zero(graph, [events], sink), message, Level.DEFAULT if shown else Level.STRICT)


def _sizes(sink: Op) -> list[Op]:
    """How many rows each segment has, and the sums of the same segments that are divided by it; else empty.

    All of them are 0 for a segment without rows, and so is TensorFlow's own mean there
    (https://www.tensorflow.org/api_docs/python/tf/math/unsorted_segment_mean). What is gathered for the rows
    again is of segments that have some.
    """
    count = laid_out(sink.arg("y")).op
    if count is None or count.name != "segment_sum" or "num_segments" not in count.args:
        return []
    dividend, ids = sink.arg("x").op, count.arg("segment_ids")
    if dividend is None or count.arg("x").interval != Interval.point(1):
        return []
    sums = (op for op, _ in ancestors(dividend) if op.name == "segment_sum")
    alike = [op for op in sums if same(op.arg("segment_ids"), ids)]
    return [count, *alike] if alike else []


def _volume(graph: Graph, sink: Op) -> Op | None:
    """The target whose volume in each picture is divided by, and whose overlap is weighted with the quotient.

    `sum(1 / sum(y, (1, 2)) ** 2 * sum(y * p, (1, 2)))`, the generalised Dice of Sudre (2017), whose own
    implementation replaces what is infinite
    (https://github.com/NifTK/NiftyNet/blob/dev/niftynet/layer/loss_segmentation.py).
    """
    divisor = _divisor(sink)
    total = bare(squared(divisor) or divisor).op
    over = None if total is None or total.name != "sum" else integers(total.arg("axis"))
    if total is None or over is None or len(over) < 2 or 0 in over or 0 not in divisor.interval:
        return None
    shown, target = bare(total.arg("x")), _data(bare(total.arg("x")))
    for taker in [] if target is None else onward(graph, sink, lambda op: bool(op.flow)):
        for name in ("x", "y") if taker.name == "mul" and graph.differentiated(taker) else ():
            added = taker.arg(name).made_by("sum")
            overlap = added.arg("x").op if added is not None else None
            if added is None or overlap is None or overlap.name != "mul":
                continue
            if integers(added.arg("axis")) != over:
                continue
            pair = (overlap.arg("x"), overlap.arg("y"))
            others = [other.op for one, other in (pair, pair[::-1]) if same(bare(one), shown)]
            if any(other is not None and is_trained(other) for other in others):
                return target
    return None


def _divisor(sink: Op) -> Value:
    return sink.arg("y" if sink.name == "div" else "x")


def _is_chosen(ids: Value) -> bool:
    """Whether numbers that weights make, no sizes, say which segment a row is of: no data fills them all."""
    made = ids.op
    choosing = [] if made is None else [op for op, _ in ancestors(made) if op.name in _CHOOSING]
    return any(op.arg("x").dtype not in INTEGERS and is_trained(op) for op in choosing)


def _target(sink: Op) -> Op | None:
    """What an error is divided by, where that is the target itself.

    `(y - f(x)) / y`, for one. Keras's own relative errors keep the target off 0, as targets are seldom known
    to be (https://keras.io/api/losses/regression_losses/#meanabsolutepercentageerror-class).
    """
    error, target = _unsigned(sink.arg("x")).op, _unsigned(sink.arg("y"))
    if error is None or error.name != "sub":
        return None
    pair = (error.arg("x"), error.arg("y"))
    others = [other.op for one, other in (pair, pair[::-1]) if same(bare(one), target)]
    return _data(target) if any(other is not None and is_trained(other) for other in others) else None


def _symmetric(sink: Op) -> tuple[Op, Witness] | None:
    """The target of an error that is relative to it and to the prediction, with how the latter is 0.

    `|p - y| / (|p| + |y|)`, for one, where p ends in a relu: it is 0 for all who are below, and stays there
    where the target is. What has either sign is hardly ever 0.
    """
    error, total = _unsigned(sink.arg("x")).op, _unsigned(sink.arg("y")).op
    if error is None or error.name != "sub" or total is None or total.name != "add":
        return None
    pair, terms = ((op.arg("x"), op.arg("y")) for op in (error, total))
    for target, output in (pair, pair[::-1]):
        data, made, sizes = _data(bare(target)), output.op, [_unsigned(term) for term in terms]
        if data is None or made is None or 0 not in (output.interval.lo, output.interval.hi):
            continue
        start = next(filter(_is_usual, output.witnesses), None)
        both = (bare(target), bare(output))
        if start is None or not is_trained(made):
            continue
        if any(all(map(same, order, both)) for order in (sizes, sizes[::-1])):
            return data, start
    return None


def _is_usual(witness: Witness) -> bool:
    """Whether a 0 comes of numbers on one side of 0 that any layer gives, as that of a relu does."""
    assumed = {abs(n) for _, n in witness.inputs}
    return witness.value == 0 and bool(assumed - {0.0}) and max(assumed) <= 1


def _events(sink: Op) -> Op | None:
    """What says which rows of a batch have had their event, where a partial likelihood is divided by its sum.

    `sum((r - log(cumsum(exp(r)))) * e) / sum(e)` is Cox's (Regression models and life-tables, 1972) for the
    scores r, sorted by falling time, of which the likelihoods of those with an event are added.
    """
    total, counted = _scaled(sink.arg("x")).op, bare(sink.arg("y")).op
    if total is None or counted is None or total.name not in ("sum", "mean") or counted.name != total.name:
        return None
    product, events = _scaled(total.arg("x")).op, bare(counted.arg("x"))
    if product is None or product.name != "mul":
        return None
    pair = (product.arg("x"), product.arg("y"))
    scores = [_scaled(other) for one, other in (pair, pair[::-1]) if same(_scaled(one), events)]
    return _data(events) if any(map(_is_of_risk_sets, scores)) else None


def _is_of_risk_sets(value: Value) -> bool:
    """Whether trained scores are set off against those of the rows before each."""
    op = value.op
    if op is None or op.name != "sub":
        return False
    score, before = bare(op.arg("x")).op, op.arg("y").op
    if score is None or before is None or not is_trained(score):
        return False
    return any(step.name in _CUMULATIVE for step, _ in ancestors(before))


def _data(value: Value) -> Op | None:
    """What made a value, if that is neither computed from weights nor made up by the program."""
    made = value.op
    return None if made is None or is_trained(made) or is_made_up(made) else made


def _unsigned(value: Value) -> Value:
    """What `value` is the size of."""
    while (op := bare(value).op) is not None:
        rest = [op.arg("x")] if op.name in ("abs", "square") else list(_factors(op))
        if len(rest) != 1:
            break
        value = rest[0]
    return bare(value)


def _scaled(value: Value) -> Value:
    """What `value` is a multiple of."""
    while (op := bare(value).op) is not None:
        rest = list(_factors(op))
        if len(rest) != 1:
            break
        value = rest[0]
    return bare(value)


def _factors(op: Op) -> Iterator[Value]:
    """The factors of a product that are no known number, what a negative is of; none of other ops."""
    if op.name == "neg" or (op.name == "div" and number(op.arg("y")) is not None):
        yield op.arg("x")
    elif op.name == "mul":
        yield from (value for value in (op.arg("x"), op.arg("y")) if number(value) is None)


def laid_out(value: Value) -> Value:
    """What `value` holds all elements of, along other axes: `x[:, None]` is x."""
    while (op := bare(value).op) is not None and op.name == "slice" and takes_all(op):
        value = op.arg("x")
    return bare(value)


def _of_zero(graph: Graph, zeros: Sequence[Op], sink: Op) -> Trail:
    """The trail from the first of what is 0 together."""
    made = _divisor(sink).op
    assert made is not None, "data made it"
    chain = (*graph.path(zeros[0], made), sink)
    inputs = tuple((op, 0.0) for op in zeros)
    return Trail(_divisor(sink), Witness(0.0, inputs), chain, zeros[0], chain[1:-1])
