"""`toolkit lineage` and `toolkit impact` on runs that this toolkit made, word for word, and on workspaces that are not in order.

What they print is kept in tests/lineage. The workspace is that of `bench.run_tree`: a fine-tuning and an evaluation in a matrix, an
evaluation of the base and one of the export beside it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sealkit.cli import impact as impact_verb
from sealkit.cli import lineage as lineage_verb
from sealkit.finding import Blocked, UsageError
from sealkit.pack import BUILT_IN
from sealkit.workspace import records
from tests.bench.run_tree import grow

KEPT = Path(__file__).parent / "lineage"
EXPORT = "models/retriever/run0000"
TUNED = "outputs/m000/runs/run0000"
LOOSE = "outputs/run0003"
BASE = "61edf8d1"
CORPUS = "outputs/run0002/stages/data/test_corpus.jsonl"


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grow(tmp_path_factory.mktemp("lineage"), 4)


@pytest.fixture
def work(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the workspace as current directory."""
    folder = tmp_path / "work"
    shutil.copytree(kept, folder)
    monkeypatch.chdir(folder)
    return folder


def call(verb: Any, *arguments: str) -> Result:
    return CliRunner().invoke(verb.command, arguments, standalone_mode=False)


def lineage(*arguments: str) -> Result:
    return call(lineage_verb, *arguments)


def impact(*arguments: str) -> Result:
    return call(impact_verb, *arguments)


def document(found: Result) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(found.stdout)
    contract = BUILT_IN.contracts[told["schema"]]
    assert contract.violations(told) == []
    return told


def edit(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **fields}, indent=2) + "\n", "utf-8")


@pytest.mark.parametrize(
    ("verb", "asked", "name"),
    [
        (lineage_verb, (EXPORT,), "lineage_export.txt"),
        (lineage_verb, (EXPORT, "--format", "markdown"), "lineage_export.md"),
        (lineage_verb, (EXPORT, "--format", "json"), "lineage_export.json"),
        (lineage_verb, (BASE,), "lineage_base.txt"),
        (lineage_verb, ("run0003",), "lineage_run.txt"),
        (lineage_verb, (f"{LOOSE}/stages/search/rankings.jsonl",), "lineage_file.txt"),
        (impact_verb, (CORPUS,), "impact_corpus.txt"),
        (impact_verb, (CORPUS, "--format", "markdown"), "impact_corpus.md"),
        (impact_verb, (EXPORT, "--format", "json"), "impact_export.json"),
        (impact_verb, (TUNED,), "impact_run.txt"),
        (impact_verb, ("outputs/m000",), "impact_matrix.txt"),
        (impact_verb, ("models",), "impact_folder.txt"),
        (impact_verb, ("/srv/sealkit-example/data",), "impact_data.txt"),
    ],
)
@pytest.mark.usefixtures("work")
def test_what_it_prints(verb: Any, asked: tuple[str, ...], name: str) -> None:
    found = call(verb, *asked)
    assert found.exception is None
    assert found.stdout == (KEPT / name).read_text("utf-8")
    assert found.return_value == 0
    if name.endswith(".json"):
        document(found)


@pytest.mark.usefixtures("work")
def test_the_lines_are_those_of_the_records() -> None:
    for found in (lineage(EXPORT, "--format", "json"), impact(CORPUS, "--format", "json")):
        told = document(found)
        places = [
            one["at"] for key in ("before", "itself", "after", "copies", "dependents") for one in told.get(key, [])
        ]
        assert len(places) > 5
        for place in places:
            held: Any = json.loads(Path(place["path"]).read_text("utf-8"))
            for part in place["pointer"].split("/")[1:]:
                held = held[int(part)] if isinstance(held, list) else held[part.replace("~1", "/")]
            line = Path(place["path"]).read_text("utf-8").split("\n")[place["line"] - 1]
            assert json.dumps(held) in line and json.dumps(place["pointer"].rpartition("/")[2]) in line


@pytest.mark.usefixtures("work")
def test_a_model_that_changed_is_told_with_the_runs_that_claim_it() -> None:
    weights = Path(EXPORT, "model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\x80?")
    told = document(lineage(f"{LOOSE}", "--format", "json"))
    loaded = told["before"][0]
    assert (loaded["name"], loaded["state"]) == (EXPORT, "changed")
    assert loaded["now"] not in (None, loaded["digest"])
    (remark,) = [one for one in told["remarks"] if "other weights now" in one]
    assert remark == (
        f"{EXPORT} has other weights now, {loaded['now']}, than were recorded, {loaded['digest']};"
        f" so say outputs/m000/runs/run0001, {LOOSE}"
    )


@pytest.mark.usefixtures("work")
def test_a_changed_model_is_asked_for_by_what_records_say_too() -> None:
    weights = Path(EXPORT, "model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\x80?")
    told = document(impact(EXPORT, "--format", "json"))
    assert [one["known"] for one in told["asked"]["contents"]] == ["now", "recorded"]
    assert [one["name"] for one in told["dependents"] if one["kind"] == "run"] == [
        TUNED, "outputs/m000/runs/run0001", LOOSE,
    ]  # fmt: skip
    (remark,) = told["remarks"]
    assert remark.startswith("records know other weights by that name: sha256:f4214058ebf2")


@pytest.mark.usefixtures("work")
def test_a_model_that_is_gone_is_known_by_its_name() -> None:
    shutil.rmtree("models")
    told = document(lineage(EXPORT, "--format", "json"))
    assert [(one["name"], one["state"]) for one in told["itself"] if one["state"]] == [(EXPORT, "not here")]
    assert [one["name"] for one in told["after"]] == [TUNED, "outputs/m000/runs/run0001", LOOSE]


@pytest.mark.usefixtures("work")
def test_the_same_weights_under_two_names_and_two_weights_under_one() -> None:
    path = Path(LOOSE, "run_metadata.json")
    model = json.loads(path.read_text("utf-8"))["models"][0]
    edit(path, models=[{**model, "name": "models/copy"}, {**model, "name": EXPORT, "weights": f"sha256:{'0' * 64}"}])
    remarks = document(lineage("f4214058ebf2", "--format", "json"))["remarks"]
    assert f"the same weights {model['weights']} under 2 names: {EXPORT}, models/copy" in remarks
    assert f"2 weights under the name {EXPORT}: {model['weights']}, sha256:{'0' * 64}" in remarks


@pytest.mark.usefixtures("work")
def test_hard_negatives_have_a_line_of_their_own() -> None:
    for manifest in [*Path().glob("models/**/model_manifest.json"), *Path(TUNED).glob("**/model_manifest.json")]:
        training = json.loads(manifest.read_text("utf-8"))["training"]
        edit(manifest, training={**training, "hard_negatives": True})
    lines = {one["role"]: one for one in document(lineage(EXPORT, "--format", "json"))["lines"]}
    assert [one["name"] for one in lines["HN-FT"]["models"]] == [EXPORT]
    assert lines["post-FT"]["models"] == []
    assert lines["post-FT"]["searched"] == ["7 model manifests (**/model_manifest.json)"]


@pytest.mark.usefixtures("work")
def test_a_run_counts_when_its_summary_exists() -> None:
    Path(LOOSE, "summary.json").unlink()
    told = document(lineage(EXPORT, "--format", "json"))
    assert (told["looked"]["runs"], told["looked"]["counted"], told["complete"]) == (4, 3, True)
    (loaded,) = [one for one in told["after"] if one["name"] == LOOSE]
    assert loaded["note"] == f"as {EXPORT}; has no summary: does not count as a run"
    dependents = document(impact(EXPORT, "--format", "json"))["dependents"]
    assert [one["note"] for one in dependents if one["name"] == LOOSE] == ["has no summary: does not count as a run"]


def test_what_a_seal_kept_of_its_reference_is_no_run(work: Path) -> None:
    shutil.copytree(LOOSE, f"{TUNED}/seal/reference", ignore=shutil.ignore_patterns("seal"), dirs_exist_ok=True)
    assert len(records.read(work).runs) == 4


# Not found


@pytest.mark.usefixtures("work")
def test_a_name_that_is_nowhere() -> None:
    error = lineage("models/retriever/run000").exception
    assert isinstance(error, UsageError)
    assert str(error) == (
        "models/retriever/run000: no such file, and no record below . has that name or digest\n"
        "  fix: close to it: models/retriever/run0000"
    )


@pytest.mark.parametrize("verb", [lineage, impact])
@pytest.mark.usefixtures("work")
def test_a_name_that_is_like_none_is_told_where_it_was_looked_for(verb: Callable[..., Result]) -> None:
    assert str(verb("0123456789abcdef").exception) == (
        "0123456789abcdef: no such file, and no record below . has that name or digest\n"
        "  fix: check the name; --workspace DIR names the folder whose records are read"
    )


@pytest.mark.usefixtures("work")
def test_a_name_that_is_nowhere_is_not_denied_where_something_was_not_read() -> None:
    Path(LOOSE, "summary.json").write_text("{")
    error = impact("deadbeef").exception
    assert isinstance(error, Blocked)
    assert "but 1 was not read, outputs/run0003/summary.json the first of them" in str(error)


@pytest.mark.usefixtures("work")
def test_a_digest_that_begins_two() -> None:
    path = Path(LOOSE, "run_metadata.json")
    model = json.loads(path.read_text("utf-8"))["models"][0]
    edit(path, models=[model, {**model, "weights": model["weights"][:-1] + "0"}])
    assert isinstance(lineage("f4214058").exception, UsageError)
    assert lineage(model["weights"]).exception is None


@pytest.mark.usefixtures("work")
def test_a_file_that_no_record_knows() -> None:
    Path("notes.txt").write_text("nobody took this")
    assert "no record knows it" in lineage("notes.txt").stdout
    assert "nothing that was read stands on it" in impact("notes.txt").stdout


# What stands on what


@pytest.mark.usefixtures("work")
def test_a_corpus_that_was_mended_since_is_still_found_by_its_path() -> None:
    told = document(impact(CORPUS, "--format", "json"))
    Path(CORPUS).write_text(Path(CORPUS).read_text("utf-8") + "\n", "utf-8")
    mended = document(impact(CORPUS, "--format", "json"))
    assert mended["dependents"] == told["dependents"]
    assert [one["known"] for one in mended["asked"]["contents"]] == ["now", "recorded"]


@pytest.mark.usefixtures("work")
def test_only_the_stages_that_stand_on_it_are_told() -> None:
    told = document(impact(f"{TUNED}/stages/data/test_queries.jsonl", "--format", "json"))
    stages = {one["name"]: one["stages"] for one in told["dependents"] if one["kind"] == "run"}
    assert stages[TUNED] == ["search", "evaluate"]
    assert not [one for one in told["dependents"] if one["kind"] in ("model", "index", "export")]


@pytest.mark.usefixtures("work")
def test_a_run_that_wrote_the_same_itself_does_not_stand_on_another() -> None:
    told = document(impact("run0002", "--format", "json"))
    assert [one["name"] for one in told["dependents"] if one["kind"] == "run"] == []
    (index,) = [one for one in told["dependents"] if one["kind"] == "index"]
    assert index["inside"]


@pytest.mark.usefixtures("work")
def test_what_the_cache_gave_stands_on_the_run_that_wrote_it() -> None:
    path = Path(LOOSE, "summary.json")
    stages = json.loads(path.read_text("utf-8"))["stages"]
    cached = {"run_id": "run0002-20261121T113451Z-000002", "finished": "2026-11-21T11:34:51Z", "seconds": 1.0}
    other = json.loads(Path("outputs/run0002/summary.json").read_text("utf-8"))["stages"][0]
    edit(path, stages=[{**stages[0], "key": other["key"], "cached": cached}, *stages[1:]])
    (run,) = [one for one in document(impact("run0002", "--format", "json"))["dependents"] if one["kind"] == "run"]
    assert (run["name"], run["stages"]) == (LOOSE, ["data", "index", "search", "evaluate"])
    assert run["how"] == "stage data took from the cache what this run wrote"


@pytest.mark.usefixtures("work")
def test_a_file_that_no_stage_says_it_took_may_be_in_all_of_them() -> None:
    path = Path(LOOSE, "run_metadata.json")
    digest = f"sha256:{'7' * 64}"
    edit(path, script={"path": "train.py", "digest": digest})
    (_, run, _) = document(impact(digest[:20], "--format", "json"))["dependents"]
    assert (run["how"], run["stages"]) == ("named as train.py", ["data", "index", "search", "evaluate"])


# Not read


def not_read(found: Result) -> dict[str, str]:
    assert found.return_value == 3, found.exception
    told = document(found)
    assert told["complete"] is False
    return {one["path"]: one["reason"] for one in told["not_read"]}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("summary.json", "{", "line 1: is not JSON: expecting property name enclosed in double quotes, column 2, found the end of the text (was it cut off?)"),
        ("run_metadata.json", '{"schema": "run_metadata/v1", "schema": "run_metadata/v1"}\n', 'line 1: has the key "schema" twice in one object'),
        ("run_metadata.json", '{"schema": "run_metadata/v9"}\n', "keeps run_metadata/v9, which this sealkit does not know: update it"),
        ("run_metadata.json", "[]\n", "does not keep run_metadata/v1: expected object, found array []"),
        ("run_metadata.json", '{"schema": "run_metadata/v1", "models": 7}\n', "does not keep run_metadata/v1: `command` is missing"),
        ("run_metadata.json", '{"schema": "run_metadata/v1"}\n', "does not keep run_metadata/v1: `command` is missing"),
        ("summary.json", '{"schema": "summary/v1", "stages": [{"name": 1}]}\n', "does not keep summary/v1: `counters` is missing"),
        ("summary.json", "", "line 1: is not JSON: expecting value, column 1, found the end of the text (was it cut off?)"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("work")
def test_a_record_that_cannot_be_read_is_told(name: str, text: str, reason: str) -> None:
    Path(LOOSE, name).write_text(text, "utf-8")
    found = lineage(EXPORT, "--format", "json")
    assert not_read(found) == {f"{LOOSE}/{name}": reason}
    assert LOOSE in {one["name"] for one in document(found)["after"]}  # by its other record
    text_ = lineage(EXPORT)
    assert text_.stdout.endswith("not complete: 1 was not read\n")
    assert f"not read:\n  {LOOSE}/{name}: {reason}\n" in text_.stdout


@pytest.mark.parametrize("kind", ["model_manifest", "index_manifest", "matrix", "seal"])
@pytest.mark.usefixtures("work")
def test_a_record_that_lost_its_fields_is_told(kind: str) -> None:
    path = next(Path().rglob(f"{kind}.json"))
    held = json.loads(path.read_text("utf-8"))
    kept = {"schema": held["schema"]} if "schema" in held else {"predicate": {"schema": "seal/v1", "verdict": "PASS"}}
    path.write_text(json.dumps(kept), "utf-8")
    assert list(not_read(impact(CORPUS, "--format", "json"))) == [path.as_posix()]


def test_links_are_never_followed(work: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    shutil.copytree(LOOSE, outside / "run")
    (work / "loop").symlink_to(work, target_is_directory=True)
    (work / "models/retriever/latest").symlink_to("run0000", target_is_directory=True)
    (work / "gone").symlink_to("nowhere")
    assert lineage(EXPORT).return_value == 0  # nothing is hidden by these
    (work / "outputs/theirs").symlink_to(outside, target_is_directory=True)
    Path(LOOSE, "summary.json").unlink()
    Path(LOOSE, "summary.json").symlink_to(outside / "run/summary.json")
    assert not_read(lineage(EXPORT, "--format", "json")) == {
        "outputs/theirs": "is a link that leads out of the workspace",
        f"{LOOSE}/summary.json": "is a link, and links are not followed",
    }


@pytest.mark.usefixtures("work")
def test_a_link_to_a_model_is_asked_for_by_what_it_leads_to() -> None:
    Path("models/retriever/latest").symlink_to("run0000", target_is_directory=True)
    told = document(lineage("models/retriever/latest", "--format", "json"))
    assert [one["name"] for one in told["after"]] == [TUNED, "outputs/m000/runs/run0001", LOOSE]


@pytest.mark.usefixtures("work")
def test_a_folder_that_cannot_be_looked_into_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: str) -> Any:
        if path.endswith("run0003"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("sealkit.workspace.survey.os.scandir", refuse)
    assert not_read(impact(CORPUS, "--format", "json")) == {LOOSE: "cannot be looked into: Permission denied"}


@pytest.mark.parametrize(("name", "told"), [("d", {}), ("deep", {"cannot be looked into: File name too long"})])
def test_deep_folders(name: str, told: set[str], work: Path) -> None:
    depth, here = 1500, os.open(".", os.O_RDONLY)
    for _ in range(depth):
        Path(name).mkdir()
        os.chdir(name)
    bottom = os.open(".", os.O_RDONLY)
    os.fchdir(here)
    try:
        found = document(lineage(EXPORT, "--format", "json"))
        assert {one["reason"] for one in found["not_read"]} == set(told)
    finally:
        os.fchdir(bottom)
        for _ in range(depth):  # shutil's stack is not deep enough
            os.chdir("..")
            Path(name).rmdir()
        os.close(bottom)
        os.close(here)


@pytest.mark.usefixtures("work")
def test_a_folder_whose_name_is_no_text_is_told() -> None:
    Path("outputs/\udcff").mkdir()
    assert not_read(lineage(EXPORT, "--format", "json")) == {"outputs/\\xff": "has a name that is not UTF-8"}


@pytest.mark.usefixtures("work")
def test_a_record_that_is_too_large_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealkit.workspace.records.LIMIT", 30_000)
    Path(LOOSE, "summary.json").write_text(f'{{"schema": "summary/v1", "x-much": "{"m" * 30_000}"}}')
    assert not_read(lineage(EXPORT, "--format", "json")) == {
        f"{LOOSE}/summary.json": "is 30,038 bytes; at most 30,000 are read"
    }


@pytest.mark.usefixtures("work")
def test_a_pipe_is_no_record() -> None:
    Path(LOOSE, "summary.json").unlink()
    os.mkfifo(f"{LOOSE}/summary.json")
    assert not_read(lineage(EXPORT, "--format", "json")) == {f"{LOOSE}/summary.json": "is not a regular file"}


@pytest.mark.usefixtures("work")
def test_what_tools_keep_for_themselves_is_passed_over() -> None:
    for name in (".sealkit/cache/x", ".git/y", "env"):
        shutil.copytree(LOOSE, name)
    Path("env/pyvenv.cfg").touch()
    assert document(lineage(EXPORT, "--format", "json"))["looked"]["runs"] == 4


@pytest.mark.usefixtures("work")
def test_what_is_slow_to_load_is_not_loaded() -> None:
    code = (
        "import sys\nfrom sealkit.cli import lineage\n"
        f"lineage.command.main(['{EXPORT}'], standalone_mode=False)\n"
        "slow = {'pydantic', 'jsonschema', 'numpy', 'git', 'yaml', 'torch'} & set(sys.modules)\n"
        "sys.exit(f'loads {slow}' if slow else 0)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


def test_a_workspace_elsewhere(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = document(lineage(EXPORT, "--workspace", "work", "--format", "json"))
    assert told["workspace"] == "work"
    assert [one["name"] for one in told["after"]] == [TUNED, "outputs/m000/runs/run0001", LOOSE]
