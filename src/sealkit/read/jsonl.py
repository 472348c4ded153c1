"""JSON Lines: one object a line, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sealkit.finding import Location, ReadError
from sealkit.read.json import parse
from sealkit.read.text import lines


def rows(path: Path, name: str | None = None, *, follow: bool = True) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number from 1, object) for each line.

    Raises ReadError on a line that is blank, no JSON or no object; a last line that was cut off is such a line, and is
    called by its name.
    """
    name = name or str(path)
    pending: ReadError | None = None
    texts = lines(path, name, follow=follow)
    while True:
        try:
            number, text = next(texts)
        except StopIteration:
            break
        except ReadError as error:
            raise pending or error from None
        if pending:
            raise pending
        if not text.strip():
            raise ReadError("is blank; expected an object on each line", Location(name, line=number), "remove the line")
        try:
            row = parse(text, name, number)
        except ReadError as error:
            # Whether this is the last line is known only when no other follows.
            pending = error
            continue
        if not isinstance(row, dict):
            raise ReadError(f"expected an object on each line, found {text[:40]!r}", Location(name, line=number))
        yield number, row
    if pending:
        if pending.message.startswith("is not JSON"):
            raise ReadError(
                f"the last line is torn or no JSON ({pending.message.removeprefix('is not JSON: ')})",
                pending.at,
                "the writer was cut off: run the stage again, or remove the line if the file is otherwise complete",
            )
        raise pending
