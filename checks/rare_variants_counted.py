"""A score of rare variants says so where it stands on few of them."""

import math
from collections.abc import Iterator

from sealkit import Blocked, Check, Finding, Severity, View, imputed

# By fewer than 30 minor alleles the 95 % interval of a recall of one half is wider than a third, so that it cannot be told from two
# thirds (Wilson 1927; Brown, Cai & DasGupta 2001, doi:10.1214/ss/1009213286). The minor alleles of one rare variant come from few
# ancestors and are found or missed together, so that variants count too: 20 give an interval 0.4 wide.
MINOR_ALLELES, VARIANTS = 30, 20
SCORES = {"F1_rare": None, "dosage_r2/0-0.01": "0-0.01", "dosage_r2/0.01-0.05": "0.01-0.05"}
Z = 1.959964  # of 95 %


def find(run: View) -> Iterator[Finding]:
    metrics = run.one("metrics")
    if run.one("run_metadata").document["purpose"] == "smoke":
        return  # small on purpose, and no evidence whatever it measures
    for one in imputed(run):
        rows = one.rows
        try:
            scores = one.scores()
        except ValueError as error:
            raise Blocked(f"{rows.path} cannot be scored: {error}", "impute and evaluate again") from None
        for score, part in SCORES.items():
            key = f"genotype/{one.subset}/{score}"
            if key not in metrics.document:
                continue
            chosen = scores.variants.rare if part is None else scores.variants.of_bin(part)
            count, minor, found = scores.scored(chosen)
            means = f"{key} is {metrics.document[key]:.4g} by {count} variants with {minor} minor alleles"
            if not minor:
                message = f"{means}: there was nothing to find"
                yield Finding(message, metrics.at(key), also=(rows.at(),), severity=Severity.ERROR, fix="leave it out")
            elif count < VARIANTS or minor < MINOR_ALLELES:
                low, high = interval(found, minor)
                few = f"expected {VARIANTS} and {MINOR_ALLELES} or more"
                says = f"that {found} of these were found says {low:.2f} to {high:.2f} at best (95 %, Wilson)"
                yield Finding(f"{means}, {few}: {says}", metrics.at(key), also=(rows.at(),))


def interval(found: int, of: int) -> tuple[float, float]:
    """The Wilson interval of a share at 95 %, as if all were independent: where they are not it is wider."""
    share, more = found / of, Z * Z / of
    middle = (share + more / 2) / (1 + more)
    half = Z / (1 + more) * math.sqrt(share * (1 - share) / of + more / (4 * of))
    return middle - half, middle + half


CHECK = Check(
    since="0.2.0",
    title="Rare variants are counted where they are scored",
    why="r² of rare bins came out as 0, nan or anything where a bin held a few variants or one sample, and users took it for a result "
    "(odelaneau/GLIMPSE#276, odelaneau/GLIMPSE#178).",
    fix="impute more samples, hide more variants, or report the score with its interval",
    reads={
        "imputed_alleles": 1,
        "metrics": 1,
        "resolved_config": 1,
        "run_metadata": 1,
        "haplotypes": 1,
        "variants": 1,
    },
    find=find,
    severity=Severity.WARNING,
)
