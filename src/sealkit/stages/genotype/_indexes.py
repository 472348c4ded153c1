"""One index a window: built from the references, and opened only for queries from its own space."""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealkit import mask, vector_file
from sealkit.describe import describe_index, described
from sealkit.index import OpenIndex, Waived, open_index
from sealkit.stages.genotype import _space
from sealkit.stages.genotype._haplotypes import Bits, Data, Window
from sealkit.stages.genotype._masks import ONCE, Mask
from sealkit.stages.genotype._space import Space, Vectors

FILE = "index.faiss"


def place(root: Path, window: Window) -> Path:
    return root / f"window_{window.number:03}"


@dataclass(frozen=True)
class _Built:
    """An index on disk: its folder, the encoder that it is described with, what it was built from, and what is known of it."""

    folder: Path
    encoder: Any
    inputs: Any
    about: dict[str, dict[str, Any]]


def _build(root: Path, data: Data, space: Space, window: Window, drawn: Mask | None) -> tuple[Any, _Built]:
    """Write the index of a window's references, masked by `drawn` or by nothing. One thread adds them: the bytes are the same twice."""
    import faiss

    hidden: Bits | None = drawn.hidden(window, ONCE) if drawn else None
    tokens = data.tokens("reference", window, hidden)
    vectors = np.ascontiguousarray(space.vectors(tokens, window), dtype=np.float32)
    made = faiss.IndexFlatL2 if space.metric == "l2" else faiss.IndexFlatIP
    index = made(vectors.shape[1])
    index.add(vectors)
    folder = place(root, window)
    folder.mkdir(parents=True)
    faiss.write_index(index, str(folder / FILE))
    name = f"references at {window.contig}:{window.start}-{window.end}"
    about: dict[str, dict[str, Any]] = {
        "corpus": {"digest": data.source.digest, "name": name},
        "preparation": {"template": None, "chunking": None},
    }
    side = space.side(window, drawn.group(ONCE) if drawn else mask.none())
    return index, _Built(folder, side, space.inputs(tokens, vectors), about)


def write(
    root: Path, data: Data, space: Space, drawn: Mask | None, invariant: Mapping[str, str], run_id: str
) -> dict[Path, dict[str, Any]]:
    """Build the indexes of all windows; the folder of each with its manifest, whose digests are not filled in yet."""
    found, ids = {}, data.parts["reference"].ids
    for window in data.windows:
        index, built = _build(root, data, space, window, drawn)
        file = built.folder / FILE
        (built.folder / "ids.txt").write_text("".join(f"{one}\n" for one in ids), "utf-8", newline="\n")
        about = built.about | {"time": {"run_id": run_id}}
        inputs = [one.tolist() for one in built.inputs]
        said = described(index, vector_file.facts(file), built.encoder, inputs, ids, about, str(file))
        document = {"schema": "index_manifest/v2", "witness": "built", "file": FILE, "ids": "ids.txt", "run_id": run_id}
        found[built.folder] = {**document, **({"invariant": dict(invariant)} if invariant else {}), "fingerprint": said}
    return found


def rebuild(root: Path, data: Data, space: Space, invariant: Mapping[str, str]) -> tuple[float, float]:
    """Build the indexes of unmasked references again, in the place of those that are there; seconds of building and describing."""
    if root.exists():
        shutil.rmtree(root)
    building = describing = 0.0
    for window in data.windows:
        began = time.perf_counter()
        _, built = _build(root, data, space, window, None)
        made = time.perf_counter()
        describe_index(
            built.folder,
            built.encoder,
            built.inputs,
            ids=data.parts["reference"].ids,
            about=built.about,
            invariant=invariant,
        )
        building += made - began
        describing += time.perf_counter() - made
    return building, describing


@dataclass
class Found:
    """What a search of all windows found: `rows[i]` (queries, k) are rows of the reference part, `scores[i]` are higher where it is nearer,
    one a window; the `recall` over all of them, the seconds that the guard and the search took, what was `waived`."""

    rows: list[NDArray[np.int64]]
    scores: list[NDArray[np.float32]]
    opened: list[OpenIndex]
    recall: float
    seconds_guard: float
    seconds_search: float
    waived: dict[str, str]


def search(
    root: Path, data: Data, space: Space, part: str, drawn: Mask, epoch: int, k: int, waived: Mapping[str, str]
) -> Found:
    """The nearest k references of each window of a part, masked as in this epoch, each index opened by its guard.

    Raises Refused where an index is of another space, mask or window than the queries, unless that was `waived`.
    """
    group, found = drawn.group(epoch), Found([], [], [], 0.0, 0.0, 0.0, {})
    turn, total = np.argsort(np.argsort(data.parts["reference"].ids)), 0.0
    for window in data.windows:
        tokens = data.tokens(part, window, drawn.hidden(window, epoch))
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Waived)  # the reason stands in the history of searches, and in the report
            index = open_index(place(root, window), space.side(window, group), waived=waived)
        opened = time.perf_counter()
        vectors: Vectors = space.vectors(tokens, window)
        hits = index.search(vectors, min(k, index.shape[0]))
        rows, scores = _ordered(hits.rows, -hits.scores + 0.0 if space.metric == "l2" else hits.scores, turn)
        found.seconds_guard += opened - began
        found.seconds_search += time.perf_counter() - opened
        total += _space.recall(data, part, window, rows)
        found.rows.append(rows)
        found.scores.append(scores)
        found.opened.append(index)
        found.waived |= index.waived
    found.recall = total / len(data.windows)
    return found


def _ordered(
    rows: NDArray[np.int64], scores: NDArray[np.float32], turn: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows and scores by falling score, then falling id; `turn` is the place of each row's id among all of them."""
    by = np.argsort(-turn[rows], axis=1, kind="stable")
    by = np.take_along_axis(by, np.argsort(-np.take_along_axis(scores, by, 1), axis=1, kind="stable"), 1)
    return np.take_along_axis(rows, by, 1), np.take_along_axis(scores, by, 1)
