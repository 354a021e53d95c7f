"""Questions about half precision: what is kept, computed and added in it, and which loss is unscaled."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import islice

from tflint_nan.architecture import is_trained
from tflint_nan.evidence import NEAR, Guard, number
from tflint_nan.graph import Graph, Report
from tflint_nan.interval import DEFAULT_FORMAT, round_to
from tflint_nan.ops.optimizers import BETAS
from tflint_nan.ops.points import is_given
from tflint_nan.ops.policies import OWN, REDUCED, compute_dtype, computed_under, policy_of
from tflint_nan.ops.reductions import axes, count, named_axes
from tflint_nan.steps import STEPS
from tflint_nan.training import ancestors, made_only_by
from tflint_nan.value import NONE, Const, Format, Object, Op, Tensor, Value, sources

#: The names of formats and policies, and of what holds one.
HALF = ("float16", "half")
MIXED = "mixed_float16"
#: What says how many weights a layer that is a function makes.
_SIZES = frozenset({"units", "filters"})
#: Beginnings of the names of what asks the variable scope for its variables.
_ASKING = ("tf.get_variable", "tf.layers.", "tf.contrib.")
#: Layers that compute with weights of their own.
_LAYERS = frozenset({"dense", "conv", "embedding", "lstm", "gru", "rnn"})
#: A loss that is scaled by its optimizer is an identity of one of these names.
_SCALED = ("scale_loss", "get_scaled_loss")
#: What gives rows that sum to 1.
_ROWS = frozenset({"softmax", "one_hot"})
#: What tells for each element whether, or how likely, it is of some kind.
_TELLING = _ROWS | frozenset(
    {
        *("sigmoid", "hard_sigmoid", "labels", "greater", "less", "greater_equal", "less_equal"),
        *("equal", "not_equal", "logical_and", "logical_or", "logical_not", "any", "all"),
    }
)
#: Steps between the sums of a formula and what takes them.
_FEW = 16
#: What leaves shares near 0 and 1 there, and what adds them.
_KEEPING = frozenset({"mul", "add", "square", "pow", "clip", "minimum", "maximum"})


@dataclass(frozen=True, slots=True)
class Added:
    """How many numbers a sum adds, and how far from 0 all of them may be, at least, at the same time."""

    count: int
    number: float


def keeps(op: Op, formats: Collection[str]) -> bool:
    """Whether `op` is a weight in one of these formats, or a layer that keeps its weights so."""
    if op.name == "variable":
        return op.value.dtype in formats and op.arg("trainable").literal is not False
    if op.arg("layer") is NONE and not _SIZES.isdisjoint(op.args):
        return op.value.dtype in formats  # functions make weights in the format of what they are given
    return _of_weights(op) in formats


def computes_half(op: Op) -> bool:
    """Whether `op` computes in float16 with weights that are trained, of float16 or cast to it."""
    if op.name == "cast":
        weight = made_only_by(op.arg("x"), "variable") if op.value.dtype in HALF else None
        return weight is not None and weight.arg("trainable").literal is not False
    return _of_weights(op) == MIXED or keeps(op, HALF)


def _of_weights(op: Op) -> str | None:
    """The policy of the layer that `op` is, where it has weights that are trained."""
    layer = op.arg("layer")
    return policy_of(layer) if isinstance(layer, Object) and op.name in _LAYERS and is_trained(op) else None


def setting(graph: Graph, op: Op) -> Op | None:
    """The call that sets the policy by which `op` computes in half precision; None where there is none."""
    dtype = op.value.dtype
    if dtype not in REDUCED or not _is_governed(op, dtype):
        return None
    calls = (call for call in graph.ops("policy") if call.serial < op.serial)
    return next((call for call in calls if computed_under(call.arg("name")) == dtype), None)


def _is_governed(op: Op, dtype: str) -> bool:
    """Whether `op` has its format from a layer that has it from the policy of the program."""
    todo, seen = [op], {op.serial}
    for step in islice(todo, NEAR):
        layer = step.value if isinstance(step.value, Object) else step.arg("layer")
        if isinstance(layer, Object) and OWN in layer.attrs and compute_dtype(layer) == dtype:
            return True
        if step.name == "cast":
            given = step.arg("dtype")
            behind = [given.of] if isinstance(given, Format) and given.of is not None else []
        else:
            behind = [source for source in step.operands if source.value.dtype == dtype]
        for source in behind:
            if source.serial not in seen:
                seen.add(source.serial)
                todo.append(source)
    return False


def is_lost_in_half(tried: Guard | None, dtype: str | None) -> bool:
    """Whether half precision rounds a guard to 0 or 1, which float32 keeps off it."""
    if tried is None or dtype not in REDUCED:
        return False
    return tried.stored == round(tried.stored) != round_to(tried.given, DEFAULT_FORMAT)


def added(op: Op) -> Added | None:
    """What a sum of bounded numbers adds; None where their count or what they reach is not known."""
    x = op.arg("x")
    number = max((abs(w.value) for w in x.witnesses if math.isfinite(w.value)), default=0.0)
    many = count(op, x)
    if many is None or not (math.isfinite(x.interval.lo) and math.isfinite(x.interval.hi)):
        return None
    for made in _made_of(x):
        if made.name in _ROWS:
            # Of a row that sums to 1, one element counts.
            over, row = axes(op, x), made.arg("axis") if is_given(made.arg("axis")) else Const(-1)
            along = named_axes(row, made.value)
            if x.shape is None or made.value.shape is None or along is None or None in along:
                return None
            lengths = [
                made.value.shape[axis]
                for axis in along
                if axis is not None and (over is None or axis in over)
            ]
            if len(x.shape) != len(made.value.shape) or None in lengths:
                return None
            return Added(many // math.prod(length or 1 for length in lengths), number)
    return Added(many, number)


def are_shares(x: Value) -> bool:
    """Whether numbers are masks, probabilities, and their products and sums: of many, all may be 1."""
    for made in _made_of(x):
        constant = any(made.arg(name).op is None for name in ("x", "y"))
        if made.name in _TELLING or made.flow or made.name in _KEEPING or (made.name == "sub" and constant):
            continue
        return False
    return True


def summed_together(graph: Graph, op: Op) -> list[Op] | None:
    """The sums in half precision that have to be of one format with a sum, since something takes both.

    None where something else in half precision is taken with them, and where what takes them is not followed.
    """
    sums, behind = {op.serial: op}, {op.serial: op}
    todo = [op]
    for step in islice(todo, NEAR):
        found = [one for one in graph.ops("sum") if one.node is step.node] if step.serial in sums else []
        for taker in graph.consumers(step):
            if taker.name == "unknown_call" or taker.arg("layer") is not NONE:
                return None
            if taker.name != "cast" and taker.serial not in behind and isinstance(taker.value, Tensor):
                behind[taker.serial] = taker
                todo.append(taker)
                found += _sums_of(taker)
        for one in found:
            if one.serial not in sums:
                sums[one.serial] = behind[one.serial] = one
                todo.append(one)
    taken = (source for one in behind.values() if one.serial not in sums for source in one.operands)
    mixed = any(source.value.dtype in REDUCED and source.serial not in behind for source in taken)
    return None if mixed or len(todo) > NEAR else list(sums.values())


def _sums_of(op: Op) -> list[Op]:
    """The sums in half precision that the function of `op` computes it from, a few steps before."""
    todo = [op]
    for step in islice(todo, _FEW):
        if step.name != "sum" or step is op:
            todo += [one for one in step.operands if one.value.dtype in REDUCED and one.scope is op.scope]
    return [one for one in todo if one.name == "sum" and one is not op]


def _made_of(x: Value) -> list[Op]:
    """The ops that `x` is computed from, back to those that tell shares."""
    todo = list(sources(x))
    seen = {op.serial for op in todo}
    for op in islice(todo, NEAR):
        for source in () if op.name in _TELLING else op.operands:
            if source.serial not in seen:
                seen.add(source.serial)
                todo.append(source)
    return todo


def blamed(graph: Graph, report: Report) -> Report:
    """The report with the call that sets its format: where the op stands, nothing may be wrong."""
    chosen = setting(graph, report.op)
    if chosen is None:
        return report
    return replace(report, because=((chosen, f"{report.op.value.dtype} is set here"), *report.because))


def weights_in(graph: Graph, optimizer: Op, formats: Collection[str]) -> bool:
    """Whether an optimizer moves weights that are kept in one of these formats."""
    losses: list[Value] = []
    for step in graph.ops(*STEPS):
        if optimizer in sources(step.arg("optimizer")):
            given = ancestors(step.arg("gradients")).values()
            losses += [step.arg("loss"), *(op.arg("loss") for op in given if op.name == "gradients")]
    found = [op for loss in losses for op in ancestors(loss).values() if keeps(op, formats)]
    return any(not op.api.startswith(_ASKING) for op in found) if _gets_otherwise(graph) else bool(found)


def beta(optimizer: Op, name: str) -> float | None:
    """What an optimizer of Adam's kind weighs the past with, given or by default; None if not known."""
    given = optimizer.arg(name)
    return number(given) if is_given(given) else BETAS[name]


def _gets_otherwise(graph: Graph) -> bool:
    """Whether a scope has its own way to get variables: in float32, say, cast to the format asked for."""
    return any(
        op.arg("custom_getter") is not NONE or op.api.endswith(".bfloat16_scope")
        for op in graph.ops("unknown_call", "variable")
    )


def unscaled(loss: Value) -> Op | None:
    """The last op in float16 that a loss is computed from, where nothing scales the loss.

    None where there is none, where the program scales the loss, and where a call that is not followed may.
    """
    if _is_multiple(loss):
        return None
    half: Op | None = None
    # op -> whether all that is known of the way from float16 to it
    shown: dict[int, bool] = {}
    for serial, op in sorted(ancestors(loss).items()):
        if computes_half(op):
            shown[serial], half = True, op
            continue
        inner = [shown[source.serial] for source in op.operands if source.serial in shown]
        if inner:
            lost = op.name == "unknown_call" or op.api.rpartition(".")[2] in _SCALED
            shown[serial] = all(inner) and not lost
    ends = [shown[op.serial] for op in sources(loss) if op.serial in shown]
    return half if ends and all(ends) else None


def _is_multiple(loss: Value) -> bool:
    """Whether a loss is something times a factor that may be above 1, and so a scale."""
    value = loss
    while (op := value.op) is not None:
        if len(op.flow) == 1 or op.name == "div":
            value = op.arg(op.flow[0] if op.flow else "x")
        elif op.name == "mul":
            small = [name for name in ("x", "y") if op.arg(name).interval.hi <= 1]
            if not small:
                return True
            value = op.arg("y" if small[0] == "x" else "x")
        else:
            return False
    return False
