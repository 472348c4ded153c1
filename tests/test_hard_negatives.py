"""Mining and training with hard negatives: never an answer, never closer than the margin, and what is lost is counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sealkit import digest
from sealkit.finding import Refused, UsageError
from sealkit.stage import Input
from tests.test_stages import PARAMS, a_model, artifact, completed, context, corpus, problems, rows, run, written

pytest.importorskip("bm25s")

TEXTS = {
    "pos": "the red fox jumps over the lazy dog",
    "twin": "The red  fox jumps over the lazy dog",
    "near": "the red fox jumps over the lazy cat",
    "hard": "a fox and a dog",
    "easy": "stock markets fell today",
    "void": "",
}


def split(folder: Path, qrels: list[tuple[str, str, int]], texts: dict[str, str] = TEXTS) -> dict[str, Input]:
    made: dict[str, list[dict[str, Any]]] = {
        "corpus": [{"doc_id": name, "text": text} for name, text in texts.items()],
        "queries": [
            {"query_id": q, "text": "red fox jumps over a lazy dog"} for q in dict.fromkeys(q for q, _, _ in qrels)
        ],
        "qrels": [{"query_id": q, "doc_id": d, "relevance": r} for q, d, r in qrels],
    }
    return {f"train_{k}": artifact(written(folder / f"train_{k}.jsonl", lines), k) for k, lines in made.items()}


def mined(folder: Path, inputs: dict[str, Input], ctx: Any = None, **params: Any) -> list[dict[str, Any]]:
    out = run("retrieval.mine", inputs, params, folder / "out", ctx or context(folder))
    assert problems(out / "triples.jsonl", "triples") == []
    return rows(out / "triples.jsonl")


def test_negatives_are_the_hardest_that_are_no_answers(tmp_path: Path) -> None:
    """`near` was judged relevant too, `twin` is the positive's own text, `void` is empty, `easy` shares no word."""
    inputs = split(tmp_path, [("q", "pos", 1), ("q", "near", 2), ("q", "easy", 0)])
    found = mined(tmp_path, inputs)
    assert found == [
        {"query_id": "q", "doc_id": "pos", "negatives": ["hard"]},
        {"query_id": "q", "doc_id": "near", "negatives": ["hard"]},
    ]


def test_what_comes_too_close_to_the_positive_is_no_negative(tmp_path: Path) -> None:
    inputs = split(tmp_path, [("q", "pos", 1)])
    assert mined(tmp_path / "a", inputs, margin=0.0)[0]["negatives"] == ["near"]
    assert mined(tmp_path / "b", inputs, margin=0.5)[0]["negatives"] == ["hard"]


def test_pairs_without_enough_negatives_are_lost_and_counted(tmp_path: Path) -> None:
    inputs = split(tmp_path, [("q", "pos", 1), ("q", "hard", 1), ("p", "pos", 1)])
    ctx, told = context(tmp_path), list[str]()
    ctx.say = told.append
    found = mined(tmp_path, inputs, ctx)
    assert [(row["query_id"], row["doc_id"]) for row in found] == [("q", "pos"), ("p", "pos")]
    assert ctx.counters == {"pairs": 3, "pairs_kept": 2, "pairs_lost": 1}
    assert told == ["1 of 3 training pairs are lost: too few negatives score below their positive"]
    with pytest.raises(Refused) as caught:
        mined(tmp_path / "strict", inputs, max_lost=0.3)
    assert caught.value.message == "1 of 3 pairs have no 1 negatives below their positive; max_lost is 0.3"


def test_nothing_to_mine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the training split holds no usable pair"):
        run("retrieval.mine", split(tmp_path, [("q", "pos", 0)]), {}, tmp_path / "out", context(tmp_path))
    with pytest.raises(Refused, match="1 of 1 pairs have no 3 negatives"):
        mined(tmp_path / "all", split(tmp_path / "b", [("q", "pos", 1), ("q", "near", 0)]), per_query=3, max_lost=1.0)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Input]:
    pytest.importorskip("sentence_transformers")
    from tests.tiny import tiny_model

    folder = tmp_path_factory.mktemp("negatives")
    base = tiny_model(folder / "tiny", seed=1)
    return {"base": a_model(base), **corpus(folder, "train", 24, 0), **corpus(folder, "dev", 8, 100)}


def by_model(folder: Path, inputs: dict[str, Input], **params: Any) -> Input:
    given = {k: v for k, v in inputs.items() if k.startswith("train_")} | {"model": inputs["base"]}
    run("retrieval.mine", given, {"by": "model", "max_lost": 0.9, **params}, folder, context(folder))
    return artifact(folder / "triples.jsonl", "triples")


def test_the_model_mines_what_it_ranks_below_the_positive(inputs: dict[str, Input], tmp_path: Path) -> None:
    from sealkit.stages.common import encoder

    found = rows(by_model(tmp_path / "mine", inputs, per_query=2, margin=0.01).path)
    assert found
    model = encoder.load(inputs["base"], context(tmp_path), encoder.Encoding())
    texts = {row["doc_id"]: row["text"] for row in inputs["train_corpus"].rows()}
    asked = {row["query_id"]: row["text"] for row in inputs["train_queries"].rows()}
    for row in found:
        names = [row["doc_id"], *row["negatives"]]
        scores = (
            model.encode([texts[n] for n in names], "document") @ model.encode([asked[row["query_id"]]], "query")[0]
        )
        assert len(row["negatives"]) == 2
        assert np.all(scores[1:] <= 0.99 * scores[0] + 1e-6)
        assert scores[1] >= scores[2] - 1e-6


def trained(folder: Path, inputs: dict[str, Input], **params: Any) -> dict[str, Any]:
    out = run("retrieval.finetune", inputs, {**PARAMS, "epochs": 1, **params}, folder / "train", context(folder))
    completed(out)
    for manifest in out.rglob("model_manifest.json"):
        assert problems(manifest, "model_manifest") == []
    found: dict[str, Any] = json.loads((out / "model" / "final" / "model_manifest.json").read_text())
    return found


@pytest.mark.parametrize("loss", ["mnr", "triplet"])
def test_training_with_negatives_says_so_and_is_another_training(
    inputs: dict[str, Input], tmp_path: Path, loss: str
) -> None:
    negatives = by_model(tmp_path / "mine", inputs, per_query=2, margin=0.01)
    kept = len(rows(negatives.path))
    found = trained(tmp_path / "with", {**inputs, "negatives": negatives}, loss=loss, hard_negatives=True)
    assert found["training"]["hard_negatives"] is True
    assert found["training"]["loss"] == loss
    assert found["training"]["temperature"] == (0.05 if loss == "mnr" else None)
    assert found["training"]["negatives"] == {"triples": negatives.digest, "per_query": 2, "pairs": kept}
    plain = trained(tmp_path / "without", {**inputs, "negatives": negatives}, hard_negatives=False)
    assert (plain["training"]["hard_negatives"], plain["training"]["negatives"]) == (False, None)
    assert plain["weights"] != found["weights"]


def test_the_temperature_counts(inputs: dict[str, Input], tmp_path: Path) -> None:
    usual = trained(tmp_path / "usual", inputs)
    same = trained(tmp_path / "same", inputs, temperature=0.05)
    hot = trained(tmp_path / "hot", inputs, temperature=0.5)
    assert usual["weights"] == same["weights"] != hot["weights"]
    assert hot["training"]["temperature"] == 0.5


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"query_id": "q1", "doc_id": "d2", "negatives": ["d3"]},
            "query q1 and document d2 are no pair of the training split",
        ),
        (
            {"query_id": "q1", "doc_id": "d1", "negatives": ["d1"]},
            "d1 is no negative of query q1: not in the corpus, or judged",
        ),
        (
            {"query_id": "q1", "doc_id": "d1", "negatives": ["no"]},
            "no is no negative of query q1: not in the corpus, or judged",
        ),
        ({"query_id": "q1", "doc_id": "d1", "negatives": ["d3", "d4"]}, "holds 2 negatives, the rows before hold 1"),
    ],
)
def test_triples_of_another_training_are_refused(
    inputs: dict[str, Input], tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    first = {"query_id": "q0", "doc_id": "d0", "negatives": ["d5"]}
    triples = artifact(written(tmp_path / "triples.jsonl", [first, row]), "triples")
    with pytest.raises(Refused) as caught:
        trained(tmp_path, {**inputs, "negatives": triples}, hard_negatives=True)
    assert message in str(caught.value)
    assert caught.value.findings[0].at.line == 2
    assert digest.file(triples.path) == triples.digest


@pytest.mark.slow
def test_one_override_trains_with_hard_negatives_from_end_to_end(finished: Any) -> None:
    result = finished.run("retriever_ft", "run.name=hn", "hard_negatives.enabled=true", "hard_negatives.max_lost=0.9")
    assert (result.exit_code, result.error) == (0, None)
    manifest = json.loads((result.path / "stages/train/model/best/model_manifest.json").read_text())
    triples = result.path / "stages/mine/triples.jsonl"
    assert manifest["training"]["negatives"]["triples"] == digest.file(triples)
    outcome = next(check for check in result.report.checks if check.id == "hard-negatives-real")
    assert outcome.status == "passed"
