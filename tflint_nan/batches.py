"""Sums over the examples of a batch that are minimised, and by how long steps.

The gradient of a sum is that of the mean times the number of examples, and so is a step of gradient descent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tflint_nan.descent import LOSSES, is_trained, squared
from tflint_nan.evidence import number
from tflint_nan.graph import Graph
from tflint_nan.inputs import batch_size, examples
from tflint_nan.rates import depth, places, rate
from tflint_nan.steps import Step, steps
from tflint_nan.training import flat
from tflint_nan.value import NONE, Op, Symbol, Value, sources

#: Optimizers whose steps are as long as the gradient.
_DESCENT = ("sgd", "momentum")
#: Functions of these modules give the error of each example.
_APART = ("keras.losses.", "tf.nn.")


@dataclass(frozen=True, slots=True)
class Total:
    """The sum over all examples of a batch of their errors, `factor` times which is in a loss.

    Attributes:
        op: what sums up: a `sum`, or a loss that is told to.
        labels: what the predictions are compared with, a row for each example.
    """

    op: Op
    factor: float
    labels: Value


def totals(loss: Value) -> Iterator[Total]:
    """The sums over a batch that a loss adds up, each with what it is known to be multiplied by."""
    todo, seen = [(loss, 1.0)], set[int]()
    while todo:
        value, factor = todo.pop()
        op = value.op
        if op is None or op.serial in seen:
            continue
        seen.add(op.serial)
        if op.name == "add":
            todo += [(op.arg("x"), factor), (op.arg("y"), factor)]
            continue
        labels = None
        if op.name == "sum" and _reduces_examples(op):
            labels = _labels_of_each(op.arg("x"))
        elif op.name in LOSSES and _reduction(op) == "sum":
            labels = op.arg(LOSSES[op.name][0])
        if labels is not None:
            yield Total(op, factor, labels)
        elif (inner := _multiplied(op)) is not None:
            todo.append((inner[0], factor * abs(inner[1])))


def _multiplied(op: Op) -> tuple[Value, float] | None:
    """What `op` is a known multiple of, and the factor."""
    if op.name == "neg" or len(op.flow) == 1:
        return op.arg(op.flow[0] if op.flow else "x"), 1.0
    x, y = op.arg("x"), op.arg("y")
    if op.name == "mul":
        for one, other in ((x, number(y)), (y, number(x))):
            if other is not None:
                return one, other
    by = number(y) if op.name == "div" else None
    return (x, 1 / by) if by else None


def _reduces_examples(op: Op) -> bool:
    """Whether a reduction is over all axes, or the first."""
    axis = op.arg("axis")
    return axis is NONE or any(number(one) == 0 for one in flat(axis))


def _reduction(op: Op) -> str:
    """What a loss makes of the errors of a batch, in lower case; empty where that is the library's choice."""
    given = op.arg("reduction")
    return (given.name.rpartition(".")[2] if isinstance(given, Symbol) else str(given.literal or "")).lower()


def _labels_of_each(value: Value) -> Value | None:
    """The labels in errors of which there is one, or several, for each example; None for anything else."""
    while (op := value.op) is not None:
        if op.name in LOSSES and op.name != "squared_difference":
            apart = _reduction(op) == "none" or (op.arg("loss") is NONE and op.api.startswith(_APART))
            return op.arg(LOSSES[op.name][0]) if apart else None
        difference = op if op.name == "squared_difference" else squared(op)
        if difference is not None:
            given = [side for name in ("x", "y") if not is_trained(side := difference.arg(name))]
            return given[0] if len(given) == 1 else None
        if op.name == "mul" and (target := _target(op)) is not None:
            return target
        if op.name in ("mean", "sum"):
            inner = None if _reduces_examples(op) else (op.arg("x"), 1.0)
        else:
            inner = _multiplied(op)
        if inner is None:
            return None
        value = inner[0]
    return None


def _target(product: Op) -> Value | None:
    """What the logs of a prediction are multiplied with in a cross entropy that is written by hand."""
    x, y = product.arg("x"), product.arg("y")
    for target, logs in ((x, y), (y, x)):
        while (op := logs.op) is not None and op.name == "neg":
            logs = op.arg("x")
        is_log = op is not None and op.name in ("log", "log_softmax", "log_sigmoid")
        if is_log and is_trained(logs) and number(target) is None and not is_trained(target):
            return target
    return None


@dataclass(frozen=True, slots=True)
class Stride:
    """A step of gradient descent along the gradient of a sum over `size` examples, with `rate`."""

    step: Step
    total: Total
    size: int
    rate: float

    @property
    def for_mean(self) -> float:
        """The rate that makes the same step along the gradient of the mean."""
        return self.rate * self.size * self.total.factor


def strides(graph: Graph) -> Iterator[Stride]:
    """All such steps that nothing clips, each with the least of the rates and sizes that it has."""
    for step in steps(graph):
        optimizer = step.optimizer
        if optimizer.arg("algorithm").literal not in _DESCENT or step.clipped or step.limited:
            continue
        for total in totals(step.loss):
            sizes = _sizes(graph, step, total)
            rates = [rate(place.arg(name)) for place, name in places(graph, optimizer)]
            least, known = min(sizes, default=None), [one for one in rates if one is not None]
            if least is None or not known or len(known) < len(rates):
                continue
            # Without layers it is numbers that are moved directly: a picture, the places of points.
            if depth(graph, optimizer):
                yield Stride(step, total, least, min(known))


def _sizes(graph: Graph, step: Step, total: Total) -> list[int]:
    """How many examples such a step sums up, in each of its uses; empty where that is not known of all."""
    if step.op.name == "compile":
        found = [batch_size(fit) for fit in graph.ops("fit") if fit.arg("model") is step.op.arg("model")]
    else:
        found = [examples(labels) for labels in _fed(graph, total.labels)]
    known = [size for size in found if size is not None]
    return known if len(known) == len(found) else []


def _fed(graph: Graph, value: Value) -> list[Value]:
    """What a placeholder is fed with in training; `value` itself where it is none."""
    holder = value.op
    while holder is not None and holder.name in ("cast", "identity", "one_hot"):
        holder = holder.arg("x").op
    if holder is None or holder.name != "placeholder":
        return [value]
    feeds = [feed for feed in graph.ops("feed") if holder in sources(feed.arg("placeholder"))]
    return [feed.arg("data") for feed in feeds if feed.arg("runs").literal is True]
