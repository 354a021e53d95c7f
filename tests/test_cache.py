"""Results that are kept between runs: what is looked up is what a check would say, whatever has happened."""

from __future__ import annotations

import ast
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lint import command

from tflint_nan import cache, pool, registry
from tflint_nan.formats import FORMATS
from tflint_nan.job import Job, Result

ROOT = Path(__file__).parent.parent
HEAD = """\
import tensorflow as tf
import numpy as np
logits = tf.layers.dense(tf.placeholder(tf.float32, [None, 4]), 3)
"""
BUG = "loss = tf.math.log(tf.nn.softmax(logits))\n"
#: `main.py` rests on `deep.py` through `middle.py`, which does not mention TensorFlow; the others do not.
PROJECT = {
    "pyproject.toml": "[tool.tflint-nan]\n",
    "main.py": f"{HEAD}from middle import activation\nloss = tf.math.log(activation(logits))\n",
    "middle.py": "from deep import last\ndef activation(x):\n    return last(x)\n",
    "deep.py": "import tensorflow as tf\ndef last(x):\n    return tf.nn.softmax(x)\n",
    "alone.py": HEAD + BUG,
    "plain.py": "import os\nimport json\n",
    "user.py": "import plain\n",
}


def write(files: dict[str, str]) -> None:
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of a few files, which is the working folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("TFLINT_NAN_CACHE_DIR", "FORCE_COLOR", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    write(PROJECT)
    return folder


@contextmanager
def checks() -> Iterator[set[str]]:
    """The names of the files that are checked, and not looked up."""
    names: set[str] = set()
    check_all = pool.check_all

    def seen(jobs: Sequence[Job], processes: int | None) -> Generator[Result, None, None]:
        names.update(job.name for job in jobs)
        return check_all(jobs, processes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "check_all", seen)
        yield names


def checked(*words: str) -> set[str]:
    """Which files a run checks; it has to print what it prints without a cache."""
    expected = command("check", "--no-cache", *words)
    with checks() as names:
        assert command("check", *words) == expected
    return names


def the_file() -> Path:
    [path] = Path(cache.NAME).glob("*.sqlite")
    return path


# What is looked up.


def test_a_second_run_checks_nothing() -> None:
    assert checked() == {name for name in PROJECT if name.endswith(".py")}
    assert checked() == set()


NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "metadata": {}, "source": "text"},
        {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": HEAD},
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": f"x = 1\n{BUG}",
        },
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}


@pytest.mark.parametrize(
    "words", [*(("--output-format", name) for name in FORMATS), ("--statistics",), ("--diff",)]
)
def test_it_prints_the_same_byte_for_byte(words: tuple[str, ...]) -> None:
    write({"book.ipynb": json.dumps(NOTEBOOK, indent=1), "broken.py": "x = (\n", "crlf.py": (HEAD + BUG)})
    Path("crlf.py").write_bytes((HEAD + BUG).replace("\n", "\r\n").encode())
    Path("latin.py").write_bytes(f"# coding: latin-1\n# \xe9\n{HEAD}{BUG}".encode("latin-1"))
    Path("bytes.py").write_bytes(b"\xff\xfe")
    cold = command("check", *words)
    assert cold.status == 2
    assert cold == command("check", "--no-cache", *words)
    with checks() as names:
        assert command("check", *words) == cold
    # What has a fix to make is checked for it; the rest is not.
    assert names == (
        {"main.py", "alone.py", "crlf.py", "latin.py", "book.ipynb"} if "--diff" in words else set()
    )


def test_a_second_run_does_not_even_import_the_parser() -> None:
    command("check")
    program = "import sys; from tflint_nan.cli import main; main(['check']); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    *report, modules = ran.stdout.splitlines()
    assert "Found 2 errors." in report
    assert {"tflint_nan.cache", "tflint_nan.report.text"} <= set(modules.split())
    assert not {"libcst", "tflint_nan.check", "tflint_nan.ops", "tflint_nan.rules"} & set(modules.split())


def test_what_rules_declare_is_read_off_their_text() -> None:
    """Without this, the one before imports them all."""
    found = registry.declared()
    assert found == tuple(
        registry.Declared(rule.code, rule.name, rule.level, rule.thresholds) for rule in registry.rules()
    )
    program = (
        "import sys; from tflint_nan.registry import declared as d; print(len(d()), 'libcst' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [str(len(found)), "False"]


def test_a_changed_helper_two_imports_away() -> None:
    checked()
    write({"deep.py": PROJECT["deep.py"].replace("softmax", "sigmoid")})
    assert checked("--output-format", "concise") == {"deep.py", "middle.py", "main.py"}
    assert command("check", "main.py", "--output-format", "json").codes == ["NAN102"]
    write(PROJECT)
    assert checked() == {"deep.py", "middle.py", "main.py"}


def test_a_changed_file_that_nothing_rests_on() -> None:
    checked()
    write({"alone.py": HEAD})
    assert checked() == {"alone.py"}
    write({"plain.py": "import sys\n"})
    assert checked() == {"plain.py"}


def test_a_new_file_that_shadows_an_import() -> None:
    write({"sub/main.py": PROJECT["main.py"], "sub/other.py": HEAD + BUG})
    checked()
    write({"sub/middle.py": "def activation(x):\n    return x\n"})
    assert checked() == {"sub/main.py", "sub/middle.py"}
    assert command("check", "sub", "--output-format", "json").codes == ["NAN103", "NAN101"]


def test_an_import_that_is_taken_away() -> None:
    checked()
    Path("deep.py").unlink()
    assert {"main.py", "middle.py"} >= checked() >= {"main.py"}
    Path("middle.py").unlink()
    assert checked() == {"main.py"}
    write(PROJECT)
    assert "main.py" in checked()


def test_packages_and_their_modules() -> None:
    write(
        {
            "pack/__init__.py": "from . import layers\n",
            "pack/layers.py": PROJECT["deep.py"],
            "pack/train.py": f"{HEAD}from . import layers\nloss = tf.math.log(layers.last(logits))\n",
            "pack/naked/deep.py": PROJECT["deep.py"],
            "run.py": f"{HEAD}import pack\nloss = tf.math.log(pack.layers.last(logits))\n",
            "naked.py": f"{HEAD}from pack.naked import deep\nloss = tf.math.log(deep.last(logits))\n",
        }
    )
    checked()
    assert checked() == set()
    write({"pack/layers.py": PROJECT["deep.py"].replace("softmax(x)", "softmax(x) + 1")})
    assert (
        {"pack/layers.py", "pack/train.py", "run.py"}
        <= checked()
        <= {*PROJECT, "pack/layers.py", "pack/train.py", "run.py", "pack/__init__.py", "naked.py"}
        - {"alone.py"}
    )
    # A package that was a folder alone gets a file of its own.
    write({"pack/naked/__init__.py": "deep = None\n"})
    assert "naked.py" in checked()
    # And one that had a file is a module now.
    write({"pack.py": "layers = None\n"})
    assert "run.py" in checked()


def test_folders_that_the_program_adds_to_its_path() -> None:
    write(
        {
            "lib/extra.py": PROJECT["deep.py"],
            "added.py": f"import sys\nsys.path.append('lib')\n{HEAD}from extra import last\n"
            "loss = tf.math.log(last(logits))\n",
        }
    )
    checked()
    assert command("check", "added.py", "--output-format", "json").codes == ["NAN101"]
    write({"lib/extra.py": "def last(x):\n    return x\n"})
    assert checked() == {"added.py", "lib/extra.py"}
    assert command("check", "added.py", "--output-format", "json").codes == ["NAN103"]
    write({"extra.py": PROJECT["deep.py"]})
    assert "added.py" in checked()


def test_a_file_without_tensorflow_that_gets_it_from_an_import() -> None:
    checked()
    write({"plain.py": "import tensorflow as tf\n" + PROJECT["deep.py"]})
    assert checked() == {"plain.py", "user.py"}
    write(PROJECT)
    # What was known of the two counts again, but for what was said of them meanwhile.
    assert checked() <= {"plain.py", "user.py"}
    assert (
        command("check", "plain.py", "user.py").stderr
        == command("check", "--no-cache", "plain.py", "user.py").stderr
    )


def test_one_that_is_not_of_the_run() -> None:
    """A hook checks the files that are committed; what these import is read all the same."""
    assert checked("user.py") == {"user.py"}
    assert checked("user.py") == set()
    write({"plain.py": "import keras\n"})
    assert checked("user.py") == {"user.py"}


@pytest.mark.parametrize("name", ["neighbour.py", "neighbour.ipynb"])
def test_an_importer_beside_a_script_decides_what_its_fix_may_change(name: str) -> None:
    script = """\
import tensorflow as tf
def act(x):
    return tf.nn.softmax(tf.layers.dense(x, 3))
p = act(tf.placeholder(tf.float32, [None, 4]))
loss = -tf.reduce_mean(tf.math.log(p))
train = tf.train.AdamOptimizer(0.001).minimize(loss)
"""
    write({"script.py": script})
    checked()
    words = ("script.py", "--output-format", "json")
    safe = command("check", *words).findings[0]["fix"]
    assert safe["applicability"] == "safe"
    use = ["from script import act\n", "act(1)"]
    cell = NOTEBOOK["cells"][1] | {"source": use}  # type: ignore[index]
    write({name: json.dumps(NOTEBOOK | {"cells": [cell]}, indent=1) if "ipynb" in name else "".join(use)})
    assert checked() == {"script.py", name}
    assert command("check", *words).findings[0]["fix"] != safe
    assert checked(*words) == set()


def test_settings() -> None:
    every = checked()
    assert checked("--strict") == {"main.py", "middle.py", "deep.py", "alone.py"}
    assert checked("--strict") == checked() == set()
    assert checked("--ignore", "NAN101") == {"main.py", "middle.py", "deep.py", "alone.py"}
    write({"pyproject.toml": '[tool.tflint-nan.per-file-ignores]\n"alone.py" = ["NAN102"]\n'})
    assert checked() == {"alone.py"}
    write({"pyproject.toml": "[tool.tflint-nan.thresholds]\nlearning-rate-adam = 0.5\n"})
    assert checked() == {"main.py", "middle.py", "deep.py", "alone.py"} < every


def test_unused_suppressions_are_found_in_files_that_the_screen_leaves_out() -> None:
    write({"plain.py": "import os  # noqa: NAN101\n"})
    checked()
    words = ("--extend-select", "NAN902", "--output-format", "json")
    assert "plain.py" in checked(*words)
    assert checked(*words) == set()
    assert command("check", *words).codes == ["NAN101", "NAN101", "NAN902"]


def test_the_folder_that_names_start_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a file is called is part of what is said, and a file in a folder `tests` is one of the tests."""
    write({"tests/run.py": HEAD + BUG})
    checked()
    monkeypatch.chdir("tests")
    assert checked() == {"run.py"}
    assert command("check", "--output-format", "concise").stdout.startswith("run.py:")
    monkeypatch.chdir("..")
    assert checked() == set()


def test_other_rules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "a_rule.py").write_text("limit = 1\n")
    folders = registry.folders()
    monkeypatch.setattr(cache, "folders", lambda: [*folders, pack])
    python = {name for name in PROJECT if name.endswith(".py")}
    for text in ("limit = 1\n", "limit = 2\n"):
        (pack / "a_rule.py").write_text(text)
        cache.tool.cache_clear()
        assert checked() == python
        assert checked() == set()
    cache.tool.cache_clear()


def test_the_code_of_the_tool_and_its_rules_counts() -> None:
    files = {path for folder in registry.folders() for path in folder.rglob("*.py")}
    assert {ROOT / "tflint_nan" / "engine.py", ROOT / "rules" / "log_of_softmax.py"} <= {
        p.resolve() for p in files
    }


def test_nobody_goes_past_the_project_to_the_files() -> None:
    """What a check learns of other files it has to ask the project, which takes note of it."""
    asking = {
        "read",
        "names",
        "is_file",
        "digest",
        "read_bytes",
        "read_text",
        "exists",
        "is_dir",
        "iterdir",
        "glob",
    }
    asking |= {"rglob", "stat", "listdir", "scandir", "walk", "open", "isfile", "isdir"}
    # The ways in, and those that a check does not use.
    allowed = {
        "disk",
        "modules",
        "screen",
        "facts",
        "source",
        "check",
        "config",
        "files",
        "baseline",
        "revision",
    }
    allowed |= {"since", "cache", "registry", "overwrite", "cli", "project", "across", "remote"}
    wrong = []
    for path in (*(ROOT / "tflint_nan").rglob("*.py"), *(ROOT / "rules").glob("*.py")):
        if path.stem in allowed or path.parent.name in ("server", "codemod", "report"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node).endswith("project.modules"):
                wrong.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            owner = ast.unparse(node.func).rpartition(".")[0].rpartition(".")[2]
            if (
                name in asking
                and owner != "project"
                and (owner or name == "open")
                and owner in ("", "disk", "os", "path", "Path", "folder", "other")
            ):
                wrong.append(f"{path.name}:{node.lineno}: {ast.unparse(node.func)}")
    assert wrong == []


# Fixes, baselines, revisions.


def test_fixes_are_made_by_a_check(project: Path) -> None:
    write({"quiet.py": HEAD})
    command("check")
    before = {path: path.read_text() for path in project.glob("*.py")}
    expected = command("check", "--fix", "--no-cache")
    after = {path: path.read_text() for path in before}
    assert after != before
    for path, text in before.items():
        path.write_text(text)
    with checks() as names:
        assert command("check", "--fix") == expected
    assert {path: path.read_text() for path in after} == after
    assert names == {"main.py", "alone.py"}
    # What was kept is kept of the text that was there before, or not at all.
    for path, text in before.items():
        path.write_text(text)
    checked()
    for path, text in after.items():
        path.write_text(text)
    assert checked() <= {"main.py", "alone.py", "middle.py", "deep.py"}


def test_a_fix_in_the_cache_is_never_made(project: Path) -> None:
    """A folder may come along with somebody else's code."""
    command("check")
    with sqlite3.connect(the_file()) as database:
        rows = database.execute("SELECT job, content, result FROM results").fetchall()
        for job, content, result in rows:
            evil = result.replace("log_softmax", "evil")
            seal = cache._digest(job, content, evil)
            database.execute("UPDATE results SET result = ?, seal = ? WHERE job = ?", (evil, seal, job))
    assert "evil" in command("check", "--output-format", "json").stdout
    command("check", "--fix")
    assert not any("evil" in path.read_text() for path in project.glob("*.py"))
    assert "log_softmax" in Path("alone.py").read_text()


def test_a_baseline_is_applied_to_what_is_looked_up() -> None:
    command("baseline", "--output-file", "known.json")
    assert checked("--baseline", "known.json") == set()
    assert command("check", "--baseline", "known.json").status == 0
    with checks() as names:
        command("baseline", "--output-file", "again.json")
    assert names == set()
    assert Path("again.json").read_text() == Path("known.json").read_text()
    assert checked() == set()
    assert command("check", "--fix", "--baseline", "known.json").status == 0
    assert Path("alone.py").read_text() == PROJECT["alone.py"]


def test_what_was_there_at_a_revision() -> None:
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *words], check=True)
    write({"new.py": HEAD + BUG})
    checked()
    assert [
        f["filename"] for f in command("check", "--diff-base", "HEAD", "--output-format", "json").findings
    ] == [str(Path("new.py").absolute())]
    with checks() as names:
        command("check", "--diff-base", "HEAD")
    assert not names & set(PROJECT)


def test_standard_input_is_not_kept(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (HEAD + BUG, HEAD):
        ran = subprocess.run(
            [sys.executable, "-m", "tflint_nan", "check", "-", "--stdin-filename", "alone.py"],
            input=text, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == (BUG in text)
    assert not Path(cache.NAME).exists()


# Where it is.


def test_where_it_is(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def used(*words: str) -> Path:
        before = set(tmp_path.rglob("*.sqlite"))
        command("check", *words)
        [path] = set(tmp_path.rglob("*.sqlite")) - before
        assert (path.parent / ".gitignore").read_text() == "*\n"
        assert (
            (path.parent / "CACHEDIR.TAG")
            .read_text()
            .startswith("Signature: 8a477f597d28d172789f06886806bc55")
        )
        return path.parent.relative_to(project)

    (project / "sub").mkdir()
    monkeypatch.chdir("sub")
    write({"a.py": HEAD})
    assert used() == Path(cache.NAME)
    assert used("--isolated") == Path("sub", cache.NAME)
    assert used("--cache-dir", "there/is") == Path("sub/there/is")
    assert used("--config", "cache-dir = 'inline'") == Path("sub/inline")
    write({"../pyproject.toml": "[tool.tflint-nan]\ncache-dir = 'configured'\n"})
    assert used() == Path("configured")
    monkeypatch.setenv("TFLINT_NAN_CACHE_DIR", str(project / "environment"))
    assert used() == Path("environment")
    assert used("--cache-dir", "option") == Path("sub/option")
    (project / "pyproject.toml").unlink()
    monkeypatch.delenv("TFLINT_NAN_CACHE_DIR")
    (project / ".git").mkdir()
    assert command("clean").stderr == f"Removed {project / cache.NAME}\n"
    assert used() == Path(cache.NAME)


def test_a_folder_that_holds_something_else_is_not_ignored_by_git() -> None:
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("important")
    command("check", "--cache-dir", "mine")
    assert {path.suffix for path in Path("mine").iterdir()} == {".txt", ".sqlite"}
    assert command("clean", "--cache-dir", "mine").status == 0
    assert [path.name for path in Path("mine").iterdir()] == ["thesis.txt"]


def test_clean() -> None:
    command("check")
    ran = command("clean")
    assert (ran.status, ran.stderr) == (0, f"Removed {Path(cache.NAME).absolute()}\n")
    assert not Path(cache.NAME).exists()
    ran = command("clean")
    assert (ran.status, ran.stderr) == (0, f"There is no cache in {Path(cache.NAME).absolute()}\n")
    assert checked() == {name for name in PROJECT if name.endswith(".py")}


def test_no_cache_is_neither_read_nor_written() -> None:
    command("check", "--no-cache")
    assert not Path(cache.NAME).exists()
    checked()
    with checks() as names:
        command("check", "--no-cache")
    assert names == {name for name in PROJECT if name.endswith(".py")}


def test_it_begins_anew_after_a_month(monkeypatch: pytest.MonkeyPatch) -> None:
    command("check")
    own, other = the_file(), Path(cache.NAME, "0.0.1-0123456789abcdef.sqlite")
    other.write_bytes(b"")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 29 * 86400)
    write({"new.py": HEAD})
    assert checked() == {"new.py"}
    assert other.exists()
    monkeypatch.setattr(time, "time", lambda: now + 32 * 86400)
    assert checked() == {"new.py", *(name for name in PROJECT if name.endswith(".py"))}
    assert not other.exists()
    assert checked() == set()
    assert own.exists()


# What may go wrong.


def test_many_processes_at_once() -> None:
    write({f"f{number}.py": HEAD + BUG * (number % 3) for number in range(12)})
    expected = command("check", "--no-cache")
    words = [sys.executable, "-m", "tflint_nan", "check", "-v"]
    running = [
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(8)
    ]
    for process in running:
        assert (*process.communicate(), process.returncode) == (
            expected.stdout,
            expected.stderr,
            expected.status,
        )
    assert checked() == set()


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from tflint_nan import cache
    path = Path(sys.argv[1])
    with cache._database(path, "rw") as database:
        database.execute("PRAGMA cache_size = 1")  # What is written does not wait in memory.
        database.execute("BEGIN IMMEDIATE")
        database.execute("UPDATE results SET result = ?", ("x" * 100_000,))
        database.execute("DELETE FROM summaries")
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_that_is_killed_while_it_writes() -> None:
    command("check")
    words = [sys.executable, "-c", textwrap.dedent(KILLED), str(the_file())]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    assert Path(f"{the_file()}-journal").stat().st_size
    assert checked() == set()


def test_a_run_that_is_killed_anywhere() -> None:
    write({f"f{number}.py": HEAD + BUG * (number % 3) for number in range(8)})
    words = [sys.executable, "-m", "tflint_nan", "check"]
    for delay in (0.2, 0.8, 1.6, 3.2):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, start_new_session=True)
        time.sleep(delay)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        expected = command("check", "--no-cache")
        assert command("check") == expected


def test_a_folder_that_cannot_be_made() -> None:
    Path("file").write_text("")
    for folder in ("/proc/tflint_nan", "file", "file/below"):
        ran = command("check", "--cache-dir", folder)
        assert ran == command("check", "--no-cache")
        [line] = command("check", "-v", "--cache-dir", folder).stderr.splitlines()
        assert line.startswith(f"no cache in {Path(folder).absolute()}: ")


def test_a_folder_that_may_only_be_read() -> None:
    command("check")
    the_file().chmod(0o444)
    Path(cache.NAME).chmod(0o555)
    try:
        with checks() as names:
            assert command("check").status == 1
        assert names == set()
        write({"alone.py": HEAD})
        assert command("check") == command("check", "--no-cache")
    finally:
        Path(cache.NAME).chmod(0o755)


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def small(*args: object, **kwargs: object) -> sqlite3.Connection:
        database = connect(*args, **kwargs)  # type: ignore[call-overload]
        database.execute("PRAGMA max_page_count = 4")
        return database  # type: ignore[no-any-return]

    expected = command("check", "--no-cache")
    monkeypatch.setattr(sqlite3, "connect", small)
    assert command("check") == expected
    [line] = command("check", "-v").stderr.splitlines()
    assert line.endswith("database or disk is full")
    monkeypatch.setattr(sqlite3, "connect", connect)
    assert checked() == {name for name in PROJECT if name.endswith(".py")}
    assert checked() == set()


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _other_tables(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE photos (name TEXT)")


def _a_view_without_end(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE VIEW summaries AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
            " SELECT x AS content, x AS summary, x AS seal FROM n WHERE x < 0"
        )
        database.execute(cache._TABLES[0])
        database.execute("PRAGMA user_version = 1000000")


def _other_results(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE results SET result = '[[], [], [], \"\", true]'")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"no database " * 1000),
        lambda path: path.write_bytes(b""),
        _truncate,
        _other_tables,
        _a_view_without_end,
        _other_results,
    ],
)
def test_a_file_that_is_broken(spoil: object) -> None:
    expected = command("check")
    spoil(the_file())  # type: ignore[operator]
    assert command("check") == expected
    assert checked() == set()


def test_a_file_of_another_kind() -> None:
    expected = command("check")
    path = the_file()
    path.unlink()
    os.mkfifo(path)
    assert command("check") == expected
    path.unlink()
    path.mkdir()
    assert command("check") == expected
    path.rmdir()
    Path("secret").write_bytes(b"")
    path.symlink_to(Path("secret").absolute())
    assert command("check") == expected
    assert Path("secret").read_bytes() == b""


@pytest.mark.parametrize("place", [0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95])
def test_a_byte_that_changes(place: float) -> None:
    expected = command("check")
    path = the_file()
    data = bytearray(path.read_bytes())
    start = int(len(data) * place)
    for offset in range(start, start + 64):
        data[offset] ^= 0xFF
    path.write_bytes(data)
    assert command("check") == expected
    assert command("check") == expected


@pytest.mark.parametrize(
    "result",
    [
        "[" * 100_000,
        "7",
        "null",
        "{}",
        '[[], [], [], "[\\"shell\\"]\\t1", true]',
        '[[], [], [], "no line", true]',
        '[[], [], [], "{\\t", true]',
        '[[], [], [], "[\\"content\\", 3]\\t1", true]',
        '[[], [], [], "[\\"content\\", \\"\\u0000\\"]\\t1", true]',
        "[[], [], [], 1, true]",
        '[[[1]], [], [], "", true]',
    ],
)
def test_a_row_that_somebody_else_has_written(result: str) -> None:
    expected = command("check")
    with sqlite3.connect(the_file()) as database:
        for job, content in database.execute("SELECT job, content FROM results").fetchall():
            seal = cache._digest(job, content, result)
            database.execute("UPDATE results SET result = ?, seal = ? WHERE job = ?", (result, seal, job))
    assert command("check") == expected


# Any edits.

TEXTS = st.sampled_from(
    [
        None,
        "import os\n",
        PROJECT["deep.py"],
        PROJECT["deep.py"].replace("softmax", "sigmoid"),
        "def last(x):\n    return x\n",
        "from b import last\n",
        "from a import *\n",
        "from .c import last\n",
        "from p import last\nfrom p.a import last as activation\n",
        "import b\nlast = b.last\n",
        f"{HEAD}from a import last\nloss = tf.math.log(last(logits))\n",
        f"{HEAD}import p.a\nloss = tf.math.log(p.a.last(logits))\n",
        f"{HEAD}from b import last\nloss = tf.math.log(last(logits))\n",
        f"{HEAD}import c\nloss = tf.math.log(c.last(logits))\n",
    ]
)
NAMES = st.sampled_from(["a.py", "b.py", "c.py", "run.py", "p/__init__.py", "p/a.py", "p/c.py", "p/run.py"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.tuples(NAMES, TEXTS), min_size=1, max_size=4), min_size=2, max_size=5))
def test_any_edits(tmp_path: Path, steps: list[list[tuple[str, str | None]]]) -> None:
    for path in Path().rglob("*.py"):
        path.unlink()
    Path("p").mkdir(exist_ok=True)
    for edits in steps:
        for name, text in edits:
            if text is None:
                Path(name).unlink(missing_ok=True)
            else:
                Path(name).write_text(text)
        checked("--output-format", "json")
