"""NAN107 exp-overflow: an exp overflows in an expression that has a stable form.

## Why is this bad?
`exp(89)` is infinite in float32 (`exp(12)` in float16, `exp(710)` in float64). A softmax written as
`exp(z) / sum(exp(z))` is then `inf / inf`, NaN; `log(sum(exp(z)))` and `log(1 + exp(z))` are infinite
although their values are near `z`; the gradient of `1 / (1 + exp(-z))` is NaN. Each has a form that does
not overflow.

What else a sum of exponentials divides is as bad: a mean that they weigh is NaN, exponentials of the same
logits that are clipped are 0, and their gradient is NaN. So it is with the weights of neighbours in a graph,
which `unsorted_segment_sum` adds up: the largest of each group is to be subtracted first.

A bounded number that the program scales gets there for sure: a cosine is 1 on the diagonal, and over a
temperature of 0.01 it is 100.

With `--strict`, the bare `exp` of a layer's output or a trained variable is reported too, and such a form of
what is computed from weights and not known to get large. Of other numbers (distances, energies, the taps of a
filter) a form is reported only when the code is selected.

## Example
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 20])
labels = tf.placeholder(tf.float32, [None, 3])
w = tf.Variable(tf.random_normal([20, 3], stddev=0.1))
logits = tf.matmul(x, w)
p = tf.exp(logits) / tf.reduce_sum(tf.exp(logits), axis=1, keepdims=True)
loss = -tf.reduce_mean(tf.reduce_sum(labels * tf.log(p + 1e-7), axis=1))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Use instead
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 20])
labels = tf.placeholder(tf.float32, [None, 3])
w = tf.Variable(tf.random_normal([20, 3], stddev=0.1))
logits = tf.matmul(x, w)
log_p = tf.nn.log_softmax(logits, axis=1)
loss = -tf.reduce_mean(tf.reduce_sum(labels * log_p, axis=1))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Fix safety
`softmax`, `reduce_logsumexp`, `cumulative_logsumexp`, `softplus` and `sigmoid` are safe: the same value and
gradient wherever both are finite. In NumPy the largest element is subtracted first, which changes neither.
Where some of the exponentials are clipped, or an epsilon is added to their sum, `softmax` is another number
far out: unsafe.

## References
* Blanchard, Higham, Higham: Accurately computing the log-sum-exp and softmax functions. IMA J. Numer.
  Anal. 41(4), 2021.
* [tf.reduce_logsumexp](https://www.tensorflow.org/api_docs/python/tf/math/reduce_logsumexp),
  [tf.nn.softplus](https://www.tensorflow.org/api_docs/python/tf/math/softplus)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.evidence import Trail, is_trained, squasher, trails
from tflint_nan.finding import Applicability, Fix, Level
from tflint_nan.graph import Graph, Report
from tflint_nan.interval import DEFAULT_FORMAT, FORMATS
from tflint_nan.ops.points import is_unbounded
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.stable import ExpForm, exp_form, of_groups, options_of, spelled
from tflint_nan.trace import explained
from tflint_nan.value import Op, Witness

#: What the forms are where the exp is infinite; what has the right value is 1 / inf.
_RESULTS = {"inf / inf": math.nan, "infinite": math.inf}
#: What to do where there is no form, by whether the program itself scales the operand.
_HELP = {
    False: "bound the operand",
    True: "scale the operand less, or subtract its largest element first, as softmax and logsumexp do",
}
_GROUPS = "subtract the largest of each group from its rows first (unsorted_segment_max), as softmax does"
#: Outputs that training moves as far as it likes.
_FREE = ("dense", "conv", "matmul", "variable", "add")


@rule("NAN107", "exp-overflow", needs=[("exp",)])
def check(graph: Graph) -> Iterator[Report]:
    """Exponentials that overflow."""
    for exp in graph.ops("exp"):
        operand, dtype = exp.arg("x"), exp.value.dtype or DEFAULT_FORMAT
        limit = math.log(FORMATS.get(dtype, FORMATS[DEFAULT_FORMAT])[0])
        if operand.interval.hi <= limit:
            continue
        form = exp_form(graph, exp)
        found = trails(graph, exp, "x", lambda v, limit=limit: v > limit)  # type: ignore[misc]
        scaled = next((trail for trail in found if _is_scaled(trail)), None) if is_trained(exp) else None
        if form is None and scaled is None and not (found and _is_free(graph, exp)):
            continue
        general = form is not None and _is_general(form) and operand.made_by("parameter") is not None
        reach = _reach(operand.interval.hi, scaled)
        yield explained(
            scaled or (found[0] if found else _assumed(exp, limit)),
            math.inf,
            message=f"exp overflows {dtype} from {limit:.4g} on, and {reach}"
            + (f": this {form.stable} is {form.result}" if form else ""),
            help=_help(form) if form else _HELP[scaled is not None],
            fix=partial(_fix, exp, form) if form else None,
            beyond=_beyond(graph, exp, form) if form else (),
            gradient=math.nan if form is not None and form.result not in _RESULTS else None,
            level=_level(
                exp,
                found=(form is not None and bool(found or general))
                or (scaled is not None and graph.differentiated(exp) is True),
            ),
        )


def _help(form: ExpForm) -> str:
    return _GROUPS if of_groups(form.total) else f"use {form.stable}, which does not overflow"


def _is_general(form: ExpForm) -> bool:
    """Whether anyone calls this with any logits, where the operand is a parameter itself.

    Distances and energies are derived, and a mean may well be weighted by probabilities.
    """
    if form.stable == "softmax":
        return form.fits is not None or squasher(form.root) is not None
    return form.stable != "sigmoid"


def _is_scaled(trail: Trail) -> bool:
    """Whether the operand is a number that something bounded reaches, times what the program gives.

    That of a cosine over its temperature, say. What a clip bounds need not get there.
    """
    if math.isinf(trail.witness.value) or not trail.witness.inputs:
        return False
    if not any(is_unbounded(op.value) for op, _ in trail.witness.inputs):
        return True
    return math.isfinite(trail.value.interval.hi) and math.isfinite(trail.producer.value.interval.hi)


def _level(exp: Op, *, found: bool) -> Level:
    if found:
        return Level.DEFAULT
    return Level.STRICT if is_trained(exp) else Level.OPTIONAL


def _assumed(exp: Op, limit: float) -> Trail:
    """An operand that nothing is known of, at the first whole number that overflows."""
    operand, made = exp.arg("x"), exp.arg("x").op
    large = min(max(float(math.ceil(limit)), operand.interval.lo), operand.interval.hi)
    if made is None:
        return Trail(operand, Witness(large), (exp,), exp, ())
    return Trail(operand, Witness(large, ((made, large),)), (made, exp), made, ())


def _reach(highest: float, scaled: Trail | None) -> str:
    if scaled is not None:
        return f"its operand reaches {scaled.witness.value:.4g}"
    return "nothing bounds its operand" if math.isinf(highest) else f"its operand goes up to {highest:.4g}"


def _beyond(graph: Graph, exp: Op, form: ExpForm) -> list[tuple[Op, float]]:
    """The ops from the exp, which is infinite, to the whole form."""
    *between, root = graph.path(exp, form.root)[1:]
    return [(op, math.inf) for op in between] + [(root, _RESULTS.get(form.result, 0.0))]


def _is_free(graph: Graph, exp: Op) -> bool:
    """Whether the operand is the output of a layer that serves no other purpose (a log-variance does)."""
    made = exp.arg("x").op
    return made is not None and made.name in _FREE and is_trained(exp) and len(graph.consumers(made)) == 1


def _fix(exp: Op, form: ExpForm, r: Rewriter) -> Fix | None:
    """The stable form in place of the whole expression, in the same activation only."""
    if exp.scope is not form.root.scope or form.fits is None:
        return None
    f = spelled(r, exp, form.stable)
    if f is None:
        return _shifted(exp, form, r)
    x, options = r.spell(form.logits, "logits"), options_of(form, r)
    if x is None or options is None:
        return None
    r.replace(form.root.node, "{f}({x}{options})", f=f, x=x, options=options)
    return r.fix(form.fits, f"Use {f}")


def _shifted(exp: Op, form: ExpForm, r: Rewriter) -> Fix | None:
    """NumPy's softmax: the largest element subtracted inside of each exp."""
    f, total = spelled(r, exp, "max"), form.total
    if form.stable != "softmax" or f is None or total is None:
        return None
    axis = "" if total.arg("axis").literal is None else r.spell(total.arg("axis"))
    if axis is None:
        return None
    options = f", axis={axis}, keepdims=True" if axis else ""
    for op in {op.serial: op for op in (exp, total.arg("x").op) if op is not None}.values():
        node, x = op.nodes.get("x"), r.spell(op.arg("x"), "scores")
        if node is None or x is None:
            return None
        r.replace(node, "{x} - {f}({x}{options})", f=f, x=x, options=options)
    return r.fix(Applicability.SAFE, "Subtract the largest element first")
