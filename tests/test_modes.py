"""Programs with modes: each setting that a test asks for is a run of its own, consistent in itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from lint import check

from tflint_nan.build import Project
from tflint_nan.engine import MAX_RUNS, Settings, lint
from tflint_nan.finding import Level
from tflint_nan.registry import rules
from tflint_nan.source import Source

FLAGS = """import tensorflow as tf
flags = tf.app.flags
flags.DEFINE_string("mode", "squares", "")
flags.DEFINE_boolean("entropy", False, "")
flags.DEFINE_float("eps", 1e-7, "")
FLAGS = flags.FLAGS
mode = FLAGS.mode
"""
ARGPARSE = """import argparse
import tensorflow as tf
parser = argparse.ArgumentParser()
parser.add_argument("--mode", default="squares", choices=["squares", "logs"])
parser.add_argument("--entropy", type=bool, default=False)
parser.add_argument("--eps", type=float, default=1e-7)
FLAGS = parser.parse_args()
mode = FLAGS.mode
"""
HEADS = {"flags": FLAGS, "argparse": ARGPARSE}
LOSS = "    loss = -tf.reduce_sum(y * tf.log(p))\n"
MODEL = """x = tf.placeholder(tf.float32, [None, 4])
y = tf.placeholder(tf.float32, [None, 3])
w = tf.Variable(tf.zeros([4, 3]))
p = tf.nn.softmax(tf.matmul(x, w))
"""
#: Tests that are false by default, and what stands behind them.
TESTS = {
    "equal": 'if mode == "logs":\n' + LOSS,
    "not equal": 'if mode != "squares":\n' + LOSS,
    "one of": 'if mode in ("logs", "both"):\n' + LOSS,
    "else": f'if mode == "squares":\n    loss = p\nelse:\n{LOSS}',
    "elif": f'if mode == "squares":\n    loss = p\nelif mode == "logs":\n{LOSS}',
    "switch": "if FLAGS.entropy:\n" + LOSS,
    "not": "if not FLAGS.entropy:\n    loss = p\nelse:\n" + LOSS,
    "and": 'if mode == "logs" and True:\n' + LOSS,
    "conditional": 'loss = -tf.reduce_sum(y * tf.log(p)) if mode == "logs" else p\n',
    "table": 'loss = {"squares": tf.square, "logs": tf.log}[mode](p)\n',
    "argument": 'def build(kind):\n    return tf.log(p) if kind == "logs" else p\nloss = build(mode)\n',
}


def codes(text: str) -> list[str]:
    return [finding.code for finding in check(text)]


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize("head", HEADS)
def test_other_modes_are_read(head: str, name: str) -> None:
    assert codes(HEADS[head] + MODEL + TESTS[name]) == ["NAN101"]


CONSISTENT = """
if mode == "logs":
    out = tf.nn.softmax(tf.matmul(x, w)) + FLAGS.eps
else:
    out = tf.matmul(x, w)
if mode == "logs":
    loss = -tf.reduce_sum(y * tf.log(out))
else:
    loss = tf.reduce_mean(tf.square(y - out))
"""


@pytest.mark.parametrize("head", HEADS)
def test_modes_are_not_mixed(head: str) -> None:
    """In the mode that takes the log, what it takes it of is guarded."""
    assert codes(HEADS[head] + MODEL + CONSISTENT) == []
    assert codes(HEADS[head] + MODEL + CONSISTENT.replace(" + FLAGS.eps", "")) == ["NAN101"]


@pytest.mark.parametrize("head", HEADS)
def test_numbers_are_what_they_are_by_default(head: str) -> None:
    text = MODEL + "if FLAGS.eps == 0.0:\n    loss = tf.log(p)\nelse:\n    loss = tf.log(p + FLAGS.eps)\n"
    assert codes(HEADS[head] + text) == []


def test_a_setting_of_another_file(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(FLAGS)
    (tmp_path / "train.py").write_text(
        "import tensorflow as tf\nfrom settings import FLAGS\nmode = FLAGS.mode\n" + MODEL + TESTS["equal"]
    )
    thresholds = {name: value for rule in rules() for name, value in rule.thresholds.items()}
    settings = Settings({rule.code: Level.DEFAULT for rule in rules()}, thresholds)
    found = lint(Source.read(tmp_path / "train.py"), settings, Project())
    assert [finding.code for finding in found] == ["NAN101"]


def test_runs_are_bounded() -> None:
    tests = "".join(f'if mode == "m{i}":\n    loss = tf.log(p)\n' for i in range(3 * MAX_RUNS))
    assert len(codes(FLAGS + MODEL + tests)) == MAX_RUNS
