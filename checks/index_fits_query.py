"""The index was searched from the space that it was built in."""

from collections.abc import Iterator

from sealkit import Blocked, Check, Finding, Severity, State, View, compare, explain, identity

SETTINGS = ("max_seq_length", "truncate_dim", "normalise", "query_prompt", "document_prompt")


def find(run: View) -> Iterator[Finding]:
    yield from wired_apart(run)
    manifests = run.all("index_manifest")
    for manifest in manifests:
        if identity(manifest.stated) != manifest.document["identity"]:
            message = "its identity is not that of its fingerprint: one of the two was changed"
            yield Finding(message, manifest.at("identity"), also=(manifest.at("fingerprint"),))
    indexes, unknown = {manifest.document["identity"]: manifest for manifest in manifests}, []
    unwitnessed = misfit = False
    for search in run.all("search_manifest"):
        if "index" not in search.document:  # by BM25 alone: there is no space to fit
            continue
        index = indexes.get(search.document["index"]["identity"])
        if index is None:
            yield Finding(
                "the index that was searched is none of the run's",
                search.at("index", "identity"),
                also=tuple(one.at("identity") for one in indexes.values()),
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
        adopted = index.document["witness"] == "adopted"
        unwitnessed |= adopted
        for one in compare(index.stated, search.stated):
            if one.unwitnessed and (adopted or one.field.since > index.contract.version):
                unknown.append(one.field.name)
            elif one.misfit or (one.state is State.DIFFERS and one.field.binding == "warn"):
                path = ("fingerprint", *one.field.path)
                misfit |= one.misfit
                soft = None if one.misfit else Severity.WARNING
                yield Finding(explain(one), search.at(*path), soft, also=(index.at(*path),))
    if unknown or (unwitnessed and not misfit):
        of = f": of the index are unknown {', '.join(unknown)}" if unknown else ""
        reason = f"adopted, not witnessed{of}"
        raise Blocked(reason, "describe the index where it is built (sealkit.describe_index)")


def wired_apart(run: View) -> Iterator[Finding]:
    """Settings of the encoder that the config gives to the index and to its search, each otherwise."""
    stages, config = dict(run.wired()), run.one("resolved_config")
    for name, stage in run.wired("index", "model"):
        builder = stage["in"]["index"].partition(".")[0]
        built, searched = stages.get(builder, {}).get("with", {}), stage.get("with", {})
        for key in SETTINGS:
            if key in built and key in searched and built[key] != searched[key]:
                yield Finding(
                    f"{key}: the stage {builder} builds the index with {built[key]!r}, {name} searches it with {searched[key]!r}",
                    config.at("config", "stages", name, "with", key),
                    also=(config.at("config", "stages", builder, "with", key),),
                    fix="give both stages the same value",
                )


CHECK = Check(
    since="0.1.0",
    title="The index fits the queries",
    why="A swap of encoders of the same dimension mixes two vector spaces without a sound (open-ontologies#74, "
    "BetterDB#411, haystack#2429: 'do I need to re-embed?').",
    fix="build the index again with the model and settings of the query side",
    reads={"resolved_config": 1, "index_manifest~": 2, "search_manifest~": 2},
    find=find,
)
