"""NAN401 in a project's own tests, where rates are set to see what an optimizer does with them."""

from __future__ import annotations

import pytest
from lint import settings

from tflint_nan.check import Mode, check_bytes
from tflint_nan.finding import Level
from tflint_nan.source import Source

HEAD = "import tensorflow as tf\noptimizer = tf.keras.optimizers.SGD(2.0)\n"
STEP = "    with tf.GradientTape() as tape:\n        loss = {loss}\n    optimizer.apply_gradients({pairs})\n"
LAYERS = f"""{HEAD}
model = tf.keras.Sequential([tf.keras.layers.Dense(8, activation="relu"), tf.keras.layers.Dense(1)])


def step(x, y):
{
    STEP.format(
        loss="tf.reduce_mean(tf.square(model(x) - y))",
        pairs="zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables)",
    )
}"""
NUMBERS = f"""{HEAD}
point = tf.Variable([1.5, -0.5])


def step():
{STEP.format(loss="tf.reduce_sum(tf.square(point))", pairs="[(tape.gradient(loss, point), point)]")}"""
UNSEEN = f"""{HEAD}

def step(build, x):
{STEP.format(loss="build(tf.square(x))", pairs="[(tape.gradient(loss, x), x)]")}"""


def reported(filename: str, text: str, *, strict: bool) -> bool:
    mode = Mode(write=False, fix=False, unsafe=False)
    found = check_bytes(text.encode(), filename, settings(strict), mode).findings
    return "NAN401" in [finding.code for finding in found]


@pytest.mark.parametrize(
    ("text", "in_programs", "in_tests"),
    [
        (LAYERS, Level.DEFAULT, Level.DEFAULT),
        (UNSEEN, Level.DEFAULT, Level.STRICT),
        (NUMBERS, Level.STRICT, None),
    ],
    ids=["layers", "unseen", "numbers"],
)
@pytest.mark.parametrize("filename", ["train.py", "optimizer_test.py"])
def test_rates(filename: str, text: str, in_programs: Level, in_tests: Level | None) -> None:
    wanted = in_tests if filename == "optimizer_test.py" else in_programs
    assert reported(filename, text, strict=False) == (wanted is Level.DEFAULT)
    assert reported(filename, text, strict=True) == (wanted is not None)


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("test_rates.py", True),
        ("a/rates_test.py", True),
        ("project/tests/helpers.py", True),
        ("project\\test\\helpers.py", True),
        ("train.py", False),
        ("contest.py", False),
        ("latest/train.py", False),
        ("attest_rates.py", False),
        ("test_rates.ipynb", False),
    ],
)
def test_which_files_are_tests(filename: str, expected: bool) -> None:
    assert Source(filename, "").is_test is expected
