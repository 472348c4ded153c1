"""Trees of the golden audit as a user has them: built, judged and sealed by the commands, in their workspace."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from sealkit.cli import toolkit
from tests.golden import tree


def build(folder: Path, *edits: Any, **options: Any) -> Path:
    """A tree of the golden audit with edits made one after the other; the folder of its matrix."""
    matrix = tree.build(folder, **options)
    for edit in edits:
        edit(matrix)
    return matrix


def call(matrix: Path, *arguments: str) -> Result:
    """A verb with its options, on a matrix, in its workspace. `return_value` is the exit code."""
    verb, *options = arguments
    with contextlib.chdir(matrix.parent.parent):
        return CliRunner().invoke(toolkit, [verb, f"outputs/{matrix.name}", *options], standalone_mode=False)


def code(result: Result) -> int:
    """The exit code of a call that raised nothing."""
    if result.exception:
        raise result.exception
    assert isinstance(result.return_value, int)
    return result.return_value


def report(matrix: Path) -> dict[str, Any]:
    """What `toolkit check --format json` says."""
    result = call(matrix, "check", "--format", "json")
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["exit_code"] == code(result)
    return found


def told(document: dict[str, Any]) -> dict[str, str]:
    """The checks of a report that did not pass, and how they came out; `passed` and `skipped` say nothing."""
    quiet = ("passed", "skipped")
    return {one["id"]: one["status"] for one in document["checks"] if one["status"] not in quiet}


def findings(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Every finding of a report, of its files and of its checks."""
    return [one for part in ("artifacts", "checks") for outcome in document[part] for one in outcome["findings"]]


def sealed(matrix: Path, reference: str = "m01", *options: str) -> Path:
    """The folder of the seal that `toolkit seal` writes into a matrix."""
    code(call(matrix, "seal", "--reference", reference, *options))
    return matrix / "seal"


def stated(seal: Path) -> Any:
    """The predicate of a seal."""
    return json.loads((seal / "seal.json").read_text("utf-8"))["predicate"]


def lasting(text: str) -> str:
    """A page without the time of sealing and the version of sealkit."""
    return re.sub(r"(?m)^\| sealed \| \S+ by sealkit \S+ \|$", "| sealed | TIME by sealkit VERSION |", text)
