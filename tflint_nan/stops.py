"""Where gradients stop: the terms of a loss that depend on weights, and hand no gradient on to them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tflint_nan.architecture import is_trained
from tflint_nan.descent import trains_all
from tflint_nan.evidence import onward
from tflint_nan.graph import DIFFERENTIATING, WEIGHTS, Graph, carriers, is_lost
from tflint_nan.interval import INTEGERS
from tflint_nan.ops.table import OPERATORS
from tflint_nan.starts import started
from tflint_nan.training import ancestors
from tflint_nan.value import NONE, Object, Op, sources
from tflint_nan.weights import belongs, written

#: Functions whose gradient is 0 wherever there is one.
FLAT = frozenset({"sign", "round", "floor", "ceil", "trunc", "floordiv", "truncatediv", "heaviside"})
#: Tests of numbers.
TESTS = frozenset({"equal", "not_equal", "greater", "greater_equal", "less", "less_equal"})
#: Ops that compute with numbers, and hand no gradient on to them.
STOPS = (
    *FLAT,
    *TESTS,
    *("logical_and", "logical_or", "logical_not", "logical_xor", "any", "all", "count_nonzero", "fraction"),
    *("argmax", "argmin", "argsort", "one_hot", "categorical", "edit_distance", "metric", "cast"),
)
#: How programs leave TensorFlow for NumPy or Python, where nothing is recorded.
_READ_OUT = ("tensor.numpy", "tensor.item", "builtins.float", "np.")
#: Ops that hold the weights of a layer, or are one.
_LAYERS = ("variable", "dense", "conv", "embedding", "lstm", "gru", "rnn")
#: Ops whose numbers are not those of their operands.
_NEW = frozenset(
    {"zeros", "ones", "eye", "range", "linspace", "random_normal", "random_uniform", "random_positive"}
    | {"random_counts", "random_real", "random_integers", "shape", "size"}
)
#: Ops behind which a sum is still the sum of what is before them, and the arguments that are its terms.
_ADDING = {
    **dict.fromkeys(("add", "sub"), ("x", "y")),
    **dict.fromkeys(("neg", "mean", "sum", "reshape", "squeeze", "expand_dims", "transpose"), ("x",)),
    **dict.fromkeys(("cast", "identity", "refine", "broadcast_to"), ("x",)),
    **dict.fromkeys(("stack", "concat"), ("values",)),
}


@dataclass(frozen=True, slots=True)
class Term:
    """A term of a loss that depends on weights, and from which no gradient comes back to one.

    Attributes:
        op: what computes it.
        step: what differentiates the loss.
        whole: whether it is all that is differentiated.
        stops: the ops at which the gradient stops, those that take what has one, in order of evaluation.
    """

    op: Op
    step: Op
    whole: bool
    stops: tuple[Op, ...]


@dataclass(frozen=True, slots=True)
class Still:
    """A layer in front of an op at which every gradient stops on its way from the loss to the layer.

    Attributes:
        op: what computes with the weights of the layer, or the variable that they are.
        step: what differentiates the loss, by these weights as well.
        stop: the op.
        aside: the `stop_gradient` on another way to the loss, None where there is none.
        sure: False for a variable that may not be there to be trained: a threshold, what is drawn once.
    """

    op: Op
    step: Op
    stop: Op
    aside: Op | None
    sure: bool


class Ways:
    """The ways from the numbers of a program back to its weights: those of gradients, and all."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        #: Of each op that a way leads from to a weight: infinity; where it leads to what is not known, which
        #: may be computed from weights, the highest serial of such an op. Nothing of data.
        self._gradients: dict[int, float] = {}
        self._numbers: dict[int, float] = {}
        for op in graph.ops():
            own = self._own(op)
            inner = carriers(op)
            if inner is not None:
                _note(self._gradients, op, inner, own)
            if _hands_numbers_on(op):
                _note(self._numbers, op, op.operands, own)

    def _own(self, op: Op) -> float:
        """Infinity for a weight, the serial of what may be computed from weights, -1 for everything else."""
        if op.name == "variable":
            return math.inf if _is_weight(self._graph, op) else float(op.serial)
        if op.name in WEIGHTS or op.name == "prediction" or op.serial in self._graph.differentiated_by:
            return math.inf
        return float(op.serial) if _is_unknown(op) else -1.0

    def is_blocked(self, op: Op, opened: int) -> bool:
        """Whether it is shown that no gradient comes from `op` to a weight, in what a tape has recorded.

        What is not known is none of it where it was there before the tape was `opened` (a serial number).
        """
        return self._gradients.get(op.serial, -1.0) < opened

    def is_moved(self, op: Op, since: float = math.inf) -> bool:
        """Whether the numbers of `op` depend on weights, or, from the serial `since` on, may do so."""
        return self._numbers.get(op.serial, -1.0) >= since

    def trained(self, loss: Op, opened: int) -> float:
        """The least that `is_moved` is asked of a term of `loss`.

        Where all gradients go to one unknown op that the tape has recorded, the weights are behind it.
        """
        if not opened or math.isinf(self._gradients.get(loss.serial, -1.0)):
            return math.inf
        last, todo, seen = set[int](), [loss], {loss.serial}
        while todo:
            op = todo.pop()
            if self.is_blocked(op, opened):
                continue
            if _is_unknown(op):
                last.add(op.serial)
                continue
            inner = [source for source in carriers(op) or () if source.serial not in seen]
            seen |= {source.serial for source in inner}
            todo += inner
        return last.pop() if len(last) == 1 else math.inf

    def stops(self, term: Op, opened: int) -> tuple[Op, ...]:
        """The ops before `term` that take what has a gradient, and hand none on, in order of evaluation."""
        found: list[Op] = []
        todo, seen = [term], {term.serial}
        while todo:
            op = todo.pop()
            if is_stop(op) and any(not self.is_blocked(source, opened) for source in op.operands):
                found.append(op)
                continue
            inner = [source for source in op.operands if source.serial not in seen]
            seen |= {source.serial for source in inner}
            todo += [source for source in inner if source.serial in self._numbers]
        return tuple(sorted(found, key=lambda op: op.serial))


def _is_weight(graph: Graph, variable: Op) -> bool:
    trained = variable.value.dtype not in INTEGERS and variable.arg("trainable").literal is not False
    return trained and not graph.is_state(variable)


def _is_unknown(op: Op) -> bool:
    """Whether `op` may be computed from weights that are not seen."""
    return op.name in ("unknown_call", "parameter", "predict") or any(map(is_lost, op.args.values()))


def _note(ways: dict[int, float], op: Op, inner: Iterable[Op], own: float) -> None:
    best = max((ways.get(source.serial, -1.0) for source in inner), default=-1.0)
    if (best := max(best, own)) >= 0:
        ways[op.serial] = best


def _hands_numbers_on(op: Op) -> bool:
    """Whether the numbers of `op` depend on those of its operands, and no gradient is stopped on purpose."""
    operator = OPERATORS.get(op.name)
    return op.name not in _NEW and (is_stop(op) or operator is None or operator.differentiable)


def is_stop(op: Op) -> bool:
    """Whether `op` computes with numbers and hands no gradient on, without being there for that."""
    if is_read_out(op):
        return op.name not in _NEW
    return op.value.dtype in INTEGERS if op.name == "cast" else op.name in STOPS


def is_read_out(op: Op) -> bool:
    """Whether `op` gives numbers outside of TensorFlow."""
    return op.api.startswith(_READ_OUT)


def blocked_terms(graph: Graph) -> Iterator[Term]:
    """The terms of the losses from which no gradient comes back to the weights that they depend on.

    A loss is left out in which something is added whose gradient is stopped on purpose: there numbers are
    exchanged for others that have one.
    """
    ways = Ways(graph)
    for step in _steps(graph):
        opened = max((made.serial for made in sources(step.arg("tape"))), default=0)
        losses = sources(step.arg("loss"))
        alone = len(losses) == 1 and not any(graph.ops("add_loss"))
        for loss in losses:
            terms = list(_terms(ways, loss, opened))
            if any(op.name == "stop_gradient" and not is_read_out(op) for op in terms):
                continue
            for op in terms:
                whole = alone and op is loss
                if not ways.is_moved(op, opened if whole else ways.trained(loss, opened)):
                    continue
                stops = ways.stops(op, opened)
                if stops and not any(_is_symbolic(step, stop) for stop in stops):
                    yield Term(op, step, whole, stops)


def _steps(graph: Graph) -> Iterator[Op]:
    """What takes gradients to train with; a model may be compiled to be judged."""
    judged = any(graph.ops("predict", "evaluate")) and not any(graph.ops("fit"))
    for step in graph.ops(*DIFFERENTIATING):
        shown = step.name == "gradients" and graph.monitored_only(step)
        if not shown and not (judged and step.name in ("compile", "add_loss")):
            yield step


def still_layers(graph: Graph) -> Iterator[Still]:
    """The layers that training is meant to move, and whose gradient stops before it comes to them.

    Silent where the program freezes something, or moves some of the weights alone: others stay on purpose.
    """
    layers: dict[int, list[Op]] = {}
    for op in graph.ops(*_LAYERS):
        made = op.arg("layer").op
        layers.setdefault(id((op if made is None else made).node), []).append(op)
    by_hand = written(graph)
    still = [ops for ops in layers.values() if all(_may_stand_still(graph, op, by_hand) for op in ops)]
    if not still or any(map(_is_frozen, graph.ops("model", "layer"))):
        return
    for step in _steps(graph):
        reached = _reached(sources(step.arg("loss")))
        found = [op for ops in still for op in ops if op.serial in reached]
        if found and trains_all(step.arg("loss"), step.arg("variables")):
            everything = ancestors(step.arg("loss"))
            for op in found:
                stop = _first_stop(graph, op, reached)
                if stop is not None and not _is_symbolic(step, stop):
                    others = onward(graph, op, lambda taker: taker.name != "stop_gradient")
                    stopped = (o for o in others if o.name == "stop_gradient" and o.serial in everything)
                    yield Still(op, step, stop, next(stopped, None), _is_to_move(op, stop))


def _is_symbolic(step: Op, stop: Op) -> bool:
    """Whether `stop` gets tensors of a graph: of those NumPy makes tensors, or an error."""
    return step.arg("tape") is NONE and is_read_out(stop)


def _may_stand_still(graph: Graph, op: Op, by_hand: set[int]) -> bool:
    trained = _is_weight(graph, op) if op.name == "variable" else is_trained(op)
    return trained and graph.differentiated(op) is False and not belongs(op, by_hand)


def _is_to_move(op: Op, stop: Op) -> bool:
    if op.name != "variable":
        return True
    start = started(op.arg("initial_value"))
    return start is not None and start.deviation == 0 and stop.name in FLAT


def _is_frozen(op: Op) -> bool:
    made = op.value
    given = made.attrs.get("trainable", made.config("trainable")) if isinstance(made, Object) else None
    return given is not None and given.literal is False


def _reached(losses: Iterable[Op]) -> set[int]:
    """The serials of what losses depend on, ways through stops included."""
    todo, seen = list(losses), set[int]()
    while todo:
        op = todo.pop()
        if op.serial not in seen and _hands_numbers_on(op):
            seen.add(op.serial)
            todo += op.operands
    return seen


def _first_stop(graph: Graph, op: Op, reached: set[int]) -> Op | None:
    """The nearest op behind `op`, on a way to a loss, at which gradients stop."""
    todo, seen = [op], {op.serial}
    for current in todo:
        for taker in graph.consumers(current):
            if taker.serial in reached and taker.serial not in seen:
                if is_stop(taker):
                    return taker
                seen.add(taker.serial)
                todo.append(taker)
    return None


def _terms(ways: Ways, loss: Op, opened: int) -> Iterator[Op]:
    """The largest parts of a sum from which no gradient comes back."""
    todo, seen = [loss], {loss.serial}
    while todo:
        op = todo.pop()
        if ways.is_blocked(op, opened):
            yield op
            continue
        if op.name == "join":
            # Another branch may be there to be trained, and this one to be looked at.
            parts = [source for source in op.operands if not ways.is_blocked(source, opened)]
        elif op.name in ("mul", "div"):
            parts = _scaled(ways, op, opened)
        else:
            parts = [source for name in _ADDING.get(op.name, ()) for source in sources(op.arg(name))]
        todo += [part for part in parts if part.serial not in seen]
        seen |= {part.serial for part in parts}


def _scaled(ways: Ways, op: Op, opened: int) -> list[Op]:
    """What a product multiplies with data."""
    for one, other in (("x", "y"), ("y", "x")) if op.name == "mul" else (("x", "y"),):
        if all(ways.is_blocked(source, opened) for source in sources(op.arg(other))):
            return list(sources(op.arg(one)))
    return []
