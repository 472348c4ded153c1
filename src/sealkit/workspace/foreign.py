"""The runs, trainings and models of another tool's tree, as records of a ledger: from what its files say, and its models by content."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from sealkit.finding import Location
from sealkit.trees.evidence import Evidence, Model, Statement, normal
from sealkit.trees.lineage import Lines
from sealkit.trees.words import step_of
from sealkit.workspace.ledger import DIGEST, NAME_ONLY, Ledger, Link, Made, Matrix, Named, Place, Row, Run, below


def add(ledger: Ledger, evidence: Evidence, root: str = "") -> None:
    """Add an `evidence/v1` to a ledger; `root` is that of its tree, below the ledger's.

    A model whose weights nobody recorded is known by what its name leads to now, or by the name alone where that is not here.
    """
    tree = _Tree(ledger, evidence, root)
    matrix = below(root, str(evidence.document["matrix"]))
    ledger.trees.append(matrix)
    runs = {id: tree.run(id, matrix) for id in evidence.ids("run")}
    for id in evidence.ids("training"):
        tree.training(id)
    ledger.runs |= {run.path: run for run in runs.values()}
    for run in runs.values():
        for named in run.models:
            ledger.links.append(Link(named.weights or "", run.key, f"loaded as {named.name}", named.at))
    tree.matrix(matrix, runs)
    for role, field in (
        ("pre-FT", "training base"),
        ("HN-FT", "training hard_negatives"),
        ("export", "training exported"),
    ):
        ledger.looked.setdefault(role, []).extend(below(root, one) for one in evidence.looked(field))
    for one in evidence.document["unread"]:
        ledger.not_read.append((below(root, one["at"]["path"]), one["reason"]))
    for model in evidence.models.values():
        if model.state == "unreadable":
            ledger.not_read.append((below(root, model.path), model.reason or "cannot be read"))


class _Tree:
    """An evidence, its lines, and where in the ledger it lies."""

    def __init__(self, ledger: Ledger, evidence: Evidence, root: str) -> None:
        self.ledger, self.evidence, self.root = ledger, evidence, root
        self.lines = Lines(evidence)
        self.known = {(made.folder, made.run) for made in ledger.made}

    def place(self, at: Location, text: str) -> Place:
        """A place in the tree: a line, which is known already, or that of a pointer."""
        return Place(below(self.root, at.path), at.pointer, text, at.line or 0)

    def weights(self, model: Model | None, name: str) -> str:
        """The digest of a model's weights, with its prefix; its name where no weights are here."""
        return _prefixed(model.weights) if model is not None and model.weights else f"{NAME_ONLY}{normal(name)}"

    def run(self, id: str, matrix: str) -> Run:
        evidence = self.evidence
        ended, status = evidence.one("run", id, "ended"), evidence.text("run", id, "status")
        folder = f"{matrix}/runs/{id}"
        named = self.lines.named(id)
        return Run(
            path=folder,
            run_id=evidence.text("run", id, "run_id") or id,
            name=evidence.label(id),
            status=None if ended is None else status if status in ("failed", "error") else "ok",
            seed=None,
            commit=evidence.text("run", id, "commit"),
            models=() if named is None else (self.named(id, folder, named),),
            files=(),
            stages=(),
            source=str(evidence.document["layout"]["id"]),
        )

    def named(self, id: str, folder: str, said: Statement) -> Named:
        """The model that a run loaded: by the digest that its matrix recorded, else by what its name leads to now."""
        name, model = str(said.value), self.lines.model_of(id)
        recorded = self.evidence.one("run", id, "model_digest")
        if recorded is not None and DIGEST.fullmatch(value := _prefixed(str(recorded.value))):
            known = model is not None and model.is_named_by(value)
            weights = self.weights(model, name) if known else value
            return Named(name, weights, None, folder, self.place(recorded.at, value))
        weights = self.weights(model, name)
        self.ledger.observed.add((name, weights))
        return Named(name, weights, None, folder, self.place(said.at, name))

    def training(self, id: str) -> None:
        """A training as a run, and the models that it left."""
        evidence, ledger = self.evidence, self.ledger
        first = evidence.all("training", id)[0]
        folder = below(self.root, posixpath.dirname(first.at.path))
        if folder in ledger.runs:
            return
        base = evidence.one("training", id, "base")
        named = self.base(folder, base) if base is not None and base.value else None
        seed, run_id = evidence.one("training", id, "seed"), evidence.text("training", id, "run_id") or id
        whole = seed.value if seed is not None and isinstance(seed.value, int) else None
        commit = evidence.text("training", id, "commit")
        models = (named,) if named else ()
        source = str(evidence.document["layout"]["id"])
        run = Run(folder, run_id, id, "ok", whole, commit, models, (), (), source)
        ledger.runs[folder] = run
        if named is not None:
            ledger.links.append(Link(named.weights or "", run.key, f"trained from {named.name}", named.at))
        for made in self.made(id, run, named):
            if (made.folder, made.run) not in self.known:
                ledger.made.append(made)
                ledger.observed.add((made.exported or made.folder, made.weights))
                ledger.links.append(Link(run.key, made.weights, "trained by it", made.place("", made.folder)))
                if named is not None:
                    ledger.links.append(Link(named.weights or "", made.weights, f"trained from {named.name}", named.at))

    def base(self, folder: str, said: Statement) -> Named:
        name = str(said.value)
        weights = self.weights(self.evidence.model(name), name)
        self.ledger.observed.add((name, weights))
        return Named(name, weights, None, folder, self.place(said.at, name))

    def made(self, id: str, run: Run, base: Named | None) -> Iterator[Made]:
        """Checkpoints and exports of a training, each with the places that say where it came from."""
        evidence, best = self.evidence, self.lines.best(id)
        best_folder = self.lines.best_checkpoint(id)
        said = evidence.one("training", id, "exported") or evidence.all("training", id)[0]
        first = evidence.one("training", id, "run_id") or evidence.all("training", id)[0]
        models = [(model, name, None) for name, model in self.lines.checkpoints(id).items()]
        exports = [(model, str(said.value), model.path) for model in self.lines.exports(id)]
        for model, name, exported_to in [*models, *exports]:
            if not model.weights:
                continue
            is_best = best_folder is not None and model.path == best_folder.path
            at = self.place(said.at, "") if exported_to else Place(below(self.root, model.path), None, "", None)
            yield Made(
                at=below(self.root, first.at.path),
                folder=below(self.root, model.path),
                run=run.path,
                stage=None,
                role="best" if is_best else "step" if step_of(name) else name,
                step=step_of(name) if step_of(name) else best.step if is_best else None,
                weights=_prefixed(model.weights),
                tree=_prefixed(model.tree or ""),
                base=None if base is None else (base.name, base.weights or ""),
                trained_by=run.run_id,
                commit=run.commit,
                hard_negatives=self.lines.hard(id),
                seed=run.seed,
                chosen_by=best.metric,
                exported_to=exported_to,
                places=tuple(
                    {
                        "/training/run_id": self.place(first.at, run.run_id or id),
                        "/base/weights": base.at if base is not None else self.place(first.at, ""),
                        "/exported_to": at,
                        "/weights": at,
                    }.items()
                ),
            )

    def matrix(self, folder: str, runs: dict[str, Run]) -> None:
        rows = []
        says = self.evidence.all("matrix")
        at = below(self.root, says[0].at.path) if says else below(folder, "matrix.json")
        for id, run in runs.items():
            label = self.evidence.one("run", id, "label")
            where = self.place(label.at, str(label.value)) if label is not None else Place(at, None, "")
            rows.append(Row(self.evidence.label(id), run.path, run.run_id, where))
            self.ledger.links.append(Link(run.key, f"matrix:{at}", f"its run {run.name}", where))
        name = self.evidence.text("matrix", self.evidence.ids("matrix")[0], "id") if says else None
        self.ledger.matrices.append(Matrix(at, name or folder.rpartition("/")[2], tuple(rows)))


def _prefixed(digest: str) -> str:
    return digest if digest.startswith("sha256:") or not digest else f"sha256:{digest}"
