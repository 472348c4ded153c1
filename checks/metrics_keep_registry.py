"""Every metric is a known one, finite, and in the range of its definition."""

from collections.abc import Iterator

from sealkit import Check, Finding, View


def find(run: View) -> Iterator[Finding]:
    for metrics in run.all("metrics"):
        for key, value in metrics.document.items():
            family = run.metric_keys.find(key)
            if family is None:
                close = run.metric_keys.suggest(key)
                fix = f"write it as {close}" if close else "add its family to the registry of metric keys"
                yield Finding(
                    f"unknown metric key {key}, expected one of spec/metrics/keys.yaml", metrics.at(key), fix=fix
                )
            elif (family.low is not None and value < family.low) or (family.high is not None and value > family.high):
                bounds = (("at least", family.low), ("at most", family.high))
                expected = " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)
                yield Finding(f"{key} is {value}, expected {expected}", metrics.at(key))


CHECK = Check(
    since="0.1.0",
    title="Metrics keep the registry",
    why="Figures were silently empty after keys had moved; recall above 1 came from duplicate rows (gbrain#4607).",
    fix="look for duplicate rows where a ratio exceeds 1, else for another unit",
    reads={"metrics": 1},
    find=find,
)
