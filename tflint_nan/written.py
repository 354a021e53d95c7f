"""The numbers that a program itself writes for the classes of a target: `np.where(y == 0, -1, 1)`."""

from __future__ import annotations

from tflint_nan.evidence import number
from tflint_nan.interval import EVERYTHING, Interval
from tflint_nan.targets import ANSWERS, ONE_HOT
from tflint_nan.training import ancestors
from tflint_nan.value import NONE, Items, Op, Value

#: Ops whose numbers are known, whatever they are given.
_KNOWN = (*ANSWERS, *ONE_HOT, "class_ids", "zeros", "ones")
#: Ops whose numbers are known where those of their operands are.
_COMPUTED = ("add", "sub", "mul", "div", "neg", "abs", "sign", "maximum", "minimum", "clip", "square", "pow")
#: Ops that choose between their operands and leave no element out.
_CHOOSING = ("where", "select", "join")


def written(value: Value) -> dict[float, Op]:
    """The numbers that the program writes and a value holds, each with the op that makes it.

    Empty where a part of the value is anything else: read from a file, drawn, computed by a model, taken by
    a question that may leave numbers out, not known.
    """
    found: dict[float, Op] = {}
    # What is handed on, by which op, which of its numbers get through; None for what is only computed with.
    todo: list[tuple[Value, Op | None, Interval | None]] = [(value, None, EVERYTHING)]
    seen: set[tuple[int, Interval | None]] = set()
    while todo:
        current, holder, within = todo.pop()
        op, numbers = current.op, {witness.value for witness in current.witnesses}
        if op is None:
            if isinstance(current, Items):
                todo += [(item, holder, within) for item in current.items]
            elif (exact := number(current)) is None:
                return {}
            elif holder is not None and within is not None and exact in within:
                found.setdefault(exact, holder)
            continue
        if (op.serial, within) in seen:
            continue
        seen.add((op.serial, within))
        if op.flow:
            if op.name not in _CHOOSING and _leaves_out(op):
                return {}
            kept = within and within.meet(current.interval.stored(current.dtype))
            through = within is None or kept is not None
            todo += [(op.args[name], op, kept) for name in op.flow if through and name in op.args]
        elif op.name in (*_KNOWN, *_COMPUTED) and numbers:
            found |= {reached: op for reached in numbers if within is not None and reached in within}
            given = op.args.values() if op.name in _COMPUTED else ()
            todo += [(operand, op, None) for operand in given if operand is not NONE]
        else:
            return {}
    return found


def _leaves_out(op: Op) -> bool:
    """True where a question decides which elements are handed on."""
    if op.name == "refine":
        return True
    asked = (operand for name, operand in op.args.items() if name not in op.flow)
    return any(step.name in ANSWERS for operand in asked for step in ancestors(operand).values())
