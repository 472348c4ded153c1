"""Drafts of layouts: what is guessed and from where, and that each is taken at once by the tree that it was drawn from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema_rs
import pytest
from click.testing import CliRunner, Result

from sealkit.cli import check
from sealkit.cli import layout as verb
from sealkit.finding import UsageError
from sealkit.pack import BUILT_IN
from sealkit.read import yaml
from sealkit.render import layout as render
from sealkit.trees.audit import audit_tree, look_at
from sealkit.trees.draft import draft
from sealkit.trees.guess import jsonpath
from sealkit.trees.recognise import recognise
from tests.trees import write

COMMIT = "27c146e3da3d3b525a7793c90e512103fa649335"
STUDY = {
    "study.json": '{"made_by": "trainer", "seed": 7,\n "git": {"sha": "' + COMMIT + '"}}\n',
    "runs/a/config.yaml": "model_name: my/model\nlr: 0.1\nrun_name: first\n",
    "runs/a/metrics.json": '{"epoch": 2, "test": {"recall@10": 0.5}}\n',
    "runs/a/eval_step50.json": '{"accuracy": 0.1}\n',
    "runs/a/eval_step100.json": '{"accuracy": 0.2}\n',
    "runs/a/log.txt": "start\nrandom seed: 7\n",
    "runs/b/config.yaml": "model_name: other/model\nlr: 0.1\nrun_name: second\n",
    "runs/b/metrics.json": '{"epoch": 3, "test": {"recall@10": 0.6}}\n',
    "runs/b/eval_step50.json": '{"accuracy": 0.3}\n',
    "runs/b/log.txt": "",
    "models/m/latest/modules.json": "[]",
    "README.md": "# Study\n",
}
DRAFT = """\
# Drawn from a tree. Check what was guessed, take out what is wrong, and say what the tool promises.
# What each field means: toolkit spec show tree_layout
layout: my-study/v1
title: "What my-study writes"  # say it in words
recognised_by:  # check: is this there in every such tree, and in no other?
  - {file: "study.json", at: "$.made_by"}
names: {step: "[0-9]+"}
files:
  - path: "models/m/latest"
    media: model
    pointers: [latest, current, newest, last]  # names that are made to be moved to another model
  - path: "study.json"
    media: json
    says:
      # guessed from study.json:1
      - {of: run, id: run, what: seed, at: "$.seed"}
      # guessed from study.json:2
      - {of: run, id: run, what: commit, at: "$.git.sha"}
  - path: "runs/{run}/config.yaml"  # 2 such: runs/a/config.yaml, runs/b/config.yaml
    media: yaml
    says:
      # guessed from runs/a/config.yaml:1
      - {of: run, id: "{run}", what: model, by: config, at: "$.model_name"}
      # guessed from runs/a/config.yaml:3
      - {of: run, id: "{run}", what: label, at: "$.run_name"}
  - path: "runs/{run}/eval_step{step}.json"  # 3 such: runs/a/eval_step100.json, runs/a/eval_step50.json, …
    media: json
    says:
      # guessed from runs/a/eval_step100.json:1
      - {of: run, id: "{run}", what: metric, at: "$..*", key: {join: "/"}, number: true, but: COUNTED, step: "{step}"}
  - path: "runs/{run}/log.txt"  # 2 such: runs/a/log.txt, runs/b/log.txt
    media: text
    says:
      # guessed from runs/a/log.txt:2
      - {of: run, id: "{run}", what: seed, line: "(?i)\\\\bseed['\\"]?\\\\s*[:= ]\\\\s*(?P<value>\\\\d+)\\\\b", number: true}
  - path: "runs/{run}/metrics.json"  # 2 such: runs/a/metrics.json, runs/b/metrics.json
    media: json
    says:
      # guessed from runs/a/metrics.json:1
      - {of: run, id: "{run}", what: metric, at: "$..*", key: {join: "/"}, number: true, but: COUNTED}
# left out, 1 file of which nothing could be guessed:
#   README.md
"""


def toolkit(*arguments: str) -> Result:
    return CliRunner().invoke(verb.command, arguments, standalone_mode=False)


def taken(folder: Path, file: Path) -> dict[tuple[str, str], list[object]]:
    """What the tree says by the draft that was drawn from it; every file of it can be read."""
    file.write_text(render.yaml(draft(folder)), "utf-8")
    tree = recognise(folder, BUILT_IN, str(file))
    assert tree
    seen = look_at(tree, pack=BUILT_IN)
    contract = jsonschema_rs.Draft202012Validator(dict(BUILT_IN.contracts["evidence/v1"].schema))
    assert contract.is_valid(json.loads(json.dumps(seen.document)))
    assert [outcome.reason for outcome in audit_tree(seen, BUILT_IN).checks if outcome.status == "crashed"] == []
    said: dict[tuple[str, str], list[object]] = {}
    for one in seen.document["statements"]:
        said.setdefault((one["id"], one["what"]), []).append(one["value"])
    return said


def test_a_draft_word_for_word(tmp_path: Path) -> None:
    text = render.yaml(draft(write(tmp_path / "My study", STUDY)))
    counted = next(line for line in text.split("\n") if "but: " in line).partition("but: ")[2].rpartition(", step")[0]
    assert text.replace(counted, "COUNTED") == DRAFT


def test_a_draft_is_taken_at_once(tmp_path: Path) -> None:
    said = taken(write(tmp_path / "study", STUDY), tmp_path / "my.yaml")
    assert said == {
        ("run", "seed"): [7], ("run", "commit"): [COMMIT],
        ("a", "model"): ["my/model"], ("a", "label"): ["first"], ("a", "metric"): [0.2, 0.1, 0.5], ("a", "seed"): [7],
        ("b", "model"): ["other/model"], ("b", "label"): ["second"], ("b", "metric"): [0.3, 0.6],
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["a*b.json", "{run}.json", "**.json", "a\nb.json", "é'\"\\.json", "# x.json", "a: b.json", "\u2028.json", "-.json", "😀.json"]
)  # fmt: skip
def test_names_of_every_kind(tmp_path: Path, name: str) -> None:
    said = taken(write(tmp_path / "t", {name: '{"seed": 1}', f"{name}.d/x.json": '{"seed": 2}'}), tmp_path / "my.yaml")
    assert sorted(map(str, said["run", "seed"])) == ["1", "2"]


@pytest.mark.parametrize("key", ["a b", "it's", '"', "\\", "a.b", "$", "é", "\n", "😀", "*"])
def test_keys_of_every_kind(tmp_path: Path, key: str) -> None:
    tree = write(tmp_path / "t", {"config.json": json.dumps({key: {"seed": 5}})})
    assert taken(tree, tmp_path / "my.yaml") == {("run", "seed"): [5]}
    import jsonpath as library

    assert library.findall(jsonpath(key, "seed"), {key: {"seed": 5}}) == [5]


def test_files_are_read_as_what_they_hold(tmp_path: Path) -> None:
    tree = {
        "nan.json": '{"loss": NaN}\n', "bom.csv": "\ufeffstep,loss\r\n1,0.5\r\n", "rows.jsonl": '{"loss": 1}\n', "dvc.lock": "schema: '2.0'\n",
        "torn.yaml": "a: [1\n", "bytes.bin": "\0", "cout.txt": "",
    }  # fmt: skip
    found = draft(write(tmp_path, tree))
    assert {one.path: one.media for one in found.sources} == {
        "nan.json": "text", "bom.csv": "csv", "rows.jsonl": "jsonl", "dvc.lock": "yaml", "torn.yaml": "text", "cout.txt": "text",
    }  # fmt: skip
    assert (
        "    media: text  # and not as its name says: nan.json:1: holds NaN at /loss, which JSON does not have\n"
        in render.yaml(found)
    )


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, {"a.json": "{}"})
    os.mkfifo(tmp_path / "b.json")
    (tmp_path / "c.json").symlink_to("/etc/passwd")
    (tmp_path / "d.json").symlink_to("d.json")
    (tmp_path / "e.txt").write_bytes(b"\xff\xfe\xff")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/f\xff.json")).touch()
    text = render.yaml(draft(tmp_path))
    assert [line for line in text.split("\n") if line.startswith("#   ")] == [
        "#   b.json",
        "#   c.json",
        "#   d.json",
        "#   e.txt",
    ]
    assert "# not looked at: f\\xff.json has a name that is not UTF-8\n" in text
    assert taken(tmp_path, tmp_path.with_suffix(".yaml")) == {}


def test_folders_that_hold_different_things_are_no_siblings(tmp_path: Path) -> None:
    tree = {
        "data/README.json": "{}",
        "data/x.csv": "a\n",
        "data/y.csv": "a\n",
        "src/README.json": "{}",
        "src/z.json": "{}",
        "src/u.json": "{}",
    }
    assert not [one.path for one in draft(write(tmp_path, tree)).sources if "{" in one.path]


def test_runs_inside_of_runs_have_two_names(tmp_path: Path) -> None:
    tree = {f"e/{group}/{run}/m.json": "{}" for group in "ab" for run in "xy"}
    (source,) = draft(write(tmp_path, tree)).sources
    assert (source.path, source.names, len(source.files)) == ("e/{run}/{part1}/m.json", ["run", "part1"], 4)


def test_a_history_is_read_row_by_row(tmp_path: Path) -> None:
    rows = [{"step": 10 * i, "loss": 1 / i, "epoch": 0.1} for i in range(1, 4)]
    tree = write(tmp_path / "t", {"trainer_state.json": json.dumps({"global_step": 30, "log_history": rows})})
    assert taken(tree, tmp_path / "my.yaml") == {("run", "metric"): [1.0, 0.5, 1 / 3]}


# The verb


def test_a_draft_is_written_to_a_file_that_is_not_there(tmp_path: Path) -> None:
    tree, out = write(tmp_path / "t", STUDY), tmp_path / "my.yaml"
    done = toolkit("draft", str(tree), "--out", str(out))
    assert (done.return_value, done.stdout) == (0, "")
    assert done.stderr == f"{out}: check what was guessed, then: toolkit check {tree} --layout {out}\n"
    assert out.read_text("utf-8") == toolkit("draft", str(tree)).stdout
    again = toolkit("draft", str(tree), "--out", str(out)).exception
    assert str(again) == f"{out}: is there already\n  fix: give another file, or remove it"


@pytest.mark.parametrize(
    ("tree", "says"), [({}, "holds nothing that a layout could speak of"), (None, "no such folder")]
)
def test_a_tree_that_cannot_be_drawn(tmp_path: Path, tree: dict[str, str] | None, says: str) -> None:
    folder = tmp_path / "t"
    if tree is not None:
        folder.mkdir()
    with pytest.raises(UsageError, match=says):
        draft(folder)


def test_layouts_are_listed_and_shown() -> None:
    lines = toolkit("list").stdout.split("\n")
    assert lines[0].split("  ")[0] == "native/v1"
    assert [line.split("/")[0] for line in lines[1:-1]] == list(BUILT_IN.tree_layouts)
    shown = toolkit("show", "seal-matrix").stdout
    assert shown.startswith(
        "seal-matrix/v1: A matrix of evaluation runs, beside the trainings whose models they load\nrecognised by matrix.json with $.experiments, and not matrix.json with $.schema\nroot the nearest folder above that holds most of configs, models, outputs, scripts, src; else ../..\n\n"
    )
    assert "{matrix}/matrix.json  (json, seal_matrix/v1, promised)\n  matrix id\n    at $.matrix_id\n" in shown
    assert "  run label\n    at $.experiments[*] → $.label\n" in shown
    assert "configs/**/*.y*ml  (yaml)\n  config here\n    by being there\n" in shown
    assert "{outputs}/{training}/train_config.yaml or outputs/{training}/train_config.yaml  (" in shown
    read = shown.partition("{matrix}/runs/{run}/config.yaml  (")[2].partition("setting")[0]
    assert (
        read.startswith("yaml, promised of each run)\n  run model by config\n    at $..*\n    key (?i)^")
        and "\n    value (?i)" in read
    )
    assert "promised of each run whose mode is dense or hybrid" in shown


def test_a_layout_of_ours_is_shown_as_the_file_that_it_is(tmp_path: Path) -> None:
    shown = toolkit("show", "seal-matrix", "--format", "yaml").stdout
    (tmp_path / "mine.yaml").write_text(shown, "utf-8")
    write(tmp_path, {"m/matrix.json": '{"experiments": []}'})
    found = recognise(tmp_path / "m", BUILT_IN, str(tmp_path / "mine.yaml"))
    assert found and found.layout.digest == BUILT_IN.tree_layouts["seal-matrix"].digest


def test_folders_whose_names_go_on_have_a_pattern_of_their_own(tmp_path: Path) -> None:
    """And a run's own pattern does not find them."""
    config = "retrieval: {encoder: {path: models/x/latest}}\n"
    tree = {f"runs/{run}/{name}.yaml": config for run in ("a1", "b2") for name in ("config", "used")}
    tree |= {f"runs/{run}/logs.txt": "start\n" for run in ("a1", "b2")}
    tree |= {f"runs/{run}_eval_full/logs.txt": "loaded encoder models/x/latest on cuda:0\n" for run in ("a1", "b2")}
    folder = write(tmp_path / "t", tree)
    assert [one.path for one in draft(folder).sources] == [
        "runs/{run}/config.yaml",
        "runs/{run}/logs.txt",
        "runs/{run}/used.yaml",
        "runs/{run}_eval_full/logs.txt",
    ]
    said = taken(folder, tmp_path / "my.yaml")
    assert said == {(run, "model"): ["models/x/latest"] * 3 for run in ("a1", "b2")}


def test_a_layout_that_there_is_not() -> None:
    done = toolkit("show", "sael-matrix")
    assert isinstance(done.exception, UsageError)
    assert (
        str(done.exception)
        == "unknown layout `sael-matrix`; did you mean `seal-matrix`?\n  fix: toolkit layout list    names every layout"
    )


# Real trees of other tools

TOOLS = {
    "dvc_example_get_started": {"seed"}, "hf_trainer_mt5_summarize": {"metric", "model"}, "hydra_neural_decoder": {"seed"}, "lightning_mnist": {"metric"},
    "lm_eval_pythia_160m": {"metric", "model"}, "mlflow_iris": {"commit", "label"}, "nextflow_trace_gwas": set(), "sacred_pymarl": {"seed", "commit", "label"},
    "sentence_transformers_static_bert": set(), "ultralytics_yolo_pcb": {"metric", "model", "seed"}, "wandb_lightning_enzyme": {"commit", "metric"},
}  # fmt: skip


@pytest.mark.parametrize("tool", TOOLS)
def test_a_draft_of_a_real_tree_is_taken_by_it(sealkit_data: Path, tmp_path: Path, tool: str) -> None:
    folder = sealkit_data / "run_examples" / tool
    said = taken(folder, tmp_path / "my.yaml")
    assert {what for _, what in said} >= TOOLS[tool]
    done = CliRunner().invoke(
        check.command, [str(folder), "--layout", str(tmp_path / "my.yaml")], standalone_mode=False
    )
    assert done.exception is None and done.return_value in (0, 3)
    assert done.stderr.startswith(f"layout: {tool.replace('_', '-')}/v1 (") and "\nread: " in done.stderr
    assert yaml.read(tmp_path / "my.yaml").data["title"] == f"What {tool.replace('_', '-')} writes"


def test_every_real_tree_is_tried(sealkit_data: Path) -> None:
    assert sorted(path.name for path in (sealkit_data / "run_examples").iterdir() if path.is_dir()) == sorted(TOOLS)
