"""`noqa` comments: what silences what, on which rows, and which of them silence nothing (NAN902)."""

from __future__ import annotations

import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lint import check, check_files, command, fix

from tflint_nan import engine
from tflint_nan.finding import Applicability, Finding
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import Rule, rules
from tflint_nan.source import Source
from tflint_nan.suppress import Suppressions
from tflint_nan.unused import unused as unused_in


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
    assert Suppressions(f"x = 1  {comment}\n").silences("NAN101", (1, 1)) is silenced


def test_any_row_of_the_statement_counts_and_no_other() -> None:
    text = "x = f(\n    1,  # noqa\n    2,\n)\ny = 2\n"
    assert Suppressions(text).silences("NAN101", (1, 4))
    assert not Suppressions(text).silences("NAN101", (5, 5))
    assert not Suppressions(text).silences("NAN101", (3, 4))


@pytest.mark.parametrize("tool", ["tflint-nan", "ruff", "flake8", "Flake8"])
def test_a_row_of_its_own_silences_the_file(tool: str) -> None:
    assert Suppressions(f"import x\n# {tool}: noqa\ny = 1\n").silences("NAN101", (3, 3))
    named = Suppressions(f"import x\n   # {tool}: noqa: NAN101\ny = 1\n")
    assert named.silences("NAN101", (3, 3))
    assert not named.silences("NAN102", (3, 3))


def test_plain_noqa_on_a_row_of_its_own_does_not_silence_the_file() -> None:
    assert not Suppressions("# noqa\nx = 1\n").silences("NAN101", (2, 2))


@pytest.mark.parametrize("text", ['x = "# noqa"\n', 'x = """\n# tflint-nan: noqa\n"""\n', "x = '#' 'noqa'\n"])
def test_strings_are_no_comments(text: str) -> None:
    assert not Suppressions(text).silences("NAN101", (1, 3))


def test_rows_are_counted_in_every_kind_of_line_break() -> None:
    for newline in ("\n", "\r\n", "\r"):
        text = newline.join(["a = 1", "b = 2  # noqa", "c = '\x0c\u2028'", "d = 4  # noqa", ""])
        rows = [row for row in range(1, 6) if Suppressions(text).silences("NAN101", (row, row))]
        assert rows == [2, 4]


def test_a_tokenizer_that_stops_does_not_lose_comments() -> None:
    # The bracket never closes, as syntax looks that is newer than the running Python.
    text = "a = 1  # noqa\nb = (\nc = 2  # noqa: NAN101\nd = 3  # noqa: NAN102\n  ?? $ \n"
    found = Suppressions(text)
    assert [row for row in range(1, 5) if found.silences("NAN101", (row, row))] == [1, 3]


# ---- NAN902: what silences nothing


HEAD = "import tensorflow as tf\nx = tf.placeholder(tf.float32, [None, 784])\n"
LOG = "p = tf.log(tf.nn.softmax(tf.layers.dense(x, 10)))"
UNUSED = ("NAN902",)


def unused(text: str, *, strict: bool = False, select: tuple[str, ...] = UNUSED) -> list[Finding]:
    return [finding for finding in check(text, strict=strict, select=select) if finding.code == "NAN902"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("y = 1  # noqa: NAN101", "y = 1"),
        ("y = 1\t# noqa:NAN101   ", "y = 1"),
        ("y = 1  # noqa: NAN101, E501  # explanation", "y = 1  # noqa: E501  # explanation"),
        ("y = 1  # noqa: E501, NAN101  # explanation", "y = 1  # noqa: E501  # explanation"),
        ("y = 1  # noqa: NAN101  # explanation", "y = 1  # explanation"),
        ("y = 1  # noqa: NAN101 the input is bounded", "y = 1  # the input is bounded"),
        ("y = 1  # noqa: NAN101 - the input is bounded", "y = 1  # the input is bounded"),
        ("y = 1  # noqa: NAN101; the input is bounded", "y = 1  # the input is bounded"),
        ("y = 1  # noqa: NAN101,", "y = 1"),
        ("y = 1  # noqa: NAN101 -1 is impossible", "y = 1  # -1 is impossible"),
        ("y = 1  # type: ignore # noqa: NAN101", "y = 1  # type: ignore"),
        ("y = 1  # noqa: NAN101  # type: ignore", "y = 1  # type: ignore"),
        ("y = 1  # bounded # noqa: NAN101 # or so", "y = 1  # bounded # or so"),
        ("y = 1  # noqa: NAN101  # noqa: NAN102", "y = 1"),
        ("y = 1  # noqa: NAN101  # noqa: E501", "y = 1  # noqa: E501"),
        ("y = 1  # noqa: NAN101 E501 NAN102,F401, NAN999", "y = 1  # noqa: E501,F401"),
        ("y = 1  # noqa: E501,NAN101 NAN102,F401", "y = 1  # noqa: E501,F401"),
        ("y = 1  # tflint-nan: noqa: NAN101", "y = 1"),
        ("# tflint-nan: noqa: NAN101, NAN102\ny = 1", "y = 1"),
        ("# ruff: noqa: NAN101, F401\ny = 1", "# ruff: noqa: F401\ny = 1"),
        ("  # flake8: noqa: NAN101 why\ny = 1", "  # why\ny = 1"),
        ("y = [\n    # noqa: NAN101\n    1,\n]", "y = [\n    1,\n]"),
        ("y = 1  # noqa: NAN102\r\nz = 2", "y = 1\r\nz = 2"),
    ],
)
def test_only_what_is_unused_goes(before: str, after: str) -> None:
    for end in ("\n", ""):
        text = f"import tensorflow as tf\n{before}{end}"
        assert unused(text)
        assert all(f.fix and f.fix.applicability is Applicability.SAFE for f in unused(text))
        fixed = fix(text, unsafe=False, select=UNUSED)
        assert fixed == f"import tensorflow as tf\n{after}{end}"
        assert not unused(fixed)


CODES = st.sampled_from(["NAN101", "NAN102", "NAN111", "NAN401", "NAN999", "NAN1", "E501", "F401", "NAN902"])
NOQA = st.builds(
    lambda before, codes, between, behind: f"# {before}noqa: {between.join(codes)}{behind}",
    st.sampled_from(["", "tflint-nan: ", "ruff: "]),
    st.lists(CODES, min_size=1, max_size=4),
    st.sampled_from([", ", ",", " "]),
    st.sampled_from(["", " ", " why", "  # why", " - so, why"]),
)
COMMENT = st.one_of(
    st.just(""), st.lists(st.one_of(NOQA, st.just("# type: ignore"), st.just("# noqa"))).map("  ".join)
)


@given(rows=st.lists(COMMENT, min_size=4, max_size=4), newline=st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=50)
def test_a_fix_takes_what_does_nothing_and_leaves_the_rest(rows: list[str], newline: str) -> None:
    code = ["import tensorflow as tf", "", "x = tf.placeholder(tf.float32, [None, 784])", LOG]
    text = newline.join(f"{statement}  {row}" for statement, row in zip(code, rows, strict=True))
    fixed = fix(text, unsafe=False, select=(*UNUSED, "NAN111"))
    assert unused(fixed, select=(*UNUSED, "NAN111")) == []
    # The log itself may have been mended, where nothing silences it.
    silenced = "NAN101" not in [finding.code for finding in check(text)]
    assert "NAN101" not in [finding.code for finding in check(fixed)]
    assert (LOG in fixed) is silenced
    for pattern in (r"\b[EF]\d+", r"# type: ignore", r"\bwhy\b", r"noqa(?![\w:])", r"NAN902"):
        assert re.findall(pattern, fixed) == re.findall(pattern, text)
    left = [statement for line in fixed.splitlines() if (statement := line.partition("#")[0].strip())]
    assert left[:2] == [code[0], code[2]]
    assert len(left) == 3


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa", "# tflint-nan: noqa", "# noqa: E501", "# noqa: F401, E501", "# noqa:", "# noqa: because",
        "# noqa: NAN101, NAN902", "# NAN101", "# noqa: XNAN101", "# noqa: nan101", "# noqa  # noqa: NAN101",
    ],
)  # fmt: skip
def test_comments_that_are_not_judged(comment: str) -> None:
    assert not unused(f"import tensorflow as tf\ny = 1  {comment}\n")


def test_a_file_that_is_silent_altogether() -> None:
    assert not unused("# tflint-nan: noqa\nimport tensorflow as tf\ny = 1  # noqa: NAN101\n")
    assert not unused("# tflint-nan: noqa: NAN902\nimport tensorflow as tf\ny = 1  # noqa: NAN101\n")


def test_strings_are_left_alone() -> None:
    text = 'import tensorflow as tf\ny = \'# noqa: NAN101\'\nz = """\n# tflint-nan: noqa: NAN101\n"""\n'
    assert not unused(text)


def test_every_comment_is_a_finding_that_names_its_codes() -> None:
    text = f"{HEAD}{LOG}  # noqa: NAN102, NAN999, NAN101, NAN101\ny = 1  # noqa: NAN103\n"
    found = unused(text)
    assert [(f.span.start.row, f.message) for f in found] == [
        (3, "NAN102 silences nothing here; there is no rule NAN999; named twice: NAN101"),
        (4, "NAN103 silences nothing here"),
    ]
    rows = text.splitlines()
    assert [rows[f.span.start.row - 1][f.span.start.column - 1 : f.span.end.column - 1] for f in found] == [
        "# noqa: NAN102, NAN999, NAN101, NAN101",
        "# noqa: NAN103",
    ]


def test_only_rules_that_ran_are_judged(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(f"{HEAD}y = 1  # noqa: NAN101\nz = 1  # noqa: NAN112\nw = 1  # noqa: NAN999\n")

    def said(*options: str) -> list[str]:
        found = check_files(path, options=options).findings
        return [f["message"].split()[0] for f in found if f["code"] == "NAN902"]

    assert said() == []
    assert said("--select", "ALL") == []
    assert said("--extend-select", "NAN902") == ["NAN101", "there"]
    assert said("--extend-select", "NAN902", "--ignore", "NAN101") == ["there"]
    assert said("--extend-select", "NAN902", "--strict") == ["NAN101", "NAN112", "there"]
    assert said("--extend-select", "NAN902,NAN112") == ["NAN101", "NAN112", "there"]
    assert said("--select", "NAN902") == ["there"]
    assert said("--select", "NAN902,NAN101") == ["NAN101", "there"]
    ignored = 'per-file-ignores = { "*.py" = ["NAN101"] }'
    assert (
        command("check", "--config", ignored, "--extend-select", "NAN902", path).stdout.count("NAN902") == 1
    )
    ignored = 'per-file-ignores = { "*.py" = ["NAN902"] }'
    assert command("check", "--config", ignored, "--extend-select", "NAN902", path).status == 0


def test_what_is_hidden_in_this_run_is_silenced_all_the_same() -> None:
    text = (
        "import tensorflow as tf\ndef program(ids, h):\n    mask = tf.one_hot(ids, 4)\n"
        "    return tf.reduce_sum(h * mask, 1) / tf.reduce_sum(mask, 1)"
    )
    strict = check(text + "\n", strict=True)
    assert [(f.code, f.level.value) for f in strict] == [("NAN105", "strict")]
    assert check(text + "\n", select=UNUSED) == []
    for options in (False, True):
        assert check(f"{text}  # noqa: NAN105\n", strict=options, select=UNUSED) == []


def test_a_rule_that_failed_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(graph: Graph) -> Iterator[Report]:
        raise ZeroDivisionError

    broken = tuple(
        Rule(rule.code, rule.name, rule.level, rule.page, fail, rule.thresholds)
        if rule.code == "NAN101"
        else rule
        for rule in rules()
    )
    monkeypatch.setattr(engine, "rules", lambda: broken)
    found = check(f"{HEAD}y = 1  # noqa: NAN101\nz = 1  # noqa: NAN102\n", select=UNUSED)
    assert [(f.code, f.span.start.row) for f in found] == [("NAN901", 1), ("NAN902", 4)]


def test_the_first_comment_for_the_file_has_the_work() -> None:
    text = f"# tflint-nan: noqa: NAN101\n# ruff: noqa: NAN101\n{HEAD}{LOG}\n{LOG}  # noqa: NAN101\n"
    assert [f.span.start.row for f in unused(text)] == [2, 6]


@pytest.mark.parametrize(
    ("rows", "inside"),
    [([(2, 4), (3, 3), (4, 6), (9, 9)], {2, 3, 4, 5, 6, 9}), ([(1, 9), (2, 3)], {*range(1, 10)})],
)
def test_rows_of_reports(rows: list[tuple[int, int]], inside: set[int]) -> None:
    """Statements in one another, and side by side: every row of one of them is covered, no other."""
    comments = "".join("x = 1  # noqa: NAN101\n" for _ in range(12))
    source = Source("a.py", comments)
    found = list(unused_in(source, Suppressions(comments), {"NAN101": rows}, {"NAN101"}, {"NAN101"}))
    assert {f.span.start.row for f in found} == set(range(1, 13)) - inside


def test_many_comments_and_findings_of_one_statement_take_no_time() -> None:
    many = 10_000
    text = "x = [\n" + "1,  # noqa: NAN101\n" * many + "]\n" + "# tflint-nan: noqa: NAN102\n" * many
    suppressions = Suppressions(text)
    rows = (1, many + 2)
    start = process_time()
    assert all(suppressions.silences("NAN101", rows) for _ in range(many))
    found = list(
        unused_in(
            Source("a.py", text),
            suppressions,
            {"NAN101": [rows] * many},
            {"NAN101", "NAN102"},
            {"NAN101", "NAN102"},
        )
    )
    assert len(found) == many

    assert process_time() - start < 10


def test_faults_cannot_be_silenced() -> None:
    assert [f.message for f in unused(f"{HEAD}y = 1  # noqa: NAN900\n")] == ["NAN900 silences nothing here"]


def test_a_file_without_tensorflow_is_judged_too() -> None:
    assert [f.message for f in unused("y = 1  # noqa: NAN101\n")] == ["NAN101 silences nothing here"]


def test_what_may_stand_in_a_string_silences_and_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the rows behind syntax that is newer than the running Python, whose tokenizer stops there."""

    def stop(readline: object) -> Iterator[tokenize.TokenInfo]:
        raise tokenize.TokenError
        yield  # a generator

    text = f"{HEAD}{LOG}  # noqa: NAN101\ny = '# noqa: NAN102'\nz = 1  # noqa: NAN103\n"
    assert [f.span.start.row for f in unused(text)] == [5]
    monkeypatch.setattr(tokenize, "generate_tokens", stop)
    assert [(d.row, d.certain) for d in Suppressions(text).directives] == [(3, False), (4, False), (5, False)]
    assert check(text, select=UNUSED) == []


# ---- notebooks


def notebook(path: Path, *cells: str | list[str]) -> Path:
    document = {
        "cells": [
            {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": cell}
            for cell in cells
        ],
        "metadata": {}, "nbformat": 4, "nbformat_minor": 5,
    }  # fmt: skip
    path.write_text(json.dumps(document, indent=1))
    return path


def sources(path: Path) -> list[str]:
    return [cell["source"] for cell in json.loads(path.read_text())["cells"]]


def test_cells(tmp_path: Path) -> None:
    path = notebook(
        tmp_path / "n.ipynb",
        "!pip install x  # noqa: NAN101\nimport tensorflow as tf",
        "x = tf.placeholder(tf.float32, [None, 784])",
        f"{LOG}  # noqa: NAN101, NAN102",
        "%%writefile train.py\np = 1  # noqa: NAN101",
        "y = 1  # noqa: NAN101",
        "# tflint-nan: noqa: NAN103",
    )
    run = check_files(path, options=["--extend-select", "NAN902"])
    assert [(f["cell"], f["location"]["row"], f["message"]) for f in run.findings] == [
        (3, 1, "NAN102 silences nothing here"),
        (5, 1, "NAN101 silences nothing here"),
        (6, 1, "NAN103 silences nothing in this file"),
    ]
    assert {edit["cell"] for f in run.findings for edit in f["fix"]["edits"]} == {3, 5, 6}
    before = sources(path)
    assert check_files(path, options=["--extend-select", "NAN902", "--fix"]).findings == []
    assert sources(path) == [*before[:2], f"{LOG}  # noqa: NAN101", before[3], "y = 1", ""]


def test_a_notebook_with_a_cell_that_is_not_python_is_not_judged(tmp_path: Path) -> None:
    path = notebook(
        tmp_path / "n.ipynb",
        "import tensorflow as tf\nx = tf.placeholder(tf.float32, [None, 784])",
        f"def f(:\n    {LOG}  # noqa: NAN999",
        "y = 1  # noqa: NAN101\nz = 1  # noqa: NAN999",
    )
    found = check_files(path, options=["--extend-select", "NAN902"]).findings
    assert [(f["code"], f["cell"], f["message"]) for f in found] == [
        ("NAN900", 2, "not Python"),
        ("NAN902", 3, "there is no rule NAN999"),
    ]


# ---- the command


def test_reports_and_fixes_of_the_command(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(f"{HEAD}{LOG}  # noqa: NAN101\ny = 1  # noqa: NAN102, NAN103, E501\n")
    words = ("check", "--isolated", "--no-cache", "--extend-select", "NAN902")
    assert command(*words[:3], path).status == 0
    run = command(*words, "--output-format", "json", path)
    assert run.status == 1
    [finding] = run.findings
    assert (finding["code"], finding["name"], finding["severity"]) == (
        "NAN902",
        "unused-suppression",
        "warning",
    )
    assert (finding["noqa_row"], finding["fix"]["applicability"]) == (4, "safe")
    assert finding["fix"]["message"] == "Remove NAN102, NAN103 from the comment"
    assert command(*words, "--statistics", path).stdout == "1  NAN902  unused-suppression (1 fixable)\n"
    assert "warning[NAN902]: NAN102, NAN103 silence nothing here\n" in command(*words, path).stdout
    assert command(*words, "--fix", path).status == 0
    assert path.read_text() == f"{HEAD}{LOG}  # noqa: NAN101\ny = 1  # noqa: E501\n"


def test_what_a_fix_makes_unused_goes_with_it() -> None:
    loss = "tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=tf.layers.dense(x, 10))"
    step = "tf.train.AdamOptimizer(RATE).minimize(loss)"
    head = f"{HEAD}y = tf.placeholder(tf.float32, [None, 10])\nloss = tf.reduce_mean({loss})\n"
    text = f"{head}RATE = 5.0\na = {step}\nb = {step}  # noqa: NAN401\n"
    assert [(f.code, f.span.start.row) for f in check(text, select=UNUSED)] == [("NAN401", 6)]
    assert fix(text, unsafe=True, select=UNUSED) == f"{head}RATE = 0.001\na = {step}\nb = {step}\n"


def test_the_page_is_printed_by_name_and_code() -> None:
    for word in ("NAN902", "unused-suppression"):
        assert command("rule", word).stdout.startswith("NAN902 unused-suppression: ")
    assert "NAN902  opt " in command("rule", "--all").stdout
