"""Rows for each query in the golden tree: the paired statistics of the seal, held against scipy and a count of our own."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

import pytest

from tests.golden import edits, runs
from tests.matrices import build, call, code, sealed, stated

FULL, PART = "retrieval_full/recall@10", "retrieval_complex/recall@10"


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = build(tmp_path_factory.mktemp("rows"), runs.per_query)
    sealed(built)
    return built


def rows(matrix: Path, metric: str = FULL) -> dict[str, Any]:
    found = stated(matrix / "seal")["numbers"]["comparison"]["rows"]
    return {row["label"]: row for row in found if row["metric"] == metric}


def differences(matrix: Path, run: str) -> list[float]:
    sides = []
    for name in ("m01", run):
        lines = (matrix / f"runs/{name}/per_query_metrics.jsonl").read_text().splitlines()
        sides.append({row["query_id"]: row["recall@10"] for row in map(json.loads, lines)})
    assert sides[0].keys() == sides[1].keys()
    return [sides[1][query] - sides[0][query] for query in sides[0]]


@pytest.mark.parametrize("run", ["m02", "m03", "m04"])
def test_a_row_is_what_the_queries_give(matrix: Path, run: str) -> None:
    stats = pytest.importorskip("scipy.stats")
    row, found = rows(matrix)[run], differences(matrix, run)
    assert row["n"] == len(found) == 570
    counts = [sum(value > 0 for value in found), found.count(0), sum(value < 0 for value in found)]
    assert [row["wins"], row["ties"], row["losses"]] == counts
    assert row["in_items"] == counts[0] - counts[2] == round(570 * row["difference"])
    assert row["effect"] == pytest.approx(statistics.fmean(found) / statistics.stdev(found), rel=1e-9)
    # Of differences that are 1 or -1, flipping signs is tossing coins.
    exact = stats.binomtest(counts[0], counts[0] + counts[2]).pvalue
    resamples = stated(matrix / "seal")["numbers"]["comparison"]["resamples"]
    assert abs(row["p"] - exact) < 4 * math.sqrt(exact * (1 - exact) / resamples) + 1 / resamples
    boot = stats.bootstrap((found,), statistics.fmean, n_resamples=2000, method="percentile", vectorized=False, rng=1)
    assert [row["low"], row["high"]] == pytest.approx(list(boot.confidence_interval), abs=0.006)


def test_p_is_adjusted_after_holm_over_all_rows(matrix: Path) -> None:
    found = list(rows(matrix).values())
    assert len(found) == stated(matrix / "seal")["numbers"]["comparison"]["family"]["size"] == 9
    highest, adjusted = 0.0, {}
    for place, row in enumerate(sorted(found, key=lambda row: row["p"])):
        highest = max(highest, min(1.0, (len(found) - place) * row["p"]))
        adjusted[row["label"]] = highest
    assert {row["label"]: row["p_holm"] for row in found} == pytest.approx(adjusted)
    assert rows(matrix)["m02"]["told"] is True


def test_a_subset_without_rows_of_its_own_is_not_tested(matrix: Path) -> None:
    assert {row["tested"] for row in rows(matrix, PART).values()} == {False}
    assert {row["why"] for row in rows(matrix, PART).values()} == {f"m01: no per-query data of {PART}: not tested"}


def test_the_seed_of_the_runs_is_that_of_the_resamples(matrix: Path) -> None:
    assert {run["seed"]["value"] for run in stated(matrix / "seal")["runs"]} == {42}
    assert stated(matrix / "seal")["numbers"]["comparison"]["seed"] == 42


def test_the_page_shows_them(matrix: Path) -> None:
    page = (matrix / "seal/SEAL.md").read_text("utf-8")
    row = rows(matrix)["m02"]
    assert f"| m02 | `{FULL}` | 570 | 0.3246 | 0.3789 | +0.0544 [+{row['low']:.4f}, +{row['high']:.4f}] | +31 |" in page
    assert "adjusted over 9 comparisons" in page
    section = page[page.index("## Beside them") : page.index("### ! In doubt")]
    assert section.count("not tested") == section.count("retrieval\\_complex/recall") == 1
    assert code(call(matrix, "verify")) == 0


def test_rows_that_are_not_behind_the_reported_number_are_not_tested(tmp_path: Path) -> None:
    def one_row_less(matrix: Path) -> None:
        path = matrix / "runs/1002_060504/per_query_metrics.jsonl"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))

    matrix = build(tmp_path, runs.per_query, one_row_less, **edits.OTHERWISE)
    sealed(matrix, "untuned")
    found = rows(matrix)
    assert (found["tuned_rerank"]["tested"], found["tuned"]["tested"]) == (True, False)
    assert found["tuned"]["why"].endswith(": not tested"), found["tuned"]["why"]
    assert found["lexical"]["p_holm"] >= found["lexical"]["p"]
    assert stated(matrix / "seal")["numbers"]["comparison"]["family"]["size"] == 4, (
        "leaving out a row makes no other look better"
    )
