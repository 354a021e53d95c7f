"""Findings that are known: baselines, and what was there at a revision of git."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tflint_nan.cli import main

#: A program with one finding, NAN101, in its last line.
BUG = """\
import tensorflow as tf

w = tf.Variable(tf.random.normal([4, 3]))
def loss(x, y):
    p = tf.nn.softmax(tf.matmul(x, w))
    return -tf.reduce_mean(y * tf.math.log(p))
"""
OTHER = "def other(x):\n    q = tf.sigmoid(tf.matmul(x, w))\n    return tf.math.log(q)\n"
Found = Callable[..., list[tuple[str, str, int]]]


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Found:
    """Runs `check` in an empty folder; the findings as (file, code, row)."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> list[tuple[str, str, int]]:
        capsys.readouterr()
        status = main(["check", "--output-format", "json", *words])
        captured = capsys.readouterr()
        objects = json.loads(captured.out)
        faults = any(found["code"] == "NAN900" for found in objects)
        assert status == (2 if faults else 1 if objects else 0), captured.err
        return [(Path(o["filename"]).name, o["code"], o["location"]["row"]) for o in objects]

    return run


def written(*words: str) -> Path:
    assert main(["baseline", *words]) == 0
    return Path("tflint-nan-baseline.json")


def test_what_is_known_is_left_out(found: Found) -> None:
    Path("a.py").write_text(BUG)
    assert found(".") == [("a.py", "NAN101", 6)]
    path = written()
    assert found("--baseline", str(path), ".") == []
    # It says what it holds to whoever reads it.
    assert [(entry["file"], entry["code"]) for entry in json.loads(path.read_text())["findings"]] == [
        ("a.py", "NAN101")
    ]


def test_code_that_moves_stays_known(found: Found) -> None:
    Path("a.py").write_text(BUG)
    path = written()
    moved = BUG.replace("def loss", "# Losses.\n\n\nclass Losses:\n  def loss").replace("    ", "      ")
    Path("a.py").write_text(moved)
    assert found(".") == [("a.py", "NAN101", 10)]
    assert found("--baseline", str(path), ".") == []


def test_what_is_new_is_reported(found: Found) -> None:
    Path("a.py").write_text(BUG)
    path = written()
    Path("a.py").write_text(BUG + OTHER)
    Path("b.py").write_text(BUG)
    assert found("--baseline", str(path), ".") == [("a.py", "NAN102", 9), ("b.py", "NAN101", 6)]


def test_the_same_line_again_is_new(found: Found) -> None:
    Path("a.py").write_text(BUG)
    path = written()
    Path("a.py").write_text(BUG + BUG.partition("def")[1] + BUG.partition("def")[2].replace("loss", "loss2"))
    assert found("--baseline", str(path), ".") == [("a.py", "NAN101", 9)]


def test_a_line_that_was_changed_is_new(found: Found) -> None:
    Path("a.py").write_text(BUG)
    path = written()
    Path("a.py").write_text(BUG.replace("-tf.reduce_mean", "-tf.reduce_sum"))
    assert found("--baseline", str(path), ".") == [("a.py", "NAN101", 6)]


def test_a_baseline_is_used_from_any_folder(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("sub").mkdir()
    Path("sub/a.py").write_text(BUG)
    path = written().absolute()
    monkeypatch.chdir("sub")
    assert found("a.py") == [("a.py", "NAN101", 6)]
    assert found("--baseline", str(path), "a.py") == []


def test_fixes_leave_alone_what_is_known(found: Found) -> None:
    Path("a.py").write_text(BUG)
    path = written()
    Path("b.py").write_text(BUG)
    assert found("--fix", "--baseline", str(path), ".") == []
    assert Path("a.py").read_text() == BUG
    assert "log_softmax" in Path("b.py").read_text()


def test_a_baseline_of_nothing_and_of_a_broken_file(found: Found) -> None:
    Path("a.py").write_text("import tensorflow as tf\n")
    path = written()
    assert json.loads(path.read_text())["findings"] == []
    Path("a.py").write_text("import tensorflow as tf\nx = (\n")
    assert main(["baseline"]) == 2
    assert json.loads(path.read_text())["findings"] == []
    assert found("--baseline", str(path), ".") == [("a.py", "NAN900", 2)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("{", "not JSON"),
        ("[]", "no baseline"),
        ('{"version": 99, "findings": []}', "version 99"),
        ('{"version": 1, "findings": [{}]}', "no fingerprint"),
        ('{"version": 1}', "no fingerprint"),
    ],
)
def test_what_is_no_baseline(
    found: Found, capsys: pytest.CaptureFixture[str], content: str | None, said: str
) -> None:
    Path("a.py").write_text(BUG)
    if content is not None:
        Path("known.json").write_text(content)
    assert main(["check", "--baseline", "known.json", "."]) == 2
    error = capsys.readouterr().err
    assert "known.json" in error
    assert said in error


def git(*words: str) -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *words], check=True, capture_output=True)


@pytest.fixture
def repository(found: Found) -> Found:
    """`found` in a repository whose commit `old` has a finding in `a.py`, and a helper `guard.py`."""
    git("init", "--quiet", ".")
    Path("a.py").write_text(BUG)
    Path("guard.py").write_text("import tensorflow as tf\ndef keep(p):\n    return tf.maximum(p, 1e-7)\n")
    Path("caller.py").write_text(
        "import tensorflow as tf\nfrom guard import keep\nw = tf.Variable(tf.random.normal([4, 3]))\n"
        "def loss(x, y):\n    p = tf.nn.softmax(tf.matmul(x, w))\n    return -tf.math.log(keep(p))\n"
    )
    git("add", ".")
    git("commit", "--quiet", "-m", "old")
    git("tag", "old")
    return found


def test_what_was_there_at_a_revision_is_left_out(repository: Found) -> None:
    assert repository(".") == [("a.py", "NAN101", 6)]
    assert repository("--diff-base", "old", ".") == []
    Path("a.py").write_text("# A line above.\n" + BUG + OTHER)
    assert repository("--diff-base", "old", ".") == [("a.py", "NAN102", 10)]
    git("commit", "--quiet", "-am", "new")
    assert repository("--diff-base", "HEAD", ".") == []
    assert repository("--diff-base", "HEAD~1", ".") == [("a.py", "NAN102", 10)]


def test_a_change_elsewhere_that_brings_a_finding_about_is_seen(repository: Found) -> None:
    Path("guard.py").write_text("import tensorflow as tf\ndef keep(p):\n    return tf.maximum(p, 0.0)\n")
    assert repository("--diff-base", "old", "caller.py") == [("caller.py", "NAN104", 6)]


def test_a_file_that_was_renamed_and_one_that_is_not_tracked(repository: Found) -> None:
    git("mv", "a.py", "renamed.py")
    Path("untracked.py").write_text(BUG)
    assert repository("--diff-base", "old", ".") == [("untracked.py", "NAN101", 6)]


def test_from_a_folder_inside_the_repository(repository: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("sub").mkdir()
    git("mv", "a.py", "sub/a.py")
    git("commit", "--quiet", "-m", "moved")
    monkeypatch.chdir("sub")
    assert repository("--diff-base", "HEAD", ".") == []


def test_only_what_is_new_is_fixed(repository: Found) -> None:
    Path("b.py").write_text(BUG)
    assert repository("--fix", "--diff-base", "old", ".") == []
    assert Path("a.py").read_text() == BUG
    assert "log_softmax" in Path("b.py").read_text()


def test_the_repository_stays_as_it_is(repository: Found) -> None:
    Path("a.py").write_text(BUG + OTHER)
    Path("staged.py").write_text(BUG)
    git("add", "staged.py")

    def state() -> str:
        run = subprocess.run(["git", "status", "--porcelain=v2"], check=True, capture_output=True, text=True)
        return run.stdout + str(sorted(str(path) for path in Path().rglob("*")))

    before = state()
    repository("--diff-base", "old", "--no-cache", ".")
    assert state() == before


def test_no_revision_and_no_repository(repository: Found, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--diff-base", "nothing", "."]) == 2
    assert "nothing" in capsys.readouterr().err
    assert main(["check", "--diff-base", "--version", "."]) == 2
    capsys.readouterr()


def test_outside_of_a_repository(found: Found, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.py").write_text(BUG)
    assert main(["check", "--diff-base", "HEAD", "."]) == 2
    assert "not a git repository" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("--baseline", "x.json", "--diff-base", "HEAD", "."),
        ("--diff-base", "HEAD", "-"),
        ("--diff", "--output-file", "x.txt", "."),
    ],
)
def test_options_that_contradict_each_other(
    found: Found, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert main(["check", *words]) == 2
    assert capsys.readouterr().err


# The baseline that the configuration names.


@pytest.fixture
def configured(found: Found) -> Found:
    """The same, where `pyproject.toml` names a baseline that knows the one finding there is."""
    Path("pyproject.toml").write_text('[tool.tflint-nan]\nbaseline = "notes/known.json"\n')
    Path("notes").mkdir()
    Path("a.py").write_text(BUG)
    assert main(["baseline"]) == 0
    assert not Path("tflint-nan-baseline.json").exists()
    return found


def test_a_configured_baseline_is_written_and_used(
    configured: Found, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [entry["code"] for entry in json.loads(Path("notes/known.json").read_text())["findings"]] == [
        "NAN101"
    ]
    assert configured(".") == []
    assert configured("--isolated", ".") == [("a.py", "NAN101", 6)]
    assert configured("--config", "baseline = ''", ".") == [("a.py", "NAN101", 6)]
    # What is known stays so when it is written again.
    capsys.readouterr()
    assert main(["baseline"]) == 0
    assert "1 finding written to notes/known.json" in capsys.readouterr().err.replace("\\", "/")
    Path("a.py").write_text(BUG + OTHER)
    assert configured(".") == [("a.py", "NAN102", 9)]
    monkeypatch.chdir("notes")
    assert configured("../a.py") == [("a.py", "NAN102", 9)]


def test_an_option_counts_instead_of_a_configured_baseline(configured: Found) -> None:
    Path("empty.json").write_text('{"version": 1, "findings": []}')
    assert configured("--baseline", "empty.json", ".") == [("a.py", "NAN101", 6)]
    git("init", "--quiet")
    git("add", "pyproject.toml")
    git("commit", "--quiet", "-m", "without the file")
    # The file is new since then, whatever the baseline knows.
    assert configured("--diff-base", "HEAD", ".") == [("a.py", "NAN101", 6)]


def test_a_configured_baseline_and_fixes(configured: Found) -> None:
    Path("a.py").write_text(BUG + OTHER)
    assert configured("--fix", ".") == []
    text = Path("a.py").read_text()
    assert text.startswith(BUG)
    assert "log_sigmoid" in text


def test_each_file_has_the_baseline_of_its_configuration(configured: Found) -> None:
    for name in ("one", "two"):
        Path(name).mkdir()
        Path(name, "b.py").write_text(BUG)
    Path("two/tflint-nan.toml").write_text("")
    assert configured(".") == [("b.py", "NAN101", 6), ("b.py", "NAN101", 6)]
    assert main(["baseline"]) == 0
    # The new configuration names none.
    assert configured(".") == [("b.py", "NAN101", 6)]


def test_standard_input_has_the_baseline_of_its_name(configured: Found) -> None:
    for name, remains in (("a.py", False), ("c.py", True)):
        ran = subprocess.run(
            [sys.executable, "-m", "tflint_nan", "check", "-", "--stdin-filename", name],
            input=BUG, text=True, capture_output=True, check=False,
        )  # fmt: skip
        assert ran.returncode == remains, ran.stderr


def test_flake8_knows_the_configured_baseline(configured: Found) -> None:
    Path("c.py").write_text(BUG)
    words = [sys.executable, "-m", "flake8", "--isolated", "--select", "NAN", "."]
    ran = subprocess.run(words, text=True, capture_output=True, check=False)
    assert [line.split(":")[0] for line in ran.stdout.splitlines()] == ["./c.py"]


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_configured_baseline_that_cannot_be_read(
    configured: Found, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    path = Path("notes/known.json")
    path.unlink()
    if content is not None:
        path.write_text(content)
    assert main(["check", "."]) == 2
    assert str(path) in capsys.readouterr().err
    # Writing one is the way out.
    assert main(["baseline"]) == 0
    assert configured(".") == []


def test_a_baseline_has_to_be_a_path(found: Found, capsys: pytest.CaptureFixture[str]) -> None:
    Path("tflint-nan.toml").write_text("baseline = true\n")
    assert main(["check", "."]) == 2
    assert "'baseline' must be a string, not a boolean" in capsys.readouterr().err
