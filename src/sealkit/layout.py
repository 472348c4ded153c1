"""Which files of a run directory are which artifacts. A layout is data: `spec/layouts/<tool>.yaml`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

MANY = "[]"  # behind the contract of an output: a folder of them


@dataclass(frozen=True)
class Rule:
    """Files whose name matches `path` (a glob, folder by folder) are artifacts of a contract.

    `promised` is `always`, `sealed` (in a sealed run), or None: then only the run's own config may promise it.
    """

    path: str
    contract: str
    promised: str | None

    @property
    def kind(self) -> str:
        return self.contract.split("/")[0]

    @property
    def contracts(self) -> list[str]:
        """What such a file may keep: the contract, or an older version of it."""
        kind, _, newest = self.contract.rpartition("/v")
        return [f"{kind}/v{version}" for version in range(1, int(newest) + 1)]

    def matches(self, name: str) -> bool:
        pattern, parts = self.path.split("/"), name.split("/")
        return len(pattern) == len(parts) and all(
            fnmatchcase(part, glob) for part, glob in zip(parts, pattern, strict=True)
        )


@dataclass(frozen=True)
class Layout:
    id: str
    recognised_by: str
    rules: tuple[Rule, ...]

    def can_hold(self, kinds: Collection[str]) -> bool:
        """Whether a run of this layout can hold artifacts of all these kinds."""
        return {rule.kind for rule in self.rules}.issuperset(kinds)

    def rule(self, name: str) -> Rule | None:
        """The rule that a file falls under: the first that matches."""
        before, exact = self._literal.get(name, (len(self.rules), None))
        return next((rule for place, rule in self._globs if place < before and rule.matches(name)), exact)

    @cached_property
    def _literal(self) -> dict[str, tuple[int, Rule | None]]:
        """Path → place and rule of the rules that stand for one path: a tree has hundreds."""
        found: dict[str, tuple[int, Rule | None]] = {}
        for place, rule in enumerate(self.rules):
            if not set("*?[") & set(rule.path):
                found.setdefault(rule.path, (place, rule))
        return found

    @cached_property
    def _globs(self) -> list[tuple[int, Rule]]:
        return [(place, rule) for place, rule in enumerate(self.rules) if set("*?[") & set(rule.path)]

    def place(self, contract: str, stage: str, output: str) -> tuple[str, bool]:
        """Where a stage's output lies, and whether it is a folder (that holds its manifests somewhere below). A contract with
        `[]` behind it asks for a folder of any number of such artifacts.

        Raises LookupError where the layout has no place for artifacts of that contract.
        """
        for rule in self.rules:
            parts = rule.path.split("/")
            if contract.removesuffix(MANY) in rule.contracts and parts[0] == "stages":
                if len(parts) == 3 and contract.endswith(MANY):
                    continue
                if len(parts) > 3:
                    return f"stages/{stage}/{output}", True
                name = output + "." + parts[2].rpartition(".")[2]
                if not fnmatchcase(name, parts[2]):
                    name = f"{output}_{parts[2].lstrip('*')}"
                return f"stages/{stage}/{name}", False
        raise LookupError(f"the layout {self.id} has no place for {contract}")


def parse(document: Mapping[str, Any]) -> Layout:
    """A layout from the data of its YAML file."""
    rules = (Rule(entry["path"], entry["contract"], entry.get("promised")) for entry in document["artifacts"])
    return Layout(document["layout"], document["recognised_by"], tuple(rules))
