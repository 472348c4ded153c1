"""What the documents of a workspace say, one kind of record each, as a ledger holds it.

What has not the shape of its contract raises KeyError, TypeError, AttributeError, ValueError or IndexError.
"""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Mapping
from typing import Any

from sealkit.finding import pointer
from sealkit.workspace.ledger import DIGEST, Index, Ledger, Link, Made, Matrix, Row
from sealkit.workspace.run import Named, Output, Place, Run, Stage, Taken, below

METADATA, SUMMARY, MATRIX = "run_metadata.json", "summary.json", "matrix.json"


def run(folder: str, metadata: Mapping[str, Any], summary: Mapping[str, Any], status: str | None) -> Run:
    about, told = below(folder, METADATA), below(folder, SUMMARY)
    models = tuple(
        Named(text(one["name"]), checked(one["weights"]), checked(one["tree"]), folder, Place(about, f"/models/{i}/weights", one["weights"]))
        for i, one in enumerate(metadata["models"] if metadata else ())
    )  # fmt: skip
    files = [
        Taken(text(one["name"]), checked(one["digest"]), Place(about, f"/files/{i}/digest", one["digest"]))
        for i, one in enumerate(metadata.get("files", ()))
    ]
    if script := metadata.get("script"):
        taken = Taken(text(script["path"]), checked(script["digest"]), Place(about, "/script/digest", script["digest"]))
        files.append(taken)
    return Run(
        path=folder,
        run_id=text((metadata or summary)["run_id"]) if metadata or summary else None,
        name=text(metadata["name"]) if metadata else posixpath.basename(folder),
        status=status or (text(summary["status"]) if summary else None),
        seed=metadata.get("seed"),
        commit=(metadata.get("git") or {}).get("commit"),
        models=models,
        files=tuple(files),
        stages=tuple(_stage(told, i, one) for i, one in enumerate(summary["stages"] if summary else ())),
        at=Place(about if metadata else told, "/run_id", (metadata or summary).get("run_id", "")),
    )


def _stage(path: str, number: int, record: Mapping[str, Any]) -> Stage:
    at = f"/stages/{number}"
    return Stage(
        text(record["name"]),
        {
            name: (checked(value), Place(path, f"{at}/inputs{pointer(name)}", value))
            for name, value in record["inputs"].items()
        },
        tuple(
            Output(
                text(one["path"]),
                checked(one["digest"]),
                one["contract"],
                Place(path, f"{at}/outputs{pointer(name)}/digest", one["digest"]),
            )
            for name, one in record["outputs"].items()
        ),
        record.get("key"),
        (record.get("cached") or {}).get("run_id"),
    )


def text(value: Any) -> str:
    """A text as it is; raises TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError
    return value


@functools.cache
def checked(value: Any) -> str:
    """A digest as it is; raises ValueError for what is none."""
    if not DIGEST.fullmatch(value):
        raise ValueError
    return str(value)


def model(ledger: Ledger, path: str, document: Any) -> None:
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
            role=text(document["role"]),
            step=document["step"],
            weights=checked(document["weights"]),
            tree=checked(document["tree"]),
            base=(text(base["name"]), checked(base["weights"])) if base else None,
            trained_by=text(training["run_id"]) if training else None,
            commit=training["commit"] if training else None,
            hard_negatives=bool(training["hard_negatives"]) if training else None,
            seed=training.get("seed") if training else None,
            chosen_by=text(selection["metric"]) if selection else None,
            exported_to=text(exported_to) if exported_to else None,
        )
    )


def _inside(ledger: Ledger, folder: str) -> tuple[str | None, str | None]:
    """The run that a folder is part of, and the stage that wrote it."""
    head, found, rest = folder.rpartition("/stages/")
    if not found and folder.startswith("stages/"):
        head, rest = "", folder.removeprefix("stages/")
    return (head, rest.partition("/")[0]) if rest and head in ledger.runs else (None, None)


def index(ledger: Ledger, path: str, document: Any) -> None:
    run, stage = _inside(ledger, posixpath.dirname(path))
    key, told = f"index:{path}", document["fingerprint"]
    encoder, corpus = told.get("encoder") or {}, told.get("corpus") or {}
    weights, read_from, file = encoder.get("weights"), corpus.get("digest"), checked(document["digest"])
    ledger.indexes.append(Index(path, run, stage, weights, read_from, file, encoder.get("name")))

    def link(on: str | None, thing: str, how: str, where: str, text: str | None = None) -> None:
        if on and thing:
            ledger.links.append(Link(on, thing, how, Place(path, where, text or on)))

    link(weights and checked(weights), key, "its vectors were made by these weights", "/fingerprint/encoder/weights")
    link(read_from and checked(read_from), key, "holds this corpus", "/fingerprint/corpus/digest")
    if run is not None and stage is not None:
        link(f"stage:{run}#{stage}", key, f"written by stage {stage}", "/digest", file)
    link(file, key, "its file", "/digest")
    if ids := document.get("ids"):
        link(checked(ids["digest"]), key, "its ids", "/ids/digest")
    if files := document.get("files"):
        link(checked(files["digest"]), key, "its files", "/files/digest")
        for number, one in enumerate(files["listing"]):
            link(checked(one["digest"]), key, f"its file {one['name']}", f"/files/listing/{number}/digest")


def matrix(ledger: Ledger, path: str, document: Any) -> None:
    key, folder = f"matrix:{path}", posixpath.dirname(path)
    rows = []
    for number, one in enumerate(document["experiments"]):
        run, at = below(folder, text(one["run_dir"])), f"/experiments/{number}"
        place = Place(path, f"{at}/run_dir", one["run_dir"])
        rows.append(Row(text(one["label"]), run, one["run_id"], place))
        ledger.links.append(Link(f"run:{run}", key, f"its run {one['label']}", place))
        for other, model in enumerate(one["models"]):
            for field in ("weights", "tree"):
                if model[field]:
                    place = Place(path, f"{at}/models/{other}/{field}", checked(model[field]))
                    ledger.links.append(Link(model[field], key, f"a model of its run {one['label']}", place))
        if config := one["base_config"]:
            _config(ledger, key, path, f"{at}/base_config", config)
    for name in ("base_config", "matrix_config"):
        if document[name]:
            _config(ledger, key, path, f"/{name}", document[name])
    ledger.matrices.append(Matrix(path, text(document["matrix_id"]), tuple(rows)))


def _config(ledger: Ledger, key: str, path: str, at: str, config: Mapping[str, Any]) -> None:
    place = Place(path, f"{at}/digest", checked(config["digest"]))
    ledger.links.append(Link(place.text, key, f"its config {config['path']}", place))
