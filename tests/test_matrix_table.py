"""The table of a matrix: means and intervals, what is missing, and its three formats word for word."""

from __future__ import annotations

import csv
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit import matrix_table
from sealkit.finding import UsageError
from sealkit.render import table as render
from tests.test_matrix import run, write
from tests.test_pipeline import PACK

BASE = """\
schema: pipeline/v1
run: {name: base}
stages:
  rows: {uses: toy.rows, with: {queries: 20, top_k: 10}}
  measure: {uses: toy.measure, in: {rankings: rows.rankings, qrels: rows.qrels}, with: {measures: ["R@10", "RR@10"]}}
"""


def test_the_interval_is_students() -> None:
    pytest.importorskip("scipy")
    # t at 0.975 with 2 degrees of freedom is 4.302653 (Student's table); s of 1, 2, 3 is 1.
    found = matrix_table.cell({"a": 1.0, "b": 2.0, "c": 3.0})
    assert found.mean == 2.0
    assert (found.low, found.high) == pytest.approx(
        (2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)), rel=1e-6
    )
    assert matrix_table.cell({"a": 1.5}) == matrix_table.Cell({"a": 1.5}, 1.5, None, None)
    assert matrix_table.cell({}).mean is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=6))
def test_the_interval_lies_around_the_mean(values: list[float]) -> None:
    pytest.importorskip("scipy")
    found = matrix_table.cell({str(i): value for i, value in enumerate(values)})
    assert found.mean is not None and found.low is not None and found.high is not None
    assert found.low <= found.mean <= found.high
    assert min(values) - 1e-6 <= found.mean <= max(values) + 1e-6


def test_an_interval_without_scipy_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    assert matrix_table.cell({"a": 1.0}).mean == 1.0
    with pytest.raises(UsageError, match="needs scipy"):
        matrix_table.cell({"a": 1.0, "b": 2.0})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("table")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        Path("base.yaml").write_text(BASE)
        experiments: list[dict[str, Any]] = [
            {"label": "few", "tag": "x|y", "overrides": ["stages.rows.with.queries=30"]},
            {"label": "many", "overrides": ["run.purpose=prod", "stages.rows.with.top_k=0"]},
        ]
        write(experiments, repeat={"run.seed": [1, 2]})
        run(jobs=2)
    return place / "outputs" / "m"


def test_a_table_has_the_mean_of_each_label(folder: Path) -> None:
    found = matrix_table.table(folder, pack=PACK)
    assert found.metrics == ("retrieval/test/R@10", "retrieval/test/RR@10")
    few, many = found.rows
    values = [
        json.loads((folder / f"runs/few-seed{seed}/metrics.json").read_text())["retrieval/test/R@10"] for seed in (1, 2)
    ]
    cell = few.cells["retrieval/test/R@10"]
    assert list(cell.values.values()) == values
    assert cell.mean == pytest.approx(sum(values) / 2)
    assert few.ended == few.runs == ("few-seed1", "few-seed2")
    assert (many.ended, many.cells["retrieval/test/R@10"].mean) == ((), None)
    assert [note.split(": ")[:2] for note in found.notes] == [["many-seed1", "FAIL"], ["many-seed2", "FAIL"]]


def test_a_metric_that_no_run_has_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"has the metric retrieval/test/R@1; did you mean `retrieval/test/R@10`"):
        matrix_table.table(folder, ["retrieval/test/R@1"], PACK)
    with pytest.raises(UsageError, match=r"is no matrix: it holds no matrix\.json"):
        matrix_table.table(folder / "runs", [], PACK)


CELL = matrix_table.cell
TABLE = matrix_table.Table(
    ("a|b", "c"),
    (
        matrix_table.Row(
            "one",
            None,
            ("one-1", "one-2"),
            ("one-1", "one-2", "one-3"),
            {
                "a|b": matrix_table.Cell({"one-1": 0.5, "one-2": 0.7}, 0.6, 0.4, 0.8),
                "c": matrix_table.Cell({"one-1": 1.0}, 1.0, None, None),
            },
        ),
        matrix_table.Row(
            "two", "t", ("two",), ("two",), {"a|b": matrix_table.Cell({}, None, None, None), "c": CELL({"two": 2})}
        ),
    ),
    ("one-3: failed: \x1b[31mred",),
)


def test_markdown_says_how_many_runs_a_mean_is_of() -> None:
    assert render.markdown(TABLE) == (
        "|  | runs | `a¦b` | `c` |\n"
        "| --- | ---: | ---: | ---: |\n"
        "| one | 2 of 3 | 0.6000 [0.4000, 0.8000] | 1.0000 (of 1) |\n"
        "| two | 1 | — | 2.0000 |\n"
        "\n"
        "Mean over the runs of a row, with its 95 % interval \\(Student's t\\).\n"
        "\n"
        "- two: no a\\|b: not among the metrics of its runs\n"
        "- one-3: failed: \\\\x1b\\[31mred\n"
    )


def test_json_and_csv_hold_every_number() -> None:
    document = json.loads(render.json(TABLE))
    assert document["rows"][0]["metrics"]["a|b"]["values"] == {"one-1": 0.5, "one-2": 0.7}
    assert document["rows"][0]["ended"] == ["one-1", "one-2"]
    rows = list(csv.DictReader(render.csv(TABLE).splitlines()))
    assert rows[0] == {
        "label": "one", "tag": "", "metric": "a|b", "runs": "2", "of": "3", "mean": "0.6", "low": "0.4", "high": "0.8"
    }  # fmt: skip
    assert (rows[2]["mean"], rows[3]["mean"]) == ("", "2.0")
    assert len(rows) == 4


def test_latex_is_the_same_table_for_a_paper() -> None:
    assert (
        render.latex(TABLE)
        == r"""% needs \usepackage{booktabs,textcomp}
\begin{table}
  \centering\small
  \caption{Mean over the runs of a row, with its 95 \% interval (Student\textquotesingle{}s t).}
  \label{tab:metrics}
  \begin{tabular}{lrrr}
    \toprule
     & runs & \texttt{a\textbar{}b} & \texttt{c} \\
    \midrule
    one & 2 of 3 & 0.6000 [0.4000, 0.8000] & 1.0000 (of 1) \\
    two & 1 & --- & 2.0000 \\
    \bottomrule
  \end{tabular}
  \par\footnotesize two: no a\textbar{}b: not among the metrics of its runs
  \par\footnotesize one-3: failed: \textbackslash{}x1b{[}31mred
\end{table}
"""
    )
