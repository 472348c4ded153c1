"""What every reader does before it reads: regular files only, of bounded size, and never a pointer in the place of content."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sealkit.read import faiss, json, jsonl, npy, safetensors, source, text, yaml
from tests.within import refusal, within

Read = Callable[..., Any]

READERS: dict[str, Read] = {
    "bytes": source.read_bytes,
    "text": source.read_text,
    "json": json.read,
    "jsonl": lambda *given, **options: list(jsonl.rows(*given, **options)),
    "lines": lambda *given, **options: list(text.lines(*given, **options)),
    "npy": npy.read_header,
    "safetensors": safetensors.read_header,
    "faiss": faiss.read_header,
    "yaml": yaml.read,
}
FOLLOWING = {name: read for name, read in READERS.items() if name != "yaml"}
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"

every_reader = pytest.mark.parametrize("read", READERS.values(), ids=READERS)
every_following_reader = pytest.mark.parametrize("read", FOLLOWING.values(), ids=FOLLOWING)
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")


@every_reader
def test_an_absent_file_cannot_be_judged(read: Read, tmp_path: Path) -> None:
    error = refusal(lambda: read(tmp_path / "gone", "run/gone"))
    assert str(error) == "run/gone: cannot be read: No such file or directory\n  fix: check the path"
    assert (error.malformed, error.exit_code) == (False, 3)


@every_reader
def test_without_a_name_a_file_is_called_by_its_path(read: Read, tmp_path: Path) -> None:
    assert refusal(lambda: read(tmp_path / "gone")).at.path == str(tmp_path / "gone")


@every_reader
def test_a_file_in_the_place_of_a_folder_is_no_way_in(read: Read, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    error = refusal(lambda: read(tmp_path / "file" / "inner", "file/inner"))
    assert str(error) == "file/inner: cannot be read: Not a directory\n  fix: check the path and its permissions"
    assert not error.malformed


@every_reader
def test_a_folder_is_no_file(read: Read, tmp_path: Path) -> None:
    error = refusal(lambda: read(tmp_path, "folder"))
    assert (str(error), error.malformed) == ("folder: is not a regular file", False)


@posix
@every_reader
def test_a_pipe_is_refused_and_not_waited_for(read: Read, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with within(5):
        error = refusal(lambda: read(tmp_path / "pipe", "pipe"))
    assert (str(error), error.malformed) == ("pipe: is not a regular file", False)


@posix
@every_reader
def test_a_device_is_refused(read: Read) -> None:
    with within(5):
        error = refusal(lambda: read(Path("/dev/zero")))
    assert (str(error), error.malformed) == ("/dev/zero: is not a regular file", False)


@posix
@every_reader
def test_a_socket_is_refused(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s")
        assert not refusal(lambda: read(Path("s"), "s")).malformed


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
@every_reader
def test_a_file_without_permission_cannot_be_judged(read: Read, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("{}")
    (tmp_path / "f").chmod(0)
    error = refusal(lambda: read(tmp_path / "f", "f"))
    assert str(error) == "f: cannot be read: Permission denied\n  fix: check the path and its permissions"
    assert not error.malformed


@every_reader
def test_a_name_that_no_file_can_have_is_refused(read: Read, tmp_path: Path) -> None:
    error = refusal(lambda: read(tmp_path / "a\0b", "a?b"))
    assert str(error) == "a?b: cannot be read: no file can have such a name\n  fix: check the path"
    assert not error.malformed


@posix
@every_following_reader
@pytest.mark.parametrize("target", ["there", "gone"])
def test_a_link_is_not_followed_out_of_a_run(read: Read, target: str, tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b'{"a": 1}\n')
    (tmp_path / "link").symlink_to(tmp_path / target)
    error = refusal(lambda: read(tmp_path / "link", "link", follow=False))
    assert str(error) == (
        "link: is a symbolic link, and readers stay inside the run\n  fix: put the file itself in its place"
    )
    assert not error.malformed


@posix
@pytest.mark.parametrize("name", ["bytes", "text", "json", "jsonl", "lines", "yaml"])
def test_a_link_is_followed_where_a_user_typed_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b'{"a": 1}\n')
    (tmp_path / "link").symlink_to(tmp_path / "there")
    assert READERS[name](tmp_path / "link") == READERS[name](tmp_path / "there")


@every_reader
def test_a_git_lfs_pointer_is_called_by_its_name(read: Read, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(LFS)
    error = refusal(lambda: read(tmp_path / "f", "models/best/f"))
    assert str(error) == (
        "models/best/f: is a Git LFS pointer, the content is not here\n  fix: git lfs pull --include 'models/best/f'"
    )
    assert (error.malformed, error.exit_code) == (False, 3)


def test_a_file_of_just_the_allowed_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 1000)
    assert source.read_bytes(tmp_path / "f", limit=1000) == b"x" * 1000


@pytest.mark.parametrize("read", [source.read_bytes, source.read_text, json.read])
def test_a_larger_file_is_not_read(read: Read, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"1" * 1001)
    error = refusal(lambda: read(tmp_path / "f", "f.json", limit=1000))
    assert str(error) == (
        "f.json: is 1,001 bytes; at most 1,000 are read\n  fix: keep large tables as JSONL, which is streamed"
    )
    assert not error.malformed


def test_a_document_may_have_64_mebibytes_and_no_more(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    error = refusal(lambda: json.read(tmp_path / "f", "f.json"))
    assert error.message == "is 67,108,865 bytes; at most 67,108,864 are read"


@posix
def test_a_file_that_says_it_is_empty_and_is_not_is_still_bounded() -> None:
    if not Path("/proc/self/maps").is_file():
        pytest.skip("no /proc here")
    assert "at most 10 are read" in refusal(lambda: source.read_bytes(Path("/proc/self/maps"), limit=10)).message


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ""),
        (b"a\r\nb\rc\n", "a\r\nb\rc\n"),
        (b"\xef\xbb\xbf{}", "{}"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "\ufeff{}"),
        ("é東😀".encode(), "é東😀"),
    ],
)
def test_text_is_utf_8_with_or_without_a_byte_order_mark(data: bytes, expected: str) -> None:
    assert source.decode(data, "f") == expected


def test_a_byte_order_mark_belongs_to_the_first_line_alone() -> None:
    assert source.decode(b"\xef\xbb\xbfx", "f", 2) == "\ufeffx"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_with_its_mark_is_called_by_its_name(encoding: str) -> None:
    data = ("\ufeff" if encoding != "utf-16" else "") + '{"a": 1}'
    error = refusal(lambda: source.decode(data.encode(encoding), "f.json"))
    assert str(error) == "f.json:1: is UTF-16 text, expected UTF-8\n  fix: save it as UTF-8"
    assert error.malformed


@pytest.mark.parametrize(
    ("data", "line", "byte"),
    [
        (b"\xff", 1, "ff"),
        (b"caf\xe9", 1, "e9"),
        (b"one\ntwo\r\nthr\x80ee\n", 3, "80"),
        (b"\xef\xbb\xbfone\n\xc3", 2, "c3"),
        (b"\xed\xa0\x80", 1, "ed"),  # half of a surrogate pair
        (b"\xc0\x80", 1, "c0"),  # a zero byte, longer than it need be
    ],
)
def test_other_encodings_are_refused_with_the_line_and_the_byte(data: bytes, line: int, byte: str) -> None:
    error = refusal(lambda: source.decode(data, "f.txt"))
    assert str(error) == f"f.txt:{line}: is not UTF-8: byte 0x{byte}\n  fix: save it as UTF-8"


def test_lines_are_counted_from_the_first_line_of_the_text() -> None:
    assert refusal(lambda: source.decode(b"a\nb\xff", "f", 7)).at.line == 8


def test_a_read_error_is_a_finding_too(tmp_path: Path) -> None:
    error = refusal(lambda: source.read_bytes(tmp_path / "gone", "gone"))
    finding = error.finding()
    assert (finding.message, str(finding.at), finding.fix) == (error.message, "gone", "check the path")


def test_no_parser_gets_more_than_the_cap_at_once() -> None:
    file = source.Capped(io.BytesIO(b"0123456789"), 4)
    assert (file.read(4), file.tell(), file.seek(-3, 2), file.read()) == (b"0123", 4, 7, b"789")
    file.seek(0)
    for size in (-1, 5, 10**12):
        with pytest.raises(ValueError, match="larger than 4 bytes"):
            file.read(size)
        file.seek(0)
