"""A sealed table (`sealkit.table_document`) as Markdown, CSV and LaTeX. What is best is bold only where the table says so."""

from __future__ import annotations

import csv as standard
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sealkit.render import seal
from sealkit.render.text import clean

NONE = "—"
WORDS = ("text", "key")
ARROWS = {"higher": "↑", "lower": "↓", None: ""}
_TEX = str.maketrans(
    {
        "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
        ">": r"\textgreater{}", "|": r"\textbar{}", "`": r"\textasciigrave{}", "'": r"\textquotesingle{}",
        '"': "''", "—": r"\textemdash{}", "–": r"\textendash{}", "×": r"$\times$", "−": "$-$", "±": r"$\pm$", "·": r"$\cdot$", "√": r"$\surd$",
        "↑": r"$\uparrow$", "↓": r"$\downarrow$", "…": r"\ldots{}",
        # A row that begins with one of these would be taken for an option of the line break before it.
        "[": "{[}", "]": "{]}", "*": "{*}",
        **{character: f"\\{character}" for character in "_%&#${}"},
    }
)  # fmt: skip


def markdown(table: Mapping[str, Any]) -> str:
    """A row a label, numbers to four digits; below it the caption, what has no value, and the notes. Columns that have no value in any
    row are left out."""
    columns, rows = held(table)
    lines = [
        _line(_head(column) for column in columns),
        _line("---" if column["type"] in WORDS else "---:" for column in columns),
        *(_line(map(_markdown, columns, row)) for row in rows),
    ]
    if table["caption"]:
        lines += ["", seal.cell(table["caption"])]
    said = [f"- {seal.cell(note)}" for note in notes(table)]
    return "\n".join([*lines, *([""] if said else []), *said]) + "\n"


def held(table: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], list[list[Mapping[str, Any]]]]:
    """The columns that have a value in any row, and the rows of their cells."""
    kept = [i for i, _ in enumerate(table["columns"]) if any(row[i]["value"] is not None for row in table["rows"])]
    return [table["columns"][i] for i in kept], [[row[i] for i in kept] for row in table["rows"]]


def notes(table: Mapping[str, Any]) -> list[str]:
    """What has no value and why, and what else is said below a table."""
    return [*_missing(table), *table["notes"]]


def _line(parts: Iterator[str] | map[str]) -> str:
    return "| " + " | ".join(parts) + " |"


def _head(column: Mapping[str, Any]) -> str:
    if column["metric"] is None:
        return seal.cell(column["name"])
    return f"{seal.code(column['name'])} {ARROWS[column['direction']]}".rstrip()


def _markdown(column: Mapping[str, Any], cell: Mapping[str, Any]) -> str:
    if cell["value"] is not None and column["type"] in WORDS:
        return seal.code(cell["value"]) if column["type"] == "key" else seal.cell(cell["value"])
    shown = number(column["type"], cell)
    return f"**{shown}**" if cell.get("best") else shown


def number(kind: str, cell: Mapping[str, Any]) -> str:
    """The value of a cell as a page shows it, to four digits, with a minus sign; a dash where there is none."""
    return NONE if cell["value"] is None else _shown(kind, cell).replace("-", "−")


def _shown(kind: str, cell: Mapping[str, Any]) -> str:
    """A number with its interval, and of how many runs it is where they are fewer than ended."""
    if kind == "count":
        return f"{cell['value']} of {cell['of']}" if "of" in cell else f"{cell['value']}"
    interval = f" [{_number(kind, cell['low'])}, {_number(kind, cell['high'])}]" if "low" in cell else ""
    return _number(kind, cell["value"]) + interval + (f" (of {cell['of']})" if "of" in cell else "")


def _number(kind: str, value: float) -> str:
    sign = "+" if kind == "difference" else ""
    if isinstance(value, int):
        return f"{value:{sign}d}"
    if kind == "p" and value < 0.00005:
        return "<0.0001"
    return f"{value:{sign}z.4f}"


def _missing(table: Mapping[str, Any]) -> Iterator[str]:
    """Why metrics have no value, once for each row and reason."""
    for row in table["rows"]:
        reasons = _reasons(table, row, lambda column: column["metric"] is not None)
        yield from (f"{row[0]['value']}: no {', '.join(names)}: {why}" for why, names in reasons.items())


def _reasons(
    table: Mapping[str, Any], row: Sequence[Mapping[str, Any]], told: Callable[[Mapping[str, Any]], bool]
) -> dict[str, list[str]]:
    """Why values of a row are missing, and in which of the columns that are told of."""
    found: dict[str, list[str]] = {}
    for column, cell in zip(table["columns"], row, strict=True):
        if cell["value"] is None and told(column):
            found.setdefault(cell["why"], []).append(column["name"])
    return found


def csv(table: Mapping[str, Any]) -> str:
    """Every number with all its digits; intervals and counts in columns of their own, and why a value is missing in the last."""
    parts = [
        [part for part in ("low", "high", "of") if any(part in row[i] for row in table["rows"])]
        for i in range(len(table["columns"]))
    ]
    missing = any(cell["value"] is None for row in table["rows"] for cell in row)
    text = io.StringIO()
    writer = standard.writer(text, lineterminator="\n")
    names = [column["name"] or "label" for column in table["columns"]]
    heads = [[name, *(f"{name} {part}" for part in more)] for name, more in zip(names, parts, strict=True)]
    writer.writerow([*(head for those in heads for head in those), *(["missing"] if missing else [])])
    for row in table["rows"]:
        cells = [value for cell, more in zip(row, parts, strict=True) for value in _values(cell, more)]
        why = "; ".join(f"{', '.join(of)}: {one}" for one, of in _reasons(table, row, lambda _: True).items())
        writer.writerow([*cells, *([why] if missing else [])])
    return text.getvalue()


def _values(cell: Mapping[str, Any], parts: Sequence[str]) -> list[Any]:
    # The writer writes numbers by their repr.
    return [cell["value"], *(cell.get(part) for part in parts)]


def latex(table: Mapping[str, Any]) -> str:
    r"""A `table` with the rules of booktabs (`\usepackage{booktabs}`), numbers to four digits; to be read with `\input`."""
    columns = table["columns"]
    rows = [" & ".join(map(_latex, columns, row)) + r" \\" for row in table["rows"]]
    return "\n".join(
        [
            r"% needs \usepackage{booktabs,textcomp}",
            r"\begin{table}",
            r"  \centering\small",
            *([rf"  \caption{{{tex(table['caption'])}}}"] if table["caption"] else []),
            rf"  \label{{tab:{table['name']}}}",
            rf"  \begin{{tabular}}{{{''.join('l' if column['type'] in WORDS else 'r' for column in columns)}}}",
            r"    \toprule",
            "    " + " & ".join(map(_latex_head, columns)) + r" \\",
            r"    \midrule",
            *(f"    {row}" for row in rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            *(rf"  \par\footnotesize {tex(note)}" for note in notes(table)),
            r"\end{table}",
        ]
    ) + "\n"  # fmt: skip


def _latex_head(column: Mapping[str, Any]) -> str:
    name = tex(column["name"])
    if column["metric"] is None:
        return name
    return rf"\texttt{{{name}}}" + tex(f" {ARROWS[column['direction']]}".rstrip())


def _latex(column: Mapping[str, Any], cell: Mapping[str, Any]) -> str:
    if cell["value"] is None:
        return "---"
    if column["type"] in WORDS:
        return rf"\texttt{{{tex(cell['value'])}}}" if column["type"] == "key" else tex(cell["value"])
    shown = _shown(column["type"], cell)
    for sign, said in (("-", "$-$"), ("+", "$+$"), ("<", "$<$")):
        shown = shown.replace(sign, said)
    return rf"\textbf{{{shown}}}" if cell.get("best") else shown


def tex(text: Any) -> str:
    """Text that stays text wherever LaTeX puts it."""
    # Two hyphens in a row would become a dash.
    return re.sub(r"-(?=-)", "-{}", clean(str(text)).translate(_TEX))
