"""CSV tables: what the standard writer wrote is read back, with its lines, and what is no table is refused with its line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealkit.finding import ReadError
from sealkit.read import csv as table


def rows(folder: Path, text: str) -> list[tuple[int, dict[str, str]]]:
    (folder / "a.csv").write_bytes(text.encode())
    return list(table.rows(folder / "a.csv", "a.csv"))


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=6)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_what_was_written_is_read_back(tmp_path: Path, data: st.DataObject) -> None:
    header = data.draw(
        st.lists(
            cells.filter(lambda cell: cell.strip() == cell != "" and "\ufeff" not in cell),
            min_size=1,
            max_size=3,
            unique=True,
        )
    )
    wanted = data.draw(st.lists(st.lists(cells, min_size=len(header), max_size=len(header)), max_size=4))
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator=data.draw(st.sampled_from(["\n", "\r\n"])))
    starts = []
    for row in [header, *wanted]:
        starts.append(out.getvalue().count("\n") + 1)
        writer.writerow(row)
    found = rows(tmp_path, out.getvalue())
    assert found == [(line, dict(zip(header, row, strict=True))) for line, row in zip(starts[1:], wanted, strict=True)]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.text('a,"\n\r', max_size=30))
def test_any_text_is_a_table_or_is_refused(tmp_path: Path, text: str) -> None:
    try:
        found = rows(tmp_path, text)
    except ReadError as error:
        assert str(error.at).startswith("a.csv")
    else:
        assert all(isinstance(line, int) and line > 1 for line, _ in found)


def test_lines_of_rows_that_hold_newlines(tmp_path: Path) -> None:
    assert [line for line, _ in rows(tmp_path, 'a,b\n1,"x\ny"\n2,z\n')] == [2, 4]


def test_a_byte_order_mark_short_rows_and_blank_lines(tmp_path: Path) -> None:
    assert rows(tmp_path, "\ufeffa,b\r\n1\r\n\r\n2,3\r\n") == [(2, {"a": "1"}), (4, {"a": "2", "b": "3"})]


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    assert rows(tmp_path, "") == rows(tmp_path, "a,b\n") == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b,a\n", "a.csv:1: has the column `a` twice"),
        ("a,b\n1,2\n1,2,3\n", "a.csv:3: has 3 cells in a row; the header has 2"),
        ('a,b\n1,"2\n', "a.csv:2: is not CSV: unexpected end of data"),
        ('a,b\n1,"2"x\n', "a.csv:2: is not CSV: ',' expected after '\"'"),
        ("a\n" + "x" * 200_000 + "\n", "a.csv:2: is not CSV: field larger than field limit (131072)"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ReadError) as caught:
        rows(tmp_path, text)
    assert f"{caught.value.at}: {caught.value.message}" == says
