"""A store of texts around a FAISS index, whichever library wrote it: what it holds row by row, in files that were described."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sealkit import fingerprint, manifest
from sealkit.encoders import Encoder, of_function
from sealkit.finding import Finding, Location, Refused, Severity, pointer
from sealkit.index import OpenIndex, open_index
from sealkit.index_files import RESTORE
from sealkit.sentence_transformer import PROBES
from sealkit.space import UNIT, Vectors

REBUILD = "build the store again, and describe it there"
Embed = Callable[[Sequence[str]], Any]


def encoder(
    queries: Embed, documents: Embed, *, name: str, version: str, metric: str, normalise: bool = False
) -> Encoder:
    """Describe the two methods of an embedding object as plain functions, of which name and version say everything.

    With `normalise` each vector is divided by its length. The dimension, and whether vectors have length 1, are found by
    encoding a few texts. Raises UsageError.
    """

    def encoded(embed: Embed, texts: Sequence[str]) -> Vectors:
        vectors: Vectors = np.asarray(embed(texts), dtype=np.float32)
        lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
        return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0) if normalise else vectors

    both = [encoded(embed, PROBES) for embed in (queries, documents)]
    unit = all(np.allclose(np.linalg.norm(one, axis=-1), 1, atol=UNIT) for one in both)
    return of_function(
        lambda texts: encoded(queries, texts),
        documents=lambda texts: encoded(documents, texts),
        name=name,
        version=version,
        dimension=both[1].shape[-1],
        normalise=unit,
        weights=None,
        tokenizer=None,
        metric=metric,
    )


def opened(folder: Path, query_side: Encoder, space: Mapping[str, Any], needed: Sequence[str]) -> OpenIndex:
    """Open the index of a store for an encoder whose space may say more by now.

    Raises Refused also where `needed` files were not described, or others were put beside them: their library may read those.
    """
    stated = manifest.read(folder)
    described = {entry["name"] for entry in stated.get("files", {"listing": []})["listing"]}
    others = [name for name in manifest.companions(folder) if name not in described and name not in needed]
    wrong = [(name, f"{name} is not among the files that were described") for name in needed if name not in described]
    wrong += [(name, f"{name} was not there when the store was described") for name in others]
    if wrong:
        raise refused([(Location(str(folder / name)), message) for name, message in wrong], RESTORE)
    return open_index(folder, space, query_side.queries)


def hold(folder: Path, index: OpenIndex, ids: Sequence[str], texts: Sequence[str]) -> None:
    """Hold what a library loaded, row by row, against what was described. Raises Refused."""
    said = index.manifest["fingerprint"].get("corpus", {})
    found = {"ids": fingerprint.of_lines(ids), "inputs": fingerprint.of_inputs(texts)}
    wrong = [
        (
            Location(str(manifest.place(folder)), pointer=pointer("fingerprint", "corpus", name)),
            f"corpus.{name}: the manifest says {said[name]}, the store holds {value}",
        )
        for name, value in found.items()
        if name in said and said[name] != value
    ]
    if wrong:
        raise refused(wrong, REBUILD)


def refused(wrong: Sequence[tuple[Location, str]], fix: str) -> Refused:
    return Refused([Finding(message, at, Severity.ERROR, fix=fix) for at, message in wrong])
