"""Values are followed from where they are made to where they are used, whatever carries them there.

Every program of `tests/carriers.md` is a carrier; each is checked with several things that travel. That the
carriers carry what they say is CPython's word: it runs them.
"""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from lint import check, settings

from tflint_nan.build import Project, build
from tflint_nan.engine import lint
from tflint_nan.finding import Finding
from tflint_nan.graph import Graph
from tflint_nan.source import Source

HEAD = "import tensorflow as tf\n"
_FENCE = re.compile(r"^```python ?(\S*)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Carrier:
    """A program: its files by name, the entry last."""

    section: str
    name: str
    files: dict[str, str]

    @property
    def entry(self) -> str:
        return list(self.files)[-1]

    def written(self, folder: Path, value: str, sink: str, head: str) -> Path:
        """The program in a folder, with these for `VALUE` and `SINK(`; the path of its entry."""
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text = re.sub(r"\bVALUE\b", value, text.replace("SINK(", sink))
            path.write_text(head + text, encoding="utf-8")
        return folder / self.entry

    @property
    def sinks(self) -> set[int]:
        """Rows of the sinks in the entry, below the head."""
        lines = self.files[self.entry].splitlines()
        return {row for row, line in enumerate(lines, 2) if "SINK(" in line}


def _carriers() -> Iterator[Carrier]:
    text = (Path(__file__).parent / "carriers.md").read_text(encoding="utf-8")
    for section in re.split(r"^# ", text, flags=re.M)[2:]:
        title = section.partition("\n")[0]
        for part in re.split(r"^## ", section, flags=re.M)[1:]:
            files = {name or "main.py": body for name, body in _FENCE.findall(part)}
            yield Carrier(title, part.partition("\n")[0], files)


CARRIERS = list(_carriers())
SOFTMAX = "tf.nn.softmax(tf.Variable([1.0, 2.0]))"


def of(*sections: str, here: bool = False) -> pytest.MarkDecorator:
    """The carriers of these sections; with `here`, those whose sink is in the program's own file."""
    chosen = [c for c in CARRIERS if c.section in sections and (c.sinks or not here)]
    return pytest.mark.parametrize("carrier", chosen, ids=lambda carrier: carrier.name)


def test_every_carrier_is_read() -> None:
    text = (Path(__file__).parent / "carriers.md").read_text(encoding="utf-8")
    assert len(CARRIERS) == len(re.findall("^## ", text, re.M)) == len({c.name for c in CARRIERS})
    assert {carrier.section for carrier in CARRIERS} == {"Python", "Constants", "Libraries", "Tensors"}
    assert all("SINK(" in "".join(carrier.files.values()) for carrier in CARRIERS)


@of("Python", "Constants")
def test_python_carries_the_value(carrier: Carrier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    entry = carrier.written(tmp_path, "0.125", "seen(", "from builtins import seen\n")
    monkeypatch.setattr("builtins.seen", seen.append, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(entry.parent), *sys.path])
    before = set(sys.modules)
    try:
        runpy.run_path(str(entry), run_name="__main__")
    finally:
        for name in set(sys.modules) - before:
            del sys.modules[name]
    assert seen
    assert set(seen) == {0.125}


def found(entry: Path, *, strict: bool = False) -> list[Finding]:
    return lint(Source.read(entry), settings(strict), Project())


def graph(entry: Path) -> Graph:
    return build(Source.read(entry), {}, Project())


def assert_found(carrier: Carrier, entry: Path, code: str, *, strict: bool = False) -> None:
    findings = found(entry, strict=strict)
    assert {finding.code for finding in findings} == {code}
    if carrier.sinks:
        assert {finding.span.start.row for finding in findings} == carrier.sinks


@of("Python", "Tensors")
def test_a_softmax_is_seen_at_the_log(carrier: Carrier, tmp_path: Path) -> None:
    entry = carrier.written(tmp_path, SOFTMAX, "tf.math.log(", HEAD)
    assert_found(carrier, entry, "NAN101")


@of("Python", "Tensors")
def test_a_guard_is_seen_at_the_log(carrier: Carrier, tmp_path: Path) -> None:
    entry = carrier.written(tmp_path, f"tf.clip_by_value({SOFTMAX}, 1e-7, 1.0)", "tf.math.log(", HEAD)
    # That a clip takes the gradient away (NAN112) is known only where it is seen, too.
    assert [finding for finding in found(entry, strict=True) if finding.code != "NAN112"] == []
    logs = list(graph(entry).ops("log"))
    assert logs
    assert all(op.arg("x").interval.lo > 0 for op in logs)


@of("Python", "Constants", "Libraries")
def test_an_epsilon_is_seen_at_the_log(carrier: Carrier, tmp_path: Path) -> None:
    entry = carrier.written(tmp_path, "1e-6", f"tf.math.log({SOFTMAX} + ", HEAD)
    assert found(entry, strict=True) == []
    logs = list(graph(entry).ops("log"))
    assert logs
    assert all(op.arg("x").interval.lo > 0 for op in logs)


# A number has no op: of one that only goes wrong in another file, no place in this one is known.
@of("Python", "Constants", "Libraries", here=True)
def test_a_rate_is_seen_at_the_optimizer(carrier: Carrier, tmp_path: Path) -> None:
    entry = carrier.written(tmp_path, "30.0", "tf.keras.optimizers.Adam(", HEAD)
    # Nothing is trained with it.
    assert_found(carrier, entry, "NAN401", strict=True)


LOSS = HEAD + "def my_loss(y_true, y_pred):\n    return -tf.reduce_mean(y_true * tf.math.log({operand}))\n"
METHOD = HEAD + (
    "class Loss(tf.keras.losses.Loss):\n"
    "    def call(self, y_true, y_pred):\n"
    "        return tf.math.log({operand})\n"
)
COMPILED = (
    "model = tf.keras.Sequential([tf.keras.layers.Dense(3, activation='softmax')])\n"
    "model.compile('sgd', loss=my_loss)\n"
)


@pytest.mark.parametrize("text", [LOSS, METHOD])
def test_a_loss_that_nobody_calls_has_a_role(text: str) -> None:
    """That some model gives it 0 is likely, and not shown."""
    assert check(text.format(operand="y_pred")) == []
    assert [f.code for f in check(text.format(operand="y_pred"), strict=True)] == ["NAN103"]
    assert [f.code for f in check(text.format(operand="1.0 - y_pred"), strict=True)] == ["NAN103"]
    assert check(text.format(operand="tf.clip_by_value(y_pred, 1e-7, 1.0)"), strict=True) == []
    assert check(text.format(operand="y_pred + 1e-7"), strict=True) == []


def test_a_loss_that_is_compiled_has_its_model() -> None:
    (finding,) = check(LOSS.format(operand="y_pred") + COMPILED)
    assert (finding.code, finding.span.start.row) == ("NAN101", 3)


def test_only_the_names_of_keras_are_a_role() -> None:
    text = LOSS.replace("y_true", "labels").replace("y_pred", "scores").format(operand="scores")
    assert check(text, strict=True) == []


def test_switches_and_options_of_a_method_that_nobody_calls() -> None:
    text = HEAD + (
        "class Layer(tf.keras.layers.Layer):\n"
        "    def call(self, inputs, training=False, mask=None):\n"
        "        p = tf.nn.softmax(tf.keras.layers.Dense(3)(inputs))\n"
        "        if mask is not None and training:\n"
        "            p = p + 1e-6\n"
        "        return tf.math.log(p)\n"
    )
    assert [finding.code for finding in check(text)] == ["NAN101"]


def test_a_moving_average_is_no_weight() -> None:
    """TensorFlow's own helper sets it, so training does not make it negative."""
    text = HEAD + (
        "from tensorflow.python.training import moving_averages\n"
        "spread = tf.Variable(tf.ones([3]))\n"
        "def normalized(x):\n"
        "    mean, variance = tf.nn.moments(x, [0])\n"
        "    update = moving_averages.assign_moving_average(spread, variance, 0.9, zero_debias=False)\n"
        "    return x / tf.sqrt(spread + 1e-5)\n"
    )
    assert check(text) == []
    assert check(text.replace("    update", "    # update")) != []
