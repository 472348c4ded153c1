"""The seal of a matrix, verified: what holds, what a forger changes and how it is told, and what moves outside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sealkit import digest, write
from sealkit.cli import toolkit
from sealkit.finding import UsageError
from sealkit.matrix_seal import seal_matrix, texts
from sealkit.matrix_statement import TYPE
from sealkit.pack import BUILT_IN
from sealkit.seal import STATEMENT, SUMS
from sealkit.statement import statement
from sealkit.trees.recognise import recognise
from tests.golden import edits, provenance, repairs, runs, tree
from tests.matrices import build, call, code, sealed, stated

Change = Callable[[Any], object]


@pytest.fixture(scope="module")
def sealed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sealed")
    sealed(build(folder, runs.per_query, lambda at: runs.loaded(at, "m02", tree.BASE_MODEL), experiments=tree.TEN[:3]))
    return folder


@pytest.fixture
def matrix(sealed_once: Path, tmp_path: Path) -> Path:
    """A sealed matrix of the test's own. Its m02 loaded another model than its config says: the verdict is FAIL."""
    shutil.copytree(sealed_once, tmp_path / "tree", symlinks=True)
    return next(tmp_path.glob("tree/outputs/*/seal")).parent


def verified(matrix: Path, *options: str) -> tuple[int, list[str]]:
    """The exit code of `toolkit verify`, and the lines that it prints."""
    result = call(matrix, "verify", *options)
    return code(result), result.stdout.splitlines()


def document(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def forge(matrix: Path, name: str = STATEMENT, change: Change = lambda _: None) -> None:
    """Change a document of the seal, and rewrite digests, statement and sums so that all bytes fit again."""
    seal = matrix / "seal"
    content = document(seal / name)
    change(content)
    (seal / name).write_text(write.dumps(content), "utf-8")
    predicate = document(seal / STATEMENT)["predicate"]
    for part in ("evidence", "report"):
        predicate[part] = digest.file(seal / f"{part}.json")
    kind = document(seal / STATEMENT)["predicateType"]
    resum(matrix, predicate, kind)


def resum(matrix: Path, predicate: Any, kind: str = TYPE) -> None:
    """Write statement and sums over the files as they are."""
    names = [name for name in digest.walk(matrix) if name not in (f"seal/{STATEMENT}", f"seal/{SUMS}")]
    digests = digest.files(matrix, names)
    (matrix / "seal" / STATEMENT).write_text(
        write.dumps({**statement(digests, predicate), "predicateType": kind}), "utf-8"
    )
    digests[f"seal/{STATEMENT}"] = digest.file(matrix / "seal" / STATEMENT)
    (matrix / "seal" / SUMS).write_text(digest.sums(digests), "utf-8")


def rewrite(matrix: Path) -> None:
    """Write page and tables again of what evidence, report and statement say, as the best of forgers would."""
    seal = matrix / "seal"
    predicate = document(seal / STATEMENT)["predicate"]
    for name, text in texts(document(seal / "evidence.json"), document(seal / "report.json"), predicate).items():
        (seal / name).write_text(text, "utf-8")
    forge(matrix)


# What holds


def linked(folder: Path) -> Path:
    """A sealed matrix that holds two links: to one of its runs, and to nothing."""

    def link(matrix: Path) -> None:
        (matrix / "runs/last").symlink_to("m02")
        (matrix / "gone").symlink_to("nowhere")

    matrix = build(folder, link, experiments=tree.TEN[:3])
    sealed(matrix)
    return matrix


def test_links_in_a_matrix_are_sealed_by_what_they_lead_to(tmp_path: Path) -> None:
    matrix = linked(tmp_path)
    said = [one for one in document(matrix / "seal/evidence.json")["statements"] if one["what"] == "link"]
    assert [(one["key"], one["value"], one["at"]["path"]) for one in said] == [
        ("gone", "nowhere", f"outputs/{matrix.name}/gone"),
        ("runs/last", "m02", f"outputs/{matrix.name}/runs/last"),
    ]
    assert "last" not in (matrix / "seal" / SUMS).read_text("utf-8")
    assert verified(matrix)[0] == 0
    summary = matrix / "runs/m02/summary.json"
    summary.rename(tmp_path / "summary.json")
    summary.symlink_to(tmp_path / "summary.json")
    told = verified(matrix)
    assert told[0] == 1 and any("runs/m02/summary.json" in line and "missing" in line for line in told[1])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda at: at.unlink(), "link 'm02' is not said by"),
        (lambda at: (at.unlink(), at.symlink_to("m01")), "link 'm01' is left out, and said by"),
        (lambda at: at.with_name("more").symlink_to("m01"), "link 'm01' is left out, and said by"),
    ],
)
def test_a_link_that_was_changed_since(tmp_path: Path, change: Callable[[Path], object], says: str) -> None:
    matrix = linked(tmp_path)
    change(matrix / "runs/last")
    status, lines = verified(matrix)
    assert status == 1 and any(says.replace("'", '"') in line or says in line for line in lines), lines


def test_the_root_of_a_sealed_tree_is_found_again(tmp_path: Path) -> None:
    """Also one that was given, and that nothing but the evidence tells."""
    matrix = build(tmp_path / "w", experiments=tree.TEN[:3])
    away = matrix.parent / "exp" / matrix.name
    away.parent.mkdir()
    matrix.rename(away)

    def run(*arguments: str) -> int:
        return code(CliRunner().invoke(toolkit, [*arguments[:1], str(away), *arguments[1:]], standalone_mode=False))

    run("seal", "--reference", "m01")
    assert document(away / "seal/evidence.json")["matrix"] == f"outputs/exp/{matrix.name}"
    assert [run("check"), run("verify")] == [0, 0]
    shutil.rmtree(away / "seal")
    run("seal", "--reference", "m01", "--root", str(tmp_path))
    assert document(away / "seal/evidence.json")["matrix"] == f"w/outputs/exp/{matrix.name}"
    assert [run("check"), run("verify")] == [3, 3]  # nothing of the models is found from there
    assert run("verify", "--root", str(tmp_path / "w")) == 1


def test_a_seal_holds_and_its_verdict_is_the_exit_code(matrix: Path) -> None:
    exit_code, said = verified(matrix)
    assert (exit_code, said[0], said[-1]) == (
        1,
        f"the seal holds: {digest.file(matrix / 'seal/seal.json')}",
        "verdict: FAIL",
    )
    moved = [line for line in said[2:-1] if ": same (" not in line]
    assert (said[1], moved, len(said) > 15) == ("outside the run, since it was sealed:", [], True)


def test_a_golden_seal_holds(tmp_path: Path) -> None:
    matrix = build(tmp_path, **edits.OTHERWISE)
    first = call(matrix, "seal", "--reference", "untuned")
    kept = first.stdout.strip()
    assert verified(matrix, "--digest", kept)[0] == 0
    before = {path: path.read_bytes() for path in matrix.rglob("*") if path.is_file()}
    again = call(matrix, "seal", "--reference", "untuned")
    assert (code(again), again.stdout.strip()) == (0, kept)
    assert "sealed already, with the same bytes" in again.stderr
    assert {path: path.read_bytes() for path in matrix.rglob("*") if path.is_file()} == before
    exit_code, said = verified(matrix, "--digest", f"sha256:{'0' * 64}")
    assert (exit_code, said[-1]) == (1, "the seal no longer holds: 1 problem")
    assert said[0].endswith(f"its digest is {kept}, not the given sha256:{'0' * 64}")


def test_another_seal_does_not_replace_it(matrix: Path) -> None:
    result = call(matrix, "seal", "--reference", "m02")
    assert isinstance(result.exception, UsageError)
    assert result.exception.message == f"{matrix}/seal: another seal is there already, and a seal is never overwritten"
    assert verified(matrix)[1][0].startswith("the seal holds")


def test_a_seal_elsewhere_is_given_to_verify(tmp_path: Path) -> None:
    matrix, out = build(tmp_path / "tree"), tmp_path / "elsewhere"
    before = sorted(matrix.rglob("*"))
    assert code(call(matrix, "seal", "--reference", "m01", "--out", str(out))) == 0
    assert sorted(matrix.rglob("*")) == before
    assert verified(matrix)[0] == 3
    assert verified(matrix, "--seal", str(out))[0] == 0
    (matrix / "matrix.json").write_bytes((matrix / "matrix.json").read_bytes() + b"\n")
    exit_code, said = verified(matrix, "--seal", str(out))
    assert (exit_code, said[0]) == (1, "matrix.json: changed: its bytes are not those that were sealed")


def test_a_seal_by_a_layout_of_ones_own_asks_for_it(tmp_path: Path) -> None:
    matrix = build(tmp_path / "tree", lambda at: at.joinpath("matrix.json").rename(at / "experiments.json"))
    own = (Path(__file__).parent.parent / "spec/layouts/seal-matrix.yaml").read_text("utf-8")
    own = own.replace("layout: seal-matrix/v1", "layout: my-matrix/v1").replace("matrix.json", "experiments.json")
    (tmp_path / "mine.yaml").write_text(own, "utf-8")
    given = ("--layout", str(tmp_path / "mine.yaml"))
    assert code(call(matrix, "seal", "--reference", "m01", *given)) == 0
    assert stated(matrix / "seal")["layout"]["id"] == "my-matrix/v1"
    assert verified(matrix, *given)[0] == 0
    exit_code, said = verified(matrix)
    assert (exit_code, "give it with --layout" in "\n".join(said)) == (3, True)
    (tmp_path / "mine.yaml").write_text(own.replace("title: ", "title: My own: "), "utf-8")
    assert verified(matrix, *given)[0] == 3


def test_without_a_seal_there_is_nothing_to_verify(tmp_path: Path) -> None:
    assert verified(build(tmp_path)) == (3, ["no seal: seal/seal.json is not here", "  fix: toolkit seal RUN_DIR"])


# Bytes


@pytest.mark.parametrize(
    "name",
    [
        "matrix.json", "experiments_resolved.yaml", "runs/m03/summary.json", "runs/m03/config.resolved.yaml", "runs/m03/metrics.json",
        "runs/m02_retrieval_full/logs.txt", "runs/m03/git_commit.txt", "runs/m01/per_query_metrics.jsonl", "seal/evidence.json",
        "seal/report.json", "seal/SEAL.md", "seal/SEAL.html", "seal/tables/metrics.csv", "seal/tables/differences.tex",
    ],
)  # fmt: skip
def test_every_file_is_told_when_it_changes_goes_or_comes(matrix: Path, name: str) -> None:
    path = matrix / name
    content = path.read_bytes()
    for change, word in (
        (lambda: path.write_bytes(content.replace(b"1", b"2", 1) + b" "), "changed"),
        (path.unlink, "missing"),
        (lambda: (path.write_bytes(content), path.with_name("more.txt").write_text("x")), "unexpected"),
    ):
        change()
        exit_code, said = verified(matrix)
        where = name if word != "unexpected" else f"{name.rpartition('/')[0]}/more.txt".lstrip("/")
        assert exit_code == 1
        assert said[0].startswith(f"{where}: {word}: "), said


@pytest.mark.parametrize("name", [STATEMENT, SUMS])
def test_statement_and_sums_are_held_against_each_other(matrix: Path, name: str) -> None:
    path = matrix / "seal" / name
    path.write_bytes(path.read_bytes().replace(b"a", b"b", 1))
    exit_code, said = verified(matrix)
    assert exit_code == 1
    assert said[0].startswith("seal/"), said


# Forgeries: all bytes fit again


def said_by(run: str, what: str, by: str | None = None) -> Callable[[Any], list[Any]]:
    return lambda evidence: [
        one for one in evidence["statements"] if (one["id"], one["what"]) == (run, what) and by in (None, one["by"])
    ]


def dropped(find: Callable[[Any], list[Any]]) -> Change:
    def drop(evidence: Any) -> None:
        gone = find(evidence)
        assert gone
        evidence["statements"] = [one for one in evidence["statements"] if one not in gone]

    return drop


def changed(find: Callable[[Any], list[Any]], **fields: Any) -> Change:
    return lambda evidence: [one.update(fields) for one in find(evidence)]


def outcome(report: Any, check: str) -> Any:
    return next(one for one in report["checks"] if one["id"] == check)


LOADED = "matrix-models-agree"
FORGERIES: dict[str, tuple[str, Change, str]] = {
    "a statement is dropped": (
        "evidence.json", dropped(said_by("m02", "model", "loaded")),
        'seal/evidence.json: run m02: model "sentence-transformers/all-MiniLM-L6-v2" is left out, and said by outputs/*/logs.txt',
    ),
    "a statement says another value": (
        "evidence.json", changed(said_by("m02", "model", "loaded"), value="models/retriever_ft/latest"),
        'seal/evidence.json: run m02: model "models/retriever_ft/latest" is not said by outputs/*/logs.txt',
    ),
    "a statement is made up": (
        "evidence.json", lambda it: it["statements"].append({**said_by("m02", "status")(it)[0], "what": "tag"}),
        'seal/evidence.json: run m02: tag "ok" is not said by outputs/*/matrix.json',
    ),
    "a statement of a file outside is dropped": (
        "evidence.json", dropped(lambda it: [one for one in it["statements"] if one["of"] == "config" and one["what"] == "old_key"][:1]),
        'seal/evidence.json: config configs/run_baseline.yaml: old_key "dense" is left out, and said by configs/run_baseline.yaml',
    ),
    "a digest of a model is changed": (
        "evidence.json", lambda it: it["models"][0].update(weights=f"sha256:{'1' * 64}"),
        f'seal/seal.json: /predicate/*/weights: the seal says "sha256:*", derived again it is "sha256:{"1" * 64}"',
    ),
    "the commit of the audit is changed": (
        "evidence.json", lambda it: it["repository"].update(commit="1" * 40), "seal/seal.json: /predicate/commits/audit/commit: the seal says *",
    ),
    "the evidence breaks its contract": ("evidence.json", lambda it: it.pop("statements"), "seal/evidence.json: does not keep its contract"),
    "the report has another verdict": (
        "report.json", lambda it: it.update(verdict="PASS", exit_code=0), "seal/report.json: the seal says PASS, judged again it is FAIL",
    ),
    "a check of the report came out otherwise": (
        "report.json", lambda it: outcome(it, LOADED).update(status="passed", findings=[]),
        f"seal/report.json: {LOADED}: the seal says passed, judged again it is failed",
    ),
    "a finding of the report has other words": (
        "report.json", lambda it: outcome(it, LOADED)["findings"][0].update(message="nothing"),
        f"seal/report.json: {LOADED}: judged again it says something else",
    ),
    "a check is left out of the report": (
        "report.json", lambda it: it["checks"].remove(outcome(it, LOADED)), f"seal/report.json: {LOADED}: the seal says nothing, judged again it is failed",
    ),
    "the verdict": (STATEMENT, lambda it: it["predicate"].update(verdict="PASS"), 'seal/seal.json: /predicate/verdict: the seal says "PASS", derived again it is "FAIL"'),
    "a check is left out": (STATEMENT, lambda it: it["predicate"]["checks"].remove(LOADED), f"seal/seal.json: leaves out the check {LOADED}, which sealkit * has"),
    "a check is left out by a seal of an older version": (
        STATEMENT, lambda it: (it["predicate"]["checks"].remove(LOADED), it["predicate"].update(sealkit="0.1.0")),
        f"seal/seal.json: leaves out the check {LOADED}, which sealkit 0.1.0 has",
    ),
    "a check is left out by a seal of a newer version": (
        STATEMENT, lambda it: (it["predicate"]["checks"].remove(LOADED), it["predicate"].update(sealkit="7.0")),
        f"seal/seal.json: leaves out the check {LOADED}, which sealkit 7.0 has",
    ),
    "a risk is left out": (
        STATEMENT, lambda it: it["predicate"]["risks"].pop(LOADED),
        f'seal/seal.json: /predicate/risks/{LOADED}: the seal says null, derived again it is "R5 another model was loaded than is said"',
    ),
    "a number of the comparison": (
        STATEMENT, lambda it: it["predicate"]["numbers"]["comparison"]["rows"][0].update(p_holm=0.001),
        "seal/seal.json: /predicate/numbers/comparison/rows/0/p_holm: the seal says 0.001, derived again it is *",
    ),
    "a number of a table": (
        STATEMENT, lambda it: it["predicate"]["numbers"]["tables"][0]["rows"][1][2].update(value=0.9),
        "seal/seal.json: /predicate/numbers/tables/0/rows/1/2/value: the seal says 0.9, derived again it is *",
    ),
    "a number of a figure": (
        STATEMENT, lambda it: it["predicate"]["numbers"]["figures"][0]["panels"][0]["rows"][0].update(value=0.9),
        "seal/seal.json: /predicate/numbers/figures/0/panels/0/rows/0/value: the seal says 0.9, derived again it is *",
    ),
    "a line of the lineage": (STATEMENT, lambda it: it["predicate"]["lineage"].pop(), "seal/seal.json: /predicate/lineage: the seal says *"),
    "a run agrees": (
        STATEMENT, lambda it: it["predicate"]["runs"][1]["model"].update(agree=True),
        "seal/seal.json: /predicate/runs/1/model/agree: the seal says true, derived again it is false",
    ),
    "a contrast": (STATEMENT, lambda it: it["predicate"]["contrasts"][1].update(found=True), "seal/seal.json: /predicate/contrasts/1/found: the seal says true*"),
    "a file outside is left out": (STATEMENT, lambda it: it["predicate"]["outside"].pop(), "seal/seal.json: /predicate/outside: the seal says *"),
    "a key is missing": (STATEMENT, lambda it: it["predicate"].pop("risks"), "seal/seal.json: /predicate: `risks` is missing"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_told_by_its_place(matrix: Path, name: str) -> None:
    from fnmatch import fnmatchcase

    file, change, told = FORGERIES[name]
    if file == STATEMENT:
        content = document(matrix / "seal" / STATEMENT)
        change(content)
        resum(matrix, content["predicate"])
    else:
        forge(matrix, file, change)
    exit_code, said = verified(matrix)
    assert exit_code == 1
    assert [line for line in said if fnmatchcase(line, told.replace("[", "[[]"))], said


@pytest.mark.parametrize(
    "name", ["seal/SEAL.md", "seal/SEAL.html", "seal/tables/metrics.md", "seal/tables/differences.csv"]
)
def test_a_page_that_says_something_else_is_told(matrix: Path, name: str) -> None:
    path = matrix / name
    path.write_bytes(path.read_bytes().replace(b"0.3", b"0.4", 1))
    resum(matrix, stated(matrix / "seal"))
    exit_code, said = verified(matrix)
    assert (exit_code, said[0]) == (1, f"{name}: does not say what the seal says: written again it is another text")


def test_a_forger_who_rewrites_everything_is_told_by_the_files_of_the_matrix(matrix: Path) -> None:
    """Evidence, report, statement and pages agree with each other, and with nothing that lies in the folder."""
    other = matrix.parent.parent.parent / "other"
    clean = build(other, runs.per_query, experiments=tree.TEN[:3])
    sealed(clean)
    shutil.rmtree(matrix / "seal")
    shutil.copytree(clean / "seal", matrix / "seal")
    resum(matrix, stated(matrix / "seal"))
    exit_code, said = verified(matrix)
    assert exit_code == 1
    assert said[0].startswith("seal/evidence.json: run m02: model"), said


def test_a_changed_run_under_a_rewritten_statement_is_told(matrix: Path) -> None:
    runs.measured(matrix, "m03", 300)
    rewrite(matrix)
    exit_code, said = verified(matrix)
    assert exit_code == 1
    assert any(line.startswith("seal/evidence.json: run m03: metric") for line in said), said


@pytest.mark.parametrize(("key", "value"), [("id", "native-matrix/v1"), ("digest", f"sha256:{'2' * 64}")])
def test_a_seal_by_another_layout_is_not_judged(matrix: Path, key: str, value: str) -> None:
    content = document(matrix / "seal" / STATEMENT)["predicate"]
    content["layout"][key] = value
    resum(matrix, content)
    exit_code, said = verified(matrix)
    assert (exit_code, said[0].startswith("cannot be verified by this version: the layout ")) == (3, True)


@pytest.mark.parametrize(
    ("kind", "expected"), [("urn:sealkit:matrix_seal/v9", 3), ("urn:sealkit:seal/v1", 1), ("urn:other:x", 1)]
)
def test_a_seal_of_another_type_is_no_seal_of_a_matrix(matrix: Path, kind: str, expected: int) -> None:
    resum(matrix, stated(matrix / "seal"), kind)
    assert verified(matrix)[0] == expected


def test_a_check_that_is_unknown_here_cannot_be_judged(matrix: Path) -> None:
    content = document(matrix / "seal" / STATEMENT)["predicate"]
    content["checks"].append("matrix-of-tomorrow")
    resum(matrix, content)
    assert verified(matrix) == (3, ["cannot be verified by this version: matrix-of-tomorrow"])


def test_a_folder_that_is_no_matrix_any_more_is_told(matrix: Path) -> None:
    (matrix / "matrix.json").unlink()
    resum(matrix, stated(matrix / "seal"))
    exit_code, said = verified(matrix)
    digest = stated(matrix / "seal")["layout"]["digest"]
    why = f"outputs/{matrix.name}: no layout recognises it; give it with --layout"
    assert (exit_code, said) == (
        3,
        [f"cannot be verified by this version: the layout seal-matrix/v1 of the seal ({digest}): {why}"],
    )


# What lies outside


@pytest.fixture
def passed(tmp_path: Path) -> Path:
    matrix = build(tmp_path / "tree", experiments=tree.TEN[:3])
    sealed(matrix)
    return matrix


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (provenance.replaced, ["  model models/retriever_ft/latest: moved since (weights *, now *)"]),
        (
            provenance.retrained,
            [
                "  other files: moved since (* that said nothing when it was sealed, outputs/20260305_112233_e4c1d9/* the first)",
                "  model models/retriever_ft/latest: moved since (weights *, now *)",
            ],
        ),
        (lambda at: edits.remove(at, "models/*/latest"), ["  model models/retriever_ft/latest: not here (weights *)"]),
        (repairs.todays_keys, ["  file configs/run_baseline.yaml: moved since (sha256:*)", "  file configs/run_hybrid.yaml: moved since (sha256:*)"]),
        (lambda at: edits.remove(at, "outputs/2026020*"), ["  file outputs/20260203_005729_cd195e/train_config.yaml: not here (sha256:*)"]),
        (lambda at: tree.write(edits.root(at) / ".git/HEAD", "3" * 40 + "\n"), [f"  repository: moved since (sealed at *, now at {'3' * 40})"]),
        (lambda at: edits.remove(at, ".git"), ["  repository: not here (sealed at *)"]),
        (lambda at: edits.remove(at, "models"), ["  model models/retriever_ft/latest: not here (weights *)"]),
        (lambda at: edits.remove(at, "scripts"), ["  file scripts/train_retriever.py: not here (sha256:*)"]),
        (
            lambda at: edits.substitute(at, "hard_enabled=False", "hard_enabled=True", "outputs/*/logs.txt"),
            ["  file outputs/20260203_005729_cd195e/logs.txt: moved since (sha256:*)"],
        ),
    ],
)  # fmt: skip
def test_what_moved_outside_is_told_and_leaves_the_seal_as_it_is(passed: Path, edit: Change, told: list[str]) -> None:
    from fnmatch import fnmatchcase

    edit(passed)
    exit_code, said = verified(passed)
    assert (exit_code, said[0].startswith("the seal holds: "), said[-1]) == (0, True, "verdict: PASS (with warnings)")
    for pattern in told:
        assert [line for line in said if fnmatchcase(line, pattern)], said


def test_a_finding_on_a_whole_file_outside_outlives_edits_of_it(tmp_path: Path) -> None:
    matrix = build(tmp_path, lambda at: edits.remove(at, "outputs/2026020*/train_config.yaml"))
    sealed(matrix)
    record = next(matrix.parent.glob("2026020*/metrics.json"))
    (finding,) = outcome(document(matrix / "seal/report.json"), "matrix-models-recorded")["findings"]
    at = finding["location"]
    assert (at["path"], at["line"], at["digest"]) == (
        f"outputs/{record.parent.name}/metrics.json",
        None,
        digest.file(record),
    )
    record.write_text(record.read_text() + "\n")
    assert verified(matrix)[0] == 0


def test_a_matrix_that_goes_on_is_not_sealed(tmp_path: Path) -> None:
    matrix = tree.build(tmp_path)
    found = recognise(matrix, BUILT_IN)
    assert found
    with write.Lock(matrix), pytest.raises(UsageError, match="a run goes on there: process"):
        seal_matrix(found)
    assert not list(matrix.glob("*seal*"))
