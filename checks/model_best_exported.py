"""The exported model is the checkpoint that the config names, and `best` is the best of the history: by weights."""

from collections.abc import Iterator
from typing import Any

from sealkit import Artifact, Check, Finding, Severity, View


def find(run: View) -> Iterator[Finding]:
    manifests = run.all("model_manifest")
    trained = [m for m in manifests if m.document["training"] and m.document["exported_to"] is None]
    steps = {m.document["step"]: m for m in trained if m.document["role"] == "step"}
    for best in (m for m in trained if m.document["role"] == "best"):
        yield from best_is_best(run, best, steps)
    promised = {name: stage["with"].get("which") for name, stage in run.wired("model")}
    for exported in (m for m in manifests if m.document["exported_to"] is not None):
        which = promised.get(exported.path.split("/")[1])
        yield from exported_is(exported, trained, which)


def best_is_best(run: View, best: Artifact, steps: dict[int, Artifact]) -> Iterator[Finding]:
    selection = best.document["selection"]
    if selection is None:
        yield Finding("does not say by what it was chosen", best.at("selection"), severity=Severity.WARNING)
        return
    rows = [
        (row, history.at(line=line))
        for history in run.all("metric_history")
        for line, row in history.rows()
        if row["key"] == selection["metric"]
    ]
    if not rows:
        yield Finding(
            f"no history of {selection['metric']} is kept, by which it was chosen", best.at("selection", "metric")
        )
        return
    sign = 1 if selection["direction"] == "higher" else -1
    top, place = max(rows, key=lambda pair: (sign * pair[0]["value"], -pair[0]["step"]))
    if (selection["step"], selection["value"]) != (top["step"], top["value"]):
        message = f"chosen at step {selection['step']} with {selection['value']!r}; the best was step {top['step']} with {top['value']!r}"
        yield Finding(message, best.at("selection", "step"), also=(place,), fix=f"take step_{top['step']}")
    step = steps.get(top["step"])
    if step is not None and step.document["weights"] != best.document["weights"]:
        yield Finding(
            f"its weights are not those of step {top['step']}, the best",
            best.at("weights"),
            also=(step.at("weights"), place),
        )


def exported_is(exported: Artifact, trained: list[Artifact], which: Any) -> Iterator[Finding]:
    def named(checkpoint: Artifact) -> str:
        return checkpoint.path.split("/")[-2]

    wanted = next((m for m in trained if named(m) == (which or "best")), None)
    if wanted is None or wanted.document["weights"] == exported.document["weights"]:
        return
    like = [named(m) for m in trained if m.document["weights"] == exported.document["weights"]]
    is_what = f"those of {' and '.join(sorted(like))}" if like else "of no checkpoint that the run kept"
    yield Finding(
        f"its weights are {is_what}, expected those of {named(wanted)}",
        exported.at("weights"),
        # Where the config promised nothing, to export another one is unusual and no breach.
        severity=None if which else Severity.WARNING,
        also=(wanted.at("weights"),),
        fix=f"export {named(wanted)} again",
    )


CHECK = Check(
    since="0.1.0",
    title="The exported model is the one that was promised",
    why="The final model was exported and the best ignored, or a failed load of the best was one log line "
    "(transformers#28500, GLiNER#159, Lightning#16979).",
    fix="export the promised checkpoint again, under another run name",
    reads={"model_manifest": 1, "resolved_config": 1, "metric_history?": 1},
    find=find,
)
