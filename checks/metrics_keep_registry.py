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
                yield Finding(f"unknown metric key {key}", metrics.at(key), fix=fix)
            elif (family.low is not None and value < family.low) or (family.high is not None and value > family.high):
                low, high = (
                    ("-inf" if family.low is None else family.low),
                    ("inf" if family.high is None else family.high),
                )
                yield Finding(f"{key} is {value}, outside [{low}, {high}]", metrics.at(key))


CHECK = Check(
    since="0.1.0",
    title="Metrics keep the registry",
    why="Figures were silently empty after keys had moved; recall above 1 came from duplicate rows (gbrain#4607).",
    fix="use a key of spec/metrics/keys.yaml, and look for duplicate rows where a ratio exceeds 1",
    reads={"metrics": 1},
    find=find,
)
