"""The walk is sound: what CPython computes lies in the interval that the walk gives.

Hypothesis writes small programs of numbers, branches and loops. CPython runs each on numbers drawn from the
ranges that the walk was told; every number that reaches a `probe`, in whatever turn of whatever loop, lies in
an interval that the walk has for this probe.
"""

from __future__ import annotations

import contextlib
import math
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tflint_nan.build import build
from tflint_nan.build.loops import MAX_DEPTH
from tflint_nan.interval import EVERYTHING, Interval
from tflint_nan.source import Source

HEAD = "import numpy as np\nfrom lib import probe\n"
#: The names of programs; each starts as an integer from -3 to 3, or as a literal.
NAMES = ("a", "b", "c", "d")
LOOPS = Path(__file__).parent / "loops.md"
#: No loop of a drawn program runs longer than this in all.
MAX_TURNS = 400


class Endless(Exception):
    """A drawn program does not end."""


def intervals(text: str) -> dict[int, list[Interval]]:
    """The ranges of what each numbered probe gets, one for each time that the walk reads it."""
    found: dict[int, list[Interval]] = {}
    for op in build(Source("program.py", HEAD + text), {}).ops("unknown_call"):
        if op.api == "lib.probe":
            place = op.arg("0").literal
            assert isinstance(place, int)
            found.setdefault(place, []).append(op.arg("1").interval)
    return found


def computed(text: str, numbers: Sequence[int]) -> list[tuple[int, float]]:
    """What CPython gives to each probe, with these numbers as the drawn ones."""
    seen: list[tuple[int, float]] = []
    rest = list(numbers)

    class Random:
        @staticmethod
        def randint(low: int, high: int) -> np.int64:
            return np.int64(rest.pop(0) % (high - low) + low if rest else low)

    class Numpy:
        random = Random

    def probe(place: int, value: float) -> None:
        seen.append((place, float(value)))
        if len(seen) > MAX_TURNS:
            raise Endless

    code = compile(textwrap.dedent(text), "program.py", "exec")
    # What was computed until then counts.
    with np.errstate(all="ignore"), contextlib.suppress(Endless, ZeroDivisionError, NameError):
        exec(code, {"probe": probe, "np": Numpy, "__name__": "__main__"})
    return seen


def assert_sound(text: str, numbers: Sequence[int]) -> None:
    ranges = intervals(text)
    for place, value in computed(text, numbers):
        slack = abs(value) * 1e-6  # numbers are float32's where nothing says otherwise
        found = ranges.get(place, [])
        assert any(i.lo - slack <= value <= i.hi + slack for i in found), (
            place,
            value,
            list(map(str, found)),
        )


PROGRAMS = dict(
    re.findall(r"^## ([^\n]+)\n\n```python\n(.*?)\n```$", LOOPS.read_text(encoding="utf-8"), re.M | re.S)
)
DRAWS = [[n] * 12 for n in range(7)] + [[0, 6, 3, 1, 5, 2, 4, 6, 0], [6, 5, 4, 3, 2, 1, 0], [3, 4, 3, 4, 2]]


@pytest.mark.parametrize("name", PROGRAMS)
def test_loops(name: str) -> None:
    for numbers in DRAWS:
        assert_sound(PROGRAMS[name], numbers)


KNOWN = {
    "a counter is not negative": (
        "n = 0\nfor i in unknown():\n    n += 1\nprobe(0, n)",
        Interval(0, math.inf),
    ),
    "what does not move stays": (
        "n = 0\nfor i in unknown():\n    n = 1\nprobe(0, n)",
        Interval(0, 1),
    ),
    "nested counters": (
        "n = 1\nfor i in unknown():\n    for j in unknown():\n        n += 1\nprobe(0, n)",
        Interval(1, math.inf),
    ),
    "a bound of the test holds inside": (
        "n = 0\nfor i in unknown():\n    if n <= 4:\n        n += 1\n        probe(0, n)",
        Interval(1, 5),
    ),
    "only the break leaves an endless loop": (
        "n = 0\nwhile True:\n    n = 2\n    if unknown():\n        break\nprobe(0, n)",
        Interval(2, 2),
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_known_after_a_loop(name: str) -> None:
    text, expected = KNOWN[name]
    found = intervals("from lib import unknown\n" + text)[0]
    hull = found[0]
    for interval in found[1:]:
        hull = hull.hull(interval)
    assert hull == expected


# ---- drawn programs

NUMBERS = st.integers(-3, 3)


@st.composite
def expressions(draw: st.DrawFn) -> str:
    name, other, number = draw(st.sampled_from(NAMES)), draw(st.sampled_from(NAMES)), draw(NUMBERS)
    return draw(
        st.sampled_from(
            [
                f"{number}",
                f"{name}",
                f"{name} + {number}",
                f"{name} - {other}",
                f"{name} + {other}",
                f"{name} * {number}",
                f"-{name}",
                f"abs({name})",
                f"max({name}, {other})",
                f"min({name}, {number})",
                f"{name} // 2",
                f"({name} if {other} > {number} else {number})",
            ]
        )
    )


@st.composite
def conditions(draw: st.DrawFn) -> str:
    name, other, number = draw(st.sampled_from(NAMES)), draw(st.sampled_from(NAMES)), draw(NUMBERS)
    sign = draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
    simple = f"{name} {sign} {draw(st.sampled_from([str(number), other]))}"
    return draw(
        st.sampled_from(
            [simple, f"not {simple}", f"{simple} and {other} > {number}", f"{simple} or {other} < {number}"]
        )
    )


@st.composite
def statements(draw: st.DrawFn, depth: int, loops: int) -> list[str]:
    kinds = ["assign", "assign", "augment", "swap", "probe", "draw"]
    if depth:
        kinds += ["if", "if", "call"]
    if depth and loops < MAX_DEPTH:
        kinds += ["for", "for", "while"]
    if loops:
        kinds += ["break", "continue"]
    name, other = draw(st.sampled_from(NAMES)), draw(st.sampled_from(NAMES))
    kind = draw(st.sampled_from(kinds))
    if kind == "assign":
        return [f"{name} = {draw(expressions())}"]
    if kind == "augment":
        return [f"{name} {draw(st.sampled_from(['+=', '-=', '*=']))} {draw(NUMBERS)}"]
    if kind == "swap":
        return [f"{name}, {other} = {other}, {draw(expressions())}"]
    if kind == "probe":
        return [f"probe(0, {name})"]
    if kind == "draw":
        return [f"{name} = np.random.randint(-3, 4)"]
    if kind in ("break", "continue"):
        return [f"if {draw(conditions())}:", f"    {name} = {draw(expressions())}", f"    {kind}"]
    if kind == "call":
        inner = draw(blocks(depth - 1, 0))
        return ["def f(a, b, c, d):", *inner, f"    return {name}", f"{other} = f(a, b, c, d)"]
    inner = draw(blocks(depth - 1, loops + (kind != "if")))
    if kind == "if":
        lines = [f"if {draw(conditions())}:", *inner]
        if draw(st.booleans()):
            lines += ["else:", *draw(blocks(depth - 1, loops))]
        return lines
    ends = draw(st.sampled_from(["", "", "else"]))
    orelse = ["else:", *draw(blocks(depth - 1, loops))] if ends else []
    inner = [f"    probe(0, {name})", *inner]  # first, so that every turn is counted
    if kind == "for":
        turns = draw(st.sampled_from(["range(3)", "range(np.random.randint(0, 5))", "(1, 2)"]))
        return [f"for {draw(st.sampled_from([*NAMES, 'i']))} in {turns}:", *inner, *orelse]
    return [f"while {draw(conditions())}:", *inner, *orelse]


@st.composite
def blocks(draw: st.DrawFn, depth: int, loops: int) -> list[str]:
    parts = draw(st.lists(statements(depth, loops), min_size=1, max_size=4))
    return ["    " + line for part in parts for line in part]


@st.composite
def programs(draw: st.DrawFn) -> str:
    starts = [f"{name} = {draw(st.sampled_from(['np.random.randint(-3, 4)', '0', '1']))}" for name in NAMES]
    body = [line[4:] for line in draw(blocks(3, 0))]
    lines = [*starts, *body, *(f"probe(0, {name})" for name in NAMES)]
    place = iter(range(len(lines)))
    return "\n".join(re.sub(r"probe\(0", lambda _: f"probe({next(place)}", line) for line in lines)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs(), st.lists(st.integers(0, 6), max_size=12))
def test_drawn_programs(text: str, numbers: list[int]) -> None:
    assert_sound(text, numbers)


def test_the_programs_are_no_trivial_ones() -> None:
    """An analysis that knows nothing would pass everything above: it is not what is tested."""
    known = [i for text in PROGRAMS.values() for found in intervals(text).values() for i in found]
    assert sum(interval != EVERYTHING for interval in known) > len(known) // 3
