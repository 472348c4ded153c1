"""A contract: what an artifact of one kind is, at one version. `violations` says what is wrong with a document."""

from __future__ import annotations

import difflib
import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sealkit.finding import Finding, Location, ReadError, Severity, parts, pointer
from sealkit.read import json as read_json
from sealkit.read import jsonl, yaml
from sealkit.read.source import read_text
from sealkit.rows import RowRules

COLLECTED = 1000  # errors of one document that are looked at
LONG = 500  # entries of a list
SHOWN = 20  # findings told for one artifact; the rest are counted


@dataclass(frozen=True)
class Violation:
    """What is wrong at a JSON pointer of a document."""

    pointer: str
    message: str


@dataclass(frozen=True)
class Contract:
    """A kind at a version. `media` is `json` or `yaml` (one document) or `jsonl` (the schema holds for each row).

    `upgrade` makes of a document of this version one of the next; None where this version is the newest.
    """

    kind: str
    version: int
    schema: Mapping[str, Any]
    upgrade: Callable[[Any], Any] | None = None

    @property
    def id(self) -> str:
        return f"{self.kind}/v{self.version}"

    @property
    def media(self) -> str:
        return str(self.schema.get("x-media", "json"))

    @property
    def title(self) -> str:
        return str(self.schema["title"])

    @cached_property
    def _validator(self) -> Any:
        from jsonschema import Draft202012Validator, validators

        strict = validators.extend(Draft202012Validator, {"pattern": _pattern_holds})  # type: ignore[no-untyped-call]
        return strict(self.schema)

    @cached_property
    def _accepts_rows(self) -> Callable[[Sequence[Any]], bool]:
        """Whether all of some rows keep the schema. To ask once for many is twice as fast as to ask for each."""
        import jsonschema_rs

        return jsonschema_rs.Draft202012Validator({"type": "array", "items": dict(self.schema)}).is_valid

    def violations(self, document: Any) -> list[Violation]:
        """Everything in which a document breaks the contract, in the order of the document."""
        found = [Violation(where, "is no finite number") for where in _non_finite(document, "")]
        if not found and _is_long(document) and self._accepts_rows([document]):
            return []  # what the faster engine accepts the other does too; it cannot say what is wrong
        for error in itertools.islice(self._validator.iter_errors(document), COLLECTED):
            found += _explain(error)
        orders: dict[int, dict[str, int]] = {}
        return sorted(set(found), key=lambda v: (_position(document, v.pointer, orders), v.message))

    def row_violations(self, blocks: Iterable[tuple[int, list[dict[str, Any]]]]) -> Iterator[tuple[int, Violation]]:
        """(line, what is wrong) while rows stream by: each row alone, and the rules of `x-rows` between them.

        Rows come in blocks of lines that follow each other, each block with the number of its first line.
        """
        rules = RowRules(self.schema.get("x-rows", {}))
        accepts = self._accepts_rows
        for first, rows in blocks:
            valid = accepts(rows)
            at = rules.plain(rows) if valid else 0
            while at < len(rows):
                row = rows[at]
                if valid or accepts([row]):
                    for message in rules.broken(row):
                        yield first + at, Violation("", message)
                else:
                    rules.pass_over(row)
                    for violation in self.violations(row) or [Violation("", f"does not keep {self.id}")]:
                        yield first + at, violation
                at += 1
                at += rules.plain(rows[at:]) if valid else 0
        if self.schema.get("x-rows", {}).get("some") and not rules.count:
            yield 1, Violation("", "holds no rows; expected at least one")

    def read(self, path: Path, name: str, *, follow: bool = False) -> Any:
        """A document from a file, unchecked. Raises ReadError."""
        if self.media == "yaml":
            text = read_text(path, name, limit=yaml.LIMIT, follow=follow)
            return yaml.parse(text, name, aliases=bool(self.schema.get("x-foreign"))).data
        return read_json.read(path, name, follow=follow)

    def problems(self, path: Path, name: str) -> tuple[list[Finding], bool]:
        """What keeps a file from being this artifact, and whether it could be judged at all."""
        try:
            if self.media == "jsonl":
                found = [
                    Finding(_at(v), Location(name, line=line, pointer=v.pointer or None), Severity.ERROR)
                    for line, v in _first(self.row_violations(jsonl.blocks(path, name, follow=False)))
                ]
            else:
                document = self.read(path, name)
                declared = document.get("schema") if isinstance(document, dict) else None
                if (newer := self._newer(declared)) is not None:
                    return [
                        Finding(newer, Location(name, pointer="/schema"), Severity.ERROR, fix="update sealkit")
                    ], False
                found = [
                    Finding(_at(v), Location(name, pointer=v.pointer or None), Severity.ERROR)
                    for v in self.violations(document)[: SHOWN + 1]
                ]
        except ReadError as error:
            return [error.finding()], error.malformed
        if len(found) > SHOWN:
            found[SHOWN:] = [
                Finding("breaks the contract in further places, not shown", Location(name), Severity.ERROR)
            ]
        return found, True

    def _newer(self, declared: Any) -> str | None:
        kind, _, version = str(declared).rpartition("/v")
        if kind == self.kind and re.fullmatch(r"[1-9][0-9]{0,8}", version) and int(version) > self.version:
            return f"keeps {declared}, which is newer than this sealkit knows ({self.id})"
        return None


def _first(violations: Iterator[tuple[int, Violation]]) -> list[tuple[int, Violation]]:
    found = []
    for item in violations:
        found.append(item)
        if len(found) > SHOWN:
            break
    return found


def _at(violation: Violation) -> str:
    return f"{violation.pointer}: {violation.message}" if violation.pointer else violation.message


def _is_long(document: Any) -> bool:
    """Whether a document holds so long a list that to hold it against the schema takes seconds."""
    return isinstance(document, dict) and any(isinstance(part, list) and len(part) > LONG for part in document.values())


def _non_finite(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield where
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _non_finite(inner, where + pointer(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _non_finite(inner, f"{where}/{index}")


_TYPES = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 100 else text[:97] + "..."  # a digest is shown whole


def _position(document: Any, where: str, orders: dict[int, dict[str, int]]) -> list[int]:
    """Where a pointer stands in a document, so that findings come in the document's own order.

    `orders` holds the order of the keys of each object that was met before, by its id.
    """
    found = []
    for part in parts(where):
        if isinstance(document, dict):
            if id(document) not in orders:
                orders[id(document)] = {key: i for i, key in enumerate(document)}
            found.append(orders[id(document)].get(part, len(document)))
            document = document.get(part)
        elif isinstance(document, list) and part.isdigit():
            found.append(int(part))
            document = document[int(part)] if int(part) < len(document) else None
    return found


def _pattern_holds(validator: Any, pattern: str, instance: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    """JSON Schema's `$` is the end of the text (ECMA-262); Python's would let a newline pass behind it."""
    from jsonschema import ValidationError

    strict = pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern
    if isinstance(instance, str) and not re.search(strict, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _explain(error: Any) -> list[Violation]:
    """A jsonschema error in words that say what was expected and what was found."""
    where = pointer(*error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        where += pointer(error.instance)  # what breaks the rule is a key, and stands there itself
    rule, expected, found = error.validator, error.validator_value, error.instance
    known = list(error.schema.get("properties", {}))
    if rule == "required":
        missing = [key for key in expected if key not in found]
        return [Violation(where, f"`{key}` is missing") for key in missing]
    if rule == "additionalProperties" and expected is False:
        extra = [key for key in found if key not in known and not key.startswith("x-")]
        return [Violation(where + pointer(key), f"unknown key `{key}`{did_you_mean(key, known)}") for key in extra]
    if rule == "type":
        wanted = " or ".join(expected) if isinstance(expected, list) else expected
        name = "" if found is None else f"{_TYPES.get(type(found), 'value')} "
        return [Violation(where, f"expected {wanted}, found {name}{_show(found)}")]
    if rule == "enum":
        wanted = ", ".join(_show(value) for value in expected)
        return [Violation(where, f"expected one of {wanted}; found {_show(found)}{did_you_mean(found, expected)}")]
    if rule == "const":
        return [Violation(where, f"expected {_show(expected)}, found {_show(found)}")]
    bounds = {"minimum": ">=", "maximum": "<=", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}
    if rule in bounds:
        return [Violation(where, f"expected {bounds[rule]} {_show(expected)}, found {_show(found)}")]
    if rule == "pattern":
        return [Violation(where, f"expected {_pattern(error.schema)}, found {_show(found)}")]
    if rule in ("minLength", "minItems", "minProperties"):
        one, several = {"minLength": ("character", "characters"), "minItems": ("item", "items")}.get(
            rule, ("entry", "entries")
        )
        noun = one if expected == 1 else several
        short = f"has {len(found)}" if found else "is empty"
        return [Violation(where, f"{short}; expected at least {expected} {noun}")]
    if rule == "maxProperties":
        return [Violation(where, f"has {len(found)} entries; expected at most {expected}")]
    if rule == "uniqueItems":
        return [Violation(where, f"holds a value twice: {_show(found)}")]
    if rule == "oneOf":
        return _of_one(error) or [Violation(where, f"expected {_pattern(error.schema)}, found {_show(found)}")]
    return [Violation(where, error.message)]


def _of_one(error: Any) -> list[Violation]:
    """What is wrong with a value as the one of several schemas that it is meant for, by its type; nothing where it is for none."""
    wrong: dict[int, list[Any]] = {}
    for inner in error.context:
        wrong.setdefault(inner.schema_path[0], []).append(inner)
    meant = [
        errors
        for errors in wrong.values()
        if not any(one.validator in ("type", "const") and not one.path for one in errors)
    ]
    return [violation for inner in meant[0] for violation in _explain(inner)] if len(meant) == 1 else []


def _pattern(schema: Mapping[str, Any]) -> str:
    return str(schema.get("x-says") or f"text that matches {schema.get('pattern')}")


def did_you_mean(given: Any, known: Iterable[Any]) -> str:
    """`; did you mean `x`?` where a known word is close to the given one, else nothing."""
    words = {str(item).lower(): str(item) for item in known}
    close = difflib.get_close_matches(str(given).lower(), words, n=1)
    return f"; did you mean `{words[close[0]]}`?" if close else ""
