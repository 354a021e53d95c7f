"""Distributions: what their methods claim, against those that TensorFlow itself still has."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from tflint_nan.build import build
from tflint_nan.graph import Graph
from tflint_nan.source import Source
from tflint_nan.value import Value

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

IMPORTS = "import tensorflow as tf\nimport tensorflow_probability as tfp\n"
#: A distribution, and the numbers whose probabilities are asked for.
DISTRIBUTIONS = [
    ("Normal(loc, scale)", "free"),
    ("Laplace(loc, scale)", "free"),
    ("StudentT(scale, loc, scale)", "free"),
    ("Uniform(0.001, 1.0)", "free"),
    ("Uniform(-3.0, -0.1)", "free"),
    ("Uniform()", "free"),
    ("Bernoulli(logits=loc)", "bits"),
    ("Bernoulli(probs=share)", "bits"),
    ("Beta(scale, scale)", "share"),
    ("Gamma(scale, scale)", "positive"),
    ("Exponential(scale)", "positive"),
    ("Categorical(logits=rows)", "ids"),
    ("Categorical(probs=tf.nn.softmax(rows))", "ids"),
    ("Dirichlet(tf.exp(rows))", "tf.nn.softmax(rows)"),
    ("Multinomial(5.0, logits=rows)", "counts"),
    ("DirichletMultinomial(5.0, tf.exp(rows))", "counts"),
]
METHODS = [
    *("sample(seed=1)", "mean()", "variance()", "stddev()", "prob({})", "log_prob({})", "cdf({})"),
    *("survival_function({})", "entropy()", "mode()"),
]


def read(text: str) -> Graph:
    return build(Source("case.py", IMPORTS + text), {})


def last(text: str) -> Value:
    """The value of the expression at the end of the program."""
    op = list(read(f"{text}\n").ops("identity"))[-1]
    return op.value


@pytest.mark.parametrize(("distribution", "values"), DISTRIBUTIONS)
@pytest.mark.parametrize("method", METHODS)
def test_what_a_distribution_computes_lies_in_its_range(distribution: str, values: str, method: str) -> None:
    import tensorflow as tf

    call = method.format(values)
    bits = "bits = tf.cast(tf.nn.softmax(free) > 0.5, tf.float32)\n"
    value = last(f"{bits}d = tf.distributions.{distribution}\ntf.identity(d.{call})")
    made = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)

        def normal(*shape: int, rng: np.random.Generator = rng) -> Any:
            return tf.constant(rng.normal(0, 3, shape), tf.float32)

        ids = rng.integers(0, 3, 5)
        names: dict[str, Any] = {
            "tf": tf,
            "loc": normal(5),
            "scale": tf.exp(normal(5)),
            "free": normal(5),
            "positive": tf.exp(normal(5)),
            "share": tf.sigmoid(normal(5)),
            "bits": tf.constant(ids > 0, tf.float32),
            "rows": normal(5, 3),
            "ids": tf.constant(ids, tf.int32),
            "counts": tf.constant(rng.multinomial(5, [0.2, 0.3, 0.5], 5), tf.float32),
        }
        distributed = eval(f"tf.compat.v1.distributions.{distribution}", names)
        try:
            result = eval(f"d.{call}", {**names, "d": distributed})
        except (NotImplementedError, tf.errors.OpError):
            continue
        numbers = np.asarray(result, np.float64)
        for number in numbers[np.isfinite(numbers)].ravel():
            assert float(number) in value.interval
            made += 1
    assert made or not method.startswith(("sample", "log_prob"))


@pytest.mark.parametrize("module", ["tfp.distributions", "tf.distributions", "tf.contrib.distributions"])
def test_a_scale_is_positive_by_contract(module: str) -> None:
    text = f"d = {module}.Normal(0.0, tf.Variable(1.0))\n"
    scale = last(f"{text}tf.identity(d.scale)")
    assert scale.interval.lo == 0.0
    assert scale.reaches(lambda v: v < 0) is None
    assert last(f"{text}tf.identity(d.stddev())").interval.lo == 0.0


@pytest.mark.parametrize(
    ("expression", "lo", "hi"),
    [
        ("tfd.Independent(tfd.Bernoulli(logits=x), 1).sample()", 0.0, 1.0),
        ("tfd.MixtureSameFamily(tfd.Categorical(logits=x), tfd.Beta(x, x)).sample()", 0.0, 1.0),
        ("tfd.Sample(tfd.HalfNormal(x), 3).mean()", 0.0, np.inf),
        ("tfd.TruncatedNormal(x, x, low=-1.0, high=2.0).sample()", -1.0, 2.0),
        ("tfd.Binomial(10.0, probs=x).sample()", 0.0, 10.0),
        ("tfd.Poisson(x).sample()", 0.0, np.inf),
        ("tfp.layers.DistributionLambda(lambda t: tfd.Dirichlet(t))(x).sample()", 0.0, 1.0),
        ("tfp.bijectors.Softplus()(x)", 0.0, np.inf),
        ("tfp.bijectors.Sigmoid().forward(x)", 0.0, 1.0),
        ("tfp.util.TransformedVariable(1.0, tfp.bijectors.Exp())", 0.0, np.inf),
    ],
)
def test_what_is_not_installed_by_its_documentation(expression: str, lo: float, hi: float) -> None:
    interval = last(f"tfd = tfp.distributions\ntf.identity({expression})").interval
    assert interval.lo == pytest.approx(lo, abs=1e-5)
    assert interval.hi == pytest.approx(hi, rel=1e-5)


def test_a_likelihood_is_differentiated() -> None:
    graph = read(
        "d = tfp.distributions.Normal(tf.exp(tf.Variable(1.0)), 1.0)\n"
        "tf.train.AdamOptimizer().minimize(-tf.reduce_mean(d.log_prob(x)))\n"
    )
    (power,) = graph.ops("exp")
    assert graph.differentiated(power)


def test_an_unlucky_scale_is_no_finding_of_its_own() -> None:
    """Nothing is known to be reached by what a distribution computes."""
    graph = read("d = tfp.distributions.Normal(0.0, tf.Variable(1.0))\ntf.math.log(d.prob(x))\n1 / d.scale\n")
    assert not any(op.arg("y").witnesses for op in graph.ops("div") if op.arg("y").op is None)
    (log,) = graph.ops("log")
    assert not log.arg("x").witnesses
