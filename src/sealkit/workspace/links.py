"""What stands on what within runs, and from runs to what speaks of them by their ids."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from sealkit.workspace.ledger import Ledger, Link
from sealkit.workspace.run import Place, Run, below

SUMMARY = "summary.json"


def link_runs(ledger: Ledger) -> None:
    """The links within runs, and from runs to what speaks of them by their ids."""
    for run in ledger.runs.values():
        ledger.links += _of_run(run)
    for model in ledger.made:
        # A checkpoint with the weights of its base was not made by the training: what loaded the base does not stand on that.
        if model.run is not None and model.stage is not None and (model.moved or model.base is None):
            how = f"written by stage {model.stage}"
            place = model.place("/weights", model.weights)
            ledger.links.append(Link(f"stage:{model.run}#{model.stage}", model.weights, how, place))
        if model.base and model.base[1] != model.weights:
            place = model.place("/base/weights", model.base[1])
            ledger.links.append(Link(model.base[1], model.weights, f"trained from {model.base[0]}", place))
    by_id: dict[str | None, list[Run]] = {}
    for run in ledger.runs.values():
        by_id.setdefault(run.run_id, []).append(run)
    for run in ledger.runs.values():
        ledger.links += _from_cache(run, by_id)
    folders = {(run.path, o.path): o for run in ledger.runs.values() for stage in run.stages for o in stage.outputs}
    for index in ledger.indexes:
        output = folders.get((index.run or "", posixpath.dirname(index.at).removeprefix(f"{index.run}/")))
        if output:
            ledger.links.append(Link(f"index:{index.at}", output.digest, "the folder of it", output.at))
    for seal in ledger.seals:
        for who, how, where in ((seal.run_id, "seals it", "run"), (seal.reference, "compares with it", "reference")):
            for run in by_id.get(who, ()) if who else ():
                place = Place(seal.at, f"/predicate/{where}/run_id", who or "")
                ledger.links.append(Link(run.key, f"seal:{seal.at}", how, place))


def _from_cache(run: Run, by_id: Mapping[str | None, list[Run]]) -> Iterator[Link]:
    """From what a stage of another run wrote to the stage that was handed it by the cache."""
    for number, stage in enumerate(run.stages):
        for other in by_id.get(stage.cached, ()) if stage.cached else ():
            for source in other.stages:
                if source.key == stage.key and other is not run:
                    at = Place(below(run.path, SUMMARY), f"/stages/{number}/cached/run_id", stage.cached or "")
                    how = f"stage {stage.name} took from the cache what this run wrote"
                    yield Link(other.stage_key(source.name), run.stage_key(stage.name), how, at)


def _of_run(run: Run) -> Iterator[Link]:
    taken = {digest for stage in run.stages for digest, _ in stage.inputs.values()}
    for named in run.models:
        for digest in (named.weights, named.tree):
            if digest:
                pointer_ = (named.at.pointer or "").replace(
                    "/weights", "/weights" if digest == named.weights else "/tree"
                )
                yield Link(
                    digest, run.key, f"named as {named.name}", Place(named.at.path, pointer_, digest, named.at.line)
                )
    for file in run.files:
        yield Link(file.digest, run.key, f"named as {file.name}", file.at)
        if file.digest not in taken:  # nobody says which stage took it: it may have been any
            for stage in run.stages:
                yield Link(file.digest, run.stage_key(stage.name), f"named as {file.name}", file.at)
    for stage in run.stages:
        key = run.stage_key(stage.name)
        for name, (digest, at) in stage.inputs.items():
            yield Link(digest, key, f"stage {stage.name} took it as {name}", at)
        for output in stage.outputs:
            yield Link(key, output.digest, f"written by stage {stage.name}", output.at)
        yield Link(key, run.key, f"its stage {stage.name}", Place(below(run.path, SUMMARY), None, ""))
