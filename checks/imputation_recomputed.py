"""Every genotype metric comes out again from the imputed alleles, and every recall of neighbours from the rankings."""

import math
from collections.abc import Iterator

from sealkit import Artifact, Blocked, Check, Finding, Severity, View, imputation, imputed

TOLERANCE = 1e-9
Values = dict[str, float | None]


def find(run: View) -> Iterator[Finding]:
    metrics = run.one("metrics")
    derived: set[str] = set()
    for subset, rows, message, values in (*scored(run), *retrieved(run, metrics)):
        if message:
            yield Finding(f"{rows.path} cannot be scored: {message}", rows.at())
            derived |= {key for key in metrics.document if key.startswith(f"genotype/{subset}/")}
        for measure, value in values.items():
            key = f"genotype/{subset}/{measure}"
            derived.add(key)
            yield from compared(run, metrics, key, value, rows)
    for key in metrics.document:
        if key.startswith("genotype/") and run.metric_keys.find(key) and key not in derived:
            yield Finding(
                f"{key} is taken on trust: no imputed alleles and no rankings stand behind it",
                metrics.at(key),
                severity=Severity.WARNING,
                fix="keep the imputed alleles, the rankings and the panel in the run",
            )


def compared(run: View, metrics: Artifact, key: str, value: float | None, rows: Artifact) -> Iterator[Finding]:
    reported = metrics.document.get(key)
    if reported is None and value is not None:
        if run.one("summary").document["status"] == "running":
            raise Blocked(f"{key} is not there yet: the run was cut off, or goes on", "run the config to its end")
        yield Finding(
            f"{key} was to be measured and is not there; its rows give {value!r}", metrics.at(), also=(rows.at(),)
        )
    elif reported is not None and value is None:
        message = f"{key} is {reported!r}; by {rows.path} it is undefined"
        yield Finding(
            message, metrics.at(key), also=(rows.at(),), fix="leave it out: a number that is undefined is none"
        )
    elif reported is not None and value is not None and not math.isclose(reported, value, rel_tol=0, abs_tol=TOLERANCE):
        message = f"{key} is {reported!r}; {rows.path} gives {value!r}"
        yield Finding(message, metrics.at(key), also=(rows.at(),), fix=f'"{key}": {value!r}')


def scored(run: View) -> Iterator[tuple[str, Artifact, str, Values]]:
    """(subset, rows, why they cannot be scored, measure → value) of each stage that imputed a part of the panel."""
    for one in imputed(run):
        try:
            found = one.scores().measures()
        except ValueError as error:
            yield one.subset, one.rows, str(error), {}
        else:
            yield one.subset, one.rows, "", {measure: found.get(measure) for measure in imputation.MEASURES}


def retrieved(run: View, metrics: Artifact) -> Iterator[tuple[str, Artifact, str, Values]]:
    """The same of each stage that retrieved the neighbours of a part: the recalls that it was to report, and those that it did."""
    for name, stage in run.wired("haplotypes", "windows"):
        rows, subset, top_k = run.produced(f"{name}.rankings"), stage["with"].get("subset"), stage["with"].get("top_k")
        haplotypes, windows = run.produced(stage["in"]["haplotypes"]), run.produced(stage["in"]["windows"])
        if rows is None or subset is None or haplotypes is None or windows is None:
            continue
        part, prefix = subset.partition(".")[0], f"genotype/{subset}/recall@"
        cut_offs = {int(key.removeprefix(prefix)) for key in metrics.document if key.startswith(prefix)}
        spans = imputation.spans(row for _, row in windows.rows())
        found: Values = {}
        try:
            panel = imputation.haplotypes((row for _, row in haplotypes.rows()), {"reference", part})
            for k in sorted(cut_offs | ({top_k} if top_k else set())):
                found[f"recall@{k}"] = imputation.recall(k, panel, part, spans, (row for _, row in rows.rows()))
        except ValueError as error:
            yield subset, rows, str(error), found
        else:
            yield subset, rows, "", found


CHECK = Check(
    since="0.2.0",
    title="Genotype metrics come out again from their rows",
    why="Users could not tell what a concordance was a ratio of, and values of rare bins were 0 or nan with nothing said "
    "(odelaneau/GLIMPSE#105, odelaneau/GLIMPSE#276).",
    fix="evaluate again and report what the rows give",
    reads={
        "metrics": 1,
        "resolved_config": 1,
        "summary": 1,
        "imputed_alleles?": 1,
        "haplotypes?": 1,
        "variants?": 1,
        "windows?": 1,
        "rankings?": 1,
    },
    find=find,
)
