"""A real fine-tuning script that knows nothing of sealkit, and the same one with five lines more."""

from __future__ import annotations

import difflib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sealkit
from sealkit import digest
from sealkit.finding import UsageError
from tests.conftest import GIT

SCRIPTS = Path(__file__).parent / "scripts"
WORDS = [
    "read",
    "write",
    "open",
    "close",
    "sort",
    "merge",
    "split",
    "join",
    "parse",
    "print",
    "count",
    "start",
    "stop",
    "begin",
    "end",
    "find",
]


def lines(name: str) -> list[str]:
    """The lines of a script without their indentation: what stands below a `with` is indented and is not another line."""
    return [line.strip() for line in (SCRIPTS / name).read_text("utf-8").splitlines() if line.strip()]


def test_five_lines_make_a_script_a_recorded_one() -> None:
    changes = [
        line for line in difflib.ndiff(lines("finetune_plain.py"), lines("finetune_recorded.py")) if line[0] in "+-"
    ]
    assert [line for line in changes if line[0] == "-"] == []
    assert len(changes) <= 5
    assert all("sealkit" in line or "run." in line for line in changes)


def toolkit(verb: str, place: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from sealkit.cli import main; main()", verb, "outputs/finetuned"]
    return subprocess.run(command, cwd=place, capture_output=True, text=True)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which the recorded script ran with a tiny model, and was sealed."""
    pytest.importorskip("sentence_transformers")
    from tests.tiny import tiny_model

    place = tmp_path_factory.mktemp("script")
    tiny_model(place / "tiny", seed=1)
    pairs = [
        {"question": f"how to {a} a {b}", "document": f"def {a}_{b}(): {b} {a}"} for a in WORDS[:8] for b in WORDS[8:14]
    ]
    (place / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    (place / ".gitignore").write_text("*\n!*.py\n!.gitignore\n")
    (place / "finetune.py").write_text((SCRIPTS / "finetune_recorded.py").read_text("utf-8"))
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "start"]):
        subprocess.run([*GIT, *command], cwd=place, check=True)
    command = [sys.executable, "finetune.py", "--model", "tiny", "--pairs", "pairs.jsonl"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return place


def document(place: Path, name: str) -> Any:
    return json.loads((place / "outputs/finetuned" / name).read_text("utf-8"))


@pytest.mark.slow
def test_the_recorded_script_is_checked_sealed_and_verified(workspace: Path) -> None:
    for verb in ("check", "seal", "verify"):
        done = toolkit(verb, workspace)
        assert done.returncode == 0, f"{verb}: {done.stdout}{done.stderr}"
    statement = document(workspace, "seal/seal.json")["predicate"]
    assert statement["verdict"] == "PASS (with warnings)"
    report = document(workspace, "seal/report.json")
    told = {outcome["id"]: outcome for outcome in report["checks"] if outcome["status"] != "passed"}
    warned = [name for name, outcome in told.items() if outcome["status"] == "warned"]
    assert warned == ["metrics-recomputed"]  # the script kept no rankings
    lineage = {line["role"]: line["name"] for line in statement["lineage"] if line["found"]}
    assert lineage == {"pre-FT": "tiny", "post-FT": "models/finetuned"}


@pytest.mark.slow
def test_what_the_trainer_did_is_kept(workspace: Path) -> None:
    root = workspace / "outputs/finetuned"
    rows = [json.loads(line) for line in (root / "stages/history/metric_history.jsonl").read_text().splitlines()]
    keys = {row["key"] for row in rows}
    assert {"train/loss", "train/learning_rate", "retrieval/dev/nDCG@10"} <= keys
    assert sorted({row["step"] for row in rows if row["key"] == "train/loss"}) == [2, 4, 6, 8]
    best = document(workspace, "stages/model_best/model/model_manifest.json")
    exported = document(workspace, "stages/model_best_2/model/model_manifest.json")
    assert best["selection"]["metric"] == "retrieval/dev/nDCG@10"
    assert best["exported_to"] == f"checkpoints/checkpoint-{best['step']}"
    assert exported["exported_to"] == "models/finetuned"
    assert exported["weights"] == best["weights"] == digest.weights(workspace / "models/finetuned").digest
    assert best["base"] == {"name": "tiny", "weights": digest.weights(workspace / "tiny").digest}
    config = document(workspace, "resolved_config.json")
    assert config["config"]["trainer"]["learning_rate"] == 5e-5
    assert "data_seed" not in config["config"]["trainer"]
    assert config["config"]["run"]["seed"] == 12
    metadata = document(workspace, "run_metadata.json")
    assert (metadata["seed"], metadata["device"]["used"]) == (12, "cpu")


@pytest.mark.slow
def test_another_export_than_the_best_fails_its_seal(workspace: Path, tmp_path: Path) -> None:
    """The same run, had the script handed over the weights of its base."""
    import shutil

    place = tmp_path / "copy"
    shutil.copytree(workspace, place)
    shutil.rmtree(place / "outputs/finetuned/seal", ignore_errors=True)
    weights = next((place / "models/finetuned").glob("model.safetensors"))
    shutil.copyfile(place / "tiny/model.safetensors", weights)
    done = toolkit("check", place)
    assert done.returncode == 1
    assert "the exported model models/finetuned has the weights" in done.stdout


# What the callback makes of a trainer's words, without a trainer


class State:
    global_step, epoch, best_model_checkpoint = 3, 0.5, None

    def __init__(self) -> None:
        self.log_history: list[dict[str, float]] = []


class Arguments:
    output_dir, seed, device = "checkpoints", 7, "cpu"

    def to_dict(self) -> dict[str, Any]:
        return {"learning_rate": 0.1, "hub_token": "<HUB_TOKEN>"}


@pytest.fixture
def logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("transformers")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "outputs/x/stages/history/metric_history.jsonl"


def test_only_what_belongs_to_a_step_is_history(logged: Path) -> None:
    with sealkit.record("outputs/x") as run:
        told, state = sealkit.callback(run), State()
        told.on_log(Arguments(), state, None, logs={"eval_loss": 9.0})  # before training
        told.on_train_begin(Arguments(), state, None)
        told.on_log(Arguments(), state, None, logs={"loss": 0.5, "grad_norm": float("inf"), "epoch": 0.5})
        told.on_log(Arguments(), state, None, logs={"eval_loss": 0.4, "eval_runtime": 1.0})
        told.on_log(Arguments(), state, None, logs={"eval_cosine_recall@5": 0.3, "eval_dev_cosine_map@100": 0.2})
        told.on_log(Arguments(), state, None, logs={"train_loss": 0.6, "total_flos": 0.0})
        told.on_train_end(Arguments(), state, None)
        told.on_log(Arguments(), state, None, logs={"eval_loss": 9.0})  # after it, at the same step
    rows = [json.loads(line) for line in logged.read_text().splitlines()]
    assert [(row["key"], row["value"], row["step"], row["epoch"]) for row in rows] == [
        ("train/loss", 0.5, 3, 0.5),
        ("eval/loss", 0.4, 3, 0.5),
        ("retrieval/eval/R@5", 0.3, 3, 0.5),
        ("eval/dev_cosine_map@100", 0.2, 3, 0.5),
    ]


def test_a_loss_that_is_no_number_stops_the_training(logged: Path) -> None:
    with (
        pytest.raises(sealkit.Refused, match="train/loss at step 3: is no finite number"),
        sealkit.record("outputs/x") as run,
    ):
        told, state = sealkit.callback(run), State()
        told.on_train_begin(Arguments(), state, None)
        told.on_log(Arguments(), state, None, logs={"loss": float("nan")})
    assert json.loads((logged.parents[2] / "summary.json").read_text())["status"] == "failed"


def test_a_base_that_is_named_must_be_there_and_one_that_is_guessed_need_not(logged: Path) -> None:
    class Model:
        class config:
            _name_or_path = "./nowhere"

    with sealkit.record("outputs/x") as run:
        sealkit.callback(run).on_train_begin(Arguments(), State(), None, model=Model())
    assert json.loads((logged.parents[2] / "run_metadata.json").read_text())["models"] == []
    with pytest.raises(UsageError), sealkit.record("outputs/y") as run:
        sealkit.callback(run, base="./nowhere").on_train_begin(Arguments(), State(), None)
