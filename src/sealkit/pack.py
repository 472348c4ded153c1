"""Finds what a pack holds: contracts, checks, stages, layouts, metric keys, config sections. Nothing is registered by hand."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable

from pydantic import BaseModel

from sealkit import digest, layout, metric_keys
from sealkit.check import Check
from sealkit.contract import Contract, did_you_mean
from sealkit.finding import UsageError
from sealkit.layout import Layout
from sealkit.metric_keys import MetricKeys
from sealkit.read import json, yaml
from sealkit.stage import Stage


@dataclass(frozen=True)
class Pack:
    """Three packages: of contracts (`spec`), checks and stages. `checks` are read from files, one check a module."""

    name: str = "sealkit"
    spec: str = "sealkit.spec"
    check_package: str = "sealkit.checks"
    stage_package: str = "sealkit.stages"

    @cached_property
    def contracts(self) -> Mapping[str, Contract]:
        """Contract id → contract."""
        found: dict[str, Contract] = {}
        for folder in _folders(files(self.spec)):
            for item in folder.iterdir():
                if match := re.fullmatch(r"v(\d+)\.schema\.json", item.name):
                    schema = json.parse(item.read_text("utf-8"), f"spec/{folder.name}/{item.name}")
                    contract = Contract(folder.name, int(match[1]), schema)
                    found[contract.id] = contract
        return dict(sorted(found.items()))

    @cached_property
    def checks(self) -> Mapping[str, Check]:
        """Check id → check; the id is the file's name with `-` for `_`."""
        found: dict[str, Check] = {}
        for item in files(self.check_package).iterdir():
            if item.name.endswith(".py") and not item.name.startswith("_"):
                stem = item.name.removesuffix(".py")
                module = importlib.import_module(f"{self.check_package}.{stem}")
                check_id = stem.replace("_", "-")
                found[check_id] = replace(module.CHECK, id=check_id, summary=(module.__doc__ or "").strip())
        return dict(sorted(found.items()))

    @cached_property
    def released(self) -> frozenset[str]:
        """The ids of the contracts that will never change again, from `released.sha256`."""
        listed = (files(self.spec) / "released.sha256").read_text("utf-8")
        found = re.findall(r"  (\w+)/(v\d+)\.schema\.json$", listed, re.MULTILINE)
        return frozenset(f"{kind}/{version}" for kind, version in found)

    def layout(self, tool: str = "native") -> Layout:
        source = files(self.spec) / "layouts" / f"{tool}.yaml"
        return layout.parse(yaml.parse(source.read_text("utf-8"), f"spec/layouts/{tool}.yaml").data)

    @cached_property
    def metric_keys(self) -> MetricKeys:
        source = files(self.spec) / "metrics" / "keys.yaml"
        return metric_keys.parse(yaml.parse(source.read_text("utf-8"), "spec/metrics/keys.yaml").data)

    @cached_property
    def stage_names(self) -> list[str]:
        """`domain.stage` of every stage there is."""
        return sorted(
            f"{domain.name}.{item.name.removesuffix('.py')}"
            for domain in _folders(files(self.stage_package))
            if domain.name != "common"
            for item in domain.iterdir()
            if item.name.endswith(".py") and not item.name.startswith("_") and item.name != "config.py"
        )

    def stage(self, uses: str) -> Stage:
        """The stage of a name like `retrieval.index`. Raises UsageError for an unknown one."""
        if uses not in self.stage_names:
            raise UsageError(
                f"unknown stage `{uses}`{did_you_mean(uses, self.stage_names)}", f"known: {', '.join(self.stage_names)}"
            )
        stage: Stage = importlib.import_module(f"{self.stage_package}.{uses}").STAGE
        return stage

    def sections(self, domains: set[str]) -> dict[str, type[BaseModel]]:
        """The config sections of these domains: `SECTIONS` of `stages/<domain>/config.py`."""
        found: dict[str, type[BaseModel]] = {}
        for domain in _folders(files(self.stage_package)):
            if domain.name in domains and (domain / "config.py").is_file():
                found.update(importlib.import_module(f"{self.stage_package}.{domain.name}.config").SECTIONS)
        return found

    @property
    def domains(self) -> set[str]:
        return {name.split(".")[0] for name in self.stage_names}

    def code(self, domain: str) -> str:
        """The digest of the code that the stages of a domain are made of: its own folder and the common one."""
        sources = {
            f"{folder.name}/{item.name}": digest.of_bytes(item.read_bytes())
            for folder in _folders(files(self.stage_package))
            if folder.name in (domain, "common")
            for item in folder.iterdir()
            if item.name.endswith(".py")
        }
        return digest.of_value(sources)

    def record(self) -> dict[str, str]:
        """Name, version and digest: of everything by which this pack judges and works."""
        sources: dict[str, str] = {}
        for package in (self.spec, self.check_package, self.stage_package):
            _collect(files(package), package, sources)
        return {"name": self.name, "version": importlib.metadata.version(self.name), "digest": digest.of_value(sources)}


def _folders(root: Traversable) -> list[Traversable]:
    found = [item for item in root.iterdir() if item.is_dir() and re.fullmatch(r"[a-z][a-z0-9_]*", item.name)]
    return sorted(found, key=lambda item: item.name)


def _collect(folder: Traversable, name: str, into: dict[str, str]) -> None:
    for item in folder.iterdir():
        if item.is_dir() and item.name not in ("__pycache__", "examples"):
            _collect(item, f"{name}/{item.name}", into)
        elif item.name.endswith((".py", ".json", ".yaml")):
            into[f"{name}/{item.name}"] = digest.of_bytes(item.read_bytes())


BUILT_IN = Pack()
