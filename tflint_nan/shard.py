"""A part of the files, for one of several machines that know nothing of each other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from tflint_nan.files import File


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` (from 1) of `count`. Which one a file is in depends on its name in reports alone."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard that `I/N` means.

        Raises:
            ValueError: it is nothing like that, or I is not one of 1 to N.
        """
        index, slash, count = text.partition("/")
        if not (slash and index.isascii() and index.isdigit() and count.isascii() and count.isdigit()):
            raise ValueError(f"{text!r} is not of the form I/N, such as 1/4")
        shard = cls(int(index), int(count))
        if not 1 <= shard.index <= shard.count:
            raise ValueError(f"{text!r}: there are shards 1 to {shard.count}")
        return shard

    def of(self, files: Iterable[File]) -> tuple[File, ...]:
        """The files that are in this shard, in their order."""
        return tuple(file for file in files if self._has(file.name))

    def _has(self, name: str) -> bool:
        # Python's own hash differs from process to process, and backslashes are those of one system.
        data = name.replace("\\", "/").encode(errors="surrogateescape")
        digest = hashlib.blake2b(data, digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.index - 1
