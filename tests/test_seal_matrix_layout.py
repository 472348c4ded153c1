"""What the layout `seal-matrix` reads of scripts that nobody of ours wrote: keys, wordings, and code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sealkit.pack import BUILT_IN
from sealkit.trees.gather import gather
from sealkit.trees.recognise import recognise
from tests.trees import write

MATRIX = "outputs/m"
RUN = f"{MATRIX}/runs/a"
MODEL = "models/e5_ft/latest"


def statements(root: Path, files: Mapping[str, str], overrides: str = "") -> list[dict[str, Any]]:
    """What a tree of one run says, in which everything can be read."""
    record = f'{{"experiments": [{{"run_id": "a", "label": "a", "overrides": [{overrides}]}}]}}'
    write(root, {f"{MATRIX}/matrix.json": record, "models/x/y": "", **files})
    place = recognise(root / MATRIX, BUILT_IN)
    assert place and place.root == root.resolve()
    found = gather(place.layout, place.root, place.names)
    assert found.unread == []
    return found.statements


def told(said: list[dict[str, Any]], of: str, what: str, by: str | None = None) -> list[tuple[Any, Any]]:
    return [
        (one["key"], one["value"]) for one in said if (one["of"], one["what"]) == (of, what) and by in (None, one["by"])
    ]


def nested(key: str, value: str) -> str:
    """A YAML text that has a value under a dotted key."""
    parts = key.split(".")
    return "".join(f"{'  ' * i}{part}:{' ' + value if part is parts[-1] else ''}\n" for i, part in enumerate(parts))


KEYS = (
    "model", "model_name", "model_path", "dense_model", "base_model", "encoder_path", "init_from", "encoder.name_or_path", "model.path", "model.name",
    "retriever.model_name", "retriever.dense.encoder", "retrieval.dense.model_name", "retrieval.encoder.path", "dense_retriever.checkpoint",
    "search.stages.query_encoder", "retriever.dense.model_name_or_path",
)  # fmt: skip
OTHERS = (
    "reranker.model", "retriever.rerank.model_name", "rerank_model", "cross_encoder.name", "tokenizer", "tokenizer.name", "reader.model", "generator.model_name",
    "llm.model", "train.base_model", "output.model_dir", "model.max_length", "retriever.mode", "notes",
)  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_the_model_is_found_under_whatever_key_it_stands(tmp_path: Path, key: str) -> None:
    config = nested(key, MODEL)
    said = statements(
        tmp_path, {f"{RUN}/config.yaml": config, f"{RUN}/config.resolved.yaml": config}, f'"{key}={MODEL}"'
    )
    assert [told(said, "run", "model", by) for by in ("config", "resolved", "override")] == [[(key, MODEL)]] * 3


@pytest.mark.parametrize("key", OTHERS)
def test_what_is_no_model_of_the_run_is_not_taken_for_it(tmp_path: Path, key: str) -> None:
    said = statements(tmp_path, {f"{RUN}/config.resolved.yaml": nested(key, MODEL)}, f'"{key}={MODEL}"')
    assert told(said, "run", "model") == []
    assert told(said, "run", "override") == told(said, "run", "setting") == [(key, MODEL)]


@pytest.mark.parametrize("value", ["null", "true", "3", "dense", "mean", "", "cuda:0"])
def test_what_is_no_name_is_no_model(tmp_path: Path, value: str) -> None:
    said = statements(tmp_path, {f"{RUN}/config.yaml": nested("encoder", value)}, f'"encoder={value}"')
    assert told(said, "run", "model") == []


@pytest.mark.parametrize(
    "key", ["retriever.mode", "mode", "method", "system", "retrieval.type", "retriever.backend", "retriever"]
)
def test_the_mode_is_found_under_whatever_key_it_stands(tmp_path: Path, key: str) -> None:
    config = nested(key, "bm25") + "pooling:\n  type: mean\nindex:\n  type: dense\n"
    assert told(statements(tmp_path, {f"{RUN}/config.resolved.yaml": config}), "run", "mode") == [(key, "bm25")]


def test_a_config_of_a_run_tells_its_settings_and_its_old_keys(tmp_path: Path) -> None:
    said = statements(tmp_path, {f"{RUN}/config.yaml": "mode: hybrid\nretriever:\n  model_name: x/y\n  mode: dense\n"})
    settings = [("mode", "hybrid"), ("retriever.model_name", "x/y"), ("retriever.mode", "dense")]
    assert told(said, "run", "setting", "config") == settings
    assert told(said, "run", "old_key") == [("mode", "hybrid"), ("retriever.model_name", "x/y")]


def test_configs_of_every_kind_are_looked_at(tmp_path: Path) -> None:
    files = {"configs/a.yaml": "mode: a\n", "configs/old/b.yml": "mode: b\n", "configs/c.json": '{"mode": "c"}'}
    assert told(statements(tmp_path, files), "config", "old_key") == [("mode", "a"), ("mode", "b"), ("mode", "c")]


@pytest.mark.parametrize(
    ("key", "is_base"),
    [("base_model_name", True), ("model", True), ("base", True), ("init_from", True), ("model.base_model", True), ("train.encoder.name", True),
     ("hard_negatives.model", False), ("output.model_dir", False), ("tokenizer.name", False), ("eval.model", False)],
)  # fmt: skip
def test_what_a_training_began_with(tmp_path: Path, key: str, is_base: bool) -> None:
    said = statements(tmp_path, {"outputs/t/train_config.yaml": nested(key, "./models/base/dpr")})
    assert told(said, "training", "base") == [(key, "./models/base/dpr")] * is_base


LOADED = (
    "Loading model {} on cuda:0", "Loaded model {} in 0.9 s", "Loading model '{}'...", "Model loaded: {}", "Encoder: {}", "loaded encoder {} on cuda:0 (384 dims)",
    "dense model path: {} (dim=384)", "Building index with {} ...", "\x1b[32mLoading model: {}\x1b[0m", "SentenceTransformer({})",
    '{{"event": "model_loaded", "path": "{}", "device": "cuda"}}', '{{"level": "info", "event": "load_model", "model_name_or_path": "{}"}}',
    "Loading model: {}\nreranker - Loading model: cross-encoder/ms-marco-MiniLM-L-6-v2",
)  # fmt: skip
SILENT = (
    "Loading model: cross-encoder/{}", "rerank: Loading model {}", "Loading LLM model: {}", "saved model to {}", "run.py --model={}",
    '{{"event": "model_saved", "path": "{}"}}', '{{"event": "reranker_model_loaded", "path": "{}"}}', "Building index with IVF/PQ", "model: 3.4 M/s",
)  # fmt: skip


@pytest.mark.parametrize("name", [MODEL, "org/some-model-v2"])
@pytest.mark.parametrize("line", LOADED)
def test_a_log_tells_the_model_in_these_words(tmp_path: Path, line: str, name: str) -> None:
    said = statements(tmp_path, {f"{RUN}_retrieval_full/logs.txt": line.format(name)})
    assert {value for _, value in told(said, "run", "model")} == {name}


@pytest.mark.parametrize("line", SILENT)
def test_a_log_does_not_tell_the_model_in_these_words(tmp_path: Path, line: str) -> None:
    assert told(statements(tmp_path, {f"{RUN}/logs.txt": line.format(MODEL)}), "run", "model") == []


def code(root: Path, name: str, text: str) -> dict[str, list[tuple[int, int | None]]]:
    """Field → the first and last lines of what is said of the code."""
    found: dict[str, list[tuple[int, int | None]]] = {}
    for one in statements(root, {name: text}):
        if one["of"] == "code":
            found.setdefault(one["what"], []).append((one["at"]["line"], one["at"]["end"]))
    return found


PYTHON = 'def publish(name, run):\n    link = os.path.join("models", name, "latest")\n    if os.path.islink(link):\n        os.unlink(link)\n    os.symlink(run, link)\n'
SHELL = "#!/bin/sh\n# rm latest\nrm -rf models/x/latest\ncp -r models/x/$1 models/x/latest\n"


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("scripts/a.py", PYTHON, [(2, 5)]),
        ("src/pack/b.py", 'shutil.rmtree("models/x/latest")\n', [(1, None)]),
        ("scripts/finish.sh", SHELL, [(3, 4)]),
        ("publish.sh", 'ln -sfn "$1" models/x/latest\n', [(1, None)]),
        ("scripts/read.py", 'path = "models/x/latest"\nmodel = load(path)\n', []),
    ],
)
def test_code_that_moves_a_pointer_wherever_it_lies(
    tmp_path: Path, name: str, text: str, lines: list[tuple[int, int | None]]
) -> None:
    assert code(tmp_path, name, text).get("moves_pointer", []) == lines


OLD = {
    "a loop": '    for k in ("mode", "alpha"):\n        if k in cfg:\n            cfg["retriever"][k] = cfg[k]\n',
    "a membership": '    if "model_name" in cfg.get("retriever", {}):\n        cfg["encoder"] = cfg["retriever"]["model_name"]\n',
    "a value": '    if cfg.get("top_k") is not None:\n        cfg["k"] = cfg["top_k"]\n',
    "one line": '    if "mode" in c: c["method"] = c["mode"]\n',
    "a table": "    for old, new in LEGACY.items():\n        put(cfg, new, get(cfg, old))\n",
    "a call": "    cfg = apply_legacy_keys(cfg)\n",
}
OVERRIDES = {
    "a loop": '    for o in overrides:\n        set_dotted(cfg, *o.split("=", 1))\n',
    "a call": "    cfg = apply_overrides(cfg, args.overrides)\n",
    "a merge": "    cfg = merge(cfg, cli)  # of the command line\n",
    "omegaconf": "    cfg = OmegaConf.merge(cfg, OmegaConf.from_cli())\n",
}


@pytest.mark.parametrize("old", OLD)
@pytest.mark.parametrize("given", OVERRIDES)
def test_the_order_of_overrides_and_old_keys_can_be_told(tmp_path: Path, old: str, given: str) -> None:
    head = 'def resolve(cfg, overrides, cli):\n    if cfg["retriever"]["mode"] == "dense":\n        pass\n'
    found = code(tmp_path, "scripts/run.py", head + OVERRIDES[given] + OLD[old])
    after = 4 + OVERRIDES[given].count("\n")
    assert [line for line, _ in found["overrides_applied"]] == [4]
    assert [line for line, _ in found["old_keys_applied"]] == [after]


def test_the_keys_of_today_are_those_that_the_code_has(tmp_path: Path) -> None:
    text = 'OLD = {"mode": "retrieval.type", "retriever.model_name": "retrieval.encoder.path"}\nc["k"] = c["top_k"]\nx = {"mode": "dense"}\n'
    said = statements(tmp_path, {"scripts/a.py": text})
    assert set(told(said, "code", "key_of_today")) == {
        ("mode", "retrieval.type"),
        ("retriever.model_name", "retrieval.encoder.path"),
        ("top_k", "k"),
    }


def test_trainings_lie_beside_the_matrix_or_below_outputs(tmp_path: Path) -> None:
    for matrix in ("outputs/exp/m", "results/m", "outputs/m"):
        root = tmp_path / matrix.replace("/", "_")
        config = "run_id: t\nseed: 1\n"
        beside = matrix.rpartition("/")[0]
        files = {
            f"{beside}/t1/train_config.yaml": config,
            "outputs/t2/train_config.yaml": config,
            "models/x/y": "",
            f"{matrix}/matrix.json": '{"experiments": []}',
        }
        place = recognise(write(root, files) / matrix, BUILT_IN)
        assert place
        found = gather(place.layout, place.root, place.names).statements
        assert sorted(one["id"] for one in found if one["what"] == "seed") == ["t1", "t2"]
