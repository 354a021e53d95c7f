"""Bare trees have what LibCST's have, but for layout."""

from __future__ import annotations

import ast
import re
import sysconfig
from dataclasses import fields
from pathlib import Path

import keras
import libcst as cst
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import AWKWARD, texts
from lint import check

from tflint_nan.bare import bare
from tflint_nan.bare.expressions import Expressions
from tflint_nan.bare.nodes import FIELDS
from tflint_nan.build import build
from tflint_nan.parse import SyntaxFault, parse, statements
from tflint_nan.places import LAYOUT, within
from tflint_nan.source import Source

_WHOLE = Path(__file__).with_name("whole")
_STDLIB = Path(sysconfig.get_paths()["stdlib"])
_KERAS = Path(keras.__file__).parent
#: Modules with all that people write: decorators, nesting, strings over many lines, old and new grammar.
_MODULES = sorted(
    [
        *(
            _STDLIB / f"{name}.py"
            for name in ("ast", "argparse", "contextlib", "dataclasses", "datetime", "enum")
        ),
        *(_STDLIB / f"{name}.py" for name in ("functools", "inspect", "tarfile", "typing", "unittest/mock")),
        *(_STDLIB / "asyncio").glob("*.py"),
        *(_KERAS / "src" / "ops").glob("[!_]*[!t].py"),
        *(_KERAS / "src" / "saving").glob("*.py"),
    ]
)
_STRINGS = (cst.SimpleString, cst.ConcatenatedString, cst.FormattedString)
#: What a place in a text decides, not its meaning.
_MODULE_LAYOUT = {
    "encoding",
    "default_indent",
    "default_newline",
    "has_trailing_newline",
    "indent",
    "start",
    "end",
}


def bare_tree(text: str) -> cst.Module:
    return bare(statements(text), text)[0]


def assert_same(text: str) -> None:
    """The tree of a text is LibCST's: the same classes, and in every field that is no layout the same."""
    todo: list[tuple[object, object]] = [(bare_tree(text), parse(text))]
    while todo:
        node, wanted = todo.pop()
        if isinstance(wanted, (list, tuple)):
            assert isinstance(node, (list, tuple))
            assert len(node) == len(wanted)
            todo += zip(node, wanted, strict=True)
        elif isinstance(wanted, _STRINGS):
            todo += zip(_told(node), _told(wanted), strict=True)
        elif isinstance(wanted, cst.BaseNumber):
            assert isinstance(node, type(wanted))
            assert node.evaluated_value == wanted.evaluated_value  # type: ignore[attr-defined]
        elif isinstance(wanted, cst.CSTNode):
            assert isinstance(node, type(wanted))
            names = [part.name for part in fields(wanted)]
            names = [
                n for n in names if n == "relative" or (not LAYOUT.search(n) and n not in _MODULE_LAYOUT)
            ]
            todo += [(getattr(node, name), getattr(wanted, name)) for name in names]
        elif isinstance(wanted, str):
            assert node == wanted or (not node and not wanted)
        else:
            assert node == wanted or {node, wanted} <= {None, cst.MaybeSentinel.DEFAULT}


def _told(string: object) -> list[object]:
    """What a string says; of an f-string, what is put into it."""
    assert isinstance(string, _STRINGS)
    filled = [part for part in within(string) if isinstance(part, cst.FormattedStringExpression)]
    formatted = any(isinstance(part, cst.FormattedString) for part in within(string))
    told: list[object] = []
    for one in filled:
        shown = one.equal is not None and one.format_spec is None  # `{x=}` is `x={x!r}`
        told += [one.expression, one.conversion or ("r" if shown else None), one.format_spec is None]
    return told if formatted else [string.evaluated_value]  # type: ignore[union-attr]


@pytest.mark.parametrize("path", _MODULES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_modules_are_read_as_libcst_reads_them(path: Path) -> None:
    assert_same(path.read_text(encoding="utf-8"))


@given(texts())
def test_layouts(text: str) -> None:
    try:
        parse(text)
        compile(text, "case.py", "exec")
    except (SyntaxFault, SyntaxError):
        return  # tabs and spaces in one block
    assert_same(text)


#: Expressions of every kind, `_` for another one.
_EXPRESSIONS = r"""
a | a.b | 1 | 0x1F | 1_000 | 1.5 | 1e400 | 2j | 't' | b'\x00' | 'a' "b" | f'{_}{_!r:>{_}}' | True | None | ...
-(_) | not (_) | ~(_) | (_) + (_) | (_) ** (_) | (_) @ (_) | (_) if (_) else (_) | (_) and (_) and (_)
(_) or (_) | (_) < (_) >= (_) | (_) is not (_) | (_) not in (_) | f(_, *_, k=_, **_) | f(k=_, *(_))
f(*_, a) | f(x for x in (_)) | (_)[_] | (_)[(_):, ::(_)] | (_)[(_), (_)] | (_)[((_), (_))] | (_)[()]
(_)[_, _] | (_)[(_),] | (_)[(_, _)] | ((_), *(_)) | ((_),) | () | [(_), *(_)] | {(_), (_)} | {(_): (_), **(_)}
[x for x in (_) if (_) if (_) for y in (_)] | {x: (_) for x in (_)} | {x for x in (_)} | lambda: (_)
lambda a, /, b=(_), *c, d, e=(_), **g: (_) | lambda *, a: a | (x := (_)) | (yield) | (yield (_))
(await (_)) | [x async for x in (_)]
"""
_FORMS = [
    *(form.strip() for line in _EXPRESSIONS.strip().split("\n") for form in line.split(" | ")),
    *("(a, # ) (\n _)", "(_)[( # (\na), b]"),
]


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """An expression in an expression, three levels deep."""
    text = "_"
    for _ in range(3):
        parts = re.split(r"\b(_)\b", text)
        text = "".join(draw(st.sampled_from(_FORMS)) if part == "_" else part for part in parts)
    return re.sub(r"\b_\b", "x", text)


@given(expressions())
def test_expressions(text: str) -> None:
    statement = f"async def f():\n    return ({text})\n"
    try:
        parse(statement)
        ast.parse(statement)
    except (SyntaxFault, SyntaxError):
        return  # f-strings before Python 3.12 take no quotes of their own
    assert_same(statement)


def test_every_kind_of_node_is_made() -> None:
    made = {type(node) for node in within(bare_tree(AWKWARD))}
    kinds = {kind for kind in FIELDS if not kind.__name__.endswith("Star") or kind is cst.ImportStar}
    assert kinds - {cst.TryStar, cst.ExceptStarHandler, cst.IndentedBlock} <= made
    assert_same(AWKWARD)


def test_a_node_has_all_fields() -> None:
    for node in within(bare_tree(AWKWARD)):
        for part in fields(node):
            getattr(node, part.name)


def test_names_are_as_python_takes_them() -> None:
    names = [node.value for node in within(bare_tree("\N{MICRO SIGN} = 1\n")) if isinstance(node, cst.Name)]
    assert names == ["\N{GREEK SMALL LETTER MU}"]


def test_each_statement_has_its_rows() -> None:
    text = "@d\ndef f():\n    a = 1\n    b = (2,\n      3)\n\ndef g(): c = 3; d = 4\n"
    _, rows = bare(statements(text), text)
    assert sorted(rows.values()) == [(1, 5), (3, 3), (4, 5), (7, 7)]


@pytest.mark.parametrize("name", [path.stem for path in sorted(_WHOLE.glob("*.py"))])
def test_the_same_is_found_in_the_tree_that_libcst_makes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which it is for a grammar that is newer than the running Python's."""
    text = (_WHOLE / f"{name}.py").read_text(encoding="utf-8")
    known = check(text)
    asked: list[str] = []

    def refuse(text: str) -> list[ast.stmt]:
        asked.append(text)
        raise SyntaxFault("too new", None)  # type: ignore[arg-type]

    monkeypatch.setattr("tflint_nan.reading.statements", refuse)
    assert check(text) == known
    assert asked


def test_what_is_newer_than_libcst_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its statement has no effect, and the rest is read."""

    def refuse(text: str) -> cst.Module:
        raise SyntaxFault("too new", None)  # type: ignore[arg-type]

    head = "import tensorflow as tf\nx = tf.zeros([3])\n"
    text = f"{head}match x:\n    case y:\n        x = tf.ones([3])\nz = tf.exp(x)\n"
    names = ("zeros", "ones", "exp")
    assert [op.name for op in build(Source("a.py", text), {}).ops(*names)] == ["zeros", "ones", "exp"]
    monkeypatch.setattr("tflint_nan.bare.statements.parse", refuse)
    assert [op.name for op in build(Source("a.py", text), {}).ops(*names)] == ["zeros", "exp"]


def test_of_an_expression_that_is_too_new_nothing_is_known() -> None:
    node = Expressions([]).expression(ast.Slice())
    assert isinstance(node, cst.FormattedString)
    text = "x = 1\n"
    source = Source("a.py", text)
    line = source.tree.body[0]
    assert isinstance(line, cst.SimpleStatementLine)
    object.__setattr__(line.body[0], "value", node)
    graph = build(source, {})
    assert all(op.name != "constant" for op in graph.ops())
