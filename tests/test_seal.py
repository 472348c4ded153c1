"""Sealing and verifying real runs: what holds, what is noticed, and what a forger cannot do."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sealkit import digest, observe, write
from sealkit.finding import UsageError
from sealkit.pack import BUILT_IN
from sealkit.seal import seal
from sealkit.verify import Verification, verify

BASE = Path(__file__).parent / "checks" / "_base" / "retrieval"


@pytest.fixture(scope="session")
def sealed_once(finished: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A workspace whose `ft_mnr` is sealed against `base`, and the digest of the seal."""
    folder = tmp_path_factory.mktemp("sealed") / "workspace"
    shutil.copytree(finished.folder, folder, symlinks=True)
    with contextlib.chdir(folder):
        sealed = seal(folder / "outputs/ft_mnr", folder / "outputs/base")
    return folder, sealed.digest


@pytest.fixture
def run(sealed_once: tuple[Path, str], tmp_path: Path) -> Path:
    """A sealed run directory of the test's own."""
    target = tmp_path / "ft_mnr"
    shutil.copytree(sealed_once[0] / "outputs/ft_mnr", target, symlinks=True)
    return target


def messages(found: Verification) -> list[str]:
    return [f"{problem.at.path}: {problem.message}" for problem in found.problems]


def sums_agree(run: Path) -> bool:
    done = subprocess.run(["sha256sum", "-c", "--status", "seal/SHA256SUMS"], cwd=run, capture_output=True)
    return done.returncode == 0


def test_a_seal_holds_where_it_was_made(sealed_once: tuple[Path, str]) -> None:
    folder, sealed = sealed_once
    with contextlib.chdir(folder):
        found = verify(folder / "outputs/ft_mnr", sealed)
    assert messages(found) == []
    assert (found.holds, found.exit_code) == (True, 0)
    assert {drift.name.split("/")[-1]: drift.state for drift in found.drift} == {
        "repository": "same",
        "tiny": "same",
        "ft_mnr": "same",
    }
    assert sums_agree(folder / "outputs/ft_mnr")


def test_a_copy_elsewhere_holds_and_says_what_is_not_here(run: Path) -> None:
    with contextlib.chdir(run.parent):
        found = verify(run)
    assert (messages(found), found.exit_code) == ([], 0)
    states = {drift.name: drift.state for drift in found.drift}
    assert states["repository"] == "not here"
    assert states["model models/retriever/ft_mnr"] == "not here"


def test_the_seal_keeps_its_contracts_and_says_what_was_compared(run: Path) -> None:
    statement = json.loads((run / "seal/seal.json").read_text())
    assert BUILT_IN.contracts["seal/v1"].violations(statement) == []
    assert BUILT_IN.contracts["report/v1"].violations(json.loads((run / "seal/report.json").read_text())) == []
    assert BUILT_IN.contracts["observed/v1"].violations(json.loads((run / "seal/observed.json").read_text())) == []
    predicate = statement["predicate"]
    assert predicate["verdict"] == "PASS"
    assert predicate["commits"]["relation"] == "same"
    deltas = predicate["deltas"]
    assert deltas["differs"] == []
    assert {row["key"] for row in deltas["rows"]} == {
        f"retrieval/test/{m}" for m in ("nDCG@10", "RR@10", "R@10", "R@100")
    }
    for row in deltas["rows"]:
        assert row["n"] == 24
        assert row["low"] <= row["difference"] <= row["high"]
        assert row["wins"] + row["ties"] + row["losses"] == 24
    roles = {line["role"]: line["found"] for line in predicate["lineage"]}
    assert roles == {"pre-FT": True, "post-FT": True, "HN-FT": False}


def test_a_reference_that_was_a_smoke_run_is_judged_and_judged_again(copied: Path) -> None:
    """The run is made to say that it ran whole; its reference still says that it did not."""
    run, reference = copied / "outputs/base", copied / "outputs/ft_mnr"
    for name, section in (("run_metadata.json", None), ("resolved_config.json", "config")):
        document = json.loads((run / name).read_text())
        said = document[section]["run"] if section else document
        said["purpose"] = "bench"
        if section:
            said["limit"] = None
        (run / name).write_text(write.dumps(document))
    with contextlib.chdir(copied):
        report = seal(run, reference).report
        (outcome,) = (outcome for outcome in report.checks if outcome.id == "smoke-is-not-evidence")
        found = verify(run)
    assert [finding.message.split(" with ")[0] for finding in outcome.findings] == ["a bench run is compared"]
    assert (found.holds, messages(found)) == (True, [])


def test_a_model_that_a_smoke_run_trained_is_known_by_its_folder(finished: Any, tmp_path: Path) -> None:
    trained = finished.folder / "models/retriever/ft_mnr"
    result = finished.run(
        "retriever_base",
        f"model.base={trained}",
        "run.limit=null",
        "stages.data.with.max_documents=60",
        f"run.output_dir={tmp_path}/outputs",
    )
    (outcome,) = (outcome for outcome in result.report.checks if outcome.id == "smoke-is-not-evidence")
    assert [finding.message for finding in outcome.findings] == [
        f"a bench run on the model {trained}, which a smoke run trained"
    ]
    assert (result.exit_code, list(result.path.glob("stages/*"))) == (1, [])


def test_a_run_without_a_seed_is_sealed_and_says_so(tmp_path: Path) -> None:
    run = tmp_path / "outputs/retrieval"
    shutil.copytree(BASE, run)
    metadata = run / "run_metadata.json"
    metadata.write_text(metadata.read_text().replace('"seed": 42', '"seed": null'))
    with contextlib.chdir(tmp_path):
        report = seal(run, BASE).report
        found = verify(run)
    statement = json.loads((run / "seal/seal.json").read_text())
    assert BUILT_IN.contracts["seal/v1"].violations(statement) == []
    assert (statement["predicate"]["run"]["seed"], statement["predicate"]["deltas"]["seed"]) == (None, 0)
    assert "| purpose, seed | bench, not recorded |" in (run / "seal/SEAL.md").read_text()
    assert next(o.status for o in report.checks if o.id == "seed-recorded") == "warned"
    assert found.holds


def test_subjects_are_all_files_but_the_statement_and_the_sums(run: Path) -> None:
    statement = json.loads((run / "seal/seal.json").read_text())
    names = [subject["name"] for subject in statement["subject"]]
    assert names == sorted(set(digest.walk(run)) - {"seal/seal.json", "seal/SHA256SUMS"})
    listed = [line.split("  ", 1)[1] for line in (run / "seal/SHA256SUMS").read_text().splitlines()]
    assert listed == sorted(set(digest.walk(run)) - {"seal/SHA256SUMS"})


def test_any_byte_changed_in_any_file_is_noticed_by_name(run: Path) -> None:
    for name in digest.walk(run):
        path = run / name
        original = path.read_bytes()
        path.write_bytes(original[:-1] + bytes([original[-1] ^ 1]) if original else b"x")
        found = verify(run)
        assert found.exit_code == 1, name
        assert any(problem.at.path == name for problem in found.problems) or name == "seal/seal.json", name
        if name != "seal/SHA256SUMS":
            assert not sums_agree(run), name
        path.write_bytes(original)
    assert verify(run).exit_code == 0


def test_an_added_file_is_named(run: Path) -> None:
    (run / "stages/extra.txt").write_text("x")
    found = verify(run)
    assert found.exit_code == 1
    assert messages(found) == ["stages/extra.txt: unexpected: it is here and was not sealed"]


def test_a_file_added_to_the_seal_is_named(run: Path) -> None:
    (run / "seal/extra.txt").write_text("x")
    assert messages(verify(run)) == ["seal/extra.txt: unexpected: it is here and was not sealed"]


def test_a_link_added_is_named(run: Path) -> None:
    (run / "stages/link").symlink_to("/etc")
    assert messages(verify(run)) == ["stages/link: unexpected: it is here and was not sealed"]


def test_a_file_replaced_by_a_link_to_the_same_bytes_is_named(run: Path, tmp_path: Path) -> None:
    (tmp_path / "same").write_bytes((run / "metrics.json").read_bytes())
    (run / "metrics.json").unlink()
    (run / "metrics.json").symlink_to(tmp_path / "same")
    found = verify(run)
    assert found.exit_code == 1
    assert messages(found)[0].startswith("metrics.json: changed: it is a symbolic link")


@pytest.mark.parametrize("name", ["metrics.json", "stages/search/rankings.jsonl", "seal/SEAL.md", "seal/report.json"])
def test_a_removed_file_is_named(run: Path, name: str) -> None:
    (run / name).unlink()
    found = verify(run)
    assert found.exit_code == 1
    assert messages(found) == [f"{name}: missing: it was sealed and is not here"]
    assert not sums_agree(run)


def test_a_renamed_file_is_named_twice(run: Path) -> None:
    (run / "sources/retriever_base.yaml").rename(run / "sources/other.yaml")
    assert messages(verify(run)) == [
        "sources/retriever_base.yaml: missing: it was sealed and is not here",
        "sources/other.yaml: unexpected: it is here and was not sealed",
    ]
    assert not sums_agree(run)


def test_removed_sums_are_named(run: Path) -> None:
    (run / "seal/SHA256SUMS").unlink()
    assert messages(verify(run)) == ["seal/SHA256SUMS: missing: it was sealed and is not here"]


def test_no_seal_is_inconclusive(run: Path) -> None:
    shutil.rmtree(run / "seal")
    assert (verify(run).exit_code, verify(run).holds) == (3, False)


def repair(run: Path, edit_predicate: dict[str, Any] | None = None) -> None:
    """What a forger does after editing: every digest of the seal made to fit again."""
    path = run / "seal/seal.json"
    statement = json.loads(path.read_text())
    statement["predicate"] |= edit_predicate or {}
    statement["predicate"]["report"] = digest.file(run / "seal/report.json")
    for subject in statement["subject"]:
        subject["digest"]["sha256"] = digest.file(run / subject["name"]).removeprefix("sha256:")
    by_name = {subject["name"]: "sha256:" + subject["digest"]["sha256"] for subject in statement["subject"]}
    for artifact in statement["predicate"]["artifacts"]:
        artifact["digest"] = by_name[artifact["path"]]
    statement["predicate"]["run"]["config"] = by_name["resolved_config.json"]
    path.write_text(write.dumps(statement))
    by_name["seal/seal.json"] = digest.file(path)
    (run / "seal/SHA256SUMS").write_text(digest.sums(by_name))


def rewrite(run: Path, statement: dict[str, Any]) -> None:
    """Write seal.json, and its line in SHA256SUMS."""
    path = run / "seal/seal.json"
    before = digest.file(path)[7:]
    path.write_text(write.dumps(statement))
    sums = run / "seal/SHA256SUMS"
    sums.write_text(sums.read_text().replace(before, digest.file(path)[7:]))


@pytest.mark.parametrize(
    ("name", "said", "forged"), [("SEAL.md", "| 24 |", "| 2400 |"), ("SEAL.html", ">24</td>", ">2400</td>")]
)
def test_a_forged_page_is_found(run: Path, name: str, said: str, forged: str) -> None:
    page = run / "seal" / name
    assert said in page.read_text("utf-8")
    page.write_text(page.read_text("utf-8").replace(said, forged), "utf-8")
    repair(run)
    assert messages(verify(run)) == [f"seal/{name}: does not say what the seal says: rendered again it is another page"]


def test_a_statement_that_was_removed_or_turned_into_another_is_a_failure(run: Path) -> None:
    path = run / "seal/seal.json"
    original = path.read_bytes()
    path.write_bytes(original.replace(b"urn:sealkit:seal/v1", b"urn:sealkit:seal/v2"))
    assert verify(run).exit_code == 1
    path.unlink()
    assert [(p.at.path, verify(run).exit_code) for p in verify(run).problems] == [("seal/seal.json", 1)]
    (run / "elsewhere").write_bytes(original)
    path.symlink_to("../elsewhere")
    assert verify(run).exit_code == 1


def test_a_digest_that_was_given_fails_without_a_seal(run: Path) -> None:
    shutil.rmtree(run / "seal")
    assert verify(run, "sha256:" + "0" * 64).exit_code == 1


def set_metric(run: Path, key: str, value: float, *files: str) -> None:
    for name in files:
        document = json.loads((run / name).read_text())
        (document if name == "metrics.json" else document["metrics"])[key] = value
        (run / name).write_text(write.dumps(document))


def test_the_repair_itself_changes_nothing(run: Path) -> None:
    repair(run)
    assert (messages(verify(run)), verify(run).exit_code) == ([], 0)


def test_a_forged_metric_is_found_by_recomputation(run: Path, sealed_once: tuple[Path, str]) -> None:
    set_metric(run, "retrieval/test/nDCG@10", 0.999, "metrics.json", "summary.json")
    repair(run)
    assert sums_agree(run)
    found = verify(run)
    assert found.exit_code == 1
    said = "\n".join(messages(found))
    assert "metrics-recomputed: the seal says passed, judged again it is failed" in said
    assert "retrieval/test/nDCG@10 is 0.999; stages/search/rankings.jsonl and stages/data/test_qrels.jsonl give" in said
    assert "the seal says PASS, judged again it is FAIL" in said
    with_digest = verify(run, sealed_once[1])
    assert with_digest.exit_code == 1
    assert [problem.at.path for problem in with_digest.problems] == ["seal/seal.json"]
    assert "not the given sha256:" in with_digest.problems[0].message


def test_a_forger_who_also_edits_predicate_and_page_is_found(run: Path) -> None:
    set_metric(run, "retrieval/test/nDCG@10", 0.999, "metrics.json", "summary.json")
    metrics = json.loads((run / "metrics.json").read_text())
    repair(run, {"metrics": metrics})
    assert verify(run).exit_code == 1


def test_a_forged_curve_is_found(run: Path) -> None:
    history = json.loads((run / "seal/seal.json").read_text())["predicate"]["history"]
    assert history, "the fixture was trained"
    key = next(iter(history))
    history[key][-1][1] += 0.5
    repair(run, {"history": history})
    assert any("/predicate/history/" in message for message in messages(verify(run)))


def test_a_forged_verdict_is_found(run: Path) -> None:
    repair(run, {"verdict": "PASS (with warnings)"})
    assert any("/predicate/verdict: the seal says" in message for message in messages(verify(run)))


def test_a_forged_delta_is_found(run: Path) -> None:
    statement = json.loads((run / "seal/seal.json").read_text())
    deltas = statement["predicate"]["deltas"]
    deltas["rows"][0]["low"] = 0.5
    repair(run, {"deltas": deltas})
    found = verify(run)
    assert found.exit_code == 1
    forged = "seal/seal.json: /predicate/deltas/rows/0/low: the seal says 0.5, derived again it is"
    assert any(message.startswith(forged) for message in messages(found))


def test_a_seal_that_leaves_a_check_out_is_found(run: Path) -> None:
    """Leaving something out may never turn a no into a yes."""
    set_metric(run, "retrieval/test/nDCG@10", 0.999, "metrics.json", "summary.json")
    statement = json.loads((run / "seal/seal.json").read_text())
    report = json.loads((run / "seal/report.json").read_text())
    report["checks"] = [check for check in report["checks"] if check["id"] != "metrics-recomputed"]
    (run / "seal/report.json").write_text(write.dumps(report))
    checks = [check for check in statement["predicate"]["checks"] if check != "metrics-recomputed"]
    metrics = json.loads((run / "metrics.json").read_text())
    repair(run, {"checks": checks, "metrics": metrics})
    assert verify(run).exit_code != 0


def test_a_check_that_this_version_does_not_have_is_said_by_name(run: Path) -> None:
    statement = json.loads((run / "seal/seal.json").read_text())
    report = json.loads((run / "seal/report.json").read_text())
    report["checks"].append({**report["checks"][0], "id": "from-the-future"})
    (run / "seal/report.json").write_text(write.dumps(report))
    repair(run, {"checks": [*statement["predicate"]["checks"], "from-the-future"]})
    found = verify(run)
    assert (found.exit_code, found.unknown) == (3, ("from-the-future",))


def test_a_seal_newer_than_this_version_is_inconclusive(run: Path) -> None:
    statement = json.loads((run / "seal/seal.json").read_text())
    statement["predicateType"] = "urn:sealkit:seal/v2"
    rewrite(run, statement)
    found = verify(run)
    assert found.exit_code == 3
    assert found.unknown == ("a seal of the type urn:sealkit:seal/v2",)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "a\x00b"])
def test_a_subject_outside_the_run_is_never_read(run: Path, name: str) -> None:
    statement = json.loads((run / "seal/seal.json").read_text())
    (run.parent / "outside").write_text("x")
    statement["subject"].append({"name": name, "digest": {"sha256": digest.of_bytes(b"x")[7:]}})
    rewrite(run, statement)
    found = verify(run)
    assert found.exit_code == 1
    assert any("missing" in message for message in messages(found))


def test_sealing_again_gives_the_same_bytes(sealed_once: tuple[Path, str]) -> None:
    folder, sealed = sealed_once
    before = {
        name: (folder / "outputs/ft_mnr/seal" / name).read_bytes()
        for name in digest.walk(folder / "outputs/ft_mnr/seal")
    }
    with contextlib.chdir(folder):
        again = seal(folder / "outputs/ft_mnr", folder / "outputs/base")
    assert (again.digest, again.fresh) == (sealed, False)
    assert before == {name: (folder / "outputs/ft_mnr/seal" / name).read_bytes() for name in before}


def test_a_seal_is_never_overwritten(run: Path) -> None:
    set_metric(run, "retrieval/test/nDCG@10", 0.999, "metrics.json")
    before = (run / "seal/seal.json").read_bytes()
    with pytest.raises(UsageError, match="another seal is there already") as caught:
        seal(run)
    assert caught.value.exit_code == 2
    assert (run / "seal/seal.json").read_bytes() == before
    assert [name for name in digest.walk(run) if ".tmp" in name] == []


@pytest.fixture
def unsealed(copied: Path) -> Iterator[Path]:
    with contextlib.chdir(copied):
        yield copied / "outputs/ft_mnr"


def test_a_failed_run_seals_as_fail(unsealed: Path) -> None:
    summary = json.loads((unsealed / "summary.json").read_text())
    summary |= {"status": "failed", "failure": {"stage": "train", "type": "StageRaised", "message": "boom"}}
    (unsealed / "summary.json").write_text(write.dumps(summary))
    sealed = seal(unsealed)
    assert (sealed.report.verdict, sealed.report.exit_code()) == ("FAIL", 1)
    assert verify(unsealed).exit_code == 1
    assert verify(unsealed).holds


def test_a_run_left_running_seals_as_inconclusive(unsealed: Path) -> None:
    summary = json.loads((unsealed / "summary.json").read_text())
    (unsealed / "summary.json").write_text(write.dumps({**summary, "status": "running", "finished": None}))
    sealed = seal(unsealed)
    assert (sealed.report.verdict, sealed.report.exit_code()) == ("INCONCLUSIVE", 3)
    assert (verify(unsealed).holds, verify(unsealed).exit_code) == (True, 3)


def test_without_reference_nothing_is_compared(unsealed: Path) -> None:
    seal(unsealed)
    statement = json.loads((unsealed / "seal/seal.json").read_text())
    assert (statement["predicate"]["reference"], statement["predicate"]["deltas"]) == (None, None)
    assert "No reference run was given" in (unsealed / "seal/SEAL.md").read_text()


def test_other_judgments_are_not_tested_and_said(unsealed: Path) -> None:
    base = unsealed.parent / "base"
    lines = (base / "stages/data/test_qrels.jsonl").read_text().splitlines(keepends=True)
    (base / "stages/data/test_qrels.jsonl").write_text("".join(lines[:-1]))
    seal(unsealed, base)
    deltas = json.loads((unsealed / "seal/seal.json").read_text())["predicate"]["deltas"]
    assert deltas["rows"] == []
    assert len(deltas["differs"]) == 1
    assert deltas["differs"][0].startswith("other judgments of test: sha256:")
    assert "Not tested, since the two runs differ" in (unsealed / "seal/SEAL.md").read_text()


def test_an_exported_model_that_moved_is_drift_and_no_failure(unsealed: Path) -> None:
    seal(unsealed)
    weights = unsealed.parent.parent / "models/retriever/ft_mnr/model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    found = verify(unsealed)
    assert (found.exit_code, found.holds) == (0, True)
    assert {d.name: d.state for d in found.drift}["model models/retriever/ft_mnr"] == "moved since"


def test_a_run_without_a_repository_passes_with_warnings(copied: Path) -> None:
    shutil.rmtree(copied / ".git")
    with contextlib.chdir(copied):
        report = observe.check(copied / "outputs/ft_mnr")
    assert report.verdict == "PASS (with warnings)"
    assert [outcome.id for outcome in report.checks if outcome.status not in ("passed", "skipped")] == ["commit-bound"]


def test_check_writes_nothing(copied: Path) -> None:
    before = list(digest.walk(copied))
    with contextlib.chdir(copied):
        assert observe.check(copied / "outputs/ft_mnr").exit_code() == 0
    assert list(digest.walk(copied)) == before
