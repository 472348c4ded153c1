"""What a search found looks like it: no places left unfilled, no document before all others, no scores all alike."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from sealkit import Artifact, Check, Finding, Severity, View

UNFILLED = ("-1", "None")  # what is written in the place of an id where an index found too few
PAD = 3.4e38  # FAISS's score of a place that it could not fill is the largest float32, or its negative
ENOUGH = 20  # queries: of fewer, a few may well agree
# Share of the queries that have one document first. On Cranfield (1,400 documents) it is 3 % at most, by BM25 and MiniLM;
# an encoder with random weights over two dozen documents came to a third.
FIRST = 0.5
LAST = 0.5  # share of the queries that find the last row; on Cranfield a third find the commonest of all in 100 results
TIMES = 5  # and so many times what it were if all were found alike: on Cranfield, 4.7 for the commonest
DEEP = 10  # results of one query with the same score to the last digit: two or three may be copies of one text
# Where a search keeps fewer, all of them, of most queries. Haplotypes compared by their alleles are often alike: of their searches in
# windows of 64 variants up to 72 % tied, by vectors of an encoder 2 %.
SHALLOW = 5
MOST = 0.5  # share of the queries with such scores by BM25, which scores 0 where no word of the query is known
SELF, ASKED = 0.5, 4  # share of the probe's own rows found first, and the inputs that it takes to speak of one


@dataclass
class Seen:
    """What one pass over rankings counts. `strange` holds ids and scores that cannot be: what → (its first line, how often)."""

    queries: int = 0
    results: int = 0
    last: int = 0  # queries that find the last row
    longest: int = 0  # results of one query
    first: Counter[str] = field(default_factory=Counter)  # doc_id → queries that have it first
    alike: list[tuple[int, int]] = field(
        default_factory=list
    )  # queries of one score: the line of the first result, and how many
    strange: dict[str | float, tuple[int, int]] = field(default_factory=dict)

    def tied(self, deep: int) -> list[int]:
        """The lines at which queries begin that have one score for so many results, or more."""
        return [line for line, length in self.alike if length >= deep]

    def note(self, what: str | float, line: int) -> None:
        first, times = self.strange.get(what, (line, 0))
        self.strange[what] = first, times + 1


def find(run: View) -> Iterator[Finding]:
    for index in run.all("index_manifest"):
        yield from itself(index)
    covered = set(held_against_a_corpus(run))
    for rankings in run.all("rankings"):
        folder = rankings.path.rpartition("/")[0]
        search = next((one for one in run.all("search_manifest") if one.path.rpartition("/")[0] == folder), None)
        ids = known(run, rankings, search)
        seen = count(rankings, ids)
        yield from impossible(rankings, seen, rankings.path in covered)
        yield from unlikely(run, rankings, seen, ids)
        deep, most = DEEP, MOST if search is None or search.document.get("mode") == "bm25" else 0
        if SHALLOW <= seen.longest < DEEP and by_an_encoder(run, rankings):
            deep, most = seen.longest, MOST
        if len(tied := seen.tied(deep)) > most * seen.queries:
            message = f"{len(tied)} of {seen.queries} queries have one score for all of their results"
            fix = "look at the vectors of these queries: empty, constant, or of documents that are copies"
            yield Finding(message, rankings.at(line=tied[0]), Severity.WARNING, fix=fix)


def by_an_encoder(run: View, rankings: Artifact) -> bool:
    """Whether the search was given indexes of vectors that an encoder made."""
    given = run.taken(run.maker(rankings) or "", "index_manifest").values()
    indexes = (
        one for one in run.all("index_manifest") if f"{one.path}/".startswith(tuple(f"{path}/" for path in given))
    )
    return any(index.document["fingerprint"].get("encoder", {}).get("weights") for index in indexes)


def itself(index: Artifact) -> Iterator[Finding]:
    probe = index.document["fingerprint"].get("probe", {})
    found = probe.get("self_retrieval")
    if found is not None and len(probe.get("inputs", ())) >= ASKED and found < SELF:
        message, at = f"only {found:.0%} of the probe's inputs find their own row first", ("probe", "self_retrieval")
        fix = "look at the encoder, and at how much of the index is searched"
        yield Finding(message, index.at("fingerprint", *at), Severity.WARNING, fix=fix)


def held_against_a_corpus(run: View) -> Iterator[str]:
    """The rankings of which rankings-cover-qrels tells the documents that are not in the corpus."""
    stages = dict(run.wired())
    for _, stage in run.wired("rankings", "qrels"):
        search = stages.get(stage["in"]["rankings"].partition(".")[0], {"in": {}})
        builder = stages.get(search["in"].get("index", "").partition(".")[0], {"in": {}})
        rankings = run.produced(stage["in"]["rankings"])
        if rankings is not None and "corpus" in {**search["in"], **builder["in"]}:
            yield rankings.path


def known(run: View, rankings: Artifact, search: Artifact | None) -> list[str]:
    """The ids of what was searched, in the order of its rows; none where nobody says."""
    indexes = run.all("index_manifest")
    if search is not None:
        used = search.document.get("index", {}).get("identity")
        indexes = [one for one in indexes if one.document["identity"] == used]
    if len(indexes) == 1 and indexes[0].document["ids"] is not None:
        return [text for _, text in run.lines(indexes[0].beside(indexes[0].document["ids"]["file"]))]
    stage = dict(run.wired("corpus")).get(rankings.path.split("/")[1])
    corpus = run.produced(stage["in"]["corpus"]) if stage else None
    return [row["doc_id"] for _, row in corpus.rows()] if corpus else []


def count(rankings: Artifact, ids: list[str]) -> Seen:
    seen, documents, last = Seen(), set(ids), ids[-1] if ids else None
    begin, length, top, score = 0, 0, 0.0, 0.0
    for line, row in rankings.rows():
        doc = row["doc_id"]
        if row["rank"] == 1:
            if length >= SHALLOW and top == score:
                seen.alike.append((begin, length))
            begin, length, top = line, 0, row["score"]
            seen.queries += 1
            seen.first[doc] += 1
        length, score = length + 1, row["score"]
        seen.results += 1
        seen.longest = max(seen.longest, length)
        seen.last += doc == last
        if doc not in documents and (documents or doc in UNFILLED):
            seen.note(doc, line)
        if abs(score) >= PAD:
            seen.note(float(score), line)
    if length >= SHALLOW and top == score:
        seen.alike.append((begin, length))
    return seen


def impossible(rankings: Artifact, seen: Seen, covered: bool) -> Iterator[Finding]:
    unknown = []
    for what, (line, times) in seen.strange.items():
        if isinstance(what, str) and what not in UNFILLED:
            unknown.append((what, line))
            continue
        words = f"{what!r} is no document: it" if isinstance(what, str) else f"the score {what:.4g} is FAISS's own: it"
        message = f"{words} stands {times} times for a place that the index could not fill"
        yield Finding(message, rankings.at(line=line))
    if unknown and not covered:
        doc, line = unknown[0]
        more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        yield Finding(f"the document {doc} is none of those that were searched{more}", rankings.at(line=line))


def unlikely(run: View, rankings: Artifact, seen: Seen, ids: list[str]) -> Iterator[Finding]:
    """One document for too many queries, unless people judged it relevant for as many."""
    size, suspects = len(ids) or len(seen.first), []
    if seen.queries < ENOUGH:
        return
    doc, times = seen.first.most_common(1)[0]
    if times / seen.queries > max(FIRST, TIMES / size):
        suspects.append((doc, times, f"is the first result of {times} of {seen.queries} queries"))
    if ids and seen.last / seen.queries > max(LAST, TIMES * seen.results / seen.queries / size):
        words = f"is found by {seen.last} of {seen.queries} queries, and is the last row: what -1 finds, read as a row"
        suspects.append((ids[-1], seen.last, words))
    for doc, times, words in suspects:
        rows = (row for qrels in run.all("qrels") for _, row in qrels.rows())
        if sum(row["doc_id"] == doc and row["relevance"] > 0 for row in rows) < times / 2:
            fix = "take out what the index could not fill (rows below 0), and look at that document's vector"
            yield Finding(f"the document {doc} {words}", rankings.at(), Severity.WARNING, fix=fix)


CHECK = Check(
    since="0.2.0",
    title="Neighbours look like neighbours",
    why="-1 was read as the last document (UltraRAG#517, ai-agent-book#131), a saved index found random neighbours after it "
    "was loaded (faiss#2202), and rankings of one score for all came out with nDCG 1.0 (pytrec_eval#56).",
    fix="take out what the index could not fill (rows below 0), and search again",
    reads={"rankings": 1, "resolved_config": 1, "search_manifest?": 2, "index_manifest?": 2, "qrels?": 1, "corpus?": 1},
    find=find,
)
