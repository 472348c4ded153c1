"""`toolkit lineage` and `toolkit impact` on trees that other tools made: their matrices, loose runs and trainings, and what stands on
their files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sealkit import digest
from sealkit.cli import impact as impact_verb
from sealkit.cli import lineage as verb
from sealkit.trees import observe
from sealkit.trees.evidence import Evidence
from sealkit.workspace import records
from sealkit.workspace.foreign import Tree
from sealkit.workspace.ledger import Ledger
from sealkit.workspace.whereabouts import SAME, Whereabouts
from tests.golden.tree import build
from tests.test_lineage_verb import call, document

TRAINING = "20260203_005729_cd195e"
LATEST = "models/retriever_ft/latest"
EXPORT = f"models/retriever_ft/{TRAINING}"


def lineage(what: str) -> dict[str, Any]:
    return document(call(verb, what, "--format", "json"))


def impact(what: str) -> dict[str, Any]:
    return document(call(impact_verb, what, "--format", "json"))


def of_kind(told: dict[str, Any], kind: str) -> list[str]:
    return [one["name"] for one in told["dependents"] if one["kind"] == kind]


def edit(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **fields}, indent=2), "utf-8")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = build(tmp_path)
    monkeypatch.chdir(tmp_path)
    return folder.relative_to(tmp_path)


def test_a_tree_of_another_tool_tells_its_lineage(tree: Path) -> None:
    told = document(call(verb, "models/retriever_ft/latest", "--format", "json"))
    assert told["looked"]["trees"] == [tree.as_posix()]
    assert (told["looked"]["runs"], told["looked"]["counted"], told["complete"]) == (10, 10, True)
    assert [(one["relation"], one["name"].rpartition("/")[2]) for one in told["before"]] == [
        ("trained by", "20260203_005729_cd195e"),
        ("from", "all-MiniLM-L6-v2"),
    ]
    assert told["before"][1]["digest"] is None
    assert told["before"][1]["note"] == "known by its name alone"
    assert [one["name"].rpartition("/")[2] for one in told["itself"]] == [
        "step_150",
        "20260203_005729_cd195e",
        "latest",
    ]
    assert [one["name"].rpartition("/")[2] for one in told["after"]] == ["m02", *(f"m{n:02d}" for n in range(4, 11))]
    assert all(one["at"]["line"] for one in told["after"])
    assert {one["state"] for key in ("itself", "after") for one in told[key]} == {
        None
    }  # nobody recorded what to compare with
    lines = {one["role"]: one for one in told["lines"]}
    assert lines["HN-FT"]["models"] == []
    assert lines["HN-FT"]["searched"] == [
        "outputs/*/train_config.yaml",
        "outputs/*/metrics.json",
        "outputs/*/logs.txt",
    ]


def test_a_run_of_a_tree_without_its_summary_does_not_count(tree: Path) -> None:
    (tree / "runs/m02/summary.json").unlink()
    told = document(call(verb, "models/retriever_ft/latest", "--format", "json"))
    assert (told["looked"]["runs"], told["looked"]["counted"]) == (10, 9)
    assert told["after"][0]["note"].endswith("has no summary: does not count as a run")


def test_a_base_that_is_not_here_is_known_by_its_name(tree: Path) -> None:
    found = call(verb, "sentence-transformers/all-MiniLM-L6-v2")
    assert f"loaded by {tree}/runs/m01 (m01): as sentence-transformers/all-MiniLM-L6-v2" in found.stdout
    assert "exported to models/retriever_ft/20260203_005729_cd195e" in found.stdout


def test_a_recorded_digest_is_held_against_the_model(tree: Path) -> None:
    path = tree / "matrix.json"
    held = json.loads(path.read_text("utf-8"))
    held["experiments"][1]["model_sha256"] = "7" * 64
    path.write_text(json.dumps(held, indent=2), "utf-8")
    told = document(call(verb, "7777777777777", "--format", "json"))
    assert [(one["name"], one["state"]) for one in told["itself"]] == [("models/retriever_ft/latest", "changed")]
    assert any(one.endswith(f"so say {tree}/runs/m02") for one in told["remarks"])


def test_a_tree_that_nothing_recognises_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/matrix.json").write_text("[]\n")
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    found = call(verb, "file", "--format", "json")
    assert document(found)["not_read"] == [{"path": "odd", "reason": "no layout recognises it; looked for"}]
    assert found.return_value == 3


def test_what_was_not_read_of_a_tree_is_told(tmp_path: Path) -> None:
    evidence = {
        "schema": "evidence/v1",
        "layout": {"id": "theirs/v1", "digest": None},
        "matrix": "outputs/m",
        "statements": [],
        "looked": [{"for": "training base", "in": ["outputs/*/config.yaml"]}],
        "models": [
            {"path": "models/x", "state": "unreadable", "reason": "is a link", "pointer": False, "weights": None, "tree": None, "files": {}}
        ],
        "unread": [{"at": {"path": "outputs/m/matrix.json"}, "reason": "is not JSON"}],
    }  # fmt: skip
    ledger = Ledger(tmp_path)
    Tree(ledger, Evidence(evidence), "their").add([])
    assert ledger.not_read == [("their/outputs/m/matrix.json", "is not JSON"), ("their/models/x", "is a link")]
    assert ledger.looked["pre-FT"] == ["their/outputs/*/config.yaml"]


def test_a_workspace_may_hold_both_sorts(tree: Path, tmp_path: Path) -> None:
    from tests.bench.run_tree import grow

    grow(tmp_path / "ours", 2)
    ledger = records.read(tmp_path)
    assert ledger.unclaimed.matrices == [f"{tree.as_posix()}/matrix.json"]
    assert set(ledger.runs) == {"ours/outputs/m000/runs/run0000", "ours/outputs/run0001"}
    told = document(call(verb, "ours/models/retriever/run0000", "--format", "json"))
    assert [one["name"] for one in told["after"]] == sorted(ledger.runs)
    assert told["itself"][-1]["state"] == "same"


# What stands on their files


def test_what_stands_on_the_config_of_a_training(tree: Path) -> None:
    told = impact(f"outputs/{TRAINING}/train_config.yaml")
    assert of_kind(told, "export") == [EXPORT]
    assert f"outputs/{TRAINING}/checkpoints/step_150" in of_kind(told, "model")
    loaded = [f"{tree}/runs/m02", *(f"{tree}/runs/m{n:02d}" for n in range(4, 11))]
    assert of_kind(told, "run") == [f"outputs/{TRAINING}", *loaded]
    assert of_kind(told, "matrix") == [tree.as_posix()]
    first = next(one for one in told["dependents"] if one["kind"] == "run")
    assert (first["how"], first["at"]["line"]) == ("told of in train_config.yaml", 15)
    by_digest = impact(told["asked"]["contents"][0]["digest"][:20])
    assert by_digest["dependents"] == told["dependents"]


def test_what_stands_on_a_config_that_a_matrix_names(tree: Path) -> None:
    told = impact("configs/base.yaml")
    assert of_kind(told, "matrix") == [tree.as_posix()]
    assert len(of_kind(told, "run")) == 10
    assert told["dependents"][0]["how"] == "its matrix names it as base_config"
    assert of_kind(impact("configs/retriever_matrix.yaml"), "matrix") == [tree.as_posix()]
    assert of_kind(impact("configs"), "matrix") == [tree.as_posix()]
    assert [one["kind"] for one in lineage("configs/base.yaml")["after"]] == ["matrix", *["run"] * 10]


def test_a_config_that_no_file_of_the_layout_tells_of(tree: Path) -> None:
    Path("base.yaml").write_text("seed: 1\n")
    edit(tree / "matrix.json", base_config="base.yaml", matrix_config="gone.yaml")
    assert of_kind(impact("base.yaml"), "matrix") == [tree.as_posix()]


def test_a_file_that_only_one_run_is_told_by(tree: Path) -> None:
    assert of_kind(impact(f"{tree}/runs/m03/git_commit.txt"), "run") == [f"{tree}/runs/m03"]


def seal(folder: Path, tree: Path, *names: str) -> str:
    """A seal that names files."""
    outside = [{"path": name, "digest": digest.file(Path(name))} for name in names]
    stated = {"schema": "matrix_seal/v1", "verdict": "PASS", "matrix": {"folder": tree.as_posix()}, "outside": outside}
    folder.mkdir(parents=True)
    (folder / "seal.json").write_text(json.dumps({"subject": [], "predicate": stated}))
    return folder.as_posix()


@pytest.mark.parametrize("place", ["{tree}/seal", "docs/seals/matrix"])
def test_what_a_seal_names_is_what_it_stands_on(tree: Path, place: str) -> None:
    script = "scripts/train_retriever.py"
    folder = seal(Path(place.format(tree=tree)), tree, script)
    told = impact(script)
    assert of_kind(told, "seal") == [folder]
    assert told["dependents"][0]["how"] == f"names {script}"
    assert of_kind(impact("configs/base.yaml"), "seal") == [folder]  # by its matrix
    Path(script).write_text("mended = True\n")
    assert of_kind(impact(script), "seal") == [folder]
    Path(script).unlink()
    assert of_kind(impact(script), "seal") == [folder]


def test_a_digest_that_a_matrix_states_is_a_digest(tree: Path) -> None:
    held = json.loads((tree / "matrix.json").read_text("utf-8"))
    value = digest.file(Path(LATEST, "model.safetensors")).removeprefix("sha256:")
    held["experiments"][1]["model_sha256"] = value
    edit(tree / "matrix.json", **held)
    told = impact(value[:12])
    assert told["asked"]["kind"] == "model"
    assert f"{tree}/runs/m02" in of_kind(told, "run")
    weights = told["asked"]["contents"][1]["digest"]
    assert told["remarks"] == [f"records name the model with the weights {weights} by it"]


def test_what_stands_on_a_file_of_a_model(tree: Path) -> None:
    for name in (f"{LATEST}/model.safetensors", f"{LATEST}/1_Pooling/config.json"):
        told = impact(name)
        assert of_kind(told, "run")[0] == f"{tree}/runs/m02"
        assert told["remarks"][0].startswith(f"is part of the model {LATEST}, sha256:")


@pytest.mark.usefixtures("tree")
def test_a_project_with_a_config_is_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("config.json").write_text("{}")
    monkeypatch.setattr("sealkit.workspace.asked.weights_in", lambda folder: pytest.fail(f"reads {folder}"))
    assert of_kind(impact("configs/base.yaml"), "matrix")


# What is told of them


def test_evidence_is_the_line_of_a_file_that_is_there(tree: Path) -> None:
    told = lineage("m02")
    (itself,) = told["itself"]
    assert (itself["at"]["path"], itself["note"]) == (f"{tree}/matrix.json", None)
    assert '"m02"' in (tree / "matrix.json").read_text("utf-8").split("\n")[itself["at"]["line"] - 1]
    steps = [one for part in ("before", "itself", "after") for one in told[part]]
    assert all(Path(one["at"]["path"]).exists() for one in steps)
    assert told["before"][0]["note"] == "as it is now, nobody recorded its weights"
    searched = {where for one in told["lines"] for where in one["searched"]}
    assert not any("manifest" in where or "run_metadata" in where for where in searched)


def test_a_model_that_nothing_tells_of_is_no_base(tree: Path) -> None:
    weights = Path(LATEST, "model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\x80?")
    told = lineage(LATEST)
    (line,) = [one for one in told["lines"] if one["role"] == "pre-FT"]
    assert line["models"] == []
    assert f"{tree}/runs/*/config.yaml" in line["searched"]
    assert told["remarks"] == [f"no record says where {LATEST} came from, {told['asked']['contents'][0]['digest']}"]


def test_weights_in_files_that_are_no_safetensors(tree: Path) -> None:
    for path in sorted(Path().rglob("model.safetensors")):
        path.rename(path.with_name("pytorch_model.bin"))
    told = lineage(EXPORT)
    assert [one["known"] for one in told["asked"]["contents"]] == ["now"]
    assert [one for one in told["remarks"] if "cannot be told" in one or "other weights" in one] == []
    assert told["before"][0]["name"] == f"outputs/{TRAINING}"
    assert told["after"][0]["name"] == f"{tree}/runs/m02"
    assert Whereabouts(Path()).state(EXPORT, told["asked"]["contents"][0]["digest"]) == (SAME, None)


def test_a_run_beside_the_matrices_is_a_run(tree: Path) -> None:
    shutil.copytree(tree / "runs/m02", "outputs/loose")
    shutil.copytree(tree / "runs/m03", "outputs/unfinished")
    Path("outputs/unfinished/summary.json").unlink()
    Path("outputs/other").mkdir()
    Path("outputs/other/summary.json").write_text("{}")
    told = lineage("loose")
    assert told["before"][0]["name"] == LATEST
    assert told["itself"][0]["at"]["path"].startswith("outputs/loose/")
    assert told["looked"]["trees"] == [tree.as_posix(), "outputs"]
    assert told["looked"]["runs"] == 11
    assert "outputs/loose" in of_kind(impact(EXPORT), "run")


def test_a_matrix_that_lies_deeper_names_the_models_of_the_workspace(tree: Path) -> None:
    held = json.loads((tree / "matrix.json").read_text("utf-8"))
    held["experiments"][1]["model_sha256"] = digest.file(Path(LATEST, "model.safetensors")).removeprefix("sha256:")
    edit(tree / "matrix.json", **held)
    Path("outputs/exp").mkdir()
    tree.rename(f"outputs/exp/{tree.name}")
    told = lineage(LATEST)
    assert [one["known"] for one in told["asked"]["contents"]] == ["now"]
    assert told["before"][0]["name"] == f"outputs/{TRAINING}"
    assert told["after"][0]["name"] == f"outputs/exp/{tree.name}/runs/m02"
    assert not any("other weights" in one or "no record" in one for one in told["remarks"])


def test_the_runs_of_a_matrix_that_cannot_be_read_are_told(tree: Path) -> None:
    (tree / "matrix.json").write_text("{")
    found = call(impact_verb, EXPORT, "--format", "json")
    told = document(found)
    assert found.return_value == 3
    assert [one["path"] for one in told["not_read"]] == [f"{tree}/matrix.json"]
    assert of_kind(told, "run") == [f"{tree}/runs/m02", *(f"{tree}/runs/m{n:02d}" for n in range(4, 11))]


def test_a_training_without_any_matrix_is_told(tree: Path) -> None:
    shutil.rmtree(tree)
    told = lineage(EXPORT)
    assert next((one["relation"], one["name"]) for one in told["before"]) == ("trained by", f"outputs/{TRAINING}")
    assert (told["looked"]["runs"], told["looked"]["trainings"]) == (0, 1)
    assert of_kind(impact(f"outputs/{TRAINING}/metrics.json"), "export") == [EXPORT]


def test_several_matrices_are_looked_at_once_each(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(tree, "outputs/second")
    hashed: list[str] = []
    model = observe.look_at

    def count(root: Path, path: str, pointer: bool) -> dict[str, Any]:
        hashed.append(path)
        return model(root, path, pointer)

    monkeypatch.setattr(observe, "look_at", count)
    told = lineage(EXPORT)
    assert told["looked"]["trees"] == [tree.as_posix(), "outputs/second"]
    assert (told["looked"]["runs"], told["looked"]["trainings"], told["looked"]["matrices"]) == (20, 1, 2)
    assert {one["name"].rpartition("/runs/")[0] for one in told["after"]} == {tree.as_posix(), "outputs/second"}
    assert [one for one in hashed if "checkpoints" in one] == sorted({one for one in hashed if "checkpoints" in one})
    assert len([one["name"] for one in told["itself"]]) == len({one["name"] for one in told["itself"]})


def test_a_summary_of_nothing_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "summary.json").write_text("{}")
    (tmp_path / "page").mkdir()
    (tmp_path / "page/summary.json").write_text("[1]")
    monkeypatch.chdir(tmp_path)
    found = call(verb, "summary.json", "--format", "json")
    assert document(found)["looked"]["runs"] == 0
    assert found.return_value == 0
