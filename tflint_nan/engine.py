"""One source and settings in, findings out: runs the rules over the graph and gives reports their places."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product, takewhile

import libcst as cst

from tflint_nan import build
from tflint_nan.faults import OWN, crash
from tflint_nan.finding import Finding, Fix, Level, Related, Span
from tflint_nan.graph import Graph, Report
from tflint_nan.job import Settings
from tflint_nan.registry import Rule, rules
from tflint_nan.rewrite import Rewriter
from tflint_nan.source import Source
from tflint_nan.suppress import Suppressions
from tflint_nan.trial import is_trial
from tflint_nan.unused import UNUSED, unused
from tflint_nan.value import Op

#: What is said of a call of the project that a value comes out of, or goes into.
_LEFT, _ENTERED = "computed in this call", "used in this call"
#: How often a program is read with other settings than its defaults.
MAX_RUNS = 4
RANK = {Level.DEFAULT: 0, Level.STRICT: 1, Level.OPTIONAL: 2}


@dataclass(frozen=True, slots=True)
class _Found:
    """A report with the rule and the graph that it comes from."""

    rule: Rule
    report: Report
    graph: Graph


def lint(source: Source, settings: Settings, project: build.Project | None = None) -> list[Finding]:
    """Check one source.

    Args:
        source: the file.
        settings: what is looked for.
        project: where the modules that it imports are found; without it, the file is read alone.

    Returns:
        Findings of this file, sorted, each code once at a place. What goes wrong in another file, called
        from this one, stands at the call, once for each value that does. A rule that fails is a NAN901
        finding.

    Raises:
        SourceError: the text is not Python.
    """
    graphs = _runs(source, settings, project)
    trial = all(is_trial(source, graph) for graph in graphs)
    findings: list[Finding] = []
    # By rule and place; at a call that leads to another file, by which of its values it is, counted, as well.
    reports: dict[tuple[str, Span, int], list[_Found]] = {}
    judged = UNUSED.code in settings.shown
    seen = set() if source.broken_cells else set(settings.shown)
    others = _Others(settings, project)
    # What rules share of a graph is kept until another graph is asked.
    for graph, rule in product(graphs, rules()):
        weakest = settings.shown.get(rule.code)
        if weakest is None or not rule.may_report(graph.names):
            continue
        # Place -> what makes a number that goes wrong there, by serial, counted.
        made: defaultdict[Span, dict[int, int]] = defaultdict(dict)
        try:
            for report in rule.check(graph):
                if trial:
                    report = replace(report, level=Level.OPTIONAL)
                if RANK[report.level] > RANK[weakest] and not judged:
                    continue
                home = _brought_home(rule, report, source, graph, others)
                if home is not None:
                    span = source.span(home.node or home.op.node)
                    maker = report.because[0][0] if report.because else report.op
                    count = len(made[span])
                    number = 0 if home is report else made[span].setdefault(maker.serial, count)
                    reports.setdefault((rule.code, span, number), []).append(_Found(rule, home, graph))
        except Exception as error:
            findings.append(crash(source.filename, f"rule {rule.code}", error))
            seen.discard(rule.code)

    if reports or judged:
        suppressions = Suppressions(source.text)
        reported: dict[str, list[tuple[int, int]]] = {}
        told: dict[tuple[str, Span, str], list[_Found]] = {}
        for (code, span, _), same in reports.items():
            told.setdefault((code, span, same[0].report.message), []).extend(same)
        for (code, span, _), same in told.items():
            rows = _rows(source, same[0].report.op, span)
            reported.setdefault(code, []).append(rows)
            shown = _strongest(same) <= RANK[settings.shown[code]]
            if shown and not suppressions.silences(code, rows):
                reach = project if settings.across else None
                findings += _best(same, span, rows, settings.fixes, reach)
        if judged:
            known = OWN.keys() | {rule.code for rule in rules()}
            findings += unused(source, suppressions, reported, seen, known)
    return sorted(findings, key=lambda finding: finding.sort_key)


def _runs(source: Source, settings: Settings, project: build.Project | None) -> list[Graph]:
    """The program as it runs by default, and with the settings that its tests ask for.

    A program with modes is several programs, and each of them is run by somebody.
    """
    graphs = [build.build(source, settings.thresholds, project)]
    asked = dict.fromkeys(graphs[0].asked)
    tried: set[tuple[str, object]] = set()
    while len(graphs) <= MAX_RUNS and (new := [pair for pair in asked if pair not in tried]):
        name, value = new[0]
        tried.add(new[0])
        graphs.append(build.build(source, settings.thresholds, project, {name: value}))
        asked.update(dict.fromkeys(graphs[-1].asked))
    return graphs


def _brought_home(rule: Rule, report: Report, source: Source, graph: Graph, others: _Others) -> Report | None:
    """The report as one of `source`: of what goes wrong in another file, the call that leads there.

    None where all of it happens inside of one call, whoever calls: the other file's own check tells.
    The file itself may be right for other callers, so only a fix that changes both is one.
    """
    op = report.op
    if op.source is source:
        return report
    call = _call_in(source, op)
    if call is None:
        return None
    steps = [step for step, _ in report.because]
    steps += [] if report.shown_by is None else [report.shown_by]
    if all(_call_in(source, step) is call for step in steps) and others.tell(rule, report, source):
        return None
    if any(step.name == "variable" and not graph.in_loss(step) for step, _ in report.because):
        return None  # what else the other file does with its variable is not read from here
    there = report.node or op.node
    row = op.source.span(there).start.row
    caller = replace(op, source=source, node=call, statement=None)
    because = [
        (replace(op, node=there), words) if step is op else (step, words) for step, words in report.because
    ]
    if op not in [step for step, _ in report.because]:
        because.append((replace(op, node=there), "here"))
    return replace(
        report,
        op=caller,
        node=None,
        message=f"{report.message} (in {op.source.filename}:{row}, called here)",
        because=tuple(because),
        fix=None if report.fix is None else partial(_mended_in_both, report),
    )


class _Others:
    """What the checks of other files say of them, each read when it is first asked for."""

    def __init__(self, settings: Settings, project: build.Project | None) -> None:
        self._settings = settings
        self._project = project
        self._graphs: dict[str, list[Graph]] = {}
        #: Rule and file -> place -> the rank of the strongest report there.
        self._ranks: dict[tuple[str, str], dict[tuple[str, Span], int]] = {}

    def tell(self, rule: Rule, report: Report, source: Source) -> bool:
        """Whether another file on the way from `source` to a report says the same, and as strongly.

        It knows neither the numbers that `source` gives it, nor which of its parts meet there.
        """
        files = {report.op.source.filename: report.op.source}
        for file, _ in reversed(report.op.calls):
            if file is source:
                break
            files[file.filename] = file
        weaker = max(RANK.values()) + 1
        place, rank = _place(report), RANK[report.level]
        return any(self._told(rule, file).get(place, weaker) <= rank for file in files.values())

    def _told(self, rule: Rule, file: Source) -> dict[tuple[str, Span], int]:
        if self._is_left_out(file):
            return {}
        key = rule.code, file.filename
        if file.filename not in self._graphs:
            self._graphs[file.filename] = _runs(file, self._settings, self._project)
        if key not in self._ranks:
            ranks = self._ranks[key] = {}
            for graph in self._graphs[file.filename]:
                for report in rule.check(graph) if rule.may_report(graph.names) else ():
                    place, rank = _place(report), RANK[report.level]
                    ranks[place] = min(ranks.get(place, rank), rank)
        return self._ranks[key]

    def _is_left_out(self, file: Source) -> bool:
        project = self._project
        return project is not None and project.leaves_out(project.disk.absolute(file.filename))


def _place(report: Report) -> tuple[str, Span]:
    op = report.op
    return op.source.filename, op.source.span(report.node or op.node)


def _mended_in_both(report: Report, r: Rewriter) -> Fix | None:
    """The fix of a report of another file, where it changes that file together with the one of `r`."""
    there = report.op.source
    fix = None if report.fix is None or r.project is None else report.fix(r.at(report.op))
    if fix is None or r.source.filename not in fix.others:
        r.decline("it is in another file, which may be right for other callers")
        return None
    names = {None: there.filename, r.source.filename: None}
    edits = [replace(edit, filename=names.get(edit.filename, edit.filename)) for edit in fix.edits]
    return replace(fix, edits=tuple(sorted(edits, key=lambda edit: edit.filename or "")))


def _call_in(source: Source, op: Op) -> cst.CSTNode | None:
    """The call of `source` through which `op` was reached; None for what it computes itself."""
    return next((node for file, node in reversed(op.calls) if file is source), None)


def _level(rule: Rule, report: Report) -> Level:
    return max(rule.level, report.level, key=RANK.__getitem__)


def _strongest(same: list[_Found]) -> int:
    return min(RANK[found.report.level] for found in same)


def _best(
    same: list[_Found], span: Span, rows: tuple[int, int], fixes: bool, reach: build.Project | None
) -> Iterator[Finding]:
    """Of the reports at one place (one a call that leads there): the strongest, then one with a fix.

    The fix may change other files, too, where they are found in `reach`.
    """
    strongest = _strongest(same)
    candidates = [found for found in same if RANK[found.report.level] == strongest]
    fix = obstacle = None
    for found in candidates:
        rule, report = found.rule, found.report
        if report.fix is None or not fixes:
            continue
        try:
            rewriter = Rewriter(found.graph, report.op, reach)
            fix = report.fix(rewriter)
            obstacle = obstacle or rewriter.obstacle or "its rewrite of this form is not known"
        except Exception as error:
            yield crash(report.op.source.filename, f"the fix of rule {rule.code}", error)
        if fix is not None:
            break
    else:
        rule, report = candidates[0].rule, candidates[0].report
    source = report.op.source
    cell, place = source.locate(span)
    # In a notebook, rows count inside the cell.
    above = span.start.row - place.start.row
    yield Finding(
        code=rule.code,
        name=rule.name,
        message=report.message,
        filename=source.filename,
        span=place,
        severity=report.severity,
        level=_level(rule, report),
        help=report.help,
        statement=(rows[0] - above, rows[1] - above),
        related=tuple(_related(report)),
        witness=None if report.witness is None else str(report.witness),
        fix=None if fix is None else source.located(fix),
        cell=cell,
        obstacle=None if fix is not None else obstacle,
    )


def _related(report: Report) -> Iterator[Related]:
    """The chain to the sink, each place once, with the calls of the project in which a value goes on."""
    said: dict[tuple[str, int | None, Span], list[str]] = {}
    for source, node, message in _hops(report):
        cell, span = source.locate(source.span(node))
        words = said.setdefault((source.filename, cell, span), [])
        if message not in words:
            words.append(message)
    for (filename, cell, span), words in said.items():
        if {_LEFT, _ENTERED} <= set(words):
            words = ["through this call", *(word for word in words if word not in (_LEFT, _ENTERED))]
        yield Related(", ".join(words), filename, span, cell)


def _hops(report: Report) -> Iterator[tuple[Source, cst.CSTNode, str]]:
    for op, message in report.assumed[:-1]:
        yield op.source, op.node, message
    previous: Op | None = None
    for op, message in (*report.assumed[-1:], *report.because):
        left, entered = (previous.calls, op.calls) if previous is not None else ((), ())
        both = len(list(takewhile(lambda pair: pair[0][1] is pair[1][1], zip(left, entered, strict=False))))
        yield from ((*call, _LEFT) for call in reversed(left[both:]) if _is_call(call))
        yield from ((*call, _ENTERED) for call in entered[both:] if _is_call(call))
        yield op.source, op.node, message
        previous = op


def _is_call(call: tuple[Source, cst.CSTNode]) -> bool:
    """False for a function that nothing calls, which is read as if something did."""
    return isinstance(call[1], cst.Call)


def _rows(source: Source, op: object, span: Span) -> tuple[int, int]:
    """First and last row of the statement around `span`; of a compound statement only its header."""
    statement = getattr(op, "statement", None)
    if statement is None:
        return (span.start.row, span.end.row)
    whole = source.span(statement)
    first, last = whole.start.row, whole.end.row
    if isinstance(statement, cst.BaseCompoundStatement):
        last = max(source.span(statement.body).start.row - 1, first)
    return (min(first, span.start.row), max(last, span.end.row))
