"""Measures of imputed genotypes: by hand, against scikit-learn and scipy on made-up panels, and where they are undefined."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sealkit import imputation
from sealkit.imputation import BINS, Scores

QUICK = settings(deadline=None, max_examples=60)
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Case:
    haplotypes: Rows
    variants: Rows
    windows: Rows
    imputed: Rows

    def scores(self, part: str = "test") -> Scores:
        panel = imputation.haplotypes(self.haplotypes, {part})
        return imputation.score(panel, imputation.variants(self.variants), imputation.windows(self.imputed))


def made(alleles: NDArray[Any], length: int, hidden: NDArray[Any], p_alt: NDArray[Any], references: int = 2) -> Case:
    """A panel of alleles (haplotypes, variants); all samples but the first `references` are of the part test, and imputed."""
    n, m = alleles.shape
    haplotypes = [
        {
            "haplotype_id": f"S{i // 2}:{i % 2}", "sample": f"S{i // 2}", "copy": i % 2,
            "part": "reference" if i < 2 * references else "test", "alleles": "".join(map(str, row)),
        }
        for i, row in enumerate(alleles.tolist())
    ]  # fmt: skip
    counts = alleles.sum(axis=0).tolist()
    variants = [{"variant": i, "allele_count": counts[i], "allele_number": n} for i in range(m)]
    windows = [
        {"window": number, "first": first, "length": min(length, m - first)}
        for number, first in enumerate(range(0, m, length))
    ]
    imputed = [
        {
            "haplotype_id": f"S{i // 2}:{i % 2}", "window": window["window"],
            "positions": (at := [v for v in range(window["first"], window["first"] + window["length"]) if hidden[v]]),
            "p_alt": [float(p_alt[i, v]) for v in at],
        }
        for window in windows
        for i in range(2 * references, n)
    ]  # fmt: skip
    return Case(haplotypes, variants, windows, imputed)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Small panels in which the alternate allele may be the rarer or the commoner one, and probabilities stand at a half too."""
    samples, m, seed = draw(st.sampled_from([3, 7, 30, 60])), draw(st.integers(1, 12)), draw(st.integers(0, 2**32 - 1))
    chance = np.random.default_rng(seed)
    alleles = (chance.random((2 * samples, m)) < chance.choice([0.0, 0.02, 0.1, 0.3, 0.5, 0.9, 1.0], m)).astype(int)
    hidden = chance.random(m) < draw(st.sampled_from([0.0, 0.3, 0.7, 1.0]))
    guess = np.where(chance.random(alleles.shape) < 0.7, alleles, 1 - alleles)
    p_alt = np.round(np.clip(guess * 0.5 + chance.choice([0.0, 0.25, 0.499999, 0.5], alleles.shape), 0, 1), 6)
    return made(alleles, draw(st.integers(1, 5)), hidden, p_alt, references=1)


def flat(case: Case, chosen: Any) -> tuple[list[bool], list[bool], list[float], list[float], list[bool]]:
    """The same, one allele or genotype at a time: true and predicted minor alleles, doses, and which genotypes are right."""
    true, said, true_dose, said_dose, right = [], [], [], [], []
    alleles = {row["haplotype_id"]: row["alleles"] for row in case.haplotypes}
    p_alt = {
        (row["haplotype_id"], v): p for row in case.imputed for v, p in zip(row["positions"], row["p_alt"], strict=True)
    }
    for (name, v), p in p_alt.items():
        count, of = case.variants[v]["allele_count"], case.variants[v]["allele_number"]
        if not chosen(min(count, of - count) / of):
            continue
        minor = "1" if 2 * count <= of else "0"
        true.append(alleles[name][v] == minor)
        said.append(("1" if p >= 0.5 else "0") == minor)
        if name.endswith(":0"):
            both = [name, f"{name[:-2]}:1"]
            true_dose.append(sum(alleles[one][v] == minor for one in both))
            said_dose.append(sum(p_alt[one, v] if minor == "1" else 1 - p_alt[one, v] for one in both))
            right.append(sum(alleles[one][v] == "1" for one in both) == sum(p_alt[one, v] >= 0.5 for one in both))
    return true, said, true_dose, said_dose, right


INSIDE = {
    "": lambda maf: True,
    "/0-0.01": lambda maf: 0 < maf < 0.01,
    "/0.01-0.05": lambda maf: 0.01 <= maf < 0.05,
    "/0.05-0.2": lambda maf: 0.05 <= maf < 0.2,
    "/0.2-0.5": lambda maf: 0.2 <= maf <= 0.5,
}


@QUICK
@given(cases())
def test_every_measure_equals_that_of_the_libraries(case: Case) -> None:
    f1_score = pytest.importorskip("sklearn.metrics").f1_score
    pearsonr = pytest.importorskip("scipy.stats").pearsonr
    ours = case.scores().measures()
    theirs = {}
    for name, inside in (("F1", lambda maf: True), ("F1_rare", lambda maf: 0 < maf < 0.05)):
        true, said, *_ = flat(case, inside)
        if any(true) or any(said):
            theirs[name] = f1_score(true, said)
    for name, inside in INSIDE.items():
        _, _, true_dose, said_dose, right = flat(case, inside)
        if right:
            theirs[f"concordance{name}"] = sum(right) / len(right)
        if len(right) > 1 and min(np.ptp(true_dose), np.ptp(said_dose)) > 1e-9:
            theirs[f"dosage_r2{name}"] = pearsonr(said_dose, true_dose).statistic ** 2
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert math.isclose(ours[name], value, rel_tol=0, abs_tol=1e-9), name


@QUICK
@given(cases())
def test_what_a_sample_has_is_what_it_would_have_alone(case: Case) -> None:
    per_sample = case.scores().per_sample()
    for sample in {row["sample"] for row in case.haplotypes if row["part"] == "test"}:
        own = [row for row in case.imputed if row["haplotype_id"].startswith(f"{sample}:")]
        alone = Case(case.haplotypes, case.variants, case.windows, own).scores().measures()
        for measure in ("F1", "concordance"):
            assert per_sample[measure].get(sample) == alone.get(measure)


@QUICK
@given(cases())
def test_the_mean_of_the_samples_concordance_is_the_reported_one(case: Case) -> None:
    """So it is what two runs are compared by, sample by sample; the mean of F1 is not the pooled F1."""
    scores = case.scores()
    values, reported = scores.per_sample()["concordance"], scores.measures().get("concordance")
    assume(reported is not None)
    assert reported is not None and math.isclose(math.fsum(values.values()) / len(values), reported, abs_tol=1e-12)


# By hand

PANEL = np.array([[0, 1, 1], [0, 1, 0], [1, 1, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]])  # two references, four imputed
ALL = np.array([True, True, True])


def test_the_minor_allele_is_the_positive_one_also_where_it_is_the_reference() -> None:
    """Variant 1 is 5 of 6 alternate: its minor allele is the reference one, and one of the four has it."""
    case = made(PANEL, 3, np.array([False, True, False]), np.full((6, 3), 0.5), references=1)
    assert case.scores().measures() == {"F1": 0.0, "concordance": 0.5, "concordance/0.05-0.2": 0.5}


def test_a_half_is_the_alternate_allele_and_the_alternate_one_is_minor_where_both_are_as_many() -> None:
    case = made(PANEL, 3, np.array([False, False, True]), np.full((6, 3), 0.5), references=1)
    assert case.scores().measures()["F1"] == pytest.approx(2 / 3)
    case = made(PANEL, 3, np.array([False, False, True]), np.full((6, 3), 0.499999), references=1)
    assert case.scores().measures()["F1"] == 0.0


def test_phase_is_not_judged() -> None:
    swapped = PANEL[[0, 1, 3, 2, 5, 4]].astype(float)
    measured = made(PANEL, 3, ALL, swapped, references=1).scores().measures()
    assert measured["concordance"] == 1.0 and measured["dosage_r2"] == pytest.approx(1) and measured["F1"] < 1


def test_what_is_undefined_is_left_out() -> None:
    alleles = np.zeros((6, 2), dtype=int)
    assert made(alleles, 2, np.array([True, True]), np.zeros((6, 2)), references=1).scores().measures() == {
        "concordance": 1.0
    }
    assert made(PANEL, 3, ~ALL, np.zeros((6, 3)), references=1).scores().measures() == {}
    assert Case(made(PANEL, 3, ALL, np.zeros((6, 3))).haplotypes, [], [], []).scores("nobody").measures() == {}


def test_what_rounding_leaves_is_no_variance() -> None:
    """0.1 + 0.2 and 0.15 + 0.15 differ in the last bit; that is no dose that varies."""
    p_alt = np.array([[0.0]] * 2 + [[0.1], [0.2], [0.15], [0.15]])
    alleles = np.array([[0], [0], [1], [0], [0], [0]])
    assert "dosage_r2" not in made(alleles, 1, np.array([True]), p_alt, references=1).scores().measures()


def test_a_bin_holds_its_lower_end_and_the_last_one_both() -> None:
    known = imputation.variants(
        [
            {"variant": i, "allele_count": count, "allele_number": 1000}
            for i, count in enumerate([0, 1, 9, 10, 50, 200, 500, 800, 801, 999, 1000])
        ]
    )
    assert [np.flatnonzero(known.of_bin(name)).tolist() for name in BINS] == [[1, 2, 9], [3], [4, 8], [5, 6, 7]]
    assert np.flatnonzero(known.rare).tolist() == [1, 2, 3, 9]


def test_rare_variants_are_counted() -> None:
    alleles = np.zeros((60, 3), dtype=int)
    alleles[[2, 50], [0, 1]] = 1
    p_alt = np.zeros((60, 3))
    p_alt[2, 0] = 1
    scores = made(alleles, 3, ALL, p_alt, references=1).scores()
    assert scores.scored(scores.variants.rare) == (2, 2, 1)


def test_an_allele_in_two_windows_is_counted_once_and_found_where_both_found_it() -> None:
    alleles = np.zeros((60, 3), dtype=int)
    alleles[[2, 50], [0, 1]] = 1
    case = made(alleles, 3, ALL, alleles.astype(float), references=1)
    missed = [{**row, "window": 1, "p_alt": [row["p_alt"][0], 0.0, row["p_alt"][2]]} for row in case.imputed]
    scores = replace(case, imputed=[*case.imputed, *missed]).scores()
    assert scores.scored(scores.variants.rare) == (2, 2, 1)


# What cannot be scored


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": [0, 1]}, "haplotype S2:0, window 0: other positions than S1:0 has there"),
        ({"p_alt": [0.5]}, "haplotype S2:0, window 0: 3 positions and 1 probabilities"),
        ({"haplotype_id": "S9:0"}, "window 0: haplotype S9:0 is not among those that are scored"),
        ({"window": 7}, "window 0: not both copies of sample S2"),
    ],
)
def test_rows_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    case = made(PANEL, 3, ALL, np.full((6, 3), 0.5), references=1)
    case.imputed[2] |= {"p_alt": [0.5, 0.5], **changes} if "positions" in changes else changes
    with pytest.raises(ValueError, match=f"^{message}$"):
        case.scores()


def test_positions_that_do_not_rise_or_are_not_there_are_refused() -> None:
    case = made(PANEL, 3, ALL, np.full((6, 3), 0.5), references=1)
    for row in case.imputed:
        row["positions"] = [0, 2, 1]
    with pytest.raises(ValueError, match=r"^haplotype S1:0, window 0: its positions do not rise$"):
        case.scores()
    for row in case.imputed:
        row["positions"] = [0, 1, 3]
    with pytest.raises(ValueError, match=r"^window 0: there is no variant 3$"):
        case.scores()


def test_a_panel_that_contradicts_itself_is_refused() -> None:
    case = made(PANEL, 3, ALL, np.full((6, 3), 0.5), references=1)
    with pytest.raises(ValueError, match=r"^variant 2 stands where 1 is expected$"):
        imputation.variants([case.variants[0], case.variants[2]])
    with pytest.raises(ValueError, match=r"^variant 0 has 7 of 6 alleles$"):
        imputation.variants([{**case.variants[0], "allele_count": 7}])
    with pytest.raises(ValueError, match=r"^haplotypes of 3 variants; there are 2$"):
        Case(case.haplotypes, case.variants[:2], case.windows, case.imputed).scores()
    case.haplotypes[4]["alleles"] = "01"
    with pytest.raises(ValueError, match=r"^haplotypes of 2 and of 3 variants$"):
        case.scores()


# The nearest haplotypes


def recall(case: Case, k: int, rankings: Rows) -> float | None:
    panel = imputation.haplotypes(case.haplotypes, {"reference", "test"})
    return imputation.recall(k, panel, "test", imputation.spans(case.windows), rankings)


@QUICK
@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.integers(1, 4))
def test_recall_is_that_of_comparing_every_pair(seed: int, k: int, length: int) -> None:
    chance = np.random.default_rng(seed)
    alleles = chance.integers(0, 2, (16, 6))
    case = made(alleles, length, np.zeros(6), np.zeros(alleles.shape), references=3)
    references, queries = case.haplotypes[:6], case.haplotypes[6:]
    rankings, shares = [], []
    for query in queries:
        for window in case.windows:
            here = slice(window["first"], window["first"] + window["length"])
            far = {
                one["haplotype_id"]: sum(
                    a != b for a, b in zip(query["alleles"][here], one["alleles"][here], strict=True)
                )
                for one in references
            }
            docs = chance.permutation(list(far))[: chance.integers(0, 7)].tolist()
            name = f"{query['haplotype_id']}/w{window['window']}"
            rankings += [{"query_id": name, "doc_id": doc} for doc in docs]
            wanted = min(k, 6)
            reach = sorted(far.values())[wanted - 1]
            shares.append(sum(far[doc] <= reach for doc in docs[:wanted]) / wanted)
    assert recall(case, k, rankings) == pytest.approx(sum(shares) / len(shares))


def test_a_reference_that_is_as_near_as_the_k_th_counts_as_found() -> None:
    alleles = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [0, 0], [0, 0]])
    case = made(alleles, 2, np.zeros(2), np.zeros((6, 2)), references=2)
    rankings = [
        {"query_id": f"S2:{copy}/w0", "doc_id": doc} for copy in (0, 1) for doc in ("S0:0", ("S0:1", "S1:0")[copy])
    ]
    assert recall(case, 2, rankings) == 1.0
    assert recall(case, 2, [{**row, "doc_id": "S1:1"} for row in rankings[:2]]) == 0.0
    assert recall(case, 2, rankings[:2]) == 0.5  # the other query was not searched
    assert recall(case, 2, [{**row, "doc_id": "S2:0"} for row in rankings]) == 0.0  # no reference


def test_recall_of_nobody_is_undefined_and_windows_lie_within_the_panel() -> None:
    case = made(PANEL, 3, ALL, np.zeros((6, 3)), references=1)
    panel = imputation.haplotypes(case.haplotypes, {"reference", "test"})
    assert imputation.recall(1, panel, "validation", {0: (0, 3)}, []) is None
    assert imputation.recall(1, panel, "test", {}, []) is None
    assert imputation.recall(1, imputation.haplotypes(case.haplotypes, {"test"}), "test", {0: (0, 3)}, []) is None
    with pytest.raises(ValueError, match=r"^window 0 ends behind the last of 3 variants$"):
        imputation.recall(1, panel, "test", {0: (1, 3)}, [])


def test_a_chromosome_takes_less_than_a_second() -> None:
    """90 haplotypes in 29 windows of 64 variants, half of them hidden; and the nearest of 408 references in each."""
    chance = np.random.default_rng(1)
    alleles = (chance.random((498, 1856)) < chance.random(1856) ** 3).astype(int)
    case = made(alleles, 64, np.arange(1856) % 2 == 0, np.round(chance.random(alleles.shape), 6), references=204)
    rankings = [
        {"query_id": f"{row['haplotype_id']}/w{row['window']}", "doc_id": f"S{i}:0"}
        for row in case.imputed
        for i in range(8)
    ]
    start = time.perf_counter()
    assert case.scores().measures()["F1"] > 0
    recall(case, 8, rankings)
    assert time.perf_counter() - start < 1
