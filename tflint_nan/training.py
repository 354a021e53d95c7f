"""Questions that rules about training share: what an output is, and what it is trained towards.

Nothing here guesses: where the branches of a program disagree, or an op on the way is not known, the
answer is None or empty, and the rule that asked stays silent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from tflint_nan.evidence import number, quotient, squasher
from tflint_nan.graph import Graph
from tflint_nan.value import NONE, Const, Items, Op, Table, Value, sources

#: Ops whose output is a weighted sum of their input: unbounded once the weights are trained.
LINEAR = ("dense", "conv", "matmul", "einsum", "tensordot")
#: Ops that hold weights, or multiply with them: one of them makes every output that is trained.
WEIGHTED = (*LINEAR, "variable")
#: Ops that combine what they are given without bounding it: a bias, a residual, the product of one neuron.
_AFFINE = ("add", "sub", "mul", "neg")
#: Ops that make numbers between 0 and 1 of such numbers, where their range says so: means, products.
_MIXING = (
    *("add", "sub", "mul", "div", "maximum", "minimum"),
    *("mean", "max", "min", "prod", "avg_pool", "max_pool"),
)
#: How far from [0, 1] rounding takes a mean of numbers between 0 and 1.
_ROUNDED = 1e-3
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


def shares(value: Value) -> tuple[Op, Value] | None:
    """The softmax that makes `value`, and its logits: the library's, or `exp(z) / sum(exp(z))` by hand."""
    op = made_only_by(value, "softmax", "div", "mul")
    if op is None or squasher(op) != "softmax":
        return None
    fraction = quotient(op)
    power = fraction[0].made_by("exp") if fraction is not None else None
    return op, (op if power is None else power).arg("x")


def mixed(value: Value) -> Op | None:
    """The last of the sigmoids or softmaxes that `value`, from 0 to 1 itself, is a mean or a product of.

    None where anything but literals is in it besides.
    """
    low, high = value.interval.lo, value.interval.hi
    if low < -_ROUNDED or abs(high - 1.0) > _ROUNDED:
        return None
    todo, seen, found = [value], set[int](), list[Op]()
    while todo:
        current = todo.pop()
        made = ends(current)
        if not made and number(current) is None:
            return None
        for op in made:
            if op.serial in seen:
                continue
            seen.add(op.serial)
            if op.name in ("sigmoid", "softmax"):
                found.append(op)
            elif op.name in _MIXING:
                todo.extend(op.args[name] for name in ("x", "y") if name in op.args)
            elif op.name != "constant":
                return None
    return max(found, key=lambda op: op.serial, default=None)


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


def is_output(value: Value) -> bool:
    """True for what a model computes with weights, activated or not, and a gradient goes back through."""
    if any(op.name == "stop_gradient" for op in value.producers()):
        return False
    found = logistic(value) or shares(value)
    return trained_output(found[1] if found is not None else value) is not None


def _parameters(value: Value) -> list[Op] | None:
    """The linear layers and trained variables in the sum that `value` is; None where it is something else."""
    todo, found, seen = list(ends(value)), [], set()
    while todo:
        op = todo.pop()
        if op.serial in seen:
            continue
        seen.add(op.serial)
        if op.name in WEIGHTED:
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


# Losses.


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


def ancestors(value: Value) -> dict[int, Op]:
    """The ops that a value is computed from, its own included, by serial."""
    found: dict[int, Op] = {}
    todo = list(sources(value))
    while todo:
        op = todo.pop()
        if op.serial not in found:
            found[op.serial] = op
            todo.extend(op.operands)
    return found


def compiles(graph: Graph, model: Value) -> Iterator[Op]:
    """The `compile`s of a model."""
    return (op for op in graph.ops("compile") if op.arg("model") is model)


def compiled(graph: Graph, loss: Op) -> Op | None:
    """The `compile` whose loss `loss` is a part of, None where the program applies the loss itself."""
    return next((op for op in graph.ops("compile") if loss.serial in ancestors(op.arg("loss"))), None)


#: Cross entropies of TensorFlow, which take logits, and the activation that each applies to them.
FUSED = {
    "softmax_cross_entropy_with_logits": "softmax",
    "sparse_softmax_cross_entropy_with_logits": "softmax",
    "sigmoid_cross_entropy_with_logits": "sigmoid",
    "weighted_cross_entropy_with_logits": "sigmoid",
}
#: Cross entropies of Keras, which take what the activation computes unless they are told otherwise.
OF_KERAS = {
    "categorical_crossentropy": "softmax",
    "sparse_categorical_crossentropy": "softmax",
    "binary_crossentropy": "sigmoid",
    "binary_focal_crossentropy": "sigmoid",
    "categorical_focal_crossentropy": "softmax",
}
ENTROPIES = (*FUSED, *OF_KERAS)


@dataclass(frozen=True, slots=True)
class Entropy:
    """A cross entropy between labels and an output.

    Attributes:
        op: the loss.
        kind: the activation that belongs to it: "softmax" for one class of several, "sigmoid" for each alone.
        target: which argument of `op` the labels are, `operand` which one the output.
        logits: whether it takes logits; None where that is not known.
    """

    op: Op
    kind: str
    target: str
    operand: str
    logits: bool | None

    @property
    def labels(self) -> Value:
        """What goes where the labels go."""
        return self.op.arg(self.target)

    @property
    def output(self) -> Value:
        """What goes where the prediction goes."""
        return self.op.arg(self.operand)

    @property
    def sparse(self) -> bool:
        """Whether the labels are numbers of classes."""
        return self.op.name.startswith("sparse_")


def entropies(graph: Graph) -> Iterator[Entropy]:
    """Every cross entropy that a library computes."""
    for op in graph.ops(*ENTROPIES):
        if op.name in FUSED:
            names = ("labels", "logits")
            if _has_no_order(graph, op) and is_output(op.arg("labels")):
                names = ("logits", "labels")
            yield Entropy(op, FUSED[op.name], *names, True)
            continue
        given = op.arg("from_logits")
        flag = given.literal if given is not NONE else False
        yield Entropy(op, OF_KERAS[op.name], "y_true", "y_pred", flag if isinstance(flag, bool) else None)


def _has_no_order(graph: Graph, op: Op) -> bool:
    """True for operands without names in a file for TensorFlow 1.

    Before 1.0 `tf.nn` took the logits first, from then on names alone; 2.0 takes the labels first.
    """
    named = not isinstance(op.node, cst.Call) or not op.node.args or op.node.args[0].keyword is not None
    early = graph.is_for_v1(op.source)
    return op.api.startswith("tf.nn.") and early and not named


def axis_length(op: Op) -> int | None:
    """How many numbers a softmax normalises together; None where that is not known."""
    return length_along(op.arg("x"), op.arg("axis"))


def length_along(x: Value, axis: Value) -> int | None:
    """How long `x` is along an axis, the last one where none is given; None where that is not known.

    Where no shape is known, a dense layer right before it tells.
    """
    place = -1 if axis is NONE else axis.literal
    if not isinstance(place, int):
        return None
    if x.shape is not None:
        return x.shape[place] if -len(x.shape) <= place < len(x.shape) else None
    made = x.op
    return _size(made) if made is not None and made.name in ("dense", "conv") and place == -1 else None


def minimised(graph: Graph) -> Iterator[dict[int, Op]]:
    """The ops that each loss is computed from, itself included, by serial."""
    for step in graph.ops("minimize", "gradients", "compile", "add_loss"):
        yield ancestors(step.arg("loss"))
