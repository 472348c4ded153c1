"""What the settings of a config leave without use is left out, and said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sealkit import config as configuration
from sealkit.finding import UsageError
from sealkit.pack import BUILT_IN
from sealkit.plan import Step, plan
from sealkit.provenance import Config
from sealkit.toggles import leave_out
from tests.conftest import ROOT


def planned(name: str, *overrides: str) -> tuple[Config, list[Step]]:
    pytest.importorskip("faiss")
    config = configuration.load(
        ROOT / "configs" / f"{name}.yaml",
        list(overrides),
        BUILT_IN.contracts["pipeline/v1"],
        BUILT_IN.sections,
        lambda uses: BUILT_IN.stage(uses).params,
    )
    leave_out(config, BUILT_IN)
    return config, plan(config, BUILT_IN.layout(), BUILT_IN)


def names(steps: list[Step]) -> list[str]:
    return [step.name for step in steps]


def test_a_dense_search_needs_no_corpus() -> None:
    config, steps = planned("retriever_base")
    assert names(steps) == ["data", "index", "search", "evaluate"]
    assert set(steps[2].inputs) == {"queries", "index", "model"}
    why = "retrieval.search takes no `corpus` with these settings"
    assert config.left_out == [{"what": "stages.search.in.corpus", "why": why}]


def test_bm25_needs_neither_index_nor_model() -> None:
    config, steps = planned("retriever_base", "retriever.mode=bm25")
    assert names(steps) == ["data", "search", "evaluate"]
    assert set(steps[1].inputs) == {"queries", "corpus"}
    assert "index" not in config.data["stages"]
    assert [left["what"] for left in config.left_out] == [
        "stages.search.in.index",
        "stages.search.in.model",
        "stages.index",
    ]
    assert config.left_out[-1]["why"] == "nothing takes its output: search"


def test_hybrid_needs_everything() -> None:
    config, steps = planned("retriever_base", "retriever.mode=hybrid", "retriever.alpha=0.3")
    assert names(steps) == ["data", "index", "search", "evaluate"]
    assert set(steps[2].inputs) == {"queries", "corpus", "index", "model"}
    assert steps[2].params["alpha"] == 0.3
    assert config.left_out == []


def test_bm25_trains_nothing() -> None:
    config, steps = planned("retriever_ft", "retriever.mode=bm25")
    assert names(steps) == ["data", "search", "evaluate"]
    assert {"stages.train", "stages.export", "stages.mine"} <= {left["what"] for left in config.left_out}


@pytest.mark.parametrize(
    ("overrides", "mines", "model"),
    [
        ([], False, False),
        (["hard_negatives.enabled=true"], True, False),
        (["hard_negatives.enabled=true", "hard_negatives.by=model"], True, True),
    ],
)
def test_one_switch_turns_hard_negatives_on(overrides: list[str], mines: bool, model: bool) -> None:
    _, steps = planned("retriever_ft", *overrides)
    by_name = {step.name: step for step in steps}
    assert ("mine" in by_name) is mines
    assert ("negatives" in by_name["train"].inputs) is mines
    assert by_name["train"].params["hard_negatives"] is mines
    assert not mines or ("model" in by_name["mine"].inputs) is model


def refused(name: str, *overrides: str) -> str:
    with pytest.raises(UsageError) as caught:
        planned(name, *overrides)
    return str(caught.value)


def test_settings_that_need_what_is_not_wired_are_refused(tmp_path: Path) -> None:
    document = (
        (ROOT / "configs" / "retriever_base.yaml").read_text().replace("corpus: data.test_corpus, index", "index")
    )
    (tmp_path / "short.yaml").write_text(document)
    with pytest.raises(UsageError, match="stage search needs the input `corpus` \\(corpus/v1\\) with these settings"):
        planned(str(tmp_path / "short"), "retriever.mode=bm25")


def test_a_switch_that_would_do_nothing_is_refused() -> None:
    assert "alpha counts in the mode hybrid alone, and the mode is dense" in refused(
        "retriever_base", "retriever.alpha=0.3"
    )
    triplet = "stages.train.with.loss=triplet"
    assert "the loss triplet needs hard_negatives: true" in refused("retriever_ft", triplet)
    warm = ["hard_negatives.enabled=true", triplet, "stages.train.with.temperature=0.1"]
    assert "the loss triplet has no temperature" in refused("retriever_ft", *warm)


def test_a_switch_that_nothing_listens_to_fails_the_run(tmp_path: Path) -> None:
    """Hard negatives in a config that trains nothing."""
    from sealkit import pipeline
    from tests.test_beir import folder

    given = [f"data.path={folder(tmp_path / 'c')}", "retriever.mode=bm25", "hard_negatives.enabled=true"]
    result = pipeline.run(ROOT / "configs" / "beir_base.yaml", [*given, f"run.output_dir={tmp_path}/o"], ["toolkit"])
    assert (result.exit_code, result.error) == (1, "stopped: the check hard-negatives-real failed")


def test_what_was_left_out_is_on_record_and_in_the_log(tmp_path: Path) -> None:
    from sealkit import pipeline
    from tests.test_beir import folder

    given = [f"data.path={folder(tmp_path / 'c')}", "retriever.mode=bm25", f"run.output_dir={tmp_path}/o"]
    result = pipeline.run(ROOT / "configs" / "beir_base.yaml", given, ["toolkit"])
    assert (result.exit_code, result.error) == (0, None)
    resolved: dict[str, Any] = json.loads((result.path / "resolved_config.json").read_text())
    assert {"what": "stages.index", "why": "nothing takes its output: search"} in resolved["left_out"]
    assert not [where for where in resolved["provenance"] if where.startswith("/stages/index")]
    log = (result.path / "logging.jsonl").read_text()
    assert "stages.index is left out: nothing takes its output: search" in log


def test_a_slip_in_the_name_of_a_stage_is_answered_and_not_asked_of_the_hub() -> None:
    told = refused("retriever_ft", "stages.index.in.model=exprt.model")
    assert "`exprt.model`: there is no stage exprt; did you mean `export.model`?" in told
