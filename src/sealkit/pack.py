"""Finds what packs hold: contracts, checks, stages, layouts, metric keys, config sections. Nothing is registered by hand."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sealkit import digest, layout, legacy, metric_keys, package
from sealkit.check import Check
from sealkit.contract import Contract, did_you_mean
from sealkit.finding import UsageError
from sealkit.layout import Layout
from sealkit.metric_keys import Family, MetricKeys
from sealkit.read import json, yaml
from sealkit.stage import Stage
from sealkit.trees import layout as tree_layout
from sealkit.trees.layout import TreeLayout


@dataclass(frozen=True)
class Pack:
    """Three packages: of contracts (`spec`), checks and stages; "" where there is none. One check or stage a module.

    `more` are a project's packs: they add to this one and never replace what it has. `metric_keys_files` and
    `legacy_keys_files` are a project's own additions to those tables. Whatever collides raises UsageError.
    """

    name: str = "sealkit"
    spec: str = "sealkit.spec"
    check_package: str = "sealkit.checks"
    stage_package: str = "sealkit.stages"
    more: tuple[Pack, ...] = ()
    metric_keys_files: tuple[Path, ...] = ()
    legacy_keys_files: tuple[Path, ...] = ()

    @property
    def packs(self) -> tuple[Pack, ...]:
        return (self, *self.more)

    @cached_property
    def contracts(self) -> Mapping[str, Contract]:
        """Contract id → contract."""
        found: dict[str, Contract] = {}
        for pack in self.packs:
            for folder in package.folders(pack.spec):
                for item in folder.iterdir():
                    if match := re.fullmatch(r"v(\d+)\.schema\.json", item.name):
                        schema = json.parse(item.read_text("utf-8"), f"{pack.spec}/{folder.name}/{item.name}")
                        contract = Contract(
                            folder.name, int(match[1]), schema, _upgrade(pack.spec, folder, int(match[1]))
                        )
                        self._add(found, contract.id, contract, f"{pack.spec}: the contract {contract.id}")
        return dict(sorted(found.items()))

    @cached_property
    def checks(self) -> Mapping[str, Check]:
        """Check id → check; the id is the file's name with `-` for `_`."""
        found: dict[str, Check] = {}
        for pack in self.packs:
            for check_id in pack.check_ids:
                module = importlib.import_module(f"{pack.check_package}.{check_id.replace('-', '_')}")
                check = replace(module.CHECK, id=check_id, summary=(module.__doc__ or "").strip())
                self._add(found, check_id, check, f"{pack.check_package}: the check {check_id}")
        return dict(sorted(found.items()))

    def checks_of(self, layout: Layout) -> dict[str, Check]:
        """The checks that can have something to say of a run of a layout: it can hold every kind that they require."""
        return {name: check for name, check in self.checks.items() if layout.can_hold(check.required)}

    @property
    def check_ids(self) -> list[str]:
        """The ids of this pack's own checks."""
        return [stem.replace("_", "-") for stem in package.modules(package.root(self.check_package))]

    @staticmethod
    def _add(found: dict[str, Any], key: str, value: Any, what: str) -> None:
        if key in found:
            raise UsageError(f"{what} is there already", "give it another name; a pack adds and never replaces")
        found[key] = value

    @cached_property
    def released(self) -> frozenset[str]:
        """The ids of the contracts that will never change again, from `released.sha256`."""
        listed = (files(self.spec) / "released.sha256").read_text("utf-8")
        found = re.findall(r"  (\w+)/(v\d+)\.schema\.json$", listed, re.MULTILINE)
        return frozenset(f"{kind}/{version}" for kind, version in found)

    def layout(self, tool: str = "native") -> Layout:
        """A layout by its tool's name: ours with the rules that packs add in their own file of that name."""
        document = package.read_yaml(self.spec, f"layouts/{tool}.yaml")
        for pack in self.more:
            if added := package.read_yaml(pack.spec, f"layouts/{tool}.yaml"):
                taken = {rule["path"] for rule in document["artifacts"]}
                for rule in added["artifacts"]:
                    if rule["path"] in taken:
                        raise UsageError(f"{pack.spec}: the layout's rule {rule['path']} is there already", "remove it")
                document["artifacts"] += added["artifacts"]
        return layout.parse(document)

    @cached_property
    def tree_layouts(self) -> Mapping[str, TreeLayout]:
        """The layouts of trees that other tools write, by the tool's name. Raises UsageError for one that breaks its contract."""
        found: dict[str, TreeLayout] = {}
        for spec, name, text in self._layout_files():
            layout = tree_layout.parse(yaml.parse(text, name), name, self.contracts["tree_layout/v1"])
            self._add(found, layout.name, layout, f"{spec}: the layout {layout.name}")
        return dict(sorted(found.items()))

    def layout_text(self, layout: TreeLayout) -> str:
        """The file of one of the `tree_layouts`."""
        files = self._layout_files()
        return next(text for _, name, text in files if yaml.parse(text, name).data["layout"] == layout.id)

    def _layout_files(self) -> Iterator[tuple[str, str, str]]:
        """(package, name, text) of the file of each layout of trees."""
        for pack in self.packs:
            for source in package.files_in(pack.spec, "layouts", ".yaml"):
                if source.name != "native.yaml":
                    yield pack.spec, f"{pack.spec}/layouts/{source.name}", source.read_text("utf-8")

    @cached_property
    def metric_keys(self) -> MetricKeys:
        tables = [(pack.spec, package.read_yaml(pack.spec, "metrics/keys.yaml")) for pack in self.packs]
        tables += [(str(path), yaml.read(path).data) for path in self.metric_keys_files]
        families: dict[str, Any] = {}
        for source, table in tables:
            for family in _families(source, table) if table else ():
                self._add(families, family.key, family, f"{source}: the metric key {family.key}")
        return MetricKeys(tuple(families.values()))

    @cached_property
    def legacy_keys(self) -> legacy.Table:
        """Old key → key of today."""
        table: dict[str, str] = {}
        for pack in self.packs:
            if source := package.file(pack.spec, "legacy_keys.yaml"):
                name = f"{pack.spec}/legacy_keys.yaml"
                document = yaml.parse(source.read_text("utf-8"), name)
                table = legacy.parse(document.data, name, document.lines, table)
        for path in self.legacy_keys_files:
            document = yaml.read(path)
            table = legacy.parse(document.data, str(path), document.lines, table)
        return table

    @cached_property
    def _stages(self) -> Mapping[str, str]:
        """`domain.stage` → the package that it is in."""
        found: dict[str, str] = {}
        for pack in self.packs:
            for domain in package.folders(pack.stage_package):
                for stem in package.modules(domain) if domain.name != "common" else ():
                    if stem != "config":
                        name = f"{domain.name}.{stem}"
                        self._add(found, name, pack.stage_package, f"{pack.stage_package}: the stage {name}")
        return found

    @property
    def stage_names(self) -> list[str]:
        """`domain.stage` of every stage there is."""
        return sorted(self._stages)

    def stage(self, uses: str) -> Stage:
        """The stage of a name like `retrieval.index`. Raises UsageError for an unknown one."""
        if uses not in self._stages:
            raise UsageError(
                f"unknown stage `{uses}`{did_you_mean(uses, self.stage_names)}", f"known: {', '.join(self.stage_names)}"
            )
        stage: Stage = importlib.import_module(f"{self._stages[uses]}.{uses}").STAGE
        return stage

    def sections(self, domains: Collection[str], named: Collection[str] = ()) -> dict[str, type[BaseModel]]:
        """The config sections of these domains: `SECTIONS` of `stages/<domain>/config.py`. What is `named` and none of theirs
        may be a section of another domain, for a config that keeps values of its own there."""
        found: dict[str, type[BaseModel]] = {}
        others: dict[str, type[BaseModel]] = {}
        for pack in self.packs:
            for domain in package.folders(pack.stage_package):
                if (domain / "config.py").is_file():
                    module = importlib.import_module(f"{pack.stage_package}.{domain.name}.config")
                    for name, model in module.SECTIONS.items():
                        if domain.name in domains:
                            self._add(found, name, model, f"{pack.stage_package}: the section {name}")
                        else:
                            others.setdefault(name, model)
        return found | {name: model for name, model in others.items() if name in named and name not in found}

    def code(self, domain: str) -> str:
        """The digest of the code that the stages of a domain are made of: its own folders and the common ones."""
        sources = {
            f"{folder.name}/{item.name}" if pack is self else f"{pack.name}/{folder.name}/{item.name}": digest.of_bytes(
                item.read_bytes()
            )
            for pack in self.packs
            for folder in package.folders(pack.stage_package)
            if folder.name in (domain, "common")
            for item in folder.iterdir()
            if item.name.endswith(".py")
        }
        return digest.of_value(sources)

    def record(self) -> dict[str, str]:
        """Name, version and digest: of everything by which this pack itself judges and works."""
        sources: dict[str, str] = {}
        for part in (self.spec, self.check_package, self.stage_package):
            sources |= package.digests(part)
        return {"name": self.name, "version": package.version(self.name), "digest": digest.of_value(sources)}

    def records(self) -> list[dict[str, str]]:
        """A record of each pack, ours first, and of each file that a project adds to the tables."""
        tables = [
            {"name": path.name, "version": "file", "digest": digest.file(path)}
            for path in (*self.metric_keys_files, *self.legacy_keys_files)
        ]
        return [*(pack.record() for pack in self.packs), *tables]


def _upgrade(spec: str, folder: Traversable, version: int) -> Callable[[Any], Any] | None:
    """What leads from a version of a contract to the next: `v1_to_v2` of its `upgrade.py`, imported when it is needed."""
    if not (folder / f"v{version + 1}.schema.json").is_file():
        return None

    def upgrade(document: Any) -> Any:
        module = importlib.import_module(f"{spec}.{folder.name}.upgrade")
        return getattr(module, f"v{version}_to_v{version + 1}")(document)

    return upgrade


def find(name: str) -> Pack:
    """The pack that a package of that name is: what it has of `spec`, `checks` and `stages`. Raises UsageError."""
    try:
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(name)
        root = files(name)
    except (ImportError, ValueError) as error:
        fix = "install it, or put the folder of that name beside the settings"
        raise UsageError(f"the pack {name} cannot be imported: {error}", fix) from error
    parts = {part: f"{name}.{part}" if (root / part).is_dir() else "" for part in ("spec", "checks", "stages")}
    if not any(parts.values()):
        raise UsageError(
            f"the pack {name} holds neither spec/, checks/ nor stages/",
            "a pack is a package with at least one of these folders",
        )
    return Pack(name, parts["spec"], parts["checks"], parts["stages"])


def _families(source: str, table: Any) -> tuple[Family, ...]:
    try:
        return metric_keys.parse(table).families
    except (KeyError, IndexError, TypeError) as error:
        raise UsageError(
            f"{source}: is no table of metric keys: {type(error).__name__} {error}",
            "each entry of `keys` has key, unit, range, direction, derivable and definition",
        ) from error


BUILT_IN = Pack()


def legacy_pairs(config: Mapping[str, Any]) -> list[tuple[str, Any, str, Any]]:
    """(old key, its value, new key, its value or None) for each key of sealkit's own table that a config still holds.

    A project's table plays no part: a run is judged the same wherever it lies.
    """
    return list(legacy.pairs(config, BUILT_IN.legacy_keys))
