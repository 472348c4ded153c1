"""Metrics of single queries as other tools write them: both forms, and what is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealkit import per_query
from sealkit.finding import ReadError


def wrote(folder: Path, rows: list[dict[str, Any]]) -> str:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return "rows.jsonl"


def test_a_row_may_be_a_query_or_a_query_and_a_metric(tmp_path: Path) -> None:
    wide: list[dict[str, Any]] = [
        {"query_id": "a", "recall@10": 1, "mrr": 0.5, "text": "x"},
        {"query_id": 7, "recall@10": 0, "mrr": 0.25},
    ]
    found = {"recall@10": {"a": 1.0, "7": 0.0}, "mrr": {"a": 0.5, "7": 0.25}}
    assert per_query.read(tmp_path, wrote(tmp_path, wide)) == found
    for name in ("metric", "measure"):
        long: list[dict[str, Any]] = [
            {"query_id": q, name: m, "value": v} for m, values in found.items() for q, v in values.items()
        ]
        assert per_query.read(tmp_path, wrote(tmp_path, long)) == found


def test_a_column_may_be_called_value(tmp_path: Path) -> None:
    assert per_query.read(tmp_path, wrote(tmp_path, [{"query_id": "a", "value": 2}])) == {"value": {"a": 2.0}}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"qid": "a", "r": 1}], "rows.jsonl:1: has no query_id, expected a text or an integer"),
        ([{"query_id": True, "r": 1}], "rows.jsonl:1: has no query_id, expected a text or an integer"),
        (
            [{"query_id": "a", "r": 1}, {"query_id": "a", "r": 1}],
            "rows.jsonl:2: has the query a a second time for r",
        ),
        ([{"query_id": "1", "r": 1}, {"query_id": 1, "r": 1}], "rows.jsonl:2: has the query 1 a second time for r"),
        ([{"query_id": "a", "r": None}], "rows.jsonl:1: the value of r is None, expected a number"),
        ([{"query_id": "a", "r": True}], "rows.jsonl:1: the value of r is True, expected a number"),
        (
            [{"query_id": "a", "metric": "r", "value": "0.5"}],
            "rows.jsonl:1: the value of r is '0.5', expected a number",
        ),
    ],
)
def test_what_is_no_row_is_named_with_its_line(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ReadError) as caught:
        per_query.read(tmp_path, wrote(tmp_path, rows))
    assert f"{caught.value.at}: {caught.value.message}" == message


@pytest.mark.parametrize("name", ["../rows.jsonl", "/etc/hostname", "link/rows.jsonl"])
def test_a_file_outside_of_the_tree_is_not_read(tmp_path: Path, name: str) -> None:
    wrote(tmp_path, [{"query_id": "a", "r": 1}])
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/link").symlink_to(tmp_path)
    with pytest.raises(ReadError, match="lies outside of the tree"):
        per_query.read(tmp_path / "tree", name)


def test_no_more_is_held_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = wrote(tmp_path, [{"query_id": i, "r": 1} for i in range(4)])
    monkeypatch.setattr(per_query, "LIMIT", 3)
    with pytest.raises(ReadError, match="holds more than 3 values"):
        per_query.read(tmp_path, name)


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.floats(-1, 1) | st.text(max_size=3)))
)
def test_any_rows_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    folder = tmp_path_factory.mktemp("rows")
    try:
        found = per_query.read(folder, wrote(folder, rows))
    except ReadError as error:
        assert error.at.line is not None
    else:
        assert all(isinstance(value, float) for values in found.values() for value in values.values())
