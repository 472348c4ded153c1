"""A resolved config, for the terminal and as JSON."""

from __future__ import annotations

import json as standard
from collections.abc import Mapping
from typing import Any

from sealkit.finding import dotted, parts
from sealkit.render.text import clean
from sealkit.write import dumps

WIDTH = 48  # origins begin here, where the values leave room


def text(document: Mapping[str, Any], origins: Mapping[str, str]) -> str:
    """A line for each value: `KEY=VALUE  # origin`, then what was migrated. `origins` are by JSON pointer."""
    lines = []
    for where, origin in origins.items():
        value = document["config"]
        for part in parts(where):
            value = value[int(part)] if isinstance(value, list) else value[part]
        shown = clean(f"{dotted(where)}={_plain(value)}")
        lines.append(f"{shown:<{WIDTH}}  # {clean(origin)}")
    lines += [
        f"# {clean(m['at'])}: `{clean(m['old'])}` is now `{clean(m['new'])}`" for m in document.get("migrated", [])
    ]
    return "\n".join(lines) + "\n"


def json(document: Mapping[str, Any]) -> str:
    """`config`, `provenance`, `overrides`, `sources`, `migrated`, `redacted`, as resolved_config/v1 has them."""
    return dumps(document)


def _plain(value: Any) -> str:
    """A value as YAML reads it back."""
    if (
        isinstance(value, str)
        and value
        and value.isprintable()
        and not set(value) & set("'\" #:{}[],&*!|>%@`")
        and not _other(value)
    ):
        return value
    return standard.dumps(value, ensure_ascii=False)


def _other(text: str) -> bool:
    """Whether a text would be read as something else than text."""
    from sealkit.read import yaml

    return not isinstance(yaml.parse(text, "value").data, str)
