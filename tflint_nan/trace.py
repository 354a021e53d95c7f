"""What a finding shows of a trail: the places on the way, and numbers that anybody can compute again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TypeVar

import libcst as cst

from tflint_nan.evidence import Trail, at, gap, is_steady, squasher
from tflint_nan.finding import Fix, Level
from tflint_nan.graph import Report
from tflint_nan.rewrite import Rewriter
from tflint_nan.value import Op, sources

#: Ops that nobody wrote: branches that meet, and what a test leaves of a value.
_UNWRITTEN = frozenset({"join", "refine"})
#: Ops whose values come from outside of the program, so that nothing is known of them.
_OUTSIDE = frozenset({"parameter", "placeholder", "unknown_call", "labels", "prediction"})
#: What Keras gives to a loss by the role of its argument.
_OF_A_ROLE = frozenset({"labels", "prediction"})
#: Steps that are told; of longer ways (a loop that is written out) the ends.
MANY = 12
#: What stands between the ops of a trace.
ARROW = " -> "

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trace:
    """A trail in numbers: `matmul = -104, b = -104 -> add = -208 -> sigmoid = 0 -> log = -inf`.

    Attributes:
        inputs: the ops whose outputs are assumed, each with the number that one element of it takes.
        steps: the ops on the way that are written in the program, the one that breaks last, with the number
            of that element, rounded as the op's format does it.
        gradient: NaN or an infinity where the last op's number is right, and its gradient is that.
    """

    inputs: tuple[tuple[Op, float], ...]
    steps: tuple[tuple[Op, float], ...]
    gradient: float | None = None

    def __str__(self) -> str:
        return ARROW.join(_ends(self.words(), ["..."]))

    def words(self) -> list[str]:
        """One text a step: its number, and the assumed numbers that come in with the next step."""
        entering = self._entering()
        words: list[str] = []
        for op, number in self.steps:
            here = [f"{label(source)} = {assumed + 0.0:g}" for source, assumed in entering.get(op, ())]
            if here:
                words[-1:] = [", ".join([*words[-1:], *here])]
            if op.name == "softmax" and any(op is source for source, _ in self.inputs):
                words += [f"logits = [{gap(op.value)}., 0.]", "softmax = [1., 0.]"]
            else:
                words.append(f"{label(op)} = {number + 0.0:g}")
        if self.gradient is not None:
            words[-1] += f", its gradient = {self.gradient:g}"
        return words

    def _entering(self) -> dict[Op, list[tuple[Op, float]]]:
        """The steps that other inputs than the first come in with, each with these inputs."""
        chain = {op for op, _ in self.steps}
        beside = [pair for pair in self.inputs if pair[0] not in chain]
        if not beside:
            return {}
        # One bit for each input: which of them an op is computed from.
        bits = {op.serial: 1 << place for place, (op, _) in enumerate(beside)}
        for op in _between(self.inputs, self.steps[-1][0]):
            operands = (made.serial for made in op.operands)
            bits.setdefault(op.serial, reduce(or_, (bits.get(serial, 0) for serial in operands), 0))
        found: dict[Op, list[tuple[Op, float]]] = {}
        for op, _ in self.steps:
            new = [pair for pair in beside if bits[pair[0].serial] & bits.get(op.serial, 0)]
            beside = [pair for pair in beside if pair not in new]
            found[op] = new
        return found


def _between(inputs: tuple[tuple[Op, float], ...], last: Op) -> list[Op]:
    """`last` and what it is computed from, down to the inputs, in order."""
    given = {op.serial for op, _ in inputs}
    first, todo, seen = min(given), [last], {last.serial, *given}
    for op in todo:
        for value in op.args.values():
            for made in sources(value):
                # Serial numbers grow along the data.
                if made.serial > first and made.serial not in seen:
                    seen.add(made.serial)
                    todo.append(made)
    return sorted(todo, key=lambda op: op.serial)


def _ends(items: Sequence[T], between: Sequence[T] = ()) -> list[T]:
    """The first and the last of many items, with something between them."""
    if len(items) <= MANY:
        return list(items)
    return [*items[: MANY // 2], *between, *items[1 - MANY // 2 :]]


def explained(
    trail: Trail,
    result: float | None,
    *,
    message: str,
    help: str,
    fix: Callable[[Rewriter], Fix | None] | None,
    level: Level = Level.DEFAULT,
    beyond: Sequence[tuple[Op, float]] = (),
    gradient: float | None = None,
    known: Mapping[Op, float] | None = None,
    asked: bool = False,
    shown_by: Op | None = None,
) -> Report:
    """The report of a trail: its places, and its numbers as the witness.

    Args:
        trail: how the bad number gets to the sink.
        result: what the sink makes of it, None where that is not one number.
        message: see `Report`, as `help`, `fix` and `level`.
        beyond: the ops behind the sink, each with what it makes of the result.
        gradient: see `Trace`.
        known: numbers on the way, where the ops' own witnesses do not tell them.
        asked: the program itself tests for the numbers that are assumed, so they occur.
        shown_by: see `Report`.
    """
    sink, witness = trail.sink, trail.witness
    roles = any(
        op.name == "prediction" or (op.name == "labels" and op is trail.producer) for op, _ in witness.inputs
    )
    if level is Level.DEFAULT and ((roles and not asked) or is_steady(trail)):
        level = Level.STRICT
    told = known or {}
    numbers = [(op, told[op] if op in told else at(op, witness)) for op in trail.chain[:-2]]
    after = ((sink, result), *beyond)
    numbers += [*((op, witness.value) for op in trail.chain[-2:-1]), *after]
    trace = Trace(
        witness.inputs,
        tuple((op, number) for op, number in numbers if number is not None and op.name not in _UNWRITTEN),
        gradient,
    )
    written = [step for step in trail.steps if step.name not in _UNWRITTEN]
    passed = _ends([op for op in (trail.producer, *written) if op is not sink])
    # The one that the trail starts from last: there the chain begins.
    assumed = sorted((op for op, _ in witness.inputs), key=lambda op: op is trail.chain[0])
    return Report(
        op=sink,
        message=message,
        help=help,
        assumed=tuple((op, _described(op)) for op in assumed if op not in passed),
        because=(
            *((op, _described(op)) for op in passed),
            *((op, label(op) if number is None else f"{label(op)} = {number:g}") for op, number in after),
        ),
        witness=trace,
        fix=fix,
        level=level,
        shown_by=shown_by,
    )


def label(op: Op) -> str:
    """What a trace calls an op: by the program's name for what comes from outside, else by its operation."""
    if op.name == "parameter" or op.name in _OF_A_ROLE:
        return str(op.arg("name").literal)
    if op.name in ("variable", "placeholder", "unknown_call"):
        return next(_targets(op), op.name)
    return squasher(op) or op.name


def _targets(op: Op) -> Iterator[str]:
    """The names that the statement of `op` gives to it."""
    statement = op.statement
    for small in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
        if isinstance(small, cst.Assign) and small.value is op.node:
            yield from (op.source.code(target.target) for target in small.targets)
        elif isinstance(small, cst.AnnAssign) and small.value is op.node:
            yield op.source.code(small.target)


def _described(op: Op) -> str:
    return f"{label(op)}: {_range(op)}"


def _range(op: Op) -> str:
    interval = op.value.interval
    if not (math.isinf(interval.lo) and math.isinf(interval.hi)):
        return f"values in {interval}"
    return "nothing is known of its values" if op.name in _OUTSIDE else "nothing bounds its values"
