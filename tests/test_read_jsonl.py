"""JSON Lines: an object a line, streamed, with the line of what is wrong."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit.finding import ReadError
from sealkit.read import jsonl
from tests.within import refusal, value_or_refusal

STRICT = "write the file again with a strict writer, json.dump(..., allow_nan=False)"
TORN = "the writer was cut off: run the stage again, or remove the line if the file is otherwise complete"

objects = st.dictionaries(
    st.text(max_size=5),
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.lists(st.text()),
    max_size=4,
)  # fmt: skip


def rows(data: bytes, folder: Path) -> list[tuple[int, dict[str, Any]]]:
    (folder / "f.jsonl").write_bytes(data)
    return list(jsonl.rows(folder / "f.jsonl", "f.jsonl"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b'{"a": 1}\n', [{"a": 1}]),
        (b'{"a": 1}\n{"a": 2}', [{"a": 1}, {"a": 2}]),
        (b'{"a": 1}\r\n{"a": 2}\r\n', [{"a": 1}, {"a": 2}]),
        (b'\xef\xbb\xbf{"a": 1}\n{}\n', [{"a": 1}, {}]),
        (b' {"a": 1}\t\n', [{"a": 1}]),
        ('{"a": "\u2028\u0085"}\n'.encode(), [{"a": "\u2028\u0085"}]),
    ],
)
def test_rows_are_read_with_their_lines(data: bytes, expected: list[Any], tmp_path: Path) -> None:
    assert rows(data, tmp_path) == list(enumerate(expected, 1))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a": 1}\n\n{"a": 2}\n', "f.jsonl:2: is blank; expected an object on each line\n  fix: remove the line"),
        (b'{"a": 1}\n \t\n', "f.jsonl:2: is blank; expected an object on each line\n  fix: remove the line"),
        (b"\n", "f.jsonl:1: is blank; expected an object on each line\n  fix: remove the line"),
        (b'{"a": 1}\n[1, 2]\n{"a": 2}\n', "f.jsonl:2: expected an object on each line, found '[1, 2]'"),
        (b'{"a": 1}\n7', "f.jsonl:2: expected an object on each line, found '7'"),
        (b'["' + b"x" * 99 + b'"]\n', "f.jsonl:1: expected an object on each line, found '[\"" + "x" * 38 + "'"),
        (b'{"a": 1}\n{"a": NaN}\n', f"f.jsonl:2: holds NaN at /a, which JSON does not have\n  fix: {STRICT}"),
        (b'{"a": 1}\n{"a": -1e999}\n{}\n', "f.jsonl:2: holds -1e999 at /a, larger than a float can be\n  fix: write a finite number or null"),
        (b'{"a": 1, "a": 2}\n{}\n', 'f.jsonl:1: has the key "a" twice in one object\n  fix: keep one of the two'),
        (b'{}\n{"a": {"b": 1, "\\u0062": 2}}', 'f.jsonl:2: has the key "b" twice in one object\n  fix: keep one of the two'),
        (b'{}\n{"a": "\\udead"}\n', f"f.jsonl:2: holds half of a surrogate pair at /a, which is no text\n  fix: {STRICT}"),
        (b'{}\n{"a": ' + b"[" * 64 + b"]" * 64 + b"}\n", "f.jsonl:2: is nested deeper than 64 levels\n  fix: flatten it"),
        (b'{"a": 1}{"a": 2}\n{}\n', f"f.jsonl:1: is not JSON: extra data, column 9, found '{{\"a\": 2}}'\n  fix: {STRICT}"),
        (b'{}\n\xef\xbb\xbf{}\n{}\n', f"f.jsonl:2: is not JSON: expecting value, column 1, found '\\ufeff{{}}'\n  fix: {STRICT}"),
        (b'{}\n{"a": "\xff"}\n', "f.jsonl:2: is not UTF-8: byte 0xff\n  fix: save it as UTF-8"),
        (b'{}\n{"a": \n{"a": 2}\n', f"f.jsonl:2: is not JSON: expecting value, column 7, found the end of the text (was it cut off?)\n  fix: {STRICT}"),
        (b'{}\n{"a": \n\xff\n', f"f.jsonl:2: is not JSON: expecting value, column 7, found the end of the text (was it cut off?)\n  fix: {STRICT}"),
    ],
)  # fmt: skip
def test_what_is_no_row_is_told_with_its_line(data: bytes, expected: str, tmp_path: Path) -> None:
    assert str(refusal(lambda: rows(data, tmp_path))) == expected


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_last_line_that_was_cut_off_is_called_by_its_name(end: bytes, tmp_path: Path) -> None:
    error = refusal(lambda: rows(b'{"a": 1}\n{"a": 2, "b' + end, tmp_path))
    assert str(error) == (
        "f.jsonl:2: the last line is torn or no JSON (unterminated string, column 10, found '\"b')\n  fix: " + TORN
    )
    assert error.malformed


def test_a_first_line_can_be_the_last_too(tmp_path: Path) -> None:
    assert refusal(lambda: rows(b'{"a"', tmp_path)).message.startswith(
        "the last line is torn or no JSON (expecting ':'"
    )


def test_utf_16_is_called_by_its_name(tmp_path: Path) -> None:
    error = refusal(lambda: rows('{"a": 1}\n{"a": 2}\n'.encode("utf-16"), tmp_path))
    assert str(error) == "f.jsonl:1: is UTF-16 text, expected UTF-8\n  fix: save it as UTF-8"


def test_rows_are_streamed(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b'{"a": 1}\n{"a": 2}\nbroken\n{"a": 4}\n')
    stream = jsonl.rows(tmp_path / "f")
    assert list(itertools.islice(stream, 2)) == [(1, {"a": 1}), (2, {"a": 2})]
    assert refusal(lambda: next(stream)).at.line == 3


def test_an_absent_file_is_refused_when_the_first_row_is_asked_for(tmp_path: Path) -> None:
    stream = jsonl.rows(tmp_path / "gone")
    assert refusal(lambda: next(stream)).malformed is False


@given(written=st.lists(objects), end=st.sampled_from(["\n", "\r\n"]), ascii_only=st.booleans())
def test_what_json_writes_reads_back_equal(
    written: list[dict[str, Any]], end: str, ascii_only: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = "".join(json.dumps(row, ensure_ascii=ascii_only) + end for row in written)
    assert repr(rows(text.encode(), tmp_path_factory.getbasetemp())) == repr(list(enumerate(written, 1)))


def test_cut_off_anywhere_the_whole_rows_are_read_and_the_torn_one_is_refused(tmp_path: Path) -> None:
    lines = ['{"query_id": "q1", "n": 10}', '{"query_id": "é", "n": [1, {}]}', '{"n": -1.5e-3}']
    data = "".join(line + "\n" for line in lines).encode()
    for cut in range(len(data)):
        (tmp_path / "f.jsonl").write_bytes(data[:cut])
        *whole, rest = data[:cut].split(b"\n")
        if rest and rest != lines[len(whole)].encode():
            error = refusal(lambda: list(jsonl.rows(tmp_path / "f.jsonl", "f.jsonl")))
            assert error.at.line == len(whole) + 1
            torn = error.message.startswith("the last line is torn or no JSON (") and error.fix == TORN
            assert torn or error.message == "is not UTF-8: byte 0xc3"
        else:
            expected = [json.loads(line) for line in lines[: len(whole) + bool(rest)]]
            assert list(jsonl.rows(tmp_path / "f.jsonl")) == list(enumerate(expected, 1))


@given(
    data=st.lists(
        st.sampled_from([b'{"a":1}', b"\n", b"\r", b"{", b"}", b"NaN", b"\xff", b'"', b"\xef\xbb\xbf", b" ", b"1"])
    ).map(b"".join)
)
def test_any_bytes_are_rows_or_a_refusal(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    found = value_or_refusal(lambda: rows(data, tmp_path_factory.getbasetemp()))
    if isinstance(found, ReadError):
        assert found.at.line is not None and 1 <= found.at.line <= data.count(b"\n") + 1
    else:
        assert [row for _, row in found] == [json.loads(line) for line in data.decode("utf-8-sig").split("\n") if line]


def test_real_rows_are_read(sealkit_data: Path) -> None:
    files = sorted(path for path in sealkit_data.glob("*/**/*.jsonl") if path.stat().st_size < 5_000_000)
    assert files
    for path in files:
        expected = [json.loads(line) for line in path.read_text("utf-8-sig").split("\n") if line]
        assert [row for _, row in jsonl.rows(path)] == expected
