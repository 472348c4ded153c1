"""The models that a model came from, the names that it has, and what was made of it: over checkpoints, exports and the runs that loaded it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from sealkit.workspace.kin import Kin, Step, Steps, inner_first, role, standing
from sealkit.workspace.ledger import Made
from sealkit.workspace.run import Place, Run, below, workspace_of


def ancestors(kin: Kin, weights: str, depth: int) -> Steps:
    """Which run trained it, from which base, and where that came from."""
    trainings: dict[tuple[str | None, tuple[str, str] | None], Made] = {}
    for made in sorted(kin.made[weights], key=inner_first):
        trainings.setdefault((made.trained_by, made.base), made)
    for made in trainings.values():
        if made.trained_by and made.moved:
            at = made.place("/training/run_id", made.trained_by)
            yield kin.step(
                depth,
                "trained by",
                "run",
                kin.run_name(made.trained_by),
                run_id=made.trained_by,
                note=_training(made),
                at=at,
            )
        if made.base and made.base[1] != weights:
            name, base = made.base
            yield kin.model(depth, "from", name, base, made.place("/base/weights", base), made.run)
            if kin.first("up", base):
                yield ancestors(kin, base, depth + 1)


def places(kin: Kin, weights: str, depth: int) -> Iterator[Step]:
    """Where these weights lie and what they are called: checkpoints, exports, and the names by which runs named them."""
    seen: set[str] = set()
    for made in sorted(kin.made[weights], key=inner_first):
        name = made.exported or made.folder
        if name in seen:
            continue
        seen.add(name)
        relation = "exported to" if made.exported_to else "lies at"
        at = made.place("/exported_to" if made.exported_to else "/weights", made.exported_to or weights)
        if made.run is not None and not made.exported:  # nobody names what a run keeps for itself
            yield kin.step(depth, relation, "model", name, digest=weights, note=role(made), at=at)
            continue
        yield kin.model(depth, relation, name, weights, at, note=role(made))
    for named in kin.named[weights]:
        if not seen & {named.name, below(workspace_of(named.run), named.name)}:
            seen.add(named.name)
            yield kin.model(depth, "named", named.name, weights, named.at, named.run)


def descendants(kin: Kin, weights: str, depth: int) -> Steps:
    """Every run that loaded it, what it trained from it, and the indexes that its vectors are in."""
    stages: dict[str, list[str]] = {}
    first: dict[str, Place] = {}
    for run, stage, _, at in kin.took[weights]:
        stages.setdefault(run.path, []).append(stage)
        first.setdefault(run.path, at)
    called: dict[str, list[str]] = {}
    for named in kin.named[weights]:
        called.setdefault(named.run, []).append(named.name)
        first.setdefault(named.run, named.at)
    born: dict[str | None, list[Made]] = {}
    for made in kin.born[weights]:
        born.setdefault(made.run, []).append(made)
    for path in sorted({*first, *(run for run in born if run is not None)}):
        run = kin.ledger.runs[path]
        own = any(made.run == path for made in kin.made[weights])
        at = first.get(path) or born[path][0].place("/base/weights", weights)
        yield kin.run(depth, "loaded by", run, _how_loaded(run, stages, called, own), at)
        yield children(kin, born.get(path, ()), depth + 1)
    seen = {made.weights for path, made_ in born.items() if path is not None for made in made_}
    yield children(kin, [made for made in born.get(None, ()) if made.weights not in seen], depth)
    for index in kin.indexes[weights]:
        at = Place(index.at, "/fingerprint/encoder/weights", weights)
        yield kin.step(
            depth,
            "its vectors are in",
            "index",
            posixpath.dirname(index.at) or index.at,
            digest=index.digest,
            at=at,
        )


def _how_loaded(run: Run, stages: dict[str, list[str]], called: dict[str, list[str]], own: bool) -> str:
    parts = []
    if run.path in called:
        parts.append(f"as {', '.join(dict.fromkeys(called[run.path]))}")
    elif own:
        parts.append("which made it")
    if run.path in stages:
        parts.append(f"in {', '.join(dict.fromkeys(stages[run.path]))}")
    elif run.stages:
        parts.append("no stage took it")
    return "; ".join([" ".join(parts), *standing(run)]) if parts else "; ".join(standing(run))


def children(kin: Kin, models: Sequence[Made], depth: int) -> Steps:
    """What a run trained, one line for weights that lie in several places, each followed by what was made of it."""
    by_weights: dict[str, list[Made]] = {}
    for made in sorted(models, key=inner_first):
        by_weights.setdefault(made.weights, []).append(made)
    for weights, same in by_weights.items():
        roles = list(dict.fromkeys(role(made) for made in same))
        exports = [made for made in same if made.exported_to]
        head = exports[0] if exports else same[0]
        relation = "exported to" if exports else "trained to"
        at = head.place("/exported_to" if exports else "/weights", head.exported_to or weights)
        if exports or head.run is None:
            yield kin.model(depth, relation, head.exported or head.folder, weights, at, note=", ".join(roles))
        else:
            yield kin.step(depth, relation, "model", head.folder, digest=weights, note=", ".join(roles), at=at)
        if kin.first("down", weights):
            yield descendants(kin, weights, depth + 1)


def _training(made: Made) -> str:
    told = [role(made)]
    if made.chosen_by:
        told.append(f"chosen by {made.chosen_by}")
    if made.seed is not None:
        told.append(f"seed {made.seed}")
    told.append(f"hard negatives {'on' if made.hard_negatives else 'off'}")
    if made.commit:
        told.append(f"commit {made.commit[:12]}")
    return ", ".join(told)
