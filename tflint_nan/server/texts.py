"""What an editor has open as sources, and their places as the protocol counts them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lsprotocol import types as lsp
from pygls.uris import to_fs_path
from pygls.workspace import PositionCodec, Workspace

from tflint_nan.finding import Edit, Position, Span
from tflint_nan.source import Source


@dataclass(frozen=True, slots=True)
class Part:
    """One text of the editor: a file, or a cell of a notebook; `version` counts its changes."""

    uri: str
    version: int | None
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Text:
    """A file or notebook as it was when it was taken from the editor.

    Attributes:
        uri: the file's, or the notebook's.
        path: where it is, or will be saved.
        source: the text.
        parts: notebook cell (None for a file) -> the editor's text.
        codec: how the client counts columns: in UTF-16 units, unless it asked for others.
    """

    uri: str
    path: Path
    source: Source
    parts: dict[int | None, Part]
    codec: PositionCodec

    def range(self, span: Span, cell: int | None) -> lsp.Range:
        """A span of the text, or of one of its cells, for the client."""
        lines = self.parts[cell].lines
        return lsp.Range(self._position(span.start, lines), self._position(span.end, lines))

    def _position(self, position: Position, lines: Sequence[str]) -> lsp.Position:
        if position.row > len(lines):
            # Behind the last line: the protocol's lines end with the last line break.
            return lsp.Position(position.row - 1, 0)
        there = lsp.Position(position.row - 1, position.column - 1)
        return self.codec.position_to_client_units(lines, there)

    def position(self, cell: int | None, position: lsp.Position) -> Position:
        """The place in the text, or in one of its cells, that the client means."""
        lines = self.parts[cell].lines
        there = self.codec.position_from_client_units(lines, position)
        return Position(there.line + 1, there.character + 1)

    def cell_of(self, uri: str) -> int | None:
        """The number of the cell that the client calls `uri`; None for a file."""
        return next((cell for cell, part in self.parts.items() if part.uri == uri), None)

    def changed(self, edits: Sequence[Edit]) -> lsp.WorkspaceEdit:
        """The edits for the client; they hold for the versions of the texts that were read."""
        of_cell: dict[int | None, list[lsp.TextEdit | lsp.AnnotatedTextEdit | lsp.SnippetTextEdit]] = {}
        for edit in edits:
            change = lsp.TextEdit(self.range(edit.span, edit.cell), edit.content)
            of_cell.setdefault(edit.cell, []).append(change)
        return lsp.WorkspaceEdit(
            document_changes=[
                lsp.TextDocumentEdit(
                    lsp.OptionalVersionedTextDocumentIdentifier(
                        self.parts[cell].uri, self.parts[cell].version
                    ),
                    changes,
                )
                for cell, changes in of_cell.items()
            ]
        )

    def difference(self, after: Source) -> list[Edit]:
        """The edits, of whole lines, that make `after` of the text."""
        if not self.source.is_notebook:
            return list(_edits(self.source.text, after.text, None))
        pairs = zip(self.source.cells, after.cells, strict=True)
        return [edit for old, new in pairs for edit in _edits(old.text, new.text, old.number)]


def _edits(before: str, after: str, cell: int | None) -> Iterator[Edit]:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    end = Position(len(old), len(old[-1]) + 1) if old and not old[-1].endswith(("\n", "\r")) else None
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            last = end if b == len(old) and end is not None else Position(b + 1, 1)
            yield Edit(Span(Position(a + 1, 1), last), "".join(new[c:d]), cell)


def file_text(workspace: Workspace, uri: str) -> Text:
    """The file that the editor calls `uri`."""
    document = workspace.get_text_document(uri)
    path = _path(uri)
    part = Part(uri, document.version, document.lines)
    return Text(uri, path, Source(str(path), document.source), {None: part}, workspace.position_codec)


def unopened_text(path: Path, codec: PositionCodec) -> Text:
    """The file at an absolute path, which the editor has not open.

    Raises:
        SourceError: it cannot be read.
    """
    source = Source.read(path)
    lines = source.text.splitlines(keepends=True)
    return Text(path.as_uri(), path, source, {None: Part(path.as_uri(), None, lines)}, codec)


def notebook_text(workspace: Workspace, uri: str) -> Text:
    """The notebook that the editor calls `uri`, with its code cells as parts."""
    notebook = workspace.get_notebook_document(notebook_uri=uri)
    assert notebook is not None, "the editor has it open"
    parts: dict[int | None, Part] = {}
    cells = []
    for number, cell in enumerate(notebook.cells, 1):
        is_code = cell.kind == lsp.NotebookCellKind.Code
        text = ""
        if is_code:
            document = workspace.get_text_document(cell.document)
            text = document.source
            parts[number] = Part(cell.document, document.version, document.lines)
        cells.append({"cell_type": "code" if is_code else "markdown", "source": text})
    path = _path(uri)
    data = json.dumps({"cells": cells, "metadata": {}}).encode()
    source = Source.from_bytes(str(path.with_suffix(".ipynb")), data)
    return Text(uri, path, source, parts, workspace.position_codec)


def _path(uri: str) -> Path:
    """Where the text lies; what was never saved is looked at as if it lay in the working folder."""
    path = to_fs_path(uri) if uri.startswith("file:") else None
    return Path(path) if path else Path.cwd() / uri.rpartition("/")[2].rpartition(":")[2]
