"""What may be promised in `expect:`, what is refused before the run, and how each kind of promise is judged."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealkit import expectation, pipeline
from sealkit.acceptance import words
from sealkit.expectation import HistoryBand, MetricBound, parse
from sealkit.finding import UsageError
from sealkit.pack import Pack

PACK = Pack(stage_package="tests.pack")
TOY = """\
schema: pipeline/v1
run: {name: toy}
stages:
  rows: {uses: toy.rows, with: {queries: 20, top_k: 5}}
  measure: {uses: toy.measure, in: {rankings: rows.rankings, qrels: rows.qrels}}
expect:
"""


def refused(folder: Path, *entries: str) -> str:
    (folder / "toy.yaml").write_text(TOY + "".join(f"  - {entry}\n" for entry in entries))
    with contextlib.chdir(folder), pytest.raises(UsageError) as caught:
        pipeline.run(Path("toy.yaml"), [], ["toolkit"], pack=PACK)
    assert not (folder / "outputs").exists()
    return str(caught.value)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (
            "{metric: retrieval/test/ndcg@10, at_least: 0.5}",
            "toy.yaml:7: expect.0: unknown metric key `retrieval/test/ndcg@10`; did you mean `retrieval/test/nDCG@10`?\n"
            "  fix: expect a key of spec/metrics/keys.yaml",
        ),
        (
            "{metric: retrieval/test/nDCG@10}",
            "toy.yaml:7: expect.0: expected at_least, at_most, or `against: reference`\n  fix: toolkit spec show pipeline    tells the keys of expect",
        ),
        (
            "{metric: retrieval/test/nDCG@10, not_worse_than: 0.1}",
            "toy.yaml:7: expect.0: a comparison needs `against: reference`\n  fix: toolkit spec show pipeline    tells the keys of expect",
        ),
        (
            "{metric: retrieval/test/nDCG@10, against: reference, at_least: 0.1}",
            "toy.yaml:7: expect.0: `against: reference` takes one of not_worse_than and better_than, and no bound\n"
            "  fix: toolkit spec show pipeline    tells the keys of expect",
        ),
        (
            "{metric: train/loss, against: reference, better_than: 0}",
            "toy.yaml:7: expect.0: of train/loss nobody knows whether more is better\n  fix: compare another metric",
        ),
        (
            "{history: train/loss, fall_from_best: 0.1}",
            "toy.yaml:7: expect.0: of train/loss nobody knows whether more is better\n  fix: add `better: lower`",
        ),
        (
            "{metric: train/loss, history: train/loss, at_most: 1}",
            "toy.yaml:7: expect.0: expected one of metric, history, artifact, contrast, found metric, history\n"
            "  fix: toolkit spec show pipeline    tells the keys of expect",
        ),
        (
            "{required: true}",
            "toy.yaml:7: expect.0: expected one of metric, history, artifact, contrast, found none of them\n"
            "  fix: toolkit spec show pipeline    tells the keys of expect",
        ),
        (
            "{metric: train/loss, at_most: 1, after: 2}",
            "toy.yaml:7: expect.0: `after` does not go with metric\n  fix: toolkit spec show pipeline    tells the keys of expect",
        ),
        (
            "{artifact: rows.ranking}",
            "toy.yaml:7: expect.0: `rows.ranking` is no output of a stage; did you mean `rows.rankings`?\n"
            "  fix: known: rows.corpus, rows.queries, rows.qrels, rows.rankings, measure.per_query_metrics",
        ),
        (
            "{history: train/loss, at_most: 1}",
            "toy.yaml:7: expect.0: no stage of this pipeline writes a metric history\n"
            "  fix: expect a metric, or add a stage that trains",
        ),
        (
            "{metric: retrieval/test/nDCG@10, at_least: 50}",
            "toy.yaml:7: expect.0: no value of retrieval/test/nDCG@10 can meet it: it lies between 0 and 1\n"
            "  fix: expect what can come true",
        ),
        (
            "{metric: retrieval/test/nDCG@10, at_least: 0.6, at_most: 0.5}",
            "toy.yaml:7: expect.0: no value of retrieval/test/nDCG@10 can meet it: it lies between 0 and 1\n"
            "  fix: expect what can come true",
        ),
        (
            "{history: train/loss, at_most: 1, better: lower}",
            "toy.yaml:7: expect.0: better goes with fall_from_best or gap_to\n  fix: toolkit spec show pipeline    tells the keys of expect",
        ),
        ("{metric: train/loss, at_lest: 1}", "toy.yaml:7: unknown key `at_lest`; did you mean `at_least`?"),
        ("nothing", 'toy.yaml:7: expect.0: expected object, found string "nothing"'),
    ],
)
def test_what_cannot_be_judged_is_refused_before_the_run(entry: str, says: str, tmp_path: Path) -> None:
    assert refused(tmp_path, entry) == says


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"metric": "a", "at_least": 0.5}, "a at least 0.5"),
        ({"metric": "a", "at_least": 0.5, "at_most": 1}, "a at least 0.5 and at most 1"),
        (
            {"metric": "a", "against": "reference", "not_worse_than": 0.01},
            "a not worse than the reference by more than 0.01 (95 % interval)",
        ),
        (
            {"metric": "a", "against": "reference", "better_than": 0},
            "a better than the reference by more than 0 (95 % interval, p)",
        ),
        ({"history": "a", "after": 3, "at_most": 2}, "a at most 2, from evaluation 3 on"),
        ({"history": "a", "fall_from_best": 0.1}, "a never more than 0.1 behind its best"),
        ({"history": "a", "gap_to": "b", "at_most": 0.1}, "a within 0.1 of b"),
        ({"history": "a", "gap_to": "b", "at_most": 0.1, "better": "higher"}, "a never more than 0.1 behind b"),
        ({"artifact": "a.b", "required": False}, "the artifact a.b (not required)"),
        (
            {"contrast": "pre_post", "x-why": "the paper"},
            "the contrast pre_post: a comparison with the reference, query by query",
        ),
        ({"contrast": "hard_negatives"}, "the contrast hard_negatives: a model that was trained with them"),
    ],
)
def test_a_promise_in_words(entry: dict[str, Any], says: str) -> None:
    assert words(parse(entry)) == says


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["metric", "history", "at_least", "at_most", "against", "better_than", "after", "x-y", "required"]
        ),
        st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.sampled_from(["a", "reference"]),
    )
)
def test_an_entry_is_a_promise_or_a_refusal_in_words(entry: dict[str, Any]) -> None:
    try:
        promise = parse(entry)
    except ValueError as error:
        assert str(error)
    else:
        assert isinstance(promise, MetricBound | HistoryBand)
        assert words(promise)


def test_the_identity_follows_every_value() -> None:
    one = [{"metric": "a", "at_least": 0.5}]
    assert expectation.identity(one) == expectation.identity([{"at_least": 0.5, "metric": "a"}])
    assert expectation.identity(one) != expectation.identity([{"metric": "a", "at_least": 0.4}])
    assert expectation.identity([]) != expectation.identity(one)


def test_a_child_document_replaces_the_list(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(TOY + "  - {metric: retrieval/test/RR@10, at_least: 2}\n")
    child = "schema: pipeline/v1\nextends: base.yaml\nrun: {name: child}\nexpect:\n  - {metric: retrieval/test/RR@10, at_most: 1}\n"
    (tmp_path / "toy.yaml").write_text(child)
    with contextlib.chdir(tmp_path):
        result = pipeline.run(Path("toy.yaml"), [], ["toolkit"], pack=PACK)
        config = json.loads((result.path / "resolved_config.json").read_text())["config"]
    assert result.exit_code == 0
    assert config["expect"] == [{"metric": "retrieval/test/RR@10", "at_most": 1}]
