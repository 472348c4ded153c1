"""Two runs that imputed the same samples, compared sample by sample; and what keeps them from being compared."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sealkit import delta, digest, imputation
from sealkit.evaluation import evaluations
from sealkit.pack import BUILT_IN
from sealkit.rundir import Run, open_run
from sealkit.seal import seal
from sealkit.verify import verify

BASE = Path(__file__).parent / "checks" / "_base" / "imputed"
IMPUTED = "stages/evaluate/imputed_alleles.jsonl"
Rows = list[dict[str, Any]]


def opened(path: Path) -> Run:
    return open_run(path, BUILT_IN.layout(), BUILT_IN.contracts, BUILT_IN.metric_keys)


def edit(path: Path, change: Callable[[Any], None]) -> None:
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def rewrite(path: Path, change: Callable[[Rows], Rows]) -> None:
    """Change the rows of a run, and let its summary and metrics say what they then are."""
    file = path / IMPUTED
    changed = change([json.loads(line) for line in file.read_text("utf-8").splitlines()])
    file.write_text("".join(json.dumps(row) + "\n" for row in changed), "utf-8")
    edit(
        path / "summary.json",
        lambda one: one["stages"][-1]["outputs"]["imputed_alleles"].update(digest=digest.file(file)),
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BASE, tmp_path / "outputs/imputed"))


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    """A run that said "the reference allele" at every second position."""
    path = Path(shutil.copytree(BASE, tmp_path / "outputs/earlier"))
    for name in ("run_metadata.json", "summary.json"):
        edit(path / name, lambda one: one.update(run_id="earlier-20260202T100000Z-0a1b2c"))
    rewrite(
        path, lambda rows: [{**row, "p_alt": [0 if i % 2 else p for i, p in enumerate(row["p_alt"])]} for row in rows]
    )
    return path


def differs(run: Path, reference: Path) -> list[str]:
    found = delta.between(opened(run), opened(reference))
    assert found is not None and (found["rows"] == []) == bool(found["differs"])
    said: list[str] = found["differs"]
    return said


def test_two_runs_are_compared_by_the_concordance_of_each_sample(run: Path, reference: Path) -> None:
    found = delta.between(opened(run), opened(reference))
    assert found is not None and found["differs"] == []
    assert "bootstrap over samples" in found["method"]
    (row,) = found["rows"]
    assert (row["key"], row["n"]) == ("genotype/test/concordance", 12)
    assert row["post"] == pytest.approx(opened(run).document("metrics")["genotype/test/concordance"], abs=1e-12)
    panel = imputation.haplotypes((r for _, r in opened(run).all("haplotypes")[0].rows()), {"test"})
    known = imputation.variants(r for _, r in opened(run).all("variants")[0].rows())
    earlier = imputation.windows(r for _, r in opened(reference).all("imputed_alleles")[0].rows())
    assert row["pre"] == pytest.approx(imputation.score(panel, known, earlier).measures()["concordance"], abs=1e-12)
    assert row["difference"] == pytest.approx(row["post"] - row["pre"])
    assert row["wins"] + row["ties"] + row["losses"] == 12


def test_a_seal_keeps_what_was_imputed_and_not_the_panel_and_holds_without_the_reference(
    run: Path, reference: Path
) -> None:
    seal(run, reference)
    shutil.rmtree(reference)
    kept = run / "seal/reference/stages"
    assert sorted(file.name for file in kept.rglob("*.jsonl")) == ["imputed_alleles.jsonl", "rankings.jsonl"]
    sealed = json.loads((run / "seal/seal.json").read_text("utf-8"))["predicate"]["deltas"]
    assert [row["key"] for row in sealed["rows"]] == ["genotype/test/concordance"]
    assert "| metric | samples | pre |" in (run / "seal/SEAL.md").read_text("utf-8")
    assert '<th scope="col" class="n">Samples</th>' in (run / "seal/SEAL.html").read_text("utf-8")
    assert BUILT_IN.contracts["seal/v1"].violations(json.loads((run / "seal/seal.json").read_text("utf-8"))) == []
    assert verify(run).holds


def test_queries_keep_the_words_of_their_method() -> None:
    """They stand in seals, and are made again when these are verified."""
    base = BASE.parent
    found = delta.between(opened(base / "finetuned"), opened(base / "retrieval"))
    assert found is not None and found["method"] == (
        "paired; p: two-sided sign-flip randomisation of the mean difference, (count + 1) / (resamples + 1); interval: 95 % "
        "percentile bootstrap over queries; effect: mean / standard deviation of the differences (d_z)"
    )


# What keeps two runs from being compared


def test_other_positions_and_other_samples_are_no_comparison(run: Path, reference: Path) -> None:
    rewrite(
        reference, lambda rows: [{**row, "positions": row["positions"][1:], "p_alt": row["p_alt"][1:]} for row in rows]
    )
    (said,) = differs(run, reference)
    assert said.startswith("other positions of genotype/test: sha256:")
    shutil.copyfile(run / IMPUTED, reference / IMPUTED)
    rewrite(reference, lambda rows: [row for row in rows if not row["haplotype_id"].startswith("S15:")])
    (said,) = differs(run, reference)
    assert said.startswith("other samples of genotype/test: sha256:")


def test_another_panel_is_no_comparison(run: Path, reference: Path) -> None:
    edit(
        reference / "summary.json", lambda one: one["stages"][-1]["inputs"].update(variants=digest.of_bytes(b"another"))
    )
    (said,) = differs(run, reference)
    assert said.startswith(f"other variants of genotype/test: {digest.of_bytes(b'another')} in the reference, sha256:")


def test_a_panel_that_is_not_in_the_run_is_no_comparison(run: Path, reference: Path) -> None:
    file = run / "stages/panel/variants.jsonl"
    file.write_text(file.read_text("utf-8"), "utf-8", newline="\r\n")
    assert differs(run, reference) == ["the rows cannot be compared: the variants that were imputed are not in the run"]


def test_rows_that_cannot_be_scored_are_no_comparison(run: Path, reference: Path) -> None:
    rewrite(run, lambda rows: [{**rows[0], "positions": rows[0]["positions"][:1]}, *rows[1:]])
    assert differs(run, reference) == [
        "the rows cannot be compared: haplotype S12:0, window 0: 1 positions and 12 probabilities"
    ]


def test_a_set_says_what_its_items_are() -> None:
    assert [one.items for one in evaluations(opened(BASE))] == ["samples"]
    assert [one.items for one in evaluations(opened(BASE.parent / "retrieval"))] == ["queries"]
