"""What a mask picks out of an array has passed the mask: NumPy and TensorFlow run the same programs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tflint_nan.build import build
from tflint_nan.ops.choices import implied
from tflint_nan.source import Source
from tflint_nan.value import Value

HEAD = "import numpy as np\nimport tensorflow as tf\nfrom lib import probe\n"
#: `x` holds 0 and numbers up to 1; `s` is a softmax.
SETUP = "x = np.clip(data, 0.0, 1.0)\nt = tf.clip_by_value(data, 0.0, 1.0)\nz = np.array([0.0, 1.0, 2.0])\n"
DATA = np.array([-1.0, 0.0, 0.25, 0.5, 2.0])

#: Of these, 0 is not among the elements.
WITHOUT_ZERO = [
    *("x[x > 0]", "x[x >= 0.25]", "x[0 < x]", "x[x != 0]", "x[~(x == 0)]", "x[~(x <= 0.1)]"),
    *("x[(x > 0) & (x < 1)]", "x[~((x == 0) | (x == 1))]", "x[np.logical_and(x > 0, x < 1)]"),
    *("x[np.where(x > 0)]", "x[np.where(x > 0)[0]]", "x[np.nonzero(x > 0)]", "x[np.flatnonzero(x > 0)]"),
    *("np.compress(x > 0, x)", "np.extract(x > 0, x)", "np.log1p(x)[np.log1p(x) != 0]"),
    *("z[z > 0]", "np.sqrt(z)[z > 0]", "z[1:][z[1:] > 0]"),
    *(
        "tf.boolean_mask(t, t > 0)",
        "t[t > 0]",
        "tf.gather(t, tf.where(t > 0))",
        "tf.boolean_mask(t, ~(t == 0))",
    ),
    *("(t * 2.0)[t > 0]", "tf.nn.relu(t)[tf.nn.relu(t) > 0]", "x[x > 0][1:]"),
]
#: Of these it is.
WITH_ZERO = [
    *("x[x < 1]", "x[x >= 0]", "x[~(x > 0)]", "x[(x > 0) | (x < 1)]", "x[~((x > 0) & (x < 1))]", "x[x == 0]"),
    *(
        "x[np.isfinite(x)]",
        "x[(data > 0) | (data < 0)]",
        "tf.boolean_mask(t, t < 1)",
        "z[z < 1]",
        "x[[0, 1]]",
    ),
    *("np.flip(x)[x > 0]", "x[np.flip(x) > 0]", "z.reshape(1, 3)[np.where(z.reshape(1, 3) > 0)[0]]"),
    *("tf.gather(t[:, None], tf.where(t[:, None] > 0))",),
]


def read(expression: str) -> Value:
    program = HEAD + f"def f(data):\n    {SETUP.replace(chr(10), chr(10) + '    ')}probe({expression})"
    (op,) = [op for op in build(Source("a.py", program), {}).ops("unknown_call") if op.api == "lib.probe"]
    return op.arg("0")


def run(expression: str) -> Any:
    names: dict[str, Any] = {"np": np, "tf": tf, "data": DATA}
    exec(SETUP, names)
    return np.asarray(eval(expression, names))


@pytest.mark.parametrize("expression", WITHOUT_ZERO + WITH_ZERO)
def test_the_range_holds_what_is_picked(expression: str) -> None:
    value, numbers = read(expression), run(expression)
    assert numbers.size
    assert value.interval.lo <= numbers.min()
    assert numbers.max() <= value.interval.hi


@pytest.mark.parametrize("expression", WITHOUT_ZERO)
def test_what_the_mask_takes_away_is_not_reached(expression: str) -> None:
    assert 0.0 not in run(expression)
    assert read(expression).reaches(lambda v: v == 0) is None


#: The range of these is not known: of an array of several axes they would be rows.
ROWS = ("np.sqrt", "*", "[0]]", "flatnonzero", "gather")


@pytest.mark.parametrize("expression", [e for e in WITHOUT_ZERO if not any(part in e for part in ROWS)])
def test_what_the_mask_takes_away_is_not_in_the_range(expression: str) -> None:
    assert 0.0 not in read(expression).interval


@pytest.mark.parametrize("expression", WITH_ZERO)
def test_the_mask_takes_nothing_else_away(expression: str) -> None:
    assert 0.0 in run(expression)
    assert 0.0 in read(expression).interval


def test_two_samples_are_not_one() -> None:
    assert 0.0 in read("np.random.rand(3)[np.random.rand(3) > 0]").interval


def test_a_mask_of_many_tests_is_looked_at_for_a_while() -> None:
    """Each of many elements that are picked by it would cost as much otherwise."""
    mask = " & ".join(f"(x > {-number})" for number in range(500))
    value = read(f"x[{mask}]").op
    assert value is not None
    assert 0 < len(list(implied(value.arg("index"), True))) <= 200


#: A layer's output `p`, and whether its 0 is known among what a mask picks.
LAYERS = """
import tensorflow as tf
h = tf.keras.layers.Dense(3)(tf.keras.Input([4]))
g = tf.keras.layers.Dense(3)(tf.keras.Input([4]))
labels = tf.compat.v1.placeholder(tf.float32, [None])
p = tf.nn.relu(h)
"""


@pytest.mark.parametrize(
    ("mask", "known"),
    [
        ("labels > 0", True),
        ("g > 0", True),
        ("h > 0", False),
        ("p > 0", False),
        ("h < 0", True),
        ("h < 200", True),
    ],
)
def test_a_witness_agrees_with_the_mask_or_is_not_asked_about(mask: str, known: bool) -> None:
    text = LAYERS + f"y = tf.boolean_mask(p, {mask})\nfrom lib import probe\nprobe(y)\n"
    (op,) = [op for op in build(Source("a.py", text), {}).ops("unknown_call") if op.api == "lib.probe"]
    assert (op.arg("0").reaches(lambda v: v == 0) is not None) is known


@pytest.mark.parametrize(
    ("divisor", "known"),
    [
        ("data.std(0)", True),
        ("data[:, ~(data.std(0) == 0)].std(0)", False),
        ("x.std(0)", True),
        ("x[:, ~(x.std(0) == 0)].std(0)", False),
        ("x.std(0)[x.std(0) > 0]", False),
        ("np.ptp(x[:, x.std(0) != 0], axis=0)", False),
        ("x[:, x.mean(0) > 3].std(0)", True),
        ("x[x[:, 0] > 3].std(0)", True),
    ],
)
def test_who_asks_for_a_spread_of_0_has_met_it(divisor: str, known: bool) -> None:
    text = f"import numpy as np\nx = np.loadtxt('a.csv')\ndef f(data):\n    return x / {divisor}\n"
    (op,) = build(Source("a.py", text), {}).ops("div")
    assert (op.arg("y").reaches(lambda v: v == 0) is not None) is known
