"""How much the analysis decides: `python benchmarks/sites.py FOLDER [FOLDER ...]`.

A *numeric site* is a place in the text that computes a log, division, root, power, exponential or inverse
function of something that is not a literal. It is *safe* where the ranges exclude every input that makes
it infinite or NaN, *unsafe* where an input is known that does, and *unknown* otherwise; the cause is what the
range of its operand was lost at, nearest first. Of several calls that reach a place, the worst counts.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tflint_nan.build import build
from tflint_nan.check import Surroundings
from tflint_nan.graph import Graph
from tflint_nan.interval import EVERYTHING, FORMATS
from tflint_nan.registry import rules
from tflint_nan.screen import summarised
from tflint_nan.source import Source, SourceError
from tflint_nan.value import Const, Op, Value

#: Operator -> its operand that has a danger, and whether a number is dangerous in a format.
DANGERS: dict[str, tuple[str, Callable[[float, str], bool]]] = {
    "log": ("x", lambda v, dtype: v <= 0),
    "log1p": ("x", lambda v, dtype: v <= -1),
    "div": ("y", lambda v, dtype: v == 0),
    "reciprocal": ("x", lambda v, dtype: v == 0),
    "sqrt": ("x", lambda v, dtype: v < 0),
    "rsqrt": ("x", lambda v, dtype: v <= 0),
    "exp": ("x", lambda v, dtype: v > LIMIT[dtype]),
    "expm1": ("x", lambda v, dtype: v > LIMIT[dtype]),
    "acos": ("x", lambda v, dtype: abs(v) > 1),
    "asin": ("x", lambda v, dtype: abs(v) > 1),
    "atanh": ("x", lambda v, dtype: abs(v) >= 1),
    "acosh": ("x", lambda v, dtype: v < 1),
}
#: log of the largest finite number.
LIMIT = {"float16": 11.0898, "bfloat16": 88.7228, "float32": 88.7228, "float64": 709.7827}
#: From the best to the worst, and in the order of the table.
VERDICTS = ("safe", "unknown", "unsafe")
SHOWN = ("safe", "unsafe", "unknown")


def verdict(op: Op) -> tuple[str, str] | None:
    """The verdict on one op and, where it is unknown, the cause; None where the operand is a literal."""
    name, bad = DANGERS[op.name]
    operand = op.arg(name)
    if isinstance(operand, Const):
        return None
    dtype = operand.dtype if operand.dtype in FORMATS else "float32"
    if operand.reaches(lambda v: bad(v, dtype)):
        return "unsafe", ""
    ends = {operand.interval.lo, operand.interval.hi}
    if 0.0 in operand.interval:
        ends.add(0.0)
    if not any(bad(end, dtype) for end in ends):
        return "safe", ""
    return "unknown", cause(operand)


def cause(value: Value) -> str:
    """The nearest op whose range is lost although those of its own operands are not: where knowledge ends."""
    seen: set[int] = set()
    todo = [value]
    last = "no op"
    for one in todo:
        op = one.op
        if op is None or op.serial in seen:
            continue
        seen.add(op.serial)
        last = op.name
        if op.name in ("parameter", "placeholder", "unknown_call"):
            return op.name
        todo.extend(arg for arg in op.args.values() if arg.op is not None and arg.interval == EVERYTHING)
        if not any(arg.op is not None and arg.interval == EVERYTHING for arg in op.args.values()):
            return f"operands of {op.name}"
    return last


def sites(graph: Graph, source: Source) -> Iterator[tuple[int, str, str, str]]:
    """(identity of the place, operator, verdict, cause) of every numeric op of the file itself."""
    for op in graph.ops(*DANGERS):
        if op.source is source:
            found = verdict(op)
            if found is not None:
                yield id(op.node), op.name, *found


def measure(paths: list[str]) -> tuple[Counter[tuple[str, str]], Counter[str], int, int, float]:
    """Verdicts by operator, causes, files, rows and seconds of processor time."""
    thresholds = {name: value for rule in rules() for name, value in rule.thresholds.items()}
    verdicts: Counter[tuple[str, str]] = Counter()
    causes: Counter[str] = Counter()
    surroundings, files, rows, start = Surroundings(), 0, 0, time.process_time()
    for path in paths:
        try:
            source = Source.read(path)
            if surroundings.screen.leaves_out(Path(path).absolute(), summarised(source.text)):
                continue
            graph = build(source, thresholds, surroundings.project)
        except SourceError:
            continue
        files += 1
        rows += source.text.count("\n")
        worst: dict[int, tuple[str, str, str]] = {}
        for place, name, result, why in sites(graph, source):
            if place not in worst or VERDICTS.index(result) > VERDICTS.index(worst[place][1]):
                worst[place] = (name, result, why)
        for name, result, why in worst.values():
            verdicts[name, result] += 1
            if result == "unknown":
                causes[why] += 1
    return verdicts, causes, files, rows, time.process_time() - start


def _row(name: str, counts: Mapping[str, int]) -> str:
    return "| " + " | ".join([name, str(sum(counts.values())), *(str(counts[v]) for v in SHOWN)]) + " |"


def main() -> None:
    """Measure folders and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    paths = sorted(str(path) for folder in options.folders for path in folder.rglob("*.py"))
    size = max(1, len(paths) // (options.jobs * 4))
    parts = [paths[start : start + size] for start in range(0, len(paths), size)]
    verdicts: Counter[tuple[str, str]] = Counter()
    causes: Counter[str] = Counter()
    files, rows, seconds = 0, 0, 0.0
    with ProcessPoolExecutor(options.jobs) as pool:
        for some, why, count, length, taken in pool.map(measure, parts):
            verdicts += some
            causes += why
            files, rows, seconds = files + count, rows + length, seconds + taken
    print(f"{files} files that use TensorFlow or Keras, {rows} rows, {seconds:.0f} s of processor time.\n")
    print("| operator | sites | safe | unsafe | unknown |\n|---|---|---|---|---|")
    total: Counter[str] = Counter()
    for name in DANGERS:
        counts = {result: verdicts[name, result] for result in VERDICTS}
        total.update(counts)
        if sum(counts.values()):
            print(_row(name, counts))
    print(_row("all", total))
    print("\n| unknown because of | sites |\n|---|---|")
    for why, count in causes.most_common(15):
        print(f"| {why} | {count} |")


if __name__ == "__main__":
    sys.exit(main())
