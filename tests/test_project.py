"""Programs of several files: what is imported is followed to where it is defined."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_whole import PROGRAMS

from tflint_nan.build import Project, build
from tflint_nan.engine import Settings, lint
from tflint_nan.finding import Finding, Level
from tflint_nan.modules import imports
from tflint_nan.registry import rules
from tflint_nan.source import Source

HEAD = "import tensorflow as tf\n"
MODEL = (
    HEAD + "def probabilities(x):\n    return tf.nn.softmax(tf.matmul(x, tf.Variable(tf.zeros([4, 3]))))\n"
)
GUARD = HEAD + "EPS = 1e-7\ndef guard(p):\n    return tf.clip_by_value(p, EPS, 1.0)\n"
LOSS = HEAD + "def loss(y, p):\n    return -tf.reduce_sum(y * tf.math.log(p))\n"
USE = "x = tf.compat.v1.placeholder(tf.float32, [None, 4])\np = probabilities(x)\n"


def check(
    folder: Path, files: dict[str, str], entry: str = "train.py", *, alone: bool = False
) -> list[Finding]:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    thresholds = {name: value for rule in rules() for name, value in rule.thresholds.items()}
    settings = Settings({rule.code: Level.DEFAULT for rule in rules()}, thresholds)
    return lint(Source.read(folder / entry), settings, None if alone else Project())


IMPORTS = {
    "from a sibling": ("from model import probabilities\n", "model.py"),
    "through a name of a sibling": ("import model\nprobabilities = model.probabilities\n", "model.py"),
    "with another name": ("from model import probabilities as q\nprobabilities = q\n", "model.py"),
    "star": ("from model import *\n", "model.py"),
    "from a package": ("from lib.model import probabilities\n", "lib/model.py"),
    "dotted": ("import lib.model\nprobabilities = lib.model.probabilities\n", "lib/model.py"),
    "a module of a package": ("from lib import model\nprobabilities = model.probabilities\n", "lib/model.py"),
}


@pytest.mark.parametrize("name", IMPORTS)
def test_the_producer_is_in_another_file(name: str, tmp_path: Path) -> None:
    head, place = IMPORTS[name]
    files = {
        "train.py": HEAD + head + USE + "loss = -tf.reduce_sum(tf.math.log(p))\n",
        "lib/__init__.py": "",
        place: MODEL,
    }
    (finding,) = check(tmp_path, files)
    assert finding.code == "NAN101"
    related = [(Path(step.filename).name, step.message) for step in finding.related]
    assert related == [
        ("model.py", "softmax: values in [0, 1]"),
        ("train.py", "computed in this call"),
        ("train.py", "log = -inf"),
    ]
    assert check(tmp_path, files, alone=True) == []


def test_re_exports_and_relative_imports(tmp_path: Path) -> None:
    files = {
        "lib/__init__.py": "from .parts.model import probabilities\n",
        "lib/parts/__init__.py": "",
        "lib/parts/model.py": "from ..base import probabilities\n",
        "lib/base.py": MODEL,
        "train.py": HEAD + "from lib import probabilities\n" + USE + "loss = tf.math.log(p)\n",
    }
    assert [finding.code for finding in check(tmp_path, files)] == ["NAN101"]


def test_what_scales_no_floats_is_in_another_file(tmp_path: Path) -> None:
    """What trains on the data is told where it does: the file of the pipeline trains nothing itself."""
    pipeline = HEAD + (
        "def picture(path):\n"
        "    image = tf.image.resize(tf.io.decode_png(tf.io.read_file(path), channels=1), [28, 28])\n"
        "    return tf.image.convert_image_dtype(image, tf.float32), tf.strings.length(path) % 2\n"
        "def dataset(paths):\n    return tf.data.Dataset.from_tensor_slices(paths).map(picture).batch(8)\n"
    )
    files = {
        "pipeline.py": pipeline,
        "train.py": HEAD + "from pipeline import dataset\n"
        "layers = [tf.keras.layers.Flatten(), tf.keras.layers.Dense(2, activation='softmax')]\n"
        "model = tf.keras.Sequential(layers)\n"
        "model.compile('sgd', 'sparse_categorical_crossentropy')\n"
        "model.fit(dataset(['a.png', 'b.png']))\n",
    }
    (finding,) = [finding for finding in check(tmp_path, files) if finding.code == "NAN301"]
    assert finding.span.start.row == 6
    assert finding.message.startswith("convert_image_dtype scales integers only and is given float32")
    assert finding.fix is None
    assert "tf.image.convert_image_dtype: hands floats on as they are" in [
        step.message for step in finding.related
    ]
    assert check(tmp_path, files, "pipeline.py") == []
    first = "tf.image.convert_image_dtype(tf.io.decode_png(tf.io.read_file(path), channels=1), tf.float32)"
    files["pipeline.py"] = pipeline.replace("tf.io.decode_png(tf.io.read_file(path), channels=1)", first)
    assert "NAN301" not in [finding.code for finding in check(tmp_path, files)]


def test_the_guard_is_in_another_file(tmp_path: Path) -> None:
    use = HEAD + "from model import probabilities\nfrom guards import guard\n" + USE
    files = {"model.py": MODEL, "guards.py": GUARD, "train.py": use + "loss = tf.math.log(guard(p))\n"}
    assert check(tmp_path, files) == []
    files["guards.py"] = GUARD.replace("1e-7", "1e-46")  # 0 in float32
    assert [finding.code for finding in check(tmp_path, files)] == ["NAN104"]


def test_the_epsilon_is_in_another_file(tmp_path: Path) -> None:
    use = (
        HEAD
        + "from model import probabilities\nimport config\n"
        + USE
        + "loss = tf.math.log(p + config.EPS)\n"
    )
    files = {"model.py": MODEL, "config.py": "EPS = 1e-7\n", "train.py": use}
    assert check(tmp_path, files) == []
    files["config.py"] = "EPS = 0.0\n"
    assert check(tmp_path, files) != []


def test_what_goes_wrong_elsewhere_stands_at_the_call(tmp_path: Path) -> None:
    use = HEAD + "from model import probabilities\nfrom losses import loss\n" + USE + "cost = loss(1.0, p)\n"
    (finding,) = check(tmp_path, {"model.py": MODEL, "losses.py": LOSS, "train.py": use})
    assert (finding.code, Path(finding.filename).name, finding.span.start.row) == ("NAN101", "train.py", 6)
    assert "losses.py:3" in finding.message
    related = [(Path(step.filename).name, step.message) for step in finding.related]
    assert related == [
        ("model.py", "softmax: values in [0, 1]"),
        ("train.py", "computed in this call"),
        ("train.py", "used in this call"),
        ("losses.py", "log = -inf"),
    ]
    assert finding.fix is None


def test_a_call_that_leads_to_two_bugs_has_two_findings(tmp_path: Path) -> None:
    """Two of the values that it is given go wrong; where one does so twice, once is enough."""
    losses = (
        HEAD + "def loss(p, q):\n    a = tf.math.log(p)\n    b = tf.math.log(q)\n"
        "    return -tf.reduce_sum(a + b + tf.math.log(q))\n"
    )
    use = HEAD + "from model import probabilities\nfrom losses import loss\n" + USE
    files = {"model.py": MODEL, "losses.py": losses, "train.py": use + "cost = loss(p, probabilities(x))\n"}
    found = check(tmp_path, files)
    assert [(finding.code, finding.span.start.row) for finding in found] == [("NAN101", 6), ("NAN101", 6)]
    first, second = (finding.message for finding in found)
    assert ("losses.py:3" in first, "losses.py:4" in second) == (True, True)


def test_what_happens_inside_of_one_call_is_the_other_files(tmp_path: Path) -> None:
    whole = HEAD + "def entropy(z):\n    p = tf.nn.softmax(z)\n    return tf.reduce_sum(tf.math.log(p))\n"
    use = HEAD + "from losses import entropy\nfirst = entropy(tf.Variable([1.0]))\nsecond = entropy(2.0)\n"
    files = {"losses.py": whole, "train.py": use}
    assert check(tmp_path, files) == []
    assert [finding.code for finding in check(tmp_path, files, "losses.py")] == ["NAN101"]


def test_a_model_and_a_loss_of_one_file_meet_where_another_compiles_them(tmp_path: Path) -> None:
    """No check of their own file can know that this output goes into this log."""
    net = (
        "class Net(tf.keras.Model):\n    def __init__(self):\n        super().__init__()\n"
        "        self.out = tf.keras.layers.Dense(1)\n    def call(self, x):\n"
    )
    loss = (
        "def weighted(w):\n    def loss(y, p):\n"
        "        return -w * tf.reduce_mean(y * tf.math.log(p))\n    return loss\n"
    )
    use = HEAD + "from model import Net, weighted\nmodel = Net()\nmodel.compile('adam', loss=weighted(2.0))\n"
    model = HEAD + net + "        return tf.sigmoid(self.out(x))\n" + loss
    files = {"model.py": model, "train.py": use}
    (finding,) = check(tmp_path, files)
    assert (finding.code, finding.span.start.row) == ("NAN102", 4)
    assert "model.py:10" in finding.message
    assert [step.span.start.row for step in finding.related] == [5, 7, 10]
    assert check(tmp_path, files, "model.py") == []
    # What the model does by itself is wrong wherever it is compiled.
    own = (
        HEAD
        + net
        + "        return tf.math.log(tf.sigmoid(self.out(x)))\n"
        + loss.replace("tf.math.log(p)", "p")
    )
    files = {"model.py": own, "train.py": use}
    assert check(tmp_path, files) == []
    assert [finding.code for finding in check(tmp_path, files, "model.py")] == ["NAN102"]


def test_what_another_file_does_with_a_number_is_told_where_it_is_given(tmp_path: Path) -> None:
    """The other file is right with the epsilon of one caller, and wrong with that of another."""
    network = (
        HEAD + "class Policy:\n    def __init__(self, config):\n        self.config = config\n"
        "        self.dense = tf.keras.layers.Dense(2)\n    def log_scale(self, x):\n"
        "        a = tf.tanh(self.dense(x))\n"
        "        return tf.reduce_sum(tf.math.log(1.0 + self.config.eps - tf.square(a)))\n"
    )
    train = (
        HEAD + "from dataclasses import dataclass\nfrom network import Policy\n"
        "@dataclass\nclass Config:\n    eps: float = {}\n"
        "policy = Policy(Config())\nloss = policy.log_scale(tf.random.normal([4, 8]))\n"
    )
    files = {"network.py": network, "train.py": train.format("1e-10")}
    (finding,) = check(tmp_path, files)
    assert (finding.code, finding.span.start.row) == ("NAN104", 8)
    assert "network.py:8" in finding.message
    assert check(tmp_path, files, "network.py") == []
    assert check(tmp_path, {**files, "train.py": train.format("1e-6")}) == []
    # One that is wrong with every caller tells by itself, wherever on the way that is known.
    fixed = train.format("1e-10") + "def log_scale(x):\n    return policy.log_scale(x)\n"
    files = {
        "network.py": network,
        "policies.py": fixed,
        "use.py": HEAD + "import policies\npolicies.log_scale(2.0)\n",
    }
    assert check(tmp_path, files, "use.py") == []
    assert {finding.code for finding in check(tmp_path, files, "policies.py")} == {"NAN104"}


def test_what_happens_in_a_file_that_is_never_looked_at_is_told_at_the_call(tmp_path: Path) -> None:
    """Preparation by NumPy, in a file of its own: only a program that trains makes a bug of it."""
    scaled = "import numpy as np\ndef scaled(x):\n    return (x - x.mean(axis=0)) / x.std(axis=0)\n"
    use = (
        HEAD + "import numpy as np\nfrom data import scaled\nx = scaled(np.load('x.npy'))\n"
        "model = tf.keras.Sequential([tf.keras.layers.Dense(1)])\n"
        "model.compile('adam', 'mse')\nmodel.fit(x, np.load('y.npy'))\n"
    )

    def divisions(files: dict[str, str], entry: str) -> list[Finding]:
        return [finding for finding in check(tmp_path, files, entry) if finding.code == "NAN105"]

    (finding,) = divisions({"data.py": scaled, "train.py": use}, "train.py")
    assert (finding.span.start.row, "data.py:3" in finding.message) == (4, True)
    # One that is looked at tells by itself, as soon as it reaches TensorFlow.
    for more in ("import keras\n", "import other\n"):
        files = {"data.py": more + scaled, "other.py": HEAD, "train.py": use}
        assert divisions(files, "train.py") == []
        assert len(divisions(files, "data.py")) == 1


def test_a_gradient_that_only_the_caller_takes_is_told_at_the_call(tmp_path: Path) -> None:
    """The distance of two outputs of one network: whether its root is differentiated, the loss decides."""
    network = (
        "from tensorflow.keras import Model, layers\nfrom tensorflow.keras import backend as K\n"
        "def distance(pair):\n    a, b = pair\n"
        "    return K.sqrt(K.sum(K.square(a - b), axis=1, keepdims=True))\n"
        "def siamese():\n    x, y, z = (layers.Input((8,)) for _ in range(3))\n"
        "    base = Model(x, layers.Dense(4)(x))\n"
        "    return Model([y, z], layers.Lambda(distance)([base(y), base(z)]))\n"
    )
    losses = {
        "y_true * y_pred + (1 - y_true) * K.maximum(1.0 - y_pred, 0)": ["NAN106"],
        "y_true * K.square(y_pred)": [],
    }
    for loss, codes in losses.items():
        use = (
            "from tensorflow.keras import backend as K\nfrom network import siamese\n"
            f"def loss(y_true, y_pred):\n    return K.mean({loss})\n"
            "model = siamese()\n"
        )
        files = {"network.py": network, "train.py": use + "model.compile('adam', loss=loss)\n"}
        found = check(tmp_path, files)
        assert [finding.code for finding in found] == codes
        assert all("network.py:5" in f.message and f.span.start.row == 5 for f in found)
        assert check(tmp_path, files, "network.py") == []
        assert check(tmp_path, {"network.py": network, "train.py": use}) == []
    # A file that shows itself who takes the gradient tells by itself.
    trained = network + "siamese().compile('adam', loss=lambda y_true, y_pred: K.mean(y_true * y_pred))\n"
    files = {"network.py": trained, "train.py": "import network\n"}
    assert check(tmp_path, files) == []
    assert [finding.code for finding in check(tmp_path, files, "network.py")] == ["NAN106"]


def test_a_base_class_in_another_file(tmp_path: Path) -> None:
    base = HEAD + "class Base:\n    def __init__(self, z):\n        self.p = tf.nn.softmax(z)\n"
    use = (
        HEAD
        + "from base import Base\nclass Net(Base):\n    def loss(self):\n        return tf.math.log(self.p)\n"
    )
    assert [f.code for f in check(tmp_path, {"base.py": base, "train.py": use})] == ["NAN101"]


@pytest.mark.parametrize(
    "files",
    [
        {"train.py": HEAD + "from other import f\nf(1)\n", "other.py": "from train import f\n"},
        {
            "train.py": HEAD + "from other import g\ndef f(): g()\n",
            "other.py": "from train import f\ndef g(): f()\n",
        },
        {"train.py": HEAD + "import train\ntrain.x.y\n"},
        {"train.py": HEAD + "from other import x\nx + 1\n", "other.py": "this is not Python\n"},
        {"train.py": HEAD + "from .. import x\nfrom .....a import b\nb(x)\n"},
        {
            "lib/__init__.py": "from . import b\n",
            "lib/b.py": "from . import b\n",
            "train.py": HEAD + "from lib import b\nb.c\n",
        },
    ],
)
def test_circles_and_dead_ends(files: dict[str, str], tmp_path: Path) -> None:
    assert check(tmp_path, files) == []


def test_a_library_is_never_taken_from_a_folder_of_its_name(tmp_path: Path) -> None:
    files = {
        "tensorflow/__init__.py": "nn = None\n",
        "train.py": HEAD + "z = tf.Variable([1.0, 2.0])\nloss = tf.math.log(tf.nn.softmax(z))\n",
    }
    assert [finding.code for finding in check(tmp_path, files)] == ["NAN101"]


def test_every_op_has_its_place(tmp_path: Path) -> None:
    """Of an op and of the calls that lead to it, in whatever file, also where nobody calls a method."""
    base = (
        HEAD
        + "class Base(tf.keras.layers.Layer):\n    def build(self, shape):\n"
        + "        self.w = tf.math.log(self.add_weight(name='w', shape=[4, 1]))\n"
        + "    def scaled(self, x):\n        return tf.exp(x) * self.w\n"
    )
    mine = (
        HEAD
        + "from base import Base\nclass Mine(Base):\n    def call(self, x):\n        return self.scaled(x)\n"
    )
    (tmp_path / "base.py").write_text(base)
    (tmp_path / "train.py").write_text(mine)
    ops = list(build(Source.read(tmp_path / "train.py"), {}, Project()).ops())
    assert {op.name for op in ops} >= {"log", "exp", "parameter"}
    for op in ops:
        op.source.span(op.node)
        for source, node in op.calls:
            source.span(node)


def imported(text: str) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """What `imports` should find, as Python's own parser has it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for name in (alias.name for alias in node.names):
                parts = name.split(".")
                yield from ((".".join(parts[:end]), 0, ()) for end in range(1, len(parts) + 1))
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names if alias.name != "*")
            yield node.module or "", node.level, names


WRITTEN = [
    "import a",
    "import a.b.c as d, e",
    "import a, \\\n    b",
    "import a; b = 1",
    "import größe",
    "from größe import höhe",
    "from a import *",
    "from a.b import c as d, e  # f",
    "from . import a",
    "from .import a",
    "from ..a import b",
    "from.a import b",
    "from a import(b)",
    "from a import \\\n    b, \\\n    c",
    "from a import (b, c)",
    "from a import (\n    b,\n    c as d,\n)",
    "from a import (  # e, f\n    b,  # (g\n    # h\n    c\n)\nd = (1, i)",
    "if a:\n    import b\n    from c import (\n        d\n    )",
    "importer = 1\nfrom_ = importer, 2",
]


@pytest.mark.parametrize("text", [*WRITTEN, *(path.read_text(encoding="utf-8") for path in PROGRAMS)])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["unix", "windows"])
def test_imports_are_found_without_a_parser(text: str, newline: str) -> None:
    assert sorted(imports(text.replace("\n", newline).encode())) == sorted(imported(text))


def test_lists_of_imports_that_never_end_cost_their_length() -> None:
    hostile = b"from a import (\n" * 50_000
    start = time.perf_counter()
    assert len(list(imports(hostile))) > 1
    assert time.perf_counter() - start < 5.0


NET = (
    HEAD
    + """
class Net(tf.keras.Model):
    def __init__(self, epsilon):
        super().__init__()
        self.dense, self.epsilon = tf.keras.layers.Dense(3), epsilon

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(y * tf.math.log(tf.nn.sigmoid(self.dense(x)) + self.epsilon))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        return {"loss": loss}
"""
)


@pytest.mark.parametrize(("training", "steps"), [("model.fit(images, labels)\n", 1), ("", 0)])
def test_fit_takes_the_step_that_a_model_of_another_file_has(
    training: str, steps: int, tmp_path: Path
) -> None:
    """So what the model computes is seen, and that it is trained."""
    train = f"from net import Net\nmodel = Net(0.0)\nmodel.compile('adam')\n{training}"
    check(tmp_path, {"train.py": train, "net.py": NET})
    ops = build(Source.read(tmp_path / "train.py"), {}, Project())
    assert len(list(ops.ops("apply_gradients"))) == steps
    assert [ops.monitored_only(log) for log in ops.ops("log")] == [False] * steps
