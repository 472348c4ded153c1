"""How a contract judges: in which words, in which order, how much at once, and the rules between rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit.contract import SHOWN, Contract, did_you_mean
from sealkit.finding import ReadError, Severity
from sealkit.pack import BUILT_IN
from sealkit.read import jsonl
from sealkit.rows import RowRules
from tests.within import within

METRICS, SUMMARY, RANKINGS, QRELS = (
    BUILT_IN.contracts[f"{kind}/v1"] for kind in ("metrics", "summary", "rankings", "qrels")
)


def contract(schema: dict[str, Any], **keywords: Any) -> Contract:
    return Contract("thing", 2, {"title": "A thing", **keywords, **schema})


def said(schema: dict[str, Any], document: Any) -> list[str]:
    return [f"{v.pointer}: {v.message}" for v in contract(schema).violations(document)]


def problems(kept: Contract, content: str | Any, folder: Path) -> tuple[list[str], bool]:
    path = folder / f"f.{kept.media}"
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")
    found, judged = kept.problems(path, path.name)
    return [f"{finding.at}: {finding.message}" for finding in found], judged


# Words


@pytest.mark.parametrize(
    ("schema", "document", "expected"),
    [
        ({"type": "integer"}, "5", [': expected integer, found string "5"']),
        ({"type": "integer"}, True, [": expected integer, found boolean true"]),
        ({"type": "integer"}, 1.5, [": expected integer, found number 1.5"]),
        ({"type": "string"}, 5, [": expected string, found integer 5"]),
        ({"type": "string"}, None, [": expected string, found null"]),
        ({"type": ["string", "null"]}, [], [": expected string or null, found array []"]),
        ({"type": "object"}, {}, []),
        ({"type": "integer"}, 1.0, []),
        ({"minimum": 0}, -1, [": expected >= 0, found -1"]),
        ({"maximum": 1}, 1.5, [": expected <= 1, found 1.5"]),
        ({"exclusiveMinimum": 0}, 0, [": expected > 0, found 0"]),
        ({"exclusiveMaximum": 1}, 1, [": expected < 1, found 1"]),
        ({"const": "thing/v2"}, "thing", [': expected "thing/v2", found "thing"']),
        ({"enum": ["ok", "failed"]}, "fail", [': expected one of "ok", "failed"; found "fail"; did you mean `failed`?']),
        ({"enum": ["PASS", "FAIL"]}, "pass", [': expected one of "PASS", "FAIL"; found "pass"; did you mean `PASS`?']),
        ({"enum": [0, 1, 3, None]}, 2, [": expected one of 0, 1, 3, null; found 2"]),
        ({"pattern": "^[a-z]+$", "x-says": "small letters"}, "A", [': expected small letters, found "A"']),
        ({"pattern": "^[a-z]+$"}, "A", [': expected text that matches ^[a-z]+$, found "A"']),
        ({"pattern": "^[a-z]+$", "x-says": "small letters"}, "a\n", [': expected small letters, found "a\\n"']),
        ({"minLength": 1}, "", [": is empty; expected at least 1 character"]),
        ({"minItems": 1}, [], [": is empty; expected at least 1 item"]),
        ({"minItems": 2}, [1], [": has 1; expected at least 2 items"]),
        ({"minProperties": 1}, {}, [": is empty; expected at least 1 entry"]),
        ({"required": ["a", "b"]}, {}, [": `a` is missing", ": `b` is missing"]),
        ({"properties": {"seed": {}}, "additionalProperties": False}, {"sede": 1}, ["/sede: unknown key `sede`; did you mean `seed`?"]),
        ({"properties": {"seed": {}}, "additionalProperties": False}, {"epochs": 1}, ["/epochs: unknown key `epochs`"]),
        ({"propertyNames": {"pattern": "^[a-z]+$", "x-says": "small letters"}}, {"a": 1, "B/": 1}, ['/B~1: expected small letters, found "B/"']),
        ({"properties": {"a": {"items": {"type": "string"}}}}, {"a": ["x", 1]}, ["/a/1: expected string, found integer 1"]),
        ({"maxLength": 2}, "abc", [": 'abc' is too long"]),
    ],
)  # fmt: skip
def test_a_violation_says_what_was_expected_and_what_was_found(
    schema: dict[str, Any], document: Any, expected: list[str]
) -> None:
    assert said(schema, document) == expected


def test_a_long_value_is_cut_and_a_digest_is_not() -> None:
    digest = "sha256:" + "0" * 63
    assert said({"const": 1}, digest) == [f': expected 1, found "{digest}"']
    (message,) = said({"const": 1}, "x" * 1000)
    assert re.fullmatch(r': expected 1, found "x{60,150}\.\.\.', message)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_have_breaks_any_contract(number: float) -> None:
    assert said({}, {"a": [0, {"b/c": number}]}) == ["/a/1/b~1c: is no finite number"]


@pytest.mark.parametrize(
    ("given_", "known", "expected"),
    [("sede", ["seed", "name"], "; did you mean `seed`?"), ("SEED", ["seed"], "; did you mean `seed`?"), ("x", ["seed"], ""), ("x", [], ""), (11, [0, 1, 3], "; did you mean `1`?")],
)  # fmt: skip
def test_a_known_word_that_is_close_is_proposed(given_: Any, known: list[Any], expected: str) -> None:
    assert did_you_mean(given_, known) == expected


# Order and number


def test_violations_come_in_the_order_of_the_document() -> None:
    schema = {"additionalProperties": {"items": {"type": "string"}}}
    document = {"z": ["ok", 1], "a": [1] * 12, "m": [1]}
    expected = ["/z/1", *(f"/a/{i}" for i in range(12)), "/m/0"]
    assert [v.pointer for v in contract(schema).violations(document)] == expected


def test_what_is_missing_is_told_where_it_is_missing() -> None:
    schema = {"required": ["b"], "properties": {"a": {"required": ["c"]}, "d": {"type": "string"}}}
    assert said(schema, {"d": 1, "a": {}}) == [
        ": `b` is missing",
        "/d: expected string, found integer 1",
        "/a: `c` is missing",
    ]


@pytest.mark.parametrize(("count", "told"), [(SHOWN, SHOWN), (SHOWN + 1, SHOWN + 1), (1000, SHOWN + 1)])
def test_no_more_than_twenty_are_told_one_by_one(count: int, told: int, tmp_path: Path) -> None:
    found, judged = problems(METRICS, {f"key_{i}": None for i in range(count)}, tmp_path)
    assert (len(found), judged) == (told, True)
    assert found[0] == "f.json: /key_0: expected number, found null"
    assert (found[-1] == "f.json: breaks the contract in further places, not shown") == (count > SHOWN)


def test_many_broken_rows_are_told_alike(tmp_path: Path) -> None:
    found, _ = problems(QRELS, '{"query_id": "q"}\n' * 1000, tmp_path)
    assert found[-1] == "f.jsonl: breaks the contract in further places, not shown"
    assert found[:3] == [
        "f.jsonl:1: `doc_id` is missing",
        "f.jsonl:1: `relevance` is missing",
        "f.jsonl:2: `doc_id` is missing",
    ]


@pytest.mark.parametrize(
    "document", [{f"key_{i}": None for i in range(20_000)}, [None] * 20_000], ids=["members", "items"]
)
def test_time_grows_with_what_is_wrong_and_not_with_its_square(document: Any) -> None:
    kept = contract({"additionalProperties": {"type": "number"}, "items": {"type": "number"}})
    with within(20):
        assert len(kept.violations(document)) == 1000


# What cannot be judged


@pytest.mark.parametrize("version", ["2", "10", "99999"])
def test_a_newer_document_is_not_judged(version: str, tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text(json.dumps({"schema": f"summary/v{version}", "whatever": 1}))
    (finding,), judged = SUMMARY.problems(tmp_path / "f.json", "f.json")
    assert finding.message == f"keeps summary/v{version}, which is newer than this sealkit knows (summary/v1)"
    assert (judged, finding.at.pointer, finding.fix, finding.severity) == (
        False,
        "/schema",
        "update sealkit",
        Severity.ERROR,
    )


@pytest.mark.parametrize(
    "declared",
    [
        "summary/v1",
        "summary/v0",
        "summary/v",
        "summary/v²",
        "summary/v٣",
        "summary/v02",
        "summary/v-2",
        "summary/v2.0",
        "metrics/v2",
        "v2",
        "",
        None,
        2,
        ["summary/v2"],
        "summary/v" + "9" * 5000,
    ],
)
def test_what_is_not_newer_is_judged(declared: Any, tmp_path: Path) -> None:
    found, judged = problems(SUMMARY, {"schema": declared}, tmp_path)
    assert judged
    assert "f.json: `run_id` is missing" in found
    assert any("/schema: expected" in message for message in found) == (declared != "summary/v1")


def test_a_file_that_is_gone_is_not_judged(tmp_path: Path) -> None:
    (finding,), judged = SUMMARY.problems(tmp_path / "gone", "gone")
    assert (finding.message, finding.fix, judged) == (
        "cannot be read: No such file or directory",
        "check the path",
        False,
    )


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("{}")
    for name, kept in {"f.json": METRICS, "f.jsonl": QRELS}.items():
        (tmp_path / name).symlink_to("there")
        (finding,), judged = kept.problems(tmp_path / name, name)
        assert (finding.message, judged) == ("is a symbolic link, and readers stay inside the run", False)


def test_a_broken_file_is_judged(tmp_path: Path) -> None:
    found, judged = problems(METRICS, '{"train/loss": NaN}', tmp_path)
    assert (found, judged) == (["f.json:1: holds NaN at /train~1loss, which JSON does not have"], True)


# Rows


def rows(*given_: tuple[str, str, int, float]) -> str:
    return "".join(
        json.dumps(dict(zip(("query_id", "doc_id", "rank", "score"), row, strict=True))) + "\n" for row in given_
    )


def test_a_broken_row_does_not_make_the_file_empty(tmp_path: Path) -> None:
    assert problems(QRELS, '{"query_id": "q", "doc_id": "d"}\n', tmp_path)[0] == ["f.jsonl:1: `relevance` is missing"]


def test_a_file_that_must_have_rows_and_has_none_is_told(tmp_path: Path) -> None:
    assert problems(QRELS, "", tmp_path) == (["f.jsonl:1: holds no rows; expected at least one"], True)
    assert problems(RANKINGS, "", tmp_path) == ([], True)


@pytest.mark.parametrize(
    "broken",
    ['{"query_id": "q1", "doc_id": "d2", "rank": 2}', '{"query_id": "q1", "doc_id": "d2", "rank": "2", "score": 0.8}'],
)
def test_a_broken_row_is_not_held_against_those_that_follow(broken: str, tmp_path: Path) -> None:
    content = (
        rows(("q1", "d1", 1, 0.9))
        + broken
        + "\n"
        + rows(("q1", "d3", 3, 0.7), ("q2", "d1", 1, 0.9), ("q2", "d2", 3, 0.8))
    )
    found, _ = problems(RANKINGS, content, tmp_path)
    assert len(found) == 2 and found[0].startswith("f.jsonl:2: ")
    assert found[1] == "f.jsonl:5: rank is 3, expected 2"


def test_a_broken_first_row_is_not_held_against_its_group(tmp_path: Path) -> None:
    content = '{"query_id": "q1", "doc_id": "d1", "rank": 1}\n' + rows(("q1", "d2", 2, 0.8), ("q2", "d1", 2, 0.9))
    assert problems(RANKINGS, content, tmp_path)[0] == [
        "f.jsonl:1: `score` is missing",
        "f.jsonl:3: rank is 2, expected 1",
    ]


def test_a_row_that_only_the_fast_validator_refuses_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the two ever of different minds, the row would pass without a word."""
    kept = contract({"type": "object"}, **{"x-media": "jsonl"})
    monkeypatch.setitem(kept.__dict__, "_accepts_rows", lambda rows: False)
    assert [(line, bool(v.message)) for line, v in kept.row_violations([(1, [{}, {}])])] == [(1, True), (2, True)]


ROW = {"type": "object", "x-media": "jsonl"}


def broken(rules: dict[str, Any], *given_: dict[str, Any]) -> list[tuple[int, str]]:
    kept = contract(ROW, **{"x-rows": rules})
    return [(line, v.message) for line, v in kept.row_violations([(1, list(given_))])]


def test_unique_fields_are_unique_together() -> None:
    given_ = [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 1, "b": "x"}, {"a": 1, "b": "x"}]
    second = 'a 1, b "x" occurs a second time'
    assert broken({"unique": ["a", "b"]}, *given_) == [(4, second), (5, second)]


def test_within_groups_fields_are_unique_in_the_group() -> None:
    given_ = [{"g": "1", "d": "a"}, {"g": "2", "d": "a"}, {"g": "2", "d": "a"}]
    assert broken({"grouped_by": "g", "unique": ["d"]}, *given_) == [(3, 'd "a" occurs a second time')]


def test_a_group_stands_together() -> None:
    given_ = [{"g": g} for g in ("a", "b", "b", "a", "c", "b", "b")]
    comes_back = "g {} comes back after other rows; its rows stand together"
    assert broken({"grouped_by": "g"}, *given_) == [(4, comes_back.format('"a"')), (6, comes_back.format('"b"'))]


def test_a_group_whose_name_is_null_is_a_group() -> None:
    assert (
        broken({"grouped_by": "g", "ranked": "r"}, {"g": None, "r": 1}, {"g": None, "r": 2}, {"g": "a", "r": 1}) == []
    )


@pytest.mark.parametrize(
    ("ranks", "expected"),
    [([1, 2, 3], []), ([0, 1, 2], [(1, 0, 1)]), ([2, 3], [(1, 2, 1)]), ([1, 1], [(2, 1, 2)]), ([1, 3, 4, 5], [(2, 3, 2)]), ([1, 3, 3], [(2, 3, 2), (3, 3, 4)]), ([1.0, 2.0], [])],
)  # fmt: skip
def test_ranks_count_from_one_and_each_gap_is_told_once(
    ranks: list[float], expected: list[tuple[int, int, int]]
) -> None:
    found = broken({"ranked": "r"}, *({"r": rank} for rank in ranks))
    assert found == [(line, f"r is {rank}, expected {position}") for line, rank, position in expected]


def test_order_is_told_with_its_rule() -> None:
    given_ = [{"s": 2, "d": "b"}, {"s": 2, "d": "c"}, {"s": 3, "d": "a"}, {"s": 3, "d": "a"}]
    rule = "; the order is s falling, then d rising"
    assert broken({"order": ["-s", "d"]}, *given_) == [(3, f"s 3 follows 2{rule}")]
    assert broken({"order": ["-s", "-d"]}, *given_[:2]) == [
        (2, 'd "c" follows "b"; the order is s falling, then d falling')
    ]


ranked = st.tuples(st.sampled_from("pq"), st.sampled_from("abc"), st.sampled_from([0.5, 0.25, -1.0]))


@given(st.lists(ranked, max_size=8))
def test_rankings_made_by_the_rules_keep_them(results: list[tuple[str, str, float]]) -> None:
    best: dict[str, dict[str, float]] = {}
    for query, doc, score in results:
        best.setdefault(query, {})[doc] = score
    made = [
        {"query_id": query, "doc_id": doc, "rank": rank, "score": score}
        for query, found in best.items()
        for rank, (score, doc) in enumerate(sorted(((s, d) for d, s in found.items()), reverse=True), 1)
    ]
    assert list(RANKINGS.row_violations([(1, made)])) == []
    for i in range(len(made) - 1):
        swapped = [*made[:i], made[i + 1], made[i], *made[i + 2 :]]
        whole_groups = made[i]["rank"] == made[i + 1]["rank"] == 1 and (i + 2 == len(made) or made[i + 2]["rank"] == 1)
        assert (list(RANKINGS.row_violations([(1, swapped)])) == []) == whole_groups


def brute_force(rules: dict[str, Any], given_: list[dict[str, Any]]) -> bool:
    """Whether rows keep `grouped_by` and `unique`, said in another way."""
    groups = [row["g"] for row in given_]
    together = all(
        len({j for j, g in enumerate(groups) if g == h})
        == max(j for j, g in enumerate(groups) if g == h) - groups.index(h) + 1
        for h in groups
    )
    return together and len({(row["g"], row["d"]) for row in given_}) == len(given_)


@given(st.lists(st.fixed_dictionaries({"g": st.sampled_from("abc"), "d": st.sampled_from("xyz")}), max_size=7))
def test_grouping_and_uniqueness_are_what_they_say(given_: list[dict[str, Any]]) -> None:
    rules = {"grouped_by": "g", "unique": ["d"]}
    assert (broken(rules, *given_) == []) == brute_force(rules, given_)


def test_rows_are_judged_while_they_stream() -> None:
    def endless() -> Iterable[tuple[int, list[dict[str, Any]]]]:
        line = 0
        while True:
            line += 1
            yield line, [{"query_id": "q", "doc_id": str(line), "relevance": "1" if line == 1000 else 1}]

    line, violation = next(iter(QRELS.row_violations(endless())))
    assert (line, violation.pointer) == (1000, "/relevance")


@given(
    drawn=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(1, 3), st.sampled_from([0.5, 0.25, 1]))
    ),
    rules=st.sampled_from(
        [
            RANKINGS.schema["x-rows"],
            QRELS.schema["x-rows"],
            {"order": ["rank", "-score"]},
            {"ranked": "rank"},
            {"grouped_by": "query_id", "ranked": "rank"},
        ]
    ),
)
def test_rows_that_plainly_keep_the_rules_are_those_without_a_message(
    drawn: list[tuple[str, str, int, float]], rules: dict[str, Any]
) -> None:
    made = [dict(zip(("query_id", "doc_id", "rank", "score"), row, strict=True)) for row in drawn]
    quick, slow = RowRules(rules), RowRules(rules)
    expected = [slow.broken(row) for row in made]
    told: list[list[str]] = []
    while len(told) < len(made):
        told += [[]] * quick.plain(made[len(told) :])
        told += [quick.broken(row) for row in made[len(told) : len(told) + 1]]
    assert (told, quick.count) == (expected, slow.count)


@given(
    drawn=st.lists(
        st.tuples(
            st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 3), st.sampled_from([0.5, 1, "1", None])
        ),
        max_size=12,
    ),
    size=st.integers(1, 12),
)
def test_rows_are_judged_alike_in_blocks_of_any_size(drawn: list[tuple[str, str, int, Any]], size: int) -> None:
    made = [dict(zip(("query_id", "doc_id", "rank", "score"), row, strict=True)) for row in drawn]
    blocks = [(at + 1, made[at : at + size]) for at in range(0, len(made), size)]
    alone = [(line, [row]) for line, row in enumerate(made, 1)]
    assert list(RANKINGS.row_violations(blocks)) == list(RANKINGS.row_violations(alone))


def test_rows_before_one_that_cannot_be_read_are_judged(tmp_path: Path) -> None:
    row = '{"query_id": "q", "doc_id": "d", "relevance": 1}\n'
    (tmp_path / "f.jsonl").write_text(row + row + '{"query_id": \n' + row)
    found = QRELS.row_violations(jsonl.blocks(tmp_path / "f.jsonl"))
    assert next(found)[0] == 2
    with pytest.raises(ReadError):
        next(found)


def test_lines_are_counted_over_blocks_and_groups_go_on_in_the_next() -> None:
    def row(doc: str, rank: int) -> dict[str, Any]:
        return {"query_id": "q", "doc_id": doc, "rank": rank, "score": -rank}

    found = RANKINGS.row_violations([(1, [row("a", 1), row("b", 2)]), (3, []), (3, [row("c", 3), row("a", 5)])])
    assert [(line, violation.message) for line, violation in found] == [
        (4, 'doc_id "a" occurs a second time'),
        (4, "rank is 5, expected 4"),
    ]
