"""Pickles in files: found by content wherever they lie, read without loading one, and told where they cannot be followed."""

from __future__ import annotations

import bz2
import collections
import gzip
import io
import lzma
import os
import pickle
import pickletools
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit.read import opcodes
from sealkit.read import pickle as reader
from sealkit.read.pickle import Pickle, pickles
from tests.within import refusal, within

SYSTEM = f"{os.system.__module__}.system"
CALL = b"cos\nsystem\n(S'touch ran'\ntR."


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch ran",)


def found(data: bytes, folder: Path, name: str = "a.txt") -> list[Pickle]:
    """What is found in a file of these bytes; nothing of it may have run."""
    (folder / name).write_bytes(data)
    with within(10):
        result = pickles(folder / name, name)
    assert not (folder / "ran").exists() and not Path("ran").exists()
    return result


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def tarred(mode: Any = "w", **members: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def array(*items: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array(items, dtype=object), allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_names_of_every_protocol_are_read(protocol: int, tmp_path: Path) -> None:
    assert found(pickle.dumps([1, Evil()], protocol), tmp_path) == [Pickle("", (SYSTEM,))]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_of_plain_values_is_one_without_names(protocol: int, tmp_path: Path) -> None:
    assert found(pickle.dumps({"a": [1, 2.5, None, (True,)]}, protocol), tmp_path) == [Pickle("", ())]


@pytest.mark.parametrize("protocol", [2, 4])
def test_names_are_those_that_loading_would_look_up(protocol: int, tmp_path: Path) -> None:
    data = pickle.dumps([collections.OrderedDict(a=collections.Counter("ab")), np.zeros(2), Path("x")], protocol)
    asked = set()

    class Watch(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            asked.add(f"{module}.{name}")
            return super().find_class(module, name)

    Watch(io.BytesIO(data)).load()
    assert {"collections.Counter", "numpy.ndarray"} < asked
    assert found(data, tmp_path) == [Pickle("", tuple(sorted(asked)))]


@pytest.mark.parametrize(
    "where",
    [gzip.compress, bz2.compress, lzma.compress, zlib.compress, lambda data: lzma.compress(data, lzma.FORMAT_ALONE)],
    ids=["gzip", "bz2", "xz", "zlib", "lzma"],
)
def test_compressed_files_are_looked_into(where: Any, tmp_path: Path) -> None:
    assert found(where(pickle.dumps(Evil())), tmp_path) == [Pickle("", (SYSTEM,))]


EVIL = pickle.dumps(Evil())
HIDDEN = {
    "a torch file": (zipped(**{"archive/data.pkl": EVIL, "archive/data/0": bytes(64)}), "archive/data.pkl"),
    "a member of another name": (zipped(**{"weights.safetensors": EVIL}), "weights.safetensors"),
    "a zip behind other bytes": (b"\x89PNG" + zipped(x=EVIL), "x"),
    "a zip in a zip": (zipped(**{"in.zip": zipped(x=EVIL)}), "in.zip/x"),
    "a tar": (tarred(x=EVIL), "x"),
    "a compressed tar": (tarred("w:gz", x=EVIL), "x"),
    "a tar that ends with a zip": (tarred(x=EVIL, y=zipped(z=b"")), "x"),
    "a zip of arrays": (zipped(**{"a.npy": array(Evil())}), "a.npy"),
}


@pytest.mark.parametrize("what", HIDDEN)
def test_archives_are_looked_into(what: str, tmp_path: Path) -> None:
    data, member = HIDDEN[what]
    (one,) = found(data, tmp_path)
    assert (one.member, one.unread) == (member, None)
    assert SYSTEM in one.names


def test_arrays_of_objects_hold_a_pickle_and_arrays_of_numbers_none(tmp_path: Path) -> None:
    (one,) = found(array(Evil(), 1), tmp_path)
    assert SYSTEM in one.names
    file = io.BytesIO()
    np.save(file, np.zeros(1000))
    assert found(file.getvalue(), tmp_path) == []
    assert found(array(1)[:-20][:100] + b"\xff" * 60, tmp_path)[0].unread is not None


@pytest.mark.parametrize(
    "descr", [b"'|O'", b"'object'", b"'O,i4'", b"'ob' 'ject'", rb"'\x4f'", b"[('a', '<i4'), ('b', '|O')]"]
)
def test_objects_may_be_called_in_many_ways(descr: bytes, tmp_path: Path) -> None:
    header = b"{'descr': " + descr + b", 'fortran_order': False, 'shape': (1,)}\n"
    data = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header
    assert found(data + EVIL, tmp_path) == [Pickle("", (SYSTEM,))]
    assert found(data + bytes(20), tmp_path) == [Pickle("", (), "its array of objects cannot be followed")]


def test_a_module_of_any_name_counts_where_the_pickle_is_whole(tmp_path: Path) -> None:
    assert found(b"cmy-module\nrun\n(tR.", tmp_path) == [Pickle("", ("my-module.run",))]


def test_the_pickle_behind_a_good_one_counts(tmp_path: Path) -> None:
    assert found(pickle.dumps([1]) + EVIL, tmp_path) == [Pickle("", (SYSTEM,))]


def test_a_pickle_that_breaks_off_after_its_call_is_told(tmp_path: Path) -> None:
    reason = f"from byte {len(CALL) - 1} on it cannot be followed: there is no such opcode"
    assert found(CALL[:-1] + b"\xff", tmp_path) == [Pickle("", ("os.system",), reason)]
    assert found(EVIL[:-3], tmp_path)[0].names == (SYSTEM,)


def test_a_name_out_of_the_memo_is_read(tmp_path: Path) -> None:
    data = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x8c\x04math0h\x00h\x01\x93\x8c\x01x\x85R."
    assert found(data, tmp_path) == [Pickle("", ("os.system",))]


def test_a_name_that_only_loading_would_know_is_told(tmp_path: Path) -> None:
    data = b"\x80\x04\x8c\x08builtins\x8c\x03str\x93\x8c\x02os\x85R\x8c\x06system\x93\x8c\x01x\x85R."
    assert found(data, tmp_path)[0].names == ("(a name put together while loading)", "builtins.str")
    assert found(b"\x80\x02\x82\x07.", tmp_path)[0].names == ("(number 7 of the copyreg extensions)",)


def test_a_number_that_only_loaders_read_hides_nothing(tmp_path: Path) -> None:
    data = b"I0x10\n0" + CALL
    with pytest.raises(ValueError):
        list(pickletools.genops(data))
    assert found(data, tmp_path)[0].names == ("os.system",)


@pytest.mark.parametrize(
    "text",
    [
        b"", b".", b"cat\ndog\nfish\n", b"schema: pipeline/v1\nrun: {}\n", b'{"a": 1}\n', b"[PAD]\n[UNK]\n", b"I have\n",
        b"(see below)\n", b"cat\ncow\ncrab\ncamel\nbat\n", b"country,city\nDE,Berlin\n", b"Licence\n\nYou may.\n", b"x^2\n", b"BZhang\n", b"\0" * 2000,
        b"a file about PK\5\6" + bytes(30), b"\x93NUMPY\1\0\x40\0{'descr': '<f4', 'fortran_order': False, 'shape': (1L,)}         \n\0\0\0\0",
        struct.pack("<Q", 640) + b'{"a":{}}' + b" " * 632, struct.pack("<Q", 0x280480) + b"{",
    ],
)  # fmt: skip
def test_what_is_no_pickle_is_none(text: bytes, tmp_path: Path) -> None:
    assert found(text, tmp_path) == [] or (text.startswith(b"BZh") and found(text, tmp_path)[0].unread)


def test_a_torn_pickle_and_a_broken_archive_are_never_clean(tmp_path: Path) -> None:
    assert found(pickle.dumps([1, 2, 3])[:-4], tmp_path)[0].unread is not None
    locked = bytearray(zipped(x=EVIL))
    locked[locked.rindex(b"PK\1\2") + 8] |= 1  # says that it is encrypted; other readers do not care
    assert found(bytes(locked), tmp_path)[0].unread is not None
    renamed = zipped(x=EVIL).replace(b"x", b"y", 1)
    assert found(renamed, tmp_path)[0].unread is not None
    assert found(gzip.compress(EVIL)[:-6] + b"123456", tmp_path)[0].unread is not None


def test_nesting_is_bounded_and_told(tmp_path: Path) -> None:
    data = EVIL
    for _ in range(reader.DEPTH + 1):
        data = zipped(x=data)
    assert found(data, tmp_path) == [Pickle("x/x/x/x", (), "it is nested too deep")]


def test_large_and_long_files_are_bounded_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "LIMIT", 20_000)
    monkeypatch.setattr(reader, "MEMBERS", 5)
    monkeypatch.setattr(opcodes, "LIMIT", 500)
    (one,) = found(b"\x80\x03(" + b"N" * 2000 + b"l.", tmp_path)
    assert one.unread == "from byte 500 on it cannot be followed: it has more than 500 opcodes"
    assert found(pickle.dumps([b"x" * 30_000, Evil()]), tmp_path)[0].unread is not None
    many = zipped(**{f"m{i}": b"" for i in range(9)})
    assert [one.unread for one in found(many, tmp_path)] == ["it holds more than 5 files"]
    bomb = gzip.compress(b"\x80\x03B\xff\xff\xff\x00" + bytes(100_000))
    assert found(bomb, tmp_path)[0].unread == "only its first 20,000 bytes were read"


def test_opcodes_that_go_back_to_a_mark_cost_no_more_than_the_others() -> None:
    data = b"\x80\x03" + b"N" * 100_000 + b"(t0" * 50_000
    with within(10):
        assert opcodes.trace(data).short


def test_links_and_pointers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    assert "Git LFS pointer" in str(refusal(lambda: pickles(tmp_path / "a", "a")))
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert "symbolic link" in str(refusal(lambda: pickles(tmp_path / "b", "b", follow=False)))


KNOWN = [bytes([ord(opcode.code)]) for opcode in pickletools.opcodes]


@given(
    st.lists(st.sampled_from([*KNOWN, b"os\n", b"system\n", b"\x80\x04", b"\x8c\x02os", CALL]) | st.binary(max_size=6))
)
def test_any_bytes_are_followed_without_an_error(tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]) -> None:
    found(b"".join(parts), tmp_path_factory.mktemp("any"))


@given(data=st.sampled_from([found[0] for found in HIDDEN.values()]), at=st.integers(0, 2000), byte=st.integers(0, 255))
def test_any_byte_of_an_archive_may_be_another(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, at: int, byte: int
) -> None:
    at %= len(data)
    found(data[:at] + bytes([byte]) + data[at + 1 :], tmp_path_factory.mktemp("torn"))


def _of_size(size: int) -> bytes:
    """A harmless pickle of exactly so many bytes."""
    return next(data for n in range(size) if len(data := pickle.dumps("x" * (size - n), 2)) == size)


@pytest.mark.parametrize("size", [reader.HEAD - 1, reader.HEAD])
def test_a_pickle_that_begins_where_the_first_look_ends_is_found(tmp_path: Path, size: int) -> None:
    data = _of_size(size) + CALL
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("data", data)
    assert [one.names for one in found(data, tmp_path)] == [("os.system",)]
    assert [one.names for one in found(archive.getvalue(), tmp_path)] == [("os.system",)]


def test_a_pickle_that_begins_where_reading_ends_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "LIMIT", 8192)
    one = found(_of_size(8192) + CALL, tmp_path)[0]
    assert one.unread and "only its first 8,192 bytes were read" in one.unread


@pytest.mark.parametrize("front", ["array", "gzip"])
def test_an_archive_behind_an_array_or_a_compressed_file_is_found(tmp_path: Path, front: str) -> None:
    array, archive = io.BytesIO(), io.BytesIO()
    np.save(array, np.zeros(3))
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("data", CALL)
    before = array.getvalue() if front == "array" else gzip.compress(b"hello")
    assert ("os.system",) in [one.names for one in found(before + archive.getvalue(), tmp_path)]


def test_opcodes_are_counted_over_all_pickles_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "OPCODES", 1000)
    (one,) = found((b"\x80\2" + b"N0" * 200 + b"N.") * 1000, tmp_path)
    assert one.unread and "opcodes" in one.unread
