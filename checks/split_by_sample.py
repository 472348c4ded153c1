"""A sample is of one part only, both its copies; only the reference is indexed and found, and only the rest is searched for and imputed."""

from collections.abc import Iterator

from sealkit import Artifact, Check, Finding, Location, View

REFERENCE = "reference"


def find(run: View) -> Iterator[Finding]:
    samples: dict[str, tuple[str, Location]] = {}
    parts: dict[str, tuple[str, Location]] = {}
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


def indexed(run: View, listing: str, parts: dict[str, tuple[str, Location]]) -> Iterator[Finding]:
    """What lies in an index of haplotypes beside the reference, the first of it; other names are no haplotypes."""
    for line, name in run.lines(listing):
        if name in parts and parts[name][0] != REFERENCE:
            message = f"{name} is indexed, and of the part {parts[name][0]}: as a query it finds itself"
            yield Finding(message, Location(listing, line=line), also=parts[name][1:])
            return


def searched(rankings: Artifact, parts: dict[str, tuple[str, Location]]) -> Iterator[Finding]:
    """The first row in which a query's haplotype is of the reference, or a result's is not. A query may name its window too, as
    in HG00096:0/w3; other names are no haplotypes."""
    for line, row in rankings.rows():
        query, result = row["query_id"], row["doc_id"]
        query = query if query in parts else query.rpartition("/")[0]
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
    reads={"haplotypes": 1, "index_manifest?": 2, "rankings?": 1, "imputed_alleles?": 1},
    find=find,
)
