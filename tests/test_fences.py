"""Markdown: its Python blocks are one program, in the rows and columns of the document."""

from __future__ import annotations

from pathlib import Path

import pytest

from tflint_nan.fences import SUFFIXES, python_fences
from tflint_nan.source import Source

DOCUMENT = """\
# Training

First the model, `tf.log(tf.nn.softmax(x))`:

```python
import tensorflow as tf

w = tf.Variable(tf.random.normal([4, 3]))
```

Not ours:

```js
const p = tf.math.log(softmax(x));
```

1. Then the loss:

   ~~~ python title="loss"
   def loss(x, y):
       logits = tf.matmul(x, w)
       p = tf.nn.softmax(logits)
       return -tf.reduce_mean(y * tf.math.log(p))
   ~~~

An outline:

```python
for batch in ...
    loss(batch)
```

```{code-cell} ipython3
%matplotlib inline
q = tf.math.log(tf.sigmoid(tf.matmul(tf.ones([2, 4]), w)))
```
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    from tflint_nan.cli import main

    monkeypatch.chdir(tmp_path)

    def command(*words: str) -> tuple[int, str]:
        status = main(["check", "--isolated", *words])
        return status, capsys.readouterr().out

    return command


def test_findings_stand_in_the_document(run) -> None:
    Path("a.md").write_text(DOCUMENT)
    status, out = run("--output-format", "concise", "a.md")
    assert status == 1
    assert [line.split(": ")[0] for line in out.splitlines()[:-2]] == ["a.md:23:35", "a.md:35:5"]


def test_fixes_leave_the_rest_of_the_document(run) -> None:
    Path("a.md").write_text(DOCUMENT)
    status, _ = run("--fix", "a.md")
    assert status == 0
    before, after = DOCUMENT.splitlines(), Path("a.md").read_text().splitlines()
    assert "       return -tf.reduce_mean(y * tf.nn.log_softmax(logits))" in after
    assert "q = tf.math.log_sigmoid(tf.matmul(tf.ones([2, 4]), w))" in after
    assert {line for line in before if line not in after} == {before[21], before[22], before[34]}


def test_a_folder_s_documents_are_not_looked_for(run) -> None:
    Path("a.md").write_text(DOCUMENT)
    Path("a.py").write_text("x = 1\n")
    assert run(".")[0] == 0


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_document_without_python(run, suffix: str) -> None:
    Path(f"a{suffix}").write_text("# Notes\n\n```sh\nls\n```\n\n```python\n\n```\n\n```python\n>>> x\n")
    assert run(f"a{suffix}") == (0, "All checks passed!\n")


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ("python", True), ("py", True), ("Python3", True), ("python {.a}", True), ("{python}", True),
        ("{.python}", True), ("{code-cell} python", True), ("python:a.py", True), ("pycon", False),
        ("python-repl", False), ("pytb", False), ("", False), ("text python", False), ("ruby", False),
    ],
)  # fmt: skip
def test_what_is_python(info: str, expected: bool) -> None:
    assert bool(python_fences([f"```{info}", "x = 1", "```"])) is expected


def test_fences_are_those_of_commonmark() -> None:
    lines = ["````python", "```", "x = '''", "```", "'''", "`````", "~~~python", "```", "y", "~~~ no", "~~~~"]
    assert [(fence.first, fence.last) for fence in python_fences(lines)] == [(2, 5), (8, 10)]
    # A block that is not closed goes on to the end.
    assert [(fence.first, fence.last) for fence in python_fences(["```py", "x", "y"])] == [(2, 3)]


def test_windows_line_ends() -> None:
    source = Source("a.md", DOCUMENT.replace("\n", "\r\n"))
    assert source.tree.body
    assert source.data.decode() == DOCUMENT.replace("\n", "\r\n")
