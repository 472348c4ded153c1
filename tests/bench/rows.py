"""How fast rows are read and held against their contract, beside plain peers in the same run.

    python -m tests.bench.rows [ROWS]

Ours is what `check` does with a file of rankings: strict reading, the schema, and the rules between rows. Peers: orjson and
jsonschema-rs on the same file, which look at each row alone and let a second key of the same name pass; and
python-jsonschema on rows that are parsed already, as ours are there, which is so slow that it sees a hundredth of them.
Each figure is the median of nine repetitions; in each all take their turn, so that a busy machine is as bad for one as for
the other.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema_rs
import orjson

from sealkit.pack import BUILT_IN
from sealkit.read import jsonl

CONTRACT = BUILT_IN.contracts["rankings/v1"]
BLOCK = 500  # rows that are judged together, about as many as the reader hands over
SHARE = 100  # python-jsonschema sees one row in so many


def rankings(path: Path, rows: int) -> None:
    """Write rankings of 100 results a query with random scores."""
    generator = random.Random(1)
    with path.open("w") as file:
        for query in range(rows // 100):
            scores = sorted((generator.random() for _ in range(100)), reverse=True)
            for rank, score in enumerate(scores, 1):
                doc = f"doc-{generator.randrange(1000):04d}-{rank}"
                file.write(
                    json.dumps({"query_id": f"q-{query:06d}", "doc_id": doc, "rank": rank, "score": score}) + "\n"
                )


def ours(path: Path) -> None:
    assert not list(CONTRACT.row_violations(jsonl.blocks(path, path.name, follow=False)))


def rust(path: Path) -> None:
    accepts = jsonschema_rs.Draft202012Validator(dict(CONTRACT.schema)).is_valid
    with path.open("rb") as file:
        for line in file:
            assert accepts(orjson.loads(line))


def ours_parsed(rows: list[Any]) -> None:
    assert not list(CONTRACT.row_violations((at + 1, rows[at : at + BLOCK]) for at in range(0, len(rows), BLOCK)))


def python_parsed(rows: list[Any]) -> None:
    accepts = jsonschema.Draft202012Validator(CONTRACT.schema).is_valid
    for row in rows[::SHARE]:
        assert accepts(row)


def medians(*takes: Callable[[], None]) -> list[float]:
    """Median seconds of each, taken in turns."""
    times: list[list[float]] = [[] for _ in takes]
    for _ in range(9):
        for take, taken in zip(takes, times, strict=True):
            started = time.perf_counter()
            take()
            taken.append(time.perf_counter() - started)
    return [statistics.median(taken) for taken in times]


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "rankings.jsonl"
        rankings(path, count)
        whole, fast = medians(partial(ours, path), partial(rust, path))
        rows = [json.loads(line) for line in path.open()]
    print(f"{count} ranking rows, read and judged: {whole:.3f} s, {fast / whole:.2f} times the speed of")
    print(f"    orjson and jsonschema-rs ({fast:.3f} s), which check less")
    judged, slow = medians(partial(ours_parsed, rows), partial(python_parsed, rows))
    print(f"judged alone: {judged:.3f} s, {slow * SHARE / judged:.0f} times the speed of")
    print(f"    python-jsonschema ({slow * SHARE:.1f} s), which checks less")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
