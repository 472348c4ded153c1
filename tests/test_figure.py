"""Sealed figures as pictures: what is in them, what is refused, and the same bytes every time."""

from __future__ import annotations

import re
import struct
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import pytest

from sealkit.finding import UsageError
from sealkit.render import figure as render


def row(label: str, value: float | None, **more: Any) -> dict[str, Any]:
    empty = {"low": None, "high": None, "n": 570, "judged": None, "ended": True, "why": None}
    return {"label": label, "value": value, **empty, **more}


FAILED = {"ended": False, "why": "no run came to its end", "n": None}
BARS: dict[str, Any] = {
    "name": "main",
    "kind": "bars",
    "caption": "full/recall@10 of the matrix demo, n = 570 queries, reference pre_ft.",
    "reference": "pre_ft",
    "panels": [
        {
            "metric": "full/recall@10",
            "direction": "higher",
            "rows": [row("pre_ft", 0.324561), row("post_ft", 0.378947, low=0.35, high=0.41), row("hn_ft", None, **FAILED)],
        },
        {"metric": "full/mrr", "direction": None, "rows": [row("$x^2$", 0.5), row("very" * 30, 0.25)]},
    ],
}  # fmt: skip
DELTAS: dict[str, Any] = {
    **BARS,
    "name": "change",
    "kind": "deltas",
    "panels": [
        {
            "metric": "full/recall@10",
            "direction": "higher",
            "rows": [
                row("post_ft", 0.054, low=0.03, high=0.07, judged="better"),
                row("bm25", -0.1, low=-0.15, high=-0.05, judged="worse"),
                row("hybrid", 0.01, low=-0.01, high=0.03, judged="not told from noise"),
                row("mixed", 0.02, judged="no per-query data: not tested"),
                row("hn_ft", None, **FAILED),
            ],
        }
    ],
}


@pytest.fixture(autouse=True)
def matplotlib() -> Any:
    return pytest.importorskip("matplotlib")


def streams(pdf: Path) -> list[str]:
    found = []
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf.read_bytes(), re.DOTALL):
        try:
            found.append(zlib.decompress(stream).decode("latin-1"))
        except zlib.error:
            continue
    return found


def words(pdf: Path) -> list[str]:
    """The texts of a PDF, from the operators that show them."""
    shown = re.findall(r"BT(.*?)ET", "".join(streams(pdf)), re.DOTALL)
    return [
        "".join(re.findall(r"\(((?:\\.|[^\\)])*)\)", one, re.DOTALL)).replace("\0", "").replace("\\", "")
        for one in shown
    ]


def test_a_figure_is_two_pictures_its_numbers_and_its_caption(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = render.draw(BARS, tmp_path / "new", "sha256:12ab")
    assert [path.name for path in found] == ["main.png", "main.pdf", "main.csv", "main.md"]
    png = found[0].read_bytes()
    width, height = struct.unpack(">II", png[16:24])
    assert (width, 300 < height < 900) == (1020, True), "3.4 inches at 300 dpi"
    density = struct.unpack(">II", png[png.index(b"pHYs") + 4 :][:8])
    assert density == (11811, 11811)
    assert found[2].read_text() == (
        "metric,label,value,low,high,n,judged,why\n"
        "full/recall@10,pre_ft,0.324561,,,570,,\n"
        "full/recall@10,post_ft,0.378947,0.35,0.41,570,,\n"
        "full/recall@10,hn_ft,,,,,,no run came to its end\n"
        "full/mrr,$x^2$,0.5,,,570,,\n"
        f"full/mrr,{'very' * 30},0.25,,,570,,\n"
    )
    assert found[3].read_text() == (
        "![main](main.png)\n"
        "\n"
        "full/recall@&#8203;10 of the matrix demo, n = 570 queries, reference pre\\_ft. Seal: sha256:12ab.\n"
    )


def test_every_row_is_named_and_one_without_a_number_says_so(tmp_path: Path) -> None:
    shown = words(render.draw(BARS, tmp_path)[1])
    assert {"pre_ft (reference)", "post_ft", "hn_ft", "no value", "0.325", "0.379", "full/mrr", "$x^2$"} <= set(shown)
    assert "0.000" not in shown
    assert any(text.startswith("veryvery") and len(text) < 40 for text in shown)


def test_a_gap_is_hatched_and_no_bar(tmp_path: Path) -> None:
    def patterns(figure: dict[str, Any]) -> int:
        return render.draw(figure, tmp_path)[1].read_bytes().count(b"/PatternType")

    whole = {**BARS, "panels": [{**BARS["panels"][0], "rows": BARS["panels"][0]["rows"][:2]}]}
    assert (patterns(BARS), patterns(whole)) == (1, 0)


def test_what_is_not_told_from_noise_is_grey(tmp_path: Path) -> None:
    def colours(number: int) -> set[str]:
        one = {**DELTAS["panels"][0], "rows": [DELTAS["panels"][0]["rows"][number]]}
        text = "".join(streams(render.draw({**DELTAS, "panels": [one]}, tmp_path)[1]))
        return {name for name, said in SAID.items() if said in text}

    SAID = {"blue": "0 0.4470588235 0.6980392157", "vermillion": "0.8352941176 0.368627451 0", "grey": "0.6 G"}
    assert [colours(number) for number in range(4)] == [{"blue"}, {"vermillion"}, {"grey"}, {"grey"}]
    assert any(text.endswith("(against pre_ft)") for text in words(render.draw(DELTAS, tmp_path)[1]))


@pytest.mark.parametrize("figure", [BARS, DELTAS], ids=["bars", "deltas"])
def test_the_same_document_gives_the_same_bytes_whatever_the_users_settings(
    tmp_path: Path, figure: dict[str, Any], matplotlib: Any
) -> None:
    one = [path.read_bytes() for path in render.draw(figure, tmp_path / "one", "sha256:12ab")]
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "pdf.fonttype": 3, "savefig.facecolor": "red"}):
        two = [path.read_bytes() for path in render.draw(figure, tmp_path / "two", "sha256:12ab")]
    assert one == two
    assert b"CreationDate" not in one[1]


def test_the_users_settings_stay(tmp_path: Path, matplotlib: Any) -> None:
    with matplotlib.rc_context({"font.size": 30}):
        render.draw(BARS, tmp_path)
        assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            [row("pre_ft", 0.3), row("post_ft", None, why="not among the metrics of its runs")],
            "figure main: post_ft has no value of full/recall@10: not among the metrics of its runs",
        ),
        (
            [row("pre_ft", 0.3), row("typo", None, ended=None, why="the matrix has no such row")],
            "figure main: typo has no value of full/recall@10: the matrix has no such row",
        ),
        (
            [row("a", None, **FAILED), row("b", None, **FAILED)],
            "figure main: nothing to draw of full/recall@10: no value for a, b",
        ),
        ([], "figure main: nothing to draw of full/recall@10: no value for no row at all"),
    ],
)
def test_a_figure_is_never_silently_empty(tmp_path: Path, changed: list[dict[str, Any]], message: str) -> None:
    panel = {**BARS["panels"][0], "rows": changed}
    with pytest.raises(UsageError) as caught:
        render.draw({**BARS, "panels": [panel]}, tmp_path)
    assert caught.value.message == message
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match="figures need matplotlib") as caught:
        render.draw(BARS, tmp_path)
    assert caught.value.fix == "pip install 'sealkit[figures]', or leave the figures out"
