"""Files, trees and weights by content. The only module that hashes.

A digest is written `sha256:<64 hex digits>`. The digest of a tree is the sha256 of the listing that `sha256sum` prints
for its files in the order of their names, so that anyone can take it again with coreutils alone.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sealkit.finding import Location, ReadError
from sealkit.read import safetensors
from sealkit.read.source import MEBIBYTE, open_bytes, open_descriptor, unreadable
from sealkit.write import canonical

PREFIX = "sha256:"
_SMALL = MEBIBYTE // 16


@dataclass(frozen=True)
class Weights:
    """The digest of a model's tensors, how many went into it, and the names of those that did not."""

    digest: str
    tensors: int
    excluded: tuple[str, ...]


@dataclass(frozen=True)
class Tensor:
    """A tensor to digest: its type as safetensors calls it (`F32`, `BF16`), its shape, and what gives its bytes, in pieces.

    The bytes are little-endian and in the order of rows. They are asked for when it is the tensor's turn.
    """

    dtype: str
    shape: tuple[int, ...]
    pieces: Callable[[], Iterable[bytes | memoryview]]


def of_bytes(data: bytes) -> str:
    return PREFIX + hashlib.sha256(data).hexdigest()


def of_value(value: Any) -> str:
    """The digest of a JSON value, by its canonical text: the order of keys and the layout do not matter."""
    return of_bytes(canonical(value).encode())


def keyed(key: bytes, text: str) -> str:
    """The first 16 hex digits of a text's HMAC-SHA256: tells equal texts to whoever has the key, and nothing to others."""
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:16]


def file(path: Path, name: str | None = None, *, follow: bool = True) -> str:
    """The digest of a file's bytes. Raises ReadError."""
    with open_bytes(path, name, follow=follow) as handle:
        return PREFIX + hashlib.file_digest(handle, "sha256").hexdigest()


def matches(path: Path, name: str, expected: str) -> bool:
    """Whether a file can be read and has that digest. A link is not followed."""
    try:
        return file(path, name, follow=False) == expected
    except ReadError:
        return False


def files(root: Path, names: Iterable[str], *, follow: bool = False) -> dict[str, str]:
    """The digest of each named file below a folder. Large files are hashed in two threads; small ones are not worth it. One that
    goes by several names (a hard link) is hashed once."""
    with ThreadPoolExecutor(2) as pool:
        found = {name: _small(os.path.join(root, name), name, follow) for name in names}
        large = {name: _identity(root / name) for name, value in found.items() if value is None}
        first = {identity: name for name, identity in reversed(large.items())}
        hashed = dict(
            zip(first, pool.map(lambda name: file(root / name, name, follow=follow), first.values()), strict=True)
        )
    return {name: value or hashed[large[name]] for name, value in found.items()}


def _identity(path: Path) -> tuple[object, ...]:
    """What two names of one file have in common. A link is no other name of what it leads to: it is refused where it is not followed."""
    status = path.lstat()
    return (status.st_dev, status.st_ino) if status.st_ino else (path,)


def _small(path: str, name: str, follow: bool) -> str | None:
    """The digest of a file that one read brings in; None for a larger one. Raises ReadError."""
    descriptor = open_descriptor(path, name, follow=follow)
    try:
        data = os.read(descriptor, _SMALL)
        return None if len(data) == _SMALL or os.read(descriptor, 1) else of_bytes(data)
    except OSError as error:
        raise unreadable(error, name) from error
    finally:
        os.close(descriptor)


def walk(root: Path) -> Iterator[str]:
    """The names (with `/`) of everything below a folder that is no folder, sorted. Links to folders count as such."""
    found: list[str] = []

    def refuse(error: OSError) -> None:
        raise unreadable(error, str(error.filename))

    for base, folders, names in os.walk(root, onerror=refuse):
        links = [name for name in folders if os.path.islink(os.path.join(base, name))]
        below = os.path.relpath(base, root).replace(os.sep, "/") + "/" if base != os.fspath(root) else ""
        found += (below + name for name in names + links)
    for name in found:
        if not name.isprintable() and any(0xDC80 <= ord(character) <= 0xDCFF for character in name):
            shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            raise ReadError("has a name that is not UTF-8", Location(shown), "rename the file", malformed=False)
    return iter(sorted(found))


def sums(digests: Mapping[str, str]) -> str:
    """The text of a SHA256SUMS file, names sorted, escaped as coreutils does."""
    lines = []
    for name in sorted(digests):
        escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        mark = "\\" if escaped != name else ""
        lines.append(f"{mark}{digests[name].removeprefix(PREFIX)}  {escaped}\n")
    return "".join(lines)


def listing(digests: Mapping[str, str]) -> str:
    """The digest of a tree, from the digests of its files by their names in it."""
    return of_bytes(sums(digests).encode())


def tree(root: Path, *, without: Iterable[str] = (), follow: bool = False) -> str:
    """The digest of a folder's file names and contents; times, modes and empty folders do not count.

    `follow` reads through links to files, as model caches need; never through links to folders. Raises ReadError.
    """
    left_out = set(without)
    names = [name for name in walk(root) if name not in left_out]
    if not names:
        raise ReadError("holds no files", Location(str(root)), "check the path", malformed=False)
    return listing(files(root, names, follow=follow))


def weights(root: Path, *, follow: bool = False) -> Weights:
    """The digest of the tensors in all `.safetensors` files below a folder, by (name, dtype, shape, bytes).

    Saving a model again changes its files and not this digest. `*position_ids` index buffers are left out, since
    libraries keep or drop them as they like. Names begin with the folder of their file, so that two modules never
    blend, and shards of one module do. Raises ReadError, also where weights exist in no safetensors file.
    """
    tensors: dict[str, Tensor] = {}
    for name in walk(root):
        if not name.endswith(".safetensors"):
            continue
        folder = name.rpartition("/")[0]
        for tensor in safetensors.read_header(root / name, name, follow=follow):
            full = f"{folder}/{tensor.name}" if folder else tensor.name
            if full in tensors:
                raise ReadError(f"holds the tensor `{full}` a second time", Location(name), "remove the stale shard")
            pieces = partial(_pieces, root / name, tensor.start, tensor.end, follow)
            tensors[full] = Tensor(tensor.dtype, tensor.shape, pieces)
    found = of_tensors(tensors)
    if not found.tensors:
        raise ReadError(
            "holds no safetensors weights, and nothing else is read (pickles are never opened)",
            Location(str(root)),
            "save the model again with model.save_pretrained(path)",
            malformed=False,
        )
    return found


def _pieces(path: Path, start: int, end: int, follow: bool) -> Iterator[bytes]:
    """The bytes of a file from `start` up to `end`."""
    with open_bytes(path, follow=follow) as handle:
        handle.seek(start)
        left = end - start
        while left and (chunk := handle.read(min(left, MEBIBYTE))):
            yield chunk
            left -= len(chunk)


def of_tensors(tensors: Mapping[str, Tensor]) -> Weights:
    """The digest of tensors by (name, dtype, shape, bytes), wherever they lie; `*position_ids` index buffers are left out."""
    excluded = [name for name, tensor in tensors.items() if tensor.dtype == "I64" and name.endswith("position_ids")]
    counted = sorted(tensors.keys() - excluded)
    total = hashlib.sha256()
    for name in counted:
        tensor = tensors[name]
        total.update(canonical([name, tensor.dtype, list(tensor.shape)]).encode() + b"\n")
        for piece in tensor.pieces():
            total.update(piece)
    return Weights(PREFIX + total.hexdigest(), len(counted), tuple(sorted(excluded)))
