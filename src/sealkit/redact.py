"""Takes secrets out of what is written, and leaves in their place what they were: `[redacted:password:3f2a…]`.

The last part is a keyed digest (HMAC-SHA256), so that two redacted configs still tell whether they held the same secret,
and nobody without the key can try passwords against it. The key lies beside the runs of a workspace, never inside one.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sealkit import digest, secret, secret_scan, write
from sealkit.finding import pointer
from sealkit.read.source import read_bytes

KEY_FILE = ".sealkit/redaction.key"
SHORTEST = 4  # a known secret that is shorter would take half of every text with it
LINE, LINES = (
    16,
    1000,
)  # characters of a line of a known secret that is one by itself, and how many lines are looked for


@dataclass(frozen=True)
class Redactor:
    """`known` are secrets (text → kind) that are taken out wherever they stand; `workspace` is where the key lies.

    Without a workspace the placeholders carry no digest.
    """

    known: Mapping[str, str] = field(default_factory=dict)
    workspace: Path | None = None

    def text(self, text: str) -> str:
        """A text without its secrets; the number of its lines stays."""
        if self._known is not None:
            text = self._known.sub(lambda match: self._known_placeholder(match[0]), text)
        for span in reversed(secret_scan.spans(text)):
            text = text[: span.start] + self.placeholder(span.kind, text[span.start : span.end]) + text[span.end :]
        return text

    def value(self, value: Any) -> Any:
        """A JSON value without its secrets."""
        return self._value(value, "", {where: (kind, text) for where, kind, text in secret.find(value)})

    def source(self, text: str, data: Any, lines: Mapping[str, int]) -> str:
        """A YAML text without the secrets of the data that it holds; `lines` gives each value's line by JSON pointer."""
        rows = text.split("\n")
        for where, kind, hidden in secret.find(data):
            first = lines[where] - 1
            later = (line for other, line in lines.items() if line - 1 > first and not other.startswith(where))
            last = min(later, default=len(rows) + 1) - 1
            block = "\n".join(rows[first:last])
            mark = re.match(r"[^:]*:\s*|\s*-\s*", block)
            key, value = (block[: mark.end()], block[mark.end() :]) if mark else ("", block)
            shown = self.placeholder(kind, hidden).rstrip("\n")
            if hidden not in value or value.strip() == hidden:
                value = f'"{shown}"' + "\n" * value.count("\n")
            rows[first:last] = (key + value.replace(hidden, shown)).split("\n")
        return self.text("\n".join(rows))

    def placeholder(self, kind: str, text: str) -> str:
        tag = f":{digest.keyed(self._key, text)}" if self.workspace else ""
        return f"[redacted:{kind}{tag}]" + "\n" * text.count("\n")

    def _value(self, value: Any, where: str, found: Mapping[str, tuple[str, str]]) -> Any:
        if where in found:
            kind, text = found[where]
            return self.text(str(value).replace(text, self.placeholder(kind, text)))
        if isinstance(value, dict):
            return {key: self._value(inner, where + pointer(key), found) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._value(inner, f"{where}/{index}", found) for index, inner in enumerate(value)]
        return self.text(value) if isinstance(value, str) else value

    @cached_property
    def _written(self) -> dict[str, str]:
        """Every way in which a known secret may be written → the secret."""
        # Of one that has several lines each may be printed by itself; a short one may be anybody's.
        lines = {
            line.strip(): text for text in self.known for line in text.splitlines()[:LINES] if "\n" in text.strip()
        }
        return {line: text for line, text in lines.items() if len(line) >= LINE} | {
            form: text
            for text in self.known
            if len(text) >= SHORTEST
            for form in (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], quote(text, safe=""))
        }

    @cached_property
    def _known(self) -> re.Pattern[str] | None:
        forms = sorted(self._written, key=len, reverse=True)
        # A short one may well be the beginning of a word.
        bounded = (rf"(?<!\w){re.escape(form)}(?!\w)" if len(form) < 12 else re.escape(form) for form in forms)
        return re.compile("|".join(bounded)) if forms else None

    def _known_placeholder(self, form: str) -> str:
        text = self._written[form]
        return (
            self.placeholder(self.known[text], text)
            if "\n" in form
            else self.placeholder(self.known[text], text).rstrip("\n")
        )

    @cached_property
    def _key(self) -> bytes:
        assert self.workspace is not None
        return _key(self.workspace / KEY_FILE)


def redactor(values: Iterable[Any], environment: Iterable[str], workspace: Path | None) -> Redactor:
    """What takes out the secrets in these JSON values, and the values of these environment variables, from any text."""
    known = {text: kind for value in values for _, kind, text in secret.find(value)}
    known |= {os.environ[name]: name for name in environment if os.environ.get(name)}
    return Redactor(known, workspace)


def mask(text: str) -> str:
    """A text as it may be shown: without the secrets that can be told by themselves."""
    return Redactor().text(text)


def _key(path: Path) -> bytes:
    """The key of a workspace, made when it is first needed. It is nobody's to publish: mode 600, and ignored by git."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        ignore = path.with_name(".gitignore")
        if not ignore.exists():
            write.atomic(ignore, "*\n")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass  # another run made it in between
        else:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(32))
    return read_bytes(path, limit=1024)
