"""What the config promised beforehand came true, and the promises are those that were made."""

from collections.abc import Iterator

from sealkit import Blocked, Check, Finding, Severity, View, expectations_identity, judge_expectations

WORDS = {"failed": None, "warned": Severity.WARNING}


def find(run: View) -> Iterator[Finding]:
    config, metadata = run.one("resolved_config"), run.one("run_metadata")
    promised = config.document["config"].get("expect", [])
    fixed = metadata.document.get("expect", expectations_identity([]))
    if expectations_identity(promised) != fixed:
        yield Finding(
            "the expectations are not those that the run fixed before its first stage",
            config.at("config", "expect"),
            also=(metadata.at("expect"),),
            fix="put the expectations back as they were; to expect something else, run the config again",
        )
    rows = judge_expectations(run.run)
    for row in rows:
        if row.status in WORDS:
            message = f"expected {row.says}; found {row.found}"
            yield Finding(message, row.at, severity=WORDS[row.status], also=row.also)
    blocked = [f"{row.says}: {row.found}" for row in rows if row.status == "blocked"]
    gone = [source for source in config.document["sources"] if source not in run.files]
    if not gone:
        yield from changed_since(run)
    elif promised:
        blocked.append(f"whether it is what was promised: {', '.join(gone)} is not there")
    if blocked:
        raise Blocked(f"cannot be judged: {'; '.join(blocked)}", "complete the run, or give --reference DIR")


def changed_since(run: View) -> Iterator[Finding]:
    """The expectations as the source that has the last word says them; with `${…}` in them they cannot be compared."""
    config = run.one("resolved_config")
    if any(text.partition("=")[0] == "expect" for text in config.document["overrides"]):
        return
    promised = config.document["config"].get("expect", [])
    stated = [
        (source, said["expect"])
        for source in config.document["sources"]
        if isinstance(said := run.yaml(source), dict) and "expect" in said
    ]
    source, last = stated[-1] if stated else ("", [])
    if "${" not in str(last) and expectations_identity(last) != expectations_identity(promised):
        yield Finding(
            f"the expectations are not those of {source or 'the sources, which have none'}",
            config.at("config", "expect"),
            fix="put the expectations back as they were; to expect something else, run the config again",
        )


CHECK = Check(
    since="0.1.0",
    title="What was promised beforehand came true",
    why="Bars are chosen after the numbers are known; bars fixed before the run are asked for again and again "
    "(lm-evaluation-harness#3967, in-toto/attestation#587).",
    fix="see what changed since the last run that met it; a known exception is a waiver with an owner, a reason and an expiry",
    reads={
        "resolved_config": 1,
        "run_metadata": 1,
        "summary": 1,
        "metrics": 1,
        "metric_history?": 1,
        "rankings?": 1,
        "qrels?": 1,
        "search_manifest?": 2,
        "model_manifest?": 1,
    },
    find=find,
)
