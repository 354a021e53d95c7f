"""Control flow of TensorFlow: what the program computes lies in the interval that the graph has for it.

Each program gives its results to `probe`; TensorFlow runs it on numbers from the ranges of its sources.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tflint_nan.build import build
from tflint_nan.interval import EVERYTHING, Interval
from tflint_nan.source import Source
from tflint_nan.value import Op

HEAD = "import tensorflow as tf\nimport keras\nimport numpy as np\nfrom lib import probe\n"
#: `x` is a vector of numbers from 0.5 to 2, `y` from -3 to 3.
INPUTS = "x = tf.random.uniform([4], 0.5, 2.0)\ny = tf.random.uniform([4], -3.0, 3.0)\n"

#: name -> the program, and what is known of the number of its first probe.
PROGRAMS: dict[str, tuple[str, Interval]] = {
    "while_loop, a sum": (
        "_, s = tf.while_loop(lambda i, s: i < 5, lambda i, s: (i + 1, s + x), (0, x))\nprobe(s)",
        Interval(0.5, math.inf),
    ),
    "while_loop, a list": (
        "r = tf.while_loop(lambda i, s: i < 5, lambda i, s: [i + 1, tf.minimum(s, 1.0)], [0, x])\n"
        "probe(r[1])",
        Interval(0.5, 2.0),
    ),
    "while_loop, swapped": (
        "def body(i, a, b):\n    return i + 1, b, a - 1.0\n"
        "_, a, b = tf.while_loop(lambda i, a, b: i < 7, body, (0, x, y))\nprobe(a)\nprobe(b)",
        EVERYTHING,
    ),
    "while_loop, a chain": (
        "def body(i, a, b, c, d):\n    return i + 1, b, c, d, -1.0\n"
        "r = tf.while_loop(lambda i, *s: i < 9, body, (0, 0.0, 0.0, 0.0, 0.0))\nprobe(r[1])",
        EVERYTHING,
    ),
    "while_loop, nothing moves": (
        "_, s = tf.while_loop(lambda i, s: i < 5, lambda i, s: (i + 1, tf.nn.sigmoid(y)), (0, x))\nprobe(s)",
        Interval(1 / (1 + math.exp(3)), 2.0),
    ),
    "while_loop, one variable": (
        "s = tf.while_loop(lambda s: s < 10.0, lambda s: [s * 2.0], [x[0]])\nprobe(s[0])",
        Interval(0.5, math.inf),
    ),
    "while_loop of a Keras backend": (
        "_, s = keras.ops.while_loop(lambda i, s: i < 5, lambda i, s: (i + 1, s + x), (0, x))\nprobe(s)",
        Interval(0.5, math.inf),
    ),
    "fori_loop": (
        "probe(keras.ops.fori_loop(0, 4, lambda i, s: s + tf.cast(i, tf.float32), x))",
        Interval(0.5, math.inf),
    ),
    "scan": ("probe(tf.scan(lambda a, e: a + e, x))", Interval(0.5, math.inf)),
    "scan from an initializer": (
        "probe(tf.scan(lambda a, e: tf.maximum(a, e), y, initializer=1.0))",
        Interval(1.0, 3.0),
    ),
    "scan over several": (
        "a, b = tf.scan(lambda s, e: (s[0] + e[0], s[1] * 0.5), (x, y), initializer=(0.0, 1.0))\n"
        "probe(a)\nprobe(b)",
        Interval(0.0, math.inf),
    ),
    "scan of Keras": (
        "c, ys = keras.ops.scan(lambda c, e: (c + e, tf.square(e)), keras.ops.zeros(()), x)\n"
        "probe(c)\nprobe(ys)",
        Interval(0.0, math.inf),
    ),
    "foldl": ("probe(tf.foldl(lambda a, e: a + e, x, initializer=0.0))", Interval(0.0, math.inf)),
    "foldr": ("probe(tf.foldr(lambda a, e: tf.minimum(a, e), x))", Interval(0.5, 2.0)),
    "map_fn": ("probe(tf.map_fn(lambda e: e + 1.0, x))", Interval(1.5, 3.0)),
    "map_fn over several": (
        "probe(tf.map_fn(lambda e: e[0] * e[1], (x, y), fn_output_signature=tf.float32))",
        Interval(-6.0, 6.0),
    ),
    "map_fn to several": (
        "a, b = tf.map_fn(lambda e: (e + 1.0, -e), x, fn_output_signature=(tf.float32, tf.float32))\n"
        "probe(a)\nprobe(b)",
        Interval(1.5, 3.0),
    ),
    "vectorized_map": ("probe(tf.vectorized_map(lambda e: tf.abs(e), y))", Interval(0.0, 3.0)),
    "case": (
        "probe(tf.case([(x[0] > 1.0, lambda: x[0]), (y[0] > 1.0, lambda: y[0])], default=lambda: 7.0))",
        Interval(-3.0, 7.0),
    ),
    "switch_case": (
        "probe(tf.switch_case(tf.cast(x[0], tf.int32), [lambda: x[1], lambda: -x[1]], lambda: 5.0))",
        Interval(-2.0, 5.0),
    ),
    "cond": ("probe(tf.cond(y[0] > 0.0, lambda: x[0], lambda: -x[0]))", Interval(-2.0, 2.0)),
    "tuple": ("a, b = tf.tuple([x, y])\nprobe(a)\nprobe(b)", Interval(0.5, 2.0)),
    "identity_n": ("a, b = tf.identity_n([x, y])\nprobe(a)\nprobe(b)", Interval(0.5, 2.0)),
    "TensorArray": (
        "ta = tf.TensorArray(tf.float32, 2)\nta = ta.write(0, x)\nta = ta.write(1, x + 1.0)\n"
        "probe(ta.stack())",
        Interval(0.5, math.inf),
    ),
    "TensorArray in a loop": (
        "ta = tf.TensorArray(tf.float32, 5)\ns = x\nfor i in range(5):\n    s = s - 1.0\n"
        "    ta = ta.write(i, s)\n"
        "probe(ta.stack())\nprobe(s)",
        Interval(-math.inf, 1.0),
    ),
    "TensorArray in while_loop": (
        "ta = tf.TensorArray(tf.float32, 0, dynamic_size=True, clear_after_read=False)\n"
        "_, s, ta = tf.while_loop(\n"
        "    lambda i, s, t: i < 4, lambda i, s, t: (i + 1, s * 2.0, t.write(i, s)), (0, x, ta)\n"
        ")\nprobe(ta.read(3))\nprobe(ta.concat())",
        Interval(0.5, math.inf),
    ),
    "TensorArray, unstacked": (
        "ta = tf.TensorArray(tf.float32, 4, clear_after_read=False).unstack(x)\n"
        "probe(ta.read(2))\nprobe(ta.gather([0, 1]))\nprobe(ta.stack())",
        Interval(0.5, 2.0),
    ),
    "custom_gradient": (
        "@tf.custom_gradient\ndef f(u):\n    def grad(up):\n        return up\n"
        "    return tf.square(u), grad\nprobe(f(y))",
        Interval(0.0, 9.0),
    ),
    "custom_gradient of two results": (
        "def g(u):\n    return (u + 1.0, -u), lambda *up: up[0]\na, b = tf.custom_gradient(g)(x)\n"
        "probe(a)\nprobe(b)",
        Interval(1.5, 3.0),
    ),
    "recompute_grad": ("probe(tf.recompute_grad(lambda u: u + 1.0)(x))", Interval(1.5, 3.0)),
    "dynamic_rnn of an own cell": (
        "class Cell:\n    state_size = 1\n    output_size = 1\n"
        "    def zero_state(self, n, dtype):\n        return tf.zeros([n, 1])\n"
        "    def __call__(self, inputs, state, scope=None):\n        new = 0.5 * state + inputs\n"
        "        return tf.nn.relu(new), new\n"
        "steps = tf.reshape(x, [1, 4, 1])\n"
        "out, last = tf.compat.v1.nn.dynamic_rnn(Cell(), steps, dtype=tf.float32)\nprobe(out)\nprobe(last)",
        Interval(0.0, math.inf),
    ),
    "py_function": ("probe(tf.py_function(lambda u: u + 100.0, [x], tf.float32))", EVERYTHING),
    "numpy_function": ("probe(tf.numpy_function(lambda u: u + 100.0, [x], tf.float32))", EVERYTHING),
    "control_dependencies": (
        "with tf.control_dependencies([tf.group(x, y)]):\n    z = tf.identity(x)\nprobe(z)",
        Interval(0.5, 2.0),
    ),
}
#: Assertions that the drawn numbers may break: a program that stops computes nothing.
GUARDED = {
    "assert_positive": ("tf.debugging.assert_positive(y)\nprobe(y)", 0.0, 3.0),
    "assert_positive of version 1": ("tf.compat.v1.assert_positive(y)\nprobe(y)", 0.0, 3.0),
    "assert_greater": ("tf.debugging.assert_greater(y, 0.5)\nprobe(y)", 0.5, 3.0),
    "a bound by name": ("tf.debugging.assert_greater(x=y, y=0.5)\nprobe(y)", 0.5, 3.0),
    "the bound is asserted": ("b = 1.0\ntf.debugging.assert_less(b, y)\nprobe(y)", 1.0, 3.0),
    "as a dependency": (
        "with tf.control_dependencies([tf.debugging.assert_non_negative(y)]):\n"
        "    z = tf.identity(y)\nprobe(z)",
        0.0,
        3.0,
    ),
    "Assert": ("tf.debugging.Assert(tf.reduce_all(y > 0.0), [y])\nprobe(y)", 0.0, 3.0),
    "Assert of a test": ("tf.Assert(tf.reduce_all(tf.greater(y, 0.0)), [y])\nprobe(y)", 0.0, 3.0),
    "assert all, method": ("assert (y.numpy() > 0).all()\nprobe(y)", 0.0, 3.0),
    "assert all": ("v = np.random.uniform(-3.0, 3.0, 4)\nassert (v > 0).all()\nprobe(v)", 0.0, 3.0),
    "assert np.all": ("v = np.random.uniform(-3.0, 3.0, 4)\nassert np.all(v > 0)\nprobe(v)", 0.0, 3.0),
    "assert reduce_all": ("assert tf.reduce_all(y >= 0)\nprobe(y)", 0.0, 3.0),
    "assert, two tests": ("assert tf.reduce_all(y > 0) and tf.reduce_all(y < 1)\nprobe(y)", 0.0, 1.0),
    "any is not all": ("assert tf.reduce_any(y > 0)\nprobe(y)", -3.0, 3.0),
    "not any": ("assert not tf.reduce_any(y < 0)\nprobe(y)", 0.0, 3.0),
    "if not all": ("if not tf.reduce_all(y > 0):\n    raise ValueError\nprobe(y)", 0.0, 3.0),
    "np.testing": (
        "v = np.random.uniform(-3.0, 3.0, 4)\nnp.testing.assert_array_less(0.0, v)\nprobe(v)",
        0.0,
        3.0,
    ),
    "check_numerics": ("y = tf.debugging.check_numerics(y, 'y')\nprobe(y)", -3.0, 3.0),
    "in another function": (
        "def checked(v):\n    tf.debugging.assert_positive(v)\n    return v\nprobe(checked(y))",
        0.0,
        3.0,
    ),
}


def probes(text: str) -> list[Op]:
    graph = build(Source("program.py", HEAD + INPUTS + text), {})
    return [op for op in graph.ops("unknown_call") if op.api == "lib.probe"]


def run(text: str, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """What the program gives to its probes; nothing, where one of its assertions fails."""
    seen: list[np.ndarray] = []

    def probe(value: Any) -> None:
        seen.append(np.asarray(value, np.float64))

    class Random:
        @staticmethod
        def uniform(low: float, high: float, size: int) -> np.ndarray:
            return y.astype(np.float64)

    class Numpy:
        random = Random

        def __getattr__(self, name: str) -> Any:
            return getattr(np, name)

    code = compile(text, "program.py", "exec")
    names = {"tf": tf, "keras": __import__("keras"), "np": Numpy(), "probe": probe}
    try:
        exec(code, {**names, "x": tf.constant(x), "y": tf.constant(y), "__name__": "__main__"})
    except (tf.errors.InvalidArgumentError, AssertionError, ValueError):
        assert text in {program for program, _, _ in GUARDED.values()}
        return []
    return seen


def vectors(low: float, high: float) -> st.SearchStrategy[np.ndarray]:
    numbers = st.floats(low, high, width=32).map(lambda v: 0.0 if abs(v) < 1e-30 else v)
    return st.lists(numbers, min_size=4, max_size=4).map(lambda v: np.array(v, np.float32))


def assert_inside(text: str, x: np.ndarray, y: np.ndarray) -> None:
    ops = probes(text)
    results = run(text, x, y)
    for place, result in enumerate(results):
        # A loop that is read several times has as many probes: these programs have none in loops.
        interval = ops[place].arg("0").interval
        assert np.all((result >= interval.lo) & (result <= interval.hi)), (place, str(interval), result)


def check(test: Callable[..., None]) -> Callable[..., None]:
    return settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))(
        given(vectors(0.5, 2.0), vectors(-3.0, 3.0))(test)
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_results_lie_inside(name: str) -> None:
    text, expected = PROGRAMS[name]
    found = probes(text)[0].arg("0").interval
    assert found.lo == pytest.approx(expected.lo, rel=1e-5)
    assert found.hi == pytest.approx(expected.hi, rel=1e-5)

    @check
    def inside(x: np.ndarray, y: np.ndarray) -> None:
        assert_inside(text, x, y)

    inside()


@pytest.mark.parametrize("name", GUARDED)
def test_what_assertions_leave(name: str) -> None:
    text, lo, hi = GUARDED[name]
    found = probes(text)[0].arg("0").interval
    assert found.lo == pytest.approx(lo, abs=1e-6)
    assert found.hi == pytest.approx(hi, abs=1e-6)

    @check
    def inside(x: np.ndarray, y: np.ndarray) -> None:
        assert_inside(text, x, y)
        assert_inside(text, x, np.abs(y))

    inside()
