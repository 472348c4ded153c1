"""What the places of a run say of its model: its config, an override, the resolved config, and the line of what was really loaded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from sealkit.trees.evidence import Evidence, Statement, same_name
from sealkit.trees.lineage import Lines, disagree

ASKED = ("config", "override", "resolved")  # places that ask for a model, of which a layout may know none


@dataclass(frozen=True)
class Agreement:
    """The places of one run, held against each other. An override counts for more than the config."""

    run: str
    evidence: Evidence

    def said(self, by: str) -> list[Statement]:
        return self.evidence.named_models(self.run, by)

    @property
    def asked(self) -> tuple[list[Statement], str]:
        """What was asked for, and by which place."""
        return (self.said("override")[-1:], "override") if self.said("override") else (self.said("config"), "config")

    @cached_property
    def loaded(self) -> list[Statement]:
        """The lines of the logs that tell which model was loaded; where none does, those that name one."""
        return self.said("loaded") or self.said("mentioned")

    @property
    def meant(self) -> tuple[list[Statement], str]:
        """What the run meant to load, and by which place: what was asked for, as its resolved config has it."""
        resolved, (asked, where) = self.said("resolved"), self.asked
        kept = [one for one in resolved if any(not disagree(one, other, self.evidence) for other in asked)]
        return (kept or resolved, "resolved config") if resolved else (asked, where)

    @cached_property
    def lost(self) -> bool:
        """Whether the resolved config has another model than was asked for."""
        asked, resolved = self.asked[0], self.said("resolved")
        pairs = ((one, other) for one in resolved for other in asked)
        return bool(asked and resolved) and all(disagree(*pair, self.evidence) for pair in pairs)

    @cached_property
    def others(self) -> list[Statement]:
        """The loaded models that the run did not mean; a reranker that it is configured to load beside its own is none."""
        meant = self.meant[0]
        found = [line for line in self.loaded if meant and all(disagree(line, one, self.evidence) for one in meant)]
        if len(found) < len(self.loaded):
            settings = self.evidence.all("run", self.run, "setting")
            configured = [str(one.value) for one in settings if isinstance(one.value, str)]
            found = [line for line in found if not any(same_name(str(line.value), name) for name in configured)]
        return found

    @property
    def amiss(self) -> bool:
        """Whether all that it loaded is another model than it meant."""
        return bool(self.others) and len(self.others) == len(self.loaded)

    def broken_digest(self, lines: Lines) -> Statement | None:
        """The digest that the matrix recorded, where the model has another one now."""
        recorded, model = self.evidence.one("run", self.run, "model_digest"), lines.model_of(self.run)
        if recorded is None or not recorded.value or model is None or model.state != "here":
            return None
        return None if model.is_named_by(str(recorded.value)) else recorded

    @cached_property
    def several(self) -> list[Statement]:
        """The models that the run was asked for by their values alone, where these are several: nothing tells which of them it meant."""
        meant = [] if self.evidence.all("run", self.run, "model", "resolved") else self.meant[0]
        return [
            one for one in meant if one.what != "model" and any(disagree(one, other, self.evidence) for other in meant)
        ]

    @property
    def told(self) -> bool:
        """Whether it is told both which model the run meant, where places ask for one, and which it loaded."""
        return bool(self.loaded) and not self.several and bool(self.meant[0] or self.unasked)

    @property
    def unasked(self) -> bool:
        """Whether no place of the layout asks for models: it knows neither overrides nor settings, or every load is recorded."""
        asks = any(self.evidence.looked(f"run {what}") for what in ("override", "setting"))
        return self.evidence.ours or not asks

    def holds(self, lines: Lines) -> bool | None:
        """Whether all places name one model and the recorded digest is its; None for a run without a model, and where it is not told
        which was meant or loaded."""
        if not lines.loads(self.run):
            return None
        if self.lost or self.others or self.broken_digest(lines):
            return False
        return True if self.told else None
