"""The probe: what replaying it tells apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sealkit import probe, vector_file
from sealkit.opened import searched

ROWS = np.linalg.qr(np.random.default_rng(3).standard_normal((6, 6)))[0].astype(np.float32)


def searcher(rows: Any, ids: list[str]) -> probe.Search:
    def search(queries: Any, k: int) -> tuple[Any, list[list[Any]]]:
        scores = queries @ rows.T
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, order, axis=1), [[ids[row] for row in line] for line in order]

    return search


def taken(ids: list[str]) -> dict[str, Any]:
    queries = ROWS[:3] + np.float32(0.1) * ROWS[3:]
    return probe.take(["a", "b", "c"], queries, searcher(ROWS, ids), len(ROWS), ids[:3])


def test_ids_that_changed_places_are_noticed_where_the_whole_index_is_found() -> None:
    ids = ["d0", "d1", "d2", "d3", "d4", "d5"]
    stored = taken(ids)
    assert probe.replay(stored, searcher(ROWS, ids), "inner_product", None).wrong == ()
    shifted = probe.replay(stored, searcher(ROWS, [*ids[1:], ids[0]]), "inner_product", None)
    assert shifted.wrong[0] == "the input 1 of the probe finds 'd0' at another score than when the index was described"
    assert len(shifted.wrong) == 3


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 5, 4], [0, 2, 1, 3, 4, 5]])
def test_rows_that_are_equally_near_may_change_places(order: list[int]) -> None:
    same = np.repeat(ROWS[:1], 6, axis=0)
    ids = ["d0", "d1", "d2", "d3", "d4", "d5"]
    stored = probe.take(["a"], ROWS[:1], searcher(same, ids), 6, ["d0"])
    assert not probe.replay(stored, searcher(same, [ids[row] for row in order]), "inner_product", None).wrong


def test_one_id_may_name_several_rows() -> None:
    ids = ["d0", "d0", "d1", "d1", "d2", "d2"]
    assert not probe.replay(taken(ids), searcher(ROWS, ids), "inner_product", None).wrong


@pytest.mark.parametrize("metric", ["inner_product", "l2"])
@pytest.mark.parametrize(("scale", "away"), [(1.0, 0.0), (30.0, 0.0), (1.0, 100.0), (1e-3, 0.0)])
def test_what_faiss_found_is_found_again_without_it(metric: str, scale: float, away: float, tmp_path: Path) -> None:
    library: Any = pytest.importorskip("faiss")
    index = {"inner_product": library.IndexFlatIP, "l2": library.IndexFlatL2}[metric](96)
    rows = (np.random.default_rng(5).standard_normal((500, 96)) * scale + away).astype(np.float32)
    index.add(rows)
    library.write_index(index, str(tmp_path / "i"))
    stored = probe.take([str(i) for i in range(8)], rows[:8] * np.float32(1.01), searched(index, None), 500)

    def search(queries: Any, k: int) -> tuple[Any, list[list[Any]]]:
        scores, found = vector_file.nearest(tmp_path / "i", None, queries, k, metric)
        return scores, found.tolist()

    assert probe.replay(stored, search, metric, None).wrong == ()
