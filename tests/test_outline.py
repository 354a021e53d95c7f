"""The tree that is read piece by piece is the tree."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import libcst as cst
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lint import check

from tflint_nan.build import Project, build
from tflint_nan.expression import within
from tflint_nan.outline import Outline
from tflint_nan.parse import SyntaxFault, parse
from tflint_nan.source import Source

_WHOLE = Path(__file__).with_name("whole")
_STDLIB = Path(sysconfig.get_paths()["stdlib"])
#: Modules of Python's own library with all that layouts can do: decorators, nesting, strings over many lines.
_MODULES = (
    *(
        "ast.py",
        "argparse.py",
        "asyncio/tasks.py",
        "contextlib.py",
        "dataclasses.py",
        "datetime.py",
        "enum.py",
    ),
    *("functools.py", "inspect.py", "tarfile.py", "typing.py", "unittest/mock.py"),
)


def _has_bodies(path: Path) -> bool:
    text = path.read_text()
    return Outline(text).size < len(text)


def assert_same(text: str, earlier: Outline | None = None) -> None:
    assert Outline(text, earlier).whole().deep_equals(parse(text))


@pytest.mark.parametrize("name", _MODULES)
def test_all_bodies_make_the_tree(name: str) -> None:
    text = (_STDLIB / name).read_text()
    assert Outline(text).size < len(text)
    assert_same(text)


#: Lines that a body may hold before, between and behind its statements.
_SPACES = ["", "    ", "# comment", "    # comment", "        # deeper", "\t# tab"]
_STATEMENTS = [
    "x = 1",
    "x = 1; y = 2  # two",
    "x = '''a\nb\n  c'''",
    "'''A text\n\n    of many lines.\n'''",
    "x = (1,\n2)",
    "x = 1 + \\\n  2",
    "yield x",
    "if x:\n{0}    y = 2\n{0}else: y = 3",
    "for a in b:\n{0}  y = 2\n{0}  # end",
    "@wraps(f)\n{0}@other\n{0}def g(a):\n{0}    return a",
    "class C:\n{0}    def m(self):\n{0}        return 1\n{0}    n = 2",
    "try:\n{0}    pass\n{0}except E:\n{0}    raise",
]
_HEADERS = [
    "def f(a):",
    "async def f(a):",
    "@d\ndef f(a):",
    "def f(\n    a,\n):",
    "def f(a):  # why",
    "def f(a): \\\n",
]


@st.composite
def texts(draw: st.DrawFn) -> str:
    units = st.sampled_from(["    ", "  ", "\t", "        "])
    unit = draw(units)
    lines: list[str] = []

    def function(indent: str) -> None:
        header = draw(st.sampled_from(_HEADERS[:-1]))
        lines.extend(f"{indent}{line}" for line in header.split("\n"))
        inner = indent + unit
        for _ in range(draw(st.integers(1, 4))):
            lines.extend(draw(st.lists(st.sampled_from(_SPACES), max_size=2)))
            lines.append(inner + draw(st.sampled_from(_STATEMENTS)).format(inner))
        lines.extend(draw(st.lists(st.sampled_from(_SPACES), max_size=2)))

    for _ in range(draw(st.integers(1, 3))):
        unit = draw(units) if draw(st.booleans()) else unit
        kind = draw(st.sampled_from(["function", "class", "if", "one line", "nested"]))
        if kind == "function":
            function("")
        elif kind == "one line":
            lines.append("def f(): x = 1; y = 2; return y")
        else:
            head = "if x:" if kind == "if" else "class A:"
            lines.append(head)
            indent = unit
            if kind == "nested":
                lines.append(f"{unit}class B:  # in A")
                indent = unit * 2
            for _ in range(draw(st.integers(1, 2))):
                function(indent)
            if kind == "if" and draw(st.booleans()):
                lines.append("elif y:")
                function(unit)
    return "\n".join(lines) + draw(st.sampled_from(["\n", "", "\n\n# end\n"]))


@given(texts())
def test_layouts(text: str) -> None:
    try:
        parse(text)
        compile(text, "case.py", "exec")
    except (SyntaxFault, SyntaxError):
        return  # tabs and spaces in one block
    assert_same(text)


@given(st.lists(texts(), min_size=2, max_size=3))
@example(["def f(a):\n    x = 1\n"] * 2 + ["def f(a):\n  for a in b:\n    y = 2\n    # end\n    \n"])
def test_what_stands_in_an_earlier_state_is_taken_over(parts: list[str]) -> None:
    """Functions come, go and change their places, and what is not Python in between changes nothing."""
    try:
        for part in parts:
            parse(part)
            compile(part, "case.py", "exec")
    except (SyntaxFault, SyntaxError):
        return
    ended = [part if part.endswith("\n") else f"{part}\n" for part in parts]
    before = Outline("".join(ended))
    before.whole()
    for text in ("".join(ended[1:]), "".join([*ended[::-1], *ended])):
        after = Outline(text, before)
        assert after.whole().deep_equals(parse(text))
        before = after


def test_a_change_parses_the_function_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # Every body stands there twice.
    text = "".join(f"def f{n}(x):\n    a = x\n    b = a + {n // 2}\n    return b\n\n" for n in range(50))
    source = Source("a.py", text)
    assert source.follow(None)
    assert source.tree.code == text
    read: list[str] = []
    monkeypatch.setattr("tflint_nan.outline.parse", lambda text: read.append(text) or parse(text))
    broken = Source("a.py", text.replace("b = a + 7\n", "b = a +\n", 1))
    assert not broken.follow(source)
    changed = Source("a.py", text.replace("b = a + 7\n", "b = a - 7\n", 1))
    assert changed.follow(source)
    assert changed.tree.code == changed.text
    assert [part for part in read if "return b" in part] == [
        "def _():\n    a = x\n    b = a - 7\n    return b\n"
    ]


@pytest.mark.parametrize("name", [path.stem for path in sorted(_WHOLE.glob("*.py")) if _has_bodies(path)])
def test_a_long_text_is_read_in_pieces(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is found, where, and the fixes are the same."""
    text = (_WHOLE / f"{name}.py").read_text()
    parsed: list[int] = []

    def counted(piece: str) -> cst.Module:
        parsed.append(len(piece))
        return parse(piece)

    monkeypatch.setattr("tflint_nan.outline.parse", counted)
    known = check(text)
    assert not parsed
    monkeypatch.setattr("tflint_nan.reading.LONG", 0)
    assert check(text) == known
    assert parsed
    assert max(parsed) < len(text)


def test_a_long_text_that_is_no_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines of a shell are left out; what nobody can read is said as it is of a short text."""
    monkeypatch.setattr("tflint_nan.reading.LONG", 0)
    function = "def f(z):\n    a = 1\n    b = 2\n    return tf.math.log(tf.nn.softmax(z))\n"
    found = check(f"import tensorflow as tf\n!nvidia-smi\n{function}")
    assert [(finding.code, finding.span.start.row) for finding in found] == [("NAN101", 6)]
    assert [finding.code for finding in check(f"import tensorflow as tf\nif:\n{function}")] == ["NAN900"]


def test_what_stood_for_a_body_stays() -> None:
    """What knows nodes by their identity, as `Places` does, would meet it in a later node."""
    text = "".join(f"def f{n}(x):\n    a = x + {n}\n    b = a\n    return b\n\n" for n in range(80))
    outline = Outline(text)
    nodes = {id(node) for node in within(outline.tree)}
    outline.whole()
    others = [cst.Name("x") for _ in range(500)]
    assert not any(id(node) in nodes for node in others)


def test_a_body_is_read_when_it_is_wanted() -> None:
    text = "def f():\n    a = 1\n    b = 2\n    return a\n\ndef g():\n    a = 3\n    b = 4\n    return b\n"
    outline = Outline(text)
    first, second = outline.tree.body
    assert isinstance(first, cst.FunctionDef)
    assert isinstance(second, cst.FunctionDef)
    outline.fill(second)
    assert len(second.body.body) == 3
    assert len(first.body.body) == 1
    outline.fill(first)
    assert len(first.body.body) == 3


def test_of_what_is_imported_only_what_is_called_is_parsed(tmp_path: Path) -> None:
    line = "    x = tf.nn.relu(x)\n"
    unused = "".join(f"def unused{n}(x):\n{line * 30}    return x\n\n" for n in range(20))
    helper = (
        f"import tensorflow as tf\n{unused}def used(x):\n    y = tf.nn.softmax(x)\n    z = y\n    return z\n"
    )
    (tmp_path / "helper.py").write_text(helper)
    train = tmp_path / "train.py"
    train.write_text(
        "import tensorflow as tf\nfrom helper import used\nloss = tf.math.log(used(tf.zeros([3])))\n"
    )
    project = Project()
    graph = build(Source.read(train), {}, project)
    assert [op.source.filename for op in graph.ops("softmax")] == [str(tmp_path / "helper.py")]
    source = project.source(tmp_path / "helper.py")
    assert source is not None
    assert source.size < len(helper) / 5
    # A place needs no more of it, and nodes that were read before stay when the rest is read.
    (op,) = graph.ops("softmax")
    assert source.code(op.node) == "tf.nn.softmax(x)"
    assert source.size < len(helper) / 5
    assert source.tree.code == helper
    assert source.size >= len(helper)
    assert source.code(op.node) == "tf.nn.softmax(x)"


def test_a_body_that_libcst_cannot_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an imported file the call is unknown; the rest of both files is read."""
    bad = "def bad(x):\n    x = 1\n    y = 2\n    return x\n"
    (tmp_path / "helper.py").write_text(
        f"import tensorflow as tf\n{bad}def good(x):\n    return tf.nn.softmax(x)\n"
    )
    train = tmp_path / "train.py"
    train.write_text(
        "import tensorflow as tf\nimport helper\na = tf.sqrt(helper.bad(1))\nb = tf.exp(helper.good(a))\n"
    )

    def refuse(self: Outline, function: cst.FunctionDef) -> None:
        if function.name.value == "bad":
            raise SyntaxFault("the parser gave up", None)  # type: ignore[arg-type]

    monkeypatch.setattr(Outline, "fill", refuse)
    graph = build(Source.read(train), {}, Project())
    assert [op.name for op in graph.ops("sqrt", "softmax", "exp")] == ["sqrt", "softmax", "exp"]
    assert [op.name for op in graph.ops("unknown_call")] == ["unknown_call"]
