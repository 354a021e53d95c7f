"""Which layers and variables belong to a model, and which of them the program itself sets."""

from __future__ import annotations

import libcst as cst

from tflint_nan.graph import Graph
from tflint_nan.training import ancestors
from tflint_nan.value import NONE, Items, Object, Op, Table, Value, sources

#: Steps of training that stand where they happen.
_STEPS = ("fit", "apply_gradients")
#: What may not happen in a run, or not in the first turn.
_BRANCHES = (cst.If, cst.For, cst.While, cst.Try, cst.TryStar, cst.Match, cst.ExceptHandler)


def owned(model: Value) -> set[int]:
    """The layers and the variables of a model or layer, by the serials of what makes them."""
    found: set[int] = set()
    todo: list[Value] = [model]
    seen: set[int] = set()
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Object):
            if value.made is not None:
                found.add(value.made.serial)
                todo += value.made.args.values()
            todo += value.attrs.values()
        elif isinstance(value, (Items, Table)):
            todo += value.items if isinstance(value, Items) else value.items.values()
        else:
            computed = ancestors(value).values()
            found |= {layer.serial for made in computed for layer in sources(made.arg("layer"))}
            found |= {made.serial for made in computed if made.name == "variable"}
    return found


def owned_with(variable: Value) -> set[int]:
    """The same of the model one of whose weights `variable` is (of `model.trainable_variables`)."""
    op = variable.op
    return owned(op.arg("0")) if op is not None and op.name == "unknown_call" else set()


def belongs(op: Op, to: set[int]) -> bool:
    """Whether an op that holds weights, or computes with those of a layer, is one of `to`."""
    return op.serial in to or any(layer.serial in to for layer in sources(op.arg("layer")))


def loaded(graph: Graph) -> set[int]:
    """What does not start where its initializer says: every run sets it as a whole before it trains."""
    steps = list(graph.ops(*_STEPS))
    found: set[int] = set()
    for op in graph.ops("set_weights"):
        if all(
            op.serial < step.serial and _comes_with(op, step) for step in steps or sources(op.arg("self"))
        ):
            found |= owned(op.arg("self"))
    return found


def written(graph: Graph) -> set[int]:
    """What the program sets by hand, once or at every step: a copy, an average of other weights."""
    found: set[int] = set()
    for op in graph.ops("set_weights", "assign"):
        if op.name == "assign":
            found |= owned_with(op.arg("variable"))
        elif op.arg("x") is not NONE:
            found |= owned(op.arg("self"))
    return found


def _comes_with(op: Op, step: Op) -> bool:
    """Whether `op` happens where `step` does: in no branch of its own, in no function that nobody calls."""
    (function, branches), (other, around) = _place(op), _place(step)
    return branches <= around and function in (None, other)


def _place(op: Op) -> tuple[int | None, set[int]]:
    """The function in which the way to an op begins, None for a module; the branches and loops on the way."""
    begins: int | None = None
    branches: set[int] = set()
    for source, node in (*op.calls, (op.source, op.node))[::-1]:
        begins, above = None, source.parent(node)
        while above is not None and begins is None:
            if isinstance(above, _BRANCHES):
                branches.add(id(above))
            elif isinstance(above, (cst.FunctionDef, cst.Lambda)):
                begins = id(above)
            above = source.parent(above)
    return begins, branches
