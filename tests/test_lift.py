"""Logits are fetched out of a function only where nothing else can call it; `tests/cases` has the forms."""

from __future__ import annotations

from pathlib import Path

import pytest
from lint import check_files

SCRIPT = """\
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 4])
w = tf.Variable(tf.zeros([4, 3]))


def model(inputs):
    return tf.nn.softmax(tf.matmul(inputs, w))


loss = -tf.reduce_sum(tf.log(model(x)))
train = tf.train.AdamOptimizer(0.001).minimize(loss)
"""


def applicability(folder: Path, other: str | None, text: str = SCRIPT, where: str = "show.py") -> str:
    """The risk of the fix of the one finding, with another file beside the script."""
    path = folder / "project" / "train.py"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    if other is not None:
        (path.parent / where).write_text(other, encoding="utf-8")
    (finding,) = check_files(path).findings
    return str(finding["fix"]["applicability"])


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (None, "safe"),
        ("import trainer\ntrainer.train()\n", "safe"),
        ("import train\nprint(train.model(1))\n", "unsafe"),
        ("from train import model\n", "unsafe"),
        ("from .train import model\n", "unsafe"),
        ("from project import train\n", "unsafe"),
        ("import os, train\n", "unsafe"),
        ("from project import (\n    show,\n    train,\n)\n", "unsafe"),
        ("import numpy as train\n", "safe"),
        ("import os  # before train\n", "safe"),
    ],
)
def test_a_file_beside_the_script_may_call_its_functions(
    tmp_path: Path, other: str | None, expected: str
) -> None:
    assert applicability(tmp_path, other) == expected


def test_so_may_one_in_the_folder_above(tmp_path: Path) -> None:
    assert applicability(tmp_path, "from project.train import model\n", where="../show.py") == "unsafe"


def test_a_module_that_only_defines_is_there_to_be_imported(tmp_path: Path) -> None:
    defined = SCRIPT.replace("loss = ", "def loss():\n    return ")
    defined = defined.replace("train = tf.train.AdamOptimizer(0.001).minimize(loss)\n", "")
    assert "minimize" not in defined
    assert applicability(tmp_path, None, defined) == "unsafe"


def test_a_main_part_makes_a_script_of_it(tmp_path: Path) -> None:
    defined = SCRIPT.replace("loss = ", "def loss():\n    return ")
    defined = defined.replace(
        "train = tf.train.AdamOptimizer(0.001).minimize(loss)\n",
        'if __name__ == "__main__":\n    print(loss())\n',
    )
    assert applicability(tmp_path, None, defined) == "safe"
