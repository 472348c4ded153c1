"""The licence of everything that came from outside is recorded: of the data, and of the models that the run names."""

from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View

DATA = {"corpus", "queries", "qrels"}


def find(run: View) -> Iterator[Finding]:
    summary, metadata = run.one("summary"), run.one("run_metadata")
    outside = {files["digest"] for files in metadata.document.get("files", [])}
    for i, stage in enumerate(summary.document["stages"]):
        kinds = {output["contract"].partition("/")[0] for output in stage["outputs"].values()}
        # A stage that takes nothing from other stages and gives data brings it in from outside.
        brings = set(stage["inputs"].values()) <= outside
        if kinds & DATA and brings and not stage["facts"].get("licence"):
            message = f"the licence of the data that the stage {stage['name']} brings in is not recorded"
            fix = f"let {stage['uses']} record it (facts: licence), in the words of the source, as CC-BY-4.0"
            yield Finding(message, summary.at("stages", i, "facts"), fix=fix)
    for i, model in enumerate(metadata.document["models"]):
        if not model.get("licence"):
            message = f"the licence of the model {model['name']} is not recorded"
            fix = "begin the README.md in its folder with the lines ---, license: apache-2.0 (or what it is), ---"
            yield Finding(message, metadata.at("models", i, "name"), fix=fix)


CHECK = Check(
    since="0.1.0",
    title="Licences are recorded",
    why="Model cards, and the licence in them, were left out of what was signed and recorded (model-transparency#583).",
    fix="record the licence where the data or the model comes from",
    reads={"summary": 1, "run_metadata": 1},
    find=find,
    severity=Severity.WARNING,
)
