"""Holm's adjustment: worked examples, and every definition of it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit.significance import holm, told

PS = st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.01, 0.02, 0.05, 1.0])), max_size=7)


@pytest.mark.parametrize(
    ("ps", "adjusted"),
    [
        ([], []),
        ([0.03], [0.03]),
        # p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm") of R
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),
        # multipletests([0.01, 0.04, 0.03, 0.005], method="holm") of statsmodels
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.9, 0.04], [1.0, 1.0, 0.12]),
        ([0.02, 0.02, 0.02], [0.06, 0.06, 0.06]),
        ([0.0, 1.0], [0.0, 1.0]),
    ],
)
def test_by_hand(ps: list[float], adjusted: list[float]) -> None:
    assert holm(ps) == pytest.approx(adjusted)


@given(PS)
def test_it_is_the_closed_test_of_bonferroni(ps: list[float]) -> None:
    """A hypothesis is rejected where Bonferroni rejects every family that it is in (Marcus, Peritz and Gabriel 1976)."""
    places = range(len(ps))
    families = [set(those) for n in range(1, len(ps) + 1) for those in itertools.combinations(places, n)]
    closed = [
        max(min(1.0, len(family) * min(ps[j] for j in family)) for family in families if i in family) for i in places
    ]
    assert holm(ps) == pytest.approx(closed, abs=1e-12)


@given(PS, st.floats(0.001, 0.999))
def test_it_rejects_what_the_steps_reject(ps: list[float], level: float) -> None:
    rejected: set[int] = set()
    for step, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        if ps[i] * (len(ps) - step) > level:
            break
        rejected.add(i)
    assert {i for i, p in enumerate(holm(ps)) if p <= level} == rejected


@given(PS)
def test_it_keeps_the_order_and_never_makes_a_p_smaller(ps: list[float]) -> None:
    found = holm(ps)
    assert all(p <= adjusted <= 1 for p, adjusted in zip(ps, found, strict=True))
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    assert [found[i] for i in order] == sorted(found)


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="lies in 0 … 1"):
        holm([0.5, p])


@pytest.mark.parametrize(
    ("p", "low", "high", "said"),
    [
        (0.05, 0.1, 0.2, True),
        (0.0501, 0.1, 0.2, False),
        (0.01, -0.1, 0.2, False),
        (0.01, 0.0, 0.2, False),
        (1.0, 0.5, 0.5, False),
        (0.01, -0.2, -0.1, True),
    ],
)
def test_told_from_noise(p: float, low: float, high: float, said: bool) -> None:
    assert told(p, low, high) is said
