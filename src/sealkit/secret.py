"""What is a secret by the name that a value stands under, and by the look of the value.

A name alone (`password`, `api_key`) says less the freer the text around it is: in a mapping any value under it counts, in prose
only one that looks like a credential. `use_cls_token`, `num_memory_tokens`, digests, ids and model names are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sealkit.finding import pointer

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_PASSWORDS = ("password", "passwords", "passwd", "pwd", "passphrase")
_SECRETS = ("secret", "secrets", "credentials", "authorization", "apikey", "apikeys", "accesskey", "secretkey", "privatekey", "apitoken", "authtoken", "accesstoken")  # fmt: skip
_KEYS = frozenset(["api", "access", "secret", "private", "account", "auth", "signing", "encryption", "subscription", "license", "app", "wandb", "openai", "anthropic", "azure", "cohere"])  # fmt: skip
_TOKENS = frozenset(["api", "access", "auth", "bearer", "refresh", "session", "security", "oauth", "personal", "deploy", "bot", "hf", "hub", "huggingface", "github", "gitlab", "slack", "wandb", "npm", "pypi", "service", "secret", "private", "login", "registry", "upload", "id"])  # fmt: skip
# Stands for a value, and is none: of the environment, of a template, for the reader, masked already.
STANDS_FOR = re.compile(
    r"(?i)\$.*|%\w+%?|\{.*\}|<.*>|\[.*\]|[*x•.…]+|null|none|true|false|~|your[-_ ].*|\(.*\)|"
    r"(?-i:[A-Z][A-Z0-9]*_)(?-i:[A-Z0-9]+_)*(?-i:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PWD|CREDENTIALS)"
)
_PATH = re.compile(r"(?:~|\.\.?)?/.*\.\w{2,5}|[\w./-]+\.(?:pem|key|json|txt|crt|p12|ya?ml)|(?:~|\.\.?)/.*")


def find(value: Any, where: str = "", under: str | None = None) -> Iterator[tuple[str, str, str]]:
    """(JSON pointer, kind, secret) of each text within a JSON value that is a secret as a whole.

    `under` is the kind of secret that a name further out promises.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            named = kind_of_name(key)
            if named in ("token", "any-token") and not isinstance(inner, str):
                named = None  # a mapping of tokens, as tokenizers have them
            yield from find(inner, where + pointer(key), named or under)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            option = value[index - 1] if index else None
            named = kind_of_name(option) if isinstance(option, str) and re.fullmatch(r"--?[\w.-]+", option) else None
            if isinstance(inner, str) and named and not inner.startswith("-"):
                yield from _whole(inner, f"{where}/{index}", named)
            else:
                yield from find(inner, f"{where}/{index}", under)
    elif isinstance(value, str):
        yield from _whole(value, where, under)
    elif isinstance(value, int) and not isinstance(value, bool) and under == "password":
        yield where, under, str(value)


def kind_of_name(name: str) -> str | None:
    """The kind of secret that a name promises: password, secret, key, token, or any-token for a bare `token`."""
    words = [word.lower() for word in _WORD.findall(name)]
    last, before = words[-1] if words else "", words[-2] if len(words) > 1 else ""
    if last.endswith(_PASSWORDS):
        return "password"
    if last in _SECRETS:
        return "secret"
    if last in ("key", "keys") and before in _KEYS:
        return "key"
    if last in ("token", "tokens") and before in _TOKENS:
        return "token"
    return "any-token" if words == ["token"] else None


def _whole(text: str, where: str, kind: str | None) -> Iterator[tuple[str, str, str]]:
    assigned = re.fullmatch(r"-{0,2}([A-Za-z][\w.-]*)=([\s\S]+)", text)
    if kind and counts(text, kind):
        yield where, shown(kind), text
    elif assigned and (named := kind_of_name(assigned[1])) and counts(assigned[2], named):
        yield where, shown(named), assigned[2]


def counts(value: str, kind: str) -> bool:
    """Whether a value under a name of that kind is a secret."""
    if not value.strip() or STANDS_FOR.fullmatch(value):
        return False
    if kind == "key" and _PATH.fullmatch(value):
        return False
    if kind in ("token", "any-token"):
        return opaque(value, 16 if kind == "any-token" else 8)
    return True


def opaque(value: str, least: int) -> bool:
    """Whether a text looks drawn and not written: letters and digits, no spaces, no expression of a language."""
    if len(value) < least or re.search(r"[\s()\[\]{}<>|]", value) or STANDS_FOR.fullmatch(value):
        return False
    if re.fullmatch(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", value):
        return False
    return bool(re.search(r"[A-Za-z]", value) and re.search(r"[0-9]", value))


def shown(kind: str) -> str:
    """A kind as a reader is told it."""
    return "token" if kind == "any-token" else kind
