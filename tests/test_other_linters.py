"""Beside others: flake8 runs the rules, Ruff leaves our comments alone, pre-commit runs the hooks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BUG = """\
import tensorflow as tf

w = tf.Variable(tf.random.normal([4, 3]))


def loss(x, y):
    p = tf.nn.softmax(tf.matmul(x, w))
    return -tf.reduce_mean(y * tf.math.log(p))
"""
FIXED = BUG.replace("tf.math.log(p)", "tf.nn.log_softmax(tf.matmul(x, w))")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(*words: str, text: str | None = None) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, input=text, check=False
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def flake8(*words: str, text: str | None = None) -> tuple[int, list[str]]:
    status, out = ran("flake8", "--isolated", "--select", "NAN", *words, text=text)
    return status, out.splitlines()


def test_flake8_runs_the_rules() -> None:
    Path("a.py").write_text(BUG)
    Path("clean.py").write_text("x = 1\n")
    status, lines = flake8(".")
    assert status == 1
    (line,) = lines
    assert line.startswith("./a.py:8:32: NAN101 softmax reaches exactly 0")


def test_flake8_s_own_ways_to_leave_out() -> None:
    Path("a.py").write_text(BUG.replace("log(p))", "log(p))  # noqa: NAN101"))
    assert flake8("a.py") == (0, [])
    Path("a.py").write_text(BUG)
    assert flake8("--extend-ignore", "NAN101", "a.py") == (0, [])
    assert flake8("--per-file-ignores", "a.py:NAN1", "a.py") == (0, [])


def test_flake8_with_our_settings() -> None:
    Path("a.py").write_text(BUG)
    Path("tflint-nan.toml").write_text('ignore = ["NAN101"]\n')
    assert flake8("a.py") == (0, [])
    Path("tflint-nan.toml").write_text("ignored = []\n")
    _, (line,) = flake8("a.py")
    assert "NAN900" in line
    assert "unknown key 'ignored'" in line


def test_flake8_on_standard_input_and_in_another_encoding() -> None:
    _, (line,) = flake8("-", text=BUG)
    assert line.startswith("stdin:8:32: NAN101")
    Path("a.py").write_bytes(b"# coding: latin-1\nname = '\xe9'\n" + BUG.encode())
    _, (line,) = flake8("a.py")
    assert line.startswith("a.py:10:32: NAN101")


def test_flake8_follows_imports() -> None:
    Path("model.py").write_text(
        "import tensorflow as tf\nw = tf.Variable(tf.ones([4, 3]))\n"
        "def model(x):\n    return tf.nn.softmax(tf.matmul(x, w))\n"
    )
    Path("train.py").write_text(
        "import tensorflow as tf\nfrom model import model\nx = tf.random.normal([2, 4])\n"
        "loss = tf.math.log(model(x))\n"
    )
    assert [line.split(": ")[0] for line in flake8("--jobs", "2", ".")[1]] == ["./train.py:4:8"]


def test_ruff_knows_our_codes_as_external() -> None:
    Path("a.py").write_text(BUG.replace("log(p))", "log(p))  # noqa: NAN101"))
    # What Ruff thinks of codes that it does not know: RUF100 in old releases, RUF102 (a preview) in new ones.
    words = ("ruff", "check", "--isolated", "--no-cache", "--preview", "--select", "RUF100,RUF102")
    external = ("--config", "lint.external = ['NAN']")
    # The setting is what keeps Ruff from taking the comment away.
    assert ran(*words, "a.py")[0] == 1
    assert ran(*words, *external, "a.py")[0] == 0
    assert ran("tflint_nan", "check", "--isolated", "a.py") == (0, "All checks passed!\n")


def git(*words: str, folder: Path | None = None) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A repository with this project's hooks, and its revision."""
    home = tmp_path_factory.mktemp("hooks")
    for name in ("tflint_nan", "rules"):
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".pre-commit-hooks.yaml", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, home / name)
    git("init", "--quiet", ".", folder=home)
    git("add", ".", folder=home)
    git("commit", "--quiet", "-m", "hooks", folder=home)
    return home, git("rev-parse", "HEAD", folder=home)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where pre-commit keeps the environments of hooks: one for all of these tests."""
    return str(tmp_path_factory.mktemp("pre-commit"))


def project(hooks: tuple[Path, str], hook: str, more: str = "") -> None:
    git("init", "--quiet", ".")
    home, revision = hooks
    Path(".pre-commit-config.yaml").write_text(
        f"repos:\n  - repo: {home}\n    rev: {revision}\n    hooks:\n      - id: {hook}\n{more}"
    )
    git("add", ".pre-commit-config.yaml")


def commit(installed: str) -> tuple[int, str]:
    environment = {**os.environ, "PRE_COMMIT_HOME": installed, "PRE_COMMIT_COLOR": "never"}
    # The hooks have their own environment; this one's must not leak into it.
    environment.pop("PYTHONPATH", None)
    words = [sys.executable, "-m", "pre_commit", "run"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_a_commit_is_blocked(hooks: tuple[Path, str], installed: str) -> None:
    project(hooks, "tflint-nan")
    Path("a.py").write_text(BUG)
    git("add", "a.py")
    status, out = commit(installed)
    assert status == 1, out
    assert "a.py:8:32" in out
    Path("a.py").write_text(FIXED)
    git("add", "a.py")
    status, out = commit(installed)
    assert status == 0, out


@pytest.mark.slow
def test_a_commit_is_fixed(hooks: tuple[Path, str], installed: str) -> None:
    project(hooks, "tflint-nan-fix")
    Path("a.py").write_text(BUG)
    git("add", "a.py")
    status, out = commit(installed)
    assert status == 1, out
    assert "files were modified by this hook" in out
    assert "tf.math.log(" not in Path("a.py").read_text()
    git("add", "a.py")
    status, out = commit(installed)
    assert status == 0, out


@pytest.mark.slow
def test_files_as_arguments_respect_exclude(hooks: tuple[Path, str], installed: str) -> None:
    project(hooks, "tflint-nan", "        args: [--strict]\n")
    Path("tflint-nan.toml").write_text('extend-exclude = ["old/"]\n')
    Path("old").mkdir()
    Path("old/a.py").write_text(BUG)
    Path("notes.txt").write_text(BUG)
    Path("stub.pyi").write_text("import tensorflow as tf\nx: tf.Tensor\n")
    git("add", ".")
    status, out = commit(installed)
    assert status == 0, out
    assert "Passed" in out
