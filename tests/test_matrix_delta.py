"""Each row of a matrix against its reference: what is tested, what is not and why, and the family that is adjusted together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealkit import delta, matrix_pairs, matrix_runs
from sealkit.finding import UsageError
from sealkit.matrix_delta import MEAN, compared
from sealkit.matrix_runs import Reported
from sealkit.metric_keys import MetricKeys, parse
from sealkit.pack import BUILT_IN
from sealkit.rundir import open_run
from sealkit.significance import holm
from tests.stated import HITS, METRIC, evidence, statement

KEYS = BUILT_IN.metric_keys
RUNS = Path(__file__).parent / "checks" / "_base"
NDCG = "retrieval/test/nDCG@10"


def foreign(root: Path, document: Mapping[str, Any], metrics: Sequence[str] = (METRIC,), to: str = "pre") -> Any:
    runs = matrix_runs.from_evidence(document)
    found = compared(runs, to, metrics, matrix_pairs.from_files(root), KEYS, 500)
    json.dumps(found, allow_nan=False)
    return found


def rows(root: Path, run: str, hits: int | None = None, n: int = 570, key: str | None = None) -> dict[str, Any]:
    """Write per-query rows of a run, and say that they are there."""
    found = [{"query_id": f"q{i:03}", "recall@10": int(i < (hits or HITS[run]))} for i in range(n)]
    (root / f"{run}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))
    return statement(run, "per_query", f"{run}.jsonl", key=key)


# Other tools' matrices


def test_without_rows_a_difference_stands_alone(tmp_path: Path) -> None:
    found = foreign(tmp_path, evidence())
    assert found["rows"][0] == {
        "label": "post_ft", "runs": ["post"], "metric": METRIC, "direction": None, "n": 570,
        "pre": 185 / 570, "post": 216 / 570, "difference": 216 / 570 - 185 / 570, "in_items": 31,
        "tested": False, "why": "no per-query data: not tested", "p": None, "p_holm": None, "low": None, "high": None,
        "effect": None, "wins": None, "ties": None, "losses": None, "told": None,
    }  # fmt: skip
    assert found["reference"] == "pre_ft"
    assert found["family"] == {"size": 0, "method": "Holm", "alpha": 0.05, "labels": [], "metrics": []}


def test_rows_on_both_sides_are_tested(tmp_path: Path) -> None:
    found = foreign(tmp_path, evidence(*(rows(tmp_path, run) for run in HITS), statement("pre", "seed", 7)))
    post, bm25 = found["rows"]
    before, after = ({f"q{i:03}": float(i < HITS[run]) for i in range(570)} for run in ("pre", "post"))
    alone = delta.compare(METRIC, before, after, 7, 500).document()
    assert {name: post[name] for name in alone if name in post} == {name: alone[name] for name in alone if name in post}
    assert (post["tested"], post["why"], post["told"], post["in_items"]) == (True, None, True, 31)
    assert (post["wins"], post["ties"], post["losses"]) == (31, 539, 0)
    assert (bm25["in_items"], bm25["losses"]) == (-57, 57)
    assert [post["p_holm"], bm25["p_holm"]] == holm([post["p"], bm25["p"]])
    assert (found["seed"], found["resamples"]) == (7, 500)
    assert found["family"] == {
        "size": 2, "method": "Holm", "alpha": 0.05, "labels": ["post_ft", "bm25_ft"], "metrics": [METRIC]
    }  # fmt: skip


def test_the_same_evidence_gives_the_same_bytes(tmp_path: Path) -> None:
    document = evidence(*(rows(tmp_path, run) for run in HITS))
    assert json.dumps(foreign(tmp_path, document)) == json.dumps(foreign(tmp_path, document))


def test_leaving_out_the_rows_of_one_makes_no_other_look_better(tmp_path: Path) -> None:
    """A row that was not tested counts with p = 1."""
    every = foreign(tmp_path, evidence(*(rows(tmp_path, run) for run in HITS)))
    fewer = foreign(tmp_path, evidence(*(rows(tmp_path, run) for run in ("pre", "post"))))
    assert fewer["family"]["size"] == every["family"]["size"] == 2
    assert fewer["rows"][0]["p_holm"] >= every["rows"][0]["p_holm"] == 2 * every["rows"][0]["p"]
    assert fewer["rows"][1]["why"] == "bm25: no per-query data of full/recall@10: not tested"
    assert fewer["rows"][1]["p_holm"] is None


def test_a_metric_that_nothing_is_tested_on_is_no_part_of_the_family(tmp_path: Path) -> None:
    more = [statement(run, "metric", 0.5, "summary", "full/mrr") for run in HITS]
    document = evidence(*(rows(tmp_path, run) for run in HITS), *more)
    found = foreign(tmp_path, document, (METRIC, "full/mrr"))
    assert [row["tested"] for row in found["rows"]] == [True, False, True, False]
    assert (found["family"]["size"], found["family"]["metrics"]) == (2, [METRIC])
    assert found["rows"][0]["p_holm"] == foreign(tmp_path, document)["rows"][0]["p_holm"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            {"hits": 215},
            "post: the mean of its 570 rows is 0.377193, reported is 0.378947: not tested",
        ),
        ({"n": 569, "hits": 216}, "post and pre have other queries: 1 are in one of them alone, q569 the first: not tested"),
        ({"key": "other"}, "post: no per-query data of full/recall@10: not tested"),
    ],
)  # fmt: skip
def test_rows_that_are_not_those_of_the_number_are_no_test(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    found = foreign(tmp_path, evidence(rows(tmp_path, "pre"), rows(tmp_path, "post", **change)))
    assert found["rows"][0]["why"] == why
    assert (found["rows"][0]["tested"], found["rows"][0]["p"], found["family"]["size"]) == (False, None, 0)


def test_rows_of_fewer_queries_than_reported_are_no_test(tmp_path: Path) -> None:
    """Both sides lack the same query, and the mean is right."""
    said = []
    for run in ("pre", "post"):
        said.append(rows(tmp_path, run))
        lines = (tmp_path / f"{run}.jsonl").read_text().splitlines()
        # Rounded to three digits, as it may be reported, the mean of 569 is that of 570.
        (tmp_path / f"{run}.jsonl").write_text("\n".join(lines[:-1]) + "\n")
    document = evidence(*said)
    for one in document["statements"]:
        if one["what"] == "metric":
            one["value"] = round(one["value"], 3)
    assert foreign(tmp_path, document)["rows"][0]["why"] == (
        "pre: has rows of 569 queries, reported are 570: not tested"
    )


def test_a_reported_mean_may_be_rounded(tmp_path: Path) -> None:
    document = evidence(*(rows(tmp_path, run) for run in HITS))
    for one in document["statements"]:
        if one["what"] == "metric":
            one["value"] = round(one["value"], 4)
    found = foreign(tmp_path, document)["rows"][0]
    assert (found["tested"], found["pre"], found["in_items"]) == (True, 185 / 570, 31)
    assert foreign(tmp_path, {**document, "statements": [s for s in document["statements"] if s["what"] != "per_query"]})[
        "rows"
    ][0]["in_items"] is None  # fmt: skip


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    said = [rows(tmp_path, run) for run in HITS]
    (tmp_path / "post.jsonl").write_text('{"query_id": "q000", "recall@10": 1}\n{"query_id": "q0')
    why = foreign(tmp_path, evidence(*said))["rows"][0]["why"]
    assert why.startswith("post.jsonl:2: the last line is torn or no JSON (") and why.endswith(": not tested")
    (tmp_path / "post.jsonl").unlink()
    why = foreign(tmp_path, evidence(*said))["rows"][0]["why"]
    assert why == "post.jsonl: cannot be read: No such file or directory: not tested"


def test_a_file_says_which_of_two_subsets_it_is_of(tmp_path: Path) -> None:
    more = [statement(run, "metric", hits / 570, "summary", "part/recall@10") for run, hits in HITS.items()]
    unsaid = foreign(tmp_path, evidence(*(rows(tmp_path, run) for run in HITS), *more))
    assert unsaid["rows"][0]["why"] == "pre: no per-query data of full/recall@10: not tested"
    said = evidence(*(rows(tmp_path, run, key="full") for run in HITS), *more)
    assert [row["tested"] for row in foreign(tmp_path, said, (METRIC, "part/recall@10"))["rows"][:2]] == [True, False]


@pytest.mark.parametrize(
    ("said", "n", "in_items", "why"),
    [
        ([], None, None, "no per-query data: not tested"),
        ([statement(run, "queries", 570, key="full") for run in HITS], 570, 31, "no per-query data: not tested"),
        ([statement("pre", "queries", 570)], None, None, "no per-query data: not tested"),
        (
            [statement("pre", "queries", 570), statement("post", "queries", 500)],
            None,
            None,
            "post is of 500 queries, pre of 570: not tested",
        ),
        (
            [statement(run, "queries", n) for run in HITS for n in (570, 571)],
            None,
            None,
            "no per-query data: not tested",
        ),
        ([statement(run, "queries", 571) for run in HITS], 571, None, "no per-query data: not tested"),
    ],
)
def test_the_number_of_queries_is_told_where_both_sides_say_the_same(
    tmp_path: Path, said: list[dict[str, Any]], n: int | None, in_items: int | None, why: str
) -> None:
    found = foreign(tmp_path, evidence(*said, queries=None))["rows"][0]
    assert (found["n"], found["in_items"], found["why"]) == (n, in_items, why)


def test_what_a_summary_says_in_two_ways_is_no_value(tmp_path: Path) -> None:
    found = foreign(tmp_path, evidence(statement("post", "metric", 0.9, "summary", METRIC)))["rows"][0]
    assert (found["post"], found["difference"]) == (None, None)
    assert found["why"] == "post: no metric in its summary: not tested"


def test_only_the_summary_counts(tmp_path: Path) -> None:
    found = foreign(
        tmp_path, evidence(statement("late", "metric", 0.9, "metrics", METRIC), statement("late", "status", "failed"))
    )
    assert found["rows"][2]["why"] == "late: no metric in its summary (status: failed): not tested"


def test_two_runs_of_one_label_are_two_rows(tmp_path: Path) -> None:
    more = [statement("more", "label", "post_ft"), statement("more", "metric", 0.5, "summary", METRIC)]
    found = foreign(tmp_path, evidence(*more))
    assert [row["label"] for row in found["rows"]] == ["post_ft (post)", "bm25_ft", "post_ft (more)"]
    assert foreign(tmp_path, evidence(*more), to="more")["reference"] == "post_ft (more)"


def test_a_reference_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        foreign(tmp_path, evidence(), to="pre_tf")
    assert str(caught.value) == (
        "the matrix has no row pre_tf; did you mean `pre_ft`?\n  fix: its rows: pre_ft, post_ft, bm25_ft"
    )


# Ours


def ours(folder: str, label: str) -> Reported:
    run = open_run(RUNS / folder, BUILT_IN.layout(), BUILT_IN.contracts, KEYS)
    return Reported(folder, label, values=run.document("metrics"), headline=(NDCG,), seed=42, opened=run)


def test_runs_of_ours_are_compared_as_between_two() -> None:
    runs = [ours("retrieval", "pre"), ours("finetuned", "post"), replace(ours("finetuned", "train"), opened=None)]
    found = compared(runs, "pre", [NDCG, "train/loss"], matrix_pairs.from_rows(), KEYS)
    row, loss, other, _ = found["rows"]
    alone = delta.between(*(one.opened for one in (runs[1], runs[0]) if one.opened))
    assert alone is not None
    (same,) = (one for one in alone["rows"] if one["key"] == NDCG)
    assert {name: row[name] for name in same if name in row} == {name: same[name] for name in same if name in row}
    assert (row["direction"], row["tested"], found["method"]) == ("higher", True, alone["method"])
    assert other["why"] == "no per-query data: not tested"
    assert loss["why"].endswith("has no value of train/loss: not tested")
    assert found["family"]["size"] == 2


def test_runs_that_cannot_be_compared_say_what_differs() -> None:
    runs = [ours("retrieval", "pre"), ours("retrieval", "again")]
    (row,) = compared(runs, "pre", [NDCG], matrix_pairs.from_rows(), KEYS)["rows"]
    assert row["why"] == "the reference is the run itself: not tested"
    assert row["difference"] == 0.0


# Repeats


Rows = dict[str, dict[str, float]]


def paired(values: Rows) -> matrix_pairs.Pairing:
    return lambda run, base, _: (values[base.name], values[run.name])


def repeated(values: Rows, notes: dict[str, str]) -> list[Reported]:
    """Runs that are called <label><repeat>."""
    return [
        Reported(name, name[0], repeat=name[1:] or None, values={"m": sum(found.values()) / len(found)})
        if name not in notes
        else Reported(name, name[0], repeat=name[1:], ended=False, note=notes[name])
        for name, found in values.items()
    ]


REPEATED: Rows = {
    "a1": {"x": 0.0, "y": 1.0}, "a2": {"x": 1.0, "y": 0.0}, "b1": {"x": 1.0, "y": 1.0}, "b2": {"x": 0.5, "y": 0.0}
}  # fmt: skip


def compared_by_hand(values: Rows, notes: dict[str, str] | None = None, keys: MetricKeys = KEYS) -> Any:
    return compared(repeated(values, notes or {}), "a", ["m"], paired(values), keys, 100)


def test_a_row_of_repeats_is_compared_by_its_mean_query_by_query() -> None:
    found = compared_by_hand(REPEATED)
    (row,) = found["rows"]
    alone = delta.compare("m", {"x": 0.5, "y": 0.5}, {"x": 0.75, "y": 0.5}, 0, 100)
    assert (row["runs"], row["n"], row["pre"], row["post"]) == (["b1", "b2"], 2, 0.5, 0.625)
    assert (row["p"], row["low"], row["high"], row["wins"], row["ties"]) == (alone.p, alone.low, alone.high, 1, 1)
    assert found["method"].endswith(f"; {MEAN}")


def test_each_run_is_paired_with_the_one_run_of_a_reference_that_is_not_repeated() -> None:
    (row,) = compared_by_hand({"a": {"x": 0.0, "y": 1.0}, "b1": REPEATED["b1"], "b2": REPEATED["b2"]})["rows"]
    assert (row["tested"], row["pre"], row["post"]) == (True, 0.5, 0.625)


@pytest.mark.parametrize(
    ("values", "notes", "why"),
    [
        ({"a1": REPEATED["a1"], "a3": REPEATED["a2"], "b1": REPEATED["b1"], "b2": REPEATED["b2"]}, {}, "the reference has no run of 2: not tested"),
        (REPEATED, {"b2": "b2: failed: it raised"}, "b2: failed: it raised: not tested"),
        (REPEATED, {"a2": "a2: failed: it raised"}, "a2: failed: it raised: not tested"),
        (
            {**REPEATED, "a2": {"z": 1.0}, "b2": {"z": 0.5}},
            {},
            "b2 and b1 have other queries: 3 are in one of them alone, x the first: not tested",
        ),
    ],
)  # fmt: skip
def test_one_run_that_cannot_be_paired_leaves_the_row_untested(values: Rows, notes: dict[str, str], why: str) -> None:
    (row,) = compared_by_hand(values, notes)["rows"]
    assert (row["tested"], row["why"]) == (False, why)
    assert row["post"] is not None, "what was reported is told all the same"


def test_the_direction_of_a_metric_says_who_wins() -> None:
    family = {"key": "m", "unit": "s", "range": [0, None], "direction": "lower", "derivable": True, "definition": {}}
    (row,) = compared_by_hand(REPEATED, keys=parse({"keys": [family]}))["rows"]
    assert (row["direction"], row["wins"], row["losses"]) == ("lower", 0, 1)
