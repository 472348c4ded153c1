"""The tokens of alleles are four, and their frequencies those of the reference haplotypes that they were counted in."""

from collections.abc import Iterator

import numpy as np

from sealkit import Artifact, Blocked, Check, Finding, View

NAMES = ("reference", "alternate", "mask", "pad")
REFERENCE = "reference"
ROUNDED = 0.5e-6 + 1e-12  # how far 6 decimals lie from the number that they were rounded from


def find(run: View) -> Iterator[Finding]:
    alone = []
    for tokens in run.all("allele_tokens"):
        yield from doubled(tokens)
        given = run.taken(run.maker(tokens) or "", "haplotypes").values()
        haplotypes = next((one for one in run.all("haplotypes") if one.path in given), None)
        if haplotypes is None:
            alone.append(tokens.path)
        else:
            yield from recounted(tokens, haplotypes)
    if alone:
        message = f"the haplotypes that {', '.join(alone)} was counted in are not in the run"
        raise Blocked(message, "keep the panel, and wire it to the stage that tokenizes")


def doubled(tokens: Artifact) -> Iterator[Finding]:
    seen: dict[int, str] = {}
    for name in NAMES:
        number = tokens.document["tokens"][name]
        if seen.setdefault(number, name) != name:
            yield Finding(f"{name} has the number {number}, which is that of {seen[number]}", tokens.at("tokens", name))


def recounted(tokens: Artifact, haplotypes: Artifact) -> Iterator[Finding]:
    """(1 + alternates) / (2 + haplotypes) of each variant among the reference haplotypes, which stream by."""
    said = np.array(tokens.document["frequencies"])
    alternates, count = np.zeros(len(said), np.int64), 0
    for line, row in haplotypes.rows():
        if len(row["alleles"]) != len(said):
            message = f"holds the frequencies of {len(said)} variants; the haplotypes have {len(row['alleles'])}"
            yield Finding(message, tokens.at("frequencies"), also=(haplotypes.at(line=line),))
            return
        if row["part"] == REFERENCE:
            alternates += np.frombuffer(row["alleles"].encode(), np.uint8) == ord("1")
            count += 1
    found = (1 + alternates) / (2 + count)
    if (wrong := np.flatnonzero(np.abs(said - found) > ROUNDED)).size:
        first = int(wrong[0])
        message = f"the frequency of variant {first} is {said[first]:g}; that of {count} reference haplotypes is {found[first]:.6f}"
        more = f" (and {wrong.size - 1} more)" if wrong.size > 1 else ""
        yield Finding(message + more, tokens.at("frequencies", first), also=(haplotypes.at(),))


CHECK = Check(
    since="0.2.0",
    title="Tokens fit the panel",
    why="What was hidden and what was padding had one number in pretraining (TencentAILabHealthcare/scBERT#64), and the number of the "
    "mask was that of a word (google-research/pegasus#231, dome272/MaskGIT-pytorch#9): nothing fails, all is encoded otherwise.",
    fix="tokenize again from the haplotypes of this panel, then index and train again",
    reads={"allele_tokens": 1, "resolved_config": 1, "haplotypes?": 1},
    find=find,
)
