"""Two runs of a matrix that differ in a key differ in what they found; two that differ in none do not."""

import re
from collections.abc import Iterator, Mapping

from sealkit import Check, Finding, Location, Severity, View
from sealkit.evidence import Evidence, Statement
from sealkit.tree_lineage import names

# What tells runs apart and decides nothing.
NAMES = re.compile(
    r"(?i)(?:.*\.)?(?:run_?id|run_?name|name|label|tags?|note|notes|description|output_?dir|out_?dir|run_?dir|log_?dir|save_?dir|"
    r"created_at\w*|started_at\w*|finished_at\w*|timestamp|time|date|git_\w+|commit|hostname|host|user|index)"
)


def find(run: View) -> Iterator[Finding]:
    evidence = run.evidence
    settings = {one: told(evidence.all("run", one, "setting")) for one in evidence.ids("run")}
    results = {one: found for one in settings if (found := result(one, evidence))}
    groups: list[list[str]] = []
    for one in results:
        home = next((group for group in groups if results[group[0]] == results[one]), None)
        groups.append([one]) if home is None else home.append(one)
    for group in groups:
        if len(group) > 1:
            yield from without_effect(group, settings, results, evidence)
    yield from without_cause(settings, results, evidence)


def told(said: list[Statement]) -> dict[str, Statement]:
    """Key → what it is set to, of the keys that decide something."""
    return {str(one.key): one for one in said if not NAMES.fullmatch(str(one.key))}


def result(run: str, evidence: Evidence) -> tuple[str, Mapping[str, object]] | None:
    """What a run found: its rankings where they are kept, else every number that it reports."""
    rankings = evidence.one("run", run, "rankings")
    if rankings:
        return "rankings", {"rankings": rankings.value}
    numbers = {str(one.key): one.value for one in evidence.all("run", run, "metric", "summary")}
    return ("numbers", numbers) if numbers else None


def without_effect(
    group: list[str],
    settings: Mapping[str, Mapping[str, Statement]],
    results: Mapping[str, tuple[str, Mapping[str, object]]],
    evidence: Evidence,
) -> Iterator[Finding]:
    first, *others = group
    switched = {one: changed(settings[first], settings[one]) for one in others}
    apart = [one for one in others if switched[one]]
    if not apart:
        return
    kept = results[first][0] == "rankings"
    how = "have the same rankings" if kept else "are indistinguishable: every reported number is equal in all digits"
    keys = "; ".join(f"{evidence.label(one)}: {', '.join(switched[one])}" for one in apart)
    message = f"{names([first, *apart], evidence)} {how}; from {evidence.label(first)} differ {keys}"
    places = [place for one in apart for place in places_of(one, switched[one], settings, evidence)]
    numbers = [said.at for one in (first, *apart) if (said := shown(one, kept, evidence))]
    yield Finding(message, (places or numbers)[0], also=(*places[1:], *numbers), fix=way_out(kept))


def changed(one: Mapping[str, Statement], other: Mapping[str, Statement]) -> dict[str, str]:
    """`key value → value` of each key in which two runs differ, by key."""
    found = {}
    for key in dict.fromkeys((*one, *other)):
        values = [said.value if (said := side.get(key)) else None for side in (one, other)]
        if values[0] != values[1]:
            found[key] = f"{key} {word(values[0])} → {word(values[1])}"
    return {words: key for key, words in found.items()} if found else {}


def word(value: object) -> str:
    return "not set" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def places_of(
    run: str, switched: Mapping[str, str], settings: Mapping[str, Mapping[str, Statement]], evidence: Evidence
) -> list[Location]:
    """Where the switch of a run stands: its override, else its resolved config."""
    overrides = {str(one.key): one for one in evidence.all("run", run, "override")}
    found = [overrides.get(key) or settings[run].get(key) for key in switched.values()]
    return [said.at for said in found if said]


def shown(run: str, rankings: bool, evidence: Evidence) -> Statement | None:
    """The line of a run that shows what it found."""
    if rankings:
        return evidence.one("run", run, "rankings")
    said = evidence.all("run", run, "metric", "summary")
    return next((one for one in reversed(said) if "@" in str(one.key)), said[0] if said else None)


def way_out(kept: bool) -> str:
    return "take the switch out, or find out why nothing reads it" + ("" if kept else "; keep the rankings of each run")


def without_cause(
    settings: Mapping[str, Mapping[str, Statement]],
    results: Mapping[str, tuple[str, Mapping[str, object]]],
    evidence: Evidence,
) -> Iterator[Finding]:
    """Runs of the same settings, and on the same model, that found other things."""
    runs = list(results)
    for i, one in enumerate(runs):
        for other in runs[i + 1 :]:
            if settings[one] and not changed(settings[one], settings[other]) and results[one] != results[other]:
                places = [said for run in (one, other) if (said := shown(run, results[run][0] == "rankings", evidence))]
                message = f"{names([one, other], evidence)} have the same settings, and other results"
                fix = "find out what differed: a seed, a model that moved, data"
                yield Finding(message, places[0].at, also=tuple(place.at for place in places[1:]), fix=fix)


CHECK = Check(
    since="0.2.0",
    title="Switches are real",
    why="Settings validated clean and did nothing, and rows of an ablation were the same run several times (Soup#627, private-transformers#10).",
    fix="take the switch out, or find out why nothing reads it",
    reads={"evidence": 1},
    needs=("run setting",),
    find=find,
    severity=Severity.WARNING,
)
