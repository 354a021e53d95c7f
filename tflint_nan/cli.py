"""The command line: parses words, calls one function each, and says how it went by the exit status.

0: nothing remains. 1: findings remain. 2: the job could not be done (a wrong option, a file that cannot be
read or parsed, an internal error), whatever else was found.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tflint_nan import __version__
from tflint_nan.formats import FORMATS
from tflint_nan.garbage import collect_rarely

# All that takes longer is imported where it is used: `--version`, `--help` and completion stay quick.
if TYPE_CHECKING:
    from tflint_nan.config import Overrides, Selection
    from tflint_nan.shard import Shard

CLEAN, FOUND, FAILED = 0, 1, 2


def _default_format() -> str:
    """GitHub's annotations in one of its workflows, which sets this variable; else the text for people."""
    return "github" if os.environ.get("GITHUB_ACTIONS") == "true" else "text"


def _codes(context: click.Context, parameter: click.Parameter, groups: tuple[str, ...]) -> tuple[str, ...]:
    """Rule codes or prefixes, each option's separated by commas."""
    if not groups:
        return ()
    from tflint_nan.config import ConfigError, check_codes

    try:
        return check_codes(code for group in groups for code in group.split(",") if code.strip())
    except ConfigError as error:
        raise click.BadParameter(str(error), context, parameter) from error


def _shard(context: click.Context, parameter: click.Parameter, text: str | None) -> Shard | None:
    """The part of the files that `I/N` means."""
    if text is None:
        return None
    from tflint_nan.shard import Shard

    try:
        return Shard.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from error


_config = click.option(
    "--config", "config_options", multiple=True, metavar="FILE|TOML",
    help="A configuration file, or a setting such as 'strict = true'; may be given several times.",
)  # fmt: skip
_isolated = click.option("--isolated", is_flag=True, help="Use no configuration file.")
_no_cache = click.option("--no-cache", is_flag=True, help="Read and write no cache.")
_cache_dir = click.option(
    "--cache-dir", type=Path, metavar="PATH", envvar="TFLINT_NAN_CACHE_DIR", show_envvar=True,
    help="The folder of the cache, by default .tflint_nan_cache at the project's top.",
)  # fmt: skip


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name="tflint-nan", message="%(prog)s %(version)s")
def cli() -> None:
    """Find and fix what will turn TensorFlow and Keras training into NaN."""
    collect_rarely()


@cli.command()
@click.argument("paths", nargs=-1, metavar="[PATHS]...")
@click.option(
    "--select", multiple=True, callback=_codes, metavar="CODES", help="Codes or prefixes to run, or ALL."
)
@click.option(
    "--extend-select",
    multiple=True,
    callback=_codes,
    metavar="CODES",
    help="Codes or prefixes to run besides.",
)
@click.option(
    "--ignore", multiple=True, callback=_codes, metavar="CODES", help="Codes or prefixes not to run."
)
@click.option("--strict", is_flag=True, help="Also report weaker evidence.")
@click.option("--fix", "apply_fixes", is_flag=True, help="Apply the fixes that keep every finite value.")
@click.option(
    "--unsafe-fixes", is_flag=True, help="With --fix or --diff: also the fixes that change the training."
)
@click.option("--diff", is_flag=True, help="Print what --fix would change and write nothing.")
@click.option(
    "--output-format",
    type=click.Choice(FORMATS),
    default=_default_format,
    show_default="text; github in a workflow of GitHub Actions",
    help="The form of the report.",
)
@click.option("--output-file", type=Path, metavar="PATH", help="Write the report to a file.")
@click.option("--baseline", type=Path, metavar="FILE", help="Leave out the findings that this file knows.")
@click.option(
    "--diff-base", metavar="REV", help="Leave out the findings that were there at a revision of git."
)
@click.option("--statistics", is_flag=True, help="Print a count for each rule only.")
@click.option("--stdin-filename", metavar="PATH", help="What to call the text of standard input (`-`).")
@_config
@_isolated
@click.option("--force-exclude", is_flag=True, help="Leave out excluded files even if they are named.")
@_no_cache
@_cache_dir
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes that check, as many as there are cores where it is not given.",
)
@click.option("--dask", metavar="ADDRESS", help="Check on a Dask cluster, which this scheduler belongs to.")
@click.option(
    "--shard",
    callback=_shard,
    metavar="I/N",
    help="Check one part of N only: a CI job checks 1/4, another 2/4.",
)
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even if findings remain.")
@click.option(
    "--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True,
    help="When to print in colours; NO_COLOR and FORCE_COLOR count where it is auto.",
)  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Print findings and errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Tell more on standard error, tracebacks included.")
@click.option("--watch", is_flag=True, help="Check again whenever a file changes, until interrupted.")
def check(
    paths: tuple[str, ...],
    select: tuple[str, ...],
    extend_select: tuple[str, ...],
    ignore: tuple[str, ...],
    strict: bool,
    apply_fixes: bool,
    unsafe_fixes: bool,
    diff: bool,
    output_format: str,
    output_file: Path | None,
    baseline: Path | None,
    diff_base: str | None,
    statistics: bool,
    stdin_filename: str | None,
    config_options: tuple[str, ...],
    isolated: bool,
    force_exclude: bool,
    no_cache: bool,
    cache_dir: Path | None,
    jobs: int | None,
    dask: str | None,
    shard: Shard | None,
    exit_zero: bool,
    color: str,
    quiet: bool,
    verbose: bool,
    watch: bool,
) -> int:
    """Check files and folders (the current one where none is named; `-` is standard input)."""
    import logging

    from tflint_nan import config, results
    from tflint_nan.baseline import BaselineError
    from tflint_nan.faults import log_to_stderr
    from tflint_nan.job import ClusterError, Mode, Workers
    from tflint_nan.output import Failure, Shown, show
    from tflint_nan.results import STDIN

    log_to_stderr(logging.INFO if verbose else logging.WARNING)
    if STDIN in paths and len(paths) > 1:
        raise click.UsageError("'-' (standard input) cannot be mixed with other paths")
    if stdin_filename is not None and STDIN not in paths:
        raise click.UsageError("--stdin-filename needs '-' (standard input) as the path")
    if baseline is not None and diff_base is not None:
        raise click.UsageError("--baseline and --diff-base each say what is known; give one of them")
    if diff_base is not None and STDIN in paths:
        raise click.UsageError("--diff-base needs files; standard input has no revisions")
    if jobs is not None and dask is not None:
        raise click.UsageError("--jobs and --dask each say who checks; give one of them")
    if dask is not None and STDIN in paths:
        raise click.UsageError("--dask takes files; standard input is checked here")
    if shard is not None and STDIN in paths:
        raise click.UsageError("--shard divides files; standard input is one text")
    if watch and (apply_fixes or diff or STDIN in paths):
        raise click.UsageError("--watch only looks; it goes with neither --fix, --diff nor standard input")
    if output_file is not None and diff:
        raise click.UsageError("--diff prints no report that --output-file could hold")

    selection = config.Selection(select or None, extend_select, ignore)
    overrides = _overrides(config_options, isolated, selection, strict, force_exclude)
    # The working folder as the user sees it, links kept: names in reports are relative to it.
    working = Path(os.path.abspath(os.curdir))
    if baseline is not None:
        overrides = replace(overrides, baseline=working / baseline)
    if diff_base is not None:
        overrides = replace(overrides, knows_nothing=True)
    shown = Shown(output_format, output_file, color, quiet, diff, statistics, STDIN in paths)

    def once() -> int:
        try:
            mode = Mode(
                write=apply_fixes and not diff,
                fix=apply_fixes or diff,
                unsafe=unsafe_fixes,
            )
            configs = config.Configs(overrides, working)
            if STDIN in paths:
                found, errors = [results.of_stdin(configs, working, stdin_filename, mode)], False
            else:
                found, errors = results.of_paths(
                    paths or (os.curdir,),
                    configs,
                    working,
                    mode,
                    None if no_cache else results.kept_in(configs, working, cache_dir),
                    diff_base=diff_base,
                    quiet=quiet,
                    shard=shard,
                    workers=Workers(jobs, dask),
                )
        except (config.ConfigError, BaselineError, ClusterError) as error:
            raise Failure(str(error)) from error
        show(found, mode, shown)
        if errors or any(result.failed for result in found):
            return FAILED
        remaining = any(result.findings or (diff and result.fixed) for result in found)
        return FOUND if remaining and not exit_zero else CLEAN

    return _watched(once, working) if watch else once()


def _watched(once: Callable[[], int], working: Path) -> int:
    """Run `once`, and again when something below the working folder changes; Ctrl-C ends it."""
    from tflint_nan.output import Failure

    try:
        from watchfiles import PythonFilter, watch
    except ModuleNotFoundError as error:
        raise Failure("--watch needs watchfiles: pip install 'tflint-nan[watch]'") from error
    wanted = PythonFilter(extra_extensions=[".ipynb", ".toml"])
    once()
    for _ in watch(working, watch_filter=wanted, raise_interrupt=False):
        click.clear()
        try:
            once()
        except Failure as failure:
            failure.show()  # a setting that is half written
    return CLEAN


def _overrides(
    options: tuple[str, ...], isolated: bool, selection: Selection, strict: bool, force_exclude: bool
) -> Overrides:
    """Sorts `--config` words into the one file and the settings."""
    from tflint_nan.config import Overrides

    files = [option for option in options if Path(option).is_file()]
    inline = tuple(option for option in options if option not in files)
    missing = next((option for option in inline if "=" not in option), None)
    if missing is not None:
        raise click.UsageError(f"--config {missing!r}: neither a file nor a setting such as 'strict = true'")
    if len(files) > 1:
        raise click.UsageError("--config takes one file")
    if files and isolated:
        raise click.UsageError("--isolated and a --config file contradict each other")
    return Overrides(
        isolated=isolated,
        file=Path(os.path.abspath(files[0])) if files else None,
        inline=inline,
        selection=selection,
        strict=strict,
        force_exclude=force_exclude,
    )


@cli.command("baseline")
@click.argument("paths", nargs=-1, metavar="[PATHS]...")
@click.option(
    "--output-file", type=Path, metavar="PATH",
    help="Where to write, by default the file that the configuration names, or tflint-nan-baseline.json.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Also what --strict would report.")
@_config
@_isolated
@_no_cache
@_cache_dir
def write_baseline(
    paths: tuple[str, ...],
    output_file: Path | None,
    strict: bool,
    config_options: tuple[str, ...],
    isolated: bool,
    no_cache: bool,
    cache_dir: Path | None,
) -> int:
    """Write the findings that there are to a file; `check --baseline FILE` reports what comes after them."""
    from tflint_nan import baseline, config, results
    from tflint_nan.faults import FAULTS
    from tflint_nan.files import display_name
    from tflint_nan.job import Mode
    from tflint_nan.output import Failure, save

    overrides = _overrides(config_options, isolated, config.Selection(), strict, False)
    working = Path(os.path.abspath(os.curdir))
    try:
        path = output_file or config.Configs(overrides, working).of(working).baseline or Path(baseline.NAME)
        configs = config.Configs(replace(overrides, knows_nothing=True), working)
        cache = None if no_cache else results.kept_in(configs, working, cache_dir)
        found, errors = results.of_paths(paths or (os.curdir,), configs, working, Mode(), cache)
    except config.ConfigError as error:
        raise Failure(str(error)) from error
    findings = [finding for result in found for finding in result.findings]
    lines = {key: text for result in found for key, text in result.lines.items()}
    faults = [finding for finding in findings if finding.code in FAULTS]
    save(path, baseline.render(findings, lines, path.absolute().parent))
    count = len(findings) - len(faults)
    click.echo(
        f"{count} finding{'s' if count != 1 else ''} written to {display_name(path, working)}", err=True
    )
    for fault in faults:
        click.echo(f"error: {fault.filename}: {fault.message}", err=True)
    return FAILED if errors or faults else CLEAN


@cli.command("clean")
@_config
@_isolated
@_cache_dir
def clean_cache(config_options: tuple[str, ...], isolated: bool, cache_dir: Path | None) -> int:
    """Remove the cache; the next run checks every file."""
    from tflint_nan import cache, config, results
    from tflint_nan.output import Failure

    working = Path(os.path.abspath(os.curdir))
    overrides = _overrides(config_options, isolated, config.Selection(), False, False)
    try:
        found = results.kept_in(config.Configs(overrides, working), working, cache_dir)
    except config.ConfigError as error:
        raise Failure(str(error)) from error
    try:
        removed = cache.clean(found.folder)
    except OSError as error:
        raise Failure(f"{error.filename}: cannot be removed: {error.strerror or error}") from error
    click.echo(f"{'Removed' if removed else 'There is no cache in'} {found.folder}", err=True)
    return CLEAN


@cli.command("server")
def language_server() -> int:
    """Be a language server, on standard input and output, for an editor that starts it."""
    try:
        from tflint_nan.server.server import serve
    except ModuleNotFoundError as error:
        if error.name not in ("pygls", "lsprotocol"):
            raise
        from tflint_nan.output import Failure

        raise Failure("the server needs pygls: pip install 'tflint-nan[server]'") from error
    serve()
    return CLEAN


@cli.command("rule")
@click.argument("code", required=False)
@click.option("--all", "every", is_flag=True, help="List every rule.")
@click.option(
    "--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="The form of the page or list.",
)  # fmt: skip
def show_rule(code: str | None, every: bool, output_format: str) -> int:
    """Print the page of the rule CODE, or the list of all rules."""
    from tflint_nan.config import nearest
    from tflint_nan.output import Failure
    from tflint_nan.report import pages

    if every == (code is not None):
        raise click.UsageError("give either a rule's code or --all")
    listed = pages.pages()
    if code is None:
        click.echo(pages.listing(listed, output_format), nl=False)
        return CLEAN
    found = next((rule for rule in listed if code.upper() == rule.code or code == rule.name), None)
    if found is None:
        raise Failure(f"unknown rule {code!r}{nearest(code.upper(), [rule.code for rule in listed])}")
    click.echo(pages.page(found, output_format), nl=False)
    return CLEAN


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit status: 0, 1 or 2 as in the module's description, 130 when interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What the terminal's encoding lacks must not end the run.
            stream.reconfigure(errors="backslashreplace")
    try:
        status = cli.main(args=argv, prog_name="tflint-nan", standalone_mode=False)
        if not sys.stdout.closed:  # The server's editor has gone, and its pipe with it.
            sys.stdout.flush()
        return int(status or CLEAN)
    except click.Abort:
        click.echo("interrupted", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return FAILED
    except SystemExit:
        # Click leaves this way, with status 1, where the reader of the report has gone away.
        return FAILED
    except Exception:
        import traceback

        traceback.print_exc()
        click.echo("error: this is a fault in tflint-nan; please report it with the lines above", err=True)
        return FAILED
