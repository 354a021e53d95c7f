"""The formats that the walk predicts for what Keras layers and models compute are those that Keras has.

Each program gives values to a numbered `probe`; the walk and Keras read the same text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from lint import check_files

from tflint_nan.build import build
from tflint_nan.source import Source

HEAD = "import keras\nimport numpy as np\nimport tensorflow as tf\nfrom lib import probe\n"
#: Each call is given `x`, of shape (2, 4, 4) and float32.
LAYERS = (
    *("Dense(3)", "Dense(3, activation='softmax')", "Conv1D(3, 2)", "LayerNormalization()", "Softmax()"),
    *("BatchNormalization()", "Dropout(0.5)", "Activation('relu')", "ReLU()", "GaussianNoise(0.1)"),
    *("UnitNormalization()", "Rescaling(0.5)", "Flatten()", "LSTM(3)", "Bidirectional(keras.layers.GRU(3))"),
    *("Normalization(mean=0.0, variance=1.0)", "TimeDistributed(keras.layers.Dense(3))", "Identity()"),
    *("MaxPooling1D()", "GlobalAveragePooling1D()", "Lambda(lambda v: v * 2.0)", "PReLU()", "Reshape((16,))"),
)
#: Dtypes that a layer is given itself.
OWN = ("", "float32", "mixed_float16", "float64")
POLICIES = ("mixed_float16", "mixed_bfloat16", "float16", "float32", "float64")


@pytest.fixture(autouse=True)
def policy() -> Iterator[None]:
    """Programs may set a policy, which holds for the process."""
    yield
    keras.config.set_dtype_policy("float32")
    keras.config.set_floatx("float32")


def predicted(text: str) -> dict[int, list[str | None]]:
    """The format of what each probe gets, one for each time that the walk reads it."""
    found: dict[int, list[str | None]] = {}
    for op in build(Source("program.py", HEAD + text), {}).ops("unknown_call"):
        if op.api == "lib.probe":
            place = op.arg("0").literal
            assert isinstance(place, int)
            found.setdefault(place, []).append(op.arg("1").dtype)
    return found


def computed(text: str) -> dict[int, list[str]]:
    """The format of what each probe gets."""
    found: dict[int, list[str]] = {}

    def probe(place: int, value: tf.Tensor) -> None:
        found.setdefault(place, []).append(keras.backend.standardize_dtype(value.dtype))

    names = {"probe": probe, "keras": keras, "np": np, "tf": tf, "__name__": "__main__"}
    exec(compile(text, "program.py", "exec"), names)
    return found


def agree(text: str) -> int:
    """How many probes Keras gives something to; the walk predicts the formats of just that."""
    found, said = computed(text), predicted(text)
    assert {place: set(said.get(place, [])) for place in found} == {p: set(them) for p, them in found.items()}
    assert found
    return len(found)


@pytest.mark.parametrize("name", POLICIES)
def test_layers(name: str) -> None:
    lines = [f"keras.config.set_dtype_policy({name!r})", "x = tf.ones([2, 4, 4])"]
    for place, layer in enumerate(LAYERS):
        lines.append(f"probe({place}, keras.layers.{layer}(x))")
    assert agree("\n".join(lines)) == len(LAYERS)


@pytest.mark.parametrize("own", OWN)
def test_a_dtype_of_its_own(own: str) -> None:
    given = f", dtype={own!r}" if own else ""
    agree(f"""
tf.keras.mixed_precision.set_global_policy("mixed_float16")
x = tf.ones([2, 4])
probe(0, keras.layers.Dense(3{given})(x))
probe(1, keras.layers.Activation("softmax"{given})(keras.layers.Dense(3)(x)))
probe(2, keras.layers.Add({given[2:]})([x, keras.layers.Dense(4)(x)]))
probe(3, keras.layers.LayerNormalization(epsilon=1e-6{given})(tf.cast(x, "float64")))
probe(4, keras.layers.Dense(3, dtype=keras.DTypePolicy({own or "mixed_bfloat16"!r}))(x))
""")


CUSTOM = """
class Inner(keras.layers.Layer):
    def call(self, x, mask, scale=None):
        probe(0, x)
        probe(1, mask)
        probe(2, scale)
        probe(3, (1.0 - tf.cast(mask > 0.5, x.dtype)) * 2.0)
        probe(4, tf.cast(x, self.compute_dtype))
        return x * 2.0


class Outer(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = Inner()
        self.dense = keras.layers.Dense(4)
        self.whole = keras.layers.Dense(4, dtype="float32")

    def call(self, x):
        h = self.dense(x)
        probe(5, h)
        probe(6, self.whole(h))
        probe(7, self.inner(self.whole(h), tf.ones([2, 4]), scale=tf.ones([4])))
        return h


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.outer = Outer()
        self.ids = keras.layers.Embedding(5, 4)

    def call(self, inputs):
        probe(8, inputs["x"])
        probe(9, inputs["n"])
        return self.outer(inputs["x"]) + self.ids(inputs["n"])
"""


@pytest.mark.parametrize("name", POLICIES)
def test_classes_of_the_project(name: str) -> None:
    agree(f"""
{CUSTOM}
policy = tf.keras.mixed_precision.Policy({name!r})
tf.keras.mixed_precision.set_global_policy(policy)
net = Net()
probe(10, net({{"x": tf.ones([2, 4]), "n": tf.constant([1, 2])}}))
""")


def test_a_class_with_a_dtype_of_its_own() -> None:
    agree(f"""
{CUSTOM}
keras.config.set_dtype_policy("mixed_float16")
probe(10, Outer(dtype="float32")(tf.ones([2, 4])))
probe(11, Outer()(tf.ones([2, 4])))
""")


def test_a_class_that_takes_what_it_is_given() -> None:
    agree("""
keras.config.set_dtype_policy("mixed_float16")
class Given(keras.layers.Layer):
    def __init__(self):
        super().__init__(autocast=False)
    def call(self, x):
        probe(0, x)
        return x
probe(1, Given()(tf.ones([2, 4])))
""")


def test_models_and_losses() -> None:
    agree("""
keras.config.set_dtype_policy("mixed_float16")
inputs = keras.Input((4,))
model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
stack = keras.Sequential([keras.layers.Dense(2), keras.layers.LayerNormalization()])
x = tf.ones([2, 4])
probe(0, stack(x))
class Error(keras.losses.Loss):
    def call(self, y_true, y_pred):
        probe(1, y_pred)
        return tf.reduce_mean(tf.square(y_true - y_pred))
Error()(tf.ones([2, 2]), stack(x))
probe(2, keras.losses.MeanSquaredError()(tf.ones([2, 2]), stack(x)))
probe(3, keras.losses.mean_squared_error(tf.ones([2, 2], tf.float16), stack(x)))
probe(4, keras.ops.multiply(stack(x), tf.ones([2])))
probe(5, keras.ops.multiply(stack(x), np.ones(2, "float32")))
probe(6, stack(x) * np.ones(2, "float32"))
""")


def test_a_policy_holds_for_what_is_made_after_it() -> None:
    agree("""
keras.config.set_dtype_policy("float32")
before = keras.layers.Dense(3)
keras.config.set_dtype_policy("mixed_float16")
after = keras.layers.Dense(3)
keras.config.set_dtype_policy("float32")
x = tf.ones([2, 4])
probe(0, before(x))
probe(1, after(x))
probe(2, keras.layers.Dense(3)(after(x)))
""")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("pass", None),
        ("keras.config.set_dtype_policy(name)", None),
        ("if name:\n    keras.config.set_dtype_policy('mixed_float16')", "float16"),
        ("if name:\n    keras.config.set_dtype_policy('mixed_float16')\nelse:\n    pass", "float16"),
        (
            "if name:\n    keras.config.set_dtype_policy('mixed_float16')\n"
            "else:\n    keras.config.set_dtype_policy('float32')",
            "float16",
        ),
        ("keras.config.set_dtype_policy('float32' if name else 'mixed_float16')", "float16"),
        ("p = 'mixed_bfloat16' if name else 'float32'\nkeras.config.set_dtype_policy(p)", "bfloat16"),
        (
            "if name:\n    keras.config.set_dtype_policy('mixed_float16')\n"
            "else:\n    keras.config.set_dtype_policy('mixed_bfloat16')",
            None,
        ),
        ("keras.config.set_dtype_policy('mixed_float16' if name else 'mixed_bfloat16')", None),
        ("def half():\n    keras.config.set_dtype_policy('mixed_float16')", None),
    ],
)
def test_a_policy_that_is_not_known(setting: str, expected: str | None) -> None:
    """One mode beside the default is enough, several that differ are not known, nor what nobody calls."""
    text = f"""
from settings import name
{setting}
def later(x):
    probe(0, keras.layers.Dense(3)(x))
"""
    assert predicted(text) == {0: [expected]}


def test_variables_of_a_layer_are_read_in_the_format_that_it_computes_in() -> None:
    text = """
keras.config.set_dtype_policy("mixed_float16")
class Scaled(keras.layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=(4,), dtype="float32")
    def call(self, x):
        probe(0, self.scale * x)
        probe(1, x * self.scale)
        return x
probe(2, Scaled()(tf.ones([2, 4])))
"""
    agree(text)


SHARED = """
import tensorflow as tf

class Masked(tf.keras.layers.Layer):
    def __init__(self, epsilon):
        super().__init__()
        self.dense = tf.keras.layers.Dense(8)
        self.epsilon = epsilon

    def call(self, x, mask):
        scores = tf.nn.relu(self.dense(x))
        scores += (1.0 - tf.cast(mask, scores.dtype)) * -1e9
        total = tf.reduce_sum(tf.nn.relu(self.dense(x)), axis=-1, keepdims=True)
        return tf.nn.softmax(scores) / (total + self.epsilon)
"""
USER = """
import tensorflow as tf
from layers import Masked

tf.keras.mixed_precision.set_global_policy({policy!r})
layer, optimizer = Masked(1e-9), tf.keras.optimizers.Adam()
x, mask = tf.keras.Input((8,)), tf.keras.Input((8,))
with tf.GradientTape() as tape:
    loss = optimizer.scale_loss(tf.reduce_mean(tf.cast(layer(x, mask), tf.float32)))
optimizer.apply_gradients(zip(tape.gradient(loss, layer.trainable_variables), layer.trainable_variables))
"""


@pytest.mark.parametrize(
    ("policy", "codes"),
    [("mixed_float16", ["NAN105", "NAN604"]), ("mixed_bfloat16", []), ("float32", [])],
)
def test_a_layer_of_another_file_is_wrong_under_the_policy_of_this_one(
    policy: str, codes: list[str], tmp_path: Path
) -> None:
    """The layer itself is right, so what it does in float16 is told where it is called."""
    (tmp_path / "layers.py").write_text(SHARED)
    (tmp_path / "train.py").write_text(USER.format(policy=policy))
    found = check_files(tmp_path).findings
    assert sorted(finding["code"] for finding in found) == codes
    for finding in found:
        assert Path(finding["filename"]).name == "train.py"
        assert "called here" in finding["message"]
        assert "float16 is set here" in str(finding)


def test_a_format_that_the_other_file_asks_for_is_its_own_business(tmp_path: Path) -> None:
    shared = """
import tensorflow as tf

def masked(scores, mask):
    scores = tf.cast(scores, tf.float16)
    return tf.nn.softmax(scores + (1.0 - tf.cast(mask, scores.dtype)) * -1e9)
"""
    user = """
import tensorflow as tf
from masks import masked
tf.keras.mixed_precision.set_global_policy("mixed_float16")
p = masked(tf.keras.layers.Dense(8)(tf.ones([2, 8])), tf.ones([2, 8]))
"""
    (tmp_path / "masks.py").write_text(shared)
    (tmp_path / "train.py").write_text(user.replace("Dense(8)", "Dense(8, dtype='float32')"))
    found = check_files(tmp_path).findings
    assert [(Path(one["filename"]).name, one["code"]) for one in found] == [("masks.py", "NAN604")]


@pytest.mark.parametrize("length", [64, 4096])
def test_a_sum_in_half_precision_depends_on_its_order(length: int) -> None:
    text = f"p = tf.sigmoid(tf.placeholder(tf.float16, [{length}, 4]))\nprobe(1, tf.reduce_sum(p, axis=0))\n"
    (got,) = (op.arg("1") for op in build(Source("a.py", HEAD + text), {}).ops("unknown_call") if op.args)
    one_by_one = tf.reduce_sum(tf.ones([length, 4], tf.float16), axis=0).numpy()[0]
    in_pairs = tf.reduce_sum(tf.ones([4, length], tf.float16), axis=1).numpy()[0]
    told = {witness.value for witness in got.witnesses}
    assert one_by_one == min(length, 2048)
    assert in_pairs == length
    assert (float(length) in told) == (one_by_one == in_pairs)
