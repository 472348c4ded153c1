"""The config uses the keys of today; an old key beside a new one says the same."""

from collections.abc import Iterator

from sealkit import Check, Finding, Location, Severity, View, legacy_pairs


def find(run: View) -> Iterator[Finding]:
    config = run.one("resolved_config")
    for i, item in enumerate(config.document.get("migrated", [])):
        name, _, line = item["at"].rpartition(":")
        at = Location(name, line=int(line)) if name in run.files and line.isdigit() else config.at("migrated", i)
        yield Finding(f"`{item['old']}` is now `{item['new']}`", at, fix=f"write {item['new']}")
    for old, value, new, held in legacy_pairs(config.document["config"]):
        at, also = config.at("config", *old.split(".")), (config.at("config", *new.split(".")),)
        if held is None:
            yield Finding(f"`{old}` is now `{new}`, which the config does not hold", at, fix=f"write {new}")
        elif held == value and type(held) is type(value):
            yield Finding(f"`{old}` is now `{new}`, and says the same", at, also=also, fix=f"remove {old}")
        else:
            message = f"`{old}` is {value!r}, and `{new}` is {held!r}: which of them held cannot be told"
            yield Finding(message, at, Severity.ERROR, also, f"keep {new} alone")


CHECK = Check(
    since="0.1.0",
    title="Keys of today in the config",
    why="An old key silently won over the new one (vllm-ascend#14067, Soup#627).",
    fix="write the keys of today; `toolkit config show` says where each value comes from",
    reads={"resolved_config": 1},
    find=find,
    severity=Severity.WARNING,
)
