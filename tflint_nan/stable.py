"""The stable forms: how each library spells them, and the expressions that they replace."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from tflint_nan.evidence import NEAR, library, number, onward, plus_one, quotient, squasher, total_of
from tflint_nan.finding import Applicability, Fix
from tflint_nan.graph import Graph
from tflint_nan.ops.arithmetic import is_shifted
from tflint_nan.ops.points import aligned, same
from tflint_nan.rewrite import Rewriter
from tflint_nan.value import NONE, Items, Op, Shape, Value

#: form -> library -> name. A library that is not there has no such function; what not every release of
#: `keras.backend` has is TensorFlow's.
NAMES: dict[str, dict[str, str]] = {
    form: dict(zip(("tf", "keras.ops", "keras.backend", "np"), names, strict=False))
    for form, names in {
        "softmax": ("tf.nn.softmax", "keras.ops.softmax", "keras.backend.softmax"),
        "log_softmax": ("tf.nn.log_softmax", "keras.ops.log_softmax", "tf.nn.log_softmax"),
        "tanh": ("tf.tanh", "keras.ops.tanh", "keras.backend.tanh", "np.tanh"),
        "exp": ("tf.exp", "keras.ops.exp", "keras.backend.exp", "np.exp"),
        "sqrt": ("tf.sqrt", "keras.ops.sqrt", "keras.backend.sqrt", "np.sqrt"),
        "ones_like": ("tf.ones_like", "keras.ops.ones_like", "keras.backend.ones_like", "np.ones_like"),
        "where": ("tf.where", "keras.ops.where", "", "np.where"),
        "l2_normalize": ("tf.math.l2_normalize", "", "keras.backend.l2_normalize"),
        "sigmoid": ("tf.sigmoid", "keras.ops.sigmoid", "keras.backend.sigmoid"),
        "log_sigmoid": ("tf.math.log_sigmoid", "keras.ops.log_sigmoid", "tf.math.log_sigmoid"),
        "softmax_cross_entropy": ("tf.nn.softmax_cross_entropy_with_logits",),
        "sigmoid_cross_entropy": ("tf.nn.sigmoid_cross_entropy_with_logits",),
        "logsumexp": ("tf.reduce_logsumexp", "keras.ops.logsumexp", "tf.reduce_logsumexp"),
        "cumulative_logsumexp": ("tf.math.cumulative_logsumexp",),
        "softplus": ("tf.nn.softplus", "keras.ops.softplus", "keras.backend.softplus"),
        "expm1": ("tf.math.expm1", "keras.ops.expm1", "", "np.expm1"),
        "log1p": ("tf.math.log1p", "keras.ops.log1p", "", "np.log1p"),
        "sin": ("tf.sin", "keras.ops.sin", "keras.backend.sin", "np.sin"),
        "square": ("tf.square", "keras.ops.square", "keras.backend.square", "np.square"),
        "variance": ("tf.math.reduce_variance", "keras.ops.var", "keras.backend.var", "np.var"),
        "xlogy": ("tf.math.xlogy",),
        "divide_no_nan": ("tf.math.divide_no_nan", "keras.ops.divide_no_nan"),
        "maximum": ("tf.maximum", "keras.ops.maximum", "keras.backend.maximum", "np.maximum"),
        "max": ("tf.reduce_max", "keras.ops.max", "keras.backend.max", "np.max"),
        "clip": ("tf.clip_by_value", "keras.ops.clip", "keras.backend.clip", "np.clip"),
    }.items()
}
#: dtype -> a lower bound that is not 0 there, and a distance from 1 that is not lost there (IEEE 754-2008).
BOUNDS = {"float16": ("1e-4", "1e-3"), "bfloat16": ("1e-7", "1e-2")}
_DEFAULT_BOUNDS = ("1e-7", "1e-7")
#: dtype -> what keeps a divisor off 0 where `bounds` is too little: the gradient, 1 / low ** 2, has to fit.
_DIVISOR_BOUNDS = {"float16": "1e-2"}


def written(number: float) -> str:
    """A small number as people write it: `1e-8`, not `1e-08`."""
    return f"{number:.3g}".replace("e-0", "e-")


def bounds(value: Value) -> tuple[str, str]:
    """See `BOUNDS`; 1e-7 is Keras's `epsilon()`."""
    return BOUNDS.get(value.dtype or "", _DEFAULT_BOUNDS)


def divisor_bound(value: Value) -> str:
    """A lower bound of a divisor, such that the gradient of the quotient is finite."""
    return _DIVISOR_BOUNDS.get(value.dtype or "", bounds(value)[0])


def spelled(r: Rewriter, op: Op, form: str) -> str | None:
    """The file's name of a stable form in the library of `op`, None where it has none."""
    name = NAMES[form].get(library(op))
    return None if name is None else r.api(name)


def clipped(r: Rewriter, sink: Op, name: str) -> Fix | None:
    """Keep the argument `name` of `sink` away from 0; unsafe, since the gradient there becomes 0."""
    value, node = sink.arg(name), sink.nodes.get(name)
    probability = value.interval.hi <= 1
    f = spelled(r, sink, "clip" if probability else "maximum")
    if node is None or f is None:
        return None
    low = bounds(value)[0]
    r.replace(node, "{f}({x}, {low}, 1.0)" if probability else "{f}({x}, {low})", f=f, x=node, low=low)
    return r.fix(Applicability.UNSAFE, f"Keep the operand of {sink.name} at or above {low}")


def axis_of(op: Op, shape: Shape) -> int | None:
    """The one axis that `op` works along, from the end; a softmax's is the last where none is given."""
    axis = op.arg("axis")
    items = axis.items if isinstance(axis, Items) else (axis,)
    given = items[0].literal if len(items) == 1 else None
    if given is None and op.name == "softmax" and axis.literal is None:
        return -1
    if not isinstance(given, int):
        return None
    return given if given < 0 else None if shape is None else given - len(shape)


@dataclass(frozen=True, slots=True)
class ExpForm:
    """An expression with an exp that has a stable form: `root` is what `stable` of `logits` is.

    `result` is what `root` is where the exp overflows. `total` is the sum of the exponentials, where its
    axis is wanted. `fits` says how the stable form may stand in its place: not safely where some exponentials
    are clipped, None where it is another expression around it.
    """

    root: Op
    stable: str
    result: str
    logits: Value
    total: Op | None = None
    fits: Applicability | None = Applicability.SAFE


def overflows(squashed: Op) -> bool:
    """Whether a softmax or sigmoid is written by hand with an exp that nothing keeps from overflowing."""
    fraction = quotient(squashed)
    if fraction is None:
        return False
    power = fraction[0].made_by("exp") or plus_one(fraction[1])
    return power is not None and math.isinf(power.value.interval.hi)


#: What adds up exponentials, or one to other numbers.
_SUMS = frozenset({"sum", "mean", "cumsum", "add", "sub"})
#: What weighs, masks and adds up exponentials: they are infinite behind it as well.
_WEIGHING = frozenset({"mul", "add", "sum", "mean", "segment_sum"})
#: What logits are bounded with.
_BOUNDING = frozenset({"clip", "minimum", "maximum"})
#: What they are scaled and moved with.
_SCALING = frozenset({"mul", "div", "add", "sub"})
#: What a softmax by hand divides by what: exponentials by a sum of exponentials.
_WRITTEN = ("exp", "sum", "exp")
#: How many such steps are looked through.
_DEEP = 16


def exp_form(graph: Graph, exp: Op) -> ExpForm | None:
    """The expression with a stable form that `exp` is the first part of."""
    z = exp.arg("x")
    for root in onward(graph, exp, lambda op: op.name in _WEIGHING or bool(op.flow)):
        form = _normalised(exp, root)
        if form is not None:
            return form
    for consumer in _takers(graph, exp):
        if consumer.name == "log1p":
            return ExpForm(consumer, "softplus", "infinite", z)
        for root in _takers(graph, consumer) if consumer.name in _SUMS else ():
            form = _around_sum(exp, consumer, root)
            if form is not None:
                return form
    return None


def _normalised(exp: Op, root: Op) -> ExpForm | None:
    """The softmax that `root` is, or a part or a mean of which it is, where `exp` is its first infinite part.

    It divides exponentials by a sum of them. Either may be bounded, scaled and masked: what counts is that
    some are of the same logits.
    """
    fraction = quotient(root)
    if fraction is None:
        return None
    above, below = fraction
    total = total_of(below) or total_of(below, "segment_sum")
    parts, tops = _powers(below if total is None else total.arg("x")), _powers(above)
    if total is None and len(parts) < 2:
        return None  # one of them and numbers: a sigmoid
    sources = [_logits(part) for part in parts]
    tops = {top: far for top, far in tops.items() if any(same(_logits(top), source) for source in sources)}
    infinite = [power for power, far in (*tops.items(), *parts.items()) if far]
    if not tops or not infinite or infinite[0] is not exp:
        return None
    result = "inf / inf"
    if not any(parts.get(power) for power in infinite):
        result = "infinite"
    elif not any(tops.values()):
        # A finite number over infinity is 0, and its gradient 0 * inf.
        result = "0 and its gradient NaN"
        if library(exp) == "np":
            return None
    top, part, fits = above.op, None if total is None else total.arg("x").op, None
    if written_softmax(root) is not None:
        fits = Applicability.SAFE
    elif not of_groups(total) and top in tops and part in parts and aligned(_bounded(top), _bounded(part)):
        fits = Applicability.UNSAFE
    return ExpForm(root, "softmax", result, exp.arg("x"), total, fits)


def of_groups(total: Op | None) -> bool:
    """Whether rows are added up by their groups: no library has a softmax over these."""
    return total is not None and total.name == "segment_sum"


def written_softmax(root: Op) -> ExpForm | None:
    """The softmax that `root` is by hand, no number more or less."""
    above, below = quotient(root) or (NONE, NONE)
    power, total = above.op, below.op
    part = None if total is None else total.arg("x").op
    if power is None or total is None or part is None or (power.name, total.name, part.name) != _WRITTEN:
        return None
    logits = power.arg("x")
    if not aligned(part.arg("x"), logits):
        return None
    return ExpForm(root, "softmax", "inf / inf", _unshifted(logits, total), total)


def _unshifted(logits: Value, total: Op) -> Value:
    """The logits before their largest is subtracted: one number for each row, or for all, moves no share."""
    shift, peak = logits.op, is_shifted(logits)
    if shift is None or shift.name != "sub" or peak is None or not aligned(peak.arg("x"), shift.arg("x")):
        return logits
    axis = peak.arg("axis").literal
    of_rows = isinstance(axis, int) and axis == total.arg("axis").literal
    kept = of_rows and peak.arg("keepdims").literal is True
    return shift.arg("x") if kept or axis is None else logits


def _powers(value: Value) -> dict[Op, bool]:
    """The exponentials that `value` is made of, weighed, masked and added up; whether each makes it inf."""
    todo, found = [(value, True)], dict[Op, bool]()
    for part, far in islice(todo, NEAR):
        made, far = part.op, far and math.isinf(part.interval.hi)
        if made is None or made in found:
            continue
        if made.name == "exp":
            found[made] = far
        elif made.name in _WEIGHING or made.flow:
            todo += [(made.arg(name), far) for name in made.flow or ("x", "y") if name in made.args]
    return found


def _logits(exp: Op) -> Value:
    """What the operand of an exponential is taken from, before numbers bound, scale and move it."""
    return _before(exp.arg("x"), lambda op: op.name in _BOUNDING or op.name in _SCALING or len(op.flow) == 1)


def _bounded(exp: Op) -> Value:
    """What the operand of an exponential is before it is bounded."""
    return _before(exp.arg("x"), lambda op: op.name in _BOUNDING)


def _before(value: Value, through: Callable[[Op], bool]) -> Value:
    """What `value` is made of by such ops, which take numbers besides."""
    for _ in range(_DEEP):
        made = value.op
        if made is None or not through(made):
            break
        if made.flow:
            value = made.arg(made.flow[0])
        elif number(made.arg("y")) is not None:
            value = made.arg("x")
        elif number(made.arg("x")) is not None:
            value = made.arg("y")
        else:
            break
    return value


def _around_sum(exp: Op, consumer: Op, root: Op) -> ExpForm | None:
    """What `root` computes of `consumer`, a sum in which `exp` stands."""
    z = exp.arg("x")
    if consumer.name == "cumsum":
        return ExpForm(root, "cumulative_logsumexp", "infinite", z, consumer) if root.name == "log" else None
    if consumer.name in ("sum", "mean"):
        fits = Applicability.SAFE if consumer.name == "sum" else None
        return ExpForm(root, "logsumexp", "infinite", z, consumer, fits) if root.name == "log" else None
    fraction = quotient(root)
    if consumer.name == "add" and plus_one(consumer.value) is exp:
        if root.name == "log":
            return ExpForm(root, "softplus", "infinite", z)
        negated = z.made_by("neg")
        if fraction is not None and squasher(root) == "sigmoid":
            if number(fraction[0]) != 1:
                return ExpForm(root, "sigmoid", "inf / inf", z)
            # 1 / inf is the right value; its gradient is 0 * inf.
            if negated is not None and library(exp) != "np":
                return ExpForm(root, "sigmoid", "right and its gradient NaN", negated.arg("x"))
    if fraction is not None and _is_tanh(*fraction) and same(fraction[0].op.arg("x"), exp.value):  # type: ignore[union-attr]
        return ExpForm(root, "tanh", "inf / inf", z)
    return None


def _is_tanh(above: Value, below: Value) -> bool:
    """Whether these are `exp(z) - exp(-z)` and `exp(z) + exp(-z)`."""
    if above.op is None or below.op is None or (above.op.name, below.op.name) != ("sub", "add"):
        return False
    powers = [value.made_by("exp") for op in (above.op, below.op) for value in (op.arg("x"), op.arg("y"))]
    z = [power.arg("x") for power in powers if power is not None]
    negated = [value.made_by("neg") for value in z[1::2]]
    return (
        len(z) == 4 and same(z[0], z[2]) and all(op is not None and same(op.arg("x"), z[0]) for op in negated)
    )


def options_of(form: ExpForm, r: Rewriter) -> str | None:
    """The axis and keepdims of the sum, as arguments; None where the stable form cannot have them."""
    if form.total is None:
        return ""
    if form.stable == "cumulative_logsumexp":
        total = form.total
        given = [name for name in ("axis", "exclusive", "reverse") if name in total.args]
        texts = [r.spell(total.args[name]) for name in given]
        if None in texts:
            return None
        return "".join(f", {name}={text}" for name, text in zip(given, texts, strict=True))
    axis, keepdims = form.total.arg("axis"), form.total.arg("keepdims")
    words = "" if axis.literal is None else f", axis={r.spell(axis)}"
    if form.stable != "softmax":
        return words if keepdims.literal is None else f"{words}, keepdims={r.spell(keepdims)}"
    shape = form.logits.shape
    if isinstance(axis, Items) and len(axis.items) == 1:
        axis = axis.items[0]  # a softmax takes no list of axes, as a sum does
        words = f", axis={r.spell(axis)}"
    if axis.literal is None:
        # The sum over everything is a softmax of one row only.
        return "" if shape is not None and len(shape) == 1 else None
    if keepdims.literal is not True and axis.literal != 0:
        return None
    return "" if axis_of(form.total, shape) == -1 else words


def _takers(graph: Graph, op: Op) -> Iterator[Op]:
    """What takes the output of `op`, reshaped or not."""
    todo, seen = [op], {op}
    for step in todo:
        for consumer in graph.consumers(step):
            if consumer in seen:
                continue
            seen.add(consumer)
            if consumer.flow:
                todo.append(consumer)
            else:
                yield consumer
