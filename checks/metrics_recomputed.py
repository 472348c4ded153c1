"""Every retrieval metric comes out again from the rankings and the judgments."""

import math
from collections.abc import Iterator

from sealkit import Artifact, Blocked, Check, Finding, Severity, View, measures

TOLERANCE = 1e-9
ELSEWHERE = "genotype/"  # these are derived from other rows: imputation-recomputed


def find(run: View) -> Iterator[Finding]:
    metrics = run.one("metrics")
    derived: set[str] = set()
    for name, stage in run.wired("rankings", "qrels"):
        subset = stage["with"]["subset"]
        rankings, qrels = run.produced(stage["in"]["rankings"]), run.produced(stage["in"]["qrels"])
        if rankings is None or qrels is None:
            continue
        values = recompute(rankings, qrels, asked(metrics, subset, stage["with"]["measures"]))
        for measure, per_query in values.items():
            key, mean = f"retrieval/{subset}/{measure}", measures.mean(per_query)
            derived.add(key)
            reported = metrics.document.get(key)
            also = (rankings.at(), qrels.at())
            if reported is None and run.one("summary").document["status"] == "running":
                raise Blocked(f"{key} is not there yet: the run was cut off, or goes on", "run the config to its end")
            if reported is None:
                yield Finding(
                    f"{key} was to be measured and is not there; its rows give {mean!r}", metrics.at(), also=also
                )
            elif not math.isclose(reported, mean, rel_tol=0, abs_tol=TOLERANCE):
                message = f"{key} is {reported!r}; {rankings.path} and {qrels.path} give {mean!r}"
                yield Finding(message, metrics.at(key), also=also, fix=f'"{key}": {mean!r}')
        rows = run.produced(f"{name}.per_query_metrics")
        if rows is not None:
            yield from differing_rows(rows, {name: values[name] for name in stage["with"]["measures"]})
    for key in metrics.document:
        family = run.metric_keys.find(key)
        if family is not None and family.derivable and key not in derived and not key.startswith(ELSEWHERE):
            yield Finding(
                f"{key} is taken on trust: no rankings and judgments stand behind it",
                metrics.at(key),
                severity=Severity.WARNING,
                fix="keep the rankings and the judgments in the run",
            )


def asked(metrics: Artifact, subset: str, names: list[str]) -> list[str]:
    """The measures that the stage was to report, and whatever else stands in the metrics for its queries."""
    prefix = f"retrieval/{subset}/"
    reported = [key.removeprefix(prefix) for key in metrics.document if key.startswith(prefix)]
    return [*names, *(name for name in reported if name not in names and measures.known(name))]


def recompute(rankings: Artifact, qrels: Artifact, names: list[str]) -> dict[str, dict[str, float]]:
    return measures.per_query(
        names, measures.by_query(row for _, row in rankings.rows()), measures.judgments(row for _, row in qrels.rows())
    )


def differing_rows(rows: Artifact, values: dict[str, dict[str, float]]) -> Iterator[Finding]:
    missing = {(query, measure) for measure, per_query in values.items() for query in per_query}
    wrong = 0
    for line, row in rows.rows():
        missing.discard((row["query_id"], row["measure"]))
        expected = values.get(row["measure"], {}).get(row["query_id"])
        if expected is not None and math.isclose(row["value"], expected, rel_tol=0, abs_tol=TOLERANCE):
            continue
        wrong += 1
        if wrong <= 3:
            gives = (
                "nobody judged that query or asked for that measure"
                if expected is None
                else f"its ranking gives {expected!r}"
            )
            message = f"{row['measure']} of query {row['query_id']} is {row['value']!r}; {gives}"
            yield Finding(message, rows.at(line=line))
    if wrong > 3:
        yield Finding(f"and {wrong - 3} further rows differ", rows.at())
    if missing:
        query, measure = min(missing)
        yield Finding(f"{len(missing)} values are absent, the first {measure} of query {query}", rows.at())


CHECK = Check(
    since="0.1.0",
    title="Metrics come out again from their rows",
    why="Reported metrics did not equal what the per-query files gave: unanswered queries had been dropped, the ideal "
    "order built from retrieved documents (spiceai#12277, memorybench#67, inspect_evals#1610).",
    fix="evaluate again and report what the rows give",
    reads={"metrics": 1, "resolved_config": 1, "summary": 1, "rankings?": 1, "qrels?": 1, "per_query_metrics?": 1},
    find=find,
)
