"""No config holds a key of other days that could win over the key of today, or over an override."""

from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View
from sealkit.evidence import Evidence, Statement


def find(run: View) -> Iterator[Finding]:
    evidence = run.evidence
    old = evidence.all("config", what="old_key")
    if not old:
        return
    applied = evidence.all("code", what="old_keys_last")
    holds = "; ".join(f"{config}: {', '.join(keys(evidence, config))}" for config in evidence.ids("config"))
    how = "applied after the overrides of the command line, and win over them" if applied else "can win over overrides"
    fixes = dict.fromkeys(f"{one.key} → {today(one, evidence)}" for one in old)
    also = (*(one.at for one in old[1:]), *(one.at for one in applied))
    yield Finding(f"old keys are {how}: {holds}", old[0].at, also=also, fix=f"rename {', '.join(fixes)}")


def keys(evidence: Evidence, config: str) -> list[str]:
    return [str(one.key) for one in evidence.all("config", config, "old_key")]


def today(one: Statement, evidence: Evidence) -> str:
    """The key of today: as the code says, else the only setting of the runs that ends so, else the layout's word."""
    said = {str(line.value) for line in evidence.all("code", what="key_of_today") if line.key == one.key}
    last = str(one.key).rpartition(".")[2]
    settings = {line.key for line in evidence.all("run", what="setting") if line.key != one.key}
    ending = {key for key in settings if key and "." in key and key.rpartition(".")[2] == last}
    known = next((found for found in (said, ending) if len(found) == 1), {str(one.instead)})
    return known.pop()


CHECK = Check(
    since="0.2.0",
    title="Configs use the keys of today",
    why="Old keys were applied after the command line, and silently won over it (vllm-ascend#14067, Soup#627).",
    fix="rename the old keys in the configs",
    reads={"evidence": 1},
    needs=("config old_key",),
    find=find,
    severity=Severity.WARNING,
    risk="R3",
)
