"""Keys of other days: sixty configs, and what is said about a table that cannot be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from sealkit import config as configuration
from sealkit import legacy
from sealkit.config import Params
from sealkit.finding import UsageError
from sealkit.pack import BUILT_IN
from sealkit.provenance import Config
from sealkit.read import yaml

CASES: list[dict[str, Any]] = yaml.read(Path(__file__).parent / "legacy_cases.yaml").data


class Model(Params):
    base: str = "package:tiny"


class Retriever(Params):
    mode: str = "dense"
    top_k: int = Field(default=100, ge=1)
    alpha: float = 0.5
    fast: bool = False


class Build(Params):
    top_k: int = 10


def text(content: str, *more: str) -> str:
    lines = ["schema: pipeline/v1", content, *more]
    if "run:" not in content:
        lines.append("run: {name: one}")
    if "stages:" not in content:
        lines.append("stages: {build: {uses: toy.build}}")
    return "\n".join(lines) + "\n"


def load(folder: Path, case: dict[str, Any]) -> Config:
    (folder / "child.yaml").write_text(text(case["file"], *["extends: base.yaml"] * ("base" in case)))
    (folder / "base.yaml").write_text(text(case.get("base", "")))
    added = yaml.parse(f"schema: legacy_keys/v1\nkeys: {case.get('table', {})}", "keys.yaml")
    table = legacy.parse(added.data, "keys.yaml", added.lines, BUILT_IN.legacy_keys)
    sections: dict[str, type[BaseModel]] = {"model": Model, "retriever": Retriever}
    contract = BUILT_IN.contracts["pipeline/v1"]
    return configuration.load(
        folder / "child.yaml", case.get("over", []), contract, lambda *_: sections, lambda _: Build, table
    )


def value(data: Any, key: str) -> Any:
    for part in key.split("."):
        data = data[part]
    return data


def test_there_are_sixty_cases() -> None:
    assert len({case["name"] for case in CASES}) == 60


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_config_of_other_days(case: dict[str, Any], tmp_path: Path) -> None:
    if "error" in case:
        with pytest.raises(UsageError) as raised:
            load(tmp_path, case)
        assert [part for part in case["error"] if part not in str(raised.value)] == [], str(raised.value)
    else:
        config = load(tmp_path, case)
        assert {key: value(config.data, key) for key in case["wants"]} == case["wants"]
        assert sorted(item.old for item in config.migrated) == sorted(case["warns"])
        assert all(item.old not in config.data for item in config.migrated)


def test_a_moved_value_knows_where_it_was_written(tmp_path: Path) -> None:
    config = load(tmp_path, {"file": "\nretriever: {model_name: m}", "over": ["top_k=3"]})
    assert config.provenance()["/model/base"] == "sources/child.yaml:3"
    assert config.provenance()["/retriever/top_k"] == "command line"
    assert [(item.old, item.new, item.at) for item in config.migrated] == [
        ("retriever.model_name", "model.base", "sources/child.yaml:3"),
        ("top_k", "retriever.top_k", "command line"),
    ]


def test_a_contradiction_is_told_with_both_values_and_lines(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        load(tmp_path, {"file": "seed: 7\nrun: {name: one, seed: 8}"})
    assert str(raised.value) == (
        f"{tmp_path}/child.yaml:2: `seed` is 7, and `run.seed` is 8 at {tmp_path}/child.yaml:3\n"
        "  fix: keep `run.seed` with the value that is meant, and remove the other"
    )
