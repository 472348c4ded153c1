"""No config holds a key of other days that could win over the key of today, or over an override."""

from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View
from sealkit.trees.evidence import Statement
from sealkit.trees.lineage import Lines
from sealkit.trees.old_keys import OldKeys
from sealkit.trees.words import called, few


def find(run: View) -> Iterator[Finding]:
    evidence, keys = run.evidence, OldKeys(run.evidence)
    if old := keys.of("config"):
        holds = "; ".join(f"{config}: {', '.join(held)}" for config, held in by_id(old).items())
        also, more = few([old[0].at, *(one.at for one in keys.last), *(one.at for one in old[1:])])
        yield Finding(f"old keys {how(keys)}: {holds}{more}", also[0], also=also[1:], fix=renamed(old, keys))
    own = [one for one in keys.of("run") if one.id in Lines(evidence).runs]
    for one in own:  # what won over the name of a model is told by matrix-models-agree
        if not evidence.names_model(one) and (won := keys.won(one)):
            who = called(one.id, evidence)
            message = (
                f"{who} resolved {one.key} {one.value} of its config, an old key that won over {won.key} {won.value}"
            )
            severity = Severity.ERROR if won.what == "override" else None
            yield Finding(message, one.at, severity, (won.at,), f"run {who} again, with {keys.today(one)} alone")
    if own:
        also, more = few([one.at for one in own])
        who = "; ".join(f"{called(run, evidence)}: {', '.join(held)}" for run, held in by_id(own).items())
        yield Finding(f"old keys in the configs of runs: {who}{more}", also[0], also=also[1:], fix=renamed(own, keys))
    here = evidence.ids("config")
    for said in evidence.all("matrix"):
        if said.what in ("base_config", "matrix_config") and said.value and not is_here(str(said.value), here):
            message = (
                f"{said.value}, which the matrix was made of, is not here: that it holds no old key is taken on trust"
            )
            yield Finding(
                message, said.at, fix=f"put it back; looked in {', '.join(evidence.looked('config old_key'))}"
            )


def how(keys: OldKeys) -> str:
    if keys.last:
        return "are applied after the overrides of the command line, and win over them"
    if keys.first:
        return "are applied before the overrides of the command line, and win over the keys of today in configs"
    return "can win over overrides"


def by_id(old: list[Statement]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in old:
        found.setdefault(one.id, []).append(str(one.key))
    return found


def renamed(old: list[Statement], keys: OldKeys) -> str:
    fixes = dict.fromkeys(f"{one.key} → {keys.today(one) or 'the key of today'}" for one in old)
    return f"rename {', '.join(fixes)}"


def is_here(name: str, here: list[str]) -> bool:
    plain = name.replace("\\", "/").removeprefix("./")
    return any(plain == one or plain.endswith(f"/{one}") for one in here)


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
