"""How long `lineage` and `impact` take over many run directories, beside plain peers in the same run.

    python -m tests.bench.lineage [RUNS]

Each figure is the median of five whole processes, by the clock and in seconds of CPU (user and system), which other work on the
machine lengthens less; the files are in the page cache. Peers: a walk with `json.load` of the very files that
hold records, which any answer must at least read, and the same with the strict reader of this toolkit.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.judging import TOOLKIT
from tests.bench.run_tree import grow

WALK = """\
import os, sys
{load}
names = {{"run_metadata.json", "summary.json", "model_manifest.json", "index_manifest.json", "matrix.json", "seal.json"}}
count = 0
for base, folders, files in os.walk("."):
    for name in names.intersection(files):
        read(os.path.join(base, name))
        count += 1
"""
PLAIN = WALK.format(load="import json\ndef read(path):\n    with open(path) as file:\n        return json.load(file)")
STRICT = WALK.format(
    load="from pathlib import Path\nfrom sealkit.read import json\nread = lambda path: json.read(Path(path))"
)


def median(*command: str, times: int = 5) -> tuple[float, float]:
    """Median seconds of a whole process: by the clock, and of CPU."""
    wall, cpu = [], []
    for _ in range(times):
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall.append(time.perf_counter() - began)
        cpu.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return statistics.median(wall), statistics.median(cpu)


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        grow(Path(scratch), runs)
        os.chdir(scratch)
        exported = sorted(os.listdir("models/retriever"))
        corpus = "outputs/m000/runs/run0001/stages/data/test_corpus.jsonl"
        asked = {
            "lineage of an export": ("lineage", f"models/retriever/{exported[0]}"),
            "lineage of the base": ("lineage", "61edf8d1"),
            "impact of a corpus on every run": ("impact", corpus),
            "impact of an export, as JSON": ("impact", f"models/retriever/{exported[0]}", "--format", "json"),
        }
        plain, strict = (median(sys.executable, "-c", code) for code in (PLAIN, STRICT))
        count = sum(len(files) for _, _, files in os.walk("."))
        print(f"{runs} runs, {count:,} files")
        print(f"peer: os.walk and json.load          {plain[0]:6.2f} s  {plain[1]:6.2f} s of CPU")
        print(f"peer: os.walk and the strict reader  {strict[0]:6.2f} s  {strict[1]:6.2f} s of CPU")
        for title, arguments in asked.items():
            wall, cpu = median(sys.executable, "-c", TOOLKIT, *arguments)
            print(f"{title:36} {wall:6.2f} s  {cpu:6.2f} s of CPU, {cpu / plain[1]:.2f} of json.load")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
