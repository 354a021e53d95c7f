"""Cross entropies that are written by hand, and the fused calls that compute them from the logits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Final

from tflint_nan.evidence import complement, library, number
from tflint_nan.finding import Applicability, Fix
from tflint_nan.graph import Graph
from tflint_nan.interval import DEFAULT_FORMAT
from tflint_nan.lift import logits_at
from tflint_nan.ops.points import same
from tflint_nan.places import within
from tflint_nan.rewrite import Rewriter
from tflint_nan.stable import axis_of, spelled
from tflint_nan.value import Op, Value

#: How many steps of scaling and shifting labels are followed.
_STEPS: Final = 8
#: How far from 1 the sum of smoothed labels may be by rounding.
_ROUNDING: Final = 1e-6
Term = tuple[int, tuple[Value, ...]]


def terms(value: Value) -> list[Term]:
    """`value` as a sum of products, (sign, factors) of each; what is more than 8 stays together."""
    todo, found = [(1, value)], list[Term]()
    while todo:
        sign, current = todo.pop()
        op = current.op
        if op is not None and op.name in ("add", "sub") and len(todo) + len(found) < 8:
            todo.append((sign if op.name == "add" else -sign, op.arg("y")))
            todo.append((sign, op.arg("x")))
        elif op is not None and op.name == "neg":
            todo.append((-sign, op.arg("x")))
        else:
            found.append(_product(sign, current))
    return found


def _product(sign: int, value: Value) -> Term:
    todo, factors = [value], list[Value]()
    while todo:
        current = todo.pop()
        op = current.op
        if op is not None and op.name == "mul" and len(todo) + len(factors) < 8:
            todo += [op.arg("y"), op.arg("x")]
        elif op is not None and op.name == "neg":
            sign = -sign
            todo.append(op.arg("x"))
        elif number(current) == -1:
            sign = -sign
        else:
            factors.append(current)
    return sign, tuple(factors)


@dataclass(frozen=True, slots=True)
class CrossEntropy:
    """A cross entropy written by hand.

    `root` computes it from `labels` and `logits`, its negative where `sign` is 1; `outer` is the API name of
    the reduction over the whole of it that stands inside `root`.
    """

    root: Op
    sign: int
    labels: Value
    logits: Value
    outer: str | None = None


def sigmoid_cross_entropy(graph: Graph, log: Op) -> CrossEntropy | None:
    """The pair `y log s + (1 - y) log (1 - s)` that `log` is half of, with its outermost sign.

    Only where the fused function takes these labels: unlike a product, it neither converts nor broadcasts.
    """
    best: CrossEntropy | None = None
    for op in _above(graph, log, ("mul", "neg", "add", "sub")):
        best = _pair(op) or best
    if best is None or not _fits(best.labels, best.logits) or library(log) == "np":
        return None
    made = best.labels.op
    if number(best.labels) is not None or (made is not None and library(made) in ("np", "pd")):
        return None
    return _within(_negated(graph, best), log)


def softmax_cross_entropy(graph: Graph, log: Op) -> CrossEntropy | None:
    """The `sum(labels * log(softmax(logits)))` over the classes that `log` stands in, its sign taken in.

    Only where the labels are known to sum to 1: the fused gradient is `softmax - labels` whatever they sum
    to, the written one is not.
    """
    total = next((op for op in _above(graph, log, ("mul", "neg", "sum")) if op.name == "sum"), None)
    softmax = log.arg("x").op
    if total is None or softmax is None or total.arg("keepdims").literal:
        return None
    parts = terms(total.arg("x"))
    labels = [v for v in parts[0][1] if v.op is not log]
    if len(parts) != 1 or len(parts[0][1]) != 2 or len(labels) != 1 or not _sums_to_one(labels[0]):
        return None
    axes = [axis_of(op, total.arg("x").shape) for op in (total, softmax)]
    everything = total.arg("axis").literal is None
    if axes[1] != -1 or not (everything or axes[0] == -1) or not _fits(labels[0], softmax.arg("x")):
        return None
    logits = softmax.arg("x")
    found = CrossEntropy(total, parts[0][0], labels[0], logits, total.api if everything else None)
    return _within(_negated(graph, found), log)


def _within(found: CrossEntropy, log: Op) -> CrossEntropy | None:
    """`found`, where the log stands in what is replaced: under a name of its own it would stay."""
    return found if any(node is log.node for node in within(found.root.node)) else None


def _fits(labels: Value, logits: Value) -> bool:
    """False where labels and logits are known to be of different types or shapes."""
    if labels.dtype is not None and labels.dtype != (logits.dtype or DEFAULT_FORMAT):
        return False
    if labels.shape is None or logits.shape is None:
        return True
    pairs = zip(labels.shape, logits.shape, strict=False)
    return len(labels.shape) == len(logits.shape) and all(a == b or None in (a, b) for a, b in pairs)


def _sums_to_one(labels: Value) -> bool:
    """Whether rows are known to sum to 1: one-hot ones, smoothed or not."""
    scale, shift = 1.0, 0.0
    for _ in range(_STEPS):
        op = labels.op
        if op is None:
            return False
        if op.name == "one_hot":
            return _total(op, scale, shift)
        factors = [number(op.arg("x")), number(op.arg("y"))]
        if op.name in ("cast", "identity", "stop_gradient"):
            labels = op.arg("x")
        elif op.name not in ("mul", "add", "sub", "div") or (factors[0] is None) == (factors[1] is None):
            return False
        else:
            labels = op.arg("x" if factors[0] is None else "y")
            given = factors[1] if factors[0] is None else factors[0]
            if op.name == "mul":
                scale *= given or 0.0
            elif op.name == "add":
                shift += scale * (given or 0.0)
            elif factors[0] is None and given:
                scale, shift = (scale / given, shift) if op.name == "div" else (scale, shift - scale * given)
            else:
                return False
    return False


def _total(one_hot: Op, scale: float, shift: float) -> bool:
    """Whether the rows of `scale * one_hot + shift` sum to 1."""
    if one_hot.arg("axis").literal not in (None, -1):
        return False
    on, off = number(one_hot.arg("on_value")), number(one_hot.arg("off_value"))
    on, rest = scale * (1.0 if on is None else on) + shift, scale * (off or 0.0) + shift
    depth = number(one_hot.arg("depth")) if rest else 1.0
    return depth is not None and abs(on + rest * (depth - 1) - 1) < _ROUNDING


def _negated(graph: Graph, found: CrossEntropy) -> CrossEntropy:
    """With the minus before it, and a mean between the two, taken in."""
    outer, op = found.outer, found.root
    above = list(_above(graph, op, ("mean", "sum", "neg")))[:2]
    if found.sign > 0 and above and above[0].name != "neg" and set(above[0].args) == {"x"} and outer is None:
        outer, above = above[0].api, above[1:]
    if found.sign > 0 and above and above[0].name == "neg":
        return replace(found, root=above[0], sign=-1, outer=outer)
    return found


def _above(graph: Graph, op: Op, names: tuple[str, ...]) -> Iterator[Op]:
    """The consumers of `op` of these names, and theirs, while each is the only one."""
    current = op
    while True:
        consumers = graph.consumers(current)
        if len(consumers) != 1 or consumers[0].name not in names:
            return
        current = consumers[0]
        yield current


def _pair(op: Op) -> CrossEntropy | None:
    """`op` as the cross entropy of a sigmoid's two outcomes."""
    parts = terms(op.value)
    # Terms of weights stay: the gradient of weighted_cross_entropy_with_logits is wrong where a logit is 0.
    if len(parts) != 2 or parts[0][0] != parts[1][0] or any(len(factors) != 2 for _, factors in parts):
        return None
    for (sign, ones), (_, zeros) in (parts, parts[::-1]):
        for log_s, y in permutations(ones):
            for rest, log_rest in permutations(zeros):
                s, one_minus = _operand(log_s, "log"), _operand(log_rest, "log")
                if s is None or one_minus is None or s.op is None or s.op.name != "sigmoid":
                    continue
                other = complement(one_minus)
                if other is not None and same(other, s) and _is_complement(rest, y):
                    return CrossEntropy(op, sign, y, s.op.arg("x"))
    return None


def _operand(value: Value, name: str) -> Value | None:
    return value.op.arg("x") if value.op is not None and value.op.name == name else None


def _is_complement(value: Value, of: Value) -> bool:
    other = complement(value)
    return other is not None and same(other, of)


def fused(r: Rewriter, whole: CrossEntropy | None, squashed: Op, sink: Op) -> Fix | None:
    """The fused call that computes what `whole.root` does, in the library of the log `sink`; safe."""
    logits = None if whole is None else logits_at(r, squashed, sink)
    if whole is None or logits is None:
        return None
    f, labels = spelled(r, sink, f"{squashed.name}_cross_entropy"), r.spell(whole.labels)
    outer = r.api(whole.outer) if whole.outer else ""
    if f is None or labels is None or outer is None:
        return None
    text = f"{f}(labels={labels}, logits={logits})"
    text = ("-" if whole.sign > 0 else "") + (f"{outer}({text})" if outer else text)
    r.replace(whole.root.node, "{text}", text=text)
    return r.fix(Applicability.SAFE, "Compute the cross entropy from the logits")
