"""Two runs of a matrix that differ in a key differ in what they found; two that differ in none do not."""

from collections.abc import Callable, Iterator, Mapping

from sealkit import Blocked, Check, Finding, Location, Severity, View
from sealkit.trees.evidence import Evidence, Statement
from sealkit.trees.lineage import Lines
from sealkit.trees.switches import STEADY, Result, changed, headline, result, settings, signature
from sealkit.trees.words import called, few, names

INDISTINGUISHABLE = "are indistinguishable: every reported number is equal in all digits ({})"


def find(run: View) -> Iterator[Finding]:
    evidence = run.evidence
    results = {one: found for one in Lines(evidence).runs if (found := result(one, evidence))}
    told = {one: settings(one, evidence) for one in results}
    known = [one for one in results if told[one]]
    for alike in groups(known, lambda one, other: results[one].like(results[other])):
        yield from without_effect(alike, told, results, evidence)
    same: dict[object, list[str]] = {}
    for one in known:
        same.setdefault(signature(told[one]), []).append(one)
    for alike in same.values():
        yield from without_cause(alike, results, evidence)
    if untold := [one for one in results if not told[one]]:
        where = ", ".join(evidence.looked("run setting"))
        fix = "put its resolved config back"
        raise Blocked(f"{names(untold, evidence)}: nothing tells what was set; looked in {where}", fix)


def groups(runs: list[str], alike: Callable[[str, str], bool]) -> list[list[str]]:
    """The runs, each with the first that it is like."""
    found: list[list[str]] = []
    for one in runs:
        home = next((group for group in found if alike(group[0], one)), None)
        found.append([one]) if home is None else home.append(one)
    return found


def without_effect(
    alike: list[str], told: Mapping[str, Mapping[str, Statement]], results: Mapping[str, Result], evidence: Evidence
) -> Iterator[Finding]:
    first, *others = alike
    switched = {one: changed(told[first], told[one]) for one in others}
    apart = [one for one in others if any(not STEADY.fullmatch(key) for key in switched[one])]
    if not apart:
        return
    of_switches = [place for one in apart for place in places(one, switched[one], told, evidence)]
    key = headline([results[one] for one in alike])
    of_numbers = [said.at for one in (first, *apart) if (said := results[one].shown(key))]
    also, more = few([*of_switches, *of_numbers])
    who, shown = names([first, *apart], evidence), results[first].shown(key)
    keys = "; ".join(f"{called(one, evidence)}: {', '.join(switched[one].values())}" for one in apart)
    from_first = f"from {called(first, evidence)} differ {keys}{expected([one for one in others if one not in apart], switched, evidence)}{more}"
    if results[first].empty:
        message = (
            f"{who} found nothing: every number that they report is 0, which tells nothing of a switch; {from_first}"
        )
        yield Finding(message, also[0], also=also[1:], fix="find out why nothing is found, and run them again")
    else:
        shown_number = f"{shown.key} {shown.value}" if shown else ""
        ranked = bool(results[first].rankings)
        equal = "have the same rankings" if ranked else INDISTINGUISHABLE.format(shown_number)
        fix = "take the switch out, or find out why nothing reads it" + (
            "" if ranked else "; keep the rankings of each run"
        )
        yield Finding(f"{who} {equal}; {from_first}", also[0], also=also[1:], fix=fix)


def expected(steady: list[str], switched: Mapping[str, Mapping[str, str]], evidence: Evidence) -> str:
    """Words for the runs beside them whose keys are not to change what is found."""
    keys = [f"{called(one, evidence)}: {', '.join(switched[one].values())}" for one in steady if switched[one]]
    return f"; expected to have no effect: {'; '.join(keys)}" if keys else ""


def places(
    run: str, switched: Mapping[str, str], told: Mapping[str, Mapping[str, Statement]], evidence: Evidence
) -> list[Location]:
    """Where the switches of a run stand: its overrides, else its resolved config."""
    overrides = {str(one.key).lstrip("+~"): one for one in evidence.all("run", run, "override")}
    found = [overrides.get(key) or told[run].get(key) for key in switched]
    return [said.at for said in found if said]


def without_cause(alike: list[str], results: Mapping[str, Result], evidence: Evidence) -> Iterator[Finding]:
    """Runs of the same settings that found other things."""
    first, *others = alike
    apart = {one: key for one in others if (key := results[first].apart(results[one]))}
    if apart:
        key = next(iter(apart.values()))
        shown = {one: said for one in (first, *apart) if (said := results[one].shown(key))}
        values = ", ".join(f"{called(one, evidence)} {said.value}" for one, said in shown.items())
        also, more = few([said.at for said in shown.values()])
        message = (
            f"{names([first, *apart], evidence)} have the same settings, and other results: {key} is {values}{more}"
        )
        fix = "find out what differed: a model that moved, data, what is drawn without a seed"
        yield Finding(message, also[0], also=also[1:], fix=fix)


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
