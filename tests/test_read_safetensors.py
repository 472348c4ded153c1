"""Headers of safetensors files: every tensor in its place, or a refusal; no gap, no overlap, no torn file."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealkit.finding import ReadError
from sealkit.read import safetensors
from sealkit.read.safetensors import Tensor
from tests.within import refusal, value_or_refusal, within

AGAIN = "\n  fix: save the model again"
F32 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def raw(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def read(data: bytes, folder: Path) -> list[Tensor]:
    (folder / "m.safetensors").write_bytes(data)
    return safetensors.read_header(folder / "m.safetensors", "m.safetensors")


def words(data: bytes, folder: Path) -> str:
    error = refusal(lambda: read(data, folder))
    assert error.malformed
    return str(error)


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "encoder.weight": rng.random((3, 4), dtype=np.float32),
        "encoder.bias": rng.random(4),
        "half": rng.random((2, 2)).astype(np.float16),
        "embeddings.position_ids": np.arange(5)[None],
        "flag": np.array([True, False]),
        "byte": np.arange(7, dtype=np.uint8),
        "scalar": np.array(1, dtype=np.int32),
        "nothing": np.zeros((0, 3), np.float32),
        "größe": np.zeros(1, np.uint16),
    }
    library.save_file(arrays, tmp_path / "m.safetensors", metadata={"format": "np"})
    data = (tmp_path / "m.safetensors").read_bytes()
    tensors = safetensors.read_header(tmp_path / "m.safetensors")
    assert {t.name: t.shape for t in tensors} == {name: array.shape for name, array in arrays.items()}
    assert {t.name: data[t.start : t.end] for t in tensors} == {name: a.tobytes() for name, a in arrays.items()}
    assert {t.name: t.dtype for t in tensors} == {
        "encoder.weight": "F32", "encoder.bias": "F64", "half": "F16", "embeddings.position_ids": "I64", "flag": "BOOL", "byte": "U8",
        "scalar": "I32", "nothing": "F32", "größe": "U16",
    }  # fmt: skip
    assert [t.start for t in tensors] == sorted(t.start for t in tensors)


@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64", "float8_e4m3fn", "float8_e5m2"]
)  # fmt: skip
def test_what_torch_saves_is_read(dtype: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("safetensors.torch")
    tensor = torch.arange(96, dtype=torch.uint8).view(getattr(torch, dtype))
    library.save_file({"t": tensor}, tmp_path / "m.safetensors")
    (found,) = safetensors.read_header(tmp_path / "m.safetensors")
    assert (found.name, found.shape) == ("t", tuple(tensor.shape))
    assert (tmp_path / "m.safetensors").read_bytes()[found.start : found.end] == bytes(range(96))


@pytest.mark.parametrize(
    ("dtype", "shape", "size"),
    [("F4", [2, 3], 3), ("F6_E2M3", [4], 3), ("F6_E3M2", [8], 6), ("F8_E8M0", [5], 5), ("C64", [2], 16), ("F8_E4M3FNUZ", [2], 2), ("F8_E5M2FNUZ", [2], 2)],
)  # fmt: skip
def test_types_of_few_bits_are_read_as_the_library_reads_them(
    dtype: str, shape: list[int], size: int, tmp_path: Path
) -> None:
    data = raw({"a": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}}, b"\0" * size)
    base = len(data) - size
    assert read(data, tmp_path) == [Tensor("a", dtype, tuple(shape), base, base + size)]


def test_a_number_of_bits_that_fills_no_byte_is_refused(tmp_path: Path) -> None:
    data = raw({"a": {"dtype": "F4", "shape": [3], "data_offsets": [0, 1]}}, b"\0")
    assert words(data, tmp_path) == f"m.safetensors: describes the tensor `a` in a way that does not add up{AGAIN}"


def test_no_tensors_are_tensors_too(tmp_path: Path) -> None:
    assert read(raw({}), tmp_path) == []


@pytest.mark.parametrize("metadata", [{}, {"format": "pt", "": "é"}, None])
def test_metadata_is_no_tensor(metadata: Any, tmp_path: Path) -> None:
    assert [t.name for t in read(raw({"__metadata__": metadata, "a": F32}, b"1234"), tmp_path)] == ["a"]


@pytest.mark.parametrize("metadata", [5, "text", [], {"epochs": 5}, {"a": None}, 0, False])
def test_metadata_that_is_no_text_is_refused_as_the_library_refuses_it(metadata: Any, tmp_path: Path) -> None:
    data = raw({"__metadata__": metadata, "a": F32}, b"1234")
    assert words(data, tmp_path) == f"m.safetensors: has a __metadata__ that is no object of text{AGAIN}"


def test_the_header_may_be_padded(tmp_path: Path) -> None:
    header = json.dumps({"a": F32}).encode() + b" " * 5
    assert read(raw(header, b"1234"), tmp_path) == [Tensor("a", "F32", (1,), 8 + len(header), 12 + len(header))]


@pytest.mark.parametrize("size", range(8))
def test_a_file_too_short_for_a_length_is_refused(size: int, tmp_path: Path) -> None:
    assert words(b"\2" * size, tmp_path) == f"m.safetensors: is too short to be a safetensors file{AGAIN}"


@pytest.mark.parametrize(("length", "size"), [(3, 10), (2**63, 10), (2**64 - 1, 10), (1, 8)])
def test_a_header_longer_than_the_file_is_refused(length: int, size: int, tmp_path: Path) -> None:
    data = struct.pack("<Q", length) + b"{}" * 9
    assert words(data[:size], tmp_path) == (
        f"m.safetensors: promises a header of {length:,} bytes in a file of {size}: cut off, or no safetensors file{AGAIN}"
    )


def test_a_header_over_the_limit_of_the_format_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "m.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", 100 * 1024 * 1024 + 1) + b"{")
        file.truncate(1 << 30)
    error = refusal(lambda: safetensors.read_header(tmp_path / "m.safetensors"))
    assert error.message.startswith("promises a header of 104,857,601 bytes")


@pytest.mark.parametrize("header", [b"[]", b"7", b"null", b'"a"', b'\xef\xbb\xbf{"a": 1}'])
def test_a_header_that_is_no_object_is_refused(header: bytes, tmp_path: Path) -> None:
    assert words(raw(header), tmp_path) == f"m.safetensors: has a header that is no object{AGAIN}"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"", "is not JSON: expecting value, column 1, found the end of the text (was it cut off?)"),
        (b'{"a": ', "is not JSON: expecting value, column 6, found the end of the text (was it cut off?)"),
        (b"{}\0\0", "is not JSON: extra data, column 3, found '\\x00\\x00'"),
        (b'{"a":NaN}', "holds NaN at /a, which JSON does not have"),
        (b'{"a":{},"a":{}}', 'has the key "a" twice in one object'),
        (b'{"a":{"dtype":"F32","shape":[],"shape":[1]}}', 'has the key "shape" twice in one object'),
        (b'{"\xff":1}', "is not UTF-8: byte 0xff"),
    ],
)
def test_a_header_that_is_no_strict_json_is_refused(header: bytes, message: str, tmp_path: Path) -> None:
    assert words(raw(header), tmp_path).startswith(f"m.safetensors:1: {message}\n")


@pytest.mark.parametrize(
    "entry",
    [
        None, [], 5, {}, F32 | {"dtype": "F33"}, F32 | {"dtype": "f32"}, F32 | {"dtype": ["F32"]}, F32 | {"dtype": None}, F32 | {"shape": [2]}, F32 | {"shape": [-1]},
        F32 | {"shape": [1.0]}, F32 | {"shape": [True]}, F32 | {"shape": 1}, F32 | {"shape": None}, F32 | {"data_offsets": [0]}, F32 | {"data_offsets": [0, 4, 8]},
        F32 | {"data_offsets": [4, 0]}, F32 | {"data_offsets": [0, "4"]}, F32 | {"data_offsets": [0, 4.0]}, F32 | {"data_offsets": [-4, 0]}, F32 | {"data_offsets": [0, 2**64]},
        {"dtype": "F32", "shape": [1]}, F32 | {"shape": [1] * 65},
    ],
)  # fmt: skip
def test_an_entry_that_does_not_add_up_is_refused_by_its_name(entry: Any, tmp_path: Path) -> None:
    data = raw({"layer.0": entry}, b"1234")
    assert (
        words(data, tmp_path) == f"m.safetensors: describes the tensor `layer.0` in a way that does not add up{AGAIN}"
    )


def test_a_very_long_name_is_cut_in_the_message(tmp_path: Path) -> None:
    assert len(words(raw({"n" * 10_000: None}), tmp_path)) < 200


def test_thousands_of_huge_dimensions_are_refused_at_once(tmp_path: Path) -> None:
    data = raw({"a": {"dtype": "F32", "shape": [10**200] * 20_000, "data_offsets": [0, 0]}})
    with within(10):
        assert "does not add up" in words(data, tmp_path)


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ([0, 4], [5, 9], "b"),
        ([0, 4], [0, 4], "b"),
        ([0, 4], [3, 7], "b"),
        ([4, 8], [8, 12], "a"),
        ([8, 12], [0, 4], "a"),
    ],
)
def test_gaps_and_overlaps_are_refused(first: list[int], second: list[int], name: str, tmp_path: Path) -> None:
    data = raw({"a": F32 | {"data_offsets": first}, "b": F32 | {"data_offsets": second}}, b"\0" * 12)
    assert words(data, tmp_path) == f"m.safetensors: has a gap or an overlap before the tensor `{name}`{AGAIN}"


def test_bytes_that_belong_to_no_tensor_are_refused(tmp_path: Path) -> None:
    data = raw({"a": F32}, b"123")
    torn = f"m.safetensors: is {len(data)} bytes, its header promises {len(data) + 1}\n  fix: the copy is torn: copy it again"
    assert words(data, tmp_path) == torn
    more = torn.replace(f"is {len(data)} bytes", f"is {len(data) + 2} bytes")
    assert words(data + b"45", tmp_path) == more


def test_cut_off_anywhere_it_is_refused(tmp_path: Path) -> None:
    data = raw({"a": F32, "b": {"dtype": "U8", "shape": [2, 2], "data_offsets": [4, 8]}}, b"12345678")
    for cut in range(len(data)):
        words(data[:cut], tmp_path)


def test_the_header_of_a_large_model_is_read_at_once(tmp_path: Path) -> None:
    header = {
        f"layers.{i}.weight": {"dtype": "F32", "shape": [1, 1], "data_offsets": [4 * i, 4 * i + 4]}
        for i in range(20_000)
    }
    with within(15):
        assert len(read(raw(header, b"\0" * 80_000), tmp_path)) == 20_000


SMALL = raw(
    {"__metadata__": {"format": "pt"}, "a": F32, "b": {"dtype": "U8", "shape": [2, 2], "data_offsets": [4, 8]}},
    b"12345678",
)


@settings(max_examples=300)
@given(
    at=st.integers(0, len(SMALL)),
    new=st.binary(max_size=2) | st.sampled_from([b'"', b"{", b"}", b"0", b"1", b"e9", b" "]),
    drop=st.integers(0, 3),
)
def test_a_changed_file_is_refused_or_read_as_the_library_reads_it(
    at: int, new: bytes, drop: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    library = pytest.importorskip("safetensors")
    changed = SMALL[:at] + new + SMALL[at + drop :]
    found = value_or_refusal(lambda: read(changed, tmp_path_factory.getbasetemp()))
    if not isinstance(found, ReadError):
        theirs = {name: (t["dtype"], tuple(t["shape"]), bytes(t["data"])) for name, t in library.deserialize(changed)}
        assert {t.name: (t.dtype, t.shape, changed[t.start : t.end]) for t in found} == theirs


@given(data=st.binary(max_size=80))
def test_any_bytes_are_a_header_or_a_refusal(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    value_or_refusal(lambda: read(data, tmp_path_factory.getbasetemp()))
    value_or_refusal(lambda: read(raw(data), tmp_path_factory.getbasetemp()))
