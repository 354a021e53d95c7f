"""Settings from `tflint-nan.toml` or `[tool.tflint-nan]` of `pyproject.toml`, and from the command line.

Which rules run is decided as Ruff does it: a later layer (the command line) overrides an earlier one (the
file), and inside a layer the longer code overrides the shorter, so `ignore = ["NAN1"]` with
`extend-select = ["NAN101"]` leaves NAN101 on.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pathspec import GitIgnoreSpec

from tflint_nan.baseline import Baseline
from tflint_nan.baseline import read as read_baseline
from tflint_nan.faults import OWN
from tflint_nan.finding import Level
from tflint_nan.job import Settings
from tflint_nan.registry import declared

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NAMES = ("tflint-nan.toml", "pyproject.toml")
#: Folders that hold no code of the project; `exclude` replaces them, `extend-exclude` adds to them.
DEFAULT_EXCLUDE = (
    ".bzr", ".direnv", ".eggs", ".git", ".git-rewrite", ".hg", ".ipynb_checkpoints", ".mypy_cache", ".nox",
    ".pants.d", ".pytest_cache", ".pytype", ".ruff_cache", ".svn", ".tox", ".venv", ".vscode", "__pycache__",
    "__pypackages__", "_build", "buck-out", "build", "dist", "node_modules", "site-packages", "venv",
)  # fmt: skip


class ConfigError(Exception):
    """A mistake in the configuration, in words for the user: file, key, and the nearest valid one."""


@dataclass(frozen=True, slots=True)
class Selection:
    """One layer's word on which rules run; codes, prefixes or `ALL`; `select` is None without one."""

    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True)
class Config:
    """The configuration of one folder.

    Attributes:
        root: the folder that patterns are relative to.
        path: the file it was read from, None for the defaults.
        layers: what the file, inline settings and the command line select, in this order.
        exclude: patterns in the syntax of ignore files.
        force_exclude: True where `exclude` also holds for files that are named on the command line.
        baseline: the file with the findings that are known, absolute.
        cache_dir: the folder of the cache, absolute.
    """

    root: Path
    path: Path | None = None
    layers: tuple[Selection, ...] = ()
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    exclude: tuple[str, ...] = DEFAULT_EXCLUDE
    extend_exclude: tuple[str, ...] = ()
    force_exclude: bool = False
    strict: bool = False
    thresholds: Mapping[str, float] = field(default_factory=dict)
    baseline: Path | None = None
    cache_dir: Path | None = None

    @cached_property
    def _excluded(self) -> GitIgnoreSpec:
        return GitIgnoreSpec.from_lines([*self.exclude, *self.extend_exclude])

    def excludes(self, path: Path, *, folder: bool, below: Path | None = None) -> bool:
        """True where `exclude` or `extend-exclude` name `path`, or a folder from `below` (the root) to it."""
        return self._excluded.match_file(_relative(path, below or self.root) + ("/" if folder else ""))

    def known(self) -> Baseline | None:
        """The findings that are known, as they are written now.

        Raises:
            BaselineError: they cannot be read.
        """
        return None if self.baseline is None else read_baseline(self.baseline)

    @cached_property
    def _settings(self) -> Settings:
        return Settings(_shown(self.layers, self.strict), {**_default_thresholds(), **self.thresholds})

    @cached_property
    def _per_file(self) -> list[tuple[bool, GitIgnoreSpec, tuple[str, ...]]]:
        return [
            (pattern.startswith("!"), GitIgnoreSpec.from_lines([pattern.removeprefix("!")]), codes)
            for pattern, codes in self.per_file_ignores
        ]

    def settings(self, path: Path) -> Settings:
        """What is looked for in the file `path`."""
        name = _relative(path, self.root)
        ignored = {
            code
            for negated, spec, codes in self._per_file
            if spec.match_file(name) is not negated
            for selector in codes
            for code in _matching(selector)
        }
        if not ignored:
            return self._settings
        shown = {code: level for code, level in self._settings.shown.items() if code not in ignored}
        return replace(self._settings, shown=shown)


def _relative(path: Path, root: Path) -> str:
    """`path` from `root`, with slashes; a file outside keeps its whole path, as only its name can match."""
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return path.as_posix().lstrip("/")


def _codes() -> dict[str, Level]:
    return {rule.code: rule.level for rules in (declared(), OWN.values()) for rule in rules}


def _default_thresholds() -> dict[str, float]:
    return {name: number for rule in declared() for name, number in rule.thresholds.items()}


def _matching(selector: str) -> list[str]:
    """The codes that a valid selector stands for."""
    prefix = "" if selector == "ALL" else selector
    return [code for code in _codes() if code.startswith(prefix)]


def _specificity(selector: str) -> int:
    return 0 if selector == "ALL" else len(selector)


def _shown(layers: Sequence[Selection], strict: bool) -> dict[str, Level]:
    """Code -> weakest level of report that is shown, for every rule that runs."""
    levels = _codes()
    chosen = dict.fromkeys((code for code, level in levels.items() if level is not Level.OPTIONAL), "ALL")
    for layer in layers:
        wanted = [(selector, True) for selector in (*(layer.select or ()), *layer.extend_select)]
        unwanted = [(selector, False) for selector in layer.ignore]
        if layer.select is not None:
            chosen = {}
        # Sorted by length, and what is ignored last among equals.
        for selector, on in sorted(wanted + unwanted, key=lambda item: (_specificity(item[0]), not item[1])):
            for code in _matching(selector):
                if on:
                    chosen[code] = selector
                else:
                    chosen.pop(code, None)
    shown = {}
    for code, selector in chosen.items():
        by_code = selector == code
        # "ALL" and "NAN" mean the rules that are on, a family or a code also asks for its optional rules.
        if levels[code] is Level.OPTIONAL and not any(letter.isdigit() for letter in selector):
            continue
        if levels[code] is Level.STRICT and not (strict or by_code):
            continue
        shown[code] = Level.OPTIONAL if by_code else Level.STRICT if strict else Level.DEFAULT
    return shown


def check_codes(selectors: Iterable[str]) -> tuple[str, ...]:
    """The selectors, in capitals.

    Raises:
        ConfigError: one is no code, prefix of a code or `ALL`.
    """
    valid = {"ALL", *(code[:end] for code in _codes() for end in range(3, len(code) + 1))}
    found = []
    for selector in selectors:
        code = selector.strip().upper()
        if code not in valid:
            raise ConfigError(f"unknown rule code {selector!r}{nearest(code, sorted(_codes()))}")
        found.append(code)
    return tuple(found)


def nearest(word: str, words: Iterable[str]) -> str:
    """`; did you mean '...'?` with the nearest of `words`, or the list of them where none is near."""
    words = list(words)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; valid are {', '.join(words)}" if words else ""


class _Reader:
    """Turns one TOML table into a `Config`, and names file and key of what is wrong."""

    def __init__(self, where: str, folder: Path) -> None:
        """Args:

        where: what messages call the table.
        folder: the absolute folder that paths in it start from.
        """
        self.where = where
        self.folder = folder

    def wrong(self, key: str, expected: str, value: object) -> ConfigError:
        names = {bool: "a boolean", str: "a string", int: "an integer", float: "a number", list: "an array",
                 dict: "a table"}  # fmt: skip
        got = names.get(type(value), type(value).__name__)
        return ConfigError(f"{self.where}: {key!r} must be {expected}, not {got}")

    def boolean(self, key: str, value: object) -> bool:
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false", value)
        return value

    def strings(self, key: str, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            bad = (
                next((item for item in value if not isinstance(item, str)), value)
                if isinstance(value, list)
                else value
            )
            raise self.wrong(key, "an array of strings", bad)
        return tuple(value)

    def path(self, key: str, value: object) -> Path | None:
        if not isinstance(value, str):
            raise self.wrong(key, "a string", value)
        return self.folder / Path(value).expanduser() if value else None

    def codes(self, key: str, value: object) -> tuple[str, ...]:
        selectors = self.strings(key, value)
        try:
            return check_codes(selectors)
        except ConfigError as error:
            raise ConfigError(f"{self.where}: {key!r}: {error}") from error

    def patterns(self, key: str, value: object) -> tuple[str, ...]:
        patterns = self.strings(key, value)
        for pattern in patterns:
            self.pattern(key, pattern)
        return patterns

    def pattern(self, key: str, pattern: str) -> str:
        try:
            GitIgnoreSpec.from_lines([pattern])
        except ValueError as error:
            raise ConfigError(f"{self.where}: {key!r}: {pattern!r} is not a pattern: {error}") from error
        return pattern

    def table(self, key: str, value: object) -> Mapping[str, object]:
        if not isinstance(value, dict):
            raise self.wrong(key, "a table", value)
        return value

    def per_file_ignores(self, key: str, value: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return tuple(
            (self.pattern(key, pattern), self.codes(f"{key}.{pattern}", codes))
            for pattern, codes in self.table(key, value).items()
        )

    def thresholds(self, key: str, value: object) -> Mapping[str, float]:
        valid = _default_thresholds()
        found: dict[str, float] = {}
        for name, number in self.table(key, value).items():
            if name not in valid:
                raise ConfigError(
                    f"{self.where}: unknown key {name!r} in {key!r}{nearest(name, sorted(valid))}"
                )
            if isinstance(number, bool) or not isinstance(number, (int, float)) or number != number:
                raise self.wrong(f"{key}.{name}", "a number", number)
            found[name] = float(number)
        return found

    def config(self, base: Config, table: Mapping[str, object]) -> Config:
        """`base` with what `table` says put over it."""
        readers: dict[str, Callable[[str, object], Any]] = {
            "select": self.codes,
            "extend-select": self.codes,
            "ignore": self.codes,
            "per-file-ignores": self.per_file_ignores,
            "exclude": self.patterns,
            "extend-exclude": self.patterns,
            "force-exclude": self.boolean,
            "strict": self.boolean,
            "thresholds": self.thresholds,
            "baseline": self.path,
            "cache-dir": self.path,
        }
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key not in readers:
                raise ConfigError(f"{self.where}: unknown key {key!r}{nearest(key, readers)}")
            values[key.replace("-", "_")] = readers[key](key, value)
        layer = {name: values.pop(name) for name in ("select", "extend_select", "ignore") if name in values}
        if "thresholds" in values:
            values["thresholds"] = {**base.thresholds, **values["thresholds"]}
        return replace(base, layers=(*base.layers, Selection(**layer)), **values)


def read(path: Path) -> Config | None:
    """The configuration in `path`, None where a `pyproject.toml` says nothing to this tool.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or says something that is not valid.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    ours = path.name != "pyproject.toml"
    if not ours and b"tflint-nan" not in data:
        return None
    try:
        table: Any = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    where = str(path)
    if not ours:
        tool = table.get("tool", {})
        if not isinstance(tool, dict) or "tflint-nan" not in tool:
            return None
        table, where = tool["tflint-nan"], f"{path}: [tool.tflint-nan]"
        if not isinstance(table, dict):
            raise ConfigError(f"{where} must be a table")
    return _Reader(where, path.parent).config(Config(path.parent, path), table)


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line says over the files.

    Attributes:
        isolated: no configuration file is looked for.
        file: the one configuration file to use for everything.
        inline: TOML texts such as `strict = true`, each put over the one before.
        baseline: the absolute path of the one baseline to use for everything.
        knows_nothing: no baseline counts.
    """

    isolated: bool = False
    file: Path | None = None
    inline: tuple[str, ...] = ()
    selection: Selection = Selection()
    strict: bool = False
    force_exclude: bool = False
    baseline: Path | None = None
    knows_nothing: bool = False


class Configs:
    """The configuration in force in each folder: the nearest file upward, and the command line over it."""

    def __init__(self, overrides: Overrides, working: Path) -> None:
        self._overrides = overrides
        self._working = working
        self._folders: dict[Path, Config] = {}
        fixed = None
        if overrides.file is not None:
            # The patterns of a file that is named belong to where it is used, not to where it lies.
            fixed = replace(read(overrides.file) or Config(working, overrides.file), root=working)
        elif overrides.isolated:
            fixed = Config(working)
        self._default = self._override(Config(working))
        self._fixed = self._override(fixed) if fixed is not None else None

    def of(self, folder: Path) -> Config:
        """The configuration for the files of `folder`, an absolute path.

        Raises:
            ConfigError: see `read`.
        """
        if self._fixed is not None:
            return self._fixed
        found = self._folders.get(folder)
        if found is None:
            here = next((config for name in NAMES if (config := self._read(folder / name))), None)
            if here is not None:
                found = self._override(here)
            else:
                found = self._default if folder == folder.parent else self.of(folder.parent)
            self._folders[folder] = found
        return found

    def _read(self, path: Path) -> Config | None:
        return read(path) if path.is_file() else None

    def _override(self, config: Config) -> Config:
        for text in self._overrides.inline:
            try:
                table = tomllib.loads(text)
            except tomllib.TOMLDecodeError as error:
                raise ConfigError(f"--config {text!r}: neither a file nor TOML: {error}") from error
            config = _Reader(f"--config {text!r}", self._working).config(config, table)
        baseline = None if self._overrides.knows_nothing else self._overrides.baseline or config.baseline
        return replace(
            config,
            layers=(*config.layers, self._overrides.selection),
            strict=config.strict or self._overrides.strict,
            force_exclude=config.force_exclude or self._overrides.force_exclude,
            baseline=baseline,
        )
