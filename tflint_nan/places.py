"""Where the nodes of a tree stand, and what holds them: one pass for all that LibCST makes three of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import libcst as cst
from libcst.metadata import CodePosition, CodeRange
from libcst.metadata.position_provider import PositionProvidingCodegenState


class Places:
    """The places of a tree.

    Attributes:
        parents: node -> the node that holds it.
        inner: node -> where it stands without its own parentheses and the space around it.
        outer: node -> where it stands with them.
    """

    def __init__(self, tree: cst.Module) -> None:
        self.parents: dict[cst.CSTNode, cst.CSTNode] = {}
        self.inner: dict[cst.CSTNode, CodeRange] = {}
        self.outer: dict[cst.CSTNode, CodeRange] = {}
        # Of a provider, LibCST's state wants the places that were found.
        provider: Any = SimpleNamespace(_computed=self.inner)
        state = _State(tree.default_indent, tree.default_newline, provider)
        state.begin(self)
        tree._codegen(state)


class _State(PositionProvidingCodegenState):
    """Follows LibCST while it writes the tree out, and takes note of more than it does itself."""

    def begin(self, places: Places) -> None:
        self._parents, self._inner, self._outer = places.parents, places.inner, places.outer
        self._open: list[tuple[cst.CSTNode, CodePosition]] = []

    def add_token(self, value: str) -> None:
        if "\n" in value:
            self._update_position(value)
        else:
            self.column += len(value)

    def add_indent_tokens(self) -> None:
        self.column += sum(map(len, self.indent_tokens))

    def pop_trailing_newline(self) -> None:
        """Nothing is written, so there is nothing to take back."""

    def before_codegen(self, node: cst.CSTNode) -> None:
        if self._open:
            self._parents[node] = self._open[-1][0]
        self._open.append((node, CodePosition(self.line, self.column)))

    def after_codegen(self, node: cst.CSTNode) -> None:
        _, start = self._open.pop()
        place = self._outer[node] = CodeRange(start, CodePosition(self.line, self.column))
        self._inner.setdefault(node, place)
