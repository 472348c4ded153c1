"""The paired comparison: against exact enumeration, against scipy, and the same to the last bit for years."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sealkit import delta
from sealkit.delta import RESAMPLES, bootstrap_interval, compare, sign_flip_p
from sealkit.pack import BUILT_IN

QUICK = settings(deadline=None, max_examples=50)
SAME = "the two runs do not have the same queries"


def array(values: Sequence[float]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def named(values: Iterable[float]) -> dict[str, float]:
    return {f"q{i:03}": float(value) for i, value in enumerate(values)}


# Differences whose sums are exact in binary, so that no machine may round them differently.
DYADIC = array([((i * 37) % 23 - 9) / 64 for i in range(64)])
SKEWED = array([0.0] * 30 + [0.1, 0.2, 0.35, -0.05, 0.5, -0.1, 0.02, 0.9, -0.3, 0.125])


# The test: against every sign there is

SMALL = [
    [0.5],
    [0.1, 0.1],
    [1.0, -1.0],
    [0.3, 0.2, 0.1],
    [0.0, 0.0, 0.4],
    [0.1, 0.1, 0.1, 0.1, 0.1, 0.1],
    [0.5, -0.2, 0.3, 0.0, 0.1, 0.7, -0.1],
    [0.2, 0.2, -0.2, 0.2, -0.2, 0.2, 0.2, 0.2],
    [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, -0.05],
    [1 / 3, 2 / 3, -1 / 3, 1 / 7, 0.0, 5 / 7, 1.0, 0.1, 0.2, 0.3, -0.3],
]


def exact_p(values: Sequence[float]) -> float:
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=len(values))))
    sums = np.abs(signs @ array(values))
    return float(np.mean(sums >= abs(sum(values)) - 1e-9))


@pytest.mark.parametrize("values", SMALL, ids=str)
def test_p_is_that_of_all_signs(values: list[float]) -> None:
    p, truth = sign_flip_p(array(values), seed=1, resamples=20_000), exact_p(values)
    assert p == pytest.approx(truth, abs=4 * math.sqrt(truth * (1 - truth) / 20_000) + 1e-4)


def test_sums_that_are_equal_on_paper_count_as_reached() -> None:
    # 0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 differ in the last bit; only one of 8 signs and its opposite reach 0.6.
    assert (
        sign_flip_p(array([0.1, 0.2, 0.3]), 0)
        == sign_flip_p(array([0.3, 0.2, 0.1]), 0)
        == pytest.approx(0.25, abs=0.02)
    )


@pytest.mark.parametrize("values", [SKEWED, DYADIC, array([0.02, -0.01, 0.03, 0.04, -0.02] * 30)])
def test_p_is_that_of_scipy(values: NDArray[np.float64]) -> None:
    stats = pytest.importorskip("scipy.stats")
    other = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=20_000, rng=5)
    assert sign_flip_p(values, seed=2, resamples=20_000) == pytest.approx(other.pvalue, abs=0.015)


def test_p_is_never_nought_and_its_steps_are_those_of_the_resamples() -> None:
    sure = array([0.5] * 60)
    assert sign_flip_p(sure, 3, resamples=999) == 1 / 1000
    assert sign_flip_p(sure, 3, resamples=99) == 1 / 100
    assert sign_flip_p(SKEWED, 3, resamples=999) * 1000 == pytest.approx(
        round(sign_flip_p(SKEWED, 3, resamples=999) * 1000)
    )


def test_p_looks_at_both_sides() -> None:
    assert sign_flip_p(SKEWED, 4) == sign_flip_p(-SKEWED, 4)


@pytest.mark.parametrize("unit", [2.0**20, 2.0**-10, 2.0**-50])
def test_p_does_not_depend_on_the_unit(unit: float) -> None:
    assert sign_flip_p(DYADIC * unit, 4) == sign_flip_p(DYADIC, 4)


def test_adding_queries_that_tie_changes_no_p_on_average() -> None:
    values = array([0.3, -0.1, 0.2, 0.4, 0.1])
    assert sign_flip_p(np.concatenate([values, np.zeros(100)]), 5) == pytest.approx(exact_p(list(values)), abs=0.02)


def test_under_the_null_p_is_uniform() -> None:
    chance = np.random.Generator(np.random.PCG64(11))
    found = np.sort([sign_flip_p(chance.normal(size=25), seed=i, resamples=199) for i in range(400)])
    distance = np.max(np.abs(found - (np.arange(400) + 0.5) / 400))
    assert distance < 1.63 / math.sqrt(400)  # Kolmogorov-Smirnov at 1 %
    assert 0.03 <= np.mean(found <= 0.05) <= 0.08


def test_a_real_difference_is_found() -> None:
    chance = np.random.Generator(np.random.PCG64(12))
    found = [sign_flip_p(chance.normal(loc=0.8, size=25), seed=i, resamples=199) for i in range(50)]
    assert np.mean(np.array(found) <= 0.05) > 0.9


# The interval


@pytest.mark.parametrize(
    "values", [SKEWED, DYADIC, array([0.02, -0.01, 0.03, 0.04, -0.02] * 30), array([0.0, 1.0, 0.5])]
)
def test_the_interval_is_that_of_scipy(values: NDArray[np.float64]) -> None:
    stats = pytest.importorskip("scipy.stats")
    other = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=6).confidence_interval
    low, high = bootstrap_interval(values, seed=7, resamples=20_000)
    width = other.high - other.low
    assert low == pytest.approx(other.low, abs=0.05 * width)
    assert high == pytest.approx(other.high, abs=0.05 * width)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    chance = np.random.Generator(np.random.PCG64(13))
    held = []
    for i in range(400):
        low, high = bootstrap_interval(chance.normal(loc=0.3, size=40), seed=i, resamples=299)
        held.append(low <= 0.3 <= high)
    assert 0.90 <= np.mean(held) <= 0.98


def test_every_query_can_be_drawn() -> None:
    # With one extreme query among many, the interval reaches beyond the others only if it is drawn.
    for place in (0, 63, 64, 99):
        values = np.zeros(100)
        values[place] = 100.0
        low, high = bootstrap_interval(values, seed=8)
        assert low == 0.0
        assert high >= 2.0


# Both: from one stream that never changes


def test_the_stream_of_random_words_is_the_one_that_was_pinned() -> None:
    assert [int(word) for word in np.random.PCG64(42).random_raw(2)] == [14276969152011380360, 8095878257575067585]


def test_golden_numbers() -> None:
    assert sign_flip_p(DYADIC, seed=42) == 0.0354964503549645
    assert bootstrap_interval(DYADIC, seed=42) == (0.00341796875, 0.054443359375)
    assert sign_flip_p(SKEWED, seed=42) == 0.14028597140285973
    assert bootstrap_interval(SKEWED, seed=42) == pytest.approx((-0.004378124999999976, 0.10500312499999996), abs=1e-15)
    assert sign_flip_p(DYADIC, seed=7, resamples=1000) == 0.022977022977022976
    assert bootstrap_interval(DYADIC, seed=7, resamples=1000) == (0.00341796875, 0.05274658203124999)


def test_the_same_seed_gives_the_same_bytes() -> None:
    pre, post = named(DYADIC * 0), named(DYADIC)
    one, two = (json.dumps(compare("m", pre, post, 42, 500).document()) for _ in range(2))
    assert one == two


def test_another_seed_gives_other_random_numbers() -> None:
    assert bootstrap_interval(SKEWED, 1, 500) != bootstrap_interval(SKEWED, 2, 500)
    assert len({sign_flip_p(SKEWED, seed, 500) for seed in range(10)}) > 1


def test_the_two_draws_do_not_share_their_random_words() -> None:
    assert sign_flip_p(SKEWED, 9, 500) == sign_flip_p(SKEWED, 9, 500)
    words = [np.random.PCG64(9).random_raw(4), np.random.PCG64(10).random_raw(4)]
    assert not set(words[0].tolist()) & set(words[1].tolist())


@pytest.mark.parametrize("block", [1, 1000, 64 * 7, 10**9])
def test_how_much_is_drawn_at_a_time_changes_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sign_flip_p(SKEWED, 5, 300), bootstrap_interval(SKEWED, 5, 300)
    monkeypatch.setattr(delta, "_BLOCK", block)
    assert (sign_flip_p(SKEWED, 5, 300), bootstrap_interval(SKEWED, 5, 300)) == before


@pytest.mark.parametrize("n", [63, 64, 65, 128, 129])
def test_the_number_of_queries_may_fall_on_either_side_of_a_word(n: int) -> None:
    values = array([0.01 * (i % 5) - 0.02 for i in range(n)])
    assert 0 < sign_flip_p(values, 1, 400) <= 1
    assert sign_flip_p(np.full(n, 0.5), 1, 400) == 1 / 401


def test_the_largest_seed_of_a_config_is_a_seed() -> None:
    found = compare("m", named([0.1, 0.2]), named([0.3, 0.1]), 4294967295, 100)
    assert found.low <= found.difference <= found.high


# The whole comparison


def test_by_hand() -> None:
    pre = {"a": 0.5, "b": 0.25, "c": 1.0, "d": 0.0, "e": 0.5}
    post = {"e": 0.5, "d": 1.0, "c": 0.5, "b": 0.5, "a": 0.25}
    found = compare("retrieval/test/nDCG@10", pre, post, seed=3, resamples=200)
    assert (found.key, found.n) == ("retrieval/test/nDCG@10", 5)
    assert (found.pre, found.post, found.difference) == (0.45, 0.55, 0.1)
    assert (found.wins, found.ties, found.losses) == (2, 1, 2)
    assert found.effect == pytest.approx(0.1 / float(np.std([-0.25, 0.25, -0.5, 1.0, 0.0], ddof=1)), abs=1e-15)
    assert found.worst == (
        {"query_id": "c", "pre": 1.0, "post": 0.5},
        {"query_id": "a", "pre": 0.5, "post": 0.25},
    )
    assert found.p == sign_flip_p(array([-0.25, 0.25, -0.5, 1.0, 0.0]), 3, 200)
    assert (found.low, found.high) == bootstrap_interval(array([-0.25, 0.25, -0.5, 1.0, 0.0]), 3, 200)


def test_by_default_there_are_ten_thousand_resamples() -> None:
    pre, post = named([0.0] * 60), named([0.5] * 60)
    assert RESAMPLES == 10_000
    assert compare("m", pre, post, 1).p == 1 / 10_001


def test_nothing_changed() -> None:
    values = named([0.5, 0.25, 1.0])
    found = compare("m", values, dict(values), 1, 300)
    assert (found.difference, found.low, found.high, found.p, found.effect) == (0.0, 0.0, 0.0, 1.0, None)
    assert (found.wins, found.ties, found.losses, found.worst) == (0, 3, 0, ())


def test_one_query_proves_nothing() -> None:
    found = compare("m", {"q": 0.25}, {"q": 0.75}, 1, 300)
    assert (found.n, found.difference, found.low, found.high) == (1, 0.5, 0.5, 0.5)
    assert (found.p, found.effect) == (1.0, None)


def test_equal_differences_have_no_effect_size_even_where_they_round_differently() -> None:
    pre, post = named([0.1, 0.2, 0.3, 0.6]), named([0.2, 0.3, 0.4, 0.7])
    assert len({post[query] - pre[query] for query in pre}) > 1
    assert compare("m", pre, post, 1, 100).effect is None


def test_the_worst_are_the_five_that_lost_most() -> None:
    pre = named([1.0] * 9)
    post = named([0.9, 0.1, 0.5, 0.5, 1.0, 0.2, 0.3, 1.0, 0.8])
    found = compare("m", pre, post, 1, 100)
    assert [row["query_id"] for row in found.worst] == ["q001", "q005", "q006", "q002", "q003"]
    assert found.losses == 7


def test_the_order_in_which_queries_are_given_does_not_matter() -> None:
    pre, post = named(SKEWED * 0 + 0.5), named(SKEWED + 0.5)
    turned = dict(reversed(post.items()))
    assert compare("m", pre, post, 1, 200) == compare("m", dict(reversed(pre.items())), turned, 1, 200)


@pytest.mark.parametrize(
    ("pre", "post"),
    [
        ({"a": 1.0}, {"b": 1.0}),
        ({"a": 1.0, "b": 0.5}, {"a": 1.0}),
        ({"a": 1.0}, {"a": 1.0, "b": 0.5}),
        ({}, {"a": 1.0}),
        ({}, {}),
    ],
)
def test_other_queries_are_no_comparison(pre: dict[str, float], post: dict[str, float]) -> None:
    with pytest.raises(ValueError) as caught:
        compare("m", pre, post, 1)
    assert str(caught.value) == SAME


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_values_that_are_no_numbers_are_no_comparison(bad: float) -> None:
    with pytest.raises(ValueError):
        compare("m", named([0.1] * 20), named([0.2] * 19 + [bad]), 1, 100)


VALUES = st.lists(st.tuples(st.integers(0, 64), st.integers(0, 64)), min_size=1, max_size=70)


@QUICK
@given(VALUES, st.integers(0, 2**32 - 1))
def test_the_other_way_round_is_the_opposite(pairs: list[tuple[int, int]], seed: int) -> None:
    pre, post = named([a / 64 for a, _ in pairs]), named([b / 64 for _, b in pairs])
    there, back = compare("m", pre, post, seed, 200), compare("m", post, pre, seed, 200)
    assert (there.pre, there.post) == (back.post, back.pre)
    assert there.difference == -back.difference
    assert (there.wins, there.ties, there.losses) == (back.losses, back.ties, back.wins)
    assert there.p == back.p
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-12)
    assert (there.effect is None) == (back.effect is None)
    if there.effect is not None and back.effect is not None:
        assert there.effect == pytest.approx(-back.effect, abs=1e-12)


@QUICK
@given(VALUES, st.integers(0, 2**32 - 1))
def test_what_holds_of_every_comparison(pairs: list[tuple[int, int]], seed: int) -> None:
    pre, post = named([a / 64 for a, _ in pairs]), named([b / 64 for _, b in pairs])
    found = compare("m", pre, post, seed, 100)
    differences = [post[query] - pre[query] for query in pre]
    assert found.wins + found.ties + found.losses == found.n == len(pairs)
    assert min(differences) <= found.low <= found.high <= max(differences)
    assert 1 / 101 <= found.p <= 1
    assert len(found.worst) == min(5, found.losses)
    assert all(row["post"] < row["pre"] for row in found.worst)
    assert contract_says(found.document()) == []


def contract_says(document: dict[str, Any]) -> list[str]:
    from jsonschema import Draft202012Validator

    seal = BUILT_IN.contracts["seal/v1"].schema
    schema = {"$ref": "#/$defs/delta", "$defs": seal["$defs"]}
    return [error.message for error in Draft202012Validator(schema).iter_errors(json.loads(json.dumps(document)))]


def test_a_document_is_what_the_seal_promises() -> None:
    document = compare("m", named([0.5, 0.1]), named([0.4, 0.3]), 1, 100).document()
    assert contract_says(document) == []
    assert contract_says({**document, "more": 1}) != []
    assert isinstance(document["worst"], list)
