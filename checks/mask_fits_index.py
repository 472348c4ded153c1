"""The queries are masked as the index was: by the same rule, in the same positions."""

from collections.abc import Iterator

from sealkit import (
    Artifact,
    Blocked,
    Check,
    Finding,
    View,
    compare,
    mask_at,
    mask_faults,
    mask_group,
    mask_meetings,
    mask_place,
    masks_declared_apart,
    masks_recorded_apart,
)

UNKNOWN = "adopted, not witnessed: the mask of the index is unknown"


def find(run: View) -> Iterator[Finding]:
    for mask in run.all("mask"):
        for place, message in mask_faults(mask.document):
            yield Finding(message, mask.at(*place), fix="write the mask again, from its rule or its bits")
    yield from not_as_given(run)
    told, unknown = [], False
    for index in run.all("index_manifest"):
        for stage, met in meeting(run, index):
            if not (fields := misfits(index, met)):
                continue
            if index.document["witness"] == "adopted" and not mask_group(index):
                unknown = True
                continue
            where = (run.maker(index), stage, mask_place(run, stage, met))
            if (where, mask_group(met)) not in told:
                told.append((where, mask_group(met)))
                yield masks_recorded_apart(run, index, stage, met, fields)
    places = [where for where, _ in told]
    for found in mask_meetings(run):
        where = found.index.stage, found.query.stage, run.one("resolved_config").at("config", *found.query.path)
        if found.fields and where not in places:
            yield masks_declared_apart(run, found)
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
            also = tuple(mask_at(mask) for mask in masks)
            yield Finding(message, mask_at(manifest), also=also, fix="run that stage again")


def given(run: View, stage: str | None) -> list[Artifact]:
    """The masks that a stage was given."""
    paths = run.taken(stage, "mask").values() if stage else ()
    return [mask for mask in run.all("mask") if mask.path in paths]


def misfits(manifest: Artifact, other: Artifact) -> list[str]:
    """The fields of the mask in which two sides do not meet; none where neither knows anything of a mask."""
    if not mask_group(manifest) and not mask_group(other):
        return []
    query = {"mask": mask_group(other)} if other.kind == "mask" else other.stated
    found = compare(manifest.stated if manifest.kind == "index_manifest" else manifest.document["fingerprint"], query)
    return [one.field.path[1] for one in found if one.misfit and one.field.path[0] == "mask"]


CHECK = Check(
    since="0.2.0",
    title="The mask of the queries is the index's",
    why="An index was built with a mask drawn once and searched with one redrawn in every epoch: nothing crashed, the neighbours "
    "looked plausible, and validation F1 fell from 0.95 to 0.22 (of the same shape: facenet#277, faiss#2202).",
    fix="draw both masks by one rule, and build the index again; or search in embedding space, with an index that declares the mask "
    "invariant, and why; one that is meant needs a waiver",
    reads={"resolved_config": 1, "index_manifest~": 2, "search_manifest?~": 2, "mask?~": 1},
    find=find,
)
