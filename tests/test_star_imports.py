"""A module that has all names of a library has them for those who import it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tflint_nan.build import build
from tflint_nan.check import Surroundings, check_file
from tflint_nan.engine import Settings
from tflint_nan.finding import Level
from tflint_nan.job import Job, Mode
from tflint_nan.registry import rules
from tflint_nan.source import Source

LOG = "def loss(y, x):\n    return -tf.reduce_mean(y * tf.math.log(tf.nn.softmax(x)))\n"
#: What the program imports, and what the module beside it says.
KNOWN = {
    "TensorFlow 2": ("from p import compat as tf\n", "from tensorflow.compat.v2 import *\n"),
    "the module itself": ("import p.compat as tf\n", "from tensorflow import *\n"),
    "a name of a module": ("from p.compat import tf\n", "import tensorflow as tf\n"),
    "names of it": ("import p.compat\ntf = p.compat\n", "from tensorflow.compat.v1 import *\n"),
    "star of a star": ("import p as tf\n", "from tensorflow import *\n"),
    "a part": (
        "from p.compat import nn, math, reduce_mean\nclass tf:\n    nn = nn\n    math = math\n"
        "    reduce_mean = reduce_mean\n",
        "from tensorflow import *\n",
    ),
    "a copy of a part": (
        "from p import compat as tf\n",
        "from tensorflow.compat.v2 import *\ndef copied(m):\n    out = type(m)(m.__name__)\n"
        "    out.__dict__.update(m.__dict__)\n    return out\nnn = copied(nn)\nnn.more = 1\n",
    ),
    "another name for it": (
        "from p import compat as t\nclass tf:\n    nn = t.parts\n    math = t.math\n"
        "    reduce_mean = t.reduce_mean\n",
        "from tensorflow import *\nparts = nn\n",
    ),
}
#: Of these programs nothing is known.
UNKNOWN = {
    "a name of its own": "from tensorflow import *\ndef _f(x): return 0.5\nclass nn:\n    softmax = _f\n",
    "a name of its own, unknown": "from tensorflow import *\nfrom elsewhere import nn\nnn = nn()\n",
    "another library": "from elsewhere import *\n",
    "no library": "import tensorflow\n",
}


def findings(folder: Path, program: str, module: str) -> list[str]:
    """The codes of what is found in the program, as a run checks it."""
    package = folder / "p"
    package.mkdir()
    (package / "__init__.py").write_text("from p.compat import *\n" if "import p as" in program else "")
    (package / "compat.py").write_text(module)
    file = str(folder / "train.py")
    Path(file).write_text(program)
    thresholds = {name: value for rule in rules() for name, value in rule.thresholds.items()}
    settings = Settings({rule.code: Level.DEFAULT for rule in rules()}, thresholds)
    result = check_file(Job(file, file, settings, Mode()), Surroundings())
    return [finding.code for finding in result.findings]


@pytest.mark.parametrize("name", KNOWN)
def test_the_librarys_names_are_in_the_module(name: str, tmp_path: Path) -> None:
    head, module = KNOWN[name]
    assert findings(tmp_path, head + LOG, module) == ["NAN101"]


@pytest.mark.parametrize("name", UNKNOWN)
def test_names_that_the_module_defines_win(name: str, tmp_path: Path) -> None:
    assert findings(tmp_path, "from p import compat as tf\n" + LOG, UNKNOWN[name]) == []


@pytest.mark.parametrize(
    ("listed", "codes"), [('["nn", "math", "reduce_mean"]', ["NAN101"]), ('["math"]', [])]
)
def test_what_a_module_lists_is_all_that_a_star_takes(listed: str, codes: list[str], tmp_path: Path) -> None:
    module = f"from tensorflow import *\n__all__ = {listed}\n"
    program = "from p.compat import *\n" + LOG.replace("tf.", "")
    assert findings(tmp_path, program, module) == codes


def test_a_star_is_of_its_own_module(tmp_path: Path) -> None:
    """A module's names are not its importer's."""
    program = "import p.compat\np.compat.x\n" + LOG.replace("tf.", "")
    assert findings(tmp_path, program, "from tensorflow import *\nx = 1\n") == []


def test_a_star_in_the_file_itself() -> None:
    graph = build(Source("a.py", "from tensorflow import *\nnn.softmax(x)\nmath.log(y)\n"), {})
    assert {op.api for op in graph.ops("softmax", "log")} == {"tf.nn.softmax", "tf.math.log"}
