"""No reported metric stands at the end of its range, where it cannot tell two models apart."""

import re
from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View

NEAR = 0.005  # of the range
ENOUGH = 10  # queries: fewer may well come out alike


def find(run: View) -> Iterator[Finding]:
    metrics, metadata = run.one("metrics"), run.one("run_metadata")
    if metadata.document["purpose"] == "smoke":
        return  # small on purpose, and no evidence whatever it measures
    rows, baselines = per_query(run), baselines_of(run)
    for key, value in metrics.document.items():
        family, values = run.metric_keys.find(key), rows.get(key)
        if family is None or not family.derivable or (values is not None and len(values) < ENOUGH):
            continue
        if key.startswith("genotype/") and by_construction(family.match(key), baselines):
            continue
        over = f" over {len(values)} queries" if values else ""
        low, high = family.low, family.high
        if low is not None and high is not None and min(value - low, high - value) <= NEAR * (high - low):
            top = high - value < value - low
            end, other = ("top", "better") if top else ("bottom", "worse")
            message = f"{key} is {value:.4g}{over}, the {end} of its range: a {other} model would look the same"
            fix = (
                f"report it with a {'smaller' if top else 'larger'} cut-off beside, or take other queries and documents"
            )
            fix = fix if "@" in key else "report a measure beside it that does not stand at its end"
            yield Finding(message, metrics.at(key), fix=fix)
        elif values and len(set(values)) == 1:
            yield Finding(f"{key} is {values[0]:.4g} for each of {len(values)} queries", metrics.at(key))


def by_construction(match: re.Match[str] | None, baselines: set[str]) -> bool:
    """Whether a genotype key is of a baseline (the major allele is never the minor one) or of one bin of allele frequencies (where
    hardly anybody has the minor allele, nearly all genotypes are right): what is measured beside them can tell models apart."""
    parts = match.groupdict() if match else {}
    return "bin" in parts or parts.get("subset") in baselines


def baselines_of(run: View) -> set[str]:
    """The subsets that were imputed by anything but a model, and by no model too."""
    settings = [stage.get("with", {}) for _, stage in run.wired("haplotypes")]
    by = [(one["subset"], one.get("by", "model") == "model") for one in settings if one.get("subset")]
    return {subset for subset, model in by if not model} - {subset for subset, model in by if model}


def per_query(run: View) -> dict[str, list[float]]:
    """Metric key → its values, one a query, where the rows are kept."""
    found: dict[str, list[float]] = {}
    for name, stage in run.wired("rankings", "qrels"):
        artifact = run.produced(f"{name}.per_query_metrics")
        for _, row in artifact.rows() if artifact else ():
            found.setdefault(f"retrieval/{stage['with']['subset']}/{row['measure']}", []).append(row["value"])
    return found


CHECK = Check(
    since="0.1.0",
    title="Metrics can still tell models apart",
    why="Two aligners both came out at 1.000 and were called equal; an all-tied ranking and a constant model had nDCG 1.0 "
    "(pytrec_eval#56, scholar#360).",
    fix="look at the rows: either the task is too easy, or every score is the same",
    reads={"metrics": 1, "run_metadata": 1, "resolved_config": 1, "per_query_metrics?": 1},
    find=find,
    severity=Severity.WARNING,
)
