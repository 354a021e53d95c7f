"""Curvature of squared errors of linear models on data that the program writes itself.

For a prediction that is linear in its weights, `p = sum of w_j * f_j(x)`, the loss `c * sum((p - y)^2)`
has the Hessian `2 c F^T F` whatever the labels and the weights are, F being the matrix of the
features with one row for each sample. Gradient descent multiplies the error along each eigenvector by
`1 - rate * eigenvalue` at each step, so it diverges once the rate is past `2 / lambda_max` (Y. LeCun et al.,
"Efficient BackProp", 1998, section 5).

Descent by one batch after another multiplies by `I - rate * H` of each. The product of their determinants is
that of what a pass over all samples does; where that is above 1, so is an eigenvalue. It is the same for
every order of single samples; other batches are tried in several orders.

Data that the program draws at random is drawn here as well, many times: a rate is past the limit where it is
so in nearly every trial.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import libcst as cst

from tflint_nan.descent import is_trained, squared, trains_all
from tflint_nan.draws import drawn, drawn_in, trials
from tflint_nan.evidence import number
from tflint_nan.graph import Graph
from tflint_nan.inputs import BATCH
from tflint_nan.literals import Array, evaluated
from tflint_nan.matrices import Row, gram, largest_eigenvalue, log_volume
from tflint_nan.ops.optimizers import is_of_keras
from tflint_nan.rates import clipped_by_norm, places
from tflint_nan.steps import STEPS
from tflint_nan.training import ancestors
from tflint_nan.value import NONE, UNKNOWN, Items, Object, Op, Value, sources

#: A rate this far past the limit is past it whatever float32 rounds.
MARGIN = 1.001
#: The least part of the draws of the data that diverge.
SHARE = 0.9
#: More features than this are not looked at.
MOST_FEATURES = 64
#: Orders of the samples that are tried where batches of them are taken.
_ORDERS = 10
#: The rate of Keras's gradient descent that is told none.
_DEFAULT = 0.01
#: Arguments of `fit` that may change the rate, which samples it takes, or how much each counts.
_UNUSUAL = ("callbacks", "validation_split", "dataset", "sample_weight", "class_weight")
#: Arguments of a product that turn an operand.
_TURNING = frozenset({"transpose_a", "transpose_b", "adjoint_a", "adjoint_b"})


@dataclass(frozen=True, slots=True)
class Divergence:
    """A rate that is past the limit of the loss that it is used for.

    Attributes:
        place: the op that holds the rate, and the argument of it.
        step: what trains.
        rate: the rate.
        curvature: the largest eigenvalue of the Hessian, of the steepest batch where a step takes one.
        factor: by what a step multiplies the error; of steps by batches their geometric mean.
        batch: how many samples a step takes; None for all.
        steepest: the largest curvature in any draw of the data.
        share: the part of the draws that diverge, of which this is the median; None where nothing is drawn.
    """

    place: tuple[Op, str]
    step: Op
    rate: float
    curvature: float
    factor: float
    batch: int | None
    steepest: float
    share: float | None = None

    @property
    def limit(self) -> float:
        """The largest rate that does not diverge."""
        return 2 / self.curvature


@dataclass(frozen=True, slots=True)
class _Use:
    """What placeholders, given by serial, get; a step takes at most `batch` samples, maybe shuffled."""

    holders: tuple[int, ...] = ()
    data: Value = UNKNOWN
    batch: float = math.inf
    keras: bool = False
    shuffled: bool = False


@dataclass(frozen=True, slots=True)
class _Loss:
    """`scale` times the sum (or the `mean`) of the squares of `prediction` minus the labels."""

    prediction: Value
    scale: float
    mean: bool


def divergences(graph: Graph) -> Iterator[Divergence]:
    """Rates of plain gradient descent that are provably past the limit."""
    for step in graph.ops(*STEPS):
        loss_value, variables = _differentiated(step)
        for optimizer in sources(step.arg("optimizer")):
            rate, loss = _plain_rate(graph, optimizer), _squared_error(loss_value)
            if rate is None or loss is None or not trains_all(loss_value, variables):
                continue
            place, value = rate
            uses = list(_fits(graph, step) if step.name == "compile" else _feeds(graph, loss.prediction))
            known = [use for use in uses if use is not None]
            if known and len(known) == len(uses):
                yield from _in_most_trials(place, step, value, loss, known)


def _in_most_trials(
    place: tuple[Op, str], step: Op, rate: float, loss: _Loss, uses: Sequence[_Use]
) -> Iterator[Divergence]:
    """The median of what diverges in all uses, over draws of the data; nothing, unless nearly all do."""
    draws = drawn_in([loss.prediction, *(use.data for use in uses)])
    seeds = trials(draws)
    if seeds and any(use.shuffled for use in uses):
        seeds = range(max(len(seeds), _ORDERS))
    diverging: list[Divergence] = []
    for tried, seed in enumerate(seeds, start=1):
        numbers = drawn(draws, seed)
        found = [_divergence(place, step, rate, loss, use, numbers, seed) for use in uses]
        proved = [one for one in found if one is not None]
        if len(proved) == len(uses):
            diverging.append(min(proved, key=lambda one: one.factor))
        if tried - len(diverging) > (1 - SHARE) * len(seeds):
            return
    if diverging:
        ordered = sorted(diverging, key=lambda one: one.curvature)
        share = len(diverging) / len(seeds) if draws else None
        yield replace(ordered[len(ordered) // 2], steepest=ordered[-1].curvature, share=share)


def _differentiated(step: Op) -> tuple[Value, Value]:
    """What a step differentiates, and by what."""
    if step.name != "apply_gradients":
        return step.arg("loss"), step.arg("variables")
    given = step.arg("gradients")
    firsts = (
        [pair.items[0] for pair in given.items if isinstance(pair, Items) and pair.items]
        if isinstance(given, Items)
        else []
    )
    taken = [_taken(value) for value in firsts]
    if not taken or any(op is None or op is not taken[0] for op in taken) or taken[0] is None:
        return UNKNOWN, UNKNOWN
    return taken[0].arg("loss"), taken[0].arg("variables")


def _taken(value: Value) -> Op | None:
    """The `gradients` that a value is, by one variable, as they were taken."""
    op = value.op
    if op is not None and op.name == "unknown_call" and len(op.args) == 1:
        op = op.arg("0").op
    return op if op is not None and op.name == "gradients" else None


def _plain_rate(graph: Graph, optimizer: Op) -> tuple[tuple[Op, str], float] | None:
    """Where the constant rate of a plain gradient descent is, and the rate."""
    if optimizer.arg("algorithm").literal != "sgd" or clipped_by_norm(graph, optimizer):
        return None
    others = [
        optimizer.arg(name) for name in ("momentum", "decay", "weight_decay", "l1_regularization_strength")
    ]
    if any(value.literal is not None and number(value) != 0 for value in others):
        return None
    if places(graph, optimizer) != [(optimizer, "learning_rate")]:
        return None
    given = optimizer.arg("learning_rate")
    told = given is not NONE or not is_of_keras(optimizer.api) or _is_unpacked(optimizer)
    rate = number(given) if told else _DEFAULT
    return None if rate is None or rate <= 0 else ((optimizer, "learning_rate"), rate)


def _is_unpacked(op: Op) -> bool:
    """Whether a call takes arguments that are not written there."""
    return isinstance(op.node, cst.Call) and any(arg.star for arg in op.node.args)


# The loss.


def _squared_error(loss: Value) -> _Loss | None:
    scale, mean, value = 1.0, None, loss
    while (op := value.op) is not None:
        if op.name == "mean_squared_error" and mean is not False:
            return _Loss(op.arg("y_pred"), scale, True) if not is_trained(op.arg("y_true")) else None
        if op.name in ("mean", "sum") and mean is None and op.arg("axis").literal is None:
            mean, value = op.name == "mean", op.arg("x")
        elif op.name in ("mul", "div"):
            factor, value = _constant_factor(op)
            if factor is None:
                break
            scale *= factor
        elif op.name in ("identity", "cast"):
            value = op.arg("x")
        else:
            break
    if op is None or mean is None or scale <= 0:
        return None
    difference = op if op.name == "squared_difference" else squared(op)
    if difference is None:
        return None
    sides = [difference.arg("x"), difference.arg("y")]
    predicted = [side for side in sides if is_trained(side)]
    return _Loss(predicted[0], scale, mean) if len(predicted) == 1 else None


def _constant_factor(op: Op) -> tuple[float | None, Value]:
    x, y = op.arg("x"), op.arg("y")
    given = number(y)
    if given:
        return (given if op.name == "mul" else 1 / given), x
    return (number(x) if op.name == "mul" else None), y


# The data.


def _fits(graph: Graph, step: Op) -> Iterator[_Use | None]:
    """What a compiled model is fitted to; None where that is not known."""
    predicted = [op for op in ancestors(step.arg("loss")).values() if op.name == "dense"]
    for fit in graph.ops("fit"):
        if fit.arg("model") is not step.arg("model"):
            continue
        batch = fit.arg("batch_size")
        size = BATCH if batch.literal is None else number(batch)
        if fit.api == "model.train_on_batch":
            size = math.inf
        if size is None or len(predicted) != 1 or any(fit.arg(name).literal is not None for name in _UNUSUAL):
            yield None
            continue
        inputs = [op.serial for op in predicted[0].arg("x").producers() if op.name == "placeholder"]
        shuffled = fit.arg("shuffle").literal is not False and size > 1
        yield _Use(tuple(inputs), fit.arg("x"), size, keras=True, shuffled=shuffled)


def _feeds(graph: Graph, prediction: Value) -> Iterator[_Use | None]:
    """The data that the placeholders of a prediction get: all of it at once, or one number after another."""
    holders = [op for op in ancestors(prediction).values() if op.name == "placeholder"]
    if not holders:
        yield _Use()
    if len(holders) > 1:
        yield None
    for feed in graph.ops("feed") if len(holders) == 1 else ():
        if holders[0] not in sources(feed.arg("placeholder")) or feed.arg("runs").literal is False:
            continue
        data, batch = feed.arg("data"), math.inf
        made = data.op
        if made is not None and made.name == "slice" and "index" not in made.args:
            data, batch = made.arg("x"), 1
        yield _Use((holders[0].serial,), data, batch)


# The limit.


def _divergence(
    place: tuple[Op, str],
    step: Op,
    rate: float,
    loss: _Loss,
    use: _Use,
    numbers: Mapping[int, Array],
    seed: int,
) -> Divergence | None:
    """What one use of a rate does, with these numbers of what is drawn; `seed` shuffles the samples."""
    known = dict(numbers)
    if use.holders:
        data = evaluated(use.data, numbers)
        if data is None:
            return None
        known |= dict.fromkeys(use.holders, data.column() if use.keras and len(data.shape) == 1 else data)
    found = _features(loss.prediction, known, use.keras)
    if found is None:
        return None
    rows, outputs = found
    if not rows or not 0 < len(rows[0]) <= MOST_FEATURES:
        return None
    size = int(min(use.batch, len(rows)))
    if use.shuffled and size < len(rows):
        rows = random.Random(seed).sample(rows, len(rows))
    parts = [rows[i : i + size] for i in range(0, len(rows), size)]
    hessians = [gram(part, 2 * loss.scale / (len(part) * outputs if loss.mean else 1)) for part in parts]
    eigenvalues = [largest_eigenvalue(hessian) for hessian in hessians]
    curvature = max(eigenvalues)
    if rate * curvature <= 2 * MARGIN:
        return None
    if len(parts) == 1:
        return Divergence(place, step, rate, curvature, rate * curvature - 1, None, curvature)
    if math.fsum(log_volume(hessian, rate) for hessian in hessians) <= math.log(MARGIN):
        return None
    growth = math.fsum(log_volume([(one,)], rate) for one in eigenvalues)
    factor = math.exp(min(growth / len(parts), 700))
    return Divergence(place, step, rate, curvature, factor, size, curvature)


def _features(prediction: Value, data: Mapping[int, Array], keras: bool) -> tuple[list[Row], int] | None:
    """What multiplies the weights of a prediction that is linear in them, a row for each sample.

    With the number of outputs, each of which has weights of its own. None for anything else.
    """
    columns: list[Array] = []
    outputs, todo = 1, [prediction]
    seen_weights: set[int] = set()
    while todo:
        value = todo.pop()
        op = value.op
        if op is None:
            return None
        if op.name == "dense":
            layer = op.arg("layer")
            x, units = evaluated(op.arg("x"), data), number(op.arg("units"))
            if (
                x is None
                or units is None
                or len(x.shape) != 2
                or not isinstance(layer, Object)
                or op is not prediction.op
            ):
                return None
            if any(
                layer.config(name).literal is not None for name in ("kernel_constraint", "bias_constraint")
            ):
                return None
            bias = () if layer.config("use_bias").literal is False else (1.0,)
            return [(*row, *bias) for row in x.rows()], int(units)
        if op.name in ("add", "sub"):
            todo += [op.arg("x"), op.arg("y")]
            continue
        if op.name == "neg" or (op.name in ("identity", "squeeze") and op.flow):
            todo.append(op.arg("x"))
            continue
        term = _term(op, data, seen_weights)
        if term is None:
            return None
        columns += term
    if keras or not columns:
        return None
    length = max(len(column.numbers) for column in columns)
    # Samples along different axes are paired each with each.
    if len({(1, *column.shape)[-2:] for column in columns if len(column.numbers) > 1}) > 1:
        return None
    spread = [
        column.numbers if len(column.numbers) == length else column.numbers * length for column in columns
    ]
    return list(zip(*spread, strict=True)), outputs


def _term(op: Op, data: Mapping[int, Array], seen: set[int]) -> list[Array] | None:
    """The features of one term: a weight alone, a weight times data, a product of matrices."""
    one = Array((1.0,), ())
    weight = (
        op
        if op.name == "variable"
        else next(
            (
                made
                for name in ("x", "y")
                if (made := op.arg(name).op) is not None and made.name == "variable"
            ),
            None,
        )
    )
    start = None if weight is None else evaluated(weight.arg("initial_value"), {})
    shape = weight.value.shape if weight is not None else None
    shape = start.shape if start is not None and shape is None else shape
    if weight is None or weight.serial in seen or shape is None:
        return None
    seen.add(weight.serial)
    lengths = [n or 0 for n in shape]
    if op is weight:
        return [one] if math.prod(lengths) == 1 else None
    if op.name == "mul" and math.prod(lengths) == 1:
        x = evaluated(op.arg("y" if op.arg("x").op is weight else "x"), data)
        return None if x is None else [x]
    if op.name == "matmul" and len(lengths) == 2 and not _TURNING & op.args.keys():
        left = op.arg("x").op is weight
        x = evaluated(op.arg("y" if left else "x"), data)
        outputs, inputs = lengths if left else reversed(lengths)
        if x is None or len(x.shape) != 2 or outputs != 1 or x.shape[0 if left else 1] != inputs:
            return None
        if left:
            return [Array(row, (1, len(row))) for row in x.rows()]
        return [Array(column, (len(column), 1)) for column in zip(*x.rows(), strict=True)]
    return None
