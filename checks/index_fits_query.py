"""The index was searched from the space that it was built in."""

from collections.abc import Iterator

from sealkit import Check, Finding, View, differences, explain, identity


def find(run: View) -> Iterator[Finding]:
    for manifest in run.all("index_manifest"):
        if identity(manifest.document["fingerprint"]) != manifest.document["identity"]:
            message = "its identity is not that of its fingerprint: one of the two was changed"
            yield Finding(message, manifest.at("identity"), also=(manifest.at("fingerprint"),))
    indexes = {manifest.document["identity"]: manifest for manifest in run.all("index_manifest")}
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
        indexed = index.document["fingerprint"]["corpus"]["digest"]
        if search.document.get("bm25", {}).get("corpus", indexed) != indexed:
            yield Finding(
                "BM25 searched another corpus than the one that was indexed",
                search.at("bm25", "corpus"),
                also=(index.at("fingerprint", "corpus", "digest"),),
                fix="wire the corpus that was indexed",
            )
        for difference in differences(index.document["fingerprint"], search.document["fingerprint"]):
            yield Finding(
                explain(difference),
                search.at("fingerprint", *difference.field.path),
                also=(index.at("fingerprint", *difference.field.path),),
            )


CHECK = Check(
    since="0.1.0",
    title="The index fits the queries",
    why="A swap of encoders of the same dimension mixes two vector spaces without a sound (open-ontologies#74, "
    "BetterDB#411, haystack#2429: 'do I need to re-embed?').",
    fix="build the index again with the model and settings of the query side",
    reads={"index_manifest": 1, "search_manifest": 1},
    find=find,
)
