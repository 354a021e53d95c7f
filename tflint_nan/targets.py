"""Questions about what an output is trained towards: the examples that a program shows, what its targets are.

Nothing here guesses: where nothing is shown the answer is `Targets.UNKNOWN`, and the rule that asked decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import libcst as cst

from tflint_nan.evidence import ancestors, complement, number, onward, squasher
from tflint_nan.graph import Graph
from tflint_nan.training import (
    LINEAR,
    Entropy,
    compiled,
    ends,
    flat,
    guarded,
    is_output,
    logistic,
    made_only_by,
    shares,
    units,
)
from tflint_nan.value import NONE, Const, Items, Object, Op, Symbol, Value, sources

#: Ops whose output a model computes: a target made by one is no label.
_MODELLED = (*LINEAR, "sigmoid", "softmax", "tanh", "relu", "variable", "predict")
#: Ops that make rows of zeros and a one.
ONE_HOT = ("one_hot", "eye")
#: Ops that make the numbers of classes.
NUMBERED = ("class_ids", "argmax", "random_integers")
#: Ops that a squared error ends with.
SQUARES = ("mean_squared_error", "squared_difference", "square", "pow", "mul")
#: Answers to yes-or-no questions.
ANSWERS = (
    *("equal", "not_equal", "greater", "greater_equal", "less", "less_equal"),
    *("logical_and", "logical_or", "logical_not"),
)
#: Ops that make class numbers, rows of zeros and a one, answers to yes-or-no questions.
_CLASSES = (*ONE_HOT, "class_ids", "random_integers", *ANSWERS)
#: Ops that hold what was given: no model computed it.
_DATA = (
    *(*_CLASSES, "placeholder", "labels", "constant", "zeros", "ones", "csv", "tabular"),
    *("pixels", "scaled_images", "scaled", "rescaling", "normalization"),
)
#: Ops that make numbers anywhere in an interval.
_BETWEEN = (
    "scaled",
    "scaled_images",
    "pixels",
    "rescaling",
    "normalization",
    "div",
    "random_uniform",
    "random_normal",
)


def squared_errors(graph: Graph) -> Iterator[tuple[Op, Value, Value]]:
    """Every squared error, a loss's or one written by hand: (op, one side, the other)."""
    for op in graph.ops(*SQUARES):
        if op.name == "mean_squared_error":
            yield op, op.arg("y_true"), op.arg("y_pred")
            continue
        if op.name == "squared_difference":
            yield op, op.arg("x"), op.arg("y")
            continue
        x, y = op.arg("x"), op.arg("y")
        if (op.name == "pow" and number(y) != 2) or (op.name == "mul" and (x.op is None or x.op is not y.op)):
            continue
        difference = made_only_by(x, "sub")
        if difference is not None:
            yield op, difference.arg("x"), difference.arg("y")


@dataclass(frozen=True, slots=True)
class SquaredClasses:
    """A squared error that is minimised between labels of classes and a bounded output.

    Attributes:
        op: the squared error.
        activation: the sigmoid or softmax, `logits` what it takes.
        labels: what the output is trained towards.
        kind: "sigmoid", or "softmax", which a bank of sigmoids on one-hot labels should be as well.
    """

    op: Op
    activation: Op
    logits: Value
    labels: Value
    kind: str


def squared_classes(graph: Graph) -> Iterator[SquaredClasses]:
    """Every squared error that trains a classifier."""
    for op, *sides in squared_errors(graph):
        for labels, prediction in (sides, sides[::-1]):
            found = (logistic(prediction) or shares(prediction)) if graph.in_loss(op) else None
            if found is not None and trains_classes(graph, op, *found, labels):
                activation, logits = found
                exclusive = squasher(activation) == "softmax" or _is_bank(graph, op, *found, labels)
                yield SquaredClasses(op, activation, logits, labels, "softmax" if exclusive else "sigmoid")
                break


def _is_bank(graph: Graph, loss: Op, sigmoid: Op, logits: Value, labels: Value) -> bool:
    """True for several sigmoids of which one is right: targets are shown to be one-hot."""
    rows = [ends(target) for _, target in examples(graph, loss, sigmoid, labels)]
    one_hot = any(found and all(op.name in ONE_HOT for op in found) for found in rows)
    return one_hot and units(sigmoid, logits) not in (None, 1)


def examples(graph: Graph, loss: Op, output: Op, labels: Value) -> Iterator[tuple[Value, Value]]:
    """Pairs of (input, target) that the program is shown to train `output` with.

    They are what `fit` gets, what is fed to placeholders, and the operands themselves.
    """
    compile_ = compiled(graph, loss)
    if compile_ is not None:
        model = compile_.arg("model")
        yield from ((fit.arg("x"), fit.arg("y")) for fit in graph.ops("fit") if fit.arg("model") is model)
    fed = [(feed, source) for feed in graph.ops("feed") for source in sources(feed.arg("placeholder"))]
    targets = [feed.arg("data") for feed, source in fed if any(source is end for end in ends(labels))]
    inputs = [feed.arg("data") for feed, source in fed if graph.path(source, output)]
    for target in targets or [labels]:
        yield output.value, target
        for x in inputs:
            yield x, target


def reconstructs(graph: Graph, x: Value, target: Value) -> bool:
    """True where the target is what the input is made of, or is made from: an autoencoder, a denoiser."""
    if x is target and x is not NONE:
        return True
    pairs = [(a, b) for a in sources(target) for b in sources(x)]
    return any(a is b or graph.path(a, b) or graph.path(b, a) for a, b in pairs)


class Targets(Enum):
    """What the numbers are that an output is trained towards."""

    CLASSES = "classes"
    CONTINUOUS = "continuous"
    UNKNOWN = "unknown"


def targets(value: Value) -> Targets:
    """What the values of a target say: 0 and 1 only, or something between."""
    found = ends(value)
    if found and all(op.name in _CLASSES for op in found):
        return Targets.CLASSES
    if found and all(op.name in _BETWEEN for op in found):
        return Targets.CONTINUOUS
    numbers = {witness.value for item in flat(value) for witness in item.witnesses}
    if any(number != round(number) for number in numbers if math.isfinite(number)):
        return Targets.CONTINUOUS
    literal = all(op.name in ("constant", "zeros", "ones") for op in found)
    return Targets.CLASSES if literal and numbers and numbers <= {0.0, 1.0} else Targets.UNKNOWN


#: Metrics of classification and of regression, as Keras spells them without case and underscores.
_OF_CLASSES = [
    "accuracy",
    "acc",
    "binaryaccuracy",
    "categoricalaccuracy",
    "sparsecategoricalaccuracy",
    "auc",
    "precision",
    "recall",
    "f1score",
    "truepositives",
    "falsepositives",
    "truenegatives",
    "falsenegatives",
    "binarycrossentropy",
    "categoricalcrossentropy",
]
_OF_NUMBERS = [
    "mse",
    "meansquarederror",
    "mae",
    "meanabsoluteerror",
    "rootmeansquarederror",
    "mape",
    "meanabsolutepercentageerror",
    "msle",
    "meansquaredlogarithmicerror",
    "r2score",
    "logcosh",
    "logcosherror",
]


def watched(compile_: Op | None) -> Targets:
    """What the metrics of a `compile` say of the targets."""
    if compile_ is None:
        return Targets.UNKNOWN
    names = {_metric(value) for value in flat(compile_.arg("metrics"))}
    if names & set(_OF_CLASSES):
        return Targets.CLASSES
    return Targets.CONTINUOUS if names & set(_OF_NUMBERS) else Targets.UNKNOWN


def _metric(value: Value) -> str:
    name = value.literal
    if isinstance(value, Symbol):
        name = value.name
    elif isinstance(value, Object):
        name = value.api
    return name.rpartition(".")[2].replace("_", "").lower() if isinstance(name, str) else ""


def read_by(graph: Graph, op: Op) -> Iterator[Op]:
    """What reads the numbers of `op`, as they are or handed on unchanged."""
    return onward(graph, op, lambda step: bool(step.flow))


def counted(graph: Graph, output: Op) -> bool:
    """True where the program makes a class of the output: rounds it, takes the largest, has a threshold."""
    for consumer in read_by(graph, output):
        if consumer.name in ("round", "argmax"):
            return True
        if consumer.name in ("greater", "greater_equal", "less", "less_equal"):
            numbers = [number(consumer.arg(side)) for side in ("x", "y")]
            if any(bound is not None and 0 < bound < 1 for bound in numbers):
                return True
    return False


def trains_classes(graph: Graph, loss: Op, output: Op, logits: Value, labels: Value) -> bool:
    """True where a bounded output is shown to be trained towards classes.

    A softmax or a single sigmoid counts unless something says otherwise, several sigmoids only where
    something says so. False for a softmax of one unit, for what reconstructs its input, learns another output
    or a constant, and for pictures, boxes and other numbers between 0 and 1.
    """
    softmax = squasher(output) == "softmax"
    if not is_label(labels) or (softmax and units(output, logits) == 1):
        return False
    pairs = list(examples(graph, loss, output, labels))
    compile_ = compiled(graph, loss)
    if any(reconstructs(graph, x, target) for x, target in pairs):
        return False
    if not softmax and _as_wide_as_input(compile_, units(output, logits)):
        return False
    says = [targets(target) for _, target in pairs]
    if Targets.CLASSES in says or Targets.CONTINUOUS in says:
        return Targets.CONTINUOUS not in says
    watching = watched(compile_)
    if watching is Targets.CLASSES and softmax:
        return True
    if any(op.name == "conv" for op in ends(logits)):
        return False
    if watching is Targets.CLASSES or counted(graph, output):
        return True
    return watching is Targets.UNKNOWN and (softmax or units(output, logits) == 1)


def _as_wide_as_input(compile_: Op | None, width: int | None) -> bool:
    """True where a model has as many outputs as inputs, more than one: an autoencoder."""
    model = compile_.arg("model") if compile_ is not None else None
    if not isinstance(model, Object) or width is None or width < 2:
        return False
    shape = model.attrs.get("input", NONE).shape
    return bool(shape) and shape is not None and shape[-1] == width


def is_label(value: Value) -> bool:
    """True where a value can be a label: data, not a literal, and nothing that a model computes."""
    return not isinstance(value, Const) and not any(op.name in _MODELLED for op in ends(value))


def is_data(value: Value) -> bool:
    """True where every number of a value is shown to come from data, or from the program's own literals."""
    found = ends(value)
    return bool(found) and all(op.name in _DATA for op in found)


@dataclass(frozen=True, slots=True)
class SwappedLog:
    """The log of a label, times a prediction.

    Attributes:
        log: the log.
        output: the prediction, `factor_node` where it is written.
        label_node: where the label is written.
    """

    log: Op
    output: Op
    label_node: cst.BaseExpression | None
    factor_node: cst.BaseExpression | None


@lru_cache(maxsize=1)
def swapped_logs(graph: Graph) -> tuple[SwappedLog, ...]:
    """Cross entropies written by hand with the label inside of the log.

    What else takes the log of the prediction is a divergence, whose terms may stand either way.
    """
    logs = list(graph.ops("log"))
    logged = {end.serial for log in logs for end in ends(inside(log.arg("x"))[0])}
    found = []
    for log in logs:
        label, label_node = inside(log.arg("x"), log, "x")
        made = ends(label)
        if not made or any(op.name not in (*_CLASSES, "placeholder", "labels", "csv") for op in made):
            continue
        for product in onward(graph, log, lambda step: bool(step.flow) or step.name == "neg"):
            for name in ("x", "y") if product.name == "mul" else ():
                output, factor_node = inside(product.arg(name), product, name)
                if output.op is None or not is_output(output):
                    continue
                if not any(end.serial in logged for end in ends(output)):
                    found.append(SwappedLog(log, output.op, label_node, factor_node))
    return tuple(found)


def inside(value: Value, holder: Op | None = None, name: str = "") -> tuple[Value, cst.BaseExpression | None]:
    """What a guard, or one minus it, is computed from (`1 - p + 1e-7` to `p`), and where that is written.

    `value` is the argument `name` of `holder`.
    """
    node = holder.nodes.get(name) if holder is not None else None
    while True:
        made = value.op
        inner = made.arg("x") if made is not None and made.name == "clip" else guarded(value)
        of = complement(inner)
        inner = inner if of is None else of
        if inner is value:
            return value, node
        near = ancestors(made) if made is not None else ()
        takers = ((op, key) for op, _ in near for key, operand in op.args.items() if operand is inner)
        taker = next(takers, None)
        node = node if taker is None else taker[0].nodes.get(taker[1])
        value = inner


class Encoding(Enum):
    """How the classes of a target are written."""

    NUMBERS = "class numbers"
    ONE_HOT = "one-hot rows"


def encodings(graph: Graph, entropy: Entropy) -> set[Encoding | None]:
    """How the targets of a cross entropy over classes are written, one for each that the program shows.

    None among them where one of them is not known.
    """
    compile_, found = compiled(graph, entropy.op), set[Encoding | None]()
    if compile_ is None:
        shown = [target for _, target in examples(graph, entropy.op, entropy.op, entropy.labels)]
    else:
        shown = [fit.arg("y") for fit in graph.ops("fit") if fit.arg("model") is compile_.arg("model")]
    for target in shown:
        found.add(_encoding(target))
    return found


def _encoding(target: Value) -> Encoding | None:
    made = ends(target)
    if made and all(op.name in ONE_HOT for op in made):
        return None if any(map(_takes_rows_apart, target.producers())) else Encoding.ONE_HOT
    numbered = made and all(op.name in NUMBERED for op in made)
    return Encoding.NUMBERS if numbered else None


def _takes_rows_apart(op: Op) -> bool:
    """True for what may leave single numbers of rows of zeros and a one: other axes, or one column."""
    if op.name == "slice":
        return isinstance(op.arg("index"), Items)
    return op.name in ("reshape", "flatten", "squeeze", "transpose", "expand_dims")


def compared(graph: Graph, op: Op) -> bool:
    """True where the program asks whether a prediction equals `op`, or which class `op` stands for."""
    return any(consumer.name in ("equal", "not_equal", "argmax") for consumer in read_by(graph, op))
