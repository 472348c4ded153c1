"""The index holds one vector for each document: file, ids, manifest and corpus agree."""

from collections.abc import Iterator

from sealkit import Artifact, Blocked, Check, Finding, Location, View

IDS = {"corpus": "doc_id", "haplotypes": "haplotype_id"}  # what is indexed, and the field that names a row
NEEDED = (("corpus", "digest"), ("corpus", "count"), ("structure", "count"))


def find(run: View) -> Iterator[Finding]:
    unknown: list[str] = []
    unnamed: list[str] = []
    corpora = {run.digest(one.path): one for kind in IDS for one in run.all(kind)}
    for manifest in run.all("index_manifest"):
        said = manifest.document["fingerprint"]
        vectors = manifest.beside(manifest.document["file"])
        facts = run.vector_facts(vectors)
        for group, name, seen, words in (
            ("structure", "count", facts.count, "holds {} vectors"),
            ("vectors", "dimension", facts.dimension, "has {} dimensions"),
            ("vectors", "metric", facts.metric, "compares by {}"),
            ("structure", "kind", facts.kind, "is an index of the kind {}"),
        ):
            stated = said.get(group, {}).get(name)
            if None not in (stated, seen) and stated != seen:
                message = f"{vectors} {words.format(seen)}, the manifest says {stated}"
                yield Finding(message, manifest.at("fingerprint", group, name))
        listing = manifest.document["ids"] and manifest.beside(manifest.document["ids"]["file"])
        yield from other_files(run, manifest, vectors, listing)
        if missing := [f"{group}.{name}" for group, name in NEEDED if name not in said.get(group, {})]:
            unknown += missing
            continue
        if listing is None:
            unnamed += [manifest.path] if run.all("haplotypes") else []
            continue
        if not corpora or said["corpus"]["digest"] is None:  # what was indexed lies in no file
            continue
        corpus = corpora.get(said["corpus"]["digest"])
        if corpus is None:
            yield Finding(
                "the corpus that was indexed is none of the run's",
                manifest.at("fingerprint", "corpus", "digest"),
                also=tuple(one.at() for one in corpora.values()),
            )
        else:
            yield from ids(run, manifest, listing, corpus)
    if unknown:
        reason = f"not witnessed: of the index are unknown {', '.join(unknown)}"
        raise Blocked(reason, "describe the index where it is built (sealkit.describe_index)")
    if unnamed:
        raise Blocked(
            f"{unnamed[0]} lists no ids: which haplotypes it holds is unknown", "describe the index with its ids"
        )


def other_files(run: View, manifest: Artifact, vectors: str, listing: str | None) -> Iterator[Finding]:
    """The files of an index that are not those that its manifest describes."""
    said = manifest.document
    described: list[tuple[str, str, tuple[str, ...]]] = [(vectors, said["digest"], ("digest",))]
    if listing is not None:
        described.append((listing, said["ids"]["digest"], ("ids", "digest")))
    for name, digest, part in described:
        if run.digest(name) != digest:
            yield Finding(
                f"{name} is not the file that the manifest describes: its digest is {run.digest(name)}",
                manifest.at(*part),
                fix="put the file back as it was, or build the index again from the corpus",
            )


def ids(run: View, manifest: Artifact, listing: str, corpus: Artifact) -> Iterator[Finding]:
    said = manifest.document["fingerprint"]
    documents = list(indexed(corpus))
    names = [text for _, text in run.lines(listing)]
    for what, found in ((listing, len(names)), (corpus.path, len(documents))):
        if found != said["structure"]["count"]:
            yield Finding(
                f"{what} holds {found} documents, the index {said['structure']['count']}",
                manifest.at("fingerprint", "structure", "count"),
                also=(Location(what),),
            )
    if said["corpus"]["count"] not in (len(documents), said["structure"]["count"]):
        message = f"{corpus.path} holds {len(documents)} documents, the manifest says {said['corpus']['count']}"
        yield Finding(message, manifest.at("fingerprint", "corpus", "count"), also=(corpus.at(),))
    for number, (name, (line, document)) in enumerate(zip(names, documents, strict=False), 1):
        if name != document:
            message = f"row {number} is {name}, row {number} of the corpus that was indexed is {document}"
            yield Finding(message, Location(listing, line=number), also=(corpus.at(line=line),))
            break


def indexed(corpus: Artifact) -> Iterator[tuple[int, str]]:
    """(line, id) of what belongs into the index: every document, and of haplotypes those of the reference."""
    for line, row in corpus.rows():
        if corpus.kind == "corpus" or row["part"] == "reference":
            yield line, row[IDS[corpus.kind]]


CHECK = Check(
    since="0.1.0",
    title="The index holds every document once",
    why="Ids shifted after a delete on a flat index, docstores went out of step (haystack#6228, #3961, langchain#9019).",
    fix="build the index again from the corpus",
    reads={"index_manifest": 2, "corpus?": 1, "haplotypes?": 1},
    find=find,
)
