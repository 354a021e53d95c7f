"""Sources: bytes in, bytes out; what does not parse; notebooks; edits."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path
from typing import Any

import libcst as cst
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tflint_nan.finding import Applicability, Edit, Fix, Position, Span
from tflint_nan.places import within
from tflint_nan.source import MAX_TEXT, Source, SourceError


def span(row: int, column: int, end_row: int | None = None, end_column: int | None = None) -> Span:
    """A span; empty where no end is given."""
    return Span(Position(row, column), Position(end_row or row, end_column or column))


def name_of(source: Source, name: str) -> cst.Name:
    return next(node for node in within(source.tree) if isinstance(node, cst.Name) and node.value == name)


def slice_of(source: Source, place: Span) -> str:
    return source.text[source.offset(place.start) : source.offset(place.end)]


# Bytes.

LINES = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "x = 1",
                "",
                "  ",
                "# é😀",
                "y = 'ü'",
                "\f",
                "\fz = 2",
                "if x:\n  y = '''a\rb\fc'''",
                "f(\n\f  x)",
                "x = \\\n 1",
            ]
        ),
        st.sampled_from(["\n", "\r\n", "\r"]),
    ),
    max_size=8,
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Python with all kinds of line ends, some of them inside statements; the last may lack one."""
    text = "".join(line.replace("\n", end) + end for line, end in draw(LINES))
    return text.rstrip("\r\n") if draw(st.booleans()) else text


@given(texts(), st.sampled_from(["utf-8", "utf-8-sig", "latin-1"]))
def test_what_is_not_edited_is_written_as_it_was_read(text: str, encoding: str) -> None:
    if encoding == "latin-1":
        text = "# coding: latin-1\n" + text.replace("😀", "")
    data = text.encode(encoding)
    source = Source.from_bytes("a.py", data)
    assert source.text == text
    assert source.tree is not None
    assert source.data == data
    assert source.edit([]).data == data


@pytest.mark.parametrize(
    "data",
    [b"# coding: utf-7\nx = 1  # +AGE-b\n", b"# coding: iso2022_jp\nx = 1  # \x1b$BF|\x1b(B\x1b$BF|\x1b(B\n"],
)
def test_what_would_be_written_otherwise_is_not_edited(data: bytes) -> None:
    """Both encodings spell a text in several ways, and write another one than these."""
    source = Source.from_bytes("a.py", data)
    assert source.tree.body
    assert source.data == data
    with pytest.raises(ValueError, match="other bytes"):
        source.edit([Edit(span(2, 5, 2, 6), "2")])


@given(texts())
def test_every_name_stands_where_its_span_says(text: str) -> None:
    source = Source("a.py", text)
    for node in within(source.tree):
        if isinstance(node, (cst.Name, cst.Integer)):
            assert slice_of(source, source.span(node)) == node.value


@given(texts(), st.data())
def test_edits_change_their_place_alone(text: str, data: st.DataObject) -> None:
    source = Source.from_bytes("a.py", text.encode())
    rows = len(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    row = data.draw(st.integers(1, rows))
    column = data.draw(st.integers(1, len(source.line(row)) + 1))
    end = data.draw(st.integers(column, len(source.line(row)) + 1))
    after = source.edit([Edit(span(row, column, row, end), "new")])
    start, stop = source.offset(Position(row, column)), source.offset(Position(row, end))
    assert after.text == text[:start] + "new" + text[stop:]
    assert after.data == after.text.encode()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_new_lines_end_as_the_row_does(end: str) -> None:
    source = Source("a.py", f"a = 1{end}b = 2{end}")
    assert source.edit([Edit(span(2, 1), "x = 1\ny = 2\n")]).text == end.join(
        ["a = 1", "x = 1", "y = 2", "b = 2", ""]
    )


def test_the_last_row_without_an_end_takes_the_first_one_s() -> None:
    assert Source("a.py", "a = 1\r\nb").edit([Edit(span(2, 2), "\nc")]).text == "a = 1\r\nb\r\nc"


def test_edits_at_one_place_keep_their_order() -> None:
    assert Source("a.py", "x").edit([Edit(span(1, 1), "b"), Edit(span(1, 1), "a")]).text == "bax"


def test_edits_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        Source("a.py", "abcdef").edit([Edit(span(1, 1, 1, 4), ""), Edit(span(1, 3, 1, 6), "")])


# What cannot be read.


@pytest.mark.parametrize(
    ("data", "reason", "position"),
    [
        (b"a = 1\nb = '\xff'\n", "utf-8", Position(2, 6)),
        (b"\n\n\nb = '\xc3\xa9\xff'\n", "utf-8", Position(4, 7)),
        (b"# coding: nonsense\n", "nonsense", None),
        (b"# coding: rot13\nx = 1\n", "rot13", None),
        (b"x = 1\ny = '\0'\n", "NUL", Position(2, 6)),
        (b"x" * (MAX_TEXT + 1), "more than", None),
    ],
)
def test_what_is_no_text(data: bytes, reason: str, position: Position | None) -> None:
    with pytest.raises(SourceError, match=reason) as caught:
        Source.from_bytes("a.py", data)
    assert caught.value.filename == "a.py"
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("text", "row", "column"),
    [("x = 1\ny = (\n", 2, 5), ("def f(:\n  pass\n", 1, 7), ("x = 1\n  y = 2\n", 2, 3), ("x = 1\\", 1, 6)],
)
def test_where_the_syntax_is_wrong(text: str, row: int, column: int) -> None:
    with pytest.raises(SourceError) as caught:
        _ = Source("a.py", text).tree
    assert caught.value.position is not None
    assert caught.value.position.row == row
    assert abs(caught.value.position.column - column) <= 1


DEEP = {
    "parentheses": "(" * 9000 + ")" * 9000,
    "open parentheses": "(" * 9000,
    "open parentheses over lines": "(\n" * 9000,
    "lists": "[" * 300 + "]" * 300,
    "calls": "f(" * 300 + ")" * 300,
    "call of call": "f" + "()" * 20000,
    "attributes": "f" + ".a" * 20000,
    "subscripts": "f" + "[0]" * 20000,
    "minus": "-" * 100000 + "1",
    "not": "not " * 30000 + "1",
    "sum": "1" + "+1" * 30000,
    "sum over lines": "(1" + "\n+1" * 30000 + ")",
    "power": "1" + "**1" * 30000,
    "and": "1" + " and 1" * 30000,
    "lambda": "lambda:" * 30000 + "1",
    "if else": "1 if 1 else " * 30000 + "1",
    "elif": "if 1:\n pass\n" + "elif 1:\n pass\n" * 9000,
    "blocks": "".join(" " * i + "if 1:\n" for i in range(500)) + " " * 500 + "pass\n",
    "for": "[x " + "for x in y " * 9000 + "]",
    "await": "async def f():\n  " + "await " * 9000 + "x",
    "f-strings": "f'{" * 9000 + "}'" * 9000,
    "continued sum": "x = 1" + "+\\\n1" * 9000,
}


@pytest.mark.parametrize("name", DEEP)
def test_what_is_nested_too_deeply_is_refused(name: str) -> None:
    with pytest.raises(SourceError):
        _ = Source("a.py", DEEP[name]).tree


@pytest.mark.parametrize(
    "text",
    [
        "x = [" + "(1, 2.5, -3), " * 3000 + "]",
        "x = (" + "'text' \n" * 2000 + ")",
        "(" * 150 + "x" + ")" * 150,
        "x = f(" + ", ".join(f"a{i}=b.c[{i}] * 2 + {i}" for i in range(500)) + ")",
        "x = " + " + ".join(["1"] * 190),
        "if 1:\n pass\n" + "elif 1:\n pass\n" * 180,
    ],
)
def test_what_is_only_long_is_read(text: str) -> None:
    source = Source("a.py", text)
    assert source.span(source.tree.body[-1]).end.row == text.rstrip("\n").count("\n") + 1


def test_a_lone_backslash_does_not_shift_rows() -> None:
    source = Source("a.py", "\\\nx = 1\n")
    assert source.span(name_of(source, "x")).start == Position(2, 1)
    source = Source("a.py", "y = 1 + \\\n\\\n2\nx = 1\n")
    assert source.span(name_of(source, "x")).start == Position(4, 1)


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="regular"):
        Source.read(tmp_path)
    with pytest.raises(SourceError, match="No such file"):
        Source.read(tmp_path / "missing.py")
    with pytest.raises(SourceError, match="cannot be read"):
        Source.read("a\0.py")
    pipe = tmp_path / "pipe.py"
    os.mkfifo(pipe)
    with pytest.raises(SourceError, match="regular"):
        Source.read(pipe)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"\xef\xbb\xbfx = 1\r\n")
    source = Source.read(path)
    assert source.filename == str(path)
    assert source.text == "x = 1\r\n"
    assert source.data == b"\xef\xbb\xbfx = 1\r\n"


# Lines that are not Python 3.


@pytest.mark.parametrize(
    "line",
    [
        "!git clone https://example.org/it's",
        "%cd data",
        "%matplotlib inline",
        "?help",
        "help?",
        "tf.nn.softmax??",
        "files = !ls",
        "out = %sql select 1",
        "pip install tensorflow==2.0",
        "!wget \\\n   -q x",
        "%time y = net(",
    ],
)
@pytest.mark.parametrize("indent", ["", "    "])
def test_notebook_lines_are_masked(line: str, indent: str) -> None:
    block = "if True:\n" if indent else ""
    text = f"{block}{indent}{line}\n{indent}x = 1\n"
    source = Source("a.py", text)
    row = text.count("\n")
    assert source.span(name_of(source, "x")).start == Position(row, len(indent) + 1)
    assert source.text == text
    assert source.edit([Edit(span(row, len(indent) + 5, row, len(indent) + 6), "2")]).text == text.replace(
        "= 1", "= 2"
    )


def test_a_line_that_is_python_is_not_masked() -> None:
    text = "!ls\nx = (a\n     % b)\ns = '''\n%cd\n!ls\n'''\n"
    source = Source("a.py", text)
    assert any(isinstance(node, cst.Modulo) for node in within(source.tree))
    assert any(isinstance(node, cst.SimpleString) and "%cd" in node.value for node in within(source.tree))


def test_the_value_of_a_shell_line_is_not_known() -> None:
    source = Source("a.py", "x = 1\nx = !ls\n")
    (call,) = (node for node in within(source.tree.body[1]) if isinstance(node, cst.Call))
    assert "get_ipython" in {node.value for node in within(call) if isinstance(node, cst.Name)}
    assert source.code(source.tree.body[1]) == "x = !ls\n"


def test_what_a_timed_line_does_stands_in_its_columns() -> None:
    source = Source("a.py", "%time model.fit(x)\n")
    assert source.span(name_of(source, "model")) == span(1, 7, 1, 12)


def test_a_shell_cell_of_an_exported_script() -> None:
    source = Source("a.py", "%%bash\nls -l | wc\n\n# In[2]:\nx = 1\n")
    assert source.span(name_of(source, "x")).start == Position(5, 1)


PYTHON_2 = """\
if step % 100 == 0: print "loss %f" % loss, step
print "a", (1,
    2); y = 3
print >>log, x; z = 4
try:
    exec "x = 1"
except ValueError, error:
    raise ValueError, "no"
print x[0]
w = 5
"""


def test_python_2_statements_are_masked() -> None:
    source = Source("a.py", PYTHON_2)
    for name in ("z", "w", "step"):
        assert slice_of(source, source.span(name_of(source, name))) == name
    assert any(isinstance(node, cst.Raise) for node in within(source.tree))


def test_what_masking_does_not_mend_is_wrong_where_it_was() -> None:
    with pytest.raises(SourceError) as caught:
        _ = Source("a.py", "!ls\nprint 'x'\ny = = 2\n").tree
    assert caught.value.position is not None
    assert caught.value.position.row in (2, 3)


def test_await_at_the_top() -> None:
    assert Source("a.py", "x = await f()\n").tree.body


# Notebooks.


def notebook(*cells: str | list[str], indent: int | None = 1, **more: Any) -> str:
    """nbformat 4, a markdown cell first."""
    content: list[Any] = [{"cell_type": "markdown", "metadata": {}, "source": ["# é\n"]}]
    for source in cells:
        output = {"output_type": "stream", "text": ["x = 1\n"]}
        content.append(
            {"cell_type": "code", "execution_count": 1, "metadata": {}, "outputs": [output], "source": source}
        )
    whole = {"cells": content, "metadata": {}, "nbformat": 4, "nbformat_minor": 2, **more}
    return json.dumps(whole, indent=indent, ensure_ascii=False)


def of(document: str) -> Source:
    return Source.from_bytes("a.ipynb", document.encode())


def test_cells_are_one_text() -> None:
    source = of(notebook(["x = 1\n", "y = 2"], "z = 3", [], "w = 4\n"))
    assert source.text == "x = 1\ny = 2\nz = 3\nw = 4\n"
    assert [cell.number for cell in source.cells] == [2, 3, 4, 5]
    assert source.locate(span(1, 1)) == (2, span(1, 1))
    assert source.locate(span(2, 1, 2, 6)) == (2, span(2, 1, 2, 6))
    assert source.locate(span(3, 5)) == (3, span(1, 5))
    assert source.locate(span(4, 1)) == (5, span(1, 1))
    assert source.joined_span(span(1, 1), 5) == span(4, 1)


def test_a_script_has_no_cells() -> None:
    source = Source("a.py", "x = 1\n")
    assert source.locate(span(1, 1)) == (None, span(1, 1))
    assert not source.is_notebook


@pytest.mark.parametrize("indent", [None, 0, 1, 4])
@pytest.mark.parametrize("form", ["lines", "string"])
def test_only_the_lines_of_the_touched_cell_change(indent: int | None, form: str) -> None:
    cells = ["import tensorflow as tf\nx = 'é'", "y = 1\nz = 'ü'\n"]
    document = notebook(
        *(cell if form == "string" else cell.splitlines(keepends=True) for cell in cells), indent=indent
    )
    source = of(document)
    assert source.data.decode() == document
    after = source.edit([Edit(span(3, 5, 3, 6), "2")])
    assert after.data.decode() == document.replace("y = 1", "y = 2")
    assert after.text == source.text.replace("y = 1", "y = 2")
    longer = source.edit([Edit(span(2, 8), "\nw = 0")]).data.decode()
    assert Source.from_bytes("a.ipynb", longer.encode()).cells[0].text == cells[0] + "\nw = 0"
    assert longer.startswith(document[: document.index("import")])
    assert longer.endswith(document[document.index("y = 1") :])


@pytest.mark.parametrize("ascii_only", [True, False])
def test_escapes_of_untouched_lines_stay(ascii_only: bool) -> None:
    document = notebook(["x = '@'\n", "y = 1\n"]).replace("@", "\\u00e9")
    if ascii_only:
        document = document.replace("é", "e")
    after = of(document).edit([Edit(span(2, 5, 2, 6), "'ö'")]).data.decode()
    assert after == document.replace("y = 1", "y = '\\u00f6'" if ascii_only else "y = 'ö'")


def test_edits_in_the_coordinates_of_a_cell() -> None:
    source = of(notebook("x = 1", "y = 2"))
    fix = Fix(Applicability.SAFE, "", (Edit(span(2, 5, 2, 6), "3"),))
    located = source.located(fix)
    assert located.edits == (Edit(span(1, 5, 1, 6), "3", 3),)
    assert source.edit(located.edits).data == source.edit(fix.edits).data
    assert source.edit(fix.edits).text == "x = 1\ny = 3\n"


def test_the_end_of_a_cell_s_last_line_is_its_own() -> None:
    source = of(notebook("x = 1\ny = 2", "z = 3"))
    after = source.edit([Edit(span(2, 1, 3, 1), "")])
    assert [cell.text for cell in after.cells] == ["x = 1\n", "z = 3"]
    with pytest.raises(ValueError, match="crosses"):
        source.edit([Edit(span(2, 1, 3, 2), "")])


def test_nbformat_3() -> None:
    cells = [
        {"cell_type": "markdown", "source": "text"},
        {"cell_type": "code", "language": "python", "input": ["x = 1\n", "y = 2"], "outputs": []},
        {"cell_type": "code", "language": "ruby", "input": ["puts 1"], "outputs": []},
    ]
    document = json.dumps({"metadata": {}, "nbformat": 3, "worksheets": [{"cells": cells}]})
    source = of(document)
    assert source.text == "x = 1\ny = 2\n"
    assert source.edit([Edit(span(2, 5, 2, 6), "3")]).data.decode() == document.replace("y = 2", "y = 3")


def test_foreign_and_broken_cells_do_not_stop_the_others() -> None:
    source = of(
        notebook("%%bash\nls -l | wc", "def f(:\n  'a\u2028b\v'", "%%time\n!ls\nx = 1", "y = await f()")
    )
    assert source.broken_cells == (3,)
    assert source.locate(source.span(name_of(source, "x"))) == (4, span(3, 1, 3, 2))
    assert source.locate(source.span(name_of(source, "y"))) == (5, span(1, 1, 1, 2))


def test_a_notebook_in_another_language_has_no_text() -> None:
    metadata = {"kernelspec": {"language": "R", "name": "ir"}}
    assert of(notebook("x <- 1", metadata=metadata)).text == ""


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("{\n 'cells': []}", "not JSON"),
        ("[]", "not a notebook"),
        ("{}", "not a notebook"),
        ('{"cells": [1]}', "not a notebook"),
        ('{"cells": [{"cell_type": "code", "source": 1}]}', "not a notebook"),
        ('{"cells": [{"cell_type": "code", "source": "\\u0000"}]}', "NUL"),
        ('{"a": ' + "[" * 100000, "not"),
    ],
)
def test_what_is_no_notebook(document: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        of(document)


def test_half_a_surrogate_breaks_its_cell_alone() -> None:
    source = of(notebook("x = 1", "y = '@'").replace("@", "\\ud800"))
    assert source.tree.body
    assert source.broken_cells == (3,)


CELL = st.text(st.sampled_from('ab=1 \n\r"\\é#()'), max_size=12)


@settings(max_examples=50)
@given(st.lists(CELL, min_size=1, max_size=4), st.booleans(), st.sampled_from([None, 1, "\t"]), st.data())
def test_any_notebook_is_written_as_it_was_read(
    cells: list[str], lines: bool, indent: Any, data: st.DataObject
) -> None:
    document = notebook(*(cell.splitlines(keepends=True) if lines else cell for cell in cells), indent=indent)
    source = of(document)
    assert source.data.decode() == document
    assert [cell.text for cell in source.cells] == cells
    assume(any(cells))
    index = data.draw(st.sampled_from([index for index, cell in enumerate(cells) if cell]))
    after = source.edit([Edit(span(1, 1), "new ", source.cells[index].number)])
    assert [cell.text for cell in of(after.data.decode()).cells] == [
        ("new " if i == index else "") + cell for i, cell in enumerate(cells)
    ]


def test_the_third_document_s_script() -> None:
    text = textwrap.dedent(
        """
        import pandas as pd

        !git clone https://example.org/data
        %cd data
        !ls

        train = pd.read_csv('train.csv')
        """
    )
    source = Source("a.py", text)
    assert source.span(name_of(source, "train")).start == Position(8, 1)
