"""Reads the records of a workspace into a ledger. What cannot be read, or is no such record, is told with its reason."""

from __future__ import annotations

import functools
import os
import posixpath
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sealkit.finding import ReadError, pointer
from sealkit.read import json
from sealkit.read.source import MEBIBYTE
from sealkit.workspace.ledger import (
    DIGEST,
    Index,
    Ledger,
    Link,
    Made,
    Matrix,
    Named,
    Output,
    Place,
    Row,
    Run,
    Seal,
    Stage,
    Taken,
    below,
)
from sealkit.workspace.survey import INDEX_MANIFEST, Survey, survey

LIMIT = 16 * MEBIBYTE  # of a record
METADATA, SUMMARY, MANIFEST, MATRIX, SEAL = (
    "run_metadata.json", "summary.json", "model_manifest.json", "matrix.json", "seal.json"
)  # fmt: skip
VERSIONS = {
    METADATA: ("run_metadata/v1",),
    SUMMARY: ("summary/v1",),
    MANIFEST: ("model_manifest/v1",),
    INDEX_MANIFEST: ("index_manifest/v1", "index_manifest/v2"),
    MATRIX: ("matrix/v1",),
}


def read(root: Path) -> Ledger:
    """Everything that the records below a folder say."""
    found = survey(root)
    ledger = Ledger(root, not_read=found.not_read)
    _runs(ledger, found)
    _each(ledger, found, MANIFEST, _model)
    _each(ledger, found, INDEX_MANIFEST, _index)
    _each(ledger, found, MATRIX, _matrix)
    _each(ledger, found, SEAL, _seal)
    _link_runs(ledger)
    ledger.not_read.sort()
    return ledger


def _each(ledger: Ledger, found: Survey, name: str, take: Callable[[Ledger, str, Any], None]) -> None:
    for path in found.of(name):
        if (document := _document(ledger, path, name)) is None:
            continue
        try:
            take(ledger, path, document)
        except (KeyError, TypeError, AttributeError, ValueError, IndexError):
            ledger.not_read.append((path, _odd(ledger.root / path, path, name)))


def _document(ledger: Ledger, path: str, name: str) -> Any:
    """A record as it stands there; None where it is none of ours, or could not be read, which is told."""
    try:
        document = json.quick(os.path.join(ledger.root, path), path, limit=LIMIT)
    except ReadError as error:
        at = f"line {error.at.line}: " if error.at.line else ""
        ledger.not_read.append((path, f"{at}{error.message}"))
        return None
    if name == SEAL:
        return document
    declared = document.get("schema") if isinstance(document, dict) else None
    if declared in VERSIONS[name]:
        return document
    kind = VERSIONS[name][0].partition("/")[0]
    # Others call files so, too (a summary, a matrix): what does not say that it is ours is left to the layouts.
    if isinstance(declared, str) and declared.startswith(f"{kind}/"):
        ledger.not_read.append((path, f"keeps {declared}, which this sealkit does not know: update it"))
    elif name == MATRIX:
        ledger.unclaimed.append(posixpath.dirname(path))
    elif name != SUMMARY:
        ledger.not_read.append((path, _odd(ledger.root / path, path, name)))
    return None


def _odd(path: Path, name: str, kind: str) -> str:
    """Why a document is not the record that its name promises, in the words of its contract."""
    from sealkit.pack import BUILT_IN

    contract = BUILT_IN.contracts[VERSIONS.get(kind, ("seal/v1",))[-1]]
    problems, _ = contract.problems(path, name)
    said = problems[0].message if problems else "holds what cannot be followed"
    return f"does not keep {contract.id}: {said}"


def _runs(ledger: Ledger, found: Survey) -> None:
    summaries = {posixpath.dirname(path): path for path in found.of(SUMMARY)}
    folders = {posixpath.dirname(path): path for path in found.of(METADATA)}
    for folder in sorted({*folders, *summaries}):
        metadata = _document(ledger, folders[folder], METADATA) if folder in folders else None
        summary = _document(ledger, summaries[folder], SUMMARY) if folder in summaries else None
        if metadata is None and summary is None:
            if folder not in folders:
                continue
            metadata = {}
        parts = {METADATA: metadata or {}, SUMMARY: summary or {}}
        status = "unreadable" if summary is None and folder in summaries else None
        try:
            ledger.runs[folder] = _run(folder, parts[METADATA], parts[SUMMARY], status)
        except (KeyError, TypeError, AttributeError, ValueError):
            for name, read_as in ((METADATA, metadata), (SUMMARY, summary)):
                if read_as is not None and _breaks(folder, name, read_as):
                    path = below(folder, name)
                    ledger.not_read.append((path, _odd(ledger.root / path, path, name)))
                    parts[name] = {}
            ledger.runs[folder] = _run(folder, parts[METADATA], parts[SUMMARY], status)


def _breaks(folder: str, name: str, document: Mapping[str, Any]) -> bool:
    try:
        _run(folder, *((document, {}) if name == METADATA else ({}, document)), None)
    except (KeyError, TypeError, AttributeError, ValueError):
        return True
    return False


def _run(folder: str, metadata: Mapping[str, Any], summary: Mapping[str, Any], status: str | None) -> Run:
    about, told = below(folder, METADATA), below(folder, SUMMARY)
    models = tuple(
        Named(_text(one["name"]), _digest(one["weights"]), _digest(one["tree"]), folder, Place(about, f"/models/{i}/weights", one["weights"]))
        for i, one in enumerate(metadata["models"] if metadata else ())
    )  # fmt: skip
    files = [
        Taken(_text(one["name"]), _digest(one["digest"]), Place(about, f"/files/{i}/digest", one["digest"]))
        for i, one in enumerate(metadata.get("files", ()))
    ]
    if script := metadata.get("script"):
        taken = Taken(
            _text(script["path"]), _digest(script["digest"]), Place(about, "/script/digest", script["digest"])
        )
        files.append(taken)
    return Run(
        path=folder,
        run_id=_text((metadata or summary)["run_id"]) if metadata or summary else None,
        name=_text(metadata["name"]) if metadata else posixpath.basename(folder),
        status=status or (_text(summary["status"]) if summary else None),
        seed=metadata.get("seed"),
        commit=(metadata.get("git") or {}).get("commit"),
        models=models,
        files=tuple(files),
        stages=tuple(_stage(told, i, one) for i, one in enumerate(summary["stages"] if summary else ())),
    )


def _stage(path: str, number: int, record: Mapping[str, Any]) -> Stage:
    at = f"/stages/{number}"
    return Stage(
        _text(record["name"]),
        {
            name: (_digest(value), Place(path, f"{at}/inputs{pointer(name)}", value))
            for name, value in record["inputs"].items()
        },
        tuple(
            Output(
                _text(one["path"]),
                _digest(one["digest"]),
                one["contract"],
                Place(path, f"{at}/outputs{pointer(name)}/digest", one["digest"]),
            )
            for name, one in record["outputs"].items()
        ),
        record.get("key"),
        (record.get("cached") or {}).get("run_id"),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


@functools.cache
def _digest(value: Any) -> str:
    if not DIGEST.fullmatch(value):
        raise ValueError
    return str(value)


def _model(ledger: Ledger, path: str, document: Any) -> None:
    folder = posixpath.dirname(path)
    run, stage = _inside(ledger, folder)
    base, training, selection = document["base"], document["training"], document["selection"]
    exported_to = document["exported_to"]
    ledger.made.append(
        Made(
            at=path,
            folder=folder,
            run=run,
            stage=stage,
            role=_text(document["role"]),
            step=document["step"],
            weights=_digest(document["weights"]),
            tree=_digest(document["tree"]),
            base=(_text(base["name"]), _digest(base["weights"])) if base else None,
            trained_by=_text(training["run_id"]) if training else None,
            commit=training["commit"] if training else None,
            hard_negatives=bool(training["hard_negatives"]) if training else None,
            seed=training.get("seed") if training else None,
            chosen_by=_text(selection["metric"]) if selection else None,
            exported_to=_text(exported_to) if exported_to else None,
        )
    )


def _inside(ledger: Ledger, folder: str) -> tuple[str | None, str | None]:
    """The run that a folder is part of, and the stage that wrote it."""
    head, found, rest = folder.rpartition("/stages/")
    if not found and folder.startswith("stages/"):
        head, rest = "", folder.removeprefix("stages/")
    return (head, rest.partition("/")[0]) if rest and head in ledger.runs else (None, None)


def _index(ledger: Ledger, path: str, document: Any) -> None:
    run, stage = _inside(ledger, posixpath.dirname(path))
    key, told = f"index:{path}", document["fingerprint"]
    encoder, corpus = told.get("encoder") or {}, told.get("corpus") or {}
    weights, read_from, file = encoder.get("weights"), corpus.get("digest"), _digest(document["digest"])
    ledger.indexes.append(Index(path, run, stage, weights, read_from, file, encoder.get("name")))

    def link(on: str | None, thing: str, how: str, where: str, text: str | None = None) -> None:
        if on and thing:
            ledger.links.append(Link(on, thing, how, Place(path, where, text or on)))

    link(weights and _digest(weights), key, "its vectors were made by these weights", "/fingerprint/encoder/weights")
    link(read_from and _digest(read_from), key, "holds this corpus", "/fingerprint/corpus/digest")
    if run is not None and stage is not None:
        link(f"stage:{run}#{stage}", key, f"written by stage {stage}", "/digest", file)
    link(file, key, "its file", "/digest")
    if ids := document.get("ids"):
        link(_digest(ids["digest"]), key, "its ids", "/ids/digest")
    if files := document.get("files"):
        link(_digest(files["digest"]), key, "its files", "/files/digest")
        for number, one in enumerate(files["listing"]):
            link(_digest(one["digest"]), key, f"its file {one['name']}", f"/files/listing/{number}/digest")


def _matrix(ledger: Ledger, path: str, document: Any) -> None:
    key, folder = f"matrix:{path}", posixpath.dirname(path)
    rows = []
    for number, one in enumerate(document["experiments"]):
        run, at = below(folder, _text(one["run_dir"])), f"/experiments/{number}"
        place = Place(path, f"{at}/run_dir", one["run_dir"])
        rows.append(Row(_text(one["label"]), run, one["run_id"], place))
        ledger.links.append(Link(f"run:{run}", key, f"its run {one['label']}", place))
        for other, model in enumerate(one["models"]):
            for field in ("weights", "tree"):
                if model[field]:
                    place = Place(path, f"{at}/models/{other}/{field}", _digest(model[field]))
                    ledger.links.append(Link(model[field], key, f"a model of its run {one['label']}", place))
        if config := one["base_config"]:
            _config(ledger, key, path, f"{at}/base_config", config)
    for name in ("base_config", "matrix_config"):
        if document[name]:
            _config(ledger, key, path, f"/{name}", document[name])
    ledger.matrices.append(Matrix(path, _text(document["matrix_id"]), tuple(rows)))


def _config(ledger: Ledger, key: str, path: str, at: str, config: Mapping[str, Any]) -> None:
    place = Place(path, f"{at}/digest", _digest(config["digest"]))
    ledger.links.append(Link(place.text, key, f"its config {config['path']}", place))


def _seal(ledger: Ledger, path: str, document: Any) -> None:
    stated = document.get("predicate") if isinstance(document, dict) else None
    if not isinstance(stated, dict) or str(stated.get("schema")).partition("/")[0] not in ("seal", "matrix_seal"):
        return  # others call a file so, too
    key, reference = f"seal:{path}", stated.get("reference")
    run_id = (stated.get("run") or {}).get("run_id")
    ledger.seals.append(Seal(path, run_id, _text(stated["verdict"]), reference and reference["run_id"]))
    for number, one in enumerate(document["subject"]):
        value = one["digest"]["sha256"]
        place = Place(path, f"/subject/{number}/digest/sha256", value)
        ledger.links.append(Link(_digest(f"sha256:{value}"), key, f"binds {one['name']}", place))
    if reference:
        for name in ("digest", "weights"):
            if value := reference.get(name):
                at = Place(path, f"/predicate/reference/{name}", _digest(value))
                ledger.links.append(Link(value, key, f"compares with the run {reference['name']}", at))
    for part in ("lineage", "models"):
        for number, line in enumerate(stated.get(part) or ()):
            if value := line.get("weights"):
                at = Place(path, f"/predicate/{part}/{number}/weights", _digest(value))
                ledger.links.append(Link(value, key, f"states it as {line.get('role') or line.get('path')}", at))
    if matrix := stated.get("matrix"):
        at = Place(path, "/predicate/matrix/folder", _text(matrix["folder"]))
        folder = posixpath.dirname(posixpath.dirname(path))
        ledger.links.append(Link(f"matrix:{below(folder, MATRIX)}", key, "seals it", at))


def _link_runs(ledger: Ledger) -> None:
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
