"""FAISS indexes of vectors: flat (exact), HNSW and IVF (approximate), with their recall against exact search."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sealkit.stage import Params

Vectors = NDArray[np.float32]
RECALL_AT = 10
SAMPLE = 200  # documents whose neighbours are looked for again


class Hnsw(Params):
    """Malkov and Yashunin 2018: `m` links a node, candidates looked at while building and while searching."""

    m: int = Field(default=32, ge=2)
    ef_construction: int = Field(default=200, ge=1)
    ef_search: int = Field(default=128, ge=1)


class Ivf(Params):
    """`lists`: cells that the vectors are clustered into, null for the root of their number; `probes`: cells that are searched."""

    lists: int | None = Field(default=None, ge=1)
    probes: int = Field(default=8, ge=1)


class Structure(Params):
    kind: Literal["flat", "hnsw", "ivf"] = "flat"
    hnsw: Hnsw = Hnsw()
    ivf: Ivf = Ivf()


def build(vectors: Vectors, params: Structure, seed: int) -> tuple[Any, dict[str, Any]]:
    """A FAISS index over vectors of shape (documents, dimension) by inner product, and what it is: kind, settings and, where it
    is approximate, the recall that was measured. One thread builds it, so that the same vectors give the same bytes."""
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        index, said = _empty(vectors, params, seed)
        index.add(vectors)
    finally:
        faiss.omp_set_num_threads(threads)
    if params.kind != "flat":
        said["recall"] = recall(index, vectors, seed)
    return index, said


def _empty(vectors: Vectors, params: Structure, seed: int) -> tuple[Any, dict[str, Any]]:
    import faiss

    count, dimension = vectors.shape
    if params.kind == "flat":
        return faiss.IndexFlatIP(dimension), {"kind": "flat"}
    if params.kind == "hnsw":
        graph = faiss.IndexHNSWFlat(dimension, params.hnsw.m, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction, graph.hnsw.efSearch = params.hnsw.ef_construction, params.hnsw.ef_search
        return graph, {"kind": "hnsw", **params.hnsw.model_dump()}
    lists = min(count, params.ivf.lists or max(1, round(math.sqrt(count))))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dimension), dimension, lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed, index.cp.min_points_per_centroid = seed & 0x7FFFFFFF, 1
    index.train(vectors)
    index.nprobe = min(lists, params.ivf.probes)
    return index, {"kind": "ivf", "lists": lists, "probes": int(index.nprobe)}


def recall(index: Any, vectors: Vectors, seed: int) -> dict[str, Any]:
    """The share of a document's nearest other documents that the index finds, in the mean over a seeded sample of documents."""
    count = len(vectors)
    k = min(RECALL_AT, count - 1)
    drawn = np.sort(np.random.Generator(np.random.PCG64(seed)).permutation(count)[:SAMPLE])
    if k < 1:
        return {"at": RECALL_AT, "sample": len(drawn), "value": 1.0}
    exact = vectors[drawn] @ vectors.T
    exact[np.arange(len(drawn)), drawn] = -np.inf
    _, found = index.search(vectors[drawn], k + 1)
    # By score, not by row: of several documents at one distance either is right. Rounding differs between the two products.
    least = np.partition(exact, -k, axis=1)[:, -k]
    hits = 0
    for own, scores, rows, bound in zip(drawn, exact, found, least, strict=True):
        others = [row for row in rows if row >= 0 and row != own][:k]
        hits += int(np.sum(scores[others] >= bound - 1e-6))
    return {"at": RECALL_AT, "sample": len(drawn), "value": hits / (k * len(drawn))}
