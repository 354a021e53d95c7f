# ruff: noqa: E501 (a text that is written to be long may be)
"""Files that are written to be slow, deep or endless: a run takes time in proportion to their length.

Time is that of the processor. The bounds are generous; what they catch is exponential or quadratic.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from lint import check, check_files

#: Seconds for any one of the texts below.
BOUND = 20.0
HEAD = "import tensorflow as tf\nimport numpy as np\nx = tf.Variable(tf.random.normal([4]))\n"
TAIL = "\nlast = tf.math.log(tf.nn.softmax(x))\n"


def rows(make: Callable[[int], str], count: int) -> str:
    return "".join(make(i) for i in range(count))


TEXTS = {
    # Two calls of the level below in every function: 2**60 paths.
    "call chain": "def f0(a):\n    return a + 1\n"
    + rows(lambda i: f"def f{i + 1}(a):\n    return f{i}(a) * f{i}(a + {i})\n", 60)
    + "y = f60(x)\n",
    "call chain with new arguments": "def g0(a, n):\n    return a + n\n"
    + rows(lambda i: f"def g{i + 1}(a, n):\n    return g{i}(a, n * 2) + g{i}(a, n * 2 + 1)\n", 60)
    + "y = g60(x, 1)\n",
    "method chain": "class C:\n    def m0(self, a):\n        return a\n"
    + rows(lambda i: f"    def m{i + 1}(self, a):\n        return self.m{i}(a) + self.m{i}(-a)\n", 40)
    + "y = C().m40(x)\n",
    "closures": rows(lambda i: f"{'    ' * i}def h{i}(a{i}):\n", 60)
    + "    " * 60
    + "return a0\n"
    + "y = h0(x)\n",
    "a log behind what is used twice again and again": "def f(a, b):\n    z = tf.sigmoid(a)\n"
    + rows(lambda _: "    z = z * z + z\n", 60)
    + "    p = tf.reshape(tf.maximum(tf.sigmoid(b) - a, 0.0), tf.shape(z))\n    return tf.math.log(p + 1e-7) * z\n",
    "lambdas": "f = lambda a: a\n"
    + rows(lambda _: "f = (lambda g: lambda a: g(g(a)))(f)\n", 60)
    + "y = f(x)\n",
    "recursion": "def down(n):\n    return 1 if n == 0 else down(n - 1) + down(n - 2)\ny = down(x)\nz = down(10**9)\n",
    "recursion without an end": "def forever(n):\n    return forever(n + 1) * forever(n + 2)\ny = forever(0)\n",
    "mutual recursion": "def ping(a, n):\n    return pong(a * 2, n + 1) + pong(a, n)\n"
    "def pong(a, n):\n    return ping(a / 2, n + 1) + ping(a, n)\ny = ping(x, 0)\n",
    "mutually recursive classes": "class A:\n    def __init__(self, n=0):\n        self.b = B(n + 1)\n        self.c = B(n + 2)\n"
    "    def __call__(self, v):\n        return self.b(v) + self.c(v)\n"
    "class B(A):\n    def __init__(self, n=0):\n        super().__init__(n)\n        self.a = A(n + 1)\n"
    "    def __call__(self, v):\n        return self.a(v) * 2\ny = A()(x)\n",
    "classes that are their own bases": "class P(Q):\n    pass\nclass Q(P):\n    pass\nclass P(Q):\n    pass\n"
    "class P(P):\n    pass\ny = P()(x)\n",
    "self in itself": "class S:\n    pass\ns = S()\ns.s = s\ns.t = [s, s.s.s.s.s]\nd = {}\nd['d'] = d\nl = []\nl.append(l)\n",
    "huge powers": "y = 10 ** 10 ** 10\nz = 9 ** 9 ** 9 ** 9\nw = 2 ** (2 ** 100)\nv = 1 << 10 ** 12\n",
    "huge repeats": "y = 'a' * 10 ** 12\nz = [0.0] * 10 ** 11\nw = (1, 2) * 2 ** 60\nv = '%1000000000d' % 1\nu = f'{1:>10000000000}'\n",
    "doubling list": "v = [x, 1.0]\n" + "v = v + v\n" * 60 + "y = tf.stack(v)\n",
    "doubling string": "v = 'ab'\n" + "v = v + v\n" * 100 + "y = v == 'a'\n",
    "doubling nest": "v = (x,)\n" + "v = (v, v)\n" * 100 + "y = tf.nest.map_structure(tf.exp, v)\n",
    "doubling product": "v = 3\n" + "v = v * v\n" * 60 + "y = x * v\n",
    "doubling tensor": "v = x\n" + "v = v + v * v\n" * 200 + "y = tf.exp(v)\n",
    "long chain of operations": "v = x\n" + rows(lambda i: f"v = tf.sigmoid(v * {i}.5 + v)\n", 1500),
    "huge range": "v = x\nfor i in range(10 ** 12):\n    v = v + i\n    for j in range(10 ** 12):\n        v = v * j\ny = tf.exp(v)\n",
    "huge comprehension": "v = [i * j for i in range(10 ** 9) for j in range(10 ** 9)]\nw = [tf.exp(x) for _ in range(10 ** 12)]\n"
    "y = sum(v)\nz = list(range(10 ** 12))\n",
    "loops in loops": rows(lambda i: f"{'    ' * i}for i{i} in range(100):\n", 15)
    + "    " * 15
    + "x = x + 1.0\n"
    + "y = tf.exp(x)\n",
    "whiles in whiles": rows(lambda i: f"{'    ' * i}while x[{i}] > {i}:\n", 15)
    + "    " * 15
    + "x = x / 2 + x * 3\n",
    "ifs in a row": rows(
        lambda i: f"if np.random.rand() > 0.5:\n    x = x + {i}\nelse:\n    x = x * {i}\n", 400
    )
    + "y = tf.exp(x)\n",
    "ifs in ifs": rows(lambda i: f"{'    ' * i}if np.random.rand() > 0.{i + 1}:\n", 18)
    + "    " * 18
    + "x = x * 2\n",
    "returns in branches": "def pick(a, k):\n"
    + rows(
        lambda i: f"    if k > {i}:\n        a = a + {i}\n        if k < {i}.5:\n            return a\n", 200
    )
    + "    return a\ny = pick(x, np.random.rand())\n",
    "elifs": "k = np.random.randint(5000)\nif k == 0:\n    y = x\n"
    + rows(lambda i: f"elif k == {i + 1}:\n    y = x * {i}.0\n", 2000)
    + "else:\n    y = -x\nz = tf.exp(y)\n",
    "wide union": rows(lambda i: f"if np.random.rand() > 0.5:\n    f = tf.keras.layers.Dense({i + 1})\n", 300)
    + "y = f(x)\n" * 20,
    "wide union of functions": rows(lambda i: f"def u{i}(a):\n    return a + {i}\n", 200)
    + "f = u0\n"
    + rows(lambda i: f"if np.random.rand() > 0.5:\n    f = u{i}\n", 200)
    + "y = x\n"
    + "y = f(y)\n" * 30,
    "one function called often": "def net(a, k=1.0):\n"
    + rows(lambda i: f"    a = tf.nn.relu(a * k + {i})\n", 50)
    + "    return a\ny = x\n"
    + rows(lambda i: f"y = net(y, {i}.0)\n", 300),
    "many tries": rows(
        lambda i: f"try:\n    x = x * {i}\nexcept ValueError:\n    x = -x\nfinally:\n    x = x + 1\n", 300
    ),
    "choices that meet again": "y = tf.exp(x)\n"
    + "if np.random.rand() > 0.5:\n    y = tf.reshape(y, [-1, 1])\nelse:\n    y = tf.identity(y)\n" * 30
    + "z = tf.abs(y)\n",
    "deep parentheses": "y = " + "(" * 150 + "x" + ")" * 150 + "\n",
    "deep calls": "y = " + "tf.exp(" * 80 + "x" + ")" * 80 + "\n",
    "deep subscripts": "y = x" + "[0]" * 150 + "\nz = x" + ".a" * 400 + "\n",
    "deep lists": "y = " + "[" * 80 + "x" + "]" * 80 + "\nz = tf.constant(y)\n",
    "long sum": "y = " + " + ".join(["x"] * 1200) + "\n",
    "long power": "y = " + " ** ".join(["2"] * 150) + "\n",
    "long comparison": "y = " + " < ".join(["x"] * 1500) + "\n",
    "long conditional": "y = " + "1.0 if x[0] > 0 else " * 90 + "2.0\n",
    "long list": "y = np.array([" + "0.5, " * 50_000 + "])\nz = tf.math.log(y)\n",
    "long dictionary": "y = {" + rows(lambda i: f"{i}: {i}.5, ", 20_000) + "}\nz = x / y[7]\n",
    "long string": "y = '" + "a" * 2_000_000 + "'\n",
    "long number": "y = " + "9" * 4000 + "\nz = x * y\nw = 1e999999\n",
    "long name": "n" * 100_000 + " = x\n",
    "many arguments": "def many("
    + rows(lambda i: f"a{i}=0.0, ", 2000)
    + "):\n    return a0\ny = many(x, "
    + "1.0, " * 1500
    + ")\n",
    "stars": "a = [x] * 3\nf = lambda *s, **k: f(*s, *s, **k, **k)\ny = f(*a, *a, **{'k': a})\ny, *z = *a, *a\n",
    "decorators": "def twice(f):\n    return lambda *a: f(f(*a))\n"
    + "@twice\n" * 60
    + "def f(a):\n    return a * 2\ny = f(x)\n",
    "names that are everything": "tf = tf.tf = np = [np]\ntf = tf[0]\ndel np\nnp.exp = lambda v: np.exp(v)\ny = np.exp(np)\n",
    "globals": "def swap():\n    global x\n    x = x + 1\n    swap()\n" + "swap()\n" * 100,
    "generators": "def gen(n):\n    while True:\n        yield n\n        yield from gen(n + 1)\nfor v in gen(x):\n    y = tf.exp(v)\n",
    "walrus": "y = " + "(x := x + 1) * " * 300 + "x\n",
    "getattr on itself": "class G:\n    def __getattr__(self, name):\n        return getattr(self, name + name)\ny = G().a(x)\n",
    "properties": "class R:\n    @property\n    def a(self):\n        return self.b + self.b\n    @property\n    def b(self):\n"
    "        return self.a + self.a\ny = R().a + x\n",
    "sequential without an end": "m = tf.keras.Sequential()\nm.add(m)\nm.add(m)\ny = m(x)\nm.compile(loss='mse')\nm.fit(x, y)\n",
    "losses added to themselves": "l = tf.reduce_sum(tf.square(x - np.load('y.npy')))\n"
    + "l = l + l\n" * 60
    + "tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(l)\n",
    "pictures mixed with themselves": "(p, _), _ = tf.keras.datasets.mnist.load_data()\n"
    + "p = 0.5 * p + p[::-1] * 0.5\n" * 60
    + "m = tf.keras.Sequential([tf.keras.layers.Flatten(), tf.keras.layers.Dense(3)])\n"
    + "m.compile('sgd', 'mse')\nm.fit(p, p)\n",
    "many layers": "m = tf.keras.Sequential()\n"
    + "m.add(tf.keras.layers.Dense(8, activation='sigmoid'))\n" * 1000
    + "y = m(x)\n",
    "more subscripts than axes": "import numpy as np\ny = np.zeros(3)[..., 0:, 1:, 2:]\n",
    "models in models": "m = tf.keras.Sequential([tf.keras.layers.Dense(3)])\n"
    + "m = tf.keras.Sequential([m, m])\n" * 50
    + "y = m(x)\n",
}


@pytest.mark.parametrize("name", TEXTS)
def test_ends_soon(name: str) -> None:
    text = HEAD + TEXTS[name] + TAIL
    start = time.process_time()
    check(text)
    assert time.process_time() - start < BOUND


#: Of these the last line is not understood: `tf` is something else by then.
SPOILED = {"names that are everything"}
#: LibCST's parser overflows its stack on these; they are refused before.
TOO_DEEP = {"elifs", "long sum"}
if sys.version_info < (3, 11):  # a call of Python is one of C there, so less is read
    TOO_DEEP |= {"deep subscripts", "walrus"}


@pytest.mark.parametrize("name", [name for name in TEXTS if name not in SPOILED])
def test_the_rest_is_still_read(name: str) -> None:
    """A bound that is hit costs what is deep, not what stands beside it."""
    text = HEAD + TEXTS[name]
    text += "\nz = tf.matmul(tf.ones([2, 4]), tf.Variable(tf.zeros([4, 3])))"
    text += "\ntf.compat.v1.train.AdamOptimizer().minimize(-tf.math.log(tf.nn.softmax(z)))\n"
    found = check(text)
    if name in TOO_DEEP:
        assert [finding.code for finding in found] == ["NAN900"]
        assert "deep" in found[0].message
    else:
        assert "NAN901" not in {finding.code for finding in found}
        rows_ = {finding.span.start.row for finding in found if finding.code == "NAN101"}
        assert text.count("\n") in rows_


LINE = {
    "statements": "v{i} = tf.nn.relu(tf.matmul(x, w) + {i}.0)\n",
    "functions": "def f{i}(a, b=1.0):\n    c = tf.nn.softmax(a)\n    return tf.reduce_mean(tf.math.log(c + 1e-7)) * b\nv{i} = f{i}(x)\n",
    "classes": "class C{i}(tf.keras.layers.Layer):\n    def __init__(self):\n        super().__init__()\n        self.d = tf.keras.layers.Dense({i} + 1)\n"
    "    def call(self, a):\n        return tf.nn.relu(self.d(a))\n",
    "reassignments": "x = x * 0.5 + tf.sigmoid(x)\n",
    "findings": "v{i} = tf.math.log(tf.nn.softmax(tf.matmul(x, w)))\n",
}


def seconds(kind: str, count: int) -> float:
    body = rows(lambda i: LINE[kind].replace("{i}", str(i)), count)
    text = HEAD + "w = tf.Variable(tf.random.normal([4, 4]))\n" + body
    gc.collect()  # what other tests left is not this text's
    start = time.process_time()
    check(text)
    return time.process_time() - start


@pytest.mark.slow
@pytest.mark.parametrize("kind", LINE)
def test_time_is_linear(kind: str) -> None:
    """Eight times the rows take less than three times eight the time."""
    seconds(kind, 10)  # imports, caches
    few, many = min(seconds(kind, 100) for _ in range(3)), min(seconds(kind, 800) for _ in range(3))
    assert many < 24 * few, f"{few:.2f} s for 100, {many:.2f} s for 800"


@pytest.mark.slow
def test_ten_thousand_rows(tmp_path: Path) -> None:
    path = tmp_path / "long.py"
    path.write_text(HEAD + rows(lambda i: f"v{i} = tf.nn.relu(x * {i}.0 + 1.0)\n", 10_000) + TAIL)
    start = time.process_time()
    check_files(path)
    assert time.process_time() - start < 60


# What Python's own parser refuses, or what takes it to its limits: through the command, with its exit status.
REFUSED = {
    "parentheses": "y = " + "(" * 5000 + "1" + ")" * 5000 + "\n",
    "unary": "y = " + "-" * 20_000 + "1\n",
    "blocks": rows(lambda i: " " * i + "if 1:\n", 200) + " " * 200 + "pass\n",
    "calls": "y = x" + "()" * 20_000 + "\n",
    "sum": "y = " + "1 + " * 50_000 + "1\n",
    "open bracket": "y = [" * 50_000,
    "zero bytes": "y = 1\0\n",
    "only a backslash": "\\",
    "elifs": "if a:\n    pass\n" + "elif a:\n    pass\n" * 20_000,
}


@pytest.mark.parametrize("name", REFUSED)
def test_too_deep_is_reported(name: str, tmp_path: Path) -> None:
    """In a process of its own: what overflows the C stack must not take the run along."""
    (tmp_path / "hostile.py").write_text("import tensorflow as tf\n" + REFUSED[name])
    (tmp_path / "innocent.py").write_text(HEAD + "last = tf.math.log(tf.nn.softmax(x))\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tflint_nan",
            "check",
            "--isolated",
            "--no-cache",
            "--output-format",
            "concise",
            ".",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "NO_COLOR": "1"},
        check=False,
    )
    assert done.returncode in (1, 2), done.stderr
    assert "NAN101" in done.stdout, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if done.returncode == 2:
        assert "hostile.py" in done.stdout
