"""Arrays whose numbers stand in a program are computed as NumPy computes them, or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from tflint_nan.build import build
from tflint_nan.literals import evaluated
from tflint_nan.source import Source

GIVEN = "x = np.array([[1.0, 2.0], [3.0, 8.0], [4.0, -6.0]])"
#: Expressions that are computed.
COMPUTED = (
    "x",
    "x.mean(axis=0)",
    "x.std(axis=0)",
    "np.max(x)",
    "(x - x.mean(axis=0)) / x.std(axis=0)",
    "np.linspace(0.0, 3.0, 7) ** 2",
    "np.arange(5) * 2.0 + 1.0",
)
#: What is something else than it looks like is left alone.
LEFT = (
    "np.median(x, axis=0)",
    "np.median(x)",
    "np.average(x, axis=0, weights=[1.0, 2.0, 7.0])",
    "x.mean(axis=0, keepdims=True)",
    "x.std(axis=0, ddof=1)",
    "x.mean(axis=1)",
)


def computed(expression: str) -> tuple[float, ...] | None:
    """The numbers of an expression, in row-major order."""
    graph = build(
        Source("p.py", f"import numpy as np\nfrom lib import probe\n{GIVEN}\nprobe({expression})\n"), {}
    )
    *_, last = (op for op in graph.ops("unknown_call") if op.api == "lib.probe")
    found = evaluated(last.arg("0"), {})
    return None if found is None else found.numbers


@pytest.mark.parametrize("expression", [*COMPUTED, *LEFT])
def test_as_numpy_computes_it(expression: str) -> None:
    names = {"np": np}
    exec(GIVEN, names)
    found = computed(expression)
    assert (found is not None) == (expression in COMPUTED)
    if found is not None:
        np.testing.assert_allclose(found, np.ravel(eval(expression, names)))
