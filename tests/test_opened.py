"""The file of vectors: what it says of itself without faiss, and how it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealkit import opened, vector_file
from sealkit.finding import ReadError
from sealkit.vector_file import Facts
from tests.within import refusal, value_or_refusal

faiss = pytest.importorskip("faiss")
ROWS = np.random.default_rng(0).random((16, 4), dtype=np.float32)
FIX = "\n  fix: give a .faiss file, or a .npy array of float32 or float16"


def array(folder: Path, rows: Any) -> Path:
    np.save(folder / "rows.npy", rows)
    return folder / "rows.npy"


def index(folder: Path, factory: str, metric: int = faiss.METRIC_INNER_PRODUCT, ids: Any = None) -> Path:
    found = faiss.index_factory(4, factory, metric)
    found.train(ROWS)
    if ids is None:
        found.add(ROWS)
    else:
        found.add_with_ids(ROWS, np.asarray(ids, np.int64))
    faiss.write_index(found, str(folder / "x.faiss"))
    return folder / "x.faiss"


@pytest.mark.parametrize("dtype", ["<f4", "<f2"])
@pytest.mark.parametrize("count", [0, 1, 16])
def test_an_array_of_floats_is_an_index(dtype: str, count: int, tmp_path: Path) -> None:
    path = array(tmp_path, ROWS[:count].astype(dtype))
    found = vector_file.facts(path)
    assert found == Facts("array", count, 4, None, False, {}, 128, dtype)
    assert found.exact
    for metric, number in (
        ("inner_product", faiss.METRIC_INNER_PRODUCT),
        ("l2", faiss.METRIC_L2),
        ("other:2", faiss.METRIC_L1),
    ):
        loaded = opened.load(path, metric)
        assert (loaded.ntotal, loaded.d, loaded.metric_type) == (count, 4, number)
        if count:
            kept = opened.rows(loaded, list(range(count)))
            assert kept is not None and np.array_equal(kept, ROWS[:count].astype(dtype).astype(np.float32))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (ROWS.astype("<f8"), "is an array of <f8, 16 × 4; expected rows × dimension of floats"),
        (ROWS.astype(">f4"), "is an array of >f4, 16 × 4; expected rows × dimension of floats"),
        (ROWS.astype("<i4"), "is an array of <i4, 16 × 4; expected rows × dimension of floats"),
        (ROWS[0], "is an array of <f4, 4; expected rows × dimension of floats"),
        (ROWS.reshape(4, 4, 4), "is an array of <f4, 4 × 4 × 4; expected rows × dimension of floats"),
        (ROWS[:, :0], "is an array of <f4, 16 × 0; expected rows × dimension of floats"),
    ],
    ids=["f8", "big", "int", "1-D", "3-D", "no columns"],
)
def test_an_array_that_is_no_table_of_floats_is_refused(rows: Any, said: str, tmp_path: Path) -> None:
    path = array(tmp_path, rows)
    assert str(refusal(lambda: vector_file.facts(path, "rows.npy"))) == f"rows.npy: {said}{FIX}"


def test_an_array_of_objects_is_never_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "o.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    refusal(lambda: vector_file.facts(tmp_path / "o.npy"))


@pytest.mark.parametrize(
    ("factory", "kind", "exact"),
    [
        ("Flat", "flat", True),
        ("HNSW4", "hnsw", True),
        ("IVF2,Flat", "ivf", True),
        ("IVF2,SQ8", "IwSq", False),
        ("HNSW4,SQ8", "IHNs", False),
        ("SQ8", "IxSQ", False),
        ("PCA2,Flat", "IxPT", False),
    ],
)
def test_what_gives_its_rows_back_is_known_without_faiss(factory: str, kind: str, exact: bool, tmp_path: Path) -> None:
    path = index(tmp_path, factory)
    found = vector_file.facts(path)
    assert (found.kind, found.exact, found.mapped) == (kind, exact, False)
    kept = opened.rows(opened.load(path, "inner_product"), [3, 0])
    assert exact == (kept is not None and np.array_equal(kept, ROWS[[3, 0]]))


@pytest.mark.parametrize("factory", ["IDMap,Flat", "IDMap2,Flat", "IDMap,IVF2,Flat", "IDMap,HNSW4"])
def test_rows_of_a_map_are_counted_by_position(factory: str, tmp_path: Path) -> None:
    path = index(tmp_path, factory, ids=np.arange(16)[::-1] * 100)
    assert vector_file.facts(path).mapped
    kept = opened.rows(opened.load(path, "inner_product"), [3, 0])
    assert kept is not None and np.array_equal(kept, ROWS[[3, 0]])


def test_groups_of_a_fingerprint_say_null_for_what_a_kind_has_not(tmp_path: Path) -> None:
    flat = vector_file.facts(index(tmp_path, "Flat"))
    none = {"m": None, "ef_construction": None, "lists": None}
    assert flat.structure() == {"kind": "flat", "count": 16, **none, "id_map": "positions"}
    assert flat.search() == {"probes": None, "ef_search": None}
    ivf = vector_file.facts(index(tmp_path, "IDMap,IVF2,Flat", ids=range(16)))
    assert ivf.structure() == {"kind": "ivf", "count": 16, **none, "lists": 2, "id_map": "map"}
    assert ivf.search() == {"probes": 1, "ef_search": None}
    graph = vector_file.facts(index(tmp_path, "HNSW4", faiss.METRIC_L2))
    assert graph.structure() == {
        "kind": "hnsw",
        "count": 16,
        **none,
        "m": 4,
        "ef_construction": 40,
        "id_map": "positions",
    }
    assert (graph.search(), graph.metric) == ({"probes": None, "ef_search": 16}, "l2")


@pytest.mark.parametrize(
    ("factory", "name"),
    [
        ("Flat", None),
        ("IVF2,Flat", "probes"),
        ("IDMap,IVF2,Flat", "probes"),
        ("PCA2,IVF2,Flat", "probes"),
        ("HNSW4", "ef_search"),
        ("IDMap2,HNSW4", "ef_search"),
    ],
)
def test_settings_of_an_opened_index_are_read_when_they_are_asked_for(
    factory: str, name: str | None, tmp_path: Path
) -> None:
    loaded = opened.load(index(tmp_path, factory, ids=range(16) if "IDMap" in factory else None), "inner_product")
    found = opened.settings(loaded)
    assert list(found) == ([name] if name else [])
    if name:
        before = found[name]()
        inner = loaded
        while hasattr(inner, "index"):
            inner = faiss.downcast_index(inner.index)
        (inner.hnsw if name == "ef_search" else inner).__setattr__(
            {"probes": "nprobe", "ef_search": "efSearch"}[name], 2
        )
        assert (before, found[name]()) in ((1, 2), (16, 2))


def test_what_faiss_cannot_open_is_a_clear_error(tmp_path: Path) -> None:
    path = index(tmp_path, "HNSW4")
    path.write_bytes(path.read_bytes()[:-40])
    assert vector_file.facts(path).kind == "hnsw"
    error = refusal(lambda: opened.load(path, "inner_product"))
    assert "cannot be opened by faiss" in str(error) and str(error).endswith("\n  fix: build the index again")


def test_a_link_is_followed_only_where_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(index(tmp_path, "Flat"))
    refusal(lambda: vector_file.facts(tmp_path / "link"))
    refusal(lambda: opened.load(tmp_path / "link", "inner_product"))
    assert vector_file.facts(tmp_path / "link", follow=True).count == 16


@settings(max_examples=60)
@given(data=st.binary(max_size=120), magic=st.sampled_from([b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00", b"IxFI"]))
def test_any_bytes_are_facts_or_a_refusal(data: bytes, magic: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(magic + data)
    found = value_or_refusal(lambda: vector_file.facts(path))
    assert isinstance(found, Facts | ReadError)
