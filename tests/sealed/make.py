"""Runs and seals three small pipelines with this version, to be kept for ever as `tests/sealed/<version>/`.

    python -m tests.sealed.make FOLDER

FOLDER is a new folder for the workspace; its path stands in the runs, so take a neutral one. The runs are in FOLDER/outputs.
Run it once, when a version is cut. What is kept is never made again: a later version must verify what this one sealed.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from sealkit import pipeline
from sealkit.seal import seal
from tests.conftest import ROOT
from tests.tiny import tiny_model

ANIMALS = [
    "badger",
    "crane",
    "dormouse",
    "eel",
    "falcon",
    "gecko",
    "heron",
    "ibis",
    "jackal",
    "kestrel",
    "lynx",
    "marten",
]
PLACES = ["the river", "an old barn"]
MISSED = """\
schema: pipeline/v1
extends: beir_base.yaml
run: {name: missed}
expect:
  - {metric: "retrieval/test/nDCG@10", at_least: 0.999}
"""
GIT = {
    "GIT_AUTHOR_NAME": "Example", "GIT_AUTHOR_EMAIL": "example@example.org", "GIT_AUTHOR_DATE": "2026-11-21T00:00:00Z",
    "GIT_COMMITTER_NAME": "Example", "GIT_COMMITTER_EMAIL": "example@example.org",
    "GIT_COMMITTER_DATE": "2026-11-21T00:00:00Z",
}  # fmt: skip


def collection(folder: Path) -> None:
    """Twenty-four documents and a question for each: two thirds to train on, the rest for the test."""
    (folder / "qrels").mkdir(parents=True)
    pairs = [(animal, place) for place in PLACES for animal in ANIMALS]
    texts = [{"_id": f"d{i}", "title": a, "text": f"The {a} sleeps near {p}."} for i, (a, p) in enumerate(pairs)]
    asked = [{"_id": f"q{i}", "text": f"who sleeps near {p}, is it the {a}?"} for i, (a, p) in enumerate(pairs)]
    for name, rows in (("corpus", texts), ("queries", asked)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for split, numbers in (("train", range(16)), ("test", range(16, 24))):
        judged = "".join(f"q{i}\td{i}\t1\n" for i in numbers)
        (folder / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)


def make(folder: Path) -> None:
    """Write the workspace, its runs and their seals. Raises FileExistsError where the folder is there already."""
    folder.mkdir(parents=True)
    collection(folder / "data")
    tiny_model(folder / "tiny", seed=1, dimension=8)
    for name in ("beir_base.yaml", "beir_ft.yaml", "retriever_base.yaml", "retriever_ft.yaml"):
        shutil.copy(ROOT / "configs" / name, folder)
    (folder / "missed.yaml").write_text(MISSED)
    (folder / ".gitignore").write_text("outputs/\nmodels/\n.sealkit/\n")
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "--no-gpg-sign", "-m", "Example"]):
        subprocess.run(["git", *command], cwd=folder, env={**os.environ, **GIT}, check=True)
    given = [f"model.base={folder}/tiny", f"data.path={folder}/data", "data.licence=CC0-1.0", "run.device=cpu"]
    training = [f"stages.train.with.{value}" for value in ("epochs=1", "batch_size=4", "learning_rate=0.01")]
    with contextlib.chdir(folder):
        for config, more in (("beir_base", []), ("beir_ft", training), ("missed", [])):
            result = pipeline.run(Path(f"{config}.yaml"), [*given, *more], ["toolkit", "run", f"{config}.yaml"])
            print(result.path, result.exit_code, result.error)
            reference = folder / "outputs/base" if config == "beir_ft" else None
            report = seal(result.path, reference).report
            print(report.verdict, *(f"{o.id}: {f.message}" for o in report.checks for f in o.findings), sep="\n  ")


if __name__ == "__main__":
    platform.node = lambda: "example"  # the name of a machine is nobody's business
    platform.platform = lambda *_, **__: "Linux"
    make(Path(sys.argv[1]))
