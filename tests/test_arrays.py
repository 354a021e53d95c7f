"""What the walk knows of arrays after writes to them: CPython and NumPy run the same programs."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tflint_nan.build import build
from tflint_nan.source import Source
from tflint_nan.value import Value

HEAD = "import numpy as np\nfrom lib import probe\n"

#: Programs that write through something else than the name that they probe.
WRITTEN = {
    "two subscripts": "z = np.zeros((3, 4))\nz[0][1] = 5.0\nprobe(z)",
    "three subscripts": "z = np.zeros((3, 4, 2))\nz[0][1][1] = 5.0\nprobe(z)",
    "a mask of a row": "z = np.zeros((3, 4))\nm = np.ones((3, 4)) > 0\nz[1][np.where(m[1])] = 5.0\nprobe(z)",
    "in a loop": "z = np.zeros((3, 4))\nfor a in range(3):\n    z[a][1:] = 5.0\nprobe(z)",
    "added to": "z = np.zeros((3, 4))\nz[0][1] += 5.0\nprobe(z)",
    "added to a row": "z = np.zeros((3, 4))\nz[0] += 5.0\nprobe(z)",
    "a row filled": "z = np.zeros((3, 4))\nz[0].fill(5.0)\nprobe(z)",
    "resized": "z = np.zeros(3)\nz.resize((5, 2), refcheck=False)\nz[4] = 5.0\nprobe(z)",
    "filled": "z = np.zeros((3, 4))\nz.fill(5.0)\nprobe(z)",
    "added at": "z = np.zeros(3)\nnp.add.at(z, [0, 0], 5.0)\nprobe(z)",
    "put": "z = np.zeros(3)\nnp.put(z, [0], 5.0)\nprobe(z)",
    "copied to": "z = np.zeros(3)\nnp.copyto(z, 5.0)\nprobe(z)",
    "diagonal": "z = np.zeros((3, 3))\nnp.fill_diagonal(z, 5.0)\nprobe(z)",
    "the output of a function": "z = np.zeros(3)\nnp.add(z, 5.0, out=z)\nprobe(z)",
    "the output of a part": "z = np.zeros((3, 3))\nnp.exp(z[1], out=z[0])\nprobe(z)",
    "an alias": "z = np.zeros(3)\nw = z\nw[0] = 5.0\nprobe(z)",
    "an alias is added to": "z = np.zeros(3)\nw = z\nw += 5.0\nprobe(z)",
    "a view by name": "z = np.zeros((3, 4))\nw = z[0]\nw[1] = 5.0\nprobe(z)",
    "the view of what is written": "z = np.zeros((3, 4))\nw = z[0]\nz[0, 1] = 5.0\nprobe(w)",
    "rows": "z = np.zeros((3, 4))\nfor row in z:\n    row[1] = 5.0\nprobe(z)",
    "transposed": "z = np.zeros((3, 4))\nz.T[0] = 5.0\nprobe(z)",
    "reshaped": "z = np.zeros((3, 4))\nz.reshape(12)[0] = 5.0\nprobe(z)",
    "flat": "z = np.zeros((3, 4))\nz.flat[0] = 5.0\nprobe(z)",
    "given on as an array": "z = np.zeros(3)\nnp.asarray(z)[0] = 5.0\nprobe(z)",
    "by a function": "def f(x):\n    x[0][1] = 5.0\nz = np.zeros((3, 4))\nf(z)\nprobe(z)",
    "by a function, twice": (
        "def f(x):\n    x += 5.0\nz = np.zeros(3)\nf(z)\nw = np.ones(3)\nf(w)\nf(z)\nprobe(z, w)"
    ),
    "what a function was read with": (
        "z = np.zeros(3)\ndef f():\n    return z + 1.0\na = f()\nz[:2][0] = 5.0\nprobe(f())"
    ),
    "an attribute": (
        "class A:\n    def __init__(self):\n        self.z = np.zeros((3, 4))\n    def g(self):\n"
        "        self.z[0][1] = 5.0\na = A()\na.g()\nprobe(a.z)"
    ),
    "kept in an object": ("class A:\n    pass\nz = np.zeros(3)\na = A()\na.z = z\nz[0] = 5.0\nprobe(a.z)"),
    "kept in a list": "z = [np.zeros(3), np.zeros(3)]\nz[0][1] = 5.0\nprobe(z[0])",
    "kept in a dict": "z = {'a': np.zeros(3)}\nz['a'][1] = 5.0\nprobe(z['a'])",
    "either of two": "z = np.zeros(3)\nw = np.zeros(3)\nv = z if np.sum(w) > 9 else w\nv[0] = 5.0\nprobe(w)",
    "in one branch": "z = np.zeros(3)\nw = z\nif np.sum(z) < 9:\n    w[0] = 5.0\nprobe(z)",
    "in one branch, seen later": (
        "z = np.zeros(3)\nw = z\nif np.sum(z) < 9:\n    z[0] = 5.0\nv = w if np.sum(z) > 1 else z\nprobe(v)"
    ),
    "after a guard": "z = np.zeros(3)\nw = z\nif z.max() <= 0:\n    z[0] = 5.0\n    probe(w)",
    "nested lists": "z = [[0.0, 0.0], [0.0, 0.0]]\nz[0][1] = 5.0\nprobe(z[0][1])",
}
#: Programs in which what is probed is not what is written, and what NumPy gives for it.
KEPT = {
    "a copy": "z = np.zeros((3, 4))\nw = z.copy()\nz[0][1] = 5.0\nprobe(w)",
    "NumPy's copy": "z = np.zeros((3, 4))\nw = np.copy(z)\nw[0] = 5.0\nprobe(z)",
    "an array of an array": "z = np.zeros(3)\nw = np.array(z)\nw[0] = 5.0\nprobe(z)",
    "a sum": "z = np.zeros((3, 4))\ns = np.sum(z)\nz[0][1] = 5.0\nprobe(s)",
    "picked rows": "z = np.zeros((3, 4))\nw = z[[0, 1]]\nw[0] = 5.0\nprobe(z)",
    "picked by a mask": "z = np.zeros((3, 4))\nw = z[z < 1.0]\nw[0] = 5.0\nprobe(z)",
    "one number": "z = np.zeros(3)\ns = z[0]\nz[1] = 5.0\nprobe(s)",
    "another array": "z = np.zeros(3)\nw = np.zeros(3)\nw[:2][0] = 5.0\nprobe(z)",
    "another call's array": "def f():\n    return np.zeros(3)\nz = f()\nz[0] = 5.0\nprobe(f())",
    "a number added to": "z = np.sum(np.zeros(3))\nw = z\nw += 5.0\nprobe(z)",
    "a later turn's array": "for i in range(3):\n    z = np.zeros(3)\n    probe(z)\n    z[0] = 5.0",
}


#: Parts of an array that comes from outside: different ones are different numbers.
PARTS = {
    "either of two, as a test has it": "a, b = given[0], given[1]\nz = a if a[0] > 10 else b\nprobe(z - a)",
    "either of two, as a branch has it": "z = given[0]\nif z[0] < 10:\n    z = given[1]\nprobe(z - given[0])",
    "difference of columns": "probe(given[:, 0] - given[:, 1])",
    "quotient of rows": "probe(given[0] / given[1])",
    "product of columns": "probe(given[:, 0] * given[:, 1])",
    "of names": "a, b = given[0], given[1]\nprobe(a - b, a * b)",
    "unpacked": "a, b = given\nprobe(a - b, a / b)",
    "of attributes": "class A:\n    pass\na = A()\na.x, a.y = given[0], given[1]\nprobe(a.x - a.y)",
    "in a loop": "for row in given:\n    probe(row[0] - row[1])",
    "from the largest": "probe(given[0] - np.max(given[1]))",
}


#: Masks as numbers.
MASKS = {
    "signs": "m = given > 0\nprobe(m * 2 - 1)",
    "signs of floats": "m = given > 0\nprobe(m * 2.0 - 1.0)",
    "the others": "m = given > 0\nprobe(1 - m)",
    "either of two": "m = given > 0\nprobe(m + m)",
    "twice": "m = given > 0\nprobe(m * 2)",
}


def read(text: str) -> list[list[Value]]:
    """What the walk gives to each probe."""
    ops = build(Source("program.py", HEAD + text), {}).ops("unknown_call")
    return [list(op.args.values()) for op in ops if op.api == "lib.probe"]


def run(text: str) -> list[list[Any]]:
    """What NumPy gives to each probe."""
    seen: list[list[Any]] = []
    given = np.array([[1.0, -3.0, 0.5], [2.0, 5.0, -4.0]])
    probe = lambda *values: seen.append([np.array(value) for value in values])  # noqa: E731
    exec(text, {"np": np, "given": given, "probe": probe})
    return seen


def cases(programs: Mapping[str, str]) -> list[Any]:
    return [pytest.param(text, id=name) for name, text in programs.items()]


@pytest.mark.parametrize("text", cases(WRITTEN | KEPT))
def test_what_is_written_is_in_the_range(text: str) -> None:
    given, computed = read(text), run(text)
    assert given
    assert computed
    for values, arrays in zip(given, computed, strict=False):
        for value, array in zip(values, arrays, strict=True):
            assert value.interval.lo <= array.min()
            assert array.max() <= value.interval.hi
            if value.shape is not None:
                assert all(n in (None, m) for n, m in zip(value.shape, array.shape, strict=True))


@pytest.mark.parametrize("text", cases(PARTS | MASKS))
def test_parts_of_what_is_not_known_are_different_numbers(text: str) -> None:
    given, computed = read("def f(given):\n" + textwrap.indent(text, "    ")), run(text)
    assert given
    for values in given:
        for place, value in enumerate(values):
            numbers = [arrays[place] for arrays in computed]
            assert value.interval.lo <= min(array.min() for array in numbers)
            assert max(array.max() for array in numbers) <= value.interval.hi


@pytest.mark.parametrize("text", cases(WRITTEN))
def test_of_what_is_written_nothing_is_reached_for_sure(text: str) -> None:
    """A witness is a number that is reached, whatever was written."""
    for values, arrays in zip(read(text), run(text), strict=True):
        for value, array in zip(values, arrays, strict=True):
            assert all(witness.inputs or witness.value in array for witness in value.witnesses)


@pytest.mark.parametrize("text", cases(KEPT))
def test_the_others_are_still_known(text: str) -> None:
    for values, arrays in zip(read(text), run(text), strict=False):
        for value, array in zip(values, arrays, strict=True):
            assert (value.interval.lo, value.interval.hi) == (array.min(), array.max())


@pytest.mark.parametrize(
    "written", ["z[0] = 5.0", "for i in range(3):\n    z[i] = i", "z += 1.0\nz[0] = 2.0"]
)
def test_what_is_written_is_still_an_array_of_its_format(written: str) -> None:
    """Its methods are an array's."""
    text = f"z = np.ones(3, np.float32)\n{written}\nprobe(z, z.std())"
    ((array, spread),) = read(text)
    assert array.dtype == str(run(text)[0][0].dtype)
    assert array.shape == (3,)
    assert spread.made_by("std") is not None


def test_as_many_as_something_else_are_a_vector() -> None:
    ((array, rows),) = read("def f(x):\n    probe(np.zeros(len(x)), np.ones((len(x), 3)))\n")
    assert array.shape == (None,)
    assert rows.shape == (None, 3)
