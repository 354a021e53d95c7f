"""What README.md says is so: its outputs, options, rules, configuration and hooks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from lint import check, command

from tflint_nan.cli import cli
from tflint_nan.faults import FAULTS
from tflint_nan.finding import Level
from tflint_nan.registry import rules
from tflint_nan.report.manual import filename

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def fences(comment: str) -> list[tuple[str, str]]:
    """(words of the comment, body of the fence below it)"""
    return re.findall(
        rf"<!-- {comment}: (.*?) -->\n```\w*\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL
    )


@pytest.mark.parametrize(("line", "expected"), fences("output"))
def test_output_is_real(line: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("NO_COLOR", "1")
    program, *words = line.split()
    assert program == "tflint-nan"
    assert command(*words).stdout.rstrip() == expected.rstrip()


def test_there_is_an_output() -> None:
    assert fences("output")


def test_two_commands_of_one_line() -> None:
    commands = dict(fences("command"))
    assert commands.keys() == {"main", "test"}
    for line in commands.values():
        assert line.count("\n") == 1
        assert line.startswith("python3 -m venv .venv && .venv/bin/pip install ")
        assert Path(".venv/bin").as_posix() in line


def test_rule_table() -> None:
    by_default = [rule for rule in rules() if rule.level is Level.DEFAULT]
    rows = re.findall(r"^\| (NAN\d+) \| (\S+) \| (.+) \|$", README, flags=re.MULTILINE)
    assert rows == [
        (rule.code, f"[{rule.name}](docs/rules/{filename(rule)})", rule.summary)
        for rule in (*by_default, *FAULTS.values())
    ]


def test_options() -> None:
    help_ = CliRunner().invoke(cli, ["check", "--help"]).stdout
    existing = set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", help_, flags=re.MULTILINE)) - {"--help"}
    table = re.search(r"^\| option of `check` .*?\n\n", README, flags=re.MULTILINE | re.DOTALL)
    assert table
    rows = table[0].strip().splitlines()
    named = {option for row in rows for option in re.findall(r"`(--[\w-]+)`", row.split("|")[1])}
    assert named == existing


def test_configuration_is_accepted(tmp_path: Path) -> None:
    [toml] = re.findall(r"^```toml\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(toml)
    (tmp_path / "program.py").write_text("import tensorflow as tf\n")
    run = command("check", tmp_path)
    assert (run.status, run.stderr) == (0, "")


def test_hooks_exist() -> None:
    hooks = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    [yaml] = re.findall(r"^```yaml\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    named = re.findall(r"- id: (\S+)|# or (\S+)", yaml)
    assert named
    for first, second in named:
        assert f"- id: {first or second}\n" in hooks


def test_what_it_says_about_the_guard() -> None:
    """The spellings of the demo's guard; `test_merged_constants.py` has TensorFlow compute them."""
    text = (ROOT / "examples" / "tf2_discriminator.py").read_text(encoding="utf-8")
    assert "EPS + 1.0 - fake" in text
    assert [finding.code for finding in check(text)] == ["NAN104"]
    text = text.replace("EPS + 1.0 - fake", "1.0 - fake + EPS")
    assert check(text) == []
    text = text.replace("def train_step", "@tf.function\ndef train_step")
    assert [finding.code for finding in check(text)] == ["NAN104"]
    assert check(text.replace("1e-10", "1e-7")) == []
