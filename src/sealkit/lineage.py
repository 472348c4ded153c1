"""Which model came from which: the lines from the base before fine-tuning to what was trained from it, by weight digest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sealkit.artifact import Artifact
from sealkit.rundir import Run


def manifests(run: Run) -> Iterator[Artifact]:
    """The model manifests of a run that keep their contract."""
    return (artifact for artifact in run.all("model_manifest") if not artifact.problems)


def exported(run: Run) -> list[Artifact]:
    """The manifests of models that the run put outside of itself."""
    return [artifact for artifact in manifests(run) if artifact.document["exported_to"] is not None]


def lines(run: Run, reference: Run | None) -> list[dict[str, Any]]:
    """The three lines that a reader looks for: pre-FT, post-FT, HN-FT; an absent one says where it was looked for."""
    runs = [run] if reference is None else [run, reference]
    searched = [f"run {_name(one)}" for one in runs]
    trained = [artifact for artifact in manifests(run) if artifact.document["training"]]
    plain = [artifact for artifact in trained if not artifact.document["training"]["hard_negatives"]]
    hard = [
        artifact
        for one in runs
        for artifact in manifests(one)
        if (artifact.document["training"] or {}).get("hard_negatives")
    ]
    return [
        _base(runs, trained) or _absent("pre-FT", searched),
        _line("post-FT", _preferred(plain)) if plain else _absent("post-FT", searched),
        _line("HN-FT", _preferred(hard)) if hard else _absent("HN-FT", searched),
    ]


def _name(run: Run) -> str:
    return str((run.document("run_metadata") or {}).get("name", "?"))


def _preferred(artifacts: list[Artifact]) -> Artifact:
    """What left the run, else its best checkpoint, else the last one. Of two that lie outside, the one that was not chosen from
    others but made of the choice: what a script exported, and not the checkpoint that it exported.
    """
    rank = {"best": 1, "final": 2}
    return min(
        artifacts,
        key=lambda a: (
            a.document["exported_to"] is None,
            rank.get(a.document["role"], 3),
            a.document["selection"] is not None,
            a.path,
        ),
    )


def _base(runs: list[Run], trained: list[Artifact]) -> dict[str, Any] | None:
    known = [artifact for artifact in trained if artifact.document["base"]]
    if known:
        base = known[0].document["base"]
        return _entry("pre-FT", name=base["name"], weights=base["weights"], place=known[0].path)
    for run in runs:
        for model in (run.document("run_metadata") or {}).get("models", []):
            return _entry("pre-FT", name=model["name"], weights=model["weights"], place="run_metadata.json")
    return None


def _line(role: str, artifact: Artifact) -> dict[str, Any]:
    manifest = artifact.document
    return _entry(
        role,
        name=manifest["exported_to"] or artifact.path.rpartition("/")[0],
        weights=manifest["weights"],
        run_id=manifest["training"]["run_id"],
        commit=manifest["training"]["commit"],
        place=artifact.path,
    )


def _absent(role: str, searched: list[str]) -> dict[str, Any]:
    return {**_entry(role), "found": False, "searched": searched}


def _entry(role: str, **known: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {
        "name": None,
        "weights": None,
        "run_id": None,
        "commit": None,
        "place": None,
        "searched": [],
    }
    return {"role": role, "found": True, **empty, **known}
