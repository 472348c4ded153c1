"""What the runs of a matrix were set to, and what they found: two readings, to be held against each other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sealkit.trees.evidence import Evidence, Statement

# What tells runs apart, or places them, and decides nothing.
NAMES = re.compile(
    r"(?i)(?:.*\.)?(?:run_?id|run_?name|exp(?:eriment)?_?name|(?:output|out|run|log|logging|save|cache)_?dir|created_at\w*|started_at\w*|"
    r"finished_at\w*|timestamp|git_\w+|hostname)|"
    r"(?:(?:run|exp|experiment|logging|wandb|mlflow|meta|metadata)\.)?(?:name|id|label|tags?(?:\.\d+)?|notes?|description|commit|host|user|time|date|index)"
)
# What may change how a run is computed, and should not change what it finds.
STEADY = re.compile(
    r"(?i)(?:.*\.)?(?:(?:\w+_)?seed|device|(?:num_)?workers|n_jobs|jobs|(?:num_)?threads|log_?level|verbose|\w*progress\w*|(?:\w+_)?batch_size)"
)


@dataclass(frozen=True)
class Result:
    """What a run found: its rankings, where they are kept (each is said by the first file that has the same), and every number that it
    reports, by key."""

    rankings: tuple[Statement, ...]
    numbers: Mapping[str, Statement]

    @property
    def empty(self) -> bool:
        """Whether it found nothing at all: no rankings, and every number is 0."""
        return not self.rankings and not any(one.value for one in self.numbers.values())

    def apart(self, other: Result) -> str | None:
        """The first number (or `rankings`) in which two differ, of what both tell; None where they are the same in all of it."""
        if self.rankings and other.rankings:
            same = {one.value for one in self.rankings} == {one.value for one in other.rankings}
            return None if same else "rankings"
        return next((key for key in self.shared(other) if self.numbers[key].value != other.numbers[key].value), None)

    def shared(self, other: Result) -> list[str]:
        return [key for key in self.numbers if key in other.numbers]

    def like(self, other: Result) -> bool:
        """Whether two tell the same thing, and are the same in all of it."""
        comparable = bool(self.rankings and other.rankings) or bool(self.shared(other))
        return comparable and self.apart(other) is None

    def shown(self, key: str | None) -> Statement | None:
        """What shows it: the number of a key, else the rankings."""
        return self.numbers.get(key or "") or next(iter(self.rankings[-1:]), None)


def headline(results: Sequence[Result]) -> str | None:
    """The number to show of runs that are held against each other: the last that all of them report, at a cutoff where there is one."""
    shared = [key for key in results[0].numbers if all(key in other.numbers for other in results)]
    return next(iter([key for key in reversed(shared) if "@" in key] or shared), None)


def result(run: str, evidence: Evidence) -> Result | None:
    """What a run found; None where it reports nothing."""
    rankings = tuple(evidence.all("run", run, "rankings"))
    numbers = {str(one.key): one for one in evidence.all("run", run, "metric", "summary")}
    return Result(rankings, numbers) if rankings or numbers else None


def settings(run: str, evidence: Evidence) -> dict[str, Statement]:
    """Key → what a run was set to, of the keys that decide something: its resolved config, and the overrides of which that does
    not know. Empty where the config says nothing."""
    told = {str(one.key): one for one in evidence.all("run", run, "setting") if one.by != "config"}
    overrides = {str(one.key).lstrip("+~"): one for one in evidence.all("run", run, "override")} if told else {}
    lost = {key: one for key, one in overrides.items() if key not in told or plain(told[key]) != plain(one)}
    return {key: one for key, one in {**told, **lost}.items() if not NAMES.fullmatch(key)}


def changed(one: Mapping[str, Statement], other: Mapping[str, Statement]) -> dict[str, str]:
    """Key → `key value → value` of each key in which two runs are set to other values."""
    return {
        key: f"{key} {_word(one.get(key))} → {_word(other.get(key))}"
        for key in dict.fromkeys((*one, *other))
        if plain(one.get(key)) != plain(other.get(key))
    }


def plain(said: Statement | None) -> str | None:
    """A value as it is compared: as a config and a command line both write it, without the name of the run itself."""
    if said is None:
        return None
    text = _word(said).strip("'\"")
    try:
        return repr(float(text))
    except ValueError:
        return re.sub(rf"(?<![A-Za-z0-9]){re.escape(said.id)}(?![A-Za-z0-9])", "{run}", text)


def _word(said: Statement | None) -> str:
    if said is None:
        return "not set"
    text = str(said.value).strip()
    return text.lower() if text in ("True", "False") else "null" if text in ("None", "~", "") else text
