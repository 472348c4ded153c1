"""Lines of text: numbered from 1, streamed, without their ends."""

from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit.read import text
from tests.within import refusal


def lines(data: bytes, folder: Path) -> list[tuple[int, str]]:
    (folder / "f.txt").write_bytes(data)
    return list(text.lines(folder / "f.txt", "f.txt"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\n\n\nb\n", ["a", "", "", "b"]),
        (b" a \t\n", [" a \t"]),
        (b"a\rb\n", ["a\rb"]),
        (b"\xef\xbb\xbfa\nb\n", ["a", "b"]),
        (b"\xef\xbb\xbf", [""]),
        ("a\u2028b\u0085c\x0bd\x0ce\nf".encode(), ["a\u2028b\u0085c\x0bd\x0ce", "f"]),
    ],
)
def test_a_line_ends_with_a_newline_and_nothing_else(data: bytes, expected: list[str], tmp_path: Path) -> None:
    assert lines(data, tmp_path) == list(enumerate(expected, 1))


@given(
    rows=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"))),
    end=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
)
def test_lines_read_back_as_they_were_written(
    rows: list[str], end: str, last: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if rows and not (last or rows[-1]):
        rows[-1] = "x"  # an empty last line without its end is no line
    if rows:
        rows[0] = rows[0].lstrip("\ufeff")
    data = end.join(rows) + (end if rows and last else "")
    assert lines(data.encode(), tmp_path_factory.getbasetemp()) == list(enumerate(rows, 1))


def test_what_is_no_utf_8_is_told_with_its_line(tmp_path: Path) -> None:
    error = refusal(lambda: lines(b"one\ntwo\nthr\xe9e\n", tmp_path))
    assert str(error) == "f.txt:3: is not UTF-8: byte 0xe9\n  fix: save it as UTF-8"


def test_the_lines_before_a_broken_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"one\ntwo\n\xff\n")
    stream = text.lines(tmp_path / "f")
    assert list(itertools.islice(stream, 2)) == [(1, "one"), (2, "two")]
    assert refusal(lambda: next(stream)).at.line == 3


def test_utf_16_is_called_by_its_name(tmp_path: Path) -> None:
    error = refusal(lambda: lines("one\ntwo\n".encode("utf-16"), tmp_path))
    assert str(error) == "f.txt:1: is UTF-16 text, expected UTF-8\n  fix: save it as UTF-8"


def test_a_line_of_just_the_allowed_length_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "LINE_LIMIT", 10)
    assert lines(b"123456789\n1234567890", tmp_path) == [(1, "123456789"), (2, "1234567890")]


def test_a_longer_line_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "LINE_LIMIT", 10)
    error = refusal(lambda: lines(b"123456789\n12345678901\n", tmp_path))
    assert (str(error), error.malformed) == ("f.txt:2: has a line of over 10 bytes", False)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 99 + b"\n")
    with (tmp_path / "f").open("ab") as file:
        for _ in range(100):
            file.write((b"x" * 99 + b"\n") * 1000)
    tracemalloc.start()
    try:
        count: Any = sum(1 for _ in text.lines(tmp_path / "f"))
        assert (count, tracemalloc.get_traced_memory()[1] < 1_000_000) == (100_001, True)
    finally:
        tracemalloc.stop()


def test_an_endless_line_is_not_read_into_memory(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as file:
        file.truncate(1 << 26)  # 64 MiB of zeros that take no space
    tracemalloc.start()
    try:
        assert refusal(lambda: list(text.lines(tmp_path / "f"))).message == "has a line of over 8,388,608 bytes"
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


def test_real_tables_with_windows_line_ends_read_like_any_other(sealkit_data: Path) -> None:
    tables = [path for path in sealkit_data.glob("run_examples/**/*.csv") if b"\r\n" in path.read_bytes()]
    assert tables
    for path in tables:
        expected = path.read_bytes().decode().replace("\r\n", "\n").removesuffix("\n").split("\n")
        assert [line for _, line in text.lines(path)] == expected
