"""The walk understands Python: what reaches `probe(...)` is what Python would pass."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from tflint_nan.build import build
from tflint_nan.graph import Graph
from tflint_nan.interval import Interval
from tflint_nan.source import Source
from tflint_nan.value import NONE, UNSET, Const, Items, Object, Op, Table, Unknown, Value

PROGRAMS = Path(__file__).parent / "programs.md"


def read(text: str) -> Graph:
    return build(Source("program.py", "from lib import probe, unknown\n" + textwrap.dedent(text)), {})


def probes(text: str) -> list[Op]:
    return [op for op in read(text).ops("unknown_call") if op.api == "lib.probe"]


def plain(value: Value) -> object:
    """The Python object of a known value; `...` for what is not known."""
    if isinstance(value, Items):
        return [plain(item) for item in value.items] if value.complete else ...
    return ... if value.literal is UNSET else value.literal


def probed(text: str) -> list[object]:
    return [plain(op.args["0"]) for op in probes(text)]


def run(text: str) -> list[object]:
    """What CPython passes to `probe` (tuples as lists)."""
    seen: list[object] = []

    def probe(value: object) -> object:
        seen.append(list(value) if isinstance(value, (tuple, list)) else value)
        return value

    exec(compile(textwrap.dedent(text), "program.py", "exec"), {"probe": probe, "__name__": "__main__"})
    return seen


# Programs whose every probed value is known: the walk agrees with CPython.
KNOWN = dict(
    re.findall(r"^([^\n]+)\n\n```python\n(.*?)\n```$", PROGRAMS.read_text(encoding="utf-8"), re.M | re.S)
)


@pytest.mark.parametrize("name", KNOWN)
def test_agrees_with_python(name: str) -> None:
    assert probed(KNOWN[name]) == run(KNOWN[name])


# Programs with something unknown: the values that may be there, no others.
BRANCHES = {
    "both branches": ("if unknown():\n    x = 1\nelse:\n    x = 1\nprobe(x)", [1]),
    "one branch leaves": ("def f():\n    if unknown():\n        return 5\n    x = 2\n    probe(x)\nf()", [2]),
    "raise ends a branch": ("if unknown():\n    x = 1\nelse:\n    raise ValueError\nprobe(x)", [1]),
    "branches do not see each other": (
        "x = 1\nif unknown():\n    x = 2\nelse:\n    probe(x)",
        [1],
    ),
    "lists of branches": ("l = [1]\nif unknown():\n    l.append(2)\nelse:\n    probe(l)", [[1]]),
    "attributes of branches": (
        "class A:\n    pass\na = A()\na.x = 1\nif unknown():\n    a.x = 2\nelse:\n    probe(a.x)",
        [1],
    ),
    "unknown stays unknown": ("probe(unknown() + 1)", [...]),
    "defaults of what nobody calls": ("def f(x, k=3):\n    probe(k)\n    probe(x)", [3, ...]),
    "switches of what nobody calls": ("def f(flag=False):\n    if flag:\n        probe(1)", [1]),
    "inner function nobody calls": ("def f(k=3):\n    def g(x):\n        probe(k)\n    return g", [3]),
    "method nobody calls": (
        "class A:\n    def __init__(self):\n        self.k = 4\n    def f(self):\n        probe(self.k)",
        [4],
    ),
    "options of what nobody calls": (
        "def f(x=None):\n    if x is None:\n        probe(1)\n    else:\n        probe(x)\n        probe(2)",
        [1, ..., 2],
    ),
    "None dropped by a guard": (
        "y = None\nif unknown():\n    y = 3\nif y is not None:\n    probe(y)",
        [3],
    ),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_branches(name: str) -> None:
    text, expected = BRANCHES[name]
    assert probed(text) == expected


def test_a_loop_forgets_what_it_changes() -> None:
    (op,) = {op.node: op for op in probes("x = 1\nfor i in unknown():\n    x = x + 1\nprobe(x)")}.values()
    assert plain(op.args["0"]) is ...
    assert not op.args["0"].interval.is_point


def test_identity_survives_a_guard() -> None:
    first, second = probes(
        """
        def f(x):
            probe(x)
            if x > 0:
                pass
            probe(x)
        """
    )
    assert first.args["0"] is second.args["0"]


@pytest.mark.parametrize(
    "text",
    [
        "def f(x):\n    if x:\n        probe(x)",
        "def f(x):\n    if not x:\n        return\n    probe(x)",
        "def f(x):\n    if x != 0:\n        probe(x)",
        "def f(x):\n    [probe(v) for v in x if v]",
    ],
)
def test_a_guard_takes_zero_away(text: str) -> None:
    (op,) = probes("import tensorflow as tf\nw = tf.Variable(0.0)\n" + text + "\nf(w)")
    values = [witness.value for witness in op.args["0"].witnesses]
    assert values
    assert 0.0 not in values


def test_every_import_spelling_is_one_name() -> None:
    spellings = [
        "import tensorflow as tf\ntf.nn.softmax(1)",
        "import tensorflow\ntensorflow.nn.softmax(1)",
        "from tensorflow import nn\nnn.softmax(1)",
        "from tensorflow.nn import softmax as s\ns(1)",
        "import tensorflow.compat.v1 as tf\ntf.nn.softmax(1)",
        "import tensorflow as tf\ntf.compat.v1.nn.softmax(1)",
        "from tensorflow.python.ops import nn_ops\nnn_ops.softmax(1)",
    ]
    apis = {next(build(Source("x.py", text), {}).ops("softmax")).api for text in spellings}
    assert apis == {"tf.nn.softmax"}


@pytest.mark.parametrize(
    "text",
    [
        "x = 10 ** 10 ** 10",
        "x = 'a' * 10 ** 12",
        "x = [0] * 10 ** 12",
        "x = 1 << 10 ** 12",
        "def f(): return f()\nf()",
        "def f(): g()\ndef g(): f()\nf()",
        "class A(A): pass\nA().x",
        "x.y.z = 1\nx[0] = 2\nx()()",
        "a, b = 1\n(c, *d), e = 2, 3",
        "from . import nothing\nfrom .. import nothing\nimport a.b.c",
        "x: int\ndel x\nprint(x)",
        "x = " + "(" * 80 + "1" + ")" * 80,
        "x = " + "-" * 190 + "1",
        "x = " + "+".join(["a"] * 190),
        "\n".join(f"def f{i}(x): return f{i + 1}(f{i + 1}(x))" for i in range(60)) + "\nf0(1)",
        "if a:\n    pass\n" + "".join(f"elif a == {i}:\n    x = {i}\n" for i in range(190)),
        "l = []\nl.append(l)\nl.append(l)\nimport copy\ncopy.deepcopy(l)\nfor x in l:\n    x.append(l)",
        "def f(a):\n    l = [a]\n    l.append(l)\n    return l\nf(1)\nf(1)\nf(1)[1][1][0]",
        "from easydict import EasyDict\nd = {}\nd['d'] = d\nd['e'] = d\nEasyDict(d).d.d.e",
        "import copy\nl = [0] * 4096\n" + "l = [l] * 4096\n" * 8 + "copy.deepcopy(l)",
        "s = 'ab'\n" + "s = f'{s}{s}'\n" * 60 + "s = s.join([s, s])",
        "s = 'ab'\n" + "s = '{0}{0}'.format(s)\n" * 60,
        "s = '%s%s' * 2000\ns = s % ((s,) * 4000)",
        "'{:1000000000}'.format(1)\n'%1000000000d' % 1\nf'{1:1000000000}'",
        "import os\np = 'a'\n" + "p = os.path.join(p, p)\n" * 60,
        "import sys\n" + "".join(f"sys.path.append('{i}')\n" for i in range(200)) + "import a",
        "class A:\n    def __iter__(self):\n        return iter(self)\nfor x in A():\n    x",
        "class A:\n    def __getattr__(self, name):\n        return getattr(self, name + 'x')\nA().y",
        "class A:\n    def __new__(cls):\n        return A()\nA()",
        "class A:\n    def __add__(self, other):\n        return other + self\nA() + A()",
        "class A: pass\n"
        + "".join(f"class A{i}({f'A{i - 1}' if i else 'A'}): pass\n" for i in range(500))
        + "A499().x",
        "class A: pass\nclass B(A): pass\nclass C(A, B): pass\nC().x",
        "def f(n): return f(n - 1) + f(n - 2) if n > 1 else 1\nf(30)",
        "match x:\n    case 1:\n        y = 1\n    case _:\n        y = 2",
        "async def f():\n    async with a as b:\n        async for c in d:\n            await e",
    ],
)
def test_hostile_programs_end(text: str) -> None:
    graph = read(text)
    assert isinstance(graph, Graph)


def test_const_stays_out_of_the_graph() -> None:
    assert [op.name for op in read("x = 1 + 2").ops()] == []
    assert Const(1) == Const(1)


def test_what_a_conditional_expression_makes_has_its_attributes() -> None:
    graph = read(
        """
import tensorflow as tf
from settings import deep

class Config:
    def __init__(self, rate):
        self.rate = rate

config = Config(0.25) if deep else Config(0.75)
one = None if deep else Config(0.5)
tf.print(config.rate * 1.0, one.rate)
"""
    )
    (shown,) = [op for op in graph.ops("unknown_call") if op.api == "tf.print"]
    assert shown.arg("0").interval == Interval(0.25, 0.75)
    assert shown.arg("1").literal == 0.5


WORDS = """
import tensorflow as tf

class Word(dict):
    def __init__(self, mapping):
        super().__init__(mapping)

class Sentence(dict):
    def __init__(self, mapping):
        super().__init__(mapping)

word = Word({0: "X"})
sentence = Sentence({word: 3.0, "length": 1})
tf.print(sentence)
"""


def test_objects_as_keys_of_a_dict_have_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of an object is that of all it holds, its class, the scope around it and the tree of that."""
    monkeypatch.setattr(Object, "__repr__", lambda _: pytest.fail("the text of an object was asked for"))
    (probe,) = [op for op in build(Source("a.py", WORDS), {}).ops() if op.api == "tf.print"]
    (sentence,) = probe.args.values()
    assert isinstance(sentence, Object)
    assert set(sentence.attrs) == {"length"}


STARRED = """
    import tensorflow as tf

    def total(scores, *places, **options):
        probe(tf.nn.softmax(scores, *places))
        probe(tf.nn.softmax(scores, **options))
        probe(places)
        probe(dict(options))
"""


def axes(*shares: Value) -> list[Value]:
    """The axes of softmaxes."""
    return [op.arg("axis") for value in shares for op in value.producers()]


def test_what_a_star_may_give_is_not_known_where_nobody_calls() -> None:
    shares, others, places, options = (op.arg("0") for op in probes(STARRED))
    assert [type(axis) for axis in axes(shares, others)] == [Unknown, Unknown]
    assert plain(places) is ...
    assert isinstance(options, Table)
    assert not options.complete


def test_what_a_star_gives_is_known_where_it_is_called() -> None:
    found = [op.arg("0") for op in probes(STARRED + "\n    total(tf.ones([3, 1]))")]
    shares, others, places, options = found[-4:]
    assert axes(shares, others) == [NONE, NONE]
    assert plain(places) == []
    assert isinstance(options, Table)
    assert options.complete
