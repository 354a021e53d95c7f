"""Questions about steps of training: what an optimizer takes the gradient of, and whether that is clipped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tflint_nan.graph import Graph
from tflint_nan.value import Op, Value, sources

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
        clipped: whether the program clips the gradient on its way from `taken` to `op`.
    """

    op: Op
    optimizer: Op
    taken: Op
    clipped: bool = False

    @property
    def loss(self) -> Value:
        """What is differentiated."""
        return self.taken.arg("loss")


def steps(graph: Graph) -> Iterator[Step]:
    """All steps; those left out whose gradient goes through calls that are not followed, or arithmetic."""
    for op in graph.ops("minimize", "compile", "apply_gradients"):
        for optimizer in sources(op.arg("optimizer")):
            if optimizer.name == "optimizer":
                yield from _with(op, optimizer)


def _with(op: Op, optimizer: Op) -> Iterator[Step]:
    if op.name != "apply_gradients":
        yield Step(op, optimizer, op)
    todo, seen = [(source, False) for source in sources(op.arg("gradients"))], set[int]()
    while todo:
        source, clipped = todo.pop()
        if source.serial in seen:
            continue
        seen.add(source.serial)
        if source.name == "gradients":
            yield Step(op, optimizer, source, clipped)
        elif source.name in _KEEPING or (source.name == "unknown_call" and len(source.args) == 1):
            # A call with one argument that is not followed takes an element of a list.
            inner = [further for value in source.args.values() for further in sources(value)]
            todo += [(further, clipped or source.name in _CLIPS) for further in inner]
