"""Rows of a CSV table with a header, each with its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from sealkit.finding import Location, ReadError
from sealkit.read.source import read_text


def rows(path: Path, name: str | None = None, *, follow: bool = True) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, {column: text}) of each row; what a short row lacks is left out. Raises ReadError, also for a row that is longer than
    the header, and for a column that is there twice."""
    name = name or str(path)
    reader = csv.reader(io.StringIO(read_text(path, name, follow=follow), newline=""), strict=True)
    try:
        header = next(reader, [])
        again = next((column for i, column in enumerate(header) if column in header[:i]), None)
        if again is not None:
            raise ReadError(f"has the column `{again}` twice", Location(name, line=1), "name each column once")
        line = reader.line_num + 1
        for row in reader:
            if len(row) > len(header):
                message = f"has {len(row)} cells in a row; the header has {len(header)}"
                raise ReadError(message, Location(name, line=line), "was another table appended? keep one a file")
            if row:
                yield line, dict(zip(header, row, strict=False))
            line = reader.line_num + 1
    except csv.Error as error:
        raise ReadError(f"is not CSV: {error}", Location(name, line=reader.line_num), "write it again") from None
