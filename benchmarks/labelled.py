"""What is found of labelled programs: `python benchmarks/labelled.py [FOLDER] [--labels FILE] [--lines]`.

The programs in `benchmarks/labelled/` are training programs as people write them, in one file or several:
those in `first/` were read to make the analysis see further, the others came after that, one set when the
work on the one before was done. Their authors had not seen the rules, and labelled lines: `# BUG: kind, why`
where a run can reach NaN or Inf, in a value or in a gradient, or cannot learn; `# SAFE: why` where it looks
so and cannot; `# MAYBE` for matters of taste. A label counts as found where a finding stands on its line, or
names it as the place that a call leads to.

Of programs that are elsewhere, `--labels` gives the bugs: a line for each, `path:row kind`, the path from
FOLDER. `benchmarks/known/` has such lists of public sets.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("labelled")
LABEL = re.compile(r"#\s*(BUG|SAFE|MAYBE)\b[:,]?\s*([\w\-/]+)?")
ELSEWHERE = re.compile(r"\(in (\S+\.py):(\d+), called here\)")
Place = tuple[Path, int]


def labels(folder: Path) -> dict[Place, tuple[str, str]]:
    """Place -> (label, kind)."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        for row, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if match := LABEL.search(line):
                found[path.resolve(), row] = match[1], match[2] or ""
    return found


def listed(file: Path, folder: Path) -> dict[Place, tuple[str, str]]:
    """The same of a list of bugs; what is missing in the folder is no label."""
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            place, kind = line.rsplit(" ", 1)
            name, row = place.rsplit(":", 1)
            if (folder / name).is_file():
                found[(folder / name).resolve(), int(row)] = "BUG", kind
            else:
                print(f"not there: {name}")
    return found


def findings(folder: Path, *options: str) -> list[dict[str, Any]]:
    """The findings in all programs, as the command prints them."""
    command = [sys.executable, "-m", "tflint_nan", "check", "--isolated", "--no-cache", "--exit-zero"]
    done = subprocess.run(
        [*command, "--output-format", "json", *options, str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    return list(json.loads(done.stdout))


def places(finding: dict[str, Any]) -> set[Place]:
    """The lines that a finding speaks of."""
    path = Path(finding["filename"]).resolve()
    rows = range(finding["location"]["row"], finding["end_location"]["row"] + 1)
    elsewhere = ((Path(name).resolve(), int(row)) for name, row in ELSEWHERE.findall(finding["message"]))
    return {*((path, row) for row in rows), *elsewhere}


def main() -> None:
    """Print the table in Markdown and, with `--lines`, what was missed and what stands on other lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--lines", action="store_true")
    options = parser.parse_args()
    folder = options.folder.resolve()
    labelled = labels(folder) if options.labels is None else listed(options.labels, folder)
    shown = {"default": findings(folder), "--strict": findings(folder, "--strict")}
    spoken = {name: set().union(*map(places, some)) for name, some in shown.items()}
    bugs: Counter[str] = Counter()
    hits: Counter[tuple[str, str]] = Counter()
    for place, (label, kind) in labelled.items():
        if label == "BUG":
            bugs[kind] += 1
            for name, them in spoken.items():
                hits[name, kind] += place in them
            if options.lines and place not in spoken["default"]:
                print(f"missed: {place[0].relative_to(folder)}:{place[1]} {kind}")
    print("| kind | labelled | default | strict |\n|---|---|---|---|")
    for kind, count in sorted(bugs.items()):
        print(f"| {kind} | {count} | {hits['default', kind]} | {hits['--strict', kind]} |")
    found = [sum(n for (name, _), n in hits.items() if name == level) for level in shown]
    print(f"| all | {bugs.total()} | {found[0]} | {found[1]} |")
    for level, some in shown.items():
        wrong = [f for f in some if _label(labelled, f) == "SAFE"]
        safe = sum(label == "SAFE" for label, _ in labelled.values())
        print(f"\n{level}: {len(some)} findings, {len(wrong)} on the {safe} lines that are labelled safe.")
        for finding in wrong if options.lines else ():
            print(f"  {finding['filename']}:{finding['location']['row']} {finding['code']}")


def _label(labelled: dict[Place, tuple[str, str]], finding: dict[str, Any]) -> str:
    """BUG where a finding speaks of any such line, else the label of its own."""
    kinds = {labelled[place][0] for place in places(finding) if place in labelled}
    return "BUG" if "BUG" in kinds else next(iter(kinds), "")


if __name__ == "__main__":
    main()
