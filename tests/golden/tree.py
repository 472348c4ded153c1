"""The tree of the golden audit, made from the table that describes it: another project's retriever, trained and evaluated.

`build(root)` writes a workspace and returns the folder of its matrix; the same options give the same bytes. What may be otherwise in
such a tree is a field of `Tree` (ids, commits, experiments, numbers) or an edit of what was built (`edits` and what it names).

Where the facts come from
- The table: the files of a matrix, its runs, the training and the models; the labels m01 to m10; the training's id; the commits of
  the matrix and of the audit, and the first six digits of the training's; the two models' names; recall@10 of m01 to m05, in four
  digits, over 570 queries; best by recall@5 at step 50, and the final exported; hard negatives off in config, record and log; the old
  keys; a training script that deletes and rebuilds `latest`.
- Worked out from it: hits over 570, the only whole numbers that round to those digits; the exported weights, those of the last step;
  `best_model`, those of step 50.
- Made up, and nothing may depend on it: the matrix's id, the other digits of the training's commit, dates, tags, the switches of m05
  to m10, other measures, the second subset, the numbers of the training, all wording of logs, configs and scripts. Some of it is
  shaped after the project that was audited in the wild; none of its text is here.

A run's numbers are means over the ranks of its queries, so rows for each query can be written that really give them (`runs.per_query`).
The weights of the base model are not in the tree, as they are not in such a workspace; the repository's head is a commit that it lacks.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from tests.golden import models, sources

BASE_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
MODEL_KEY = "retriever.dense.model_name_or_path"
CUT = 10  # ranks that a run keeps
EVERY = 50  # steps between two evaluations, and between two checkpoints


@dataclass(frozen=True)
class Experiment:
    """One run of the matrix. `model`: `base`, `latest`, another name, or None where no override names one. `hits`: queries with
    their relevant chunk among the first ten. `run_id`: the label, unless given."""

    label: str
    tag: str
    hits: int
    mode: str = "dense"
    model: str | None = "latest"
    switches: tuple[str, ...] = ()
    run_id: str = ""

    @property
    def id(self) -> str:
        return self.run_id or self.label


TEN = (
    Experiment("m01", "pre_ft", 185, model="base"),
    Experiment("m02", "post_ft", 216),
    Experiment("m03", "bm25", 128, mode="bm25", model=None),
    Experiment("m04", "hybrid", 199, mode="hybrid"),
    Experiment("m05", "rerank", 216, switches=("rerank.enabled=true",)),
    Experiment("m06", "query_expansion", 216, switches=("query_expansion.enabled=true",)),
    Experiment("m07", "normalized_scores", 216, switches=("retriever.normalize_scores=true",)),
    Experiment("m08", "faiss", 216, switches=("retriever.index.use_faiss=true",)),
    Experiment("m09", "multistep", 216, switches=("multistep.enabled=true",)),
    Experiment("m10", "calculator", 216, switches=("calculator.enabled=true",)),
)


@dataclass(frozen=True)
class Training:
    """One training. `scores`: hits at 1, at 5 and at 10 of `queries`, for each evaluation; `best` counts the steps of the best by
    hits at 5. `latest`: whether it was the last to rebuild that folder."""

    id: str = "20260203_005729_cd195e"
    commit: str = "a57a56d20c4b8f1e6a93b7750fd28c41e95b3f06"
    at: datetime = datetime(2026, 2, 3, 0, 57, 29)
    hard: bool = False
    queries: int = 200
    scores: tuple[tuple[int, int, int], ...] = ((52, 87, 101), (54, 85, 104), (53, 84, 103))
    latest: bool = True

    @property
    def best(self) -> int:
        fives = [five for _, five, _ in self.scores]
        return EVERY * (1 + fives.index(max(fives)))

    @property
    def final(self) -> int:
        return EVERY * len(self.scores)


@dataclass(frozen=True)
class Tree:
    """Everything that the table fixes, or that another such tree would have otherwise."""

    matrix_id: str = "20260217_184210_b3e07f"
    matrix_commit: str = "27c146e3da3d3b525a7793c90e512103fa649335"
    audit_commit: str = "0b7f9100b360408023ff78d8195bb78ebb1de659"
    at: datetime = datetime(2026, 2, 17, 18, 42, 10)
    model_name: str = "retriever_ft"
    experiments: tuple[Experiment, ...] = TEN
    training: Training = field(default_factory=Training)
    queries: int = 570
    seed: int = 42

    @property
    def model_root(self) -> str:
        return f"models/{self.model_name}"

    def named(self, model: str) -> str:
        """The model that an experiment means, as the project's files name it."""
        return {"base": BASE_MODEL, "latest": f"{self.model_root}/latest"}.get(model, model)

    def overrides(self, experiment: Experiment) -> list[str]:
        model = [f"{MODEL_KEY}={self.named(experiment.model)}"] if experiment.model else []
        return [f"retriever.mode={experiment.mode}", *model, *experiment.switches]


def build(root: Path, **options: Any) -> Path:
    """Write a workspace into a folder and return that of its matrix, `root/outputs/<matrix_id>`. `options`: the fields of `Tree`."""
    tree = Tree(**options)
    repository(root, tree.audit_commit)
    project(root, tree)
    training(root, tree, tree.training)
    return matrix(root, tree)


def repository(root: Path, commit: str) -> None:
    """A repository whose head is detached at a commit that it does not hold, as in a copy without objects."""
    for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
        (root / ".git" / folder).mkdir(parents=True, exist_ok=True)
    write(root / ".git/HEAD", commit + "\n")
    write(root / ".git/config", "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n")
    write(root / ".gitignore", "data/\nmodels/\noutputs/\n__pycache__/\n")


def project(root: Path, tree: Tree) -> None:
    """`configs/` and `scripts/`."""
    values = {"base_model": BASE_MODEL, "seed": tree.seed, "model_root": tree.model_root, "every": EVERY}
    write(root / "configs/base.yaml", sources.BASE.format(**values))
    write(root / "configs/run_baseline.yaml", sources.OLD_BASELINE.format(**values))
    write(root / "configs/run_hybrid.yaml", sources.OLD_HYBRID.format(**values))
    write(root / "configs/train_retriever.yaml", _training_config(tree, tree.training))
    experiments = [{"label": one.label, "tag": one.tag, "overrides": tree.overrides(one)} for one in tree.experiments]
    write(root / "configs/retriever_matrix.yaml", as_yaml({"experiments": experiments}))
    write(root / "scripts/train_retriever.py", sources.TRAIN_RETRIEVER)
    write(root / "scripts/run_experiment.py", sources.RUN_EXPERIMENT)
    write(root / "scripts/run_matrix.py", sources.RUN_MATRIX)


def _training_config(tree: Tree, one: Training) -> str:
    return sources.TRAINING.format(
        base_model=BASE_MODEL, seed=tree.seed, model_root=tree.model_root, every=EVERY, hard=str(one.hard).lower()
    )


def training(root: Path, tree: Tree, one: Training) -> Path:
    """Write what a training leaves behind: its folder below `outputs/`, which is returned, and the exported models."""
    run = f"outputs/{one.id}"
    for step in range(EVERY, one.final + 1, EVERY):
        models.model(root / run / f"checkpoints/step_{step}", f"{one.id}/{step}")
    models.model(root / run / "checkpoints/best_model", f"{one.id}/{one.best}")
    for name in (one.id, "latest") if one.latest else (one.id,):
        models.model(root / tree.model_root / name, f"{one.id}/{one.final}")
    for step, metrics in _evaluations(one).items():
        write(root / run / f"eval_epoch{_epoch(one, step)}_steps{step}.json", as_json(metrics))
    config = yaml.safe_load(_training_config(tree, one)) | {"run_id": one.id, "git_hash": one.commit}
    write(root / run / "train_config.yaml", as_yaml(config))
    record = {
        "best_metric": "recall@5",
        "best_score": _evaluations(one)[one.best]["recall@5"],
        "best_step": one.best,
        "final_step": one.final,
        "hard_enabled": one.hard,
        "model_dir": f"{tree.model_root}/{one.id}",
    }
    write(root / run / "metrics.json", as_json(record))
    write(root / run / "logs.txt", log(one.at, _training_lines(tree, one, run)))
    return root / run


def _evaluations(one: Training) -> dict[int, dict[str, Any]]:
    """Metrics by step."""
    found = {}
    for place, hits in enumerate(one.scores, 1):
        recalls = {f"recall@{k}": hit / one.queries for k, hit in zip((1, 5, 10), hits, strict=True)}
        # As if a hit between two cut-offs lay at the first rank after the smaller one.
        mrr = (hits[0] + (hits[1] - hits[0]) / 2 + (hits[2] - hits[1]) / 6) / one.queries
        found[EVERY * place] = {**recalls, "mrr@10": mrr, "num_queries": one.queries}
    return found


def _epoch(one: Training, step: int) -> int:
    """Of two epochs, the one that a step belongs to."""
    return int(2 * step > one.final)


def _training_lines(tree: Tree, one: Training, run: str) -> list[str]:
    said = "train_retriever: "
    library = "sentence_transformers.SentenceTransformer: "
    lines = [
        f"{said}started as: scripts/train_retriever.py --config configs/train_retriever.yaml",
        f"{said}run_id={one.id} git_hash={one.commit}",
        f"{said}Settings(base_model='{BASE_MODEL}', learning_rate=2e-05, batch_size=16, epochs=2, eval_every={EVERY}, "
        f"save_every={EVERY}, hard_enabled={one.hard}, seed={tree.seed})",
        f"{library}Use pytorch device_name: cpu",
        f"{library}Load pretrained SentenceTransformer: {BASE_MODEL}",
        f"{said}pairs=1200 hard negatives for each={int(one.hard)}",
    ]
    best = -1.0
    for step, metrics in _evaluations(one).items():
        lines.append(f"{said}epoch {_epoch(one, step)} step {step}: {metrics}")
        if metrics["recall@5"] > best:
            best = metrics["recall@5"]
            saved = f"{run}/checkpoints/best_model"
            lines.append(f"{said}new best recall@5={best:.4f} at step {step}, saved to {saved}")
    exported = f"{tree.model_root}/{one.id}"
    lines.append(f"{said}exported final model (step {one.final}) to {exported}")
    lines.append(f"{said}copied {exported} to {tree.model_root}/latest")
    return lines


def matrix(root: Path, tree: Tree) -> Path:
    """Write a matrix and its runs below `outputs/`, and return its folder."""
    folder = root / "outputs" / tree.matrix_id
    rows = []
    for index, one in enumerate(tree.experiments, 1):
        place = run(root, tree, one, f"outputs/{tree.matrix_id}/runs", tree.at + timedelta(minutes=4 * index))
        rows.append(row(tree, one, index, place))
    document = {
        "matrix_id": tree.matrix_id,
        "created_at_utc": (tree.at + timedelta(minutes=4 * len(rows) + 4, microseconds=301482)).isoformat() + "+00:00",
        "git_hash": tree.matrix_commit,
        "base_config": "configs/base.yaml",
        "matrix_config": "configs/retriever_matrix.yaml",
        "experiments": rows,
    }
    write(folder / "matrix.json", as_json(document))
    write(folder / "experiments_resolved.yaml", as_yaml({"matrix_id": tree.matrix_id, "experiments": rows}))
    return folder


def row(tree: Tree, one: Experiment, index: int, place: str) -> dict[str, Any]:
    """What `matrix.json` says of a run that lies at `place`."""
    return {
        "index": index,
        "label": one.label,
        "tag": one.tag,
        "run_id": one.id,
        "status": "ok",
        "overrides": tree.overrides(one),
        "run_dir": place,
        "summary": f"{place}/summary.json",
    }


def run(root: Path, tree: Tree, one: Experiment, below: str, at: datetime) -> str:
    """Write an evaluation run and return its folder's name relative to the root. `below`: the folder that holds it, relative too."""
    place = f"{below}/{one.id}"
    config = yaml.safe_load(sources.BASE.format(base_model=BASE_MODEL, seed=tree.seed))
    for override in tree.overrides(one):
        key, _, value = override.partition("=")
        set_key(config, key, yaml.safe_load(value))
    metrics = means(one.hits, tree.queries)
    summary = {
        "run_id": one.id,
        "tag": one.tag,
        "status": "ok",
        "seed": tree.seed,
        "git_hash": tree.matrix_commit,
        "finished_at_utc": (at + timedelta(minutes=3)).isoformat() + "+00:00",
        "metrics": metrics,
    }
    write(root / place / "config.yaml", as_yaml(config))
    write(root / place / "config.resolved.yaml", as_yaml(config | {"run_id": one.id, "output_dir": below}))
    write(root / place / "git_commit.txt", tree.matrix_commit + "\n")
    write(root / place / "summary.json", as_json(summary))
    write(root / place / "metrics.json", as_json(metrics))
    write(root / place / "logs.txt", log(at, _run_lines(tree, one, place, metrics)))
    write(
        root / f"{place}_retrieval_full/logs.txt",
        log(at + timedelta(seconds=20), _retrieval_lines(tree, one, config, metrics)),
    )
    return place


def _run_lines(tree: Tree, one: Experiment, place: str, metrics: Mapping[str, Any]) -> list[str]:
    said = "run_experiment: "
    given = " ".join(f"--overrides {override}" for override in tree.overrides(one))
    return [
        f"{said}started as: scripts/run_experiment.py --config configs/base.yaml --run-dir {place} {given}",
        f"{said}git_hash={tree.matrix_commit} seed={tree.seed}",
        f"{said}resolved_config_path={place}/config.resolved.yaml",
        *(f"{said}{subset} recall@10={values['recall@10']:.4f}" for subset, values in metrics.items()),
        f"{said}wrote {place}/summary.json",
    ]


def _retrieval_lines(
    tree: Tree, one: Experiment, config: Mapping[str, Any], metrics: Mapping[str, Any]
) -> Iterable[str]:
    said = "retrieval.evaluate: "
    yield f"{said}run_id={one.id}_retrieval_full mode={one.mode} top_k=10 queries={tree.queries}"
    if one.mode != "dense":
        yield "retrieval.sparse: BM25 index over 2314 chunks (k1=1.5, b=0.75)"
    if one.mode != "bm25":
        library = "sentence_transformers.SentenceTransformer: "
        yield f"{library}Use pytorch device_name: cpu"
        yield f"{library}Load pretrained SentenceTransformer: {config['retriever']['dense']['model_name_or_path']}"
        yield f"retrieval.dense: encoded 2314 chunks, dimension {models.DIMENSION}"
    yield f"{said}retrieval_full={metrics['retrieval_full']}"


def ranks(hits: int, queries: int) -> list[int | None]:
    """The rank of each query's one relevant chunk, 1 to 10; None where it is not among the first ten. The same for the same number
    of hits, so that runs with the same numbers have the same ranks; queries that are hard for one run are mostly hard for all."""
    difficulty, chance = random.Random(queries), random.Random(f"{hits} of {queries}")
    order = [(difficulty.random() + 0.3 * chance.random(), query) for query in range(queries)]
    found: list[int | None] = [None] * queries
    for place, (_, query) in enumerate(sorted(order)[:hits]):
        found[query] = 1 + int(CUT * (place / hits) ** 2)
    return found


def means(hits: int, queries: int) -> dict[str, dict[str, Any]]:
    """Metrics by subset: all queries, and the three of every seven that are complex."""
    found = ranks(hits, queries)
    complex_ones = [rank for query, rank in enumerate(found) if query % 7 < 3]
    return {"retrieval_full": measures(found), "retrieval_complex": measures(complex_ones)}


def measures(found: Sequence[int | None]) -> dict[str, Any]:
    """recall at 1, 5 and 10 and the mean reciprocal rank, over queries with one relevant chunk each."""
    recalls = {f"recall@{k}": sum(rank is not None and rank <= k for rank in found) / len(found) for k in (1, 5, 10)}
    return {**recalls, "mrr@10": sum(1 / rank for rank in found if rank) / len(found), "num_queries": len(found)}


def log(start: datetime, lines: Iterable[str]) -> str:
    """Lines as `logging` writes them, one every 1.7 seconds. Each is `logger: message`."""
    times = (start + timedelta(seconds=1.7 * place, milliseconds=114) for place in range(10**6))
    said = (
        f"{time:%Y-%m-%d %H:%M:%S},{time.microsecond // 1000:03d} INFO {line}\n"
        for time, line in zip(times, lines, strict=False)
    )
    return "".join(said)


def set_key(config: dict[str, Any], dotted: str, value: Any) -> None:
    """Set a dotted key in a config of sections."""
    *sections, last = dotted.split(".")
    for section in sections:
        config = config.setdefault(section, {})
    config[last] = value


def as_json(document: Any, indent: int | None = 2) -> str:
    return json.dumps(document, indent=indent)


def as_yaml(document: Any) -> str:
    # A list that stands in two places would become an anchor and a reference to it.
    return yaml.safe_dump(copy.deepcopy(document), sort_keys=False, width=120)


def write(path: Path, text: str) -> None:
    """Write a text as it is: a line ends with a line feed on every system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
