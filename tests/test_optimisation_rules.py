"""Rules of optimisation against TensorFlow: programs are trained as they are, and as they are repaired.

NAN402: past the limit that is printed they diverge, just under it they converge.
"""

from __future__ import annotations

import inspect
import math
import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from lint import check, fix
from optimisation_replay import moved, recurrent_gradient

from tflint_nan.ops.optimizers import BETAS, DIVIDING, default_epsilon
from tflint_nan.ops.table import APIS

HEAD = "import numpy as np\nimport tensorflow as tf\n"
TAPE = """
optimizer = tf.keras.optimizers.SGD(learning_rate={rate})
for step in range({steps}):
    with tf.GradientTape() as tape:
        loss = {loss}
    optimizer.apply_gradients(zip(tape.gradient(loss, [w, b]), [w, b]))
"""
LINE = """
x = tf.constant(np.linspace(0.0, 4.0, 9), dtype=tf.float32)
y = 3.0 * x - 1.0
w, b = tf.Variable(0.5), tf.Variable(0.25)
"""
KERAS = """
{data}
model = tf.keras.Sequential([tf.keras.Input((x[0].size,)), tf.keras.layers.Dense(1)])
model.compile(optimizer=tf.keras.optimizers.SGD(learning_rate={{rate}}), loss="mse")
loss = model.fit(x, y, epochs={{steps}}, verbose=0).history["loss"][-1]
"""
PROGRAMS = {
    "mean": LINE + TAPE.replace("{loss}", "tf.reduce_mean(tf.square(w * x + b - y))"),
    "sum": LINE + TAPE.replace("{loss}", "tf.reduce_sum((w * x + b - y) ** 2)"),
    "half a sum": LINE + TAPE.replace("{loss}", "tf.nn.l2_loss(y - (x * w + b))"),
    "a parabola": LINE + TAPE.replace("{loss}", "tf.reduce_mean(tf.square(w * x ** 2 + b * x - y))"),
    "a matrix": """
x = tf.constant([[1.0, 2.0], [3.0, -1.0], [0.5, 1.0]])
y = tf.constant([[1.0], [2.0], [3.0]])
w, b = tf.Variable(tf.zeros([2, 1])), tf.Variable([0.1])
"""
    + TAPE.replace("{loss}", "tf.reduce_mean(tf.square(tf.matmul(x, w) + b - y))"),
    "a matrix on the right": """
x = tf.constant([[1.0, 3.0, 0.5], [2.0, -1.0, 1.0]])
y = tf.constant([[1.0, 2.0, 3.0]])
w, b = tf.Variable(tf.zeros([1, 2])), tf.Variable([0.1])
"""
    + TAPE.replace("{loss}", "tf.reduce_mean(tf.square(tf.matmul(w, x) + b - y))"),
    "a layer": KERAS.format(data="x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 0.0]])\ny = x[:, :1] * 2"),
    "one feature": KERAS.format(data="x = np.arange(0.0, 5.0, 0.5)\ny = x * 2"),
    "standardised": KERAS.format(
        data="x = np.arange(0.0, 5.0, 0.5)\nx = (x - x.mean()) / x.std()\ny = x + 1"
    ),
}
STEPS = 400


def limits(text: str) -> list[float]:
    found = [finding.message for finding in check(HEAD + text) if finding.code == "NAN402"]
    return [float(re.search(r"λmax = (\S+) of", message)[1]) for message in found]  # type: ignore[index]


def trained(text: str) -> float:
    """The loss after training."""
    import keras

    keras.utils.set_random_seed(1)
    names: dict[str, Any] = {}
    exec(compile(HEAD + text, "program", "exec"), names)
    return float(names["loss"])


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_limit_is_where_training_diverges(name: str) -> None:
    def text(rate: float, steps: int = 1) -> str:
        return PROGRAMS[name].replace("{rate}", repr(rate)).replace("{steps}", str(steps))

    (limit,) = limits(text(1000.0))
    assert limits(text(1.02 * limit)), "silent past its own limit"
    assert not limits(text(0.98 * limit)), "speaks under its own limit"
    first, past, under = (
        trained(text(1e-6)),
        trained(text(1.1 * limit, STEPS)),
        trained(text(0.95 * limit, STEPS)),
    )
    assert not past < 1e6 * first, (first, past)
    assert math.isfinite(under)
    assert under <= first, (first, under)


@pytest.mark.parametrize("batch", [1, 3])
def test_batches_one_after_another(batch: int) -> None:
    text = (
        f"batch = {batch}"
        + """
x = np.array([[3.3], [4.4], [5.5], [6.7]])
y = np.array([[1.7], [2.8], [2.1], [3.2]])
model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
model.compile(optimizer=tf.keras.optimizers.SGD(learning_rate={rate}), loss="mse")
loss = model.fit(x, y, epochs=60, batch_size=batch, verbose=0).history["loss"][-1]
"""
    )
    # The lowest rate that is reported, to a tenth.
    texts = (text.replace("{rate}", repr(0.005 * 1.1**step)) for step in range(100))
    assert not trained(next(text for text in texts if limits(text))) < 1e6


@pytest.mark.parametrize("drawn", ["uniform(-8.0, 8.0, 8)", "normal(1.0, 2.0, 12)", "rand(8)"])
def test_rates_that_nearly_all_draws_do_not_bear(drawn: str) -> None:
    import tensorflow as tf

    text = f"x = np.random.{drawn}" + LINE.replace(
        "x = tf.constant(np.linspace(0.0, 4.0, 9), dtype=tf.float32)", ""
    )
    text += TAPE.replace("{loss}", "tf.reduce_mean(tf.square(w * x + b - y))")
    rates = [0.005 * 1.02**k for k in range(400)]
    least = rates[bisect_left(rates, True, key=lambda rate: bool(limits(text.replace("{rate}", repr(rate)))))]
    np.random.seed(1)
    x = np.stack([eval(f"np.random.{drawn}") for _ in range(4000)])
    features = np.stack([x, np.ones_like(x)], axis=-1)
    hessians = tf.matmul(features, features, transpose_a=True) * 2 / x.shape[1]
    steepest = tf.linalg.eigvalsh(hessians)[:, -1].numpy()
    assert 0.85 <= np.mean(steepest * least > 2) <= 0.95


@pytest.fixture
def policy() -> Iterator[None]:
    """Programs may set a policy, which holds for the process."""
    import keras

    yield
    keras.config.set_dtype_policy("float32")


def run(text: str) -> dict[str, Any]:
    """The names of a program after its run."""
    import keras

    keras.utils.set_random_seed(1)
    names: dict[str, Any] = {}
    exec(compile(text, "program", "exec"), names)
    return names


HALF = """
import tensorflow as tf
tf.keras.mixed_precision.set_global_policy("mixed_float16")
model = tf.keras.Sequential([tf.keras.Input((4,)), tf.keras.layers.Dense(1, kernel_initializer="zeros")])
optimizer = tf.keras.optimizers.SGD(0.1)
before = [w.numpy() for w in model.trainable_variables]
with tf.GradientTape() as tape:
    loss = tf.reduce_mean(1e-8 * tf.cast(model(tf.ones([8, 4])), tf.float32))
gradients = tape.gradient(loss, model.trainable_variables)
optimizer.apply_gradients(zip(gradients, model.trainable_variables))
after = [w.numpy() for w in model.trainable_variables]
"""


def test_gradients_that_float16_does_not_have(policy: None) -> None:
    """Exactly 0, and no weight moves; with the loss scaled all do, as far as they do in float32."""
    assert [finding.code for finding in check(HALF)] == ["NAN603"]
    repaired = fix(HALF, unsafe=True)
    assert not check(repaired)
    half, scaled, single = (run(text) for text in (HALF, repaired, HALF.replace("mixed_float16", "float32")))
    assert all(not np.any(gradient) for gradient in half["gradients"])
    assert all(np.any(gradient) for gradient in scaled["gradients"])
    moved = [[b - a for a, b in zip(r["before"], r["after"], strict=True)] for r in (half, scaled, single)]
    assert not any(np.any(step) for step in moved[0])
    for step, wanted in zip(*moved[1:], strict=True):
        np.testing.assert_allclose(step, wanted, rtol=0.01)


TRAIN_STEP = """
import keras
import tensorflow as tf
keras.config.set_dtype_policy("mixed_float16")
class Line(keras.Model):
    def __init__(self):
        super().__init__()
        self.last = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    def call(self, x):
        return self.last(x)
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        return {"loss": loss}
model = Line()
model.compile(keras.optimizers.SGD(0.1), "mse")
model.fit(tf.ones([4, 1]), 0.5 * tf.ones([4, 1]), verbose=0)
moved = 1.0 - float(model.last.kernel.numpy()[0, 0])
"""


def test_a_step_that_is_scaled_back_only(policy: None) -> None:
    """`compile` wraps the optimizer: the step is 2^-15 of what it should be, until the loss is scaled."""
    (found,) = [finding for finding in check(TRAIN_STEP) if finding.code == "NAN603"]
    assert "expects" in found.message
    assert run(TRAIN_STEP)["moved"] == pytest.approx(0.1 / 2**15, rel=0.05)
    assert run(fix(TRAIN_STEP, unsafe=True))["moved"] == pytest.approx(0.1, rel=1e-3)


def test_errors_of_pictures_that_have_no_gradient() -> None:
    """The numbers of the page of NAN603."""
    import tensorflow as tf

    pixels = 32 * 256 * 256 * 3
    assert pixels == 6291456
    assert float(tf.cast(2 * 0.09 / pixels, tf.float16)) == 0 < float(tf.cast(2 * 0.1 / pixels, tf.float16))
    assert float(tf.cast(2 * 0.09 / pixels * 2**15, tf.float16)) == pytest.approx(1e-3, rel=0.1)


@pytest.mark.parametrize(
    ("kind", "gain", "steps", "said"),
    [
        ("SimpleRNN", 1.0, 50, 0.6),
        ("SimpleRNN", 2.0, 50, 270.0),
        ("SimpleRNN", 2.0, 200, 9e9),
        ("SimpleRNN", 3.0, 200, math.inf),
        ("GRU", 10.0, 50, 4e4),
    ],
)
def test_gradients_that_grow_with_time(kind: str, gain: float, steps: int, said: float) -> None:
    """The numbers of the page of NAN405, whatever rounding does to a chaotic system."""
    computed = recurrent_gradient(kind, gain, steps)
    assert computed == said or said / 5 < computed < said * 5, computed


RECURRENT = """
import tensorflow as tf
model = tf.keras.Sequential([
    tf.keras.Input((200, 4)),
    tf.keras.layers.SimpleRNN(32, recurrent_initializer=tf.keras.initializers.Orthogonal(2.0)),
    tf.keras.layers.Dense(1),
])
model.compile(optimizer=tf.keras.optimizers.SGD(0.01), loss="mse")
x = tf.random.normal([64, 200, 4], seed=1)
model.fit(x, x[:, -1, :1], epochs=2, verbose=0)
largest = max(float(tf.reduce_max(tf.abs(w))) for w in model.layers[0].get_weights())
hidden = model.layers[0](x)
"""


def test_clipping_keeps_the_weights_of_a_recurrent_net() -> None:
    assert [f.code for f in check(RECURRENT, select=("NAN405",))] == ["NAN405"]
    repaired = fix(RECURRENT, unsafe=True, select=("NAN405",))
    assert not check(repaired, select=("NAN405",))
    before, after = run(RECURRENT), run(repaired)
    assert before["largest"] > 1e4 > 10 > after["largest"]
    saturated, alive = (float(np.mean(np.abs(names["hidden"]) == 1)) for names in (before, after))
    assert saturated > 0.9 > 0.1 > alive


DIVERGING = """
import tensorflow as tf
w = tf.Variable(2.0)
optimizer = tf.keras.optimizers.SGD(0.5)
for step in range(200):
    with tf.GradientTape() as tape:
        loss = tf.square(tf.square(w))
    gradients = tape.gradient(loss, [w])
    optimizer.apply_gradients(zip(gradients, [w]))
print(w.numpy())
"""
FIT = """
import keras
import tensorflow as tf
model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
history = model.fit(1e20 * tf.ones([4, 1]), tf.ones([4, 1]), epochs=10, verbose=0, callbacks=[
    keras.callbacks.ReduceLROnPlateau("loss"),
])
"""


def test_a_check_raises_before_weights_are_nan() -> None:
    import tensorflow as tf

    assert [finding.code for finding in check(DIVERGING, select=("NAN407",))] == ["NAN407"]
    assert math.isnan(run(DIVERGING)["w"].numpy())
    with pytest.raises(tf.errors.InvalidArgumentError, match="loss"):
        run(fix(DIVERGING, unsafe=True, select=("NAN407",)))


def test_the_callback_ends_fit() -> None:
    found = check(FIT, select=("NAN407",))
    assert [finding.code for finding in found if finding.code == "NAN407"]
    lost = run(FIT)["history"].history["loss"]
    assert (len(lost), math.isfinite(lost[-1])) == (10, False)
    repaired = fix(FIT, unsafe=True, select=("NAN407",))
    assert not [finding for finding in check(repaired, select=("NAN407",)) if finding.code == "NAN407"]
    assert len(run(repaired)["history"].history["loss"]) == 1


def optimizers() -> Iterator[tuple[str, type]]:
    """The optimizers of the operator table that divide and are still there, by name."""
    import keras
    import tensorflow as tf

    for name, entry in APIS.items():
        algorithm = entry.fixed.get("algorithm")
        if algorithm is not None and algorithm.literal in DIVIDING and entry.removed is None:
            module = tf.compat.v1.train if name.startswith("tf.train.") else keras.optimizers
            yield name, getattr(module, name.rpartition(".")[2])


def test_epsilons_by_default_are_those_of_the_libraries() -> None:
    names = []
    for name, made in optimizers():
        parameters = inspect.signature(made).parameters
        assert default_epsilon(name) == parameters["epsilon"].default, name
        for beta, usual in BETAS.items():
            assert beta not in parameters or parameters[beta].default == usual, name
        names.append(name)
    assert {"keras.optimizers.Adam", "tf.optimizers.Nadam", "tf.train.AdadeltaOptimizer"} <= set(names)


def test_which_optimizers_divide_by_an_epsilon_that_is_0() -> None:
    """All of them, but the one that starts its mean of squares at 1."""
    finite = {name for name, _ in optimizers() if not math.isnan(moved(name, 0.0, "float16", epsilon=1e-8))}
    assert finite == {"tf.train.RMSPropOptimizer"}
