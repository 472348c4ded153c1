"""JSON Lines: an object a line, streamed, with the line of what is wrong."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealkit.finding import ReadError
from sealkit.read import jsonl, text
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


# Pieces of which lines are made that orjson and the strict parser could read differently.
PIECES = [
    *'{}[],: "ab', '"a":', '"b": ', '"\\u0061":', '"a:b":', '"a\\u003ab":', '"x": ":"', '"\\u003A"', "0", "-0", "-0.0", "1.5",
    "1E400", "-1e-400", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "1" * 310,
    "0." + "1" * 500, "1." + "0" * 40, "NaN", "-Infinity", "true", "null", "01", "+1", '"\\ud83d\\ude00"', '"\\udead"', '"\\u0000"', '"\x00"',
    '"\x7f"', '"\\/"', '"\\x"', '"é"', '"\\\\u003a"', "\ufeff", "\r", "\t", "\x0c", "\xa0", "[" * 65 + "]" * 65, '{"k": ' * 65 + "0" + "}" * 65,
]  # fmt: skip
keys = st.sampled_from(['"a"', '"b"', '"\\u0061"', '"a:b"', '"a\\u003ab"', '""'])
values = st.sampled_from(
    [piece for piece in PIECES if piece.strip() not in list('{}[],:"ab') and not piece.endswith(":")]
)
made = st.lists(st.tuples(keys, values), max_size=4).map(
    lambda members: "{" + ", ".join(f"{key}: {value}" for key, value in members) + "}"
)
lines = made | st.lists(st.sampled_from(PIECES), max_size=6).map("".join)


def said(data: bytes, folder: Path) -> str:
    found = value_or_refusal(lambda: rows(data, folder))
    return str(found) if isinstance(found, ReadError) else repr(found)  # repr tells 1 from 1.0, and 0.0 from -0.0


@settings(max_examples=300)
@given(written=st.lists(lines, min_size=1, max_size=3), end=st.sampled_from(["\n", "\r\n"]))
def test_what_orjson_reads_is_what_the_strict_parser_reads(
    written: list[str], end: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = "".join(line + end for line in written).encode()
    folder = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "_plain_rows", lambda *_: None)
        by_the_line = said(data, folder)
        patch.setattr(jsonl, "_plain_row", lambda _: None)
        strictly = said(data, folder)
    assert said(data, folder) == strictly
    assert by_the_line == strictly


@pytest.mark.parametrize(
    "line",
    [
        '{"a": 1, "a": 2}',
        '{"a": ":", "a": 2}',
        '{"a": 1, "b": ":", "a": 1}',
        '{"a": "\\u003a", "b": ":", "b": 2}',
        '{"a": 1, "a": 1, "b": "\\u003a"}',
        '{"a": 18446744073709551616}',
        '{"a": -9223372036854775809, "b": ":"}',
        '{"a": ' + "1" * 300 + "}",
        '{"a": {"b": 1, "b": 2}}',
        '{"a": [1]}',
    ],
)
def test_in_doubt_the_strict_parser_reads(line: str) -> None:
    raw = line.encode()
    assert jsonl._plain_rows(raw) is None
    assert jsonl._plain_row(raw) is None


@pytest.mark.parametrize(
    "data",
    [
        '{"a": 1\n"b": 2}, {"c": 3}',
        '{"a": "x}\n{b"}',
        '{"a": 1}, {"a": 2}\n{"a": 3}',
        '{"a": 1}\n\n{"a": 2}',
        '{"a": 1},\n{"a": 2}',
        '{"a": 1}\n{"a": 2},',
        '{"a": 1}\n{"a": 2}\n',
        '{"a": "}"\n{"b": 2}',
        '{"a": 1}]\n{"a": 2}',
    ],
)
def test_lines_that_are_objects_only_together_are_not_read_as_such(data: str) -> None:
    assert jsonl._plain_rows(data.encode()) is None


@pytest.mark.parametrize("line", ['{"a": "x", "b": 1, "c": 0.00012345678901234567, "d": null}', "{}"])
def test_a_plain_row_needs_no_strict_parser(line: str) -> None:
    raw = line.encode()
    assert jsonl._plain_rows(raw) == [json.loads(line)]
    assert jsonl._plain_row(raw) == json.loads(line)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_plain_rows_need_no_strict_parser(end: bytes) -> None:
    assert jsonl._plain_rows(end.join([b'{"a": 1}', b'{"a": 2}', b'{"a": 3}'])) == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_a_row_of_long_text_needs_no_strict_parser() -> None:
    row = {"doc_id": "d1", "text": "def f(x: int) -> dict[str, int]:\n    return {'x': x}\n" * 100}
    assert jsonl._plain_row(json.dumps(row).encode()) == row


def test_rows_over_many_blocks_keep_their_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"".join(b'{"a": %d}\n' % number for number in range(1, 100))
    for block in range(1, 40):
        monkeypatch.setattr(text, "BLOCK", block)
        assert rows(data, tmp_path) == [(number, {"a": number}) for number in range(1, 100)]
        assert refusal(lambda: rows(data + b"{]\n{}\n", tmp_path)).at.line == 100
        assert refusal(lambda: rows(data + b"{]\n", tmp_path)).message.startswith("the last line is torn")


@pytest.mark.parametrize("line", [b'{"a":1,"a":": "}', b'{"a" :1,"a":2}', b'{"a"\t:1,"a":"::"}', b'{"a":"\\":","a":3}'])
def test_a_key_twice_is_seen_among_colons(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(ReadError, match=r"has the key .* twice"):
        rows(b'{"id": "x.py::f"}\n' + line + b"\n", tmp_path)


def test_lines_with_colons_in_their_texts_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of functions are names of documents, and the rows of a ranking are many."""
    monkeypatch.setattr(jsonl, "_plain_row", lambda raw: pytest.fail("read line by line"))
    row = {"query_id": "json/decoder.py::JSONDecoder.decode", "rank": 1, "at": "12:30"}
    assert [found for _, found in rows(f"{json.dumps(row)}\n".encode() * 3, tmp_path)] == [row] * 3
