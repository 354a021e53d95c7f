"""Downloads and unpacks the packages of `corpus.txt`: `python benchmarks/corpus.py FOLDER`."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

LIST = Path(__file__).with_name("corpus.txt")


def packages() -> list[tuple[str, str]]:
    """(group, requirement) of every package."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return [(words[0], words[1]) for line in lines if (words := line.split()) and words[0] != "#"]


def fetch(requirement: str, folder: Path) -> None:
    """Download one package without what it depends on, and unpack it; nothing of it is run or built."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch]
        wheel = subprocess.run(
            [*command, "--only-binary", ":all:", requirement], capture_output=True, check=False
        )
        if wheel.returncode:
            subprocess.run(
                [*command, "--no-binary", ":all:", "--no-build-isolation", requirement], check=True
            )
        (archive,) = Path(scratch).iterdir()
        folder.mkdir(parents=True, exist_ok=True)
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as file:
                file.extractall(folder)
        else:
            with tarfile.open(archive) as file:
                file.extractall(folder, filter="data")


def main() -> None:
    """Fetch what is not there yet."""
    top = Path(sys.argv[1])
    for group, requirement in packages():
        folder = top / group / requirement.partition("==")[0].lower().replace("-", "_")
        if not folder.exists():
            print(requirement, file=sys.stderr)
            fetch(requirement, folder)


if __name__ == "__main__":
    main()
