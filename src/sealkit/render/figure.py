"""A sealed figure (`sealkit.figure_document`) as PNG and PDF, with its numbers and its caption beside it.

Drawn from its document alone. The same document gives the same bytes with the same release of matplotlib: no dates, matplotlib's
own font and settings, whatever those of the user are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sealkit import write
from sealkit.finding import UsageError
from sealkit.render import seal as words
from sealkit.render.tabular import ARROWS
from sealkit.render.text import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, ROW, PANEL = 3.4, 0.22, 0.62  # inches: a column of a two-column paper, a row, what a panel needs beside its rows
# Okabe & Ito 2008: told apart by colour-blind readers, and in grey.
BLUE, VERMILLION, GREY = "#0072B2", "#D55E00", "#999999"
COLOURS = {"better": BLUE, "higher": BLUE, "worse": VERMILLION, "lower": VERMILLION}
STYLE = {
    "font.family": "DejaVu Sans", "font.size": 7.0, "axes.titlesize": 7.0, "axes.linewidth": 0.6, "axes.spines.top": False,
    "axes.spines.right": False, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "hatch.linewidth": 0.5,
    "pdf.fonttype": 42, "text.parse_math": False,
}  # fmt: skip
COLUMNS = ("metric", "label", "value", "low", "high", "n", "judged", "why")


def draw(figure: Mapping[str, Any], folder: Path, seal: str | None = None) -> list[Path]:
    """Write <name>.png (300 dpi), .pdf, .csv (the numbers) and .md (the picture with its caption) into a folder.

    `seal` is the digest that the caption names. Raises UsageError where matplotlib is not installed, and where a metric that the
    figure declares is absent from a run that came to its end, or a row from the matrix: a bar is left out for a failed run alone,
    and then says so.
    """
    _refuse_empty(figure)
    name, caption = str(figure["name"]), _caption(figure, seal)
    contents: dict[str, str | bytes] = {
        **_pictures(figure),
        "csv": _csv(figure),
        "md": f"![{words.cell(name)}]({name}.png)\n\n{words.cell(caption)}\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, content in contents.items():
        write.atomic(folder / f"{name}.{suffix}", content)
    return [folder / f"{name}.{suffix}" for suffix in contents]


def _refuse_empty(figure: Mapping[str, Any]) -> None:
    for panel in figure["panels"]:
        for row in panel["rows"]:
            if row["value"] is None and row["ended"] is not False:
                message = f"figure {figure['name']}: {row['label']} has no value of {panel['metric']}: {row['why']}"
                raise UsageError(message, "declare a metric that every row of the figure has, or its labels")
        if all(row["value"] is None for row in panel["rows"]):
            labels = ", ".join(row["label"] for row in panel["rows"]) or "no row at all"
            message = f"figure {figure['name']}: nothing to draw of {panel['metric']}: no value for {labels}"
            raise UsageError(message, "run the matrix to its end, or take the figure out")


def _caption(figure: Mapping[str, Any], seal: str | None) -> str:
    return str(figure["caption"]) + (f" Seal: {seal}." if seal else "")


def _csv(figure: Mapping[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for panel in figure["panels"]:
        for row in panel["rows"]:
            writer.writerow([panel["metric"], *(row[column] for column in COLUMNS[1:])])
    return text.getvalue()


def _pictures(figure: Mapping[str, Any]) -> dict[str, bytes]:
    """The bytes of a PNG and a PDF. The canvas is that of the format alone: no window, no state of pyplot."""
    try:
        import matplotlib
        from matplotlib import style
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError(
            "figures need matplotlib, not installed here", "pip install 'sealkit[figures]', or leave the figures out"
        ) from None
    rows = [len(panel["rows"]) for panel in figure["panels"]]
    found = {}
    with style.context("default"), matplotlib.rc_context(STYLE):
        heights = [PANEL + ROW * n for n in rows]
        drawn = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
        axes = drawn.subplots(len(rows), squeeze=False, height_ratios=heights)
        for panel, ax in zip(figure["panels"], axes[:, 0], strict=True):
            _panel(figure, panel, ax)
        for suffix, metadata in (
            ("png", {"Software": None}),
            ("pdf", {"CreationDate": None, "Producer": None, "Creator": None}),
        ):
            held = io.BytesIO()
            drawn.savefig(held, format=suffix, dpi=300, metadata=metadata)
            found[suffix] = held.getvalue()
    return found


def _panel(figure: Mapping[str, Any], panel: Mapping[str, Any], ax: Axes) -> None:
    """The rows of one metric, from above; a failed run is a hatched gap that says that it has no value."""
    from matplotlib.transforms import blended_transform_factory

    rows = panel["rows"]
    for y, row in enumerate(rows):
        if row["value"] is not None:
            (_bar if figure["kind"] == "bars" else _difference)(ax, y, row, row["label"] == figure["reference"])
    across = blended_transform_factory(ax.transAxes, ax.transData)
    for y, row in enumerate(rows):
        if row["value"] is None:
            ax.barh(y, 1, 0.6, transform=across, facecolor="none", edgecolor=GREY, hatch="////", linewidth=0)
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
            ax.text(0.5, y, "no value", transform=across, ha="center", va="center", bbox=box)
    labels = [
        _short(row["label"], 28) + (" (reference)" if row["label"] == figure["reference"] else "") for row in rows
    ]
    ax.set_yticks(range(len(rows)), labels)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    what = f"{_short(panel['metric'], 36)} {ARROWS[panel['direction']]}".rstrip()
    ax.set_xlabel(what if figure["kind"] == "bars" else f"Δ {what} (against {_short(figure['reference'], 20)})")


def _short(text: str, most: int) -> str:
    """Text as there is room for it; the numbers beside the picture have the whole."""
    shown = clean(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def _bar(ax: Axes, y: int, row: Mapping[str, Any], reference: bool) -> None:
    ax.barh(y, row["value"], 0.6, color=GREY if reference else BLUE)
    if row["low"] is not None:
        ax.hlines(y, row["low"], row["high"], color="black", linewidth=0.9)
    ax.annotate(
        f"{row['value']:.3f}", (max(row["value"], row["high"] or row["value"]), y), (2, 0), textcoords="offset points",
        va="center", fontsize=6,
    )  # fmt: skip


def _difference(ax: Axes, y: int, row: Mapping[str, Any], reference: bool) -> None:
    ax.axvline(0, color="black", linewidth=0.6, zorder=0)
    colour = COLOURS.get(row["judged"], GREY)
    if row["low"] is not None:
        ax.hlines(y, row["low"], row["high"], color=colour, linewidth=1.4)
    # What is not told from noise is hollow too, for readers in black and white.
    ax.plot([row["value"]], [y], "o", markersize=4, color=colour, markerfacecolor=colour if colour != GREY else "white")
