"""Which files are found: ignore files, excludes, links, names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cases_reader import case_files
from lint import settings

from tflint_nan.build import Project, build
from tflint_nan.config import Configs, Overrides
from tflint_nan.files import Found, find
from tflint_nan.modules import Modules
from tflint_nan.screen import Screen, summarised
from tflint_nan.source import Source


def _tree(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _ignore(root: Path, name: str, *lines: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")


def _find(root: Path, *paths: str, **overrides: object) -> Found:
    return find(paths or (".",), Configs(Overrides(**overrides), root), root)  # type: ignore[arg-type]


def _names(root: Path, *paths: str, **overrides: object) -> list[str]:
    found = _find(root, *paths, **overrides)
    assert found.errors == ()
    return [file.name.replace(os.sep, "/") for file in found.files]


def test_python_files_and_notebooks_sorted(tmp_path: Path) -> None:
    _tree(tmp_path, "b.py", "a.py", "sub/n.ipynb", "sub/x.pyi", "sub/x.txt", "README.md")
    assert _names(tmp_path) == ["a.py", "b.py", "sub/n.ipynb"]


def test_default_excludes(tmp_path: Path) -> None:
    _tree(
        tmp_path,
        "a.py",
        ".venv/x.py",
        "venv/x.py",
        "sub/build/x.py",
        "node_modules/x.py",
        "x/__pycache__/y.py",
    )
    assert _names(tmp_path) == ["a.py"]


def test_what_is_named_is_checked(tmp_path: Path) -> None:
    _tree(tmp_path, "build/a.py", "build/train.txt", "build/b.py")
    _ignore(tmp_path, ".gitignore", "build/")
    assert _names(tmp_path) == []
    assert _names(tmp_path, "build/a.py", "build/train.txt") == ["build/a.py", "build/train.txt"]
    assert _names(tmp_path, "build") == ["build/a.py", "build/b.py"]


def test_force_exclude(tmp_path: Path) -> None:
    _tree(tmp_path, "build/a.py", "a.py")
    assert _names(tmp_path, "build/a.py", "build", "a.py", force_exclude=True) == ["a.py"]
    _ignore(tmp_path, "tflint-nan.toml", "force-exclude = true")
    assert _names(tmp_path, "build/a.py", "a.py") == ["a.py"]


def test_exclude_replaces_and_extends(tmp_path: Path) -> None:
    _tree(tmp_path, "build/a.py", "gen/a.py", "a.py")
    assert _names(tmp_path, inline=('exclude = ["gen"]',)) == ["a.py", "build/a.py"]
    assert _names(tmp_path, inline=('extend-exclude = ["gen"]',)) == ["a.py"]


def test_nested_ignore_files_and_their_order(tmp_path: Path) -> None:
    _tree(
        tmp_path, "a_gen.py", "keep/a_gen.py", "keep/b.py", "out/a.py", "sub/out/a.py", "sub/c.py", "sub/d.py"
    )
    _ignore(tmp_path, ".gitignore", "*_gen.py", "/out/")
    _ignore(tmp_path, "keep/.gitignore", "!a_gen.py")
    _ignore(tmp_path, "sub/.ignore", "c.py")
    assert _names(tmp_path) == ["keep/a_gen.py", "keep/b.py", "sub/d.py", "sub/out/a.py"]


def test_ignore_files_above_in_the_repository(tmp_path: Path) -> None:
    _ignore(tmp_path, ".gitignore", "*.py")  # Above the repository: none of its business.
    repository = tmp_path / "repository"
    (repository / ".git").mkdir(parents=True)
    _ignore(repository, ".gitignore", "secret.py", "/src/local/")
    _ignore(repository, ".git/info/exclude", "mine.py")
    _tree(repository, "src/a.py", "src/secret.py", "src/mine.py", "src/local/b.py")
    assert _names(repository, "src/local") == ["src/local/b.py"]
    assert _names(repository) == ["src/a.py"]
    assert _names(repository / "src") == ["a.py"]
    assert _names(repository, "src") == ["src/a.py"]


def test_a_pattern_that_is_none_is_passed_over(tmp_path: Path) -> None:
    _tree(tmp_path, "a.py", "b.py")
    (tmp_path / ".gitignore").write_bytes(b"!\n\xff\xfe\nb.py\n")
    assert _names(tmp_path) == ["a.py"]


def test_one_file_is_found_once(tmp_path: Path) -> None:
    _tree(tmp_path, "a.py", "sub/b.py")
    (tmp_path / "z_link.py").symlink_to(tmp_path / "a.py")
    assert _names(tmp_path, "a.py", "./sub/../a.py", str(tmp_path), "z_link.py") == ["a.py", "sub/b.py"]


def test_loops_of_links_end(tmp_path: Path) -> None:
    _tree(tmp_path, "sub/a.py")
    (tmp_path / "sub" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self.py").symlink_to(tmp_path / "self.py")
    assert _names(tmp_path) == ["sub/a.py"]


def test_only_regular_files_are_searched(tmp_path: Path) -> None:
    _tree(tmp_path, "a.py", "package.py/b.py")
    os.mkfifo(tmp_path / "pipe.py")
    assert _names(tmp_path) == ["a.py", "package.py/b.py"]


def test_paths_that_are_not_there_are_errors_and_the_rest_goes_on(tmp_path: Path) -> None:
    _tree(tmp_path, "a.py")
    found = _find(tmp_path, "missing.py", "a.py", "nul\0.py")
    assert [file.name for file in found.files] == ["a.py"]
    assert [name for name, _ in found.errors] == ["missing.py", "nul\0.py"]
    assert found.errors[0][1] == "No such file or directory"


def test_a_folder_that_may_not_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _tree(tmp_path, "a.py", "locked/b.py")
    scandir = os.scandir

    def refuse(folder: Path) -> Iterator[os.DirEntry[str]]:
        # The superuser may read everything, so permissions alone would not show it.
        if folder == tmp_path / "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    found = _find(tmp_path)
    assert [file.name for file in found.files] == ["a.py"]
    assert found.errors == (("locked", "Permission denied"),)


def test_names_outside_the_working_folder_are_whole(tmp_path: Path) -> None:
    _tree(tmp_path, "here/a.py", "there/b.py")
    assert _names(tmp_path / "here", "../there/b.py", "a.py") == sorted(
        [str(tmp_path / "there/b.py"), "a.py"]
    )


def test_every_folder_has_its_own_configuration(tmp_path: Path) -> None:
    _tree(tmp_path, "one/a.py", "one/skip.py", "two/a.py", "two/skip.py")
    _ignore(tmp_path, "one/tflint-nan.toml", 'extend-exclude = ["skip.py"]')
    found = _find(tmp_path)
    assert [(file.name, file.config.path) for file in found.files] == [
        ("one/a.py", tmp_path / "one" / "tflint-nan.toml"),
        ("two/a.py", None),
        ("two/skip.py", None),
    ]


@pytest.mark.parametrize(
    ("text", "left_out"),
    [
        ("import tensorflow.compat.v1 as tf", False),
        ("from keras import ops", False),
        ("import tf_keras", False),
        ("import torch", True),
        ("", True),
        ("x = '\\d'", True),
        ("import plain", True),
        ("import deep", False),
        ("def f():\n    from deep import x", False),
        ("import pack.net", False),
        ("from pack import net", False),
        ("from pack import other", True),
        ("from . import deep", False),
        ("from .deep import x", False),
        ("import init.other", False),
        ("import ring", True),
        ("import old", False),
        ("import unreadable", False),
        ("x = (", False),  # LibCST says what is wrong with it
        ("print 'Python 2'", False),
        ("%matplotlib inline", False),
    ],
)
def test_the_screen_leaves_out_what_cannot_reach_tensorflow(
    tmp_path: Path, text: str, left_out: bool
) -> None:
    for name, content in {
        "plain.py": "import os\nimport missing",
        "deep.py": "from middle import x",
        "middle.py": "import tensorflow",
        "pack/__init__.py": "",
        "pack/net.py": "import keras",
        "pack/other.py": "import os",
        "init/__init__.py": "import keras",
        "init/other.py": "",
        "ring.py": "import ring2",
        "ring2.py": "import ring",
        "old.py": "print 'Python 2'",
        "pyproject.toml": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    (tmp_path / "unreadable.py").write_bytes(b"\xff\xfe")
    screen = Screen(Modules())
    path = tmp_path / "a.py"
    assert screen.leaves_out(path, summarised(text)) is left_out
    assert screen.leaves_out(path, summarised(text)) is left_out


#: Without TensorFlow, what Keras and its kin are called by is a name that nothing binds.
_APIS = ("tf.", "keras.", "tfp.", "tfa.")


def test_what_the_screen_leaves_out_reaches_no_op_of_tensorflow(tmp_path: Path) -> None:
    """Every case, without the lines that name one of the two: no rule could see an op of theirs there."""
    seen = 0
    for file in case_files():
        for case in file.cases:
            lines = case.text.split("\n")
            text = "\n".join(line for line in lines if "tensorflow" not in line and "keras" not in line)
            path = tmp_path / "case.py"
            if not Screen(Modules(), {}).leaves_out(path, summarised(text)):
                continue  # what is left is no Python
            seen += 1
            graph = build(Source(str(path), text), settings(strict=True).thresholds, Project())
            assert [op.api for op in graph.ops() if op.api.startswith(_APIS)] == [], case.id
    assert seen > 500


@pytest.mark.parametrize("name", ["tensorflow", "keras"])
def test_what_the_screen_leaves_out_would_be_seen_with_an_import(tmp_path: Path, name: str) -> None:
    text = "import numpy as np\nz = np.zeros(3)\nprint(1 / z.std())\n"
    path = tmp_path / "a.py"
    assert Screen(Modules()).leaves_out(path, summarised(text))
    assert not Screen(Modules()).leaves_out(path, summarised(f"import {name}\n{text}"))
