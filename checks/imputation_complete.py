"""Every haplotype of the part was imputed in every window, at just the positions that its mask hides."""

from collections.abc import Iterator, Mapping

import numpy as np

from sealkit import Artifact, Blocked, Check, Finding, View, imputation, mask_of_bits

INPUTS = ("haplotypes", "windows", "mask")
Held = dict[tuple[int, str], int]  # (window, haplotype) → line
Scored = dict[tuple[int, tuple[int, ...]], list[tuple[int, str]]]  # (window, positions) → [(line, haplotype), …]


def find(run: View) -> Iterator[Finding]:
    unknown: list[str] = []
    for name, stage in run.wired():
        imputed = run.produced(f"{name}.imputed_alleles")
        if imputed is None:
            continue
        subset = stage.get("with", {}).get("subset")
        haplotypes, windows, mask = (run.produced(stage["in"].get(key, "")) for key in INPUTS)
        if subset is None or haplotypes is None or windows is None or mask is None:
            unknown.append(name)
            continue
        held: Held = {}
        scored: Scored = {}
        for line, row in imputed.rows():
            held[row["window"], row["haplotype_id"]] = line
            scored.setdefault((row["window"], tuple(row["positions"])), []).append((line, row["haplotype_id"]))
        part = subset.partition(".")[0]
        asked = [row["haplotype_id"] for _, row in haplotypes.rows() if row["part"] == part]
        spans = imputation.spans(row for _, row in windows.rows())
        yield from windowless(mask, windows, spans)
        yield from uncovered(imputed, part, {(window, name): 0 for window in spans for name in asked}, held)
        yield from elsewhere(imputed, mask, spans, scored)
    if unknown:
        message = f"nobody can tell what {', '.join(unknown)} was to impute: no subset is named, or haplotypes, windows or mask"
        raise Blocked(f"{message} are not in the run", "keep the panel, its windows and the mask")


def windowless(mask: Artifact, windows: Artifact, spans: Mapping[int, tuple[int, int]]) -> Iterator[Finding]:
    """Windows that the mask hides positions of, and that were left out of all that was asked for."""
    if missing := sorted({row["window"] for row in mask.document["windows"]} - spans.keys()):
        message = f"{len(missing)} windows of the mask are not among the windows, the first window {missing[0]}"
        yield Finding(message, windows.at(), also=(mask.at("windows"),))


def uncovered(imputed: Artifact, part: str, asked: Held, held: Held) -> Iterator[Finding]:
    """What was to be imputed and was not, and what was imputed and is not of the part, or of no window."""
    if missing := [pair for pair in asked if pair not in held]:
        window, name = missing[0]
        message = f"{len(missing)} of {len(asked)} pairs of haplotype and window were not imputed"
        yield Finding(f"{message}, the first {name} in window {window}", imputed.at())
    if more := [(line, *pair) for pair, line in held.items() if pair not in asked]:
        line, window, name = min(more)
        message = f"{name} in window {window} was not to be imputed: no haplotype of the part {part}, or no such window"
        yield Finding(f"{message}; {len(more)} such rows", imputed.at(line=line))


def elsewhere(
    imputed: Artifact, mask: Artifact, spans: Mapping[int, tuple[int, int]], scored: Scored
) -> Iterator[Finding]:
    """Windows that were scored at other positions than their mask hides: leaving out what was hard must be noticed."""
    drawn = mask.document["windows"]
    if any("rows" in row for row in drawn):
        raise Blocked(
            f"{mask.path} hides other positions in each sequence; it does not say which in whose",
            "hide the same positions in every sequence of a window",
        )
    for (window, positions), rows in sorted(scored.items()):
        first, length = spans.get(window, (0, 0))
        if not length:
            continue
        hidden = np.isin(np.arange(first, first + length), positions)
        digest = mask_of_bits(hidden)["windows"][0]["digest"]
        own = [row for row in drawn if row["window"] == window]
        if hidden.sum() == len(positions) and digest in [row["digest"] for row in own] if own else not positions:
            continue
        count = own[0]["hidden"] if own else 0
        who = rows[0][1] + (f" and {len(rows) - 1} more" if len(rows) > 1 else "")
        hides = "others" if count == len(positions) else count
        message = f"window {window} of {who} was scored at {len(positions)} positions; {mask.path} hides {hides}"
        yield Finding(message, imputed.at(line=rows[0][0]), also=(mask.at("windows"),))


CHECK = Check(
    since="0.2.0",
    title="All that was hidden was imputed",
    why="An accuracy was that of 98 of 526,716 imputed variants, without a word about the others "
    "(TorkamaniLab/imputation_accuracy_calculator#7); what is left out can only be what was hard.",
    fix="evaluate again: each haplotype of the part, in each window, at the positions that the mask hides",
    reads={"imputed_alleles": 1, "resolved_config": 1, "haplotypes": 1, "windows": 1, "mask": 1},
    find=find,
)
