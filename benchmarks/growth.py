"""How time grows with the size of what is read: `python benchmarks/growth.py`.

Every kind is made three times, each ten times the size of the one before, and given to the command. The last
column is what ten times the size costs: 10 is in proportion.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

HEAD = "import tensorflow as tf\nx = tf.Variable(tf.random.normal([8, 4]))\ny = tf.one_hot([0] * 8, 4)\n"
TAIL = "tf.keras.optimizers.SGD(0.1).minimize(lambda: tf.reduce_sum(x), [x])\n"
#: A model, its loss and its step, as scripts have them.
PART = """
class Model{i}(tf.keras.Model):
    def __init__(self, units={i}, eps=1e-7):
        super().__init__()
        self.hidden = tf.keras.layers.Dense(units, activation="relu")
        self.head = tf.keras.layers.Dense(4)
        self.eps = eps

    def call(self, inputs, training=False):
        scores = self.head(self.hidden(inputs))
        if training:
            scores = scores / 2.0
        return tf.nn.softmax(scores)

    def loss(self, labels, probabilities):
        kept = tf.clip_by_value(probabilities, self.eps, 1.0)
        return -tf.reduce_mean(tf.reduce_sum(labels * tf.math.log(kept), axis=1))


model{i} = Model{i}()
optimizer{i} = tf.keras.optimizers.Adam(1e-3)


def step{i}(inputs, labels):
    with tf.GradientTape() as tape:
        loss = model{i}.loss(labels, model{i}(inputs, training=True))
        for weight in model{i}.trainable_variables:
            loss += 1e-4 * tf.nn.l2_loss(weight)
    gradients = tape.gradient(loss, model{i}.trainable_variables)
    optimizer{i}.apply_gradients(zip(gradients, model{i}.trainable_variables))
    return loss


for epoch in range(10):
    print(step{i}(x, y))
"""
Texts = dict[str, str]


def parts(count: int) -> Texts:
    """One file that repeats itself."""
    return {"train.py": HEAD + "".join(PART.replace("{i}", str(i)) for i in range(count)) + TAIL}


def findings(count: int) -> Texts:
    """One file in which every line is wrong."""
    lines = "".join(
        f"loss{i} = -tf.math.log(tf.nn.softmax(tf.matmul(y, x) * {i + 1}.0))\n" for i in range(count)
    )
    return {"train.py": HEAD + lines}


def expression(count: int) -> Texts:
    """One expression of which every part is wrong."""
    parts = "".join(f"    tf.math.log(tf.nn.softmax(tf.matmul(y, x) * {i + 1}.0)),\n" for i in range(count))
    return {"train.py": f"{HEAD}losses = [\n{parts}]\n"}


def unnamed(count: int) -> Texts:
    """Fixes that each give a name to something, all of them the same one."""
    lines = "".join(
        f"p{i} = tf.nn.softmax(tf.matmul(y, x) * {i + 1}.0)\nloss{i} = -tf.math.log(p{i})\n"
        for i in range(count)
    )
    return {"train.py": HEAD + lines}


def files(count: int) -> Texts:
    """A project of many files, each importing the one before."""
    return {
        f"part{i}.py": (f"from part{i - 1} import model{i - 1} as other\n" if i else "")
        + HEAD
        + PART.replace("{i}", str(i))
        for i in range(count)
    }


def chain(count: int) -> Texts:
    """Functions that call each other, one level deeper each."""
    first = "def f0(a):\n    return tf.nn.softmax(a)\n"
    calls = "".join(f"def f{i}(a):\n    return f{i - 1}(a) * 1.0\n" for i in range(1, count))
    return {"train.py": HEAD + first + calls + f"z = tf.math.log(f{count - 1}(x))\n" + TAIL}


def tree(count: int) -> Texts:
    """Functions that each call the one before twice, with other arguments: 2 ** count calls, run for real."""
    calls = "".join(
        f"def f{i}(a):\n    return f{i - 1}(a + 1.0) + f{i - 1}(a * 2.0)\n" for i in range(1, count)
    )
    return {
        "train.py": HEAD + "def f0(a):\n    return tf.nn.relu(a)\n" + calls + f"z = f{count - 1}(x)\n" + TAIL
    }


def union(count: int) -> Texts:
    """A name that any of many functions may stand for, called in as many places."""
    choices = "".join(
        f"def f{i}(a):\n    return a * {i}.0\nif y[{i}] > 0:\n    f = f{i}\n" for i in range(count)
    )
    return {"train.py": HEAD + "f = tf.nn.relu\n" + choices + "z = f(x)\n" * count + TAIL}


def branches(count: int) -> Texts:
    """Branches one after another, each leaving one more value of a name."""
    lines = "".join(
        f"if y[0] > {i}:\n    x = x * {i}.5\nelse:\n    x = tf.nn.relu(x) + 1.0\n" for i in range(count)
    )
    return {"train.py": HEAD + lines + "z = tf.math.log(x)\n" + TAIL}


FIX = ("--diff", "--unsafe-fixes")
#: What grows -> how it is made, its smallest size, and options of the command.
KINDS: dict[str, tuple[Callable[[int], Texts], int, tuple[str, ...]]] = {
    "models in one file": (parts, 2, ()),
    "the same, weaker findings, too": (parts, 2, ("--strict",)),
    "findings in one file": (findings, 10, ()),
    "the same, fixed": (findings, 10, FIX),
    "findings in one expression, fixed": (expression, 10, FIX),
    "fixes that want one name": (unnamed, 10, FIX),
    "files that import each other": (files, 2, ()),
    "depth of calls": (chain, 10, ()),
    "calls that double": (tree, 5, ()),
    "alternatives of a name": (union, 10, ()),
    "branches": (branches, 10, ()),
}


def seconds(texts: Texts, options: tuple[str, ...] = ()) -> tuple[int, float]:
    """Rows, and seconds of processor time of the command, all its processes together."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "tflint_nan", "check", "--isolated", "--no-cache", "--exit-zero"]
        subprocess.run([*command, *options, folder], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return sum(text.count("\n") for text in texts.values()), taken


def main() -> None:
    """Print the table in Markdown."""
    start = min(seconds({"train.py": HEAD + TAIL})[1] for _ in range(3))
    print(f"Seconds of processor time; starting takes {start:.2f} s, which is taken off.\n")
    print("| what grows | rows | seconds | rows | seconds | rows | seconds | ten times costs |")
    print("|---|---|---|---|---|---|---|---|")
    for name, (make, size, options) in KINDS.items():
        runs = (seconds(make(size * factor), options) for factor in (1, 10, 100))
        measured = [(rows, taken - start) for rows, taken in runs]
        cells = [f"{rows} | {taken:.2f}" for rows, taken in measured]
        print(f"| {name} | {' | '.join(cells)} | {measured[2][1] / measured[1][1]:.1f} |")


if __name__ == "__main__":
    main()
