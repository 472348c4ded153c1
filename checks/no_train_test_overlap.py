"""No text of the test is a text of the training."""

from collections.abc import Callable, Iterator

from sealkit import Artifact, Check, Finding, View

SHOWN = 3


def find(run: View) -> Iterator[Finding]:
    training = artifacts(run, "train_queries", lambda key: key.startswith("train_"))
    searched = artifacts(run, "queries", lambda key: key == "queries") | artifacts(
        run, "corpus", lambda key: key == "corpus"
    )
    # Mining negatives searches the training data itself, which is no test.
    tests = [artifact for path, artifact in searched.items() if path not in training]
    for kind, what in (("queries", "query"), ("corpus", "document")):
        ours = [artifact for artifact in training.values() if artifact.kind == kind]
        seen = {normal(row["text"]): (artifact, line) for artifact in ours for line, row in artifact.rows()}
        for test in (artifact for artifact in tests if artifact.kind == kind):
            yield from overlaps(test, what, seen)


def artifacts(run: View, marker: str, wanted: Callable[[str], bool]) -> dict[str, Artifact]:
    """path → artifact, of the wanted inputs of every stage that takes the input `marker`."""
    references = [reference for _, stage in run.wired(marker) for key, reference in stage["in"].items() if wanted(key)]
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
