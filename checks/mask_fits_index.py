"""The queries are masked as the index was: by the same rule, in the same positions."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sealkit import Artifact, Check, Finding, Location, Severity, UsageError, View, declared_mask, mask_faults

RULE = ("kind", "generator", "rate", "seed", "schedule", "window_length", "pad_value")
DIGESTS = ("rule", "content")
MASK_OF_INDEX = "index"  # the section of a config, or the key in one, whose mask is the index's

Group = Mapping[str, Any]  # the mask group of a fingerprint: a field that is absent is unknown
Path = tuple[str, ...]


class Declared(NamedTuple):
    """A mask that the config declares, and where. `stage` works with it; None where a section of the config declares it."""

    group: Group
    path: Path
    stage: str | None


def find(run: View) -> Iterator[Finding]:
    for mask in run.all("mask"):
        for place, message in mask_faults(mask.document):
            yield Finding(message, mask.at(*place), fix="write the mask again, from its rule or its bits")
    yield from of_stages(run)
    masks, wrong = declared(run)
    for path, error in wrong:
        yield Finding(f"{'.'.join(path)}: {error.message}", run.one("resolved_config").at("config", *path), fix=error.fix)
    told = set()
    for index in run.all("index_manifest"):
        for search in run.all("search_manifest"):
            if search.document.get("index", {}).get("identity") != index.document["identity"]:
                continue
            stages = maker(run, index), maker(run, search)
            if finding := meeting(run, masks, stages, index, side(search), place(search)):
                told.add(stages)
                yield finding
        for stage, mask in taking(run, index):
            stages = maker(run, index), stage
            if stages not in told and (finding := meeting(run, masks, stages, index, side(mask), mask.at("rule"))):
                told.add(stages)
                yield finding
    yield from by_config(run, masks, told)


def meeting(
    run: View, masks: list[Declared], stages: tuple[str | None, str | None], index: Artifact, query: Group, at: Location
) -> Finding | None:
    """What there is to say where queries of a mask meet an index."""
    group = side(index)
    fields = misfits(group, query, index.document.get("invariant", {}), (*RULE, *DIGESTS))
    if not fields:
        return None
    lines = [line for mask in masks if mask.stage in stages for line in written(run, mask.path, fields)]
    message = f"the index {built(group, query, 'was')}, the queries {masked(group, query, fields, 'were')}"
    # Of an index that nobody witnessed, or that is older than the record of masks, it is known that it is unknown.
    soft = not group and (index.document["witness"] == "adopted" or index.contract.version == 1)
    return Finding(message, at, Severity.WARNING if soft else None, (place(index), *dict.fromkeys(lines)))


def by_config(run: View, masks: list[Declared], told: set[tuple[str | None, str | None]]) -> Iterator[Finding]:
    """What the rules of the config tell before there is a mask."""
    config, seen = run.one("resolved_config"), set()
    for index, query in pairs(run, masks):
        *above, _ = index.path
        invariant = inside(config.document["config"], (*above, "invariant"))
        fields = misfits(index.group, query.group, invariant if isinstance(invariant, dict) else {}, RULE)
        same = tuple(map(str, (*index.group.values(), *query.group.values())))
        if fields and (index.stage, query.stage) not in told and same not in seen:
            seen.add(same)
            lines = [*written(run, query.path, fields), *written(run, index.path, fields)]
            message = f"the index {built(index.group, query.group, 'is')}, the queries {masked(index.group, query.group, fields, 'are')}"
            yield Finding(message, config.at("config", *query.path), also=tuple(dict.fromkeys(lines)))


def pairs(run: View, masks: list[Declared]) -> Iterator[tuple[Declared, Declared]]:
    """(mask of an index, mask of what meets it) among those that the config declares."""
    for index in masks:
        for query in masks:
            if index.stage is not None and query.stage is not None:
                taken = takes(run, query.stage, "index_manifest")
                if any(reference.partition(".")[0] == index.stage for reference in taken):
                    yield index, query
            elif index.stage is query.stage and index.path[-2] == MASK_OF_INDEX != query.path[-2]:
                yield index, query


def declared(run: View) -> tuple[list[Declared], list[tuple[Path, UsageError]]]:
    """The masks of the config, and those that are none: `mask` with a `kind`, in a section or in what a stage is told.

    A stage that makes masks may be told their fields without `mask`, and who takes what it makes works with its mask.
    """
    config = run.one("resolved_config").document["config"]
    found: list[Declared] = []
    wrong: list[tuple[Path, UsageError]] = []

    def note(path: Path, stage: str | None) -> None:
        values = {name: value for name, value in inside(config, path).items() if name in RULE}
        try:
            rule = declared_mask(values, config["run"].get("seed"))
            found.append(Declared(rule.document(), path, stage))
        except UsageError as error:
            if (path, str(error)) not in [(where, str(other)) for where, other in wrong]:
                wrong.append((path, error))

    for path in mappings(config, ()):
        if path[-1] == "mask" and path[0] != "stages":
            note(path, None)
    for name in config["stages"]:
        makers = {reference.partition(".")[0] for reference in takes(run, name, "mask")}
        for stage in [name, *sorted(makers)]:
            for path in (("stages", stage, "with", "mask"), ("stages", stage, "with")):
                told = inside(config, path)
                if isinstance(told, dict) and "kind" in told and (path[-1] == "mask" or stage in makers):
                    note(path, name)
                    break
    return found, wrong


def of_stages(run: View) -> Iterator[Finding]:
    """Each manifest against the masks that its stage was given."""
    for manifest in [*run.all("index_manifest"), *run.all("search_manifest")]:
        given = masks_of(run, maker(run, manifest))
        if given and all(misfits(side(mask), side(manifest), {}, (*RULE, *DIGESTS)) for mask in given):
            message = "says another mask than the one that its stage was given"
            yield Finding(message, place(manifest), also=tuple(mask.at("rule") for mask in given))


def taking(run: View, index: Artifact) -> Iterator[tuple[str, Artifact]]:
    """(stage, mask) of the stages that take an index, and a mask for what meets it."""
    for stage in run.one("resolved_config").document["config"]["stages"]:
        if any(index.path.startswith(f"{path}/") for path in takes(run, stage, "index_manifest").values()):
            for mask in masks_of(run, stage):
                yield stage, mask


def masks_of(run: View, stage: str | None) -> list[Artifact]:
    paths = takes(run, stage, "mask").values() if stage else ()
    return [mask for mask in run.all("mask") if mask.path in paths]


def takes(run: View, stage: str, kind: str) -> dict[str, str]:
    """`stage.output` → path of the artifacts of a kind that a stage takes."""
    config = run.one("resolved_config").document
    promised = {f"{one['stage']}.{one['output']}": one for one in config["artifacts"]}
    wired = [reference for reference in config["config"]["stages"][stage].get("in", {}).values() if reference in promised]
    return {one: promised[one]["path"] for one in wired if promised[one]["contract"].partition("/")[0] == kind}


def maker(run: View, artifact: Artifact) -> str | None:
    """The stage that made an artifact."""
    promised = run.one("resolved_config").document["artifacts"]
    return next((one["stage"] for one in promised if f"{artifact.path}/".startswith(f"{one['path']}/")), None)


def side(artifact: Artifact) -> Group:
    """The mask that a manifest says, or that a mask is."""
    if artifact.kind == "mask":
        return {name: artifact.document[name] for name in (*RULE, *DIGESTS)}
    found: Group = artifact.document.get("fingerprint", {}).get("mask", {})
    return found


def place(manifest: Artifact) -> Location:
    return manifest.at("fingerprint", *(["mask"] if side(manifest) else []))


def misfits(index: Group, query: Group, invariant: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    """The fields in which two sides do not meet: that differ, or that one of them alone knows."""
    if "mask" in invariant:
        return []
    held = [name for name in names if f"mask.{name}" not in invariant]
    return [name for name in held if (name in index) != (name in query) or index.get(name) != query.get(name)]


def built(index: Group, query: Group, verb: str) -> str:
    if index.get("kind", "none") == "none":
        return f"{verb} built without a mask" if index else "does not say whether it is masked"
    return f"{verb} built with a {index['kind']} mask ({details(index, query)})"


def masked(index: Group, query: Group, fields: list[str], verb: str) -> str:
    if query.get("kind", "none") == "none":
        return f"{verb} not masked" if query else "do not say whether they are"
    if "kind" in fields:
        by = f"a {query['kind']} mask"
    elif not set(fields) & set(RULE):
        by = "other bits of the same settings" if index.keys() == query.keys() else "the same settings, of unknown bits"
    else:
        by = "another draw" if set(fields) <= {"seed", "schedule", *DIGESTS} else f"another {query['kind']} mask"
    return f"{verb} masked by {by} ({details(query, index)})"


def details(group: Group, other: Group) -> str:
    """What a mask is, as far as it matters beside another one."""
    named = ("rate", "seed", *(name for name in RULE[1:] if group.get(name) != other.get(name, group.get(name))))
    told = {name: group[name] if name in group else "unknown" for name in RULE if name in named}
    words = (f"{name.replace('_', ' ')} {value}" for name, value in told.items() if value is not None)
    return ", ".join(words) or "of given bits"


def written(run: View, path: Path, fields: list[str]) -> list[Location]:
    """The lines of the config that set these fields of a mask; its kind where they set none."""
    held = inside(run.one("resolved_config").document["config"], path)
    names = [name for name in fields if name in held] or ["kind"]
    return [line for name in names for line in origin(run, (*path, name))]


def origin(run: View, path: Path) -> list[Location]:
    """The line on which a value of the config was written, also where another one refers to it."""
    config = run.one("resolved_config")
    told = config.document["provenance"].get("/" + "/".join(path), "")
    if via := re.search(r" via \$\{([^${}:]+)\}\Z", told):
        return origin(run, tuple(via[1].split(".")))
    name, _, line = told.partition(" via ")[0].rpartition(":")
    if name in run.files and line.isdigit():
        return [Location(name, line=int(line))]
    return [config.at("config", *path)]


def inside(value: Any, path: Path) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def mappings(value: Any, path: Path) -> Iterator[Path]:
    """The places of all mappings with a kind."""
    if isinstance(value, dict):
        if path and "kind" in value:
            yield path
        for key, inner in value.items():
            yield from mappings(inner, (*path, key))


CHECK = Check(
    since="0.2.0",
    title="The mask of the queries is the index's",
    why="An index was built with a mask drawn once and searched with a mask redrawn in every epoch: nothing crashed, the neighbours "
    "looked plausible, and validation F1 fell from 0.95 to 0.22.",
    fix="build the index again with the mask of the queries, or declare the mask invariant with a reason, if the index is mask-agnostic by construction",
    reads={"resolved_config": 1, "index_manifest~": 2, "search_manifest~": 2, "mask?": 1},
    find=find,
)
