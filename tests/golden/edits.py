"""What may be otherwise in a tree like the golden one: edits of a built tree, one thing each.

Every edit takes the folder of the matrix, finds what it needs in the tree, and can follow others; how it is written comes last. An
edit that finds nothing to change raises an error, so that no test stands on one that did nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from tests.golden import models, tree
from tests.golden.tree import Experiment, Training, Tree

# Options of `tree.build` that share no id, label, order or number with the golden tree.
OTHERWISE: dict[str, Any] = {
    "matrix_id": "seal-2025-w40",
    "matrix_commit": "9d4e1f0a7b3c5286d90e1f2a3b4c5d6e7f809112",
    "audit_commit": "1c0ffee2d3b4a5968778695a4b3c2d1e0f102938",
    "at": datetime(2025, 10, 2, 6, 5, 4),
    "model_name": "e5_tuned",
    "experiments": (
        Experiment("tuned_rerank", "ablation", 151, switches=("rerank.enabled=true",), run_id="1002_061201"),
        Experiment("tuned", "main", 148, run_id="1002_060504"),
        Experiment("lexical", "main", 97, mode="bm25", model=None, run_id="1002_0605"),
        Experiment("untuned", "reference", 120, model="base", run_id="1002_070000"),
        Experiment("tuned_expand", "ablation", 148, switches=("query_expansion.enabled=true",), run_id="1002_064455"),
    ),
    "training": Training(
        id="ft-mnr-3",
        commit="77aa0b1c2d3e4f5061728394a5b6c7d8e9f00112",
        at=datetime(2025, 9, 30, 21, 14, 0),
        queries=310,
        scores=((90, 121, 150), (94, 133, 152), (95, 140, 149), (93, 139, 160), (92, 131, 158)),
    ),
    "queries": 401,
    "seed": 1337,
}
# Other wordings of the line that names the model. `{head}` is what `logging` writes before the message.
WORDINGS = (
    "{head} Loading retriever model from {model}",
    "[INFO] model={model}",
    "{head} dense_model={model} alpha=0.500 chunk_size=400 overlap=50",
    "{head} dense retriever: loaded '{model}' (384 dimensions)",
)
_LOADED = re.compile(r"^(?P<head>.*? INFO \S+:) Load pretrained SentenceTransformer: (?P<model>\S+)$", re.MULTILINE)
_HUB_DIGEST = (
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # the base model, which is not in the tree
)


def root(matrix: Path) -> Path:
    """The workspace of a matrix."""
    return matrix.parent.parent


def model_root(matrix: Path) -> Path:
    """The folder that holds the exported models and `latest`."""
    return next(root(matrix).glob("models/*/latest")).parent


def trainings(matrix: Path) -> list[Path]:
    """The folders of the trainings, sorted."""
    return sorted(path.parent for path in root(matrix).glob("outputs/*/train_config.yaml"))


def document(path: Path) -> Any:
    """What a JSON or YAML file holds."""
    return json.loads(path.read_bytes()) if path.suffix == ".json" else yaml.safe_load(path.read_bytes())


def rewrite(path: Path, change: Callable[[Any], object]) -> None:
    """Change what a JSON or YAML file holds in place. JSON keeps its indent, YAML loses its comments."""
    content = document(path)
    change(content)
    if path.suffix == ".json":
        first = re.search(rb"^( +)", path.read_bytes(), re.MULTILINE)
        tree.write(path, tree.as_json(content, len(first[1]) if first else None))
    else:
        tree.write(path, tree.as_yaml(content))


def _matching(matrix: Path, patterns: tuple[str, ...]) -> list[Path]:
    """What lies in the workspace under these globs, relative to it; each must find something."""
    found = {pattern: sorted(root(matrix).glob(pattern)) for pattern in patterns}
    for pattern, paths in found.items():
        if not paths:
            raise ValueError(f"{pattern}: nothing there")
    return [path for paths in found.values() for path in paths]


def remove(matrix: Path, *patterns: str) -> None:
    """Delete files and folders. `patterns`: globs relative to the workspace."""
    for path in _matching(matrix, patterns):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)  # it may have gone with its folder


def substitute(matrix: Path, old: str, new: str, *patterns: str) -> None:
    """Replace a text in every file where it stands. `patterns`: globs relative to the workspace."""
    with_it = [path for path in _matching(matrix, patterns) if path.is_file() and old.encode() in path.read_bytes()]
    if not with_it:
        raise ValueError(f"`{old}` stands in none of {patterns}")
    for path in with_it:
        path.write_bytes(path.read_bytes().replace(old.encode(), new.encode()))


def _texts(matrix: Path) -> Iterator[Path]:
    for pattern in ("configs/*", "scripts/*", "outputs/**/*.json", "outputs/**/*.yaml", "outputs/**/*.txt"):
        yield from sorted(root(matrix).glob(pattern))


# How it is written


def indented(matrix: Path, spaces: int | None) -> None:
    """Every JSON file of the outputs with another indent; None: on one line."""
    for path in sorted(root(matrix).glob("outputs/**/*.json")):
        tree.write(path, tree.as_json(document(path), spaces))


def carriage_returns(matrix: Path) -> None:
    """Lines end as on Windows in every text file."""
    for path in _texts(matrix):
        path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


def backslashes(matrix: Path) -> None:
    """Paths as a Windows shell gives them, in `matrix.json` and in the logs of the runs."""
    rewrite(
        matrix / "matrix.json",
        lambda content: [
            row.update({key: row[key].replace("/", "\\") for key in ("run_dir", "summary")})
            for row in content["experiments"]
        ],
    )
    for path in matrix.glob("runs/*/logs.txt"):
        text = path.read_text()
        tree.write(path, re.sub(r"\b(?:models|outputs|scripts|configs)/\S+", lambda at: at[0].replace("/", "\\"), text))


def shuffled(matrix: Path, seed: int = 1) -> None:
    """Experiments and keys in another order, in every JSON and YAML file of the matrix and its runs."""
    chance = random.Random(seed)

    def other_order(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            chance.shuffle(keys)
            return {key: other_order(value[key]) for key in keys}
        return [other_order(item) for item in value] if isinstance(value, list) else value

    for path in sorted([*matrix.rglob("*.json"), *matrix.rglob("*.yaml")]):
        content = other_order(document(path))
        if "experiments" in content:
            chance.shuffle(content["experiments"])
        tree.write(path, tree.as_json(content) if path.suffix == ".json" else tree.as_yaml(content))


def worded(matrix: Path, wording: str) -> None:
    """The line that names the loaded model in other words: one of `WORDINGS`."""
    for path in _matching(matrix, (f"outputs/{matrix.name}/runs/*_retrieval_full/logs.txt",)):
        tree.write(path, _LOADED.sub(lambda at: wording.format(**at.groupdict()), path.read_text()))


def keyed(matrix: Path, key: str) -> None:
    """The model under another dotted key: in configs, overrides and command lines. Not in the scripts."""
    configs = [root(matrix) / "configs/base.yaml", *matrix.glob("runs/*/config*.yaml")]

    def move(content: dict[str, Any]) -> None:
        value = content["retriever"]["dense"].pop("model_name_or_path")
        tree.set_key(content, key, value)

    for path in configs:
        rewrite(path, move)
    places = ("configs/retriever_matrix.yaml", f"outputs/{matrix.name}/*", f"outputs/{matrix.name}/runs/*/logs.txt")
    substitute(matrix, f"{tree.MODEL_KEY}=", f"{key}=", *places)


def one_level_down(matrix: Path) -> None:
    """Summaries whose measures have moved: `metrics.<subset>.scores.<measure>`."""

    def move(content: dict[str, Any]) -> None:
        content["metrics"] = {subset: {"scores": values} for subset, values in content["metrics"].items()}

    for path in matrix.glob("runs/*/summary.json"):
        rewrite(path, move)


def talkative(matrix: Path) -> None:
    """A runner that records more: the command, further paths, and overrides that only place a run, so that no two runs agree in all."""

    def add(content: dict[str, Any]) -> None:
        content |= {"matrix_dir": f"outputs/{matrix.name}", "runs_root": f"outputs/{matrix.name}/runs"}
        for row in content["experiments"]:
            row["overrides"] += [f"output_dir=outputs/{matrix.name}/runs", f"run_id={row['run_id']}"]
            given = [part for override in row["overrides"] for part in ("--overrides", override)]
            row["command"] = ["python", "scripts/run_experiment.py", "--config", content["base_config"], *given]
            row["logs"] = f"{row['run_dir']}/logs.txt"
            row["key_config"] = {"seed": seed, "retriever_mode": row["overrides"][0].partition("=")[2]}

    seed = _tree_of(matrix).seed
    rewrite(matrix / "matrix.json", add)
    rows = document(matrix / "matrix.json")["experiments"]
    kept = ("label", "tag", "run_id", "status", "run_dir", "summary", "overrides")
    resolved = [{key: row[key] for key in kept} | row["key_config"] for row in rows]
    rewrite(matrix / "experiments_resolved.yaml", lambda content: content.update(experiments=resolved))


# What the runs did


def _tree_of(matrix: Path) -> Tree:
    """As much of its options as a built tree tells, enough to write another run of it."""
    said = document(matrix / "matrix.json")
    summary = document(next(matrix.glob("runs/*/summary.json")))
    return Tree(
        matrix_id=matrix.name,
        matrix_commit=said["git_hash"],
        at=datetime.fromisoformat(said["created_at_utc"]).replace(tzinfo=None, microsecond=0),
        model_name=model_root(matrix).name,
        queries=summary["metrics"]["retrieval_full"]["num_queries"],
        seed=summary["seed"],
    )


def added(matrix: Path, one: Experiment) -> None:
    """One more run at the end of the matrix."""
    known = _tree_of(matrix)
    place = tree.run(root(matrix), known, one, f"outputs/{matrix.name}/runs", known.at)
    for name in ("matrix.json", "experiments_resolved.yaml"):
        rewrite(
            matrix / name,
            lambda content: content["experiments"].append(tree.row(known, one, len(content["experiments"]) + 1, place)),
        )
    asked = {"label": one.label, "tag": one.tag, "overrides": known.overrides(one)}
    rewrite(root(matrix) / "configs/retriever_matrix.yaml", lambda content: content["experiments"].append(asked))


def measured(matrix: Path, run: str, hits: int) -> None:
    """Another result of a run, in its summary, its metrics and both logs."""
    folder = matrix / "runs" / run
    metrics = tree.means(hits, _tree_of(matrix).queries)
    rewrite(folder / "summary.json", lambda content: content.update(metrics=metrics))
    rewrite(folder / "metrics.json", lambda content: content.update(metrics))
    for subset, values in metrics.items():
        _sub(folder / "logs.txt", rf"{subset} recall@10=\S+", f"{subset} recall@10={values['recall@10']:.4f}")
    _sub(
        folder.with_name(f"{run}_retrieval_full") / "logs.txt",
        r"retrieval_full=\{.*",
        f"retrieval_full={metrics['retrieval_full']}",
    )


def _sub(path: Path, pattern: str, new: str) -> None:
    text, count = re.subn(pattern, lambda _: new, path.read_text())
    if not count:
        raise ValueError(f"{path.name}: nothing like {pattern}")
    tree.write(path, text)


def disagreeing(matrix: Path, run: str, hits: int) -> None:
    """A run whose `metrics.json` says another result than its summary."""
    metrics = tree.means(hits, _tree_of(matrix).queries)
    rewrite(matrix / "runs" / run / "metrics.json", lambda content: content.update(metrics))


def loaded(matrix: Path, run: str, model: str) -> None:
    """The log of a run names another model than its config, or the same one otherwise (absolute, `./`, short)."""
    _sub(
        matrix / f"runs/{run}_retrieval_full/logs.txt",
        r"Load pretrained SentenceTransformer: .*",
        f"Load pretrained SentenceTransformer: {model}",
    )


def reranker_loaded(matrix: Path, run: str) -> None:
    """The log of a run names a second model, which reranks: no other retriever."""
    config = document(matrix / "runs" / run / "config.resolved.yaml")
    line = f"sentence_transformers.CrossEncoder: Load pretrained CrossEncoder: {config['rerank']['model_name_or_path']}"
    with (matrix / f"runs/{run}_retrieval_full/logs.txt").open("a") as file:
        file.write(tree.log(_tree_of(matrix).at, [line]))


def configured_model_logged(matrix: Path, run: str) -> None:
    """The log of a run repeats the model of its config, as it would where no model is loaded."""
    config = document(matrix / "runs" / run / "config.resolved.yaml")["retriever"]
    said = f"retrieval.evaluate: dense_model={config['dense']['model_name_or_path']} alpha={config['hybrid']['alpha']}"
    with (matrix / f"runs/{run}_retrieval_full/logs.txt").open("a") as file:
        file.write(tree.log(_tree_of(matrix).at, [said]))


def failed(matrix: Path, run: str) -> None:
    """A run that died: its status says so, it has no results, its log ends in a traceback."""
    for name in ("matrix.json", "experiments_resolved.yaml"):
        rewrite(
            matrix / name,
            lambda content: [row.update(status="failed") for row in content["experiments"] if row["run_id"] == run],
        )
    remove(matrix, *(f"outputs/{matrix.name}/runs/{run}/{name}" for name in ("summary.json", "metrics.json")))
    with (matrix / f"runs/{run}_retrieval_full/logs.txt").open("a") as file:
        file.write("Traceback (most recent call last):\nMemoryError: Unable to allocate 3.39 GiB\n")


def at_commit(matrix: Path, run: str, commit: str) -> None:
    """A run that was made at another commit than its matrix."""
    for name in ("git_commit.txt", "summary.json", "logs.txt"):
        _sub(matrix / "runs" / run / name, document(matrix / "matrix.json")["git_hash"], commit)


def seeded(matrix: Path, run: str, seed: int) -> None:
    """A run with another seed."""
    for name in ("config.yaml", "config.resolved.yaml"):
        rewrite(matrix / "runs" / run / name, lambda content: content["runtime"].update(seed=seed))
    rewrite(matrix / "runs" / run / "summary.json", lambda content: content.update(seed=seed))
    _sub(matrix / "runs" / run / "logs.txt", r"seed=\d+", f"seed={seed}")


def per_query(matrix: Path) -> None:
    """`per_query_metrics.jsonl` below each run: a row a query, whose means are the summary's."""
    for summary in _matching(matrix, (f"outputs/{matrix.name}/runs/*/summary.json",)):
        said = document(summary)["metrics"]["retrieval_full"]
        count = said["num_queries"]
        rows = []
        for query, rank in enumerate(tree.ranks(round(said["recall@10"] * count), count)):
            values = tree.measures([rank])
            del values["num_queries"]
            rows.append(json.dumps({"query_id": f"q{query:04d}", **values}) + "\n")
        tree.write(summary.with_name("per_query_metrics.jsonl"), "".join(rows))


def legacy_key_won(matrix: Path) -> None:
    """The base config holds the old key of the model too; applied last, it won over every override: all runs loaded the base model."""
    substitute(
        matrix, "  dense:\n", f"  model_name: {tree.BASE_MODEL}  # for the old scripts\n  dense:\n", "configs/base.yaml"
    )
    rows = document(matrix / "matrix.json")["experiments"]
    reference = next(row["run_id"] for row in rows if f"{tree.MODEL_KEY}={tree.BASE_MODEL}" in row["overrides"])
    base = document(matrix / "runs" / reference / "summary.json")["metrics"]["retrieval_full"]
    for row in rows:
        folder = matrix / "runs" / row["run_id"]
        mode = document(folder / "config.resolved.yaml")["retriever"]["mode"]
        rewrite(folder / "config.yaml", lambda content: content["retriever"].update(model_name=tree.BASE_MODEL))
        rewrite(
            folder / "config.resolved.yaml",
            lambda content: (
                content["retriever"].update(model_name=tree.BASE_MODEL),
                content["retriever"]["dense"].update(model_name_or_path=tree.BASE_MODEL),
            ),
        )
        if mode != "bm25":
            loaded(matrix, row["run_id"], tree.BASE_MODEL)
        if mode == "dense":
            measured(matrix, row["run_id"], round(base["recall@10"] * base["num_queries"]))


# Digests and commits


def file_digest(folder: Path) -> str:
    """The SHA-256 of a model's weights file, in hex: what `sha256sum model.safetensors` prints."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def digests(
    matrix: Path, prefix: str = "", wrong: tuple[str, ...] = (), of: Callable[[Path], str] = file_digest
) -> None:
    """`model_sha256` in every experiment: of what its model's folder holds now; null where no model is loaded. `prefix`: `sha256:`,
    or nothing for plain hex. `wrong`: the runs whose digest is another model's. `of`: the hex digest of a model's folder."""

    def add(content: dict[str, Any]) -> None:
        for row in content["experiments"]:
            config = document(matrix / "runs" / row["run_id"] / "config.resolved.yaml")["retriever"]
            name = config["dense"]["model_name_or_path"]
            found = of(root(matrix) / name) if (root(matrix) / name).is_dir() else _HUB_DIGEST
            if row["run_id"] in wrong:
                found = hashlib.sha256(found.encode()).hexdigest()
            row["model_sha256"] = None if config["mode"] == "bm25" else prefix + found

    rewrite(matrix / "matrix.json", add)


def same_commit(matrix: Path) -> None:
    """Trained, evaluated and audited at one commit, the matrix's."""
    commit = document(matrix / "matrix.json")["git_hash"]
    for training in trainings(matrix):
        trained = document(training / "train_config.yaml")["git_hash"]
        substitute(matrix, trained, commit, f"outputs/{training.name}/*")
    tree.write(root(matrix) / ".git/HEAD", commit + "\n")


def history(matrix: Path) -> tuple[str, str, str]:
    """A real repository: the training, the matrix and the audit each at a commit of one line. Returns the three commits."""
    top = root(matrix)
    shutil.rmtree(top / ".git")
    _git(top, "init", "-q", "-b", "main")
    commits = []
    for day, name in enumerate(("training", "matrix", "audit"), 1):
        tree.write(top / "NOTES.md", f"{name}\n")
        _git(top, "add", ".")
        _git(top, "commit", "-q", "-m", name, day=day)
        commits.append(_git(top, "rev-parse", "HEAD"))
    for training in trainings(matrix):
        trained = document(training / "train_config.yaml")["git_hash"]
        substitute(matrix, trained, commits[0], f"outputs/{training.name}/*")
    said = document(matrix / "matrix.json")["git_hash"]
    substitute(matrix, said, commits[1], f"outputs/{matrix.name}/*", f"outputs/{matrix.name}/runs/*/*")
    return commits[0], commits[1], commits[2]


def _git(folder: Path, *arguments: str, day: int = 1) -> str:
    at = f"2026-02-{day:02d}T12:00:00+00:00"
    own = {
        "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at,
        "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.org",
    }  # fmt: skip
    called = subprocess.run(
        ["git", *arguments], cwd=folder, env=os.environ | own, check=True, capture_output=True, text=True
    )
    return called.stdout.strip()


# Models and trainings


def linked(matrix: Path) -> None:
    """`latest` is a symbolic link to the dated folder with the same weights."""
    dated = dated_export(matrix)
    shutil.rmtree(dated.with_name("latest"))
    dated.with_name("latest").symlink_to(dated.name, target_is_directory=True)


def dated_export(matrix: Path) -> Path:
    """The dated folder that `latest` is a copy of."""
    latest = model_root(matrix) / "latest"
    return next(
        folder
        for folder in sorted(model_root(matrix).iterdir())
        if folder.name != "latest" and file_digest(folder) == file_digest(latest)
    )


def retrained(matrix: Path) -> str:
    """A later training has rebuilt `latest` since the matrix ran. Returns its id."""
    one = Training(
        id="20260305_112233_e4c1d9",
        commit="e4c1d95b6a7f80912a3b4c5d6e7f8091a2b3c4d5",
        at=datetime(2026, 3, 5, 11, 22, 33),
        scores=((55, 90, 108), (57, 93, 111)),
    )
    known = Tree(model_name=model_root(matrix).name)
    shutil.rmtree(model_root(matrix) / "latest")
    tree.training(root(matrix), known, one)
    return one.id


def replaced(matrix: Path) -> None:
    """Somebody put other weights into `latest`, which no training of this workspace made."""
    models.model(model_root(matrix) / "latest", "from elsewhere")


def left_in_storage(matrix: Path) -> None:
    """The exported models' weights are Git LFS pointers: a clone without the content."""
    for path in _weights(matrix):
        content = path.read_bytes()
        oid = hashlib.sha256(content).hexdigest()
        said = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"
        tree.write(path, said)


def pickled(matrix: Path) -> None:
    """The exported models' weights are in the older format of torch, which cannot be read without running it."""
    for path in _weights(matrix):
        path.write_bytes(b"\x80\x02}q\x00" + path.read_bytes() + b".")
        path.rename(path.with_name("pytorch_model.bin"))


def _weights(matrix: Path) -> list[Path]:
    return _matching(matrix, ("models/*/*/model.safetensors",))


def hard_negatives_trained(matrix: Path) -> str:
    """An earlier training with hard negatives, and a run on the model that it exported. Returns the training's id."""
    one = Training(
        id="20260128_221503_5f0d2e",
        commit="5f0d2e8c9b7a6f5e4d3c2b1a0f9e8d7c6b5a4938",
        at=datetime(2026, 1, 28, 22, 15, 3),
        hard=True,
        scores=((56, 91, 104), (58, 94, 106), (55, 92, 107)),
        latest=False,
    )
    name = model_root(matrix).name
    tree.training(root(matrix), Tree(model_name=name), one)
    added(matrix, Experiment("m11", "hn_ft", 221, model=f"models/{name}/{one.id}"))
    return one.id


def hard_negatives_claimed(matrix: Path) -> None:
    """The configs of the trainings say that hard negatives are on; record and log still say that they were off."""
    for training in trainings(matrix):
        rewrite(training / "train_config.yaml", lambda content: content["hard_negatives"].update(enabled=True))


def last_evaluation_unnumbered(matrix: Path) -> None:
    """The last evaluation of each training came at the end of an epoch, which the library calls step -1."""
    for training in trainings(matrix):
        evaluations = {int(path.stem.rpartition("steps")[2]): path for path in training.glob("eval_epoch*_steps*.json")}
        last = evaluations[max(evaluations)]
        last.rename(last.with_name(re.sub(r"steps\d+", "steps-1", last.name)))


# What shares the workspace


def second_matrix(matrix: Path, matrix_id: str, *experiments: Experiment) -> Path:
    """Another matrix beside the first, by default with its first three runs again. Returns its folder."""
    known = replace(_tree_of(matrix), matrix_id=matrix_id, experiments=experiments or tree.TEN[:3])
    return tree.matrix(root(matrix), known)


def loose_run(matrix: Path, run: str = "seal_mvp02") -> Path:
    """A run of its own directly below `outputs/`, on `latest`. Returns its folder."""
    known = _tree_of(matrix)
    return root(matrix) / tree.run(root(matrix), known, Experiment(run, "loose", 216), "outputs", known.at)
