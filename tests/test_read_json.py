"""JSON documents: what is refused and in which words, what reads back equal, and the line of every pointer."""

from __future__ import annotations

import json as standard
import math
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealkit.finding import ReadError, pointer
from sealkit.read import json
from tests.within import refusal, value_or_refusal, within

STRICT = "write the file again with a strict writer, json.dump(..., allow_nan=False)"

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)
tokens = st.sampled_from([
    "{", "}", "[", "]", ":", ",", " ", "\n", "\r\n", "\t", '"', "\\", "\\u", '"a"', '"\\u0061"', '"b"', '""', '"\\ud800"', "\ufeff",
    '"\\ud83d\\ude00"', "0", "-", "1", "01", "1.5", "1e5", "1e999", "-1e999", "NaN", "Infinity", "-Infinity", "nan", "null", "true",
    "false", "nul", "é", "//", "'", "\x00", "\u2028", "1" * 401, ".1" + "1" * 401, "{" * 70, "[" * 70,
])  # fmt: skip


def outcome(text: str) -> Any:
    return value_or_refusal(lambda: json.parse(text, "f.json"))


def words(text: str) -> str:
    return str(refusal(lambda: json.parse(text, "f.json")))


# What is refused, word for word


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NaN", f"f.json:1: holds NaN at the top, which JSON does not have\n  fix: {STRICT}"),
        ('{"loss":\n NaN}', f"f.json:1: holds NaN at /loss, which JSON does not have\n  fix: {STRICT}"),
        ("[1,\n [2,\n  Infinity]]", f"f.json:3: holds Infinity at /1/1, which JSON does not have\n  fix: {STRICT}"),
        ('{"a":1,\r\n"b/c":-Infinity}', f"f.json:2: holds -Infinity at /b~1c, which JSON does not have\n  fix: {STRICT}"),
        ('{"a":1,\n\n"a":2}', 'f.json:3: has the key "a" twice in one object\n  fix: keep one of the two'),
        ('{"a":1,\n"\\u0061":2}', 'f.json:2: has the key "a" twice in one object\n  fix: keep one of the two'),
        ('{"\\u0061":1,\n"a":2}', 'f.json:2: has the key "a" twice in one object\n  fix: keep one of the two'),
        ('{"":1,"":2}', 'f.json:1: has the key "" twice in one object\n  fix: keep one of the two'),
        ('{"a/~b":1,"a/~b":2}', 'f.json:1: has the key "a/~b" twice in one object\n  fix: keep one of the two'),
        ('{"a":1,"a":[1', "f.json:1: is not JSON: expecting ',' delimiter, column 14, found the end of the text (was it cut off?)\n  fix: " + STRICT),
        ('[{"é":\n{"b":1}},\n{"x":{"é":1,\n"é":1}}]', 'f.json:4: has the key "é" twice in one object\n  fix: keep one of the two'),
        ('"\\ud800"', f"f.json:1: holds half of a surrogate pair at the top, which is no text\n  fix: {STRICT}"),
        ('["ok",\n"\\udc00 x"]', f"f.json:2: holds half of a surrogate pair at /1, which is no text\n  fix: {STRICT}"),
        ('{"a":1,\n"\\ud83d":2}', f"f.json:2: holds half of a surrogate pair at /?, which is no text\n  fix: {STRICT}"),
        ('{"?":1,\n"\\ud83d":2}', f"f.json:2: holds half of a surrogate pair at /?, which is no text\n  fix: {STRICT}"),
        ("", f"f.json:1: is not JSON: expecting value, column 1, found the end of the text (was it cut off?)\n  fix: {STRICT}"),
        ('{"a": 1,\n"b": ', f"f.json:2: is not JSON: expecting value, column 6, found the end of the text (was it cut off?)\n  fix: {STRICT}"),
        ('{"a": "cut o', f"f.json:1: is not JSON: unterminated string, column 7, found '\"cut o'\n  fix: {STRICT}"),
        ("{'a': 1}", f"f.json:1: is not JSON: expecting property name enclosed in double quotes, column 2, found \"'a': 1}}\"\n  fix: {STRICT}"),
        ("[1 2]", f"f.json:1: is not JSON: expecting ',' delimiter, column 4, found '2]'\n  fix: {STRICT}"),
        ("// note\n{}", f"f.json:1: is not JSON: expecting value, column 1, found '// note'\n  fix: {STRICT}"),
        ("undefined", f"f.json:1: is not JSON: expecting value, column 1, found 'undefined'\n  fix: {STRICT}"),
        ("{}\n{}", f"f.json:2: is not JSON: extra data, column 1, found '{{}}'\n  fix: {STRICT}"),
        ('["a\tb"]', f"f.json:1: is not JSON: invalid control character, column 4, found '\\tb\"]'\n  fix: {STRICT}"),
    ],
)  # fmt: skip
def test_what_is_no_json_is_told_with_its_line_and_what_to_do(text: str, expected: str) -> None:
    assert words(text) == expected


@pytest.mark.parametrize("text", ["{} {}", '{"a": 1}{"a": 1}', "[1]\n[2]", '"a" "b"', "1 2"])
@pytest.mark.parametrize("slow", ['"\\u0041"', "[" * 65 + "]" * 65])
def test_a_second_document_is_extra_data_whatever_it_holds(text: str, slow: str) -> None:
    assert "is not JSON: extra data" in words(f"{text} {slow}")


@pytest.mark.parametrize(
    "text",
    ["NaNx", "NaN1", "Infinityx", "-Infinityx", "-InfinityNaN", "1e999x", "1e999e1", "-1e999-", "1" * 5000 + "x"],
)
def test_what_follows_a_number_that_is_none_does_not_hide_it(text: str) -> None:
    assert re.match(r"f\.json:1: (holds|is not JSON)", words(text))


@pytest.mark.parametrize(
    "text",
    ["1e999", "-1e999", "1e309", "1" + "0" * 309 + ".0", "1" + "0" * 250 + "e99", "1.5E+0400", "1" * 300 + "e10"],
)
def test_a_float_that_overflows_is_refused(text: str) -> None:
    shown = text if len(text) <= 40 else text[:37] + "..."
    assert words(f'{{"a": 1,\n"b": {text}}}') == (
        f"f.json:2: holds {shown} at /b, larger than a float can be\n  fix: write a finite number or null"
    )
    assert words(text).startswith(f"f.json:1: holds {shown} at the top, larger than a float can be")


@pytest.mark.parametrize("text", ["1.7976931348623157e308", "-1e308", "5e-324", "1e-999", "-0.0", "0e999"])
def test_a_float_that_does_not_overflow_is_read(text: str) -> None:
    assert json.parse(text, "f.json") == float(text)


@pytest.mark.parametrize(
    "text", ["1" * 401, "-" + "9" * 400, "0." + "1" * 399, "1" * 5000, "-" + "1" * 5000, "1." + "0" * 5000 + "e1"]
)
def test_a_number_of_over_400_characters_is_refused(text: str) -> None:
    assert words(text) == (
        f"f.json:1: holds a number of {len(text)} characters at the top\n  fix: write it in at most 17 digits"
    )
    assert words(f'["\\u0041",\n{text}]').startswith(f"f.json:2: holds a number of {len(text)} characters at /1")


@pytest.mark.parametrize("text", ["1" * 309 + "0" * 50, "-" + "9" * 309, "179769313486231580794" + "0" * 288])
def test_an_integer_that_no_float_can_hold_is_refused(text: str) -> None:
    expected = f"f.json:1: holds {text[:37]}... at /0, larger than a float can be\n  fix: write a finite number or null"
    assert words(f"[{text}]") == expected


@pytest.mark.parametrize("text", ["1" * 309, "-" + "9" * 308, "0." + "1" * 398])
def test_a_long_number_that_a_float_can_hold_is_read(text: str) -> None:
    assert json.parse(text, "f.json") == (float(text) if "." in text else int(text))


@given(st.from_regex(r"-?[0-9]{1,450}(\.[0-9]{1,450})?([eE][-+]?[0-9]{1,4})?", fullmatch=True))
def test_a_number_is_read_alike_whatever_else_the_text_holds(text: str) -> None:
    alone, beside = outcome(text), outcome(f'["\\u0041",{text}]')
    assert isinstance(alone, ReadError) == isinstance(beside, ReadError)
    if not isinstance(alone, ReadError):
        assert repr(beside) == repr(["A", alone])


@pytest.mark.parametrize(
    ("opening", "closing"), [("[" * 64, "]" * 64), ('{"a":' * 64, "}" * 64), ('[{"a":' * 32, "}]" * 32)]
)
def test_64_levels_are_read_and_no_more(opening: str, closing: str) -> None:
    value = json.parse(f"{opening}1{closing}", "f.json")
    for _ in range(64):
        (value,) = value.values() if isinstance(value, dict) else value
    assert value == 1
    assert words(f"[{opening}1{closing}]") == "f.json:1: is nested deeper than 64 levels\n  fix: flatten it"


def test_the_line_of_what_is_too_deep_is_told() -> None:
    assert words("[\n" * 100 + "]" * 100).startswith("f.json:65: ")


@pytest.mark.parametrize("opening", ["[", '{"a":', "[{", "[[],"])
def test_what_is_far_too_deep_does_not_end_the_program(opening: str) -> None:
    assert isinstance(outcome(opening * 100_000), ReadError)


def test_brackets_in_text_are_no_levels() -> None:
    assert json.parse('"' + "[{" * 100 + '"', "f.json") == "[{" * 100
    assert json.parse('{"' + "[" * 100 + '": ["]"]}', "f.json") == {"[" * 100: ["]"]}


def test_a_key_may_stand_in_two_objects() -> None:
    text = '{"a": {"a": 1}, "b": [{"a": 1}, {"a": "\\u0061"}]}'
    assert json.parse(text, "f.json") == standard.loads(text)


def test_the_lines_of_a_text_within_a_file_are_those_of_the_file() -> None:
    assert refusal(lambda: json.parse('{"a":\nNaN}', "f", 10)).at.line == 10
    assert refusal(lambda: json.parse('{"a":\n}', "f", 10)).at.line == 11


def test_the_place_of_a_value_is_a_pointer() -> None:
    assert refusal(lambda: json.parse('{"a/b": {"c~d": [0, NaN]}}', "f")).at.pointer == "/a~1b/c~0d/1"
    assert refusal(lambda: json.parse("NaN", "f")).at.pointer is None


# What is read


@given(values, st.sampled_from([None, 0, 2]), st.booleans())
def test_what_json_writes_reads_back_equal(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = standard.dumps(value, allow_nan=False, indent=indent, ensure_ascii=ascii_only)
    assert repr(json.parse(text, "f.json")) == repr(value)


@given(values)
def test_windows_files_read_like_any_other(value: Any) -> None:
    text = standard.dumps(value, indent=2).replace("\n", "\r\n")
    assert repr(json.parse(text, "f.json")) == repr(value)


@pytest.mark.parametrize("text", [' {"a": 1}\n', '\t\r\n{"a": 1}', '{"a":1}', '\r{"a"\n:\n1\n}\n\n'])
def test_space_around_a_value_does_not_matter(text: str) -> None:
    assert json.parse(text, "f.json") == {"a": 1}


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert json.parse('["\\ud83d\\ude00"]', "f.json") == ["😀"]


def test_types_stay_apart() -> None:
    assert repr(json.parse("[1, 1.0, true, null, -0, -0.0]", "f.json")) == "[1, 1.0, True, None, 0, -0.0]"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_file_is_read_with_and_without_a_byte_order_mark(mark: bytes, tmp_path: Path) -> None:
    (tmp_path / "f.json").write_bytes(mark + b'{"a": [1,\r\n 2.5]}\r\n')
    assert json.read(tmp_path / "f.json") == {"a": [1, 2.5]}


def test_the_lines_of_a_file_with_a_byte_order_mark_are_right(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_bytes(b'\xef\xbb\xbf{"a": 1,\r\n "b": NaN}\r\n')
    assert str(refusal(lambda: json.read(tmp_path / "f.json", "f.json")).at) == "f.json:2"


def test_utf_16_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text("{}", encoding="utf-16")
    assert refusal(lambda: json.read(tmp_path / "f.json")).message == "is UTF-16 text, expected UTF-8"


# Nothing else happens


@given(data=st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_refusal(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(data)
    value_or_refusal(lambda: json.read(path))


@settings(max_examples=400)
@given(st.lists(tokens, max_size=12).map("".join))
def test_any_text_is_what_the_standard_reader_says_or_refused(text: str) -> None:
    """Where ours reads, so does the standard library, and the same; where only ours refuses, it says what JSON does not have."""
    ours = outcome(text)
    try:
        theirs = standard.loads(text)
    except (ValueError, RecursionError):
        assert isinstance(ours, ReadError)
        return
    if isinstance(ours, ReadError):
        assert re.match(r"holds|has the key|is nested", ours.message)
    else:
        assert repr(ours) == repr(theirs)


@given(values, st.data())
def test_a_document_that_is_cut_off_is_refused(value: Any, data: st.DataObject) -> None:
    text = standard.dumps([value])
    cut = data.draw(st.integers(0, len(text) - 1))
    assert isinstance(outcome(text[:cut]), ReadError)


def numbers(count: int) -> str:
    return '{"a": ["\\u0041",\n' + ",\n".join("123456789" for _ in range(count)) + "]}"


@pytest.mark.parametrize(
    "read", [lambda text: json.parse(text, "f"), lambda text: json.line_of(text, "/b")], ids=["parse", "line_of"]
)
def test_time_grows_with_the_text_and_not_with_its_square(read: Callable[[str], Any]) -> None:
    with within(10):
        read(numbers(200_000))


@pytest.mark.parametrize(
    "read", [lambda text: json.parse(text, "f"), lambda text: json.line_of(text, "/b")], ids=["parse", "line_of"]
)
def test_a_long_key_is_not_held_once_for_each_of_its_items(read: Callable[[str], Any]) -> None:
    text = '{"' + "k" * 100_000 + '": ["\\u0041"' + ",1" * 1000 + "]}"
    tracemalloc.start()
    try:
        read(text)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


# The line of a pointer


def laid_out(
    value: Any, parts: tuple[str | int, ...], lines: list[str], where: dict[str, int], ascii_only: bool
) -> None:
    """Write a value at the end of the last line, a member or item a line, and note the line on which each begins."""
    if isinstance(value, dict) and value:
        lines[-1] += "{"
        for i, (key, inner) in enumerate(value.items()):
            lines.append(" " * len(parts) + standard.dumps(key, ensure_ascii=ascii_only) + ":")
            where[pointer(*parts, key)] = len(lines)
            if len(key) % 2:
                lines.append("")  # a value may begin on a later line than its key
            laid_out(inner, (*parts, key), lines, where, ascii_only)
            lines[-1] += "," if i < len(value) - 1 else ""
        lines.append("}")
    elif isinstance(value, list) and value:
        lines[-1] += "["
        for i, inner in enumerate(value):
            lines.append("")
            where[pointer(*parts, i)] = len(lines)
            laid_out(inner, (*parts, i), lines, where, ascii_only)
            lines[-1] += "," if i < len(value) - 1 else ""
        lines.append("]")
    else:
        lines[-1] += standard.dumps(value, ensure_ascii=ascii_only)


@given(values, st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_the_line_of_every_pointer_is_the_true_one(value: Any, ascii_only: bool, newline: str) -> None:
    lines, where = [""], {"": 1}
    laid_out(value, (), lines, where, ascii_only)
    text = newline.join(lines)
    assert repr(json.parse(text, "f.json")) == repr(value)
    assert {at: json.line_of(text, at) for at in where} == where


@given(values, st.text(max_size=5))
def test_a_pointer_that_leads_nowhere_has_no_line(value: Any, part: str) -> None:
    text = standard.dumps({"known": value}, indent=1)
    assert json.line_of(text, pointer("unknown", part)) is None
    assert json.line_of(text, pointer("known", part, "x" * 9)) is None


@pytest.mark.parametrize("at", ["known", "/", "//known", "/known/", "/KNOWN", "/0"])
def test_what_only_looks_like_a_pointer_has_no_line(at: str) -> None:
    assert json.line_of('{"known": 1}', at) is None


def test_an_index_and_a_key_of_digits_are_told_apart_by_where_they_stand() -> None:
    text = '{"0":\n[\n"a",\n{"1": 5}]}'
    assert [json.line_of(text, at) for at in ("", "/0", "/0/0", "/0/1", "/0/1/1", "/0/1/0", "/1")] == [
        1,
        1,
        3,
        4,
        4,
        None,
        None,
    ]


@given(st.lists(tokens, max_size=12).map("".join), st.sampled_from(["", "/a", "/0", "/a/b", "/"]))
def test_the_line_of_a_pointer_in_a_broken_text_is_some_line_of_it_or_none(text: str, at: str) -> None:
    with within(10):
        line = json.line_of(text, at)
    assert line is None or 1 <= line <= text.count("\n") + 1


# Real files


def test_real_documents_are_read_as_they_are_or_hold_a_bare_nan(sealkit_data: Path) -> None:
    read, refused = 0, 0
    for path in sorted(sealkit_data.glob("*/**/*.json")):
        text = path.read_text("utf-8-sig")
        try:
            value = json.read(path, path.name)
        except ReadError as error:
            assert re.fullmatch(r"holds NaN at /[\w/~.-]+, which JSON does not have", error.message)
            assert error.at.line is not None and error.at.pointer is not None
            line = text.split("\n")[error.at.line - 1]
            assert re.search(rf'"{error.at.pointer.rsplit("/", 1)[1]}": NaN', line)
            assert json.line_of(text, error.at.pointer) == error.at.line
            refused += 1
        else:
            assert value == standard.loads(text)
            read += 1
    assert read >= 30 and refused >= 5


def test_the_line_of_a_real_metric_is_found(sealkit_data: Path) -> None:
    (path, *_) = sorted(sealkit_data.glob("mteb_results/results/*MiniLM-L6*/*/AILACasedocs.json"))
    text = path.read_text("utf-8")
    for i, line in enumerate(text.split("\n"), 1):
        if '"ndcg_at_10"' in line:
            assert json.line_of(text, "/scores/test/0/ndcg_at_10") == i
            assert math.isfinite(float(line.split(":")[1].strip(" ,")))
            return
    pytest.fail("the file has no ndcg_at_10")
