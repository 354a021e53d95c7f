"""`--shard I/N`: parts of a run that need to know nothing of each other."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from lint import command

from tflint_nan.config import Config
from tflint_nan.files import File
from tflint_nan.shard import Shard

CONFIG = Config(root=Path(), layers=(), strict=False)
BUG = "import tensorflow as tf\ny = tf.math.log(tf.nn.softmax(tf.Variable([1.0, 2.0])))\n"


def files(*names: str) -> list[File]:
    return [File(Path("/project", name), name, CONFIG) for name in names]


MANY = files(*(f"package{number % 7}/module{number}.py" for number in range(1000)))


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_every_file_is_in_one_shard(count: int) -> None:
    parts = [Shard(index, count).of(MANY) for index in range(1, count + 1)]
    assert Counter(file.name for part in parts for file in part) == Counter(file.name for file in MANY)
    # Within five standard deviations of a fair share.
    fair, spread = 1000 / count, (1000 / count * (1 - 1 / count)) ** 0.5
    assert all(abs(len(part) - fair) <= 5 * spread for part in parts)


def test_another_file_moves_none() -> None:
    before = Shard(2, 3).of(MANY)
    after = Shard(2, 3).of([*files("a.py", "package3/also.py"), *MANY])
    assert all(file in after for file in before)
    assert len(after) <= len(before) + 2


def test_a_file_has_the_same_shard_on_every_system_and_in_every_process() -> None:
    b2sum = 0xA89B319D200D334C  # printf a/b.py | b2sum -l 64
    assert len(Shard(b2sum % 97 + 1, 97).of(files("a/b.py", "a\\b.py"))) == 2


def test_a_name_that_is_no_text() -> None:
    assert len([index for index in (1, 2) if Shard(index, 2).of(files("\udcff.py"))]) == 1


@pytest.mark.parametrize(
    "word", ["", "1", "0/4", "5/4", "1/0", "-1/4", "1/4/2", "a/b", "1.5/4", "\u00b2/4", "1/ 4"]
)
def test_a_wrong_value_is_a_usage_error(word: str, tmp_path: Path) -> None:
    run = command("check", "--isolated", "--shard", word, tmp_path)
    assert run.status == 2
    assert "--shard" in run.stderr


def test_standard_input_has_no_shards() -> None:
    assert command("check", "--shard", "1/2", "-").status == 2


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [f"p{number}.py" for number in range(12)]
    for name in names:
        Path(name).write_text(BUG)
    words = ("check", "--isolated", "--no-cache", "--output-format", "json")
    whole = command(*words, ".").findings
    for paths in (["."], names):
        parts = [command(*words, "--shard", f"{index}/3", *paths) for index in (1, 2, 3)]
        together = sorted((f for part in parts for f in part.findings), key=lambda f: f["filename"])
        assert together == sorted(whole, key=lambda f: f["filename"])
        assert all(part.stderr == "" for part in parts)
    alone = [command(*words, "--shard", f"{index}/2", "p0.py") for index in (1, 2)]
    assert sorted(run.status for run in alone) == [0, 1]
    assert all(run.stderr == "" for run in alone)
