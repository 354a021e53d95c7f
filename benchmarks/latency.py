"""How long the language server takes to answer a change of a file: `python benchmarks/latency.py`.

The file has a thousand lines, put together from the programs in `examples/`, with a finding every 16 lines;
then the same, fixed. The time is from the change to the diagnostics.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from pathlib import Path

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

EXAMPLES = Path(__file__).parent.parent / "examples"
LINES, CHANGES = 1000, 20
#: Seconds between an answer and the next change: somebody types, and fast.
PAUSE = 0.1


def program() -> str:
    """The first thousand lines of the examples, one after the other, each in a function of its own."""
    lines: list[str] = []
    while len(lines) < LINES:
        for path in sorted(EXAMPLES.glob("*.py")):
            body = path.read_text(encoding="utf-8").splitlines()
            lines += [f"def program_{len(lines)}():", *(f"    {line}" if line else "" for line in body), ""]
    return "\n".join(lines) + "\n"


def fixed(text: str) -> str:
    """The text after `--fix --unsafe-fixes`."""
    words = [sys.executable, "-m", "tflint_nan", "check", "--isolated", "--fix", "--unsafe-fixes", "-"]
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    assert done.returncode < 2, done.stderr
    return done.stdout


async def measure(text: str) -> list[float]:
    """Seconds of each change, the first ones left out."""
    client = LanguageClient("latency", "1")
    told = asyncio.Event()
    version = 1

    @client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def publish(params: lsp.PublishDiagnosticsParams) -> None:
        if params.version == version:
            told.set()

    await client.start_io(sys.executable, "-m", "tflint_nan", "server")
    await client.initialize_async(lsp.InitializeParams(lsp.ClientCapabilities()))
    client.initialized(lsp.InitializedParams())
    uri = (Path.cwd() / "latency.py").as_uri()
    client.text_document_did_open(lsp.DidOpenTextDocumentParams(lsp.TextDocumentItem(uri, "python", 1, text)))
    await told.wait()
    taken = []
    for version in range(2, CHANGES + 4):
        told.clear()
        begun = time.perf_counter()
        client.text_document_did_change(
            lsp.DidChangeTextDocumentParams(
                lsp.VersionedTextDocumentIdentifier(version, uri),
                [lsp.TextDocumentContentChangeWholeDocument(f"{text}# {version}\n")],
            )
        )
        await told.wait()
        taken.append(time.perf_counter() - begun)
        await asyncio.sleep(PAUSE)
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()
    return taken[2:]


def main() -> None:
    """Print the median and the slowest."""
    text = program()
    for what, shown in (("as they are", text), ("fixed", fixed(text))):
        taken = [1000 * seconds for seconds in asyncio.run(measure(shown))]
        lines = len(shown.splitlines())
        print(f"{what}: {lines} lines, median {statistics.median(taken):.0f} ms, slowest {max(taken):.0f} ms")


if __name__ == "__main__":
    main()
