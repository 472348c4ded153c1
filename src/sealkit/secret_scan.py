"""Finds secrets in a text: by the form of a token, as the user of a URL, in a header, under a name.

The forms are those that their issuers publish, so a hit is certain.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from sealkit.secret import STANDS_FOR, counts, kind_of_name, opaque, shown

# A line end as JSON writes it, \n, is no letter before the token.
_START, _END = r"(?:(?<![A-Za-z0-9_+-])|(?<=\\[nrt]))", r"(?![A-Za-z0-9])"
_FORMS = {
    "aws_key_id": r"(?:AKIA|ASIA)[A-Z0-9]{16}",
    "google_key": r"AIza[\w-]{35}|GOCSPX-[\w-]{28}|ya29\.[\w-]{30,}",
    "anthropic_key": r"sk-ant-[\w-]{24,}",
    "openai_key": r"sk-(?:proj|svcacct|admin|or-v1)-[\w-]{24,}|sk-[A-Za-z0-9]{40,}",
    "hugging_face_token": r"hf_[A-Za-z0-9]{30,}|api_org_[A-Za-z]{34}",
    "github_token": r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,}",
    "gitlab_token": r"gl(?:pat|dt|rt)-[\w-]{20,}",
    "slack_token": r"xox[abeprs]-[A-Za-z0-9-]{20,}|xapp-[A-Za-z0-9-]{20,}",
    "slack_hook": r"(?<=hooks\.slack\.com/services/)T\w+/B\w+/\w{20,}",
    "stripe_key": r"[rs]k_(?:live|test)_[A-Za-z0-9]{20,}|whsec_[A-Za-z0-9]{24,}",
    "registry_token": r"npm_[A-Za-z0-9]{36}|pypi-AgE[\w-]{50,}|dop_v1_[0-9a-f]{64}",
    "service_key": r"gsk_[A-Za-z0-9]{50,}|r8_[A-Za-z0-9]{37}|dapi[0-9a-f]{32}|SG\.[\w-]{22}\.[\w-]{43}|wandb_v1_\w{20,}",
    "jwt": r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{16,}",
}  # fmt: skip
_SHAPES = re.compile(
    "|".join(f"{'' if 'hook' in name else _START}(?P<{name}>{form}){_END}" for name, form in _FORMS.items())
    # What follows the first line tells a key from a text about keys; a line by itself cannot tell.
    + r"|(?P<private_key>-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
    + r"(?=(?:\\[nr]|\s)*(?:[A-Za-z0-9+/=]{16}|Proc-Type|\Z))(?:(?!-----BEGIN )[\s\S])*?(?:-----END [A-Z0-9 ]+-----|\Z))"
)
_USER = re.compile(
    r"(?<=://)(?P<user>[^\s/?#@:\[\]\"'<>]*):(?!\d{1,5}(?:[/?#\s\"']|$))(?P<password>[^\s@\"'<>]+)@"
    r"|(?<=https://)(?P<token>[A-Za-z0-9_-]{20,})(?::x-oauth-basic)?@"
    r"|(?i:(?<=%3A%2F%2F))(?P<coded>(?:(?!%(?:3A|2F|40|3F))[^\s&]){0,64}%3[Aa](?:(?!%(?:2F|40|3F))[^\s&]){1,256})%40",
)
_HEADER = re.compile(r"\b(?i:bearer)\s+(?P<bearer>[\w.~+/-]{16,}=*)|\b(?i:basic)\s+(?P<basic>[A-Za-z0-9+/]{8,}={0,2})")
_NAMED = re.compile(
    # Not a part of a path or a JSON pointer:  "key": "value"  ·  key=value  ·  --key value  ·  key: value, alone on its line
    r"""(?<![/\w])(?P<key>-{0,2}[A-Za-z][\w.-]{1,80})(?:
        \\?["']?\s{0,4}[=:]\s{0,4}(?P<quote>\\?["'])(?P<quoted>[^"'\\\n]{1,512})(?P=quote)
      | =(?P<assigned>[^\s"';,]{1,512})
      | (?<=[\w])\s+(?P<next>[^\s"'-][^\s"']{0,511})
      | :\s+(?P<line>[^\s"'\#][^\s"']{0,511})\s*(?:\#.*)?$
    )""",
    re.VERBOSE | re.MULTILINE,
)
# What must stand in a text before it is worth taking apart: a name's last word, and what makes it the name of a value.
_NAMES = re.compile(
    r"(?i)(?:passw(?:or)?d|pwd|passphrase|secret|credential|authorization|key|token)s?(?:\\?[\"']?\s{0,4}[=:]|(?<=.)\s+[^\s-])"
)


@dataclass(frozen=True)
class Span:
    """A secret in a text: of what kind, from where to where. `certain` where its form alone tells."""

    kind: str
    start: int
    end: int
    certain: bool


def spans(text: str) -> list[Span]:
    """The secrets in a text, in order, none over another."""
    found = [_span(match, str(match.lastgroup).replace("_", "-"), True) for match in _SHAPES.finditer(text)]
    if "://" in text or "%3" in text:
        found += _users(text)
    found += _headers(text)
    found += _named(text)
    kept: list[Span] = []
    for span in sorted(found, key=lambda span: (span.start, not span.certain, -span.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
        elif span.end > kept[-1].end:
            kept[-1] = Span(kept[-1].kind, kept[-1].start, span.end, kept[-1].certain)
    return kept


def _span(match: re.Match[str], kind: str, certain: bool, group: str | int = 0) -> Span:
    return Span(kind, match.start(group), match.end(group), certain)


def _users(text: str) -> Iterator[Span]:
    for match in _USER.finditer(text):
        if match["password"] is not None:
            if not STANDS_FOR.fullmatch(unquote(match["password"])):
                yield Span("url-user", match.start("user"), match.end("password"), False)
        elif match["token"] is None or opaque(match["token"], 20):
            yield _span(match, "url-user", False, "token" if match["token"] else "coded")


def _headers(text: str) -> Iterator[Span]:
    for match in _HEADER.finditer(text):
        if match["bearer"] and opaque(match["bearer"], 16):
            yield _span(match, "bearer", False, "bearer")
        elif match["basic"] and _is_basic(match["basic"]):
            yield _span(match, "basic", False, "basic")


def _is_basic(text: str) -> bool:
    """Whether a text is `user:password` in base64 (RFC 7617)."""
    try:
        plain = base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    return ":" in plain and plain.isprintable()


def _named(text: str) -> Iterator[Span]:
    at = 0
    for near in _NAMES.finditer(text):
        start = near.start()
        while start > at and near.start() - start < 80 and (text[start - 1].isalnum() or text[start - 1] in "_.-"):
            start -= 1
        while start < near.start() and text[start] in "0123456789._":
            start += 1
        match = _NAMED.match(text, start)
        if match is None or near.start() < at:
            continue
        group = next(name for name in ("quoted", "assigned", "next", "line") if match[name] is not None)
        kind, value = kind_of_name(match["key"]), match[group]
        if group == "next" and not match["key"].startswith("-"):
            kind = None
        if kind is None:
            continue
        at = match.end()
        if group == "assigned" and match.start() and text[match.start() - 1] in "?&":
            value = value.partition("&")[0]
        loose = group == "quoted" and kind in ("password", "secret", "key")
        if counts(value, kind) and (loose or opaque(value, 6)):
            yield Span(shown(kind), match.start(group), match.start(group) + len(value), False)


# In small letters: what every secret that `spans` finds has in it or just before it; names need more, or every other line has one.
_ANCHORS = b"""
    akia asia aiza gocspx- ya29. sk- hf_ api_org_ ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- gldt- glrt- xox
    xapp- hooks.slack.com sk_live rk_live sk_test rk_test whsec_ npm_ pypi-age dop_v1_ gsk_ r8_ dapi sg.
    wandb_v1_ eyj -----begin %3a%2f%2f bearer basic
""".split()
_NAMES_IN_BYTES = re.compile(_NAMES.pattern.removeprefix("(?i)").encode())


def lines(block: bytes) -> list[tuple[int, bytes]]:
    """(index, line) of the lines of a block that are worth a look: found fast, and none left out that holds a secret."""
    small = block.lower()
    hits = {match.start() for match in _NAMES_IN_BYTES.finditer(small)}
    for anchor in _ANCHORS:
        hits |= _all(small, anchor)
    if b"@" in small:
        hits |= _all(small, b"://")
    starts = {small.rfind(b"\n", 0, hit) + 1 for hit in hits}
    found, index, counted = [], 0, 0
    for start in sorted(starts):
        index, counted = index + small.count(b"\n", counted, start), start
        end = small.find(b"\n", start)
        found.append((index, block[start : end if end >= 0 else len(block)]))
    return found


def _all(text: bytes, part: bytes) -> set[int]:
    found, at = set(), text.find(part)
    while at >= 0:
        found.add(at)
        at = text.find(part, at + 1)
    return found
