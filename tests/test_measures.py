"""Measures: by hand, against ir_measures on made-up rankings and on real judgments."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealkit import measures
from sealkit.measures import by_query, judgments, mean, measure, per_query

QUICK = settings(deadline=None, max_examples=60)
FAMILIES = ["nDCG", "R", "P", "RR", "AP", "Success"]
CUTOFFS = [1, 2, 3, 5, 10, 100]
NAMES = [f"{family}@{k}" for family in FAMILIES for k in CUTOFFS]

Rankings = Mapping[str, Sequence[str]]
Qrels = Mapping[str, Mapping[str, int]]


def theirs(names: Sequence[str], rankings: Rankings, qrels: Qrels) -> dict[str, dict[str, float]]:
    """The same by ir_measures, which is handed scores that fall with the rank, so that it has no ties to break.

    Negative grades, which trec_eval takes for not relevant, are handed over as 0: pytrec_eval writes past its memory on them.
    """
    ir_measures = pytest.importorskip("ir_measures")
    judged = [
        ir_measures.Qrel(query, doc, max(grade, 0)) for query, grades in qrels.items() for doc, grade in grades.items()
    ]
    scored = [
        ir_measures.ScoredDoc(query, doc, float(-rank))
        for query, docs in rankings.items()
        for rank, doc in enumerate(docs, 1)
    ]
    parsed = {ir_measures.parse_measure(name): name for name in names}
    found: dict[str, dict[str, float]] = {name: {} for name in names}
    for metric in ir_measures.iter_calc(list(parsed), judged, scored):
        found[parsed[metric.measure]][metric.query_id] = metric.value
    return found


def assert_the_same(names: Sequence[str], rankings: Rankings, qrels: Qrels) -> None:
    ours, other = per_query(names, rankings.items(), qrels), theirs(names, rankings, qrels)
    assert ours.keys() == other.keys()
    for name in names:
        assert ours[name].keys() == other[name].keys() == qrels.keys(), name
        for query in qrels:
            assert math.isclose(ours[name][query], other[name][query], rel_tol=0, abs_tol=1e-12), (name, query)


# Ten and two sort differently as text and as numbers: neither order may matter.
DOCUMENTS = st.sampled_from([f"d{i}" for i in range(14)])


@st.composite
def cases(draw: st.DrawFn, lowest: int = 0) -> tuple[Rankings, Qrels]:
    """Judged queries with grades from `lowest` to 4; rankings of some of them, and of one that nobody judged."""
    queries = draw(st.lists(st.sampled_from(["q1", "q2", "q10", "q3"]), unique=True, min_size=1))
    grades = st.dictionaries(DOCUMENTS, st.integers(lowest, 4), min_size=1)
    qrels = {query: draw(grades) for query in queries}
    answered = draw(st.lists(st.sampled_from([*queries, "never judged"]), unique=True))
    return {query: draw(st.lists(DOCUMENTS, unique=True)) for query in answered}, qrels


@QUICK
@given(cases())
def test_every_measure_equals_ir_measures(case: tuple[Rankings, Qrels]) -> None:
    assert_the_same(NAMES, *case)


@QUICK
@given(cases(lowest=-2))
def test_negative_grades_count_as_not_relevant(case: tuple[Rankings, Qrels]) -> None:
    assert_the_same(NAMES, *case)


@pytest.mark.parametrize(
    ("rankings", "qrels"),
    [
        ({}, {"q": {"a": 1}}),
        ({"q": []}, {"q": {"a": 1}}),
        ({"q": ["a"]}, {"q": {"a": 0}}),
        ({"q": ["a", "b"]}, {"q": {"a": -1, "b": 1}}),
        ({"q": ["x", "y"]}, {"q": {"a": 2}}),
        ({"other": ["a"]}, {"q": {"a": 1}}),
        ({"q": ["a"], "other": ["a"]}, {"q": {"a": 1}, "unanswered": {"a": 1}}),
        ({"q": [f"d{i}" for i in range(150)]}, {"q": {f"d{i}": i % 3 for i in range(0, 150, 7)}}),
    ],
    ids=["no run", "no results", "none relevant", "negative", "unjudged only", "unjudged query", "unanswered", "long"],
)
def test_the_edges_equal_ir_measures(rankings: Rankings, qrels: Qrels) -> None:
    assert_the_same(NAMES, rankings, qrels)


# By hand

GRADES = {"a": 3, "b": 1, "c": 0, "e": 2}
RANKED = ["x", "a", "c", "b"]  # e is never found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nDCG@1", 0.0),
        ("nDCG@2", (3 / math.log2(3)) / (3 + 2 / math.log2(3))),
        ("nDCG@4", (3 / math.log2(3) + 1 / math.log2(5)) / (3 + 2 / math.log2(3) + 1 / 2)),
        ("nDCG@10", (3 / math.log2(3) + 1 / math.log2(5)) / (3 + 2 / math.log2(3) + 1 / 2)),
        ("R@2", 1 / 3),
        ("R@10", 2 / 3),
        ("P@2", 1 / 2),
        ("P@4", 2 / 4),
        ("P@10", 2 / 10),
        ("RR@1", 0.0),
        ("RR@2", 1 / 2),
        ("RR@10", 1 / 2),
        ("AP@2", (1 / 2) / 3),
        ("AP@10", (1 / 2 + 2 / 4) / 3),
        ("Success@1", 0.0),
        ("Success@2", 1.0),
    ],
)
def test_by_hand(name: str, expected: float) -> None:
    assert measure(name)(RANKED, GRADES) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_relevant_document_everything_is_nought(name: str) -> None:
    assert measure(name)(["a", "b"], {"a": 0, "b": -1}) == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_without_results_everything_is_nought(name: str) -> None:
    assert measure(name)([], {"a": 1}) == 0.0


@QUICK
@given(st.dictionaries(DOCUMENTS, st.integers(1, 4), min_size=1), st.sampled_from(CUTOFFS))
def test_the_best_order_has_an_ndcg_of_one(grades: dict[str, int], k: int) -> None:
    best = sorted(grades, key=lambda doc: -grades[doc])
    assert measures.ndcg(best, grades, k) == pytest.approx(1.0, abs=1e-12)


@QUICK
@given(cases(lowest=-1))
def test_every_value_lies_between_nought_and_one(case: tuple[Rankings, Qrels]) -> None:
    rankings, qrels = case
    for values in per_query(NAMES, rankings.items(), qrels).values():
        assert all(0 <= value <= 1 + 1e-12 for value in values.values())


@pytest.mark.parametrize(
    "name", ["nDCG", "nDCG@0", "nDCG@010", "nDCG@-1", "ndcg@10", "nDCG@10\n", "MAP@10", "R@1e2", "", "P@٣"]
)
def test_what_is_no_measure(name: str) -> None:
    with pytest.raises(ValueError) as caught:
        measure(name)
    assert str(caught.value) == (
        f"unknown measure {name}: expected one of nDCG, R, P, RR, AP, Success with a cut-off, as nDCG@10"
    )


def test_an_unknown_measure_is_refused_before_anything_is_counted() -> None:
    def rankings() -> Any:
        raise AssertionError("read before the names were looked at")
        yield

    with pytest.raises(ValueError, match="unknown measure nope@1"):
        per_query(["nope@1"], rankings(), {"q": {"a": 1}})


# Real judgments


def beir(path: Path) -> dict[str, dict[str, int]]:
    with path.open(encoding="utf-8", newline="") as file:
        found: dict[str, dict[str, int]] = {}
        for row in csv.DictReader(file, delimiter="\t"):
            found.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    return found


def made_up(qrels: Qrels, documents: Sequence[str]) -> dict[str, list[str]]:
    """A ranking of 200 documents that finds some of what is relevant; every ninth query is not answered at all."""
    found = {}
    for number, query in enumerate(sorted(qrels)):
        if number % 9 == 8:
            continue
        chance = random.Random(f"cranfield/{query}")
        score = {doc: chance.random() + 0.4 * (doc in qrels[query]) for doc in documents}
        found[query] = sorted(score, key=lambda doc: (-score[doc], doc))[: 200 if number % 7 else 6]
    return found


@pytest.mark.parametrize("judged", ["all.tsv", "all_graded.tsv", "test.tsv"])
def test_every_measure_equals_ir_measures_on_cranfield(sealkit_data: Path, judged: str) -> None:
    qrels = beir(sealkit_data / "cranfield" / "beir" / "qrels" / judged)
    assert len(qrels) == (75 if judged == "test.tsv" else 225)
    assert_the_same(NAMES, made_up(qrels, [str(i) for i in range(1, 1401)]), qrels)


def test_cranfield_by_number(sealkit_data: Path) -> None:
    qrels = beir(sealkit_data / "cranfield" / "beir" / "qrels" / "all_graded.tsv")
    rankings = made_up(qrels, [str(i) for i in range(1, 1401)])
    expected = {
        "nDCG@10": 0.4304044113840126,
        "R@100": 0.4040338587090393,
        "RR@10": 0.7874074074074073,
        "AP@100": 0.34695164094596803,
    }
    found = per_query(list(expected), rankings.items(), qrels)
    assert {name: mean(values) for name, values in found.items()} == pytest.approx(expected, abs=1e-12)


# Rows


def test_rankings_are_put_together_by_query_while_they_stream_by() -> None:
    seen: list[int] = []

    def rows() -> Any:
        for number, (query, doc) in enumerate([("q1", "b"), ("q1", "a"), ("q2", "c"), ("q3", "a")]):
            seen.append(number)
            yield {"query_id": query, "doc_id": doc, "rank": 1, "score": 0.5}

    grouped = by_query(rows())
    assert next(grouped) == ("q1", ["b", "a"])
    assert seen == [0, 1, 2]
    assert list(grouped) == [("q2", ["c"]), ("q3", ["a"])]


def test_no_rows_no_queries() -> None:
    assert list(by_query([])) == []
    assert judgments([]) == {}


def test_judgments_are_put_together_wherever_they_stand() -> None:
    rows = [
        {"query_id": "q1", "doc_id": "a", "relevance": 2},
        {"query_id": "q2", "doc_id": "a", "relevance": 0},
        {"query_id": "q1", "doc_id": "b", "relevance": 1},
    ]
    assert judgments(rows) == {"q1": {"a": 2, "b": 1}, "q2": {"a": 0}}


def test_a_query_without_results_counts_nought_and_an_unjudged_one_not_at_all() -> None:
    values = per_query(["RR@10"], [("q1", ["a"]), ("q9", ["a"])], {"q1": {"a": 1}, "q2": {"a": 1}})
    assert values == {"RR@10": {"q1": 1.0, "q2": 0.0}}
    assert mean(values["RR@10"]) == 0.5


@QUICK
@given(st.lists(st.floats(0, 1), min_size=1), st.randoms(use_true_random=False))
def test_the_mean_does_not_depend_on_the_order_of_the_queries(values: list[float], chance: random.Random) -> None:
    items = list(enumerate(values))
    before = mean({str(i): value for i, value in items})
    chance.shuffle(items)
    assert mean({str(i): value for i, value in items}) == before


def test_the_mean_is_rounded_once() -> None:
    assert mean({str(i): 0.1 for i in range(10)}) == 0.1
    assert sum([0.1] * 10) / 10 != 0.1


def test_the_mean_of_nothing_is_nought() -> None:
    assert mean({}) == 0.0
