"""The docstring of a rule is its manual: its Example fires, its "Use instead" does not."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path

import pytest
from lint import check, command

from tflint_nan.faults import FAULTS
from tflint_nan.finding import Level
from tflint_nan.registry import Rule, rules
from tflint_nan.report import manual
from tflint_nan.report.pages import pages
from tflint_nan.unused import UNUSED

HEADINGS = ["Why is this bad?", "Example", "Use instead", "Fix safety", "References"]
RULES = (*rules(), UNUSED)
DOCS = Path(__file__).parent.parent / "docs"


def sections(page: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", page, flags=re.MULTILINE)
    return {title.strip(): body for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def code(page: str, title: str) -> str:
    """The fences of one section, joined."""
    fences = re.findall(r"^```python\n(.*?)^```$", sections(page)[title], flags=re.MULTILINE | re.DOTALL)
    assert fences, f"no ```python fence under {title!r}"
    return "\n".join(fences)


def module_of(rule: Rule) -> str:
    return rule.check.__module__.rpartition(".")[2]


def test_rules_are_found() -> None:
    expected = {101, 102, 103, 104, 105, 107, 113, *range(201, 215), 301, 401, *range(501, 506)}
    assert {f"NAN{number}" for number in expected} <= {rule.code for rule in RULES}
    assert FAULTS.keys() == {"NAN900", "NAN901"}
    assert not FAULTS.keys() & {rule.code for rule in RULES}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_names_agree_with_the_files(rule: Rule) -> None:
    assert module_of(rule).replace("_", "-") == rule.name
    assert importlib.import_module(rule.check.__module__).__doc__ == rule.page


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_code_and_name_are_on_the_page(rule: Rule) -> None:
    assert re.fullmatch(r"NAN\d{3}", rule.code)
    assert rule.page.strip().startswith(f"{rule.code} {rule.name}: ")
    assert rule.summary
    assert rule.summary[-1] == "."


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_headings(rule: Rule) -> None:
    present = [title for title in sections(rule.page) if title in HEADINGS]
    assert present == HEADINGS
    for title in HEADINGS:
        assert sections(rule.page)[title].strip(), f"{title} is empty"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_example_fires(rule: Rule) -> None:
    example = code(rule.page, "Example")
    compile(example, rule.name, "exec")
    found = check(example, strict=rule.level is Level.STRICT, select=(rule.code,))
    assert {finding.code for finding in found} == {rule.code}, [f"{f.code} {f.message}" for f in found]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_use_instead_is_silent(rule: Rule) -> None:
    instead = code(rule.page, "Use instead")
    compile(instead, rule.name, "exec")
    found = check(instead, strict=rule.level is Level.STRICT, select=(rule.code,))
    assert not found, [f"{f.code} {f.message}" for f in found]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_thresholds_are_on_the_page(rule: Rule) -> None:
    for name, default in rule.thresholds.items():
        assert name in rule.page, f"the page does not name the threshold {name}"
        assert f"{default:g}" in rule.page, f"the page does not give the default {default:g} of {name}"


# ---- docs/rules


@cache
def texts() -> dict[str, str]:
    return manual.manual()


def test_the_manual_is_current() -> None:
    """Where a page, a message or a fix has changed, docs/rules is generated again."""
    is_there = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "rules").iterdir()}
    names = sorted(texts().keys() | is_there.keys())
    wrong = {
        name: "left behind" if name not in texts() else "missing" if name not in is_there else "stale"
        for name in names
        if is_there.get(name) != texts().get(name)
    }
    assert not wrong, f"docs/rules is generated: run `{manual.COMMAND}`, and commit what it writes\n{wrong}"


def test_the_manual_has_a_page_for_every_rule() -> None:
    assert texts().keys() == {f"{rule.name}.md" for rule in pages()} | {"README.md"}
    index = re.findall(r"^\| (NAN\d+) \| \[(\S+)\]\((\S+)\) \|", texts()["README.md"], flags=re.MULTILINE)
    assert index == [(rule.code, rule.name, f"{rule.name}.md") for rule in pages()]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_manual_prints_what_the_example_prints(rule: Rule, tmp_path: Path, monkeypatch) -> None:
    """By the command that the page names, in a folder of its own."""
    text = texts()[f"{rule.name}.md"]
    assert text.startswith(manual.MARK)
    [(line, printed)] = re.findall(
        r"^`tflint-nan (.*)` prints:\n\n```text\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL
    )
    (tmp_path / "example.py").write_text(code(rule.page, "Example"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    run = command(*line.split(), "--isolated", "--no-cache")
    assert (run.status, run.stdout) == (1, printed)
    for name, number in rule.thresholds.items():
        assert f"`{name}` = {number:g}" in text


def test_writing_the_manual_takes_old_pages_away_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    assert manual.write(folder, {"a.md": f"{manual.MARK} a", "b.md": f"{manual.MARK} b"}) == ["a.md", "b.md"]
    (folder / "own.md").write_text("by hand")
    (folder / "c.txt").write_text(f"{manual.MARK} c")
    now = {"b.md": f"{manual.MARK} b", "c.md": f"{manual.MARK} c"}
    assert manual.write(folder, now) == ["a.md", "c.md"]
    assert manual.write(folder, now) == []
    assert {path.name for path in folder.iterdir()} == {"b.md", "c.md", "c.txt", "own.md"}


def test_the_comparison_has_a_row_for_every_rule() -> None:
    text = (DOCS / "comparison.md").read_text(encoding="utf-8")
    words = set(re.findall(r"^\| `(\S+)` \| [^|]+ \|$", text, flags=re.MULTILINE))
    [tools] = re.findall(r"^\| rule \| \| (.+) \|$", text, flags=re.MULTILINE)
    rows = re.findall(r"^\| (NAN\d+) \| \[(\S+)\]\((\S+)\) \| (.+) \|$", text, flags=re.MULTILINE)
    expected = [(rule.code, rule.name, f"rules/{rule.name}.md") for rule in rules()]
    found = [row[:3] for row in rows]
    wrong = sorted(set(found) ^ set(expected)) or [f"order: {found}"]
    assert found == expected, f"docs/comparison.md: rows are missing, or of no rule: {wrong}"
    for *_, cells in rows:
        assert len(cells.split(" | ")) == len(tools.split(" | "))
        assert set(cells.split(" | ")) <= words


@pytest.mark.parametrize("path", [*DOCS.rglob("*.md"), DOCS.parent / "README.md"], ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert not [link for link in links if not (path.parent / link.partition("#")[0]).exists()]
