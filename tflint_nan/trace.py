"""What a finding shows of a trail: the places on the way, and numbers that anybody can compute again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from tflint_nan.evidence import Trail, at, gap, squasher
from tflint_nan.finding import Fix, Level
from tflint_nan.graph import Report
from tflint_nan.rewrite import Rewriter
from tflint_nan.value import Op, sources

#: Ops that nobody wrote: branches that meet, and what a test leaves of a value.
_UNWRITTEN = frozenset({"join", "refine"})
#: Ops whose values come from outside of the program, so that nothing is known of them.
_OUTSIDE = frozenset({"parameter", "placeholder", "unknown_call"})
#: What stands between the ops of a trace.
ARROW = " -> "


@dataclass(frozen=True, slots=True)
class Trace:
    """A trail in numbers: `matmul = -104, b = -104 -> add = -208 -> sigmoid = 0 -> log = -inf`.

    Attributes:
        inputs: the ops whose outputs are assumed, each with the number that one element of it takes.
        steps: the ops on the way that are written in the program, the one that breaks last, with the number
            of that element, rounded as the op's format does it.
        gradient: the last op's number is right, and its gradient NaN.
    """

    inputs: tuple[tuple[Op, float], ...]
    steps: tuple[tuple[Op, float], ...]
    gradient: bool = False

    def __str__(self) -> str:
        beside = dict(self.inputs)
        for op, _ in self.steps:
            beside.pop(op, None)
        words: list[str] = []
        for op, number in self.steps:
            entering = [source for source in beside if _enters(source, op)]
            here = [f"{label(source)} = {beside.pop(source) + 0.0:g}" for source in entering]
            if here:
                words[-1:] = [", ".join([*words[-1:], *here])]
            if op.name == "softmax" and any(op is source for source, _ in self.inputs):
                words += [f"logits = [{gap(op.value)}., 0.]", "softmax = [1., 0.]"]
            else:
                words.append(f"{label(op)} = {number + 0.0:g}")
        return ARROW.join(words) + (", its gradient = nan" if self.gradient else "")


def _enters(source: Op, op: Op) -> bool:
    """Whether `op` is computed from `source`."""
    todo, seen = [op], {op.serial}
    for current in todo:
        for value in current.args.values():
            for made in sources(value):
                if made is source:
                    return True
                # Serial numbers grow along the data.
                if made.serial > source.serial and made.serial not in seen:
                    seen.add(made.serial)
                    todo.append(made)
    return False


def explained(
    trail: Trail,
    result: float | None,
    *,
    message: str,
    help: str,
    fix: Callable[[Rewriter], Fix | None] | None,
    level: Level = Level.DEFAULT,
    beyond: Sequence[tuple[Op, float]] = (),
    gradient: bool = False,
) -> Report:
    """The report of a trail: its places, and its numbers as the witness.

    Args:
        trail: how the bad number gets to the sink.
        result: what the sink makes of it, None where that is not one number.
        message: see `Report`, as `help`, `fix` and `level`.
        beyond: the ops behind the sink, each with what it makes of the result.
        gradient: see `Trace`.
    """
    sink, witness = trail.sink, trail.witness
    numbers = [(op, at(op, witness)) for op in trail.chain[:-2]]
    after = ((sink, result), *beyond)
    numbers += [*((op, witness.value) for op in trail.chain[-2:-1]), *after]
    trace = Trace(
        witness.inputs,
        tuple((op, number) for op, number in numbers if number is not None and op.name not in _UNWRITTEN),
        gradient,
    )
    passed = (trail.producer, *trail.steps)
    # The one that the trail starts from last: there the chain begins.
    assumed = sorted((op for op, _ in witness.inputs), key=lambda op: op is trail.chain[0])
    return Report(
        op=sink,
        message=message,
        help=help,
        assumed=tuple((op, _described(op)) for op in assumed if op not in passed),
        because=(
            *((op, _described(op)) for op in passed if op is trail.producer or op.name not in _UNWRITTEN),
            *((op, label(op) if number is None else f"{label(op)} = {number:g}") for op, number in after),
        ),
        witness=trace,
        fix=fix,
        level=level,
    )


def label(op: Op) -> str:
    """What a trace calls an op: by the program's name for what comes from outside, else by its operation."""
    if op.name == "parameter":
        return str(op.arg("name").literal)
    if op.name in ("variable", "placeholder"):
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
