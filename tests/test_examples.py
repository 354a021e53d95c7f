"""`examples/`: what is found, that the fixes repair it, and that the repaired programs run and learn."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lint import check_files, command

EXAMPLES = Path(__file__).parent.parent / "examples"
#: file -> codes in order of their places.
FOUND = {
    "fashion.ipynb": ["NAN301", "NAN401", "NAN203"],
    "keras_digits.py": ["NAN301", "NAN301", "NAN204"],
    "keras_subclassed.py": ["NAN101", "NAN203", "NAN201"],
    "keras_ten_sigmoids.py": ["NAN301", "NAN205", "NAN401"],
    "tf1_logistic_regression.py": ["NAN105", "NAN102", "NAN102"],
    "tf1_mnist_softmax.py": ["NAN401", "NAN101"],
    "tf2_custom_loop.py": ["NAN401", "NAN107", "NAN101"],
    "tf2_discriminator.py": ["NAN104"],
}
#: These run in a few seconds, without data from elsewhere: file -> the numbers it prints, a group each.
RUNS = {
    "tf2_custom_loop.py": r"loss ([-+.\dnaif]+)",
    "tf2_discriminator.py": r"^\d+ ([-+.\dnaif]+)",
}


def test_every_example_is_listed() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")} == FOUND.keys()


@pytest.mark.parametrize("name", FOUND)
def test_found(name: str) -> None:
    run = check_files(EXAMPLES / name)
    assert sorted(run.codes) == sorted(FOUND[name])
    assert run.status == 1


@pytest.mark.parametrize("name", FOUND)
def test_repaired(name: str, tmp_path: Path) -> None:
    path = Path(shutil.copy(EXAMPLES / name, tmp_path))
    run = command("check", "--isolated", "--no-cache", "--fix", "--unsafe-fixes", path)
    assert run.status == 0, run.stdout
    if path.suffix == ".py":
        compile(path.read_text(encoding="utf-8"), name, "exec")
    assert check_files(path).codes == []


def printed(path: Path) -> str:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=300, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_repaired_example_learns(name: str, tmp_path: Path) -> None:
    path = Path(shutil.copy(EXAMPLES / name, tmp_path))
    command("check", "--isolated", "--no-cache", "--fix", "--unsafe-fixes", path)
    losses = [float(number) for number in re.findall(RUNS[name], printed(path), flags=re.MULTILINE)]
    assert losses
    assert all(abs(loss) < 1e6 for loss in losses), losses  # false for NaN, too
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_example_ends_in_nan() -> None:
    """The bug is real: the custom loop as it stands prints NaN."""
    losses = re.findall(RUNS["tf2_custom_loop.py"], printed(EXAMPLES / "tf2_custom_loop.py"))
    assert losses[-1] == "nan"
