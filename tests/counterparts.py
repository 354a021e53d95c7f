"""Programs of others, which pip does not have, for the tests that run our output through them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

NODE = Path(__file__).parent / "node"


def missing(what: str) -> None:
    """A test that cannot run: a failure where CI says that all is there, else skipped in plain sight."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI has to have it")
    pytest.skip(f"{what} is not installed")


def node_package(name: str) -> Path:
    """The folder of a package of `tests/node/package.json`, installed at the first use."""
    folder = NODE / "node_modules" / name
    if not folder.exists():
        if shutil.which("npm") is None:
            missing("npm")
        # No script of a package is run; another process may be doing the same.
        lock = NODE / "node_modules.lock"
        words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(NODE)]
        with lock.open("w") as file:
            _locked(file)
            if not folder.exists():
                subprocess.run(words, check=True, capture_output=True)
    return folder


def _locked(file: object) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: the tests there run in one process
        return
    fcntl.flock(file, fcntl.LOCK_EX)  # type: ignore[arg-type]
