"""The language server, over standard input and output, asked by another project's client."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_lsp
from lint import command
from lint import fix as fix_text
from lsprotocol import types as lsp
from pygls.workspace import PositionCodec
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

from tflint_nan.server.server import Server
from tflint_nan.server.texts import Part, Text
from tflint_nan.source import Source

BUG = """\
import tensorflow as tf

w = tf.Variable(tf.random.normal([4, 3]))
def loss(x, y):
    logits = tf.matmul(x, w)
    p = tf.nn.softmax(logits)
    return -tf.reduce_mean(y * tf.math.log(p))
"""
#: Longer than any answer takes here.
PATIENCE = 30


@pytest_lsp.fixture(
    config=ClientServerConfig(server_command=[sys.executable, "-m", "tflint_nan", "server"]),
)
async def client(lsp_client: LanguageClient, tmp_path: Path) -> AsyncIterator[None]:
    watched: list[str] = []

    @lsp_client.feature(lsp.CLIENT_REGISTER_CAPABILITY)
    def register(client: LanguageClient, params: lsp.RegistrationParams) -> None:
        for registration in params.registrations:
            assert registration.method == lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES
            watchers = registration.register_options["watchers"]  # type: ignore[index]
            watched.extend(watcher["globPattern"] for watcher in watchers)

    capabilities = client_capabilities("visual-studio-code")
    await lsp_client.initialize_session(
        lsp.InitializeParams(
            capabilities=capabilities,
            workspace_folders=[lsp.WorkspaceFolder(tmp_path.as_uri(), "project")],
        )
    )
    yield
    await lsp_client.shutdown_session()
    assert watched == ["**/*.py", "**/pyproject.toml", "**/tflint-nan.toml", "**/tflint-nan-baseline.json"]


def opened(client: LanguageClient, path: Path, text: str) -> str:
    uri = path.as_uri()
    client.text_document_did_open(lsp.DidOpenTextDocumentParams(lsp.TextDocumentItem(uri, "python", 1, text)))
    return uri


def changed(client: LanguageClient, uri: str, version: int, text: str) -> None:
    client.text_document_did_change(
        lsp.DidChangeTextDocumentParams(
            lsp.VersionedTextDocumentIdentifier(version, uri),
            [lsp.TextDocumentContentChangeWholeDocument(text)],
        )
    )


async def told(client: LanguageClient, uri: str, *codes: str) -> list[lsp.Diagnostic]:
    """The diagnostics of a text once they are these."""
    until = time.monotonic() + PATIENCE
    while True:
        shown = client.diagnostics.get(uri)
        if shown is not None and [diagnostic.code for diagnostic in shown] == list(codes):
            return list(shown)
        assert time.monotonic() < until, f"{uri}: {shown}"
        await asyncio.sleep(0.02)


def applied(text: str, edits: list[lsp.TextEdit]) -> str:
    """The text with the edits, whose columns are UTF-16 units."""
    lines = text.splitlines(keepends=True)

    def offset(position: lsp.Position) -> int:
        before = "".join(lines[: position.line])
        if position.line >= len(lines):
            return len(text)
        units = lines[position.line].encode("utf-16-le")[: 2 * position.character]
        return len(before) + len(units.decode("utf-16-le"))

    for edit in sorted(edits, key=lambda e: (e.range.start.line, e.range.start.character), reverse=True):
        text = text[: offset(edit.range.start)] + edit.new_text + text[offset(edit.range.end) :]
    return text


async def actions(
    client: LanguageClient, uri: str, where: lsp.Range, only: list[str] | None = None
) -> list[lsp.CodeAction]:
    found = await client.text_document_code_action_async(
        lsp.CodeActionParams(lsp.TextDocumentIdentifier(uri), where, lsp.CodeActionContext([], only=only))
    )
    return [action for action in found or [] if isinstance(action, lsp.CodeAction)]


def edits_of(edit: lsp.WorkspaceEdit | None, uri: str) -> list[Any]:
    assert edit is not None
    assert edit.document_changes is not None
    return [
        change
        for document in edit.document_changes
        if isinstance(document, lsp.TextDocumentEdit) and document.text_document.uri == uri
        for change in document.edits
    ]


@pytest.mark.asyncio
async def test_a_text_is_read_when_it_is_opened_and_changed(client: LanguageClient, tmp_path: Path) -> None:
    uri = opened(client, tmp_path / "a.py", BUG)
    (shown,) = await told(client, uri, "NAN101")
    assert shown.range == lsp.Range(lsp.Position(6, 31), lsp.Position(6, 45))
    assert shown.severity is lsp.DiagnosticSeverity.Error
    assert shown.source == "tflint-nan"
    assert shown.code_description is not None
    assert shown.code_description.href.endswith("/docs/rules/log-of-softmax.md")
    assert "witness: " in shown.message
    assert [step.message for step in shown.related_information or []][-1] == "log = -inf"
    changed(client, uri, 2, BUG.replace("tf.math.log(p)", "tf.nn.log_softmax(logits)"))
    assert await told(client, uri) == []
    changed(client, uri, 3, BUG)
    await told(client, uri, "NAN101")
    changed(client, uri, 4, BUG + "x = (\n")
    await told(client, uri, "NAN900")
    client.text_document_did_close(lsp.DidCloseTextDocumentParams(lsp.TextDocumentIdentifier(uri)))
    await told(client, uri)


class _Heard(dict[str, Any]):
    """What the server said last of each text, and how often it said something."""

    count = 0

    def __setitem__(self, key: str, value: Any) -> None:
        self.count += 1
        super().__setitem__(key, value)


@pytest.mark.asyncio
async def test_only_the_last_of_many_changes_is_told(client: LanguageClient, tmp_path: Path) -> None:
    uri = opened(client, tmp_path / "a.py", BUG)
    await told(client, uri, "NAN101")
    client.diagnostics = heard = _Heard(client.diagnostics)
    for version in range(2, 42):
        changed(client, uri, version, BUG + "#" * version)
    changed(client, uri, 42, "import tensorflow as tf\n")
    await told(client, uri)
    await asyncio.sleep(0.3)
    assert heard.count <= 3, "each keystroke is answered"
    assert list(heard[uri]) == []


@pytest.mark.asyncio
async def test_garbage_is_looked_for_when_nobody_types(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each time an answer has been given, and not while somebody waits for one."""
    path = tmp_path / "a.py"
    said: list[str] = []
    tidied = asyncio.Event()

    def collect() -> None:
        said.append("collected")
        tidied.set()

    monkeypatch.setattr("tflint_nan.server.server.collect", collect)
    monkeypatch.setattr("tflint_nan.server.server.keep", lambda: None)
    monkeypatch.setattr("threading.stack_size", lambda _: None)
    server = Server()
    monkeypatch.setattr(server, "_publish", lambda *_: said.append("told"))
    parts = {None: Part(path.as_uri(), 1, BUG.splitlines(keepends=True))}
    server.opened(
        path.as_uri(), lambda: Text(path.as_uri(), path, Source("a.py", BUG), parts, PositionCodec())
    )
    await asyncio.wait_for(tidied.wait(), PATIENCE)
    for _ in range(3):
        server.changed(path.as_uri())
    tidied.clear()
    await asyncio.wait_for(tidied.wait(), PATIENCE)
    assert said == ["told", "collected", "told", "collected"]


@pytest.mark.asyncio
async def test_quick_fixes(client: LanguageClient, tmp_path: Path) -> None:
    text = "# \N{PILE OF POO} café\n" + BUG.replace("-tf.reduce_mean(y", "-tf.reduce_mean('😀' and y")
    uri = opened(client, tmp_path / "a.py", text)
    (shown,) = await told(client, uri, "NAN101")
    fix, silence = await actions(client, uri, shown.range, ["quickfix"])
    assert fix.is_preferred
    assert list(fix.diagnostics or []) == [shown]
    after = applied(text, edits_of(fix.edit, uri))
    assert after == fix_text(text, unsafe=False) != text
    assert "Silence NAN101" in silence.title
    silenced = applied(text, edits_of(silence.edit, uri))
    assert silenced == text.replace("log(p))", "log(p))  # noqa: NAN101")
    changed(client, uri, 2, silenced)
    await told(client, uri)
    changed(client, uri, 3, after)
    await told(client, uri)
    # Nothing is offered elsewhere.
    assert await actions(client, uri, lsp.Range(lsp.Position(0, 0), lsp.Position(0, 1)), ["quickfix"]) == []


@pytest.mark.asyncio
async def test_fix_all(client: LanguageClient, tmp_path: Path) -> None:
    text = BUG + BUG.partition("def")[1] + BUG.partition("def")[2].replace("loss", "other")
    uri = opened(client, tmp_path / "a.py", text)
    await told(client, uri, "NAN101", "NAN101")
    nowhere = lsp.Range(lsp.Position(0, 0), lsp.Position(0, 0))
    (action,) = await actions(client, uri, nowhere, ["source.fixAll"])
    assert action.kind == "source.fixAll.tflint-nan"
    if action.edit is None:
        action = await client.code_action_resolve_async(action)
    after = applied(text, edits_of(action.edit, uri))
    assert "tf.math.log" not in after
    changed(client, uri, 2, after)
    await told(client, uri)
    assert await actions(client, uri, nowhere, ["source.fixAll"]) == []
    assert await actions(client, uri, nowhere, ["source.organizeImports"]) == []


NET = """\
import tensorflow as tf
def net(x):
    return tf.nn.softmax(tf.matmul(x, x))
"""
TRAIN = """\
import tensorflow as tf
from model import net
def loss(x, y):
    return -tf.reduce_sum(y * tf.math.log(net(x)))
"""


@pytest.mark.asyncio
async def test_the_baseline_of_the_configuration(
    client: LanguageClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known is neither shown nor fixed, and what is known is read again when it is written anew."""
    monkeypatch.chdir(tmp_path)
    more = "def more(x):\n    return tf.math.log(tf.nn.softmax(tf.matmul(x, w)))\n"
    mended = "def more(x):\n    return tf.nn.log_softmax(tf.matmul(x, w))\n"
    second = BUG + more
    path = tmp_path / "a.py"
    path.write_text(BUG)
    (tmp_path / "tflint-nan.toml").write_text('baseline = "known.json"\n')
    assert command("baseline").status == 0
    uri = opened(client, path, BUG)
    await told(client, uri)
    changed(client, uri, 2, second)
    (shown,) = await told(client, uri, "NAN101")
    assert shown.range.start.line == 8
    (fix,) = await actions(client, uri, shown.range, ["source.fixAll"])
    fix = await client.code_action_resolve_async(fix)
    assert applied(second, edits_of(fix.edit, uri)) == BUG + mended
    (tmp_path / "known.json").write_text('{"version": 1, "findings": []}')
    changed(client, uri, 3, second)
    await told(client, uri, "NAN101", "NAN101")
    (tmp_path / "known.json").write_text("{")
    changed(client, uri, 4, second)
    (shown,) = await told(client, uri, "NAN900")
    assert "known.json: not JSON" in shown.message


@pytest.mark.asyncio
@pytest.mark.parametrize("is_open", [False, True])
async def test_a_quick_fix_of_several_files(client: LanguageClient, tmp_path: Path, is_open: bool) -> None:
    model, train = tmp_path / "model.py", tmp_path / "train.py"
    model.write_text(NET)
    train.write_text(TRAIN)
    if is_open:
        await told(client, opened(client, model, NET))
    uri = opened(client, train, TRAIN)
    (shown,) = await told(client, uri, "NAN101")
    fix, _ = await actions(client, uri, shown.range, ["quickfix"])
    assert fix.edit is not None
    assert fix.edit.document_changes is not None
    versions = {
        change.text_document.uri: change.text_document.version for change in fix.edit.document_changes
    }  # type: ignore[union-attr]
    assert versions == {uri: 1, model.as_uri(): 1 if is_open else None}
    assert applied(TRAIN, edits_of(fix.edit, uri)) == TRAIN.replace(
        "math.log(net(x))", "nn.log_softmax(net(x))"
    )
    after = applied(NET, edits_of(fix.edit, model.as_uri()))
    assert after == NET.replace("tf.nn.softmax(tf.matmul(x, x))", "tf.matmul(x, x)")
    # It is none that can be made without a look at them.
    assert await actions(client, uri, shown.range, ["source.fixAll"]) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("other", ["model.py", "new.py"])
async def test_no_fix_of_several_files_while_one_is_not_saved(
    client: LanguageClient, tmp_path: Path, other: str
) -> None:
    model, train = tmp_path / "model.py", tmp_path / "train.py"
    model.write_text(NET)
    train.write_text(TRAIN)
    uri = opened(client, train, TRAIN)
    (shown,) = await told(client, uri, "NAN101")
    assert len(await actions(client, uri, shown.range, ["quickfix"])) == 2
    use = "from model import net\nprint(net(1))\n"
    await told(client, opened(client, tmp_path / other, NET + "# typed\n" if other == "model.py" else use))
    (silence,) = await actions(client, uri, shown.range, ["quickfix"])
    assert "Silence" in silence.title


@pytest.mark.asyncio
async def test_no_fix_of_a_file_that_was_saved_since(client: LanguageClient, tmp_path: Path) -> None:
    model, train = tmp_path / "model.py", tmp_path / "train.py"
    model.write_text(NET)
    train.write_text(TRAIN)
    uri = opened(client, train, TRAIN)
    (shown,) = await told(client, uri, "NAN101")
    assert len(await actions(client, uri, shown.range, ["quickfix"])) == 2
    model.write_text("# Saved elsewhere.\n" + NET)
    (silence,) = await actions(client, uri, shown.range, ["quickfix"])
    assert "Silence" in silence.title


@pytest.mark.asyncio
async def test_hover_shows_the_page(client: LanguageClient, tmp_path: Path) -> None:
    uri = opened(client, tmp_path / "a.py", BUG + "x = 1  # noqa: NAN301\n")
    await told(client, uri, "NAN101")

    async def page_at(line: int, character: int) -> str:
        found = await client.text_document_hover_async(
            lsp.HoverParams(lsp.TextDocumentIdentifier(uri), lsp.Position(line, character))
        )
        return "" if found is None else found.contents.value  # type: ignore[union-attr]

    assert "NAN101 log-of-softmax" in await page_at(6, 35)
    assert "NAN301 missing-normalization" in await page_at(7, 17)
    assert await page_at(0, 0) == ""


@pytest.mark.asyncio
async def test_unsaved_texts_of_imported_files_count(client: LanguageClient, tmp_path: Path) -> None:
    (tmp_path / "guard.py").write_text("def keep(p):\n    return p\n")
    text = BUG.replace("import tensorflow as tf\n", "import tensorflow as tf\nfrom guard import keep\n")
    text = text.replace("log(p)", "log(keep(p))")
    uri = opened(client, tmp_path / "a.py", text)
    await told(client, uri, "NAN101")
    guard = opened(client, tmp_path / "guard.py", "def keep(p):\n    return p\n")
    await told(client, guard)
    changed(client, guard, 2, "import tensorflow as tf\ndef keep(p):\n    return tf.maximum(p, 1e-7)\n")
    await asyncio.sleep(0.3)
    changed(client, uri, 2, text + "\n")
    await told(client, uri)


@pytest.mark.asyncio
async def test_settings_of_the_editor_and_of_the_project(client: LanguageClient, tmp_path: Path) -> None:
    uri = opened(client, tmp_path / "a.py", BUG)
    await told(client, uri, "NAN101")
    client.workspace_did_change_configuration(
        lsp.DidChangeConfigurationParams({"tflint-nan": {"ignore": ["NAN101"]}})
    )
    await told(client, uri)
    client.workspace_did_change_configuration(lsp.DidChangeConfigurationParams({"tflint-nan": {}}))
    await told(client, uri, "NAN101")
    config = tmp_path / "pyproject.toml"
    config.write_text('[tool.tflint-nan]\nignore = ["NAN1"]\n')
    event = lsp.FileEvent(config.as_uri(), lsp.FileChangeType.Created)
    client.workspace_did_change_watched_files(lsp.DidChangeWatchedFilesParams([event]))
    await told(client, uri)
    config.write_text("[tool.tflint-nan]\nignored = 1\n")
    client.workspace_did_change_watched_files(lsp.DidChangeWatchedFilesParams([event]))
    (shown,) = await told(client, uri, "NAN900")
    assert "unknown key 'ignored'" in shown.message
    client.workspace_did_change_configuration(
        lsp.DidChangeConfigurationParams({"tflint-nan": {"selects": []}})
    )
    until = time.monotonic() + PATIENCE
    while not any("selects" in message.message for message in client.messages):
        assert time.monotonic() < until
        await asyncio.sleep(0.02)


@pytest.mark.asyncio
async def test_excluded_files_and_many_roots(client: LanguageClient, tmp_path: Path) -> None:
    for root, line in (("one", 'extend-exclude = ["old/"]\n'), ("two", 'ignore = ["NAN101"]\n')):
        (tmp_path / root / "old").mkdir(parents=True)
        (tmp_path / root / "tflint-nan.toml").write_text(line)
    excluded = opened(client, tmp_path / "one" / "old" / "a.py", BUG)
    ignored = opened(client, tmp_path / "two" / "a.py", BUG)
    found = opened(client, tmp_path / "one" / "a.py", BUG)
    await told(client, found, "NAN101")
    await told(client, excluded)
    await told(client, ignored)


@pytest.mark.asyncio
async def test_a_text_that_was_never_saved(client: LanguageClient) -> None:
    uri = "untitled:Untitled-1"
    client.text_document_did_open(lsp.DidOpenTextDocumentParams(lsp.TextDocumentItem(uri, "python", 1, BUG)))
    await told(client, uri, "NAN101")


@pytest.mark.asyncio
async def test_notebooks(client: LanguageClient, tmp_path: Path) -> None:
    texts = ["import tensorflow as tf\n%matplotlib inline\nw = tf.Variable(tf.ones([4, 3]))", "# Notes", ""]
    texts += ["logits = tf.matmul(tf.ones([2, 4]), w)\np = tf.nn.softmax(logits)", "loss = tf.math.log(p)"]
    kinds = [lsp.NotebookCellKind.Code] * 5
    kinds[1] = lsp.NotebookCellKind.Markup
    path = tmp_path / "n.ipynb"
    uris = [f"vscode-notebook-cell:{path}#{number}" for number in range(5)]
    client.notebook_document_did_open(
        lsp.DidOpenNotebookDocumentParams(
            lsp.NotebookDocument(
                path.as_uri(),
                "jupyter-notebook",
                1,
                [lsp.NotebookCell(kind, uri) for kind, uri in zip(kinds, uris, strict=True)],
            ),
            [
                lsp.TextDocumentItem(uri, "python", 1, text)
                for uri, text, kind in zip(uris, texts, kinds, strict=True)
                if kind is lsp.NotebookCellKind.Code
            ],
        )
    )
    (shown,) = await told(client, uris[4], "NAN101")
    assert shown.range == lsp.Range(lsp.Position(0, 7), lsp.Position(0, 21))
    assert (shown.related_information or [])[0].location.uri == uris[3]
    await told(client, uris[0])
    fix, _ = await actions(client, uris[4], shown.range, ["quickfix"])
    after = applied(texts[4], edits_of(fix.edit, uris[4]))
    assert after == "loss = tf.nn.log_softmax(logits)"
    client.notebook_document_did_change(
        lsp.DidChangeNotebookDocumentParams(
            lsp.VersionedNotebookDocumentIdentifier(2, path.as_uri()),
            lsp.NotebookDocumentChangeEvent(
                cells=lsp.NotebookDocumentCellChanges(
                    text_content=[
                        lsp.NotebookDocumentCellContentChanges(
                            lsp.VersionedTextDocumentIdentifier(2, uris[4]),
                            [lsp.TextDocumentContentChangeWholeDocument(after)],
                        )
                    ]
                )
            ),
        )
    )
    await told(client, uris[4])
