"""What is known of a divisor beside its range: data that a loss is divided by, which is 0 in some batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tflint_nan.evidence import Trail, ancestors, is_made_up, is_trained, number
from tflint_nan.finding import Level
from tflint_nan.graph import Graph
from tflint_nan.ops.points import bare, same
from tflint_nan.value import Op, Value, Witness

#: Sums over the rows before each, which are the sets at risk where rows are sorted by time.
_CUMULATIVE = frozenset({"cumsum", "cumulative_logsumexp"})


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

    Its level is DEFAULT where the quotient is shown to be minimised.
    """
    shown = graph.differentiated(sink)
    if sink.name != "div" or shown is False or 0 not in sink.arg("y").interval:
        return None
    target = _target(sink) if shown else None
    if target is not None:
        message = "this error is relative to its target, and infinite or NaN where the target is 0"
        return Denominator(_of_zero(graph, target, sink), message, Level.DEFAULT)
    events = _events(sink)
    if events is None:
        return None
    message = "this divides by the number of events, 0 / 0 for a batch of which every row is censored"
    return Denominator(_of_zero(graph, events, sink), message, Level.DEFAULT if shown else Level.STRICT)


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
    while (op := bare(value).op) is not None and op.name in ("abs", "square", "neg"):
        value = op.arg("x")
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
    if op.name == "neg":
        yield op.arg("x")
    elif op.name == "mul":
        yield from (value for value in (op.arg("x"), op.arg("y")) if number(value) is None)


def _of_zero(graph: Graph, data: Op, sink: Op) -> Trail:
    """The trail of data that is 0."""
    made = sink.arg("y").op
    assert made is not None, "data made it"
    chain = (*graph.path(data, made), sink)
    return Trail(sink.arg("y"), Witness(0.0, ((data, 0.0),)), chain, data, chain[1:-1])
