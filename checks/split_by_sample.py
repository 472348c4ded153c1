"""A sample is of one part only, both its copies; only the reference is indexed, and only the rest is imputed."""

from collections.abc import Iterator

from sealkit import Check, Finding, Location, View

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


CHECK = Check(
    since="0.2.0",
    title="Parts are split by sample",
    why="Rows of one thing were split as if they were many: 108 samples stood in training and validation (theislab/multimil#75), five "
    "rows of each gene cluster in both (HUST-NingKang-Lab/BGC-Prophet#8). The copies of a sample share their errors and relatives.",
    fix="split by sample, then index and train again",
    reads={"haplotypes": 1, "index_manifest?": 2, "imputed_alleles?": 1},
    find=find,
)
