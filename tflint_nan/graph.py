"""The read-only thing that rules ask: ops in order of evaluation, with values and provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING

import libcst as cst

from tflint_nan.finding import Fix, Level, Severity
from tflint_nan.interval import INTEGERS
from tflint_nan.ops.generations import is_v1_only
from tflint_nan.ops.table import OPERATORS
from tflint_nan.value import Op, Unknown, Value, sources

if TYPE_CHECKING:
    from tflint_nan.rewrite import Rewriter
    from tflint_nan.source import Source


_TAKEN = attrgetter("operands")
#: Ops that differentiate their argument `loss`.
DIFFERENTIATING = ("minimize", "gradients", "compile", "add_loss")
#: Arguments that say where, how many and which; no gradient goes there, whatever the operator.
_ASIDE = frozenset(
    {"condition", "axis", "index", "indices", "mask", "shape", "perm", "begin", "size", "num", "multiples"}
    | {"paddings", "depth", "test", "bound", "initial_value", "layer", "optimizer", "variables", "trainable"}
    | {"computed", "data", "tape"}
)
#: Ops that hold weights, or compute with weights of their own.
WEIGHTS = frozenset(
    {"variable", "dense", "conv", "embedding", "lstm", "gru", "rnn", "batch_norm", "layer_norm"}
)
#: Ops through which numbers go into training without a gradient.
_SETTING = ("fit", "feed", "assign", "optimizer", "apply_gradients", "variable")
#: Calls in calls are looked at as far as this.
_NESTED = 8
#: Libraries that draw.
PLOTS = ("matplotlib.", "seaborn.")
#: Library calls that show a value to a human and nothing else.
MONITORS = (
    *("tf.summary.", "tf.metrics.", "tf.contrib.metrics.", "metric.", "tf.Print", "tf.print", "print"),
    *("logging.", *PLOTS, "wandb.", "mlflow."),
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a rule says, before places are computed.

    Attributes:
        op: the sink; the finding stands at `node`, or at the op's own expression.
        message: what happens at run time, in one sentence, without a full stop.
        help: what to write instead.
        assumed: the ops whose outputs the witness assumes, each with what to say of it.
        because: the chain from producer to sink, each op with what to say of it.
        witness: inputs and values that show it: a text, or what prints as one.
        fix: builds the fix when the finding is really shown; None where there is none. Returns None
            where this place cannot be rewritten.
        level: DEFAULT for strong evidence, STRICT for weaker.
        shown_by: the op without which the evidence would be weaker, if it is none of the chain.
    """

    op: Op
    message: str
    help: str
    assumed: tuple[tuple[Op, str], ...] = ()
    because: tuple[tuple[Op, str], ...] = ()
    witness: object | None = None
    fix: Callable[[Rewriter], Fix | None] | None = None
    level: Level = Level.DEFAULT
    severity: Severity = Severity.ERROR
    node: cst.CSTNode | None = None
    shown_by: Op | None = None


class Graph:
    """All ops of a program (a file, and what it calls), and the questions rules have about them."""

    def __init__(
        self,
        ops: Sequence[Op],
        thresholds: Mapping[str, float],
        escaped: Sequence[Value] = (),
        asked: Sequence[tuple[str, object]] = (),
        is_imported: Callable[[Source], bool] = lambda source: True,
    ) -> None:
        """Args:

        ops: in order of evaluation.
        thresholds: the numbers that rules may ask for.
        escaped: what callers that are not seen may get.
        asked: settings of the command line with values, not those of this run, that the program tests for.
        is_imported: whether a file beside a source imports it.
        """
        self.asked = tuple(asked)
        self.is_imported = is_imported
        self._ops = tuple(ops)
        self._thresholds = thresholds
        self._escaped = tuple(escaped)

    @property
    def names(self) -> Set[str]:
        """The canonical names of the ops that occur."""
        return self._by_name.keys()

    def threshold(self, name: str) -> float:
        """The number in force for a threshold that a rule declares.

        Raises:
            KeyError: no rule declares it.
        """
        return self._thresholds[name]

    @cached_property
    def _by_name(self) -> dict[str, list[Op]]:
        table: dict[str, list[Op]] = {}
        for op in self._ops:
            table.setdefault(op.name, []).append(op)
        return table

    def ops(self, *names: str) -> Iterator[Op]:
        """The ops of these canonical names (all ops where none is given), in order of evaluation."""
        if not names:
            return iter(self._ops)
        if len(names) == 1:
            return iter(self._by_name.get(names[0], ()))
        found = [op for name in names for op in self._by_name.get(name, ())]
        return iter(sorted(found, key=lambda op: op.serial))

    @cached_property
    def _apis(self) -> dict[Source, set[str]]:
        table: dict[Source, set[str]] = {}
        for op in self._ops:
            table.setdefault(op.source, set()).add(op.api)
        return table

    def apis(self, source: Source) -> Set[str]:
        """The normalised names through which a file calls its ops."""
        return self._apis.get(source, frozenset())

    @cached_property
    def _for_v1(self) -> frozenset[Source]:
        return frozenset(source for source, apis in self._apis.items() if any(map(is_v1_only, apis)))

    def is_for_v1(self, source: Source) -> bool:
        """Whether a file is written for TensorFlow 1: TensorFlow 2 does not have one of its functions."""
        return source in self._for_v1

    @cached_property
    def _consumers(self) -> dict[int, list[Op]]:
        table: dict[int, list[Op]] = {}
        for op in self._ops:
            for source in op.operands:
                takers = table.setdefault(source.serial, [])
                if not takers or takers[-1] is not op:
                    takers.append(op)
        return table

    def consumers(self, op: Op) -> Sequence[Op]:
        """The ops that take the output of `op` directly."""
        return self._consumers.get(op.serial, ())

    def _back(self, starts: Iterable[Op], operands: Callable[[Op], Iterable[Op] | None]) -> frozenset[int]:
        """The serials of what `starts` are computed from, themselves included.

        `operands` gives what an op takes on this way, None where the way ends before the op.
        """
        reached: set[int] = set()
        todo = list(starts)
        while todo:
            op = todo.pop()
            taken = None if op.serial in reached else operands(op)
            if taken is not None:
                reached.add(op.serial)
                todo.extend(taken)
        return frozenset(reached)

    @cached_property
    def _losses(self) -> tuple[Op, ...]:
        """What is differentiated or minimised."""
        return tuple(source for op in self.ops(*DIFFERENTIATING) for source in sources(op.arg("loss")))

    @cached_property
    def _away(self) -> tuple[Op, ...]:
        """What code gets that is not seen: a caller from outside, a call that is not followed."""
        found = [source for value in self._escaped for source in sources(value)]
        for op in self.ops("unknown_call"):
            if not op.api.startswith(MONITORS):
                found += op.operands
        return tuple(found)

    @cached_property
    def _given_away(self) -> frozenset[int]:
        return frozenset(source.serial for value in self._escaped for source in sources(value))

    def escapes(self, op: Op) -> bool:
        """True where a caller that is not seen may get the output of `op` itself."""
        return op.serial in self._given_away

    @cached_property
    def _in_loss(self) -> frozenset[int]:
        return self._back(self._losses, carriers)

    @cached_property
    def _shown(self) -> frozenset[int]:
        return self._back(self._losses, lambda op: () if op.name == "unknown_call" else carriers(op))

    @cached_property
    def _possible(self) -> frozenset[int]:
        return self._back((*self._losses, *self._away), carriers)

    @cached_property
    def differentiated_by(self) -> frozenset[int]:
        """The serials of what the program differentiates by, beside the weights of its layers."""
        by = {op.serial for step in self.ops("gradients") for op in sources(step.arg("variables"))}
        return frozenset(by | {op.serial for step in self.ops("watch") for op in sources(step.arg("x"))})

    @cached_property
    def _weighted(self) -> dict[int, bool]:
        """Whether a gradient goes on from an op to a weight: True where shown, False where it may.

        Serials grow along the data, so one pass is enough.
        """
        found: dict[int, bool] = {}
        for op in self._ops:
            inner = carriers(op)
            if inner is None:
                continue
            ways = [found[source.serial] for source in inner if source.serial in found]
            if op.name in WEIGHTS or op.serial in self.differentiated_by or True in ways:
                found[op.serial] = True
            elif ways or op.name in ("unknown_call", "parameter") or any(map(is_lost, op.args.values())):
                found[op.serial] = False
        return found

    def in_loss(self, op: Op) -> bool:
        """True where numbers computed from the output of `op` are in a loss that is minimised.

        Data that nothing differentiates counts, and so does what goes through calls that are not followed.
        """
        return op.serial in self._in_loss

    def differentiated(self, op: Op) -> bool | None:
        """Whether a gradient with respect to the output of `op` is computed.

        True where differentiable ops lead from weights (or whatever else is differentiated by) to `op` and on
        to a loss; False where it is shown that they do not; None where what happens before or after `op` is
        not seen.
        """
        weighted = self._weighted.get(op.serial)
        if weighted is None or self._is_read_out(op):
            return False
        if weighted and op.serial in self._shown:
            return True
        return None if op.serial in self._possible or not self._trains_what_it_shows else False

    def _is_read_out(self, op: Op) -> bool:
        """Whether an expression is nested in one that no gradient comes back from, so nothing else has it."""
        for _ in range(_NESTED):
            takers = self.consumers(op)
            if len(takers) != 1 or all(node is not op.node for node in takers[0].nodes.values()):
                return False
            op = takers[0]
            if carriers(op) is None:
                return True
        return False

    @cached_property
    def _differentiating(self) -> dict[int, Op]:
        table: dict[int, Op] = {}
        for step in self.ops(*DIFFERENTIATING):
            todo = list(sources(step.arg("loss")))
            while todo:
                op = todo.pop()
                inner = None if op.serial in table or op.name == "unknown_call" else carriers(op)
                if inner is not None:
                    table[op.serial] = step
                    todo.extend(inner)
        return table

    def differentiating(self, op: Op) -> Op | None:
        """The first op that is shown to differentiate what is computed from the output of `op`."""
        return self._differentiating.get(op.serial)

    @cached_property
    def _trains_what_it_shows(self) -> bool:
        """Whether something is trained here and it is known what every loss is computed from."""
        steps = list(self.ops("minimize", "gradients", "compile"))
        losses = [step.arg("loss") for step in steps]
        losses += [
            value
            for op in self._ops
            if op.serial in self._in_loss
            for name, value in op.args.items()
            if name not in _ASIDE
        ]
        return bool(steps) and not any(map(is_lost, losses))

    @cached_property
    def only_predicts(self) -> bool:
        """Whether a program asks models for predictions and trains none; one may be compiled to be asked."""
        return any(self.ops("predict")) and not any(self.ops("fit", "minimize", "gradients", "add_loss"))

    @cached_property
    def _settings(self) -> frozenset[int]:
        set_by = [source for op in self.ops(*_SETTING) for source in op.operands]
        return self._back((*self._losses, *self._away, *set_by), _TAKEN)

    @cached_property
    def _drawn(self) -> frozenset[int]:
        plots = [op for op in self.ops("unknown_call") if op.api.startswith(PLOTS)]
        return self._back([source for op in plots for source in op.operands], _TAKEN)

    def is_taken(self, op: Op) -> bool:
        """False where it is shown that nothing but monitoring takes the output of `op`."""
        takers = (taker for taker in self.consumers(op) if not taker.api.startswith(MONITORS))
        return any(True for _ in takers) or op.serial in self._possible

    def monitored_only(self, op: Op) -> bool:
        """True where it is shown that training does not see the output of `op`, as a number or otherwise.

        It is in a program that shows what it trains, and where the output is drawn.
        """
        return op.serial not in self._settings and (self._trains_what_it_shows or op.serial in self._drawn)

    @cached_property
    def _states(self) -> frozenset[int]:
        """Where they are made: what one method assigns, objects of derived classes have, too."""
        states: set[int] = set()
        for op in self._ops:
            if op.name == "assign":
                target, value = op.arg("variable"), op.arg("x")
            elif op.api.endswith((".assign_add", ".assign_sub")):
                target, value = op.arg("x"), op.arg("y")
            else:
                continue
            variables = {id(made.node) for made in target.producers() if made.name == "variable"}
            if variables and not self._follows_a_gradient(value):
                states |= variables
        return frozenset(states)

    def _follows_a_gradient(self, value: Value) -> bool:
        todo, seen = list(sources(value)), set[int]()
        while todo:
            op = todo.pop()
            if op.name == "gradients" and not _with_respect_to_data(op):
                return True
            if op.serial not in seen:
                seen.add(op.serial)
                todo.extend(op.operands)
        return False

    def is_state(self, variable: Op) -> bool:
        """True for a variable that the program sets itself, and not along a gradient.

        A counter, an average, an eigenvalue: trainable by default, and still no weight that training
        will make negative, zero and large.
        """
        return self.is_assigned(variable) and variable.serial not in self._in_loss

    def is_assigned(self, variable: Op) -> bool:
        """True for a variable that the program sets, once or at every step, and not along a gradient."""
        return id(variable.node) in self._states

    def path(self, source: Op, sink: Op) -> tuple[Op, ...]:
        """The shortest chain of ops from `source` to `sink`, both included; empty where none is."""
        previous: dict[int, Op] = {}
        todo = [sink]
        seen = {sink.serial}
        for op in todo:
            if op is source:
                chain = [op]
                while chain[-1] is not sink:
                    chain.append(previous[chain[-1].serial])
                return tuple(chain)
            for producer in op.operands:
                # Serial numbers grow along the data, so what is older than the source is no way to it.
                if producer.serial not in seen and producer.serial >= source.serial:
                    seen.add(producer.serial)
                    previous[producer.serial] = op
                    todo.append(producer)
        return ()


def _with_respect_to_data(op: Op) -> bool:
    """Whether a gradient is taken with respect to what is computed from no weights: a slope, a penalty."""
    todo = list(sources(op.arg("variables")))
    seen = {source.serial for source in todo}
    for source in todo:
        if source.name in WEIGHTS or source.name == "unknown_call":
            return False
        new = {operand.serial: operand for operand in source.operands if operand.serial not in seen}
        todo += new.values()
        seen |= new.keys()
    return bool(todo)


def carriers(op: Op) -> Sequence[Op] | None:
    """The operands that a gradient which reaches `op` is handed on to; None where none reaches it.

    Numbers that are no real ones have no gradient, and NumPy computes where nothing is recorded.
    """
    operator = OPERATORS.get(op.name)
    if operator is not None and not operator.differentiable:
        return None
    if op.value.dtype in INTEGERS or op.api.startswith("np."):
        return None
    if op.name in ("zeros", "ones"):
        return ()  # of the form of a tensor
    if _ASIDE.isdisjoint(op.args):
        return op.operands
    return [s for name, value in op.args.items() if name not in _ASIDE for s in sources(value)]


def is_lost(value: Value) -> bool:
    """Whether nobody knows where a value came from."""
    return isinstance(value, Unknown) and value.op is None
