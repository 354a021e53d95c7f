"""NAN107 exp-overflow: an exp overflows in an expression that has a stable form.

## Why is this bad?
`exp(89)` is infinite in float32 (`exp(12)` in float16, `exp(710)` in float64). A softmax written as
`exp(z) / sum(exp(z))` is then `inf / inf`, NaN; `log(sum(exp(z)))` and `log(1 + exp(z))` are infinite
although their values are near `z`; the gradient of `1 / (1 + exp(-z))` is NaN. Each has a form that does
not overflow.

With `--strict`, the bare `exp` of a layer's output or a trained variable is reported too.

## Example
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 20])
labels = tf.placeholder(tf.float32, [None, 3])
w = tf.Variable(tf.random_normal([20, 3], stddev=0.1))
logits = tf.matmul(x, w)
p = tf.exp(logits) / tf.reduce_sum(tf.exp(logits), axis=1, keepdims=True)
loss = tf.reduce_mean(tf.square(labels - p))
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
`softmax`, `reduce_logsumexp`, `softplus` and `sigmoid` are safe: the same value and gradient wherever both
are finite. In NumPy the largest element is subtracted first, which changes neither.

## References
* Blanchard, Higham, Higham: Accurately computing the log-sum-exp and softmax functions. IMA J. Numer.
  Anal. 41(4), 2021.
* [tf.reduce_logsumexp](https://www.tensorflow.org/api_docs/python/tf/math/reduce_logsumexp),
  [tf.nn.softplus](https://www.tensorflow.org/api_docs/python/tf/math/softplus)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from tflint_nan.evidence import library, number, squasher
from tflint_nan.finding import Applicability, Fix, Level
from tflint_nan.graph import Graph, Report
from tflint_nan.interval import DEFAULT_FORMAT, FORMATS
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.stable import axis_of, spelled
from tflint_nan.value import Op, Value

#: Outputs that training moves as far as it likes.
_FREE = ("dense", "conv", "matmul", "variable", "add")


@dataclass(frozen=True, slots=True)
class _Form:
    """`root` computes what `stable` does, from `exp`'s argument; `total` is the sum of the exponentials."""

    root: Op
    exp: Op
    stable: str
    words: str
    total: Op | None = None


@rule("NAN107", "exp-overflow")
def check(graph: Graph) -> Iterator[Report]:
    """Exponentials that overflow."""
    for exp in graph.ops("exp"):
        operand, dtype = exp.arg("x"), exp.value.dtype or DEFAULT_FORMAT
        limit = math.log(FORMATS.get(dtype, FORMATS[DEFAULT_FORMAT])[0])
        if operand.interval.hi <= limit:
            continue
        form = _form(graph, exp)
        large = operand.reaches(lambda v, limit=limit: v > limit)  # type: ignore[misc]
        if form is None and (large is None or not _is_free(graph, exp)):
            continue
        shown = f"z = {large.value if large else math.ceil(limit):g} -> exp = inf"
        sure = form is not None and (large is not None or _is_general(exp, form))
        yield Report(
            op=exp,
            message=f"exp overflows {dtype} from {limit:.4g} on, and nothing bounds its operand"
            + (f": this {form.words}" if form else ""),
            help=f"use {form.stable}, which does not overflow" if form else "bound the operand",
            because=() if operand.op is None else ((operand.op, "nothing bounds its values from above"),),
            witness=f"{shown} -> {form.root.name} = {_result(form)}" if form else shown,
            fix=partial(_fix, form) if form else None,
            level=Level.DEFAULT if sure else Level.STRICT,
        )


def _result(form: _Form) -> str:
    return {"softmax": "nan", "sigmoid": "0, its gradient nan"}.get(form.stable, "inf")


def _is_general(exp: Op, form: _Form) -> bool:
    """Whether the operand is a parameter itself: a function that anyone calls with any logits."""
    return form.stable != "sigmoid" and exp.arg("x").made_by("parameter") is not None


def _is_free(graph: Graph, exp: Op) -> bool:
    """Whether the operand is the output of a layer that serves no other purpose (a log-variance does)."""
    made = exp.arg("x").op
    return made is not None and made.name in _FREE and len(graph.consumers(made)) == 1


def _form(graph: Graph, exp: Op) -> _Form | None:
    """The expression with a stable form that `exp` is part of."""
    for consumer in graph.consumers(exp):
        if consumer.name == "sum":
            for root in _takers(graph, consumer):
                if root.name == "log":
                    return _Form(root, exp, "logsumexp", "log of a sum is infinite", consumer)
        if consumer.name == "add" and any(number(v) == 1 for v in consumer.args.values()):
            for root in _takers(graph, consumer):
                if root.name == "log":
                    return _Form(root, exp, "softplus", "log is infinite")
                if squasher(root) == "sigmoid" and exp.arg("x").made_by("neg") and library(exp) != "np":
                    return _Form(root, exp, "sigmoid", "sigmoid has a NaN gradient")
        if consumer.name == "log1p":
            return _Form(consumer, exp, "softplus", "log1p is infinite")
        if squasher(consumer) == "softmax" and consumer.arg("x").op is exp:
            total = consumer.arg("y").made_by("sum")
            return _Form(consumer, exp, "softmax", "softmax is inf / inf", total)
    return None


def _takers(graph: Graph, op: Op) -> Iterator[Op]:
    """What takes the output of `op`, reshaped or not."""
    for consumer in graph.consumers(op):
        if consumer.flow:
            yield from _takers(graph, consumer)
        else:
            yield consumer


def _fix(form: _Form, r: Rewriter) -> Fix | None:
    """The stable form in place of the whole expression, in the same activation only."""
    if form.exp.scope is not form.root.scope:
        return None
    z = form.exp.arg("x")
    if form.stable == "sigmoid":
        negated = z.made_by("neg")
        z = negated.arg("x") if negated is not None else z
    f, x = spelled(r, form.exp, form.stable), r.spell(z)
    if f is None:
        return _shifted(form, r)
    if x is None:
        return None
    options = _options(form, r, z)
    if options is None:
        return None
    r.replace(form.root.node, "{f}({x}{options})", f=f, x=x, options=options)
    return r.fix(Applicability.SAFE, f"Use {f}")


def _options(form: _Form, r: Rewriter, z: Value) -> str | None:
    """The axis and keepdims of the sum, as arguments; None where the stable form cannot have them."""
    if form.total is None:
        return ""
    words = ""
    for name in ("axis", "keepdims"):
        if form.total.arg(name).literal is None or (name == "keepdims" and form.stable == "softmax"):
            continue
        text = r.spell(form.total.arg(name))
        if text is None:
            return None
        words += f", {name}={text}"
    if form.stable == "softmax":
        axis = axis_of(form.total, z.shape)
        aligned = form.total.arg("keepdims").literal is True or form.total.arg("axis").literal == 0
        one_row = z.shape is not None and len(z.shape) == 1 and not words
        if not one_row and (form.total.arg("axis").literal is None or not aligned):
            return None
        words = "" if one_row or axis == -1 else words
    return words


def _shifted(form: _Form, r: Rewriter) -> Fix | None:
    """NumPy's softmax: the largest element subtracted inside of each exp."""
    f, total = spelled(r, form.exp, "max"), form.total
    if form.stable != "softmax" or f is None or total is None:
        return None
    axis = "" if total.arg("axis").literal is None else r.spell(total.arg("axis"))
    if axis is None:
        return None
    options = f", axis={axis}, keepdims=True" if axis else ""
    exps = {op.serial: op for op in (form.exp, total.arg("x").op) if op is not None}
    for op in exps.values():
        x = op.nodes.get("x")
        if x is None:
            return None
        r.replace(x, "{x} - {f}({x}{options})", f=f, x=x, options=options)
    return r.fix(Applicability.SAFE, "Subtract the largest element first")
