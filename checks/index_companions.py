"""An index is all of its files and no others: each listed one is as it was, and no further one lies in its folder."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from sealkit import Artifact, Blocked, Check, Finding, Location, Severity, View, listing_digest

# What loaders of an index open beside the vectors: docstores, id maps, settings, vectors.
LOADED = {
    ".arrow", ".bin", ".db", ".faiss", ".index", ".json", ".jsonl", ".npy", ".npz", ".parquet", ".pickle", ".pkl", ".pt", ".pth",
    ".safetensors", ".sqlite", ".sqlite3",
}  # fmt: skip


def find(run: View) -> Iterator[Finding]:
    unlisted = []
    for manifest in run.all("index_manifest"):
        if "files" in manifest.document:
            yield from as_listed(run, manifest)
            yield from beside(run, manifest)
        elif manifest.contract.version > 1:  # the first version knew no listing
            unlisted.append(manifest.path)
    if unlisted:
        raise Blocked(f"{unlisted[0]} does not list the files of its index", "describe the index where it is built")


def as_listed(run: View, manifest: Artifact) -> Iterator[Finding]:
    said, files = manifest.document, set(run.files)
    digests = {entry["name"]: entry["digest"] for entry in said["files"]["listing"]}
    for i, entry in enumerate(said["files"]["listing"]):
        name, at = manifest.beside(entry["name"]), ("files", "listing", i)
        if name not in files:
            yield Finding(f"{name} is a file of the index, and gone", manifest.at(*at, "name"))
        elif run.digest(name) != entry["digest"]:
            message = f"{name} is not the file that was listed: its {run.size(name):,} bytes have the digest {run.digest(name)}"
            yield Finding(message, manifest.at(*at, "digest"), also=(Location(name),))
        elif run.size(name) != entry["bytes"]:
            message = f"{name} has {run.size(name):,} bytes, the listing says {entry['bytes']:,}"
            yield Finding(message, manifest.at(*at, "bytes"))
    if listing_digest(digests) != said["files"]["digest"]:
        message = "the digest of all files is not that of the listing: one of the two was changed"
        yield Finding(message, manifest.at("files", "digest"), also=(manifest.at("files", "listing"),))
    ids = said["ids"] or {"file": None, "digest": None}
    for key, name, digest in (("file", said["file"], said["digest"]), ("ids", ids["file"], ids["digest"])):
        if name in digests and digests[name] != digest:
            yield Finding(f"{name} has one digest in the manifest, and another in its listing", manifest.at(key))


def beside(run: View, manifest: Artifact) -> Iterator[Finding]:
    folder, _, own = manifest.path.rpartition("/")
    named = {entry["name"] for entry in manifest.document["files"]["listing"]}
    needed = {manifest.document["file"], (manifest.document["ids"] or {}).get("file")}
    for path in run.files:
        name = path.removeprefix(f"{folder}/")
        if name in named or name in (path, own) or name.startswith("."):
            continue
        loaded = name in needed or PurePosixPath(name).suffix.lower() in LOADED
        soft, words = (None, ": loaders open such files") if loaded else (Severity.WARNING, "")
        message = f"lies in the folder of the index, and is no file of it{words}"
        yield Finding(message, Location(path), soft, also=(manifest.at("files", "listing"),))


CHECK = Check(
    since="0.2.0",
    title="The index is all of its files",
    why="Only the .faiss file was hashed, and the pickled docstore beside it was exchanged (local-deep-research#4632); "
    "docstores went out of step with their vectors (langchain#9019, haystack#3961).",
    fix="put the files of the index back as they were and others elsewhere, or build and describe it again",
    reads={"index_manifest": 2},
    find=find,
)
