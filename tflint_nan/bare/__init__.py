"""Bare trees: LibCST's nodes without layout, made of what Python's own parser says.

LibCST's parser takes ten times as long as Python's, and most of what it makes is layout, at which nobody
looks who asks what a program means. Here the nodes that mean something are made, of the same classes and with
the same fields; white space, comments and parentheses are what they are by default, so what a node looks like
is asked of `places`.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

import libcst as cst

from tflint_nan.bare.nodes import make
from tflint_nan.bare.statements import Rows, Statements, piece
from tflint_nan.parse import deep_recursion

__all__ = ["Rows", "bare", "piece"]


def bare(statements: Sequence[ast.stmt], text: str) -> tuple[cst.Module, dict[cst.CSTNode, Rows]]:
    """The tree of a text, and the rows of each statement of it.

    Args:
        statements: what Python's parser makes of the text.
        text: its lines end in `\\n`.
    """
    reader = Statements(text.split("\n"))
    with deep_recursion():
        return make(cst.Module)(tuple(reader.block(statements))), reader.rows
