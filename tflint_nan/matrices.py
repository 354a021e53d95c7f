"""Matrices of the features of samples: the Hessian that a squared error has on these, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence

Row = tuple[float, ...]

#: Iterations of the power method; each is a lower bound of the largest eigenvalue, so that few are safe, too.
_ITERATIONS = 200
#: An iteration that adds less than this is the last.
_SETTLED = 1 + 1e-9


def gram(rows: Sequence[Row], scale: float) -> list[Row]:
    """`scale * F^T F`, or `scale * F F^T` where that is smaller: the same eigenvalues but for zeros."""
    columns = list(zip(*rows, strict=True))
    vectors = rows if len(rows) < len(columns) else columns
    return [
        tuple(scale * math.fsum(a * b for a, b in zip(u, v, strict=True)) for v in vectors) for u in vectors
    ]


def largest_eigenvalue(matrix: Sequence[Row]) -> float:
    """Of a symmetric matrix without negative eigenvalues, from below: the power method."""
    vector, found = [1.0 + 1e-3 * i for i in range(len(matrix))], 0.0
    for _ in range(_ITERATIONS):
        norm = math.sqrt(math.fsum(v * v for v in vector))
        if norm == 0 or not math.isfinite(norm):
            break
        vector = [v / norm for v in vector]
        image = [math.fsum(g * v for g, v in zip(line, vector, strict=True)) for line in matrix]
        before, found = found, max(found, math.fsum(a * b for a, b in zip(image, vector, strict=True)))
        vector = image
        if found <= before * _SETTLED:
            break
    return found


def log_volume(matrix: Sequence[Row], rate: float) -> float:
    """`log |det(I - rate * matrix)|`, at least -690: Gaussian elimination with the largest pivots."""
    lines = [[(i == j) - rate * x for j, x in enumerate(row)] for i, row in enumerate(matrix)]
    found = 0.0
    while lines:
        lines.sort(key=lambda line: abs(line[0]))
        pivot = lines.pop()
        if abs(pivot[0]) < 1e-300:
            return -690.0
        found += math.log(abs(pivot[0]))
        lines = [
            [x - line[0] / pivot[0] * p for x, p in zip(line[1:], pivot[1:], strict=True)] for line in lines
        ]
    return max(found, -690.0)
