"""The golden audit: the tree of another project's matrix, sealed; its page and each repair word for word, and nothing tuned to it."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

import pytest

from tests import matrices
from tests.golden import edits, repairs, tree
from tests.matrices import build, call, code, lasting, sealed, stated, told

GOLDEN = Path(__file__).parent / "golden"
RISKS = {
    "R1": "matrix-models-pinned",
    "R2": "matrix-best-exported",
    "R3": "matrix-keys-of-today",
    "R4": "matrix-commits-bound",
}
BESIDE = ("matrix-selection-reported", "switch-without-effect")
REFERENCE = {"golden": "m01", "otherwise": "untuned"}
TREES: dict[str, dict[str, Any]] = {"golden": {}, "otherwise": edits.OTHERWISE}


@pytest.fixture(scope="module", params=TREES)
def audited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sealed matrix: of the golden tree, and of one that shares no id, order or number with it."""
    matrix = build(tmp_path_factory.mktemp(request.param), **TREES[request.param])
    sealed(matrix, REFERENCE[request.param])
    return matrix


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the golden matrix, sealed."""
    matrix = build(tmp_path_factory.mktemp("golden"))
    sealed(matrix)
    return matrix


# Word for word


def test_the_page_of_the_golden_audit(golden: Path) -> None:
    assert lasting((golden / "seal/SEAL.md").read_text("utf-8")) == (GOLDEN / "SEAL.md").read_text("utf-8")


def test_what_check_says_of_the_golden_tree(golden: Path) -> None:
    result = call(golden, "check")
    assert result.stdout == (GOLDEN / "check.txt").read_text("utf-8")
    said = result.stderr.splitlines()
    assert said[0] == "layout: seal-matrix/v1 (matrix.json:7 holds $.experiments)"
    assert said[1].startswith("read: 92 files; said: matrix id 1, ")


@pytest.mark.parametrize("risk", RISKS)
def test_a_repair_takes_its_risk_out_of_what_check_says(tmp_path: Path, risk: str) -> None:
    """The golden files hold what changes: the lines of the risk go; numbers of lines and digests that the repair moved are others."""
    before = (GOLDEN / "check.txt").read_text("utf-8").splitlines(keepends=True)
    after = call(build(tmp_path, repairs.REPAIRS[risk]), "check").stdout.splitlines(keepends=True)
    changed = "".join(
        line for line in difflib.unified_diff(before, after, n=0) if not line.startswith(("@@", "---", "+++"))
    )
    assert changed == (GOLDEN / f"repair_{risk}.diff").read_text("utf-8")


# By structure, on both trees


def test_the_verdict_is_a_pass_with_warnings(audited: Path) -> None:
    assert stated(audited / "seal")["verdict"] == "PASS (with warnings)"
    for verb in ("check", "verify"):
        assert code(call(audited, verb)) == 0
    reference = REFERENCE["golden" if "m01" in _labels(audited) else "otherwise"]
    again = ("seal", "--reference", reference)
    assert [code(call(audited, *again, *more)) for more in ((), ("--strict",))] == [0, 1]


def _labels(matrix: Path) -> list[str]:
    return [row["label"] for row in edits.document(matrix / "matrix.json")["experiments"]]


def test_the_risks_are_these_four(audited: Path) -> None:
    report = edits.document(audited / "seal/report.json")
    assert told(report) == dict.fromkeys(sorted([*RISKS.values(), *BESIDE]), "warned")
    risks = stated(audited / "seal")["risks"]
    assert {risks[check].partition(" ")[0]: check for check in told(report) if check in risks} == RISKS
    page = (audited / "seal/SEAL.md").read_text("utf-8")
    assert re.findall(r"(?m)^### (R\d)", page) == list(RISKS)


def test_each_risk_has_several_places_and_a_value_to_paste(audited: Path) -> None:
    built, dated = edits.root(audited), edits.model_root(audited) / edits.trainings(audited)[0].name
    found = {one["id"]: one for one in edits.document(audited / "seal/report.json")["checks"]}
    for check in RISKS.values():
        (finding,) = found[check]["findings"]
        places = [at for at in (finding["location"], *finding["also"]) if at["quote"]]
        assert len({(at["path"], at["line"]) for at in places}) >= 3, check
    fixes = {risk: found[check]["findings"][0]["fix"] for risk, check in RISKS.items()}
    assert fixes["R1"] == dated.relative_to(built).as_posix()
    best = edits.document(edits.trainings(audited)[0] / "metrics.json")["best_step"]
    assert fixes["R2"] == f"export outputs/{edits.trainings(audited)[0].name}/checkpoints/step_{best}"
    assert "retriever.model_name → retriever.dense.model_name_or_path" in fixes["R3"]
    weights = {model["path"]: model["weights"] for model in stated(audited / "seal")["models"]}
    assert fixes["R4"] == f'"model_sha256": "{weights[fixes["R1"]]}"'


def shown(matrix: Path, at: Any, end: int | None) -> bool:
    """Whether the quote of a place stands in its lines; … stands for what a long line was shortened by."""
    lines = (edits.root(matrix) / at["path"]).read_text("utf-8").splitlines()[at["line"] - 1 : end or at["line"]]
    quotes = at["quote"].split("\n")
    return len(quotes) <= len(lines) and all(
        part.strip() in "\n".join(lines) for quote in quotes for part in quote.split("…")
    )


def test_every_place_of_evidence_is_a_line_of_the_tree_that_says_what_is_quoted(audited: Path) -> None:
    places = [
        at
        for finding in matrices.findings(edits.document(audited / "seal/report.json"))
        for at in (finding["location"], *finding["also"])
    ]
    assert len(places) >= 25
    assert [at for at in places if at["line"] is None or not shown(audited, at, at.get("x-end"))] == []


def test_every_statement_of_the_evidence_stands_where_it_says(audited: Path) -> None:
    said = [one["at"] for one in edits.document(audited / "seal/evidence.json")["statements"] if one["at"]["line"]]
    assert len(said) > 200
    assert [at for at in said if not (at["quote"] and shown(audited, at, at["end"]))] == []


def test_beside_the_risks_stands_how_far_the_numbers_can_be_read(audited: Path) -> None:
    found = {one["id"]: one["findings"] for one in edits.document(audited / "seal/report.json")["checks"]}
    (selected,) = found["matrix-selection-reported"]
    assert re.search(
        r"selected by recall@5; .* report recall@10, by which step \d+ would have been chosen$", selected["message"]
    )
    (alike,) = found["switch-without-effect"]
    two = {"m01": "m02 and m05–m10 are", "untuned": "tuned and tuned_expand are"}
    numbers = stated(audited / "seal")["numbers"]
    assert alike["message"].startswith(
        f"{two[numbers['comparison']['reference']]} indistinguishable: every reported number is equal"
    )
    assert {row["why"] for row in numbers["comparison"]["rows"]} == {"no per-query data: not tested"}
    assert all(row["p"] is None and row["difference"] is not None for row in numbers["comparison"]["rows"])


def test_pre_and_post_are_there_and_hard_negatives_are_not(audited: Path) -> None:
    found = {one["name"]: one for one in stated(audited / "seal")["contrasts"]}
    assert (found["pre_post"]["required"], found["pre_post"]["found"]) == (True, True)
    assert (found["hard_negatives"]["required"], found["hard_negatives"]["found"]) == (False, False)
    assert found["hard_negatives"]["looked"][:3] == [
        f"outputs/*/{name}" for name in ("train_config.yaml", "metrics.json", "logs.txt")
    ]
    roles = {line["role"]: line for line in stated(audited / "seal")["lineage"]}
    assert (roles["HN-FT"]["found"], roles["HN-FT"]["looked"]) == (False, found["hard_negatives"]["looked"][:3])
    hard = stated(audited / "seal")["trainings"][0]["hard_negatives"]
    assert [hard[by]["value"] for by in ("config", "record", "log")] == [False, False, "False"]
    assert hard["on"] is False


def test_the_four_places_name_the_model_of_every_run(audited: Path) -> None:
    for run in stated(audited / "seal")["runs"]:
        model = run["model"]
        if run["mode"]["value"] == "bm25":
            assert (model["override"], model["loaded"], model["agree"]) == (None, None, None)
            continue
        assert len({model[by]["value"] for by in ("config", "override", "resolved", "loaded")}) == 1
        assert model["agree"] is True
        assert (model["weights"] is None) == (model["loaded"]["value"] == tree.BASE_MODEL)


@pytest.mark.parametrize("risk", RISKS)
def test_a_repair_removes_just_its_risk_of_another_tree(tmp_path: Path, risk: str) -> None:
    report = matrices.report(build(tmp_path, repairs.REPAIRS[risk], **edits.OTHERWISE))
    assert sorted(told(report)) == sorted([*(check for name, check in RISKS.items() if name != risk), *BESIDE])


@pytest.mark.parametrize("tree", TREES)
def test_all_repairs_together_leave_no_risk(tmp_path: Path, tree: str) -> None:
    order = ("R2", "R1", "R3", "R4")  # what was exported is bound last
    matrix = build(tmp_path, *(repairs.REPAIRS[risk] for risk in order), **TREES[tree])
    assert sorted(told(matrices.report(matrix))) == list(BESIDE)
    page = (sealed(matrix, REFERENCE[tree]) / "SEAL.md").read_text("utf-8")
    assert "## Risks\n\nNone: what the runs stand on is named, kept and bound.\n" in page


def test_the_reference_is_a_label_a_tag_or_a_run(tmp_path: Path) -> None:
    matrix = build(tmp_path, **edits.OTHERWISE)
    pages = set()
    for number, reference in enumerate(("untuned", "reference", "1002_070000")):
        out = tmp_path / f"seal{number}"
        assert code(call(matrix, "seal", "--reference", reference, "--out", str(out))) == 0
        pages.add(lasting((out / "SEAL.md").read_text("utf-8")))
    assert len(pages) == 1
