"""The queries are masked as the index was: by the same rule, in the same positions."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sealkit import Artifact, Blocked, Check, Finding, Location, View, compare, explain_masks, mask_faults, mask_place

KINDS = ("none", "fixed", "dynamic")
RULE = ("kind", "generator", "rate", "seed", "schedule", "window_length", "pad_value")
UNKNOWN = "adopted, not witnessed: the mask of the index is unknown"

Group = Mapping[str, Any]  # the mask group of a fingerprint: a field that is absent is unknown
Path = tuple[str, ...]
Stages = tuple[str | None, str | None]  # what built an index, and what takes it


class Declared(NamedTuple):
    """What the config declares of a mask, and where. `stage` works with it; None where a section of the config declares it."""

    group: Group
    path: Path
    stage: str | None


def find(run: View) -> Iterator[Finding]:
    for mask in run.all("mask"):
        for place, message in mask_faults(mask.document):
            yield Finding(message, mask.at(*place), fix="write the mask again, from its rule or its bits")
    yield from not_as_given(run)
    masks, told, unknown = list(declared(run)), [], False
    for index in run.all("index_manifest"):
        for stage, met in meeting(run, index):
            fields, stages, spot = misfits(index, met), (run.maker(index), stage), mask_place(run, stage, met)
            if not fields or (stages, group(met), spot) in told:
                continue
            if index.document["witness"] == "adopted" and not group(index):
                unknown = True
                continue
            told.append((stages, group(met), spot))
            fields = worth_telling(group(index), group(met), fields)
            lines = [line for mask in masks if mask.stage in stages for line in written(run, mask, fields)]
            # The place is the one that the config alone is told at: who signs for it signs once.
            places = dict.fromkeys([spot, at(met), at(index), *lines])
            yield Finding(explain_masks(group(index), group(met), fields), spot, also=tuple(places)[1:])
    yield from by_config(run, masks, told)
    if unknown:
        raise Blocked(UNKNOWN, "describe the index where it is built (sealkit.describe_index)")


def meeting(run: View, index: Artifact) -> Iterator[tuple[str | None, Artifact]]:
    """(stage, its search manifest, or a mask that it was given) of all stages that take an index."""
    for search in run.all("search_manifest"):
        if search.document.get("index", {}).get("identity") == index.document["identity"]:
            yield run.maker(search), search
    for stage, _ in run.wired():
        if any(index.path.startswith(f"{path}/") for path in run.taken(stage, "index_manifest").values()):
            for mask in given(run, stage):
                yield stage, mask


def not_as_given(run: View) -> Iterator[Finding]:
    """Manifests that say another mask than those that their stage was given."""
    for manifest in [*run.all("index_manifest"), *run.all("search_manifest")]:
        masks = given(run, run.maker(manifest))
        if masks and "fingerprint" in manifest.document and all(misfits(manifest, mask) for mask in masks):
            message = f"the stage {run.maker(manifest)} was given another mask than the one that it records"
            yield Finding(message, at(manifest), also=tuple(at(mask) for mask in masks), fix="run that stage again")


def by_config(run: View, masks: list[Declared], told: list[tuple[Stages, Group, Location]]) -> Iterator[Finding]:
    """What the config tells beforehand: rules that differ in what both of them declare."""
    config, of_stages = run.one("resolved_config"), []
    for index, query in pairs(run, masks):
        held = invariant(config.document["config"], index)
        both = [name for name in RULE if name in index.group and name in query.group]
        fields = [name for name in both if index.group[name] != query.group[name]]
        fields = [name for name in fields if "mask" not in held and f"mask.{name}" not in held]
        # Where stages have the index's mask from a section, their wires tell what meets it.
        source = run.origin(*index.path, "kind")
        if query.stage:
            of_stages.append(source)
        elif source in of_stages:
            continue
        met = [group for stages, group, _ in told if stages == (index.stage, query.stage)]
        if fields and not any(query.group.items() <= group.items() for group in met):
            fields = worth_telling(index.group, query.group, fields)
            lines = [*written(run, query, fields), *written(run, index, fields)]
            message = explain_masks(index.group, query.group, fields, past=False)
            yield Finding(message, config.at("config", *query.path), also=tuple(dict.fromkeys(lines)))


def pairs(run: View, masks: list[Declared]) -> Iterator[tuple[Declared, Declared]]:
    """(mask of an index, mask of what meets it): of stages, by their wires; then of sections, `index.mask` and any other."""
    for index in masks:
        for query in masks:
            if index.stage and query.stage:
                if any(one.partition(".")[0] == index.stage for one in run.taken(query.stage, "index_manifest")):
                    yield index, query
            elif index.stage is query.stage and index.path[-2:] == ("index", "mask") != query.path[-2:]:
                yield index, query


def declared(run: View) -> Iterator[Declared]:
    """The masks of the config: what is called `mask` and has a kind, in a section or among the settings of a stage.

    A stage that makes a mask may have the fields themselves as settings; who takes what it makes works with that mask.
    """
    config = run.one("resolved_config").document["config"]
    places: list[tuple[Path, str | None]] = []
    for name, _ in run.wired():
        places.append((("stages", name, "with", "mask"), name))
        for maker in dict.fromkeys(reference.partition(".")[0] for reference in run.taken(name, "mask")):
            places += [(("stages", maker, "with"), name), (("stages", maker, "with", "mask"), name)]
    places += [(path, None) for path in called_mask(config, ()) if path[0] not in ("mask", "stages")]
    seed = config["run"].get("seed")
    for path, who in places:
        values = inside(config, path)
        if isinstance(values, dict) and values.get("kind") in KINDS:
            drawn = {name: values[name] for name in RULE if name in values}
            # What a mask leaves open is filled in where it is drawn.
            drawn |= {"generator": values.get("generator") or "numpy.PCG64"}
            drawn |= {"seed": seed} if values.get("seed") is None and seed is not None else {}
            yield Declared({"kind": "none"} if values["kind"] == "none" else drawn, path, who)


def invariant(config: Any, index: Declared) -> Mapping[str, Any]:
    """What is declared invariant beside the mask of an index: field or group → reason."""
    path = ("stages", index.stage, "with") if index.stage else index.path[:-1]
    found = inside(config, (*path, "invariant"))
    return {name: reason for name, reason in found.items() if reason} if isinstance(found, dict) else {}


def given(run: View, stage: str | None) -> list[Artifact]:
    """The masks that a stage was given."""
    paths = run.taken(stage, "mask").values() if stage else ()
    return [mask for mask in run.all("mask") if mask.path in paths]


def misfits(manifest: Artifact, other: Artifact) -> list[str]:
    """The fields of the mask in which two sides do not meet; none where neither knows anything of a mask."""
    if not group(manifest) and not group(other):
        return []
    query = {"mask": group(other)} if other.kind == "mask" else other.stated
    found = compare(manifest.stated if manifest.kind == "index_manifest" else manifest.document["fingerprint"], query)
    return [one.field.path[1] for one in found if one.misfit and one.field.path[0] == "mask"]


def worth_telling(index: Group, query: Group, fields: list[str]) -> list[str]:
    """Beside no mask, or none that is known, it matters only that there is one."""
    return fields if {index.get("kind", "none"), query.get("kind", "none")} <= {"fixed", "dynamic"} else ["kind"]


def group(artifact: Artifact) -> Group:
    """The mask that a manifest records, or that a mask is."""
    if artifact.kind == "mask":
        return {name: artifact.document[name] for name in (*RULE, "rule", "content")}
    found: Group = artifact.document.get("fingerprint", {}).get("mask", {})
    return found


def at(artifact: Artifact) -> Location:
    if artifact.kind == "mask":
        return artifact.at("rule")
    return artifact.at("fingerprint", *(["mask"] if group(artifact) else []))


def written(run: View, mask: Declared, fields: list[str]) -> list[Location]:
    """The lines of the config that set these fields of a mask, or its kind."""
    held = inside(run.one("resolved_config").document["config"], mask.path)
    return [run.origin(*mask.path, name) for name in [name for name in fields if name in held] or ["kind"]]


def called_mask(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, dict):
        if path and path[-1] == "mask":
            yield path
        for key, inner in value.items():
            yield from called_mask(inner, (*path, key))


def inside(value: Any, path: tuple[str | None, ...]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


CHECK = Check(
    since="0.2.0",
    title="The mask of the queries is the index's",
    why="An index was built with a mask drawn once and searched with one redrawn in every epoch: nothing crashed, the neighbours "
    "looked plausible, and validation F1 fell from 0.95 to 0.22 (of the same shape: facenet#277, faiss#2202).",
    fix="build the index again with the mask of the queries, or declare the mask invariant with a reason, if the index is "
    "mask-agnostic by construction",
    reads={"resolved_config": 1, "index_manifest~": 2, "search_manifest?~": 2, "mask?~": 1},
    find=find,
)
