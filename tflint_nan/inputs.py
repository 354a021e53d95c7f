"""Questions about the data that enters a model: where it was loaded, and whether anything scaled it on
the way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from tflint_nan.evidence import complement, number, onward
from tflint_nan.graph import Graph
from tflint_nan.ops.points import same
from tflint_nan.training import LINEAR, ancestors, compiles, ends, made_only_by
from tflint_nan.value import NONE, Binding, Items, Object, Op, Scope, Value, sources

#: Ops that produce data as it was measured.
LOADERS = ("pixels", "csv", "tabular")
#: Numbers within this count as normalised: five standard deviations, more than [-1, 1].
NORMAL = 5.0
#: Ops that, though they do not hand on every number, leave the scale of their input as it is.
_KEEP = ("dropout",)
#: The largest scaled pixel, with room for rounding.
_UNIT = 1.01
#: Ops that bring pixels into another range, or load them in it.
_SCALING = ("div", "mul", "add", "sub", "clip", "rescaling", "scaled_images")
#: What bytes are made that tell classes, where others are pixels.
_CLASSES = ("int32", "int64")
#: Ops that give pictures.
PICTURES = ("pixels", "scaled_images")
#: A divisor this large brings bytes near 1: 127.5, 128, 255, 256.
_BYTES = 100.0
#: The largest byte.
_LARGEST = 255.0
#: Ops that sum over their input with trained weights: what comes in large goes on large.
SUMS = (*LINEAR, "lstm", "gru", "rnn")

#: Ops that take some numbers of many.
_PICKS = ("slice", "gather")
#: The batch size of Keras's `fit` where it is given arrays and no size.
BATCH = 32
#: Ops that give a model data.
_CALLS = ("fit", "evaluate", "predict")
#: Ops through which data enters what computes with it.
ENTRANCES = (*_CALLS, "feed")


@dataclass(frozen=True, slots=True)
class RawData:
    """Raw data that reaches a model, or stands beside data that does.

    Attributes:
        producer: the loader.
        sink: the op that trains on it.
        node: where to point: the argument of `fit`, or the statement that names an array.
        first: the first layer that it reaches.
        used: False for an array beside the one that is trained on.
        bindings: the names to scale, all given by one statement; empty where the data has no name.
        normalised_later: the first layer is followed by a batch normalisation.
        meant: what would have scaled bytes, and was given floats.
        moved: the first step that is written for numbers near 1, and the name of its argument.
    """

    producer: Op
    sink: Op
    node: cst.CSTNode
    first: Op
    used: bool
    bindings: tuple[Binding, ...]
    normalised_later: bool
    meant: Op | None
    moved: tuple[Op, str] | None


def raw(value: Value) -> Op | None:
    """The loader of data that nothing has scaled, None where that is not known."""
    found = _way(value)
    loaded = [op for op in found if not _kept(op)]
    if any(op.name not in LOADERS for op in loaded):
        return None
    return next((op for op in loaded if op.value.reaches(lambda v: abs(v) > NORMAL)), None)


def _way(value: Value) -> list[Op]:
    """The ops that bring nothing near 1, back to those that loaded; empty where some are not known."""
    found: dict[int, Op] = {}
    todo = [value]
    while todo:
        made = ends(todo.pop(), _KEEP)
        if not made:
            return []
        for op in made:
            if op.serial not in found:
                found[op.serial] = op
                todo += _kept(op)
    return list(found.values())


def _kept(op: Op) -> tuple[Value, ...]:
    """What an op that brings nothing near 1 is computed from; empty for any other, and for one that loads."""
    return _mixed(op) or _mirrored(op) or _moved(op)


def _moved(op: Op) -> tuple[Value, ...]:
    """What is moved by no more than 1, or multiplied by no less, as is done to numbers of that size."""
    if op.name in ("add", "sub"):
        pairs = _operands(op)
        return next(((x,) for x, by in pairs if max(-by.interval.lo, by.interval.hi) <= 1.0), ())
    if op.name == "mul":
        return next(((x,) for x, by in _operands(op) if by.interval.lo >= 1.0 or by.interval.hi <= -1.0), ())
    by = op.arg("y").interval
    return (op.arg("x"),) if op.name == "div" and by.lo > 0.0 and by.hi <= 1.0 else ()


def _mixed(op: Op) -> tuple[Value, ...]:
    """What is added up with weights whose sum is 1, which keeps its size. Empty for any other op.

    A difference, however weighted, changes nothing of that.
    """
    for one, other in _operands(op) if op.name == "add" else ():
        for weight, data in _operands(made_only_by(one, "mul")):
            difference = made_only_by(data, "sub")
            if difference is not None:
                return difference.arg("x"), difference.arg("y"), other
            for rest, beside in _operands(made_only_by(other, "mul")):
                if _sum_to_one(weight, rest):
                    return data, beside
    return ()


def _mirrored(op: Op) -> tuple[Value, ...]:
    """What is taken from the sum of its own bounds, as 255 - pixels is: its range stays where it was."""
    x, bounds = op.arg("x"), op.arg("y").interval
    mirrored = op.name == "sub" and number(x) == bounds.lo + bounds.hi
    return (op.arg("y"),) if mirrored else ()


def _operands(op: Op | None) -> tuple[tuple[Value, Value], ...]:
    """The two operands of an operation, in either order."""
    if op is None:
        return ()
    x, y = op.arg("x"), op.arg("y")
    return (x, y), (y, x)


def _sum_to_one(a: Value, b: Value) -> bool:
    first, second = number(a), number(b)
    if first is not None and second is not None:
        return math.isclose(first + second, 1.0, rel_tol=1e-6)
    return any(same(one, rest) for one, other in ((a, b), (b, a)) if (rest := complement(other)) is not None)


def raw_data(graph: Graph) -> Iterator[RawData]:
    """Raw data that models are trained on, once for each place where it would have to be scaled."""
    seen: set[int] = set()
    for sink, node, value, first in trained_on(graph):
        producer = raw(value)
        if producer is None or not first or any(op.name not in SUMS for op in first):
            continue
        scope, name = _named(sink, value)
        bindings = _together(graph, scope, name) if scope is not None and name is not None else ()
        place = id(name.statement) if name is not None else producer.serial
        if place in seen:
            continue
        seen.add(place)
        later = all(is_normalised(graph, op) for op in first)
        meant = _meant_to_scale(value, producer)
        yield RawData(producer, sink, node, first[0], True, bindings, later, meant, _first_moved(value))
        for group in _beside(graph, scope, name) if scope is not None and name is not None else ():
            other, statement = raw(group[0].value), group[0].statement
            if (
                other is not None
                and other.name == producer.name
                and statement is not None
                and id(statement) not in seen
            ):
                seen.add(id(statement))
                meant, moved = _meant_to_scale(group[0].value, other), _first_moved(group[0].value)
                yield RawData(other, sink, statement, first[0], False, group, later, meant, moved)


def _first_moved(value: Value) -> tuple[Op, str] | None:
    """The first step behind a loader that is written for numbers near 1, and its argument's name."""
    for op in sorted(_way(value), key=lambda op: op.serial):
        if not _mixed(op) and (given := _moved(op)):
            return op, "x" if op.arg("x") is given[0] else "y"
    return None


def _meant_to_scale(value: Value, producer: Op) -> Op | None:
    """What on the way from a loader would have scaled bytes to numbers near 1, and hands its floats on."""
    way = sorted(ancestors(value).items())
    return next(
        (op for serial, op in way if serial > producer.serial and number(op.arg("full_scale")) == 1), None
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """Data that a model or a placeholder is given.

    Attributes:
        op: `fit`, `evaluate`, `predict` or `feed`.
        target: the model or placeholder, by serial.
        data: what enters.
        node: where it is written.
        first: the first ops that compute with it, empty where they are not known.
        trains: whether weights are trained on it.
    """

    op: Op
    target: int
    data: Value
    node: cst.CSTNode
    first: tuple[Op, ...]
    trains: bool


def entries(graph: Graph) -> Iterator[Entry]:
    """All data of models and placeholders, in order of evaluation."""
    for op in graph.ops(*_CALLS):
        model, start = op.arg("model"), entrance(graph, op.arg("model"))
        if model.op is None:
            continue
        first = tuple(first_ops(graph, *start)) if start is not None else ()
        node, trains = op.nodes.get("x", op.node), op.name == "fit"
        yield Entry(op, model.op.serial, inputs_in(op.arg("x")), node, first, trains)
        held = op.arg("validation_data")
        if isinstance(held, Items) and held.items:
            place = op.nodes.get("validation_data", op.node)
            yield Entry(op, model.op.serial, inputs_in(held.items[0]), place, first, False)
    for op in graph.ops("feed"):
        for placeholder in sources(op.arg("placeholder")):
            first = tuple(first_ops(graph, placeholder, None))
            yield Entry(op, placeholder.serial, op.arg("data"), op.node, first, False)


def examples(value: Value) -> int | None:
    """Of how many examples a batch is that `value` is computed from; None where that is not known."""
    found: set[float | None] = set()
    todo, seen = list(sources(value)), set[int]()
    while todo:
        op = todo.pop()
        if op.serial in seen:
            continue
        seen.add(op.serial)
        if op.name == "batch" or op.name in _PICKS:
            found.add(number(op.arg("size")) if op.name == "batch" else None)
        else:
            todo += op.operands
    size = found.pop() if len(found) == 1 else None
    return None if size is None else int(size)


def batch_size(fit: Op) -> int | None:
    """With how many examples a `fit` takes a step; None where that is not known."""
    if fit.arg("dataset") is not NONE:
        return examples(fit.arg("y"))
    given = fit.arg("batch_size")
    size = BATCH if given is NONE else number(given)
    return None if size is None or fit.arg("y") is NONE else int(size)


def scaled_pixels(value: Value) -> Op | None:
    """The op that brought pixels into [0, 1] or [-1, 1]; None for anything else."""
    interval = value.interval
    if interval.lo < -_UNIT or interval.hi > _UNIT or interval.hi - interval.lo < 1 / _UNIT:
        return None
    made = ends(value, _KEEP)
    if (
        len(made) != 1
        or made[0].name not in _SCALING
        or not any(op.name in PICTURES or _scales_bytes(op) for op in ancestors(value).values())
    ):
        return None
    return made[0]


def shrinks(op: Op) -> bool:
    """Whether an op brings bytes near 1."""
    if op.name == "scaled":
        return (number(op.arg("full_scale")) or 0.0) >= _BYTES
    factor = number(op.arg("scale" if op.name == "rescaling" else "y"))
    if factor is None or factor == 0:
        return False
    return abs(factor if op.name == "div" else 1 / factor) >= _BYTES


def _scales_bytes(op: Op) -> bool:
    """Whether an op brings what was kept as bytes near 1, as is done to pictures."""
    if op.name not in ("div", "mul", "rescaling") or not shrinks(op):
        return False
    kept = [step.value for step in op.arg("x").producers() if step.value.dtype == "uint8"]
    return any(value.interval.hi == _LARGEST for value in kept)


def trained_on(graph: Graph) -> Iterator[tuple[Op, cst.CSTNode, Value, Sequence[Op]]]:
    """Where data enters a model that is trained: (op, place, data, the first ops that compute with it)."""
    for fit in graph.ops("fit"):
        start = entrance(graph, fit.arg("model"))
        if start is not None:
            yield fit, fit.nodes.get("x", fit.node), inputs_in(fit.arg("x")), first_ops(graph, *start)
    fed = [(feed, holder) for feed in graph.ops("feed") for holder in sources(feed.arg("placeholder"))]
    trained = {holder.serial for feed, holder in fed if feed.arg("runs").literal is True}
    for feed, holder in fed:
        if feed.arg("runs").literal is True or holder.serial not in trained:
            first = [op for op in first_ops(graph, holder, None) if graph.in_loss(op)]
            yield feed, feed.node, feed.arg("data"), first
    for op in graph.ops(*SUMS):
        if graph.in_loss(op):
            yield op, op.node, op.arg("x"), (op,)


def inputs_in(x: Value) -> Value:
    """The input in what `fit` is given: the array, or the first part of a dataset's element."""
    if isinstance(x, Object):
        x = x.attrs.get("element", x)
        if isinstance(x, Items) and x.items:
            return x.items[0]
    return x


def entrance(graph: Graph, model: Value) -> tuple[Op, frozenset[int]] | None:
    """A model's one input and the ops between it and the output (or the loss, for a subclass)."""
    if not isinstance(model, Object):
        return None
    steps = list(compiles(graph, model))
    output = model.attrs.get("output")
    reached = ancestors(output) if output is not None else {}
    if not reached:
        reached = {serial: op for step in steps for serial, op in ancestors(step.arg("loss")).items()}
    places = [step.nodes.get("loss") for step in steps]
    inputs = [
        op
        for op in reached.values()
        if op.name == "placeholder" and not any(op.node is place for place in places)
    ]
    return (inputs[0], frozenset(reached)) if len(inputs) == 1 else None


def first_ops(graph: Graph, start: Op, within: frozenset[int] | None) -> list[Op]:
    """The ops (of those numbered `within`) that compute with the numbers of `start` before any other does."""

    def keeps(op: Op) -> bool:
        return bool(op.flow) or op.name in _KEEP

    return [
        op for op in onward(graph, start, keeps) if not keeps(op) and (within is None or op.serial in within)
    ]


def is_normalised(graph: Graph, op: Op) -> bool:
    """True where a linear layer's output goes straight into a batch normalisation, which undoes any scale."""
    after = onward(graph, op, lambda step: bool(step.flow) or step.name == "add")
    return any(step.name == "batch_norm" for step in after)


# Names.


def _scopes(*ops: Op) -> Iterator[Scope]:
    for op in ops:
        scope: Scope | None = op.scope
        while scope is not None:
            yield scope
            scope = scope.parent


def _named(sink: Op, value: Value) -> tuple[Scope, Binding] | tuple[None, None]:
    """The assignment that last named the data, before it was reshaped or batched on the way to `sink`."""
    for op in value.producers():
        for scope in _scopes(sink, op):
            for binding in reversed(scope.history):
                if binding.value.op is op and isinstance(binding.statement, cst.SimpleStatementLine):
                    return scope, binding
    return None, None


def _latest(scope: Scope) -> dict[str, Binding]:
    return {binding.name: binding for binding in scope.history}


def _together(graph: Graph, scope: Scope, binding: Binding) -> tuple[Binding, ...]:
    """The names of raw data that one statement gives, in its order."""
    others = [
        other
        for other in _latest(scope).values()
        if other.statement is binding.statement
        and (other.name == binding.name or _unscaled(graph, other.value))
    ]
    return tuple(others) if any(other.name == binding.name for other in others) else (binding,)


def _beside(graph: Graph, scope: Scope, binding: Binding) -> Iterator[tuple[Binding, ...]]:
    """The other statements of the scope that name raw data for a model: used by one, or made the same way."""
    groups: dict[int, list[Binding]] = {}
    for other in _latest(scope).values():
        simple = isinstance(other.statement, cst.SimpleStatementLine)
        if not simple or other.statement is binding.statement or not _unscaled(graph, other.value):
            continue
        if other.value.dtype in _CLASSES and binding.value.dtype not in _CLASSES:
            continue
        op = other.value.op
        if _names(other.value) == _names(binding.value) or (op is not None and graph.consumers(op)):
            groups.setdefault(id(other.statement), []).append(other)
    yield from (tuple(group) for group in groups.values())


def _names(value: Value) -> tuple[str, ...]:
    """The names of the ops from a value back to where it was loaded."""
    return tuple(op.api for op in value.producers())


def _unscaled(graph: Graph, value: Value) -> bool:
    """True for raw data that goes into nothing but models, and is not taken apart into something else."""
    op = value.op
    if op is None or raw(value) is None:
        return False
    return all(step.name in ENTRANCES for step in graph.consumers(op))
