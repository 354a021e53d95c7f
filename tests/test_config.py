"""Configuration: which file is in force, what it may say, and which rules run in the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tflint_nan import config
from tflint_nan.config import Config, ConfigError, Configs, Overrides, Selection, check_codes
from tflint_nan.finding import Level
from tflint_nan.registry import Rule


def _rule(code: str, level: Level = Level.DEFAULT, **thresholds: float) -> Rule:
    return Rule(
        code, f"name-of-{code.lower()}", level, f"{code} x: y.", lambda graph: iter(()),
        {name.replace("_", "-"): number for name, number in thresholds.items()},
    )  # fmt: skip


@pytest.fixture(autouse=True)
def few_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five rules of every level, whatever is installed."""
    rules = (
        _rule("NAN101"),
        _rule("NAN102"),
        _rule("NAN111", Level.STRICT),
        _rule("NAN401", max_rate=0.1, min_rate=0.0),
        _rule("NAN405", Level.OPTIONAL),
    )
    monkeypatch.setattr(config, "declared", lambda: rules)


def _write(folder: Path, text: str, name: str = "tflint-nan.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _config(tmp_path: Path, text: str, **overrides: object) -> Config:
    _write(tmp_path, text)
    return Configs(Overrides(**overrides), tmp_path).of(tmp_path)  # type: ignore[arg-type]


def _shown(tmp_path: Path, text: str = "", **overrides: object) -> dict[str, Level]:
    shown = _config(tmp_path, text, **overrides).settings(tmp_path / "a.py").shown
    return {code: level for code, level in shown.items() if not code.startswith("NAN9")}


def test_default_rules_run(tmp_path: Path) -> None:
    assert _shown(tmp_path) == dict.fromkeys(("NAN101", "NAN102", "NAN401"), Level.DEFAULT)


def test_strict_adds_strict_rules_and_weaker_reports(tmp_path: Path) -> None:
    expected = dict.fromkeys(("NAN101", "NAN102", "NAN111", "NAN401"), Level.STRICT)
    assert _shown(tmp_path, strict=True) == expected
    assert _shown(tmp_path, "strict = true") == expected


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ('select = ["NAN1"]', {"NAN101", "NAN102"}),
        ('select = ["nan101"]', {"NAN101"}),
        ('select = ["ALL"]', {"NAN101", "NAN102", "NAN401"}),
        ('select = ["NAN"]', {"NAN101", "NAN102", "NAN401"}),
        ("select = []", set()),
        ('ignore = ["NAN1"]', {"NAN401"}),
        ('ignore = ["NAN1"]\nextend-select = ["NAN102"]', {"NAN102", "NAN401"}),
        ('select = ["NAN1"]\nignore = ["NAN10"]\nextend-select = ["NAN101"]', {"NAN101"}),
        ('select = ["NAN101"]\nignore = ["NAN101"]', set()),
        ('ignore = ["ALL"]\nextend-select = ["NAN4"]', {"NAN401", "NAN405"}),
    ],
)
def test_longer_codes_override_shorter(tmp_path: Path, text: str, codes: set[str]) -> None:
    assert set(_shown(tmp_path, text)) == codes


def test_optional_rules_run_only_when_asked_for(tmp_path: Path) -> None:
    assert "NAN405" not in _shown(tmp_path, strict=True)
    assert _shown(tmp_path, 'extend-select = ["NAN405"]')["NAN405"] is Level.OPTIONAL
    assert _shown(tmp_path, 'extend-select = ["NAN4"]')["NAN405"] is Level.DEFAULT


def test_a_strict_rule_runs_when_its_whole_code_is_selected(tmp_path: Path) -> None:
    assert "NAN111" not in _shown(tmp_path, 'select = ["NAN11"]')
    assert _shown(tmp_path, 'select = ["NAN111"]') == {"NAN111": Level.OPTIONAL}


def test_the_command_line_is_a_later_layer(tmp_path: Path) -> None:
    text = 'select = ["NAN101"]\nignore = ["NAN401"]'
    assert set(_shown(tmp_path, text, selection=Selection(extend_select=("NAN4",)))) == {
        "NAN101", "NAN401", "NAN405"
    }  # fmt: skip
    assert set(_shown(tmp_path, text, selection=Selection(select=("NAN102",)))) == {"NAN102"}
    assert set(_shown(tmp_path, text, selection=Selection(ignore=("NAN1",)))) == set()


def test_per_file_ignores(tmp_path: Path) -> None:
    found = _config(
        tmp_path,
        '[per-file-ignores]\n"tests/*" = ["NAN1"]\n"legacy.py" = ["NAN401"]\n"!src/**" = ["NAN102"]\n',
    )

    def shown(name: str) -> set[str]:
        return {code for code in found.settings(tmp_path / name).shown if not code.startswith("NAN9")}

    assert shown("src/a.py") == {"NAN101", "NAN102", "NAN401"}
    assert shown("src/legacy.py") == {"NAN101", "NAN102"}
    assert shown("tests/deep/a.py") == {"NAN401"}
    assert shown("other.py") == {"NAN101", "NAN401"}


def test_thresholds_are_merged_with_what_rules_declare(tmp_path: Path) -> None:
    found = _config(tmp_path, "[thresholds]\nmax-rate = 1\n", inline=("thresholds.min-rate = 0.5",))
    assert found.settings(tmp_path / "a.py").thresholds == {"max-rate": 1.0, "min-rate": 0.5}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("selct = []", ("'selct'", "did you mean 'select'?")),
        ('select = ["NAN11l"]', ("'select'", "'NAN11l'", "did you mean 'NAN111'?")),
        ('ignore = ["E501"]', ("'ignore'", "'E501'", "NAN101")),
        ('select = "NAN101"', ("'select'", "array of strings", "a string")),
        ("select = [1]", ("'select'", "an integer")),
        ('strict = "yes"', ("'strict'", "true or false", "a string")),
        ("per-file-ignores = []", ("'per-file-ignores'", "a table")),
        ('[per-file-ignores]\n"a.py" = ["NAN4O1"]', ("a.py", "'NAN4O1'", "did you mean 'NAN401'?")),
        ("[thresholds]\nmax-rat = 1", ("'max-rat'", "'thresholds'", "did you mean 'max-rate'?")),
        ('[thresholds]\nmax-rate = "1"', ("max-rate", "a number", "a string")),
        ("[thresholds]\nmax-rate = true", ("max-rate", "a number", "a boolean")),
        ("[thresholds]\nmax-rate = nan", ("max-rate", "a number")),
        ('exclude = ["!"]', ("'exclude'", "not a pattern")),
        ("select = [", ("not TOML",)),
    ],
)
def test_mistakes_name_file_key_and_the_nearest_valid_word(
    tmp_path: Path, text: str, parts: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        _config(tmp_path, text)
    for part in (str(tmp_path / "tflint-nan.toml"), *parts):
        assert part in str(caught.value)


def test_bytes_that_are_not_utf8_are_a_mistake_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "tflint-nan.toml").write_bytes(b"strict = true # \xff")
    with pytest.raises(ConfigError, match="not TOML"):
        Configs(Overrides(), tmp_path).of(tmp_path)


def test_the_nearest_file_upward_is_in_force(tmp_path: Path) -> None:
    _write(tmp_path, "[tool.tflint-nan]\nstrict = true\n", "pyproject.toml")
    _write(tmp_path / "a", "[tool.black]\n", "pyproject.toml")
    _write(tmp_path / "b", "strict = false\n")
    _write(tmp_path / "b", "[tool.tflint-nan]\nstrict = true\n", "pyproject.toml")
    configs = Configs(Overrides(), tmp_path)
    assert configs.of(tmp_path / "a" / "deep").path == tmp_path / "pyproject.toml"
    assert configs.of(tmp_path / "a" / "deep").root == tmp_path
    assert configs.of(tmp_path / "b" / "c").path == tmp_path / "b" / "tflint-nan.toml"


def test_a_pyproject_that_does_not_speak_to_us_is_not_read(tmp_path: Path) -> None:
    _write(tmp_path, "[tool.black\n", "pyproject.toml")
    assert Configs(Overrides(), tmp_path).of(tmp_path).path is None


def test_the_table_must_be_one(tmp_path: Path) -> None:
    _write(tmp_path, "[tool]\ntflint-nan = 1\n", "pyproject.toml")
    with pytest.raises(ConfigError, match="must be a table"):
        Configs(Overrides(), tmp_path).of(tmp_path)


def test_isolated_and_a_named_file(tmp_path: Path) -> None:
    _write(tmp_path, "strict = true")
    other = _write(tmp_path / "elsewhere", 'exclude = ["x"]', "mine.toml")
    assert Configs(Overrides(isolated=True), tmp_path).of(tmp_path).strict is False
    named = Configs(Overrides(file=other), tmp_path).of(tmp_path)
    assert (named.strict, named.exclude, named.root) == (False, ("x",), tmp_path)


def test_inline_settings_override_the_file_in_order(tmp_path: Path) -> None:
    found = _config(tmp_path, "strict = true", inline=("strict = true", "strict = false"))
    assert found.strict is False
    with pytest.raises(ConfigError, match="did you mean 'strict'"):
        _config(tmp_path, "", inline=("strct = true",))


def test_exclude_patterns(tmp_path: Path) -> None:
    found = _config(tmp_path, 'extend-exclude = ["gen", "a/b", "*_pb2.py"]')
    excluded = ("gen/x.py", "deep/gen/x.py", "a/b/x.py", "x_pb2.py", ".venv/x.py", "deep/build/x.py")
    kept = ("x.py", "deep/a/b/x.py", "generated/x.py")
    assert [name for name in excluded if not found.excludes(tmp_path / name, folder=False)] == []
    assert [name for name in kept if found.excludes(tmp_path / name, folder=False)] == []


def test_check_codes() -> None:
    assert check_codes(["nan1", " NAN401 ", "all", "NAN900"]) == ("NAN1", "NAN401", "ALL", "NAN900")
    with pytest.raises(ConfigError, match="unknown rule code ''"):
        check_codes([""])
