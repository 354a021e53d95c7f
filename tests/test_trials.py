"""Files of tests: their numbers are chosen to see what comes out, so a code has to be selected."""

from __future__ import annotations

import pytest
from lint import settings

from tflint_nan.check import Mode, check_bytes
from tflint_nan.finding import Level
from tflint_nan.source import Source
from tflint_nan.trial import has_tests

HEAD = "import numpy as np\nimport tensorflow as tf\n\n"
#: A default finding of a value rule in a test.
LOG = f"""{HEAD}def test_log():
    assert np.isinf(tf.math.log(tf.nn.softmax(tf.Variable([1.0, 2.0]))).numpy().min())
"""
#: A finding of `--strict` in a test.
RATIO = f"""{HEAD}def test_ratio(x):
    z = tf.keras.layers.Dense(4)(x)
    assert tf.reduce_all(z / tf.norm(z, axis=-1, keepdims=True) <= 1)
"""
FIT = """
def test_fit():
    model = tf.keras.Sequential([tf.keras.layers.Dense(10, activation="softmax")])
    model.compile("sgd", "mse")
    model.fit({data})
"""
RANDOM = HEAD + FIT.format(data="np.random.rand(8, 4), np.zeros((8, 10))")
DRAWN = HEAD + FIT.format(data="tf.experimental.numpy.random.randn(8, 4), tf.nest.flatten(np.zeros((8, 10)))")
ARGUMENT = HEAD + FIT.replace("test_fit()", "test_fit(x, y)").format(data="x, y")
LOADED = HEAD + FIT.format(data='np.load("inputs.npy"), np.load("labels.npy")')
SCRIPT = HEAD + FIT.replace("def test_fit():", "if True:").format(
    data="np.random.rand(8, 4), np.zeros((8, 10))"
)


def level(filename: str, text: str) -> set[Level]:
    """The weakest levels of settings that show anything of a text."""
    shown = set()
    for name, some in {
        Level.DEFAULT: settings(False),
        Level.STRICT: settings(True),
        Level.OPTIONAL: settings(True, ("NAN101", "NAN105", "NAN202")),
    }.items():
        found = check_bytes(
            text.encode(), filename, some, Mode(write=False, fix=False, unsafe=False)
        ).findings
        shown |= {name} if found else set()
    return shown


ALL = {Level.DEFAULT, Level.STRICT, Level.OPTIONAL}


@pytest.mark.parametrize(
    ("text", "in_programs", "in_tests"),
    [
        (LOG, ALL, {Level.OPTIONAL}),
        (RATIO, {Level.STRICT, Level.OPTIONAL}, {Level.OPTIONAL}),
        (RANDOM, ALL, {Level.OPTIONAL}),
        (DRAWN, ALL, {Level.OPTIONAL}),
        (ARGUMENT, ALL, {Level.OPTIONAL}),
        (LOADED, ALL, ALL),
        (SCRIPT, ALL, ALL),
    ],
    ids=["log", "ratio", "random data", "drawn by another name", "argument", "loaded data", "script"],
)
def test_levels(text: str, in_programs: set[Level], in_tests: set[Level]) -> None:
    assert level("train.py", text) == in_programs
    assert level("tests/train_test.py", text) == in_tests


FUNCTION = "def test_rates():\n    pass\n"
METHOD = "class {name}:\n    def test_rates(self):\n        pass\n"


@pytest.mark.parametrize(
    ("filename", "text", "expected"),
    [
        ("test_rates.py", FUNCTION, True),
        ("a/rates_test.py", FUNCTION, True),
        ("a/rates_test.py", f"{FUNCTION}for batch in batches:\n    test_rates()\n", False),
        ("project/tests/rates.py", FUNCTION, True),
        ("project\\test\\rates.py", FUNCTION, True),
        ("train.py", FUNCTION, False),  # `def test(model, data)` of a program
        ("contest.py", FUNCTION, False),
        ("latest/train.py", FUNCTION, False),
        ("attest_rates.py", FUNCTION, False),
        ("test_rates.ipynb", FUNCTION, False),
        ("project/tests/train.py", "def train():\n    pass\n", False),
        ("test.py", "print(1)\n", False),
        ("testing_utils.py", METHOD.format(name="BaseRatesTest"), True),
        ("rates.py", METHOD.format(name="TestRates"), True),
        ("rates.py", METHOD.format(name="RatesTests"), True),
        ("rates.py", METHOD.format(name="Model"), False),
        ("rates.py", METHOD.format(name="Rates(unittest.TestCase)"), True),
        ("rates.py", METHOD.format(name="Rates(TFTestCase, metaclass=Meta)"), True),
        ("rates.py", METHOD.format(name="Model(tf.keras.Model)"), False),
        ("tests/util.py", "class Base(unittest.TestCase):\n    def get_model(self):\n        pass\n", True),
        ("util.py", "class Base(unittest.TestCase):\n    def get_model(self):\n        pass\n", False),
        ("tests/util.py", "class Test(Model):\n    def get_model(self):\n        pass\n", False),
        ("rates.py", METHOD.format(name="Model(layers[0])"), False),
        ("rates.py", "class RatesTest:\n    rate = 1\n", False),
    ],
)
def test_which_files_have_tests(filename: str, text: str, expected: bool) -> None:
    assert has_tests(Source(filename, text)) is expected
