"""Questions about learning rates: which number reaches an optimizer, and whether something tames it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tflint_nan.evidence import is_made_up
from tflint_nan.graph import Graph
from tflint_nan.training import LINEAR, ancestors, flat, made_only_by
from tflint_nan.value import NONE, Items, Object, Op, Value, sources

#: Ops that multiply with weights, and how many layers of them a gradient goes through: a recurrent layer
#: is applied again at every step.
_LAYERS = {**dict.fromkeys(LINEAR, 1), **dict.fromkeys(("lstm", "gru", "rnn"), 2)}
#: Of these the weights are an operand.
_PRODUCTS = frozenset({"matmul", "einsum", "tensordot"})
#: Ops whose numbers are weights: a variable, and rows of an embedding's table.
_HOLDING = ("variable", "embedding")
#: What is made of these alone comes from outside: a file that is read, whose name is a setting.
_OUTSIDE = ("unknown_call", "option")
#: How much more a single layer of weights bears than several: its loss is convex, and steep nowhere.
SINGLE_LAYER = 10
#: What makes of a gradient the step of a Newton or Gauss-Newton method, whose natural length is 1.
_SOLVERS = frozenset({"solve", "inverse"})


def rate(value: Value) -> float | None:
    """The learning rate that `value` is, or the least that it can be; of a schedule its peak.

    None where it is not known.
    """
    if made_only_by(value, "schedule"):
        return max((witness.value for witness in value.witnesses), default=None)
    lo = value.interval.lo
    return lo if math.isfinite(lo) else None


def places(graph: Graph, optimizer: Op) -> list[tuple[Op, str]]:
    """The ops that give an optimizer the rate that it is used with, each with its argument that is the rate.

    The constructor, unless the rate is assigned later (`optimizer.lr = x`, `.assign(x)`, `K.set_value`).
    Nowhere, where a callback of `fit` sets it.
    """
    models = [
        op.arg("model")
        for op in graph.ops("compile")
        if any(s is optimizer for s in sources(op.arg("optimizer")))
    ]
    callbacks = [
        callback
        for fit in graph.ops("fit")
        if any(fit.arg("model") is model for model in models)
        for callback in flat(fit.arg("callbacks"))
    ]
    if any(isinstance(c, Object) and c.api.endswith("LearningRateScheduler") for c in callbacks):
        return []
    assigned = [(op, "x") for op in graph.ops("assign") if _rate_of(op.arg("variable")) is optimizer]
    return assigned or [(optimizer, "learning_rate")]


def _rate_of(value: Value) -> Op | None:
    """The optimizer whose attribute a value is, however often it was assigned before."""
    op = value.op
    while op is not None and op.name == "assign":
        op = op.arg("variable").op
    return op.arg("optimizer").op if op is not None and op.name == "learning_rate" else None


def clipped_by_norm(graph: Graph, optimizer: Op) -> bool:
    """True where the gradients that the optimizer applies have a bounded norm."""
    if any(optimizer.arg(name) is not NONE for name in ("clipnorm", "global_clipnorm", "clipvalue")):
        return True
    for step in graph.ops("apply_gradients"):
        if any(source is optimizer for source in sources(step.arg("optimizer"))):
            given = [op for source in sources(step.arg("gradients")) for op in source.value.producers()]
            if any(op.name in ("clip", "clip_by_norm") for op in given):
                return True
    return False


def descends(graph: Graph, optimizer: Op) -> bool:
    """False where an optimizer is seen to apply gradients written by hand alone: it is tried out."""
    applied = [step for step in graph.ops("apply_gradients") if optimizer in sources(step.arg("optimizer"))]
    given = [op for step in applied for op in sources(step.arg("gradients")) if op.name != "variable"]
    tried = bool(given) and all(is_made_up(op) for op in given)
    return not tried or any(_steps(graph, optimizer))


def is_used(graph: Graph, optimizer: Op) -> bool:
    """Whether an optimizer is seen to minimise something, or to apply gradients as they are."""
    steps = graph.ops("minimize", "compile", "apply_gradients")
    used = [step for step in steps if optimizer in sources(step.arg("optimizer"))]
    solved = (_SOLVERS & {op.name for op in ancestors(step.arg("gradients")).values()} for step in used)
    return bool(used) and not any(solved)


def depth(graph: Graph, optimizer: Op) -> int | None:
    """How many layers of weights the loss that an optimizer minimises is computed through, one after another.

    0 where numbers are moved directly: a picture, the two coordinates of a test function. None where what
    it minimises is not seen.
    """
    steps = _steps(graph, optimizer)
    losses = [source for step in steps for source in sources(step.arg("loss"))]
    if not losses:
        return None
    below: dict[int, int] = {}
    moved = _moved(steps)
    computed = {serial: op for loss in losses for serial, op in ancestors(loss.value).items()}
    for serial, op in sorted(computed.items()):
        operands = op.operands
        if moved is not None and any(source.serial in moved for source in operands):
            moved.add(serial)
        if op.name == "unknown_call":
            hidden = any(source.name not in _OUTSIDE for source in operands)
            if hidden if moved is None else serial in moved:
                return None  # layers may be in there; what is made without tensors is data
            continue
        inner = [below.get(source.serial, 0) for source in operands]
        below[serial] = max(inner, default=0) + (_LAYERS.get(op.name, 0) if _is_weighted(op) else 0)
    found = max(below.get(loss.serial, 0) for loss in losses)
    variables = sum(op.name in _HOLDING for op in computed.values())
    if not any(op.name in _LAYERS and _has_weights(op) for op in computed.values()):
        found = min(found, variables)  # a quadratic form multiplies the same numbers twice
    return found if found or variables else None


def _is_weighted(op: Op) -> bool:
    if _has_weights(op):
        return True
    weights = [op.args["kernel"]] if "kernel" in op.args else op.args.values()
    for value in weights:
        names = {source.name for source in ancestors(value).values()}
        if not names.isdisjoint(_HOLDING) and not names & _LAYERS.keys():
            return True  # what comes out of other layers is no weight
    return False


def _moved(steps: Sequence[Op]) -> set[int] | None:
    """The variables that are moved, where the program names all of them; what else a loss takes is data."""
    given = [step.arg("variables") for step in steps if step.name == "gradients"]
    whole = len(given) == len(steps) and all(not isinstance(v, Items) or v.complete for v in given)
    ops = [value.op for variables in given for value in flat(variables)]
    known = whole and all(op is not None and op.name == "variable" for op in ops)
    return {op.serial for op in ops if op is not None} if known and ops else None


def _has_weights(op: Op) -> bool:
    """Whether an op that multiplies with weights makes them itself."""
    return op.name not in _PRODUCTS and "kernel" not in op.args


def _steps(graph: Graph, optimizer: Op) -> list[Op]:
    """Where the optimizer learns what to minimise."""
    steps = [op for op in graph.ops("minimize", "compile") if optimizer in sources(op.arg("optimizer"))]
    for step in graph.ops("apply_gradients"):
        if optimizer in sources(step.arg("optimizer")):
            steps += [op for op in ancestors(step.arg("gradients")).values() if op.name == "gradients"]
    return steps
