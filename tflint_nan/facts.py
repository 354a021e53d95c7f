"""What the check of a file rests on beside its content: every answer that the file system gave it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tflint_nan.modules import Lookup, Modules
from tflint_nan.screen import Summary


@dataclass(slots=True)
class Facts:
    """The answers that one check was given.

    Attributes:
        content: the digest of the file itself; None where it could not be read.
        summary: what the screen knows of it; None where the screen was not asked.
        found: an import -> the path that it means.
        read: the path of another file -> the digest of its content; None where it cannot be read.
        listed: a folder -> the names in it.
        imported: a path -> whether files beside it import it.
        summaries: the digest of another file -> its summary, where the screen has read it for this check.
    """

    content: str | None = None
    summary: Summary | None = None
    found: dict[Lookup, str | None] = field(default_factory=dict)
    read: dict[str, str | None] = field(default_factory=dict)
    listed: dict[str, frozenset[str]] = field(default_factory=dict)
    imported: dict[str, bool] = field(default_factory=dict)
    summaries: dict[str, Summary] = field(default_factory=dict)

    def hold(self, modules: Modules) -> bool:
        """Whether the answers would be the same now."""
        return (
            all(modules.disk.digest(Path(path)) == digest for path, digest in self.read.items())
            and all(_text(modules.find(lookup)) == path for lookup, path in self.found.items())
            and all(modules.disk.names(Path(path)) == names for path, names in self.listed.items())
            and all(modules.is_imported(Path(path)) == answer for path, answer in self.imported.items())
        )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
