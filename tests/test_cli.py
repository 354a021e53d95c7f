"""The command line: what it prints where, what it writes, and its exit status."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tflint_nan import __version__, config, engine, overwrite, pool, runner
from tflint_nan.check import Result
from tflint_nan.cli import main
from tflint_nan.finding import Applicability, Edit, Fix
from tflint_nan.formats import FORMATS
from tflint_nan.graph import Graph, Report
from tflint_nan.job import Job
from tflint_nan.registry import Check, Rule
from tflint_nan.report import pages
from tflint_nan.value import Op

HEAD = "import tensorflow as tf\n"
#: One line a rule below: a safe fix, an unsafe one, none; and one that nothing is said about.
SAFE = "a = tf.math.log(2.0)\n"
UNSAFE = "b = tf.math.exp(2.0)\n"
NONE = "c = tf.math.sqrt(2.0)\n"
CLEAN = "d = tf.math.sin(2.0)\n"


def _check(name: str, better: str | None, applicability: Applicability) -> Check:
    def fix(op: Op) -> Fix:
        call = f"tf.math.{better}({op.source.code(op.nodes['x'])})"
        return Fix(applicability, f"use {better}", (Edit(op.source.span(op.node), call),))

    def check(graph: Graph) -> Iterator[Report]:
        for op in graph.ops(name):
            made = op.arg("x").op
            yield Report(
                op,
                f"a {name}",
                "none",
                because=((made, "made here"),) if made else (),
                fix=(lambda rewriter, op=op: fix(op)) if better else None,
            )

    return check


def _install(monkeypatch: pytest.MonkeyPatch, rules: tuple[Rule, ...]) -> None:
    for module in (engine, pages):
        monkeypatch.setattr(module, "rules", lambda: rules)
    monkeypatch.setattr(config, "declared", lambda: rules)


@pytest.fixture(autouse=True)
def three_rules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Rules of one line each, whatever is installed, and an empty working folder."""
    rules = tuple(
        Rule(
            f"NAN{code}",
            f"no-{name}",
            engine.Level.DEFAULT,
            f"NAN{code} no-{name}: there is a {name}.",
            check,
            {},
        )
        for code, name, check in (
            (101, "log", _check("log", "log1p", Applicability.SAFE)),
            (102, "exp", _check("exp", "expm1", Applicability.UNSAFE)),
            (201, "sqrt", _check("sqrt", None, Applicability.SAFE)),
        )
    )
    _install(monkeypatch, rules)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@dataclass(frozen=True)
class Ran:
    """Exit status and what was printed."""

    status: int
    out: str
    err: str


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> object:
    """Runs the command line in this process."""

    def call(*words: str, stdin: str | bytes | None = None) -> Ran:
        if stdin is not None:
            data = stdin.encode() if isinstance(stdin, str) else stdin
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        capfd.readouterr()
        status = main(list(words))
        out, err = capfd.readouterr()
        return Ran(status, out, err)

    return call


def _write(name: str, *lines: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((HEAD + "".join(lines)).encode())
    return path


def _codes(ran: Ran) -> list[str]:
    return [finding["code"] for finding in json.loads(ran.out)]


# Exit status.


@pytest.mark.parametrize("content", list(itertools.product([False, True], repeat=5)))
@pytest.mark.parametrize("fixes", [(), ("--fix",), ("--fix", "--unsafe-fixes"), ("--unsafe-fixes",)])
@pytest.mark.parametrize("exit_zero", [False, True])
def test_exit_status_of_every_mixture(
    run, content: Sequence[bool], fixes: tuple[str, ...], exit_zero: bool
) -> None:
    safe, unsafe, none, _, broken = content
    lines = [line for wanted, line in zip(content, (SAFE, UNSAFE, NONE, CLEAN), strict=False) if wanted]
    _write("a.py", *lines)
    if broken:
        Path("b.py").write_text("def f(:\n")
    remains = (
        none or (safe and "--fix" not in fixes) or (unsafe and not {"--fix", "--unsafe-fixes"} <= set(fixes))
    )
    expected = 2 if broken else 1 if remains and not exit_zero else 0
    assert run("check", *fixes, *(["--exit-zero"] if exit_zero else [])).status == expected


@pytest.mark.parametrize(
    "words",
    [
        ("check", "--no-such-option"),
        ("check", "--output-format", "xml"),
        ("check", "--select", "NAN999"),
        ("check", "--ignore", "E501"),
        ("check", "--config", "missing.toml"),
        ("check", "--config", "selct = []"),
        ("check", "--config", "strict ="),
        ("check", "-", "a.py"),
        ("check", "--stdin-filename", "a.py"),
        ("check", "missing.py"),
        ("rule",),
        ("rule", "NAN999"),
        ("rule", "NAN101", "--all"),
        ("no-such-command",),
    ],
)
def test_what_cannot_be_done_is_status_2_and_said_on_standard_error(run, words: tuple[str, ...]) -> None:
    _write("a.py", CLEAN)
    ran = run(*words)
    assert ran.status == 2
    assert ran.err.strip()
    assert "Traceback" not in ran.err


def test_an_unknown_code_names_the_nearest(run) -> None:
    assert "did you mean 'NAN102'?" in run("check", "--select", "NAN1O2").err
    assert "did you mean 'NAN102'?" in run("rule", "NAN1O2").err
    Path("tflint-nan.toml").write_text('select = ["NAN1O2"]')
    ran = run("check")
    assert ran.status == 2
    assert "did you mean 'NAN102'?" in ran.err
    assert "tflint-nan.toml" in ran.err


def test_a_missing_path_does_not_stop_the_others(run) -> None:
    _write("a.py", SAFE)
    ran = run("check", "missing.py", "a.py", "--output-format", "concise")
    assert ran.status == 2
    assert ran.err == "error: missing.py: No such file or directory\n"
    assert ran.out.startswith("a.py:2:5: NAN101 ")


def test_an_internal_error_is_a_finding_and_status_2(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(graph: Graph) -> Iterator[Report]:
        raise RuntimeError("boom")

    rules = (*engine.rules(), Rule("NAN301", "fails", engine.Level.DEFAULT, "", fail, {}))
    _install(monkeypatch, rules)
    path = _write("a.py", SAFE, NONE)
    ran = run("check", "--fix", "--ignore", "NAN9", "--output-format", "json", "--exit-zero")
    assert (ran.status, _codes(ran)) == (2, ["NAN901", "NAN201"])
    assert path.read_text() == HEAD + "a = tf.math.log1p(2.0)\n" + NONE
    assert "Traceback" not in ran.err
    assert "RuntimeError: boom" in run("check", "--verbose").err


def test_a_crash_of_the_command_itself_is_status_2(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(runner, "run", fail)
    _write("a.py", SAFE)
    ran = run("check")
    assert ran.status == 2
    assert "RuntimeError: boom" in ran.err
    assert ran.out == ""


# Paths.


def test_the_default_path_is_the_working_folder(run) -> None:
    _write("sub/a.py", SAFE)
    assert run("check", "--output-format", "concise").out.startswith(
        "sub/a.py:2:5: NAN101 a log\n".replace("/", os.sep)
    )


def test_nothing_to_check_is_a_warning(run) -> None:
    ran = run("check")
    assert (ran.status, ran.out) == (0, "All checks passed!\n")
    assert ran.err.startswith("warning: no Python files")


def test_force_exclude(run) -> None:
    _write("build/a.py", SAFE)
    assert run("check", "build/a.py").status == 1
    assert run("check", "build/a.py", "--force-exclude").status == 0


# Bad input.


@pytest.mark.parametrize(
    ("name", "data", "row", "word"),
    [
        ("a.py", b"import tensorflow\nx = (\n", 2, ""),
        ("a.py", b"import os\n\ndef f(:\n    pass\n", 3, ""),
        ("a.py", b"import tensorflow\nx = '\xff'\n", 2, "utf-8"),
        ("a.py", b"# coding: no-such-code\nimport tensorflow\n", 1, "no-such-code"),
        ("a.py", b"import tensorflow\nx = '\0'\n", 2, "NUL"),
        ("a.ipynb", b"{tensorflow", 1, "JSON"),
        ("a.ipynb", b"[]", 1, "notebook"),
    ],
)
def test_bad_input_is_nan900_with_its_place_and_the_others_are_checked(
    run, name: str, data: bytes, row: int, word: str
) -> None:
    Path(name).write_bytes(data)
    _write("z.py", SAFE)
    ran = run("check", "--fix", "--unsafe-fixes", "--output-format", "json", "--exit-zero")
    assert ran.status == 2
    (finding,) = json.loads(ran.out)
    assert (finding["code"], Path(finding["filename"]).name) == ("NAN900", name)
    assert finding["location"]["row"] == row
    assert word in finding["message"]
    assert finding["message"]
    assert Path(name).read_bytes() == data
    assert "log1p" in Path("z.py").read_text()


@pytest.mark.parametrize("data", [b"", b"\n", b"\xef\xbb\xbf", b"# tensorflow"])
def test_an_empty_file_is_clean(run, data: bytes) -> None:
    Path("a.py").write_bytes(data)
    assert run("check", "a.py") == Ran(0, "All checks passed!\n", "")


def test_a_file_that_may_not_be_read(run, monkeypatch: pytest.MonkeyPatch) -> None:
    _write("a.py", SAFE)
    Path("locked.py").mkdir()
    Path("locked.py", "b.py").symlink_to("/proc/self/mem")
    ran = run("check", "a.py", "/proc/self/mem", "--output-format", "json")
    assert ran.status == 2
    assert _codes(ran) == ["NAN900", "NAN101"]


def test_a_file_that_imports_a_broken_one_is_not_broken(run) -> None:
    Path("a.py").write_text("import tensorflow as tf\ndef f(:\n")
    _write("b.py", "import a\n", SAFE)
    found = json.loads(run("check", "--output-format", "json").out)
    assert [(Path(f["filename"]).name, f["code"]) for f in found] == [("a.py", "NAN900"), ("b.py", "NAN101")]


def test_syntax_errors_cannot_be_hidden(run) -> None:
    Path("a.py").write_text("# tflint-nan: noqa\nimport tensorflow\nx = (  # noqa\n")
    assert run("check", "--ignore", "NAN900", "--select", "NAN1").status == 2


# Selection and suppression.


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        ((), ["NAN101", "NAN102", "NAN201"]),
        (("--select", "NAN1"), ["NAN101", "NAN102"]),
        (("--select", "NAN101,NAN201"), ["NAN101", "NAN201"]),
        (("--select", "NAN101", "--select", "NAN201"), ["NAN101", "NAN201"]),
        (("--ignore", "NAN1"), ["NAN201"]),
        (("--select", "NAN1", "--ignore", "NAN102"), ["NAN101"]),
        (("--select", "NAN2", "--extend-select", "NAN101"), ["NAN101", "NAN201"]),
        (("--config", "select = ['NAN2']"), ["NAN201"]),
        (("--config", "select = ['NAN2']", "--select", "NAN101"), ["NAN101"]),
        (("--config", "mine.toml"), ["NAN102"]),
        (("--isolated",), ["NAN101", "NAN102", "NAN201"]),
        (("--no-cache",), ["NAN101", "NAN102", "NAN201"]),
    ],
)
def test_selection(run, options: tuple[str, ...], codes: list[str]) -> None:
    Path("mine.toml").write_text('select = ["NAN102"]')
    _write("a.py", SAFE, UNSAFE, NONE)
    assert _codes(run("check", "--output-format", "json", *options)) == codes


def test_the_configuration_of_the_project(run) -> None:
    Path("pyproject.toml").write_text(
        '[tool.tflint-nan]\nignore = ["NAN2"]\nextend-exclude = ["gen"]\n'
        '[tool.tflint-nan.per-file-ignores]\n"b.py" = ["NAN101"]\n'
    )
    for name in ("a.py", "b.py", "gen/c.py"):
        _write(name, SAFE, UNSAFE, NONE)
    found = json.loads(run("check", "--output-format", "json").out)
    assert [(Path(finding["filename"]).name, finding["code"]) for finding in found] == [
        ("a.py", "NAN101"),
        ("a.py", "NAN102"),
        ("b.py", "NAN102"),
    ]
    assert len(json.loads(run("check", "--isolated", "--output-format", "json").out)) == 9


def test_noqa(run) -> None:
    _write("a.py", SAFE.rstrip() + "  # noqa: NAN101\n", UNSAFE)
    assert _codes(run("check", "--output-format", "json")) == ["NAN102"]


# Formats.


def test_text_is_the_default(run) -> None:
    _write("a.py", SAFE, NONE)
    assert run("check").out == (
        """\
error[NAN101]: a log
 --> a.py:2:5
  |
2 | a = tf.math.log(2.0)
  |     ^^^^^^^^^^^^^^^^
  |
help: none
fix (safe): use log1p
2 - a = tf.math.log(2.0)
2 + a = tf.math.log1p(2.0)

error[NAN201]: a sqrt
 --> a.py:3:5
  |
3 | c = tf.math.sqrt(2.0)
  |     ^^^^^^^^^^^^^^^^^
  |
help: none

Found 2 errors.
1 fixable with --fix, 1 needs you.
"""
    )


def test_json_is_pure_and_complete(run) -> None:
    _write("a.py", SAFE, UNSAFE)
    Path("b.py").write_text("import tensorflow\nx = (\n")
    ran = run("check", "--output-format", "json", "missing.py", ".")
    found = json.loads(ran.out)
    assert [finding["code"] for finding in found] == ["NAN101", "NAN102", "NAN900"]
    assert [finding["filename"] for finding in found] == [
        str(Path(name).absolute()) for name in ("a.py", "a.py", "b.py")
    ]
    assert [finding["fix"] and finding["fix"]["applicability"] for finding in found] == [
        "safe",
        "unsafe",
        None,
    ]


@pytest.mark.parametrize("output_format", FORMATS)
def test_two_runs_print_the_same_bytes(run, output_format: str) -> None:
    for number in range(12):
        _write(f"sub{number % 3}/f{number}.py", SAFE, UNSAFE, NONE)
    words = ("check", "--output-format", output_format)
    first = run(*words)
    assert run(*words) == first
    assert run(*words, "sub2", "sub0", "sub1", ".") == first
    assert "sub0" in first.out


def test_statistics(run) -> None:
    _write("a.py", SAFE, SAFE, UNSAFE)
    ran = run("check", "--statistics")
    assert (ran.status, ran.out) == (1, "2  NAN101  no-log (2 fixable)\n1  NAN102  no-exp (1 fixable)\n")
    assert [
        row["count"] for row in json.loads(run("check", "--statistics", "--output-format", "json").out)
    ] == [2, 1]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": ""}, False),
    ],
)
def test_colour(run, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: bool) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    _write("a.py", SAFE)
    assert ("\x1b[" in run("check").out) is expected
    assert "\x1b[" not in run("check", "--output-format", "json").out


# Fixes.


def test_fix_writes_what_is_safe(run) -> None:
    path = _write("a.py", SAFE, UNSAFE, NONE)
    ran = run("check", "--fix", "--output-format", "concise")
    assert ran.status == 1
    assert path.read_text() == HEAD + "a = tf.math.log1p(2.0)\n" + UNSAFE + NONE
    assert ran.out == (
        "a.py:3:5: NAN102 a exp\n"
        "a.py:4:5: NAN201 a sqrt\n"
        "Found 3 errors: fixed 1, 1 more with --unsafe-fixes, 1 needs you.\n"
    )


def test_unsafe_fixes(run) -> None:
    path = _write("a.py", SAFE, UNSAFE)
    ran = run("check", "--fix", "--unsafe-fixes")
    assert (ran.status, ran.out) == (0, "Found 2 errors: fixed 2.\n")
    assert path.read_text() == HEAD + "a = tf.math.log1p(2.0)\nb = tf.math.expm1(2.0)\n"


def test_fix_leaves_other_files_alone(run) -> None:
    path = _write("a.py", CLEAN)
    before = path.stat()
    assert run("check", "--fix").status == 0
    after = path.stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_fix_keeps_permissions_and_links_and_leaves_nothing_behind(run) -> None:
    path = _write("real/a.py", SAFE)
    path.chmod(0o751)
    Path("link.py").symlink_to(path)
    assert run("check", "--fix", "link.py").status == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o751
    assert Path("link.py").is_symlink()
    assert "log1p" in path.read_text()
    assert sorted(os.listdir("real")) == ["a.py"]


@pytest.mark.parametrize("step", ["replace", "copystat", "access"])
def test_a_file_that_cannot_be_written_stays_whole(run, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = _write("sub/a.py", SAFE)
    other = _write("sub/b.py", SAFE)

    def refuse(first: object, second: object) -> bool:
        if step == "access":
            return str(first).endswith("b.py")
        if "a.py" in f"{first}{second}":
            raise OSError(28, "No space left on device")
        return original(first, second)

    owner = overwrite.shutil if step == "copystat" else os
    original = getattr(owner, step)
    monkeypatch.setattr(owner, step, refuse)
    ran = run("check", "--fix", "--output-format", "json")
    assert ran.status == 2
    assert _codes(ran) == ["NAN900", "NAN101"]
    assert "cannot be written: " in json.loads(ran.out)[0]["message"]
    assert path.read_text() == HEAD + SAFE
    assert "log1p" in other.read_text()
    assert sorted(os.listdir("sub")) == ["a.py", "b.py"]


def test_fix_keeps_owner_and_attributes(run, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _write("a.py", SAFE)
    path.chmod(0o640)
    os.utime(path, (1, 1))
    before = path.stat()
    owners: list[tuple[str, int, int]] = []
    # Who is not the superuser may give a file to a group of theirs at most.
    monkeypatch.setattr(os, "chown", lambda path, user, group: owners.append((str(path), user, group)))
    assert run("check", "--fix").status == 0
    assert [(user, group) for _, user, group in owners] == [(before.st_uid, -1), (-1, before.st_gid)]
    assert all(Path(name).name.startswith(".tflint-nan-") for name, _, _ in owners)
    after = path.stat()
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert after.st_mtime > 1


def test_fix_writes_where_the_owner_cannot_be_kept(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    path = _write("a.py", SAFE)
    monkeypatch.setattr(os, "chown", refuse)
    assert run("check", "--fix").status == 0
    assert "log1p" in path.read_text()


@pytest.mark.parametrize("content", [HEAD + NONE, HEAD + SAFE + SAFE, "x = (\n", None])
def test_a_file_that_changed_since_it_was_read_is_not_written(
    run, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    """Somebody saves the file in an editor, or removes it, while it is checked."""
    path, other = _write("a.py", SAFE), _write("b.py", SAFE)
    checked = pool.check_all

    def meanwhile(jobs: Sequence[Job], processes: int | None) -> Iterator[Result]:
        yield from checked(jobs, processes)
        path.unlink() if content is None else path.write_text(content)

    monkeypatch.setattr(pool, "check_all", meanwhile)
    ran = run("check", "--fix", "--no-cache", "--output-format", "json")
    assert ran.status == 2
    reason = "No such file or directory" if content is None else "it has changed since it was read"
    refused = [finding for finding in json.loads(ran.out) if finding["code"] == "NAN900"]
    assert {Path(finding["filename"]).name for finding in refused} == {"a.py"}
    assert f"cannot be written: {reason}" in [finding["message"] for finding in refused]
    assert (path.read_text() if path.exists() else None) == content
    assert "log1p" in other.read_text()
    assert sorted(os.listdir()) == (["b.py"] if content is None else ["a.py", "b.py"])


def test_a_file_is_written_once_whatever_it_is_called(run) -> None:
    path = _write("a.py", SAFE)
    Path("link.py").symlink_to("a.py")
    Path("sub").mkdir()
    ran = run("check", "--fix", "a.py", "./a.py", "sub/../a.py", str(path.absolute()), "link.py", ".")
    assert (ran.status, ran.out) == (0, "Found 1 error: fixed 1.\n")
    assert path.read_text() == HEAD + SAFE.replace("log", "log1p")


def test_a_second_name_of_a_file_keeps_its_content(run) -> None:
    """A copy made of hard links is a copy still; where both are named, both are fixed."""
    path = _write("a.py", SAFE)
    os.link(path, "copy.py")
    assert run("check", "--fix", "a.py").status == 0
    assert Path("copy.py").read_text() == HEAD + SAFE
    os.link("copy.py", "third.py")
    assert run("check", "--fix").status == 0
    assert path.read_text() == Path("copy.py").read_text() == Path("third.py").read_text()


def test_in_a_folder_that_cannot_be_written_files_stay(run, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _write("sub/a.py", SAFE)

    def refuse(**_: object) -> tuple[int, str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(overwrite.tempfile, "mkstemp", refuse)
    ran = run("check", "--fix", "--output-format", "concise")
    assert ran.status == 2
    assert "cannot be written: Permission denied" in ran.out
    assert path.read_text() == HEAD + SAFE


def test_fix_keeps_line_ends_and_encoding(run) -> None:
    data = "# -*- coding: latin-1 -*-\r\nimport tensorflow as tf\r\nn = 'é'\r\na = tf.math.log(2.0)".encode(
        "latin-1"
    )
    Path("a.py").write_bytes(data)
    assert run("check", "--fix").status == 0
    assert Path("a.py").read_bytes() == data.replace(b"log(", b"log1p(")


# Notebooks.


def _notebook(name: str, *cells: str) -> Path:
    """A notebook with a Markdown cell before the code cells."""
    texts = [("markdown", "# log\n"), *(("code", cell) for cell in cells)]
    path = Path(name)
    document = {
        "cells": [
            {
                "cell_type": kind,
                "metadata": {},
                "source": text.splitlines(keepends=True),
                **({"execution_count": 1, "outputs": []} if kind == "code" else {}),
            }
            for kind, text in texts
        ],
        "metadata": {"kernelspec": {"language": "python", "name": "python3", "display_name": "p"}},
        "nbformat": 4,
        "nbformat_minor": 4,
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def _cells(path: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"]]


def test_places_in_a_notebook_count_in_their_cell(run) -> None:
    _notebook(
        "n.ipynb", HEAD + "%matplotlib inline\n", CLEAN + SAFE, "b = [\n  tf.math.exp(1.0),\n]  # end\n"
    )
    found = json.loads(run("check", "--output-format", "json").out)
    assert [(f["cell"], f["code"], f["location"], f["noqa_row"]) for f in found] == [
        (3, "NAN101", {"row": 2, "column": 5}, 2),
        (4, "NAN102", {"row": 2, "column": 3}, 3),
    ]
    assert [[edit["cell"] for edit in f["fix"]["edits"]] for f in found] == [[3], [4]]
    assert run("check", "--output-format", "concise").out.startswith("n.ipynb:cell 3:2:5: NAN101 a log\n")
    assert "2 | a = tf.math.log(2.0)\n  |     ^^^^^" in run("check").out


def test_noqa_in_a_notebook(run) -> None:
    _notebook("n.ipynb", HEAD, SAFE.rstrip() + "  # noqa: NAN101", UNSAFE, SAFE)
    found = json.loads(run("check", "--output-format", "json").out)
    assert [(f["cell"], f["code"]) for f in found] == [(4, "NAN102"), (5, "NAN101")]


def test_a_notebook_is_fixed_in_place(run) -> None:
    path = _notebook("n.ipynb", HEAD, "!pip list\n" + SAFE, CLEAN)
    before = path.read_text()
    ran = run("check", "--diff")
    assert (ran.status, path.read_text()) == (1, before)
    assert "-a = tf.math.log(2.0)\n+a = tf.math.log1p(2.0)\n" in ran.out
    assert run("check", "--fix").status == 0
    assert path.read_text() == before.replace("log(2.0)", "log1p(2.0)")


def test_a_broken_cell_is_nan900_and_the_others_are_checked_and_fixed(run) -> None:
    path = _notebook("n.ipynb", HEAD, "x = (\n", SAFE + UNSAFE)
    ran = run("check", "--fix", "--output-format", "json", "--exit-zero")
    assert ran.status == 2
    assert [(f["cell"], f["code"]) for f in json.loads(ran.out)] == [(3, "NAN900"), (4, "NAN102")]
    assert _cells(path)[1:] == [HEAD, "x = (\n", SAFE.replace("log", "log1p") + UNSAFE]


def test_a_broken_notebook_without_tensorflow(run) -> None:
    _notebook("n.ipynb", "import os\n", "x = (\n")
    _notebook("m.ipynb", "import os\n", "%time x = 1\n")
    ran = run("check", "--output-format", "concise")
    assert ran.status == 2
    assert "n.ipynb:cell 3:1:1: NAN900" in ran.out
    assert "m.ipynb" not in ran.out


def test_a_file_that_imports_tensorflow_through_another_is_checked(run) -> None:
    _write("lib.py", "def f(x):\n    return tf.math.log(x)\ndef g(x):\n    return tf.math.sin(x)\n")
    Path("main.py").write_text("import lib\na = lib.f(lib.g(2.0))\n")
    found = json.loads(run("check", "main.py", "--output-format", "json").out)
    assert [(f["code"], f["location"]["row"]) for f in found] == [("NAN101", 2)]


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_fixes_do_not_depend_on_which_file_comes_first(run, names: tuple[str, str]) -> None:
    library, script = names
    _write(f"{library}.py", "def f(x):\n    return tf.math.log(x)\n")
    _write(f"{script}.py", f"import {library}\nx = {library}.f(tf.math.sin(2.0))\n")
    assert run("check", "--fix").out.endswith("Found 2 errors: fixed 1, 1 needs you.\n")
    assert run("check").out == "All checks passed!\n"


# Diff.


def test_diff_prints_the_change_and_writes_nothing(run) -> None:
    path = _write("a.py", SAFE, UNSAFE)
    ran = run("check", "--diff")
    assert ran.status == 1
    assert ran.out == (
        "--- a.py\n+++ a.py\n@@ -1,3 +1,3 @@\n import tensorflow as tf\n"
        "-a = tf.math.log(2.0)\n+a = tf.math.log1p(2.0)\n b = tf.math.exp(2.0)\n"
    )
    assert ran.err == "Would fix 1 error, 1 would remain.\n"
    assert path.read_text() == HEAD + SAFE + UNSAFE
    assert "+b = tf.math.expm1(2.0)\n" in run("check", "--diff", "--unsafe-fixes", "--fix").out
    assert path.read_text() == HEAD + SAFE + UNSAFE


@pytest.mark.parametrize(("lines", "status"), [(CLEAN, 0), (NONE, 1), (SAFE, 1)])
def test_status_of_diff(run, lines: str, status: int) -> None:
    _write("a.py", lines)
    assert run("check", "--diff").status == status


def test_diff_of_a_last_line_without_end_can_be_applied(run) -> None:
    path = _write("a.py", SAFE.rstrip("\n"))
    ran = run("check", "--diff")
    assert ran.out.count("\\ No newline at end of file\n") == 2
    subprocess.run(["patch", "-s", "a.py"], input=ran.out.encode(), check=True)
    assert path.read_text() == HEAD + SAFE.rstrip("\n").replace("log(", "log1p(")


def test_diff_shows_what_could_not_be_read(run) -> None:
    Path("a.py").write_text("import tensorflow\nx = (\n")
    ran = run("check", "--diff")
    assert ran.status == 2
    assert ran.out == ""
    assert "a.py:2:" in ran.err
    assert "NAN900" in ran.err


# Standard input.


def test_standard_input(run) -> None:
    ran = run("check", "-", "--output-format", "concise", stdin=HEAD + SAFE)
    assert ran.status == 1
    assert ran.out.startswith("-:2:5: NAN101 a log\n")


def test_standard_input_with_a_name(run) -> None:
    Path("sub").mkdir()
    Path("sub/tflint-nan.toml").write_text('[per-file-ignores]\n"b.py" = ["NAN101"]\n')
    words = ("check", "-", "--output-format", "json", "--stdin-filename")
    (finding,) = json.loads(run(*words, "sub/a.py", stdin=HEAD + SAFE).out)
    assert finding["filename"] == str(Path("sub/a.py").absolute())
    assert run(*words, "sub/b.py", stdin=HEAD + SAFE) == Ran(0, "[]\n", "")


def test_standard_input_is_fixed_to_standard_output(run) -> None:
    ran = run("check", "-", "--fix", "--stdin-filename", "a.py", stdin=HEAD + SAFE + NONE)
    assert ran.status == 1
    assert ran.out == HEAD + "a = tf.math.log1p(2.0)\n" + NONE
    assert "Found 2 errors: fixed 1, 1 needs you." in ran.err
    assert not Path("a.py").exists()


@pytest.mark.parametrize("data", [b"x = (\n", b"\xff\xfe\n", b"", HEAD.encode()])
def test_standard_input_that_is_not_fixed_comes_back_as_it_was(run, data: bytes) -> None:
    ran = run("check", "-", "--fix", stdin=data)
    assert ran.out.encode(errors="surrogateescape") == data or data == b"\xff\xfe\n"
    assert ran.status == (0 if data in (b"", HEAD.encode()) else 2)


def test_diff_of_standard_input(run) -> None:
    ran = run("check", "-", "--diff", "--stdin-filename", "x/a.py", stdin=HEAD + SAFE)
    assert ran.status == 1
    assert ran.out.startswith("--- x/a.py\n+++ x/a.py\n".replace("/", os.sep))


def test_an_excluded_name_of_standard_input(run) -> None:
    words = ("check", "-", "--stdin-filename", "build/a.py", "--force-exclude")
    assert run(*words, stdin=HEAD + SAFE) == Ran(0, "All checks passed!\n", "")
    assert run(*words, "--fix", stdin=HEAD + SAFE).out == HEAD + SAFE


# Many files.


def test_many_files_in_several_processes_keep_their_order(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    for number in range(30):
        _write(f"f{number:02}.py", SAFE, *([UNSAFE] if number % 2 else []))
    Path("f07.py").write_text("x = (\n")
    ran = run("check", "--output-format", "json")
    assert ran.status == 2
    names = [Path(finding["filename"]).name for finding in json.loads(ran.out)]
    assert names == sorted(names)
    assert len(names) == 30 + 15 - 1
    assert run("check", "--fix", "--unsafe-fixes").status == 2
    assert all("log1p" in path.read_text() for path in Path().glob("f*.py") if path.name != "f07.py")


def test_a_file_that_kills_its_process_does_not_stop_the_others(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(graph: Graph) -> Iterator[Report]:
        if any(graph.ops("tanh")):
            os._exit(9)
        return iter(())

    rules = (*engine.rules(), Rule("NAN301", "kills", engine.Level.DEFAULT, "", kill, {}))
    _install(monkeypatch, rules)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    for number in range(12):
        _write(f"f{number:02}.py", SAFE)
    _write("f05.py", "x = tf.math.tanh(1.0)\n")
    ran = run("check", "--output-format", "json")
    assert ran.status == 2
    assert _codes(ran) == ["NAN101"] * 5 + ["NAN901"] + ["NAN101"] * 6


# The other commands.


def test_version(run) -> None:
    for option in ("--version", "-V"):
        assert run(option) == Ran(0, f"tflint-nan {__version__}\n", "")


def test_help_names_every_option_of_check(run) -> None:
    ran = run("check", "--help")
    assert ran.status == 0
    for option in (
        "--select", "--extend-select", "--ignore", "--strict", "--fix", "--unsafe-fixes", "--diff",
        "--output-format", "--isolated", "--config", "--statistics", "--exit-zero", "--no-cache",
        "--stdin-filename",
    ):  # fmt: skip
        assert option in ran.out


def test_rule_prints_a_page(run) -> None:
    for word in ("NAN101", "nan101", "no-log"):
        assert run("rule", word) == Ran(0, "NAN101 no-log: there is a log.\n", "")
    assert json.loads(run("rule", "NAN101", "--output-format", "json").out)["name"] == "no-log"
    assert "NAN900 unreadable-file" in run("rule", "NAN900").out


def test_rule_all_lists_them(run) -> None:
    lines = run("rule", "--all").out.splitlines()
    assert [line.split()[0] for line in lines] == ["NAN101", "NAN102", "NAN201", "NAN900", "NAN901", "NAN902"]
    assert "there is a log." in lines[0]
    found = json.loads(run("rule", "--all", "--output-format", "json").out)
    assert [(rule["code"], rule["level"]) for rule in found][:2] == [("NAN101", "on"), ("NAN102", "on")]


def test_the_hooks_of_pre_commit_run(run) -> None:
    hooks = (Path(__file__).parent.parent / ".pre-commit-hooks.yaml").read_text()
    entries = re.findall(r"^  entry: tflint-nan (.+)$", hooks, flags=re.MULTILINE)
    assert re.findall(r"^- id: (.+)$", hooks, flags=re.MULTILINE) == ["tflint-nan", "tflint-nan-fix"]
    path = _write("a.py", SAFE)
    _write("build/a.py", SAFE)
    assert [run(*entry.split(), "a.py", "build/a.py").status for entry in entries] == [1, 0]
    assert path.read_text() == HEAD + "a = tf.math.log1p(2.0)\n"


# As a process of its own.


def _process(*words: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "tflint_nan", *words], capture_output=True, check=False, **options
    )  # type: ignore[call-overload]


def test_the_module_runs() -> None:
    Path("a.py").write_text("x = (\n")
    ran = _process("check")
    assert ran.returncode == 2
    assert b"NAN900" in ran.stdout


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    for number in range(3):
        Path(f"f{number}.py").write_text("x = (\n")
    read, write = os.pipe()
    os.close(read)
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "tflint_nan", "check"], stdout=write, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(write)
    assert ran.stderr == b""
    assert ran.returncode == 2


def test_an_encoding_that_lacks_a_letter_stands_any_name() -> None:
    Path("损失.py").write_text("x = (\n")
    ran = _process("check", env={**os.environ, "PYTHONIOENCODING": "cp1252"})
    assert ran.returncode == 2
    assert b"\\u635f" in ran.stdout
    assert ran.stderr == b""


def test_version_and_help_load_nothing_of_the_analysis() -> None:
    code = (
        "import sys\nfrom tflint_nan.cli import main\n"
        "status = main([sys.argv[1]])\n"
        "heavy = {'libcst', 'pathspec', 'tensorflow', 'numpy', 'tflint_nan.config'} & sys.modules.keys()\n"
        "sys.exit(str(heavy) if heavy else status)"
    )
    for option in ("--version", "--help"):
        ran = subprocess.run([sys.executable, "-c", code, option], capture_output=True, check=False)
        assert ran.returncode == 0, ran.stderr


def test_version_is_quick() -> None:
    def seconds(*words: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, *words], capture_output=True, check=True)
        return time.perf_counter() - start

    # Less the interpreter's own start, so that a busy machine counts on both sides.
    bare = min(seconds("-c", "") for _ in range(5))
    assert min(seconds("-m", "tflint_nan", "--version") for _ in range(5)) - bare <= 0.15


# Manners.


def test_a_folder_without_tensorflow_is_said_to_be_one(run) -> None:
    Path("a.py").write_text("import math\nx = math.log(0.5)\n")
    assert run("check") == Ran(
        0, "All checks passed!\n", "warning: nothing to check: no file here uses TensorFlow or Keras\n"
    )
    # Who names files, as pre-commit does, is not told every time.
    assert run("check", "a.py") == Ran(0, "All checks passed!\n", "")
    assert run("check", "--quiet") == Ran(0, "", "")
    _write("b.py")
    assert run("check").err == ""


@pytest.mark.parametrize("output_format", ["text", "concise", "github"])
def test_quiet_prints_findings_only(run, output_format: str) -> None:
    _write("a.py", SAFE)
    loud = run("check", "--output-format", output_format).out
    quiet = run("check", "--quiet", "--output-format", output_format).out
    assert loud == f"{quiet}Found 1 error.\n1 fixable with --fix.\n"
    assert "NAN101" in quiet
    assert run("check", "--fix", "--quiet") == Ran(0, "", "")


@pytest.mark.parametrize(
    ("option", "variables", "expected"),
    [
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {}, False),
    ],
)
def test_colour_by_option(
    run, monkeypatch: pytest.MonkeyPatch, option: str, variables: dict[str, str], expected: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    _write("a.py", SAFE)
    assert ("\x1b[" in run("check", "--color", option).out) is expected


def _on_a_terminal(*words: str) -> tuple[str, str]:
    """What a process prints on standard output, and on a terminal that is its standard error."""
    import pty

    parent, child = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "tflint_nan", *words], stdout=subprocess.PIPE, stderr=child
    ) as process:
        os.close(child)
        seen = b""
        with contextlib.suppress(OSError):  # Linux's word for the end of a terminal.
            while block := os.read(parent, 4096):
                seen += block
        assert process.stdout is not None
        out = process.stdout.read()
    os.close(parent)
    return out.decode(), seen.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of Windows are others")
def test_a_bar_shows_how_far_a_long_run_is() -> None:
    for number in range(60):
        Path(f"f{number}.py").write_text("import tensorflow as tf\n")
    out, seen = _on_a_terminal("check", "--isolated")
    assert out == "All checks passed!\n"
    assert "Checking" in seen
    assert "100%" in seen
    assert _on_a_terminal("check", "--isolated", "--quiet") == ("", "")
    assert _on_a_terminal("check", "--isolated", "f1.py")[1] == ""


def test_watch_checks_again(tmp_path: Path) -> None:
    path = Path("a.py")
    path.write_text("import tensorflow as tf\n")
    words = [
        sys.executable,
        "-m",
        "tflint_nan",
        "check",
        "--isolated",
        "--watch",
        "--output-format",
        "concise",
    ]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert "All checks passed!" in process.stdout.readline()
        time.sleep(1)  # The watch begins behind the first report.
        path.write_text("import tensorflow as tf\ny = tf.math.log(tf.nn.softmax(tf.Variable([1.0, 2.0])))\n")
        assert "NAN101" in process.stdout.readline()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130)


@pytest.mark.parametrize("words", [("--fix", "."), ("--diff", "."), ("-",)])
def test_watch_only_looks(run, words: tuple[str, ...]) -> None:
    assert run("check", "--watch", *words).status == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(run, shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = subprocess.run(
        [str(Path(sys.executable).with_name("tflint-nan"))],
        env={**os.environ, "_TFLINT_NAN_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "_TFLINT_NAN_COMPLETE" in ran.stdout, ran.stderr
