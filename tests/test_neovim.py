"""The language server in a real editor: Neovim shows the diagnostic and applies the fix."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from counterparts import missing
from lint import fix
from test_server import BUG

SCRIPT = Path(__file__).with_name("neovim.lua")


@pytest.mark.slow
def test_neovim_shows_the_diagnostic_and_applies_the_fix(tmp_path: Path) -> None:
    if shutil.which("nvim") is None:
        missing("nvim")
    file, report = tmp_path / "train.py", tmp_path / "report.json"
    text = "# \N{PILE OF POO} café\n" + BUG
    file.write_text(text, encoding="utf-8")
    environment = {
        **os.environ,
        "SERVER": "\n".join((sys.executable, "-m", "tflint_nan", "server")),
        "FILE": str(file),
        "REPORT": str(report),
        "XDG_STATE_HOME": str(tmp_path),
    }
    words = ["nvim", "--headless", "--clean", "-n", "-S", str(SCRIPT)]
    subprocess.run(words, check=True, timeout=120, capture_output=True, env=environment)
    seen = json.loads(report.read_text())
    assert "failed" not in seen
    assert seen["1"] == {"code": "NAN101", "row": 8, "source": "tflint-nan"}
    assert "NAN101" in seen["applied"]
    assert file.read_text(encoding="utf-8") == fix(text, unsafe=False) != text
