"""How fast tflint-nan is beside the parser that it uses and beside other tools, in one run.

`python benchmarks/speed.py FOLDER` measures on a tree of third-party packages (a group that
`benchmarks/corpus.py` fetches) and prints tables in Markdown. Ruff, Fixit and Semgrep are taken from beside
this Python (`pip install -e '.[bench]'`) or from the PATH; one that is missing is said to be. Nothing is
written but in temporary folders and, between two comments, in the page of `--markdown`. It takes minutes, and
Linux, where it can read the memory of processes.
"""

from __future__ import annotations

import argparse
import ast
import multiprocessing
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import growth
import libcst

Words = Sequence[str | Path]
Rows = Iterable[Sequence[str]]
LIBRARIES = {"tensorflow", "keras", "tf_keras"}
TFLINT = (sys.executable, "-m", "tflint_nan")
#: All rules, and all that they find; the report goes nowhere, as every other tool's.
CHECK = (*TFLINT, "check", "--isolated", "--select", "ALL", "--strict", "--exit-zero", "--quiet")
COLD = (*CHECK, "--no-cache")
RUFF = ("ruff", "check", "--select", "ALL", "--isolated", "--no-cache", "--exit-zero", "--quiet")
FIXIT = ("fixit", "--quiet", "lint")
SEMGREP = (
    "semgrep", "scan", "--metrics", "off", "--disable-version-check", "--oss-only", "--quiet",
    # Else it leaves out folders of tests, which the others read.
    "--no-git-ignore", "--x-ignore-semgrepignore-files",
)  # fmt: skip
SEMGREP_RULE = """\
rules:
  - id: log-of-softmax
    languages: [python]
    severity: WARNING
    message: the log of a softmax
    pattern: tf.math.log(tf.nn.softmax(...))
"""
#: A script as somebody commits it, in lines, and how many files of the tree are checked beside it.
SCRIPT, BESIDE = 500, 5
#: The working folder of every command: the same for all, since caches know it; nobody's settings are there.
WORKING = tempfile.gettempdir()
#: Seconds between two looks at the memory.
LOOK = 0.02
MB = 1e6
#: The part of a page that `--markdown` writes.
BEGIN, END = "<!-- speed: begin -->\n", "<!-- speed: end -->\n"


class NotRun(Exception):
    """Why a command says nothing about its speed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command takes.

    Attributes:
        wall: seconds.
        cpu: seconds of processor time, user's and system's, of all its processes together.
        resident: bytes of all its processes together, at the worst moment that was looked at.
        once: the same, with memory that processes share counted once.
    """

    wall: float
    cpu: float
    resident: int = 0
    once: int = 0


@dataclass(frozen=True, slots=True)
class Tree:
    """Python files below a folder.

    Attributes:
        folder: the folder, absolute.
        lines: of each file.
        users: those that import TensorFlow or Keras, of the ones that Python can parse.
    """

    folder: Path
    lines: dict[Path, int]
    users: list[Path]

    @classmethod
    def read(cls, folder: Path) -> Tree:
        """The tree of `folder`."""
        lines: dict[Path, int] = {}
        users = []
        for path in sorted(folder.resolve().rglob("*.py")):
            if path.is_file():
                data = path.read_bytes()
                lines[path] = len(data.splitlines())
                if imports_library(data):
                    users.append(path)
        return cls(folder.resolve(), lines, users)

    def __str__(self) -> str:
        """Its size in words."""
        used = sum(self.lines[path] for path in self.users)
        return (
            f"`{self.folder.name}`, {len(self.lines):,} files with {sum(self.lines.values()):,} lines, of"
            f" which {len(self.users):,} with {used:,} lines import TensorFlow or Keras"
        )


def imports_library(data: bytes) -> bool:
    """True where a text is Python and imports TensorFlow or Keras itself."""
    if b"tensorflow" not in data and b"keras" not in data:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError):
        return False
    modules = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules.append(node.module or "")
    return any(module.partition(".")[0] in LIBRARIES for module in modules)


def found(program: str) -> str | None:
    """The path of a command."""
    return shutil.which(program, path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))


def cost(command: Words, look: bool = False) -> Cost:
    """What a command takes; that it finds something is no failure.

    Args:
        command: its words.
        look: whether its memory is looked at.

    Raises:
        NotRun: where it is not installed, or fails.
    """
    program = found(str(command[0]))
    if program is None:
        raise NotRun("not installed")
    resident = once = 0
    with tempfile.TemporaryFile() as errors:
        words = [program, *command[1:]]
        begun = time.perf_counter()
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=errors, cwd=WORKING)
        ended, status, used = os.wait4(process.pid, os.WNOHANG if look else 0)
        while not ended:
            now = memory(process.pid)
            resident, once = max(resident, now[0]), max(once, now[1])
            time.sleep(LOOK)
            ended, status, used = os.wait4(process.pid, os.WNOHANG)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip().splitlines()
    # 1 is for findings, and for a traceback; 2 for files that are not Python, and for words that are wrong.
    broken = {0: False, 1: any(row.startswith("Traceback") for row in said), 2: bool(said)}
    if broken.get(process.returncode, True):
        raise NotRun(f"exit status {process.returncode}: {said[-1] if said else 'it says nothing'}")
    return Cost(wall, used.ru_utime + used.ru_stime, resident, once)


def memory(process: int) -> tuple[int, int]:
    """Bytes that a process and those below it have in memory: of each by itself, and shared ones once."""
    resident = once = 0
    todo = [str(process)]
    for number in todo:
        try:
            for task in Path("/proc", number, "task").iterdir():
                todo += (task / "children").read_text().split()
            rows = Path("/proc", number, "smaps_rollup").read_text().splitlines()[1:]
        except OSError:
            continue  # It has just ended.
        kilobytes = {row.split()[0]: int(row.split()[1]) for row in rows}
        resident += kilobytes.get("Rss:", 0) * 1024
        once += kilobytes.get("Pss:", 0) * 1024
    return resident, once


def parsing(parser: str, files: Sequence[Path]) -> Cost:
    """What `parser`, ast or libcst, takes for the files, once it is loaded and they are read."""
    parse: Callable[[bytes], object] = ast.parse if parser == "ast" else libcst.parse_module
    warnings.simplefilter("ignore")
    texts = [path.read_bytes() for path in files]
    wall, cpu = time.perf_counter(), time.process_time()
    for text in texts:
        with suppress(libcst.ParserSyntaxError):
            parse(text)
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def parsed(parser: str, files: Sequence[Path]) -> Cost:
    """The same in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(parsing, parser, files).result()


class Costs:
    """What each step took, the least of all rounds; of what did not run, why."""

    def __init__(self) -> None:
        self._least: dict[str, Cost] = {}
        self._missing: dict[str, str] = {}

    def add(self, name: str, measure: Callable[..., Cost], *given: object) -> None:
        """Measure once more."""
        try:
            new = measure(*given)
        except NotRun as reason:
            self._missing[name] = str(reason)
            print(f"{name}: did not run: {reason}", file=sys.stderr)
            return
        print(f"{name}: {new.wall:.2f} s, processor {new.cpu:.2f} s", file=sys.stderr)
        old = self._least.get(name, new)
        self._least[name] = Cost(min(old.wall, new.wall), min(old.cpu, new.cpu))

    def rows(self, floor: str) -> Rows:
        """Every step, in multiples of `floor` as well."""
        for name, least in self._least.items():
            if name not in self._missing:
                yield name, f"{least.wall:.2f}", f"{least.cpu:.2f}", *self.ratio(name, floor)
        for name, reason in self._missing.items():
            yield name, f"did not run: {reason}", "", "", ""

    def ratio(self, name: str, other: str) -> tuple[str, str]:
        """Wall time and processor time of `name` in those of `other`."""
        if name in self._missing or other in self._missing:
            return "not measured", "not measured"
        above, below = self._least[name], self._least[other]
        return f"{above.wall / below.wall:.2f}", f"{above.cpu / below.cpu:.2f}"


AST, LIBCST = "`ast.parse`, files that import TensorFlow or Keras", "`libcst.parse_module`, the same files"
ONE, ALL = "tflint-nan, cold, one process", "tflint-nan, cold, all cores"
FILL, WARM = "tflint-nan, cold, all cores, writing the cache", "tflint-nan, warm"
RUFFS, SEMGREPS, FIXITS = "Ruff, all rules", "Semgrep, one rule", "Fixit, default rules"


def on_tree(tree: Tree, rounds: int) -> str:
    """The tools side by side, in rounds, so that what else the machine does meets all of them."""
    costs = Costs()
    loaded = False
    with tempfile.TemporaryDirectory() as scratch:
        rule = Path(scratch, "rule.yml")
        rule.write_text(SEMGREP_RULE, encoding="utf-8")
        for number in range(rounds):
            cached = (*CHECK, "--cache-dir", Path(scratch, str(number)), tree.folder)
            costs.add(AST, parsed, "ast", tree.users)
            costs.add(LIBCST, parsed, "libcst", tree.users)
            costs.add(ONE, cost, (*COLD, "--jobs", "1", tree.folder))
            costs.add(ALL, cost, (*COLD, tree.folder))
            costs.add(FILL, cost, cached)
            costs.add(WARM, cost, cached)
            loaded = loaded or loads_libcst(cached)
            costs.add(RUFFS, cost, (*RUFF, tree.folder))
            costs.add(SEMGREPS, cost, (*SEMGREP, "--config", rule, tree.folder))
            if not number:  # It takes minutes.
                costs.add(FIXITS, cost, (*FIXIT, tree.folder))
    wanted = [
        ("cold, one process / LibCST's parse", "≤ 0.9", *costs.ratio(ONE, LIBCST)),
        ("Fixit / cold, all cores", "≥ 30", *costs.ratio(FIXITS, ALL)),
        ("cold, all cores / Semgrep", "< 1", *costs.ratio(ALL, SEMGREPS)),
        ("warm / Ruff", "≤ 1", *costs.ratio(WARM, RUFFS)),
        ("warm: LibCST is loaded", "no", "yes" if loaded else "no", ""),
    ]
    return (
        f"Tree: {tree}. Best of {rounds}, Fixit once.\n\n"
        + table("what | wall s | processor s | wall / LibCST's | processor / LibCST's", costs.rows(LIBCST))
        + "\n"
        + table("ratio | wanted | wall | processor", wanted)
    )


def loads_libcst(command: Words) -> bool:
    """True where this command of tflint-nan's loads LibCST, without which rules have nothing to look at."""
    words = [command[0], "-X", "importtime", *command[1:]]
    said = subprocess.run(words, capture_output=True, text=True, check=False, cwd=WORKING).stderr
    return any(row.split("|")[-1].strip() == "libcst" for row in said.splitlines())


def one_file(size: int) -> str:
    """Training code of about `size` lines, in which the same comes again with other names."""
    (text,) = growth.parts(max(1, round(size / growth.PART.count("\n")))).values()
    return text


def on_one_file(tree: Tree, starts: int) -> str:
    """A hook with one changed file, and what only starts."""
    near = sorted(tree.users, key=lambda path: abs(tree.lines[path] - SCRIPT))[:BESIDE]
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch, "train.py")
        made.write_text(one_file(SCRIPT), encoding="utf-8")
        commands = {
            ("`--version`", "≤ 0.15"): (*TFLINT, "--version"),
            ("`--help`", "≤ 0.15"): (*TFLINT, "--help"),
            (f"`check`, made, {one_file(SCRIPT).count(chr(10))} lines", "≤ 0.35"): (*COLD, made),
        }
        for path in near:
            name = f"`check`, {path.relative_to(tree.folder)}, {tree.lines[path]} lines"
            commands[name, "≤ 0.35"] = (*COLD, path)
        rows = []
        for words, command in commands.items():
            costs = [cost(command) for _ in range(starts)]
            wall = statistics.median(each.wall for each in costs)
            cpu = statistics.median(each.cpu for each in costs)
            rows.append((*words, f"{wall:.2f}", f"{cpu:.2f}"))
    return f"Median of {starts}.\n\n" + table("one file | wanted | wall s | processor s", rows)


def in_size(tree: Tree, sizes: Sequence[int]) -> str:
    """How time and memory grow with the length of a file and with the number of files."""
    small = smallest(tree.folder)
    with tempfile.TemporaryDirectory() as scratch:
        empty = Path(scratch, "empty.py")
        empty.write_text("import tensorflow as tf\n", encoding="utf-8")
        start = cost((*COLD, empty), look=True)
        rows = []
        for what in ("one file", f"copies of {small.name}"):
            before = None
            for size in sizes:
                folder = Path(scratch, f"{what} {size}")
                if what == "one file":
                    folder.mkdir()
                    Path(folder, "train.py").write_text(one_file(1000 * size), encoding="utf-8")
                else:
                    copy(small, folder, size)
                texts = [path.read_bytes() for path in folder.rglob("*.py")]
                lines = sum(len(text.splitlines()) for text in texts)
                new = cost((*COLD, folder), look=True)
                print(f"{what}, {size}: {new.wall:.2f} s, processor {new.cpu:.2f} s", file=sys.stderr)
                grown = "" if before is None else f"{(new.cpu - start.cpu) / (before.cpu - start.cpu):.1f}"
                each = 1000 * (new.resident - start.resident) / lines / MB
                counts = (what, f"{len(texts):,}", f"{lines:,}")
                times = (f"{new.wall:.1f}", f"{new.cpu:.1f}", grown)
                rows.append((*counts, *times, f"{new.resident / MB:.0f}", f"{each:.1f}"))
                before = new
    return (
        f"To start takes {start.cpu:.2f} s of processor time and {start.resident / MB:.0f} MB, which is taken"
        " off in *to the one before* and *MB per 1000 lines*.\n\n"
        + table(
            "what | files | lines | wall s | processor s | to the one before | MB | MB per 1000 lines", rows
        )
    )


def smallest(folder: Path) -> Path:
    """The package in a folder of packages that has the fewest lines; the folder where it has none."""
    trees = [Tree.read(path) for path in sorted(folder.iterdir()) if path.is_dir()]
    packages = [tree for tree in trees if tree.users] or [Tree.read(folder)]
    return min(packages, key=lambda tree: sum(tree.lines.values())).folder


def copy(folder: Path, target: Path, count: int) -> None:
    """Write `count` copies of a folder's Python files, no two of the same content."""
    for path in Tree.read(folder).lines:
        for number in range(count):
            to = target / f"copy{number}" / path.relative_to(folder)
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(path.read_bytes() + f"\n# copy {number}\n".encode())


def in_memory(tree: Tree) -> str:
    """The memory of a cold run."""
    most = cost((*COLD, tree.folder), look=True)
    row = (
        *(f"{tree.folder.name}, all cores", "≤ 250", f"{most.resident / MB:.0f}", f"{most.once / MB:.0f}"),
        *(f"{most.wall:.1f}", f"{most.cpu:.1f}"),
    )
    return f"Tree: {tree}.\n\n" + table(
        "memory | wanted MB | MB | MB, shared pages once | wall s | processor s", [row]
    )


def table(head: str, rows: Rows) -> str:
    """A table in Markdown."""
    lines = [head, " | ".join("---" for _ in head.split(" | ")), *(" | ".join(row) for row in rows)]
    return "".join(f"| {line} |\n" for line in lines)


def machine() -> str:
    """What it is measured on, and with."""
    processor = platform.processor() or platform.machine()
    for row in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if row.startswith("model name"):
            processor = row.partition(":")[2].strip()
            break
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    tools = [f"Python {platform.python_version()}", f"LibCST {version('libcst')}"]
    for name in ("ruff", "semgrep", "fixit"):
        program = found(name)
        if program is not None:
            # Without it, Semgrep asks the network for a newer one, and waits.
            quiet = {**os.environ, "SEMGREP_ENABLE_VERSION_CHECK": "0"}
            said = subprocess.check_output([program, "--version"], text=True, env=quiet)
            tools.append(f"{name.capitalize()} {said.split()[-1]}")
    return (
        f"{time.strftime('%Y-%m-%d')}: {len(os.sched_getaffinity(0))} cores ({processor}), {size:.0f} GB,"
        f" {', '.join(tools)}. Load by other programs at the start: {os.getloadavg()[0]:.1f}.\n"
    )


def around(page: Path) -> tuple[str, str]:
    """What stands before and behind the tables of a page, the two comments included.

    Raises:
        ValueError: where they are not both there.
    """
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} lacks {BEGIN.strip()} or {END.strip()}")
    return before + begin, end + after


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="packages in folders, as benchmarks/corpus.py leaves them")
    parser.add_argument("--largest", type=Path, help="the tree whose memory is looked at (default: FOLDER)")
    parser.add_argument("--rounds", type=int, default=3, help="of the tools, of which the best counts (3)")
    parser.add_argument("--starts", type=int, default=10, help="of a hook, of which the median counts (10)")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[1, 10, 100], help="thousands of lines, and copies (1 10 100)"
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="PAGE", help="write the tables into this page as well"
    )
    options = parser.parse_args(argv)
    tree = Tree.read(options.folder)
    if not tree.users:
        parser.error(f"no file in {options.folder} imports TensorFlow or Keras")
    largest = tree if options.largest is None else Tree.read(options.largest)
    if options.markdown is not None:
        around(options.markdown)  # What is wrong with the page is said now, not in the end.
    text = ""
    for part in (
        machine,
        partial(on_tree, tree, options.rounds),
        partial(on_one_file, tree, options.starts),
        partial(in_memory, largest),
        partial(in_size, tree, options.sizes),
    ):
        try:
            said = f"{part()}\n"
        except NotRun as reason:
            said = f"Not measured: {reason}.\n\n"
        print(said, end="", flush=True)
        text += said
    if options.markdown is not None:
        before, after = around(options.markdown)
        options.markdown.write_text(before + text + after, encoding="utf-8")


if __name__ == "__main__":
    main()
