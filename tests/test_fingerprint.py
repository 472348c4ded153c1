"""Fingerprints: what binds must fit, what informs may differ, and what is left out never fits."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealkit import fingerprint, manifest
from sealkit.fingerprint import ABSENT, Comparison, Field, State, compare, fields, identity, value
from sealkit.pack import BUILT_IN

QUICK = settings(deadline=None, max_examples=60)
FIELDS = manifest.fields()
BOTH = [field for field in FIELDS if field.side == "both"]
BIND = [field for field in FIELDS if field.binding == "bind"]
SHARED = [field for field in BIND if field.side == "both"]
OF_THE_INDEX = [field for field in BIND if field.side == "index"]
WARN = [field for field in FIELDS if field.binding == "warn"]
INFO = [field for field in FIELDS if field.binding == "info"]
V1 = manifest.fields(1)
BASE = Path(__file__).parent / "checks" / "_base" / "retrieval" / "stages"
SEALED = Path(__file__).parent / "sealed" / "0.1.0"


def document(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def whole(stated: dict[str, Any]) -> dict[str, Any]:
    """A fingerprint in which no field is unknown: what was left out does not apply."""
    filled = copy.deepcopy(stated)
    for field in FIELDS:
        filled.setdefault(field.path[0], {}).setdefault(field.path[1], None)
    return filled


INDEX = document(BASE / "index/index/index_manifest.json")
INDEX = {**INDEX, "fingerprint": whole(INDEX["fingerprint"])}
SPACE: dict[str, Any] = {
    group: {field.path[1]: INDEX["fingerprint"][group][field.path[1]] for field in BOTH if field.path[0] == group}
    for group in dict.fromkeys(field.path[0] for field in BOTH)
}
OLD_INDEX = document(SEALED / "base/stages/index/index/index_manifest.json")
OLD_SEARCH = document(SEALED / "base/stages/search/search_manifest.json")


def changed(side: Mapping[str, Any], field: Field, new: Any) -> dict[str, Any]:
    """A copy of a fingerprint with another value in one field."""
    copied: dict[str, Any] = copy.deepcopy(dict(side))
    inner = copied
    for key in field.path[:-1]:
        inner = inner.setdefault(key, {})
    inner[field.path[-1]] = new
    return copied


def without(side: Mapping[str, Any], *path: str) -> dict[str, Any]:
    copied: dict[str, Any] = copy.deepcopy(dict(side))
    inner = copied
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return copied


def index_with(side: Mapping[str, Any]) -> dict[str, Any]:
    return {**INDEX, "fingerprint": side}


def names(found: Iterable[Comparison]) -> list[str]:
    return [one.field.name for one in found]


def misfits(index: Mapping[str, Any], query: Mapping[str, Any]) -> list[str]:
    return names(one for one in manifest.compare(index, query) if one.misfit)


def of(name: str) -> Field:
    return next(field for field in FIELDS if field.name == name)


VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


# What binds


def test_what_binds_is_what_the_schema_says() -> None:
    """Word for word: to let a field go, or to let it bind no more, is a decision and no slip."""
    assert " ".join(field.name for field in SHARED) == (
        "preparation.normalisation preparation.augmentation "
        "mask.kind mask.generator mask.rate mask.seed mask.schedule mask.window_length mask.pad_value mask.rule mask.content "
        "tokenizer.digest tokenizer.max_length tokenizer.truncation_side tokenizer.padding_side tokenizer.ends tokenizer.chat_template "
        "encoder.weights encoder.modules encoder.pooling encoder.layer encoder.adapters encoder.remote_code encoder.function "
        "roles.query_prompt roles.document_prompt roles.prompt_pooled roles.task roles.query_encoder "
        "vectors.dimension vectors.truncated_from vectors.normalise vectors.metric vectors.dtype vectors.calibration vectors.transform "
        "search.probes search.ef_search search.score"
    )
    assert " ".join(field.name for field in OF_THE_INDEX) == (
        "corpus.digest corpus.inputs corpus.ids corpus.count preparation.template preparation.chunking "
        "structure.kind structure.count structure.m structure.ef_construction structure.lists structure.id_map"
    )
    assert " ".join(field.name for field in WARN) == (
        "preparation.code encoder.libraries vectors.backend vectors.device search.ties"
    )
    assert len(FIELDS) == len(SHARED) + len(OF_THE_INDEX) + len(WARN) + len(INFO)


def test_version_1_binds_what_it_always_bound() -> None:
    assert [field.name for field in V1 if field.binding == "bind"] == [
        "corpus.digest",
        "corpus.count",
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
        "count",
    ]


def test_what_version_1_recorded_is_compared_between_two_sides_of_version_1() -> None:
    assert {field.name for field in FIELDS if field.since == 1 and field.side == "both"} == {
        "encoder.weights", "encoder.modules", "encoder.pooling", "encoder.name", "encoder.tree", "tokenizer.digest", "tokenizer.max_length",
        "roles.query_prompt", "roles.document_prompt", "vectors.dimension", "vectors.normalise", "vectors.metric",
    }  # fmt: skip
    assert {field.since for field in FIELDS} == {1, 2}


def test_index_and_search_agree_on_every_field_that_they_share() -> None:
    search = list(fields(BUILT_IN.contracts["search_manifest/v2"].schema["properties"]["fingerprint"]))
    assert search == BOTH


def test_the_groups_of_a_space_are_those_that_both_sides_have() -> None:
    assert list(SPACE) == ["preparation", "mask", "tokenizer", "encoder", "roles", "vectors", "search"]


# Comparing


def test_the_same_space_fits() -> None:
    assert {one.state for one in manifest.compare(INDEX, copy.deepcopy(SPACE))} == {State.SAME}
    assert {one.state for one in manifest.compare(INDEX, copy.deepcopy(INDEX))} == {State.SAME}
    assert names(manifest.compare(INDEX, SPACE)) == names(Comparison(f, State.SAME, 0, 0) for f in BOTH)
    assert len(manifest.compare(INDEX, INDEX)) == len(FIELDS)


@QUICK
@given(st.sampled_from(SHARED), VALUES)
def test_any_binding_field_that_differs_is_named_and_no_other(field: Field, new: Any) -> None:
    if same(new, value(SPACE, field)):
        return
    for index, query in (
        (INDEX, changed(SPACE, field, new)),
        (index_with(changed(INDEX["fingerprint"], field, new)), SPACE),
    ):
        found = [one for one in manifest.compare(index, query) if one.state is not State.SAME]
        assert found == [
            Comparison(field, State.DIFFERS, value(index["fingerprint"], field), value(query, field))
        ] and found[0].misfit  # fmt: skip


@pytest.mark.parametrize("field", BIND, ids=lambda field: field.name)
def test_two_indexes_fit_only_where_every_binding_field_is_the_same(field: Field) -> None:
    other = index_with(changed(INDEX["fingerprint"], field, "another"))
    assert misfits(INDEX, other) == misfits(other, INDEX) == [field.name]
    other = index_with(without(INDEX["fingerprint"], *field.path))
    assert misfits(INDEX, other) == misfits(other, INDEX) == misfits(other, other) == [field.name]


@QUICK
@given(st.sampled_from(INFO), VALUES)
def test_a_field_that_informs_never_matters(field: Field, new: Any) -> None:
    for side in (changed(INDEX["fingerprint"], field, new), without(INDEX["fingerprint"], *field.path)):
        assert (
            misfits(index_with(side), SPACE)
            == misfits(index_with(side), INDEX)
            == misfits(INDEX, index_with(side))
            == []
        )


@QUICK
@given(st.sampled_from(WARN), VALUES)
def test_a_field_that_warns_is_told_and_never_refuses(field: Field, new: Any) -> None:
    query = changed(SPACE, field, new)
    found = [one for one in manifest.compare(INDEX, query) if one.state is not State.SAME]
    assert names(found) == ([] if same(new, value(SPACE, field)) else [field.name])
    assert misfits(INDEX, query) == misfits(INDEX, without(SPACE, *field.path)) == []


@QUICK
@given(st.sampled_from(OF_THE_INDEX), VALUES)
def test_what_is_the_indexs_own_needs_no_counterpart(field: Field, new: Any) -> None:
    assert misfits(index_with(changed(INDEX["fingerprint"], field, new)), SPACE) == []
    stated = changed(SPACE, field, new)
    assert misfits(INDEX, stated) == ([] if same(new, value(INDEX["fingerprint"], field)) else [field.name])


@QUICK
@given(st.sets(st.sampled_from(SHARED), min_size=1))
def test_several_fields_that_differ_are_all_named_in_the_order_of_the_schema(chosen: set[Field]) -> None:
    query: dict[str, Any] = SPACE
    for field in chosen:
        query = changed(query, field, "another")
    assert misfits(INDEX, query) == [field.name for field in SHARED if field in chosen]


@QUICK
@given(st.sets(st.sampled_from(BOTH)), st.sets(st.sampled_from(BOTH)))
def test_whatever_is_left_out_is_unknown_and_what_is_unknown_never_fits(left: set[Field], right: set[Field]) -> None:
    index, query = INDEX["fingerprint"], SPACE
    for field in left:
        index = without(index, *field.path)
    for field in right:
        query = without(query, *field.path)
    found = manifest.compare(index_with(index), query)
    assert [one.field for one in found if one.state is State.UNKNOWN] == [f for f in BOTH if f in left | right]
    assert [one.field for one in found if one.misfit] == [f for f in SHARED if f in left | right]
    assert not [one.field for one in found if one.unwitnessed]
    adopted = manifest.compare({**index_with(index), "witness": "adopted"}, query)
    assert [one.field for one in adopted if one.unwitnessed] == [f for f in SHARED if f in left]
    assert all(one.state is State.SAME for one in found if one.field not in left | right)


@pytest.mark.parametrize("field", SHARED, ids=lambda field: field.name)
def test_what_is_unknown_is_no_null(field: Field) -> None:
    less, null = without(SPACE, *field.path), changed(SPACE, field, None)
    assert misfits(index_with(less), null) == misfits(index_with(null), less) == [field.name]
    assert misfits(index_with(less), less) == [field.name]
    assert misfits(index_with(null), null) == []


def test_a_group_that_is_left_out_leaves_out_its_fields() -> None:
    tokenizer = [field.name for field in SHARED if field.path[0] == "tokenizer"]
    assert misfits(INDEX, without(SPACE, "tokenizer")) == tokenizer
    assert misfits(INDEX, {**SPACE, "tokenizer": "none"}) == tokenizer
    assert misfits(INDEX, {}) == misfits(index_with({}), {}) == [field.name for field in SHARED]


@pytest.mark.parametrize(
    ("name", "index", "query"),
    [
        ("vectors.normalise", True, 1),
        ("vectors.normalise", False, 0),
        ("vectors.dimension", 4, 4.0),
        ("vectors.dimension", 4, "4"),
        ("vectors.dimension", 1, True),
    ],
)
def test_values_of_another_type_are_other_values(name: str, index: Any, query: Any) -> None:
    assert misfits(index_with(changed(SPACE, of(name), index)), changed(SPACE, of(name), query)) == [name]


def test_an_empty_prompt_is_a_prompt_and_no_unknown() -> None:
    assert SPACE["roles"]["document_prompt"] == ""
    assert misfits(INDEX, changed(SPACE, of("roles.document_prompt"), None)) == ["roles.document_prompt"]


def test_what_the_schema_does_not_know_is_not_compared() -> None:
    query = {**SPACE, "x-mine": 2, "more": 3, "roles": {**SPACE["roles"], "x-role": 1}}
    assert misfits(index_with({**INDEX["fingerprint"], "x-mine": 1}), query) == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            changed(SPACE, of("encoder.pooling"), "cls"),
            "encoder.pooling: the index was built with 'mean', the query side has 'cls'",
        ),
        (
            changed(SPACE, of("vectors.dimension"), 8),
            "vectors.dimension: the index was built with 4, the query side has 8",
        ),
        (
            changed(SPACE, of("mask.kind"), None),
            "mask.kind: the index was built with 'none', the query side has None",
        ),
        (
            without(SPACE, "roles", "query_prompt"),
            "roles.query_prompt: the index was built with '', the query side has unknown",
        ),
    ],
)
def test_a_difference_in_one_line(query: dict[str, Any], said: str) -> None:
    assert [manifest.explain(one) for one in manifest.compare(INDEX, query) if one.misfit] == [said]


# Declared invariant


@QUICK
@given(st.sampled_from(SHARED), VALUES, st.booleans())
def test_what_is_declared_invariant_may_differ_and_may_be_unknown(field: Field, new: Any, group: bool) -> None:
    index = {**INDEX, "invariant": {field.path[0] if group else field.name: "it was measured"}}
    for query in (changed(SPACE, field, new), without(SPACE, *field.path)):
        found = next(one for one in manifest.compare(index, query) if one.field == field)
        assert (found.state, found.misfit) == (State.INVARIANT, False)
        assert misfits(index, query) == []


@QUICK
@given(st.sampled_from(SHARED), st.sampled_from(SHARED))
def test_what_is_declared_invariant_excuses_no_other_field(field: Field, other: Field) -> None:
    index = {**INDEX, "invariant": {field.name: "it was measured"}}
    assert misfits(index, changed(SPACE, other, "another")) == ([] if field == other else [other.name])
    prefix = {**INDEX, "invariant": {field.name[:-1]: "a name that begins like it"}}
    assert misfits(prefix, changed(SPACE, field, "another")) == [field.name]


def test_a_query_side_declares_nothing_for_the_index() -> None:
    query = changed(SPACE, of("encoder.pooling"), "cls")
    search = {"schema": "search_manifest/v2", "fingerprint": query, "invariant": {"encoder.pooling": "please"}}
    assert misfits(INDEX, {**query, "invariant": {"encoder.pooling": "please"}}) == ["encoder.pooling"]
    assert misfits(INDEX, search) == ["encoder.pooling"]


# Identity


@QUICK
@given(st.sampled_from(BIND), VALUES)
def test_identity_changes_with_every_binding_field(field: Field, new: Any) -> None:
    other = index_with(changed(INDEX["fingerprint"], field, new))
    assert (manifest.identity(other) == manifest.identity(INDEX)) is same(new, value(INDEX["fingerprint"], field))


@QUICK
@given(st.sampled_from([*INFO, *WARN]), VALUES)
def test_identity_does_not_change_with_what_informs_or_warns(field: Field, new: Any) -> None:
    for side in (changed(INDEX["fingerprint"], field, new), without(INDEX["fingerprint"], *field.path)):
        assert manifest.identity(index_with({**side, "x-mine": new})) == manifest.identity(INDEX)


@pytest.mark.parametrize("field", BIND, ids=lambda field: field.name)
def test_unknown_null_and_nothing_are_three_identities(field: Field) -> None:
    sides = [
        without(INDEX["fingerprint"], *field.path),
        changed(INDEX["fingerprint"], field, None),
        changed(INDEX["fingerprint"], field, "another"),
    ]
    assert len({manifest.identity(index_with(side)) for side in sides}) == 3


@QUICK
@given(st.sets(st.sampled_from(BIND)), st.sets(st.sampled_from(BIND)))
def test_identity_is_of_the_names_that_are_declared_invariant_and_not_of_their_reasons(
    one: set[Field], other: set[Field]
) -> None:
    first = {**INDEX, "invariant": {field.name: "measured" for field in one}}
    second = {**INDEX, "invariant": {field.name: "believed" for field in reversed(list(other))}}
    assert (manifest.identity(first) == manifest.identity(second)) is (one == other)
    assert manifest.identity({**INDEX, "invariant": {}}) == manifest.identity(INDEX)


def test_identity_does_not_change_with_the_order_of_keys() -> None:
    turned = {key: dict(reversed(group.items())) for key, group in reversed(INDEX["fingerprint"].items())}
    assert manifest.identity(index_with(turned)) == manifest.identity(INDEX)


def test_identity_is_the_digest_that_was_pinned() -> None:
    assert manifest.identity(INDEX) == "sha256:5ef231d05b990149a683caae5da20b16bdd27fb587cf73342d22ba4c47929ad6"


@pytest.mark.parametrize("run", ["base", "ft_mnr", "missed"])
def test_an_index_of_version_1_keeps_its_identity(run: str) -> None:
    """As it was sealed by 0.1.0."""
    old = document(SEALED / run / "stages/index/index/index_manifest.json")
    assert old["schema"] == "index_manifest/v1"
    assert manifest.identity(old) == old["identity"]
    assert manifest.upgraded(old)["identity"] == old["identity"]
    search = document(SEALED / run / "stages/search/search_manifest.json")
    assert search["index"]["identity"] == old["identity"]


# Versions

V1_VALUES = {
    "corpus.count": st.integers(0, 9), "count": st.integers(0, 9), "dimension": st.integers(1, 9), "tokenizer.max_length": st.integers(0, 512),
    "normalise": st.booleans(), "metric": st.sampled_from(["inner_product", "l2"]), "pooling": st.sampled_from(["mean", "cls"]),
    "prompts.query": st.sampled_from(["", "query: "]), "prompts.document": st.sampled_from(["", "passage: "]),
    "encoder.name": st.text(min_size=1, max_size=3),
}  # fmt: skip
SHA = st.sampled_from(["sha256:" + digit * 64 for digit in "12"])


@st.composite
def old_sides(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """An index manifest and a search manifest of version 1, each with values of its own in some fields."""
    index, search = copy.deepcopy(OLD_INDEX), copy.deepcopy(OLD_SEARCH)
    for side in (index, search):
        for field in draw(st.sets(st.sampled_from(V1), max_size=4)):
            if value(side["fingerprint"], field) is not ABSENT:
                new = draw(V1_VALUES.get(field.name, SHA))
                side["fingerprint"] = changed(side["fingerprint"], field, new)
    structure = {"kind": "ivf", "lists": 4, "probes": 2, "recall": {"at": 10, "sample": 8, "value": 0.5}}
    if draw(st.booleans()):
        index["structure"] = structure
    else:
        index.pop("structure", None)
    if draw(st.booleans()):
        index["x-mine"] = index["fingerprint"]["x-mine"] = {"owner": "me"}
    return index, search


@QUICK
@given(old_sides())
def test_generated_manifests_of_version_1_keep_its_contract(sides: tuple[dict[str, Any], dict[str, Any]]) -> None:
    for side in sides:
        assert BUILT_IN.contracts[side["schema"]].violations(side) == []


@QUICK
@given(old_sides())
def test_what_is_upgraded_keeps_the_newer_contract_and_changes_nothing_given(
    sides: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    for side in sides:
        before = copy.deepcopy(side)
        found = manifest.upgraded(side)
        assert side == before
        assert found["schema"] == side["schema"].replace("v1", "v2")
        assert BUILT_IN.contracts[found["schema"]].violations(found) == []


def leaves(node: Any) -> list[str]:
    """Every value in a document, with the last key that leads to it."""
    if not isinstance(node, Mapping):
        return [json.dumps(node)]
    return [
        leaf if isinstance(inner, Mapping) else f"{key} {leaf}" for key, inner in node.items() for leaf in leaves(inner)
    ]


@QUICK
@given(old_sides())
def test_an_upgrade_loses_nothing_and_invents_nothing(sides: tuple[dict[str, Any], dict[str, Any]]) -> None:
    index, search = sides
    for side, added in ((index, ['witness "built"', f'run_id "{index["run_id"]}"']), (search, [])):
        found = sorted(leaf for leaf in leaves(manifest.upgraded(side)) if not leaf.startswith("schema "))
        renamed = {"query ": "query_prompt ", "document ": "document_prompt "}
        kept = [leaf for leaf in leaves(side) if not leaf.startswith("schema ")]
        for old, new in renamed.items():
            kept = [new + leaf.removeprefix(old) if leaf.startswith(old) else leaf for leaf in kept]
        assert found == sorted([*kept, *added])


def by_the_rule_of_0_1_0(index: Mapping[str, Any], query: Mapping[str, Any]) -> set[str]:
    """The names of the binding fields of both sides that differ, or that a side leaves out: `compare` of 0.1.0."""
    found = set()
    for field in V1:
        if field.binding != "bind" or field.side == "index":
            continue
        left, right = value(index, field), value(query, field)
        left, right = (None if one is ABSENT else one for one in (left, right))
        if left is None or type(left) is not type(right) or left != right:
            found.add(field.name)
    return found


NEW_NAMES = {
    "prompts.query": "roles.query_prompt", "prompts.document": "roles.document_prompt", "pooling": "encoder.pooling", "modules": "encoder.modules",
    "normalise": "vectors.normalise", "metric": "vectors.metric", "dimension": "vectors.dimension",
}  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(old_sides())
def test_two_sides_of_version_1_are_judged_as_0_1_0_judged_them(sides: tuple[dict[str, Any], dict[str, Any]]) -> None:
    index, search = sides
    before = by_the_rule_of_0_1_0(index["fingerprint"], search["fingerprint"])
    assert set(misfits(index, search)) == {NEW_NAMES.get(name, name) for name in before}


@pytest.mark.parametrize("run", ["base", "ft_mnr", "missed"])
def test_the_runs_that_0_1_0_sealed_still_fit(run: str) -> None:
    stages = SEALED / run / "stages"
    index, search = (
        document(stages / name) for name in ("index/index/index_manifest.json", "search/search_manifest.json")
    )
    assert {one.state for one in manifest.compare(index, search)} == {State.SAME}


def test_an_index_of_version_1_never_fits_a_query_side_of_version_2_in_silence() -> None:
    """What it records is compared, and what it could not record is told."""
    query = copy.deepcopy(SPACE)
    for group, inner in manifest.upgraded(OLD_INDEX)["fingerprint"].items():
        query.get(group, {}).update({key: one for key, one in inner.items() if key in query.get(group, {})})
    found = manifest.compare(OLD_INDEX, query)
    assert [one.field for one in found if one.misfit] == [field for field in SHARED if field.since == 2]
    assert all(one.unwitnessed for one in found if one.misfit)
    other = changed(query, of("encoder.pooling"), "cls")
    told = [one.field.name for one in manifest.compare(OLD_INDEX, other) if one.misfit and not one.unwitnessed]
    assert told == ["encoder.pooling"]


def test_an_index_of_version_2_does_not_fit_a_search_of_version_1_in_silence() -> None:
    found = misfits(INDEX, OLD_SEARCH)
    assert {field.name for field in SHARED if field.since == 2} <= set(found)


# Fields of any schema


def test_fields_are_found_at_any_depth_and_nothing_inside_a_field() -> None:
    deep = {
        "properties": {
            "a": {"properties": {"b": {"properties": {"c": {"x-binding": "warn", "x-side": "index", "x-since": 2}}}}},
            "d": {"type": "string"},
            "e": {"x-binding": "bind", "properties": {"f": {"x-binding": "info"}}},
        }
    }
    assert list(fields(deep)) == [Field(("a", "b", "c"), "warn", "index", 2), Field(("e",), "bind", "both", 1)]
    assert [field.name for field in fields(deep)] == ["a.b.c", "e"]


def test_a_value_may_be_a_whole_object() -> None:
    known = list(fields({"properties": {"mask": {"x-binding": "bind"}}}))
    first = {"mask": {"rate": 0.1, "seed": 1}}
    assert [one.state for one in compare(first, {"mask": {"seed": 1, "rate": 0.1}}, known)] == [State.SAME]
    assert [one.state for one in compare(first, {"mask": {"seed": 2, "rate": 0.1}}, known)] == [State.DIFFERS]


def test_an_identity_is_of_names_and_values() -> None:
    known = [Field(("a", "b"), "bind", "both", 1), Field(("c",), "bind", "index", 1), Field(("d",), "info", "both", 1)]
    found = identity({"a": {"b": 1}, "d": 2}, known, ["x", "a"])
    assert found == fingerprint.of({"fields": {"a.b": 1}, "invariant": ["a", "x"]})


def test_the_digest_that_stands_for_a_value() -> None:
    assert (
        fingerprint.of({"a": 1, "b": [2]}) == fingerprint.of({"b": [2], "a": 1}) != fingerprint.of({"a": 1, "b": [3]})
    )
    assert fingerprint.of([]) == "sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"


INPUTS = st.lists(st.text("ab", max_size=4) | st.lists(st.integers(0, 9), max_size=3), max_size=4)


@QUICK
@given(INPUTS, INPUTS)
def test_the_digest_of_inputs_is_of_all_of_them_in_their_order(one: list[Any], other: list[Any]) -> None:
    assert (fingerprint.of_inputs(one) == fingerprint.of_inputs(other)) is (one == other)


def test_the_digest_of_lines_is_that_of_their_file(tmp_path: Path) -> None:
    from sealkit import digest

    (tmp_path / "ids.txt").write_text("d1\ngröße\n", "utf-8", newline="\n")
    assert fingerprint.of_lines(["d1", "größe"]) == digest.file(tmp_path / "ids.txt")


@pytest.mark.parametrize(
    ("one", "other"), [({"size": 4}, {"size": 4.0}), ({"x-a": [1]}, {"x-a": [True]}), ({"x-a": {"b": 0}}, {"x-a": {"b": False}})]
)  # fmt: skip
def test_a_number_within_a_value_is_of_its_type_too(one: Any, other: Any) -> None:
    field = Field(("preparation", "chunking"), "bind", "both", 2)
    states = [
        compare({"preparation": {"chunking": one}}, {"preparation": {"chunking": right}}, [field])[0].state
        for right in (copy.deepcopy(one), other)
    ]
    assert states == [State.SAME, State.DIFFERS]
