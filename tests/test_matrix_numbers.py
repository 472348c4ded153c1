"""What is sealed of the numbers of a matrix: which tables and figures there are, what they say, and that nothing else is needed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sealkit import matrix_numbers
from sealkit.finding import UsageError
from sealkit.pack import BUILT_IN
from sealkit.render import tabular
from tests.stated import METRIC, evidence, statement
from tests.test_matrix_delta import rows

KEYS = BUILT_IN.metric_keys
RUNS = Path(__file__).parent / "checks" / "_base"
NDCG = "retrieval/test/nDCG@10"


def foreign(root: Path, document: dict[str, Any], to: str | None = "pre_ft", **declared: Any) -> dict[str, Any]:
    found = matrix_numbers.of_evidence(document, to, root, KEYS, declared, 500)
    assert json.loads(json.dumps(found, allow_nan=False)) == found, "it is a JSON document"
    return found


def bold(found: dict[str, Any]) -> list[str]:
    return [row[0]["value"] for row in found["tables"][0]["rows"] if any("best" in cell for cell in row)]


def test_the_tables_of_another_tools_matrix(tmp_path: Path) -> None:
    """One run is tested, one has no rows, one came to no end."""
    more = [statement("hn", "label", "hn_ft"), statement("hn", "status", "failed")]
    found = foreign(tmp_path, evidence(rows(tmp_path, "pre"), rows(tmp_path, "post"), *more))
    metrics, differences = found["tables"]
    assert tabular.markdown(metrics) == (
        "|  | runs | `full/recall@10` |\n"
        "| --- | ---: | ---: |\n"
        "| pre\\_ft | 1 | 0.3246 |\n"
        "| post\\_ft | 1 | 0.3789 |\n"
        "| bm25\\_ft | 1 | 0.2246 |\n"
        "| hn\\_ft | 0 of 1 | — |\n"
        "\n"
        "full/recall@&#8203;10 of the matrix demo, n = 570 queries, reference pre\\_ft. Bold: the best of a column, where it is told "
        "from the reference \\(p after Holm at most 0.05\\).\n"
        "\n"
        "- hn\\_ft: no full/recall@&#8203;10: no run came to its end\n"
        "- hn: no metric in its summary \\(status: failed\\)\n"
    )
    assert tabular.markdown(differences) == (
        "|  | metric | n | pre | post | difference | in items | p | p \\(Holm\\) | effect | wins | ties | losses | judged |\n"
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n"
        "| post\\_ft | `full/recall@10` | 570 | 0.3246 | 0.3789 | +0.0544 [+0.0368, +0.0737] | +31 | 0.0020 | 0.0060 | 0.2396 | "
        "31 | 539 | 0 | higher |\n"
        "| bm25\\_ft | `full/recall@10` | 570 | 0.3246 | 0.2246 | −0.1000 | −57 | — | — | — | — | — | — | "
        "bm25: no per-query data of full/recall@&#8203;10: not tested |\n"
        "| hn\\_ft | `full/recall@10` | — | 0.3246 | — | — | — | — | — | — | — | — | — | "
        "hn: no metric in its summary \\(status: failed\\): not tested |\n"
        "\n"
        "full/recall@&#8203;10 of the matrix demo, n = 570 queries, reference pre\\_ft. Method: paired; p: two-sided sign-flip "
        "randomisation of the mean difference, \\(count \\+ 1\\) / \\(resamples \\+ 1\\); interval: 95 % percentile bootstrap over "
        "queries; effect: mean / standard deviation of the differences \\(d\\_z\\); 500 resamples, seed 0. p \\(Holm\\): adjusted "
        "over 3 comparisons \\(rows: 3, metrics: 1\\); a row that was not tested counts with p = 1.\n"
    )
    assert differences["rows"][2][5] == {
        "value": None,
        "why": "hn: no metric in its summary (status: failed): not tested",
    }


def test_what_was_not_tested_is_said_in_every_caption(tmp_path: Path) -> None:
    found = foreign(tmp_path, evidence())
    head = "full/recall@10 of the matrix demo, n = 570 queries, reference pre_ft."
    assert [one["caption"] for one in [*found["tables"], *found["figures"]]] == [
        f"{head} No difference to the reference was tested.",
        f"{head} No difference was tested.",
        head,
        f"{head} Differences to the reference; none was tested (grey).",
    ]


def test_without_a_reference_nothing_is_compared(tmp_path: Path) -> None:
    found = foreign(tmp_path, evidence(), None)
    assert (found["comparison"], [one["name"] for one in found["tables"]]) == (None, ["metrics"])
    assert [one["name"] for one in found["figures"]] == ["bars"]
    assert found["tables"][0]["caption"] == "full/recall@10 of the matrix demo, n = 570 queries."
    with pytest.raises(UsageError, match="the matrix has no row nobody"):
        foreign(tmp_path, evidence(), "nobody")


def test_by_default_the_metrics_are_those_that_all_runs_share(tmp_path: Path) -> None:
    more = [statement("post", "metric", 0.1, "summary", "full/mrr"), statement("hn", "label", "hn_ft")]
    assert [column["metric"] for column in foreign(tmp_path, evidence(*more))["tables"][0]["columns"]] == [
        None,
        None,
        METRIC,
    ]
    none_shared = evidence(*more)
    none_shared["statements"] = [
        one for one in none_shared["statements"] if (one["id"], one["what"]) != ("pre", "metric")
    ]
    none_shared["statements"].append(statement("pre", "metric", 0.2, "summary", "full/map"))
    found = foreign(tmp_path, none_shared)
    assert [column["metric"] for column in found["tables"][0]["columns"][2:]] == ["full/map", METRIC, "full/mrr"]
    assert found["figures"] == []


def test_where_the_reference_has_no_number_there_are_no_differences_to_draw(tmp_path: Path) -> None:
    found = foreign(tmp_path, evidence(statement("hn", "label", "hn_ft")), "hn_ft")
    assert [one["name"] for one in found["figures"]] == ["bars"]
    assert {row["why"] for row in found["comparison"]["rows"]} == {"hn: no metric in its summary: not tested"}


def test_a_matrix_of_which_nothing_ended_has_empty_tables(tmp_path: Path) -> None:
    document = {"matrix": "outputs/m", "statements": [statement("a", "label", "a"), statement("b", "label", "b")]}
    found = foreign(tmp_path, document, "a")
    assert (found["comparison"]["rows"], found["figures"]) == ([], [])
    assert tabular.markdown(found["tables"][0]).startswith("|  | runs |\n| --- | ---: |\n| a | 0 of 1 |\n")


def test_the_declared_tables_and_figures_are_those_made(tmp_path: Path) -> None:
    found = foreign(
        tmp_path,
        evidence(*(statement(run, "metric", 0.5, "summary", "full/mrr") for run in ("pre", "post"))),
        tables=[{"name": "main", "metrics": [METRIC, "full/mrr"], "labels": ["bm25_ft", "pre_ft", "nobody"]}],
        figures=[
            {"name": "change", "kind": "deltas", "metrics": ["full/mrr"]},
            {"name": "few", "kind": "bars", "metrics": ["full/nothing"], "labels": ["post_ft", "nobody"]},
        ],
    )
    assert [one["name"] for one in found["tables"]] == ["main", "differences"]
    assert [row[0]["value"] for row in found["tables"][0]["rows"]] == ["bm25_ft", "pre_ft"]
    assert found["tables"][0]["notes"] == ["nobody: the matrix has no such row"]
    assert found["tables"][0]["rows"][0][3] == {"value": None, "why": "not among the metrics of its runs"}
    change, few = found["figures"]
    (panel,) = change["panels"]
    assert [(row["label"], row["value"], row["ended"], row["why"]) for row in panel["rows"]] == [
        ("post_ft", 0.0, True, None),
        ("bm25_ft", None, True, "bm25 has no value of full/mrr: not tested"),
    ]
    assert [(row["label"], row["ended"], row["why"]) for row in few["panels"][0]["rows"]] == [
        ("post_ft", True, "not among the metrics of its runs"),
        ("nobody", None, "the matrix has no such row"),
    ]
    assert {row["metric"] for row in found["comparison"]["rows"]} == {METRIC, "full/mrr", "full/nothing"}


# Ours


ENTRY: dict[str, Any] = {
    "tag": None, "repeat": None, "base_config": {"path": "base.yaml", "digest": f"sha256:{'0' * 64}"}, "overrides": [],
    "run_id": "x", "status": "ok", "verdict": "PASS", "exit_code": 0, "reason": None, "seconds": 1.0, "models": [],
}  # fmt: skip


def matrix(folder: Path, **more: Any) -> Path:
    """A matrix folder over two runs: before and after fine-tuning."""
    document = json.loads((Path(__file__).parent.parent / "spec/matrix/examples/v1/valid-minimal.json").read_text())
    entries = []
    for index, (label, run) in enumerate({"pre_ft": "retrieval", "post_ft": "finetuned", **more}.items(), 1):
        entry = {
            **ENTRY,
            "index": index,
            "label": label,
            "run_dir": f"runs/{label}",
            "summary": f"runs/{label}/summary.json",
        }
        if run is None:
            entry |= {"status": "failed", "verdict": None, "exit_code": 4, "reason": "stopped", "summary": None}
        else:
            shutil.copytree(RUNS / run, folder / "runs" / label)
        entries.append(entry)
    (folder / "matrix.json").write_text(json.dumps({**document, "experiments": entries}))
    return folder


def test_a_matrix_of_ours_is_compared_by_its_rows(tmp_path: Path) -> None:
    found = matrix_numbers.of_matrix(matrix(tmp_path), "pre_ft", BUILT_IN)
    assert [(row["label"], row["metric"], row["tested"], row["direction"]) for row in found["comparison"]["rows"]] == [
        ("post_ft", f"retrieval/test/{measure}", True, "higher") for measure in ("nDCG@10", "RR@10", "R@2")
    ]
    assert found["comparison"]["family"]["size"] == 3
    assert {row["p_holm"] for row in found["comparison"]["rows"]} == {1.0}, "three queries tell nothing from noise"
    assert bold(found) == []
    assert [(one["name"], one["panels"][0]["metric"]) for one in found["figures"]] == [("bars", NDCG), ("deltas", NDCG)]


def test_a_failed_row_is_a_row_without_values(tmp_path: Path) -> None:
    found = matrix_numbers.of_matrix(matrix(tmp_path, hn_ft=None), "pre_ft", BUILT_IN, resamples=100)
    assert found["tables"][0]["notes"] == ["hn_ft: failed: stopped"]
    assert {row["why"] for row in found["comparison"]["rows"] if row["label"] == "hn_ft"} == {
        "hn_ft: failed: stopped: not tested"
    }
    bars, deltas = found["figures"]
    assert (bars["panels"][0]["rows"][2]["ended"], deltas["panels"][0]["rows"][1]["ended"]) == (False, False)


@pytest.mark.parametrize(("told", "marked"), [(True, ["post_ft"]), (False, []), (None, [])])
def test_what_is_not_told_from_noise_is_never_bold(told: bool | None, marked: list[str]) -> None:
    found = of_two(told, "higher", {"pre_ft": 0.1, "post_ft": 0.2})
    assert found == marked


@pytest.mark.parametrize(
    ("direction", "values", "marked"),
    [
        ("higher", {"pre_ft": 0.2, "post_ft": 0.1}, ["pre_ft"]),
        ("lower", {"pre_ft": 0.2, "post_ft": 0.1}, ["post_ft"]),
        (None, {"pre_ft": 0.2, "post_ft": 0.1}, []),
        ("higher", {"pre_ft": 0.2, "post_ft": 0.1, "untested": 0.15}, []),
        ("higher", {"pre_ft": 0.1, "post_ft": 0.2, "untested": 0.2}, []),
        ("higher", {"pre_ft": 0.1, "post_ft": 0.2, "untested": 0.15}, ["post_ft"]),
        ("higher", {"post_ft": 0.2}, []),
    ],
)
def test_bold_is_the_best_alone(direction: str | None, values: dict[str, float], marked: list[str]) -> None:
    assert of_two(True, direction, values) == marked


def of_two(told: bool | None, direction: str | None, values: dict[str, float]) -> list[str]:
    """The rows in bold of a table, where the comparison of post_ft is told or not."""
    from sealkit import matrix_table
    from sealkit.matrix_runs import Reported
    from sealkit.metric_keys import parse
    from sealkit.table_document import of_table

    family: dict[str, Any] = {
        "key": "m",
        "unit": "s",
        "range": [0, 1],
        "direction": direction,
        "derivable": True,
        "definition": {},
    }
    keys = parse({"keys": [family] if direction else []})
    before, after = values.get("pre_ft", 0.3), values["post_ft"]
    row = {
        "label": "post_ft", "metric": "m", "direction": direction, "difference": after - before,
        "tested": told is not None, "told": told, "why": "not tested",
    }  # fmt: skip
    untested = {**row, "label": "untested", "tested": False, "told": None}
    runs = [Reported(label, label, values={"m": value}) for label, value in values.items()]
    comparison = {"reference": "pre_ft", "rows": [row, untested]}
    table = of_table(matrix_table.of_runs(runs, ["m"]), "main", "", comparison, keys)
    return bold({"tables": [table]})
