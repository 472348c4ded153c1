"""docs/fingerprint.md: what follows its mark is generated from the schemas of the manifests.

    python -m tests.test_fingerprint_docs

writes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sealkit import digest, fingerprint, manifest, mask
from sealkit.pack import BUILT_IN

PAGE = Path(__file__).parent.parent / "docs" / "fingerprint.md"
MARK = "<!-- From here on: generated from spec/ by python -m tests.test_fingerprint_docs -->\n"
INDEX, SEARCH = BUILT_IN.contracts["index_manifest/v2"].schema, BUILT_IN.contracts["search_manifest/v2"].schema
GROUPS: Mapping[str, Any] = INDEX["properties"]["fingerprint"]["properties"]


def page() -> str:
    """The page as it should be: its own text, then the tables."""
    return PAGE.read_text("utf-8").partition(MARK)[0] + MARK + "\n" + "\n".join(tables())


def tables() -> Iterator[str]:
    yield "## The fields\n"
    yield f"{len(manifest.fields())} fields in {len(GROUPS)} groups, from `spec/index_manifest/v2.schema.json`.\n"
    for group, schema in GROUPS.items():
        yield f"### {group}\n\n{schema['description']}\n"
        yield from table(
            ("field", "type", "binding", "side", "since", "what it is", "the bug behind it", "how to read it"),
            (
                (
                    f"`{name}`",
                    kind(field),
                    field["x-binding"],
                    field.get("x-side", "both"),
                    str(field.get("x-since", 1)),
                    field["description"],
                    field["x-because"],
                    field["x-read"],
                )
                for name, field in schema["properties"].items()
            ),
        )
    for title, schema in (("The manifest of an index", INDEX), ("The manifest of a search", SEARCH)):
        yield f"## {title}\n\n{schema['description']}\n"
        yield from table(
            ("key", "type", "", "what it is"),
            (
                (
                    f"`{name}`",
                    kind(inner),
                    "" if name in schema["required"] else "optional",
                    inner.get("description", ""),
                )
                for name, inner in schema["properties"].items()
            ),
        )


def table(head: tuple[str, ...], rows: Any) -> Iterator[str]:
    lines = [head, ("---",) * len(head), *rows]
    yield "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in lines) + "\n"


def kind(schema: Mapping[str, Any]) -> str:
    """The type of a field in words; what may also be null says so."""
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join("null" if value is None else f"`{value}`" for value in schema["enum"])
    kinds = schema.get("type", "any")
    names = [kinds] if isinstance(kinds, str) else list(kinds)
    if schema.get("pattern", "").startswith("^sha256"):
        names[names.index("string")] = "digest"
    if isinstance(schema.get("items"), Mapping):
        names[names.index("array")] = f"array of {kind(schema['items'])}"
    return " or ".join(names)


def test_the_page_is_what_the_schemas_say() -> None:
    assert PAGE.read_text("utf-8") == page()


def test_every_field_says_why_it_is_there_and_how_it_is_read() -> None:
    for group, schema in GROUPS.items():
        for name, field in schema["properties"].items():
            for key in ("description", "x-because", "x-read"):
                assert field[key].endswith((".", "…")), f"{group}.{name}: {key}"


def test_the_digests_are_those_that_the_page_describes() -> None:
    import hashlib
    import json

    import numpy as np

    def canonical(value: Any) -> bytes:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()

    def sha(data: bytes) -> str:
        return "sha256:" + hashlib.sha256(data).hexdigest()

    space = {
        "mask": {"kind": "fixed", "rate": 0.1, "seed": None},
        "encoder": {"name": "größe"},
        "vectors": {"device": "cpu"},
    }
    told = {"fields": {"mask.kind": "fixed", "mask.rate": 0.1, "mask.seed": None}, "invariant": ["mask.rate", "roles"]}
    assert fingerprint.identity(space, manifest.fields(), ["roles", "mask.rate"]) == sha(canonical(told))
    inputs = ["größe", [1, 2]]
    assert fingerprint.of_inputs(inputs) == sha(canonical([sha("größe".encode()), sha(b"[1,2]")]))
    assert digest.listing({"b": sha(b"1"), "a": sha(b"2")}) == sha(f"{sha(b'2')[7:]}  a\n{sha(b'1')[7:]}  b\n".encode())
    drawn = mask.document(
        mask.declared({"kind": "dynamic", "rate": 0.25, "seed": 7, "schedule": "seed + epoch*10000 + window"}),
        [8, 4],
        [0, 1],
    )
    windows = []
    for epoch in (0, 1):
        for window, length in enumerate((8, 4)):
            words = np.random.PCG64(7 + epoch * 10000 + window).random_raw(length)
            hidden = np.isin(np.arange(length), np.argsort(words, kind="stable")[: int(0.25 * length + 0.5)])
            windows.append(sha(f"mask/v1 {length}\n".encode() + np.packbits(hidden).tobytes()))
    rule = {
        "kind": "dynamic",
        "generator": "numpy.PCG64",
        "rate": 0.25,
        "seed": 7,
        "window_length": None,
        "pad_value": None,
    }
    assert drawn["rule"] == sha(canonical({**rule, "schedule": "seed + epoch*10000 + window"}))
    assert drawn["content"] == sha("".join(f"{one}\n" for one in windows).encode())


def test_the_digest_of_weights_is_the_one_that_the_page_describes() -> None:
    import hashlib

    parts = {
        "a": digest.Tensor("F32", (2,), lambda: [b"12345678"]),
        "1_Pooling/b": digest.Tensor("I64", (1,), lambda: [b"87654321"]),
    }
    left_out = {"position_ids": digest.Tensor("I64", (1,), lambda: [b"00000000"])}
    whole = b'["1_Pooling/b","I64",[1]]\n87654321["a","F32",[2]]\n12345678'
    assert digest.of_tensors(parts | left_out).digest == "sha256:" + hashlib.sha256(whole).hexdigest()


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
