"""The extension for VS Code builds, and finds the server."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from counterparts import missing

from tflint_nan import __version__
from tflint_nan.config import Overrides
from tflint_nan.server.server import overrides

ROOT = Path(__file__).parent.parent
EXTENSION = ROOT / "editors" / "vscode"
MANIFEST = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))


def test_its_settings_are_the_server_s() -> None:
    described = MANIFEST["contributes"]["configuration"]["properties"]
    defaults = {key.partition(".")[2]: value["default"] for key, value in described.items()}
    assert defaults.pop("path") == ""
    # By default the extension says nothing; and each of its settings is one that the server takes.
    assert overrides(defaults) == Overrides()
    source = (EXTENSION / "src" / "extension.js").read_text(encoding="utf-8")
    assert all(f'{key}: all.get("{key}")' in source for key in defaults)


def test_its_version_is_the_project_s() -> None:
    assert MANIFEST["version"] == __version__


@pytest.mark.slow
def test_it_builds(tmp_path: Path) -> None:
    if shutil.which("npm") is None:
        missing("npm")
    folder = tmp_path / "vscode"
    shutil.copytree(EXTENSION, folder, ignore=shutil.ignore_patterns("node_modules", "dist", "*.vsix"))

    def npm(*words: str) -> str:
        done = subprocess.run(["npm", *words], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    npm("ci", "--ignore-scripts", "--no-audit", "--no-fund")
    assert "# pass 4" in npm("test")
    npm("run", "package")
    with zipfile.ZipFile(folder / "tflint-nan.vsix") as package:
        names = set(package.namelist())
        packed = json.loads(package.read("extension/package.json"))
    assert str(Path("extension") / packed["main"]) in names
    assert not any("node_modules" in name or name.endswith(".test.js") for name in names)
