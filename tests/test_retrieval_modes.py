"""BM25, hybrid search, approximate indexes, subsets of queries and the pointer to the latest model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sealkit import digest, named
from sealkit.finding import Refused, UsageError
from sealkit.manifest import identity
from sealkit.pack import BUILT_IN
from sealkit.read import faiss as faiss_header
from sealkit.stage import Input, Out
from sealkit.stages.common import ranking
from sealkit.stages.common.bm25 import Bm25, Lexical
from tests.test_stages import a_model, artifact, built, checkpoints, context, corpus, problems, rows, run, written


def test_bm25_scores_are_those_of_the_formula() -> None:
    """Lucene's BM25: idf = ln(1 + (N - n + 0.5) / (n + 0.5)), tf / (tf + k1 (1 - b + b · length / average))."""
    texts = ["aa bb aa", "bb cc", "dd ee ff gg"]
    index = Lexical(texts, Bm25(stemmer=None, stop_words=None))
    average, idf = 3.0, np.log(1 + (3 - 1 + 0.5) / (1 + 0.5))
    expected = idf * 2 / (2 + 1.5 * (1 - 0.75 + 0.75 * 3 / average))
    assert index.scores("aa") == pytest.approx([expected, 0, 0], abs=1e-6)
    assert list(index.scores("zz")) == [0, 0, 0]


def test_stop_words_and_stemmer_are_options() -> None:
    texts = ["the running dogs", "a cat"]
    assert Lexical(texts, Bm25()).scores("dog run")[0] > 0
    assert Lexical(texts, Bm25(stemmer=None)).scores("dog run")[0] == 0
    assert Lexical(texts, Bm25()).scores("the")[0] == 0
    assert Lexical(texts, Bm25(stop_words=None)).scores("the")[0] > 0


def test_documents_without_words_are_refused() -> None:
    with pytest.raises(UsageError, match="no document holds a word"):
        Lexical(["", "the"], Bm25())


def test_best_keeps_the_tie_rule() -> None:
    scores = np.array([1, 2, 2, 2, 0], dtype=np.float32)
    assert ranking.best(scores, ["a", "b", "d", "c", "e"], 2) == [("d", 2.0), ("c", 2.0)]
    assert [doc for doc, _ in ranking.best(scores, ["a", "b", "d", "c", "e"], 9)] == ["d", "c", "b", "a", "e"]


def test_fusion_is_the_convex_combination_of_scaled_scores() -> None:
    dense = [("a", 0.9), ("b", 0.7), ("c", 0.5)]
    lexical = [("c", 12.0), ("d", 6.0), ("a", 2.0)]
    assert dict(ranking.fused(dense, lexical, 0.25, 9)) == pytest.approx({"a": 0.25, "b": 0.125, "c": 0.75, "d": 0.3})
    assert [doc for doc, _ in ranking.fused(dense, lexical, 1.0, 3)] == ["a", "b", "d"]
    assert ranking.fused([], [], 0.5, 3) == []


def test_places_that_an_index_could_not_fill_are_no_documents() -> None:
    def search(k: int) -> tuple[Any, Any]:
        return np.array([[0.5, -3e38, -3e38]], dtype=np.float32)[:, :k], np.array([[1, -1, -1]])[:, :k]

    assert list(ranking.ranked(search, ["a", "b", "c"], 2)) == [[("b", 0.5)]]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Input]:
    pytest.importorskip("sentence_transformers")
    from tests.tiny import tiny_model

    folder = tmp_path_factory.mktemp("modes")
    base = tiny_model(folder / "tiny", seed=1)
    made = corpus(folder, "test", 24, 0)
    index = built(folder / "index", a_model(base), made["test_corpus"])
    return {"model": a_model(base), "corpus": made["test_corpus"], "queries": made["test_queries"], "index": index}


def searched(
    folder: Path, inputs: dict[str, Input], ctx: Any = None, **params: Any
) -> tuple[list[Any], dict[str, Any]]:
    stage = BUILT_IN.stage("retrieval.search")
    folder.mkdir(parents=True)
    places = Out({"rankings": folder / "rankings.jsonl", "search_manifest": folder / "search_manifest.json"})
    given = stage.params.model_validate(params)
    assert stage.needs is not None
    taken = {"queries": inputs["queries"], **{key: inputs[key] for key in stage.needs(given)}}
    stage.run(taken, given, places, ctx or context(folder))
    for kind, suffix in (("rankings", "jsonl"), ("search_manifest", "json")):
        assert problems(folder / f"{kind}.{suffix}", kind) == []
    manifest: dict[str, Any] = json.loads((folder / "search_manifest.json").read_text())
    return rows(folder / "rankings.jsonl"), manifest


def test_bm25_searches_without_a_model_and_says_with_what(inputs: dict[str, Input], tmp_path: Path) -> None:
    found, manifest = searched(tmp_path / "one", inputs, mode="bm25", top_k=5)
    assert len(found) == 24 * 5
    assert manifest["mode"] == "bm25"
    assert manifest["bm25"] == {
        "method": "lucene",
        "k1": 1.5,
        "b": 0.75,
        "stemmer": "english",
        "stop_words": "english",
        "corpus": inputs["corpus"].digest,
    }
    assert "index" not in manifest and "fingerprint" not in manifest
    assert searched(tmp_path / "two", inputs, mode="bm25", top_k=5) == (found, manifest)


def test_hybrid_at_its_ends_is_one_side_alone(inputs: dict[str, Input], tmp_path: Path) -> None:
    def order(found: list[Any]) -> list[tuple[str, str]]:
        return [(row["query_id"], row["doc_id"]) for row in found]

    dense, _ = searched(tmp_path / "dense", inputs, top_k=3)
    lexical, _ = searched(tmp_path / "bm25", inputs, mode="bm25", top_k=3)
    hybrid, manifest = searched(tmp_path / "half", inputs, mode="hybrid", top_k=3)
    assert (manifest["alpha"], manifest["depth"]) == (0.5, 1000)
    assert order(searched(tmp_path / "one", inputs, mode="hybrid", alpha=1.0, top_k=3)[0]) == order(dense)
    assert order(searched(tmp_path / "nought", inputs, mode="hybrid", alpha=0.0, top_k=3)[0]) == order(lexical)
    assert all(0 <= row["score"] <= 1 for row in hybrid)


def test_hybrid_over_two_corpora_is_refused(inputs: dict[str, Input], tmp_path: Path) -> None:
    other = artifact(written(tmp_path / "c.jsonl", [{"doc_id": "d", "text": "x yy"}]), "corpus")
    with pytest.raises(Refused, match="the index holds the corpus"):
        searched(tmp_path / "one", {**inputs, "corpus": other}, mode="hybrid")


@pytest.mark.parametrize("kind", ["flat", "hnsw", "ivf"])
def test_an_index_of_each_kind_is_the_same_twice_and_can_be_searched(
    inputs: dict[str, Input], tmp_path: Path, kind: str
) -> None:
    index = built(tmp_path / "built", inputs["model"], inputs["corpus"], kind=kind)
    again = built(tmp_path / "again", inputs["model"], inputs["corpus"], kind=kind)
    assert digest.file(index.path / "index.faiss") == digest.file(again.path / "index.faiss")
    assert problems(index.path / "index_manifest.json", "index_manifest") == []
    assert faiss_header.read_header(index.path / "index.faiss").structure == kind
    said = json.loads((index.path / "index_manifest.json").read_text())["fingerprint"]
    assert said["structure"]["kind"] == kind
    assert (said["search"]["recall"] is None) is (kind == "flat")
    settings = {"m": 32, "ef_construction": 200, "ef_search": 128} if kind == "hnsw" else {}
    settings |= {"lists": 5, "probes": 5} if kind == "ivf" else {}
    both = {**said["structure"], **said["search"]}
    for name in ("m", "ef_construction", "ef_search", "lists", "probes"):
        assert both[name] == settings.get(name), name
    found, _ = searched(tmp_path / "search", {**inputs, "index": index}, top_k=5)
    exact, _ = searched(tmp_path / "exact", inputs, top_k=5)
    if kind != "ivf":
        assert found == exact


def test_recall_falls_where_few_cells_are_searched(inputs: dict[str, Input], tmp_path: Path) -> None:
    def built_with(probes: int) -> tuple[Input, float]:
        ivf = {"lists": 8, "probes": probes}
        index = built(tmp_path / str(probes), inputs["model"], inputs["corpus"], kind="ivf", ivf=ivf)
        return index, json.loads((index.path / "index_manifest.json").read_text())["fingerprint"]["search"]["recall"][
            "value"
        ]

    all_cells, (one_cell, least) = built_with(8)[1], built_with(1)
    assert all_cells == 1.0
    assert least < 0.9
    ctx, told = context(tmp_path), list[str]()
    ctx.say = told.append
    found, _ = searched(tmp_path / "search", {**inputs, "index": one_cell}, ctx, top_k=20)
    assert ctx.counters["queries_not_filled"] > 0
    assert "queries have fewer results than there are documents for" in told[0]
    assert len(found) < 24 * 20


def test_an_index_of_another_kind_than_its_manifest_says_is_refused(inputs: dict[str, Input], tmp_path: Path) -> None:
    index = built(tmp_path / "built", inputs["model"], inputs["corpus"], kind="hnsw")
    path = index.path / "index_manifest.json"
    manifest = json.loads(path.read_text())
    manifest["fingerprint"]["structure"]["kind"] = "flat"
    path.write_text(json.dumps({**manifest, "identity": identity(manifest)}))
    with pytest.raises(Refused) as caught:
        searched(tmp_path / "search", {**inputs, "index": index})
    assert [finding.message for finding in caught.value.findings] == [
        "structure.kind: the manifest says flat, found hnsw"
    ]


# Subsets


def restricted(folder: Path, ids: str) -> list[dict[str, Any]]:
    judged = [{"query_id": f"q{i}", "doc_id": f"d{j}", "relevance": j} for i in range(3) for j in range(2)]
    (folder / "ids.txt").write_text(ids)
    inputs = {
        "qrels": artifact(written(folder / "qrels.jsonl", judged), "qrels"),
        "ids": Input("ids.txt", "files", folder / "ids.txt", digest.file(folder / "ids.txt")),
    }
    run("retrieval.subset", inputs, {}, folder / "out", context(folder))
    return rows(folder / "out" / "qrels.jsonl")


def test_a_subset_holds_the_judgments_of_the_listed_queries(tmp_path: Path) -> None:
    found = restricted(tmp_path, "q2\r\n\nq0\n")
    assert [(row["query_id"], row["doc_id"]) for row in found] == [
        ("q0", "d0"),
        ("q0", "d1"),
        ("q2", "d0"),
        ("q2", "d1"),
    ]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ("q0\nq9\n", "lists the query q9, which nobody judged"),
        ("q0\nq0\n", "lists the query q0 a second time, after line 1"),
        ("\n", "lists no judged query"),
    ],
)
def test_a_list_of_ids_that_does_not_fit_is_refused(tmp_path: Path, ids: str, message: str) -> None:
    with pytest.raises((Refused, UsageError)) as caught:
        restricted(tmp_path, ids)
    assert message in str(caught.value)


def test_a_subset_is_evaluated_beside_the_whole_and_recomputed(tmp_path: Path) -> None:
    from sealkit import delta, observe, pipeline
    from tests.conftest import ROOT
    from tests.test_beir import folder

    (tmp_path / "ids.txt").write_text("q5\nq7\n")
    (tmp_path / "subset.yaml").write_text(
        f"schema: pipeline/v1\nextends: {ROOT}/configs/beir_base.yaml\nstages:\n"
        "  hard: {uses: retrieval.subset, in: {qrels: data.test_qrels, ids: " + f"{tmp_path}/ids.txt" + "}}\n"
        "  evaluate_hard: {uses: retrieval.evaluate, in: {rankings: search.rankings, qrels: hard.qrels}, with: {subset: hard}}\n"
    )
    given = [f"data.path={folder(tmp_path / 'c')}", "retriever.mode=bm25", f"run.output_dir={tmp_path}/outputs"]
    result = pipeline.run(tmp_path / "subset.yaml", given, ["toolkit"])
    assert (result.exit_code, result.error) == (0, None)
    metrics = json.loads((result.path / "metrics.json").read_text())
    assert {"retrieval/test/nDCG@10", "retrieval/hard/nDCG@10"} <= set(metrics)
    other = shutil.copytree(result.path, tmp_path / "other")
    text = (other / "run_metadata.json").read_text()
    (other / "run_metadata.json").write_text(text.replace('"run_id": "', '"run_id": "other-'))
    rows_ = delta.between(observe.look(result.path), observe.look(other))
    assert rows_ is not None and rows_["differs"] == []
    assert {(row["key"], row["n"]) for row in rows_["rows"]} >= {
        ("retrieval/test/nDCG@10", 3),
        ("retrieval/hard/nDCG@10", 2),
    }


# The pointer to the latest model


def exported(folder: Path, name: str, **params: Any) -> Path:
    source = checkpoints(folder / f"train_{name}")
    run("retrieval.export", {"model": source}, params, folder / f"out_{name}", context(folder / "workspace", name=name))
    return folder / "workspace" / "models" / "retriever"


def test_latest_leads_to_the_model_that_was_exported_last(tmp_path: Path) -> None:
    models = exported(tmp_path, "one", latest=True)
    assert (models / "latest").readlink() == Path("one")
    exported(tmp_path, "two", latest=True)
    assert (models / "latest").readlink() == Path("two")
    exported(tmp_path, "three")
    assert (models / "latest").readlink() == Path("two")
    assert sorted(path.name for path in models.iterdir()) == ["latest", "one", "three", "two"]


def test_what_stands_in_the_place_of_the_pointer_is_left_alone_and_said(tmp_path: Path) -> None:
    models = exported(tmp_path, "one")
    (models / "latest").mkdir()
    (models / "latest" / "kept").write_text("")
    ctx, told = context(tmp_path / "workspace", name="two"), list[str]()
    ctx.say = told.append
    run("retrieval.export", {"model": checkpoints(tmp_path / "t")}, {"latest": True}, tmp_path / "out", ctx)
    assert "latest could not be made to lead to two" in told[0]
    assert sorted(path.name for path in models.iterdir()) == ["latest", "one", "two"]


def test_a_model_that_is_named_by_a_pointer_is_known_for_one(inputs: dict[str, Input], tmp_path: Path) -> None:
    place = tmp_path / "models" / "retriever"
    place.mkdir(parents=True)
    shutil.copytree(inputs["model"].path, place / "one")
    (place / "latest").symlink_to("one")
    found = named.model("models/retriever/latest", tmp_path)
    assert (found.mutable, found.resolved) == (True, "models/retriever/one")
    assert found.document()["resolved"] == "models/retriever/one"
    plain = named.model("models/retriever/one", tmp_path)
    assert (plain.mutable, plain.resolved) == (False, None)
    assert "mutable" not in plain.document()
    assert found.weights == plain.weights
    assert named.model(str(place / "latest")).resolved == str(place.resolve() / "one")
    (place / "one").rename(place / "kept")
    (place / "latest").unlink()
    (place / "kept").rename(place / "latest")
    held = named.model("models/retriever/latest", tmp_path)
    assert (held.mutable, held.resolved) == (True, None)
