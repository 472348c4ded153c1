"""Headers of .npy files: what NumPy writes is read, what is torn or no array of numbers is refused, nothing is unpickled."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit.finding import ReadError
from sealkit.read import npy
from tests.within import refusal, value_or_refusal, within

FIX = "\n  fix: save it again as a plain array with numpy.save(..., allow_pickle=False)"
DTYPES = ["?", "|i1", "|u1", "<i2", ">i2", "<u4", "<i8", ">u8", "<f2", "<f4", ">f4", "<f8", ">f8", "<c8", ">c16"]
HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n"


def written(array: Any, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version, allow_pickle=True)
    return file.getvalue()


def raw(header: str | bytes, data: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    header = header.encode() if isinstance(header, str) else header
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H" if version[0] == 1 else "<I", len(header)) + header + data


def read(data: bytes, folder: Path) -> npy.NpyHeader:
    (folder / "a.npy").write_bytes(data)
    return npy.read_header(folder / "a.npy", "a.npy")


def words(data: bytes, folder: Path) -> str:
    error = refusal(lambda: read(data, folder))
    assert error.malformed
    return str(error)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 0, 2), (2, 3, 4)])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_what_numpy_writes_is_read(
    dtype: str, shape: tuple[int, ...], version: tuple[int, int], tmp_path: Path
) -> None:
    array = np.zeros(shape, dtype)
    header = read(written(array, version), tmp_path)
    assert (np.dtype(header.dtype), header.shape, header.fortran_order) == (array.dtype, shape, False)
    assert header.offset + array.nbytes == (tmp_path / "a.npy").stat().st_size


def test_the_data_begin_where_the_header_says(tmp_path: Path) -> None:
    array = np.arange(6, dtype="<f4").reshape(2, 3)
    data = written(array)
    assert data[read(data, tmp_path).offset :] == array.tobytes()


def test_the_order_of_the_axes_is_told(tmp_path: Path) -> None:
    array = np.asfortranarray(np.zeros((3, 2)))
    assert read(written(array), tmp_path) == npy.NpyHeader("<f8", (3, 2), True, 128)


def test_many_dimensions_are_read(tmp_path: Path) -> None:
    assert read(written(np.zeros((1,) * 64)), tmp_path).shape == (1,) * 64


class Trap:
    def __reduce__(self) -> Any:
        return os.mkdir, ("unpickled",)


@pytest.mark.parametrize("array", [np.array([Trap()], object), np.array([(1, Trap())], [("a", "<i4"), ("b", "O")])])
def test_a_pickle_is_refused_and_never_opened(array: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "nothing is unpickled" in words(written(array), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


@pytest.mark.parametrize(
    ("array", "shown"),
    [
        (np.array([None]), "|O"),
        (np.array(["text"]), "<U4"),
        (np.array([b"text"]), "|S4"),
        (np.array(["2026-01-31"], "M8[D]"), "<M8[D]"),
        (np.zeros(1, [("a", "<f4"), ("b", "<i4")]), "[('a', '<f4'), ('b', '<i4')]"),
        (np.zeros(1, "V3"), "|V3"),
    ],
)
def test_what_is_no_plain_number_is_called_by_its_type(array: Any, shown: str, tmp_path: Path) -> None:
    expected = f"a.npy: holds elements of type {shown}; only plain numbers are read, and nothing is unpickled{FIX}"
    assert words(written(array), tmp_path) == expected


@pytest.mark.parametrize(
    "dtype", ["b2", "b8", "<i16", "<u16", "<f1", "<c2", "<c4", "f3", "<f4 ", "", "f", "<<f4", "4f", "<F4", "<f4,<f4"]
)
def test_a_type_that_numpy_does_not_have_is_refused(dtype: str, tmp_path: Path) -> None:
    data = raw(HEADER.replace("<f4", dtype), b"\0" * 64)
    assert words(data, tmp_path).startswith(f"a.npy: holds elements of type {dtype}; only plain numbers are read")


@pytest.mark.parametrize(
    "data", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\x02", b"PK\x03\x04" + b"\0" * 60, b"\x80\x04K\x01.", raw(HEADER, b"12345678", (4, 0)), raw(HEADER, b"12345678", (1, 1)), raw(HEADER, b"12345678", (0, 0))]
)  # fmt: skip
def test_what_is_no_npy_file_is_refused(data: bytes, tmp_path: Path) -> None:
    assert words(data, tmp_path) == f"a.npy: is not a .npy file of version 1 to 3{FIX}"


@pytest.mark.parametrize(
    "header",
    [
        "", "{", "[1, 2]", "{1}", "7", "'descr'", "None", "{}", "{'descr': '<f4'}", "(" * 5000, "-" * 5000 + "1", "9" * 5000, "{[]: 1}", "\0",
        "__import__('os').mkdir('made')", "{'descr': '<f4', 'fortran_order': False, 'shape': (open('made', 'w'),)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}", "{'descr': '<f4', 'fortran_order': 'no', 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': 1, 'shape': (2,)}", HEADER + HEADER, HEADER.strip() + " if True else 1", HEADER.strip() + "\x1c",
    ],
)  # fmt: skip
def test_a_header_that_is_none_is_refused_and_not_run(
    header: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words(raw(header, b"12345678"), tmp_path) == f"a.npy: has a header that is no .npy header{FIX}"
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


@pytest.mark.parametrize(
    ("shape", "shown"), [("[2]", "[2]"), ("2", "2"), ("(-1,)", "(-1,)"), ("(True,)", "(True,)"), ("(2.0,)", "(2.0,)"), ("(2, None)", "(2, None)"), ("'ab'", "ab"), (f"({2**63}, 0)", f"({2**63}, 0)")]
)  # fmt: skip
def test_a_shape_that_is_none_is_refused(shape: str, shown: str, tmp_path: Path) -> None:
    assert words(raw(HEADER.replace("(2,)", shape)), tmp_path) == f"a.npy: has the shape {shown}{FIX}"


def test_more_dimensions_than_numpy_has_are_refused(tmp_path: Path) -> None:
    data = raw(HEADER.replace("(2,)", "(" + "1, " * 65 + ")"), b"1234")
    assert words(data, tmp_path) == f"a.npy: has 65 dimensions; at most 64 are read{FIX}"


@pytest.mark.parametrize(
    "changed",
    [("(2,)", "(" + "9" * 4000 + ", " + "9" * 4000 + ")"), ("(2,)", "(-0x" + "f" * 5000 + ",)"), ("'<f4'", "0x" + "f" * 5000), ("(2,)", "0x" + "f" * 5000)],
)  # fmt: skip
def test_numbers_too_long_to_be_written_out_are_refused_in_words(changed: tuple[str, str], tmp_path: Path) -> None:
    with within(5):
        assert words(raw(HEADER.replace(*changed)), tmp_path).startswith("a.npy: h")


@pytest.mark.parametrize(("length", "version"), [(65_535, (1, 0)), (65_536, (2, 0)), (65_536, (3, 0))])
def test_a_header_of_64_kib_is_read(length: int, version: tuple[int, int], tmp_path: Path) -> None:
    assert read(raw(HEADER.strip().ljust(length - 1) + "\n", b"12345678", version), tmp_path).shape == (2,)


def test_a_larger_header_is_not_read(tmp_path: Path) -> None:
    data = raw(HEADER.strip().ljust(65_537), b"12345678", (2, 0))
    assert words(data, tmp_path) == f"a.npy: has a header of 65,537 bytes; at most 65,536 are read{FIX}"


def test_a_size_that_the_header_does_not_promise_is_told_in_bytes(tmp_path: Path) -> None:
    data = written(np.zeros((10, 32), "<f4"))
    promised = "a.npy: is 1,400 bytes, its header promises 1,408\n  fix: write it again"
    assert words(data[:-8], tmp_path) == promised
    assert words(data + b"\0", tmp_path) == promised.replace("1,400", "1,409")


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("shape", [(0,), (3,)])
def test_cut_off_anywhere_it_is_refused(version: tuple[int, int], shape: tuple[int, ...], tmp_path: Path) -> None:
    data = written(np.zeros(shape, "<f4"), version)
    for cut in range(len(data)):
        words(data[:cut], tmp_path)


@given(
    at=st.integers(0, 139),
    byte=st.integers(0, 255),
    more=st.sampled_from([b"", b"\0", b"()", b"1"]),
    drop=st.booleans(),
)
def test_a_changed_file_is_refused_or_read_as_numpy_reads_it(
    at: int, byte: int, more: bytes, drop: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = written(np.arange(3, dtype="<f4"))
    changed = data[:at] + bytes([byte]) + more + data[at + drop :]
    found = value_or_refusal(lambda: read(changed, tmp_path_factory.getbasetemp()))
    if not isinstance(found, ReadError):
        array = np.load(io.BytesIO(changed), allow_pickle=False)
        assert (np.dtype(found.dtype), found.shape) == (array.dtype, array.shape)


@given(
    header=st.text(st.sampled_from("{}()[]'\",: <>|=f4i8descrshapfotn_1290-TrueFals\n\\x"), max_size=80),
    data=st.binary(max_size=9),
)
def test_any_header_is_one_or_refused(header: str, data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    value_or_refusal(lambda: read(raw(header, data), tmp_path_factory.getbasetemp()))
