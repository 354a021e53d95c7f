"""Fixes that change several files: what they reach, what they leave alone, that values stay as they were."""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import libcst as cst
import numpy as np
import pytest
from libcst.codemod import CodemodContext
from lint import Run, command

from tflint_nan import across
from tflint_nan.codemod import LogOfSoftmax  # type: ignore[attr-defined]
from tflint_nan.disk import Disk
from tflint_nan.job import Job

HEAD = "import tensorflow as tf\n"
NET = HEAD + "def net(x):\n    return tf.nn.softmax(tf.identity(x) + x)\n"
LOSS = "def program(x, y):\n    pred = net(x)\n    return -tf.reduce_sum(y * tf.math.log(pred), 1)\n"
FIXED_NET = NET.replace("tf.nn.softmax(tf.identity(x) + x)", "tf.identity(x) + x")
FIXED_LOSS = LOSS.replace("pred = net", "logits = net").replace(
    "tf.math.log(pred)", "tf.nn.log_softmax(logits)"
)
TRAIN = HEAD + "from model import net\n" + LOSS
FIXED_TRAIN = HEAD + "from model import net\n" + FIXED_LOSS
#: An ordinary input, and one for which the written loss is infinite.
ORDINARY = ([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]], [[0.0, 1.0, 0.0], [0.2, 0.3, 0.5]])
WITNESS = ([[104.0, 0.0, -104.0]], [[0.0, 0.0, 1.0]])


@dataclass(frozen=True, slots=True)
class Project:
    """The files of a project, and those that a fix changes, with their new text."""

    files: dict[str, str]
    fixed: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path, marked: bool = True) -> None:
        if marked:
            (folder / ".git").mkdir(parents=True)
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def texts(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


def check(*words: str | Path) -> Run:
    return command("check", "--isolated", "--no-cache", *words)


MODEL = HEAD + "class Model:\n    def __init__(self, x):\n        {}\n"
OF_MODEL = (
    HEAD
    + "from model import Model\ndef program(x, y):\n    model = Model(x)\n"
    + "    return -tf.reduce_sum(y * tf.math.log(model.p), 1)\n"
)
FIXED_OF_MODEL = OF_MODEL.replace("tf.math.log(model.p)", "tf.nn.log_softmax(model.logits)")
USE = HEAD + "from model import net\ndef other(x, y):\n    return net(x)\n"
XENT = HEAD + "def xent(y, p):\n    return -tf.reduce_sum(y * tf.math.log(p), 1)\n"
FIXED_XENT = XENT.replace("y, p", "y, logits").replace("math.log(p)", "nn.log_softmax(logits)")
OF_LOSS = (
    HEAD
    + "from losses import xent\ndef program(x, y):\n    p = tf.nn.softmax(2.0 * x)\n    return xent(y, p)\n"
)
FIXED_OF_LOSS = OF_LOSS.replace("p = tf.nn.softmax(2.0 * x)", "logits = 2.0 * x").replace(
    "(y, p)", "(y, logits)"
)
OTHER = "def other(x, y):\n    "
REACHED = {
    "a function of another module": Project(
        {"model.py": NET, "train.py": TRAIN}, {"model.py": FIXED_NET, "train.py": FIXED_TRAIN}
    ),
    "other callers apply the softmax": Project(
        {
            "model.py": NET + OTHER + "return net(x) * y\n",
            "train.py": TRAIN,
            "direct.py": HEAD + "from model import net\n" + OTHER + "return 1.0 - net(x)\n",
            "named.py": HEAD + "from model import net as n\n" + OTHER + "p = n(x + 1.0)\n    return p\n",
            "whole.py": HEAD + "import model as m\n" + OTHER + "return m.net(x=x)\n",
            "star.py": HEAD + "from model import *\n" + OTHER + "return net(y)\n",
        },
        {
            "model.py": FIXED_NET + OTHER + "return tf.nn.softmax(net(x)) * y\n",
            "train.py": FIXED_TRAIN,
            "direct.py": HEAD + "from model import net\n" + OTHER + "return 1.0 - tf.nn.softmax(net(x))\n",
            "named.py": HEAD
            + "from model import net as n\n"
            + OTHER
            + "p = tf.nn.softmax(n(x + 1.0))\n    return p\n",
            "whole.py": HEAD + "import model as m\n" + OTHER + "return tf.nn.softmax(m.net(x=x))\n",
            "star.py": HEAD + "from model import *\n" + OTHER + "return tf.nn.softmax(net(y))\n",
        },
    ),
    "what reads the output still gets it": Project(
        {
            "model.py": NET,
            "train.py": TRAIN + OTHER + "pred = net(x)\n    return pred * tf.math.log(y + 1.0) + pred\n",
        },
        {
            "model.py": FIXED_NET,
            "train.py": FIXED_TRAIN
            + OTHER
            + "pred = tf.nn.softmax(net(x))\n    return pred * tf.math.log(y + 1.0) + pred\n",
        },
    ),
    "a package hands the function on": Project(
        {
            "nets/__init__.py": "from .model import net\n",
            "nets/model.py": NET,
            "nets/use.py": HEAD + "from . import net\n" + OTHER + "return net(x)\n",
            "train.py": TRAIN.replace("from model", "from nets"),
        },
        {
            "nets/model.py": FIXED_NET,
            "nets/use.py": HEAD + "from . import net\n" + OTHER + "return tf.nn.softmax(net(x))\n",
            "train.py": FIXED_TRAIN.replace("from model", "from nets"),
        },
    ),
    "an element of what is returned": Project(
        {
            "model.py": HEAD
            + "def net(x):\n    h = 2.0 * x\n    p = tf.nn.softmax(h, axis=-1)\n    return h + 1.0, p\n",
            "train.py": TRAIN.replace("pred = net", "_, pred = net"),
            "use.py": HEAD + "import model\n" + OTHER + "h, p = model.net(x)\n    return h * p\n",
        },
        {
            "model.py": HEAD + "def net(x):\n    h = 2.0 * x\n    return h + 1.0, h\n",
            "train.py": FIXED_TRAIN.replace("logits = net", "_, logits = net").replace(
                "(logits)", "(logits, axis=-1)"
            ),
            "use.py": HEAD
            + "import model\n"
            + OTHER
            + "h, logits = model.net(x)\n    p = tf.nn.softmax(logits, axis=-1)\n    return h * p\n",
        },
    ),
    "through a function of a third file": Project(
        {
            "model.py": NET,
            "steps.py": HEAD + "import model\ndef predict(x):\n    return model.net(x - 1.0)\n",
            "train.py": TRAIN.replace("model", "steps").replace("net", "predict"),
            "use.py": HEAD
            + "from model import net\nfrom steps import predict\n"
            + OTHER
            + "return net(x) + predict(y)\n",
        },
        {
            "model.py": FIXED_NET,
            "train.py": FIXED_TRAIN.replace("model", "steps").replace("net", "predict"),
            "use.py": HEAD
            + "from model import net\nfrom steps import predict\ndef other(x, y):\n"
            + "    return tf.nn.softmax(net(x)) + tf.nn.softmax(predict(y))\n",
        },
    ),
    "a parameter of a loss": Project(
        {"losses.py": XENT, "train.py": OF_LOSS},
        {"losses.py": FIXED_XENT, "train.py": FIXED_OF_LOSS.replace(HEAD, "")},
    ),
    "through a parameter and a return": Project(
        {
            "losses.py": XENT,
            "model.py": NET,
            "train.py": "from model import net\n" + OF_LOSS.replace("tf.nn.softmax(2.0 * x)", "net(x)"),
            "use.py": USE,
        },
        {
            "losses.py": FIXED_XENT,
            "model.py": FIXED_NET,
            "train.py": ("from model import net\n" + FIXED_OF_LOSS.replace("2.0 * x", "net(x)")),
            "use.py": USE.replace("net(x)", "tf.nn.softmax(net(x))"),
        },
    ),
    "an attribute beside": Project(
        {
            "model.py": MODEL.format("self.p = tf.nn.softmax(2.0 * x)"),
            "train.py": OF_MODEL,
            "use.py": HEAD + "import model\n" + OTHER + "return model.Model(x).p\n",
        },
        {
            "model.py": MODEL.format("self.logits = 2.0 * x\n        self.p = tf.nn.softmax(self.logits)"),
            "train.py": FIXED_OF_MODEL,
        },
    ),
    "an attribute that is there": Project(
        {
            "model.py": MODEL.format("self.logits = 2.0 * x\n        self.p = tf.nn.softmax(self.logits)"),
            "train.py": OF_MODEL,
        },
        {"train.py": FIXED_OF_MODEL},
    ),
    "a sigmoid": Project(
        {
            "model.py": NET.replace("softmax", "sigmoid"),
            "train.py": TRAIN,
            "use.py": HEAD + "from model import net\n" + OTHER + "return net(y)\n",
        },
        {
            "model.py": FIXED_NET,
            "train.py": FIXED_TRAIN.replace("tf.nn.log_softmax", "tf.math.log_sigmoid"),
            "use.py": HEAD + "from model import net\n" + OTHER + "return tf.nn.sigmoid(net(y))\n",
        },
    ),
}


@pytest.fixture(params=REACHED, ids=str)
def reached(request: pytest.FixtureRequest) -> Project:
    return REACHED[request.param]


def test_the_fix_goes_to_where_the_activation_is(
    reached: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    diff = check("--fix", "--diff", ".")
    assert texts(tmp_path) == reached.files
    fixed = check("--fix", ".")
    after = texts(tmp_path)
    assert {name: text for name, text in after.items() if text != reached.files[name]} == reached.fixed
    assert (fixed.status, fixed.stdout) == (0, "Found 1 error: fixed 1.\n")
    assert patched(reached.files, diff.stdout) == after
    assert check("--fix", "--unsafe-fixes", ".").stdout == "All checks passed!\n"
    assert texts(tmp_path) == after


def patched(files: dict[str, str], diff: str) -> dict[str, str]:
    """The files with a diff of whole lines, each hunk where it says."""
    after = {name: text.splitlines(keepends=True) for name, text in files.items()}
    name, row = "", 0
    for line in diff.splitlines(keepends=True):
        if line.startswith("+++ "):
            name, shift = line[4:].strip(), 0
        elif line.startswith("@@"):
            row = int(line.split()[1].split(",")[0][1:]) - 1 + shift
        elif line.startswith("-") and not line.startswith("---"):
            assert after[name].pop(row) == line[1:]
            shift -= 1
        elif line.startswith("+"):
            after[name].insert(row, line[1:])
            row, shift = row + 1, shift + 1
        elif line.startswith(" "):
            assert after[name][row] == line[1:]
            row += 1
    return {name: "".join(lines) for name, lines in after.items()}


# What runs before and after.


def values(folder: Path, given: tuple[Any, Any]) -> dict[str, np.ndarray]:
    """The loss of `train.py`, its gradient, and what `other` gives in each file."""
    import tensorflow as tf

    x, y = (tf.constant(value) for value in given)
    found: dict[str, np.ndarray] = {}
    names = [path.relative_to(folder).with_suffix("") for path in sorted(folder.rglob("*.py"))]
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        for parts in names:
            module = importlib.import_module(".".join(parts.parts).removesuffix(".__init__"))
            if hasattr(module, "program"):
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    loss = module.program(x, y)
                found["loss"], found["gradient"] = loss.numpy(), tape.gradient(loss, x).numpy()
            if "other" in vars(module) and module.other.__module__ == module.__name__:
                found[str(parts)] = module.other(x, y).numpy()
    finally:
        sys.path.remove(str(folder))
        for name in {parts.parts[0] for parts in names}:
            for loaded in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
                del sys.modules[loaded]
    return found


def test_the_program_computes_what_it_did(reached: Project, tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        reached.write(folder)
    assert check("--fix", after).status == 0
    old, new = values(before, ORDINARY), values(after, ORDINARY)
    assert old.keys() == new.keys()
    assert all(np.all(np.isfinite(array)) for array in old.values())
    for name, array in old.items():
        np.testing.assert_allclose(new[name], array, rtol=2e-5, atol=2e-6, err_msg=name)
    assert not np.all(np.isfinite(values(before, WITNESS)["loss"]))
    assert all(np.all(np.isfinite(array)) for array in values(after, WITNESS).values())


# What is left alone: the file has a fix of its own, which is unsafe.

DECLINED = {
    "the function is passed on": {"use.py": USE + "both = [net]\n"},
    "the module is passed on": {"use.py": HEAD + "import model\nf = getattr(model, 'n' + 'et')\n# net\n"},
    "a test replaces it": {"use.py": "import model\npatch('model.net')\n"},
    "a name is bound again": {"use.py": USE + "def second():\n    net = 1\n"},
    "an attribute of a module that has it": {
        "third.py": "from model import net\n",
        "use.py": "import third\ndef other(x, y):\n    return third.net(x)\n",
    },
    "the module itself handed on": {
        "third.py": "import model\n",
        "use.py": "from third import model\ndef other(x, y):\n    return model.net(x)\n",
    },
    "it is not clear where the module is": {"use.py": USE.replace("from model", "from elsewhere.model")},
    "not Python": {"use.py": USE + "def (\n"},
    "tf is another thing there": {"use.py": USE.replace(HEAD, "import tensorflow.compat.v1 as tf\n")},
    "tf is not there": {"use.py": USE.replace(HEAD, "")},
    "a notebook calls it": {
        "use.ipynb": json.dumps({"cells": [{"cell_type": "code", "source": USE}], "metadata": {}})
    },
    "one of two imports": {"use.py": USE.replace(HEAD, HEAD + "from keras_nets import net\n")},
    "one of two modules": {
        "third.py": HEAD + "def net(x):\n    return x\n",
        "use.py": "try:\n    from model import net\nexcept ImportError:\n    from third import net\nnet(1)\n",
    },
    "imported by a text": {"use.py": "import importlib\nm = importlib.import_module('model')\nm.net(1)\n"},
    "called by Python 2": {"use.py": USE + "print net(1)\n"},
    "by the dots of a package": {
        "nets/__init__.py": "from .model import net\n",
        "nets/model.py": NET,
        "nets/sub/use.py": HEAD + "from .. import net\nboth = [net]\n",
        "train.py": TRAIN.replace("from model", "from nets"),
    },
    "it is installed": {"setup.py": "from setuptools import setup\nsetup()\n"},
    "it is built": {"pyproject.toml": '[project]\nname = "nets"\n'},
    "two ways out": {
        "model.py": NET.replace(
            "    return", "    if len(x) > 1:\n        return tf.nn.softmax(x)\n    return"
        )
    },
    "a derived class may have the name of the new attribute": {
        "model.py": MODEL.format("self.p = tf.nn.softmax(2.0 * x)"),
        "train.py": OF_MODEL,
        "use.py": "from model import Model\nclass Mine(Model):\n    def f(self):\n        self.logits = 1\n",
    },
    "an attribute that is set again": {
        "model.py": MODEL.format("self.p = tf.nn.softmax(2.0 * x)\n        self.p = self.p"),
        "train.py": OF_MODEL,
    },
    "decorated": {"model.py": NET.replace("def net", "@cached\ndef net")},
    "a method": {
        "model.py": HEAD + "class Net:\n    def net(self, x):\n        return tf.nn.softmax(2.0 * x)\n",
        "train.py": TRAIN.replace("import net", "import Net").replace("net(x)", "Net().net(x)"),
    },
}


@pytest.mark.parametrize("others", DECLINED.values(), ids=DECLINED)
def test_where_a_caller_may_be_unseen_the_function_stays(
    others: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project({"model.py": NET, "train.py": TRAIN, **others})
    project.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    check("--fix", "--unsafe-fixes", ".")
    after = texts(tmp_path)
    assert {name for name in after if after[name] != project.files[name]} == {"train.py"}
    assert "clip" in after["train.py"]


@pytest.mark.parametrize(
    "others",
    [
        {"use.py": HEAD + "from losses import xent\nxent(1.0, tf.constant(0.5))\n"},
        {"use.py": HEAD + "from losses import xent\nxent(1.0, tf.nn.softmax([0.5]))\n"},
        {"losses.py": XENT.replace("y, p", "y, p=None")},
        {"train.py": OF_LOSS + "    \nboth = [xent]\n"},
        {"train.py": OF_LOSS + "xent(1.0, 0.5)\n"},
    ],
)
def test_a_loss_of_another_file_stays_where_a_caller_may_give_it_something_else(
    others: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is found at the call may be right in that file, so there is no other fix."""
    project = Project({"losses.py": XENT, "train.py": OF_LOSS, **others})
    project.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = check("--output-format", "json", "train.py", "losses.py").findings
    assert ["called here" in finding["message"] for finding in found] == [True]
    check("--fix", "--unsafe-fixes", ".")
    assert texts(tmp_path) == project.files


@pytest.mark.parametrize(
    "above",
    [
        {"use.py": "import sys\nsys.path.append('lib')\nfrom model import net\nboth = [net]\n"},
        {"setup.py": "from setuptools import setup\nsetup()\n"},
    ],
)
def test_a_part_of_a_repository_is_used_from_its_other_parts(
    above: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = {"lib/pyproject.toml": "[tool.black]\n", "lib/model.py": NET, "lib/train.py": TRAIN}
    Project({**above, **part}).write(tmp_path)
    monkeypatch.chdir(tmp_path)
    check("--fix", "--unsafe-fixes", ".")
    after = texts(tmp_path)
    assert after["lib/model.py"] == NET
    assert "clip" in after["lib/train.py"]


@pytest.mark.parametrize("named", [["train.py"], ["train.py", "use.py"], ["model.py", "train.py"]])
def test_only_files_of_the_run_are_changed(
    named: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project({"model.py": NET, "train.py": TRAIN, "use.py": USE})
    project.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    (shown,) = check("--output-format", "json", *named).findings
    assert {edit.get("filename") for edit in shown["fix"]["edits"]} == {None}
    assert check("--fix", "--unsafe-fixes", *named).stdout == "Found 1 error: fixed 1.\n"
    after = texts(tmp_path)
    assert "clip" in after["train.py"]
    assert {name for name in after if after[name] != project.files[name]} == {"train.py"}


def test_an_excluded_file_is_not_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project({"model.py": NET, "train.py": TRAIN, "tflint-nan.toml": 'exclude = ["model.py"]\n'})
    project.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert command("check", "--no-cache", "--fix", "--unsafe-fixes", ".").status == 0
    assert texts(tmp_path)["model.py"] == NET


def test_without_a_mark_of_the_project_the_fix_is_unsafe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project({"model.py": NET, "train.py": TRAIN})
    project.write(tmp_path, marked=False)
    monkeypatch.chdir(tmp_path)
    assert check("--fix", ".").stdout.endswith("Found 1 error: fixed 0, 1 more with --unsafe-fixes.\n")
    assert texts(tmp_path) == project.files
    assert check("--fix", "--unsafe-fixes", ".").stdout == "Found 1 error: fixed 1.\n"
    assert texts(tmp_path) == {"model.py": FIXED_NET, "train.py": FIXED_TRAIN}


def test_two_files_that_share_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first takes its logits, and the second one finds a softmax of its own then."""
    project = Project({"model.py": NET, "a.py": TRAIN, "b.py": TRAIN.replace("pred", "p")})
    project.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert check("--fix", ".").stdout == "Found 2 errors: fixed 2.\n"
    after = texts(tmp_path)
    assert after["a.py"] == FIXED_TRAIN
    assert after["model.py"] == FIXED_NET
    assert "logits = net(x)\n" in after["b.py"]
    assert "softmax(net" not in after["b.py"]


# What reports and others say of it.


def test_reports_show_every_file(both: Callable[[], dict[str, str]]) -> None:
    old, new = NET.splitlines()[2], FIXED_NET.splitlines()[2]
    printed = check(".").stdout
    assert f" ::: model.py\n3 - {old}\n3 + {new}\n" in printed
    assert f"4 - {TRAIN.splitlines()[3]}\n" in printed
    assert printed.endswith("1 fixable with --fix.\n")
    (found,) = check("--output-format", "json", ".").findings
    edits = {edit.get("filename"): edit for edit in found["fix"]["edits"]}
    assert edits.keys() == {None, str(Path("model.py").absolute())}
    assert edits[str(Path("model.py").absolute())]["content"] == "tf.identity(x) + x"
    (result,) = json.loads(check("--output-format", "sarif", ".").stdout)["runs"][0]["results"]
    changes = result["fixes"][0]["artifactChanges"]
    assert [change["artifactLocation"]["uri"] for change in changes] == ["train.py", "model.py"]
    (replacement,) = changes[1]["replacements"]
    assert replacement["insertedContent"]["text"] == "tf.identity(x) + x"
    assert replacement["deletedRegion"]["startLine"] == 3


def test_a_codemod_changes_its_own_file(both: Callable[[], dict[str, str]]) -> None:
    """LibCST hands one file to a command, and nothing of another."""
    context = CodemodContext(filename="train.py")
    after = LogOfSoftmax(context, unsafe_fixes=True).transform_module(cst.parse_module(TRAIN))  # type: ignore[attr-defined]
    assert "clip" in after.code
    assert both() == {"model.py": NET, "train.py": TRAIN}


def test_so_does_standard_input(both: Callable[[], dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TRAIN.encode())))
    printed = check("--diff", "--unsafe-fixes", "--stdin-filename", "train.py", "-").stdout
    assert "clip" in printed
    assert both() == {"model.py": NET, "train.py": TRAIN}


def test_a_baseline_keeps_it_from_being_fixed(both: Callable[[], dict[str, str]]) -> None:
    assert command("baseline", "--isolated", "--output-file", "known.json", ".").status == 0
    assert check("--fix", "--baseline", "known.json", ".").status == 0
    assert Path("model.py").read_text(encoding="utf-8") == NET


def test_what_is_kept_of_a_check_rests_on_every_caller(both: Callable[[], dict[str, str]]) -> None:
    cached = ("check", "--isolated", "--cache-dir", "cache", "--output-format", "json")

    def changed() -> list[str | None]:
        (finding,) = command(*cached, "train.py", "model.py").findings
        return [Path(edit.get("filename", "train.py")).name for edit in finding["fix"]["edits"]]

    first = changed()
    assert "model.py" in first
    assert changed() == first
    Path("use.py").write_text(USE + "both = [net]\n")
    assert set(changed()) == {"train.py"}
    Path("use.py").unlink()
    assert changed() == first


# In a pool, as many files as it takes.


def test_in_a_run_of_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"model.py": NET, "train.py": TRAIN}
    files.update((f"a{number}.py", HEAD + f"a = tf.constant({number})\n") for number in range(12))
    Project(files).write(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert check("--fix", ".").stdout == "Found 1 error: fixed 1.\n"
    assert texts(tmp_path) == {**files, "model.py": FIXED_NET, "train.py": FIXED_TRAIN}


# All or none.


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, str]]:
    """The working folder with two files that one fix changes; what is in it."""
    Project({"model.py": NET, "train.py": TRAIN}).write(tmp_path)
    monkeypatch.chdir(tmp_path)
    return lambda: texts(tmp_path)


@pytest.mark.parametrize("refused", ["model.py", "train.py"])
@pytest.mark.parametrize("step", ["replace", "access"])
def test_where_one_file_may_not_be_written_no_other_is(
    both: Callable[[], dict[str, str]], monkeypatch: pytest.MonkeyPatch, refused: str, step: str
) -> None:
    original = getattr(os, step)

    def refuse(first: object, second: object) -> object:
        if step == "access":
            return not str(first).endswith(refused) and original(first, second)
        if str(second).endswith(refused):
            raise OSError(28, "No space left on device")
        return original(first, second)

    monkeypatch.setattr(os, step, refuse)
    ran = check("--fix", "--output-format", "json", ".")
    assert ran.status == 2
    assert both() == {"model.py": NET, "train.py": TRAIN}
    faults = [finding for finding in ran.findings if finding["code"] == "NAN900"]
    assert [Path(finding["filename"]).name for finding in faults] == ["model.py", "train.py"]
    assert all("cannot be written: " in finding["message"] for finding in faults)
    assert [refused in finding["message"] for finding in faults] == [
        not finding["filename"].endswith(refused) for finding in faults
    ]
    assert ran.codes.count("NAN101") == 1
    assert not [name for name in os.listdir() if name.startswith(".tflint")]


def test_what_changed_since_it_was_read_is_not_written(
    both: Callable[[], dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, typed = across.settle, NET + "# typed meanwhile\n"

    def meanwhile(*given: Any) -> Any:
        settled = settle(*given)
        Path("model.py").write_text(typed)
        return settled

    monkeypatch.setattr(across, "settle", meanwhile)
    ran = check("--fix", ".")
    assert ran.status == 2
    assert "it has changed since it was read" in ran.stdout
    assert both() == {"model.py": typed, "train.py": TRAIN}


def test_what_cannot_be_read_for_a_moment_keeps_its_text(
    both: Callable[[], dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    resting = HEAD + "from train import program\nprogram([[1.0]], [[1.0]])\n"
    Path("use.py").write_text(resting)
    refresh, content = across._Settling._refresh, Disk._content

    def refuse(self: Disk, path: Path) -> bytes:
        if path.name == "use.py":
            raise OSError(5, "Input/output error")
        return content(self, path)

    def refreshed(self: Any, number: int, job: Job) -> None:
        monkeypatch.setattr(Disk, "_content", refuse)
        refresh(self, number, job)
        monkeypatch.setattr(Disk, "_content", content)

    monkeypatch.setattr(across._Settling, "_refresh", refreshed)
    ran = check("--fix", ".")
    assert "NAN900" in ran.stdout
    assert both() == {"model.py": FIXED_NET, "train.py": FIXED_TRAIN, "use.py": resting}


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        ({"model.py": "def net(x):\n    return (\n"}, "it brings NAN900 to model.py"),
        ({"model.py": NET, "train.py": TRAIN}, "NAN101 is still there"),
        ({"use.py": TRAIN + "a = tf.math.log(tf.nn.softmax([1.0]))\n"}, "it brings NAN101 to use.py"),
    ],
)
def test_a_fix_that_does_harm_anywhere_is_undone(
    both: Callable[[], dict[str, str]], monkeypatch: pytest.MonkeyPatch, spoilt: dict[str, str], reason: str
) -> None:
    """The content that a fix gives one of its files is taken for another."""
    Path("use.py").write_text(USE)
    edited = across._Settling._edited

    def spoil(self: Any, path: Path, edits: Any, *, tidy: bool) -> bytes:
        data = edited(self, path, edits, tidy=tidy)
        return spoilt[path.name].encode() if path.name in spoilt else data

    monkeypatch.setattr(across._Settling, "_edited", spoil)
    ran = check("--fix", "--unsafe-fixes", ".")
    assert ran.status == 2
    assert f"the fix of NAN101 was undone: {reason}" in ran.stdout
    assert ran.stdout.endswith("Found 2 errors: fixed 1, 1 needs you.\n")
    after = both()
    assert (after["model.py"], after["use.py"]) == (NET, USE)
    assert "clip" in after["train.py"]
