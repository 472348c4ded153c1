"""No config holds a key of other days that could win over the key of today, or over an override."""

from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View
from sealkit.trees.evidence import Evidence, Statement
from sealkit.trees.words import few


def find(run: View) -> Iterator[Finding]:
    evidence = run.evidence
    if old := evidence.all("config", what="old_key"):
        applied = [one.at for one in evidence.all("code", what="old_keys_last")]
        also, more = few([old[0].at, *applied, *(one.at for one in old[1:])])
        by_config: dict[str, list[str]] = {}
        for one in old:
            by_config.setdefault(one.id, []).append(str(one.key))
        holds = "; ".join(f"{config}: {', '.join(keys)}" for config, keys in by_config.items())
        how = (
            "are applied after the overrides of the command line, and win over them"
            if applied
            else "can win over overrides"
        )
        fixes = dict.fromkeys(f"{one.key} → {today(one, evidence)}" for one in old)
        yield Finding(f"old keys {how}: {holds}{more}", also[0], also=also[1:], fix=f"rename {', '.join(fixes)}")
    here = evidence.ids("config")
    for said in evidence.all("matrix"):
        if said.what in ("base_config", "matrix_config") and said.value and not is_here(str(said.value), here):
            message = (
                f"{said.value}, which the matrix was made of, is not here: that it holds no old key is taken on trust"
            )
            yield Finding(
                message, said.at, fix=f"put it back; looked in {', '.join(evidence.looked('config old_key'))}"
            )


def is_here(name: str, here: list[str]) -> bool:
    plain = name.replace("\\", "/").removeprefix("./")
    return any(plain == one or plain.endswith(f"/{one}") for one in here)


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
    risk="R3 old keys can override",
)
