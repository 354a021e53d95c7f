"""What is shipped: the rules as `tflint_nan.rules`, from the wheel and from an editable installation."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import libcst
import pytest

import tflint_nan

ROOT = Path(__file__).parent.parent
SHIPPED = ("tflint_nan", "rules", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the package is built from: building writes next to it."""
    copy = tmp_path_factory.mktemp("project")
    for name in SHIPPED:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, copy / name)
    return copy


def _pip(*words: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, words)]
    subprocess.run(command, check=True)


def _modules(folder: Path, package: str) -> set[str]:
    return {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for path in folder.rglob("*.py")
        if "__pycache__" not in path.parts
    }


def _run(folder: Path, script: Path) -> str:
    """What `tflint-nan check` says of `script` when only the installation in `folder` is on the path."""
    code = (
        "import site, sys\n"
        # The dependencies, without the .pth files beside them, one of which may lead to this repository.
        f"sys.path.insert(0, {str(folder)!r})\n"
        f"sys.path.append({str(Path(libcst.__file__).parent.parent)!r})\n"
        f"site.addsitedir({str(folder)!r})\n"
        "import tflint_nan, tflint_nan.rules\n"
        "print(tflint_nan.__file__, *tflint_nan.rules.__path__)\n"
        "from tflint_nan.cli import main\n"
        f"sys.exit(main(['check', '--output-format', 'concise', {script.name!r}]))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=script.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return done.stdout


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A script with a problem that a rule of the project finds."""
    path = tmp_path / "work" / "train.py"
    path.parent.mkdir()
    path.write_text(
        "import tensorflow as tf\n"
        "kernel = tf.Variable(tf.random.normal([4, 2]))\n"
        "loss = -tf.math.log(tf.nn.softmax(tf.ones([3, 4]) @ kernel))\n"
    )
    return path


@pytest.mark.slow
def test_the_wheel(project: Path, tmp_path: Path, script: Path) -> None:
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, project)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"tflint_nan-{tflint_nan.__version__}-py3-none-any.whl"
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = _modules(project / "tflint_nan", "tflint_nan") | _modules(
        project / "rules", "tflint_nan/rules"
    )
    assert {name for name in names if name.endswith(".py")} == expected
    assert "tflint_nan/py.typed" in names
    assert {name.split("/")[0] for name in names} == {
        "tflint_nan",
        f"tflint_nan-{tflint_nan.__version__}.dist-info",
    }
    _pip("install", "--no-deps", "--target", tmp_path / "site", wheel)
    printed = _run(tmp_path / "site", script)
    assert str(tmp_path / "site" / "tflint_nan" / "rules") in printed
    assert re.search(r"^train\.py:3:9: NAN101 ", printed, flags=re.MULTILINE)


@pytest.mark.slow
def test_an_editable_installation(project: Path, tmp_path: Path, script: Path) -> None:
    site = tmp_path / "site"
    _pip("install", "--no-deps", "--no-build-isolation", "--target", site, "--editable", project)
    printed = _run(site, script)
    assert str(project / "rules") in printed
    assert re.search(r"^train\.py:3:9: NAN101 ", printed, flags=re.MULTILINE)
