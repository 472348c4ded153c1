"""A panel's variants, haplotypes and windows agree with each other, and every VCF in the run is sorted, phased and whole."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from sealkit import Artifact, Blocked, Check, Finding, Location, View

VCF, BCF = (".vcf", ".vcf.gz", ".vcf.bgz"), ".bcf"  # in any case
PARTS = ("reference", "train", "validation", "test")
JUDGED = ("multiallelic", "no_alternate", "missing")  # reasons to leave a variant out that lie in its own line


@dataclass
class Sites:
    """The variants of a panel, as columns; `broken` where they do not count 0, 1, 2, …, so that nothing can be held against them."""

    contigs: list[str] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    line: int = 0  # of the VCF, on which the last one stood
    samples: tuple[str, ...] = ()
    broken: bool = False


def find(run: View) -> Iterator[Finding]:
    alone: list[str] = []
    sites: dict[str, Sites] = {}  # by the paths of the panels
    for haplotypes in run.all("haplotypes"):
        variants, panel = (beside(run, haplotypes, kind) for kind in ("variants", "panel"))
        if variants is None or panel is None:
            alone.append(haplotypes.path)
            continue
        found = sites[panel.path] = Sites()
        yield from in_order(variants, found)
        yield from as_told(panel, found)
        if not found.broken:
            yield from recounted(haplotypes, variants, panel, found)
    for windows in run.all("windows"):
        faults = [list(within(windows, found)) for found in sites.values() if not found.broken]
        yield from min(faults, key=len, default=[])
    for name in run.files:
        if name.lower().endswith(VCF):
            yield from in_file(run, name, sites)
    if alone:
        raise Blocked(f"no variants and panel lie beside {', '.join(alone)}", "put them back as the stage wrote them")
    if binary := [name for name in run.files if name.lower().endswith(BCF)]:
        raise Blocked(f"{', '.join(binary)}: is BCF, and VCF is judged", "bcftools view -O z -o panel.vcf.gz panel.bcf")


def beside(run: View, haplotypes: Artifact, kind: str) -> Artifact | None:
    """The artifact of a kind that was written with the haplotypes: in their folder, by the same prefix."""
    stem = haplotypes.path.removesuffix("haplotypes.jsonl") + kind
    return next((one for one in run.all(kind) if one.path.rpartition(".")[0] == stem), None)


def in_order(variants: Artifact, sites: Sites) -> Iterator[Finding]:
    ended: set[str] = set()
    here: set[tuple[str, str]] = set()
    for line, row in variants.rows():
        contig, position, number = row["contig"], row["position"], len(sites.contigs)
        at = variants.at(line=line)
        if row["variant"] != number:
            sites.broken = True
            yield Finding(f"is variant {row['variant']}; expected {number}", at)
            return
        before = (sites.contigs[-1], sites.positions[-1]) if number else (contig, 0)
        if contig != before[0]:
            ended.add(before[0])
            if contig in ended:
                yield Finding(f"variant {number}: the contig {contig} comes back behind others", at)
        elif position < before[1]:
            yield Finding(f"variant {number}: position {position} stands behind {before[1]} of the same contig", at)
        if (contig, position) != before:
            here.clear()
        if (row["ref"], row["alt"]) in here:
            yield Finding(f"variant {number}: {row['ref']} to {row['alt']} stands at {contig}:{position} twice", at)
        if row["line"] <= sites.line:
            yield Finding(
                f"variant {number}: stood on line {row['line']} of the VCF, that before it on line {sites.line}", at
            )
        here.add((row["ref"], row["alt"]))
        sites.contigs.append(contig)
        sites.positions.append(position)
        sites.counts.append(row["allele_count"])
        sites.numbers.append(row["allele_number"])
        sites.line = row["line"]


def as_told(panel: Artifact, sites: Sites) -> Iterator[Finding]:
    said = panel.document
    contigs = dict(Counter(sites.contigs))
    if not sites.broken and said["variants"] != len(sites.contigs):
        message = f"says that there are {said['variants']} variants; there are {len(sites.contigs)}"
        yield Finding(message, panel.at("variants"))
    elif not sites.broken and [(one["name"], one["variants"]) for one in said["contigs"]] != list(contigs.items()):
        found = ", ".join(f"{count} of {name}" for name, count in contigs.items())
        yield Finding(f"names other contigs, or other numbers, than the variants: {found}", panel.at("contigs"))
    last = {contig: max(sites.positions[i] for i in where) for contig, where in places(sites).items()}
    for i, one in enumerate(said["contigs"]):
        if one["length"] is not None and last.get(one["name"], 0) > one["length"]:
            message = f"a variant stands at {last[one['name']]}, behind the end of {one['name']} ({one['length']})"
            yield Finding(message, panel.at("contigs", i, "length"))


def places(sites: Sites) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for i, contig in enumerate(sites.contigs):
        found.setdefault(contig, []).append(i)
    return found


def recounted(haplotypes: Artifact, variants: Artifact, panel: Artifact, sites: Sites) -> Iterator[Finding]:
    """Haplotypes stream by: what is kept of each is its sample, its copy and what it adds to the counts."""
    counts = np.zeros(len(sites.counts), np.int64)
    copies: dict[str, list[tuple[int, int]]] = {}
    parts: dict[str, str] = {}
    rows = 0
    for line, row in haplotypes.rows():
        rows += 1
        copies.setdefault(row["sample"], []).append((row["copy"], line))
        parts[row["sample"]] = row["part"]
        if len(row["alleles"]) != len(counts):
            message = f"{row['haplotype_id']} has {len(row['alleles'])} alleles; there are {len(counts)} variants"
            yield Finding(message, haplotypes.at(line=line), also=(variants.at(),))
            return
        counts += np.frombuffer(row["alleles"].encode(), np.uint8) == ord("1")
    for sample, found in copies.items():
        if sorted(copy for copy, _ in found) != [0, 1]:
            message = f"the sample {sample} has the copies {[copy for copy, _ in found]}; expected 0 and 1, once each"
            yield Finding(message, haplotypes.at(line=found[-1][1]))
    for number in np.flatnonzero((counts != sites.counts) | (np.array(sites.numbers) != rows))[:1].tolist():
        said = f"{sites.counts[number]} of {sites.numbers[number]}"
        message = f"variant {number}: {said} alleles are alternate ones; the haplotypes have {counts[number]} of {rows}"
        yield Finding(message, variants.at(line=number + 1), also=(haplotypes.at(),))
    for name, value in (("samples", len(copies)), ("haplotypes", rows)):
        if panel.document[name] != value:
            message = f"says that there are {panel.document[name]} {name}; there are {value}"
            yield Finding(message, panel.at(name), also=(haplotypes.at(),))
    sites.samples = tuple(copies)
    yield from split(haplotypes, panel, Counter(parts.values()))


def split(haplotypes: Artifact, panel: Artifact, sizes: Counter[str]) -> Iterator[Finding]:
    """The parts have the samples that the panel says, and these are its shares to within one sample."""
    said, total = panel.document["split"], sizes.total()
    for part in PARTS:
        size, share = said["samples"][part], said["shares"][part]
        if sizes[part] != size:
            message = f"says that {size} samples are of the part {part}; the haplotypes have {sizes[part]}"
            yield Finding(message, panel.at("split", "samples", part), also=(haplotypes.at(),))
        elif abs(size - share * total) > 1 + 1e-9:
            message = f"says that the part {part} is a share of {share:g}; {size} of {total} samples are of it"
            yield Finding(message, panel.at("split", "shares", part), also=(haplotypes.at(),))


def within(windows: Artifact, sites: Sites) -> Iterator[Finding]:
    """Windows count 0, 1, 2, …, lie where they say, and leave no variant out: what is in none is imputed and scored by nobody."""
    covered, expected = np.zeros(len(sites.contigs), bool), 0
    for line, row in windows.rows():
        first, end = row["first"], row["first"] + row["length"]
        contigs = set(sites.contigs[first:end])
        covered[first:end] = True
        number, expected = expected, row["window"] + 1
        if row["window"] != number:
            message = f"is window {row['window']}; expected {number}"
        elif end > len(sites.contigs):
            message = f"window {row['window']} ends with variant {end - 1}; the last is {len(sites.contigs) - 1}"
        elif contigs != {row["contig"]}:
            message = f"window {row['window']} is of {row['contig']}, its variants of {' and '.join(sorted(contigs))}"
        elif (row["start"], row["end"]) != (sites.positions[first], sites.positions[end - 1]):
            found = f"{sites.positions[first]} to {sites.positions[end - 1]}"
            message = f"window {row['window']} goes from {row['start']} to {row['end']}, its variants from {found}"
        else:
            continue
        yield Finding(message, windows.at(line=line))
    if not covered.all():
        message = f"{int((~covered).sum())} of {len(covered)} variants are in no window"
        yield Finding(f"{message}, the first is variant {int(covered.argmin())}", windows.at())


def in_file(run: View, name: str, sites: Mapping[str, Sites]) -> Iterator[Finding]:
    """What is wrong with a VCF, and with what the panels that were read from it, by its digest, say of it."""
    vcf = run.vcf(name)
    panels = [panel for panel in run.all("panel") if panel.document["vcf"]["digest"] == run.digest(name)]
    reasons = [set(panel.document["left_out"]) for panel in panels]
    yield from vcf.findings(but=set.intersection(*reasons) if reasons else ())
    if vcf.header is None:
        return
    at = Location(name, line=vcf.header.line)
    total = vcf.counts.total()
    for panel in panels:
        said, left_out = panel.document, panel.document["left_out"]
        if said["samples"] != len(vcf.header.samples):
            message = f"says that there are {said['samples']} samples; {name} has {len(vcf.header.samples)}"
            yield Finding(message, panel.at("samples"), also=(at,))
        elif panel.path in sites and (other := set(sites[panel.path].samples) ^ set(vcf.header.samples)):
            message = f"the haplotypes are of other samples than {name}; of one of them alone: {min(other)[:40]}"
            yield Finding(message, panel.at("vcf", "digest"), also=(at,))
        if said["variants"] + sum(left_out.values()) != total:
            words = f"{said['variants']} variants are kept and {sum(left_out.values())} left out"
            yield Finding(f"says that {words}; {name} has {total}", panel.at("variants"), also=(at,))
        for reason in JUDGED:
            # What a panel does not name as left out is a fault of the file already.
            if left_out.get(reason, vcf.counts[reason]) != vcf.counts[reason]:
                words = f"{left_out[reason]} variants are left out: {reason.replace('_', ' ')}"
                message = f"says that {words}; {name} has {vcf.counts[reason]}"
                yield Finding(message, panel.at("left_out", reason), also=(at,))


CHECK = Check(
    since="0.2.0",
    title="Panels and VCF files are sound",
    why="Tools take what they are given: unphased genotypes were treated as phased (Ensembl/ensembl-vep#435), an unsorted VCF was "
    "cut off in the middle (atks/vt#79), rows that had lost columns crashed the next tool (samtools/bcftools#60).",
    fix="run the panel again from a VCF that is sound: its files belong together",
    reads={"run_metadata": 1, "panel?": 1, "variants?": 1, "haplotypes?": 1, "windows?": 1},
    find=find,
)
