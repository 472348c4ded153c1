"""The contracts for people: which there are, and the fields of one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sealkit.contract import Contract
from sealkit.render.text import clean

_BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def listing(contracts: Iterable[Contract], released: Iterable[str]) -> str:
    """One line a contract: id, document or rows, whether it is released, title."""
    known = set(released)
    rows = [
        (contract.id, _media(contract), "released" if contract.id in known else "not released", contract.title)
        for contract in contracts
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return "".join(
        "  ".join([*(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False)), clean(row[3])]) + "\n"
        for row in rows
    )


def text(contract: Contract, released: bool) -> str:
    """The fields of a contract, a line each: name, type, whether it may be left out, what it means."""
    schema = contract.schema
    lines = [
        f"{contract.id}: {contract.title} ({_media(contract)}, {'released' if released else 'not released'})",
        *([schema["description"]] if "description" in schema else []),
        *_rules(schema.get("x-rows", {})),
        "",
    ]
    fields = list(_fields(schema, schema, ""))
    width = max((len(name) for name, _ in fields), default=0)
    lines += [f"{name:{width}}  {says}".rstrip() for name, says in fields]
    return "\n".join(map(clean, lines)) + "\n"


def schema(contract: Contract) -> str:
    """The schema itself."""
    return json.dumps(contract.schema, indent=2, ensure_ascii=False) + "\n"


def _media(contract: Contract) -> str:
    return "rows" if contract.media == "jsonl" else "document"


def _rules(rules: Mapping[str, Any]) -> Iterator[str]:
    """What holds between rows, in words."""
    group = rules.get("grouped_by")
    if group:
        yield f"Rows with the same {group} stand together."
    if "unique" in rules:
        fields, within = rules["unique"], f" for each {group}" if group else ""
        yield f"{' and '.join(fields)} {'occurs' if len(fields) == 1 else 'together occur'} once{within}."
    if "ranked" in rules:
        yield f"{rules['ranked']} counts from 1{f' for each {group}' if group else ''}."
    if "order" in rules:
        order = (f"{field.lstrip('-')} {'falling' if field.startswith('-') else 'rising'}" for field in rules["order"])
        yield f"Sorted by {', then '.join(order)}."
    if rules.get("some"):
        yield "There is at least one row."


def _fields(node: Mapping[str, Any], root: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    """(name, what it holds) of every field below a schema, those of inner objects and items after their own."""
    node = _resolved(node, root)
    for name, raw in node.get("properties", {}).items():
        inner, place = _resolved(raw, root), f"{where}{name}"
        optional = "" if name in node.get("required", []) else ", optional"
        said = [inner[key] for key in ("x-says", "description") if key in inner]
        yield place, f"{_type(inner, root)}{optional}{' – ' * bool(said)}{'; '.join(said)}"
        yield from _inside(inner, root, place)


def _inside(node: Mapping[str, Any], root: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
    yield from _fields(node, root, f"{place}.")
    if isinstance(node.get("items"), dict):
        yield from _inside(_resolved(node["items"], root), root, f"{place}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from _inside(_resolved(node["additionalProperties"], root), root, f"{place}.*")


def _resolved(node: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema with what it refers to in its place; what stands beside the reference stays."""
    reference = node.get("$ref", "")
    if not reference.startswith("#/$defs/"):
        return node
    return {**_resolved(root["$defs"][reference.removeprefix("#/$defs/")], root), **node, "$ref": ""}


def _type(node: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    if "const" in node:
        return json.dumps(node["const"], ensure_ascii=False)
    if "enum" in node:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in node["enum"])
    if "oneOf" in node:
        return " or ".join(_type(_resolved(one, root), root) for one in node["oneOf"])
    kinds = node.get("type", "any")
    shown = " or ".join([kinds] if isinstance(kinds, str) else kinds)
    if isinstance(node.get("items"), dict):
        shown += f" of {_type(_resolved(node['items'], root), root)}"
    elif isinstance(node.get("additionalProperties"), dict):
        shown += f" of {_type(_resolved(node['additionalProperties'], root), root)} by name"
    bounds = [f"{sign} {node[key]}" for key, sign in _BOUNDS.items() if key in node]
    return " ".join([shown, *bounds])
