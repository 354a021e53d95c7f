"""The manual: a Markdown page for each rule, with what the run of its Example prints, and their index.

`python -m tflint_nan.report.manual docs/rules` writes it; a test compares it with the rules.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tflint_nan import report
from tflint_nan.check import check_bytes
from tflint_nan.config import Config, Selection
from tflint_nan.finding import Finding, Level
from tflint_nan.job import Mode, Result
from tflint_nan.registry import Rule
from tflint_nan.report import pages

COMMAND = "python -m tflint_nan.report.manual docs/rules"
#: Every file of the manual starts with it, and no other file is taken away.
MARK = f"<!-- Made by `{COMMAND}`; "
INDEX = "README.md"
#: First digit of the code -> what the rules of the family are about.
FAMILIES = {
    "1": "Values: what the numbers do",
    "2": "Losses: what is paired with what",
    "3": "Data: what goes in",
    "4": "Optimisation: how it moves",
    "5": "Architecture: where it starts",
    "6": "Precision: what it is stored in",
    "9": "The check itself",
}
SHOWN = {
    Level.DEFAULT: "in every run",
    Level.STRICT: "with `--strict`, or when its code is selected",
    Level.OPTIONAL: "only when its code is selected",
}
_FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(?=## )", re.MULTILINE)


def manual() -> dict[str, str]:
    """File name -> text, of every page and of the index."""
    runs = [(rule, _example(rule)) for rule in pages.pages()]
    found = {filename(rule): _page(rule, run) for rule, run in runs}
    found[INDEX] = _index(runs)
    return found


def filename(rule: Rule) -> str:
    """The name of a rule's page in the folder of the manual."""
    return f"{rule.name}.md"


def _example(rule: Rule) -> Result | None:
    """The run of a page's Example, as a user has it who asks for the rule; None where there is none."""
    section = next((part for part in _HEADING.split(rule.page) if part.startswith("## Example\n")), "")
    text = "\n".join(_FENCE.findall(section))
    if not text:
        return None
    selection = Selection(extend_select=(rule.code,) if rule.level is Level.OPTIONAL else ())
    config = Config(Path(), layers=(selection,), strict=rule.level is Level.STRICT)
    return check_bytes(text.encode(), "example.py", config.settings(Path("example.py")), Mode())


def _page(rule: Rule, run: Result | None) -> str:
    first, *sections = _HEADING.split(pages.text(rule))
    _, *more = first.strip().split("\n\n", 1)
    blocks = [
        f"{MARK}change the page of the rule instead. -->",
        f"# {rule.code} {rule.name}",
        _sentence(rule),
        *more,
        "\n".join(_facts(rule, run)),
    ]
    for section in sections:
        blocks.append(section.strip())
        if run is not None and section.startswith("## Example\n"):
            blocks += [f"`{_command(rule)}` prints:", f"```text\n{_printed(run)}```"]
    blocks.append(f"[All rules]({INDEX})")
    return "\n\n".join(blocks) + "\n"


def _sentence(rule: Rule) -> str:
    return rule.summary[:1].upper() + rule.summary[1:]


def _facts(rule: Rule, run: Result | None) -> Iterator[str]:
    yield "| | |"
    yield "|---|---|"
    yield f"| family | {FAMILIES[rule.code[3]]} |"
    yield f"| shown | {SHOWN[rule.level]} |"
    if run is not None:
        yield f"| severity of the example | {_listed(f.severity.value for f in run.findings)} |"
        yield f"| fix of the example | {_fixes(run.findings)} |"
    if rule.thresholds:
        numbers = ", ".join(f"`{name}` = {number:g}" for name, number in rule.thresholds.items())
        yield f"| thresholds | {numbers} |"


def _listed(words: Iterator[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _fixes(findings: Sequence[Finding]) -> str:
    return _listed(f.fix.applicability.value if f.fix else "none" for f in findings)


def _command(rule: Rule) -> str:
    options = {Level.DEFAULT: "", Level.STRICT: "--strict ", Level.OPTIONAL: f"--extend-select {rule.code} "}
    return f"tflint-nan check {options[rule.level]}example.py"


def _printed(run: Result) -> str:
    return report.render("text", report.Report(run.findings, lines=run.lines))


def _index(runs: Sequence[tuple[Rule, Result | None]]) -> str:
    blocks = [
        f"{MARK}change the pages of the rules instead. -->",
        "# Rules",
        "Rules that are `on` report in every run, `strict` ones with `--strict` or when their code is\n"
        "selected, `opt` ones only when their code is selected. The last column is the fix of the page's\n"
        "example; the page says what else is fixed, and how safely. `tflint-nan rule CODE` prints a page.",
    ]
    for digit, family in FAMILIES.items():
        rows = ["| code | rule | finds | shown | fix |", "|---|---|---|---|---|"]
        for rule, run in runs:
            if rule.code[3] == digit:
                fixes = _fixes(run.findings) if run is not None else "none"
                name = f"[{rule.name}]({filename(rule)})"
                rows.append(f"| {rule.code} | {name} | {_sentence(rule)} | {rule.level.value} | {fixes} |")
        blocks += [f"## NAN{digit} · {family}", "\n".join(rows)]
    return "\n\n".join(blocks) + "\n"


def write(folder: Path, texts: dict[str, str]) -> list[str]:
    """Make `folder` hold these texts, and no other file of an earlier manual.

    Returns:
        The names of the files that were written or taken away, sorted.

    Raises:
        OSError: a file cannot be read or written.
    """
    changed = []
    for path in folder.glob("*.md"):
        if path.name not in texts and path.read_text(encoding="utf-8").startswith(MARK):
            path.unlink()
            changed.append(path.name)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")
            changed.append(name)
    return sorted(changed)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {COMMAND}")
    print(*write(Path(sys.argv[1]), manual()) or ["nothing has changed"], sep="\n")
