"""The sections of SEAL.md of a matrix on where its models come from: what each run loaded, the trainings, the lineage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sealkit.render import matrix_models as model_words
from sealkit.render import matrix_words as words
from sealkit.render.matrix_models import ROLES
from sealkit.render.seal import bullets, cell, code, table
from sealkit.trees.words import listed

DIGITS = 12  # of a digest, where people compare by eye


def models(predicate: Mapping[str, Any]) -> str:
    folder = predicate["matrix"]["folder"]
    runs = predicate["runs"]
    if not model_words.with_models(runs):
        return model_words.NO_MODELS
    agree = [
        [
            cell(model_words.called(run, runs)),
            cell(words.value(run["mode"])),
            code(model["value"]) if (model := model_words.loaded(run)) else "",
            *(_same(run["model"][role], model) for role in ROLES),
            _short(run["model"]["weights"]),
            _short(words.value(run["model"]["recorded"])),
            f"**{model_words.AGREE[False]}**"
            if run["model"]["agree"] is False
            else model_words.AGREE[run["model"]["agree"]],
        ]
        for run in runs
    ]
    places = [
        [cell(model_words.called(run, runs)), *(_briefly(run["model"][role], folder) for role in (*ROLES, "recorded"))]
        for run in runs
    ]
    heads = ["run", "mode", "model", *ROLES, "weights now", "digest", "agree"]
    return "\n\n".join(
        [
            table(heads, agree),
            model_words.LEGEND,
            f"Where they say so; `{words.ABOVE}` is {code(folder + '/')}:",
            table(["run", *ROLES, "digest"], places),
        ]
    )


def _same(said: Mapping[str, Any] | None, model: Mapping[str, Any] | None) -> str:
    if said is None:
        return ""
    return "`=`" if model and said["value"] == model["value"] else code(said["value"])


def _short(digest: str | None) -> str:
    return code(digest.removeprefix("sha256:")[:DIGITS]) if digest else ""


def _briefly(said: Mapping[str, Any] | None, folder: str) -> str:
    return code(words.shortened(words.where(said["at"]), folder)) if said else ""


def trainings(predicate: Mapping[str, Any]) -> str:
    return "\n\n".join(_training(one, predicate["models"]) for one in predicate["trainings"]) or _no_training(predicate)


def _training(one: Mapping[str, Any], models: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        ["base", named(one["base"])],
        ["commit", named(one["commit"]) or "not recorded"],
        ["seed", named(one["seed"]) or "not recorded"],
        ["selected by", named(one["selected_by"]) or "not told"],
        ["best", _best(one["best"])],
        ["last step", named(one["final_step"]) or "not told"],
        ["exported", named(one["exported"]) or "not told"],
        *(["exported to", code(path) + _twins(model_words.same(path, one, models))] for path in one["exports"]),
        ["checkpoints kept", ", ".join(map(code, model_words.by_number(one["checkpoints"]))) or "none"],
        *([f"hard negatives: {by}", _switch(said)] for by, said in model_words.hard_negatives(one)),
        ["loaded by", cell(listed(one["runs"])) or "no run"],
    ]
    return f"### {cell(one['id'])}\n\n" + table(["", ""], rows)


def _twins(checkpoints: Sequence[str]) -> str:
    return f", the weights of {' and '.join(map(code, checkpoints))}" if checkpoints else ""


def _best(best: Mapping[str, Any]) -> str:
    if best["step"] is None:
        return "not told"
    value = f", {cell(best['metric'])} {best['value']}" if best["value"] is not None else ""
    return f"step {best['step']}{value}" + (f": {code(best['model'])}" if best["model"] else ": not kept")


def _switch(said: Mapping[str, Any] | None) -> str:
    return cell(model_words.switch(said)) + (f" ({place(said['at'])})" if said else "")


def _no_training(predicate: Mapping[str, Any]) -> str:
    return "No training was found behind the runs. " + looked(model_words.searched(predicate))


def lineage(predicate: Mapping[str, Any]) -> str:
    lines = [
        [
            line["role"],
            code(line["name"]),
            _short(line["weights"]) or "not here",
            code(line["training"]) if line["training"] else "",
            cell(listed(line["runs"])) or "no run",
            place(line["at"]),
        ]
        if line["found"]
        else [line["role"], "none found", "", "", "", ""]
        for line in predicate["lineage"]
    ]
    absent = bullets(
        f"{line['role']}: none found. {looked(line['looked'])}" for line in predicate["lineage"] if not line["found"]
    )
    shown = table(["", "model", "weights", "made by", "loaded by", "it is said in"], lines)
    return "\n\n".join(filter(None, [shown, absent, _weights(predicate["models"])]))


def _weights(models: Sequence[Mapping[str, Any]]) -> str:
    """Every model that is named, by its weights: names in one row are one model."""
    rows = [
        [code(weights), ", ".join(code(model["path"]) for model in alike), cell(model_words.loaders(alike)) or "no run"]
        for weights, alike in model_words.copies(models)
    ] + [
        [cell(model["state"]), code(model["path"]), cell(model_words.loaders([model])) or "no run"]
        for model in model_words.absent(models)
    ]
    return (
        "Names with the same weights are one model:\n\n" + table(["weights", "names", "loaded by"], rows)
        if rows
        else ""
    )


def place(at: Mapping[str, Any]) -> str:
    return code(words.where(at))


def named(said: Mapping[str, Any] | None) -> str:
    return f"{code(words.value(said)) or 'none'} ({place(said['at'])})" if said else ""


def looked(where: Iterable[str]) -> str:
    return f"Looked in {', '.join(map(code, where)) or 'no file'}."
