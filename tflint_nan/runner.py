"""Many files, one result each: checked, then written. A file that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tflint_nan.check import Surroundings, check_file
from tflint_nan.faults import UNREADABLE, fault
from tflint_nan.files import File
from tflint_nan.job import Job, Mode, Result
from tflint_nan.overwrite import overwrite
from tflint_nan.pool import check_all


def run(files: Sequence[File], mode: Mode, checked: Callable[[], object] = int) -> list[Result]:
    """One result for each file, in the same order.

    Files are written when all are checked, so that what one file says of another that it imports does not
    depend on which came first.

    Args:
        files: what is checked.
        mode: what is done with it.
        checked: called whenever one more file is checked.
    """
    jobs = [Job(str(file.path), file.name, file.config.settings(file.path), mode) for file in files]
    results = []
    for result in check_all(jobs):
        results.append(result if mode.fix else result.without(mode.baseline))
        checked()
    if mode.write:
        return [
            _written(job, result) if result.diff else result
            for job, result in zip(jobs, results, strict=True)
        ]
    return results


def _written(job: Job, result: Result) -> Result:
    """The result after its fixes are in the file; that of the file as it is where it may not be written."""
    try:
        overwrite(job.file, result.before, result.data)
    except OSError as error:
        message = f"cannot be written: {error.strerror or error}"
        refused = fault(UNREADABLE, job.name, message, "the file is as it was")
        unfixed = check_file(replace(job, mode=Mode()), Surroundings()).without(job.mode.baseline)
        return replace(unfixed, findings=[refused, *unfixed.findings])
    return result
