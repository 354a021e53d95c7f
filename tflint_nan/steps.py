"""Questions about steps of training: what an optimizer takes the gradient of, and whether that is clipped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from tflint_nan.graph import Graph
from tflint_nan.value import Op, Value, sources

#: Ops that move weights.
STEPS = ("minimize", "compile", "apply_gradients")
#: What clips gradients, and what else hands them to the optimizer at the scale that they have.
_CLIPS = frozenset({"clip", "clip_by_norm"})
_KEEPING = _CLIPS | {"cast", "identity", "join", "refine"}


@dataclass(frozen=True, slots=True)
class Step:
    """A place where an optimizer moves weights along a gradient.

    Attributes:
        op: what moves them: `minimize`, `compile`, `apply_gradients`.
        optimizer: what it moves them with.
        taken: what takes the gradient: a `gradients`, else `op` itself.
        clipped: whether the program clips the gradient on a way from `taken` to `op`.
        limited: whether the optimizer, or what makes the step, is told to clip it.
    """

    op: Op
    optimizer: Op
    taken: Op
    clipped: bool
    limited: bool

    @property
    def loss(self) -> Value:
        """What is differentiated."""
        return self.taken.arg("loss")


def steps(graph: Graph) -> Iterator[Step]:
    """All steps; those left out whose gradient goes through calls that are not followed, or arithmetic."""
    clipping = {op.serial for wrap in graph.ops("clip_gradients") for op in sources(wrap.arg("optimizer"))}
    for op in graph.ops(*STEPS):
        for optimizer in sources(op.arg("optimizer")):
            if optimizer.name == "optimizer":
                limited = optimizer.serial in clipping or any(map(_is_set, _settings(op, optimizer)))
                for taken, clipped in _differentiating(op):
                    yield Step(op, optimizer, taken, clipped, limited)


def _settings(op: Op, optimizer: Op) -> list[Value]:
    """What a step and its optimizer are told of clipping."""
    names = ("clipnorm", "global_clipnorm", "clipvalue")
    return [op.arg("clip_gradients"), *(optimizer.arg(name) for name in names)]


def _is_set(limit: Value) -> bool:
    """Whether a limit is given that may clip: libraries clip where it is above 0."""
    return limit.literal is not None and limit.interval.hi > 0


def _differentiating(op: Op) -> Iterator[tuple[Op, bool]]:
    """What takes the gradients that `op` applies, and whether they are clipped on a way to it."""
    if op.name != "apply_gradients":
        yield op, False
    found: dict[int, tuple[Op, bool]] = {}
    todo, seen = [(source, False) for source in sources(op.arg("gradients"))], set[tuple[int, bool]]()
    while todo:
        source, clipped = todo.pop()
        if (source.serial, clipped) in seen:
            continue
        seen.add((source.serial, clipped))
        if source.name == "gradients":
            found[source.serial] = source, clipped or found.get(source.serial, (source, False))[1]
        elif source.name in _KEEPING or (source.name == "unknown_call" and len(source.args) == 1):
            # A call with one argument that is not followed takes an element of a list.
            todo += [(further, clipped or source.name in _CLIPS) for further in source.operands]
    yield from found.values()


def taped(step: Step) -> tuple[str, cst.CSTNode] | None:
    """The name of the loss that a tape differentiates, and the statement in a `with` that gives it that name.

    None where it has no name, or gets it elsewhere.
    """
    taken = step.taken
    loss = taken.nodes.get("loss")
    if not isinstance(loss, cst.Name):
        return None
    bindings = [b for b in taken.scope.history if b.name == loss.value and b.serial <= taken.serial]
    statement = bindings[-1].statement if bindings else None
    block = None if statement is None else taken.source.parent(statement)
    if not isinstance(block, cst.IndentedBlock) or not isinstance(taken.source.parent(block), cst.With):
        return None
    return None if statement is None else (loss.value, statement)
