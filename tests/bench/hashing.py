"""How fast files are hashed, beside hashlib in the same run: one large file, and 20,000 small ones of 8 KiB.

    python -m tests.bench.hashing [FOLDER]

FOLDER is where the files are written for the time of the run (the system's folder for such files, if none is given).
The peer opens each file, hashes it with `hashlib.file_digest` (the large one) or at once (the small ones), and looks
neither at links nor at what is no regular file. Each figure is the median of five repetitions, taken in turns after one
that warms the file cache.
"""

from __future__ import annotations

import hashlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sealkit import digest

LARGE = 512  # MiB
SMALL, SIZE = 20_000, 8192


def large_file(folder: Path) -> Path:
    block = random.Random(1).randbytes(1 << 20)
    with (folder / "large.bin").open("wb") as file:
        for number in range(LARGE):
            file.write(number.to_bytes(8, "little") + block[8:])
    return folder / "large.bin"


def small_files(folder: Path) -> list[str]:
    generator = random.Random(2)
    names = [f"{number // 1000:02d}/{number:05d}.bin" for number in range(SMALL)]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(generator.randbytes(SIZE))
    return names


def peer_large(path: Path) -> None:
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256").hexdigest()


def peer_small(folder: Path, names: list[str]) -> None:
    for name in names:
        with open(f"{folder}/{name}", "rb") as file:  # noqa: PTH123  the fastest way there is
            hashlib.sha256(file.read()).hexdigest()


def compare(name: str, own: Callable[[], object], peer: Callable[[], object]) -> None:
    takes: dict[Callable[[], object], list[float]] = {own: [], peer: []}
    for _ in range(6):
        for take, taken in takes.items():
            started = time.perf_counter()
            take()
            taken.append(time.perf_counter() - started)
    ours, theirs = (statistics.median(taken[1:]) for taken in takes.values())
    print(f"{name}: {ours:.2f} s, {ours / theirs:.2f} times the seconds of hashlib ({theirs:.2f} s)")


def main(place: str | None) -> None:
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        folder = Path(scratch)
        path = large_file(folder)
        compare(f"one file of {LARGE} MiB", partial(digest.file, path, follow=False), partial(peer_large, path))
        path.unlink()
        names = small_files(folder)
        own = partial(digest.files, folder, names)
        compare(f"{SMALL:,} files of {SIZE // 1024} KiB", own, partial(peer_small, folder, names))
        compare("    with the walk, as a tree", partial(digest.tree, folder), partial(peer_small, folder, names))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
