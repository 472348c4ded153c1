"""The published contracts: their schemas, their examples with the exact messages, and three validators of one mind.

Everything is found by being there: a new kind, version or example is tested when its file exists.
"""

from __future__ import annotations

import copy
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import jsonschema
import jsonschema_rs
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealkit.contract import Contract
from sealkit.finding import ReadError, pointer
from sealkit.pack import BUILT_IN
from sealkit.read import json as read_json
from sealkit.read import jsonl, yaml

SPEC = Path(__file__).parent.parent / "spec"
SCHEMAS = sorted(SPEC.glob("*/v*.schema.json"))
EXAMPLES = sorted(path for path in SPEC.glob("*/examples/v*/*") if path.suffix != ".txt")
VALID = [path for path in EXAMPLES if path.name.startswith("valid-")]
INVALID = [path for path in EXAMPLES if path.name.startswith("invalid-")]
KEYWORDS = {"x-media", "x-foreign", "x-rows", "x-says", "x-binding", "x-side", "x-since", "x-because", "x-read"}


def kind_of(path: Path) -> str:
    return path.relative_to(SPEC).parts[0]


def named(path: Path) -> str:
    return str(path.relative_to(SPEC)).replace(".schema.json", "").replace("/examples", "")


@functools.cache
def contract_of(path: Path) -> Contract:
    """The contract of a schema or of an example, from the files beside this test."""
    version = int(re.findall(r"/v(\d+)[./]", path.as_posix())[-1])
    schema = json.loads((SPEC / kind_of(path) / f"v{version}.schema.json").read_text("utf-8"))
    return Contract(kind_of(path), version, schema)


@functools.cache
def compiled(path: Path) -> Any:
    return jsonschema_rs.Draft202012Validator(dict(contract_of(path).schema))


every_schema = pytest.mark.parametrize("path", SCHEMAS, ids=named)
every_example = pytest.mark.parametrize("path", EXAMPLES, ids=named)
every_valid = pytest.mark.parametrize("path", VALID, ids=named)
every_invalid = pytest.mark.parametrize("path", INVALID, ids=named)


def documents(path: Path) -> list[Any]:
    """The document of an example, or its rows; nothing where it is no JSON or YAML."""
    text = path.read_text("utf-8")
    try:
        if path.suffix == ".yaml":
            return [yaml.parse(text, path.name).data]
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in text.split("\n") if line]
        return [json.loads(text, parse_constant=lambda name: 1 / 0)]
    except (ValueError, ZeroDivisionError, ReadError):
        return []


# Schemas


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema inside a schema."""
    if not isinstance(schema, dict):
        return
    yield schema
    for keyword in ("properties", "patternProperties", "$defs"):
        for inner in schema.get(keyword, {}).values():
            yield from nodes(inner)
    for keyword in ("items", "additionalProperties", "propertyNames"):
        yield from nodes(schema.get(keyword))


def test_there_are_contracts_and_the_pack_finds_them_all() -> None:
    assert len(SCHEMAS) >= 18
    assert sorted(BUILT_IN.contracts) == sorted(contract_of(path).id for path in SCHEMAS)


@every_schema
def test_a_schema_is_a_json_schema_of_2020_12(path: Path) -> None:
    schema = contract_of(path).schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema_rs.meta.validate(dict(schema))


@every_schema
def test_a_schema_says_what_it_is(path: Path) -> None:
    contract = contract_of(path)
    assert contract.schema["$id"] == f"urn:sealkit:{contract.id}"
    assert contract.title and not contract.title.endswith(".")
    assert contract.schema["description"].endswith(".")
    assert contract.media in ("json", "jsonl", "yaml")
    assert contract.schema["type"] == "object"


@every_schema
def test_a_schema_is_written_as_our_documents_are(path: Path) -> None:
    """Two spaces, no duplicate keys, a newline at the end: so that a change of it is a change of its meaning."""
    text = path.read_text("utf-8")
    assert text == json.dumps(read_json.parse(text, str(path)), indent=2, ensure_ascii=False) + "\n"


@every_schema
def test_every_object_is_closed_but_for_its_slot(path: Path) -> None:
    for node in nodes(contract_of(path).schema):
        if "properties" not in node or contract_of(path).schema.get("x-foreign"):
            continue
        rest = node.get("additionalProperties", True)
        assert rest is False or isinstance(rest, dict), node["properties"].keys()
        if rest is False:
            assert node.get("patternProperties") == {"^x-": {}}, node["properties"].keys()


def test_what_other_tools_write_is_open_everywhere() -> None:
    """We do not know what else they write, and a later version of theirs is no fault of a run."""
    foreign = [path for path in SCHEMAS if contract_of(path).schema.get("x-foreign")]
    assert {kind_of(path) for path in foreign} == {kind_of(path) for path in SCHEMAS if "seal_matrix" in kind_of(path)}
    for path in foreign:
        assert all({"additionalProperties", "patternProperties"}.isdisjoint(n) for n in nodes(contract_of(path).schema))


@every_schema
def test_what_is_required_is_described(path: Path) -> None:
    for node in nodes(contract_of(path).schema):
        if "properties" in node:
            assert set(node.get("required", [])) <= set(node["properties"])


@every_schema
def test_a_pattern_holds_for_the_whole_text_and_says_what_it_wants(path: Path) -> None:
    for node in nodes(contract_of(path).schema):
        if "pattern" in node:
            assert node["pattern"].startswith("^") and node["pattern"].endswith("$")
            assert node["x-says"].strip()


@every_schema
def test_only_our_own_keywords_begin_with_x(path: Path) -> None:
    found = {key for node in nodes(contract_of(path).schema) for key in node if key.startswith("x-")}
    assert found <= KEYWORDS
    assert {node.get("x-binding") for node in nodes(contract_of(path).schema)} <= {"bind", "warn", "info", None}


def fields_of(fingerprint: Any) -> Iterator[dict[str, Any]]:
    """The fields of a fingerprint: a node that carries x-binding is compared whole, and what is inside it needs none."""
    for inner in fingerprint["properties"].values():
        if "x-binding" in inner or "properties" not in inner:
            yield inner
        else:
            yield from fields_of(inner)


FINGERPRINTED = [path for path in SCHEMAS if "fingerprint" in contract_of(path).schema.get("properties", {})]


def test_four_contracts_have_a_fingerprint() -> None:
    kinds = ["index_manifest/v1", "index_manifest/v2", "search_manifest/v1", "search_manifest/v2"]
    assert [contract_of(path).id for path in FINGERPRINTED] == kinds


@pytest.mark.parametrize("path", FINGERPRINTED, ids=named)
def test_every_field_of_a_fingerprint_has_its_binding(path: Path) -> None:
    found = list(fields_of(contract_of(path).schema["properties"]["fingerprint"]))
    assert len(found) >= 10
    for node in found:
        assert node.get("x-binding") in ("bind", "warn", "info"), node
        assert node.get("x-side", "index") == "index", node
        assert node["description"].endswith((".", "…"))


@pytest.mark.parametrize("path", FINGERPRINTED, ids=named)
def test_what_stands_inside_of_a_field_has_no_binding_of_its_own(path: Path) -> None:
    for field in fields_of(contract_of(path).schema["properties"]["fingerprint"]):
        assert [node for node in nodes(field) if node is not field and "x-binding" in node] == []


def test_a_field_that_binds_says_which_failure_taught_it_and_how_it_is_read() -> None:
    for field in fields_of(BUILT_IN.contracts["index_manifest/v2"].schema["properties"]["fingerprint"]):
        assert field.get("x-since", 1) in (1, 2)
        if field["x-binding"] == "bind":
            assert field["x-because"].strip() and field["x-read"].strip(), field


def test_a_search_has_just_the_fields_that_both_sides_have() -> None:
    """Word for word, but for what taught the field and how it is read, which stands with the index alone."""
    index, search = (
        BUILT_IN.contracts[f"{kind}_manifest/v2"].schema["properties"]["fingerprint"]["properties"]
        for kind in ("index", "search")
    )
    shared = [
        (group, key, {name: said for name, said in field.items() if name not in ("x-because", "x-read")})
        for group, inner in index.items()
        for key, field in inner["properties"].items()
        if field.get("x-side", "both") == "both"
    ]
    assert [
        (group, key, field) for group, inner in search.items() for key, field in inner["properties"].items()
    ] == shared


@every_schema
def test_rules_between_rows_name_fields_that_every_row_has(path: Path) -> None:
    schema = contract_of(path).schema
    rules = schema.get("x-rows", {})
    assert (rules == {}) == (contract_of(path).media != "jsonl")
    assert set(rules) <= {"unique", "grouped_by", "ranked", "order", "some"}
    fields = [*rules.get("unique", []), rules.get("grouped_by"), rules.get("ranked"), *rules.get("order", [])]
    assert {field.removeprefix("-") for field in fields if field} <= set(schema.get("required", []))


@every_schema
def test_a_document_names_the_contract_that_it_keeps(path: Path) -> None:
    named = [
        node["properties"]["schema"]
        for node in nodes(contract_of(path).schema)
        if "schema" in node.get("properties", {})
    ]
    contract = contract_of(path)
    by_other_means = contract.kind in ("metrics", "tree_layout") or contract.schema.get("x-foreign")
    ours = contract.media != "jsonl" and not by_other_means
    assert named == ([{"const": contract.id}] if ours else [])


@every_schema
def test_every_version_has_its_changes(path: Path) -> None:
    changes = (path.parent / "CHANGES.md").read_text("utf-8")
    assert changes.startswith(f"# {kind_of(path)}\n")
    assert re.search(rf"^## v{contract_of(path).version}\b", changes, re.MULTILINE)


@every_schema
def test_a_version_that_is_not_the_first_has_a_way_up(path: Path) -> None:
    version = contract_of(path).version
    assert version == 1 or f"def v{version - 1}_to_v{version}(" in (path.parent / "upgrade.py").read_text("utf-8")


# Examples


def line_of(path: Path, where: str) -> int | None:
    text = path.read_text("utf-8")
    return yaml.parse(text, path.name).lines[where] if path.suffix == ".yaml" else read_json.line_of(text, where)


def told(path: Path) -> str:
    """What a user reads about a file: a line for each finding."""
    lines = []
    for finding in contract_of(path).problems(path, path.name)[0]:
        line = finding.at.line
        if line is None and finding.at.pointer is not None:
            line = line_of(path, finding.at.pointer)
        lines.append(f"{path.name}{'' if line is None else f':{line}'}: {finding.message}\n")
    return "".join(lines)


@every_valid
def test_a_valid_example_has_no_problems(path: Path) -> None:
    assert told(path) == ""
    assert contract_of(path).problems(path, path.name) == ([], True)


@every_invalid
def test_an_invalid_example_has_just_these_problems(path: Path) -> None:
    assert told(path) == path.with_suffix(".txt").read_text("utf-8")


@every_invalid
def test_an_invalid_example_is_judged_unless_it_is_newer_than_we_are(path: Path) -> None:
    assert contract_of(path).problems(path, path.name)[1] == (path.stem != "invalid-newer")


@every_example
def test_an_example_lies_where_it_belongs(path: Path) -> None:
    assert path in VALID or path in INVALID
    assert path.suffix == f".{contract_of(path).media}"
    assert path.with_suffix(".txt").exists() == (path in INVALID)


def test_every_text_belongs_to_an_example() -> None:
    texts = {path.with_suffix("") for path in SPEC.glob("*/examples/v*/*.txt")}
    assert texts == {path.with_suffix("") for path in INVALID}


def words_of(path: Path) -> str:
    """All that the invalid examples of a contract say."""
    folder = path.parent / "examples" / f"v{contract_of(path).version}"
    return "".join(text.read_text("utf-8") for text in sorted(folder.glob("*.txt")))


@every_schema
def test_every_contract_has_a_minimal_and_a_rich_example(path: Path) -> None:
    folder = path.parent / "examples" / f"v{contract_of(path).version}"
    minimal, rich = (folder / f"valid-{name}.{contract_of(path).media}" for name in ("minimal", "rich"))
    assert minimal.stat().st_size < rich.stat().st_size


@every_schema
def test_the_invalid_examples_show_what_a_contract_refuses(path: Path) -> None:
    contract, words = contract_of(path), words_of(path)
    found = list(nodes(contract.schema))
    assert re.search(r": expected [a-z]+( or null)?, found ", words)  # a wrong type
    if any("required" in node for node in found):
        assert "` is missing\n" in words
    if any(node.get("additionalProperties") is False for node in found):
        assert re.search(r"unknown key `[^`]+`; did you mean `\w+`\?\n", words)
    if any("enum" in node for node in found):
        assert "expected one of " in words
    for keyword, says in {"minimum": ">=", "maximum": "<=", "exclusiveMinimum": ">"}.items():
        if any(keyword in node for node in found):
            assert f"expected {says} " in words
    if any(
        keyword in node
        for keyword in ("minLength", "minItems", "minProperties")
        for node in found
        if contract.media == "jsonl"
    ):
        assert "is empty; expected at least 1 " in words
    for says in {node["x-says"] for node in found if "pattern" in node and node["x-says"].startswith("sha256:")}:
        assert f"expected {says}, found " in words
    if "schema" in contract.schema.get("properties", {}):
        assert f"which is newer than this sealkit knows ({contract.id})\n" in words


@every_schema
def test_the_invalid_examples_show_every_rule_between_rows(path: Path) -> None:
    rules, words = contract_of(path).schema.get("x-rows", {}), words_of(path)
    says = {
        "unique": " occurs a second time",
        "grouped_by": " comes back after other rows",
        "ranked": "rank is ",
        "order": "; the order is ",
        "some": "holds no rows",
    }
    assert [rule for rule in rules if says[rule] not in words] == []


# Every field of every valid example


def parts_of(
    schema: Any, value: Any, root: Any, at: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Any, Any]]:
    """(place, schema, value) of every object in a document."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, dict):
        yield at, schema, value
        for key, inner in value.items():
            known = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            if isinstance(known, dict) and not key.startswith("x-"):
                yield from parts_of(known, inner, root, (*at, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from parts_of(schema.get("items", {}), inner, root, (*at, i))


def inside(document: Any, at: tuple[str | int, ...]) -> Any:
    for part in at:
        document = document[part]
    return document


@every_valid
def test_no_required_field_can_be_left_out(path: Path) -> None:
    contract = contract_of(path)
    for document in documents(path):
        for at, schema, _ in parts_of(contract.schema, document, contract.schema):
            for key in schema.get("required", []):
                changed = copy.deepcopy(document)
                del inside(changed, at)[key]
                said = [(v.pointer, v.message) for v in contract.violations(changed)]
                assert said == [(pointer(*at), f"`{key}` is missing")]


@every_valid
def test_no_unknown_field_can_be_put_in_and_a_slot_takes_any(path: Path) -> None:
    contract = contract_of(path)
    for document in documents(path):
        for at, schema, value in parts_of(contract.schema, document, contract.schema):
            if schema.get("additionalProperties") is not False:
                continue
            changed = copy.deepcopy(document)
            inside(changed, at)["qqqqqq"] = 1
            said = [(v.pointer, v.message) for v in contract.violations(changed)]
            assert said == [(pointer(*at, "qqqqqq"), "unknown key `qqqqqq`")]
            inside(changed, at)["x-qqqqqq"] = inside(changed, at).pop("qqqqqq")
            assert contract.violations(changed) == []
            for key in value:
                if not key.startswith("x-") and len(key) > 3:
                    wrong = copy.deepcopy(document)
                    inside(wrong, at)[key + "_"] = 1
                    assert re.fullmatch(
                        rf"unknown key `{key}_`; did you mean `\w+`\?", contract.violations(wrong)[0].message
                    )


# Three validators of one mind


def verdicts(path: Path, document: Any) -> tuple[bool, bool]:
    return contract_of(path).violations(document) == [], compiled(path).is_valid(document)


@every_example
def test_both_validators_agree_on_every_example(path: Path) -> None:
    for document in documents(path):
        ours, fast = verdicts(path, document)
        assert ours == fast


texts = st.sampled_from([
    "", "a", "a\n", "\n", "a b", "sha256:" + "0" * 64, "sha256:" + "0" * 64 + "\n", "sha256:" + "A" * 64, "0" * 40, "0" * 40 + "\n", "metrics/v1",
    "metrics/v1\n", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z\n", "٣", "é", "ok", "PASS", "same", "../x", "x" * 300,
])  # fmt: skip
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 5) | st.sampled_from([2**32, -(2**63), 2**64, 10**30]) | texts
    | st.sampled_from([0.0, -0.0, 1.0, 0.5, -1.5, 1e300, 5e-324, 2.0**70]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts | st.just("x-a"), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


def places(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*at, key))


def changed(document: Any, draw: Any) -> Any:
    """A document with one to three things in it replaced, removed, added, or made a little different."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.sampled_from(sorted(places(document), key=str)))
        if not at:
            if draw(st.booleans()) or not isinstance(document, dict):
                return draw(junk)
            document[draw(texts | st.sampled_from(["x-a", "x-", "X-a"]))] = draw(junk)
            continue
        holder, key = inside(document, at[:-1]), at[-1]
        match draw(st.sampled_from(["replace", "remove", "add", "adjust"])):
            case "replace":
                holder[key] = draw(junk)
            case "remove":
                del holder[key]
            case "add" if isinstance(holder, dict):
                holder[draw(texts | st.sampled_from(["x-a", f"{key}_", "schema"]))] = draw(junk)
            case "add":
                holder.append(draw(junk))
            case _ if isinstance(holder[key], str):
                holder[key] = draw(
                    st.sampled_from([holder[key] + "\n", holder[key] + " ", holder[key].upper(), holder[key][:-1]])
                )
            case _ if isinstance(holder[key], int | float):
                holder[key] = draw(
                    st.sampled_from(
                        [-holder[key], float(holder[key]), holder[key] + 0.5, holder[key] * 2**70, str(holder[key])]
                    )
                )
            case _:
                holder[key] = [holder[key]]
    return document


@every_schema
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_both_validators_agree_on_changed_documents(path: Path, data: st.DataObject) -> None:
    valid = [example for example in VALID if contract_of(example) == contract_of(path) and documents(example)]
    example = data.draw(st.sampled_from(valid))
    document = changed(data.draw(st.sampled_from(documents(example))), data.draw)
    ours, fast = verdicts(example, document)
    assert ours == fast, contract_of(path).violations(document)


@every_schema
def test_both_validators_agree_on_a_newline_at_the_end_of_a_text(path: Path) -> None:
    """Python's `$` stands before it too, that of JSON Schema does not."""
    for example in VALID:
        if contract_of(example) == contract_of(path):
            for document in documents(example):
                for at in places(document):
                    if at and isinstance(inside(document, at), str):
                        other = copy.deepcopy(document)
                        inside(other, at[:-1])[at[-1]] += "\n"
                        ours, fast = verdicts(example, other)
                        assert ours == fast, pointer(*at)


def whole(value: Any) -> Any:
    """JSON Schema calls 1.0 an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Integer = Annotated[int, pydantic.BeforeValidator(whole)]
Name = Annotated[str, pydantic.Field(min_length=1)]


class Row(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

    @pydantic.model_validator(mode="after")
    def closed(self) -> Row:
        if unknown := [key for key in self.model_extra or {} if not key.startswith("x-")]:
            raise ValueError(f"unknown keys: {unknown}")
        return self


class Query(Row):
    query_id: Name
    text: str


class Qrel(Row):
    query_id: Name
    doc_id: Name
    relevance: Annotated[Integer, pydantic.Field(ge=-1000, le=1000)]


class Ranking(Row):
    query_id: Name
    doc_id: Name
    rank: Annotated[Integer, pydantic.Field(ge=1)]
    score: float


MODELS: dict[str, type[Row]] = {"queries": Query, "qrels": Qrel, "rankings": Ranking}


def accepts(model: type[Row], row: Any) -> bool:
    try:
        model.model_validate(row)
    except pydantic.ValidationError:
        return False
    return True


@pytest.mark.parametrize("path", [path for path in EXAMPLES if kind_of(path) in MODELS], ids=named)
def test_pydantic_agrees_on_every_row_of_the_examples(path: Path) -> None:
    for row in documents(path):
        assert accepts(MODELS[kind_of(path)], row) == compiled(path).is_valid(row)


@pytest.mark.parametrize("path", [path for path in SCHEMAS if kind_of(path) in MODELS], ids=named)
@settings(max_examples=100)
@given(data=st.data())
def test_pydantic_agrees_on_changed_rows(path: Path, data: st.DataObject) -> None:
    rows = [row for example in VALID if kind_of(example) == kind_of(path) for row in documents(example)]
    row = changed(data.draw(st.sampled_from(rows)), data.draw)
    assert (
        accepts(MODELS[kind_of(path)], row) == compiled(path).is_valid(row) == (contract_of(path).violations(row) == [])
    )


# Examples and readers


@pytest.mark.parametrize("path", [path for path in VALID if path.suffix == ".jsonl"], ids=named)
def test_the_rows_of_valid_examples_are_what_the_standard_reader_finds(path: Path) -> None:
    assert [row for _, row in jsonl.rows(path)] == documents(path)
