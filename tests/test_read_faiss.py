"""Headers of FAISS indexes: what faiss writes is read without faiss; a torn flat index and a binary one are refused."""

from __future__ import annotations

import functools
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealkit.finding import ReadError
from sealkit.read import faiss
from sealkit.read.faiss import FaissHeader
from tests.within import refusal, value_or_refusal

AGAIN = "\n  fix: build the index again"


def flat(
    dimension: int = 4, count: int = 3, metric: int = 0, fourcc: bytes = b"IxFI", floats: int | None = None
) -> bytes:
    head = fourcc + struct.pack("<iqqqBi", dimension, count, 1 << 20, 1 << 20, 1, metric)
    argument = struct.pack("<f", 3.0) if metric > 1 else b""
    size = dimension * count if floats is None else floats
    return head + argument + struct.pack("<Q", size) + b"\0" * (4 * dimension * count)


def read(data: bytes, folder: Path) -> FaissHeader:
    (folder / "index.faiss").write_bytes(data)
    return faiss.read_header(folder / "index.faiss", "index.faiss")


def words(data: bytes, folder: Path) -> str:
    error = refusal(lambda: read(data, folder))
    assert error.malformed
    return str(error)


FACTORIES = [
    "Flat", "IVF2,Flat", "HNSW8", "NSG8", "PQ2x4", "PQ2x4fs", "IVF2,PQ2x4", "SQ8", "SQfp16", "IDMap,Flat", "IDMap2,Flat", "PCA4,Flat",
    "L2norm,Flat", "Flat,RFlat",
]  # fmt: skip
EACH = [(factory, metric) for factory in FACTORIES for metric in ("inner_product", "l2", "other:2")]


@pytest.mark.parametrize(("factory", "metric"), [*EACH, ("LSH", "l2"), ("RQ2x4", "l2"), ("RQ2x4", "inner_product")])
def test_what_faiss_writes_is_read(factory: str, metric: str, tmp_path: Path) -> None:
    library: Any = pytest.importorskip("faiss")
    metrics = {"inner_product": library.METRIC_INNER_PRODUCT, "l2": library.METRIC_L2, "other:2": library.METRIC_L1}
    vectors = np.random.default_rng(0).random((128, 8), dtype=np.float32)
    index = library.index_factory(8, factory, metrics[metric])
    index.train(vectors)
    if factory.startswith("IDMap"):
        index.add_with_ids(vectors, np.arange(128))
    else:
        index.add(vectors)
    library.write_index(index, str(tmp_path / "i"))
    written = (tmp_path / "i").read_bytes()
    mapped = factory.startswith("IDMap")
    start = 37 + 4 * metric.startswith("other") if mapped else 0  # where the index begins that a map of ids holds
    found = faiss.read_header(tmp_path / "i")
    rows = None
    if written[start : start + 4] in (b"IxF2", b"IxFI", b"IxFl"):
        rows = start + 45 + 4 * metric.startswith("other")
        assert written[rows : rows + vectors.nbytes] == vectors.tobytes()
    expected = FaissHeader(written[start : start + 4].decode(), 8, 128, True, metric, mapped, rows, found.settings)
    assert found == expected
    assert found.settings == settings_of(library, index)
    assert (index.d, index.ntotal, index.is_trained) == (8, 128, True)


def settings_of(library: Any, index: Any) -> dict[str, int]:
    """What faiss says of an index that it opened, for the kinds of which the header is read further."""
    if isinstance(index, library.IndexIDMap):
        index = library.downcast_index(index.index)
    if isinstance(index, library.IndexIVF):
        return {"lists": index.nlist, "probes": index.nprobe}
    if isinstance(index, library.IndexHNSW):
        graph = index.hnsw
        return {"m": graph.nb_neighbors(1), "ef_construction": graph.efConstruction, "ef_search": graph.efSearch}
    return {}


SET: list[tuple[str, dict[str, int]]] = [
    ("Flat", {}),
    ("IDMap,Flat", {}),
    ("IDMap2,Flat", {}),
    ("PCA4,Flat", {}),
    ("PQ2x4", {}),
    ("SQ8", {}),
]
SET += [
    (f"{front}{kind}", {"nprobe": 3})
    for front in ("", "IDMap,", "IDMap2,")
    for kind in ("IVF4,Flat", "IVF4,PQ2x4", "IVF4,SQ8")
]
SET += [
    (f"{front}{kind}", {"efSearch": 77, "efConstruction": 55})
    for front in ("", "IDMap,", "IDMap2,")
    for kind in ("HNSW8", "HNSW16,SQ8", "HNSW12,PQ2x4")
]


@pytest.mark.parametrize("count", [0, 128])
@pytest.mark.parametrize(
    ("factory", "values", "metric"),
    # faiss ends the process where codes are to be compared by another metric than these two
    [(*one, metric) for one in SET for metric in (0, 1, 2) if metric < 2 or not re.search("PQ|SQ", one[0])],
)
def test_settings_are_what_faiss_has_set(
    factory: str, values: dict[str, int], metric: int, count: int, tmp_path: Path
) -> None:
    library: Any = pytest.importorskip("faiss")
    vectors = np.random.default_rng(0).random((128, 8), dtype=np.float32)
    index = library.index_factory(8, factory, metric)
    index.train(vectors)
    inner = library.downcast_index(index.index) if factory.startswith("IDMap") else index
    for name, number in values.items():
        setattr(inner.hnsw if name.startswith("ef") else inner, name, number)
    if factory.startswith("IDMap"):
        index.add_with_ids(vectors[:count], np.arange(count))
    else:
        index.add(vectors[:count])
    library.write_index(index, str(tmp_path / "i"))
    found = faiss.read_header(tmp_path / "i")
    assert found.settings == settings_of(library, library.read_index(str(tmp_path / "i")))
    assert set(values.values()) <= set(found.settings.values())
    assert (found.count, found.dimension, found.mapped) == (count, 8, factory.startswith("IDMap"))
    assert found.metric == faiss.METRICS.get(index.metric_type, f"other:{index.metric_type}")


@pytest.mark.parametrize(
    ("factory", "structure"),
    [
        ("Flat", "flat"),
        ("IDMap,Flat", "flat"),
        ("IVF2,Flat", "ivf"),
        ("HNSW8", "hnsw"),
        ("HNSW8,SQ8", "IHNs"),
        ("IVF2,PQ2x4", "IwPQ"),
        ("PCA4,Flat", "IxPT"),
    ],
)
def test_only_what_keeps_its_rows_as_they_were_has_a_name(factory: str, structure: str, tmp_path: Path) -> None:
    library: Any = pytest.importorskip("faiss")
    index = library.index_factory(8, factory)
    index.train(np.random.default_rng(0).random((128, 8), dtype=np.float32))
    library.write_index(index, str(tmp_path / "i"))
    assert faiss.read_header(tmp_path / "i").structure == structure


@pytest.mark.parametrize("factory", ["IVF2,Flat", "PQ2x4"])
def test_an_index_that_is_not_trained_says_so(factory: str, tmp_path: Path) -> None:
    library: Any = pytest.importorskip("faiss")
    library.write_index(library.index_factory(8, factory), str(tmp_path / "i"))
    header = faiss.read_header(tmp_path / "i")
    assert (header.trained, header.count) == (False, 0)


@pytest.mark.parametrize("count", [0, 1, 1000])
@pytest.mark.parametrize("dimension", [1, 384])
def test_a_flat_index_of_faiss_is_just_as_long_as_its_header_says(count: int, dimension: int, tmp_path: Path) -> None:
    library: Any = pytest.importorskip("faiss")
    index = library.IndexFlatIP(dimension)
    index.add(np.zeros((count, dimension), np.float32))
    library.write_index(index, str(tmp_path / "i"))
    assert faiss.read_header(tmp_path / "i") == FaissHeader(
        "IxFI", dimension, count, True, "inner_product", False, 45, {}
    )


def test_a_flat_index_with_a_metric_of_its_own_is_read(tmp_path: Path) -> None:
    library: Any = pytest.importorskip("faiss")
    index = library.IndexFlat(4, library.METRIC_Lp)
    index.metric_arg = 3.0
    index.add(np.zeros((5, 4), np.float32))
    library.write_index(index, str(tmp_path / "i"))
    assert faiss.read_header(tmp_path / "i").metric == f"other:{library.METRIC_Lp}"
    data = (tmp_path / "i").read_bytes()
    assert "5 vectors of 4 dimensions" in words(data[:-1], tmp_path)


@pytest.mark.parametrize("factory", ["", "BIVF2", "BHNSW8", "BHash4"])
def test_a_binary_index_is_not_taken_for_one_of_floats(factory: str, tmp_path: Path) -> None:
    library: Any = pytest.importorskip("faiss")
    codes = np.random.default_rng(0).integers(0, 255, (100, 8)).astype(np.uint8)
    index = library.index_binary_factory(64, factory) if factory else library.IndexBinaryFlat(64)
    index.train(codes)
    index.add(codes)
    library.write_index_binary(index, str(tmp_path / "i"))
    error = refusal(lambda: faiss.read_header(tmp_path / "i", "i"))
    fourcc = (tmp_path / "i").read_bytes()[:4].decode()
    assert str(error) == f"i: is a binary FAISS index ({fourcc}), and only those of floats are read"
    assert not error.malformed


def test_a_header_made_by_hand_is_read(tmp_path: Path) -> None:
    assert read(flat(), tmp_path) == FaissHeader("IxFI", 4, 3, True, "inner_product", False, 45, {})
    assert read(flat(2, 5, 1, b"IxF2"), tmp_path) == FaissHeader("IxF2", 2, 5, True, "l2", False, 45, {})
    assert read(flat(2, 5, 4, b"IxFl"), tmp_path) == FaissHeader("IxFl", 2, 5, True, "other:4", False, 49, {})


@pytest.mark.parametrize(
    "data",
    [b"", b"I", b"IxFI", flat()[:36], b"XxFI" + flat()[4:], b"I\0\0\0" + flat()[4:], b"I FI" + flat()[4:], b"I\xe9FI" + flat()[4:], b"\x80\x04" + b"\0" * 60, b"PK\x03\x04" + b"\0" * 60],
)  # fmt: skip
def test_what_is_no_index_is_refused(data: bytes, tmp_path: Path) -> None:
    assert words(data, tmp_path) == f"index.faiss: is no FAISS index{AGAIN}"


@pytest.mark.parametrize(("dimension", "count"), [(0, 3), (-4, 3), (4, -1), (-(2**31), 0), (4, -(2**63))])
def test_a_header_that_cannot_be_is_refused(dimension: int, count: int, tmp_path: Path) -> None:
    data = b"IwFl" + struct.pack("<iqqqBi", dimension, count, 0, 0, 1, 0) + b"\0" * 40
    expected = f"index.faiss: has a header that does not add up: d={dimension}, ntotal={count}{AGAIN}"
    assert words(data, tmp_path) == expected


def test_a_flag_that_is_neither_yes_nor_no_is_refused(tmp_path: Path) -> None:
    data = b"IwFl" + struct.pack("<iqqqBi", 4, 3, 0, 0, 2, 0) + b"\0" * 40
    assert words(data, tmp_path) == f"index.faiss: has a header that does not add up: d=4, ntotal=3{AGAIN}"


def test_a_flat_index_that_ends_before_it_says_how_many_vectors_is_refused(tmp_path: Path) -> None:
    assert words(flat()[:44], tmp_path) == f"index.faiss: ends within its header{AGAIN}"


@pytest.mark.parametrize("change", [-48, -4, -1, 1, 4])
def test_a_flat_index_of_another_size_is_refused(change: int, tmp_path: Path) -> None:
    data = (flat() + b"\0" * 9)[: len(flat()) + change]
    assert words(data, tmp_path) == (f"index.faiss: is {93 + change} bytes; 3 vectors of 4 dimensions take 93{AGAIN}")


def test_a_flat_index_that_promises_other_vectors_is_refused(tmp_path: Path) -> None:
    assert words(flat(floats=11), tmp_path) == f"index.faiss: is 93 bytes; 3 vectors of 4 dimensions take 93{AGAIN}"


def test_a_count_that_would_fill_the_world_is_refused(tmp_path: Path) -> None:
    data = b"IxFI" + struct.pack("<iqqqBi", 2**31 - 1, 2**63 - 1, 0, 0, 1, 0) + struct.pack("<Q", 0)
    assert f"{2**63 - 1:,} vectors of {2**31 - 1} dimensions take" in words(data, tmp_path)


def test_a_graph_of_more_vectors_than_the_file_has_bytes_is_refused(tmp_path: Path) -> None:
    data = bytearray(written("HNSW8"))
    data[8:16] = struct.pack("<q", 2**61)
    assert (
        words(bytes(data), tmp_path) == f"index.faiss: is {len(data):,} bytes, and cannot hold {2**61:,} vectors{AGAIN}"
    )


def test_a_flat_index_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    for data in (flat(), flat(metric=4, fourcc=b"IxFl"), flat(count=0)):
        for cut in range(len(data)):
            words(data[:cut], tmp_path)


@functools.cache
def written(factory: str) -> bytes:
    """An index with a few vectors, as faiss writes it."""
    library: Any = pytest.importorskip("faiss")
    vectors = np.random.default_rng(0).random((16, 4), dtype=np.float32)
    index = library.index_factory(4, factory)
    index.train(vectors)
    if factory.startswith("IDMap"):
        index.add_with_ids(vectors, np.arange(16))
    else:
        index.add(vectors)
    found: bytes = library.serialize_index(index).tobytes()
    return found


DEEP = ["Flat", "IDMap,Flat", "IVF2,Flat", "IDMap2,IVF2,Flat", "HNSW4", "IDMap,HNSW4", "HNSW4,SQ8"]


@pytest.mark.parametrize("factory", ["Flat", "IDMap,Flat", "IDMap2,Flat"])
def test_a_flat_index_of_faiss_cut_off_at_any_byte_is_refused(factory: str, tmp_path: Path) -> None:
    data = written(factory)
    assert read(data, tmp_path).count == 16
    for cut in range(len(data)):
        words(data[:cut], tmp_path)
    words(data + b"\0", tmp_path)


@given(factory=st.sampled_from(DEEP), share=st.floats(0, 1, exclude_max=True))
def test_an_index_cut_off_anywhere_is_refused_or_says_of_itself_what_the_whole_says(
    factory: str, share: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What comes after the settings is not read, and its loss is told by faiss, and by the digest."""
    data = written(factory)
    found = value_or_refusal(lambda: read(data[: int(share * len(data))], tmp_path_factory.getbasetemp()))
    if not isinstance(found, ReadError):
        assert found == read(data, tmp_path_factory.getbasetemp())


@pytest.mark.parametrize("factory", ["HNSW4", "IDMap,HNSW4"])
def test_a_graph_that_promises_more_than_the_file_holds_is_refused(factory: str, tmp_path: Path) -> None:
    data = bytearray(written(factory))
    start = (37 if factory.startswith("IDMap") else 0) + 37
    for number in (2**62, 2**64 - 1, len(data)):
        data[start : start + 8] = struct.pack("<Q", number)
        assert words(bytes(data), tmp_path) == f"index.faiss: ends within its graph{AGAIN}"


def test_a_map_of_a_map_is_read_no_deeper(tmp_path: Path) -> None:
    """However many maps a file nests: one is looked into."""
    head = b"IxMp" + struct.pack("<iqqqBi", 4, 3, 0, 0, 1, 0)
    found = read(head * 5000 + flat(), tmp_path)
    assert (found.fourcc, found.mapped, found.rows) == ("IxMp", True, None)


@settings(max_examples=200)
@given(at=st.integers(0, 100), new=st.binary(max_size=9), drop=st.integers(0, 9))
def test_a_changed_flat_index_is_refused_or_read_as_faiss_reads_it(
    at: int, new: bytes, drop: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    library: Any = pytest.importorskip("faiss")
    data = flat()
    changed = data[:at] + new + data[at + drop :]
    found = value_or_refusal(lambda: read(changed, tmp_path_factory.getbasetemp()))
    if not isinstance(found, ReadError) and found.fourcc in ("IxFI", "IxF2"):
        try:
            index = library.deserialize_index(np.frombuffer(changed, np.uint8))
        except RuntimeError:
            return  # faiss asks more of a header than we do
        assert (index.d, index.ntotal, index.is_trained) == (found.dimension, found.count, found.trained)


@given(data=st.binary(max_size=80), fourcc=st.sampled_from([b"IxFI", b"IxF2", b"IxFl", b"IwFl", b"IBxF", b"I"]))
def test_any_bytes_are_a_header_or_a_refusal(
    data: bytes, fourcc: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    value_or_refusal(lambda: read(data, tmp_path_factory.getbasetemp()))
    value_or_refusal(lambda: read(fourcc + data, tmp_path_factory.getbasetemp()))
