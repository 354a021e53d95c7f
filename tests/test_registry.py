"""How rules are found, and what a check imports on its way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PACK = '''
"""NAN150 no-log: logs are not liked."""

from tflint_nan.registry import rule


@rule("NAN150", "no-log", needs=[("log",)])
def check(graph):
    yield from ()
'''
NEEDLESS = (
    *("asyncio", "concurrent.futures", "email", "http", "importlib.metadata", "pdb", "sqlite3", "ssl"),
    *(
        "unittest",
        "urllib.request",
        "xml",
        "tensorflow",
        "numpy",
        "lsprotocol",
        "pygls",
        "dask",
        "distributed",
    ),
)


def printed(folder: Path, program: str) -> str:
    """What a program prints in a process of its own that finds modules in `folder`."""
    environment = os.environ | {"PYTHONPATH": str(folder)}
    words = [sys.executable, "-c", program]
    return subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout


def test_rules_of_an_installed_pack_are_found(tmp_path: Path) -> None:
    information = tmp_path / "pack-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: pack\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[tflint_nan.rules]\npack = pack.rules\n")
    rules = tmp_path / "pack" / "rules"
    rules.mkdir(parents=True)
    (rules / "__init__.py").write_text("")
    (rules / "no_log.py").write_text(PACK)
    program = """
from tflint_nan.registry import declared, rules
print([(rule.code, rule.needs) for rule in rules() if rule.name == "no-log"])
print("NAN150" in {rule.code for rule in declared()}, "NAN101" in {rule.code for rule in declared()})
"""
    assert printed(tmp_path, program) == "[('NAN150', (frozenset({'log'}),))]\nTrue True\n"
    (information / "entry_points.txt").write_text("[console_scripts]\npack = pack.rules:main\n")
    assert printed(tmp_path, program) == "[]\nFalse True\n"


def test_a_check_of_one_file_imports_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import tensorflow as tf\n\ndef f(x):\n    return tf.math.log(tf.nn.softmax(x))\n")
    program = f"""
import sys
from tflint_nan.cli import main
before = set(sys.modules)  # what Python itself starts with depends on where it is installed
print(main(["check", "--isolated", "--no-cache", {str(script)!r}]))
print(sorted(set({NEEDLESS!r}) & (set(sys.modules) - before)))
"""
    assert printed(tmp_path, program).splitlines()[-2:] == ["1", "[]"]


def test_the_version_is_said_without_what_reads_programs(tmp_path: Path) -> None:
    program = """
import contextlib, sys
from tflint_nan.cli import main
with contextlib.suppress(SystemExit):
    main(["--version"])
print([name for name in ("libcst", "pathspec", "tflint_nan.config", "tflint_nan.ops") if name in sys.modules])
"""
    assert printed(tmp_path, program).splitlines()[-1] == "[]"
