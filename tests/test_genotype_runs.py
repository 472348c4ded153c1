"""Masked genotype retrieval from VCF to verdict, on a small simulated panel: the two spaces, the guard before every search, going on."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sealkit import digest, matrix, observe, pipeline, policy
from sealkit.finding import Status, Verdict
from sealkit.pack import BUILT_IN
from sealkit.pipeline import Result
from sealkit.policy import NO_POLICY, Policy
from tests import panels
from tests.conftest import GIT, ROOT

pytest.importorskip("cyvcf2")
pytest.importorskip("faiss")
pytest.importorskip("sklearn")

DYNAMIC = ["kind=dynamic", "schedule=seed*1000000 + epoch*10000 + window"]
SMALL = [
    "train.epochs=2",
    "windows.length=40",
    "stages.panel.with.split={reference: 0.4, train: 0.3, validation: 0.15, test: 0.15}",
]
WAIVERS = """\
schema: waivers/v1
waivers:
  - check: mask-fits-index
    scope: {{run: "*", at: /config/stages/{mask}/with}}
    owner: Ada Byron
    reason: the damage is what is measured
    expires: 2099-12-31
"""


class Workspace:
    """A repository with a small panel, in which the shipped configs are run."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        panels.write_vcf(folder / "panel.vcf.gz", samples=48, variants=100)
        (folder / ".gitignore").write_text("*\n")
        for command in (["init", "-q"], ["add", "-f", ".gitignore"], ["commit", "-q", "-m", "start"]):
            subprocess.run([*GIT, *command], cwd=folder, check=True)

    def run(self, config: str, *overrides: str, policy: Policy = NO_POLICY, **how: Any) -> Result:
        given = [f"run.output_dir={self.folder}/outputs", *SMALL, *overrides]
        with contextlib.chdir(self.folder):
            return pipeline.run(
                ROOT / "configs" / f"genotype_{config}.yaml", given, ["toolkit", "run"], policy=policy, **how
            )

    def waivers(self, *masks: str) -> Policy:
        """What somebody signs for the masks that these stages draw."""
        entries = [WAIVERS.format(mask=mask) for mask in masks]
        text = entries[0] + "".join(entry.split("waivers:\n")[1] for entry in entries[1:])
        file = self.folder / "waivers.yaml"
        file.write_text(text)
        return policy.read(file, BUILT_IN.contracts["waivers/v1"], set(BUILT_IN.checks))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("genotypes"))


@pytest.fixture(scope="module")
def token(workspace: Workspace) -> Path:
    """A finished run in token space, all masks the index's. Read only."""
    result = workspace.run("token", "run.name=token")
    assert (result.exit_code, result.error) == (0, None)
    return result.path


@pytest.fixture(scope="module")
def embedding(workspace: Workspace) -> Path:
    """A finished run in embedding space, with masks that are redrawn. Read only."""
    result = workspace.run("embedding", "run.name=embedding")
    assert (result.exit_code, result.error) == (0, None)
    return result.path


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def section(name: str, *values: str) -> list[str]:
    return [f"{name}.mask.{value}" for value in values]


def failed(result: Result) -> list[str]:
    return [outcome.id for outcome in result.report.checks if outcome.status is Status.FAILED]


@pytest.mark.slow
@pytest.mark.parametrize("space", ["token", "embedding"])
def test_a_run_keeps_every_contract_and_check(space: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(space)
    report = observe.check(path)
    told = {outcome.id: outcome.findings for outcome in report.checks if outcome.status is not Status.PASSED}
    bad = {
        name: found
        for name, found in told.items()
        if found and name not in ("rare-variants-counted", "saturated-metric")
    }  # a panel as small as that
    assert bad == {}
    assert report.verdict in (Verdict.PASS, Verdict.WARNINGS)


@pytest.mark.slow
def test_token_space_stops_before_the_first_stage_where_the_training_mask_is_not_the_index_s(
    workspace: Workspace,
) -> None:
    began = time.monotonic()
    result = workspace.run("token", "run.name=redrawn", *section("train", *DYNAMIC))
    assert (result.exit_code, failed(result)) == (1, ["mask-fits-index"])
    assert time.monotonic() - began < 5
    assert not (result.path / "stages").exists()


@pytest.mark.slow
def test_a_validation_mask_that_differs_needs_a_signature(workspace: Workspace) -> None:
    other = section("validation", *DYNAMIC)
    assert failed(workspace.run("token", "run.name=unsigned", *other)) == ["mask-fits-index"]
    result = workspace.run("token", "run.name=signed", *other, policy=workspace.waivers("validation_mask"))
    assert (result.exit_code, result.report.verdict) == (0, Verdict.WARNINGS)
    history = rows(result.path / "stages/train/search_history.jsonl")
    assert {row["part"] for row in history if row["waived"]} == {"validation"}
    assert all("the damage is what is measured" in reason for row in history for reason in row["waived"].values())


@pytest.mark.slow
def test_a_signature_for_one_mask_is_none_for_another(workspace: Workspace) -> None:
    other = [*section("train", *DYNAMIC), *section("validation", *DYNAMIC)]
    result = workspace.run("token", "run.name=half_signed", *other, policy=workspace.waivers("validation_mask"))
    assert (result.exit_code, failed(result)) == (1, ["mask-fits-index"])


@pytest.mark.slow
def test_with_the_guard_waived_true_neighbours_are_lost(workspace: Workspace, token: Path) -> None:
    other = [*section("train", *DYNAMIC), *section("validation", *DYNAMIC)]
    signed = workspace.waivers("train_mask", "validation_mask")
    result = workspace.run("token", "run.name=measured", *other, policy=signed)
    assert (result.exit_code, result.report.verdict) == (0, Verdict.WARNINGS)
    lost, kept = (
        [row["recall"] for row in rows(path / "stages/train/search_history.jsonl")] for path in (result.path, token)
    )
    assert max(lost) < min(kept) - 0.25


@pytest.mark.slow
def test_an_index_older_than_the_encoder_is_refused_while_training(workspace: Workspace) -> None:
    result = workspace.run("embedding", "run.name=stale", "stages.train.with.refresh_every=2")
    assert (result.exit_code, result.error and result.error.split(";")[0]) == (1, "stage train stopped: it refused")
    outcome = next(one for one in result.report.checks if one.id == "stage-train")
    assert (
        "validation, epoch 1: the index is of the network after 0 epochs, the queries of that after 1"
        in outcome.findings[0].message
    )
    assert outcome.findings[0].fix == "stages.train.with.refresh_every=1"
    log = rows(result.path / "logging.jsonl")
    assert any(
        row["event"] == "refused" and "after 0 epochs, the queries of that after 1" in row["message"] for row in log
    )


@pytest.mark.slow
def test_an_index_older_than_the_encoder_is_told_from_the_files(embedding: Path, tmp_path: Path) -> None:
    shutil.copytree(embedding, copy := tmp_path / "made_elsewhere")
    path = copy / "stages/train/search_history.jsonl"
    history = rows(path)
    history[2]["index_encoder"] = history[0]["index_encoder"]
    path.write_text("".join(json.dumps(row) + "\n" for row in history))
    found = {outcome.id: outcome for outcome in observe.check(copy).checks}["index-keeps-pace"]
    assert found.status is Status.FAILED
    assert {(finding.at.path, finding.at.line) for finding in found.findings} == {
        ("stages/train/search_history.jsonl", 3)
    }


@pytest.mark.slow
def test_every_reference_is_encoded_once_an_epoch(embedding: Path) -> None:
    history = rows(embedding / "stages/train/search_history.jsonl")
    references = history[0]["references"]
    # Once before the first epoch, and once after each: what validation searched is what the next epoch searches.
    assert [(row["epoch"], row["part"], row["encoded"]) for row in history] == [
        (1, "train", references),
        (1, "validation", references),
        (2, "train", 0),
        (2, "validation", references),
    ]
    assert history[1]["index_encoder"] == history[2]["index_encoder"] != history[3]["index_encoder"]


@pytest.mark.slow
def test_the_encoder_of_the_index_is_the_model_that_was_exported(embedding: Path) -> None:
    model = json.loads((embedding / "stages/train/model/model_manifest.json").read_text("utf-8"))
    index = json.loads((embedding / "stages/index/index/window_000/index_manifest.json").read_text("utf-8"))
    assert index["fingerprint"]["encoder"]["weights"] == model["weights"]
    seen = {row["query_encoder"] for row in rows(embedding / "stages/train/search_history.jsonl")}
    assert model["weights"] in seen


@pytest.mark.slow
@pytest.mark.parametrize("space", ["token", "embedding"])
def test_training_goes_on_after_its_last_complete_epoch(
    space: str, workspace: Workspace, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sealkit.stages.genotype import _epochs

    whole: Path = request.getfixturevalue(space)
    train, calls = _epochs.train, []

    def cut_off(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return train(*args)

    name = f"run.name=cut_{space}"
    with monkeypatch.context() as patched:
        patched.setattr(_epochs, "train", cut_off)
        result = workspace.run(space, name, cache=False)
    assert (result.exit_code, len(calls)) == (4, 2)
    assert (result.path / ".scratch/train/epoch_0001").is_dir()
    result = workspace.run(space, name, cache=False, resume=True)
    assert (result.exit_code, result.error) == (0, None)
    for file in ("model/model.safetensors", "metric_history.jsonl"):
        assert digest.file(result.path / "stages/train" / file) == digest.file(whole / "stages/train" / file)


@pytest.mark.slow
def test_memory_is_bounded_by_the_config(workspace: Workspace) -> None:
    result = workspace.run("token", "run.name=large", "stages.train.with.max_memory_mib=1")
    outcome = next(one for one in result.report.checks if one.id == "stage-train")
    assert (result.exit_code, outcome.findings[0].fix) == (
        1,
        "lower batch_size, dimension or neighbours, or raise max_memory_mib",
    )


def test_the_rows_of_the_matrix_are_signed_for_one_by_one(workspace: Workspace) -> None:
    """That a row passes for a waiver that is another's would be seen in no table."""
    with contextlib.chdir(workspace.folder):
        planned, _, _ = matrix.prepare(ROOT / "configs/genotype_matrix.yaml", [], BUILT_IN, out=Path("outputs"))
    assert len(planned) == 15
    signed = policy.read(ROOT / "configs/genotype_waivers.yaml", BUILT_IN.contracts["waivers/v1"], set(BUILT_IN.checks))
    found: dict[str, set[tuple[str, str]]] = {}
    for one in planned:
        concerned = {(w.check, w.at) for w in signed.waivers if w.concerns(w.check, one.experiment.name)}
        found.setdefault(one.experiment.label, concerned)
    train, validation = (f"/config/stages/{name}_mask/with" for name in ("train", "validation"))
    assert {label: waived for label, waived in found.items() if waived} == {
        "token_static": {("mask-fits-index", validation), ("train-validation-gap", "*")},
        "token_dynamic": {("mask-fits-index", validation), ("mask-fits-index", train)},
    }


@pytest.mark.parametrize(
    ("space", "overrides", "by"),
    [
        ("embedding", [], "no mask"),
        ("token", [f"stages.{name}_mask.with.rate=0.1" for name in ("index", "train", "validation")], "a fixed mask (rate 0.1, seed "),
    ],
)  # fmt: skip
def test_what_the_test_hides_is_no_part_of_its_search(
    workspace: Workspace, space: str, overrides: list[str], by: str
) -> None:
    """The mask of the index fits the index, and lets the search see what the evaluation imputes: nothing is trained for that."""
    result = workspace.run(space, f"run.name=leak_{space}", "stages.search.in.mask=index_mask.mask", *overrides)
    assert (result.exit_code, failed(result)) == (1, ["nothing-hidden-was-searched"])
    (outcome,) = (one for one in result.report.checks if one.status is Status.FAILED)
    assert f"search by {by}" in outcome.findings[0].message
    assert not (result.path / "stages" / "train").exists()


def without_encoders(stages: Path) -> None:
    path = stages / "train/search_history.jsonl"
    kept = [{**row, "index_encoder": None, "query_encoder": None} for row in rows(path)]
    path.write_text("".join(json.dumps(row) + "\n" for row in kept))


def without_its_last_epoch(stages: Path) -> None:
    for path in stages.glob("train/*_history.jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows(path) if row["epoch"] < 2))


def without_a_window(stages: Path) -> None:
    for path in [*stages.glob("windows/windows.jsonl"), *stages.glob("*/imputed_alleles.jsonl")]:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows(path) if row["window"] != 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("leave_out", "told_by"),
    [
        (without_encoders, {"index-keeps-pace"}),
        (without_its_last_epoch, {"index-keeps-pace", "metric-collapse"}),
        (without_a_window, {"vcf-sound", "imputation-complete"}),
    ],
)
def test_what_is_left_out_of_a_finished_run_is_missed(
    leave_out: Callable[[Path], None], told_by: set[str], embedding: Path, tmp_path: Path
) -> None:
    shutil.copytree(embedding, copy := tmp_path / "less")
    leave_out(copy / "stages")
    told = {outcome.id for outcome in observe.check(copy).checks if outcome.status is Status.FAILED}
    assert told_by <= told


@pytest.mark.slow
@pytest.mark.parametrize("space", ["token", "embedding"])
def test_a_training_that_diverges_is_refused(space: str, workspace: Workspace) -> None:
    result = workspace.run(space, f"run.name=diverged_{space}", "stages.train.with.learning_rate=1e30")
    outcome = next(one for one in result.report.checks if one.id == "stage-train")
    assert (result.exit_code, outcome.findings[0].fix) == (1, "lower it: stages.train.with.learning_rate")
    assert "the training has diverged" in outcome.findings[0].message


@pytest.mark.slow
def test_more_references_than_the_network_knows_are_refused(workspace: Workspace) -> None:
    result = workspace.run("token", "run.name=deep", "stages.search.with.top_k=12")
    outcome = next(one for one in result.report.checks if one.id == "stage-evaluate")
    assert (result.exit_code, outcome.findings[0].fix) == (1, "search with top_k: 8, or train with neighbours: 12")


@pytest.mark.slow
def test_a_mask_that_hides_nothing_is_told_at_its_line(workspace: Workspace) -> None:
    result = workspace.run(
        "token", "run.name=bare", *(f"{name}.mask.rate=0" for name in ("index", "train", "validation", "test", "other"))
    )
    told = next(one for one in result.report.checks if one.id == "stage-train").findings[0]
    assert (result.exit_code, told.at.path) == (1, "stages/train_mask/mask.json")
    assert told.at.line is not None and told.at.quote is not None and '"rate": 0' in told.at.quote
