"""No text of the test is a text of the training."""

from collections.abc import Iterable, Iterator
from typing import Any

from sealkit import Artifact, Check, Finding, View

SHOWN = 3


def find(run: View) -> Iterator[Finding]:
    training = artifacts(run, (ref for _, stage in run.wired("train_queries") for ref in train_inputs(stage)))
    for kind, what in (("queries", "query"), ("corpus", "document")):
        ours = [artifact for artifact in training.values() if artifact.kind == kind]
        collections = {run.digest(artifact.path) for artifact in ours}
        seen = {normal(row["text"]): (artifact, line) for artifact in ours for line, row in artifact.rows()}
        for test in artifacts(run, tested(run)).values():
            if test.kind != kind:
                continue
            if run.digest(test.path) not in collections:
                yield from overlaps(test, what, seen)
            elif kind == "queries":  # documents may be one collection for both
                yield Finding("its queries were trained on, and then evaluated", test.at())


def train_inputs(stage: dict[str, Any]) -> list[str]:
    return [reference for key, reference in stage["in"].items() if key.startswith("train_")]


def tested(run: View) -> Iterator[str]:
    """The queries and documents behind every ranking that was evaluated; a search for mining is no test."""
    stages = dict(run.wired())
    for _, evaluation in run.wired("rankings", "qrels"):
        if evaluation["with"].get("subset") != "train":
            search = stages.get(evaluation["in"]["rankings"].partition(".")[0], {"in": {}})["in"]
            index = stages.get(search.get("index", "").partition(".")[0], {"in": {}})["in"]
            yield from (search.get("queries", ""), search.get("corpus", ""), index.get("corpus", ""))


def artifacts(run: View, references: Iterable[str]) -> dict[str, Artifact]:
    """path → artifact, each once."""
    found = [artifact for reference in references if (artifact := run.produced(reference))]
    return {artifact.path: artifact for artifact in found}


def overlaps(test: Artifact, what: str, seen: dict[str, tuple[Artifact, int]]) -> Iterator[Finding]:
    found = 0
    for line, row in test.rows():
        hit = seen.get(normal(row["text"]))
        if hit is None or not row["text"].strip():
            continue
        found += 1
        if found <= SHOWN:
            name = row.get("query_id") or row.get("doc_id")
            yield Finding(
                f"the {what} {name} is also in the training data", test.at(line=line), also=(hit[0].at(line=hit[1]),)
            )
    if found > SHOWN:
        yield Finding(f"and {found - SHOWN} further {what} texts are also in the training data", test.at())


def normal(text: str) -> str:
    """Text as it is compared: case and white space do not make another text."""
    return " ".join(text.casefold().split())


CHECK = Check(
    since="0.1.0",
    title="No test text was trained on",
    why="Exact duplicates stand across the splits of many data sets; 6,294 of 19,151 test pairs were in the training set "
    "of one (mteb#1036, mTet#5).",
    fix="take the shared texts out of the training split and train again",
    reads={"resolved_config": 1, "queries": 1, "corpus?": 1, "qrels?": 1},
    find=find,
)
