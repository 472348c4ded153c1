"""YAML documents: the 1.2 core schema, the line of every value, nothing executed, nothing lost without a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sealkit.finding import ReadError, pointer
from sealkit.read import yaml
from tests.within import refusal, value_or_refusal, within

printable = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"], include_characters=" "), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | printable,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(printable, inner, max_size=4),
    max_leaves=15,
)  # fmt: skip


def words(text: str) -> str:
    return str(refusal(lambda: yaml.parse(text, "c.yaml")))


# Scalars


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5e-5", 5e-05), ("5E-5", 5e-05), ("1e5", 1e5), ("+1.5e+3", 1500.0), ("1.", 1.0), (".5", 0.5), ("-.5e1", -5.0), ("-0.0", -0.0), ("1e-999", 0.0),
        ("0", 0), ("10", 10), ("010", 10), ("08", 8), ("-5", -5), ("+5", 5), ("0o17", 15), ("0x1F", 31), ("0xdeadBEEF", 0xDEADBEEF),
        ("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False),
        ("null", None), ("Null", None), ("NULL", None), ("~", None), ("", None), ("# only a comment", None),
        ("no", "no"), ("No", "No"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"), ("n", "n"), ("tRUE", "tRUE"), ("nil", "nil"),
        ("12:30", "12:30"), ("12:30:00", "12:30:00"), ("2026-01-31", "2026-01-31"), ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("1_000", "1_000"), ("0b11", "0b11"), ("0o8", "0o8"), ("0x", "0x"), ("0X1F", "0X1F"), ("1e", "1e"), ("1e5.0", "1e5.0"), (".", "."), ("+", "+"),
        ("--5", "--5"), ("1.2.3", "1.2.3"), ("e5", "e5"), ("infinity", "infinity"), ("inf", "inf"), ("nan", "nan"), ("NaN", "NaN"), ("-", [None]),
        ("٣", "٣"), ("1e٣", "1e٣"), ("None", "None"), ("=", "="), ("<<", "<<"), ("a b", "a b"), ("a#b", "a#b"), ("a # b", "a"),
        ("'5'", "5"), ('"5"', "5"), ("'no'", "no"), ('"null"', "null"), ('""', ""), ("'it''s'", "it's"), ('"\\x41\\u00e9\\U0001F600\\n"', "Aé😀\n"),
        ("|\n  5\n  NaN\n", "5\nNaN\n"), (">-\n  a\n  b\n", "a b"), ("|-\n  5\n", "5"), ("a\nb", "a b"),
    ],
)  # fmt: skip
def test_a_scalar_is_what_the_core_schema_says(text: str, expected: Any) -> None:
    assert repr(yaml.parse(text, "c.yaml").data) == repr(expected)
    if "\n" not in text and "#" not in text and text != "-":
        assert repr(yaml.parse(f"- {text}", "c.yaml").data) == repr([expected])
        assert repr(yaml.parse(f"k: {text}", "c.yaml").data) == repr({"k": expected})


@pytest.mark.parametrize("text", [".inf", "-.inf", "+.Inf", ".INF", ".nan", ".NaN", ".NAN", "1e999", "-1e999"])
def test_a_number_that_is_not_finite_is_refused(text: str) -> None:
    expected = f"c.yaml:2: holds {text}, which is no finite number\n  fix: write a finite number or null"
    assert words(f"lr:\n  {text}\n") == expected


def test_a_very_long_number_is_refused() -> None:
    assert words("a: 1\nb: " + "1" * 401).startswith("c.yaml:2: holds a number of 401 characters")
    assert yaml.parse("b: " + "1" * 400, "c.yaml").data == {"b": int("1" * 400)}


@given(st.integers(-(10**40), 10**40))
def test_integers_are_integers(number: int) -> None:
    assert yaml.parse(str(number), "c.yaml").data == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_floats(number: float) -> None:
    assert repr(yaml.parse(repr(number), "c.yaml").data) == repr(number)


# What is refused


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "c.yaml:3: has the key `a` twice in one mapping\n  fix: keep one of the two"),
        ("a:\n  b: 1\n  'b': 2\n", "c.yaml:3: has the key `b` twice in one mapping\n  fix: keep one of the two"),
        ("x: {a: 1,\n a: 2}\n", "c.yaml:2: has the key `a` twice in one mapping\n  fix: keep one of the two"),
        ("1: a\n'1': b\n", "c.yaml:2: has the key `1` twice in one mapping\n  fix: keep one of the two"),
        ("a: 1\n? [b]\n: 2\n", "c.yaml:2: has a key that is not plain text\n  fix: use plain text as key"),
        ("a: 1\n? {b: 1}\n: 2\n", "c.yaml:2: has a key that is not plain text\n  fix: use plain text as key"),
        ("a: 1\nb: &x 2\n", "c.yaml:2: uses the anchor or alias `x`\n  fix: write the value out, or refer to it with ${section.key}"),
        ("a: &x [1]\nb: *x\n", "c.yaml:1: uses the anchor or alias `x`\n  fix: write the value out, or refer to it with ${section.key}"),
        ("a: 1\n<<: *base\n", "c.yaml:2: uses the anchor or alias `base`\n  fix: write the value out, or refer to it with ${section.key}"),
        ("a: 1\nb: !mine 2\n", "c.yaml:2: uses the tag `!mine`\n  fix: write a plain value, in quotes if it is text"),
        ("a: 1\nb: !mine {c: 2}\n", "c.yaml:2: uses the tag `!mine`\n  fix: write a plain value, in quotes if it is text"),
        ("a: 1\nb: !mine [2]\n", "c.yaml:2: uses the tag `!mine`\n  fix: write a plain value, in quotes if it is text"),
        ("a: !!str 010\n", "c.yaml:1: uses the tag `!!str`\n  fix: write a plain value, in quotes if it is text"),
        ("a: !!int '3'\n", "c.yaml:1: uses the tag `!!int`\n  fix: write a plain value, in quotes if it is text"),
        ("a: !!binary aGk=\n", "c.yaml:1: uses the tag `!!binary`\n  fix: write a plain value, in quotes if it is text"),
        ("a: !!set {b, c}\n", "c.yaml:1: uses the tag `!!set`\n  fix: write a plain value, in quotes if it is text"),
        ("a: ! 5\n", "c.yaml:1: uses the tag `!`\n  fix: write a plain value, in quotes if it is text"),
        ("a: 1\n---\nb: 2\n", "c.yaml:2: is not YAML: found another document\n  fix: correct the line"),
        ("a: 1\nb\n", "c.yaml:3: is not YAML: could not find expected ':'\n  fix: correct the line"),
        ("a: 1\n b: 2\n", "c.yaml:2: is not YAML: mapping values are not allowed here\n  fix: correct the line"),
        ("a:\n\tb: 2\n", "c.yaml:2: is not YAML: found character '\\t' that cannot start any token\n  fix: correct the line"),
        ("a: 1\nb: [1, 2\n", "c.yaml:3: is not YAML: expected ',' or ']', but got '<stream end>'\n  fix: correct the line"),
        ("a: 'b\n", "c.yaml:2: is not YAML: found unexpected end of stream\n  fix: correct the line"),
        ("a: 1\nb: @x\n", "c.yaml:2: is not YAML: found character '@' that cannot start any token\n  fix: correct the line"),
        ("%YAML 2.0\n---\na: 1\n", "c.yaml:1: is not YAML: found incompatible YAML document (version 1.* is required)\n  fix: correct the line"),
        ("a: 1\nb: \x00\n", "c.yaml:2: is not YAML: special characters are not allowed\n  fix: save it as plain UTF-8 text"),
        ("a: 1\nb: \x1b[0m\n", "c.yaml:2: is not YAML: special characters are not allowed\n  fix: save it as plain UTF-8 text"),
        ('a: 1\nb: "\\UFFFFFFFF"\n', "c.yaml:2: is not YAML: holds a number or an escape that is out of range\n  fix: correct the line"),
        ('a: 1\nb: "\\U00110000"\n', "c.yaml:2: is not YAML: holds a number or an escape that is out of range\n  fix: correct the line"),
        ("%YAML 1." + "1" * 5000 + "\n---\n", "c.yaml:1: is not YAML: holds a number or an escape that is out of range\n  fix: correct the line"),
        ('a: 1\nb: "\\ud800"\n', "c.yaml:2: holds half of a surrogate pair, which is no text\n  fix: write the character itself"),
        ('a: 1\n"\\udfff": 2\n', "c.yaml:2: has half of a surrogate pair in a key, which is no text\n  fix: write the character itself"),
    ],
)  # fmt: skip
def test_what_is_refused_is_told_with_its_line_and_what_to_do(text: str, expected: str) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: b & c", "b & c"),
        ("a: 2 * 3", "2 * 3"),
        ("a: '*x'", "*x"),
        ('a: "&x"', "&x"),
        ("a: x*y&z!", "x*y&z!"),
        ("# &x *y !z\na: b", "b"),
        ("a: |\n  &x\n  *y\n  !z\n", "&x\n*y\n!z\n"),
    ],
)
def test_marks_that_are_no_anchors_aliases_or_tags_are_text(text: str, expected: str) -> None:
    assert yaml.parse(text, "c.yaml").data == {"a": expected}


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:os.mkdir", "!!python/object/new:os.mkdir", "!!python/name:os.mkdir", "!!python/module:os"],
)
def test_nothing_is_ever_executed(tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert words(f"a: 1\nb: {tag} [made]\n").startswith(f"c.yaml:2: uses the tag `{tag}`")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("opening", "closing"), [("[" * 64, "]" * 64), ("{a: " * 64, "}" * 64), ("- " * 64, "")])
def test_64_levels_are_read_and_no_more(opening: str, closing: str) -> None:
    value = yaml.parse(f"{opening}1{closing}", "c.yaml").data
    for _ in range(64):
        (value,) = value.values() if isinstance(value, dict) else value
    assert value == 1
    deeper = f"- {opening}1{closing}" if opening.startswith("-") else f"[{opening}1{closing}]"
    assert words(deeper) == "c.yaml:1: is nested deeper than 64 levels\n  fix: flatten it"


@pytest.mark.parametrize("text", ["[" * 10_000, "{a: " * 10_000, "- " * 10_000, "[" * 10_000 + "&a", "[\n" * 10_000])
def test_what_is_far_too_deep_is_refused_with_its_line_and_at_once(text: str) -> None:
    with within(8):
        error = refusal(lambda: yaml.parse(text, "c.yaml"))
    assert error.message == "is nested deeper than 64 levels"
    assert error.at.line == (65 if "\n" in text else 1)


def test_a_larger_file_than_a_mebibyte_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(b"#" * (1024 * 1024 + 1))
    error = refusal(lambda: yaml.read(tmp_path / "c.yaml", "c.yaml"))
    assert error.message == "is 1,048,577 bytes; at most 1,048,576 are read"
    (tmp_path / "c.yaml").write_bytes(b"#" * (1024 * 1024))
    assert yaml.read(tmp_path / "c.yaml").data is None


def test_utf_16_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("a: 1\n", encoding="utf-16")
    assert refusal(lambda: yaml.read(tmp_path / "c.yaml")).message == "is UTF-16 text, expected UTF-8"


def test_a_refusal_has_a_pointer_where_there_is_one() -> None:
    assert refusal(lambda: yaml.parse("a:\n  b/c: [0, .nan]", "c.yaml")).at.pointer == "/a/b~1c/1"


# What is read, and where it stands

CONFIG = """\
# a comment
schema: pipeline/v1

run: {name: base,
  seed: 42}
stages:
  train:
    with:
      lr: 5e-5   # a float
      'a/b':
        - one
        -
          two
        - [3,
           4]
      text: |
        several
        lines
  last:
"""
LINES = {
    "": 2, "/schema": 2, "/run": 4, "/run/name": 4, "/run/seed": 5, "/stages": 6, "/stages/train": 7, "/stages/train/with": 8,
    "/stages/train/with/lr": 9, "/stages/train/with/a~1b": 10, "/stages/train/with/a~1b/0": 11, "/stages/train/with/a~1b/1": 13,
    "/stages/train/with/a~1b/2": 14, "/stages/train/with/a~1b/2/0": 14, "/stages/train/with/a~1b/2/1": 15,
    "/stages/train/with/text": 16, "/stages/last": 19,
}  # fmt: skip


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_every_value_has_its_line(newline: str, mark: bytes, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(mark + CONFIG.replace("\n", newline).encode())
    document = yaml.read(tmp_path / "c.yaml")
    assert document.lines == LINES
    assert document.data == {
        "schema": "pipeline/v1",
        "run": {"name": "base", "seed": 42},
        "stages": {"train": {"with": {"lr": 5e-05, "a/b": ["one", "two", [3, 4]], "text": "several\nlines\n"}}, "last": None},
    }  # fmt: skip


@given(values)
def test_json_is_yaml_too(value: Any) -> None:
    assert repr(yaml.parse(json.dumps(value, ensure_ascii=False), "c.yaml").data) == repr(value)


def pointers(value: Any, parts: tuple[str | int, ...] = ()) -> list[str]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [pointer(*parts), *(found for key, item in inner for found in pointers(item, (*parts, key)))]


@given(values)
def test_the_lines_are_those_of_the_values_and_no_others(value: Any) -> None:
    assert sorted(yaml.parse(json.dumps(value, ensure_ascii=False, indent=1), "c.yaml").lines) == sorted(
        pointers(value)
    )


@given(
    st.recursive(printable, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(printable, inner, max_size=4))
)
def test_text_in_blocks_as_pyyaml_writes_it_reads_back_equal(value: Any) -> None:
    text = pyyaml.safe_dump(value, allow_unicode=True, default_flow_style=False, default_style='"')
    assert yaml.parse(text, "c.yaml").data == value


SOUP = [
    "a", "b", ": ", ":", "- ", "-", "\n", "\n  ", "\n    ", " ", "#", "[", "]", "{", "}", ",", "?", "? ", "&x", "*x", "!", "!!", "!!str ", "!x ",
    "'", '"', "\\", "\\u", "\\x4", '"\\ud800"', '"\\UFFFFFFFF"', "|", ">", "|+", ">-2", "%", "%YAML 1.1\n", "%TAG ! x\n", "---\n", "...\n", "<<: ",
    "1", "1e5", ".inf", "~", "null", "\t", "\r", "\x85", "\u2028", "\ufeff", "\x00", "@", "`", "é", "😀", "!<%ff> ", "0x", "=",
]  # fmt: skip


@settings(max_examples=500)
@given(st.lists(st.sampled_from(SOUP), max_size=14).map("".join))
def test_any_text_is_a_document_or_a_refusal(text: str) -> None:
    found = value_or_refusal(lambda: yaml.parse(text, "c.yaml"))
    if isinstance(found, ReadError):
        assert found.at.line is not None and 1 <= found.at.line <= len(text) + 1
    else:
        json.dumps(found.data, allow_nan=False, ensure_ascii=False).encode()


@given(data=st.binary(max_size=60))
def test_any_bytes_are_a_document_or_a_refusal(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(data)
    value_or_refusal(lambda: yaml.read(path))


# Real files


def test_real_configs_are_read(sealkit_data: Path) -> None:
    files = sorted(path for ext in ("yaml", "yml") for path in sealkit_data.glob(f"run_examples/**/*.{ext}"))
    assert len(files) >= 10
    for path in files:
        document = yaml.read(path)
        lines = path.read_text("utf-8").split("\n")
        for at, line in document.lines.items():
            key = at.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
            assert key.isdigit() or key in lines[line - 1]


def test_a_real_learning_rate_is_a_number(sealkit_data: Path) -> None:
    document = yaml.read(sealkit_data / "run_examples/hydra_neural_decoder/outputs/.hydra/config.yaml")
    assert document.data["l2_decay"] == 1e-05


@given(st.lists(st.integers() | st.text("abc"), max_size=3), st.integers(0, 4))
def test_what_another_tool_wrote_with_aliases_is_read_as_what_it_wrote(part: list[object], times: int) -> None:
    meant = {"first": part, "again": [part] * times, "within": {"deep": {"part": part}}}
    text = pyyaml.safe_dump(meant)
    assert yaml.parse(text, "x", aliases=True).data == pyyaml.safe_load(text) == meant


def test_an_alias_stands_on_its_own_line() -> None:
    document = yaml.parse("a: &x\n- 1\n- k: v\nb: *x\nc: &y z\nd: *y\n", "x", aliases=True)
    assert document.data == {"a": [1, {"k": "v"}], "b": [1, {"k": "v"}], "c": "z", "d": "z"}
    assert (document.lines["/b"], document.lines["/d"], "/b/0" in document.lines) == (4, 6, False)


def refused(text: str) -> ReadError:
    with pytest.raises(ReadError) as error:
        yaml.parse(text, "x", aliases=True)
    return error.value


def test_aliases_cannot_make_a_document_large_or_deep_or_hold_itself_or_merge() -> None:
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
    )
    assert str(refused(laughs)).startswith("x:5: has aliases that come to over 10,000 values, or to over 64 levels")
    ladder = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 70))
    assert "over 64 levels" in str(refused(ladder))
    assert str(refused("a: &a [1, *a]")).startswith("x:1: has the alias `a` before its anchor, or in it")
    assert str(refused("*a")).startswith("x:1: has the alias `a` before its anchor, or in it")
    assert "key that is not plain text" in str(refused("a: &a 1\n*a : 2"))
    assert str(refused("a: &a {k: 1}\nb:\n  <<: *a\n")).startswith("x:3: merges the alias `a` with `<<`")
