"""What runs took and what they wrote, and the files that were handed from stage to stage."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from sealkit.workspace.descent import ancestors, children
from sealkit.workspace.kin import Kin, Step, Steps
from sealkit.workspace.run import Place, Run, below


def taken_by(kin: Kin, run: Run, made: set[str]) -> Steps:
    """The models and files that a run took from outside of it, and where the models came from."""
    kin.told = set()
    named = {one.weights for one in run.models}
    for model in run.models:
        if model.weights:
            stages = [stage.name for stage in run.stages if stage.took(model.weights)]
            note = f"in {', '.join(stages)}" if stages else "no stage took it" if run.source == "native" else None
            yield kin.model(0, "loaded", model.name, model.weights, model.at, run.path, note=note)
            if kin.first("up", model.weights):
                yield ancestors(kin, model.weights, 1)
    own = {output.digest for stage in run.stages for output in stage.outputs} | made | named
    files = {file.digest: file for file in run.files}
    for file in run.files:
        yield kin.step(0, "took", "file", file.name, digest=file.digest, at=file.at)
    for stage in run.stages:
        for name, (digest, at) in stage.inputs.items():
            if digest not in own and digest not in files:
                kind = "model" if digest in kin.weights else "file"
                yield kin.step(0, "took", kind, f"{name} of stage {stage.name}", digest=digest, at=at)


def taken_elsewhere(kin: Kin, run: Run) -> Iterator[Step]:
    """What it wrote that runs took which did not write the same themselves."""
    for stage in run.stages:
        for output in stage.outputs:
            own = {other.path for other, _, _, _ in kin.wrote[output.digest]}
            for other, taker, name, at in kin.took[output.digest]:
                if other.path not in own:
                    yield kin.run(0, f"{output.path} taken by", other, f"as {name} of stage {taker}", at)


def told_by(kin: Kin, run: Run) -> Iterator[Step]:
    for matrix in kin.ledger.matrices:
        for row in matrix.rows:
            if row.run == run.path:
                yield kin.step(0, "in the matrix", "matrix", matrix.id, note=f"its row {row.label}", at=row.at)
    for seal in kin.ledger.seals:
        if run.run_id and run.run_id in (seal.run_id, seal.reference):
            part, word = ("run", "sealed by") if seal.run_id == run.run_id else ("reference", "compared with by")
            at = Place(seal.at, f"/predicate/{part}/run_id", run.run_id)
            yield kin.step(0, word, "seal", posixpath.dirname(seal.at), note=seal.verdict, at=at)


def told_of(kin: Kin, path: str) -> Iterator[Step]:
    """The runs, trainings and matrices of another tool that a file tells of, or that are told to stand on it."""
    for link in kin.ledger.links:
        if link.on == f"file:{path}":
            kind, _, where = link.thing.partition(":")
            if kind == "run":
                yield kin.run(0, "for the run", kin.ledger.runs[where], link.how, link.at)
            else:
                yield kin.step(0, f"for the {kind}", kind, posixpath.dirname(where), note=link.how, at=link.at)


def writers(kin: Kin, digest: str, depth: int, of: Run | None = None) -> Steps:
    """The stages that wrote it, and what they made it of; only those of the run `of` where that wrote it itkin."""
    wrote = kin.wrote[digest]
    for run, stage, path, at in [one for one in wrote if one[0] is of] or wrote:
        yield kin.run(depth, "written by", run, f"stage {stage}, as {path}", at)
        record = next(one for one in run.stages if one.name == stage)
        for name, (content, place) in record.inputs.items():
            if not kin.first("up", content):
                continue
            model = content in kin.weights
            yield kin.step(
                depth + 1,
                f"of {name}",
                "model" if model else "file",
                _content_name(kin, content, run),
                digest=content,
                at=place,
            )
            yield ancestors(kin, content, depth + 2) if model else writers(kin, content, depth + 2, run)


def takers(kin: Kin, digest: str, depth: int, of: Run | None = None) -> Steps:
    """The stages that took it, and what they wrote; of what the run `of` wrote only those that had it from there."""
    own = {run.path for run, _, _, _ in kin.wrote[digest]} - {of.path} if of else set()
    for run, stage, name, at in kin.took[digest]:
        if run.path in own:
            continue
        yield kin.run(depth, "taken by", run, f"stage {stage}, as {name}", at)
        record = next(one for one in run.stages if one.name == stage)
        for output in record.outputs:
            if kin.first("down", output.digest):
                yield kin.step(
                    depth + 1,
                    "to write",
                    "file",
                    below(run.path, output.path),
                    digest=output.digest,
                    at=output.at,
                )
                yield takers(kin, output.digest, depth + 2, run)
        trained = [made for made in kin.in_run[run.path] if made.stage == stage]
        yield children(kin, [made for made in trained if kin.first("model", made.weights)], depth + 1)
    for run in kin.ledger.runs.values():
        for file in run.files:
            if file.digest == digest and not any(stage.took(digest) for stage in run.stages):
                yield kin.run(depth, "named by", run, f"as {file.name}", file.at)


def _content_name(kin: Kin, digest: str, run: Run) -> str:
    """What a content is called in a run: a model's name, or the path of the output that it is."""
    named = [one.name for one in run.models if one.weights == digest] + [
        output.path for stage in run.stages for output in stage.outputs if output.digest == digest
    ]
    others = [made.exported or made.folder for made in kin.made[digest]]
    return next(iter([*named, *others]), digest)
