"""How findings are explained: the numbers of a witness, and the places that lead to what breaks."""

from __future__ import annotations

import math

import pytest
from lint import check
from tensorflow_replay import Wrong, replay
from test_witnesses import reports

from tflint_nan.finding import Finding
from tflint_nan.trace import MANY, Trace


def only(text: str, code: str) -> Finding:
    (finding,) = [f for f in check("import tensorflow as tf\n" + text, strict=True) if f.code == code]
    return finding


def places(finding: Finding) -> list[tuple[int, str]]:
    return [(step.span.start.row, step.message) for step in finding.related]


WITNESSES = {
    "a variable by its name": (
        "scale = tf.Variable(1.0)\ny = tf.math.log(scale)\n",
        "scale = -104 -> log = nan",
    ),
    "an attribute": (
        "class Model:\n"
        "    def __init__(self):\n"
        "        self.scale: tf.Variable = tf.Variable(1.0)\n"
        "    def loss(self):\n"
        "        return tf.math.log(self.scale)\n"
        "y = Model().loss()\n",
        "self.scale = -104 -> log = nan",
    ),
    "a parameter that nobody passes": (
        "def loss(scores):\n    return tf.math.log(tf.sigmoid(scores))\n",
        "scores = -104 -> sigmoid = 0 -> log = -inf",
    ),
    "a variable without a name": (
        "y = tf.math.log(tf.Variable(1.0))\n",
        "variable = -104 -> log = nan",
    ),
    "all that is assumed, where it comes in": (
        "w = tf.Variable(1.0)\nb = tf.Variable(0.0)\ny = tf.math.log(tf.sigmoid(tf.square(w) * b))\n",
        "w = -104 -> square = 10816, b = -104 -> mul = -1.12486e+06 -> sigmoid = 0 -> log = -inf",
    ),
    "a division of what the divisor is made of": (
        "z = tf.Variable([[1.0, 2.0]])\ny = z / tf.norm(z, axis=1, keepdims=True)\n",
        "z = 0 -> norm = 0 -> div = nan",
    ),
    "a divisor that is 0 with a dividend that may be, too": (
        "def f(x):\n    m = tf.cast(x > 0.0, tf.float32)\n    return (x + m) / m\n",
        "greater = 0 -> cast = 0",
    ),
    "the number that the epsilon does not save": (
        "scale = tf.Variable(1.0)\ny = 1.0 / (scale + 1e-3)\n",
        "scale = -0.001 -> add = 0 -> div = inf",
    ),
    "what stands between the exp and the whole": (
        "z = tf.Variable([1.0, 2.0])\ny = tf.math.log(tf.reduce_sum(tf.exp(z)))\n",
        "z = 104 -> exp = inf -> sum = inf -> log = inf",
    ),
    "a value that is right with a gradient that is not": (
        "z = tf.Variable([1.0, 2.0])\ny = 1.0 / (1.0 + tf.exp(-z))\n",
        "z = -104 -> neg = 104 -> exp = inf -> add = inf -> sigmoid = 0, its gradient = nan",
    ),
    "numbers of a softmax by hand, where the shifted logit is assumed": (
        "z = tf.Variable(tf.zeros([4, 3]))\n"
        "e = tf.exp(z - tf.reduce_max(z, 1, keepdims=True))\n"
        "y = tf.math.log(e / tf.reduce_sum(e, 1, keepdims=True))\n",
        "sub = -104 -> exp = 0 -> softmax = 0 -> log = -inf",
    ),
    "a guard that an if leaves is nothing that is written": (
        "z = tf.Variable(1.0)\nif z < 5.0:\n    z = tf.math.log(z)\n",
        "z = -104 -> log = nan",
    ),
}


@pytest.mark.parametrize(("text", "expected"), WITNESSES.values(), ids=WITNESSES)
def test_witness(text: str, expected: str) -> None:
    text = "import tensorflow as tf\n" + text
    assert expected in [finding.witness for finding in check(text, strict=True)]
    for _, report in reports(text):
        assert isinstance(report.witness, Trace)
        replay(report.witness, report.op)


def test_a_long_way_is_cut() -> None:
    text = "x = tf.Variable(1.0)\n" + "x = x + 1.0\nx = x * 2.0\n" * MANY + "y = tf.math.log(x)\n"
    finding = only(text, "NAN103")
    assert finding.witness is not None
    steps = finding.witness.split(" -> ")
    assert len(steps) == MANY
    assert (steps[0], steps[1], steps[MANY // 2], steps[-1]) == ("x = -104", "add = -103", "...", "log = nan")
    assert len(finding.related) <= MANY + 1


CALLS = """\
def scores(x):
    return tf.keras.layers.Dense(3)(x)


def model(x):
    return tf.nn.relu(scores(x))


def entropy(p):
    return tf.reduce_sum(tf.math.log(p))


def train(x):
    q = model(x)
    return entropy(q)
"""


def test_related_places_cross_calls() -> None:
    """From the function that makes the number, out of it, into the one where it breaks."""
    assert places(only(CALLS, "NAN103")) == [
        (3, "dense: nothing bounds its values"),
        (7, "computed in this call"),
        (7, "relu: values in [0, inf]"),
        (15, "computed in this call"),
        (16, "used in this call"),
        (11, "log = -inf"),
    ]


def test_a_place_is_shown_once() -> None:
    text = (
        'x = tf.keras.Input([4])\np = tf.keras.layers.Dense(1, activation="sigmoid")(x)\ny = tf.math.log(p)\n'
    )
    assert places(only(text, "NAN102")) == [
        (3, "dense: nothing bounds its values, sigmoid: values in [0, 1]"),
        (4, "log = -inf"),
    ]


def test_a_call_that_the_value_goes_into_and_comes_out_of() -> None:
    text = "def f(w):\n    return w * 3.0\nw = tf.Variable(1.0)\ny = tf.math.log(f(w))\n"
    assert places(only(text, "NAN103")) == [
        (4, "w: nothing bounds its values"),
        (5, "through this call"),
        (3, "mul: nothing bounds its values"),
        (5, "log = nan"),
    ]


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        ("def f(x):\n    return tf.math.log(tf.nn.relu(x))\n", "NAN103", "x: nothing is known of its values"),
        ("w = tf.Variable(1.0)\ny = tf.math.log(w)\n", "NAN103", "w: nothing bounds its values"),
        (
            "x = tf.cast(tf.io.decode_png(tf.io.read_file('a')), tf.float32)\n"
            "y = tf.exp(x) / tf.reduce_sum(tf.exp(x))\n",
            "NAN107",
            "pixels: values in [0, 255]",
        ),
    ],
)
def test_what_is_said_of_the_range(text: str, code: str, expected: str) -> None:
    assert places(only(text, code))[0][1] == expected


def test_an_exp_says_how_far_its_operand_goes() -> None:
    softmax = "y = tf.exp(x) / tf.reduce_sum(tf.exp(x))\n"
    pixels = "x = tf.cast(tf.io.decode_png(tf.io.read_file('a')), tf.float32)\n"
    assert "its operand goes up to 255" in only(pixels + softmax, "NAN107").message
    assert "nothing bounds its operand" in only("x = tf.Variable([1.0])\n" + softmax, "NAN107").message


def test_a_whole_row_of_a_softmax_is_not_zero() -> None:
    """Its sum is 0 only where something else takes part."""
    row = "p = tf.nn.softmax(tf.Variable([[1.0, 2.0]]))\n"
    alone = row + "q = tf.where(p > 0.1, p, tf.zeros_like(p))\ny = q / tf.reduce_sum(q, axis=-1)\n"
    assert check("import tensorflow as tf\n" + alone, strict=True) == []
    masked = row + "q = p * tf.one_hot([0], 2)\ny = 1.0 / tf.reduce_sum(q, axis=-1)\n"
    (finding,) = check("import tensorflow as tf\n" + masked, select=("NAN105",))
    assert finding.witness is not None
    classes = row + "q = p * 1.0\ny = 1.0 / tf.reduce_sum(q, axis=0)\n"
    assert only(classes, "NAN105").witness is not None


# ---- the replay itself is no rubber stamp


def trace_of(text: str) -> Trace:
    (trace,) = [
        r.witness for _, r in reports("import tensorflow as tf\n" + text) if isinstance(r.witness, Trace)
    ]
    return trace


CHAIN = "w = tf.Variable(1.0)\nb = tf.Variable(0.0)\ny = tf.math.log(tf.sigmoid(w * 2.0 + b))\n"


def wrong_number(trace: Trace) -> Trace:
    (first, number), *rest = trace.steps
    return Trace(trace.inputs, ((first, number + 1), *rest))


def missing_step(trace: Trace) -> Trace:
    return Trace(trace.inputs, (*trace.steps[:1], *trace.steps[2:]))


def missing_start(trace: Trace) -> Trace:
    return Trace(trace.inputs, trace.steps[1:])


def missing_end(trace: Trace) -> Trace:
    return Trace(trace.inputs, trace.steps[:-1])


def harmless_inputs(trace: Trace) -> Trace:
    return Trace(tuple((op, 1.0) for op, _ in trace.inputs), trace.steps)


def unsaid_input(trace: Trace) -> Trace:
    return Trace(trace.inputs[:1], trace.steps)


def false_gradient(trace: Trace) -> Trace:
    return Trace(trace.inputs, trace.steps[:-1], gradient=math.nan)


@pytest.mark.parametrize(
    "spoil",
    [wrong_number, missing_step, missing_start, missing_end, harmless_inputs, unsaid_input, false_gradient],
)
def test_replay_refuses(spoil: object) -> None:
    trace = trace_of(CHAIN)
    replay(trace)
    with pytest.raises(Wrong):
        replay(spoil(trace))  # type: ignore[operator]


MIXTURE = """
mean = tf.Variable(tf.zeros([3]))
logits = tf.Variable(tf.zeros([3]))
def likelihood(x):
    density = tf.exp(-tf.square(x - mean)) / 1.77
    return tf.math.log(tf.reduce_sum(tf.nn.softmax(logits) * density))
"""


def test_a_mixture_is_to_be_summed_in_log_space_and_a_choice_is_not() -> None:
    picked = MIXTURE.replace("density = tf.exp(-tf.square(x - mean)) / 1.77", "density = tf.one_hot(1, 3)")
    assert "reduce_logsumexp" in (only(MIXTURE, "NAN101").help or "")
    assert "logsumexp" not in (only(picked, "NAN101").help or "")


def test_the_sum_in_log_space_is_finite_where_the_mixture_is_not() -> None:
    import tensorflow as tf

    logits, mean, x = tf.constant([104.0, 0.0, 0.0]), tf.zeros([3]), tf.constant([20.0, 0.0, 0.0])
    logs = -tf.square(x - mean) - tf.math.log(1.77)
    mixed = tf.math.log(tf.reduce_sum(tf.nn.softmax(logits) * tf.exp(logs)))
    assert not tf.math.is_finite(mixed)
    assert tf.math.is_finite(tf.reduce_logsumexp(tf.nn.log_softmax(logits) + logs))
