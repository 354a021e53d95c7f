"""The one semantic walk: Python's meaning over the LibCST tree, to a graph of ops."""

from __future__ import annotations

from tflint_nan.build.program import build
from tflint_nan.build.project import Project

__all__ = ["Project", "build"]
