"""Exact search in files of vectors without faiss: what faiss finds is found, in files of any length, by blocks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealkit import vector_file
from sealkit.finding import ReadError

DRAWN = np.random.default_rng(7).standard_normal((41, 8)).astype(np.float32)
ASKED = DRAWN[[3, 30, 40]] + np.float32(0.01)


def written(index: Any, path: Path) -> Path:
    pytest.importorskip("faiss").write_index(index, str(path))
    return path


def held(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many rows of DRAWN are held at a time."""
    monkeypatch.setattr(vector_file, "_HELD", rows * DRAWN[0].nbytes)


@pytest.mark.parametrize("rows", [1, 7, 41, 100])
@pytest.mark.parametrize("metric", ["inner_product", "l2"])
def test_a_flat_index_is_searched_as_faiss_does(
    metric: str, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library: Any = pytest.importorskip("faiss")
    index = {"inner_product": library.IndexFlatIP, "l2": library.IndexFlatL2}[metric](8)
    index.add(DRAWN)
    held(rows, monkeypatch)
    scores, found = vector_file.nearest(written(index, tmp_path / "i"), None, ASKED, 10, metric)
    expected, near = index.search(ASKED, 10)
    assert found.tolist() == near.tolist()
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)


def test_a_map_of_ids_answers_with_its_own(tmp_path: Path) -> None:
    library: Any = pytest.importorskip("faiss")
    index = library.IndexIDMap2(library.IndexFlatL2(8))
    index.add_with_ids(DRAWN, np.arange(41) * -1000 + 2**40)
    _, found = vector_file.nearest(written(index, tmp_path / "i"), None, ASKED, 4, "l2")
    assert found.tolist() == index.search(ASKED, 4)[1].tolist()


@pytest.mark.parametrize("dtype", ["<f4", "<f2"])
def test_an_array_is_searched_by_the_metric_that_is_asked_for(dtype: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", DRAWN.astype(dtype))
    rows = DRAWN.astype(dtype).astype(np.float32)
    for metric, every in (("inner_product", -ASKED @ rows.T), ("l2", ((ASKED[:, None] - rows) ** 2).sum(axis=2))):
        _, found = vector_file.nearest(tmp_path / "a.npy", None, ASKED, 5, metric)
        assert found.tolist() == np.argsort(every, axis=1)[:, :5].tolist()


def test_what_does_not_lie_row_by_row_says_so(tmp_path: Path) -> None:
    library: Any = pytest.importorskip("faiss")
    graph = library.IndexHNSWFlat(8, 4)
    graph.add(DRAWN)
    np.save(tmp_path / "columns.npy", np.asfortranarray(DRAWN))
    assert vector_file.facts(written(graph, tmp_path / "i")).rows is None
    assert vector_file.facts(tmp_path / "columns.npy").rows is None


def test_fewer_rows_than_are_asked_for_are_all_found(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", DRAWN[:3])
    scores, found = vector_file.nearest(tmp_path / "a.npy", None, ASKED, 10, "l2")
    assert scores.shape == found.shape == (3, 3)
    np.save(tmp_path / "none.npy", DRAWN[:0])
    assert vector_file.nearest(tmp_path / "none.npy", None, ASKED, 10, "l2")[1].shape == (3, 0)


def test_a_row_that_is_no_number_is_nobodys_neighbour(tmp_path: Path) -> None:
    rows = DRAWN.copy()
    rows[3] = np.nan
    np.save(tmp_path / "a.npy", rows)
    assert 3 not in vector_file.nearest(tmp_path / "a.npy", None, ASKED, 40, "inner_product")[1]


def test_queries_of_another_dimension_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", DRAWN)
    with pytest.raises(ValueError, match=r"shape \(3, 4\); the file's rows have 8 dimensions"):
        vector_file.nearest(tmp_path / "a.npy", None, ASKED[:, :4], 3, "l2")


def test_a_file_that_shrinks_while_it_is_read_is_no_judgement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", DRAWN)
    facts = vector_file.facts(tmp_path / "a.npy")
    monkeypatch.setattr(vector_file, "facts", lambda *_: facts)
    with (tmp_path / "a.npy").open("r+b") as file:
        file.truncate(300)
    with pytest.raises(ReadError, match="became shorter") as caught:
        vector_file.nearest(tmp_path / "a.npy", "a.npy", ASKED, 3, "l2")
    assert not caught.value.malformed


def test_it_needs_no_faiss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", DRAWN)
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert vector_file.nearest(tmp_path / "a.npy", None, DRAWN, 1, "l2")[1].ravel().tolist() == list(range(41))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 40), st.integers(1, 45), st.integers(1, 50))
def test_blocks_are_the_rows_in_their_order(count: int, rows: int, k: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        held(rows, monkeypatch)
        path = Path(folder) / "a.npy"
        np.save(path, DRAWN[:count])
        found = list(vector_file.blocks(path))
        assert [start for start, _ in found] == list(range(0, count, rows))
        assert np.array_equal(np.concatenate([DRAWN[:0], *(block for _, block in found)]), DRAWN[:count])
        assert vector_file.nearest(path, None, ASKED, k, "l2")[1].shape == (3, min(k, count))


def test_an_array_of_no_rows_has_no_dimension_beyond_bounds(tmp_path: Path) -> None:
    header = b"{'descr':'<f4','fortran_order':False,'shape':(0,9223372036854775807)}".ljust(117) + b"\n"
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(ReadError, match="expected rows × dimension"):
        vector_file.facts(tmp_path / "x.npy")
