"""Trees like the golden one with one thing otherwise: which verdict, which checks, and in which words."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from sealkit.pack import BUILT_IN
from sealkit.trees.gather import gather
from sealkit.trees.recognise import recognise
from tests import matrices
from tests.golden import dialects, edits, provenance, runs, tree
from tests.matrices import build, told
from tests.trees import write

Edit = Callable[[Path], object]
WARNINGS = "PASS (with warnings)"
CODES = {WARNINGS: 0, "FAIL": 1, "INCONCLUSIVE": 3}
SELECTED, REAL = "matrix-selection-reported", "switch-without-effect"
PINNED, BEST, KEYS, BOUND = (
    "matrix-models-pinned",
    "matrix-best-exported",
    "matrix-keys-of-today",
    "matrix-commits-bound",
)
AGREE, RECORDED, CONTRASTS = "matrix-models-agree", "matrix-models-recorded", "matrix-contrasts"
PLAIN = dict.fromkeys((PINNED, BEST, KEYS, BOUND, SELECTED, REAL), "warned")
GONE = ""  # passes, or has nothing to say, where the plain tree is warned
UNLINKED = {CONTRASTS: "blocked", RECORDED: "warned"}  # the training is here, and no run is linked to it
NO_TRAINING = UNLINKED | dict.fromkeys((BEST, BOUND, SELECTED, "matrix-hard-negatives"), "blocked")
TRAINING, MODEL = "outputs/20260203_005729_cd195e", "models/retriever_ft/latest"


def without(*patterns: str) -> Edit:
    return lambda matrix: edits.remove(matrix, *patterns)


def both(*each: Edit) -> Edit:
    return lambda matrix: [edit(matrix) for edit in each]


def configs_elsewhere(matrix: Path) -> None:
    configs = edits.root(matrix) / "configs"
    (configs / "old").mkdir()
    for name in ("run_baseline", "run_hybrid"):
        (configs / f"{name}.yaml").rename(configs / f"old/{name}.yml")


# The edit, the verdict, and how checks come out otherwise than in the plain tree.
VARIANTS: dict[str, tuple[Edit, str, dict[str, str]]] = {
    # What is missing
    "no commit of any run": (without("outputs/*/runs/*/git_commit.txt"), "INCONCLUSIVE", {}),
    "no log of any run": (without("outputs/*/runs/*/logs.txt"), "INCONCLUSIVE", {AGREE: "blocked"}),
    "no log of the retrieval": (without("outputs/*/runs/m02_retrieval_full"), "INCONCLUSIVE", {AGREE: "blocked"}),
    "no summary": (without("outputs/*/runs/m02/summary.json"), "INCONCLUSIVE", {"matrix-runs-ended": "warned"}),
    "no resolved config": (without("outputs/*/runs/m02/config.resolved.yaml"), "INCONCLUSIVE", {REAL: "blocked"}),
    "no metrics": (without("outputs/*/runs/m0*/metrics.json"), "INCONCLUSIVE", {"matrix-metrics-agree": "warned"}),
    "no resolved experiments": (without("outputs/*/experiments_resolved.yaml"), "INCONCLUSIVE", {}),
    "no base run": (without("outputs/*/runs/m01*"), "INCONCLUSIVE", {CONTRASTS: "blocked", "matrix-runs-ended": "warned"}),
    "no training": (without(TRAINING), "INCONCLUSIVE", NO_TRAINING),
    "no models": (without("models"), "INCONCLUSIVE", UNLINKED),
    "no latest": (without("models/*/latest"), "INCONCLUSIVE", UNLINKED),
    "no model but latest": (without("models/*/2*"), WARNINGS, {}),
    "no evaluations": (without("outputs/*/eval_*"), WARNINGS, {}),
    "no checkpoints": (without("outputs/*/checkpoints"), WARNINGS, {}),
    "no config of the training": (without(f"{TRAINING}/train_config.yaml"), WARNINGS, {RECORDED: "warned"}),
    "no record of the training": (without(f"{TRAINING}/metrics.json"), WARNINGS, {}),
    "no log of the training": (without(f"{TRAINING}/logs.txt"), WARNINGS, {}),
    "no configs": (without("configs"), WARNINGS, {}),
    "no scripts": (without("scripts"), WARNINGS, {}),
    "no repository": (without(".git"), WARNINGS, {}),
    "an empty log": (lambda at: tree.write(at / "runs/m02_retrieval_full/logs.txt", ""), "INCONCLUSIVE", {AGREE: "blocked"}),
    "a run that the matrix does not list": (
        lambda at: shutil.copytree(at / "runs/m02", at / "runs/z"), "INCONCLUSIVE", {AGREE: "blocked", "matrix-runs-ended": "warned"},
    ),
    "a summary that breaks off": (
        lambda at: tree.write(at / "runs/m02/summary.json", (at / "runs/m02/summary.json").read_text()[:100]),
        "FAIL",
        {"matrix-runs-ended": "warned"},
    ),
    # How it is written
    "configs in folders, by another ending": (configs_elsewhere, WARNINGS, {}),
    "models by their whole path": (
        lambda at: edits.substitute(at, MODEL, f"/srv/ws/{MODEL}", f"outputs/{at.name}/runs/*/logs.txt"), WARNINGS, {},
    ),
    "indented": (lambda at: dialects.indented(at, 4), WARNINGS, {}),
    "on one line": (lambda at: dialects.indented(at, None), WARNINGS, {}),
    "carriage returns": (dialects.carriage_returns, WARNINGS, {}),
    "backslashes": (dialects.backslashes, WARNINGS, {}),
    "shuffled": (dialects.shuffled, WARNINGS, {}),
    "another key": (lambda at: dialects.keyed(at, "model.name"), WARNINGS, {}),
    "one level down": (dialects.one_level_down, WARNINGS, {}),
    "talkative": (dialects.talkative, WARNINGS, {}),
    **{f"wording {i}": (partial(dialects.worded, wording=one), WARNINGS, {}) for i, one in enumerate(dialects.WORDINGS)},
    # What the runs did
    "another model was loaded": (lambda at: runs.loaded(at, "m02", tree.BASE_MODEL), "FAIL", {AGREE: "failed"}),
    "the same model by another name": (lambda at: runs.loaded(at, "m02", "./models/retriever_ft/latest/"), WARNINGS, {}),
    "a reranker was loaded": (lambda at: runs.reranker_loaded(at, "m05"), WARNINGS, {}),
    "the log repeats the config": (lambda at: runs.configured_model_logged(at, "m03"), WARNINGS, {}),
    "the old key won": (
        runs.legacy_key_won, "FAIL", {AGREE: "failed", CONTRASTS: "blocked", BOUND: GONE, SELECTED: GONE},
    ),
    "other metrics than the summary": (lambda at: runs.disagreeing(at, "m02", 217), "FAIL", {"matrix-metrics-agree": "failed"}),
    "a failed run": (lambda at: runs.failed(at, "m07"), WARNINGS, {"matrix-runs-ended": "warned"}),
    "a run at another commit": (lambda at: runs.at_commit(at, "m02", "3" * 40), WARNINGS, {}),
    "another seed": (lambda at: runs.seeded(at, "m02", 7), WARNINGS, {}),
    "one switch has an effect": (lambda at: runs.measured(at, "m05", 217), WARNINGS, {}),
    "the same again, with another result": (lambda at: runs.added(at, tree.Experiment("m11", "again", 213)), WARNINGS, {}),
    "rows for each query": (runs.per_query, WARNINGS, {}),
    "several matrices": (lambda at: runs.second_matrix(at, "20260220_seal"), WARNINGS, {}),
    "a loose run": (runs.loose_run, WARNINGS, {}),
    # What they stand on
    "digests": (provenance.digests, WARNINGS, {BOUND: GONE}),
    "a wrong digest": (lambda at: provenance.digests(at, wrong=("m06",)), "FAIL", {BOUND: GONE, AGREE: "failed"}),
    "one commit": (provenance.same_commit, WARNINGS, {BOUND: GONE}),
    "a repository of three commits": (provenance.history, WARNINGS, {}),
    "latest is a link": (provenance.linked, WARNINGS, {}),
    "latest has moved": (provenance.retrained, "FAIL", {PINNED: "failed"}),
    "latest has moved, with digests": (
        both(provenance.digests, provenance.retrained),
        "FAIL",
        {PINNED: "failed", AGREE: "failed", BOUND: GONE},
    ),
    "latest is another model": (provenance.replaced, "FAIL", UNLINKED | {PINNED: "failed"}),
    "weights in storage": (provenance.left_in_storage, "INCONCLUSIVE", UNLINKED),
    "weights in the older format": (provenance.pickled, WARNINGS, {}),
    "trained with hard negatives": (provenance.hard_negatives_trained, WARNINGS, {}),
    "hard negatives are claimed": (provenance.hard_negatives_claimed, "FAIL", {"matrix-hard-negatives": "failed"}),
    "the last evaluation has no number": (provenance.last_evaluation_unnumbered, WARNINGS, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_comes_out(tmp_path: Path, name: str) -> None:
    edit, verdict, otherwise = VARIANTS[name]
    report = matrices.report(build(tmp_path, edit))
    expected = {check: status for check, status in (PLAIN | otherwise).items() if status}
    assert (report["verdict"], report["exit_code"], told(report)) == (verdict, CODES[verdict], expected)


LOADED = {
    "Load pretrained SentenceTransformer: {}": MODEL,
    "Loaded SentenceTransformer {}": MODEL,
    "Loading SentenceTransformer('{}')": MODEL,
    "dense retriever: loaded '{}' (384 dimensions)": MODEL,
    "Loaded encoder from `{}` on cpu": MODEL,
    "Loading dense model `{}`": MODEL,
    "model weights loaded from {}.": MODEL,
    "Loading weights from {}/model.safetensors": f"{MODEL}/model.safetensors",
    "AutoModel.from_pretrained('{}')": MODEL,
    "using model {}": MODEL,
    "encoder={} device=cpu": MODEL,
    "retriever: {}": MODEL,
    "[INFO] model_name_or_path: {} (384)": MODEL,
    "started as: run.py --overrides retriever.dense.model_name_or_path={}": None,
    "Loaded 2314 documents for the model from {}": None,
    "retriever: loaded {}/corpus.jsonl": None,
    "reranker model loaded '{}'": None,
    "encoder: 3/4 done": None,
    "Use pytorch device_name: cpu": None,
}


@pytest.mark.parametrize("said", LOADED)
def test_a_line_of_a_log_tells_the_model_however_it_is_worded(tmp_path: Path, said: str) -> None:
    """Not a command line, which says what was asked for; not what else is loaded."""
    folder = "outputs/m/runs/a"
    files = {
        "outputs/m/matrix.json": '{"experiments": [{"run_id": "a"}]}',
        f"{folder}/logs.txt": f"x INFO y: {said.format(MODEL)}\n",
    }
    write(tmp_path, files)
    place = recognise(tmp_path / "outputs/m", BUILT_IN)
    assert place is not None
    found = gather(place.layout, place.root, place.names).statements
    assert next((one["value"] for one in found if one["what"] == "model"), None) == LOADED[said]


@pytest.mark.parametrize("wording", dialects.WORDINGS)
def test_the_seal_shows_the_line_that_names_the_model_however_it_is_worded(tmp_path: Path, wording: str) -> None:
    matrix = build(tmp_path, lambda at: dialects.worded(at, wording), **edits.OTHERWISE)
    for run in matrices.stated(matrices.sealed(matrix, "untuned"))["runs"]:
        if run["mode"]["value"] == "bm25":
            assert (run["model"]["loaded"], run["model"]["agree"]) == (None, None)
        else:
            assert (run["model"]["loaded"]["value"], run["model"]["agree"]) == (run["model"]["resolved"]["value"], True)


# Word for word, where a reader must understand what happened
SAID: dict[str, list[str]] = {
    "no log of the retrieval": [
        "m02: nothing tells which model was really loaded; looked in outputs/20260217_184210_b3e07f/matrix.json, "
        "outputs/20260217_184210_b3e07f/runs/*/config.yaml, outputs/20260217_184210_b3e07f/runs/*/config.resolved.yaml, "
        "outputs/20260217_184210_b3e07f/runs/*/logs.txt, outputs/20260217_184210_b3e07f/runs/*_retrieval_*/logs.txt"
    ],
    "no training": [
        "no training that is recorded here made models/retriever_ft/latest, which m02 and m04–m10 loaded; looked in outputs/*/train_config.yaml"
        " → put the folder of its training back"
    ],
    "no latest": [
        "models/retriever_ft/latest, which m02 and m04–m10 loaded, is not here: nothing tells what it was"
        " → put it back, or run again on a model that is kept"
    ],
    "no checkpoints": [
        "20260203_005729_cd195e says that it exported its final model, and that its best by recall@5 was step 50 → keep and export step 50"
    ],
    "no model but latest": [
        "models/retriever_ft/latest is a pointer, and training again moves it; m02 and m04–m10 load it"
        " → outputs/20260203_005729_cd195e/checkpoints/step_150"
    ],
    "no configs": [
        "configs/base.yaml, which the matrix was made of, is not here: that it holds no old key is taken on trust"
        " → put it back; looked in configs/**/*.y*ml, configs/**/*.json"
    ],
    "another model was loaded": [
        "m02 loaded sentence-transformers/all-MiniLM-L6-v2, and its resolved config says models/retriever_ft/latest"
        " → run m02 again with models/retriever_ft/latest"
    ],
    "the old key won": [
        f"{run} resolved sentence-transformers/all-MiniLM-L6-v2, and its override says models/retriever_ft/latest: `retriever.model_name`"
        f" of its config won → run {run} again with models/retriever_ft/latest"
        for run in ("m02", "m10")
    ],
    "other metrics than the summary": [
        "m02: retrieval_full/recall@10 is 0.37894736842105264 in the summary, and 0.38070175438596493 in the metrics"
        " → retrieval_full/recall@10: 0.38070175438596493"
    ],
    "a failed run": ["m07 is failed, and no summary says that it ended: it does not count → run it again, or take its row out"],
    "a run at another commit": [
        f"m02: made at {'3' * 40}, the matrix at 27c146e3da3d3b525a7793c90e512103fa649335 → run them again at one commit"
    ],
    "the same again, with another result": [
        "m02 and m11 have the same settings, and other results: retrieval_full/recall@1 is m02 0.12105263157894737, m11 0.11929824561403508"
        " → find out what differed: a model that moved, data, what is drawn without a seed"
    ],
    "latest has moved": [
        "models/retriever_ft/latest has moved: it leads to the model of 20260305_112233_e4c1d9, trained after the matrix ran; "
        "m02 and m04–m10 load it → run them again on the model that is meant, by its own name"
    ],
    "latest is another model": [
        "models/retriever_ft/latest has the weights of no model that is kept here, so it has moved; m02 and m04–m10 load it"
        " → name the model that is meant: models/retriever_ft/20260203_005729_cd195e"
    ],
    "weights in storage": [
        "models/retriever_ft/latest, which m02 and m04–m10 loaded, is not here: model.safetensors is a Git LFS pointer, the content is"
        " not here: nothing tells what it was → put it back, or run again on a model that is kept"
    ],
    "hard negatives are claimed": [
        "20260203_005729_cd195e: whether it had hard negatives is told in several ways: config on, record off, log off"
        " → the switch does nothing: correct the code, and train again"
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_of_a_variant(tmp_path: Path, name: str) -> None:
    report = matrices.report(build(tmp_path, VARIANTS[name][0]))
    said = [f"{one['message']} → {one['fix']}" for one in matrices.findings(report)]
    said += [one["reason"] for one in report["checks"] if one["reason"]]
    assert [words for words in SAID[name] if words not in said] == [], said
