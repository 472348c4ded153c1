"""Lineage by content, in both directions: what a model, a run or a file came from, and what was made of it."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sealkit.workspace.asked import Asked
from sealkit.workspace.ledger import NAME_ONLY, Index, Ledger, Made, Named, Place, Run, below, workspace_of
from sealkit.workspace.whereabouts import CHANGED, Whereabouts

SHOWN = 5  # of names or runs in a remark
ROLES = ("pre-FT", "post-FT", "HN-FT", "export")


@dataclass(frozen=True)
class Step:
    """One line of a lineage. `depth` counts from 0; `relation` says how it belongs to the line above it (or to what was asked about).

    `state` is how the model of that name stands now (see `whereabouts`), `now` its weights where they changed.
    """

    depth: int
    relation: str
    kind: str
    name: str
    digest: str | None
    run_id: str | None
    note: str | None
    state: str | None
    now: str | None
    at: Place | None


@dataclass(frozen=True)
class Line:
    """What a reader looks for: pre-FT, post-FT, HN-FT, export. An absent one says where it was looked for."""

    role: str
    models: tuple[Step, ...]
    searched: tuple[str, ...]


@dataclass(frozen=True)
class Lineage:
    """`before` is what it came from, `itself` where it lies and what it is called, `after` what was made of it and who used it."""

    asked: Asked
    before: tuple[Step, ...]
    itself: tuple[Step, ...]
    after: tuple[Step, ...]
    lines: tuple[Line, ...]
    remarks: tuple[str, ...]


def lineage(asked: Asked, ledger: Ledger) -> Lineage:
    """The lineage of what was asked about."""
    teller = _Teller(ledger)
    weights = [one for one in asked.digests if one in teller.weights or asked.kind == "model"]
    files = [one for one in asked.digests if one not in weights]
    before, itself, after = teller.of_runs(asked.runs) if asked.runs else ((), (), ())
    if not asked.runs or asked.kind == "folder":
        told = [teller.of_model(one) for one in weights] + [teller.of_file(one) for one in files]
        before, itself, after = (
            (*have, *(step for parts in told for step in parts[side]))
            for side, have in enumerate((before, itself, after))
        )
    steps = (*before, *itself, *after)
    family = {step.digest for step in steps if step.digest} | set(weights)
    return Lineage(
        asked, before, itself, after, tuple(teller.lines(family)), (*asked.remarks, *teller.remarks(family, steps))
    )


Steps: TypeAlias = "Iterator[Step | Steps]"
Parts = tuple[tuple[Step, ...], tuple[Step, ...], tuple[Step, ...]]


def _flat(steps: Steps) -> Iterator[Step]:
    """The steps of steps in order: a chain of models may be longer than Python's stack."""
    waiting = [steps]
    while waiting:
        found = next(waiting[-1], None)
        if found is None:
            waiting.pop()
        elif isinstance(found, Step):
            yield found
        else:
            waiting.append(found)


@dataclass
class _Teller:
    ledger: Ledger
    told: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        ledger = self.ledger
        self.whereabouts = Whereabouts(ledger.root)
        self.weights = ledger.weights()
        self.made: defaultdict[str, list[Made]] = defaultdict(list)
        self.born: defaultdict[str, list[Made]] = defaultdict(list)
        self.in_run: defaultdict[str, list[Made]] = defaultdict(list)
        for model in ledger.made:
            self.made[model.weights].append(model)
            if model.base:
                self.born[model.base[1]].append(model)
            if model.run is not None:
                self.in_run[model.run].append(model)
        self.moved = {made.weights for made in ledger.made if made.moved}
        self.named: defaultdict[str, list[Named]] = defaultdict(list)
        for named in ledger.named():
            if named.weights:
                self.named[named.weights].append(named)
        self.took: defaultdict[str, list[tuple[Run, str, str, Place]]] = defaultdict(list)
        self.wrote: defaultdict[str, list[tuple[Run, str, str, Place]]] = defaultdict(list)
        for run in ledger.runs.values():
            for stage in run.stages:
                for name, (digest, at) in stage.inputs.items():
                    self.took[digest].append((run, stage.name, name, at))
                for output in stage.outputs:
                    self.wrote[output.digest].append((run, stage.name, output.path, output.at))
        self.indexes: defaultdict[str, list[Index]] = defaultdict(list)
        for index in ledger.indexes:
            if index.weights and index.run is None:
                self.indexes[index.weights].append(index)

    # Models

    def of_model(self, weights: str) -> Parts:
        self.told = {("up", weights)}
        before = tuple(_flat(self.ancestors(weights, 0)))
        self.told = {("down", weights)}
        return before, tuple(self.places(weights, 0)), tuple(_flat(self.descendants(weights, 0)))

    def ancestors(self, weights: str, depth: int) -> Steps:
        """Which run trained it, from which base, and where that came from."""
        trainings: dict[tuple[str | None, tuple[str, str] | None], Made] = {}
        for made in sorted(self.made[weights], key=_inner_first):
            trainings.setdefault((made.trained_by, made.base), made)
        for made in trainings.values():
            if made.trained_by and made.moved:
                at = made.place("/training/run_id", made.trained_by)
                yield self.step(
                    depth,
                    "trained by",
                    "run",
                    self.run_name(made.trained_by),
                    run_id=made.trained_by,
                    note=_training(made),
                    at=at,
                )
            if made.base and made.base[1] != weights:
                name, base = made.base
                yield self.model(depth, "from", name, base, made.place("/base/weights", base), made.run)
                if self.first("up", base):
                    yield self.ancestors(base, depth + 1)

    def places(self, weights: str, depth: int) -> Iterator[Step]:
        """Where these weights lie and what they are called: checkpoints, exports, and the names by which runs named them."""
        seen: set[str] = set()
        for made in sorted(self.made[weights], key=_inner_first):
            name = made.exported or made.folder
            if name in seen:
                continue
            seen.add(name)
            relation = "exported to" if made.exported_to else "lies at"
            at = made.place("/exported_to" if made.exported_to else "/weights", made.exported_to or weights)
            if made.run is not None and not made.exported:  # nobody names what a run keeps for itself
                yield self.step(depth, relation, "model", name, digest=weights, note=_role(made), at=at)
                continue
            yield self.model(depth, relation, name, weights, at, note=_role(made))
        for named in self.named[weights]:
            if not seen & {named.name, below(workspace_of(named.run), named.name)}:
                seen.add(named.name)
                yield self.model(depth, "named", named.name, weights, named.at, named.run)

    def descendants(self, weights: str, depth: int) -> Steps:
        """Every run that loaded it, what it trained from it, and the indexes that its vectors are in."""
        stages: dict[str, list[str]] = {}
        first: dict[str, Place] = {}
        for run, stage, _, at in self.took[weights]:
            stages.setdefault(run.path, []).append(stage)
            first.setdefault(run.path, at)
        called: dict[str, list[str]] = {}
        for named in self.named[weights]:
            called.setdefault(named.run, []).append(named.name)
            first.setdefault(named.run, named.at)
        children: dict[str | None, list[Made]] = {}
        for made in self.born[weights]:
            children.setdefault(made.run, []).append(made)
        for path in sorted({*first, *(run for run in children if run is not None)}):
            run = self.ledger.runs[path]
            own = any(made.run == path for made in self.made[weights])
            at = first.get(path) or children[path][0].place("/base/weights", weights)
            yield self.run(depth, "loaded by", run, self.how_loaded(run, stages, called, own), at)
            yield self.children(children.get(path, ()), depth + 1)
        seen = {made.weights for path, made_ in children.items() if path is not None for made in made_}
        yield self.children([made for made in children.get(None, ()) if made.weights not in seen], depth)
        for index in self.indexes[weights]:
            at = Place(index.at, "/fingerprint/encoder/weights", weights)
            yield self.step(
                depth,
                "its vectors are in",
                "index",
                posixpath.dirname(index.at) or index.at,
                digest=index.digest,
                at=at,
            )

    def how_loaded(self, run: Run, stages: dict[str, list[str]], called: dict[str, list[str]], own: bool) -> str:
        parts = []
        if run.path in called:
            parts.append(f"as {', '.join(dict.fromkeys(called[run.path]))}")
        elif own:
            parts.append("which made it")
        if run.path in stages:
            parts.append(f"in {', '.join(dict.fromkeys(stages[run.path]))}")
        elif run.stages:
            parts.append("no stage took it")
        return "; ".join([" ".join(parts), *_standing(run)]) if parts else "; ".join(_standing(run))

    def children(self, models: Sequence[Made], depth: int) -> Steps:
        """What a run trained, one line for weights that lie in several places, each followed by what was made of it."""
        by_weights: dict[str, list[Made]] = {}
        for made in sorted(models, key=_inner_first):
            by_weights.setdefault(made.weights, []).append(made)
        for weights, same in by_weights.items():
            roles = list(dict.fromkeys(_role(made) for made in same))
            exports = [made for made in same if made.exported_to]
            head = exports[0] if exports else same[0]
            relation = "exported to" if exports else "trained to"
            at = head.place("/exported_to" if exports else "/weights", head.exported_to or weights)
            if exports or head.run is None:
                yield self.model(depth, relation, head.exported or head.folder, weights, at, note=", ".join(roles))
            else:
                yield self.step(depth, relation, "model", head.folder, digest=weights, note=", ".join(roles), at=at)
            if self.first("down", weights):
                yield self.descendants(weights, depth + 1)

    # Runs and files

    def of_runs(self, paths: Sequence[str]) -> Parts:
        before: list[Step] = []
        itself: list[Step] = []
        after: list[Step] = []
        for path in paths:
            run = self.ledger.runs[path]
            made = {model.weights for model in self.in_run[path]}
            at = Place(below(path, "run_metadata.json"), "/run_id", run.run_id or "")
            itself.append(self.run(0, "run", run, "; ".join(_standing(run)), at))
            before += _flat(self.taken_by(run, made))
            self.told = set()
            after += _flat(self.children(self.in_run[path], 0))
            after += self.taken_elsewhere(run)
            after += self.told_by(run)
        return tuple(before), tuple(itself), tuple(after)

    def taken_by(self, run: Run, made: set[str]) -> Steps:
        """The models and files that a run took from outside of it, and where the models came from."""
        self.told = set()
        named = {one.weights for one in run.models}
        for model in run.models:
            if model.weights:
                stages = [stage.name for stage in run.stages if stage.took(model.weights)]
                note = f"in {', '.join(stages)}" if stages else "no stage took it"
                yield self.model(0, "loaded", model.name, model.weights, model.at, run.path, note=note)
                if self.first("up", model.weights):
                    yield self.ancestors(model.weights, 1)
        own = {output.digest for stage in run.stages for output in stage.outputs} | made | named
        files = {file.digest: file for file in run.files}
        for file in run.files:
            yield self.step(0, "took", "file", file.name, digest=file.digest, at=file.at)
        for stage in run.stages:
            for name, (digest, at) in stage.inputs.items():
                if digest not in own and digest not in files:
                    kind = "model" if digest in self.weights else "file"
                    yield self.step(0, "took", kind, f"{name} of stage {stage.name}", digest=digest, at=at)

    def taken_elsewhere(self, run: Run) -> Iterator[Step]:
        """What it wrote that runs took which did not write the same themselves."""
        for stage in run.stages:
            for output in stage.outputs:
                own = {other.path for other, _, _, _ in self.wrote[output.digest]}
                for other, taker, name, at in self.took[output.digest]:
                    if other.path not in own:
                        yield self.run(0, f"{output.path} taken by", other, f"as {name} of stage {taker}", at)

    def told_by(self, run: Run) -> Iterator[Step]:
        for matrix in self.ledger.matrices:
            for row in matrix.rows:
                if row.run == run.path:
                    yield self.step(0, "in the matrix", "matrix", matrix.id, note=f"its row {row.label}", at=row.at)
        for seal in self.ledger.seals:
            if run.run_id and run.run_id in (seal.run_id, seal.reference):
                part, word = ("run", "sealed by") if seal.run_id == run.run_id else ("reference", "compared with by")
                at = Place(seal.at, f"/predicate/{part}/run_id", run.run_id)
                yield self.step(0, word, "seal", posixpath.dirname(seal.at), note=seal.verdict, at=at)

    def of_file(self, digest: str) -> Parts:
        """Which stages wrote a content, of what, and which took it."""
        self.told = {("up", digest)}
        before = tuple(_flat(self.writers(digest, 0)))
        self.told = {("down", digest)}
        return before, (), tuple(_flat(self.takers(digest, 0)))

    def writers(self, digest: str, depth: int, of: Run | None = None) -> Steps:
        """The stages that wrote it, and what they made it of; only those of the run `of` where that wrote it itself."""
        wrote = self.wrote[digest]
        for run, stage, path, at in [one for one in wrote if one[0] is of] or wrote:
            yield self.run(depth, "written by", run, f"stage {stage}, as {path}", at)
            record = next(one for one in run.stages if one.name == stage)
            for name, (content, place) in record.inputs.items():
                if not self.first("up", content):
                    continue
                model = content in self.weights
                yield self.step(
                    depth + 1,
                    f"of {name}",
                    "model" if model else "file",
                    self.content_name(content, run),
                    digest=content,
                    at=place,
                )
                yield self.ancestors(content, depth + 2) if model else self.writers(content, depth + 2, run)

    def takers(self, digest: str, depth: int, of: Run | None = None) -> Steps:
        """The stages that took it, and what they wrote; of what the run `of` wrote only those that had it from there."""
        own = {run.path for run, _, _, _ in self.wrote[digest]} - {of.path} if of else set()
        for run, stage, name, at in self.took[digest]:
            if run.path in own:
                continue
            yield self.run(depth, "taken by", run, f"stage {stage}, as {name}", at)
            record = next(one for one in run.stages if one.name == stage)
            for output in record.outputs:
                if self.first("down", output.digest):
                    yield self.step(
                        depth + 1,
                        "to write",
                        "file",
                        below(run.path, output.path),
                        digest=output.digest,
                        at=output.at,
                    )
                    yield self.takers(output.digest, depth + 2, run)
            trained = [made for made in self.in_run[run.path] if made.stage == stage]
            yield self.children([made for made in trained if self.first("model", made.weights)], depth + 1)
        for run in self.ledger.runs.values():
            for file in run.files:
                if file.digest == digest and not any(stage.took(digest) for stage in run.stages):
                    yield self.run(depth, "named by", run, f"as {file.name}", file.at)

    def content_name(self, digest: str, run: Run) -> str:
        """What a content is called in a run: a model's name, or the path of the output that it is."""
        named = [one.name for one in run.models if one.weights == digest] + [
            output.path for stage in run.stages for output in stage.outputs if output.digest == digest
        ]
        others = [made.exported or made.folder for made in self.made[digest]]
        return next(iter([*named, *others]), digest)

    # Lines and remarks

    def lines(self, family: set[str]) -> Iterator[Line]:
        """What was found of pre-FT, post-FT, HN-FT and exports among the models of a family, or where it was looked for."""
        family = {digest for digest in family if digest in self.weights}
        trained = [made for made in self.ledger.made if made.trained_by and made.weights in family]
        bases = {made.base[1]: made for made in trained if made.base and made.base[1] not in self.moved}
        chosen: dict[str | None, Made] = {}  # of each training what left it, else its best, else its last
        for made in sorted(trained, key=lambda made: (made.exported is None, _inner_first(made))):
            chosen.setdefault(made.trained_by, made)
        plain = {made.weights: made for made in chosen.values() if made.hard_negatives is False}
        hard = {made.weights: made for made in chosen.values() if made.hard_negatives}
        exports = {made.exported: made for made in trained if made.exported}
        named = {
            digest: self.named[digest][0] for digest in sorted(family) if digest in self.named and not self.made[digest]
        }
        pre = [
            self.model(0, "pre-FT", *(made.base or ("", "")), made.place("/base/weights", digest), made.run)
            for digest, made in bases.items()
        ] or [self.model(0, "pre-FT", one.name, digest, one.at, one.run) for digest, one in named.items()]
        found = dict(
            zip(
                ROLES,
                (
                    pre,
                    *(
                        [self.as_line(role, made) for made in some.values()]
                        for role, some in (("post-FT", plain), ("HN-FT", hard), ("export", exports))
                    ),
                ),
                strict=True,
            )
        )
        for role, models in found.items():
            yield Line(role, tuple(models), () if models else self.searched(role))

    def as_line(self, role: str, made: Made) -> Step:
        name = made.exported or made.folder
        pointer, text = ("/exported_to", made.exported_to or "") if role == "export" else ("/weights", made.weights)
        at = made.place(pointer, text)
        if made.run is not None and not made.exported:
            return self.step(0, role, "model", name, digest=made.weights, note=_role(made), at=at)
        return self.model(0, role, name, made.weights, at, note=_role(made))

    def searched(self, role: str) -> tuple[str, ...]:
        manifests = f"{len(self.ledger.made)} model manifests (**/model_manifest.json)"
        runs = f"{len(self.ledger.runs)} runs (**/run_metadata.json)"
        return (*((manifests, runs) if role == "pre-FT" else (manifests,)), *self.ledger.looked.get(role, ()))

    def remarks(self, family: set[str], steps: Sequence[Step]) -> Iterator[str]:
        """Weights of several names, names of several weights, and names that no longer lead to the weights that runs loaded."""
        names: defaultdict[str, list[str]] = defaultdict(list)
        contents: defaultdict[str, list[str]] = defaultdict(list)
        claims: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for named in self.ledger.named():
            if named.weights:
                names[named.weights].append(named.name)
                contents[named.name].append(named.weights)
                claims[named.name, named.weights].append(named.run)
        for made in self.ledger.made:
            if made.exported and made.run is not None:
                names[made.weights].append(made.exported)
                contents[made.exported].append(made.weights)
        for digest in sorted(one for one in family if not one.startswith(NAME_ONLY)):
            if len(several := list(dict.fromkeys(names[digest]))) > 1:
                yield f"the same weights {digest} under {len(several)} names: {_some(several)}"
        for name, digests in sorted(contents.items()):
            if len(several := list(dict.fromkeys(digests))) > 1 and family & set(several):
                yield f"{len(several)} weights under the name {name}: {_some(several)}"
        still = [
            made.folder for made in self.ledger.made if made.weights in family and made.trained_by and not made.moved
        ]
        if still:
            yield f"{len(still)} {'checkpoint has' if len(still) == 1 else 'checkpoints have'} the weights of the base: {_some(still)}"
        changed = {(step.name, step.digest): step.now for step in steps if step.state == CHANGED and step.digest}
        for (name, digest), now in sorted(changed.items(), key=str):
            runs = claims[name, digest or ""]
            who = f"; so say {_some(runs)}" if runs else ""
            yield f"{name} has other weights now, {now}, than were recorded, {digest}{who}"

    # Steps

    def first(self, direction: str, digest: str) -> bool:
        """Whether a content is met for the first time: lineage may have circles, where a training changed nothing."""
        new = (direction, digest) not in self.told
        self.told.add((direction, digest))
        return new

    def step(self, depth: int, relation: str, kind: str, name: str, *, digest: str | None = None, run_id: str | None = None,
             note: str | None = None, at: Place | None = None) -> Step:  # fmt: skip
        digest = None if digest is not None and digest.startswith(NAME_ONLY) else digest
        return Step(depth, relation, kind, name, digest, run_id, note or None, None, None, at)

    def run(self, depth: int, relation: str, run: Run, note: str, at: Place | None) -> Step:
        return self.step(depth, relation, "run", run.path or ".", run_id=run.run_id, note=note, at=at)

    def run_name(self, run_id: str) -> str:
        """The folder of a run by its id; the id alone where it is not here."""
        here = self.ledger.by_id(run_id)
        return here[0].path or "." if here else run_id

    def model(self, depth: int, relation: str, name: str, weights: str, at: Place, run: str | None = None, *,
              note: str | None = None) -> Step:  # fmt: skip
        """A model as it stands now; `run` is the one that calls it so."""
        if weights.startswith(NAME_ONLY):
            return Step(depth, relation, "model", name, None, None, note or "known by its name alone", None, None, at)
        if (name, weights) in self.ledger.observed:
            told = "; ".join(part for part in (note, "as it is now, nobody recorded its weights") if part)
            return Step(depth, relation, "model", name, weights, None, told, None, None, at)
        base = workspace_of(run) if run is not None else ""
        state, now = self.whereabouts.state(name, weights, base)
        return Step(depth, relation, "model", name, weights, None, note, state, now, at)


def _some(words: Sequence[str]) -> str:
    """The first of many."""
    return ", ".join(words) if len(words) <= SHOWN else f"{', '.join(words[:SHOWN])} and {len(words) - SHOWN} more"


def _standing(run: Run) -> list[str]:
    """What keeps a run from counting as one that came to its end."""
    if run.status is None:
        return ["has no summary: does not count as a run"]
    return (
        []
        if run.status == "ok"
        else [f"its summary says {run.status}" if run.status != "unreadable" else "its summary was not read"]
    )


def _inner_first(made: Made) -> tuple[bool, bool, int, str]:
    """What a run keeps of itself before its copies elsewhere, best before the others."""
    return (
        made.run is None,
        made.exported_to is not None,
        ("best", "final").index(made.role) if made.role in ("best", "final") else 2,
        made.at,
    )


def _role(made: Made) -> str:
    return (
        made.role
        if made.step is None
        else f"step {made.step}"
        if made.role == "step"
        else f"{made.role} (step {made.step})"
    )


def _training(made: Made) -> str:
    told = [_role(made)]
    if made.chosen_by:
        told.append(f"chosen by {made.chosen_by}")
    if made.seed is not None:
        told.append(f"seed {made.seed}")
    told.append(f"hard negatives {'on' if made.hard_negatives else 'off'}")
    if made.commit:
        told.append(f"commit {made.commit[:12]}")
    return ", ".join(told)
