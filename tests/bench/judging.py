"""How long `check`, `seal` and `verify` take on a run with 100,000 ranking rows, beside plain peers in the same run.

    python -m tests.bench.judging [ROWS]

Each figure is the median of five whole processes. Peers: `sha256sum` over the same files and a bare `json.loads` of
every row, which any judgement must at least do; and a bare click program for `--help`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sealkit import pipeline
from sealkit.pack import Pack

CONFIG = """\
schema: pipeline/v1
run: {{name: rows}}
stages:
  data: {{uses: toy.rows, with: {{queries: {queries}, top_k: 100}}}}
  evaluate: {{uses: toy.measure, in: {{rankings: data.rankings, qrels: data.qrels}}}}
"""
CLICK = "import click\n@click.command()\n@click.option('--name')\ndef hello(name): 'Say hello.'\nhello()"
LOADS = """\
import json, pathlib, sys
for path in pathlib.Path(sys.argv[1]).rglob("*.jsonl"):
    with path.open() as file:
        for line in file:
            json.loads(line)
"""
TOOLKIT = "from sealkit.cli import main; main()"


def median(*command: str, shell: bool = False, runs: int = 5) -> float:
    """Median wall-clock seconds of a whole process."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run(
            command[0] if shell else command, shell=shell, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        Path("rows.yaml").write_text(CONFIG.format(queries=rows // 100))
        run = str(pipeline.run(Path("rows.yaml"), [], ["toolkit"], pack=Pack(stage_package="tests.pack")).path)
        toolkit = (sys.executable, "-c", TOOLKIT)
        hashing = median(f"cd {run} && find . -type f -print0 | xargs -0 sha256sum", shell=True)
        loads = median(sys.executable, "-c", LOADS, run)
        floor = hashing + loads
        print(f"{rows} ranking rows; peers: sha256sum {hashing:.3f} s, bare json.loads of every row {loads:.3f} s")
        print(f"check   {(took := median(*toolkit, 'check', run)):.2f} s, {took / floor:.1f} times both peers")
        subprocess.run([*toolkit, "seal", run], capture_output=True)
        print(f"seal    {(took := median(*toolkit, 'seal', run)):.2f} s, {took / floor:.1f} times (again, same bytes)")
        print(f"verify  {(took := median(*toolkit, 'verify', run)):.2f} s, {took / floor:.1f} times both peers")
        bare, ours = median(sys.executable, "-c", CLICK, "--help", runs=15), median(*toolkit, "--help", runs=15)
        print(f"--help  {ours * 1000:.0f} ms, {ours / bare:.2f} times a bare click program ({bare * 1000:.0f} ms)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
