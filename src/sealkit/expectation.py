"""What a config promises beforehand: the `expect` block of a pipeline document, one model for each kind of promise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from sealkit import digest
from sealkit.config import Params
from sealkit.contract import did_you_mean
from sealkit.finding import Location, Status, pointer
from sealkit.metric_keys import MetricKeys
from sealkit.provenance import Config

Amount = Annotated[float, Field(ge=0)]
WAY_OUT = "toolkit spec show pipeline    tells the keys of expect"


class Expectation(Params):
    """A promise. Where it is not `required`, breaking it is a warning, and an artifact or a contrast may be absent."""

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
    `gap_to` with `at_most` the distance to the latest value of another key. `better` says which direction is the good one:
    for a fall where the registry of metric keys does not, for a gap so that only lying behind the other key counts.
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
        if self.better and self.fall_from_best is None and self.gap_to is None:
            raise ValueError("better goes with fall_from_best or gap_to")
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


@dataclass(frozen=True)
class Judged:
    """How a promise came out, what was found, and where. One that `waits` is judged once its reference run is given."""

    status: Status
    found: str | None
    also: tuple[Location, ...] = ()
    waits: bool = False


def parse(entry: Any) -> Expectation:
    """One entry of `expect`. Raises ValueError, in words, where it is none."""
    if not isinstance(entry, Mapping):
        raise ValueError(f"expected a mapping, found {entry!r:.100}")
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


def hold(config: Config, metric_keys: MetricKeys, outputs: Mapping[str, str]) -> None:
    """Hold every expectation against what can be judged. `outputs` are the `stage.output` of the plan with their contracts.

    Raises UsageError: what cannot be judged is refused before the run, and never ignored.
    """
    for i, entry in enumerate(config.data.get("expect", [])):
        try:
            found = _refusal(parse(entry), metric_keys, outputs)
        except ValueError as error:
            found = str(error), WAY_OUT
        if found:
            raise config.error(pointer("expect", i), f"expect.{i}: {found[0]}", found[1])


def _refusal(promise: Expectation, metric_keys: MetricKeys, outputs: Mapping[str, str]) -> tuple[str, str] | None:
    """Why an expectation could not be judged, or be met, by any run of these stages, and the way out."""
    for key in promise.metric_names():
        if metric_keys.find(key) is None:
            close = metric_keys.suggest(key)
            hint = f"; did you mean `{close}`?" if close else ""
            return f"unknown metric key `{key}`{hint}", "expect a key of spec/metrics/keys.yaml"
    match promise:
        case MetricBound(metric=key, against="reference") if not _directed(metric_keys, key):
            return f"of {key} nobody knows whether more is better", "compare another metric"
        case MetricBound(metric=key):
            return _out_of_range(metric_keys, key, promise.at_least, promise.at_most)
        case HistoryBand(history=key, fall_from_best=float(), better=None) if not _directed(metric_keys, key):
            return f"of {key} nobody knows whether more is better", "add `better: lower`"
        case HistoryBand() if "metric_history/v1" not in outputs.values():
            return "no stage of this pipeline writes a metric history", "expect a metric, or add a stage that trains"
        case HistoryBand(history=key, gap_to=None):
            return _out_of_range(metric_keys, key, promise.at_least, promise.at_most)
        case ArtifactPresent(artifact=name) if name not in outputs:
            return f"`{name}` is no output of a stage{did_you_mean(name, outputs)}", f"known: {', '.join(outputs)}"
    return None


def _directed(metric_keys: MetricKeys, key: str) -> bool:
    family = metric_keys.find(key)
    return family is not None and family.direction in ("higher", "lower")


def _out_of_range(
    metric_keys: MetricKeys, key: str, at_least: float | None, at_most: float | None
) -> tuple[str, str] | None:
    """Bounds that no value can meet."""
    family = metric_keys.find(key)
    low = family.low if family is not None and family.low is not None else -math.inf
    high = family.high if family is not None and family.high is not None else math.inf
    if max(low, -math.inf if at_least is None else at_least) > min(high, math.inf if at_most is None else at_most):
        return f"no value of {key} can meet it: it lies between {low:g} and {high:g}", "expect what can come true"
    return None


def identity(entries: Any) -> str:
    """The digest by which a run fixes its expectations before the first stage."""
    return digest.of_value(entries)


def within(value: float, low: float | None, high: float | None) -> bool:
    """Whether a value keeps its bounds, those included."""
    return (low is None or value >= low) and (high is None or value <= high)
