"""The contracts as `toolkit spec` tells them, word for word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sealkit.cli import spec as verb
from sealkit.contract import Contract
from sealkit.finding import UsageError
from sealkit.pack import BUILT_IN, Pack
from sealkit.render import spec

RANKINGS = """\
rankings/v1: Ranked results (rows, released)
One result a row, a query's rows together, ranks from 1. trec_eval's tie rule is applied already: score falling, then doc_id falling.
Rows with the same query_id stand together.
doc_id occurs once for each query_id.
rank counts from 1 for each query_id.
Sorted by score falling, then doc_id falling.

query_id  string
doc_id    string
rank      integer >= 1
score     number
"""

NESTED: dict[str, Any] = {
    "title": "A thing",
    "x-media": "json",
    "type": "object",
    "required": ["schema", "parts"],
    "properties": {
        "schema": {"const": "thing/v2"},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/part"}, "description": "What it is made of."},
        "sizes": {"type": ["object", "null"], "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1}},
        "anything": {},
    },
    "$defs": {
        "part": {
            "type": "object",
            "required": ["state"],
            "properties": {"state": {"enum": ["new", None]}, "name": {"type": "string", "x-says": "a short name"}},
        }
    },
}
FIELDS = """\
thing/v2: A thing (document, released)

schema         "thing/v2"
parts          array of object – What it is made of.
parts[].state  "new" | null
parts[].name   string, optional – a short name
sizes          object or null of number >= 0 <= 1 by name, optional
anything       any, optional
"""


def toolkit(*arguments: str) -> Result:
    return CliRunner().invoke(verb.command, arguments, standalone_mode=False)


@pytest.mark.parametrize("name", ["rankings", "rankings/v1"])
def test_the_fields_of_rows_and_what_holds_between_them(name: str) -> None:
    done = toolkit("show", name)
    assert (done.output, done.return_value) == (RANKINGS, 0)


def test_the_fields_of_inner_objects_come_after_their_own() -> None:
    assert spec.text(Contract("thing", 2, NESTED), released=True) == FIELDS


def test_every_field_of_every_contract_is_told() -> None:
    for contract in BUILT_IN.contracts.values():
        told = toolkit("show", contract.id).output
        for field in contract.schema.get("properties", {}):
            assert f"\n{field} " in told, (contract.id, field)


def test_all_contracts_are_told_in_a_line_each() -> None:
    lines = toolkit("list").output.splitlines()
    assert [line.split()[0] for line in lines] == list(BUILT_IN.contracts)
    assert "metrics/v1               document  released      The metrics of a run" in lines
    assert "rankings/v1              rows      released      Ranked results" in lines
    assert "index_manifest/v1        document  released      An index and its space" in lines
    assert "index_manifest/v2        document  not released  An index and its space" in lines


def test_a_released_contract_is_told_from_one_that_may_still_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "specs_of_mine"
    (package / "thing").mkdir(parents=True)
    (package / "__init__.py").touch()
    for version in (1, 2):
        (package / "thing" / f"v{version}.schema.json").write_text(json.dumps(NESTED))
    (package / "released.sha256").write_text("0" * 64 + "  thing/v1.schema.json\n")
    monkeypatch.syspath_prepend(tmp_path)
    pack = Pack(spec="specs_of_mine")
    assert pack.released == {"thing/v1"}
    assert spec.listing(pack.contracts.values(), pack.released) == (
        "thing/v1  document  released      A thing\nthing/v2  document  not released  A thing\n"
    )
    monkeypatch.setattr("sealkit.project.BUILT_IN", pack)
    assert toolkit("show", "thing").output.startswith("thing/v2: ")


def test_the_schema_itself_is_json() -> None:
    assert json.loads(toolkit("show", "metrics", "--format", "json").output) == BUILT_IN.contracts["metrics/v1"].schema


@pytest.mark.parametrize(
    ("name", "hint"), [("ranking", "; did you mean `rankings`?"), ("rankings/v9", "; did you mean `rankings/v1`?"), ("?", "")]
)  # fmt: skip
def test_an_unknown_contract_is_a_slip_of_the_hand(name: str, hint: str) -> None:
    error = toolkit("show", name).exception
    assert isinstance(error, UsageError) and error.exit_code == 2
    assert str(error) == f"unknown contract `{name}`{hint}\n  fix: toolkit spec list    names every contract"
