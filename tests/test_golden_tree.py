"""The generator of the golden audit's tree, held to the table that it is written from."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from sealkit import digest
from tests.golden import models, tree

TRAINING = "outputs/20260203_005729_cd195e"
EXPORT = "models/retriever_ft/20260203_005729_cd195e"
LATEST = "models/retriever_ft/latest"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The matrix of the plain tree. Read only: tests build another where they change it."""
    return tree.build(tmp_path_factory.mktemp("plain"))


def root(matrix: Path) -> Path:
    return matrix.parent.parent


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def document(path: Path) -> Any:
    return json.loads(path.read_bytes()) if path.suffix == ".json" else yaml.safe_load(path.read_bytes())


def recall(matrix: Path, run: str) -> float:
    return float(document(matrix / "runs" / run / "summary.json")["metrics"]["retrieval_full"]["recall@10"])


def test_every_file_of_the_table_is_there(built: Path) -> None:
    files = set(contents(root(built)))
    matrix = built.relative_to(root(built)).as_posix()
    wanted = {f"{matrix}/matrix.json", f"{matrix}/experiments_resolved.yaml"}
    for number in range(1, 11):
        for name in (
            "config.resolved.yaml",
            "config.yaml",
            "git_commit.txt",
            "logs.txt",
            "summary.json",
            "metrics.json",
        ):
            wanted.add(f"{matrix}/runs/m{number:02d}/{name}")
        wanted.add(f"{matrix}/runs/m{number:02d}_retrieval_full/logs.txt")
    wanted |= {f"{TRAINING}/{name}" for name in ("train_config.yaml", "metrics.json", "logs.txt")}
    models_of = [f"{TRAINING}/checkpoints/{name}" for name in ("best_model", "step_50", "step_100", "step_150")]
    names = {"config.json", "modules.json", "sentence_bert_config.json", "1_Pooling/config.json"}
    for folder in (*models_of, EXPORT, LATEST):
        wanted |= {f"{folder}/{name}" for name in names | {"tokenizer_config.json", "model.safetensors"}}
    wanted |= {f"scripts/{name}.py" for name in ("train_retriever", "run_experiment", "run_matrix")}
    configs = ("base", "retriever_matrix", "train_retriever", "run_baseline", "run_hybrid")
    wanted |= {f"configs/{name}.yaml" for name in configs}
    evaluations = {name for name in files if name.startswith(f"{TRAINING}/eval_epoch")}
    assert len(evaluations) == 3
    assert files == wanted | evaluations | {".gitignore", ".git/HEAD", ".git/config"}


def test_the_same_bytes_come_out_twice_and_other_options_give_another_tree(built: Path, tmp_path: Path) -> None:
    tree.build(tmp_path / "again")
    other = tree.build(tmp_path / "other", matrix_id="seal-7", seed=7, experiments=tree.TEN[:2])
    assert contents(tmp_path / "again") == contents(root(built))
    assert other == tmp_path / "other/outputs/seal-7"
    assert [path.name for path in sorted((other / "runs").iterdir())] == [
        "m01", "m01_retrieval_full", "m02", "m02_retrieval_full",
    ]  # fmt: skip
    assert document(other / "runs/m01/config.resolved.yaml")["runtime"]["seed"] == 7


def test_the_commits_are_those_of_the_table(built: Path) -> None:
    matrix = document(built / "matrix.json")["git_hash"]
    assert matrix == "27c146e3da3d3b525a7793c90e512103fa649335"
    assert {path.read_text().strip() for path in built.glob("runs/*/git_commit.txt")} == {matrix}
    trained = document(root(built) / TRAINING / "train_config.yaml")["git_hash"]
    assert (trained[:6], len(trained)) == ("a57a56", 40)
    assert (root(built) / ".git/HEAD").read_text() == "0b7f9100b360408023ff78d8195bb78ebb1de659\n"


def test_the_numbers_are_those_of_the_table(built: Path) -> None:
    expected = {"m01": "0.3246", "m02": "0.3789", "m03": "0.2246", "m04": "0.3491"}
    assert {run: f"{recall(built, run):.4f}" for run in expected} == expected
    same = [document(built / f"runs/m{number:02d}/summary.json")["metrics"] for number in (2, 5, 6, 7, 8, 9, 10)]
    assert all(one == same[0] for one in same)
    assert same[0]["retrieval_full"]["num_queries"] == 570
    for run in (built / "runs").glob("m??"):
        assert document(run / "metrics.json") == document(run / "summary.json")["metrics"]


def test_what_a_run_reports_are_means_over_its_queries() -> None:
    ranks = tree.ranks(185, 570)
    assert (len(ranks), sum(rank is not None for rank in ranks)) == (570, 185)
    assert {rank for rank in ranks if rank} == set(range(1, 11))
    assert tree.measures([1, None, 4, 10]) == {
        "recall@1": 0.25, "recall@5": 0.5, "recall@10": 0.75, "mrr@10": (1 + 0.25 + 0.1) / 4, "num_queries": 4,
    }  # fmt: skip
    assert tree.means(185, 570)["retrieval_full"] == tree.measures(ranks)


def test_each_of_the_last_six_differs_from_m02_in_one_switch_of_its_own(built: Path) -> None:
    rows = {row["run_id"]: row for row in document(built / "matrix.json")["experiments"]}
    added = [set(rows[f"m{number:02d}"]["overrides"]) - set(rows["m02"]["overrides"]) for number in range(5, 11)]
    assert [len(one) for one in added] == [1] * 6
    assert len(set.union(*added)) == 6
    assert not any("model_sha256" in row for row in rows.values())
    base = document(root(built) / "configs/base.yaml")
    for switch in set.union(*added):
        key, _, value = switch.partition("=")
        assert (_at(base, key), value) == (False, "true"), switch


def _at(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = config[part]
    return config


def _loaded(matrix: Path, run: str) -> list[str]:
    log = (matrix / f"runs/{run}_retrieval_full/logs.txt").read_text()
    return [line.rpartition(": ")[2] for line in log.splitlines() if "Load pretrained" in line]


def test_override_resolved_config_and_log_agree_on_the_model(built: Path) -> None:
    rows: list[Mapping[str, Any]] = document(built / "matrix.json")["experiments"]
    for row in rows:
        resolved = document(built / "runs" / row["run_id"] / "config.resolved.yaml")["retriever"]
        named = dict(override.split("=", 1) for override in row["overrides"])
        assert resolved["mode"] == named["retriever.mode"]
        if row["run_id"] == "m03":
            assert (resolved["mode"], _loaded(built, "m03"), named.get(tree.MODEL_KEY)) == ("bm25", [], None)
            continue
        expected = tree.BASE_MODEL if row["run_id"] == "m01" else LATEST
        assert _loaded(built, row["run_id"]) == [expected]
        assert named[tree.MODEL_KEY] == resolved["dense"]["model_name_or_path"] == expected
    assert rows == document(built / "experiments_resolved.yaml")["experiments"]
    in_config = document(root(built) / "configs/retriever_matrix.yaml")["experiments"]
    assert in_config == [{key: row[key] for key in ("label", "tag", "overrides")} for row in rows]


def test_the_best_by_recall_at_5_is_step_50_and_the_final_is_exported(built: Path) -> None:
    training = root(built) / TRAINING
    by_step = {
        int(path.stem.partition("steps")[2]): document(path) for path in training.glob("eval_epoch*_steps*.json")
    }
    assert max(by_step, key=lambda step: by_step[step]["recall@5"]) == 50
    assert max(by_step, key=lambda step: by_step[step]["recall@10"]) != 50
    record = document(training / "metrics.json")
    assert (record["best_metric"], record["best_step"], record["final_step"]) == ("recall@5", 50, 150)
    assert record["best_score"] == by_step[50]["recall@5"] > by_step[150]["recall@5"]
    names = {"best": "best_model", "50": "step_50", "100": "step_100", "150": "step_150"}
    weights = {name: digest.weights(training / "checkpoints" / folder) for name, folder in names.items()}
    exported, latest = (digest.weights(root(built) / folder) for folder in (EXPORT, LATEST))
    assert weights["best"] == weights["50"]
    assert weights["150"] == exported == latest
    assert len({one.digest for one in weights.values()}) == 3


def test_hard_negatives_are_off_in_config_record_and_log(built: Path) -> None:
    training = root(built) / TRAINING
    assert document(training / "train_config.yaml")["hard_negatives"]["enabled"] is False
    assert document(training / "metrics.json")["hard_enabled"] is False
    assert "hard_enabled=False" in (training / "logs.txt").read_text()


def test_old_keys_stand_in_two_configs_and_are_applied_last(built: Path) -> None:
    configs = {path.stem: document(path) for path in (root(built) / "configs").glob("*.yaml")}
    old = {
        name: {key for key in ("mode", "alpha", "top_k") if key in config}
        | ({"retriever.model_name"} if "model_name" in config.get("retriever", {}) else set())
        for name, config in configs.items()
    }
    assert {name: keys for name, keys in old.items() if keys} == {
        "run_baseline": {"retriever.model_name", "mode", "top_k"},
        "run_hybrid": {"retriever.model_name", "mode", "alpha", "top_k"},
    }
    script = (root(built) / "scripts/run_experiment.py").read_text()
    assert script.index("= apply_overrides(config") < script.index("= apply_legacy_keys(config")


def test_the_scripts_are_python_and_the_training_rebuilds_latest(built: Path) -> None:
    scripts = {path.stem: path.read_text() for path in (root(built) / "scripts").glob("*.py")}
    assert all(ast.parse(text) for text in scripts.values())
    training = scripts["train_retriever"]
    assert training.index("shutil.rmtree(latest)") < training.index("shutil.copytree(dated, latest)")


def test_weights_are_a_safetensors_file_that_its_name_decides(tmp_path: Path) -> None:
    models.model(tmp_path / "a", "one")
    assert models.weights("one") == (tmp_path / "a/model.safetensors").read_bytes() != models.weights("other")
    assert digest.weights(tmp_path / "a").tensors == 6
    library = pytest.importorskip("safetensors.numpy")
    assert library.load(models.weights("one"))["embeddings.LayerNorm.bias"].shape == (models.DIMENSION,)
