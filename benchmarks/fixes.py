"""Applies the fixes to copies of real programs and checks them: `python benchmarks/fixes.py FOLDER...`.

Every file with findings (`--strict`) is fixed twice, with `--fix` and with `--fix --unsafe-fixes`. Tables in
Markdown say what was fixed, what was not and why, and how many files passed each check; each failure is
listed. `docs/fixes.md` says what the checks are.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, fields
from functools import cache, partial
from pathlib import Path
from typing import Any

import definitions

from tflint_nan import runner
from tflint_nan.check import Mode, Result, Surroundings, check_source
from tflint_nan.config import Config, Configs, Overrides, Selection
from tflint_nan.faults import FAULTS
from tflint_nan.files import find
from tflint_nan.finding import Applicability, Finding
from tflint_nan.garbage import collect_rarely
from tflint_nan.source import Source

#: What is applied, by the name of the table's column.
MODES = {"--fix": Mode(fix=True), "--fix --unsafe-fixes": Mode(fix=True, unsafe=True)}
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass
class Tally:
    """What all files came to.

    Attributes:
        found: code -> findings before.
        fixed: (mode, code) -> fixes applied.
        left: (code, reason) -> findings left after all fixes.
        passed: (mode, check) -> files that passed.
        checked: (mode, check) -> files to which the check applies.
        notes: failures, each with its file.
        imports: how importing went -> files.
    """

    found: Counter[str] = field(default_factory=Counter)
    fixed: Counter[tuple[str, str]] = field(default_factory=Counter)
    left: Counter[tuple[str, str]] = field(default_factory=Counter)
    passed: Counter[tuple[str, str]] = field(default_factory=Counter)
    checked: Counter[tuple[str, str]] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    imports: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Count what another has counted as well."""
        for part in fields(self):
            mine, more = getattr(self, part.name), getattr(other, part.name)
            mine.extend(more) if isinstance(mine, list) else mine.update(more)

    def check(self, mode: str, check: str, path: Path, wrong: str | None) -> None:
        """Count one check of one file; `wrong` says how it failed."""
        self.checked[mode, check] += 1
        if wrong is None:
            self.passed[mode, check] += 1
        else:
            self.notes.append(f"{mode}: {check}: {path}: {wrong}")


def strict(folder: Path) -> Config:
    """The configuration of `--isolated --strict`."""
    overrides = Overrides(True, None, (), Selection(None, (), ()), strict=True, force_exclude=False)
    return Configs(overrides, folder).of(folder)


def with_findings(folder: Path, report: Sequence[dict[str, Any]] | None) -> list[Path]:
    """The files of a folder in which something is found, relative to it."""
    if report is not None:
        named = {Path(finding["filename"]) for finding in report}
        return sorted(path.relative_to(folder) for path in named if path.is_relative_to(folder))
    overrides = Overrides(True, None, (), Selection(None, (), ()), strict=True, force_exclude=False)
    files = find((str(folder),), Configs(overrides, folder), folder).files
    results = runner.run(files, Mode())
    return [file.path.relative_to(folder) for file, r in zip(files, results, strict=True) if _own(r.findings)]


def _own(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.code not in FAULTS]


def run(folder: Path, paths: Sequence[Path], mode: Mode, surroundings: Surroundings) -> list[Result]:
    """The results of some files of a folder; nothing is written."""
    results: list[Result] = []
    for path in paths:
        settings = strict(folder).settings(folder / path)
        results.append(check_source(Source.read(str(folder / path)), settings, mode, surroundings))
    return results


def reason(finding: Finding) -> str:
    """Why a finding that was left has no fix."""
    if finding.fix is not None:
        shown = finding.fix.applicability is Applicability.DISPLAY
        return "shown, for a person to apply" if shown else "undone: it brought another finding"
    if "called here)" in finding.message:
        return "it is in another file, which may be right for other callers"
    return finding.obstacle or "the rule has no rewrite"


def patched(text: str, diff: str) -> str:
    """`text` with a unified diff applied to it.

    Raises:
        ValueError: the diff is not of this text.
    """
    old, new, at, added = _LINE.findall(text), list[str](), 0, False
    for line in _LINE.findall(diff)[2:]:
        hunk = _HUNK.match(line)
        if hunk is not None:
            start = int(hunk[1]) - (hunk[2] != "0")
            new, at = new + old[at:start], start
        elif line.startswith("\\"):
            if added:
                new[-1] = new[-1].removesuffix("\n")
        elif line[0] in " -":
            if old[at].rstrip("\r\n") != line[1:].rstrip("\r\n"):
                raise ValueError(f"row {at + 1} is {old[at]!r}, not {line[1:]!r}")
            new += [old[at]] if line[0] == " " else []
            at += 1
        else:
            new.append(line[1:])
        added = line[0] == "+"
    return "".join(new + old[at:])


def check_text(tally: Tally, mode: str, path: Path, before: bytes, after: bytes, diff: str) -> None:
    """What can be said of a changed text without running it."""
    old, new = Source.from_bytes(str(path), before), Source.from_bytes(str(path), after)
    if old.is_notebook:
        return
    if definitions.compiles(old.text, str(path)) is not None:
        tally.files["not Python 3 in the first place"] += 1
        return
    wrong = definitions.compiles(new.text, str(path))
    tally.check(mode, "compiles", path, wrong)
    if wrong is None:
        harm = "; ".join(definitions.harm(old.text, new.text, str(path)))
        tally.check(mode, "same names and comments", path, harm or None)
        for name in definitions.imports_lost(old.text, new.text, str(path)):
            tally.notes.append(f"{mode}: for information: {path}: no longer imports {name}")
    try:
        same = patched(old.text, diff) == new.text
    except (ValueError, IndexError) as error:
        same, wrong = False, str(error)
    tally.check(mode, "`--diff` is what is written", path, None if same else wrong or "differs")
    ends = [{*re.findall(r"\r\n|\r|\n", source.text)} for source in (old, new)]
    marks = before[:3] == b"\xef\xbb\xbf", after[:3] == b"\xef\xbb\xbf"
    kept = ends[1] <= ends[0] and marks[0] == marks[1] and old.text[-1:] == new.text[-1:]
    tally.check(mode, "line ends and encoding", path, None if kept else "differ")


def check_findings(tally: Tally, mode: str, path: Path, before: Result, after: Result) -> None:
    """Whether a fix brought what was not there."""
    faults = [finding.message for finding in after.findings if finding.code in FAULTS]
    tally.check(mode, "no fix undone (NAN901)", path, "; ".join(faults) or None)
    more = Counter(f.code for f in _own(after.findings)) - Counter(f.code for f in _own(before.findings))
    tally.check(mode, "no new finding", path, f"{dict(more)}" if more else None)


def measure(
    tally: Tally, folder: Path, paths: Sequence[Path], diffs: Path | None, importer: Importer | None
) -> None:
    """Fix copies of the files of one folder and check them."""
    surroundings = Surroundings()
    with tempfile.TemporaryDirectory() as scratch:
        original = Path(scratch) / "original" / folder.name
        shutil.copytree(folder, original, ignore_dangling_symlinks=True)
        before = run(original, paths, Mode(), surroundings)
        for result in before:
            found = _own(result.findings)
            tally.found.update(finding.code for finding in found)
            tally.files["with findings"] += bool(found)
            tally.files["with findings by default"] += any(f.level.value == "on" for f in found)
        for name, mode in MODES.items():
            wanted = [path for path, r in zip(paths, before, strict=True) if _fixable(r, mode)]
            old = {path: r for path, r in zip(paths, before, strict=True) if path in wanted}
            fixed = run(original, wanted, mode, surroundings)
            copy = Path(scratch) / name / folder.name
            shutil.copytree(folder, copy, ignore_dangling_symlinks=True)
            for path, new in zip(wanted, fixed, strict=True):
                (copy / path).write_bytes(new.data)
            again = run(copy, wanted, mode, Surroundings())
            for path, new, second in zip(wanted, fixed, again, strict=True):
                tally.fixed.update({(name, code): count for code, count in new.fixed.items()})
                tally.files[name] += bool(new.fixed)
                shown = Path(folder.name) / path
                tally.check(name, "fixing again changes nothing", shown, second.diff or None)
                check_text(tally, name, shown, (original / path).read_bytes(), new.data, new.diff)
                check_findings(tally, name, shown, old[path], new)
                if diffs is not None and new.diff:
                    to = diffs / name.rpartition("--")[2] / f"{str(shown).replace('/', '@')}.diff"
                    to.parent.mkdir(parents=True, exist_ok=True)
                    to.write_text(new.diff, encoding="utf-8", errors="backslashreplace")
                if importer is not None and mode.unsafe and path.suffix == ".py":
                    importer.compare(tally, name, shown, original / path, copy / path)
            if mode.unsafe:
                last = {**dict(zip(paths, before, strict=True)), **dict(zip(wanted, fixed, strict=True))}
                for result in last.values():
                    tally.left.update((finding.code, reason(finding)) for finding in _own(result.findings))


def _fixable(result: Result, mode: Mode) -> bool:
    """Whether there is anything for a mode to apply."""
    risks = (Applicability.SAFE, Applicability.UNSAFE) if mode.unsafe else (Applicability.SAFE,)
    return any(finding.fix is not None and finding.fix.applicability in risks for finding in result.findings)


class Importer:
    """The process of `importing.py`."""

    def __init__(self) -> None:
        command = [sys.executable, str(Path(__file__).with_name("importing.py"))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _ask(self, path: Path, generation: str = "") -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(f"{generation}{path}", file=self._process.stdin, flush=True)
        return dict(json.loads(self._process.stdout.readline()))

    def compare(self, tally: Tally, mode: str, shown: Path, before: Path, after: Path) -> None:
        """Import a file as it was and as it is."""
        old, generation = self._ask(before), ""
        if "names" not in old:
            first, generation = old, "v1 "
            old = self._ask(before, generation)
        if "names" not in old:
            tally.imports[f"not before the fix either: {kind_of(first['error'])}"] += 1
            return
        new = self._ask(after, generation)
        how = "as TensorFlow 1, " if generation else ""
        tally.imports[how + ("with stand-ins for libraries" if old["absent"] else "as they are")] += 1
        lost = definitions.imports_lost(_text(before), _text(after), str(shown))
        names = new.get("names", {})
        differ = [name for name, is_ in old["names"].items() if name not in lost and names.get(name) != is_]
        wrong = new.get("error") or (f"{differ}" if differ else None)
        tally.check(mode, "imported with the same names", shown, wrong)


def _text(path: Path) -> str:
    return Source.read(str(path)).text


@cache
def importer() -> Importer:
    """The one of this process: TensorFlow takes long to import."""
    return Importer()


def kind_of(error: str) -> str:
    """What keeps a file from being imported."""
    if "module 'tensorflow" in error or "tensorflow.contrib" in error or "from 'tensorflow" in error:
        return "needs TensorFlow 1"
    return error.partition(":")[0]


def tables(tally: Tally) -> Iterator[str]:
    """What was measured, in Markdown."""
    safe, every = MODES
    files, default = tally.files["with findings"], tally.files["with findings by default"]
    yield f"{files} files with findings, {default} of them without `--strict`."
    yield "| rule | findings | fixed by `--fix` | by `--fix --unsafe-fixes` | left |\n|---|---|---|---|---|"
    left = Counter(dict[str, int]())
    for (code, _), count in tally.left.items():
        left[code] += count
    for code in sorted(tally.found.keys() | left.keys() | {code for _, code in tally.fixed}):
        row = [tally.found[code], tally.fixed[safe, code], tally.fixed[every, code], left[code]]
        yield f"| {code} | " + " | ".join(map(str, row)) + " |"
    sums = [sum(n for (mode, _), n in tally.fixed.items() if mode == name) for name in MODES]
    yield f"| all | {tally.found.total()} | {sums[0]} | {sums[1]} | {left.total()} |"
    yield "\n| why not | findings | rules |\n|---|---|---|"
    whys: dict[str, Counter[str]] = {}
    for (code, why), count in tally.left.items():
        whys.setdefault(why, Counter())[code] += count
    for why, codes in sorted(whys.items(), key=lambda item: -item[1].total()):
        yield f"| {why} | {codes.total()} | {', '.join(f'{code} {n}' for code, n in sorted(codes.items()))} |"
    yield "\n| check | `--fix` | `--fix --unsafe-fixes` |\n|---|---|---|"
    yield f"| files changed | {tally.files[safe]} | {tally.files[every]} |"
    for check in dict.fromkeys(check for _, check in tally.checked):
        cells = [f"{tally.passed[name, check]} of {tally.checked[name, check]}" for name in MODES]
        yield f"| {check} | " + " | ".join(cells) + " |"
    yield "\n| importable | files |\n|---|---|"
    for kind, count in sorted(tally.imports.items()):
        yield f"| {kind} | {count} |"
    yield ""
    yield from sorted(tally.notes)


def main() -> None:
    """Measure folders, each a project of its own, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--report", type=Path, help="`check --strict --output-format json` of all of them")
    parser.add_argument("--diffs", type=Path, help="a folder for the diffs")
    parser.add_argument("--no-import", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    report = None if options.report is None else json.loads(options.report.read_text(encoding="utf-8"))
    tally = Tally()
    folders = [folder.resolve() for folder in options.folders]
    with ProcessPoolExecutor(options.jobs) as pool:
        work = partial(one, report=report, diffs=options.diffs, importing=not options.no_import)
        for folder, part in zip(folders, pool.map(work, folders), strict=True):
            tally.add(part)
            print(f"{folder.name}: {part.files['with findings']}", file=sys.stderr, flush=True)
    print("\n".join(tables(tally)))


def one(folder: Path, report: Sequence[dict[str, Any]] | None, diffs: Path | None, importing: bool) -> Tally:
    """What one folder comes to."""
    collect_rarely()
    tally, paths = Tally(), with_findings(folder, report)
    if paths:
        measure(tally, folder, paths, diffs, importer() if importing else None)
    return tally


if __name__ == "__main__":
    main()
