"""A run that a script records: the guarantees of a pipeline, whatever becomes of the script."""

from __future__ import annotations

import argparse
import contextlib
import enum
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sealkit
from sealkit import digest, observe, script
from sealkit.cli import main
from sealkit.finding import Outcome, Refused, Report, Status, UsageError, Verdict
from sealkit.pack import BUILT_IN
from sealkit.seal import seal
from sealkit.verify import verify

QRELS = [{"query_id": "q1", "doc_id": "d1", "relevance": 1}, {"query_id": "q2", "doc_id": "d2", "relevance": 1}]
RANKINGS: list[dict[str, Any]] = [
    {"query_id": "q1", "doc_id": "d1", "rank": 1, "score": 2.0},
    {"query_id": "q2", "doc_id": "d1", "rank": 1, "score": 2.0},
    {"query_id": "q2", "doc_id": "d2", "rank": 2, "score": 1.0},
]
CORPUS = [{"doc_id": "d1", "text": "one"}, {"doc_id": "d2", "text": "two"}]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def document(path: Path, name: str) -> Any:
    return json.loads((path / f"{name}.json").read_text("utf-8"))


def outcome(report: Report, name: str) -> Outcome:
    return next(one for one in report.outcomes if one.id == name)


def messages(report: Report) -> list[str]:
    return [finding.message for one in report.outcomes for finding in one.findings]


def model(folder: Path, weight: float) -> Path:
    """A folder with one tensor: what makes a model for a digest."""
    folder.mkdir(parents=True)
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<f", weight))
    (folder / "config.json").write_text("{}")
    return folder


def test_what_was_recorded_comes_out_again_and_passes(here: Path) -> None:
    with sealkit.record("outputs/x", config={"lr": 1e-5, "seed": 3}) as run:
        run.artifact("queries", [{"query_id": "q1", "text": "a"}, {"query_id": "q2", "text": "b"}])
        run.artifact("corpus", CORPUS)
        run.metrics({"retrieval/test/RR@10": 0.75, "train/loss": 0.5})
        run.artifact("rankings", RANKINGS)
        run.artifact("qrels", QRELS)
        run.history({"train/loss": 0.5}, step=1, epoch=0.5)
    for name in ("run_metadata", "resolved_config", "summary", "metrics"):
        assert BUILT_IN.contracts[f"{name}/v1"].violations(document(run.path, name)) == []
    assert document(run.path, "metrics") == {"retrieval/test/RR@10": 0.75, "train/loss": 0.5}
    summary = document(run.path, "summary")
    assert (summary["status"], summary["metrics"]) == ("ok", {"retrieval/test/RR@10": 0.75})
    assert document(run.path, "run_metadata")["seed"] == 3
    report = observe.check(run.path)
    for check in ("metrics-recomputed", "summary-agrees", "stages-wired", "rankings-cover-qrels", "run-finished"):
        assert outcome(report, check).status is Status.PASSED, check
    seal(run.path)
    assert verify(run.path).holds


def test_a_metric_that_its_rows_do_not_give_ends_the_run_as_failed(here: Path) -> None:
    with pytest.raises(Refused, match=r"the check metrics-recomputed failed\n.*RR@10 is 0.9; .* give 0.75"):  # noqa: SIM117
        with sealkit.record("outputs/x") as run:
            run.artifact("rankings", RANKINGS)
            run.artifact("qrels", QRELS)
            run.metrics({"retrieval/test/RR@10": 0.9})
    assert document(run.path, "summary")["failure"]["type"] == "CheckFailed"
    assert observe.check(run.path).verdict is Verdict.FAIL


def test_a_metric_without_rows_is_taken_on_trust(here: Path) -> None:
    with sealkit.record("outputs/x") as run:
        run.metrics({"retrieval/test/RR@10": 0.9})
    found = outcome(observe.check(run.path), "metrics-recomputed")
    assert found.status is Status.WARNED
    assert found.findings[0].message.startswith("retrieval/test/RR@10 is taken on trust")


def test_a_broken_artifact_raises_at_once_with_its_line_and_fails_the_run(here: Path) -> None:
    with sealkit.record("outputs/x") as run:
        with pytest.raises(Refused) as caught:
            run.artifact("qrels", [QRELS[0], QRELS[0]])
        assert "quarantine/test_qrels/qrels.jsonl:2: " in str(caught.value)
    assert (run.path / "quarantine/test_qrels/qrels.jsonl").is_file()
    summary = document(run.path, "summary")
    assert (summary["status"], summary["failure"]["type"]) == ("failed", "ContractBroken")
    assert observe.check(run.path).verdict is Verdict.FAIL


def test_a_script_that_raises_leaves_a_failed_run_and_all_that_it_handed_over(here: Path) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: SIM117
        with sealkit.record("outputs/x") as run:
            run.artifact("qrels", QRELS)
            run.history({"train/loss": 0.5}, step=1)
            raise ZeroDivisionError("of the user's")
    summary = document(run.path, "summary")
    assert summary["failure"] == {
        "stage": None,
        "type": "ScriptRaised",
        "message": "the script raised ZeroDivisionError: of the user's",
    }
    assert [stage["name"] for stage in summary["stages"]] == ["test_qrels", "history"]
    assert "ZeroDivisionError" in (run.path / "logging.jsonl").read_text()
    assert not (run.path / ".reserve").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(0)])
def test_an_interrupted_script_leaves_a_failed_run(here: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):  # noqa: SIM117
        with sealkit.record("outputs/x") as run:
            raise error
    assert document(run.path, "summary")["failure"]["type"] == "Interrupted"


def test_a_killed_script_leaves_a_run_that_is_inconclusive(here: Path) -> None:
    code = (
        "import sealkit, time\nrun = sealkit.record('outputs/x')\n"
        "run.history({'train/loss': 0.5}, step=1)\nprint('ready', flush=True)\ntime.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"ready\n"
    child.kill()
    child.wait()
    child.stdout.close()
    report = observe.check(here / "outputs/x")
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "still says `running`" in (outcome(report, "run-finished").reason or "")
    assert json.loads((here / "outputs/x/recording/metric_history.jsonl").read_text())["value"] == 0.5


def test_a_run_is_claimed_by_one_and_never_overwritten(here: Path) -> None:
    with sealkit.record("outputs/x"):
        pass
    before = (here / "outputs/x/summary.json").read_bytes()
    with pytest.raises(UsageError, match="the run directory exists already"):
        sealkit.record("outputs/x")
    assert (here / "outputs/x/summary.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "outputs/a b"}, "record: run.name: expected a name of letters"),
        ({"path": "outputs/x", "purpose": "paper"}, "record: run.purpose: expected one of"),
        ({"path": "outputs/x", "seed": -1}, "record: run.seed: expected >= 0"),
        ({"path": "outputs/x", "config": 7}, "config: expected a mapping, a dataclass, a Namespace"),
        ({"path": "outputs/x", "config": "absent.yaml"}, "absent.yaml"),
    ],
)
def test_what_cannot_be_recorded_is_told_before_anything_is_written(
    here: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        sealkit.record(**arguments)
    assert message in str(caught.value)
    assert not (here / "outputs").exists()


def test_an_unknown_metric_key_is_refused_with_a_suggestion(here: Path) -> None:
    with sealkit.record("outputs/x") as run, pytest.raises(UsageError) as caught:
        run.metrics({"retrieval/test/ndcg@10": 0.5})
    assert "did you mean `retrieval/test/nDCG@10`?" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("ranking", "unknown kind `ranking`; did you mean `rankings`?"),
        ("summary", "unknown kind `summary`"),
        ("metric_history", "run.history(…)"),
    ],
)
def test_an_unknown_kind_is_refused(here: Path, kind: str, message: str) -> None:
    with sealkit.record("outputs/x") as run, pytest.raises(UsageError) as caught:
        run.artifact(kind, [])
    assert message in str(caught.value)


def test_rows_may_come_from_a_file_and_hold_numbers_of_numpy(here: Path) -> None:
    (here / "qrels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QRELS))
    with sealkit.record("outputs/x") as run:
        run.artifact("qrels", here / "qrels.jsonl")
        rows: Iterator[dict[str, Any]] = (
            {**row, "rank": np.int64(row["rank"]), "score": np.float32(row["score"])} for row in RANKINGS
        )
        run.artifact("rankings", rows)
        run.metrics({"retrieval/test/RR@10": np.float32(0.75)})
    assert outcome(observe.check(run.path), "metrics-recomputed").status is Status.PASSED


def test_the_history_refuses_what_is_no_number_and_what_was_said_before(here: Path) -> None:
    with sealkit.record("outputs/x") as run:
        run.history({"train/loss": 0.5}, step=1)
        with pytest.raises(Refused, match="train/loss at step 1: was recorded already"):
            run.history({"train/loss": 0.4}, step=1)
        with pytest.raises(Refused, match="train/loss at step 2: is no finite number"):
            run.history({"train/loss": float("nan")}, step=2)
    rows = (run.path / "stages/history/metric_history.jsonl").read_text().splitlines()
    assert [json.loads(row)["value"] for row in rows] == [0.5]
    assert document(run.path, "summary")["status"] == "failed"  # whatever the script made of the errors


def test_a_history_that_was_torn_from_outside_fails_the_run(here: Path) -> None:
    with pytest.raises(Refused, match="torn"):  # noqa: SIM117
        with sealkit.record("outputs/x") as run:
            run.history({"train/loss": 0.5}, step=1)
            with (run.path / "recording/metric_history.jsonl").open("a") as file:
                file.write('{"step": 2, "ep')
    assert document(run.path, "summary")["failure"]["type"] == "ContractBroken"
    assert (run.path / "quarantine/history/metric_history.jsonl").is_file()


# Config and provenance


@dataclass
class Settings:
    lr: float = 0.5
    where: Path = Path("data/x")


class Mode(enum.Enum):
    DENSE = "dense"


@pytest.mark.parametrize(
    "config", [Settings(), argparse.Namespace(lr=0.5, where=Path("data/x")), {"lr": 0.5, "where": "data/x"}]
)
def test_a_config_is_kept_with_the_line_of_the_script(here: Path, config: object) -> None:
    with sealkit.record("outputs/x", config=config) as run:
        pass
    found = document(run.path, "resolved_config")
    assert found["config"]["script"] == {"lr": 0.5, "where": str(Path("data/x"))}
    origin = found["provenance"]["/script/lr"]
    name, _, line = origin.partition(":")
    assert name == "test_record.py"
    assert "sealkit.record(" in Path(__file__).read_text("utf-8").splitlines()[int(line) - 1]
    assert document(run.path, "run_metadata")["script"] == {"path": name, "digest": digest.file(Path(__file__))}


@pytest.mark.parametrize("name", ["own.yaml", "own.json"])
def test_values_of_a_file_know_their_lines(here: Path, name: str) -> None:
    (here / name).write_text('{"lr": 0.5,\n "seed": 7}\n')
    with sealkit.record("outputs/x", config=name) as run:
        pass
    found = document(run.path, "resolved_config")
    assert found["provenance"]["/script/seed"] == f"sources/{name}:2"
    assert found["config"]["run"]["seed"] == 7
    assert (run.path / "sources" / name).read_bytes() == (here / name).read_bytes()


def test_no_seed_stays_unknown_and_can_be_sealed(here: Path) -> None:
    with sealkit.record("outputs/x") as run:
        run.metrics({"train/loss": 0.5})
    assert document(run.path, "run_metadata")["seed"] is None
    seal(run.path)
    assert "bench, not recorded" in (run.path / "seal/SEAL.md").read_text()
    assert verify(run.path).holds


def test_values_that_json_has_not_are_kept_in_words() -> None:
    found = script.plain(
        {"a": float("inf"), "b": {2, 1}, "c": Mode.DENSE, "d": object(), "e": np.float64(1.5), "f": (Path("x"), None)}
    )
    assert found == {"a": "inf", "b": [1, 2], "c": "dense", "d": "builtins.object", "e": 1.5, "f": ["x", None]}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=10,
)


@given(values)
def test_whatever_a_config_holds_can_be_written(value: object) -> None:
    held = script.plain(value)
    assert json.loads(json.dumps(held, allow_nan=False)) == held
    assert script.plain(held) == held


# Models and indexes


def trained(run: sealkit.Recorder, here: Path, best: int = 2) -> None:
    run.model(model(here / "base", 0.0), role="base")
    for step, value in ((1, 0.4), (2, 0.6), (3, 0.5)):
        run.history({"eval/score": value}, step=step)
        run.model(model(here / f"ckpt/{step}", float(step)), role="step", step=step)
    selection = {"metric": "eval/score", "direction": "higher", "step": best, "value": {1: 0.4, 2: 0.6, 3: 0.5}[best]}
    run.model(here / f"ckpt/{best}", role="best", step=best, selection=selection)


def test_models_are_bound_where_they_lie(here: Path) -> None:
    with sealkit.record("outputs/x") as run:
        trained(run, here)
        run.model(model(here / "models/out", 2.0), role="best")
    manifest = json.loads((run.path / "stages/model_best/model/model_manifest.json").read_text())
    assert manifest["exported_to"] == "ckpt/2"
    assert manifest["weights"] == digest.weights(here / "ckpt/2").digest
    assert manifest["base"] == {"name": str(here / "base"), "weights": digest.weights(here / "base").digest}
    report = observe.check(run.path)
    assert outcome(report, "model-best-exported").status is Status.PASSED, messages(report)
    assert outcome(report, "stages-wired").status is Status.PASSED
    assert outcome(report, "models-as-recorded").status is Status.PASSED
    seal(run.path)
    assert verify(run.path).holds
    model(here / "other", 9.0).joinpath("model.safetensors").replace(here / "models/out/model.safetensors")
    assert any(drift.state == "moved since" for drift in verify(run.path).drift)


def test_a_best_that_is_not_the_best_fails(here: Path) -> None:
    with pytest.raises(Refused, match=r"chosen at step 3 with 0.5; the best was step 2 with 0.6"):  # noqa: SIM117
        with sealkit.record("outputs/x") as run:
            trained(run, here, best=3)


def test_a_best_that_was_exported_from_another_checkpoint_fails(here: Path) -> None:
    with pytest.raises(Refused, match=r"its weights are those of step_3, expected those of best"):  # noqa: SIM117
        with sealkit.record("outputs/x") as run:
            trained(run, here)
            run.model(model(here / "models/out", 3.0), role="best")


def test_a_final_model_that_leaves_the_best_aside_is_a_warning(here: Path) -> None:
    with sealkit.record("outputs/x") as run:
        trained(run, here)
        run.model(model(here / "models/out", 3.0))
    assert outcome(observe.check(run.path), "model-best-exported").status is Status.WARNED


def test_a_checkpoint_may_be_gone_after_it_was_handed_over(here: Path) -> None:
    with sealkit.record("outputs/x") as run:
        trained(run, here)
        (here / "ckpt/1/model.safetensors").unlink()
    assert document(run.path, "summary")["status"] == "ok"


def test_pickled_weights_are_refused(here: Path) -> None:
    (here / "pickled").mkdir()
    (here / "pickled/pytorch_model.bin").write_bytes(b"x")
    with sealkit.record("outputs/x") as run, pytest.raises(Refused, match="holds no safetensors weights"):
        run.model(here / "pickled")


def index_file(path: Path, count: int) -> Path:
    """A flat FAISS index of vectors of two dimensions, as faiss writes it."""
    data = struct.pack(f"<{2 * count}f", *range(2 * count))
    head = b"IxFI" + struct.pack("<iqqqBi", 2, count, 1 << 20, 1 << 20, 1, 0)
    path.write_bytes(head + struct.pack("<Q", 2 * count) + data)
    return path


SPACE: dict[str, dict[str, Any]] = {
    "tokenizer": {"digest": "sha256:" + "1" * 64, "max_length": 128},
    "encoder": {"pooling": "mean", "modules": "sha256:" + "2" * 64},
    "roles": {"query_prompt": "", "document_prompt": ""},
    "vectors": {"normalise": True},
}


def test_an_index_is_kept_with_its_space(here: Path) -> None:
    with sealkit.record("outputs/x") as run:
        run.artifact("corpus", CORPUS)
        encoder = model(here / "encoder", 1.0)
        run.index(index_file(here / "own.faiss", 2), ids=["d1", "d2"], encoder=encoder, space=SPACE)
    report = observe.check(run.path)
    for check in ("index-counts", "stages-wired"):
        assert outcome(report, check).status is Status.PASSED, messages(report)
    said = json.loads((run.path / "stages/index/index/index_manifest.json").read_text("utf-8"))
    for group, fields in SPACE.items():
        assert said["fingerprint"][group].items() >= fields.items()
    assert said["fingerprint"]["encoder"]["weights"] == digest.weights(encoder).digest
    assert said["fingerprint"]["structure"]["count"] == 2


def test_what_a_space_leaves_out_is_unknown_and_fits_no_query(here: Path) -> None:
    with sealkit.record("outputs/x") as run:
        run.artifact("corpus", CORPUS)
        encoder = model(here / "encoder", 1.0)
        run.index(index_file(here / "own.faiss", 2), ids=["d1", "d2"], encoder=encoder, space=SPACE)
    said = json.loads((run.path / "stages/index/index/index_manifest.json").read_text("utf-8"))
    with pytest.raises(Refused) as caught:
        sealkit.open_index(run.path / "stages/index/index", said["fingerprint"])
    told = {finding.at.pointer for finding in caught.value.findings}
    assert {"/fingerprint/encoder/adapters", "/fingerprint/mask/kind", "/fingerprint/vectors/dtype"} <= told
    assert told.isdisjoint(
        {"/fingerprint/encoder/pooling", "/fingerprint/encoder/weights", "/fingerprint/vectors/normalise"}
    )


def test_a_space_that_holds_no_groups_is_refused_before_anything_is_copied(here: Path) -> None:
    with sealkit.record("outputs/x") as run:
        run.artifact("corpus", CORPUS)
        encoder = model(here / "encoder", 1.0)
        with pytest.raises(UsageError) as caught:
            run.index(
                index_file(here / "own.faiss", 2), ids=["d1", "d2"], encoder=encoder, space={"pooling": "mean", **SPACE}
            )
    assert str(caught.value) == (
        "index: `pooling` of the space is no group; expected {group: {field: value}} as in index_manifest/v2\n"
        '  fix: write {"encoder": {"pooling": …}, …}, or give the Encoder itself (sealkit.encoders)'
    )
    assert not (run.path / "stages/index").exists()


def test_a_group_that_the_contract_does_not_know_is_refused(here: Path) -> None:
    with sealkit.record("outputs/x") as run:
        run.artifact("corpus", CORPUS)
        encoder = model(here / "encoder", 1.0)
        space = {**SPACE, "prompts": {"query": ""}}
        with pytest.raises(Refused, match="/fingerprint/prompts: unknown key `prompts`"):
            run.index(index_file(here / "own.faiss", 2), ids=["d1", "d2"], encoder=encoder, space=space)


def test_an_index_of_other_rows_ends_the_run_as_failed(here: Path) -> None:
    with pytest.raises(Refused, match="the check index-counts failed"):  # noqa: SIM117
        with sealkit.record("outputs/x") as run:
            run.artifact("corpus", CORPUS)
            encoder = model(here / "encoder", 1.0)
            run.index(index_file(here / "own.faiss", 2), ids=["d2", "d1"], encoder=encoder, space=SPACE)


# One writer


def test_of_several_processes_one_writes(here: Path) -> None:
    code = (
        "import os, sealkit\n"
        "with sealkit.record('outputs/x', config={'seed': 1}) as run:\n"
        "    run.history({'train/loss': 0.5}, step=1)\n"
        "    run.metrics({'train/loss': 0.5})\n"
        "    print(os.environ['RANK'], run.writes, run.path)\n"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "3"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(3)
    ]
    said = [child.communicate(timeout=60)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    assert said == [f"{rank} {rank == 0} {Path('outputs/x')}\n" for rank in range(3)]
    assert document(here / "outputs/x", "summary")["status"] == "ok"
    assert observe.check(here / "outputs/x").verdict is Verdict.WARNINGS  # it began outside a repository


def test_a_process_that_does_not_write_leaves_no_trace(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    with sealkit.record("outputs/x") as run:
        run.metrics({"no such key": 1.0})
        run.artifact("nothing", [])
        run.model("nowhere")
        run.history({"x": float("nan")}, step=0)
        run.trainer({}, seed=1, device="cpu")
    assert not (here / "outputs").exists()


@pytest.mark.slow
def test_under_torchrun_one_process_writes(here: Path) -> None:
    pytest.importorskip("torch")
    (here / "train.py").write_text(
        "import sealkit, torch, torch.distributed as dist\n"
        "dist.init_process_group('gloo')\n"
        "with sealkit.record('outputs/x') as run:\n"
        "    total = torch.tensor([float(dist.get_rank() + 1)])\n"
        "    dist.all_reduce(total)\n"
        "    run.metrics({'train/loss': total.item()})\n"
        "dist.destroy_process_group()\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29611", "train.py"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert document(here / "outputs/x", "metrics") == {"train/loss": 3.0}
    assert document(here / "outputs/x", "summary")["status"] == "ok"


# The public face


@pytest.mark.parametrize(
    "code",
    [
        "import sealkit; sealkit.record",
        "from sealkit import record",
        "import sealkit.recorder, sealkit.recording, sealkit.trainers; import sealkit; assert callable(sealkit.record)",
        "from sealkit import callback, record; import sealkit; assert sealkit.callback is callback",
        "import sealkit; sealkit.record; sealkit.callback; assert callable(sealkit.record) and callable(sealkit.callback)",
        "import sealkit, sys; sealkit.record('outputs/x').close(); assert not {'torch', 'transformers', 'faiss'} & set(sys.modules)",
    ],
)
def test_the_recorder_is_a_public_name_and_loads_nothing_heavy(here: Path, code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True, cwd=here)


def test_the_command_line_judges_a_recorded_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sealkit.record("outputs/x") as run:
        run.artifact("rankings", RANKINGS)
        run.artifact("qrels", QRELS)
        run.metrics({"retrieval/test/RR@10": 0.75})
    for verb in ("check", "seal", "verify"):
        monkeypatch.setattr(sys, "argv", ["toolkit", verb, str(run.path)])
        with contextlib.suppress(SystemExit), pytest.raises(SystemExit) as caught:
            main()
        assert caught.value.code == 0


def test_a_closed_run_takes_nothing_more(here: Path) -> None:
    run = sealkit.record("outputs/x")
    run.close()
    with pytest.raises(UsageError, match="the run is closed"):
        run.metrics({"train/loss": 1.0})


def test_two_recorded_runs_are_compared_query_by_query(here: Path) -> None:
    paths = []
    for name, rankings, value in (("pre", RANKINGS, 0.75), ("post", [*RANKINGS[:1], {**RANKINGS[2], "rank": 1}], 1.0)):
        with sealkit.record(f"outputs/{name}", seed=1) as run:
            run.artifact("queries", [{"query_id": "q1", "text": "a"}, {"query_id": "q2", "text": "b"}])
            run.artifact("corpus", CORPUS)
            run.artifact("qrels", QRELS)
            run.artifact("rankings", rankings)
            run.metrics({"retrieval/test/RR@10": value})
        paths.append(run.path)
    seal(paths[1], paths[0])
    deltas = document(paths[1] / "seal", "seal")["predicate"]["deltas"]
    assert [row["key"] for row in deltas["rows"]] == ["retrieval/test/RR@10"]


def test_the_metrics_of_a_project_are_known(tmp_path: Path) -> None:
    (tmp_path / "sealkit.toml").write_text('metric_keys = "keys.yaml"\n')
    (tmp_path / "keys.yaml").write_text(
        "schema: metric_keys/v1\nkeys:\n  - {key: tally/count, unit: count, range: [0, null], direction: higher, "
        "derivable: false, definition: {of: the count}}\n"
    )
    with contextlib.chdir(tmp_path), sealkit.record("outputs/mine", seed=1) as run_:
        run_.metrics({"tally/count": 3})
    assert json.loads((tmp_path / "outputs/mine/metrics.json").read_text()) == {"tally/count": 3.0}
