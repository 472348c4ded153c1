"""The edits and repairs of the golden audit's tree: each changes what it says, and nothing else."""

from __future__ import annotations

import json
import re
import runpy
import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sealkit import digest, repository
from sealkit.finding import ReadError
from tests.golden import dialects, edits, provenance, repairs, runs, tree
from tests.golden.edits import document, root

Edit = Callable[[Path], object]
MATRIX = "outputs/20260217_184210_b3e07f"
RUNS = f"{MATRIX}/runs"
TRAINING = "outputs/20260203_005729_cd195e"
MODELS = "models/retriever_ft"
DATED = f"{MODELS}/20260203_005729_cd195e"


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    return tree.build(tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def touched(matrix: Path, edit: Edit) -> set[str]:
    """The files that came, went or changed."""
    before = contents(root(matrix))
    edit(matrix)
    after = contents(root(matrix))
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def summary(matrix: Path, run: str) -> Any:
    return document(matrix / "runs" / run / "summary.json")


def model_line(matrix: Path, run: str) -> str:
    """The line of a run's log that names its model."""
    return next(line for line in _log(matrix, run).splitlines() if f"{MODELS}/" in line or tree.BASE_MODEL in line)


def _log(matrix: Path, run: str) -> str:
    return (matrix / f"runs/{run}_retrieval_full/logs.txt").read_text()


HN = "20260128_221503_5f0d2e"
LATER = "20260305_112233_e4c1d9"
OTHER_COMMIT = "3" * 40
# The edit, and the globs of the files that it touches: every touched file fits one, and every glob one file at least.
EDITS: dict[str, tuple[Edit, list[str]]] = {
    "no commits": (lambda at: edits.remove(at, f"{RUNS}/*/git_commit.txt"), [f"{RUNS}/m??/git_commit.txt"]),
    "no evaluations": (lambda at: edits.remove(at, "outputs/*/eval_*"), [f"{TRAINING}/eval_*"]),
    "no checkpoints": (lambda at: edits.remove(at, "outputs/*/checkpoints"), [f"{TRAINING}/checkpoints/*"]),
    "no training": (lambda at: edits.remove(at, TRAINING), [f"{TRAINING}/*"]),
    "no logs": (lambda at: edits.remove(at, f"{RUNS}/*/logs.txt"), [f"{RUNS}/m??*/logs.txt"]),
    "a text": (lambda at: edits.substitute(at, "k1=1.5", "k1=0.9", f"{RUNS}/*/*"), [f"{RUNS}/m0[34]_*/logs.txt"]),
    "indented": (lambda at: dialects.indented(at, 4), ["outputs/*.json"]),
    "compact": (lambda at: dialects.indented(at, None), ["outputs/*.json"]),
    "carriage returns": (dialects.carriage_returns, ["configs/*.yaml", "scripts/*.py", "outputs/*"]),
    "backslashes": (dialects.backslashes, [f"{MATRIX}/matrix.json", f"{RUNS}/*/logs.txt"]),
    "shuffled": (dialects.shuffled, [f"{MATRIX}/*.json", f"{MATRIX}/*.yaml"]),
    "worded": (lambda at: dialects.worded(at, dialects.WORDINGS[1]), [f"{RUNS}/m??_retrieval_full/logs.txt"]),
    "keyed": (
        lambda at: dialects.keyed(at, "model.name"),
        ["configs/base.yaml", "configs/retriever_matrix.yaml", f"{MATRIX}/*.json", f"{MATRIX}/*.yaml", f"{RUNS}/m??/logs.txt"],
    ),
    "one level down": (dialects.one_level_down, [f"{RUNS}/m??/summary.json"]),
    "talkative": (dialects.talkative, [f"{MATRIX}/matrix.json", f"{MATRIX}/experiments_resolved.yaml"]),
    "added": (
        lambda at: runs.added(at, tree.Experiment("m11", "again", 213)),
        [f"{MATRIX}/matrix.json", f"{MATRIX}/exp*.yaml", f"{RUNS}/m11*", "configs/retriever_matrix.yaml"],
    ),
    "measured": (
        lambda at: runs.measured(at, "m05", 217),
        [f"{RUNS}/m05/summary.json", f"{RUNS}/m05/metrics.json", f"{RUNS}/m05*/logs.txt"],
    ),
    "disagreeing": (lambda at: runs.disagreeing(at, "m02", 217), [f"{RUNS}/m02/metrics.json"]),
    "loaded": (lambda at: runs.loaded(at, "m02", tree.BASE_MODEL), [f"{RUNS}/m02_retrieval_full/logs.txt"]),
    "reranker": (lambda at: runs.reranker_loaded(at, "m05"), [f"{RUNS}/m05_retrieval_full/logs.txt"]),
    "configured model": (lambda at: runs.configured_model_logged(at, "m03"), [f"{RUNS}/m03_retrieval_full/logs.txt"]),
    "failed": (
        lambda at: runs.failed(at, "m07"),
        [f"{MATRIX}/matrix.json", f"{MATRIX}/exp*.yaml", f"{RUNS}/m07/summary.json", f"{RUNS}/m07/metrics.json", f"{RUNS}/m07_*"],
    ),
    "another commit": (
        lambda at: runs.at_commit(at, "m02", OTHER_COMMIT),
        [f"{RUNS}/m02/git_commit.txt", f"{RUNS}/m02/summary.json", f"{RUNS}/m02/logs.txt"],
    ),
    "seeded": (
        lambda at: runs.seeded(at, "m02", 7),
        [f"{RUNS}/m02/config*.yaml", f"{RUNS}/m02/summary.json", f"{RUNS}/m02/logs.txt"],
    ),
    "per query": (runs.per_query, [f"{RUNS}/m??/per_query_metrics.jsonl"]),
    "legacy key won": (
        runs.legacy_key_won,
        ["configs/base.yaml", f"{RUNS}/m??/config*.yaml", f"{RUNS}/*/logs.txt", f"{RUNS}/*/summary.json", f"{RUNS}/*/metrics.json"],
    ),
    "digests": (provenance.digests, [f"{MATRIX}/matrix.json"]),
    "same commit": (provenance.same_commit, [".git/HEAD", f"{TRAINING}/train_config.yaml", f"{TRAINING}/logs.txt"]),
    "history": (
        provenance.history,
        [".git/*", "NOTES.md", f"{TRAINING}/train_config.yaml", f"{TRAINING}/logs.txt", f"{MATRIX}/matrix.json"]
        + [f"{RUNS}/m??/{name}" for name in ("git_commit.txt", "summary.json", "logs.txt")],
    ),
    "retrained": (provenance.retrained, [f"outputs/{LATER}/*", f"{MODELS}/{LATER}/*", f"{MODELS}/latest/model.safetensors"]),
    "replaced": (provenance.replaced, [f"{MODELS}/latest/model.safetensors"]),
    "left in storage": (provenance.left_in_storage, [f"{DATED}/model.safetensors", f"{MODELS}/latest/model.safetensors"]),
    "pickled": (
        provenance.pickled,
        [f"{folder}/{name}" for folder in (DATED, f"{MODELS}/latest") for name in ("model.safetensors", "pytorch_model.bin")],
    ),
    "hard negatives trained": (
        provenance.hard_negatives_trained,
        [f"outputs/{HN}/*", f"{MODELS}/{HN}/*", f"{MATRIX}/*.json", f"{MATRIX}/exp*.yaml", f"{RUNS}/m11*", "configs/retriever_matrix.yaml"],
    ),
    "hard negatives claimed": (provenance.hard_negatives_claimed, [f"{TRAINING}/train_config.yaml"]),
    "unnumbered": (
        provenance.last_evaluation_unnumbered,
        [f"{TRAINING}/eval_epoch1_steps150.json", f"{TRAINING}/eval_epoch1_steps-1.json"],
    ),
    "second matrix": (lambda at: runs.second_matrix(at, "20260220_seal"), ["outputs/20260220_seal/*"]),
    "loose run": (runs.loose_run, ["outputs/seal_mvp02/*", "outputs/seal_mvp02_retrieval_full/logs.txt"]),
    "R1": (
        repairs.name_the_dated_folder,
        ["configs/retriever_matrix.yaml", f"{MATRIX}/matrix.json", f"{MATRIX}/exp*.yaml", f"{RUNS}/m??/config*.yaml", f"{RUNS}/*/logs.txt"],
    ),
    "R2": (
        repairs.export_the_best,
        [f"{DATED}/model.safetensors", f"{MODELS}/latest/model.safetensors", f"{TRAINING}/logs.txt"],
    ),
    "R3": (repairs.todays_keys, ["configs/run_baseline.yaml", "configs/run_hybrid.yaml"]),
    "R4": (repairs.bind_the_models, [f"{MATRIX}/matrix.json"]),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_touches_the_files_that_it_says(matrix: Path, name: str) -> None:
    edit, globs = EDITS[name]
    names = touched(matrix, edit)
    assert sorted(one for one in names if not any(fnmatch(one, glob) for glob in globs)) == []
    assert [glob for glob in globs if not any(fnmatch(one, glob) for one in names)] == []


def test_an_edit_that_finds_nothing_says_so(matrix: Path) -> None:
    with pytest.raises(ValueError, match=r"runs/m99/\*: nothing there"):
        edits.remove(matrix, f"{RUNS}/m99/*")
    with pytest.raises(ValueError, match="`m99` stands in none of"):
        edits.substitute(matrix, "m99", "m98", "configs/*")
    dialects.worded(matrix, dialects.WORDINGS[0])
    with pytest.raises(ValueError, match="nothing like"):
        runs.loaded(matrix, "m02", "x")


def test_another_tree_shares_nothing_with_the_golden_one(tmp_path: Path) -> None:
    built = tree.build(tmp_path, **edits.OTHERWISE)
    texts = {name: content for name, content in contents(tmp_path).items() if not name.endswith(".safetensors")}
    golden = re.compile(rb"\bm\d\d\b|20260203|20260217|27c146e|a57a56|0b7f910|retriever_ft\b")
    # Scripts are the same project's; the name of the model's folder stands in its configs alone.
    assert [name for name, content in texts.items() if golden.search(content) or golden.search(name.encode())] == []
    rows = document(built / "matrix.json")["experiments"]
    assert [row["label"] for row in rows] == ["tuned_rerank", "tuned", "lexical", "untuned", "tuned_expand"]
    assert not {row["label"] for row in rows} & {row["run_id"] for row in rows}
    assert document(tmp_path / "outputs/ft-mnr-3/metrics.json")["best_step"] == 150
    assert provenance.dated_export(built) == tmp_path / "models/e5_tuned/ft-mnr-3"


ANYWHERE: list[Edit] = [
    dialects.carriage_returns, dialects.backslashes, dialects.shuffled, dialects.one_level_down, dialects.talkative, runs.per_query,
    runs.legacy_key_won, provenance.digests, provenance.same_commit, provenance.history, provenance.linked, provenance.retrained, provenance.replaced, provenance.left_in_storage, provenance.pickled,
    provenance.hard_negatives_trained, provenance.hard_negatives_claimed, provenance.last_evaluation_unnumbered, runs.loose_run,
    *repairs.REPAIRS.values(),
]  # fmt: skip


@pytest.mark.parametrize("edit", ANYWHERE)
def test_an_edit_fits_another_tree_as_well(tmp_path: Path, edit: Edit) -> None:
    built = tree.build(tmp_path, **edits.OTHERWISE)
    golden = re.compile(rb"20260203_|20260217_|retriever_ft\b")
    assert touched(built, edit)
    assert [name for name, content in contents(tmp_path).items() if golden.search(content + name.encode())] == []


def test_json_and_text_say_the_same_however_they_are_written(matrix: Path) -> None:
    before = document(matrix / "matrix.json")
    dialects.indented(matrix, None)
    assert b"\n" not in (matrix / "matrix.json").read_bytes()
    dialects.carriage_returns(matrix)
    assert document(matrix / "matrix.json") == before
    log = (matrix / "runs/m02/logs.txt").read_bytes()
    assert log.count(b"\r\n") == log.count(b"\n") > 3
    assert summary(matrix, "m01")["metrics"] == tree.means(185, 570)


def test_another_order_holds_the_same(matrix: Path) -> None:
    before, runs = (
        document(matrix / "matrix.json"),
        [row["run_id"] for row in document(matrix / "matrix.json")["experiments"]],
    )
    dialects.shuffled(matrix)
    after = document(matrix / "matrix.json")
    assert sorted(after.pop("experiments"), key=lambda row: row["run_id"]) == before.pop("experiments")
    assert after == before
    assert [row["run_id"] for row in document(matrix / "experiments_resolved.yaml")["experiments"]] != runs
    assert list(after) != list(before)


@pytest.mark.parametrize("wording", dialects.WORDINGS)
def test_the_loaded_model_stands_in_the_log_in_any_wording(matrix: Path, wording: str) -> None:
    dialects.worded(matrix, wording)
    assert wording.replace("{head} ", "").format(model=f"{MODELS}/latest") in model_line(matrix, "m02")
    assert model_line(matrix, "m02").count(" INFO ") == wording.count("{head}")


def test_the_model_under_another_key_is_the_same_model(matrix: Path) -> None:
    dialects.keyed(matrix, "model.name")
    config = document(matrix / "runs/m02/config.resolved.yaml")
    assert (config["model"], "model_name_or_path" in config["retriever"]["dense"]) == (
        {"name": f"{MODELS}/latest"},
        False,
    )
    assert f"model.name={MODELS}/latest" in document(matrix / "matrix.json")["experiments"][1]["overrides"]


def test_the_log_names_another_model_than_the_config(matrix: Path) -> None:
    runs.loaded(matrix, "m02", "models/retriever_ft/20251111_000000_aaaaaa")
    assert model_line(matrix, "m02").endswith("SentenceTransformer: models/retriever_ft/20251111_000000_aaaaaa")
    assert (
        document(matrix / "runs/m02/config.resolved.yaml")["retriever"]["dense"]["model_name_or_path"]
        == f"{MODELS}/latest"
    )


def test_rows_for_each_query_give_the_means_of_the_summary(matrix: Path) -> None:
    runs.per_query(matrix)
    for run in ("m01", "m02", "m03", "m04", "m10"):
        rows = [json.loads(line) for line in (matrix / f"runs/{run}/per_query_metrics.jsonl").read_text().splitlines()]
        said = summary(matrix, run)["metrics"]["retrieval_full"]
        assert len({row["query_id"] for row in rows}) == said.pop("num_queries") == 570
        for key, value in said.items():
            assert statistics.fmean(row[key] for row in rows) == pytest.approx(value, abs=1e-12), key
    first, second = ((matrix / f"runs/{run}/per_query_metrics.jsonl").read_bytes() for run in ("m02", "m09"))
    assert first == second


def test_with_the_old_key_in_the_base_config_every_run_loaded_the_base_model(matrix: Path) -> None:
    runs.legacy_key_won(matrix)
    row = document(matrix / "matrix.json")["experiments"][1]
    assert f"{tree.MODEL_KEY}={MODELS}/latest" in row["overrides"]
    resolved = document(matrix / "runs/m02/config.resolved.yaml")["retriever"]
    assert resolved["dense"]["model_name_or_path"] == resolved["model_name"] == tree.BASE_MODEL
    assert document(root(matrix) / "configs/base.yaml")["retriever"]["model_name"] == tree.BASE_MODEL
    assert {model_line(matrix, run).rpartition(" ")[2] for run in ("m01", "m02", "m04", "m10")} == {tree.BASE_MODEL}
    assert summary(matrix, "m02")["metrics"] == summary(matrix, "m01")["metrics"]
    assert summary(matrix, "m04")["metrics"] == tree.means(199, 570)


@pytest.mark.parametrize("edit", [lambda _: None, runs.legacy_key_won])
def test_resolved_configs_are_what_the_script_makes_of_base_and_overrides(
    matrix: Path, monkeypatch: pytest.MonkeyPatch, edit: Edit
) -> None:
    edit(matrix)
    monkeypatch.setitem(sys.modules, "retrieval", ModuleType("retrieval"))
    monkeypatch.setitem(sys.modules, "retrieval.evaluate", ModuleType("retrieval.evaluate"))
    monkeypatch.setattr(sys.modules["retrieval.evaluate"], "evaluate_subsets", None, raising=False)
    resolve = runpy.run_path(str(root(matrix) / "scripts/run_experiment.py"))["resolve_config"]
    for row in document(matrix / "matrix.json")["experiments"]:
        made = resolve(root(matrix) / "configs/base.yaml", row["overrides"])
        place = {"run_id": row["run_id"], "output_dir": RUNS}
        assert made | place == document(matrix / "runs" / row["run_id"] / "config.resolved.yaml"), row["run_id"]


@pytest.mark.parametrize("prefix", ["", "sha256:"])
def test_digests_are_those_of_the_models_that_are_there(matrix: Path, prefix: str) -> None:
    provenance.digests(matrix, prefix, wrong=("m06",))
    found = {row["run_id"]: row["model_sha256"] for row in document(matrix / "matrix.json")["experiments"]}
    right = prefix + provenance.file_digest(root(matrix) / DATED)
    assert {run for run, digest in found.items() if digest == right} == {
        "m02",
        "m04",
        "m05",
        "m07",
        "m08",
        "m09",
        "m10",
    }
    assert found["m03"] is None
    assert len(found["m06"]) == len(found["m01"]) == len(right)
    assert len({found["m01"], found["m06"], right}) == 3


def test_a_real_history_holds_the_three_commits_in_a_line(matrix: Path) -> None:
    trained, ran, audited = provenance.history(matrix)
    seen = repository.repository(root(matrix))
    assert (seen.state, seen.commit, seen.dirty, seen.untracked) == ("ok", audited, False, ())
    assert (
        repository.ancestry(root(matrix), trained, ran) == repository.ancestry(root(matrix), ran, audited) == "ancestor"
    )
    assert document(matrix / "matrix.json")["git_hash"] == summary(matrix, "m02")["git_hash"] == ran
    assert document(root(matrix) / TRAINING / "train_config.yaml")["git_hash"] == trained


def test_latest_as_a_link_is_the_dated_folder(matrix: Path) -> None:
    provenance.linked(matrix)
    latest = root(matrix) / MODELS / "latest"
    assert latest.is_symlink()
    assert latest.resolve() == (root(matrix) / DATED).resolve()


def test_a_later_training_leaves_other_weights_in_latest(matrix: Path) -> None:
    before = provenance.file_digest(root(matrix) / DATED)
    later = provenance.retrained(matrix)
    assert provenance.dated_export(matrix).name == later
    assert (
        provenance.file_digest(root(matrix) / MODELS / "latest")
        != before
        == provenance.file_digest(root(matrix) / DATED)
    )


@pytest.mark.parametrize(
    ("edit", "said"),
    [(provenance.left_in_storage, "LFS pointer"), (provenance.pickled, "holds no safetensors weights")],
)
def test_weights_left_in_storage_or_pickled_are_refused_by_name(matrix: Path, edit: Edit, said: str) -> None:
    edit(matrix)
    with pytest.raises(ReadError, match=said):
        digest.weights(root(matrix) / DATED)


def test_a_training_with_hard_negatives_has_a_run_on_its_model(matrix: Path) -> None:
    name = provenance.hard_negatives_trained(matrix)
    training = root(matrix) / "outputs" / name
    assert document(training / "train_config.yaml")["hard_negatives"]["enabled"] is True
    assert document(training / "metrics.json")["hard_enabled"] is True
    assert "hard_enabled=True" in (training / "logs.txt").read_text()
    assert model_line(matrix, "m11").endswith(f"{MODELS}/{name}")
    assert document(matrix / "matrix.json")["experiments"][10]["index"] == 11
    assert provenance.dated_export(matrix) == root(matrix) / DATED


def test_hard_negatives_on_in_the_config_are_off_in_the_log(matrix: Path) -> None:
    provenance.hard_negatives_claimed(matrix)
    training = root(matrix) / TRAINING
    assert document(training / "train_config.yaml")["hard_negatives"]["enabled"] is True
    assert document(training / "metrics.json")["hard_enabled"] is False
    assert "hard_enabled=False" in (training / "logs.txt").read_text()


def test_no_two_runs_of_a_talkative_runner_agree_in_all_overrides(matrix: Path) -> None:
    dialects.talkative(matrix)
    rows = document(matrix / "matrix.json")["experiments"]
    assert rows[1]["overrides"][2:] == [f"output_dir={RUNS}", "run_id=m02"]
    assert document(matrix / "experiments_resolved.yaml")["experiments"][1]["overrides"] == rows[1]["overrides"]


def test_the_bm25_run_may_name_a_model_that_it_does_not_load(tmp_path: Path) -> None:
    bm25 = replace(tree.TEN[2], model="latest")
    built = tree.build(tmp_path, experiments=(*tree.TEN[:2], bm25))
    assert (
        document(built / "runs/m03/config.resolved.yaml")["retriever"]["dense"]["model_name_or_path"]
        == f"{MODELS}/latest"
    )
    assert "Load pretrained" not in _log(built, "m03")


def test_the_first_repair_leaves_no_latest_but_in_the_training(matrix: Path) -> None:
    repairs.name_the_dated_folder(matrix)
    with_it = {name for name, content in contents(root(matrix)).items() if b"/latest" in content}
    assert with_it == {f"{TRAINING}/logs.txt"}
    assert model_line(matrix, "m10").endswith(DATED)


def test_the_second_repair_exports_the_best_checkpoint(matrix: Path) -> None:
    repairs.export_the_best(matrix)
    best = provenance.file_digest(root(matrix) / TRAINING / "checkpoints/best_model")
    assert {provenance.file_digest(root(matrix) / name) for name in (DATED, f"{MODELS}/latest")} == {best}
    assert (root(matrix) / TRAINING / "logs.txt").read_text().endswith(f"exported best model (step 50) to {DATED}\n")


def test_the_third_repair_says_the_same_under_todays_keys(matrix: Path) -> None:
    repairs.todays_keys(matrix)
    config = document(root(matrix) / "configs/run_hybrid.yaml")
    assert config["retriever"] == {
        "dense": {"model_name_or_path": tree.BASE_MODEL}, "mode": "hybrid", "hybrid": {"alpha": 0.3}, "top_k": 20,
    }  # fmt: skip
    assert not repairs.TODAY.keys() & config.keys()
    assert touched(matrix, repairs.todays_keys) == set()


def test_the_fourth_repair_binds_every_run_that_loads_a_model(matrix: Path) -> None:
    repairs.bind_the_models(matrix)
    rows = document(matrix / "matrix.json")["experiments"]
    assert rows[1]["model_sha256"] == "sha256:" + provenance.file_digest(root(matrix) / DATED)
    assert [row["run_id"] for row in rows if row["model_sha256"] is None] == ["m03"]


def test_all_repairs_together(matrix: Path) -> None:
    for repair in repairs.REPAIRS.values():
        repair(matrix)
    best = provenance.file_digest(root(matrix) / TRAINING / "checkpoints/best_model")
    assert document(matrix / "matrix.json")["experiments"][1]["model_sha256"] == f"sha256:{best}"
    assert document(matrix / "matrix.json")["experiments"][1]["overrides"][1] == f"{tree.MODEL_KEY}={DATED}"
