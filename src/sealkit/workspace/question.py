"""What is asked about, as the contents, runs and records that a ledger knows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    """`contents` are the digests it comes to, each with where that is known from: `now` (what lies there), or `recorded`.

    `kind` is model, run, matrix, folder, file or content. `folder` is its path below the workspace where it is a folder there:
    what lies in it is part of the question. `records` are the files among it that tell something, by path. `remarks` are in words.
    """

    text: str
    kind: str
    contents: tuple[tuple[str, str], ...]
    runs: tuple[str, ...] = ()
    folder: str | None = None
    records: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(found for found, _ in self.contents))
