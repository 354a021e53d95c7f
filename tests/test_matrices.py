"""Eigenvalues and determinants against NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tflint_nan.matrices import gram, largest_eigenvalue, log_volume

SHAPES = [(1, 1), (1, 4), (3, 3), (20, 2), (6, 9)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rate", [0.05, 0.7, 30.0])
def test_what_a_step_does(shape: tuple[int, int], rate: float) -> None:
    rows = np.random.default_rng(sum(shape)).normal(0.5, 2.0, shape)
    hessian = 0.3 * rows.T @ rows
    found = gram([tuple(row) for row in rows.tolist()], 0.3)
    assert len(found) == min(shape)
    steepest = np.linalg.eigvalsh(hessian)[-1]
    assert largest_eigenvalue(found) == pytest.approx(steepest, rel=1e-4)
    assert largest_eigenvalue(found) <= steepest * (1 + 1e-12)
    _, logarithm = np.linalg.slogdet(np.eye(shape[1]) - rate * hessian)
    assert log_volume(found, rate) == pytest.approx(logarithm, rel=1e-9, abs=1e-9)


def test_a_step_that_ends_in_the_minimum() -> None:
    assert log_volume([(2.0,)], 0.5) < math.log(1e-290)
    assert largest_eigenvalue([(0.0, 0.0), (0.0, 0.0)]) == 0.0
