"""What the guard before a search costs, beside bare faiss in the same run: 100,000 vectors of 384 dimensions, flat.

    python -m tests.bench.guard [FOLDER]

Opening: `open_index` with a probe of 8 inputs (whose vectors are looked up, not encoded) beside `digest.files` of the same files
and `faiss.read_index`; the difference is the guard's own. Comparing: two whole manifests in memory. Searching: 1,000 queries and
1 query, through the guard and by the faiss index itself. Each figure is the median of several repetitions, taken in turns after
one that warms the file cache.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sealkit import describe_index, digest, encoders, manifest, open_index

COUNT, DIMENSION = 100_000, 384


def medians(takes: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds that each takes, in turns; who begins changes with every round."""
    taken: dict[str, list[float]] = {name: [] for name in takes}
    for number in range(rounds + 1):
        for name in list(takes)[:: 1 if number % 2 else -1]:
            started = time.perf_counter()
            takes[name]()
            if number:
                taken[name].append(time.perf_counter() - started)
    return {name: statistics.median(times) for name, times in taken.items()}


def described(folder: Path) -> tuple[Path, encoders.Encoder, Any]:
    """An index of random directions, its encoder, and the vectors."""
    import faiss

    vectors = np.random.default_rng(0).standard_normal((COUNT, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(vectors)
    faiss.write_index(index, str(folder / "index.faiss"))
    encoder = encoders.of_function(
        lambda inputs: vectors[[int(one) for one in inputs]],
        name="a table",
        version="1",
        dimension=DIMENSION,
        normalise=True,
        weights=None,
        tokenizer=None,
    )
    names = [str(row) for row in range(COUNT)]
    describe_index(folder / "index.faiss", encoder, names, ids=[f"d{name}" for name in names])
    return folder / "index.faiss", encoder, vectors


def main(folder: Path) -> None:
    import faiss

    path, encoder, vectors = described(folder)
    names = [entry["name"] for entry in manifest.read(path)["files"]["listing"]]
    opened = open_index(path, encoder)

    def peer() -> None:
        digest.files(folder, names)
        faiss.read_index(str(path))

    found = medians({"own": lambda: open_index(path, encoder), "peer": peer}, 9)
    beyond = 1000 * (found["own"] - found["peer"])
    print(
        f"open, 8 probes   {1000 * found['own']:8.1f} ms   hash and read {1000 * found['peer']:8.1f} ms   beyond {beyond:6.1f} ms"
    )
    stated = manifest.read(path)
    compared = medians({"own": lambda: manifest.compare(stated, stated)}, 99)
    print(f"compare          {1000 * compared['own']:8.3f} ms")
    for count, rounds in ((1000, 19), (1, 499)):
        queries = vectors[:count]

        def own(queries: Any = queries) -> object:
            return opened.search(queries, 10)

        def bare(queries: Any = queries) -> object:
            return opened.vectors.search(queries, 10)

        found = medians({"own": own, "peer": bare}, rounds)
        ratio = found["own"] / found["peer"]
        print(
            f"search, {count:4} at once {1000 * found['own']:6.1f} ms   faiss {1000 * found['peer']:8.1f} ms   ratio {ratio:6.3f}"
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
