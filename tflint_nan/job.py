"""What is asked about one file, and the answer. Plain data, which goes from process to process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tflint_nan.baseline import Baseline
from tflint_nan.facts import Facts
from tflint_nan.faults import FAULTS
from tflint_nan.finding import Applicability, Finding, Level, Lines, Rows, risks


@dataclass(frozen=True, slots=True)
class Settings:
    """What is looked for in one file.

    Attributes:
        shown: code -> the weakest level of report that is shown; a rule that is not here does not run.
        thresholds: the numbers in force, every one that a rule declares.
        fixes: whether fixes are made for what is found; without them, the rest is there sooner.
        across: whether they may change other files as well, which whoever applies them has to know.
    """

    shown: Mapping[str, Level]
    thresholds: Mapping[str, float]
    fixes: bool = True
    across: bool = False


@dataclass(frozen=True, slots=True)
class Mode:
    """What is done with a file.

    Attributes:
        fix: fixes are made, the risky ones too with `unsafe`, and written to the file with `write`.
        baseline: findings that are neither reported nor fixed.
    """

    write: bool = False
    fix: bool = False
    unsafe: bool = False
    baseline: Baseline | None = None

    @property
    def applied(self) -> tuple[Applicability, ...]:
        """The risks of the fixes that are made."""
        return risks(self.unsafe) if self.fix else ()


@dataclass(frozen=True, slots=True)
class Job:
    """A file to check: its path, what reports call it, what is looked for and what is done with it."""

    file: str
    name: str
    settings: Settings
    mode: Mode


@dataclass(frozen=True, slots=True)
class Workers:
    """Who does the jobs.

    Attributes:
        processes: how many of this machine, as many as it has cores where none is given.
        cluster: the address of a Dask scheduler, whose workers do them instead.
    """

    processes: int | None = None
    cluster: str | None = None


#: The cores of this machine.
HERE = Workers()


class ClusterError(Exception):
    """A cluster cannot do the jobs; the text says which, and why."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one file.

    Attributes:
        findings: what remains, sorted.
        fixed: code -> how many findings were fixed.
        diff: the change as a unified diff.
        data: the content with the fixes; empty where the file could not be read.
        lines: the texts that the findings are about, see `report.Report`.
        rows: where the cells are written that they stand in, see `report.Report`.
        has_tensorflow: False where neither the file nor what it imports knows TensorFlow or Keras.
        before: the content without the fixes, where there are any.
        facts: what it rests on; None where that is not known.
    """

    filename: str
    findings: Sequence[Finding] = ()
    fixed: Mapping[str, int] = field(default_factory=dict)
    diff: str = ""
    data: bytes = b""
    lines: Lines = field(default_factory=dict)
    rows: Rows = field(default_factory=dict)
    has_tensorflow: bool = True
    before: bytes = b""
    facts: Facts | None = None

    @property
    def failed(self) -> bool:
        """True where the file, or a part of it, could not be checked or written."""
        return any(finding.code in FAULTS for finding in self.findings)

    def without(self, baseline: Baseline | None) -> Result:
        """The result without the findings that the baseline knows."""
        if baseline is None or not self.findings:
            return self
        return replace(self, findings=baseline.unknown(self.findings, self.lines))
