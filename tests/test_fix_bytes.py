"""Fixes of awkward files: every byte that is not rewritten stays."""

from __future__ import annotations

import json
from pathlib import Path

import lint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tflint_nan.check import Mode, check_bytes

OLD = "tf.math.log(tf.nn.softmax(x))"
NEW = "tf.nn.log_softmax(x)"
HEAD = ["import tensorflow as tf", "x = tf.Variable(tf.random.normal([8, 4]))"]
#: Statements with an expression to rewrite, `@`.
FOUND = [
    "y = @",
    "y = @   \t",
    "y = @; z = 1",
    "z = 1;y = @ ;",
    "if True: y = @",
    "if True:\n\ty = @\n\tz = 1",
    "if x is None:\n  y = 1\nelse : y = @",
    "y = ( ( @ ) )",
    "y = (@)[0]",
    "y = -@**2",
    "y = [\n\t@ ,  # about @\n  2]",
    "y = 1 + \\\n    @ \\\n  * 2",
    "# fmt: off\ny  =  @\n# fmt: on",
    "y  =  @  # fmt: skip",
    "y = @  # noqa: E501",
    "def f(a):\n\ty = @\n\n\treturn y\nf(1)",
    "@(lambda f: f)\ndef f( a ):\n    return(@)\nf(1)".replace("@(lambda", "&(lambda"),
    "def f(a=@): return a",
    "class A:\n  y = @",
    "y = f'{@}'",
    "y = f'{@:>{9}} {1!r}'",
    'y = f"""\n{ @ }\n"""',
    "y = '''\n @ é ''' , @",
    "y = lambda: @\ny()",
    "y = x if a() else @",
    "y = [@ for _ in range(2)]",
    "y = x or @",
    "for _ in range(2): y = @",
    "with tf.name_scope('a') : y = @",
    "try:\n y = @\nfinally : pass",
    "assert @ is not None, 'no'",
    "print (@, end = '')",
    "y : object = @",
    "y = tf.stack([@,@])",
    "y = {'a' :@}",
    "(y := @)",
    "y = not(@)is None",
    "async def h():\n  return @",
    "tf.print(\n    @,\n)",
]
#: Lines that must not change.
OTHER = [
    "",
    "   ",
    "\t\t",
    "\f",
    "\fa = 1",
    "a = 1 ;  b = 2 ;",
    "a = 'é' # ü \t",
    "if True :\n\tif True:\n\t    a = (1,\n 2 ,)",
    'a = """\n  \\\n\t"""  ',
    "a = 1 \\\n\\\n + 2",
    "a = r'\\n' ''  \"\"",
    "#    fmt: off",
    "# -*- x -*-",
    "a=[1,\n\f\n2]",
    "def g ( a , * , b=1 ) : return ( a )",
    "@ staticmethod\ndef h(): pass".replace("@", "&"),
    "a = 0XFF + 1_0 + 1.E5 + 0o7",
    "a = f'{1 + 1 = }'",
    "u = '\u2028 \x0b \x1c'",
]
ENDS = ["\n", "\r\n", "\r"]


def fixed(data: bytes, name: str = "a.py") -> bytes:
    result = check_bytes(data, name, lint.settings(False), Mode(write=True, fix=True))
    assert not result.failed, [finding.message for finding in result.findings]
    return result.data


def program(parts: list[str]) -> str:
    """Statements as they are written above, each with its line end."""
    return "".join(f"{part}\n" for part in [*HEAD, *parts]).replace("@", OLD).replace("&", "@")


@pytest.mark.parametrize("statement", FOUND)
def test_of_each_statement_the_expression_alone_changes(statement: str) -> None:
    text = program([statement])
    comments = ("# about @", "'''\n @ é '''")
    kept = next((part.replace("@", OLD) for part in comments if part in statement), "\0")
    wanted = text.replace(kept, "\0").replace(OLD, NEW).replace("\0", kept)
    assert fixed(text.encode()).decode() == wanted


@st.composite
def awkward(draw: st.DrawFn) -> str:
    """A file with a statement to rewrite at least, each line with some end, the last one perhaps without."""
    parts = draw(st.lists(st.sampled_from(OTHER + FOUND), max_size=4))
    parts.insert(draw(st.integers(0, len(parts))), draw(st.sampled_from(FOUND)))
    lines = program(parts).split("\n")[:-1]
    usual = draw(st.sampled_from(ENDS))
    ends = draw(st.lists(st.sampled_from([usual, usual, *ENDS]), min_size=len(lines), max_size=len(lines)))
    text = "".join(line + end for line, end in zip(lines, ends, strict=True))
    return text if draw(st.booleans()) else text.rstrip("\r\n")


@settings(max_examples=40)
@given(awkward(), st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "cp1252", "gb18030"]))
def test_every_other_byte_stays(text: str, encoding: str) -> None:
    if not encoding.startswith("utf-8"):
        text = f"# coding: {encoding}\n" + text.replace("\u2028", "")
    data = text.encode(encoding)
    after = fixed(data)
    assert NEW.encode() in after
    assert after.replace(NEW.encode(), OLD.encode()) == data
    assert fixed(after) == after


@settings(max_examples=20)
@given(awkward(), awkward(), st.sampled_from([None, 1, "\t"]), st.booleans())
def test_every_other_byte_of_a_notebook_stays(
    first: str, second: str, indent: int | str | None, ascii_only: bool
) -> None:
    cells = [
        {"cell_type": "code", "metadata": {"é": [1.0, 1e5]}, "outputs": [], "source": source}
        for source in (first.splitlines(keepends=True), second)
    ]
    document = json.dumps({"metadata": {}, "cells": cells}, indent=indent, ensure_ascii=ascii_only)
    after = fixed(document.encode(), "a.ipynb").decode()
    assert NEW in after
    assert after.replace(NEW, OLD) == document


def test_what_diff_shows_is_what_fix_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = program(FOUND[:4]).replace("if", "\r\f\nif").rstrip("\n")
    Path("a.py").write_bytes(text.encode())
    shown = lint.command("check", "--isolated", "--diff", "a.py").stdout
    assert lint.command("check", "--isolated", "--fix", "a.py").status == 0
    removed = [line[1:] for line in shown.split("\n") if line.startswith("-") and not line.startswith("---")]
    added = [line[1:] for line in shown.split("\n") if line.startswith("+") and not line.startswith("+++")]
    assert [line.replace(OLD, NEW) for line in removed] == added
    assert Path("a.py").read_bytes() == text.replace(OLD, NEW).encode()
