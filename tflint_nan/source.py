"""A file as text, and the places in it."""

from __future__ import annotations

from functools import cached_property

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider, WhitespaceInclusivePositionProvider

from tflint_nan.finding import Position, Span


class Source:
    """One Python text and its tree.

    `filename` is what reports print; `text` is what the parser reads.
    """

    def __init__(self, filename: str, text: str) -> None:
        self.filename = filename
        self.text = text

    @cached_property
    def tree(self) -> cst.Module:
        """The concrete syntax tree.

        Raises:
            libcst.ParserSyntaxError: the text is not Python.
        """
        return cst.parse_module(self.text)

    @cached_property
    def _wrapper(self) -> MetadataWrapper:
        # Positions cost more than the parse: they are made only for a file that has a finding.
        return MetadataWrapper(self.tree, unsafe_skip_copy=True)

    def span(self, node: cst.CSTNode) -> Span:
        """Where `node` stands, without its own parentheses."""
        return _span(self._wrapper.resolve(PositionProvider)[node])

    def outer_span(self, node: cst.CSTNode) -> Span:
        """Where `node` stands, its own parentheses included: what a replacement replaces."""
        return _span(self._wrapper.resolve(WhitespaceInclusivePositionProvider)[node])

    def code(self, node: cst.CSTNode) -> str:
        """The text of `node`."""
        return self.tree.code_for_node(node)


def _span(range_: object) -> Span:
    start, end = range_.start, range_.end  # type: ignore[attr-defined]
    return Span(Position(start.line, start.column + 1), Position(end.line, end.column + 1))
