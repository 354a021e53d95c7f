"""The fixes as LibCST codemods, run by LibCST's own command, beside `check --fix`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import libcst as cst
import pytest
from libcst.codemod import CodemodContext
from lint import command

from tflint_nan import codemod
from tflint_nan.registry import rules

HEAD = "import tensorflow as tf\nx = tf.Variable(tf.random.normal([8, 4]))\n"
TAIL = "tf.keras.optimizers.SGD(0.1).minimize(f, [x])\n"
#: A fix in an imported project, awkward bytes, a file to leave alone, one that cannot be fixed.
FILES = {
    "net.py": b"import tensorflow as tf\nw = tf.ones([4, 4])\ndef logits(x):\n    return tf.matmul(x, w)\n",
    "train.py": f"{HEAD}from net import logits\np = tf.nn.softmax(logits(x))\ny = tf.math.log(p)\n".encode(),
    "bom.py": f"\ufeff{HEAD}y = tf.math.log(tf.nn.softmax(x))  # é".replace("\n", "\r\n").encode(),
    "latin.py": f"# coding: latin-1\n{HEAD}y = tf.math.log(tf.nn.softmax(x)); é = 1\n".encode("latin-1"),
    "relu.py": f"{HEAD}def f():\n  return -tf.math.log(tf.nn.relu(x))\n{TAIL}".encode(),
    "clean.py": f"{HEAD}y = tf.nn.softmax(x)\n\f\nz = 1".encode(),
    "generated.py": f"# @generated\n{HEAD}y = tf.nn.softmax(x)\n".encode(),
}


def folder(path: Path) -> Path:
    path.mkdir()
    for name, data in FILES.items():
        (path / name).write_bytes(data)
    return path


def run(where: Path, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "libcst.tool", *words],
        cwd=where,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def contents(where: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(where.iterdir())}


@pytest.mark.parametrize(
    ("name", "select", "unsafe", "jobs", "changed"),
    [
        ("LogOfSoftmax", ["--select", "NAN101"], False, "1", {"train.py", "bom.py", "latin.py"}),
        ("UnclippedLog", ["--select", "NAN103"], False, "1", set()),
        ("UnclippedLog", ["--select", "NAN103"], True, "2", {"relu.py"}),
        ("All", [], True, "2", {"train.py", "bom.py", "latin.py", "relu.py"}),
    ],
)
def test_a_codemod_writes_what_the_command_writes(
    tmp_path: Path, name: str, select: list[str], unsafe: bool, jobs: str, changed: set[str]
) -> None:
    ours, theirs = folder(tmp_path / "ours"), folder(tmp_path / "theirs")
    options = ["--unsafe-fixes"] if unsafe else []
    assert command("check", "--fix", "--exit-zero", *select, *options, ours).status == 0
    ran = run(theirs, "codemod", "-x", f"tflint_nan.codemod.{name}", "--no-format", "-j", jobs, *options, ".")
    assert ran.returncode == 0, ran.stderr
    assert f"Transformed {len(FILES) - 1} files successfully" in ran.stderr  # and skipped what is generated
    assert contents(theirs) == contents(ours)
    assert {name for name, data in contents(theirs).items() if data != FILES[name]} == changed


def test_what_is_left_is_a_warning(tmp_path: Path) -> None:
    theirs = folder(tmp_path / "theirs")
    words = ("codemod", "-x", "tflint_nan.codemod.UnclippedLog", "--no-format")
    ran = run(theirs, *words, "relu.py")
    assert "relu.py:4:" in ran.stderr
    assert "NAN103" in ran.stderr
    assert "1 warnings were generated" in ran.stderr
    # The page of the command is the rule's sentence.
    help_text = run(theirs, *words[:3], "--help").stdout
    assert "NAN103 unclipped-log" in " ".join(help_text.split())
    assert "--unsafe-fixes" in help_text


def test_a_diff_and_standard_input(tmp_path: Path) -> None:
    theirs = folder(tmp_path / "theirs")
    words = ("codemod", "-x", "tflint_nan.codemod.LogOfSoftmax", "--no-format")
    ran = run(theirs, *words, "-u", "1", "latin.py")
    assert "+y = tf.nn.log_softmax(x); é = 1\n" in ran.stdout
    assert contents(theirs) == FILES
    ran = run(theirs, *words, "-", stdin=f"{HEAD}y = tf.math.log(tf.nn.softmax(x))\n")
    assert ran.stdout.rstrip("\n") == f"{HEAD}y = tf.nn.log_softmax(x)"


def test_modules_of_a_configuration(tmp_path: Path) -> None:
    theirs = folder(tmp_path / "theirs")
    (theirs / ".libcst.codemod.yaml").write_text("modules: ['tflint_nan.codemod']\nformatter: ['cat']\n")
    listed = run(theirs, "list").stdout
    names = {line.split(" - ")[0] for line in listed.splitlines() if " - " in line}
    assert names == {f"fix.{name}" for name in codemod.__all__}
    ran = run(theirs, "codemod", "fix.LogOfSoftmax", "latin.py")
    assert ran.returncode == 0, ran.stderr
    assert b"tf.nn.log_softmax(x); \xe9 = 1" in (theirs / "latin.py").read_bytes()


def test_the_configuration_of_a_file_holds(tmp_path: Path) -> None:
    theirs = folder(tmp_path / "theirs")
    (theirs / "tflint-nan.toml").write_text('[per-file-ignores]\n"bom.py" = ["NAN101"]\n')
    ran = run(theirs, "codemod", "-x", "tflint_nan.codemod.LogOfSoftmax", "--no-format", "bom.py", "latin.py")
    assert ran.returncode == 0, ran.stderr
    assert (theirs / "bom.py").read_bytes() == FILES["bom.py"]
    assert (theirs / "latin.py").read_bytes() != FILES["latin.py"]


def test_a_name_for_every_rule() -> None:
    assert codemod.__all__[0] == "All"
    assert [getattr(codemod, name).selection.select for name in codemod.__all__[1:]] == [
        (rule.code,) for rule in rules()
    ]
    assert "WhereDoesNotStopNan" in codemod.__all__


def test_from_python() -> None:
    """A codemod is a class that scripts call."""
    tree = cst.parse_module(f"{HEAD}y = tf.math.log(tf.nn.softmax(x))\n")
    change = codemod.LogOfSoftmax(CodemodContext())  # type: ignore[attr-defined]
    after = change.transform_module(tree)
    assert after.code == f"{HEAD}y = tf.nn.log_softmax(x)\n"
    assert change.transform_module(after).code == after.code
