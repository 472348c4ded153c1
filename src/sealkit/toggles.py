"""What a config wires and its settings leave without use: inputs that a stage does not take, and the stages that were
there for these alone. One switch (`retriever.mode`, `hard_negatives.enabled`) is then enough, and what it turns off is on record."""

from __future__ import annotations

from sealkit.finding import pointer
from sealkit.pack import Pack
from sealkit.provenance import Config


def leave_out(config: Config, pack: Pack) -> None:
    """Take out of the config what its settings leave without use, and note each in `config.left_out`.

    A stage goes when others took its outputs as the config is written, and none of them still does; one that nobody
    ever took anything from stays. Raises UsageError where settings need an input that is not wired.
    """
    stages = config.data["stages"]
    before = {name: _users(config, name) for name in stages}
    for name, section in stages.items():
        for key in _not_taken(config, pack, name):
            del section["in"][key]
            why = f"{section['uses']} takes no `{key}` with these settings"
            config.left_out.append({"what": f"stages.{name}.in.{key}", "why": why})
    while idle := [name for name in stages if before[name] and not _users(config, name)]:
        for name in idle:
            del stages[name]
            why = f"nothing takes its output: {', '.join(sorted(before[name]))}"
            config.left_out.append({"what": f"stages.{name}", "why": why})


def _not_taken(config: Config, pack: Pack, name: str) -> list[str]:
    """The optional inputs that are wired, and not taken with the stage's params."""
    section = config.data["stages"][name]
    stage = pack.stage(section["uses"])
    if stage.needs is None:
        return []
    needed = stage.needs(stage.params.model_validate(section["with"]))
    for key in sorted(needed - section["in"].keys()):
        message = f"stage {name} needs the input `{key}` ({stage.inputs[f'{key}?']}) with these settings"
        raise config.error(pointer("stages", name), message, f"add it to stages.{name}.in")
    optional = {key.removesuffix("?") for key in stage.inputs if key.endswith("?")}
    return [key for key in section["in"] if key in optional - needed]


def _users(config: Config, name: str) -> set[str]:
    """The stages that take an output of this one."""
    return {
        other
        for other, section in config.data["stages"].items()
        for reference in section["in"].values()
        if reference.startswith(f"{name}.") and other != name
    }
