"""The probe: what is taken where an index is built, and what keeps it from coming out again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealkit import probe
from sealkit.opened import searched
from sealkit.pack import BUILT_IN
from tests import spaces

faiss = pytest.importorskip("faiss")
TEXTS = [f"text {i}" for i in range(40)]
IDS = np.array([f"d{i}" for i in range(40)], dtype=object)
METRICS = {"inner_product": faiss.METRIC_INNER_PRODUCT, "l2": faiss.METRIC_L2}


def built(rows: Any, metric: str = "inner_product") -> probe.Search:
    index = faiss.IndexFlat(rows.shape[1], METRICS[metric])
    index.add(np.ascontiguousarray(rows, np.float32))
    return searched(index, IDS[: len(rows)])


def taken(rows: Any, metric: str = "inner_product", **more: Any) -> dict[str, Any]:
    inputs = TEXTS[:8]
    given = {"own": list(IDS[:8]), **more}
    return probe.take(inputs, np.ascontiguousarray(rows[:8], np.float32), built(rows, metric), len(rows), **given)


ROWS = spaces.vectors(TEXTS)


def replayed(
    kept: dict[str, Any], rows: Any, encode: Callable[[Any], Any] | None, metric: str = "inner_product"
) -> probe.Replay:
    return probe.replay(kept, built(rows, metric), metric, encode)


def test_a_probe_keeps_its_contract_and_finds_itself() -> None:
    kept = taken(ROWS)
    manifest = {"fingerprint": {"probe": kept}}
    wrong = [
        v for v in BUILT_IN.contracts["index_manifest/v2"].violations(manifest) if v.pointer.startswith("/fingerprint")
    ]
    assert wrong == []
    assert kept["self_retrieval"] == 1.0
    assert [near[0] for near in kept["neighbours"]] == [f"d{i}" for i in range(8)]
    assert {len(near) for near in kept["neighbours"]} == {probe.NEIGHBOURS}
    assert np.array_equal(probe.stored(kept), ROWS[:8])


@pytest.mark.parametrize("metric", ["inner_product", "l2"])
@pytest.mark.parametrize("normalise", [True, False])
def test_the_same_encoder_brings_it_out_again(metric: str, normalise: bool) -> None:
    rows = spaces.vectors(TEXTS, normalise=normalise)
    found = replayed(taken(rows, metric), rows, lambda texts: spaces.vectors(texts, normalise=normalise), metric)
    assert found == probe.Replay(8, True, 1.0, 0.0, ())
    assert replayed(taken(rows, metric), rows, None, metric) == probe.Replay(8, False)


@pytest.mark.parametrize("metric", ["inner_product", "l2"])
def test_another_encoder_is_told_by_its_first_input_and_a_number(metric: str) -> None:
    found = replayed(taken(ROWS, metric), ROWS, lambda texts: spaces.vectors(texts, salt="other"), metric)
    (said,) = found.wrong
    assert said.startswith("the input 1 of the probe came out elsewhere: cosine ") and said.endswith(
        "; and 7 more of 8"
    )
    assert found.cosine is not None and found.cosine < 0.9


def test_no_tolerance_is_wide_enough_for_another_encoder() -> None:
    kept = {**taken(ROWS), "tolerance": {"cosine": 1, "norm": 1e300}}
    assert replayed(kept, ROWS, lambda texts: spaces.vectors(texts, salt="other")).wrong


def test_lengths_that_are_not_1_are_told() -> None:
    found = replayed(taken(ROWS), ROWS, lambda texts: spaces.vectors(texts, normalise=False))
    assert found.wrong and found.norm is not None and found.norm > 0.01
    assert found.cosine == pytest.approx(1)


def test_one_input_that_comes_out_elsewhere_is_enough() -> None:
    def encode(texts: Any) -> Any:
        rows = spaces.vectors(texts)
        rows[5] = rows[6]
        return rows

    assert [one.partition(" came")[0] for one in replayed(taken(ROWS), ROWS, encode).wrong] == [
        "the input 6 of the probe"
    ]


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), size=st.sampled_from([1e-7, 1e-5, 1e-3]), metric=st.sampled_from(sorted(METRICS)))
def test_noise_within_the_tolerance_passes(seed: int, size: float, metric: str) -> None:
    noise = np.random.default_rng(seed).normal(size=(8, spaces.DIMENSION)).astype(np.float32) * size
    found = replayed(taken(ROWS, metric), ROWS, lambda texts: ROWS[:8] + noise, metric)
    assert found.wrong == ()


def test_near_ties_may_change_places() -> None:
    """Rows that are all but equal come in another order for another batch size, and that is no fault."""
    rows = np.repeat(ROWS[:2], 20, axis=0)
    rows += np.random.default_rng(0).normal(size=rows.shape).astype(np.float32) * 1e-7
    kept = taken(rows)
    noise = np.random.default_rng(1).normal(size=(8, spaces.DIMENSION)).astype(np.float32) * 1e-6
    assert replayed(kept, rows, lambda texts: rows[:8] + noise).wrong == ()


def test_rows_of_float16_bring_it_out_again() -> None:
    half = ROWS.astype(np.float16).astype(np.float32)
    kept = taken(half)
    assert replayed(kept, half, lambda texts: half[:8]).wrong == ()
    assert replayed(kept, half, spaces.vectors).wrong == ()


def test_a_vector_of_zeros_stays_one() -> None:
    rows = ROWS.copy()
    rows[3] = 0
    kept = taken(rows)
    assert replayed(kept, rows, lambda texts: rows[:8]) == probe.Replay(8, True, 1.0, 0.0, ())
    found = replayed(kept, rows, spaces.vectors)
    assert [one.partition(" came")[0] for one in found.wrong] == ["the input 4 of the probe"]
    back = replayed(taken(ROWS), ROWS, lambda texts: rows[:8])
    assert [one.partition(" came")[0] for one in back.wrong] == ["the input 4 of the probe"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_never_comes_out_again(bad: float) -> None:
    rows = ROWS[:8].copy()
    rows[2, 1] = bad
    found = replayed(taken(ROWS), ROWS, lambda texts: rows)
    assert [one.partition(" came")[0] for one in found.wrong] == ["the input 3 of the probe"]


@pytest.mark.parametrize("shape", [(8, 4), (7, 8), (64,), (0, 8)])
def test_vectors_of_another_shape_are_told(shape: tuple[int, ...]) -> None:
    found = replayed(taken(ROWS), ROWS, lambda texts: np.zeros(shape, np.float32))
    assert found.wrong == (f"the probe's 8 inputs came out with the shape {shape}; the stored vectors have (8, 8)",)


@pytest.mark.parametrize("encode", [None, spaces.vectors], ids=["index half", "both halves"])
def test_an_index_of_other_rows_is_told(encode: Any) -> None:
    found = replayed(taken(ROWS), spaces.vectors(TEXTS, salt="other"), encode)
    assert found.wrong[0] == "the input 1 of the probe finds other scores than when the index was described"


def test_rows_under_other_ids_are_told() -> None:
    index = faiss.IndexFlatIP(spaces.DIMENSION)
    index.add(ROWS)
    found = probe.replay(taken(ROWS), searched(index, IDS[::-1]), "inner_product", None)
    assert len(found.wrong) == 8
    assert found.wrong[0] == "the input 1 of the probe no longer finds 'd0'"


def test_fewer_rows_are_told() -> None:
    assert replayed(taken(ROWS[:9]), ROWS[:8], None).wrong


@pytest.mark.parametrize("key", ["inputs", "vectors", "neighbours", "scores"])
def test_a_probe_that_is_not_whole_never_comes_out(key: str) -> None:
    kept = taken(ROWS)
    said = "the probe is not whole: inputs, vectors, neighbours and scores differ in number"
    assert replayed({**kept, key: kept[key][:-1]}, ROWS, spaces.vectors).wrong == (said,)
    assert replayed({**kept, key: []}, ROWS, spaces.vectors).wrong == (said,)
    less = {name: value for name, value in kept.items() if name != key}
    assert replayed(less, ROWS, spaces.vectors).wrong == (said,)


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", "AACAPw=="])
def test_stored_vectors_that_are_none_are_told(text: str) -> None:
    kept = taken(ROWS)
    kept["vectors"][2] = text
    assert replayed(kept, ROWS, spaces.vectors).wrong == ("the probe is not whole: its vectors cannot be read",)


def test_neighbours_without_scores_are_told() -> None:
    kept = taken(ROWS)
    kept["scores"][2] = kept["scores"][2][:-1]
    assert "is not whole" in replayed(kept, ROWS, spaces.vectors).wrong[0]


@pytest.mark.parametrize("encode", [None, spaces.vectors], ids=["index half", "both halves"])
def test_a_probe_of_another_dimension_is_told(encode: Any) -> None:
    kept = taken(np.ascontiguousarray(ROWS[:, :4]))
    assert len(replayed(kept, ROWS, encode).wrong) in (1, 8)


def test_an_index_that_finds_nothing_for_an_input_is_replayed_as_it_was() -> None:
    """The cell that is searched may be empty."""

    def nothing(queries: Any, k: int) -> tuple[Any, list[list[Any]]]:
        return [np.empty(0, np.float32)] * len(queries), [[] for _ in range(len(queries))]

    kept = probe.take(TEXTS[:8], ROWS[:8], nothing, 40, list(IDS[:8]))
    assert (kept["self_retrieval"], kept["neighbours"][0]) == (0.0, [])
    assert probe.replay(kept, nothing, "inner_product", spaces.vectors).wrong == ()
    assert replayed(kept, ROWS, spaces.vectors).wrong


@given(lengths=st.lists(st.integers(0, 50), max_size=60))
def test_a_probe_is_of_the_longest_two_and_of_rows_from_everywhere(lengths: list[int]) -> None:
    rows = probe.chosen(lengths)
    assert rows == sorted(set(rows)) and len(rows) <= probe.INPUTS
    assert len(rows) == min(len(lengths), probe.INPUTS) or len(lengths) > probe.INPUTS
    if lengths:
        longest = sorted(lengths)[-2:]
        assert sorted(lengths[row] for row in rows)[-len(longest) :] == longest
        assert max(rows) - min(rows) >= (len(lengths) - 1) // 2


@pytest.mark.parametrize(("inputs", "near"), [(1001, 1), (1, 1001)])
def test_a_probe_without_bounds_is_not_replayed(inputs: int, near: int) -> None:
    import base64

    vector = base64.b64encode(np.ones(2, "<f4").tobytes()).decode()
    large = {
        "inputs": ["a"] * inputs,
        "vectors": [vector] * inputs,
        "neighbours": [["a"] * near] * inputs,
        "scores": [[1.0] * near] * inputs,
    }
    found = probe.replay(large, lambda *_: pytest.fail("searched"), "inner_product", None)
    assert found.wrong == ("the probe holds more than 1,000 inputs or neighbours",)
