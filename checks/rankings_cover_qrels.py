"""Every judged query was searched, and every result is a document that there is."""

from collections.abc import Iterator

from sealkit import Artifact, Check, Finding, View


def find(run: View) -> Iterator[Finding]:
    for _, stage in run.wired("rankings", "qrels"):
        rankings, qrels = run.produced(stage["in"]["rankings"]), run.produced(stage["in"]["qrels"])
        if rankings is None or qrels is None:
            continue
        judged: dict[str, int] = {}
        for line, row in qrels.rows():
            judged.setdefault(row["query_id"], line)
        corpus = corpus_of(run, stage["in"]["rankings"].split(".")[0])
        documents = {row["doc_id"] for _, row in corpus.rows()} if corpus else set()
        seen: set[str] = set()
        unknown = 0
        for line, row in rankings.rows():
            seen.add(row["query_id"])
            if corpus and row["doc_id"] not in documents:
                unknown += 1
                if unknown <= 3:
                    yield Finding(
                        f"the document {row['doc_id']} is not in the corpus",
                        rankings.at(line=line),
                        also=(corpus.at(),),
                    )
        if unknown > 3:
            yield Finding(f"and {unknown - 3} further results are not in the corpus", rankings.at())
        missing = sorted(judged.keys() - seen)
        for query in missing[:3]:
            message = f"no results for the judged query {query} in {rankings.path}"
            yield Finding(message, qrels.at(line=judged[query]), also=(rankings.at(),))
        if len(missing) > 3:
            yield Finding(
                f"and {len(missing) - 3} further judged queries have no results", rankings.at(), also=(qrels.at(),)
            )


def corpus_of(run: View, search: str) -> Artifact | None:
    """The corpus that a search stage searched, or that of the index that it used."""
    stages = dict(run.wired())
    if "corpus" in stages.get(search, {}).get("in", {}):
        return run.produced(stages[search]["in"]["corpus"])
    index = stages.get(search, {}).get("in", {}).get("index", "").split(".")[0]
    builders = dict(run.wired("corpus"))
    return run.produced(builders[index]["in"]["corpus"]) if index in builders else None


CHECK = Check(
    since="0.1.0",
    title="Rankings cover the judgments",
    why="Means were taken over the answered queries alone, and -1 was read as the last document (trectools#24, UltraRAG#517).",
    fix="search every judged query again, over the corpus that the judgments are of",
    reads={"rankings": 1, "qrels": 1, "resolved_config": 1, "corpus?": 1},
    find=find,
)
