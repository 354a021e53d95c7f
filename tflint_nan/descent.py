"""Questions about the direction of training: which error a loss is, and whether a step goes down or up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tflint_nan.evidence import number
from tflint_nan.graph import Graph
from tflint_nan.rates import places
from tflint_nan.training import ancestors, ends, flat
from tflint_nan.value import NONE, Items, Op, Value, sources
from tflint_nan.weights import belongs, owned_with

#: Losses that training makes small, with the arguments that are the target and the prediction.
LOSSES = {
    **dict.fromkeys(
        (
            *("mean_squared_error", "mean_absolute_error", "huber", "log_cosh", "hinge", "poisson"),
            *("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"),
        ),
        ("y_true", "y_pred"),
    ),
    **dict.fromkeys(
        (
            *("softmax_cross_entropy_with_logits", "sparse_softmax_cross_entropy_with_logits"),
            *("sigmoid_cross_entropy_with_logits", "weighted_cross_entropy_with_logits"),
        ),
        ("labels", "logits"),
    ),
    "squared_difference": ("x", "y"),
}
#: Ops that are the error in a loss: of a library, or the square of a difference.
ERRORS = frozenset({*LOSSES, "square", "pow", "mul"})
#: Ops that hold weights, or compute with weights of their own.
WEIGHTS = frozenset({"variable", "dense", "conv", "embedding", "lstm", "gru", "rnn"})
#: Ops whose output has the sign of their operand `x`, and is made of nothing else.
_SIGNED = frozenset({"mean", "sum", "clip", "clip_by_norm", "sign", "l2_normalize", "cast", "identity"})
#: Ops that make the numbers that a program writes itself: no labels of anything.
_WRITTEN = frozenset({"constant", "zeros", "ones", "random_uniform", "random_normal"})


@dataclass(frozen=True, slots=True)
class Error:
    """A measure of how far a prediction is from its labels, in a loss.

    `sign` is -1 where the loss grows as the error shrinks; `negations` are the ops that turn it.
    """

    op: Op
    prediction: Value
    sign: int
    negations: tuple[Op, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A change of weights along a gradient.

    Attributes:
        op: what changes them: `minimize`, `compile`, `apply_gradients`, or an update by hand.
        loss: what is differentiated.
        variables: by what it is differentiated; NONE for all weights.
        sign: 1 where it goes down the loss, -1 where it goes up.
        cause: what turns it upwards: "rate" or "update", else the empty string.
        place: the op that holds the cause, and its argument.
    """

    op: Op
    loss: Value
    variables: Value
    sign: int
    cause: str = ""
    place: tuple[Op, str] | None = None


def steps(graph: Graph) -> Iterator[Step]:
    """All steps whose direction is known."""
    for op in graph.ops("minimize", "compile"):
        for optimizer in _optimizers(op):
            yield from _by(graph, optimizer, Step(op, op.arg("loss"), op.arg("variables"), 1))
    for op in graph.ops("apply_gradients"):
        for gradient in _gradients_of(op):
            found = signed_gradient(gradient)
            if found is not None:
                sign, source = found
                step = Step(
                    op, source.arg("loss"), source.arg("variables"), sign, "" if sign > 0 else "update"
                )
                for optimizer in _optimizers(op):
                    yield from _by(graph, optimizer, step)
    for op in graph.ops("add", "sub"):
        found = signed_gradient(op.arg("y"))
        if found is not None and _is_moved(op.arg("x"), found[1].arg("variables")):
            sign = -found[0] if op.name == "add" else found[0]
            cause = "" if sign > 0 else "update"
            yield Step(op, found[1].arg("loss"), found[1].arg("variables"), sign, cause)


def _optimizers(op: Op) -> list[Op]:
    return [source for source in sources(op.arg("optimizer")) if source.name == "optimizer"]


def _by(graph: Graph, optimizer: Op, step: Step) -> Iterator[Step]:
    """The step as an optimizer takes it, which turns back where its rate is negative."""
    known = [(place, name, place.arg(name).interval) for place, name in places(graph, optimizer)]
    if known and all(interval.hi < 0 for _, _, interval in known):
        place, name, _ = known[0]
        yield Step(step.op, step.loss, step.variables, -step.sign, "rate", (place, name))
    elif not any(interval.hi < 0 for _, _, interval in known):
        yield step


def _gradients_of(op: Op) -> list[Value]:
    """The gradients that `apply_gradients` is given: the first of each pair, or a list (`apply`)."""
    given = op.arg("gradients")
    pairs = given.items if isinstance(given, Items) else ()
    return [pair.items[0] if isinstance(pair, Items) and pair.items else pair for pair in pairs]


def signed_gradient(value: Value) -> tuple[int, Op] | None:
    """The `gradients` that a value is a multiple of, and the factor's sign; None where that is not known."""
    sign = 1
    while True:
        op = value.op
        if op is None:
            return None
        if op.name == "gradients":
            return sign, op
        if op.name == "unknown_call" and len(op.args) == 1:
            inner = op.arg("0").op
            return (sign, inner) if inner is not None and inner.name == "gradients" else None
        if op.name == "neg":
            sign, value = -sign, op.arg("x")
        elif op.name in _SIGNED or len(op.flow) == 1:
            value = op.arg(op.flow[0] if op.flow else "x")
        else:
            split = _factor(op)
            if split is None:
                return None
            sign, value = sign * split[0], split[1]


def _factor(op: Op) -> tuple[int, Value] | None:
    """The sign of one factor of a product (or of a divisor), and the other factor."""
    pairs = {"mul": (("x", "y"), ("y", "x")), "div": (("y", "x"),)}.get(op.name, ())
    for one, other in pairs:
        interval = op.arg(one).interval
        if interval.lo > 0 or interval.hi < 0 or (interval.lo == 0 and interval.hi > 0):
            return (-1 if interval.hi < 0 else 1), op.arg(other)
    return None


def _is_moved(target: Value, variables: Value) -> bool:
    """Whether `target` is one of what the gradient is taken by."""
    wanted = {_origin(op) for variable in flat(variables) for op in variable.producers()}
    return any(_origin(op) in wanted for op in target.producers())


def _origin(op: Op) -> int:
    """What a weight is told by: its own op, or the model whose weight it is."""
    model = op.arg("0").op if op.name == "unknown_call" else None
    return op.serial if model is None else model.serial


def error_of(loss: Value) -> list[Error] | None:
    """The errors that a loss is the sum or mean of; what else it adds is a penalty, and never negative.

    None where it is anything else: a reward, a likelihood ratio, what is not known.
    """
    found: list[Error] = []
    todo: list[tuple[Value, int, tuple[Op, ...]]] = [(loss, 1, ())]
    seen = set[tuple[int, int]]()
    while todo:
        value, sign, negations = todo.pop()
        op = value.op
        if op is None:
            return None
        if (op.serial, sign) in seen:
            continue
        seen.add((op.serial, sign))
        parts = _parts(op)
        if parts is not None:
            found.append(Error(op, parts, sign, negations))
        elif op.name == "neg":
            todo.append((op.arg("x"), -sign, (*negations, op)))
        elif op.name in ("mean", "sum", "weighted_mean") or len(op.flow) == 1:
            todo.append((op.arg(op.flow[0] if op.flow else "x"), sign, negations))
        elif op.name == "add":
            sides = [op.arg("x"), op.arg("y")]
            todo += [(side, sign, negations) for side in sides if not _is_penalty(side)]
        else:
            split = _factor(op)
            if split is None:
                return None
            turned = (*negations, op) if split[0] < 0 else negations
            todo.append((split[1], sign * split[0], turned))
    return found or None


def _is_penalty(value: Value) -> bool:
    """Whether a term is never negative, and no error."""
    made = ends(value)
    return value.interval.lo >= 0 and not any(
        _parts(op) for top in made for op in ancestors(top.value).values()
    )


def _parts(op: Op) -> Value | None:
    """The prediction in an error, None where `op` is no error.

    One side is computed from weights and the other, the labels, neither from weights nor from literals: two
    outputs may be pushed apart on purpose, and an output away from a constant.
    """
    names = LOSSES.get(op.name)
    if names is not None:
        one, other = op.arg(names[0]), op.arg(names[1])
    else:
        difference = squared(op)
        if difference is None:
            return None
        one, other = difference.arg("x"), difference.arg("y")
    if names is None or op.name == "squared_difference":
        one, other = (other, one) if is_trained(one) else (one, other)
    return other if is_trained(other) and _is_data(one) else None


def squared(op: Op) -> Op | None:
    """The difference that `op` is the square of."""
    base = op.arg("x").op
    power = op.name == "pow" and number(op.arg("y")) == 2
    if op.name != "square" and not power and (op.name != "mul" or base is not op.arg("y").op):
        return None
    return base if base is not None and base.name == "sub" else None


def is_trained(value: Value) -> bool:
    """Whether a value is computed from weights."""
    return any(op.name in WEIGHTS for op in ancestors(value).values())


def _is_data(value: Value) -> bool:
    """Whether a value is data: neither computed from weights nor made up."""
    computed = ancestors(value)
    if any(op.name in WEIGHTS for op in computed.values()):
        return False
    last = ends(value)
    return not last or not all(op.name in _WRITTEN and number(op.value) is not None for op in last)


def trains_all(loss: Value, variables: Value) -> bool:
    """Whether a gradient by `variables` moves every weight that the loss is computed from.

    Not so where the input is moved (a picture that a trained network is shown), or one of several networks.
    """
    weights = [op for op in ancestors(loss).values() if op.name in WEIGHTS and not _is_kept(op)]
    if any(op.name == "unknown_call" and _has_tensors(op) for op in ancestors(loss).values()):
        return False
    if variables is NONE or variables.literal is None:
        return True
    given = {op.serial for variable in flat(variables) for op in variable.producers()}
    owned = {serial for variable in flat(variables) for serial in owned_with(variable)}
    return bool(weights) and all(op.serial in given or belongs(op, owned) for op in weights)


def _is_kept(op: Op) -> bool:
    """Whether `op` is a variable that is no weight: a table, a counter."""
    return op.name == "variable" and op.arg("trainable").literal is False


def _has_tensors(op: Op) -> bool:
    return any(source.name in WEIGHTS for value in op.args.values() for source in ancestors(value).values())
