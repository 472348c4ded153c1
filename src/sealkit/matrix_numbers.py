"""What is sealed of the numbers of a matrix: the comparison with its reference row, and the tables and figures made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sealkit import matrix_delta, matrix_pairs, matrix_record, matrix_runs, matrix_table
from sealkit.delta import RESAMPLES
from sealkit.figure_document import figure
from sealkit.matrix_pairs import Pairing
from sealkit.matrix_runs import Reported
from sealkit.metric_keys import MetricKeys
from sealkit.pack import Pack
from sealkit.table_document import of_comparison, of_table

NOTHING: Mapping[str, Any] = {}


def of_matrix(
    folder: Path,
    reference: str | None,
    pack: Pack,
    declared: Mapping[str, Any] | None = None,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """The numbers of a matrix folder of ours: {"comparison", "tables", "figures"}.

    `declared` holds `tables` ([{"name", "metrics", "labels"?}]) and `figures` (with a `kind`: bars or deltas); None: those that
    matrix.json has of its document. Where neither is there, a table `metrics` has the headline metrics of all rows, and two figures show the first that every row has. Raises
    UsageError where there is no matrix or no such reference row, and where a mean over repeats needs scipy.
    """
    runs = matrix_runs.from_matrix(folder, pack)
    headline = matrix_table.headline(runs)
    if declared is None:
        record = matrix_record.read(folder, pack)
        declared = {kind: record.get(kind, []) for kind in ("tables", "figures")}
    return _numbers(
        folder.resolve().name,
        runs,
        headline,
        reference,
        matrix_pairs.from_rows(),
        pack.metric_keys,
        declared,
        resamples,
    )


def of_evidence(
    evidence: Mapping[str, Any],
    reference: str | None,
    root: Path,
    keys: MetricKeys,
    declared: Mapping[str, Any] = NOTHING,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """The numbers of another tool's matrix, from an `evidence/v1` document; `root` is the folder that its paths are below.

    As `of_matrix`; without declarations the metrics are those that all runs with a summary share, or all, where they share none, and
    what is compared is the first measure of them at its largest cutoff.
    """
    runs = matrix_runs.from_evidence(evidence)
    shared = tuple(key for key in matrix_table.headline(runs) if _everywhere(runs, key))
    headline = shared or matrix_table.headline(runs)
    name = Path(evidence["matrix"]).name
    return _numbers(
        name,
        runs,
        headline,
        reference,
        matrix_pairs.from_files(root),
        keys,
        declared or {"compared": _main(headline)},
        resamples,
    )


def _main(keys: Sequence[str]) -> list[str]:
    """The metrics that a reader takes for the result, where nothing declares it: the measure that stands first, at its largest cutoff,
    of every subset."""
    if not keys:
        return []
    folder, first = _split(keys[0])
    kind = first.partition("@")[0]
    alike = [
        measure
        for key in keys
        for subset, measure in [_split(key)]
        if subset == folder and measure.partition("@")[0] == kind
    ]
    main = max(alike, key=lambda measure: int("".join(filter(str.isdigit, measure.partition("@")[2])) or 0))
    return [key for key in keys if _split(key)[1] == main]


def _split(key: str) -> tuple[str, str]:
    subset, _, measure = key.rpartition("/")
    return subset, measure


def _everywhere(runs: Sequence[Reported], metric: str) -> bool:
    return all(metric in one.values for one in runs if one.ended)


def _numbers(
    name: str,
    runs: Sequence[Reported],
    headline: tuple[str, ...],
    reference: str | None,
    pairing: Pairing,
    keys: MetricKeys,
    declared: Mapping[str, Any],
    resamples: int,
) -> dict[str, Any]:
    wanted = (
        declared
        if declared.get("tables") or declared.get("figures")
        else _default(runs, declared.get("compared", headline), headline, reference)
    )
    metrics = tuple(
        dict.fromkeys(key for kind in ("tables", "figures") for one in wanted.get(kind, ()) for key in one["metrics"])
    )
    compared = tuple(declared.get("compared", metrics))
    comparison = matrix_delta.compared(runs, reference, compared, pairing, keys, resamples) if reference else None
    tables = [_table(name, one, runs, comparison, keys) for one in wanted.get("tables", ())]
    if comparison:
        tables.append(of_comparison(comparison, f"{_caption(name, compared, runs, comparison)} {_test(comparison)}"))
    table = matrix_table.of_runs(runs, metrics)
    figures = []
    for one in wanted.get("figures", ()):
        caption = f"{_caption(name, one['metrics'], runs, comparison)} {_drawn(one, table, comparison)}".rstrip()
        figures.append(figure(one, table, comparison, caption, keys))
    return {"comparison": comparison, "tables": tables, "figures": figures}


def _table(
    name: str,
    declared: Mapping[str, Any],
    runs: Sequence[Reported],
    comparison: Mapping[str, Any] | None,
    keys: MetricKeys,
) -> dict[str, Any]:
    """A declared table, its rows in the order of the declaration; a label that the matrix does not have is told in a note."""
    labels = declared.get("labels") or list(dict.fromkeys(one.label for one in runs))
    shown = [one for label in labels for one in runs if one.label == label]
    caption = _caption(name, declared["metrics"], runs, comparison) + (f" {_bold(comparison)}" if comparison else "")
    table = matrix_table.of_runs(shown, declared["metrics"])
    found = of_table(table, declared["name"], caption, comparison, keys)
    found["notes"] += [
        f"{label}: the matrix has no such row" for label in labels if all(one.label != label for one in shown)
    ]
    return found


def _default(
    runs: Sequence[Reported], main: Sequence[str], headline: Sequence[str], reference: str | None
) -> dict[str, Any]:
    first = next((key for key in main if _everywhere(runs, key)), None)
    base = matrix_runs.referred(runs, reference) if reference else None
    against = any(one.label == base and first in one.values for one in runs)
    kinds = [] if first is None else ["bars", "deltas"] if against else ["bars"]
    return {
        "tables": [{"name": "metrics", "metrics": list(headline)}],
        "figures": [{"name": kind, "kind": kind, "metrics": [first]} for kind in kinds],
    }


def _caption(name: str, metrics: Sequence[str], runs: Sequence[Reported], comparison: Mapping[str, Any] | None) -> str:
    """What was measured, of how many queries, and against what."""
    counts = {one.queries[key] for one in runs for key in metrics if key in one.queries}
    counts |= {one["n"] for one in (comparison or {"rows": []})["rows"] if one["metric"] in metrics and one["n"]}
    items = "samples" if all(key.startswith("genotype/") for key in metrics) else "queries"
    what = ", ".join(metrics) if len(metrics) <= 3 else f"{len(metrics)} metrics"
    n = f", n = {counts.pop()} {items}" if len(counts) == 1 else ""
    against = f", reference {comparison['reference']}" if comparison else ""
    return f"{what} of the matrix {name}{n}{against}."


def _bold(comparison: Mapping[str, Any]) -> str:
    if not comparison["family"]["size"]:
        return "No difference to the reference was tested."
    return "Bold: the best of a column, where it is told from the reference (p after Holm at most 0.05)."


def _test(comparison: Mapping[str, Any]) -> str:
    family = comparison["family"]
    if not family["size"]:
        return "No difference was tested."
    return (
        f"Method: {comparison['method']}; {comparison['resamples']} resamples, seed {comparison['seed']}. "
        f"p (Holm): adjusted over {family['size']} comparisons (rows: {len(family['labels'])}, metrics: {len(family['metrics'])}); "
        "a row that was not tested counts with p = 1."
    )


def _drawn(declared: Mapping[str, Any], table: matrix_table.Table, comparison: Mapping[str, Any] | None) -> str:
    """What the lines and colours of a figure mean."""
    if declared["kind"] == "bars":
        over_runs = any(len(row.runs) > 1 for row in table.rows)
        return "Lines: 95 % interval of the mean over the runs of a row (Student's t)." if over_runs else ""
    if comparison is None or not comparison["family"]["size"]:
        return "Differences to the reference; none was tested (grey)."
    return (
        "Differences to the reference with 95 % bootstrap intervals; grey: not tested, or not told from noise "
        f"(p after Holm over {comparison['family']['size']} comparisons above 0.05)."
    )
