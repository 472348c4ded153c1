"""The run used the device that it was asked to use."""

from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View


def find(run: View) -> Iterator[Finding]:
    metadata = run.one("run_metadata")
    asked, used = metadata.document["device"]["asked"], metadata.document["device"]["used"]
    if asked == "auto":
        return
    if used is None:
        # Data stages use none. What was trained or encoded was so on some device.
        made = [*run.all("model_manifest"), *run.all("index_manifest")]
        if made:
            message = f"{asked} was asked for, and what {made[0].path} was made on is not recorded"
            yield Finding(message, metadata.at("device", "used"), also=(made[0].at(),))
    elif used != asked and not used.startswith(f"{asked}:"):
        message = (
            f"{asked} was asked for, {used} was used: times do not compare, and numbers may differ in the last digits"
        )
        yield Finding(message, metadata.at("device", "used"), also=(metadata.at("device", "asked"),))


CHECK = Check(
    since="0.1.0",
    title="The device is the one asked for",
    why="The same seed, the same training and the same index gave other numbers on another device or number of threads "
    "(sentence-transformers#3248, faiss#2854, #1073).",
    fix="run where the device is, or ask for `auto` or for the one that there is",
    reads={"run_metadata": 1, "summary": 1, "model_manifest?": 1, "index_manifest?": 2},
    find=find,
    severity=Severity.WARNING,
)
