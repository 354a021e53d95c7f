"""Questions about where training starts: what the kernel and the bias of a layer are drawn from, and what is
usual.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce

from tflint_nan.architecture import (
    LAYERS,
    biases,
    data,
    fan_in,
    is_bias,
    is_trained,
    kernel,
    layer_before,
    readers,
    setting,
    units,
)
from tflint_nan.evidence import number, onward
from tflint_nan.graph import DIFFERENTIATING, Graph
from tflint_nan.interval import EVERYTHING, Interval
from tflint_nan.ops.configuration import described, start
from tflint_nan.ops.table import OPERATORS
from tflint_nan.training import ends, flat
from tflint_nan.value import NONE, Const, Items, Op, Tensor, Value, sources
from tflint_nan.weights import belongs, loaded

#: Standard deviation of a normal distribution that is cut at two of its own: the square root of
#: 1 - 4 phi(2) / erf(sqrt(2)).
CUT = 0.87962566103423978
#: What layers of libraries call the initializer of their kernel.
INITIALIZERS = ("kernel_initializer", "weights_initializer")
#: Initializers with a standard deviation of sqrt(2 / inputs) at most.
_USUAL = ("glorotuniform", "glorotnormal", "heuniform", "henormal", "lecununiform", "lecunnormal")
#: Activations that pass positive numbers on about as they are.
RELUS = ("relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "swish")
#: Activations that are flat far from 0, and losses that apply one of them.
_SQUASHED = (
    *("sigmoid", "hard_sigmoid", "softmax", "tanh", "sigmoid_cross_entropy_with_logits"),
    *("softmax_cross_entropy_with_logits", "sparse_softmax_cross_entropy_with_logits"),
)

#: Activations that leave half of the squares of numbers around 0, or more.
_HALVING = frozenset(RELUS) - {"relu6"}
#: Steps between two layers that leave the squares of numbers as they are.
_AS_IT_IS = frozenset({"identity", "cast", "dropout", "reshape", "flatten", "squeeze", "expand_dims"})
#: Products whose two operands are their factors.
PRODUCTS = ("mul", "matmul", "tensordot")
#: What else may take weights that are 0 without moving them: penalties, and what trains.
_STILL = ("square", "regularization", "apply_gradients", *DIFFERENTIATING)
#: Through how many operations a start is followed.
_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Start:
    """Where the elements of a variable start: around `mean`, with the standard deviation `deviation`.

    Attributes:
        mean: 0 for all usual initializers.
        deviation: 0 where all elements are equal.
        drawn: the op that draws them, None for a constant.
        direct: False where what is drawn is scaled or shifted.
    """

    mean: float
    deviation: float
    drawn: Op | None = None
    direct: bool = True

    @property
    def spread(self) -> float:
        """The root mean square."""
        return math.hypot(self.mean, self.deviation)


def kernel_start(op: Op) -> Start | None:
    """Where the kernel of a layer starts; None where it is not known, or is the library's own choice."""
    made = kernel(op)
    return started(setting(op, *INITIALIZERS) if made is None else made.arg("initial_value"))


@dataclass(frozen=True, slots=True)
class Spread:
    """How far a drawn kernel is spread, and how far is usual for its fan-in and what reads the sums.

    Attributes:
        start: where the kernel starts.
        drawn: the op that draws it.
        inputs: how many numbers each unit sums up.
        reader: the activation, or the loss that applies one.
        usual: the usual standard deviation.
    """

    start: Start
    drawn: Op
    inputs: int
    reader: Op
    usual: float

    @property
    def ratio(self) -> float:
        """How many times further than usual."""
        return self.start.spread / self.usual

    @property
    def sums(self) -> float:
        """How far from 0 the sums are for inputs near 1."""
        return self.start.spread * math.sqrt(self.inputs)


def spread(graph: Graph, op: Op) -> Spread | None:
    """Of the kernel of a layer; None where it is not drawn, is frozen, or anything is not known."""
    start, inputs = kernel_start(op), fan_in(op)
    if start is None or start.drawn is None or not inputs or not is_trained(op):
        return None
    found = readers(graph, op)
    if any(reader.name not in (*RELUS, *_SQUASHED) for reader in found) or not found:
        return None
    return Spread(start, start.drawn, inputs, found[0], usual_deviation(found[0], inputs, units(op)))


@dataclass(frozen=True, slots=True)
class Sums:
    """How far from 0 what a layer gives is expected to be at the start, where its inputs are near 1.

    Attributes:
        layer: the layer.
        start: where its kernel starts.
        inputs: how many numbers each unit sums up, at least.
        size: the root mean square of the sums.
    """

    layer: Op
    start: Start
    inputs: int
    size: float


def drawn_in_a_row(layer: Op) -> list[Sums]:
    """A layer and those before it, the first one first, as far back as all kernels are drawn around 0.

    With n inputs whose root mean square is r, the sums have the standard deviation s * r * sqrt(n); of them a
    relu leaves half of the squares (K. He et al., ICCV 2015, section 2.2). Of the inputs of the first layer
    one at least is taken to be near 1.
    """
    row: list[tuple[Op, Start, bool]] = []
    before: Op | None = layer
    while before is not None and len(row) < _DEPTH:
        start, op = kernel_start(before), before
        if start is None or start.drawn is None or start.mean or not is_trained(op):
            break
        before, steps = layer_before(data(op))
        bends = [step.name for step in steps if not is_bias(step) and step.name not in _AS_IT_IS]
        row.append((op, start, bool(bends)))
        if len(bends) > 1 or any(name not in _HALVING for name in bends):
            break
    found: list[Sums] = []
    for op, start, bent in reversed(row):
        given = found[-1].size * (math.sqrt(0.5) if bent else 1.0) if found else 1.0
        inputs = (fan_in(op) or 1) if found else 1
        found.append(Sums(op, start, inputs, start.deviation * given * math.sqrt(inputs)))
    return found


def sums_start(op: Op) -> float | None:
    """The standard deviation of what a layer sums up of inputs near 1, without its bias; None if unknown."""
    given = setting(op, *INITIALIZERS) if kernel(op) is None else None
    known = described(given) if given is not None else None
    if given is NONE or (known is not None and known[0] in _USUAL):
        return math.sqrt(2.0)
    start, inputs = kernel_start(op), fan_in(op)
    if start is None or start.mean or not (inputs or not start.deviation):
        return None
    return start.deviation * math.sqrt(inputs or 0)


def bias_start(graph: Graph, op: Op) -> float | None:
    """The one number that all biases of a layer start from, 0 where it has none; None where they differ."""
    if kernel(op) is None:
        given = setting(op, "bias_initializer", "biases_initializer")
        initial = [] if given is NONE else [given]
    else:
        initial = [made.arg("initial_value") for made in biases(graph, op)]
    if not initial:
        return 0.0
    start = started(initial[0])
    return start.mean if start is not None and start.deviation == 0 else None


def started(given: Value) -> Start | None:
    """Where a variable starts that is given a tensor, a number or an initializer."""
    if given is NONE:
        return None
    known = described(given)
    if known is None:
        interval = _hull(given)
        if interval.is_point and math.isfinite(interval.lo):
            return Start(interval.lo, 0.0)
        return None if given.op is None else _computed(given.op, _DEPTH)
    short, _, options = known
    if short in ("zeros", "ones"):
        return Start(float(short == "ones"), 0.0)
    if short == "constant":
        value = number(options.get("value", Const(0.0)))
        return None if value is None else Start(value, 0.0)
    if given.op is None:
        return None
    # What an initializer draws without options depends on the version of the library.
    if short == "randomuniform":
        return _uniform(given.op, None, None)
    if short in ("randomnormal", "truncatednormal"):
        return _normal(given.op, None, cut=short == "truncatednormal")
    return None


def usual_deviation(reader: Op, inputs: int, outputs: int | None) -> float:
    """He's, Glorot's or LeCun's standard deviation for a kernel, by the activation that reads the sums.

    Of relus sqrt(2 / inputs) (K. He et al., ICCV 2015), of tanh sqrt(2 / (inputs + outputs)) (X. Glorot,
    Y. Bengio, AISTATS 2010), of all others sqrt(1 / inputs) (Y. LeCun et al., "Efficient BackProp", 1998).
    Where the number of outputs is None, it is taken for that of the inputs.
    """
    if reader.name in RELUS:
        return math.sqrt(2 / inputs)
    return math.sqrt(2 / (inputs + (outputs or inputs)) if reader.name == "tanh" else 1 / inputs)


def _computed(op: Op, depth: int) -> Start | None:
    if op.name == "random_normal":
        return _normal(op, 1.0, cut=op.arg("truncated").literal is True)
    if op.name == "random_uniform":
        return _uniform(op, 0.0, 1.0)
    if op.name == "initial_values":
        return started(op.arg("initializer"))
    if op.name in ("mul", "div", "add", "sub"):
        return _moved(op, depth - 1) if depth else None
    inner = op.arg(op.flow[0]).op if len(op.flow) == 1 else None
    return None if inner is None or not depth else _computed(inner, depth - 1)


def _moved(op: Op, depth: int) -> Start | None:
    """A start that is scaled or shifted by a number."""
    by, inner = number(op.arg("y")), op.arg("x").op
    if by is None and op.name in ("mul", "add"):
        by, inner = number(op.arg("x")), op.arg("y").op
    start = None if by is None or inner is None else _computed(inner, depth)
    if start is None or by is None or (op.name == "div" and by == 0):
        return None
    if op.name in ("add", "sub"):
        return replace(start, mean=start.mean + (by if op.name == "add" else -by), direct=False)
    factor = by if op.name == "mul" else 1 / by
    return Start(start.mean * factor, start.deviation * abs(factor), start.drawn, direct=False)


def _normal(op: Op, usual: float | None, *, cut: bool) -> Start | None:
    mean, deviation = _option(op, "mean", 0.0), _option(op, "stddev", usual)
    if mean is None or deviation is None or deviation < 0:
        return None
    return Start(mean, deviation * (CUT if cut else 1.0), op)


def _uniform(op: Op, least: float | None, most: float | None) -> Start | None:
    low, high = _option(op, "minval", least), _option(op, "maxval", most)
    return (
        None if low is None or high is None else Start((low + high) / 2, abs(high - low) / math.sqrt(12), op)
    )


def _option(op: Op, name: str, usual: float | None) -> float | None:
    return usual if op.arg(name) is NONE else number(op.arg(name))


def zero_products(graph: Graph) -> Iterator[tuple[Op, Op, Op]]:
    """Products of two kinds of weights which both start at 0, with what holds either.

    The gradient by one factor is a multiple of the other. Left out where anything else takes a factor, which
    may move it.
    """
    found: dict[int, tuple[Op, Op, Op]] = {}
    set_first = loaded(graph)
    for op in graph.ops(*PRODUCTS):
        one, other = _starting_at_zero(graph, op.arg("x")), _starting_at_zero(graph, op.arg("y"))
        if one is None or other is None or one is other:
            continue
        if not belongs(one, set_first) and not belongs(other, set_first):
            found[op.serial] = op, one, other
    for op, one, other in found.values():
        taken = [step for weights in (one, other) for step in _takers(graph, weights)]
        if all(
            step.serial in found or step.name in _STILL or graph.differentiated(step) is False
            for step in taken
        ):
            yield op, one, other


def _starting_at_zero(graph: Graph, value: Value) -> Op | None:
    """The variable or embedding whose numbers `value` has, where all of them start at 0 and are trained."""
    made = ends(value)
    op = made[0] if len(made) == 1 else None
    if op is None or op.name not in ("variable", "embedding") or not is_trained(op):
        return None
    if op.arg("trainable").literal is False or graph.is_assigned(op):
        return None
    begun = started(
        op.arg("initial_value") if op.name == "variable" else setting(op, "embeddings_initializer")
    )
    return op if begun is not None and begun.spread == 0 else None


def _takers(graph: Graph, weights: Op) -> Iterator[Op]:
    """What computes with weights, however often their layer is applied."""
    layer = weights.arg("layer")
    holders = [op for op in graph.ops(weights.name) if layer is not NONE and op.arg("layer") is layer]
    for holder in holders or [weights]:
        yield from (step for step in onward(graph, holder, lambda step: bool(step.flow)) if not step.flow)


class Beginning:
    """What a program computes before its first step."""

    def __init__(self, graph: Graph) -> None:
        """Of all ops of `graph`."""
        self._graph = graph
        self._fed: dict[int, list[Interval]] = {}
        self._known: dict[int, Tensor] = {}
        self._loaded = loaded(graph)
        for feed in graph.ops("feed"):
            for source in sources(feed.arg("placeholder")):
                self._fed.setdefault(source.serial, []).append(_hull(feed.arg("data")))

    def of(self, value: Value) -> Interval:
        """Bounds of `value` when variables are where they start, and placeholders what is fed to them."""
        return self._of(value, _DEPTH).interval

    def _of(self, value: Value, depth: int) -> Value:
        op = value.op
        if op is None or not isinstance(value, Tensor):
            return value
        if op.serial not in self._known:
            self._known[op.serial] = replace(value, interval=self._interval(op, depth), witnesses=())
        return self._known[op.serial]

    def _interval(self, op: Op, depth: int) -> Interval:
        if op.name == "variable":
            given = op.arg("initial_value")
            if self._graph.is_assigned(op) or belongs(op, self._loaded):
                return op.value.interval
            return _hull(given) if isinstance(given, Items) else start(given)
        if op.name in LAYERS and kernel(op) is None:
            return self._of_layer(op)
        if op.name == "placeholder":
            fed = self._fed.get(op.serial)
            return reduce(Interval.hull, fed) if fed else EVERYTHING
        operator = OPERATORS.get(op.name)
        if not depth or operator is None or not op.operands:
            return op.value.interval
        args = {name: self._of(value, depth - 1) for name, value in op.args.items()}
        interval = operator.transfer(replace(op, args=args)).interval
        return interval.meet(op.value.interval) or op.value.interval

    def _of_layer(self, op: Op) -> Interval:
        """Of a layer of a library, whose kernel is 0: its bias, whatever it is applied to."""
        known, bias = kernel_start(op), bias_start(self._graph, op)
        if known is None or known.spread or bias is None or belongs(op, self._loaded):
            return op.value.interval
        return Interval.point(bias)


def _hull(value: Value) -> Interval:
    """Bounds of all numbers in nested lists."""
    found = [item.interval for item in flat(value)]
    return reduce(Interval.hull, found) if found else EVERYTHING
