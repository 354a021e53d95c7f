"""Imports that fixes add and leave without a use."""

from __future__ import annotations

import json

import pytest
from lint import fix
from test_fix import found

from tflint_nan.finding import Applicability, Finding
from tflint_nan.fix import fix_source
from tflint_nan.imports import insertion, unused
from tflint_nan.source import Source

NEW = "import tensorflow as tf"


def inserted(text: str, line: str = NEW) -> str:
    source = Source("a.py", text)
    return source.edit([insertion(source, line)]).text


@pytest.mark.parametrize(
    "text",
    [
        # `@` is where it goes. Nothing is imported: behind what belongs to the beginning.
        "@\nx = 1\n",
        "# Licence\n\n@\nx = 1\n",
        "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n# Licence\n@\nx = 1\n",
        '# Licence\n"""Doc."""\n@\nx = 1\n',
        '"""Doc."""\n\nfrom __future__ import division\n\n@\n# about x\nx = 1\n',
        '"""Doc."""\n\n@\n# about f\n@first\n@second\ndef f():\n    pass\n'.replace("@f", "&f").replace(
            "@s", "&s"
        ),
        # Only Python's own modules: a group of its own behind them.
        "import os\nimport sys\n\n@\nx = 1\n",
        # Sorted as isort does, from TensorFlow's group on.
        "import os\n\nimport keras\n@\nfrom tensorflow import nn\n",
        "import os\n\nimport numpy as np\n@\nfrom tensorflow import nn\n\nfrom . import utils\n",
        "import os\n\nimport numpy as np\n@\nimport torch\nfrom keras import layers\n",
        "import os\n\nimport numpy as np\n@\nx = 1\n",
        "import zlib\n\n@\nimport torch\n",
        # Sorted by module, whatever the form.
        "from keras import layers\nimport numpy as np\n@\nimport yaml\n",
        # Not sorted: before the first of its kind.
        "import yaml\nimport os\n@\nfrom keras import layers\nimport sys\n",
        # Behind what takes several lines, and comments at its end.
        "import keras  # first\n@\nfrom tensorflow import (\n    nn,\n)\n",
        "import keras\n@\nimport keras.layers as layers; import os\n",
        "import keras.backend as (\n    K\n)  # end\n@\nx = 1\n".replace("(\n    K\n)", "\\\n    K"),
        # A comment above belongs to the line below it.
        "import keras\n@\n# two\nimport torch\nfrom keras import layers\n",
        # What is imported under a condition is not in order.
        "import numpy as np\n@\nimport yaml\ntry:\n    import keras\nexcept ImportError:\n    pass\n",
        "from typing import TYPE_CHECKING\n\nimport numpy as np\n@\n\nif TYPE_CHECKING:\n    import keras\n",
        # Relative imports come last.
        "from . import a\nfrom .b import c\n\n@\nx = 1\n",
    ],
)
def test_where_an_import_goes(text: str) -> None:
    before = text.replace("@\n", "", 1).replace("&", "@")
    new = text.replace("@", NEW, 1).replace("&", "@")
    after = inserted(before)
    assert [line for line in after.split("\n") if line] == [line for line in new.split("\n") if line]
    assert Source("a.py", after).tree.body
    # In groups as they were: at most one empty line is new.
    assert after.count("\n") - before.count("\n") in (1, 2)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_it_ends_as_the_others_do(end: str) -> None:
    text = f"import numpy as np{end}import yaml{end}x = 1"
    assert inserted(text) == text.replace("import yaml", f"{NEW}{end}import yaml")


def notebook(*cells: str) -> Source:
    document = {"cells": [{"cell_type": "code", "source": cell} for cell in cells], "metadata": {}}
    return Source.from_bytes("a.ipynb", json.dumps(document).encode())


def test_in_a_notebook_it_goes_to_the_cell_of_tensorflow() -> None:
    source = notebook(
        "import os\nimport yaml", "%matplotlib inline\nimport keras\nx = 1", "import tensorflow.nn"
    )
    after = source.edit([insertion(source, NEW)])
    assert [cell.text for cell in after.cells] == [
        "import os\nimport yaml",
        f"%matplotlib inline\nimport keras\n{NEW}\nx = 1",
        "import tensorflow.nn",
    ]


def test_cells_are_no_group() -> None:
    source = notebook("import os", "import keras", "import yaml")
    after = source.edit([insertion(source, NEW)])
    assert [cell.text for cell in after.cells] == ["import os", f"import keras\n{NEW}", "import yaml"]


# What is not used any more.


def left(text: str, *, name: str = "a.py", old: str = "OLD(x)", new: str = "x") -> str:
    """`text` without what nothing uses when its `OLD(x)` becomes `x`."""
    before = Source(name, text)
    after = Source(name, text.replace(old, new))
    return after.edit(unused(before, after)).text


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        ("from tensorflow import OLD", ""),
        ("from tensorflow import log as OLD", ""),
        ("import numpy.OLD as OLD", ""),
        ("from math import OLD, exp", "from math import exp"),
        ("from math import exp, OLD", "from math import exp"),
        ("from math import exp, OLD, sin as OTHER", "from math import exp, sin as OTHER"),
        ("from math import (exp, OLD)", "from math import (exp)"),
        ("from math import (\n    OLD,\n    exp,\n)", "from math import (\n    exp,\n)"),
        ("from math import (\n    exp,\n    OLD,\n)", "from math import (\n    exp,\n)"),
        ("from math import exp, \\\n    OLD", "from math import exp"),
        ("import os, OLD", None),
        ("from . import OLD", None),
        # The project's own modules may do something when they are imported.
        ("from helpers import OLD", None),
        # A comment says why it is there.
        ("from tensorflow import OLD  # noqa: F401", None),
        ("from math import (\n    exp,\n    OLD,  # for tests\n)", None),
        # It is conditional, or part of a line.
        ("try:\n    from math import OLD\nexcept ImportError:\n    pass", None),
        ("if x:\n    from math import OLD", None),
        ("from math import OLD; y = 1", None),
        # Something else may want it.
        ("from math import OLD\n__all__ = ['OLD']", None),
        ("from math import OLD\ndef f(a: 'List[OLD]'): pass", None),
        ("from math import OLD\na = []  # type: List[OLD]", None),
        ("from math import OLD\ny = f'{OLD}'", None),
        ("from math import OLD\ndel OLD", None),
        ("from math import OLD\nOLD = OLD or 1", None),
        ("from math import OLD\nprint 'x', OLD", None),
        ("from math import *", None),
        # An attribute, an argument or a word of that name is something else.
        ("from math import OLD\ny = z.OLD(1, OLD=2)  # OLD", "y = z.OLD(1, OLD=2)  # OLD"),
    ],
)
def test_what_nothing_uses_any_more(imports: str, expected: str | None) -> None:
    text = "import sys\n" + imports + "\nx = OLD(x)\n"
    kept = imports if expected is None else expected
    assert left(text) == "import sys\n" + (kept + "\n" if kept else "") + "x = x\n"


def test_what_was_not_used_before_stays() -> None:
    text = "from math import exp, OLD\nimport numpy as np\nx = OLD(x)\n"
    assert left(text) == "from math import exp\nimport numpy as np\nx = x\n"


def test_a_package_hands_on_what_it_imports() -> None:
    text = "from math import OLD\nx = OLD(x)\n"
    assert left(text, name="lib/__init__.py") == text.replace("OLD(x)", "x")


def test_one_empty_line_stays_where_a_group_was() -> None:
    assert left("import os\n\nfrom math import OLD\n\nx = OLD(x)\n") == "import os\n\nx = x\n"
    assert left("from math import OLD\n\n\ndef f(): return OLD(x)\n") == "\ndef f(): return x\n"


def test_the_last_line() -> None:
    assert left("x = OLD(x)\nfrom math import OLD") == "x = x\n"


def test_every_line_end_is_kept() -> None:
    text = "import os\r\nfrom math import OLD\r\nx = OLD(x)\r"
    assert left(text) == "import os\r\nx = x\r"


PROGRAM = """\
import tensorflow as tf
from tensorflow.math import log
x = tf.Variable(tf.random.normal([8, 4]))
"""


@pytest.mark.parametrize(
    ("lines", "is_left"),
    [
        ("y = -log(tf.nn.softmax(x))\n", False),
        ("y = -log(tf.nn.softmax(x))\nz = -log(tf.nn.softmax(x * 2))\n", False),
        ("y = -log(tf.nn.softmax(x))\nz = log(2.0)\n", True),
    ],
)
def test_fixes_take_it_out_when_the_last_use_goes(lines: str, is_left: bool) -> None:
    fixed = fix(PROGRAM + lines, unsafe=False)
    assert "tf.nn.log_softmax(x)" in fixed
    assert "log(tf.nn.softmax" not in fixed
    assert ("from tensorflow.math import log\n" in fixed) == is_left
    assert fix(fixed, unsafe=False) == fixed


@pytest.mark.parametrize("wanted", [True, False])
def test_what_is_found_without_an_import_keeps_it(wanted: bool) -> None:
    def lint(source: Source) -> list[Finding]:
        text = source.text
        at = text.index("= ") + 2
        use = [found(source, at, at + 3, "NAN001", [(at, at + 3, "1")], Applicability.SAFE)]
        missing = [found(source, 0, 0, "NAN009", [], Applicability.SAFE)]
        return [*(use if "= cos" in text else []), *(missing if wanted and "import" not in text else [])]

    result = fix_source(Source("a.py", "from math import cos\ny = cos\n"), lint, False)
    assert result.source.text == ("from math import cos\n" if wanted else "") + "y = 1\n"
    assert result.findings == []


def test_a_check_that_fails_without_an_import_keeps_it() -> None:
    def lint(source: Source) -> list[Finding]:
        if "import" not in source.text:
            raise ZeroDivisionError
        at = source.text.index("= ") + 2
        use = [found(source, at, at + 3, "NAN001", [(at, at + 3, "1")], Applicability.SAFE)]
        return use if "= cos" in source.text else []

    result = fix_source(Source("a.py", "from math import cos\ny = cos\n"), lint, False)
    assert result.source.text == "from math import cos\ny = 1\n"
