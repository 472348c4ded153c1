"""The index was searched from the space that it was built in."""

from collections.abc import Iterator
from typing import Any

from sealkit import (
    Artifact,
    Blocked,
    Check,
    Finding,
    Severity,
    State,
    View,
    compare,
    explain,
    explain_unwitnessed,
    identity,
    mask_group,
)

SETTINGS = ("max_seq_length", "truncate_dim", "normalise", "query_prompt", "document_prompt")


def find(run: View) -> Iterator[Finding]:
    yield from wired_apart(run)
    manifests = run.all("index_manifest")
    for manifest in manifests:
        if identity(manifest.stated) != manifest.document["identity"]:
            message = "its identity is not that of its fingerprint: one of the two was changed"
            fix = "put the manifest back as it was, or describe the index again"
            yield Finding(message, manifest.at("identity"), also=(manifest.at("fingerprint"),), fix=fix)
        yield from misnamed(manifest)
    unknown: dict[str, None] = {}
    for search in run.all("search_manifest"):
        if "index" not in search.document:  # by BM25 alone: there is no space to fit
            continue
        indexes = [one for one in manifests if one.document["identity"] == search.document["index"]["identity"]]
        # Two builds of one space may lie in a run: the one that was searched has the digest too.
        indexes.sort(key=lambda one: one.document["digest"] != search.document["index"]["digest"])
        index = indexes[0] if indexes else None
        if index is None:
            yield Finding(
                "the index that was searched is none of the run's",
                search.at("index", "identity"),
                also=tuple(one.at("identity") for one in manifests),
                fix="search the run's own index again",
            )
            continue
        if index.document["digest"] != search.document["index"]["digest"]:
            yield Finding(
                "the index file is not the one that was searched",
                search.at("index", "digest"),
                also=(index.at("digest"),),
                fix="search the index again as it is now",
            )
        indexed = index.document["fingerprint"].get("corpus", {}).get("digest")
        if search.document.get("bm25", {}).get("corpus", indexed) != indexed:
            yield Finding(
                "BM25 searched another corpus than the one that was indexed",
                search.at("bm25", "corpus"),
                also=(index.at("fingerprint", "corpus", "digest"),),
                fix="wire the corpus that was indexed",
            )
        found = list(compare(index.stated, search.stated))
        excused = [one for one in found if one.unwitnessed]
        if excused or (index.document["witness"] == "adopted" and not any(one.misfit for one in found)):
            unknown[explain_unwitnessed(index.stated, excused)] = None
        yield from misfits(index, search, [one for one in found if not one.unwitnessed])
    if unknown:
        raise Blocked("; ".join(unknown), "describe the index where it is built (sealkit.describe_index)")


def misfits(index: Artifact, search: Artifact, compared: list[Any]) -> Iterator[Finding]:
    masked = mask_group(index) or mask_group(search)
    for one in compared:
        if one.field.path[0] == "mask" and masked:  # mask-fits-index tells it: who signs for it signs once
            continue
        if one.misfit or (one.state is State.DIFFERS and one.field.binding == "warn"):
            path = ("fingerprint", *one.field.path)
            soft = None if one.misfit else Severity.WARNING
            yield Finding(explain(one), search.at(*path), soft, also=(index.at(*path),))


def misnamed(index: Artifact) -> Iterator[Finding]:
    """Names that are declared invariant and stand for nothing."""
    compared = compare(index.stated, index.stated)
    known = {name for one in compared for name in (one.field.name, one.field.path[0])}
    for name in index.stated.get("invariant", {}) if index.contract.version > 1 else ():
        if name not in known:
            message = f"declares `{name}` invariant: no fingerprint has that field or group"
            yield Finding(
                message, index.at("invariant", name), fix="describe the index again, with the name of a field or group"
            )


def wired_apart(run: View) -> Iterator[Finding]:
    """Models and settings that the config gives to the index and to its search, each another."""
    stages, config = dict(run.wired()), run.one("resolved_config")
    for name, stage in run.wired("index", "model"):
        builder = stage["in"]["index"].partition(".")[0]
        builds = stages.get(builder, {})
        built, asked = builds.get("with", {}), stage.get("with", {})
        pairs = [("with", key, built[key], asked[key]) for key in SETTINGS if key in built and key in asked]
        model, other = builds.get("in", {}).get("model"), stage["in"]["model"]
        if model and apart(run, model, other):
            pairs.append(("in", "model", model, other))
        for part, key, one, two in pairs:
            if one != two:
                message = f"{key}: the stage {builder} builds the index with {one!r}, {name} searches it with {two!r}"
                yield Finding(
                    message + ", of other weights" * (part == "in"),
                    config.at("config", "stages", name, part, key),
                    also=(config.at("config", "stages", builder, part, key),),
                    fix="give both stages the same",
                )


def apart(run: View, built: str, searched: str) -> bool:
    """Whether two models of the config are known to have other weights."""
    named = {model["name"]: {model["weights"]} for model in run.one("run_metadata").document["models"]}
    for model in run.all("model_manifest"):
        named.setdefault(".".join(model.path.split("/")[1:3]), set()).add(model.document["weights"])
    one, two = named.get(built, set()), named.get(searched, set())
    return bool(one and two and one.isdisjoint(two))


CHECK = Check(
    since="0.1.0",
    title="The index fits the queries",
    why="A swap of encoders of the same dimension mixes two vector spaces without a sound (open-ontologies#74, "
    "BetterDB#411, haystack#2429: 'do I need to re-embed?').",
    fix="query it with the model and settings that it was built with, or build it again with those of the query side",
    reads={
        "resolved_config": 1,
        "run_metadata": 1,
        "index_manifest~": 2,
        "search_manifest~": 2,
        "model_manifest?~": 1,
    },
    find=find,
)
