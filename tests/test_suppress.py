"""`noqa` comments: what silences what, on which rows."""

from __future__ import annotations

import pytest

from tflint_nan.suppress import Suppressions


@pytest.mark.parametrize(
    ("comment", "silenced"),
    [
        ("# noqa", True),
        ("#noqa", True),
        ("# NOQA", True),
        ("# noqa: NAN101", True),
        ("# noqa:NAN101", True),
        ("# noqa : NAN101", True),
        ("# noqa: E501, NAN101", True),
        ("# noqa: E501 NAN101", True),
        ("# noqa: NAN101 because the input is bounded", True),
        ("# noqa because", True),
        ("# type: ignore # noqa: NAN101", True),
        ("# bounded # noqa", True),
        ("# tflint-nan: noqa", True),
        ("# tflint-nan: noqa: NAN101", True),
        ("# noqa: NAN102", False),
        ("# noqa: NAN1", False),
        ("# noqa: NAN1010", False),
        ("# noqa: nan101", False),
        ("# noqa: because", False),
        ("# noqa:because", False),
        ("# noqa: NAN101because", False),
        ("# noqa-not", False),
        ("# noqas", False),
        ("# ruff: noqa", False),  # only on a row of its own
        ("# tflint-nan: noqa: NAN102", False),
        ("# see noqa", False),
    ],
)
def test_comment_behind_code(comment: str, silenced: bool) -> None:
    assert bool(Suppressions(f"x = 1  {comment}\n").silencing("NAN101", (1, 1))) is silenced


def test_any_row_of_the_statement_counts_and_no_other() -> None:
    text = "x = f(\n    1,  # noqa\n    2,\n)\ny = 2\n"
    assert Suppressions(text).silencing("NAN101", (1, 4))
    assert not Suppressions(text).silencing("NAN101", (5, 5))
    assert not Suppressions(text).silencing("NAN101", (3, 4))


@pytest.mark.parametrize("tool", ["tflint-nan", "ruff", "flake8", "Flake8"])
def test_a_row_of_its_own_silences_the_file(tool: str) -> None:
    assert Suppressions(f"import x\n# {tool}: noqa\ny = 1\n").silencing("NAN101", (3, 3))
    named = Suppressions(f"import x\n   # {tool}: noqa: NAN101\ny = 1\n")
    assert named.silencing("NAN101", (3, 3))
    assert not named.silencing("NAN102", (3, 3))


def test_plain_noqa_on_a_row_of_its_own_does_not_silence_the_file() -> None:
    assert not Suppressions("# noqa\nx = 1\n").silencing("NAN101", (2, 2))


@pytest.mark.parametrize("text", ['x = "# noqa"\n', 'x = """\n# tflint-nan: noqa\n"""\n', "x = '#' 'noqa'\n"])
def test_strings_are_no_comments(text: str) -> None:
    assert not Suppressions(text).silencing("NAN101", (1, 3))


def test_rows_are_counted_in_every_kind_of_line_break() -> None:
    for newline in ("\n", "\r\n", "\r"):
        text = newline.join(["a = 1", "b = 2  # noqa", "c = '\x0c\u2028'", "d = 4  # noqa", ""])
        rows = [row for row in range(1, 6) if Suppressions(text).silencing("NAN101", (row, row))]
        assert rows == [2, 4]


def test_a_tokenizer_that_stops_does_not_lose_comments() -> None:
    # The bracket never closes, as syntax looks that is newer than the running Python.
    text = "a = 1  # noqa\nb = (\nc = 2  # noqa: NAN101\nd = 3  # noqa: NAN102\n  ?? $ \n"
    found = Suppressions(text)
    assert [row for row in range(1, 5) if found.silencing("NAN101", (row, row))] == [1, 3]
