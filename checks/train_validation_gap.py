"""What is measured on the training part and on held-out data does not come apart, unless the config says how far it may."""

from collections.abc import Iterator

from sealkit import Blocked, Check, Finding, HistoryBand, Severity, View, judge_band

HELD_OUT = ("validation", "dev")
# Where validation F1 went 0.95, 0.86, 0.44, 0.22 the training looked fine all along: the gap was some 0.09 before anything could be
# told, and 0.5 an epoch later. What a model was trained on it knows better without a fault, so that the band is twice
# that of metric-collapse, and counts only what lies behind: early epochs are often better on the held-out data.
GAP = 0.2
COUNTED = "genotype/"  # thousands of alleles; a development set of retrieval may be ten queries
ON_BOTH = "/F1"  # what a genotype training measures on both parts, in every epoch


def find(run: View) -> Iterator[Finding]:
    expect = run.one("resolved_config").document["config"].get("expect") or []
    own = [
        {entry["history"], entry["gap_to"]}
        for entry in expect
        if isinstance(entry, dict) and "history" in entry and "gap_to" in entry
    ]
    smoke = run.one("run_metadata").document["purpose"] == "smoke"
    alone = []
    for history in run.all("metric_history"):
        keys = dict.fromkeys(row["key"] for _, row in history.rows())
        for key, other, better in pairs(run, keys):
            if {key, other} in own:
                continue
            if other not in keys:
                if key.startswith(COUNTED) and key.endswith(ON_BOTH):
                    alone.append(f"{history.path}: {key} without {other}")
                continue
            band = {"history": key, "gap_to": other, "at_most": GAP, "better": better}
            judged = judge_band(run.run, HistoryBand.model_validate(band), history.path)
            if judged.status == "failed" and judged.also:  # a key that begins later has nothing to be held against
                yield Finding(
                    f"{key} lies behind {other} by {judged.found}: more than {GAP:g}",
                    judged.also[0],
                    also=judged.also[1:],
                    severity=None if key.startswith(COUNTED) and not smoke else Severity.WARNING,
                    fix="see what differs between the two parts: masks, preparation, samples; if they may lie so far apart, say so "
                    f"in the config: expect: [{{history: {key}, gap_to: {other}, at_most: …, better: {better}}}]",
                )
    if alone:
        raise Blocked(f"{'; '.join(alone)}: how far they lie apart is unknown", "measure both in each epoch")


def pairs(run: View, keys: dict[str, None]) -> Iterator[tuple[str, str, str]]:
    """(held-out key, training key, the better direction) of the ratios that were measured on held-out data."""
    for key in keys:
        family = run.metric_keys.find(key)
        match = family.match(key) if family is not None else None
        if family is None or match is None or match.groupdict().get("subset") not in HELD_OUT:
            continue
        if family.direction != "none" and (family.low, family.high) == (0, 1):
            yield key, f"{key[: match.start('subset')]}train{key[match.end('subset') :]}", family.direction


CHECK = Check(
    since="0.2.0",
    title="Training and validation do not come apart",
    why="A score was 0.78 on the training set and 0.04 on the other, and the script that measured was at fault; an error of 0.3 was "
    "features computed otherwise for the two (knowledgetechnologyuhh/OMGEmotionChallenge#4, RockStarCoders/alienMarkovNetworks#31).",
    fix="see what differs between the two parts: masks, preparation, samples",
    reads={"metric_history": 1, "resolved_config": 1, "run_metadata": 1},
    find=find,
)
