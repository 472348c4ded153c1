"""Sealed tables in their three formats, word for word; and text that LaTeX cannot take for anything else."""

from __future__ import annotations

import csv
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sealkit.render import tabular
from sealkit.render.text import clean


def column(name: str, kind: str, metric: bool = False, direction: str | None = None) -> dict[str, Any]:
    return {"name": name, "type": kind, "metric": name if metric else None, "direction": direction}


TABLE: dict[str, Any] = {
    "name": "main",
    "caption": "Of 570 queries, 95 % intervals.",
    "columns": [
        column("", "text"),
        column("runs", "count"),
        column("full/recall@10", "number", True, "higher"),
        column("time/s|q", "number", True, "lower"),
        column("difference", "difference"),
        column("metric", "key"),
        column("p", "p"),
    ],
    "rows": [
        [
            {"value": "post_ft & *co*"},
            {"value": 2, "of": 3},
            {"value": 1 / 3, "low": -0.25, "high": 0.5, "of": 1, "best": True},
            {"value": None, "why": "not among the metrics of its runs"},
            {"value": -0.054321, "low": -0.1, "high": -0.00001},
            {"value": "a_b@1"},
            {"value": 0.00001},
        ],
        [
            {"value": "[x]"},
            {"value": 1},
            {"value": -0.5},
            {"value": 2.0},
            {"value": 31},
            {"value": "c"},
            {"value": 0.04999},
        ],
    ],
    "notes": ["m07: failed <b>"],
}


def test_markdown() -> None:
    assert tabular.markdown(TABLE) == (
        "|  | runs | `full/recall@10` ↑ | `time/s¦q` ↓ | difference | metric | p |\n"
        "| --- | ---: | ---: | ---: | ---: | --- | ---: |\n"
        "| post\\_ft &amp; \\*co\\* | 2 of 3 | **0.3333 [−0.2500, 0.5000] (of 1)** | — | −0.0543 [−0.1000, +0.0000] | `a_b@1` | <0.0001 |\n"
        "| \\[x\\] | 1 | −0.5000 | 2.0000 | +31 | `c` | 0.0500 |\n"
        "\n"
        "Of 570 queries, 95 % intervals.\n"
        "\n"
        "- post\\_ft &amp; \\*co\\*: no time/s\\|q: not among the metrics of its runs\n"
        "- m07: failed &lt;b&gt;\n"
    )


def test_csv_holds_every_digit_and_why_a_value_is_missing() -> None:
    found = list(csv.DictReader(tabular.csv(TABLE).splitlines()))
    assert found[0] == {
        "label": "post_ft & *co*", "runs": "2", "runs of": "3",
        "full/recall@10": "0.3333333333333333", "full/recall@10 low": "-0.25", "full/recall@10 high": "0.5", "full/recall@10 of": "1",
        "time/s|q": "",
        "difference": "-0.054321", "difference low": "-0.1", "difference high": "-1e-05",
        "metric": "a_b@1", "p": "1e-05", "missing": "time/s|q: not among the metrics of its runs",
    }  # fmt: skip
    assert found[1]["missing"] == found[1]["runs of"] == ""
    whole = {**TABLE, "rows": [TABLE["rows"][1]]}
    assert "missing" not in tabular.csv(whole)


def test_latex() -> None:
    assert (
        tabular.latex(TABLE)
        == r"""% needs \usepackage{booktabs,textcomp}
\begin{table}
  \centering\small
  \caption{Of 570 queries, 95 \% intervals.}
  \label{tab:main}
  \begin{tabular}{lrrrrlr}
    \toprule
     & runs & \texttt{full/recall@10} $\uparrow$ & \texttt{time/s\textbar{}q} $\downarrow$ & difference & metric & p \\
    \midrule
    post\_ft \& {*}co{*} & 2 of 3 & \textbf{0.3333 [$-$0.2500, 0.5000] (of 1)} & --- & $-$0.0543 [$-$0.1000, $+$0.0000] & \texttt{a\_b@1} & $<$0.0001 \\
    {[}x{]} & 1 & $-$0.5000 & 2.0000 & $+$31 & \texttt{c} & 0.0500 \\
    \bottomrule
  \end{tabular}
  \par\footnotesize post\_ft \& {*}co{*}: no time/s\textbar{}q: not among the metrics of its runs
  \par\footnotesize m07: failed \textless{}b\textgreater{}
\end{table}
"""
    )


def test_an_empty_table_is_one() -> None:
    empty = {**TABLE, "rows": [], "notes": [], "caption": ""}
    assert tabular.markdown(empty).count("\n") == 2
    assert tabular.csv(empty).count("\n") == 1
    assert r"\caption" not in tabular.latex(empty)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a_b%c&d#e$f{g}h~i^j\\k", r"a\_b\%c\&d\#e\$f\{g\}h\textasciitilde{}i\textasciicircum{}j\textbackslash{}k"),
        ("a--b---c-d", "a-{}-b-{}-{}-c-d"),
        ("−0.1 — ± × ↑", r"$-$0.1 \textemdash{} $\pm$ $\times$ $\uparrow$"),
        ("*[x]", "{*}{[}x{]}"),
        ("\x1b[31m\n", r"\textbackslash{}x1b{[}31m\textbackslash{}x0a"),
        ('it\'s "so" `now`', r"it\textquotesingle{}s ''so'' \textasciigrave{}now\textasciigrave{}"),
        ("Ωé漢", "Ωé漢"),
    ],
)
def test_text_for_latex(text: str, said: str) -> None:
    assert tabular.tex(text) == said


_SAID = {
    r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", r"\textless{}": "<",
    r"\textgreater{}": ">", r"\textbar{}": "|", r"\textasciigrave{}": "`", r"\textquotesingle{}": "'", "''": '"',
    r"\textemdash{}": "—", r"\textendash{}": "–", r"\ldots{}": "…", r"$\times$": "×", "$-$": "−", r"$\pm$": "±",
    r"$\cdot$": "·", r"$\surd$": "√", r"$\uparrow$": "↑", r"$\downarrow$": "↓", "{[}": "[", "{]}": "]", "{*}": "*",
    "-{}": "-", **{f"\\{character}": character for character in "_%&#${}"},
}  # fmt: skip
_TOKEN = re.compile("|".join(re.escape(word) for word in sorted(_SAID, key=len, reverse=True)))


@given(st.text())
@example("\\{}$-$--''`[*]~^_%&#")
def test_every_text_can_be_read_back_and_nothing_special_is_left(text: str) -> None:
    said = tabular.tex(text)
    assert _TOKEN.sub(lambda token: _SAID[token[0]], said) == clean(text)
    assert not set(_TOKEN.sub("", said)) & set("\\{}$&#^_~%[]*\"'`<>|\n")
    assert "--" not in said


@given(st.text(), st.text())
def test_a_row_of_latex_has_as_many_cells_as_columns(label: str, key: str) -> None:
    row = [{"value": label}, *TABLE["rows"][0][1:5], {"value": key}, {"value": 1.0}]
    line = next(one for one in tabular.latex({**TABLE, "rows": [row]}).splitlines() if one.endswith("1.0000 \\\\"))
    assert len(re.findall(r"(?<!\\)&", line)) == len(row) - 1
