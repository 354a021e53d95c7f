"""Questions that rules about training share: what an output is, and what it is trained towards.

Nothing here guesses: where the branches of a program disagree, or an op on the way is not known, the
answer is None or empty, and the rule that asked stays silent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from enum import Enum

from tflint_nan.evidence import number, onward
from tflint_nan.graph import Graph
from tflint_nan.value import NONE, Const, Items, Object, Op, Symbol, Table, Value, sources

#: Ops whose output is a weighted sum of their input: unbounded once the weights are trained.
LINEAR = ("dense", "conv", "matmul", "einsum", "tensordot")
#: Ops that combine what they are given without bounding it: a bias, a residual, the product of one neuron.
_AFFINE = ("add", "sub", "mul", "neg")
#: Ops whose output a model computes: a target made by one is no label.
_MODELLED = (*LINEAR, "sigmoid", "softmax", "tanh", "relu", "variable", "predict")
#: Ops that make class numbers, rows of zeros and a one, answers to yes-or-no questions.
_CLASSES = (
    *("one_hot", "eye", "class_ids", "random_integers"),
    *(
        "equal",
        "not_equal",
        "greater",
        "greater_equal",
        "less",
        "less_equal",
        "logical_and",
        "logical_or",
        "logical_not",
    ),
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
#: Ops that only keep a probability inside its range, or move it by an epsilon.
_GUARDS = ("clip", "maximum", "minimum", "add", "sub", "refine")


def ends(value: Value, through: Sequence[str] = ()) -> tuple[Op, ...]:
    """The ops that computed the numbers of `value`, looking through ops that hand numbers on unchanged.

    The ops named in `through` are looked through as well. Literal branches are left out. Empty where
    some branch is not known.
    """
    found: list[Op] = []
    todo = [value]
    seen: set[int] = set()
    while todo:
        current = todo.pop()
        ops = list(sources(current))
        if not ops and not all(isinstance(item, Const) for item in flat(current)):
            return ()
        for op in ops:
            if op.serial in seen:
                continue
            seen.add(op.serial)
            handed_on = op.flow or (("x",) if op.name in through else ())
            todo.extend(op.args[name] for name in handed_on if name in op.args)
            if not handed_on:
                found.append(op)
    return tuple(sorted(found, key=lambda op: op.serial))


def made_only_by(value: Value, *names: str) -> Op | None:
    """The last op of these names that makes `value`, None unless every branch of it is made by one."""
    found = ends(value)
    return found[-1] if found and all(op.name in names for op in found) else None


def logistic(value: Value) -> tuple[Op, Value] | None:
    """The sigmoid that makes `value`, and its logits: the library's, or `1 / (1 + exp(-z))` by hand."""
    op = made_only_by(value, "sigmoid", "div", "reciprocal")
    if op is None or op.name == "sigmoid":
        return None if op is None else (op, op.arg("x"))
    if op.name == "div" and number(op.arg("x")) != 1:
        return None
    total = made_only_by(op.arg("y" if op.name == "div" else "x"), "add")
    if total is None:
        return None
    for one, rest in (("x", "y"), ("y", "x")):
        power = made_only_by(total.arg(rest), "exp")
        negative = made_only_by(power.arg("x"), "neg") if power is not None else None
        if number(total.arg(one)) == 1 and negative is not None:
            return op, negative.arg("x")
    return None


def guarded(value: Value) -> Value:
    """The probability inside `clip(p, 1e-7, 1)`, `maximum(p, 1e-7)`, `p + 1e-7`; else `value` itself."""
    while True:
        op = made_only_by(value, *_GUARDS)
        operands = [op.arg(name) for name in ("x", "y") if name in op.args] if op else []
        inner = [operand for operand in operands if number(operand) is None]
        if len(inner) != 1 or (op is not None and op.name == "sub" and inner[0] is op.arg("y")):
            return value
        value = inner[0]


def trained_output(value: Value) -> Op | None:
    """The linear op that makes `value`, where its witnesses show it below 0 and above 1."""
    op = made_only_by(value, *LINEAR, *_AFFINE)
    if op is None or _parameters(op.value) is None:
        return None
    negative, large = op.value.reaches(lambda v: v < 0), op.value.reaches(lambda v: v > 1)
    return op if negative is not None and large is not None else None


def _parameters(value: Value) -> list[Op] | None:
    """The linear layers and trained variables in the sum that `value` is; None where it is something else."""
    todo, found, seen = list(ends(value)), [], set()
    while todo:
        op = todo.pop()
        if op.serial in seen:
            continue
        seen.add(op.serial)
        if op.name in (*LINEAR, "variable"):
            found.append(op)
        elif op.name in _AFFINE:
            todo.extend(end for operand in op.args.values() for end in ends(operand))
    return found or None


def units(activation: Op, logits: Value | None = None) -> int | None:
    """How many outputs an activation has: the length of its last axis, 1 for a neuron written with scalars.

    None where that is not known.
    """
    logits = activation.arg("x") if logits is None else logits
    for op in (activation, *ends(logits)):
        shape = op.value.shape
        if shape is not None and (not shape or shape[-1] is not None):
            return shape[-1] if shape else 1
    sizes = {_size(op) for op in _parameters(logits) or ()}
    return sizes.pop() if len(sizes) == 1 else None


def _size(op: Op) -> int | None:
    """How many outputs a linear op has; for a variable by itself 1 where it is a scalar, else unknown."""
    declared = number(op.arg("filters" if op.name == "conv" else "units"))
    if declared is not None:
        return int(declared)
    shape = op.value.shape
    if op.name == "variable":
        return 1 if shape is not None and all(length == 1 for length in shape) else None
    return shape[-1] if shape else None


# What an output is trained towards.


def squared_errors(graph: Graph) -> Iterator[tuple[Op, Value, Value]]:
    """Every squared error, a loss's or one written by hand: (op, one side, the other)."""
    for op in graph.ops("mean_squared_error", "squared_difference", "square", "pow", "mul"):
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


def ancestors(value: Value) -> dict[int, Op]:
    """The ops that a value is computed from, its own included, by serial."""
    found: dict[int, Op] = {}
    todo = list(sources(value))
    while todo:
        op = todo.pop()
        if op.serial not in found:
            found[op.serial] = op
            todo.extend(source for operand in op.args.values() for source in sources(operand))
    return found


def compiles(graph: Graph, model: Value) -> Iterator[Op]:
    """The `compile`s of a model."""
    return (op for op in graph.ops("compile") if op.arg("model") is model)


def compiled(graph: Graph, loss: Op) -> Op | None:
    """The `compile` whose loss `loss` is a part of, None where the program applies the loss itself."""
    return next((op for op in graph.ops("compile") if loss.serial in ancestors(op.arg("loss"))), None)


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


def flat(value: Value) -> Iterator[Value]:
    """The values in a tuple, list or dict of values; the value itself where it is none."""
    if isinstance(value, Items):
        for item in value.items:
            yield from flat(item)
    elif isinstance(value, Table):
        for item in value.items.values():
            yield from flat(item)
    else:
        yield value


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

    A single unit counts unless something says otherwise, several units only where something says so. False
    for what reconstructs its input, learns another output or a constant, and for pictures, boxes and other
    numbers between 0 and 1.
    """
    if not is_label(labels):
        return False
    pairs = list(examples(graph, loss, output, labels))
    compile_ = compiled(graph, loss)
    if any(reconstructs(graph, x, target) for x, target in pairs) or _as_wide_as_input(
        compile_, units(output, logits)
    ):
        return False
    says = [targets(target) for _, target in pairs]
    if Targets.CLASSES in says or Targets.CONTINUOUS in says:
        return Targets.CONTINUOUS not in says
    if any(op.name == "conv" for op in ends(logits)):
        return False
    watching = watched(compile_)
    if watching is Targets.CLASSES or counted(graph, output):
        return True
    return watching is Targets.UNKNOWN and units(output, logits) == 1


def _as_wide_as_input(compile_: Op | None, width: int | None) -> bool:
    """True where a model has as many outputs as inputs, more than one: an autoencoder."""
    model = compile_.arg("model") if compile_ is not None else None
    if not isinstance(model, Object) or width is None or width < 2:
        return False
    shape = model.attrs.get("input", NONE).shape
    return bool(shape) and shape is not None and shape[-1] == width


def minimised(graph: Graph) -> Iterator[dict[int, Op]]:
    """The ops that each loss is computed from, itself included, by serial."""
    for step in graph.ops("minimize", "gradients", "compile", "add_loss"):
        yield ancestors(step.arg("loss"))


def is_label(value: Value) -> bool:
    """True where a value can be a label: data, not a literal, and nothing that a model computes."""
    return not isinstance(value, Const) and not any(op.name in _MODELLED for op in ends(value))


def compared(graph: Graph, op: Op) -> bool:
    """True where the program asks whether a prediction equals `op`, or which class `op` stands for."""
    return any(consumer.name in ("equal", "not_equal", "argmax") for consumer in read_by(graph, op))
