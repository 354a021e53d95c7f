"""Where following calls comes to its bounds, the text itself is still read, and nothing is made up."""

from __future__ import annotations

from pathlib import Path

from lint import check

from tflint_nan.build import Project, build
from tflint_nan.engine import Settings, lint
from tflint_nan.finding import Level
from tflint_nan.registry import rules
from tflint_nan.source import Source

HEAD = "import tensorflow as tf\nw = tf.Variable(tf.random.normal([4, 3]))\n"
#: A function that takes more work than any text is allowed: 4 ** 12 calls, each with an argument of its own.
COSTLY = (
    "def cost0(a):\n    return tf.nn.relu(a)\n"
    + "".join(
        f"def cost{i}(a):\n"
        + "".join(f"    a = a + cost{i - 1}(a * {k}.0)\n" for k in range(1, 5))
        + "    return a\n"
        for i in range(1, 13)
    )
    + "def costly(a):\n    return cost12(a)\n"
)
LOG = "tf.math.log(tf.nn.softmax(tf.matmul(x, w)))"


def rows(text: str) -> list[int]:
    return [finding.span.start.row for finding in check(text)]


def test_every_function_is_read_to_its_end() -> None:
    text = HEAD + COSTLY
    for name in ("first", "second", "third"):
        text += f"def {name}(x):\n    costly(x)\n    return {LOG}\n"
    assert rows(text) == [row for row, line in enumerate(text.splitlines(), 1) if LOG in line]


def test_every_method_is_read_to_its_end() -> None:
    text = HEAD + COSTLY + "class Model:\n"
    for name in ("first", "second", "third"):
        text += f"    def {name}(self, x):\n        costly(x)\n        return {LOG}\n"
    assert rows(text) == [row for row, line in enumerate(text.splitlines(), 1) if LOG in line]


def test_what_is_left_in_the_middle_is_read_later() -> None:
    body = f"def late(x):\n    costly(x)\n    return {LOG}\n"
    text = HEAD + COSTLY + body + "late(w)\n"
    assert rows(text) == [text.splitlines().index(f"    return {LOG}") + 1]


def test_a_call_that_is_left_in_the_middle_gives_nothing_known() -> None:
    body = "def late(x):\n    y = tf.nn.softmax(x)\n    if x[0] > 0:\n        return y\n"
    body += "    costly(x)\n    return y + 1e-7\n"
    text = HEAD + COSTLY + body + "loss = tf.math.log(late(w))\n"
    assert len(rows(text)) == 0
    quick = text.replace("    costly(x)\n", "")
    assert rows(quick) == [quick.count("\n")], "what is followed to its end is known"


def test_reading_a_module_takes_nothing_from_the_text_that_imports_it(tmp_path: Path) -> None:
    (tmp_path / "costs.py").write_text(HEAD + COSTLY + "costly(w)\nEPS = 0.0\n")
    text = (
        HEAD
        + "from costs import EPS\ndef f(a):\n    return tf.nn.softmax(a) + EPS\nloss = tf.math.log(f(w))\n"
    )
    (tmp_path / "train.py").write_text(text)
    thresholds = {name: value for rule in rules() for name, value in rule.thresholds.items()}
    settings = Settings({rule.code: Level.DEFAULT for rule in rules()}, thresholds)
    found = lint(Source.read(tmp_path / "train.py"), settings, Project())
    assert [finding.code for finding in found] == ["NAN101"]


def test_a_loop_that_fills_a_list_is_read_twice() -> None:
    loop = "def f(data):\n    kept = []\n    for x in data:\n        kept.append(tf.exp(x))\n"
    more = "    for y in data:\n        x = tf.sigmoid(y)\n    return kept, x\n"
    graph = build(Source("f.py", HEAD + loop + more), {})
    assert [len(list(graph.ops(name))) for name in ("exp", "sigmoid")] == [2, 2]
