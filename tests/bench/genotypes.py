"""The table of docs/genotypes.md, from the runs of configs/genotype_matrix.yaml on a real panel.

    python -m tests.bench.genotypes MATRIX_DIR

A row is an experiment: the mean over its seeds, and where they differ the 95 % interval of that mean (Student's t over the seeds: how
much training and masks vary, and not how much another choice of samples would). Recall of training and validation is that of the last
epoch, F1 of validation the best of all epochs. The guard (describing each index, and opening it with its probe) is timed within the epoch that it belongs to.
Below the table: differences of two rows sample by sample, on the mean over seeds, by the statistics of a seal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from sealkit import delta, imputation, matrix_table

BINS = ("0.01-0.05", "0.05-0.2", "0.2-0.5")
COLUMNS = (
    "",
    "F1, validation",
    "F1",
    "F1, other positions",
    "F1, MAF < 0.05",
    "concordance",
    *(f"r², MAF {one}" for one in BINS),
)
MORE = (
    "",
    "recall@8, training",
    "recall@8, validation",
    "recall@8, test",
    "other positions",
    "s an epoch",
    "of it guard",
    "peak MiB",
    "epochs",
    "verdict",
)
PAIRS = (
    ("token_dynamic", "token_static_validation"),
    ("embedding_static", "token_static_validation"),
    ("embedding_dynamic", "embedding_static"),
    ("embedding_dynamic", "token_dynamic"),
)


class Run:
    """One finished run of the matrix."""

    def __init__(self, root: Path, experiment: dict[str, Any]) -> None:
        self.label, self.verdict = experiment["label"], experiment["verdict"]
        self.root = root / experiment["run_dir"]
        self.metrics: dict[str, float] = json.loads((self.root / "metrics.json").read_text("utf-8"))
        summary = json.loads((self.root / "summary.json").read_text("utf-8"))
        self.record = next(one for one in summary["stages"] if one["name"] == "train")
        self.searches = self.rows("train/search_history.jsonl")
        history = self.rows("train/metric_history.jsonl")
        self.best = max(row["value"] for row in history if row["key"] == "genotype/validation/F1")

    def rows(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.root / "stages" / name).read_text("utf-8").splitlines()]

    def recall(self, part: str) -> float:
        """That of the last epoch."""
        return float(next(row["recall"] for row in reversed(self.searches) if row["part"] == part))

    def by_sample(self) -> dict[str, float]:
        """Concordance of each test sample, from what was imputed."""
        names = ("panel/haplotypes.jsonl", "panel/variants.jsonl", "evaluate/imputed_alleles.jsonl")
        haplotypes, variants, imputed = (self.rows(name) for name in names)
        return imputation.score_rows(haplotypes, variants, imputed, "test").per_sample()["concordance"]


def shown(values: Sequence[float], digits: int = 3) -> str:
    """The mean, and half the width of its 95 % interval where the values differ."""
    cell = matrix_table.cell({str(i): value for i, value in enumerate(values)})
    if cell.mean is None or cell.high is None or max(values) == min(values):
        return f"{fmean(values):.{digits}f}"
    return f"{cell.mean:.{digits}f} ± {cell.high - cell.mean:.{digits}f}"


def line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def scores(name: str, runs: Sequence[Run], subset: str, other: str | None, validation: str) -> str:
    """`other` is the subset that was judged under another mask."""

    def cell(key: str) -> str:
        return shown([run.metrics[f"genotype/{key}"] for run in runs])

    rest = ("F1_rare", "concordance", *(f"dosage_r2/{one}" for one in BINS))
    elsewhere = cell(f"{other}/F1") if other else ""
    return line([name, validation, cell(f"{subset}/F1"), elsewhere, *(cell(f"{subset}/{key}") for key in rest)])


def costs(name: str, runs: Sequence[Run]) -> str:
    epoch = [run.record["facts"]["seconds_per_epoch"] for run in runs]
    guard = [sum(row["seconds_guard"] for row in run.searches) / run.record["counters"]["epochs"] for run in runs]
    return line(
        [
            name,
            *(shown([run.recall(part) for run in runs]) for part in ("train", "validation")),
            *(
                shown([run.metrics[f"genotype/{subset}/recall@8"] for run in runs])
                for subset in ("test", "test.other_mask")
            ),
            f"{fmean(epoch):.1f}",
            f"{fmean(guard):.2f} s ({fmean(guard) / fmean(epoch):.0%})",
            f"{max(run.record['counters']['peak_memory_mib'] for run in runs):,}",
            ", ".join(str(run.record["counters"]["epochs"]) for run in runs),
            ", ".join(sorted({run.verdict for run in runs})),
        ]
    )


def differences(rows: dict[str, list[Run]]) -> Iterable[str]:
    for post, pre in PAIRS:
        if post in rows and pre in rows:
            one, two = (mean_by_sample(rows[name]) for name in (pre, post))
            found = delta.compare("concordance", one, two, seed=0)
            yield (
                f"{post} - {pre}: concordance {found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}], "
                f"p {found.p:.2g}, {found.n} samples ({found.wins} better, {found.losses} worse)"
            )


def mean_by_sample(runs: Sequence[Run]) -> dict[str, float]:
    found = [run.by_sample() for run in runs]
    return {sample: fmean(one[sample] for one in found) for sample in found[0]}


def main(folder: Path) -> None:
    matrix = json.loads((folder / "matrix.json").read_text("utf-8"))
    rows: dict[str, list[Run]] = {}
    for experiment in matrix["experiments"]:
        if experiment["status"] == "ok":
            rows.setdefault(experiment["label"], []).append(Run(folder, experiment))
        else:
            print(f"left out: {experiment['run_dir']} {experiment['status']}", file=sys.stderr)
    first = next(iter(rows.values()))
    print(line(COLUMNS), line(["---"] * len(COLUMNS)), sep="\n")
    for label, runs in rows.items():
        print(scores(label, runs, "test", "test.other_mask", shown([run.best for run in runs])))
    # One row of runs is enough: a baseline is the same in all of them.
    print(scores("8 nearest haplotypes", first, "test.nearest", "test.other_nearest", ""))
    print(scores("allele frequency", first, "test.major_allele", None, ""))
    print("", line(MORE), line(["---"] * len(MORE)), sep="\n")
    for label, runs in rows.items():
        print(costs(label, runs))
    print("", *differences(rows), sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
