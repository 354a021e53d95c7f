"""The walk understands Python: what reaches `probe(...)` is what Python would pass."""

from __future__ import annotations

import textwrap

import pytest

from tflint_nan.build import build
from tflint_nan.graph import Graph
from tflint_nan.source import Source
from tflint_nan.value import UNSET, Const, Items, Op, Value


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
KNOWN = {
    "arithmetic": "a = 3\nprobe(2 * a ** 2 - 7 // 2 + 1 % 3)\nprobe(-a / 2)\nprobe(not a)",
    "tuples": "a, (b, *c) = 1, (2, 3, 4)\nprobe((a, b, c))\nprobe(c[-1])\nprobe((1, 2, 3)[1:])",
    "chained targets": "a = b = [1]\nb[0] = 5\nprobe(b)",
    "augmented": "a = 1\na += 2\na *= 5\nprobe(a)",
    "dicts": "d = {'a': 1, **{'b': 2}}\nd['c'] = 3\nprobe(d['b'] + d.get('c') + d.get('z', 10))\n"
    "d.update(e=5)\nprobe(sum(d.values()))\nfor k, v in d.items():\n    probe((k, v))",
    "lists": "l = []\nl.append(1)\nl.extend([2, 3])\nl += [4]\nprobe(l)\nprobe(len(l))\nprobe(l.pop())\nprobe(l)",
    "functions": "def f(a, b=2, *args, c=3, **kw):\n    return a + b + c + sum(args) + kw.get('d', 0)\n"
    "probe(f(1))\nprobe(f(1, 5))\nprobe(f(1, 2, 3, 4, c=0, d=100))\nprobe(f(*[1, 2], **{'c': 9}))",
    "closures": "def outer(k):\n    def inner(x):\n        return x * k\n    return inner\nprobe(outer(3)(4))",
    "nonlocal": "def f():\n    n = 0\n    def g():\n        nonlocal n\n        n += 1\n    g()\n    g()\n    return n\nprobe(f())",
    "global": "n = 0\ndef f():\n    global n\n    n += 1\nf()\nf()\nprobe(n)",
    "lambda": "f = lambda x, y=2: x * y\nprobe(f(4))",
    "early return": "def f(x):\n    if x > 3:\n        return 'big'\n    return 'small'\nprobe(f(5))\nprobe(f(1))",
    "elif chain": "x = 2\nif x == 1:\n    y = 'a'\nelif x == 2:\n    y = 'b'\nelse:\n    y = 'c'\nprobe(y)",
    "loop over a list": "t = 0\nfor x in [1, 2, 3]:\n    if x == 2:\n        continue\n    t += x\nprobe(t)",
    "break": "for x in [1, 2, 3]:\n    if x == 2:\n        break\nprobe(x)",
    "enumerate and zip": "for i, (a, b) in enumerate(zip([1, 2], 'xy' and [3, 4])):\n    probe((i, a, b))",
    "comprehensions": "probe([x * x for x in range(5) if x % 2])\nprobe(sum(x for x in [1, 2, 3]))\n"
    "probe([a + b for a in [1, 2] for b in [10, 20]])\nd = {k: v for k, v in [('a', 1)]}\nprobe(d['a'])",
    "comprehension scope": "x = 1\n[x for x in [5, 6]]\nprobe(x)",
    "classes": "class A:\n    k = 2\n    def __init__(self, n):\n        self.n = n\n    def f(self, m):\n"
    "        return self.n * self.k + m\nclass B(A):\n    k = 5\n    def f(self, m):\n"
    "        return super().f(m) + 100\nprobe(A(3).f(1))\nprobe(B(3).f(1))",
    "property and friends": "class A:\n    def __init__(self):\n        self.x = 4\n    @property\n    def p(self):\n"
    "        return self.x\n    @staticmethod\n    def s(a):\n        return a\n    @classmethod\n    def c(cls, a):\n"
    "        return cls().x + a\nprobe(A().p)\nprobe(A.s(7))\nprobe(A.c(1))\nprobe(A().c(2))",
    "call method": "class A:\n    def __call__(self, x):\n        return x + 1\nprobe(A()(2))",
    "attributes that change": "class A:\n    pass\na = A()\na.x = 1\ndef f():\n    return a.x\nprobe(f())\n"
    "a.x = 2\nprobe(f())",
    "decorator": "def twice(f):\n    def g(x):\n        return 2 * f(x)\n    return g\n@twice\ndef h(x):\n"
    "    return x + 1\nprobe(h(3))",
    "cached property idiom": "def lazy(f):\n    name = '_cache_' + f.__name__\n    @property\n    def get(self):\n"
    "        if not hasattr(self, name):\n            setattr(self, name, f(self))\n        return getattr(self, name)\n"
    "    return get\nclass A:\n    @lazy\n    def x(self):\n        return 6\nprobe(A().x)",
    "walrus and conditional": "probe((y := 5) + y)\nprobe('a' if y > 3 else 'b')",
    "with": "class C:\n    def __enter__(self):\n        return 9\n    def __exit__(self, *a):\n        pass\n"
    "with C() as c:\n    probe(c)",
    "try": "try:\n    x = 1\nexcept ValueError:\n    x = 1\nelse:\n    x = 1\nfinally:\n    y = 2\nprobe(x + y)",
    "builtins": "probe(max(1, 5, 3))\nprobe(min([4, 2]))\nprobe(int(3.9))\nprobe(float('2.5'))\nprobe(abs(-3))\n"
    "probe(list(reversed([1, 2])))\nprobe(isinstance(1.0, (int, float)))\nprobe(round(2.567, 1))",
    "strings": "probe('a' + 'b')\nprobe('ab' 'cd')\nprobe('x' in 'xyz')",
    "recursion ends": "def f(n):\n    return 0 if n == 0 else f(n - 1)\nprobe(f(1))",
    "main guard": "def main():\n    probe(1)\nif __name__ == '__main__':\n    main()",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass C:\n    lr: float = 0.5\n    n: int = 2\n"
    "c = C(n=7)\nprobe((c.lr, c.n))",
    "delayed global": "def f():\n    return k\nk = 8\nprobe(f())",
    "shadowed builtin": "def max(a, b):\n    return 'mine'\nprobe(max(1, 2))",
}


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
    "None dropped by a guard": (
        "def f(x):\n    y = None\n    if x:\n        y = 3\n    if y is not None:\n        probe(y)\nf(unknown())",
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
        "x = " + "-" * 400 + "1",
        "x = " + "+".join(["a"] * 5000),
        "\n".join(f"def f{i}(x): return f{i + 1}(f{i + 1}(x))" for i in range(60)) + "\nf0(1)",
        "if a:\n    pass\n" + "".join(f"elif a == {i}:\n    x = {i}\n" for i in range(1500)),
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
