"""The read-only thing that rules ask: ops in order of evaluation, with values and provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import libcst as cst

from tflint_nan.finding import Fix, Level, Severity
from tflint_nan.ops.table import OPERATORS
from tflint_nan.value import Op, Value, sources

if TYPE_CHECKING:
    from tflint_nan.rewrite import Rewriter
    from tflint_nan.source import Source


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


class Graph:
    """All ops of a program (a file, and what it calls), and the questions rules have about them."""

    def __init__(self, ops: Sequence[Op], thresholds: Mapping[str, float]) -> None:
        self._ops = tuple(ops)
        self._thresholds = thresholds

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
    def _consumers(self) -> dict[int, list[Op]]:
        table: dict[int, list[Op]] = {}
        for op in self._ops:
            for source in {s.serial: s for value in op.args.values() for s in sources(value)}:
                table.setdefault(source, []).append(op)
        return table

    def consumers(self, op: Op) -> Sequence[Op]:
        """The ops that take the output of `op` directly."""
        return self._consumers.get(op.serial, ())

    @cached_property
    def _differentiated(self) -> frozenset[int]:
        reached: set[int] = set()
        todo = [
            source
            for op in self.ops("minimize", "gradients", "compile", "add_loss")
            for source in sources(op.arg("loss"))
        ]
        while todo:
            op = todo.pop()
            operator = OPERATORS.get(op.name)
            if op.serial in reached or (operator is not None and not operator.differentiable):
                continue
            reached.add(op.serial)
            todo.extend(source for value in op.args.values() for source in sources(value))
        return frozenset(reached)

    def differentiated(self, op: Op) -> bool:
        """True where the output of `op` is shown to reach a loss that is minimised."""
        return op.serial in self._differentiated

    @cached_property
    def _states(self) -> frozenset[int]:
        states: set[int] = set()
        for op in self._ops:
            if op.name == "assign":
                target, value = op.arg("variable"), op.arg("x")
            elif op.api.endswith((".assign_add", ".assign_sub")):
                target, value = op.arg("x"), op.arg("y")
            else:
                continue
            variables = {made.serial for made in target.producers() if made.name == "variable"}
            if variables and not self._follows_a_gradient(value):
                states |= variables
        return frozenset(states - self._differentiated)

    def _follows_a_gradient(self, value: Value) -> bool:
        todo, seen = list(sources(value)), set[int]()
        while todo:
            op = todo.pop()
            if op.name == "gradients":
                return True
            if op.serial not in seen:
                seen.add(op.serial)
                todo.extend(source for arg in op.args.values() for source in sources(arg))
        return False

    def is_state(self, variable: Op) -> bool:
        """True for a variable that the program sets itself, and not along a gradient.

        A counter, an average, an eigenvalue: trainable by default, and still no weight that training
        will make negative, zero and large.
        """
        return variable.serial in self._states

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
            for value in op.args.values():
                for producer in sources(value):
                    # Serial numbers grow along the data, so what is older than the source is no way to it.
                    if producer.serial not in seen and producer.serial >= source.serial:
                        seen.add(producer.serial)
                        previous[producer.serial] = op
                        todo.append(producer)
        return ()
