"""The probe of an index comes out as it was stored: at the search, by its own word, and in the index, by its files."""

from collections.abc import Iterator
from typing import Any

from sealkit import PROBE_TOLERANCE, Artifact, Check, Finding, Location, Severity, View, replay_probe

PARTS = ("inputs", "vectors", "neighbours", "scores")
METRICS = ("inner_product", "l2")  # that are searched by here; of other kinds and metrics nothing is claimed


def find(run: View) -> Iterator[Finding]:
    indexes = run.all("index_manifest")
    for index in indexes:
        if index.contract.version > 1:  # the first version knew no probe
            yield from in_the_index(run, index)
    by_identity = {index.document["identity"]: index for index in indexes}
    for search in run.all("search_manifest"):
        found = by_identity.get(search.document.get("index", {}).get("identity"))  # none: index-fits-query says so
        if found is not None:
            yield from at_the_search(search, found)


def at_the_search(search: Artifact, index: Artifact) -> Iterator[Finding]:
    probe, said = index.document["fingerprint"].get("probe", {}), search.document.get("probe")
    inputs, at = len(probe.get("inputs", ())), index.at("fingerprint", "probe")
    if said is None:
        if inputs:
            yield Finding("does not say that the probe of its index was replayed", search.at(), also=(at,))
        return
    if said["inputs"] != inputs:
        message = f"{said['inputs']} inputs of a probe were replayed, the index has {inputs}"
        yield Finding(message, search.at("probe", "inputs"), also=(index.at("fingerprint"),))
    if not said["encoded"]:
        message = "only the index half of the probe was replayed: no encoder made its vectors again"
        fix = "give open_index the encoder of the queries"
        yield Finding(message, search.at("probe", "encoded"), Severity.WARNING, fix=fix)
        return
    tolerance = probe.get("tolerance", PROBE_TOLERANCE)
    for name, low, high in (("cosine", 1 - tolerance["cosine"], 2.0), ("norm", 0.0, tolerance["norm"])):
        value = said.get(name)
        if value is None or not low <= value <= high:
            bound = f"at least {low:.6g}" if name == "cosine" else f"at most {high:.6g}"
            found = "does not say how the probe came out" if value is None else f"the probe came out elsewhere: {value}"
            message = f"{found}; expected is a {name} of {bound}"
            yield Finding(message, search.at("probe", name), also=(index.at("fingerprint", "probe", "tolerance"),))


def in_the_index(run: View, index: Artifact) -> Iterator[Finding]:
    said, vectors = index.document["fingerprint"], index.beside(index.document["file"])
    facts, probe, at = run.vector_facts(vectors), said.get("probe", {}), index.at("fingerprint", "probe")
    if facts.count and not probe.get("inputs"):
        message = "no probe was taken: that the vectors are of this encoder is taken on trust"
        yield Finding(message, at, Severity.WARNING, fix="describe the index where it is built, with its encoder")
        return
    for name, most in PROBE_TOLERANCE.items():
        if (value := probe.get("tolerance", PROBE_TOLERANCE)[name]) > most:
            message = f"a {name} off by {value:g} passes for the same; usual is {most:g}"
            place, fix = index.at("fingerprint", "probe", "tolerance", name), "describe the index again"
            yield Finding(message, place, Severity.WARNING, fix=fix)
    ids: list[str] | range | None = None if facts.mapped else range(facts.count)
    if index.document["ids"] is not None:
        ids = [text for _, text in run.lines(index.beside(index.document["ids"]["file"]))]
    wrong = list(torn(probe, ids, facts.count))
    metric = said.get("vectors", {}).get("metric")
    if not wrong and facts.count and facts.rows is not None and metric in METRICS:

        def search(queries: Any, k: int) -> tuple[Any, list[list[Any]]]:
            scores, rows = run.nearest(vectors, queries, k, metric)
            return scores, [[int(row) if ids is None else ids[row] for row in line] for line in rows]

        try:
            wrong += replay_probe(probe, search, metric, None).wrong
        except (ValueError, IndexError) as error:  # no base64 of floats, another dimension, an id that is not listed
            wrong.append(f"its vectors cannot be searched with: {error}")
    for message in wrong:
        yield Finding(message, at, also=(Location(vectors),))


def torn(probe: Any, ids: Any, count: int) -> Iterator[str]:
    """What does not add up in a probe by itself, whatever its index is."""
    lengths = {len(probe.get(part, ())) for part in PARTS}
    if len(lengths) > 1:
        yield "the probe is not whole: inputs, vectors, neighbours and scores differ in number"
        return
    if ids is not None and len(ids) != count:
        yield f"{len(ids)} ids are listed for {count} rows"
        return
    names = None if ids is None else set(ids)
    for i, (near, scores) in enumerate(zip(probe.get("neighbours", ()), probe.get("scores", ()), strict=True), 1):
        if not 1 <= len(near) <= count or len(near) != len(scores):
            yield f"the input {i} of the probe has {len(near)} neighbours and {len(scores)} scores, of {count} rows"
        elif names is not None and not names.issuperset(near):
            strange = next(one for one in near if one not in names)
            yield f"the input {i} of the probe finds {strange!r}, which is no row of the index"


CHECK = Check(
    since="0.2.0",
    title="The probe finds what it found",
    why="A saved index was 'completely random' after it was loaded (faiss#2202); a model of the same dimension mixed two "
    "spaces without a sound (open-ontologies#74), and the label named one that had not made the vectors (tobi/qmd#447).",
    fix="put the files of the index back as they were, or build and describe it again, and search it with its encoder",
    reads={"index_manifest": 2, "search_manifest?": 2},
    find=find,
)
