"""What a report looks like on a terminal, as JSON, and on the page of a seal; and that nobody can write into it."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from sealkit.audit import audit
from sealkit.check import Check, View
from sealkit.finding import Finding, Location, Outcome, Report, Severity, Status
from sealkit.pack import BUILT_IN
from sealkit.render import json as report_json
from sealkit.render import seal as page
from sealkit.render import text
from sealkit.rundir import open_run

BASE = Path(__file__).parent / "checks" / "_base" / "retrieval"
SHA = "sha256:" + "0123456789abcdef" * 4

# Bidirectional controls (Unicode's Bidi_Control), and what ends a line or hides between letters.
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
HIDDEN = "\u00ad\u200b\u2028\u2029\ufeff\U000e0041"
CONTROLS = "".join(map(chr, [*range(32), *range(127, 160)]))
SURROGATE = "\udcff"  # what is left in a file name that is no UTF-8


def a_report() -> Report:
    """One outcome of every kind."""
    place = Location("metrics.json", "/retrieval~1test~1R@2", 7, '"retrieval/test/R@2": 1.5,', SHA)
    further = Location("stages/search/rankings.jsonl", line=2, quote='{"query_id": "q1"}', digest=SHA)
    whole = Location("stages/data/test_qrels.jsonl", digest=SHA)
    error, warning = Severity.ERROR, Severity.WARNING
    return Report(
        "run-1",
        "run",
        artifacts=(
            Outcome(
                "metrics.json",
                "metrics/v1",
                Status.FAILED,
                (
                    Finding(
                        "/a: expected number, found null", Location("metrics.json", "/a", 2, '"a": null', SHA), error
                    ),
                ),
            ),
            Outcome("run_metadata.json", "run_metadata/v1", Status.PASSED),
            Outcome(
                "summary.json",
                "summary/v1",
                Status.BLOCKED,
                (Finding("is a Git LFS pointer", Location("summary.json"), error, fix="git lfs pull"),),
                reason="is a Git LFS pointer",
            ),
            Outcome(
                "stages/index/index", "index_manifest/v1", Status.BLOCKED, reason="promised, and absent", fix="run it"
            ),
        ),
        checks=(
            Outcome("agrees", "They agree", Status.PASSED),
            Outcome("breaks", "It breaks", Status.CRASHED, reason="KeyError: 'x'", fix="report this as a bug"),
            Outcome("skips", "It skips", Status.SKIPPED, reason="the run holds no corpus, and nothing promises one"),
            Outcome(
                "warns",
                "It warns",
                Status.WARNED,
                (Finding("is taken on trust", place, warning, fix="keep the rows"),),
                fix="evaluate again",
            ),
            Outcome(
                "fails",
                "It fails",
                Status.FAILED,
                (
                    Finding("is 1.5, outside [0, 1]", place, error, (further, whole)),
                    Finding("is softer than its check", further, warning),
                ),
                fix="evaluate again",
            ),
        ),
    )


def test_a_report_on_a_terminal() -> None:
    shown = text.render(a_report())
    assert shown.splitlines()[-3:] == [
        "artifacts: 1 passed, 1 failed, 2 blocked",
        "checks: 1 passed, 1 warned, 1 failed, 1 skipped, 1 crashed",
        "verdict: FAIL",
    ]
    wanted = """\
metrics.json:2: metrics/v1: /a: expected number, found null
  metrics.json:2 | "a": null
summary.json: summary/v1: blocked: is a Git LFS pointer
  fix: git lfs pull
stages/index/index: blocked: promised, and absent
  fix: run it
breaks: crashed: KeyError: 'x'
  fix: report this as a bug
metrics.json:7: warns: warning: is taken on trust
  metrics.json:7 | "retrieval/test/R@2": 1.5,
  fix: keep the rows
metrics.json:7: fails: is 1.5, outside [0, 1]
  metrics.json:7 | "retrieval/test/R@2": 1.5,
  stages/search/rankings.jsonl:2 | {"query_id": "q1"}
  see stages/data/test_qrels.jsonl
stages/search/rankings.jsonl:2: fails: warning: is softer than its check
  stages/search/rankings.jsonl:2 | {"query_id": "q1"}
  fix: evaluate again
"""
    assert "\n".join(shown.splitlines()[:-3]) + "\n" == wanted


def test_what_passed_or_was_skipped_is_counted_and_not_told() -> None:
    report = Report("run-1", "run", (Outcome("a.json", "a/v1", Status.PASSED),), (Outcome("b", "B", Status.SKIPPED),))
    assert text.render(report) == "artifacts: 1 passed\nchecks: 1 skipped\nverdict: PASS\n"


def test_a_report_of_nothing_says_so() -> None:
    assert text.render(Report(None, "unknown", (), ())) == "artifacts: none\nchecks: none\nverdict: INCONCLUSIVE\n"


def test_why_a_check_stopped_is_told_beside_what_it_had_found() -> None:
    finding = Finding("is wrong", Location("metrics.json", line=2, quote='"a": 1'), Severity.ERROR)
    item = Outcome("stops", "It stops", Status.FAILED, (finding,), reason="KeyError: 'x'", fix="report this as a bug")
    shown = text.outcome(item)
    assert "metrics.json:2: stops: is wrong" in shown
    assert "KeyError: 'x'" in shown
    written = page.render(a_predicate(), report_json.document(Report("run-1", "run", (), (item,))))
    assert "is wrong" in written
    assert written.count("KeyError") == 2, "beside what stands out, and in the table of checks"


# Nobody writes into a report.


@pytest.mark.parametrize("character", [*CONTROLS, *BIDI, *HIDDEN, SURROGATE], ids=lambda c: f"U+{ord(c):04X}")
def test_a_character_that_could_rewrite_a_terminal_is_shown_by_its_number(character: str) -> None:
    shown = text.clean(f"a{character}b")
    assert re.fullmatch(r"a\\(x[0-9a-f]{2,6}|u[0-9a-f]{4,8}|U[0-9a-f]{8})b", shown), ascii(shown)


@given(st.text())
def test_clean_text_can_be_printed_on_one_line(anything: str) -> None:
    shown = text.clean(anything)
    assert len(shown.splitlines()) <= 1
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert text.clean(shown) == shown
    shown.encode()


@given(st.text(st.characters(categories=["L", "N", "P", "S"], include_characters=" ")))
def test_ordinary_text_stays_as_it_is(ordinary: str) -> None:
    assert text.clean(ordinary) == ordinary


EVIL = f"x\n  fix: rm -rf ~\x1b[2J\x1b[31m\rmetrics.json: fine{BIDI}{HIDDEN}{SURROGATE}"


def spoiled(outcome: Outcome) -> Outcome:
    """An outcome with something nasty in every text of it."""

    def place(location: Location) -> Location:
        return replace(location, path=location.path + EVIL, quote=location.quote and location.quote + EVIL)

    findings = tuple(
        replace(
            finding,
            message=finding.message + EVIL,
            at=place(finding.at),
            also=tuple(map(place, finding.also)),
            fix=finding.fix and finding.fix + EVIL,
        )
        for finding in outcome.findings
    )
    return replace(
        outcome,
        id=outcome.id + EVIL,
        title=outcome.title + EVIL,
        findings=findings,
        reason=outcome.reason and outcome.reason + EVIL,
        fix=outcome.fix and outcome.fix + EVIL,
    )


def test_nothing_in_a_report_can_add_a_line_to_it() -> None:
    plain = a_report()
    evil = Report("run-1", "run", tuple(map(spoiled, plain.artifacts)), tuple(map(spoiled, plain.checks)))
    shown = text.render(evil)
    assert shown.count("\n") == len(shown.splitlines()) == len(text.render(plain).splitlines())
    assert not [c for c in shown.replace("\n", "") if unicodedata.category(c)[0] == "C"]


# As JSON.


def violations(report: Report) -> list[str]:
    document = json.loads(report_json.render(report))
    return [f"{v.pointer}: {v.message}" for v in BUILT_IN.contracts["report/v1"].violations(document)]


def test_a_report_as_json_keeps_its_contract() -> None:
    assert violations(a_report()) == []
    assert violations(Report(None, "unknown", (), ())) == []


def test_a_report_as_json_says_everything() -> None:
    document = json.loads(report_json.render(a_report()))
    assert list(document) == ["schema", "run_id", "name", "verdict", "exit_code", "artifacts", "checks"]
    assert (document["verdict"], document["exit_code"]) == ("FAIL", 1)
    outcome = document["checks"][-1]
    assert {key: outcome[key] for key in ("id", "title", "status", "reason", "fix")} == {
        "id": "fails",
        "title": "It fails",
        "status": "failed",
        "reason": None,
        "fix": "evaluate again",
    }
    finding = outcome["findings"][0]
    assert (finding["message"], finding["severity"], finding["fix"]) == ("is 1.5, outside [0, 1]", "error", None)
    assert finding["location"] == {
        "path": "metrics.json",
        "pointer": "/retrieval~1test~1R@2",
        "line": 7,
        "quote": '"retrieval/test/R@2": 1.5,',
        "digest": SHA,
    }
    assert [place["path"] for place in finding["also"]] == [
        "stages/search/rankings.jsonl",
        "stages/data/test_qrels.jsonl",
    ]


def runs(root: Path) -> Iterator[tuple[str, Path]]:
    """A good run, and some that are spoiled in a way of their own."""
    for name in ("good", "broken", "newer", "absent", "torn", "failed"):
        yield name, Path(shutil.copytree(BASE, root / name))
    (root / "broken/metrics.json").write_text('{"time/data": NaN}', "utf-8")
    (root / "newer/summary.json").write_text('{"schema": "summary/v9"}', "utf-8")
    (root / "absent/metrics.json").unlink()
    (root / "torn/stages/search/rankings.jsonl").write_text('{"query_id": "q1", "doc', "utf-8")
    summary = (root / "failed/summary.json").read_text("utf-8").replace('"status": "ok"', '"status": "failed"')
    (root / "failed/summary.json").write_text(summary, "utf-8")


def test_the_reports_of_real_runs_keep_their_contract(tmp_path: Path) -> None:
    def raises(run: View) -> Iterator[Finding]:
        yield from ()
        raise KeyError("x")

    crashing = Check(
        id="crashes",
        title="It crashes",
        why="so#1",
        fix="mend it",
        since="0.1.0",
        reads={"run_metadata": 1},
        find=raises,
    )
    seen: set[str] = set()
    for name, path in list(runs(tmp_path)):
        run = open_run(path, BUILT_IN.layout(), BUILT_IN.contracts, BUILT_IN.metric_keys)
        report = audit(run, {**BUILT_IN.checks, "crashes": crashing}, sealed=True)
        assert violations(report) == [], name
        seen |= {str(outcome.status) for outcome in report.outcomes}
    assert seen >= {"passed", "failed", "skipped", "blocked", "crashed"}


# On the page of a seal.

# Each of these would be markup, HTML, a mention or another line if it were let through.
NASTY = "a|b `c` **d** <script>alert(1)</script> [e](http://f) ![g](h) @user ~~i~~ &lt; \\| # j\n\n# k\n\n- l\n"


def a_predicate(nasty: str = "") -> dict[str, Any]:
    """What a seal states, with something nasty in every text that a run could bring with it."""
    return {
        "schema": "seal/v1",
        "sealkit": "0.1.0" + nasty,
        "sealed_at": "2026-02-04T09:00:00Z",
        "run": {
            "run_id": "run-1" + nasty,
            "name": "run" + nasty,
            "status": "ok",
            "purpose": "bench" + nasty,
            "seed": 42,
            "config": SHA,
            "command": ["toolkit", "run", "configs/run.yaml" + nasty],
        },
        "verdict": "FAIL",
        "exit_code": 1,
        "checks": ["agrees"],
        "report": SHA,
        "observed": SHA,
        "commits": {"run": "1" * 40, "audit": "2" * 40, "relation": "ancestor", "dirty": True},
        "metrics": {"retrieval/test/R@2" + nasty: 0.5, "time/data": 1},
        "artifacts": [{"path": "stages/data/test_corpus.jsonl" + nasty, "contract": "corpus/v1", "digest": SHA}],
        "lineage": [
            {
                "role": "post-FT",
                "found": True,
                "name": "models/retriever/run" + nasty,
                "weights": SHA,
                "run_id": "run-1" + nasty,
                "commit": "1" * 40,
                "place": "stages/export/model/model_manifest.json" + nasty,
                "searched": [],
            },
            {
                "role": "HN-FT",
                "found": False,
                "name": None,
                "weights": None,
                "run_id": None,
                "commit": None,
                "place": None,
                "searched": ["run run" + nasty],
            },
        ],
        "reference": {"run_id": "base-1" + nasty, "name": "base" + nasty, "digest": SHA, "weights": None},
        "deltas": {
            "method": "paired bootstrap" + nasty,
            "seed": 42,
            "resamples": 100,
            "differs": [],
            "rows": [
                {
                    "key": "retrieval/test/R@2" + nasty,
                    "n": 3,
                    "pre": 0.25,
                    "post": 0.5,
                    "difference": 0.25,
                    "low": 0.125,
                    "high": 0.375,
                    "p": 0.01,
                    "effect": None,
                    "wins": 2,
                    "ties": 0,
                    "losses": 1,
                    "worst": [{"query_id": "q1" + nasty, "pre": 1.0, "post": 0.5}],
                }
            ],
        },
    }


def a_page(nasty: str = "", differs: str | None = None) -> str:
    predicate, report = a_predicate(nasty), report_json.document(a_report())
    for part in ("artifacts", "checks"):
        for outcome in report[part]:
            for key in ("id", "title", "reason", "fix"):
                outcome[key] = outcome[key] and outcome[key] + nasty
            for finding in outcome["findings"]:
                finding["message"] += nasty
                finding["fix"] = finding["fix"] and finding["fix"] + nasty
                for place in (finding["location"], *finding["also"]):
                    place["path"] += nasty
                    place["quote"] = place["quote"] and place["quote"] + nasty
    if differs is not None:
        predicate["deltas"] |= {"differs": [differs + nasty], "rows": []}
    return page.render(predicate, report)


def tokens(markdown: str) -> list[Token]:
    """The page as CommonMark with tables and struck text, as GitHub reads it: blocks and what is in them, in order."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    return [token for block in parser.parse(markdown) for token in (block, *(block.children or []))]


def structure(markdown: str) -> list[str]:
    return [token.type for token in tokens(markdown) if token.type != "text"]


@pytest.mark.parametrize("differs", [None, "other queries of test"])
def test_nothing_in_a_run_can_change_what_a_page_is_made_of(differs: str | None) -> None:
    """Headings, tables, cells, code, lists: the same pieces in the same order, whatever the texts hold."""
    assert structure(a_page(NASTY, differs)) == structure(a_page(differs=differs))


@pytest.mark.parametrize("differs", [None, "other queries of test"])
@pytest.mark.parametrize(
    "nasty",
    ["`", "``", "```\n", "|", "\\", "\\`", "<!--", "<b>", "&amp;", "[x]: http://y", "~~~\n", "\n# x", NASTY, EVIL],
    ids=lambda nasty: ascii(nasty[:20]),
)
def test_each_nasty_text_stays_text(nasty: str, differs: str | None) -> None:
    found = structure(a_page(nasty, differs))
    assert found == structure(a_page(differs=differs))
    assert not {"html_inline", "html_block", "link_open", "image"} & set(found)


@pytest.mark.parametrize("differs", [None, "other queries of test"])
def test_nobody_is_mentioned_on_a_page(differs: str | None) -> None:
    """GitHub looks for mentions in the text after entities are read, and not in code."""
    texts = [token.content for token in tokens(a_page(" @user @org/team", differs)) if token.type == "text"]
    assert not [found for found in texts if re.search(r"@\w", found)]


def test_a_table_keeps_its_columns() -> None:
    lines = page.table(["a", "b"], [[page.code("x|y"), page.cell("x|y\nz")]]).split("\n")
    assert lines[:2] == ["| a | b |", "|---|---|"]
    assert len(lines) == 3
    assert len(re.findall(r"(?<!\\)\|", lines[2])) == 3


@given(st.text())
def test_any_text_in_a_cell_is_that_text_again(anything: str) -> None:
    (inline,) = [
        token for token in MarkdownIt("commonmark").parse(f"x {page.cell(anything)} x") if token.type == "inline"
    ]
    assert {token.type for token in inline.children or []} == {"text"}
    shown = "".join(token.content for token in inline.children or []).replace("\u200b", "")
    assert shown == f"x {text.clean(anything)} x"


@given(st.text(min_size=1))
def test_any_text_in_code_stays_in_it(anything: str) -> None:
    (inline,) = [
        token for token in MarkdownIt("commonmark").parse(f"x {page.code(anything)} x") if token.type == "inline"
    ]
    kinds = [token.type for token in inline.children or []]
    assert kinds == (["text", "code_inline", "text"] if text.clean(anything).strip() else ["text"])


def test_a_page_says_what_a_reader_needs() -> None:
    shown = a_page()
    headings = [line for line in shown.splitlines() if line.startswith("#")]
    assert headings[0] == "# Seal of run: FAIL"
    for heading in ("Metrics", "Before and after", "Model lineage", "Config and artifacts", "Checks", "To do it again"):
        assert f"## {heading}" in headings
    assert "with uncommitted changes" in shown
    assert "toolkit run configs/run.yaml" in shown
    assert f"git checkout {'1' * 40}" in shown
    assert "`metrics.json:7`" in shown
    assert "no evidence" not in shown


def test_a_page_says_that_a_smoke_run_is_no_evidence() -> None:
    predicate = a_predicate()
    predicate["run"]["purpose"] = "smoke"
    assert "no evidence" in page.render(predicate, report_json.document(a_report()))


def test_the_smallest_fix_of_every_finding_is_told() -> None:
    report = report_json.document(a_report())
    report["checks"][-1]["findings"][0]["fix"] = "write 0.5"
    report["checks"][-1]["findings"][1]["fix"] = "write 0.25"
    shown = page.render(a_predicate(), report)
    assert "write 0.5" in shown
    assert "write 0.25" in shown


@pytest.mark.parametrize(
    ("low", "high", "p", "said"),
    [
        (0.1, 0.2, 0.01, "higher"),
        (-0.2, -0.1, 0.01, "lower"),
        (-0.1, 0.2, 0.01, "not told from noise"),
        (0.5, 0.5, 1.0, "not told from noise"),
    ],
)
def test_a_difference_is_called_one_by_interval_and_p(low: float, high: float, p: float, said: str) -> None:
    assert page.judgement({"low": low, "high": high, "p": p, "difference": low}) == said
