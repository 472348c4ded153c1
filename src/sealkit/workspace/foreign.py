"""The runs, trainings and models of another tool's tree, as records of a ledger: from what its files say, and its models by content."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from sealkit.finding import Location
from sealkit.trees import selection
from sealkit.trees.evidence import Evidence, Model, Statement, normal
from sealkit.trees.lineage import Lines
from sealkit.trees.observe import look_at
from sealkit.trees.words import step_of
from sealkit.workspace.ledger import DIGEST, NAME_ONLY, Ledger, Link, Made, NotRead
from sealkit.workspace.run import Named, Place, Run, below

LOOKED = (
    ("pre-FT", ("training base", "run model")),
    ("post-FT", ("training run_id",)),
    ("HN-FT", ("training hard_negatives",)),
    ("export", ("training exported",)),
)


class Tree:
    """An evidence, its lines, and where in the ledger it lies: `root` is that of its tree, below the ledger's.

    A model whose weights nobody recorded is known by what its name leads to now, or by the name alone where that is not here.
    """

    def __init__(self, ledger: Ledger, evidence: Evidence, root: str) -> None:
        self.ledger, self.evidence, self.root = ledger, evidence, root
        self.lines = Lines(evidence)
        self.known = {(made.folder, made.run) for made in ledger.made}
        self.above: dict[str, Model | None] = {}

    def add(self, runs: Iterable[str]) -> dict[str, Run]:
        """Add the trainings, and of the runs these; gives them by their ids, with what was looked at and what was not read."""
        evidence, ledger = self.evidence, self.ledger
        for id in evidence.ids("training"):
            self.training(id)
        found = {id: self.run(id) for id in runs}
        ledger.runs |= {run.path: run for run in found.values()}
        for run in found.values():
            for named in run.models:
                ledger.links.append(Link(named.weights or "", run.key, f"loaded as {named.name}", named.at))
        for role, fields in LOOKED:
            where = ledger.looked.setdefault(role, [])
            where += [below(self.root, one) for field in fields for one in evidence.looked(field)]
            where[:] = dict.fromkeys(where)
        for one in evidence.document["unread"]:
            ledger.not_read.append(NotRead(below(self.root, one["at"]["path"]), one["reason"]))
        for model in evidence.models.values():
            if model.state == "unreadable":
                ledger.not_read.append(NotRead(below(self.root, model.path), model.reason or "cannot be read"))
        return found

    def place(self, at: Location, text: str) -> Place:
        """A place in the tree: a line, which is known already, or that of a pointer."""
        return Place(below(self.root, at.path), at.pointer, text, at.line or 0)

    def folder(self, of: str, id: str) -> str:
        """The folder of a run or a training: the one of its name that its own files lie in, else the matrix's place for it."""
        told = (posixpath.dirname(one.at.path) for one in self.evidence.all(of, id))
        held = next((folder for folder in told if posixpath.basename(folder) == id), None)
        return below(self.root, held or f"{self.evidence.document['matrix']}/runs/{id}")

    def weights(self, model: Model | None, name: str) -> str:
        """The digest of a model's weights, with its prefix; its name where no weights are here."""
        return _prefixed(model.weights) if model is not None and model.weights else f"{NAME_ONLY}{normal(name)}"

    def run(self, id: str) -> Run:
        evidence = self.evidence
        ended, status = evidence.one("run", id, "ended"), evidence.text("run", id, "status")
        folder, named = self.folder("run", id), self.lines.named(id)
        run_id = evidence.text("run", id, "run_id") or id
        said = evidence.one("run", id, "run_id") or evidence.one("run", id, "label") or evidence.all("run", id)[0]
        return Run(
            path=folder,
            run_id=run_id,
            name=evidence.label(id),
            status=None if ended is None else status if status in ("failed", "error") else "ok",
            seed=None,
            commit=evidence.text("run", id, "commit"),
            models=() if named is None else (self.named(id, folder, named),),
            files=(),
            stages=(),
            at=self.place(said.at, str(said.value)),
            source=str(evidence.document["layout"]["id"]),
        )

    def named(self, id: str, folder: str, said: Statement) -> Named:
        """The model that a run loaded: by the digest that its matrix recorded, else by what its name leads to now."""
        name = str(said.value)
        model = self.lines.model_of(id) or self.model_above(name)
        recorded = self.evidence.one("run", id, "model_digest")
        if recorded is not None and DIGEST.fullmatch(value := _prefixed(str(recorded.value))):
            known = model is not None and model.is_named_by(value)
            weights = self.weights(model, name) if known else value
            if weights != value:
                self.ledger.stated[value] = weights
            return Named(name, weights, None, folder, self.place(recorded.at, value))
        weights = self.weights(model, name)
        self.ledger.observed.add((name, weights))
        return Named(name, weights, None, folder, self.place(said.at, name))

    def model_above(self, name: str) -> Model | None:
        """The model that a name leads to from the workspace, where that is not the root of the tree: a matrix may lie deeper."""
        path, root = normal(name), self.ledger.root.resolve()
        if path not in self.above:
            here = bool(self.root) and not posixpath.isabs(path) and (root / path).is_dir()
            self.above[path] = Model(**look_at(root, path, pointer=False)) if here else None
        return self.above[path]

    def training(self, id: str) -> None:
        """A training as a run, and the models that it left."""
        evidence, ledger = self.evidence, self.ledger
        folder = self.folder("training", id)
        if folder in ledger.runs:
            return
        base = evidence.one("training", id, "base")
        named = self.base(folder, base) if base is not None and base.value else None
        seed, run_id = evidence.one("training", id, "seed"), evidence.text("training", id, "run_id") or id
        whole = seed.value if seed is not None and isinstance(seed.value, int) else None
        first = evidence.one("training", id, "run_id") or evidence.all("training", id)[0]
        run = Run(
            path=folder,
            run_id=run_id,
            name=id,
            status="ok",
            seed=whole,
            commit=evidence.text("training", id, "commit"),
            models=(named,) if named else (),
            files=(),
            stages=(),
            at=self.place(first.at, run_id),
            source=str(evidence.document["layout"]["id"]),
            is_training=True,
        )
        ledger.runs[folder] = run
        if named is not None:
            ledger.links.append(Link(named.weights or "", run.key, f"trained from {named.name}", named.at))
        for made in self.made(id, run, named):
            if (made.folder, made.run) not in self.known:
                ledger.made.append(made)
                ledger.observed.add((made.exported or made.folder, made.weights))
                ledger.links.append(Link(run.key, made.weights, "trained by it", run.at))
                if named is not None:
                    ledger.links.append(Link(named.weights or "", made.weights, f"trained from {named.name}", named.at))

    def base(self, folder: str, said: Statement) -> Named:
        name = str(said.value)
        weights = self.weights(self.evidence.model(name), name)
        self.ledger.observed.add((name, weights))
        return Named(name, weights, None, folder, self.place(said.at, name))

    def made(self, id: str, run: Run, base: Named | None) -> Iterator[Made]:
        """Checkpoints and exports of a training, each with the places that say where it came from."""
        evidence, best = self.evidence, selection.best(self.lines, id)
        best_folder = selection.best_checkpoint(self.lines, id)
        said = evidence.one("training", id, "exported") or evidence.all("training", id)[0]
        models = [(model, name, None) for name, model in self.lines.checkpoints(id).items()]
        role = str(said.value) if said.what == "exported" else "export"
        exports = [(model, role, model.path) for model in self.lines.exports(id)]
        for model, name, exported_to in [*models, *exports]:
            if not model.weights:
                continue
            is_best = best_folder is not None and model.path == best_folder.path
            at = self.place(said.at, "") if exported_to else Place(below(self.root, model.path), None, "", None)
            places = {
                "/training/run_id": run.at,
                "/base/weights": base.at if base is not None else run.at,
                "/exported_to": at,
                "/weights": at,
            }
            yield Made(
                at=run.at.path,
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
                places=tuple(places.items()),
            )


def _prefixed(digest: str) -> str:
    return digest if digest.startswith("sha256:") or not digest else f"sha256:{digest}"
