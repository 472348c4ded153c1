"""Keys of other days in the configs of a tree: what they are called today, and whether the code lets them win over the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from sealkit.trees.evidence import Evidence, Statement
from sealkit.trees.switches import plain


@dataclass(frozen=True)
class OldKeys:
    """The old keys of a tree, read by what its code says and by what the configs of its runs resolved to."""

    evidence: Evidence

    @cached_property
    def settings(self) -> Mapping[str, list[Statement]]:
        """Key → what the runs resolved it to."""
        found: dict[str, list[Statement]] = {}
        for one in self.evidence.all("run", what="setting"):
            if one.by != "config":
                found.setdefault(str(one.key), []).append(one)
        return found

    def of(self, sort: str) -> list[Statement]:
        """The old keys in the configs (`config`), or in those of the runs (`run`). A key that runs resolve, and that nothing else stands
        for, is no old one of theirs."""
        said = self.evidence.all(sort, what="old_key")
        return [one for one in said if sort == "config" or self.today(one) or one.key not in self.settings]

    def today(self, one: Statement) -> str | None:
        """The key of today: as the code says, else the layout's where the runs have that, else the only one of the runs' keys that ends
        alike, that names their model, or that has the value; None where none of these tells."""
        key, last = str(one.key), str(one.key).rpartition(".")[2]
        lines = self.evidence.all("code", what="key_of_today")
        said = {str(line.value) for line in lines if line.key and f".{key}".endswith(f".{line.key}")}
        known = {str(one.instead)} & self.settings.keys()
        ending = {other for other in self.settings if other != key and other.rpartition(".")[2] == last}
        asked = self._naming_models - {key} if "model" in last else self._of_value(one)
        return next((next(iter(found)) for found in (said, known, ending, asked) if len(found) == 1), None)

    @cached_property
    def _naming_models(self) -> set[str]:
        runs = self.evidence.ids("run")
        return {str(said.key) for run in runs for said in self.evidence.named_models(run, "resolved") if said.key}

    def _of_value(self, one: Statement) -> set[str]:
        """The keys that some run has the value of an old key under: of a word, or of a number whose key is a part of the old one's."""
        word, parts = isinstance(one.value, str), set(str(one.key).rpartition(".")[2].split("_"))
        return {
            key
            for key, said in self.settings.items()
            if key != one.key
            and (word or key.rpartition(".")[2] in parts)
            and any(plain(other) == plain(one) for other in said)
        }

    @cached_property
    def last(self) -> list[Statement]:
        """The lines of code that apply old keys after the overrides of the command line."""
        return [*self.evidence.all("code", what="old_keys_last"), *(one for one in self._applied if self._after(one))]

    @property
    def first(self) -> bool:
        """Whether all code that applies old keys does so before the overrides of the command line."""
        return bool(self._applied) and not self.last and all(self._overrides(one.id) for one in self._applied)

    @cached_property
    def _applied(self) -> list[Statement]:
        return self.evidence.all("code", what="old_keys_applied")

    def _after(self, one: Statement) -> bool:
        return any((said.at.line or 0) < (one.at.line or 0) for said in self._overrides(one.id))

    def _overrides(self, path: str) -> list[Statement]:
        return self.evidence.all("code", path, "overrides_applied")

    def won(self, one: Statement) -> Statement | None:
        """What an old key in the config of a run won over: the override, or the same config's key of today, with another value than the
        run resolved, which is that of the old key."""
        key, run = self.today(one), one.id
        resolved = _at(key, (said for said in self.settings.get(str(key), ()) if said.id == run))
        if resolved is None or plain(resolved) != plain(one):
            return None
        config = [said for said in self.evidence.all("run", run, "setting") if said.by == "config"]
        meant = _at(key, reversed(self.evidence.all("run", run, "override"))) or _at(key, config)
        return meant if meant and plain(meant) != plain(resolved) else None


def _at(key: str | None, said: Iterable[Statement]) -> Statement | None:
    return next((one for one in said if str(one.key).lstrip("+~") == key), None)
