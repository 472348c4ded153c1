"""The parts of masked genotype retrieval by themselves: tokens, spaces, the order of results, measures, progress."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from sealkit import digest, imputation, mask, open_index
from sealkit.finding import Refused
from sealkit.stage import Input
from sealkit.stages.genotype import _epochs, _haplotypes, _imputing, _indexes, _network, _scores, _space
from sealkit.stages.genotype._haplotypes import Data, Part, Vocabulary, Window
from sealkit.stages.genotype._masks import ONCE, Mask, hiding
from sealkit.stages.genotype._progress import Progress, resumed
from sealkit.stages.genotype.index import Index
from sealkit.stages.genotype.mask import Masking
from tests import panels

pytest.importorskip("faiss")
torch = pytest.importorskip("torch")

VARIANTS, LENGTH = 50, 20
WINDOWS = (Window(0, "21", 0, 20, 1, 20), Window(1, "21", 20, 20, 21, 40), Window(2, "21", 40, 10, 41, 50))
RULE = mask.Rule("fixed", "numpy.PCG64", 0.5, 7, "seed + window")
OTHER = mask.Rule("dynamic", "numpy.PCG64", 0.5, 7, "seed + epoch*10000 + window")


def part(alleles: NDArray[np.uint8], first: int) -> Part:
    samples = [f"S{first + i // 2}" for i in range(len(alleles))]
    return Part(tuple(f"{name}:{i % 2}" for i, name in enumerate(samples)), tuple(samples), alleles)


def made() -> Data:
    """40 references and 20 queries of each kind over three windows, the last of which is short."""
    alleles = panels.haplotypes(50, VARIANTS, seed=3)
    reference = alleles[:40]
    frequencies = ((1 + reference.sum(0)) / (2 + len(reference))).astype(np.float32)
    values = np.tile(np.arange(4, dtype=np.float32), (VARIANTS, 1))
    vocabulary = Vocabulary(0, 1, 2, 3, frequencies, values, "sha256:" + "0" * 64)
    names = {"reference": (0, 40), "train": (40, 60), "validation": (60, 80), "test": (80, 100)}
    parts = {name: part(alleles[low:high], low // 2) for name, (low, high) in names.items()}
    return Data(parts, WINDOWS, vocabulary, Input("panel.haplotypes", "haplotypes/v1", Path("h"), "sha256:" + "1" * 64))


def drawn(rule: mask.Rule = RULE) -> Mask:
    return Mask(rule, tuple(window.length for window in WINDOWS))


def network(data: Data, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return _network.network(_network.described(_network.Architecture(), data)).eval()


def test_tokens_hide_what_is_masked_and_pad_what_is_short() -> None:
    data, window = made(), WINDOWS[2]
    hidden = np.zeros(10, dtype=bool)
    hidden[3] = True
    tokens = data.tokens("test", window, hidden)
    assert tokens.shape == (20, LENGTH)
    assert (tokens[:, 3] == 2).all() and (tokens[:, 10:] == 3).all()
    kept = np.delete(np.arange(10), 3)
    assert (tokens[:, kept] == data.parts["test"].alleles[:, 40 + kept]).all()


def test_the_frequency_encoding_is_that_of_patterson_price_and_reich(tmp_path: Path) -> None:
    document = {
        "schema": "allele_tokens/v1",
        "encoding": "frequency",
        "tokens": {"reference": 0, "alternate": 1, "mask": 2, "pad": 3},
        "frequencies": [0.2, 0.5],
    }
    (path := tmp_path / "tokens.json").write_text(json.dumps(document))
    found = _haplotypes._vocabulary({"tokens": Input("tokens", "allele_tokens/v1", path, "sha256:" + "0" * 64)})
    assert found.values == pytest.approx(np.array([[-0.5, 2.0, 0, 0], [-1.0, 1.0, 0, 0]], dtype=np.float32))


@pytest.mark.parametrize("space", ["token", "embedding"])
def test_what_stands_behind_a_short_window_changes_nothing(space: str) -> None:
    data, window = made(), WINDOWS[2]
    short = replace(data, windows=(window,))
    chosen: Any = _space.TokenSpace(data) if space == "token" else _space.embedding(data, network(data))
    tokens = data.tokens("test", window)
    assert data.width == LENGTH and short.width == 10
    if space == "token":
        assert (chosen.vectors(tokens, window)[:, 10:] == 0).all()
    else:
        changed = np.concatenate([tokens[:, :10], np.full((20, 10), 3)], axis=1)
        assert np.array_equal(chosen.vectors(tokens, window), chosen.vectors(changed, window))


def test_the_weights_of_a_space_are_those_of_the_saved_network(tmp_path: Path) -> None:
    data = made()
    model = network(data)
    _network.save(model, _network.described(_network.Architecture(), data), tmp_path / "model")
    assert _space.embedding(data, model).encoder == digest.weights(tmp_path / "model").digest
    loaded = _network.load(tmp_path / "model", data)
    tokens = data.tokens("test", WINDOWS[0])
    one, two = (_space.embedding(data, each).vectors(tokens, WINDOWS[0]) for each in (model, loaded))
    assert np.array_equal(one, two)


def test_a_network_of_other_windows_is_refused(tmp_path: Path) -> None:
    data = made()
    _network.save(network(data), _network.described(_network.Architecture(), data), tmp_path / "model")
    with pytest.raises(Refused, match="was made for another width: 20; this run has 10"):
        _network.load(tmp_path / "model", replace(data, windows=WINDOWS[2:]))


def test_a_network_of_another_split_is_refused(tmp_path: Path) -> None:
    data = made()
    _network.save(network(data), _network.described(_network.Architecture(), data), tmp_path / "model")
    other = replace(data, vocabulary=replace(data.vocabulary, digest="sha256:" + "2" * 64))
    with pytest.raises(Refused, match="was made for another panel"):
        _network.load(tmp_path / "model", other)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"model": "other"}',
        "[1]",
        '{"model": "sealkit masked-genotype transformer", "version": "1", "dimension": "x"}',
    ],
)
def test_what_is_no_network_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(Refused):
        _network.load(tmp_path, made())


def test_a_mask_that_hides_nothing_is_refused(tmp_path: Path) -> None:
    for rule in (mask.Rule("none"), mask.Rule("fixed", "numpy.PCG64", 0.0, 7)):
        out = tmp_path / "mask.json"
        out.write_text(json.dumps(mask.document(rule, [window.length for window in WINDOWS])))
        with pytest.raises(Refused, match="hides nothing"):
            hiding(Input("train_mask.mask", "mask/v1", out, "sha256:" + "3" * 64), WINDOWS)


def test_fewer_references_than_neighbours_are_attended_to() -> None:
    data = made()
    near = np.zeros((20, 3), dtype=np.int64)  # the network has room for 8
    found = _imputing.probabilities(network(data), data, WINDOWS[0], data.tokens("test", WINDOWS[0]), near)
    assert found.shape == (20, LENGTH)


@pytest.fixture
def indexed(tmp_path: Path) -> tuple[Data, _space.TokenSpace, Path]:
    """Indexes of masked tokens, with whole manifests."""
    from sealkit.describe import describe_index

    data = made()
    space = _space.TokenSpace(data)
    for window in WINDOWS:
        _, built = _indexes._build(tmp_path, data, space, window, drawn())
        describe_index(built.folder, built.encoder, built.inputs, ids=data.parts["reference"].ids, about=built.about)
    return data, space, tmp_path


def test_an_index_answers_its_own_window_and_mask_alone(indexed: tuple[Data, _space.TokenSpace, Path]) -> None:
    data, space, root = indexed
    group = drawn().group(ONCE)
    assert open_index(_indexes.place(root, WINDOWS[0]), space.side(WINDOWS[0], group)).shape == (40, LENGTH)
    with pytest.raises(Refused, match=r"tokenizer\.digest"):
        open_index(_indexes.place(root, WINDOWS[0]), space.side(WINDOWS[1], group))
    with pytest.raises(Refused, match=r"mask\.kind: the index was built with 'fixed', the query side has 'dynamic'"):
        _indexes.search(root, data, space, "test", drawn(OTHER), 1, 4, {})
    found = _indexes.search(root, data, space, "test", drawn(OTHER), 1, 4, {"mask": "to see what comes of it"})
    assert set(found.waived) == {"mask.kind", "mask.schedule", "mask.rule", "mask.content"}


def test_recall_is_that_of_the_check(indexed: tuple[Data, _space.TokenSpace, Path]) -> None:
    data, space, root = indexed
    found = _indexes.search(root, data, space, "test", drawn(), 1, 4, {})
    names = [name for part in data.parts.values() for name in part.ids]
    panel = imputation.Haplotypes(
        tuple(names),
        tuple(name.split(":")[0] for name in names),
        tuple(name for name, part in data.parts.items() for _ in part.ids),
        np.concatenate([part.alleles for part in data.parts.values()]),
    )
    rows = (
        {"query_id": f"{query}/w{window.number}", "doc_id": data.parts["reference"].ids[row], "rank": rank}
        for window, near in zip(WINDOWS, found.rows, strict=True)
        for query, rows in zip(data.parts["test"].ids, near, strict=True)
        for rank, row in enumerate(rows, 1)
    )
    spans = {window.number: (window.first, window.length) for window in WINDOWS}
    assert found.recall == pytest.approx(imputation.recall(4, panel, "test", spans, rows))


def test_equal_scores_are_ordered_by_falling_id() -> None:
    rows, scores = np.array([[0, 1, 2, 3]]), np.array([[0.0, -1.0, -1.0, -2.0]], dtype=np.float32)
    turn = np.array([0, 1, 2, 3])  # of ids a, b, c, d
    ordered, kept = _indexes._ordered(rows, scores, turn)
    assert ordered.tolist() == [[0, 2, 1, 3]]
    assert kept.tolist() == [[0.0, -1.0, -1.0, -2.0]]


@given(st.integers(0, 2**32 - 1))
def test_measures_are_those_of_the_check(seed: int) -> None:
    rng = np.random.default_rng(seed)
    alleles = rng.integers(0, 2, (8, 12), dtype=np.uint8)
    counts = [
        {"variant": i, "allele_count": int(n), "allele_number": 60} for i, n in enumerate(rng.integers(0, 61, 12))
    ]
    queries = part(alleles, 0)
    scored, rows = _scores.Scored(counts, queries), []
    for window, numbers in enumerate((np.array([0, 2, 5]), np.array([6, 7, 8, 11]))):
        p_alt = rng.random((8, len(numbers))).round(2)
        scored.add(numbers, p_alt)
        rows += [
            {"haplotype_id": name, "window": window, "positions": numbers.tolist(), "p_alt": values.tolist()}
            for name, values in zip(queries.ids, p_alt, strict=True)
        ]
    panel = [
        {"haplotype_id": name, "sample": sample, "part": "test", "alleles": "".join(map(str, row.tolist()))}
        for name, sample, row in zip(queries.ids, queries.samples, alleles, strict=True)
    ]
    again = imputation.score_rows(panel, counts, rows, "test")
    assert scored.measures() == pytest.approx(again.measures(), abs=1e-9)
    variants, minor, _ = again.scored(again.variants.rare)
    assert (scored.counts()["rare_variants"], scored.counts()["rare_minor_alleles"]) == (variants, minor)


def test_progress_goes_on_with_the_same_state(tmp_path: Path) -> None:
    data = made()
    architecture = _network.described(_network.Architecture(), data)
    settings = _epochs.Optimising()
    model = network(data).train()
    optimiser = _epochs.optimiser(model, settings)
    for _ in range(2):
        model.states(
            *(torch.zeros(2, LENGTH, dtype=kind) for kind in (torch.int64, torch.int64, torch.float32))
        ).sum().backward()
        optimiser.step()
    progress = Progress(tmp_path)
    progress.finished(1, 0.5, 2.0)
    progress.keep(model, optimiser, architecture)
    again = resumed(tmp_path)
    assert (again.epoch, again.best_epoch, again.seconds) == (1, 1, 2.0)
    other = network(data, seed=1)
    twin = _epochs.optimiser(other, settings)
    again.restore(other, twin)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))
    one, two = optimiser.state_dict()["state"], twin.state_dict()["state"]
    assert one.keys() == two.keys() and len(one) > 0
    assert all(torch.equal(one[i][key], two[i][key]) for i in one for key in one[i])


def test_an_epoch_that_was_being_written_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial" / "progress.json").write_text("{")
    assert resumed(tmp_path).epoch == 0


def test_masked_tokens_are_never_declared_invariant() -> None:
    for name in ("mask", "mask.content"):
        with pytest.raises(ValidationError, match="not mask-agnostic"):
            Index(space="token", invariant={name: "a reason"})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"schedule": "((((seed"}, "is no sum or product"),
        ({"kind": "dynamic"}, "it does not change with the epoch"),
        ({"kind": "dynamic", "schedule": "__import__('os')"}, "is nothing that it may hold"),
    ],
)
def test_what_is_no_rule_of_a_mask_is_refused_where_it_is_declared(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Masking(**values)


def test_heads_share_the_dimension() -> None:
    with pytest.raises(ValidationError, match="the 5 heads cannot share the dimension 32"):
        _network.Architecture(heads=5)
