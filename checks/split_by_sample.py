"""A sample is of one part only, both its copies; only the reference is indexed and found, and only the rest is searched for and imputed."""

from collections.abc import Iterator

from sealkit import Artifact, Blocked, Check, Finding, Location, View

REFERENCE = "reference"
Parts = dict[str, tuple[str, Location]]  # haplotype → (its part, where that is said)


def find(run: View) -> Iterator[Finding]:
    samples: dict[str, tuple[str, Location]] = {}
    parts: Parts = {}
    for haplotypes in run.all("haplotypes"):
        split: set[str] = set()
        for line, row in haplotypes.rows():
            at = haplotypes.at(line=line)
            part, first = samples.setdefault(row["sample"], (row["part"], at))
            parts[row["haplotype_id"]] = row["part"], at
            if row["part"] != part and row["sample"] not in split:
                split.add(row["sample"])
                message = f"the sample {row['sample']} is of the part {row['part']}, and also of {part}"
                yield Finding(message, at, also=(first,))
    unknown = unnamed(run, parts)
    for index in run.all("index_manifest"):
        if index.document["ids"] is not None:
            yield from indexed(run, index.beside(index.document["ids"]["file"]), parts)
    for rankings in run.all("rankings"):
        yield from searched(rankings, parts)
    for imputed in run.all("imputed_alleles"):
        for line, row in imputed.rows():
            found = parts.get(row["haplotype_id"])
            if found is None or found[0] == REFERENCE:
                what = "of the reference, which is indexed" if found else "no haplotype of the run"
                message = f"{row['haplotype_id']} was imputed: it is {what}"
                yield Finding(message, imputed.at(line=line), also=found[1:] if found else ())
                break
    if unknown:
        raise Blocked("; ".join(unknown), "name the rows of an index, and queries and results, by their haplotype_id")


def unnamed(run: View, parts: Parts) -> list[str]:
    """Indexes and rankings of which nobody can tell what haplotypes are in them: an index without ids, and one, or the rankings of a
    stage, that was given the haplotypes of the run and names none of them."""
    found = []
    panels = {run.digest(one.path) for one in run.all("haplotypes")}
    for index in run.all("index_manifest"):
        listing = index.document["ids"] and index.beside(index.document["ids"]["file"])
        if listing is None:
            found.append(f"{index.path} lists no ids: which haplotypes it holds is unknown")
            continue
        ours = index.document["fingerprint"].get("corpus", {}).get("digest") in panels
        if ours and not any(name in parts for _, name in run.lines(listing)):
            found.append(f"{index.path} was built from the haplotypes of the run, and {listing} names none of them")
    for rankings in run.all("rankings"):
        given = run.taken(run.maker(rankings) or "", "haplotypes")
        for key, what in (("query_id", "query"), ("doc_id", "result")) if given else ():
            names = (row[key] for _, row in rankings.rows())
            if not any(haplotype(name, parts) in parts for name in names):
                found.append(f"no {what} of {rankings.path} is a haplotype, and its stage was given those of the run")
    return found


def haplotype(name: str, parts: Parts) -> str:
    """What a query names: it may name its window too, as in HG00096:0/w3."""
    return name if name in parts else name.rpartition("/")[0]


def indexed(run: View, listing: str, parts: Parts) -> Iterator[Finding]:
    """What lies in an index of haplotypes beside the reference, the first of it; other names are no haplotypes."""
    for line, name in run.lines(listing):
        if name in parts and parts[name][0] != REFERENCE:
            message = f"{name} is indexed, and of the part {parts[name][0]}: as a query it finds itself"
            yield Finding(message, Location(listing, line=line), also=parts[name][1:])
            return


def searched(rankings: Artifact, parts: Parts) -> Iterator[Finding]:
    """The first row in which a query's haplotype is of the reference, or a result's is not; other names are no haplotypes."""
    for line, row in rankings.rows():
        query, result = haplotype(row["query_id"], parts), row["doc_id"]
        if query in parts and parts[query][0] == REFERENCE:
            message = f"{query} was searched for, and is of the reference: it finds itself"
            yield Finding(message, rankings.at(line=line), also=parts[query][1:])
            return
        if result in parts and parts[result][0] != REFERENCE:
            message = f"{result} was found, and is of the part {parts[result][0]}"
            yield Finding(message, rankings.at(line=line), also=parts[result][1:])
            return


CHECK = Check(
    since="0.2.0",
    title="Parts are split by sample",
    why="Rows of one thing were split as if they were many: 108 samples stood in training and validation (theislab/multimil#75), five "
    "rows of each gene cluster in training and test (HUST-NingKang-Lab/BGC-Prophet#8).",
    fix="split by sample, then index and train again",
    reads={"haplotypes": 1, "index_manifest?": 2, "rankings?": 1, "imputed_alleles?": 1, "resolved_config?": 1},
    find=find,
)
