"""The names of the forms that a report can have; apart from them, so that `--help` need not import these."""

from __future__ import annotations

#: What `--output-format` takes: each is a module of `report`, by that name, with a function `render`.
FORMATS = ("text", "concise", "json", "json-lines", "sarif", "github", "gitlab", "junit")
