"""A released contract is never edited: its digest stands in spec/released.sha256 since the day it was cut."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SPEC = ROOT / "spec"
LINE = re.compile(r"([0-9a-f]{64})  ((?!/)[^\\\r\n]*)")


def broken_promises(spec: Path) -> list[str]:
    """What is wrong with the released files of a spec folder: a line each, nothing where all are as they were."""
    found, seen = [], set()
    for number, line in enumerate((spec / "released.sha256").read_text("utf-8").split("\n"), 1):
        if not line:
            continue
        match = LINE.fullmatch(line)
        if not match or ".." in match[2].split("/"):
            found.append(f"released.sha256:{number}: expected `<sha256>  <path below spec/>`, found {line!r}")
            continue
        digest, name = match.groups()
        if name in seen:
            found.append(f"released.sha256:{number}: names {name} a second time")
        seen.add(name)
        if not (spec / name).is_file():
            found.append(f"released.sha256:{number}: {name} was released and is gone")
        elif hashlib.sha256((spec / name).read_bytes()).hexdigest() != digest:
            found.append(f"released.sha256:{number}: {name} was released and has been edited: make a new version of it")
    return found


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A copy of the spec in which two schemas are released."""
    shutil.copytree(SPEC, tmp_path / "spec", ignore=shutil.ignore_patterns("__pycache__"))
    lines = []
    for name in ("metrics/v1.schema.json", "qrels/v1.schema.json"):
        lines.append(f"{hashlib.sha256((SPEC / name).read_bytes()).hexdigest()}  {name}\n")
    (tmp_path / "spec" / "released.sha256").write_text("".join(lines))
    return tmp_path / "spec"


def test_no_released_contract_was_edited() -> None:
    assert broken_promises(SPEC) == []


def test_every_version_that_was_cut_has_its_contracts_released() -> None:
    """Until the changelog cuts a version, nothing is released; from then on every v1 is."""
    cut = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    released = (SPEC / "released.sha256").read_text("utf-8")
    assert bool(cut) == bool(released)


def test_what_is_as_it_was_keeps_the_promise(spec: Path) -> None:
    assert broken_promises(spec) == []


def test_an_edited_schema_is_found(spec: Path) -> None:
    schema = spec / "qrels" / "v1.schema.json"
    schema.write_text(schema.read_text("utf-8").replace('"relevance"', '"relevancy"'), encoding="utf-8")
    assert broken_promises(spec) == [
        "released.sha256:2: qrels/v1.schema.json was released and has been edited: make a new version of it"
    ]


def test_a_single_space_is_an_edit(spec: Path) -> None:
    with (spec / "metrics" / "v1.schema.json").open("ab") as file:
        file.write(b" ")
    assert len(broken_promises(spec)) == 1


def test_a_schema_that_is_gone_is_found(spec: Path) -> None:
    (spec / "metrics" / "v1.schema.json").unlink()
    assert broken_promises(spec) == ["released.sha256:1: metrics/v1.schema.json was released and is gone"]


def test_another_schema_may_be_edited(spec: Path) -> None:
    (spec / "queries" / "v1.schema.json").write_text("{}")
    assert broken_promises(spec) == []


@pytest.mark.parametrize(
    "line",
    ["metrics/v1.schema.json", "0" * 63 + "  metrics/v1.schema.json", "0" * 64 + " metrics/v1.schema.json", "0" * 64 + "  /etc/hosts", "0" * 64 + "  ../pyproject.toml", "# a comment", "A" * 64 + "  metrics/v1.schema.json"],
)  # fmt: skip
def test_a_line_that_is_none_is_found(line: str, spec: Path) -> None:
    (spec / "released.sha256").write_text(line + "\n")
    assert broken_promises(spec) == [f"released.sha256:1: expected `<sha256>  <path below spec/>`, found {line!r}"]


def test_a_name_that_stands_there_twice_is_found(spec: Path) -> None:
    lines = (spec / "released.sha256").read_text()
    (spec / "released.sha256").write_text(lines + lines.split("\n")[0] + "\n")
    assert broken_promises(spec) == ["released.sha256:3: names metrics/v1.schema.json a second time"]
