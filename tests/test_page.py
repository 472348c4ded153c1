"""SEAL.html: what it says, that nobody can write into it, and how it looks in a browser."""

from __future__ import annotations

import copy
import re
import struct
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sealkit import history
from sealkit.finding import Report
from sealkit.pack import BUILT_IN
from sealkit.render import html, markdown, plot
from sealkit.render import json as report_json
from sealkit.render.text import clean
from sealkit.rundir import Run
from tests import chromium
from tests.test_render import EVIL, NASTY, SHA, a_predicate, a_report, spoiled, structure

LONG = "w" * 3000


def stated(nasty: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """A predicate and a report with everything that a page can show, and `nasty` in every text of them."""
    predicate = a_predicate(nasty)
    predicate["history"] = {
        "retrieval/dev/nDCG@10" + nasty: [[0, 0.62], [40, 0.68], [80, 0.71], [120, 0.69]],
        "train/loss" + nasty: [[step, 2.0 / (step + 1)] for step in range(60)],
        "train/learning_rate" + nasty: [[0, 5e-05]],
    }
    predicate["acceptance"] = [
        {"id": "e1" + nasty, "says": "R@2 at least 0.4" + nasty, "status": "passed", "found": "0.5" + nasty},
        {"id": "e2" + nasty, "says": "loss below 0.1" + nasty, "status": "blocked", "found": None},
    ]
    report = report_json.document(a_report())
    for outcome in [*report["artifacts"], *report["checks"]]:
        for key in ("id", "title", "reason", "fix"):
            outcome[key] = outcome[key] and outcome[key] + nasty
        for finding in outcome["findings"]:
            finding["message"] += nasty
            finding["waiver"] = {"owner": "Ada" + nasty, "reason": "known" + nasty, "expires": "2027-01-01"}
            for place in (finding["location"], *finding["also"]):
                place["path"] += nasty
                place["quote"] = place["quote"] and place["quote"] + nasty
    return predicate, report


def shown(nasty: str = "") -> str:
    return html.render(*stated(nasty))


class Reader(HTMLParser):
    """Tags with the names of their attributes, in order; the text between; the values of class, href, src and style."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, ...]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kept = (f"{name}={value}" if name in ("class", "id", "role", "content") else name for name, value in attrs)
        self.tags.append((tag, *kept))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}",))

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment",))

    def handle_decl(self, decl: str) -> None:
        self.tags.append(("declaration", decl))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


HARMLESS = Reader(shown()).tags


@pytest.mark.parametrize(
    "nasty",
    [
        "<script>alert(1)</script>", "`", "</style>", "</title><img src=x onerror=alert(1)>", '"', "'", '" onload="x', "-->",
        "<!--", "]]>", "{{ 7*7 }}", "{% raw %}", "&lt;", "&#0;", "\u202egnp.exe", LONG, NASTY, EVIL, "</svg><svg onload=x>",
    ],
    ids=lambda nasty: ascii(nasty[:20]),
)  # fmt: skip
def test_a_nasty_text_changes_nothing(nasty: str) -> None:
    page = shown(nasty)
    read = Reader(page)
    assert read.tags == HARMLESS
    assert clean(nasty) in "".join(read.text), "it is told as the text that it is"
    page.encode()


@settings(max_examples=40)
@given(st.text(st.characters(), min_size=1))
def test_any_text_changes_nothing(anything: str) -> None:
    read = Reader(shown(anything))
    assert read.tags == HARMLESS
    assert clean(anything) in "".join(read.text)


def test_no_character_of_a_run_can_reorder_or_hide_others() -> None:
    assert not [c for c in shown(EVIL).replace("\n", "") if c != clean(c)]


def loads_nothing(page: str) -> None:
    """A page holds no script, no link, and no style but its own."""
    tags = Reader(page).tags
    forbidden = ["script", "link", "iframe", "object", "embed", "img", "a", "form", "base", "foreignobject", "use"]
    assert not {tag for tag, *_ in tags} & set(forbidden)
    assert [tag for tag in tags if tag[0] == "style"] == [("style",)]
    names = {name.partition("=")[0] for _, *names in tags for name in names}
    assert not {name for name in names if name.startswith("on")} | (names & {"style", "href", "src", "xlink:href"})
    assert "url(" not in page and "@import" not in page


def test_the_page_holds_no_script_no_link_and_no_style_but_its_own() -> None:
    loads_nothing(shown())


def test_the_policy_lets_only_this_style_sheet_in() -> None:
    import base64
    import hashlib

    page = shown()
    style = page[page.index("<style>") + 7 : page.index("</style>")]
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.replace("&#39;", "'") == (
        f"default-src 'none'; style-src 'sha256-{allowed}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def test_the_page_says_what_a_reader_needs() -> None:
    text = " ".join("".join(Reader(shown()).text).split())
    for words in (
        "FAIL At least one check has failed.",
        "R@2 at least 0.4",
        "waived by Ada until 2027-01-01: known",
        "Failed, blocked or crashed: 5",
        "Warnings: 1",
        "+0.2500 [+0.1250, +0.3750]",
        "2/0/1",
        "○ highest: 0.71 at step 80; last: 0.69 at step 120",
        "○ lowest: 0.03333 at step 59",
        "none found; searched: run run",
        "toolkit run configs/run.yaml",
        "with uncommitted changes",
    ):
        assert words in text, words


def test_the_headings_are_in_order() -> None:
    levels = [int(tag[1]) for tag, *_ in HARMLESS if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later <= before + 1 for before, later in pairwise(levels))
    assert all("scope" in names for tag, *names in HARMLESS if tag == "th")


def test_errors_stand_open_and_the_rest_is_folded() -> None:
    assert [names for tag, *names in HARMLESS if tag == "details"] == [["open"], [], [], [], []]


def test_what_is_not_there_is_said() -> None:
    predicate, report = stated()
    del predicate["history"], predicate["acceptance"]
    predicate |= {"reference": None, "deltas": None}
    page = html.render(predicate, report)
    assert "Nothing was promised beforehand" in page
    assert "No reference run was given" in page
    assert "Training curves" not in page
    predicate, report = stated()
    predicate["deltas"] |= {"differs": ["other queries of test"], "rows": []}
    assert "other queries of test" in html.render(predicate, report)


def test_a_page_says_that_a_smoke_run_is_no_evidence() -> None:
    predicate, report = stated()
    predicate["run"]["purpose"] = "smoke"
    assert "no evidence" in html.render(predicate, report)
    assert "no evidence" not in shown()


numbers = st.floats(allow_nan=False, allow_infinity=False)


@example([(0, 0.0), (1, 4e-323)])
@given(st.lists(st.tuples(st.integers(0, 10**12), numbers), min_size=1, max_size=30))
def test_any_numbers_can_be_drawn(points: list[tuple[int, float]]) -> None:
    drawn = plot.curve("loss", sorted(points))
    for x, y in re.findall(r"([^ ,]+),([^ ,]+)", drawn["line"] or ""):
        assert plot.LEFT - 1 <= float(x) <= plot.RIGHT + 1
        assert plot.TOP - 1 <= float(y) <= plot.BOTTOM + 1


@given(numbers, numbers, numbers)
def test_any_interval_can_be_drawn(low: float, at: float, high: float) -> None:
    drawn = plot.intervals([{"low": low, "high": high, "difference": at}])
    found = [] if drawn is None else [drawn["zero"], *(drawn["rows"][0][key] for key in ("low", "at", "high"))]
    assert all(0 <= float(percent[:-1]) <= 100 for percent in found)


# The curves that a seal holds.


def test_curves_are_thinned_with_their_ends_and_extremes() -> None:
    points: list[list[Any]] = [[i, 0.5] for i in range(5000)]
    points[1234][1], points[4321][1] = 0.9, 0.1
    kept = history.thinned(points)
    assert len(kept) <= history.POINTS
    assert kept == sorted(kept)
    assert all(points[i] in kept for i in (0, 1234, 4321, 4999))
    assert history.thinned(kept) == kept


def a_run(folder: Path, **histories: str) -> Run:
    for name, rows in histories.items():
        path = folder / "stages" / name / "metric_history.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text(rows, "utf-8")
    return Run(folder, BUILT_IN.layout(), BUILT_IN.contracts, BUILT_IN.metric_keys)


def row(step: int, key: str, value: float) -> str:
    return f'{{"step": {step}, "epoch": null, "key": "{key}", "value": {value}}}\n'


def test_curves_come_from_histories_that_keep_their_contract(tmp_path: Path) -> None:
    path = BUILT_IN.layout().rule("stages/train/metric_history.jsonl")
    assert path is not None and path.contract == "metric_history/v1"
    run = a_run(
        tmp_path, again=row(1, "train/loss", 3), broken="{}\n", first=row(2, "train/loss", 1) + row(1, "dev", 2)
    )
    assert history.curves(run) == {
        "dev": [[1, 2]],
        "train/loss": [[1, 3]],
        "train/loss (stages/first/metric_history.jsonl)": [[2, 1]],
    }


def test_a_seal_holds_twenty_curves_at_most_evaluations_first(tmp_path: Path) -> None:
    run = a_run(tmp_path, train="".join(row(1, f"train/{i:02}", 1) for i in range(30)) + row(1, "z", 1))
    assert list(history.curves(run))[:2] == ["z", "train/00"]
    assert len(history.curves(run)) == history.KEYS


# In a browser.


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Chromium]:
    if chromium.PROGRAM is None:
        pytest.skip("no chromium here: nobody has looked at the page (apt-get install chromium)")
    with chromium.Chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def pixels(png: bytes) -> set[bytes]:
    """The distinct rows of a picture, as they are packed: a blank page has very few."""
    chunks, at = b"", 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            chunks += png[at + 8 : at + 8 + length]
        at += length + 12
    raw, width = zlib.decompress(chunks), struct.unpack(">I", png[16:20])[0]
    stride = 1 + width * (4 if png[25] == 6 else 3)
    return {raw[i : i + stride] for i in range(0, len(raw), stride)}


@pytest.mark.parametrize("nasty", ["", "<script>alert(1)</script>`", LONG[:400]], ids=["plain", "script", "long"])
@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (390, "light"), (390, "dark")])
def test_the_page_in_a_browser(browser: chromium.Chromium, tmp_path: Path, nasty: str, width: int, scheme: str) -> None:
    (tmp_path / "SEAL.html").write_text(shown(nasty), "utf-8")
    browser.open(tmp_path / "SEAL.html", width, scheme)
    assert browser.said == [], "nothing is refused by the policy, nothing is said"
    assert browser.value("document.documentElement.scrollWidth") <= width, "the page itself does not scroll sideways"
    assert browser.value("document.scripts.length") == 0
    ground = browser.value("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 20, 24)"}[scheme], "its style is let in"
    assert len(pixels(browser.picture())) > 300


def test_the_policy_is_at_work(browser: chromium.Chromium, tmp_path: Path) -> None:
    """What the tests above would see if a script or a style got into the page."""
    spoilt = shown().replace("<h1>", "<script>document.title = 'x'</script><h1 style='color: red'>")
    (tmp_path / "SEAL.html").write_text(spoilt, "utf-8")
    browser.open(tmp_path / "SEAL.html", 1200, "light")
    assert browser.value("document.title") != "x"
    assert len([line for line in browser.said if "Content Security Policy" in line]) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: str) -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5 at least."""
    page = shown()
    blocks = re.findall(r":root \{(.*?)\}", page, re.DOTALL)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", blocks[scheme == "dark"]))

    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    pairs = [(tone, f"{tone}-bg") for tone in ("good", "warn", "bad", "open")]
    pairs += [
        (ink, ground) for ink in ("ink", "soft", "accent", *(p[0] for p in pairs)) for ground in ("paper", "panel")
    ]
    for ink, ground in pairs:
        low, high = sorted((light(colours[ink]), light(colours[ground])))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground)


# A report as Markdown.


def test_a_report_as_markdown() -> None:
    told = markdown.render(a_report())
    assert told.startswith(
        "# run: FAIL\n\nArtifacts: 1 passed, 1 failed, 2 blocked. "
        "Checks: 1 passed, 1 warned, 1 failed, 1 skipped, 1 crashed.\n\n## What stands out\n\n"
        '- **error** `metrics.json` `metrics.json:2` `"a": null`: /a: expected number, found null\n'
    )
    assert "| ✗ failed | `fails` | It fails |  |\n" in told


def test_nothing_in_a_run_changes_what_the_markdown_is_made_of() -> None:
    plain = a_report()
    evil = Report("run-1", "run", tuple(map(spoiled, plain.artifacts)), tuple(map(spoiled, plain.checks)))
    assert structure(markdown.render(evil)) == structure(markdown.render(plain))


def test_the_page_is_the_same_each_time() -> None:
    predicate, report = stated()
    assert html.render(predicate, report) == html.render(copy.deepcopy(predicate), copy.deepcopy(report))
    assert SHA in html.render(predicate, report)
