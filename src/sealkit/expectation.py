"""What a config promises beforehand: the `expect` block of a pipeline document, one model for each kind of promise."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from sealkit import digest
from sealkit.config import Params
from sealkit.contract import did_you_mean
from sealkit.finding import pointer
from sealkit.metric_keys import MetricKeys
from sealkit.sources import Config

Amount = Annotated[float, Field(ge=0)]


class Expectation(Params):
    """A promise. Where it is not `required`, breaking it is a warning, and what it asks of may be absent."""

    required: bool = True

    def metric_names(self) -> list[str]:
        """The metric keys that it speaks of."""
        return []


class MetricBound(Expectation):
    """A metric within bounds, or compared with the reference run query by query.

    `not_worse_than` x: the lower end of the 95 % interval of the difference is at least -x (non-inferiority).
    `better_than` x: the lower end is above x, and p is at most 0.05. Where less is better, both are mirrored.
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    against: Literal["reference"] | None = None
    not_worse_than: Amount | None = None
    better_than: Amount | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> MetricBound:
        bounded = self.at_least is not None or self.at_most is not None
        compared = [value for value in (self.not_worse_than, self.better_than) if value is not None]
        if self.against is None and compared:
            raise ValueError("a comparison needs `against: reference`")
        if self.against is not None and (bounded or len(compared) != 1):
            raise ValueError("`against: reference` takes one of not_worse_than and better_than, and no bound")
        if self.against is None and not bounded:
            raise ValueError("expected at_least, at_most, or `against: reference`")
        return self

    def metric_names(self) -> list[str]:
        return [self.metric]


class HistoryBand(Expectation):
    """The values of a key during training, from evaluation number `after` on (counted from 1, in the order of steps).

    `at_least` and `at_most` bound every value, `fall_from_best` how far any value may lie behind the best before it,
    `gap_to` with `at_most` the distance to the latest value of another key. `better` says which direction is the good one
    where the registry of metric keys does not.
    """

    history: str
    after: int = Field(default=1, ge=1)
    at_least: float | None = None
    at_most: float | None = None
    fall_from_best: Amount | None = None
    gap_to: str | None = None
    better: Literal["higher", "lower"] | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> HistoryBand:
        bounded = self.at_least is not None or self.at_most is not None
        if self.fall_from_best is not None and (bounded or self.gap_to):
            raise ValueError("fall_from_best stands alone; write another expectation for bounds")
        if self.gap_to and (self.at_most is None or self.at_least is not None):
            raise ValueError("gap_to takes at_most, the largest gap")
        if not bounded and self.fall_from_best is None:
            raise ValueError("expected at_least, at_most, fall_from_best, or gap_to with at_most")
        return self

    def metric_names(self) -> list[str]:
        return [self.history, *([self.gap_to] if self.gap_to else [])]


class ArtifactPresent(Expectation):
    """An output, as `stage.output`, that is there and keeps its contract."""

    artifact: str


class ContrastPresent(Expectation):
    """A comparison that the seal can show: `pre_post` (with the reference run, query by query) or `hard_negatives`
    (a model that was trained with them, in this run or the reference)."""

    contrast: Literal["pre_post", "hard_negatives"]


KINDS: Mapping[str, type[Expectation]] = {
    "metric": MetricBound,
    "history": HistoryBand,
    "artifact": ArtifactPresent,
    "contrast": ContrastPresent,
}


def parse(entry: Mapping[str, Any]) -> Expectation:
    """One entry of `expect`. Raises ValueError, in words, where it is none."""
    named = [kind for kind in KINDS if kind in entry]
    if len(named) != 1:
        raise ValueError(f"expected one of {', '.join(KINDS)}, found {', '.join(named) or 'none of them'}")
    model = KINDS[named[0]]
    try:
        return model.model_validate({key: value for key, value in entry.items() if not key.startswith("x-")})
    except ValidationError as error:
        first = error.errors()[0]
        where, known = ".".join(map(str, first["loc"])), list(model.model_fields)
        if first["type"] == "extra_forbidden":
            raise ValueError(f"`{where}` does not go with {named[0]}{did_you_mean(where, known)}") from None
        message = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{where}: {message}" if where else message) from None


def hold(config: Config, metric_keys: MetricKeys, outputs: Collection[str]) -> None:
    """Hold every expectation against what can be judged. `outputs` are the `stage.output` of the plan.

    Raises UsageError: what cannot be judged is refused before the run, and never ignored.
    """
    for i, entry in enumerate(config.data.get("expect", [])):
        where = pointer("expect", i)
        try:
            expectation = parse(entry)
        except ValueError as error:
            raise config.error(where, f"expect.{i}: {error}", "see docs/expectations.md") from None
        for key in expectation.metric_names():
            family = metric_keys.find(key)
            if family is None:
                close = metric_keys.suggest(key)
                hint = f"; did you mean `{close}`?" if close else ""
                fix = "expect a key of spec/metrics/keys.yaml"
                raise config.error(where, f"expect.{i}: unknown metric key `{key}`{hint}", fix)
            needs_direction = (
                isinstance(expectation, HistoryBand)
                and expectation.fall_from_best is not None
                and expectation.better is None
            ) or (isinstance(expectation, MetricBound) and expectation.against is not None)
            if needs_direction and family.direction not in ("higher", "lower"):
                fix = "add `better: lower`" if isinstance(expectation, HistoryBand) else "compare another metric"
                raise config.error(where, f"expect.{i}: of {key} nobody knows whether more is better", fix)
        if isinstance(expectation, ArtifactPresent) and expectation.artifact not in outputs:
            message = f"expect.{i}: `{expectation.artifact}` is no output of a stage"
            fix = f"known: {', '.join(outputs)}"
            raise config.error(where, message + did_you_mean(expectation.artifact, outputs), fix)


def identity(entries: Any) -> str:
    """The digest by which a run fixes its expectations before the first stage."""
    return digest.of_value(entries)
