"""What a search found looks like what a search finds: no places left unfilled, no document before all others, no scores all alike."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sealkit import Artifact, Check, Finding, Severity, View

UNFILLED = ("-1", "None")  # what is written in the place of an id where an index found too few
PAD = 3.4e38  # FAISS's score of a place that it could not fill is the largest float32, or its negative
ENOUGH = 20  # queries: of fewer, a few may well agree
# Share of the queries that have one document first. On Cranfield (1,400 documents) it is 3 % at most, by BM25 and by MiniLM.
FIRST = 0.25
LAST = 0.5  # share of the queries that find the last document; on Cranfield, a third find the commonest of all in 100 results
TIMES = 5  # and so many times what it were if all documents were found alike: on Cranfield, 4.7 for the commonest
DEEP = 10  # results of one query with the same score to the last digit: two or three may be copies of one text
MOST = 0.5  # share of the queries with such scores, by BM25: it scores 0 where no word of the query is known
SELF, ASKED = 0.5, 4  # share of the probe's own rows found first, and the inputs that it takes to speak of one


@dataclass
class Seen:
    """What one pass over rankings counts. `unfilled`, `unknown` and `padded` hold what was found → (the first line, how often)."""

    queries: int = 0
    results: int = 0
    first: Counter[str] = field(default_factory=Counter)  # doc_id → queries that have it first
    last: int = 0
    tied: list[int] = field(default_factory=list)  # lines at which queries begin
    unfilled: dict[str, tuple[int, int]] = field(default_factory=dict)
    unknown: dict[str, tuple[int, int]] = field(default_factory=dict)
    padded: dict[float, tuple[int, int]] = field(default_factory=dict)


def find(run: View) -> Iterator[Finding]:
    indexes = {index.document["identity"]: index for index in run.all("index_manifest")}
    for index in indexes.values():
        probe = index.document["fingerprint"].get("probe", {})
        found = probe.get("self_retrieval")
        if found is not None and len(probe.get("inputs", ())) >= ASKED and found < SELF:
            message = f"only {found:.0%} of the probe's inputs find their own row first"
            at = index.at("fingerprint", "probe", "self_retrieval")
            yield Finding(message, at, Severity.WARNING, fix="look at the encoder, and at how much of the index is searched")
    judged = {stage["in"]["rankings"] for _, stage in run.wired("rankings", "qrels")}
    covered = {artifact.path for artifact in map(run.produced, judged) if artifact}
    for rankings in run.all("rankings"):
        folder = rankings.path.rpartition("/")[0]
        search = next((one for one in run.all("search_manifest") if one.path.rpartition("/")[0] == folder), None)
        used = search.document.get("index", {}).get("identity") if search else next(iter(indexes), None)
        ids = known(run, rankings, indexes.get(used) if len(indexes) == 1 or search else None)
        seen = count(rankings, ids)
        yield from certain(rankings, seen, rankings.path in covered)
        yield from unlikely(run, rankings, seen, ids, search is None or search.document.get("mode") == "bm25")


def known(run: View, rankings: Artifact, index: Artifact | None) -> list[str]:
    """The ids of what was searched, in the order of its rows; none where nobody says."""
    if index is not None and index.document["ids"] is not None:
        return [text for _, text in run.lines(index.beside(index.document["ids"]["file"]))]
    stage = dict(run.wired("corpus")).get(rankings.path.split("/")[1])
    corpus = run.produced(stage["in"]["corpus"]) if stage else None
    return [row["doc_id"] for _, row in corpus.rows()] if corpus else []


def count(rankings: Artifact, ids: list[str]) -> Seen:
    seen, documents, last = Seen(), set(ids), ids[-1] if ids else None
    begin, length, top, score = 0, 0, 0.0, 0.0
    for line, row in rankings.rows():
        doc = row["doc_id"]
        if row["rank"] == 1:
            if length >= DEEP and top == score:
                seen.tied.append(begin)
            begin, length, top = line, 0, row["score"]
            seen.queries += 1
            seen.first[doc] += 1
        length, score = length + 1, row["score"]
        seen.results += 1
        seen.last += doc == last
        if doc not in documents and (documents or doc in UNFILLED):
            note(seen.unfilled if doc in UNFILLED else seen.unknown, doc, line)
        if abs(score) >= PAD:
            note(seen.padded, score, line)
    if length >= DEEP and top == score:
        seen.tied.append(begin)
    return seen


def note(found: dict[Any, tuple[int, int]], what: Any, line: int) -> None:
    at, times = found.get(what, (line, 0))
    found[what] = at, times + 1


def certain(rankings: Artifact, seen: Seen, covered: bool) -> Iterator[Finding]:
    for doc, (line, times) in seen.unfilled.items():
        message = f"{doc!r} is no document: it stands {times} times for a place that the index could not fill"
        yield Finding(message, rankings.at(line=line))
    for score, (line, times) in seen.padded.items():
        message = f"the score {score:.4g} is FAISS's for a place that it could not fill; it stands there {times} times"
        yield Finding(message, rankings.at(line=line))
    if seen.unknown and not covered:  # else rankings-cover-qrels says so
        (doc, (line, _)), more = next(iter(seen.unknown.items())), len(seen.unknown) - 1
        message = f"the document {doc} is none of those that were searched" + (f" (and {more} more)" if more else "")
        yield Finding(message, rankings.at(line=line))


def unlikely(run: View, rankings: Artifact, seen: Seen, ids: list[str], lexical: bool) -> Iterator[Finding]:
    size = len(ids) or len(seen.first)
    suspects = []
    if seen.queries >= ENOUGH:
        doc, times = seen.first.most_common(1)[0]
        if times / seen.queries > max(FIRST, TIMES / size):
            suspects.append((doc, times, f"is the first result of {times} of {seen.queries} queries"))
        share = seen.last / seen.queries
        if ids and share > max(LAST, TIMES * seen.results / seen.queries / size):
            suspects.append((ids[-1], seen.last, f"is found by {seen.last} of {seen.queries} queries, and is the last row: -1 read as a row is that"))
    for doc, times, words in suspects:
        if relevant(run, doc) < times / 2:  # what people judged relevant so often may be found as often
            fix = "take out what the index could not fill (rows below 0), and look at that document's vector"
            yield Finding(f"the document {doc} {words}", rankings.at(), Severity.WARNING, fix=fix)
    if len(seen.tied) > (MOST * seen.queries if lexical else 0):
        message = f"{len(seen.tied)} of {seen.queries} queries have one score for all of their results"
        fix = "look at the vectors of these queries: empty, constant, or of documents that are copies"
        yield Finding(message, rankings.at(line=seen.tied[0]), Severity.WARNING, fix=fix)


def relevant(run: View, doc: str) -> int:
    return sum(row["doc_id"] == doc and row["relevance"] > 0 for qrels in run.all("qrels") for _, row in qrels.rows())


CHECK = Check(
    since="0.2.0",
    title="Neighbours look like neighbours",
    why="-1 was read as the last document (UltraRAG#517, ai-agent-book#131), a saved index found random neighbours after it was "
    "loaded (faiss#2202), and rankings of one score for all came out with nDCG 1.0 (pytrec_eval#56).",
    fix="take out what the index could not fill (rows below 0), and search again",
    reads={"rankings": 1, "resolved_config": 1, "search_manifest?": 2, "index_manifest?": 2, "qrels?": 1, "corpus?": 1},
    find=find,
)
