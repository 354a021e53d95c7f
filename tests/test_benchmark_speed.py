"""`benchmarks/speed.py` measures what it says it does; how long things take is not looked at."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

if sys.platform != "linux":
    pytest.skip("benchmarks/speed.py is for Linux", allow_module_level=True)

import speed

MODEL = """\
import tensorflow as tf
from . import names

model = tf.keras.Sequential([tf.keras.layers.Dense(10, activation="softmax")])
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    for package, count in (("larger", 9), ("small", 2)):
        (folder / package).mkdir(parents=True)
        (folder / package / "names.py").write_text("NAMES = ['tensorflow', 'keras']\n")
        for number in range(count):
            (folder / package / f"model{number}.py").write_text(f"{MODEL}# {number}\n")
    (folder / "papers").mkdir()
    return folder


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("import tensorflow as tf\n", True),
        ("def f():\n    from keras import layers\n", True),
        ("import os, tensorflow.compat.v1 as tf\n", True),
        ("from tf_keras.layers import Dense\n", True),
        ("import tensorflow_probability as tfp\n", False),
        ("from .keras import layers\n", False),
        ("# import tensorflow\n", False),
        ("import tensorflow\nprint 'Python 2'\n", False),
    ],
)
def test_what_imports_the_library(text: str, uses: bool) -> None:
    assert speed.imports_library(text.encode()) is uses


def test_a_tree(packages: Path) -> None:
    tree = speed.Tree.read(packages)
    assert len(tree.lines) == 13
    assert len(tree.users) == 11
    assert {path.name[:5] for path in tree.users} == {"model"}
    assert "13 files with 57 lines, of which 11 with 55 lines" in str(tree)
    assert speed.smallest(packages) == packages / "small"
    assert speed.smallest(packages / "larger") == packages / "larger"


def test_copies_have_contents_of_their_own(packages: Path, tmp_path: Path) -> None:
    speed.copy(packages / "small", tmp_path / "copies", 4)
    contents = [path.read_text() for path in (tmp_path / "copies").rglob("*.py")]
    assert len(contents) == len(set(contents)) == 4 * 3


@pytest.mark.parametrize("size", [500, 5000])
def test_a_made_file_is_python_of_its_size(size: int) -> None:
    text = speed.one_file(size)
    assert abs(text.count("\n") - size) < 50
    classes = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    assert len(classes) == len(set(classes)) > size / 100


def test_processor_time_of_children_counts() -> None:
    burn = "import time\nwhile time.process_time() < 0.4: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}], check=True)"
    assert speed.cost(python(code)).cpu >= 0.4


def test_memory_of_children_counts() -> None:
    hold = "import time; held = bytearray(b'x') * 60_000_000; time.sleep(1)"
    code = f"import subprocess, sys; held = bytearray(b'x') * 60_000_000; subprocess.run({[*python(hold)]!r})"
    cost = speed.cost(python(code), look=True)
    assert 120e6 < cost.once <= cost.resident < 240e6


def test_memory_that_is_shared_counts_once() -> None:
    code = (
        "import os, time; held = bytearray(b'x') * 60_000_000\n"
        "children = [os.fork() or (time.sleep(1), os._exit(0)) for _ in range(2)]\n"
        "for child in children: os.waitpid(child, 0)"
    )
    cost = speed.cost(python(code), look=True)
    assert cost.resident > 180e6
    assert 60e6 < cost.once < 120e6


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("no-such-program-anywhere",), "not installed"),
        ((*speed.COLD, "--no-such-option"), "no-such-option"),
        (python("raise ValueError('broken')"), "ValueError: broken"),
        (python("import sys; sys.exit(3)"), "exit status 3"),
        (python("import os; os.kill(os.getpid(), 9)"), "exit status -9"),
    ],
)
def test_what_fails_has_no_speed(command: tuple[str, ...], reason: str) -> None:
    with pytest.raises(speed.NotRun, match=reason):
        speed.cost(command)


def test_a_file_that_is_not_python_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import tensorflow\ndef f(:\n")
    command = (*speed.COLD, tmp_path)
    assert subprocess.run(command, capture_output=True).returncode == 2
    assert speed.cost(command).cpu > 0


def test_ratios() -> None:
    def fails_later(wall: float, cpu: float) -> speed.Cost:
        if wall == 4.0:
            raise speed.NotRun("not installed")
        return speed.Cost(wall, cpu)

    costs = speed.Costs()
    for wall, cpu in ((3.0, 9.0), (4.0, 6.0)):
        costs.add("a", speed.Cost, wall, cpu)
        costs.add("b", speed.Cost, 2.0, 12.0)
        costs.add("c", fails_later, wall, cpu)
    assert costs.ratio("a", "b") == ("1.50", "0.50")
    assert costs.ratio("c", "b") == costs.ratio("b", "c") == ("not measured", "not measured")
    assert list(costs.rows("b")) == [
        ("a", "3.00", "6.00", "1.50", "0.50"),
        ("b", "2.00", "12.00", "1.00", "1.00"),
        ("c", "did not run: not installed", "", "", ""),
    ]


def test_all_of_it(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_memory(tree: speed.Tree) -> str:
        raise speed.NotRun("out of it")

    monkeypatch.setattr(speed, "BESIDE", 1)
    monkeypatch.setattr(speed, "in_memory", no_memory)
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n{speed.BEGIN}old\n{speed.END}After.\n", encoding="utf-8")
    speed.main([str(packages), "--rounds=1", "--starts=1", "--sizes", "1", "--markdown", str(page)])
    text = capsys.readouterr().out
    assert page.read_text(encoding="utf-8") == f"Before.\n{speed.BEGIN}{text}{speed.END}After.\n"
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in text.splitlines() if row[:1] == "|"]
    found = {row[0]: row[1:] for row in rows}
    for name in (speed.AST, speed.LIBCST, speed.ONE, speed.ALL, speed.FILL, speed.WARM, speed.RUFFS):
        assert float(found[name][1]) >= 0
    assert found["warm: LibCST is loaded"] == ["no", "no", ""]
    assert found["`check`, larger/model0.py, 5 lines"][0] == "≤ 0.35"
    assert "Not measured: out of it." in text
    assert found["one file"][:2] == ["1", f"{len(speed.one_file(1000).splitlines()):,}"]
    assert found["copies of small"][0] == "3"


def test_memory_of_a_tree(packages: Path) -> None:
    head, _, row = speed.in_memory(speed.Tree.read(packages)).splitlines()[-3:]
    cells = dict(zip(head.split(" | "), row.split(" | "), strict=True))
    assert 1 < float(cells["MB, shared pages once"]) <= float(cells["MB"]) < 1000


def test_a_page_without_the_comments_is_refused_at_once(
    packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n{speed.END}", encoding="utf-8")
    with pytest.raises(ValueError, match="speed: begin"):
        speed.main([str(packages), "--markdown", str(page)])
    assert capsys.readouterr().out == ""
    assert page.read_text(encoding="utf-8") == f"Before.\n{speed.END}"
