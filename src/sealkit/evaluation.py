"""What a run measured item by item, derived again from its rows: queries that were ranked, samples that were imputed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from sealkit import digest, imputation, measures
from sealkit.artifact import Artifact
from sealkit.check import View
from sealkit.rundir import Run

Values = Mapping[str, Mapping[str, float]]
# What two runs can be compared by, a sample at a time: each has equally many positions, so that the mean over samples is the
# reported value. The mean of F1 over samples is not the pooled F1.
PER_SAMPLE = "concordance"


@dataclass(frozen=True)
class Evaluation:
    """One evaluated set: what it was measured `on`, by digest (None: not known), with which measures, and how to take them again.

    `items` are queries or samples. `values(run)` gives metric key → item → value; the truth about samples is that of the panel of
    the run that it is given. It raises ReadError, and ValueError where rows do not fit that panel.
    """

    name: str
    items: str
    on: Mapping[str, str | None]
    measures: tuple[str, ...]
    values: Callable[[Run], Values]


@dataclass(frozen=True)
class Imputed:
    """What one stage imputed of a part of a panel: the rows, and the panel that it was given."""

    stage: str
    subset: str
    rows: Artifact
    haplotypes: Artifact
    variants: Artifact

    def scores(self) -> imputation.Scores:
        """Raises ValueError where the rows do not fit the panel."""
        panel, known, said = ((row for _, row in one.rows()) for one in (self.haplotypes, self.variants, self.rows))
        return imputation.score_rows(panel, known, said, self.subset.partition(".")[0])


def imputed(run: Run | View) -> Iterator[Imputed]:
    """Each stage that imputed a part of a panel, where rows and panel are in the run."""
    for name, stage in run.wired("haplotypes", "variants"):
        rows, subset = run.produced(f"{name}.imputed_alleles"), stage["with"].get("subset")
        haplotypes, variants = (run.produced(stage["in"][key]) for key in ("haplotypes", "variants"))
        if rows is not None and subset is not None and haplotypes is not None and variants is not None:
            yield Imputed(name, subset, rows, haplotypes, variants)


def evaluations(run: Run) -> Iterator[Evaluation]:
    """Every evaluated set of a run that kept its rows. Raises ReadError, and ValueError for rows that cannot be scored."""
    stages = {stage["name"]: stage["inputs"] for stage in (run.document("summary") or {}).get("stages", [])}
    yield from _ranked(run, stages)
    yield from _imputed(run, stages)


def _ranked(run: Run, stages: Mapping[str, Mapping[str, str]]) -> Iterator[Evaluation]:
    wiring = dict(run.wired())
    for _, stage in run.wired("rankings", "qrels"):
        rankings, qrels = run.produced(stage["in"]["rankings"]), run.produced(stage["in"]["qrels"])
        if rankings is None or qrels is None:
            continue
        search = stage["in"]["rankings"].partition(".")[0]
        index = wiring.get(search, {}).get("in", {}).get("index", "").partition(".")[0]
        on = {
            "judgments": run.digest(qrels.path),
            "queries": stages.get(search, {}).get("queries"),
            "corpus": stages.get(search, {}).get("corpus") or stages.get(index, {}).get("corpus"),
        }
        subset, names = stage["with"]["subset"], tuple(stage["with"]["measures"])
        yield Evaluation(subset, "queries", on, names, _per_query(subset, names, rankings, qrels))


def _per_query(subset: str, names: tuple[str, ...], rankings: Artifact, qrels: Artifact) -> Callable[[Run], Values]:
    @cache
    def taken() -> Values:
        judged = measures.judgments(row for _, row in qrels.rows())
        ranked = measures.by_query(row for _, row in rankings.rows())
        found = measures.per_query(names, ranked, judged)
        return {f"retrieval/{subset}/{measure}": per_query for measure, per_query in found.items()}

    return lambda run: taken()  # which panel it is asked by makes no difference to queries


def _imputed(run: Run, stages: Mapping[str, Mapping[str, str]]) -> Iterator[Evaluation]:
    for name, stage in run.wired("haplotypes", "variants"):
        rows, subset = run.produced(f"{name}.imputed_alleles"), stage["with"].get("subset")
        if rows is None or subset is None:
            continue
        inputs, windows = stages.get(name, {}), imputation.windows(row for _, row in rows.rows())
        on = {
            "haplotypes": inputs.get("haplotypes"),
            "variants": inputs.get("variants"),
            "positions": digest.of_value({str(n): window.positions.tolist() for n, window in windows.items()}),
            "samples": digest.of_value({str(n): sorted(window.haplotypes) for n, window in windows.items()}),
        }
        yield Evaluation(f"genotype/{subset}", "samples", on, (PER_SAMPLE,), _per_sample(subset, on, windows))


def _per_sample(
    subset: str, on: Mapping[str, str | None], windows: Mapping[int, imputation.Window]
) -> Callable[[Run], Values]:
    def values(run: Run) -> Values:
        panel, known = (_held(run, kind, on[kind]) for kind in ("haplotypes", "variants"))
        haplotypes = imputation.haplotypes((row for _, row in panel.rows()), {subset.partition(".")[0]})
        scores = imputation.score(haplotypes, imputation.variants(row for _, row in known.rows()), windows)
        return {f"genotype/{subset}/{PER_SAMPLE}": scores.per_sample()[PER_SAMPLE]}

    return values


def _held(run: Run, kind: str, value: str | None) -> Artifact:
    """The artifact of a kind and a digest, whatever the stage is called that made it. Raises ValueError where there is none."""
    found = next((artifact for artifact in run.all(kind) if run.digest(artifact.path) == value), None)
    if found is None:
        raise ValueError(f"the {kind} that were imputed are not in the run")
    return found
