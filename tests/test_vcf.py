"""The reader of VCF: what is not sound is told with line and reason, once a fault; what is sound is counted right."""

from __future__ import annotations

import contextlib
import gzip
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit.finding import Finding, ReadError, SealkitError, Severity
from sealkit.read.vcf import Vcf
from tests import panels

HEAD = """##fileformat=VCFv4.2
##contig=<ID=21,length=48129895>
##contig=<ID=22>
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM	POS	ID	REF	ALT	QUAL	FILTER	INFO	FORMAT	A	B
"""
BODY = """21	100	rs1	A	G	.	PASS	.	GT	0|1	1|1
21	200	.	C	T	50	PASS	AC=1	GT	0|0	1|0
22	50	rs3	G	GTT	.	.	.	GT	0|1	0|0
"""
SOUND = HEAD + BODY
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def placed(at: Path, content: str | bytes, name: str = "panel.vcf") -> Path:
    (at / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return at / name


def told(path: Path) -> list[str]:
    """What a user reads: each finding with its place, and the way out behind it."""
    lines = [f"{finding.at}: {finding.message} -> {finding.fix}" for finding in found(path)]
    return [line.replace(f"{path.parent}/", "") for line in lines]


def found(path: Path) -> Iterator[Finding]:
    """The findings, and what the reader stopped at as the last of them."""
    try:
        yield from Vcf(path).findings()
    except ReadError as error:
        yield error.finding()


def block_gzip(data: bytes, end: bytes = BGZF_END) -> bytes:
    """One block of bgzip: a gzip member with the subfield BC, as in the SAM specification."""
    member = gzip.compress(data, mtime=0)
    extra = b"BC\x02\x00" + (len(member) + 8 - 1).to_bytes(2, "little")
    return member[:3] + b"\x04" + member[4:10] + len(extra).to_bytes(2, "little") + extra + member[10:] + end


def changed(old: str, new: str, text: str = SOUND) -> str:
    assert old in text
    return text.replace(old, new, 1)


# What is sound

SAME = {
    "plain": SOUND.encode(),
    "windows": SOUND.replace("\n", "\r\n").encode(),
    "gzip": gzip.compress(SOUND.encode()),
    "gzip of windows": gzip.compress(SOUND.replace("\n", "\r\n").encode()),
    "gzip in two members": gzip.compress(HEAD.encode()) + gzip.compress(BODY.encode()),
    "bgzip": block_gzip(SOUND.encode()),
    "no last newline": SOUND.encode()[:-1],
}


@pytest.mark.parametrize("way", SAME)
@pytest.mark.parametrize("name", ["panel.vcf", "panel.txt"])
def test_a_sound_file_is_sound_however_it_is_written(tmp_path: Path, way: str, name: str) -> None:
    path = placed(tmp_path, SAME[way], name)
    read = Vcf(path)
    assert [(v.line, v.contig, v.position, v.id, v.ref, v.alt, v.count, v.number, v.out) for v in read.variants()] == [
        (6, "21", 100, "rs1", "A", "G", 3, 4, None),
        (7, "21", 200, None, "C", "T", 1, 4, None),
        (8, "22", 50, "rs3", "G", "GTT", 1, 4, None),
    ]
    assert list(read.faults.findings()) == []
    assert read.header is not None
    assert (read.header.samples, read.header.contigs) == (("A", "B"), {"21": 48129895, "22": None})
    assert read.contigs == ("21", "22")


GOOD = {
    "no contig is declared": SOUND.replace("##contig=<ID=21,length=48129895>\n##contig=<ID=22>\n", ""),
    "chr names": SOUND.replace("=21,", "=chr21,").replace("=22>", "=chr22>").replace("\n2", "\nchr2"),
    "one position, two alternates": changed("22\t50", "21\t200", SOUND).replace("\tG\tGTT", "\tC\tG"),
    "other values of samples": changed("GT\t0|1\t1|1", "GT:DS:GP\t0|1:1.0:0,1,0\t1|1:2"),
    "symbolic": changed("\tA\tG\t", "\tA\t<DEL>\t"),
    "spanning deletion": changed("\tA\tG\t", "\tA\t*\t"),
    "breakend": changed("\tA\tG\t", "\tA\tA]22:50]\t"),
    "lower case": changed("\tA\tG\t", "\ta\tg\t"),
    "a contig in quotes is no declaration": changed("<ID=22>", '<ID=22,assembly="x,length=7,ID=5">'),
    "a name with blanks": SOUND.replace("\tA\tB\n", "\tA 1\tB\n"),
    "a name that ends as columns begin": SOUND.replace("\tA\tB\n", "\t#CHROM\tB\n"),
    "GT declared in another order": changed("Number=1,Type=String,", "Type=String,").replace('pe">', 'pe",Number=1>'),
    "position at the end": changed("21\t200\t", "21\t48129895\t"),
    "a contig of GRCh38": SOUND.replace("=22>", "=HLA-A*01:01:01:01>").replace("\n22\t", "\nHLA-A*01:01:01:01\t"),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_real_panels_have_is_sound(tmp_path: Path, case: str) -> None:
    assert told(placed(tmp_path, GOOD[case])) == []


def test_a_line_of_several_megabytes_is_read(tmp_path: Path) -> None:
    info = ";".join(f"KEY{i}=0.{i}" for i in range(100_000))
    samples = "\t".join(f"S{i}" for i in range(3000))
    text = HEAD.replace("\tA\tB\n", f"\t{samples}\n")
    text += f"21\t100\t.\tA\tG\t.\tPASS\t{info}\tGT:DS\t" + "\t".join(["0|1:1.000"] * 3000) + "\n"
    read = Vcf(placed(tmp_path, gzip.compress(text.encode()), "panel.vcf.gz"))
    assert [(v.count, v.number) for v in read.variants()] == [(3000, 6000)]
    assert list(read.faults.findings()) == []


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    line = "\t".join(["0|1"] * 1000)
    body = (f"21\t{i}\t.\tA\tG\t.\t.\t.\tGT\t{line}\n" for i in range(1, 3001))
    text = HEAD.replace("\tA\tB\n", "".join(f"\tS{i}" for i in range(1000)) + "\n") + "".join(body)
    path = placed(tmp_path, gzip.compress(text.encode(), 1), "panel.vcf.gz")
    assert len(text) > 10 * 2**20
    tracemalloc.start()
    assert list(Vcf(path).findings()) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2**20


# What is not

WRONG: dict[str, str | bytes] = {
    "empty": b"",
    "a byte-order mark": b"\xef\xbb\xbf" + SOUND.encode(),
    "a table": "name,value\nA,1\n",
    "another version": changed("VCFv4.2", "VCFv3.3"),
    "no header": BODY,
    "header alone": HEAD,
    "half a header": HEAD.partition("#CHROM")[0],
    "no columns": HEAD.partition("#CHROM")[0] + BODY,
    "blanks for tabs": HEAD.replace("\t", " ") + BODY,
    "no format": changed("\tINFO\tFORMAT\tA\tB", "\tINFO"),
    "no samples": changed("\tFORMAT\tA\tB", "\tFORMAT"),
    "a sample twice": SOUND.replace("\tA\tB\n", "\tA\tA\n"),
    "a sample without a name": SOUND.replace("\tA\tB\n", "\tA\t\n"),
    "a contig declared twice": changed("##contig=<ID=22>", "##contig=<ID=21>"),
    "a contig without an ID": changed("##contig=<ID=22>", "##contig=<length=22>"),
    "GT not declared": SOUND.replace('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n', ""),
    "GT declared as numbers": changed("Number=1,Type=String", "Number=2,Type=Integer"),
    "a column lost": changed("0|1\t1|1", "0|1"),
    "a column more": changed("0|1\t1|1", "0|1\t1|1\t0|0"),
    "nothing in a column": changed("rs1", ""),
    "a blank line": changed("22\t50", "\n22\t50"),
    "two files in one": SOUND + SOUND,
    "NUL": changed("AC=1", "\0\0\0\0"),
    "not UTF-8": SOUND.encode().replace(b"AC=1", b"AC=\xff"),
    "unsorted": changed("\t200\t", "\t99\t"),
    "contigs mixed": SOUND + "21\t300\t.\tA\tG\t.\t.\t.\tGT\t0|1\t1|1\n",
    "a position in words": changed("\t200\t", "\t2e2\t"),
    "position 0": changed("\t200\t", "\t0\t"),
    "a position beyond VCF": changed("\t200\t", "\t2147483648\t"),
    "contig not in the header": SOUND.replace("\n22\t", "\n20\t"),
    "chr21 and 21": SOUND.replace("\n21\t", "\nchr21\t").replace("\n22\t", "\nchr22\t"),
    "chr21 in the header": SOUND.replace("=21,", "=chr21,"),
    "behind the contig": changed("length=48129895", "length=150"),
    "a contig without a name": changed("\n22\t", "\n\t"),
    "a contig with a blank": changed("\n22\t", "\n2 2\t").replace(
        "##contig=<ID=21,length=48129895>\n##contig=<ID=22>\n", ""
    ),
    "another letter": changed("\tA\tG\t", "\tM\tG\t"),
    "another alternate": changed("\tA\tG\t", "\tA\tG;T\t"),
    "the same allele": changed("\tA\tG\t", "\tA\ta\t"),
    "multiallelic": changed("\tA\tG\t", "\tA\tG,T\t"),
    "no alternate": changed("\tA\tG\t", "\tA\t.\t").replace("0|1\t1|1", "0|0\t0|0"),
    "gVCF": changed("\tA\tG\t", "\tA\t<NON_REF>\t").replace("0|1\t1|1", "0|0\t0|0"),
    "the same variant twice": changed("22\t50\trs3\tG\tGTT", "21\t200\trs3\tC\tT"),
    "no GT": changed("GT\t0|1\t1|1", "DS\t0.1\t0.2"),
    "GT not first": changed("GT\t0|1\t1|1", "DS:GT\t0.1:0|1\t0.2:1|1"),
    "unphased": changed("0|0\t1|0", "0|0\t1/0"),
    "missing": changed("0|0\t1|0", "0|0\t.|."),
    "half missing": changed("0|0\t1|0", "0|.\t1|0"),
    "haploid": changed("0|0\t1|0", "0|0\t1"),
    "triploid": changed("0|0\t1|0", "0|0|1\t1|0"),
    "an allele that is not there": changed("0|0\t1|0", "0|2\t1|0"),
    "no genotype": changed("0|0\t1|0", "0|0\tA|G"),
    "a genotype of nothing": changed("0|0\t1|0", "\t1|0"),
    "more values than names": changed("GT\t0|0\t1|0", "GT:DS\t0|0:0\t1|0:1:7"),
    "digits that are none": changed("0|0\t1|0", "0|1²\t1|0"),
    "more digits than a number may have": changed("0|0\t1|0", f"0|{'1' * 5000}\t1|0"),
    "phase before the alleles": changed("0|0\t1|0", "|0|0\t1|0"),
}
GOLDEN: dict[str, list[str]] = {
    "empty": ["panel.vcf: is empty -> fetch or write the file again: its header is not whole"],
    "a byte-order mark": [
        r"panel.vcf:1: begins with a byte-order mark; htslib reads no such file -> remove it: zcat -f panel.vcf | sed '1s/^\xef\xbb\xbf//' | bgzip > new.vcf.gz"
    ],
    "a table": [
        "panel.vcf:1: expected ##fileformat=VCFv4.x on the first line, found 'name,value' -> check that the file is a VCF of version 4"
    ],
    "another version": [
        "panel.vcf:1: expected ##fileformat=VCFv4.x on the first line, found '##fileformat=VCFv3.3' -> check that the file is a VCF of version 4"
    ],
    "no header": [
        "panel.vcf:1: expected ##fileformat=VCFv4.x on the first line, found '21\\t100\\trs1\\tA\\tG\\t.\\tPASS\\t.\\tGT\\t0|1\\t1|1' -> check that the file is a VCF of version 4"
    ],
    "header alone": ["panel.vcf:5: holds no variants -> fetch or write the file again: it has a header alone"],
    "half a header": [
        "panel.vcf:4: ends before the line of columns that begins with #CHROM -> fetch or write the file again: its header is not whole"
    ],
    "no columns": [
        "panel.vcf:5: expected the line of columns that begins with #CHROM, found '21\\t100\\trs1\\tA\\tG\\t.\\tPASS\\t.\\tGT\\t0|1\\t1|1' -> fetch or write the file again: its header is not whole"
    ],
    "blanks for tabs": [
        "panel.vcf:5: expected #CHROM as column 1, between tabs, found '#CHROM POS ID REF ALT QUAL FILTER INFO F' -> write the columns of VCF between tabs"
    ],
    "no format": ["panel.vcf:5: expected FORMAT as column 9, between tabs, found nothing -> take a VCF with genotypes"],
    "no samples": ["panel.vcf:5: names no samples -> take a VCF with genotypes"],
    "a sample twice": [
        "panel.vcf:5: the sample A stands in column 10 and again in column 11 -> give every sample a name of its own (bcftools reheader -s names.txt)"
    ],
    "a sample without a name": [
        "panel.vcf:5: column 11 has no sample name -> name every sample (bcftools reheader -s names.txt)"
    ],
    "a contig declared twice": [
        "panel.vcf:3: declares the contig 21 a second time -> remove one of the two lines (bcftools reheader -h)",
        "panel.vcf:8: the contig 22 is not declared in the header -> declare the contigs of the FASTA: bcftools reheader --fai reference.fa.fai",
    ],
    "a contig without an ID": [
        "panel.vcf:3: declares a contig without an ID: '##contig=<length=22>' -> write ##contig=<ID=…> (bcftools reheader -h)",
        "panel.vcf:8: the contig 22 is not declared in the header -> declare the contigs of the FASTA: bcftools reheader --fai reference.fa.fai",
    ],
    "GT not declared": [
        'panel.vcf:5: 21:100: has genotypes, and the header declares no GT; the same on 2 further lines -> add ##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype"> (bcftools reheader -h)'
    ],
    "GT declared as numbers": [
        'panel.vcf:4: declares GT otherwise than with Number=1 and Type=String: \'##FORMAT=<ID=GT,Number=2,Type=Integer,Description="Genotype"\' -> write ##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype"> (bcftools reheader -h)'
    ],
    "a column lost": [
        "panel.vcf:6: has 10 columns; the header (line 5) has 11 -> fetch or write the file again: it was cut or edited"
    ],
    "a column more": [
        "panel.vcf:6: has 12 columns; the header (line 5) has 11 -> fetch or write the file again: it was cut or edited"
    ],
    "nothing in a column": ["panel.vcf:6: has nothing in the column ID -> write . where a value is missing"],
    "a blank line": ["panel.vcf:8: is blank; expected a variant on each line -> remove the line"],
    "two files in one": [
        "panel.vcf:9: expected a variant, found a line of a header: '##fileformat=VCFv4.2'; the same on 4 further lines -> join files with bcftools concat",
        "panel.vcf:14: the contig 21 comes back; its lines ended with line 7; the same on 1 further line -> bcftools sort -O z -o sorted.vcf.gz panel.vcf",
    ],
    "NUL": ["panel.vcf:7: holds a NUL byte; expected text -> fetch or write the file again: it was cut or edited"],
    "not UTF-8": ["panel.vcf:7: is not UTF-8: byte 0xff -> save it as UTF-8"],
    "unsorted": [
        "panel.vcf:7: is not sorted: 21:99 stands behind 21:100 (line 6) -> bcftools sort -O z -o sorted.vcf.gz panel.vcf"
    ],
    "contigs mixed": [
        "panel.vcf:9: the contig 21 comes back; its lines ended with line 7 -> bcftools sort -O z -o sorted.vcf.gz panel.vcf"
    ],
    "a position in words": [
        "panel.vcf:7: expected a whole number from 1 to 2,147,483,647 as POS, found '2e2' -> write positions as VCF counts them, from 1"
    ],
    "position 0": [
        "panel.vcf:7: expected a whole number from 1 to 2,147,483,647 as POS, found '0' -> write positions as VCF counts them, from 1"
    ],
    "a position beyond VCF": [
        "panel.vcf:7: expected a whole number from 1 to 2,147,483,647 as POS, found '2147483648' -> write positions as VCF counts them, from 1"
    ],
    "contig not in the header": [
        "panel.vcf:8: the contig 20 is not declared in the header -> declare the contigs of the FASTA: bcftools reheader --fai reference.fa.fai"
    ],
    "chr21 and 21": [
        "panel.vcf:6: the contig chr21 is not declared in the header; it declares 21; the same on 2 further lines -> bcftools annotate --rename-chrs names.txt, with chr21 21 in it"
    ],
    "chr21 in the header": [
        "panel.vcf:6: the contig 21 is not declared in the header; it declares chr21; the same on 1 further line -> bcftools annotate --rename-chrs names.txt, with 21 chr21 in it"
    ],
    "behind the contig": [
        "panel.vcf:7: 21:200 is behind the end of the contig: the header says that it has 150 bases -> header and positions are of two assemblies: fetch the file again, or reheader it with the right one"
    ],
    "a contig without a name": ["panel.vcf:8: has nothing in the column CHROM -> write . where a value is missing"],
    "a contig with a blank": ["panel.vcf:6: '2 2' is no name of a contig -> name it as its FASTA does"],
    "another letter": [
        "panel.vcf:6: 21:100: expected bases (A, C, G, T, N) as REF, found 'M' -> correct it after the reference: bcftools norm --check-ref"
    ],
    "another alternate": [
        "panel.vcf:6: 21:100: expected bases, <ID>, * or a breakend as ALT, found 'G;T' -> write alternate alleles as VCF has them"
    ],
    "the same allele": [
        "panel.vcf:6: 21:100: REF A and ALT a name an allele twice -> fetch or write the file again: alleles of the line are wrong"
    ],
    "multiallelic": [
        "panel.vcf:6: 21:100: has 2 alternate alleles, G,T; expected one -> bcftools norm -m- -O z, or leave such variants out (`multiallelic: leave_out`)"
    ],
    "no alternate": [
        "panel.vcf:6: 21:100: names no alternate allele, but .; expected one -> bcftools view -m2 -M2 -O z, or leave such variants out (`multiallelic: leave_out`)"
    ],
    "gVCF": [
        "panel.vcf:6: 21:100: names no alternate allele, but <NON_REF>; expected one -> bcftools view -m2 -M2 -O z, or leave such variants out (`multiallelic: leave_out`)"
    ],
    "the same variant twice": [
        "panel.vcf:8: 21:200: C to T stands here a second time -> bcftools norm -d exact -O z -o once.vcf.gz panel.vcf"
    ],
    "no GT": ["panel.vcf:6: 21:100: expected GT first in FORMAT, found 'DS' -> take a VCF with genotypes"],
    "GT not first": [
        "panel.vcf:6: 21:100: expected GT first in FORMAT, found 'DS:GT' -> keep GT alone: bcftools annotate -x ^FORMAT/GT"
    ],
    "unphased": [
        "panel.vcf:7: 21:200: the genotype of B is 1/0, not phased; expected | between its alleles -> phase the file first (Beagle, SHAPEIT or Eagle)"
    ],
    "missing": [
        "panel.vcf:7: 21:200: the genotype of B is .|., an allele is missing -> impute the missing alleles while phasing, or leave such variants out (`missing: leave_out`)"
    ],
    "half missing": [
        "panel.vcf:7: 21:200: the genotype of A is 0|., an allele is missing -> impute the missing alleles while phasing, or leave such variants out (`missing: leave_out`)"
    ],
    "haploid": [
        "panel.vcf:7: 21:200: the genotype of B is 1, of one copy; expected two alleles with | between them, as 0|1 -> take samples, or a region, where all have two copies (bcftools view -S samples.txt, -r region)"
    ],
    "triploid": [
        "panel.vcf:7: 21:200: the genotype of A is 0|0|1, of 3 copies; expected two alleles with | between them, as 0|1 -> take samples, or a region, where all have two copies (bcftools view -S samples.txt, -r region)"
    ],
    "an allele that is not there": [
        "panel.vcf:7: 21:200: the genotype of A is 0|2, and ALT has 1 allele -> fetch or write the file again: alleles of the line are lost"
    ],
    "no genotype": [
        "panel.vcf:7: 21:200: the genotype of B is A|G, which is no genotype; expected two alleles with | between them, as 0|1 -> write genotypes as VCF has them"
    ],
    "a genotype of nothing": [
        "panel.vcf:7: 21:200: the genotype of A is empty, which is no genotype; expected two alleles with | between them, as 0|1 -> write genotypes as VCF has them"
    ],
    "more values than names": [
        "panel.vcf:7: 21:200: B has more values than FORMAT GT:DS names, '1|0:1:7' -> fetch or write the file again: values of the line were shifted"
    ],
    "phase before the alleles": [
        "panel.vcf:7: 21:200: the genotype of A is |0|0, a form of VCFv4.4, with a | before its first allele, that is not read; expected two alleles with | between them, as 0|1 -> write them without it: sed '/^#/!s/\\t|/\\t/g', of the unpacked file"
    ],
    "digits that are none": [
        "panel.vcf:7: 21:200: the genotype of A is 0|1², which is no genotype; expected two alleles with | between them, as 0|1 -> write genotypes as VCF has them"
    ],
    "more digits than a number may have": [
        "panel.vcf:7: 21:200: the genotype of A is 0|11111111111111111111111111111111111111, which is no genotype; expected two alleles with | between them, as 0|1 -> write genotypes as VCF has them"
    ],
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_with_line_and_way_out(tmp_path: Path, case: str) -> None:
    assert told(placed(tmp_path, WRONG[case])) == GOLDEN[case]


@pytest.mark.parametrize("case", WRONG)
def test_it_is_told_of_gzipped_windows_files_too(tmp_path: Path, case: str) -> None:
    content = WRONG[case]
    data = (content.encode() if isinstance(content, str) else content).replace(b"\n", b"\r\n")
    assert told(placed(tmp_path, gzip.compress(data))) == GOLDEN[case]


def test_every_fault_is_told_once_with_how_many_more_there_are(tmp_path: Path) -> None:
    body = "".join(f"21\t{1000 - i}\t.\tA\tG\t.\t.\t.\tGT\t0/1\t./.\n" for i in range(100))
    lines = told(placed(tmp_path, HEAD + body))
    assert [line.partition(" -> ")[0] for line in lines] == [
        "panel.vcf:6: 21:1000: the genotype of A is 0/1, not phased; expected | between its alleles; the same on 99 further lines",
        "panel.vcf:6: 21:1000: the genotype of B is ./., an allele is missing; the same on 99 further lines",
        "panel.vcf:7: is not sorted: 21:999 stands behind 21:1000 (line 6); the same on 98 further lines",
    ]


def test_an_unsorted_line_names_both_lines(tmp_path: Path) -> None:
    (finding,) = found(placed(tmp_path, WRONG["unsorted"]))
    assert (finding.at.line, [place.line for place in finding.also]) == (7, [6])


def test_what_may_be_left_out_is_counted_and_passes_only_where_it_is_allowed(tmp_path: Path) -> None:
    text = changed("\tA\tG\t", "\tA\tG,T\t", changed("0|0\t1|0", "0|0\t./."))
    path = placed(tmp_path, text)
    assert [variant.out for variant in Vcf(path).variants()] == ["multiallelic", "missing", None]
    assert list(Vcf(path).findings(but={"multiallelic", "missing"})) == []
    (left,) = Vcf(path).findings(but={"multiallelic"})
    assert "missing" in left.message


@pytest.mark.parametrize("cut", [3, 15, 60, -1, -8])
def test_half_a_gzip_file_is_refused(tmp_path: Path, cut: int) -> None:
    path = placed(tmp_path, gzip.compress(SOUND.encode(), mtime=0)[:cut], "panel.vcf.gz")
    assert "is no whole gzip file" in told(path)[-1]


def test_what_was_wrong_before_a_file_broke_off_is_told_too(tmp_path: Path) -> None:
    body = "".join(f"21\t{i}\t.\tA\tG\t.\t.\t{i * 7919 % 99991}\tGT\t0/1\t1|1\n" for i in range(1, 9999))
    path = placed(tmp_path, gzip.compress((HEAD + body).encode())[:-2000], "panel.vcf.gz")
    unphased, broken = told(path)
    assert unphased.startswith("panel.vcf.gz:6: 21:1: the genotype of A is 0/1, not phased")
    assert "is no whole gzip file: Compressed file ended before the end-of-stream marker was reached" in broken


def test_bgzip_without_its_last_block_may_be_cut_off(tmp_path: Path) -> None:
    (finding,) = found(placed(tmp_path, block_gzip(SOUND.encode(), end=b""), "panel.vcf.gz"))
    assert finding.severity is Severity.WARNING
    assert finding.message == "lacks the block that ends a bgzip file: it may be cut off between two blocks"


@pytest.mark.parametrize("zeros", [1, 6, 512])
@pytest.mark.parametrize("pack", [gzip.compress, block_gzip])
def test_padding_behind_a_gzip_file_is_told(tmp_path: Path, pack: Callable[[bytes], bytes], zeros: int) -> None:
    path = placed(tmp_path, pack(SOUND.encode()) + bytes(zeros), "my panel.vcf.gz")
    assert told(path) == [
        "my panel.vcf.gz: is padded with zero bytes behind what is gzipped; htslib reads no such file"
        " -> pack it again: gzip -dc < 'my panel.vcf.gz' | bgzip > new.vcf.gz"
    ]


def test_padding_is_told_of_a_file_that_unpacks_to_more_than_is_held(tmp_path: Path) -> None:
    text = HEAD + "".join(f"21\t{i}\t.\tA\tG\t.\t.\t{'x' * 4000}\tGT\t0|1\t1|1\n" for i in range(1, 200))
    assert told(placed(tmp_path, gzip.compress(text.encode()), "whole.vcf.gz")) == []
    assert (
        "is padded with zero bytes" in told(placed(tmp_path, gzip.compress(text.encode()) + b"\0", "panel.vcf.gz"))[0]
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_bcf_is_told_from_what_it_holds(tmp_path: Path, pack: type[bytes]) -> None:
    assert told(placed(tmp_path, pack(b"BCF\x02\x02" + bytes(90)), "panel.bcf")) == [
        "panel.bcf: is BCF, the binary form; VCF text is read -> bcftools view -O z -o panel.vcf.gz panel.bcf"
    ]


def test_a_pointer_of_git_lfs_is_not_judged(tmp_path: Path) -> None:
    path = placed(tmp_path, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "panel.vcf.gz")
    with pytest.raises(ReadError, match="is a Git LFS pointer") as caught:
        list(Vcf(path).findings())
    assert not caught.value.malformed


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    path = placed(tmp_path, gzip.compress(HEAD.encode() + b"0" * (9 * 2**20)), "panel.vcf.gz")
    assert told(path) == ["panel.vcf.gz:6: has a line of over 8,388,608 bytes -> None"]


def test_a_link_out_of_a_run_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link.vcf.gz").symlink_to(placed(tmp_path, gzip.compress(SOUND.encode()), "panel.vcf.gz"))
    assert list(Vcf(tmp_path / "link.vcf.gz").findings()) == []
    with pytest.raises(ReadError, match="is a symbolic link") as caught:
        list(Vcf(tmp_path / "link.vcf.gz", follow=False).findings())
    assert not caught.value.malformed


@pytest.mark.parametrize(
    ("limit", "text", "message"),
    [
        ("vcf_header.CONTIGS_LIMIT", SOUND, "panel.vcf:3: declares over 1 contigs"),
        ("vcf_header.HEADER_LIMIT", SOUND, "panel.vcf:1: has a header of over 1 characters"),
        ("vcf_order.CONTIGS_LIMIT", SOUND + BODY.replace("21\t", "Y\t"), "panel.vcf:9: has over 1 contigs"),
        ("vcf_order.HERE_LIMIT", changed("\t200\t", "\t100\t"), "panel.vcf:7: has over 1 variants at one position"),
    ],
    ids=["declared", "header", "met", "at one position"],
)  # fmt: skip
def test_what_would_be_kept_of_a_file_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, text: str, message: str
) -> None:
    monkeypatch.setattr(f"sealkit.read.{limit}", 1)
    assert told(placed(tmp_path, text))[-1] == f"{message} -> check that the file is a VCF"


def test_names_of_any_length_are_told_shortly(tmp_path: Path) -> None:
    long = "N" * 10_000
    text = SOUND.replace("\tA\tB\n", f"\t{long}\t{long}\n").replace("rs1", long).replace("=22>", f"={long}>")
    text = text.replace("\n22\t50\trs3\tG", f"\n{long}\t50\trs3\t{long}") + text[-30:]
    assert max(map(len, told(placed(tmp_path, text)))) < 300


# Whatever comes


def read_to_its_end(path: Path) -> None:
    """Nothing but the readers' own errors may come out."""
    with contextlib.suppress(SealkitError):
        list(Vcf(path).findings())


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes, packed: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "any.vcf"
    path.write_bytes(gzip.compress(data) if packed else data)
    read_to_its_end(path)
    path.write_bytes(b"\x1f\x8b\x08" + data)
    read_to_its_end(path)


PIECES = [
    "\t",
    "\n",
    "0|1",
    "./.",
    ".",
    "GT",
    "21",
    "22",
    "A",
    "<",
    ">",
    "[",
    "|",
    ":",
    "0",
    "-1",
    "99999999999",
    "\0",
    "é",
    "²",
    "#CHROM",
    "##contig=<ID=",
]


@given(data=st.data())
def test_any_change_of_a_sound_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    text = SOUND
    for _ in range(data.draw(st.integers(1, 4))):
        first = data.draw(st.integers(0, len(text)))
        last = min(len(text), first + data.draw(st.integers(0, 12)))
        text = text[:first] + data.draw(st.sampled_from(PIECES) | st.text(max_size=3)) + text[last:]
    path = tmp_path_factory.getbasetemp() / "changed.vcf"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    read_to_its_end(path)


@given(
    st.lists(
        st.lists(st.sampled_from(["0|0", "0|1", "1|0", "1|1", "0|1:3", "1|1:.", "2|0", ".|1"]), min_size=2, max_size=2),
        min_size=1,
        max_size=5,
    )
)
def test_alleles_are_counted_as_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, genotypes: list[list[str]]
) -> None:
    body = "".join(f"21\t{i}\t.\tA\tG\t.\t.\t.\tGT:DP\t{a}\t{b}\n" for i, (a, b) in enumerate(genotypes, 1))
    path = tmp_path_factory.getbasetemp() / "counted.vcf"
    path.write_text(HEAD + body, "utf-8")
    for variant, row in zip(Vcf(path).variants(), genotypes, strict=True):
        alleles = [allele for genotype in row for allele in genotype.partition(":")[0].split("|") if allele != "."]
        assert (variant.count, variant.number) == (sum(allele != "0" for allele in alleles), len(alleles))


# The panels of tests, and real ones


def test_the_panel_of_the_tests_is_sound(tmp_path: Path) -> None:
    path = panels.write_vcf(tmp_path / "panel.vcf.gz", samples=20, variants=50)
    assert told(path) == []
    counts = panels.haplotypes(20, 50, 0).sum(0).tolist()
    assert [variant.count for variant in Vcf(path).variants()] == counts
    assert panels.write_vcf(tmp_path / "again.vcf.gz", samples=20, variants=50).read_bytes() == path.read_bytes()


@pytest.fixture(scope="module")
def real(sealkit_data: Path) -> Path:
    return sealkit_data / "genotypes_1kg_chr21_eagle"


def test_the_real_panel_is_sound(real: Path) -> None:
    read = Vcf(real / "raw" / "phased.vcf.gz")
    variants = list(read.variants())
    assert list(read.faults.findings()) == []
    assert read.header is not None
    assert (len(read.header.samples), len(variants)) == (379, 1813)
    # All variants vary, and none has a frequency of just 0.05: whichever way MAF < 0.05 is counted, it is 495.
    assert {variant.number for variant in variants} == {758}
    rarer = [min(v.count, v.number - v.count) / v.number for v in variants]
    assert (sum(maf < 0.05 for maf in rarer), min(rarer) > 0, 0.05 in rarer) == (495, True, False)


@pytest.mark.parametrize(("name", "variants"), [("ref.chr22.gt.vcf.gz", 645), ("raw/target.phased.vcf.gz", 430)])
def test_other_real_panels_are_sound(real: Path, name: str, variants: int) -> None:
    read = Vcf(real / name)
    assert (len(list(read.variants())), list(read.faults.findings())) == (variants, [])


REAL = {
    "raw/EUR_test.vcf.gz": [
        "EUR_test.vcf.gz:9: 21:38347375: the genotype of 1_HG00096 is 0/0, not phased; expected | between its alleles; the same on 1,999 further lines -> phase the file first (Beagle, SHAPEIT or Eagle)"
    ],
    "raw/target.vcf.gz": [
        "target.vcf.gz:237: 22:16057417: the genotype of HG00403 is 0/1, not phased; expected | between its alleles; the same on 429 further lines -> phase the file first (Beagle, SHAPEIT or Eagle)",
        "target.vcf.gz:275: 22:17410128: the genotype of HG00406 is ./., an allele is missing; the same on 3 further lines -> impute the missing alleles while phasing, or leave such variants out (`missing: leave_out`)",
    ],
    "raw/ref.bcf": ["ref.bcf: is BCF, the binary form; VCF text is read -> bcftools view -O z -o ref.vcf.gz ref.bcf"],
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_that_are_no_panels(real: Path, name: str) -> None:
    assert told(real / name) == REAL[name]


def _dropped(lines: list[str]) -> None:
    cells = lines[100].split("\t")
    lines[100] = "\t".join(cells[:50] + cells[51:])


FAULTY: dict[str, tuple[Callable[[list[str]], object], list[str]]] = {
    "two lines swapped": (
        lambda lines: lines.insert(101, lines.pop(100)),
        ["faulty.vcf:102: is not sorted: 21:38965342 stands behind 21:38966201 (line 101)"],
    ),
    "one genotype unphased": (
        lambda lines: lines.insert(100, lines.pop(100).replace("0|1", "0/1", 1)),
        ["faulty.vcf:101: 21:38965342: the genotype of 33_HG00133 is 0/1, not phased; expected | between its alleles"],
    ),
    "a contig that the header has not": (
        lambda lines: lines.insert(1000, "20" + lines.pop(1000)[2:]),
        [
            "faulty.vcf:1001: the contig 20 is not declared in the header",
            "faulty.vcf:1002: the contig 21 comes back; its lines ended with line 1000",
        ],
    ),
    "a contig that comes back": (
        lambda lines: lines.insert(1000, "22" + lines.pop(1000)[2:]),
        [
            "faulty.vcf:1001: 22:43822174 is behind the end of the contig: the header says that it has 17758054 bases",
            "faulty.vcf:1002: the contig 21 comes back; its lines ended with line 1000",
        ],
    ),
    "a column dropped": (_dropped, ["faulty.vcf:101: has 387 columns; the header (line 11) has 388"]),
    "a sample twice": (
        lambda lines: lines.insert(10, lines.pop(10).replace("2_HG00097", "1_HG00096")),
        ["faulty.vcf:11: the sample 1_HG00096 stands in column 10 and again in column 11"],
    ),
    "a line twice": (
        lambda lines: lines.insert(100, lines[100]),
        ["faulty.vcf:102: 21:38965342: A to G stands here a second time"],
    ),
    "a genotype missing": (
        lambda lines: lines.insert(100, lines.pop(100).replace("0|1", ".|1", 1)),
        ["faulty.vcf:101: 21:38965342: the genotype of 33_HG00133 is .|1, an allele is missing"],
    ),
    "a header twice": (
        lambda lines: lines.extend(lines[:11]),
        [
            "faulty.vcf:1825: expected a variant, found a line of a header: '##fileformat=VCFv4.2'; the same on 10 further lines"
        ],
    ),
}


@pytest.mark.parametrize("case", FAULTY)
def test_faulty_files_made_of_the_real_one(real: Path, tmp_path: Path, case: str) -> None:
    lines = gzip.decompress((real / "raw" / "phased.vcf.gz").read_bytes()).decode().split("\n")[:-1]
    spoil, messages = FAULTY[case]
    spoil(lines)
    assert [
        line.partition(" -> ")[0] for line in told(placed(tmp_path, "\n".join(lines) + "\n", "faulty.vcf"))
    ] == messages


def test_the_real_panel_cut_off(real: Path, tmp_path: Path) -> None:
    whole = (real / "raw" / "phased.vcf.gz").read_bytes()
    assert told(placed(tmp_path, whole[:100_000], "cut.vcf.gz")) == [
        "cut.vcf.gz:895: is no whole gzip file: Compressed file ended before the end-of-stream marker was reached -> fetch or pack the file again"
    ]
