"""No metric of the training falls far behind its best, unless the config says how far it may; and no epoch of it is left out."""

from collections.abc import Iterator

from sealkit import Artifact, Check, Finding, HistoryBand, Severity, View, judge_band

# Validation F1 went 0.95, 0.86, 0.44, 0.22 where each epoch was searched with another mask than the index was built with. The first
# step of that fall, 0.09, is what a training may do without a fault; the next one, 0.51 behind the best, is not. The band lies
# at the near end of what is between them, since to stop an epoch late costs more than to look at a curve.
FALL = 0.1
# Genotype metrics count thousands of alleles: 0.1 is no chance. A development set of retrieval may be ten queries.
COUNTED = "genotype/"


def find(run: View) -> Iterator[Finding]:
    expect = run.one("resolved_config").document["config"].get("expect") or []
    own = [
        entry["history"]
        for entry in expect
        if isinstance(entry, dict) and "history" in entry and "fall_from_best" in entry
    ]
    smoke = run.one("run_metadata").document["purpose"] == "smoke"
    for history in run.all("metric_history"):
        for key in dict.fromkeys(row["key"] for _, row in history.rows()):
            family = run.metric_keys.find(key)
            bounded = family is not None and family.direction != "none" and (family.low, family.high) == (0, 1)
            if not bounded or key in own:
                continue
            judged = judge_band(run.run, HistoryBand(history=key, fall_from_best=FALL), history.path)
            if judged.status == "failed":
                yield Finding(
                    f"{key} is {judged.found}: more than {FALL:g} behind its best",
                    judged.also[0],
                    also=judged.also[1:],
                    severity=None if key.startswith(COUNTED) and not smoke else Severity.WARNING,
                    fix=f"see what differs between these epochs: masks, index, data; if it may fall so far, say so in the config: "
                    f"expect: [{{history: {key}, fall_from_best: …}}]",
                )
        yield from left_out(run, history)


def left_out(run: View, history: Artifact) -> Iterator[Finding]:
    """Epochs that a genotype training does not tell of: it measures each of its keys in all of them. Others measure by step."""
    told: dict[str, set[float | None]] = {}
    for _, row in history.rows():
        told.setdefault(row["key"], set()).add(row["epoch"])
    epochs = {epoch or 0 for own in told.values() for epoch in own}
    stage, last = run.maker(history) or "", int(max(epochs, default=0))
    counter = f"{stage}.epochs"
    counts = [one for one in run.all("summary") if counter in one.document["counters"]]
    ours = dict(run.wired()).get(stage, {}).get("uses", "").startswith("genotype.")
    if not (ours or any(key.startswith(COUNTED) for key in told)):
        return
    if not counts and any(epoch < 1 or epoch % 1 for epoch in epochs):
        return
    fix = "keep the history as the training wrote it"
    for summary in counts:
        if (count := summary.document["counters"][counter]) != last:
            also = (summary.at("counters", counter),)
            yield Finding(
                f"ends with epoch {last}, and the training had {count}", history.at(), None, also, fix, firm=True
            )
    for key, own in told.items():
        missing = next((epoch for epoch in range(1, last + 1) if epoch not in own), None)
        if missing is not None:
            message = f"has no {key} of epoch {missing}, and goes on to epoch {last}"
            yield Finding(message, history.at(), fix=fix, firm=True)


CHECK = Check(
    since="0.2.0",
    title="No metric collapsed during training",
    why="Validation F1 fell from 0.95 to 0.22 in four epochs while the loss looked fine: each epoch redrew the mask that the index "
    "had been built with. Others saw it drop overnight too, and asked why (EliHei2/segger_dev#70, qubvel/segmentation_models#360).",
    fix="see what differs between the best epoch and the one behind it",
    reads={"metric_history": 1, "resolved_config": 1, "run_metadata": 1, "summary?~": 1},
    find=find,
)
