"""The pages of a matrix's seal, SEAL.md and SEAL.html: what they say, and that nobody can write into them."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealkit import digest, write
from sealkit.matrix_seal import seal_matrix
from sealkit.matrix_verify import verify_matrix
from sealkit.pack import BUILT_IN
from sealkit.render import graph, matrix_html, matrix_models, matrix_seal, matrix_words, plot
from sealkit.render.text import clean
from sealkit.trees.recognise import recognise
from sealkit.trees.words import listed
from tests import chromium
from tests.golden import provenance, runs, tree
from tests.test_page import LONG, Reader, loads_nothing, pixels
from tests.test_render import EVIL, NASTY, structure

Tags = list[tuple[str, ...]]
Documents = tuple[dict[str, Any], dict[str, Any]]
# What a page shows in words of its own, or by which it decides what to show: no text of a run.
OURS = {
    "direction",
    "exit_code",
    "kind",
    "relation",
    "role",
    "schema",
    "severity",
    "state",
    "status",
    "type",
    "verdict",
}


def sealed(matrix: Path, reference: str | None = "m01") -> Documents:
    """The predicate of a seal, and its report."""
    place = recognise(matrix, BUILT_IN)
    assert place is not None
    seal_matrix(place, reference)
    statement = json.loads((matrix / "seal/seal.json").read_text("utf-8"))
    return statement["predicate"], json.loads((matrix / "seal/report.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the golden audit, sealed."""
    found = tree.build(tmp_path_factory.mktemp("golden"))
    sealed(found)
    return found


@pytest.fixture(scope="module")
def stated(matrix: Path) -> Documents:
    return sealed(matrix)


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    """A seal with everything that a page can show: tested differences, digests, a run that loaded another model, hard negatives,
    an absent model, a broken file, a waiver."""
    found = tree.build(tmp_path_factory.mktemp("rich"))
    runs.per_query(found)
    for rows in found.glob("runs/*/per_query_metrics.jsonl"):
        rows.write_text(re.sub(r'"(recall|mrr)', r'"retrieval_full/\1', rows.read_text()))
    runs.loaded(found, "m05", tree.BASE_MODEL)
    provenance.hard_negatives_trained(found)
    provenance.digests(found)
    (found / "runs/m07/metrics.json").write_text("{", "utf-8")
    predicate, report = sealed(found)
    told = [one for one in report["checks"] if one["findings"]]
    told[0]["findings"][0]["waiver"] = {"owner": "Ada", "reason": "known", "expires": "2027-01-01"}
    told[1]["reason"] = "KeyError: 'x'"
    predicate["models"][0] |= {"state": "missing", "weights": None}
    return predicate, report


@pytest.fixture(scope="module")
def plain(rich: Documents) -> Tags:
    """What its page is made of."""
    return Reader(shown(rich)).tags


def spoilt(thing: Any, nasty: str, key: str = "") -> Any:
    """A document with `nasty` at the end of every text that a run can choose."""
    if isinstance(thing, dict):
        return {name: spoilt(value, nasty, name) for name, value in thing.items()}
    if isinstance(thing, list):
        return [spoilt(value, nasty, key) for value in thing]
    return thing + nasty if isinstance(thing, str) and key not in OURS else thing


def nasty_documents(documents: Documents, nasty: str) -> Documents:
    predicate, report = spoilt(documents[0], nasty), spoilt(documents[1], nasty)
    for mine, theirs in ((predicate["contrasts"], documents[0]["contrasts"]), (predicate["numbers"]["tables"], documents[0]["numbers"]["tables"])):  # fmt: skip
        for one, other in zip(mine, theirs, strict=True):
            one["name"] = other["name"]
    for table, other in zip(predicate["numbers"]["tables"], documents[0]["numbers"]["tables"], strict=True):
        for column, same in zip(table["columns"], other["columns"], strict=True):
            column["name"] = column["name"] if same["metric"] else same["name"]
    predicate["risks"] = {check + nasty: code + nasty for check, code in documents[0]["risks"].items()}
    for said in predicate["commits"]["said"]:
        said["of"] = said["of"].removesuffix(nasty)
    return predicate, report


def shown(documents: Documents, nasty: str = "") -> str:
    return matrix_html.render(*nasty_documents(documents, nasty))


@pytest.mark.parametrize(
    "nasty",
    [
        "<script>alert(1)</script>", "`", "</style>", "</title><img src=x onerror=alert(1)>", '"', "'", '" onload="x', "-->",
        "{{ 7*7 }}", "{% raw %}", "&lt;", "&#0;", "\u202egnp.exe", LONG, NASTY, EVIL, "</svg><svg onload=x>", "/", "9" * 5000, "\n",
    ],
    ids=lambda nasty: ascii(nasty[:20]),
)  # fmt: skip
def test_a_nasty_text_changes_nothing(rich: Documents, plain: Tags, nasty: str) -> None:
    read = Reader(shown(rich, nasty))
    assert read.tags == plain
    assert clean(nasty) in "".join(read.text), "it is told as the text that it is"


@settings(max_examples=15)
@given(st.text(st.characters(), min_size=1))
def test_any_text_changes_nothing(rich: Documents, plain: Tags, anything: str) -> None:
    read = Reader(shown(rich, anything))
    assert read.tags == plain
    assert clean(anything) in "".join(read.text)


def test_no_character_of_a_run_can_reorder_or_hide_others(rich: Documents) -> None:
    assert not [c for c in shown(rich, EVIL).replace("\n", "") if c != clean(c)]


@pytest.mark.parametrize(
    "nasty", ["<b>", "[x](javascript:alert(1))", "@everyone", "|", "`" * 4, "# a", NASTY, EVIL], ids=ascii
)
def test_nothing_in_a_run_changes_what_the_markdown_is_made_of(rich: Documents, nasty: str) -> None:
    plain = structure(matrix_seal.render(*nasty_documents(rich, "x")))
    # Each line of a quote is a piece of its own.
    assert structure(matrix_seal.render(*nasty_documents(rich, nasty.replace("\n", " ")))) == plain


def test_the_page_holds_no_script_no_link_and_no_style_but_its_own(rich: Documents) -> None:
    loads_nothing(shown(rich))


def test_the_policy_lets_only_this_style_sheet_in(stated: Documents) -> None:
    page = shown(stated)
    style = page[page.index("<style>") + 7 : page.index("</style>")]
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.replace("&#39;", "'") == (
        f"default-src 'none'; style-src 'sha256-{allowed}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def words_of(page: str) -> str:
    return " ".join("".join(Reader(page).text).split())


def test_the_page_says_what_a_reader_needs(stated: Documents) -> None:
    text = words_of(shown(stated))
    for words in (
        "PASS (with warnings) No check has failed; some say what to be careful about.",
        "Runs10all came to their end",
        "Risks4R1, R2, R3, R4",
        "none of 18 to m01 was tested",
        "R1 a model is named by a mutable pointer models/retriever_ft/latest is a pointer, and training again moves it",
        "fixmodels/retriever_ft/20260203_005729_cd195e",
        "scripts/train_retriever.py:71-72shutil.rmtree(latest) shutil.copytree(dated, latest)",
        "6 more places",
        "In doubt: switches are real m02 and m05–m10 are indistinguishable",
        "Differences of m02–m10 to m01: no per-query data: not tested",
        "m030.2246−0.1000 (−57 of 570)",
        "Before and after fine-tuning (required): m01 → m02 and m04–m10",
        "With and without hard negatives (optional): none: no run loaded a model trained with hard negatives",
        "m01densesentence-transformers/all-MiniLM-L6-v2====",
        "…/runs/m04_retrieval_full/logs.txt:4",
        "Beststep 50, recall@5 0.435: outputs/20260203_005729_cd195e/checkpoints/step_50",
        "models/retriever_ft/20260203_005729_cd195e, the weights of outputs/20260203_005729_cd195e/checkpoints/step_150",
        "checkpoints/step_50, outputs/20260203_005729_cd195e/checkpoints/step_100",
        "config: off outputs/20260203_005729_cd195e/train_config.yaml:12",
        "HN-FT none found; looked in outputs/*/train_config.yaml",
        "✓ passedmatrix-models-agreeA run loaded the model that it saysno R5",
        "13 files",
        "toolkit seal outputs/20260217_184210_b3e07f --reference m01",
    ):  # fmt: skip
        assert words in text, words


def test_four_places_of_a_finding_stand_open_and_the_rest_is_folded(stated: Documents) -> None:
    page = shown(stated)
    card = page[page.index("commits differ, and no digest") : page.index("matrix-commits-bound")]
    open_part, folded = card.split("<details>")
    assert (open_part.count("<li>"), folded.count("<li>")) == (4, 6)


def test_the_headings_are_in_order(rich: Documents) -> None:
    tags = Reader(shown(rich)).tags
    levels = [int(tag[1]) for tag, *_ in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later <= before + 1 for before, later in pairwise(levels))
    assert all("scope" in names for tag, *names in tags if tag == "th")


def test_what_was_tested_has_its_interval_and_what_was_not_is_hollow(rich: Documents, stated: Documents) -> None:
    page = shown(rich)
    # Nine rows of ten were tested on one of two metrics; each interval is a line and its two ends.
    assert (
        page.count('class="point"') == 9 and page.count('class="hollow"') == 11 and page.count('class="whisker"') == 27
    )
    assert "adjusted over 10 comparisons" in page and "<h3>Statistics</h3>" in page
    plain = shown(stated)
    assert 'class="point"' not in plain and plain.count('class="hollow"') == 18 and "Statistics" not in plain


def test_a_model_that_is_another_stands_out(rich: Documents) -> None:
    page = shown(rich)
    assert page.count('<code class="other"') == 3
    assert "R5" in page and "FAIL" in page


def test_without_a_reference_the_values_are_drawn_and_nothing_is_compared(tmp_path: Path) -> None:
    predicate, report = sealed(tree.build(tmp_path), None)
    page = matrix_html.render(predicate, report)
    text = words_of(page)
    assert "No reference row was named (toolkit seal MATRIX_DIR --reference LABEL), so nothing is compared." in text
    assert page.count('class="hollow"') == 10 and 'aria-label="m03: 0.2246, "' in page
    assert "--reference m01" not in page
    assert "so nothing is compared" in matrix_seal.render(predicate, report)


def test_what_is_not_there_is_said(stated: Documents) -> None:
    predicate, report = copy.deepcopy(stated)
    for check in report["checks"]:
        check |= {"status": "passed", "findings": []}
    predicate |= {"trainings": [], "contrasts": [], "models": [], "outside": []}
    predicate["lineage"] = [{**line, "found": False, "looked": ["outputs/*/x.yaml"]} for line in predicate["lineage"]]
    predicate["commits"] = {
        "audit": {"commit": None, "state": "none", "reason": "no repository", "dirty": False},
        "said": [],
    }
    predicate["numbers"] = {"comparison": None, "tables": [], "figures": []}
    for text in (words_of(matrix_html.render(predicate, report)), matrix_seal.render(predicate, report)):
        for words in (
            matrix_words.NO_RISKS,
            matrix_words.NO_NOTES,
            matrix_words.NO_CONTRASTS,
            "No training was found behind the runs",
            "no repository",
            "outputs/*/x.yaml",
        ):
            assert words in text, words


def test_repeats_are_told_apart_and_what_is_said_to_be_nothing_is_none(stated: Documents) -> None:
    predicate, report = copy.deepcopy(stated)
    predicate["runs"][1]["label"] = "m01"
    predicate["commits"]["said"][0]["value"] = None
    text = matrix_seal.render(predicate, report)
    assert "| m01 \\(m02\\) | dense |" in text and "| matrix commit | none (`outputs/" in text
    assert "m01 (m02)dense" in words_of(matrix_html.render(predicate, report))


def test_runs_that_load_nothing_say_so(stated: Documents) -> None:
    predicate, report = copy.deepcopy(stated)
    for run in predicate["runs"]:
        run["model"] |= dict.fromkeys(matrix_models.ROLES) | {"weights": None, "agree": None}
    for text in (words_of(matrix_html.render(predicate, report)), matrix_seal.render(predicate, report)):
        assert matrix_models.NO_MODELS in text


def test_two_hundred_runs_are_folded_and_scroll(stated: Documents) -> None:
    predicate, report = many(*stated)
    page = matrix_html.render(predicate, report)
    assert "200 rows, drawn" in page and page.count('class="scroll tall"') >= 4
    assert len(page) < 1_500_000
    assert "m001–m200" in matrix_seal.render(predicate, report)


def many(predicate: Mapping[str, Any], report: Mapping[str, Any], count: int = 200) -> Documents:
    """A seal with many more rows like the second."""
    found = copy.deepcopy(dict(predicate))
    labels = [f"m{number:03d}" for number in range(1, count + 1)]
    found["runs"] += [{**found["runs"][1], "id": label, "label": label} for label in labels]
    rows = found["numbers"]["comparison"]["rows"]
    found["numbers"]["comparison"]["rows"] = [{**row, "label": label} for label in labels for row in rows[:2]]
    found["trainings"][0]["runs"] = labels
    for table in found["numbers"]["tables"]:
        table["rows"] = [[{"value": label}, *table["rows"][1][1:]] for label in labels]
    return found, dict(report)


def test_a_page_that_was_written_into_is_found(tmp_path: Path) -> None:
    found = tree.build(tmp_path)
    sealed(found)
    assert not verify_matrix(found).problems
    page, statement = found / "seal/SEAL.html", found / "seal/seal.json"
    page.write_text(page.read_text("utf-8").replace("0.3789", "0.9789"), "utf-8")
    content, sums = json.loads(statement.read_text("utf-8")), found / "seal/SHA256SUMS"
    before = {one["name"]: one["digest"]["sha256"] for one in content["subject"]}["seal/SEAL.html"]
    after, old = digest.file(page).removeprefix("sha256:"), digest.file(statement).removeprefix("sha256:")
    statement.write_text(write.dumps(content).replace(before, after), "utf-8")
    sums.write_text(
        sums.read_text().replace(before, after).replace(old, digest.file(statement).removeprefix("sha256:"))
    )
    assert [(one.at.path, one.message) for one in verify_matrix(found).problems] == [
        ("seal/SEAL.html", "does not say what the seal says: written again it is another text")
    ]


def test_the_pages_are_the_same_each_time(rich: Documents) -> None:
    for render in (matrix_html.render, matrix_seal.render):
        assert render(*rich) == render(*copy.deepcopy(rich))


# What both pages say.


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["m1", "m2"], "m1 and m2"),
        (["m1", "m2", "m3", "m5"], "m1–m3 and m5"),
        (["m09", "m10", "m11"], "m09–m11"),
        (["b", "m2", "m4", "a"], "b, m2, m4 and a"),
        (["few", "few"], "few"),
        (["m" + "9" * 5000, "m1"], f"m{'9' * 5000} and m1"),
    ],
)  # fmt: skip
def test_labels_are_told_by_their_ends(labels: list[str], told: str) -> None:
    assert listed(labels) == told


def test_more_labels_than_one_reads_are_counted_where_that_is_asked_for() -> None:
    assert listed("abcdef", 4) == "a, b, c and 3 more"
    assert listed("abcd", 4) == "a, b, c and d"


@given(st.lists(st.text()))
def test_paths_are_ordered_by_their_numbers_whatever_they_are(paths: list[str]) -> None:
    assert sorted(matrix_models.by_number(paths)) == sorted(paths)
    assert matrix_models.by_number(["b/step_100", "b/step_50", "a"]) == ["a", "b/step_50", "b/step_100"]


def test_a_place_is_told_once_and_with_what_stands_there() -> None:
    at = {"path": "a.json", "line": 3, "quote": '"a": 1'}
    bare = {"path": "a.json", "line": 3, "quote": None}
    other = {"path": "b.json", "line": None, "quote": None}
    assert matrix_words.places({"location": bare, "also": [at, at, other]}) == [at, other]
    assert matrix_words.where({"path": "a.py", "line": 3, "quote": "x", "x-end": 5}) == "a.py:3-5"


def test_points_without_intervals_can_be_drawn() -> None:
    drawn = plot.intervals(
        [{"difference": 0.5, "low": None, "high": None}, {"difference": -0.5, "low": -1.0, "high": 0.0}]
    )
    assert drawn is not None
    assert [(row["low"], row["at"], row["high"]) for row in drawn["rows"]] == [(None, "93.10%", None), ("6.90%", "35.63%", "64.37%")]  # fmt: skip


def line(role: str, name: str | None, training: str | None = None) -> dict[str, Any]:
    return {"role": role, "name": name, "training": training, "found": name is not None}


def test_an_arrow_leads_from_a_base_to_what_was_made_of_it() -> None:
    lines = [line("pre-FT", "a"), line("pre-FT", "b"), line("post-FT", "x", "t1"), line("HN-FT", None)]
    drawn = graph.graph(lines, [{"id": "t1", "base": {"value": "./b"}}])
    (arrow,) = drawn["arrows"]
    middle = {box["line"]["name"]: box["y"] + graph.HIGH // 2 for box in drawn["boxes"]}
    assert (arrow["y1"], arrow["y2"]) == (middle["b"], middle["x"])
    assert all(box["y"] >= 0 and box["y"] + graph.HIGH <= drawn["height"] for box in drawn["boxes"])


def test_a_long_lineage_is_drawn_in_part_and_the_rest_is_counted() -> None:
    drawn = graph.graph([line("post-FT", f"m{i}") for i in range(graph.MOST + 3)], [])
    assert (len(drawn["boxes"]), drawn["more"]) == (graph.MOST, 3)


# In a browser.


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Chromium]:
    if chromium.PROGRAM is None:
        pytest.skip("no chromium here: nobody has looked at the page (apt-get install chromium)")
    with chromium.Chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("nasty", ["", "<script>alert(1)</script>`", LONG[:400]], ids=["plain", "script", "long"])
@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (1200, "dark"), (380, "light"), (380, "dark")])
def test_the_page_in_a_browser(
    browser: chromium.Chromium, rich: Documents, tmp_path: Path, nasty: str, width: int, scheme: str
) -> None:
    (tmp_path / "SEAL.html").write_text(shown(rich, nasty), "utf-8")
    browser.open(tmp_path / "SEAL.html", width, scheme)
    assert browser.said == [], "nothing is refused by the policy, nothing is said"
    assert browser.value("document.documentElement.scrollWidth") <= width, "the page itself does not scroll sideways"
    ground = browser.value("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 20, 24)"}[scheme], "its style is let in"
    if not nasty:
        assert len(pixels(browser.picture())) > 300


def test_many_runs_in_a_browser(browser: chromium.Chromium, stated: Documents, tmp_path: Path) -> None:
    (tmp_path / "SEAL.html").write_text(matrix_html.render(*many(*stated)), "utf-8")
    browser.open(tmp_path / "SEAL.html", 1200, "light")
    few = 9000  # pixels: as high as with ten runs
    assert browser.value("document.documentElement.scrollHeight") < 1.3 * few


def test_on_paper_nothing_is_folded_and_nothing_scrolls(
    browser: chromium.Chromium, stated: Documents, tmp_path: Path
) -> None:
    (tmp_path / "SEAL.html").write_text(shown(stated), "utf-8")
    browser.open(tmp_path / "SEAL.html", 760, "light")
    shown_of_it = "[...document.querySelectorAll('details:not([open]) li')].filter(li => li.checkVisibility()).length"
    assert browser.value(shown_of_it) == 0
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        assert browser.value("document.documentElement.scrollWidth") <= 760
        assert browser.value(shown_of_it) == browser.value("document.querySelectorAll('details li').length") > 0
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")
