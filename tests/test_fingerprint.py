"""Fingerprints: what binds must fit, what informs may differ, and what is left out never fits."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealkit import fingerprint
from sealkit.fingerprint import Difference, Field, compare, fields, identity, value
from sealkit.index import differences, explain, schema
from sealkit.pack import BUILT_IN

QUICK = settings(deadline=None, max_examples=100)
SCHEMA = schema()
FIELDS = list(fields(SCHEMA))
SHARED = [field for field in FIELDS if field.binding == "bind" and field.side == "both"]
OF_THE_INDEX = [field for field in FIELDS if field.binding == "bind" and field.side == "index"]
INFO = [field for field in FIELDS if field.binding == "info"]


def sha(letter: str) -> str:
    return "sha256:" + letter * 64


SPACE: dict[str, Any] = {
    "corpus": {"digest": sha("a"), "count": 3},
    "encoder": {"name": "models/one", "weights": sha("b"), "tree": sha("c")},
    "tokenizer": {"digest": sha("d"), "max_length": 64},
    "prompts": {"query": "query: ", "document": ""},
    "pooling": "mean",
    "modules": sha("e"),
    "normalise": True,
    "metric": "inner_product",
    "dimension": 4,
    "count": 3,
}


def changed(space: Mapping[str, Any], field: Field, new: Any) -> dict[str, Any]:
    """A copy of a fingerprint with another value in one field."""
    copied: dict[str, Any] = copy.deepcopy(dict(space))
    inner = copied
    for key in field.path[:-1]:
        inner = inner[key]
    inner[field.path[-1]] = new
    return copied


def without(space: Mapping[str, Any], *path: str) -> dict[str, Any]:
    copied: dict[str, Any] = copy.deepcopy(dict(space))
    inner = copied
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return copied


def names(found: list[Difference]) -> list[str]:
    return [difference.field.name for difference in found]


def of(name: str) -> Field:
    return next(field for field in FIELDS if field.name == name)


VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


# What binds


def test_what_binds_is_what_the_schema_says() -> None:
    assert [field.name for field in SHARED] == [
        "encoder.weights",
        "tokenizer.digest",
        "tokenizer.max_length",
        "prompts.query",
        "prompts.document",
        "pooling",
        "modules",
        "normalise",
        "metric",
        "dimension",
    ]
    assert [field.name for field in OF_THE_INDEX] == ["corpus.digest", "corpus.count", "count"]
    assert [field.name for field in INFO] == ["encoder.name", "encoder.tree"]
    assert len(FIELDS) == len(SHARED) + len(OF_THE_INDEX) + len(INFO)


def test_every_property_of_a_fingerprint_is_a_field_or_holds_some() -> None:
    def bare(inner: Mapping[str, Any]) -> bool:
        return all(
            "x-binding" in part or ("properties" in part and bare(part)) for part in inner["properties"].values()
        )

    assert bare(SCHEMA)
    assert not bare({"properties": {**SCHEMA["properties"], "forgotten": {"type": "string"}}})


def test_index_and_search_agree_on_every_field_that_they_share() -> None:
    search = list(fields(BUILT_IN.contracts["search_manifest/v1"].schema["properties"]["fingerprint"]))
    assert search == [field for field in FIELDS if field.side == "both"]


def test_index_and_search_describe_the_fields_that_they_share_alike() -> None:
    of_search = BUILT_IN.contracts["search_manifest/v1"].schema["properties"]["fingerprint"]
    for key, inner in of_search["properties"].items():
        assert inner == SCHEMA["properties"][key], key
    assert set(of_search["required"]) == set(of_search["properties"])
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"])


# Comparing


def test_the_same_space_fits() -> None:
    assert compare(SPACE, copy.deepcopy(SPACE), SCHEMA) == []
    assert differences(SPACE, {key: SPACE[key] for key in SPACE if key not in ("corpus", "count")}) == []


@QUICK
@given(st.sampled_from(SHARED), VALUES)
def test_any_binding_field_that_differs_is_named_and_no_other(field: Field, new: Any) -> None:
    old = value(SPACE, field)
    if type(new) is type(old) and new == old:
        return
    for index, query in ((SPACE, changed(SPACE, field, new)), (changed(SPACE, field, new), SPACE)):
        assert compare(index, query, SCHEMA) == [Difference(field, value(index, field), value(query, field))]


@QUICK
@given(st.sampled_from(INFO), VALUES)
def test_a_field_that_informs_never_matters(field: Field, new: Any) -> None:
    assert compare(SPACE, changed(SPACE, field, new), SCHEMA) == []
    assert compare(SPACE, without(SPACE, *field.path), SCHEMA) == []


@QUICK
@given(st.sampled_from(OF_THE_INDEX), VALUES)
def test_what_is_the_indexs_own_has_no_counterpart(field: Field, new: Any) -> None:
    assert compare(changed(SPACE, field, new), SPACE, SCHEMA) == []
    assert compare(SPACE, changed(SPACE, field, new), SCHEMA) == []


@QUICK
@given(st.sets(st.sampled_from(SHARED), min_size=1))
def test_several_fields_that_differ_are_all_named_in_the_order_of_the_schema(chosen: set[Field]) -> None:
    query: dict[str, Any] = SPACE
    for field in chosen:
        query = changed(query, field, "another")
    assert names(compare(SPACE, query, SCHEMA)) == [field.name for field in SHARED if field in chosen]


@pytest.mark.parametrize("field", SHARED, ids=lambda field: field.name)
def test_what_one_side_or_both_leave_out_does_not_fit(field: Field) -> None:
    less = without(SPACE, *field.path)
    assert compare(SPACE, less, SCHEMA) == [Difference(field, value(SPACE, field), None)]
    assert compare(less, SPACE, SCHEMA) == [Difference(field, None, value(SPACE, field))]
    assert compare(less, less, SCHEMA) == [Difference(field, None, None)]
    null = changed(SPACE, field, None)
    assert names(compare(null, null, SCHEMA)) == [field.name]


def test_a_group_that_is_left_out_leaves_out_its_fields() -> None:
    assert names(compare(SPACE, without(SPACE, "tokenizer"), SCHEMA)) == ["tokenizer.digest", "tokenizer.max_length"]
    assert names(compare({**SPACE, "prompts": "none"}, SPACE, SCHEMA)) == ["prompts.query", "prompts.document"]
    assert names(compare({}, {}, SCHEMA)) == [field.name for field in SHARED]


@pytest.mark.parametrize(
    ("name", "index", "query"),
    [
        ("normalise", True, 1),
        ("normalise", False, 0),
        ("dimension", 4, 4.0),
        ("dimension", 4, "4"),
        ("dimension", 1, True),
    ],
)
def test_values_of_another_type_are_other_values(name: str, index: Any, query: Any) -> None:
    assert names(compare(changed(SPACE, of(name), index), changed(SPACE, of(name), query), SCHEMA)) == [name]


def test_an_empty_prompt_is_a_prompt_and_no_unknown() -> None:
    assert compare(SPACE, SPACE, SCHEMA) == []
    assert SPACE["prompts"]["document"] == ""


def test_what_the_schema_does_not_know_is_not_compared() -> None:
    assert compare({**SPACE, "x-mine": 1}, {**SPACE, "x-mine": 2, "more": 3}, SCHEMA) == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (changed(SPACE, of("pooling"), "cls"), "pooling: the index was built with 'mean', the query side has 'cls'"),
        (changed(SPACE, of("dimension"), 8), "dimension: the index was built with 4, the query side has 8"),
        (
            without(SPACE, "prompts", "query"),
            "prompts.query: the index was built with 'query: ', the query side has 'unknown'",
        ),
    ],
)
def test_a_difference_in_one_line(query: dict[str, Any], said: str) -> None:
    assert [explain(difference) for difference in differences(SPACE, query)] == [said]


# Identity


@QUICK
@given(st.sampled_from([*SHARED, *OF_THE_INDEX]), VALUES)
def test_identity_changes_with_every_binding_field(field: Field, new: Any) -> None:
    old = value(SPACE, field)
    same = type(new) is type(old) and new == old
    assert (identity(changed(SPACE, field, new), SCHEMA) == identity(SPACE, SCHEMA)) is same


@QUICK
@given(st.sampled_from(INFO), VALUES)
def test_identity_does_not_change_with_what_informs(field: Field, new: Any) -> None:
    assert identity(changed(SPACE, field, new), SCHEMA) == identity(SPACE, SCHEMA)
    assert identity({**SPACE, "x-mine": new}, SCHEMA) == identity(SPACE, SCHEMA)


def test_identity_does_not_change_with_the_order_of_keys() -> None:
    turned = {key: SPACE[key] for key in reversed(SPACE)}
    turned["encoder"] = dict(reversed(SPACE["encoder"].items()))
    assert identity(turned, SCHEMA) == identity(SPACE, SCHEMA)


def test_identity_is_the_digest_that_was_pinned() -> None:
    assert identity(SPACE, SCHEMA) == "sha256:1098b3003d5b03b3b574b84c1943a09d6573f9f133e80670a3ed8a85b346b721"


@pytest.mark.parametrize("field", [*SHARED, *OF_THE_INDEX], ids=lambda field: field.name)
def test_two_fields_do_not_stand_in_for_each_other(field: Field) -> None:
    assert identity(without(SPACE, *field.path), SCHEMA) != identity(SPACE, SCHEMA)


# Fields of any schema


def test_fields_are_found_at_any_depth() -> None:
    deep = {
        "properties": {
            "a": {"properties": {"b": {"properties": {"c": {"x-binding": "warn", "x-side": "index"}}}}},
            "d": {"type": "string"},
            "e": {"x-binding": "bind"},
        }
    }
    assert list(fields(deep)) == [Field(("a", "b", "c"), "warn", "index"), Field(("e",), "bind", "both")]
    assert [field.name for field in fields(deep)] == ["a.b.c", "e"]


def test_a_value_may_be_a_whole_object() -> None:
    whole = {"properties": {"mask": {"x-binding": "bind"}}}
    assert compare({"mask": {"rate": 0.1, "seed": 1}}, {"mask": {"seed": 1, "rate": 0.1}}, whole) == []
    assert names(compare({"mask": {"rate": 0.1}}, {"mask": {"rate": 0.2}}, whole)) == ["mask"]


def test_the_digest_that_stands_for_a_value() -> None:
    assert (
        fingerprint.of({"a": 1, "b": [2]}) == fingerprint.of({"b": [2], "a": 1}) != fingerprint.of({"a": 1, "b": [3]})
    )
    assert fingerprint.of([]) == "sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"
