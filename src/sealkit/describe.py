"""Writes the manifest of an index that somebody just built: what its files are, and the space that its vectors are in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sealkit import fingerprint, manifest, opened, probe, vector_file, write
from sealkit.encoders import Encoder
from sealkit.finding import Finding, Location, ReadError, Refused, Severity, UsageError
from sealkit.index import DESCRIBE
from sealkit.vector_file import Facts

SETTINGS = ("probes", "ef_search")
HIT = 0.5  # the share of a probe's documents that an index which keeps no exact rows must find among the first


def describe_index(
    path: str | Path,
    encoder: Encoder,
    corpus: Sequence[Any],
    *,
    ids: Sequence[str] | None = None,
    about: Mapping[str, Mapping[str, Any]] | None = None,
    invariant: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Write the manifest of an index that was just built, and return it.

    `path` is the index's file, or the folder that holds it and nothing that is no part of it. `corpus` holds what was encoded
    (prepared inputs, without the prompt), in row order; `ids` names the rows, and is written to a list beside the index (without
    it the index's own ids count). `about` adds to the groups of the fingerprint what only the caller knows, as
    {"corpus": {"name": …}, "preparation": {"template": …}, "time": {"encoder_trained_at": …}}; `invariant` declares fields or
    groups in which queries may differ: name → reason.

    A few rows are encoded again and held against the vectors in the index. Raises Refused where the encoder did not make
    them, or compares otherwise than the file; UsageError where counts differ or a manifest is there already; ReadError where
    the file cannot be read.
    """
    if not isinstance(encoder, Encoder):
        raise UsageError(f"the encoder is a {type(encoder).__name__}; expected an Encoder", DESCRIBE)
    invariant = manifest.signed(invariant or {})
    path, corpus = Path(path), [as_input(one) for one in corpus]
    file, at = the_file(path), manifest.place(path)
    if at.exists():
        raise UsageError(f"{at}: there is a manifest already", "remove it where the index was built again")
    facts = vector_file.facts(file)
    if len(corpus) != facts.count or (ids is not None and len(ids) != facts.count):
        given = f"{len(corpus)} inputs" + ("" if ids is None else f" and {len(ids)} ids")
        raise UsageError(
            f"{file}: holds {facts.count} vectors; given were {given}", "give one for each row, in its order"
        )
    if ids is not None and facts.mapped:
        raise UsageError(f"{file}: returns ids of its own (an IDMap)", "leave ids out: those of the index count")
    metric = encoder.space["vectors"]["metric"]
    if facts.metric not in (None, metric) and not {"vectors", "vectors.metric"} & set(invariant):
        message = f"vectors.metric: the file compares by {facts.metric}, the encoder says {metric}: its queries would never fit"
        fix = f"describe the encoder with metric={facts.metric!r}, or build the index by {metric}"
        raise Refused([Finding(message, Location(str(file)), Severity.ERROR, fix=fix)])
    listing = at.parent / ("ids.txt" if path.is_dir() else f"{file.name}.ids.txt")
    lines = None if ids is None else _lines(ids, listing)
    vectors = opened.load(file, facts.metric or metric)
    found = described(vectors, facts, encoder, corpus, ids, about or {}, str(file))
    document: dict[str, Any] = {"witness": "described", "file": file.name, "ids": None, "fingerprint": found}
    if lines is not None:
        document["ids"] = listing.name
        write.atomic(listing, lines)
    if invariant:
        document["invariant"] = dict(invariant)
    names = manifest.companions(path) if path.is_dir() else [name for name in (file.name, document["ids"]) if name]
    whole = manifest.whole({"schema": manifest.CONTRACT, **document}, at.parent, names)
    manifest.keep(whole, at)
    return whole


def as_input(one: Any) -> Any:
    """An input as JSON keeps it: an array of tokens as a list."""
    return one.tolist() if isinstance(one, np.ndarray) else one


def _lines(ids: Sequence[str], listing: Path) -> str:
    """The list of ids, one a line. Raises UsageError where that is not what would be read, or another list is there."""
    for row, one in enumerate(ids):
        if "\n" in one or "\r" in one:
            raise UsageError(f"the id of row {row}, {one!r}, holds a line break", "give ids of one line")
    if len(ids) and ids[0].startswith("\ufeff"):
        raise UsageError("the first id begins with a byte-order mark", "take it off: no reader keeps it")
    lines = "".join(f"{one}\n" for one in ids)
    if listing.exists() and listing.read_bytes() != lines.encode():
        raise UsageError(
            f"{listing}: there is another list of ids already", "remove it where the index was built again"
        )
    return lines


def the_file(path: Path) -> Path:
    """The file of vectors of an index: the path itself, or the one in a folder that is such a file. Raises UsageError."""
    if not path.is_dir():
        return path
    found = []
    for name in manifest.companions(path):
        try:
            vector_file.facts(path / name)
        except ReadError:
            continue
        found.append(path / name)
    if len(found) != 1:
        names = ", ".join(one.name for one in found) or "none"
        raise UsageError(f"{path}: expected one file of vectors in it, found {names}", "give the file itself")
    return found[0]


def described(
    vectors: Any,
    facts: Facts,
    encoder: Encoder,
    corpus: Sequence[Any],
    ids: Sequence[str] | None,
    about: Mapping[str, Mapping[str, Any]],
    where: str,
) -> dict[str, Any]:
    """The fingerprint of an opened index whose rows are `corpus`, in the space of an encoder, with its probe. Raises Refused."""
    names = np.array(ids, dtype=object) if ids is not None else None
    found = declared(encoder.space, facts, own_ids(vectors, facts) if ids is None else ids, about)
    given = {
        "digest": None,
        "inputs": fingerprint.of_inputs(corpus),
        "count": len(corpus),
        "duplicates": len(corpus) - len({fingerprint.of_inputs([one]) for one in corpus}),
    }
    found["corpus"] = {**given, **found["corpus"]}
    if not facts.read_through:  # what the header does not tell, the opened index does
        found["search"] |= dict.fromkeys(SETTINGS) | {name: now() for name, now in opened.settings(vectors).items()}
    found["probe"] = _probe(vectors, facts, encoder, corpus, names, where)
    return found


def declared(
    space: Mapping[str, Any], facts: Facts, ids: Sequence[Any], about: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The fingerprint of an index in a space that is taken at its word: what its file says is added, and what the caller knows."""
    made: dict[str, dict[str, Any]] = {
        "corpus": {"ids": fingerprint.of_lines([str(one) for one in ids])},
        "vectors": facts.vectors(),
        "structure": facts.structure(),
        "search": {**facts.search(), "score": None},
        "time": {"built_at": write.now()},
    }
    groups = dict.fromkeys([*space, *made, *about])
    return {group: {**space.get(group, {}), **made.get(group, {}), **about.get(group, {})} for group in groups}


def own_ids(vectors: Any, facts: Facts) -> list[int]:
    """The ids that an index itself returns for its rows."""
    if not facts.mapped:
        return list(range(facts.count))
    import faiss

    return [int(one) for one in faiss.vector_to_array(vectors.id_map)]


def _probe(vectors: Any, facts: Facts, encoder: Encoder, corpus: Sequence[Any], ids: Any, where: str) -> dict[str, Any]:
    """The probe of an index, taken where its encoder is at hand. Raises Refused where the encoder did not make the vectors."""
    if not facts.count:
        return {}
    rows = probe.chosen([len(one) for one in corpus])
    inputs = [corpus[row] for row in rows]
    documents = np.asarray(encoder.documents(inputs), dtype=np.float32)
    search = opened.searched(vectors, ids)
    names = np.asarray(own_ids(vectors, facts)).tolist() if ids is None else ids
    own = [names[row] for row in rows]
    kept = opened.rows(vectors, rows) if facts.exact else None
    if kept is not None:
        off = [f"row {row}: {said}" for row, said in zip(rows, probe.off(kept, documents), strict=True) if said]
        wrong = probe.with_the_rest(off, len(rows))
    else:
        # a tenth of a small index at most: among most of its rows any encoder finds any document
        _, near = search(documents, min(probe.NEIGHBOURS, max(1, facts.count // probe.NEIGHBOURS)))
        hits = sum(one in found for one, found in zip(own, near, strict=True))
        wrong = [f"{hits} of {len(own)} documents find themselves"] if hits < HIT * len(own) else []
    if wrong:
        fix = "give the encoder that made the vectors, with its settings, and the corpus in the order of the rows"
        message = "the vectors are not those of this encoder and corpus: "
        raise Refused([Finding(message + one, Location(where), Severity.ERROR, fix=fix) for one in wrong])
    queries = np.ascontiguousarray(encoder.queries(inputs), dtype=np.float32)
    # Of inputs that are the same any row may come first.
    alike = [{names[row] for row, other in enumerate(corpus) if other == one} for one in inputs]
    return probe.take(inputs, queries, search, facts.count, alike)
