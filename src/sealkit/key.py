"""The key of a stage: everything that decides what it writes, field by field, and in which fields two keys differ."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import platform
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from sealkit import digest, world
from sealkit.finding import ReadError
from sealkit.pack import Pack
from sealkit.plan import Step
from sealkit.redact import Redactor
from sealkit.stage import Input

SHOWN = 60  # characters of a value in a difference
HASHED = {"code": "the code of the stage's domain", "engine": "sealkit's own code"}


def fields(
    pack: Pack, step: Step, run: Mapping[str, Any], inputs: Mapping[str, Input], redactor: Redactor
) -> dict[str, Any]:
    """The fields of a stage's key. `run` is the config's section of that name; nothing that belongs to one run only is in them.

    The interpreter's build and the machine count: the standard library is somebody's data, and floats differ between
    processors.
    """
    return {
        "uses": step.uses,
        "code": pack.code(step.uses.split(".")[0]),
        "sealkit": importlib.metadata.version("sealkit"),
        "engine": _own_code(),
        "python": " ".join(sys.version.split()),
        "machine": platform.machine(),
        "seed": run["seed"],
        "limit": run["limit"],
        "purpose": run["purpose"],  # manifests of models keep what they were trained for
        "device": f"auto ({'cuda' if world.has_cuda() else 'cpu'})" if run["device"] == "auto" else run["device"],
        **{f"libraries.{name}": version for name, version in world.versions(step.stage.libraries).items()},
        **{f"params.{name}": value for name, value in redactor.value(dict(step.params)).items()},
        # By number: a path may hold what only `${ENV:…}` should know.
        **{f"files.{number}": _content(path) for number, path in enumerate(_files(step), 1)},
        **{f"inputs.{name}": [value.name, value.contract, value.digest, value.tree] for name, value in inputs.items()},
        **{f"outputs.{output}": contract for output, (contract, _, _) in step.outputs.items()},
    }


def of(key_fields: Mapping[str, Any]) -> str:
    return digest.of_value(key_fields)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """In words, each field in which two keys differ."""
    for name in [*new, *(name for name in old if name not in new)]:
        if name in old and name in new and old[name] == new[name]:
            continue
        group, _, rest = name.partition(".")
        if name in HASHED:
            yield f"{HASHED[name]} changed"
        elif group == "files":
            yield f"the content of file {rest} that it reads changed"
        elif group == "inputs" and name in old and name in new:
            (was, _, *before), (now, _, *after) = old[name], new[name]
            yield f"input {rest} {was} → {now}" if before == after else f"input {rest} ({now}) changed"
        else:
            yield f"{name} {shown(old, name)} → {shown(new, name)}"


def shown(values: Mapping[str, Any], name: str) -> str:
    """A value as one short line of JSON, or that there is none."""
    if name not in values:
        return "(none)"
    text = json.dumps(values[name], ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


@functools.cache
def _own_code() -> str:
    """The digest of what stages may use of sealkit: a version tells releases apart, and not the states between them."""
    package = files("sealkit")
    return digest.of_value(
        {
            f"{folder.name}/{item.name}": digest.of_bytes(item.read_bytes())
            for folder in (package, package / "read")
            for item in folder.iterdir()
            if item.name.endswith(".py")
        }
    )


def _files(step: Step) -> list[Path]:
    return sorted(step.stage.files(step.values())) if step.stage.files else []


def _content(path: Path) -> str | None:
    """The digest of a file or folder outside the run; None where it cannot be read, which the stage will say itself."""
    try:
        return digest.tree(path, follow=True) if path.is_dir() else digest.file(path)
    except ReadError:
        return None
