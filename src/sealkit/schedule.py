"""The seed of one draw, from the text of a rule such as `seed + epoch*10000 + window`.

The text is parsed and never executed: decimal integers, the names seed, epoch and window, `+`, `-`, `*` and parentheses.
Texts and values are bounded, so that no text can take long.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import Any

from sealkit.finding import UsageError

LENGTH = 200  # characters of a text
LIMIT = 2**63  # what a seed, and every number on the way to it, stays below

NAMES = ("seed", "epoch", "window")
_WORDS = re.compile(r"(?:seed|epoch|window|[0-9]|[-+*() ])+")
_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}
_FIX = "write integers, seed, epoch, window, +, -, * and parentheses, as in seed + epoch*10000 + window"


def names(text: str) -> frozenset[str]:
    """Which of seed, epoch and window a schedule speaks of. Raises UsageError for a text that is none."""
    return frozenset(node.id for node in ast.walk(_parsed(text)) if isinstance(node, ast.Name))


def value(text: str, *, seed: int, epoch: int, window: int) -> int:
    """The seed of the draw for a window in an epoch.

    Raises UsageError for a text that is no schedule, and where the seed would be negative, or a number on the way to it
    2**63 or larger.
    """
    given = {"seed": seed, "epoch": epoch, "window": window}
    try:
        found = _value(_parsed(text), given)
    except OverflowError:
        raise _refused(text, f"leaves the range of 63 bits for {_said(given)}", "keep its numbers small") from None
    if found < 0:
        raise _refused(text, f"gives {found} for {_said(given)}", "let it give no negative seed")
    return found


def _value(node: ast.expr, given: dict[str, int]) -> int:
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            found = _OPERATORS[type(op)](_value(left, given), _value(right, given))
        case ast.Name(id=name):
            found = given[name]
        case ast.Constant(value=int(number)):
            found = number
        case _:
            raise AssertionError(node)  # _parsed lets nothing else through
    if abs(found) >= LIMIT:
        raise OverflowError
    return found


def _parsed(text: str) -> ast.expr:
    if not text.strip() or len(text) > LENGTH:
        raise _refused(text, f"expected 1 to {LENGTH} characters, found {len(text)}")
    if not _WORDS.fullmatch(text):
        rest = text[match.end() :] if (match := _WORDS.match(text)) else text
        raise _refused(text, f"`{rest[:20]}` is nothing that it may hold")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _refused(text, "is no sum or product") from None
    for node in ast.walk(tree):
        if not _allowed(node):
            raise _refused(text, f"`{ast.unparse(node)}` is nothing that it may hold")
    return tree


def _allowed(node: ast.AST) -> bool:
    match node:
        case ast.BinOp(op=op):
            return type(op) in _OPERATORS
        case ast.Name(id=name):
            return name in NAMES
        case ast.Constant(value=number):
            return type(number) is int
        case _:
            return isinstance(node, ast.operator | ast.Load)


def _said(given: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in given.items())


def _refused(text: str, what: str, fix: str = _FIX) -> UsageError:
    shown: Any = text if len(text) <= LENGTH else text[:LENGTH] + "…"
    return UsageError(f"the schedule {shown!r} of a mask: {what}", fix)
