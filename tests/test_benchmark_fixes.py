"""The checks of `benchmarks/fixes.py` see what they are for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tflint_nan.fix import unified_diff
from tflint_nan.source import Source

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import definitions
import fixes

BEFORE = """\
import numpy as np

SCALE = 2


class Model:
    rate = 1

    def loss(self, x, y):  # mean
        p = np.exp(x)
        total = p.sum()
        return -np.log(p / total) * y


def run(model):
    return model.loss(SCALE, 3)
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("        p = np.exp(x)\n", "        top = x.max()\n        p = np.exp(x - top)\n"),
        ("        total = p.sum()\n        return -np.log(p / total)", "        return -np.log(p / p.sum())"),
        ("import numpy as np\n", "import numpy as np\nimport math\n"),
        ("        p = np.exp(x)\n", "        x = x / 255.0\n        p = np.exp(x)\n"),
        ("np.log(p / total) * y\n", "(lambda v: np.log(v))(p / total) * y\n"),
    ],
)
def test_harmless(old: str, new: str) -> None:
    assert old in BEFORE
    assert list(definitions.harm(BEFORE, BEFORE.replace(old, new), "a.py")) == []


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("SCALE = 2\n", "", "does not define ['SCALE']"),
        ("    rate = 1\n", "", "Model does not define ['rate']"),
        ("def run(model):", "def start(model):", "lost run"),
        ("self, x, y", "self, logits, y", "other parameters of Model.loss"),
        ("        p = np.exp(x)\n", "", "reads ['p'], which it no longer defines"),
        ("np.exp(x)", "np.exp(x - top)", "nothing binds ['top']"),
        (
            "        total = p.sum()\n",
            "        total = p.sum() + top\n        top = 1\n",
            "['top'] is read above where it is made",
        ),
        (
            "        total = p.sum()\n",
            "        np = 1\n        total = p.sum()\n",
            "which meant something else",
        ),
        (
            "        total = p.sum()\n",
            "        total = p.sum()\n        p = total\n",
            "['p'] is written once more",
        ),
        ("  # mean", "", "lost the comments ['# mean']"),
    ],
)
def test_harm(old: str, new: str, word: str) -> None:
    assert old in BEFORE
    assert any(word in problem for problem in definitions.harm(BEFORE, BEFORE.replace(old, new), "a.py"))


def test_warnings_are_wrong() -> None:
    assert definitions.compiles("x = 1\n", "a.py") is None
    assert definitions.compiles("x = 1 is 1\n", "a.py") is not None
    assert definitions.compiles("x = = 1\n", "a.py") is not None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a\nb\nc\n", "a\nB\nc\n"),
        ("a\nb\nc", "a\nb\nC"),
        ("a\nb\nc", "a\nb\nc\nd\n"),
        ("a\r\nb\r\nc\r\n", "a\r\nb\r\nnew\r\nc\r\n"),
        ("a\nb\n", "first\na\nb\n"),
        (
            "".join(f"x{i} = {i}\n" for i in range(60)),
            "".join(f"x{i} = {i % 20}\n" for i in range(60) if i != 7),
        ),
    ],
)
def test_patched(before: str, after: str) -> None:
    sources = [Source.from_bytes("a.py", text.encode()) for text in (before, after)]
    assert fixes.patched(before, unified_diff(*sources)) == after


def test_patched_refuses_another_text() -> None:
    sources = [Source.from_bytes("a.py", text.encode()) for text in ("a\nb\n", "a\nc\n")]
    with pytest.raises(ValueError, match="row 1"):
        fixes.patched("b\nb\n", unified_diff(*sources))
