"""Tables and figures of a matrix: what nobody promises is refused before the first run, and what is missing afterwards is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sealkit import matrix
from sealkit.finding import UsageError
from sealkit.pack import BUILT_IN
from tests.conftest import ROOT
from tests.test_cli import toolkit

MEASURED = '{\\"retrieval/test/nDCG@10\\": 0.5}'
BASE = f"""\
schema: pipeline/v1
run: {{name: base}}
stages:
  measure:
    uses: process.command
    with:
      run: [sh, -c, 'printf "{MEASURED}" > {{out.metrics}}']
      promises: ["retrieval/test/nDCG@10"]
"""
HEAD = """\
schema: matrix_config/v1
matrix: {name: m}
base: base.yaml
experiments:
  - {label: first}
  - {label: second, overrides: [run.seed=7]}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE)
    return tmp_path


def prepared(more: str) -> None:
    Path("m.yaml").write_text(HEAD + more)
    matrix.prepare(Path("m.yaml"), [], BUILT_IN)


REFUSED = {
    "one level deeper": (
        'tables:\n  - name: main\n    metrics: ["time/measure", "test/nDCG@10"]\n',
        "m.yaml:9: table main needs `test/nDCG@10`, and no stage of experiment first promises it; did you mean "
        "`retrieval/test/nDCG@10`, one level deeper?\n"
        "  fix: promised: retrieval/test/nDCG@10; a command promises what it writes in stages.NAME.with.promises",
    ),
    "one level higher": (
        'figures:\n  - name: main\n    kind: bars\n    metrics:\n      - "retrieval/full/test/nDCG@10"\n',
        "m.yaml:11: figure main needs `retrieval/full/test/nDCG@10`, and no stage of experiment first promises it; did you "
        "mean `retrieval/test/nDCG@10`, one level higher?\n"
        "  fix: promised: retrieval/test/nDCG@10; a command promises what it writes in stages.NAME.with.promises",
    ),
    "another measure": (
        'tables:\n  - {name: main, metrics: ["retrieval/test/nDCG@100"], labels: [second]}\n',
        "m.yaml:8: table main needs `retrieval/test/nDCG@100`, and no stage of experiment second promises it; did you mean "
        "`retrieval/test/nDCG@10`?\n"
        "  fix: promised: retrieval/test/nDCG@10; a command promises what it writes in stages.NAME.with.promises",
    ),
    "some rows alone": (
        '  - {label: third, overrides: ["stages.measure.with.promises=[]"]}\n'
        'figures:\n  - {name: ndcg, kind: deltas, metrics: ["retrieval/test/nDCG@10"]}\n',
        "m.yaml:9: figure ndcg needs `retrieval/test/nDCG@10`, and no stage of experiment third promises it\n"
        "  fix: name the rows that have it: labels: [first, second]",
    ),
    "nothing at all": (
        '  - {label: third, overrides: ["stages.measure.with.promises=[]"]}\n'
        'tables:\n  - {name: main, metrics: ["retrieval/test/nDCG@10"], labels: [third]}\n',
        "m.yaml:9: table main needs `retrieval/test/nDCG@10`, and no stage of experiment third promises it\n"
        "  fix: promised: nothing but times; a command promises what it writes in stages.NAME.with.promises",
    ),
    "a key that nobody knows": (
        '  - {label: third, overrides: ["stages.measure.with.promises=[retrieval/test/ndcg@10]"]}\n'
        "tables:\n  - {name: main, metrics: [retrieval/test/ndcg@10], labels: [third]}\n",
        "m.yaml:9: table main needs `retrieval/test/ndcg@10`, an unknown metric key; did you mean `retrieval/test/nDCG@10`?\n"
        "  fix: need a key of spec/metrics/keys.yaml",
    ),
    "a row that there is not": (
        "tables:\n  - name: main\n    metrics: [time/measure]\n    labels: [first, secnd]\n",
        "m.yaml:10: table main: there is no experiment `secnd`; did you mean `second`?\n  fix: known: first, second",
    ),
    "a name twice": (
        "tables:\n  - {name: main, metrics: [time/measure]}\n  - {name: Main, metrics: [time/measure]}\n",
        "m.yaml:9: table Main: its name is that of m.yaml:8\n  fix: give it another",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_nobody_promises_is_refused_with_its_line(place: Path, case: str) -> None:
    text, said = REFUSED[case]
    with pytest.raises(UsageError) as caught:
        prepared(text)
    assert str(caught.value) == said
    assert sorted(path.name for path in place.iterdir()) == ["base.yaml", "m.yaml"]


def test_a_dry_run_is_refused_as_the_run_would_be(place: Path) -> None:
    (place / "m.yaml").write_text(HEAD + REFUSED["one level deeper"][0])
    for how in ([], ["--dry-run"]):
        done = toolkit("run", "m.yaml", *how)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"toolkit: {REFUSED['one level deeper'][1]}\n"
    assert not (place / "outputs").exists()


def test_what_is_promised_is_written_down_for_the_seal(place: Path) -> None:
    (place / "m.yaml").write_text(
        HEAD + 'tables:\n  - {name: main, metrics: ["retrieval/test/nDCG@10"]}\n'
        "figures:\n  - {name: cost, kind: bars, metrics: [time/measure], labels: [second]}\n"
    )
    assert toolkit("run", "m.yaml").returncode == 0
    record = json.loads((place / "outputs/m/matrix.json").read_text())
    assert record["tables"] == [{"name": "main", "metrics": ["retrieval/test/nDCG@10"], "labels": ["first", "second"]}]
    assert record["figures"] == [{"name": "cost", "kind": "bars", "metrics": ["time/measure"], "labels": ["second"]}]
    assert BUILT_IN.contracts["matrix/v1"].violations(record) == []


def test_a_metric_that_is_gone_is_told_of_its_row(place: Path) -> None:
    """A stage may promise what it then cannot measure; and a figure may be asked for when the runs are complete."""
    (place / "m.yaml").write_text(HEAD)
    assert toolkit("run", "m.yaml").returncode == 0
    metrics = place / "outputs/m/runs/first/metrics.json"
    metrics.write_text(metrics.read_text().replace("nDCG@10", "nDCG@20"))
    (place / "m.yaml").write_text(HEAD + 'tables:\n  - {name: main, metrics: ["retrieval/test/nDCG@10"]}\n')
    done = toolkit("run", "m.yaml", "--resume")
    first, second = json.loads((place / "outputs/m/matrix.json").read_text())["experiments"]
    assert done.returncode == 1
    assert (first["status"], first["verdict"], first["exit_code"]) == ("ok", "FAIL", 1)
    assert first["reason"].startswith(
        "metrics.json: `retrieval/test/nDCG@10` was promised and is not there: table main"
    )
    assert (second["status"], second["exit_code"], second["reason"]) == ("ok", 0, None)


def test_a_command_keeps_what_it_promises(place: Path) -> None:
    done = toolkit(
        "run", "base.yaml", 'stages.measure.with.promises=["retrieval/test/nDCG@10", "retrieval/test/R@100"]'
    )
    assert done.returncode == 1
    assert "{out.metrics}: the command promised `retrieval/test/R@100` and did not write it" in done.stderr
    assert "nDCG@10` and did not" not in done.stderr


@pytest.mark.parametrize(
    ("uses", "params", "promised"),
    [
        ("retrieval.evaluate", {"subset": "dev", "measures": ["RR@10"]}, {"retrieval/dev/RR@10"}),
        ("retrieval.finetune", {}, {"train/loss"}),
        ("retrieval.search", {}, set()),
        ("genotype.search", {"subset": "test.other", "top_k": 4}, {"genotype/test.other/recall@4"}),
        ("genotype.train", {"space": "embedding"}, {"train/loss", "train/retrieval_loss"}),
        ("genotype.train", {"space": "token"}, {"train/loss"}),
        ("process.command", {"run": ["true"], "promises": ["train/loss"]}, {"train/loss"}),
    ],
)
def test_stages_promise_what_their_params_say(uses: str, params: dict[str, object], promised: set[str]) -> None:
    assert BUILT_IN.stage(uses).promised(params) == promised


def test_an_evaluation_of_genotypes_promises_keys_of_the_registry() -> None:
    promised = BUILT_IN.stage("genotype.evaluate").promised({"subset": "test.nearest"})
    assert {"genotype/test.nearest/F1_rare", "genotype/test.nearest/dosage_r2/0.05-0.2"} < promised
    assert all(BUILT_IN.metric_keys.find(key) for key in promised)


def test_the_matrix_that_comes_along_can_be_run_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sentence_transformers")
    monkeypatch.chdir(ROOT)
    planned, config, _ = matrix.prepare(Path("configs/retriever_matrix.yaml"), [], BUILT_IN)
    labels = [one.experiment.label for one in planned]
    assert labels == ["pre_ft", "post_ft", "hn_ft", "bm25", "hybrid", "post_ft_noop"]
    assert [one.name for one in config.consumers] == ["main", "ndcg", "against_pre_ft"]
    steps = {one.experiment.label: one.plan.steps for one in planned}
    assert [step.params for step in steps["post_ft"]] == [step.params for step in steps["post_ft_noop"]], "a no-op"
