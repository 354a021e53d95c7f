"""The fixes as LibCST codemods: `python -m libcst.tool codemod -x tflint_nan.codemod.LogOfSoftmax FILES`."""

from __future__ import annotations

from tflint_nan.codemod.fix import COMMANDS

__all__ = list(COMMANDS)
globals().update(COMMANDS)
