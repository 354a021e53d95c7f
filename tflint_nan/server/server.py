"""The server: texts come from the editor, diagnostics go back when the editor has been quiet for a moment."""

from __future__ import annotations

import asyncio
import logging
import math
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from tflint_nan import __version__
from tflint_nan.baseline import NAME as BASELINE
from tflint_nan.baseline import BaselineError
from tflint_nan.check import Surroundings, check_source, wanted
from tflint_nan.config import ConfigError, Configs, Overrides, Selection, check_codes
from tflint_nan.faults import START, UNREADABLE, fault
from tflint_nan.finding import Applicability, Finding, Position
from tflint_nan.fix import fix_source
from tflint_nan.garbage import collect, collect_later, keep
from tflint_nan.job import Mode
from tflint_nan.registry import rules
from tflint_nan.report.pages import page, pages
from tflint_nan.server.messages import FIX_ALL, NAME, diagnostic, quick_fixes
from tflint_nan.server.texts import Text, file_text, notebook_text, unopened_text
from tflint_nan.source import SourceError

log = logging.getLogger("tflint_nan")
#: Seconds between two keystrokes of a burst. A text is read at the first of it, and when it is over.
QUIET = 0.05
#: Bytes of stack of the thread that reads: a program nests as deep there as it does in a main thread.
_STACK = 256 * 2**20
_CODE = re.compile(r"NAN\d{3}")
#: Files whose change says something new of a text that stayed as it is.
_WATCHED = ("**/*.py", "**/pyproject.toml", "**/tflint-nan.toml", f"**/{BASELINE}")
_NOTEBOOKS = lsp.NotebookDocumentSyncOptions(
    notebook_selector=[
        lsp.NotebookDocumentFilterWithCells(cells=[lsp.NotebookCellLanguage(language="python")])
    ]
)


@dataclass(slots=True)
class _Open:
    """A file or notebook that the editor has open.

    `changes` counts what the editor said of it, the last time at `changed_at`; `text` and `findings` are what
    was read last, and `mended` the same findings with their fixes, once somebody has asked for these.
    `others` are the texts of the other files that these fixes change, by their names.
    """

    read: Callable[[], Text]
    changes: int = 0
    changed_at: float = -math.inf
    waiting: asyncio.TimerHandle | None = None
    text: Text | None = None
    findings: list[Finding] = field(default_factory=list)
    mended: list[Finding] | None = None
    others: dict[str, str] = field(default_factory=dict)
    read_at: int = -1

    @property
    def is_current(self) -> bool:
        """Whether nothing has changed since it was read."""
        return self.read_at == self.changes


class Server(LanguageServer):
    """Keeps what is open, reads it in a thread of its own, one text at a time, the latest change only."""

    def __init__(self) -> None:
        super().__init__(
            NAME,
            __version__,
            text_document_sync_kind=lsp.TextDocumentSyncKind.Incremental,
            notebook_document_sync=_NOTEBOOKS,
        )
        self._open: dict[str, _Open] = {}
        self._surroundings = Surroundings()
        self._overrides = Overrides()
        self._configs = Configs(self._overrides, Path.cwd())
        # A thread's stack is smaller than a main thread's on some systems.
        threading.stack_size(_STACK)
        self._reader = ThreadPoolExecutor(1, "reader")
        self._reader.submit(_load)
        self._tidying: asyncio.TimerHandle | None = None

    # What is open.

    def opened(self, uri: str, read: Callable[[], Text]) -> None:
        """Read a text that was opened."""
        self._open[uri] = _Open(read)
        self._soon(uri, 0.0)

    def changed(self, uri: str) -> None:
        """Read a text again: at once, or when those who type fast have stopped for a moment."""
        document = self._open.get(uri)
        if document is not None:
            now = time.monotonic()
            is_burst = now - document.changed_at < QUIET
            document.changes, document.changed_at = document.changes + 1, now
            self._soon(uri, QUIET if is_burst else 0.0)

    def closed(self, uri: str) -> None:
        """Forget a text and what was said of it."""
        document = self._open.pop(uri, None)
        if document is None:
            return
        if document.waiting is not None:
            document.waiting.cancel()
        if document.text is not None:
            for part in document.text.parts.values():
                self._publish(part.uri, None, [])

    def everything_changed(self) -> None:
        """Read all that is open again: a file that it imports, or a setting, is another one."""
        self._surroundings = Surroundings()
        self._configs = Configs(self._overrides, Path.cwd())
        for uri in self._open:
            self._soon(uri, QUIET)

    def _soon(self, uri: str, delay: float) -> None:
        document = self._open[uri]
        for timer in (document.waiting, self._tidying):
            if timer is not None:
                timer.cancel()
        loop = asyncio.get_running_loop()
        document.waiting = loop.call_later(delay, lambda: loop.create_task(self._read(uri)))

    async def _read(self, uri: str) -> None:
        document = self._open.get(uri)
        if document is not None:
            with collect_later():
                await self._tell(uri, document)
            # When nobody types.
            self._tidying = asyncio.get_running_loop().call_later(QUIET, collect)

    async def _tell(self, uri: str, document: _Open) -> None:
        """Read a text, and publish what is found in it."""
        changes = document.changes
        text = document.read()
        check = partial(self._check, document, changes, text, self._surroundings, self._configs)
        findings = await asyncio.get_running_loop().run_in_executor(self._reader, check)
        # What was typed meanwhile is read after this; a reader in a hurry sees only the last.
        if findings is None or changes != document.changes or self._open.get(uri) is not document:
            return
        gone = {part.uri for part in document.text.parts.values()} if document.text is not None else set()
        document.text, document.findings, document.read_at = text, findings, changes
        document.mended = None
        for cell, part in text.parts.items():
            shown = [diagnostic(finding, text) for finding in findings if finding.cell == cell]
            self._publish(part.uri, part.version, shown)
            gone.discard(part.uri)
        for other in gone:
            self._publish(other, None, [])

    def _check(
        self, document: _Open, changes: int, text: Text, surroundings: Surroundings, configs: Configs
    ) -> list[Finding] | None:
        """The findings of a text; None where it is not wanted any more. Runs in the reader's thread."""
        if changes != document.changes:
            return None
        try:
            config = configs.of(text.path.parent)
            known = config.known()
        except (BaselineError, ConfigError) as error:
            return [fault(UNREADABLE, text.source.filename, str(error), "nothing was checked", START)]
        if config.excludes(text.path, folder=False):
            return []
        surroundings.forget(text.path)
        if document.text is not None:
            text.source.follow(document.text.source)
        settings = replace(config.settings(text.path), fixes=False)
        return list(check_source(text.source, settings, Mode(), surroundings).without(known).findings)

    def _publish(self, uri: str, version: int | None, shown: list[lsp.Diagnostic]) -> None:
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, shown, version))

    # What the editor asks.

    def of(self, uri: str) -> tuple[_Open, Text, int | None] | None:
        """What is open that `uri` is (or is a cell of), as it was read last, and the cell."""
        for document in self._open.values():
            if document.text is not None and uri in {part.uri for part in document.text.parts.values()}:
                return document, document.text, document.text.cell_of(uri)
        return None

    async def mended(self, document: _Open, text: Text) -> list[Finding]:
        """The findings of a text with their fixes, which nobody waits for while he types."""
        if document.mended is None:
            surroundings, configs = self._surroundings, self._configs

            def mend() -> tuple[list[Finding], dict[str, str]]:
                try:
                    config = configs.of(text.path.parent)
                    known = config.known()
                except (BaselineError, ConfigError):
                    return [], {}  # said by the diagnostics
                across = replace(config.settings(text.path), across=True)
                result = check_source(text.source, across, Mode(), surroundings)
                found = list(result.without(known).findings)
                names = {name for finding in found if finding.fix is not None for name in finding.fix.others}
                project = surroundings.project
                sources = {name: project.source(surroundings.disk.absolute(name)) for name in names}
                return found, {name: source.text for name, source in sources.items() if source is not None}

            made = await asyncio.get_running_loop().run_in_executor(self._reader, mend)
            document.mended, document.others = made
        return document.mended

    def others(self, document: _Open) -> dict[str, Text]:
        """The other files that fixes of a text change, by name, without those that have changed since then.

        There are none while something else is not saved: it may be using what such a fix changes.
        """
        opened = {other.text.path: other for other in self._open.values() if other.text is not None}
        found: dict[str, Text] = {}
        codec = self.workspace.position_codec
        try:
            for path, other in opened.items():
                saved = (
                    other is document or unopened_text(path, codec).source.text == other.read().source.text
                )
                if not saved:
                    return {}
            for name, then in document.others.items():
                path = Path(name).absolute()
                known = opened.get(path)
                text = unopened_text(path, codec) if known is None else known.read()
                if text.source.text == then:
                    found[name] = text
        except SourceError:
            return {}
        return found

    async def fixed(self, uri: str) -> lsp.WorkspaceEdit | None:
        """What all safe fixes change."""
        found = self.of(uri)
        if found is None or not found[0].is_current:
            return None
        _, text, _ = found
        surroundings, configs = self._surroundings, self._configs

        def fix() -> lsp.WorkspaceEdit | None:
            try:
                config = configs.of(text.path.parent)
                settings, mode = config.settings(text.path), Mode(fix=True, baseline=config.known())
                check = partial(wanted, settings=settings, mode=mode, project=surroundings.project)
                result = fix_source(text.source, check, False)
            except (BaselineError, ConfigError, SourceError):
                return None  # said by the diagnostics
            edits = text.difference(result.source)
            return text.changed(edits) if edits else None

        return await asyncio.get_running_loop().run_in_executor(self._reader, fix)

    def configure(self, given: object) -> None:
        """Take over the editor's settings: what the command line says, under the same names."""
        table = given.get(NAME, given) if isinstance(given, dict) else None
        try:
            self._overrides = overrides(table if isinstance(table, dict) else {})
        except ConfigError as error:
            self.window_show_message(
                lsp.ShowMessageParams(lsp.MessageType.Error, f"{NAME}: in the editor's settings: {error}")
            )


def overrides(table: dict[str, Any]) -> Overrides:
    """The editor's settings, `select`, `extend-select`, `ignore`, `strict` and `config`, camel case as well.

    Raises:
        ConfigError: a key or a value is not known.
    """
    values = {re.sub(r"[A-Z]", lambda m: "-" + m[0].lower(), key): value for key, value in table.items()}
    known = {"select", "extend-select", "ignore", "strict", "config"}
    for key in values:
        if key not in known:
            raise ConfigError(f"unknown key {key!r}; valid are {', '.join(sorted(known))}")

    def codes(key: str) -> tuple[str, ...]:
        listed = values.get(key) or []
        if not isinstance(listed, list) or not all(isinstance(code, str) for code in listed):
            raise ConfigError(f"{key!r} must be an array of strings")
        return check_codes(listed)

    selection = Selection(
        codes("select") if values.get("select") is not None else None, codes("extend-select"), codes("ignore")
    )
    file = values.get("config")
    return Overrides(
        file=Path(file) if isinstance(file, str) and file else None,
        selection=selection,
        strict=bool(values.get("strict")),
    )


def make() -> Server:
    """The server with its features."""
    server = Server()

    @server.feature(lsp.INITIALIZE)
    def initialize(params: lsp.InitializeParams) -> None:
        server.configure(params.initialization_options or {})
        server.everything_changed()

    @server.feature(lsp.INITIALIZED)
    async def initialized(params: lsp.InitializedParams) -> None:
        workspace = server.client_capabilities.workspace
        watch = workspace.did_change_watched_files if workspace is not None else None
        if watch is None or not watch.dynamic_registration:
            return
        options = lsp.DidChangeWatchedFilesRegistrationOptions(
            [lsp.FileSystemWatcher(pattern) for pattern in _WATCHED]
        )
        await server.client_register_capability_async(
            lsp.RegistrationParams(
                [lsp.Registration("watch", lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)]
            )
        )

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    async def did_open(params: lsp.DidOpenTextDocumentParams) -> None:
        uri = params.text_document.uri
        server.opened(uri, lambda: file_text(server.workspace, uri))

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    async def did_change(params: lsp.DidChangeTextDocumentParams) -> None:
        server.changed(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    async def did_close(params: lsp.DidCloseTextDocumentParams) -> None:
        server.closed(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    async def did_save(params: lsp.DidSaveTextDocumentParams) -> None:
        server.everything_changed()

    @server.feature(lsp.NOTEBOOK_DOCUMENT_DID_OPEN)
    async def notebook_did_open(params: lsp.DidOpenNotebookDocumentParams) -> None:
        uri = params.notebook_document.uri
        server.opened(uri, lambda: notebook_text(server.workspace, uri))

    @server.feature(lsp.NOTEBOOK_DOCUMENT_DID_CHANGE)
    async def notebook_did_change(params: lsp.DidChangeNotebookDocumentParams) -> None:
        server.changed(params.notebook_document.uri)

    @server.feature(lsp.NOTEBOOK_DOCUMENT_DID_CLOSE)
    async def notebook_did_close(params: lsp.DidCloseNotebookDocumentParams) -> None:
        server.closed(params.notebook_document.uri)

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    async def watched(params: lsp.DidChangeWatchedFilesParams) -> None:
        server.everything_changed()

    @server.feature(lsp.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def configuration(params: lsp.DidChangeConfigurationParams) -> None:
        server.configure(params.settings or {})
        server.everything_changed()

    @server.feature(
        lsp.TEXT_DOCUMENT_CODE_ACTION,
        lsp.CodeActionOptions([lsp.CodeActionKind.QuickFix, FIX_ALL], resolve_provider=True),
    )
    async def code_action(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        uri = params.text_document.uri
        found = server.of(uri)
        if found is None or not found[0].is_current:
            return []
        document, text, cell = found
        if not document.findings:
            return []
        findings = await server.mended(document, text)
        actions: list[lsp.CodeAction] = []
        others = server.others(document) if document.others else {}
        if _wanted(params.context.only, lsp.CodeActionKind.QuickFix):
            for finding in findings:
                if finding.cell == cell and _touch(text.range(finding.span, cell), params.range):
                    actions += quick_fixes(finding, text, others)
        safe = any(
            finding.fix and not finding.fix.others and finding.fix.applicability is Applicability.SAFE
            for finding in findings
        )
        if safe and _wanted(params.context.only, FIX_ALL):
            action = lsp.CodeAction("Fix all that tflint-nan can fix safely", kind=FIX_ALL, data=uri)
            if not _resolves(server.client_capabilities):
                action.edit = await server.fixed(uri)
            if action.edit is not None or _resolves(server.client_capabilities):
                actions.append(action)
        return actions

    @server.feature(lsp.CODE_ACTION_RESOLVE)
    async def resolve(action: lsp.CodeAction) -> lsp.CodeAction:
        if action.edit is None and isinstance(action.data, str):
            action.edit = await server.fixed(action.data)
        return action

    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def hover(params: lsp.HoverParams) -> lsp.Hover | None:
        found = server.of(params.text_document.uri)
        if found is None:
            return None
        document, text, cell = found
        here = text.position(cell, params.position)
        codes = [f.code for f in document.findings if f.cell == cell and f.span.start <= here < f.span.end]
        codes += _codes_at(text, cell, here)
        shown = [rule for rule in pages() if rule.code in codes]
        if not shown:
            return None
        content = "\n\n---\n\n".join(page(rule, "text") for rule in shown)
        return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, content))

    return server


def _codes_at(text: Text, cell: int | None, here: Position) -> list[str]:
    """A code that is written at the place, in a `noqa` comment."""
    lines = text.parts[cell].lines
    line = lines[here.row - 1] if here.row <= len(lines) else ""
    return [match[0] for match in _CODE.finditer(line) if match.start() < here.column <= match.end()]


def _wanted(only: Any, kind: str) -> bool:
    """Whether the client asks for this kind of action, or for a kind that it is one of."""
    return not only or any(
        _word(kind) == asked or _word(kind).startswith(f"{asked}.") for asked in map(_word, only)
    )


def _word(kind: lsp.CodeActionKind | str) -> str:
    return kind.value if isinstance(kind, lsp.CodeActionKind) else kind


def _resolves(capabilities: lsp.ClientCapabilities) -> bool:
    """Whether the client asks for an action's edit when it is chosen."""
    document = capabilities.text_document
    action = document.code_action if document is not None else None
    support = action.resolve_support if action is not None else None
    return support is not None and "edit" in support.properties


def _touch(a: lsp.Range, b: lsp.Range) -> bool:
    return (a.start.line, a.start.character) <= (b.end.line, b.end.character) and (
        b.start.line,
        b.start.character,
    ) <= (a.end.line, a.end.character)


def _load() -> None:
    """Load what every check needs, before the first."""
    rules()
    keep()


def serve() -> None:
    """Talk with an editor over standard input and output, until it says goodbye."""
    make().start_io()
