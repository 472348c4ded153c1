"""`genotype.panel` and `genotype.windows`: haplotypes as they stand in the VCF, samples split by a seed, windows that cover them."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sealkit import digest
from sealkit.finding import ReadError, Refused, UsageError
from sealkit.pack import BUILT_IN
from sealkit.read.vcf import Vcf
from sealkit.stage import Context, Input, Out
from sealkit.stages.genotype import _genotypes, panel
from sealkit.stages.genotype._split import PARTS, split
from tests import panels
from tests.test_stages import context, problems, rows, written
from tests.test_vcf import SOUND, changed, placed

pytest.importorskip("cyvcf2")

SHARES = {"reference": 0.5, "train": 0.2, "validation": 0.1, "test": 0.2}
HALVES = {"reference": 0.5, "train": 0.0, "validation": 0.0, "test": 0.5}


def read(path: Path, out: Path, ctx: Context, **params: Any) -> Path:
    """Run the stage on a VCF; what it wrote keeps its contracts."""
    stage = BUILT_IN.stage("genotype.panel")
    out.mkdir(parents=True)
    names = {"panel": "panel.json", "variants": "variants.jsonl", "haplotypes": "haplotypes.jsonl"}
    given = Input(str(path), "files", path, digest.file(path) if path.is_file() else "")
    stage.run({"vcf": given}, stage.params.model_validate(params), Out({n: out / f for n, f in names.items()}), ctx)
    for name, file in names.items():
        assert problems(out / file, name) == []
    return out


def document(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "panel.json").read_text("utf-8"))
    return found


def refused(path: Path, tmp_path: Path, **params: Any) -> list[str]:
    with pytest.raises(Refused) as caught:
        read(path, tmp_path / "out", context(tmp_path), **params)
    return [f"{finding.at}: {finding.message}".removeprefix(f"{path.parent}/") for finding in caught.value.findings]


# What is written


def test_haplotypes_are_the_copies_left_and_right_of_the_bar(tmp_path: Path) -> None:
    ctx = context(tmp_path)
    out = read(placed(tmp_path, SOUND), tmp_path / "out", ctx, split=HALVES)
    part = {row["sample"]: row["part"] for row in rows(out / "haplotypes.jsonl")}
    assert sorted(part.values()) == ["reference", "test"]
    assert rows(out / "haplotypes.jsonl") == [
        {"haplotype_id": "A:0", "sample": "A", "copy": 0, "part": part["A"], "alleles": "000"},
        {"haplotype_id": "A:1", "sample": "A", "copy": 1, "part": part["A"], "alleles": "101"},
        {"haplotype_id": "B:0", "sample": "B", "copy": 0, "part": part["B"], "alleles": "110"},
        {"haplotype_id": "B:1", "sample": "B", "copy": 1, "part": part["B"], "alleles": "100"},
    ]
    assert rows(out / "variants.jsonl")[1:] == [
        {"variant": 1, "contig": "21", "position": 200, "id": None, "ref": "C", "alt": "T", "allele_count": 1, "allele_number": 4, "line": 7},
        {"variant": 2, "contig": "22", "position": 50, "id": "rs3", "ref": "G", "alt": "GTT", "allele_count": 1, "allele_number": 4, "line": 8},
    ]  # fmt: skip
    said = document(out)
    assert said["vcf"] == {"name": "panel.vcf", "digest": digest.file(tmp_path / "panel.vcf")}
    assert said["contigs"] == [
        {"name": "21", "variants": 2, "length": 48129895},
        {"name": "22", "variants": 1, "length": None},
    ]
    assert (said["samples"], said["haplotypes"], said["variants"], said["left_out"]) == (2, 4, 3, {})
    assert said["split"] == {
        "seed": 42,
        "shares": HALVES,
        "samples": {"reference": 1, "train": 0, "validation": 0, "test": 1},
    }
    assert ctx.counters == {"samples": 2, "variants": 3, "left_out": 0}


@pytest.mark.parametrize("way", ["gzip", "windows", "format", "no contigs"])
def test_another_way_to_write_a_panel_makes_the_same_haplotypes(tmp_path: Path, way: str) -> None:
    text = panels.text(samples=12, variants=30)
    expected = read(placed(tmp_path, text), tmp_path / "out", context(tmp_path))
    other = {
        "gzip": gzip.compress(text.encode()),
        "windows": text.replace("\n", "\r\n").encode(),
        "format": text.replace("\tGT\t", "\tGT:DS\t").replace("|0\t", "|0:0.5\t").replace("|1\n", "|1:.\n").encode(),
        "no contigs": text.replace("##contig=<ID=21,length=46709983>\n", "").encode(),
    }
    out = read(placed(tmp_path, other[way], "other.vcf"), tmp_path / "again", context(tmp_path))
    assert (out / "haplotypes.jsonl").read_bytes() == (expected / "haplotypes.jsonl").read_bytes()


def test_the_real_panel(sealkit_data: Path, tmp_path: Path) -> None:
    path = sealkit_data / "genotypes_1kg_chr21_eagle" / "raw" / "phased.vcf.gz"
    out = read(path, tmp_path / "out", context(tmp_path))
    said, variants, haplotypes = document(out), rows(out / "variants.jsonl"), rows(out / "haplotypes.jsonl")
    assert (said["samples"], said["haplotypes"], said["variants"]) == (379, 758, 1813)
    assert said["split"]["samples"] == {"reference": 208, "train": 95, "validation": 38, "test": 38}
    rarer = [min(v["allele_count"], v["allele_number"] - v["allele_count"]) / v["allele_number"] for v in variants]
    assert sum(0 < maf < 0.05 for maf in rarer) == 495
    # Column by column as the text has them, which nothing but the stage turns round.
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()[11:]
    columns = zip(*(line.split("\t")[9:] for line in lines), strict=True)
    written_there = ["".join(genotype[2 * copy] for genotype in column) for column in columns for copy in (0, 1)]
    assert [row["alleles"] for row in haplotypes] == written_there
    assert [v["line"] for v in variants] == list(range(12, 1825))


# What is refused


def test_what_is_not_sound_is_refused_with_every_kind_of_fault(tmp_path: Path) -> None:
    text = changed("0|0\t1|0", "0/0\t.|0", SOUND).replace("\t200\t", "\t99\t")
    assert refused(placed(tmp_path, text), tmp_path) == [
        "panel.vcf:7: is not sorted: 21:99 stands behind 21:100 (line 6)",
        "panel.vcf:7: 21:99: the genotype of A is 0/0, not phased; expected | between its alleles",
        "panel.vcf:7: 21:99: the genotype of B is .|0, an allele is missing",
    ]
    assert not list((tmp_path / "out").iterdir())


def test_real_unphased_genotypes_are_refused(sealkit_data: Path, tmp_path: Path) -> None:
    folder = sealkit_data / "genotypes_1kg_chr21_eagle" / "raw"
    assert refused(folder / "EUR_test.vcf.gz", tmp_path) == [
        "EUR_test.vcf.gz:9: 21:38347375: the genotype of 1_HG00096 is 0/0, not phased; expected | between its alleles; the same on 1,999 further lines"
    ]
    with pytest.raises(ReadError, match="is BCF, the binary form") as caught:
        read(folder / "ref.bcf", tmp_path / "bcf", context(tmp_path))
    assert (caught.value.fix, caught.value.exit_code) == ("bcftools view -O z -o ref.vcf.gz ref.bcf", 1)


def test_a_line_that_htslib_would_crash_on_never_comes_to_it(tmp_path: Path) -> None:
    (told,) = refused(placed(tmp_path, SOUND + "\n"), tmp_path)
    assert told == "panel.vcf:9: is blank; expected a variant on each line"


UNREAD: dict[str, tuple[str, str, str]] = {
    "a header of its own": (changed("<ID=22>", "<ID=22,IDX=2000000000>"), "panel.vcf:1: htslib reads no VCF: cannot parse", "write its header"),
    "400 values a sample": (changed("GT\t0|1", f"GT{':K' * 400}\t0|1"), "panel.vcf:6: htslib reads no variant: ", "write it again"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xef\xbb\xbf" + SOUND.encode(), "panel.vcf:1: begins with a byte-order mark; htslib reads no such file"),
        (gzip.compress(SOUND.encode()) + bytes(512), "panel.vcf: is padded with zero bytes behind what is gzipped; htslib reads no such file"),
    ],
    ids=["byte-order mark", "padding"],
)  # fmt: skip
def test_what_htslib_would_not_open_is_told_before(
    tmp_path: Path, content: bytes, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert refused(placed(tmp_path, content), tmp_path, split=HALVES) == [said]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("case", UNREAD)
def test_what_htslib_does_not_read_is_refused(tmp_path: Path, case: str) -> None:
    content, message, fix = UNREAD[case]
    with pytest.raises(Refused) as caught:
        read(placed(tmp_path, content), tmp_path / "out", context(tmp_path), split=HALVES)
    (finding,) = caught.value.findings
    assert f"{finding.at}: {finding.message}".startswith(f"{tmp_path}/{message}")
    assert str(finding.fix).startswith(fix)


def test_what_htslib_reads_is_held_against_the_text(tmp_path: Path) -> None:
    path = placed(tmp_path, SOUND)
    vcf = Vcf(path)
    variants = list(vcf.variants())
    header = vcf.header
    assert header is not None
    assert _genotypes.read(path, header, variants).tolist() == [[0, 1, 1, 1], [0, 0, 1, 0], [0, 1, 0, 0]]
    assert _genotypes.read(path, header, variants[1:2]).tolist() == [[0, 0, 1, 0]]
    for other, message in [
        ([replace(variants[0], count=2)], "3 alternate alleles, the text has 2"),
        ([replace(variants[0], alt="T")], "the variant 21:100 A G"),
        ([*variants, replace(variants[0], line=9)], "nothing from here on"),
    ]:
        with pytest.raises(Refused, match=message):
            _genotypes.read(path, header, other)
    with pytest.raises(Refused, match="2 samples that are not those of the header"):
        _genotypes.read(path, replace(header, samples=("A", "C")), variants)
    unphased = placed(tmp_path, changed("0|1", "0/1"), "unphased.vcf")
    with pytest.raises(Refused, match="genotypes that are not phased, of two alleles"):
        _genotypes.read(unphased, header, variants)


@pytest.mark.parametrize(("limit", "value"), [("ALLELES_LIMIT", 11), ("VARIANTS_LIMIT", 2), ("TEXT_LIMIT", 13)])
def test_a_panel_that_does_not_fit_is_refused_before_its_genotypes_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(panel, limit, value)
    with pytest.raises(UsageError, match="3 variants of 4 haplotypes are more than are read at once") as caught:
        read(placed(tmp_path, SOUND), tmp_path / "out", context(tmp_path), split=HALVES)
    assert caught.value.fix == "take a part of it with `region`"


def test_a_folder_is_no_vcf(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        read(tmp_path, tmp_path / "out", context(tmp_path))


# What is left out


def test_what_is_left_out_is_counted_and_said(tmp_path: Path) -> None:
    text = changed("\tA\tG\t", "\tA\tG,T\t") + "22\t60\t.\tA\t.\t.\t.\t.\tGT\t0|0\t0|0\n"
    text += "22\t70\t.\tA\tG\t.\t.\t.\tGT\t0|1\t.|.\n22\t80\t.\tA\tG\t.\t.\t.\tGT\t0|.\t1|1\n"
    ctx, said = context(tmp_path), list[str]()
    ctx.say = said.append
    path = placed(tmp_path, text)
    out = read(path, tmp_path / "out", ctx, split=HALVES, multiallelic="leave_out", missing="leave_out")
    assert [(row["variant"], row["line"]) for row in rows(out / "variants.jsonl")] == [(0, 7), (1, 8)]
    assert document(out)["left_out"] == {"multiallelic": 1, "no_alternate": 1, "missing": 2}
    assert said == [
        "panel.vcf: 1 variants are left out: multiallelic",
        "panel.vcf: 1 variants are left out: no alternate",
        "panel.vcf: 2 variants are left out: missing",
    ]
    assert ctx.counters["left_out"] == 4
    one = refused(path, tmp_path / "one", split=HALVES, multiallelic="leave_out")
    assert one == ["panel.vcf:10: 22:70: the genotype of B is .|., an allele is missing; the same on 1 further line"]
    two = refused(path, tmp_path / "two", split=HALVES, missing="leave_out")
    assert two == [
        "panel.vcf:6: 21:100: has 2 alternate alleles, G,T; expected one",
        "panel.vcf:9: 22:60: names no alternate allele, but .; expected one",
    ]


def test_a_missing_allele_of_a_variant_that_is_left_out_is_nobodys_concern(tmp_path: Path) -> None:
    path = placed(tmp_path, changed("\tA\tG\t.\tPASS\t.\tGT\t0|1\t1|1", "\tA\tG,T\t.\tPASS\t.\tGT\t0|.\t2|1"))
    out = read(path, tmp_path / "out", context(tmp_path), split=HALVES, multiallelic="leave_out")
    assert document(out)["left_out"] == {"multiallelic": 1}
    assert refused(path, tmp_path / "no", split=HALVES) == [
        "panel.vcf:6: 21:100: has 2 alternate alleles, G,T; expected one"
    ]


def test_a_region_has_both_its_ends(tmp_path: Path) -> None:
    out = read(placed(tmp_path, SOUND), tmp_path / "out", context(tmp_path), split=HALVES, region="21:100-199")
    assert [row["position"] for row in rows(out / "variants.jsonl")] == [100]
    assert document(out)["left_out"] == {"outside_region": 2}
    with pytest.raises(UsageError, match=r"no variant is left \(3 outside region\)") as caught:
        read(tmp_path / "panel.vcf", tmp_path / "no", context(tmp_path), split=HALVES, region="chr21:1-999")
    assert caught.value.fix == "check `region` (there are variants on 21, 22)"


def test_a_region_does_not_hide_what_is_wrong_elsewhere(tmp_path: Path) -> None:
    path = placed(tmp_path, changed("0|1\t0|0", "0/1\t0|0"))
    assert refused(path, tmp_path, split=HALVES, region="21:1-999")


def test_a_limit_keeps_the_first_variants(tmp_path: Path) -> None:
    out = read(placed(tmp_path, SOUND), tmp_path / "out", context(tmp_path, limit=2), split=HALVES)
    assert [row["line"] for row in rows(out / "variants.jsonl")] == [6, 7]
    assert document(out)["left_out"] == {"beyond_limit": 1}
    assert {len(row["alleles"]) for row in rows(out / "haplotypes.jsonl")} == {2}


def test_a_file_that_may_be_cut_off_is_read_with_a_word(tmp_path: Path) -> None:
    from tests.test_vcf import block_gzip

    ctx, said = context(tmp_path), list[str]()
    ctx.say = said.append
    read(placed(tmp_path, block_gzip(SOUND.encode(), end=b""), "panel.vcf.gz"), tmp_path / "out", ctx, split=HALVES)
    assert "lacks the block that ends a bgzip file: it may be cut off between two blocks" in said[0]


# The split


NAMES = [f"S{i:03}" for i in range(100)]


@given(st.permutations(NAMES), st.integers(0, 2**63 - 1))
def test_the_split_is_by_sample_whatever_their_order(names: list[str], seed: int) -> None:
    part = split(names, SHARES, seed)
    assert part == split(NAMES, SHARES, seed)
    assert Counter(part.values()) == {"reference": 50, "train": 20, "validation": 10, "test": 20}


@given(st.integers(4, 60), st.tuples(*[st.integers(1, 9)] * 4), st.integers(0, 9))
def test_every_sample_has_a_part_and_every_part_its_share(count: int, weights: tuple[int, ...], seed: int) -> None:
    shares = {part: weight / sum(weights) for part, weight in zip(PARTS, weights, strict=True)}
    try:
        part = split(NAMES[:count], shares, seed)
    except UsageError as error:
        assert "none is left for" in error.message
        return
    sizes = Counter(part.values())
    assert sorted(part) == NAMES[:count]
    assert all(sizes[name] and abs(sizes[name] - share * count) <= 1 for name, share in shares.items())


def test_the_split_of_a_seed_is_the_same_for_ever(tmp_path: Path) -> None:
    part = split(NAMES[:8], HALVES, 7)
    assert sorted(name for name in part if part[name] == "reference") == ["S000", "S003", "S004", "S006"]
    assert part != split(NAMES[:8], HALVES, 8)


def test_a_draw_of_its_own_is_shared_by_runs_of_other_seeds(tmp_path: Path) -> None:
    path = panels.write_vcf(tmp_path / "panel.vcf", samples=20, variants=5)
    outs = [
        read(path, tmp_path / f"{seed}{draw}", context(tmp_path, seed=seed), draw=draw)
        for seed, draw in ((1, 7), (2, 7), (7, None), (1, None))
    ]
    parts = [tuple(row["part"] for row in rows(out / "haplotypes.jsonl")) for out in outs]
    assert parts[0] == parts[1] == parts[2] != parts[3]
    assert [document(out)["split"]["seed"] for out in outs] == [7, 7, 7, 1]


def test_a_part_that_would_be_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"split: of 2 samples none is left for validation \(0\.1\)"):
        read(placed(tmp_path, SOUND), tmp_path / "out", context(tmp_path))


@pytest.mark.parametrize(
    "params",
    [
        {"split": {"reference": 0.9}},
        {"split": {"reference": 0, "test": 0.65}},
        {"region": "21:0-5"},
        {"region": "21"},
        {"draw": -1},
        {"multiallelic": "drop"},
    ],
    ids=str,
)
def test_params_that_say_nothing_sensible(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        panel.Panel.model_validate(params)


# Windows


def windows(tmp_path: Path, contigs: Sequence[tuple[str, int]], **params: Any) -> list[dict[str, Any]]:
    """The windows of a panel with so many variants on these contigs, at the positions 10, 20, 30, …"""
    places = [(contig, 10 * i) for contig, count in contigs for i in range(1, count + 1)]
    variants = [
        {"variant": i, "contig": contig, "position": position, "id": None, "ref": "A", "alt": "G", "allele_count": 1, "allele_number": 4, "line": i + 5}
        for i, (contig, position) in enumerate(places)
    ]  # fmt: skip
    path = written(tmp_path / "variants.jsonl", variants)
    stage, out = BUILT_IN.stage("genotype.windows"), tmp_path / "windows.jsonl"
    given = {"variants": Input("variants", "variants/v1", path, "")}
    stage.run(given, stage.params.model_validate(params), Out({"windows": out}), context(tmp_path))
    assert problems(out, "windows") == []
    return rows(out)


def test_windows_end_with_their_contig(tmp_path: Path) -> None:
    found = windows(tmp_path, [("21", 5), ("22", 4), ("X", 1)], length=4)
    assert found == [
        {"window": 0, "contig": "21", "first": 0, "length": 4, "start": 10, "end": 40},
        {"window": 1, "contig": "21", "first": 4, "length": 1, "start": 50, "end": 50},
        {"window": 2, "contig": "22", "first": 5, "length": 4, "start": 10, "end": 40},
        {"window": 3, "contig": "X", "first": 9, "length": 1, "start": 10, "end": 10},
    ]


def test_windows_overlap_only_where_asked(tmp_path: Path) -> None:
    found = windows(tmp_path, [("21", 7)], length=4, stride=2)
    assert [(row["first"], row["length"]) for row in found] == [(0, 4), (2, 4), (4, 3)]
    assert [row["length"] for row in windows(tmp_path, [("21", 130)])] == [64, 64, 2]
    with pytest.raises(ValidationError, match="stride: 5 leaves variants between windows of length 4 out"):
        windows(tmp_path, [("21", 7)], length=4, stride=5)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(1, 6), st.data())
def test_every_variant_is_in_a_window_of_its_contig(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], length: int, data: st.DataObject
) -> None:
    stride = data.draw(st.none() | st.integers(1, length))
    contigs = [(f"chr{i}", count) for i, count in enumerate(counts)]
    found = windows(tmp_path_factory.getbasetemp(), contigs, length=length, stride=stride)
    covered = [i for row in found for i in range(row["first"], row["first"] + row["length"])]
    assert set(covered) == set(range(sum(counts)))
    assert stride not in (None, length) or len(covered) == sum(counts)


# Whole


def test_a_run_on_the_panel_of_the_tests_is_sound(tmp_path: Path) -> None:
    from sealkit import pipeline

    path = panels.write_vcf(tmp_path / "panel.vcf.gz", samples=20, variants=150)
    config = tmp_path / "panel.yaml"
    config.write_text(
        f"""schema: pipeline/v1
run: {{name: one, seed: 1, output_dir: "{tmp_path}/outputs"}}
stages:
  panel: {{uses: genotype.panel, in: {{vcf: "{path}"}}}}
  windows: {{uses: genotype.windows, in: {{variants: panel.variants}}}}
""",
        "utf-8",
    )
    result = pipeline.run(config, [], ["toolkit"])
    assert (result.exit_code, result.error) == (0, None)
    outcomes = {outcome.id: str(outcome.status) for outcome in result.report.checks}
    assert (outcomes["vcf-sound"], outcomes["split-by-sample"]) == ("passed", "passed")
    path.write_bytes(placed(tmp_path, panels.text(20, 150).replace("0|1", "0/1")).read_bytes())
    result = pipeline.run(config, ["run.name=two"], ["toolkit"])
    assert result.exit_code == 1
