"""A seal that lies outside its run directory: the same bytes, the same answers, and nothing written into the run."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealkit import digest, pipeline, write
from sealkit.finding import UsageError
from sealkit.pack import BUILT_IN, Pack
from sealkit.seal import seal
from sealkit.verify import Verification, verify
from tests.test_cli import toolkit

CONFIG = """\
schema: pipeline/v1
run: {name: toy}
stages:
  data: {uses: toy.rows, with: {queries: 5, top_k: 3}}
  evaluate: {uses: toy.measure, in: {rankings: data.rankings, qrels: data.qrels}}
"""


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one small run, and its seal against itself in `sealed`."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "toy.yaml").write_text(CONFIG)
    with contextlib.chdir(folder):
        pipeline.run(Path("toy.yaml"), [], ["toolkit"], pack=Pack(stage_package="tests.pack"))
        seal(Path("outputs/toy"), Path("outputs/toy"), out=Path("sealed"))
    return folder


@pytest.fixture
def here(made_once: Path, tmp_path: Path) -> Iterator[Path]:
    """A workspace of the test's own, as current directory."""
    shutil.copytree(made_once, tmp_path / "workspace")
    with contextlib.chdir(tmp_path / "workspace"):
        yield Path("outputs/toy")


def holds(run: Path, expected: str | None = None) -> Verification:
    return verify(run, expected, seal=Path("sealed"))


def told(run: Path) -> list[str]:
    found = holds(run)
    assert not found.problems or found.exit_code == 1
    return [f"{problem.at.path}: {problem.message}" for problem in found.problems]


def test_the_run_directory_is_left_as_it_is(here: Path) -> None:
    shutil.rmtree("sealed")
    before = {name: (here / name).stat().st_mtime_ns for name in digest.walk(here)}
    seal(here, out=Path("sealed"))
    assert {name: (here / name).stat().st_mtime_ns for name in digest.walk(here)} == before
    assert sorted(path.name for path in Path().iterdir()) == [".sealkit", "outputs", "sealed", "toy.yaml"]


def test_a_seal_outside_holds_and_has_the_verdict_of_one_inside(here: Path) -> None:
    outside = holds(here)
    shutil.copytree("sealed", here / "seal")
    inside = verify(here)
    assert told_of(outside) == told_of(inside)
    assert outside.holds
    assert verify(here, seal=here / "seal").holds


def told_of(found: Verification) -> tuple[object, ...]:
    return found.digest, found.problems, found.unknown, found.verdict, found.drift, found.exit_code


def test_subjects_and_sums_name_the_seal_as_in_a_run(here: Path) -> None:
    names = [subject["name"] for subject in json.loads(Path("sealed/seal.json").read_text())["subject"]]
    own = {f"seal/{name}" for name in digest.walk(Path("sealed"))} - {"seal/seal.json", "seal/SHA256SUMS"}
    assert set(names) == {*digest.walk(here), *own}


def test_coreutils_tell_whether_the_run_and_the_seal_are_as_they_were(here: Path) -> None:
    sums = Path("sealed/SHA256SUMS").resolve()
    run = f"grep -v '  seal/' {sums} | sha256sum -c --status --strict"
    own = f"sed -n 's#  seal/#  #p' {sums} | sha256sum -c --status --strict"
    assert subprocess.run(["sh", "-c", run], cwd=here).returncode == 0
    assert subprocess.run(["sh", "-c", own], cwd="sealed").returncode == 0
    (here / "metrics.json").unlink()
    assert subprocess.run(["sh", "-c", run], cwd=here, capture_output=True).returncode != 0


def test_the_same_seal_again_is_no_new_one_and_another_is_refused(here: Path) -> None:
    assert not seal(here, here, out=Path("sealed")).fresh
    with pytest.raises(UsageError, match="sealed: another seal is there already"):
        seal(here, out=Path("sealed"))


@pytest.mark.parametrize(
    "out", ["outputs/toy", "outputs/toy/stages/seal", "outputs/toy/sealed", "outputs/../outputs/toy/x"]
)
def test_a_seal_does_not_go_into_what_it_seals(here: Path, out: str) -> None:
    with pytest.raises(UsageError, match=f"--out {out}: lies in the run directory, which is sealed as it is"):
        seal(here, out=Path(out))


def test_out_may_name_the_place_where_a_seal_lies_anyway(here: Path) -> None:
    seal(here, out=here / "seal")
    assert verify(here).holds


def test_a_sealed_run_is_not_sealed_outside_too(here: Path) -> None:
    seal(here)
    with pytest.raises(UsageError, match="has a seal of its own in seal/"):
        seal(here, out=Path("elsewhere"))
    assert told(here) == ["seal: unexpected: the run directory has a seal of its own, and another one was given"]


def test_what_is_no_seal_is_not_overwritten(here: Path) -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("keep me")
    with pytest.raises(UsageError, match="there is something already that is no readable seal"):
        seal(here, out=Path("mine"))
    assert Path("mine/notes.txt").read_text() == "keep me"


def test_a_place_where_nothing_can_be_written_is_said(here: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: cannot write the seal: No such file or directory"):
        seal(here, out=Path("nowhere/sealed"))


@pytest.mark.parametrize(
    ("place", "name"),
    [("outputs/toy", "metrics.json"), ("outputs/toy", "stages/data/rankings.jsonl"), ("outputs/toy", "logging.jsonl"),
     ("sealed", "seal/report.json"), ("sealed", "seal/observed.json"), ("sealed", "seal/SEAL.md"),
     ("sealed", "seal/reference/metrics.json")],
)  # fmt: skip
def test_a_changed_byte_of_either_side_is_found(here: Path, place: str, name: str) -> None:
    with (Path(place) / name.removeprefix("seal/")).open("a") as file:
        file.write("\n")
    assert told(here) == [f"{name}: changed: its bytes are not those that were sealed"]


@pytest.mark.parametrize(("place", "name"), [("outputs/toy", "metrics.json"), ("sealed", "seal/report.json")])
def test_a_file_that_is_gone_or_new_is_found(here: Path, place: str, name: str) -> None:
    path = Path(place) / name.removeprefix("seal/")
    path.rename(path.with_name("other"))
    other = name.rpartition("/")[0] + "/other" if "/" in name else "other"
    assert told(here) == [
        f"{name}: missing: it was sealed and is not here",
        f"{other}: unexpected: it is here and was not sealed",
    ]


def test_a_seal_that_was_forged_whole_is_found_by_what_it_states(here: Path) -> None:
    """All digests are made to agree with a statement of better numbers."""
    statement = json.loads(Path("sealed/seal.json").read_text())
    statement["predicate"]["metrics"]["retrieval/test/R@100"] = 1.5
    Path("sealed/seal.json").write_text(write.dumps(statement))
    sums = {subject["name"]: "sha256:" + subject["digest"]["sha256"] for subject in statement["subject"]}
    sums["seal/seal.json"] = digest.file(Path("sealed/seal.json"))
    Path("sealed/SHA256SUMS").write_text(digest.sums(sums))
    assert any("/predicate/metrics/retrieval~1test~1R@100: the seal says 1.5" in problem for problem in told(here))


def test_a_changed_statement_is_found_by_its_sums_and_by_the_digest_that_was_kept(here: Path) -> None:
    kept = digest.file(Path("sealed/seal.json"))
    assert holds(here, kept).holds
    Path("sealed/seal.json").write_text(Path("sealed/seal.json").read_text() + "\n")
    assert told(here)[0].startswith("seal/seal.json: changed: its digest is ")
    assert not holds(here, kept).holds


def test_an_absent_seal_is_a_slip_of_the_hand_and_an_empty_one_is_broken(here: Path) -> None:
    with pytest.raises(UsageError, match="--seal gone: no such folder"):
        verify(here, seal=Path("gone"))
    shutil.rmtree("sealed")
    Path("sealed").mkdir()
    assert told(here) == ["seal/seal.json: missing: it cannot be read: No such file or directory"]


def test_the_verbs_take_the_folder(here: Path) -> None:
    shutil.rmtree("sealed")
    sealed = toolkit("seal", str(here), "--out", "sealed")
    assert sealed.stderr.splitlines()[-1] == "sealed: sealed/SEAL.md"
    found = toolkit("verify", str(here), "--seal", "sealed", "--digest", sealed.stdout.strip())
    assert f"the seal holds: {sealed.stdout.strip()}" in found.stdout
    assert found.returncode == sealed.returncode
    assert toolkit("verify", str(here)).returncode == 3
    assert BUILT_IN.contracts["seal/v1"].violations(json.loads(Path("sealed/seal.json").read_text())) == []
