"""The summary tells the same numbers as the files that it sums up."""

from collections.abc import Iterator

from sealkit import Check, Finding, View


def find(run: View) -> Iterator[Finding]:
    summary, metrics, config = run.one("summary"), run.one("metrics"), run.one("resolved_config")
    headline = summary.document["metrics"]
    for key, value in headline.items():
        if key not in metrics.document:
            yield Finding(f"{key} is {value!r} here and absent from {metrics.path}", summary.at("metrics", key))
        elif metrics.document[key] != value:
            message = f"{key} is {value!r} here, {metrics.document[key]!r} in {metrics.path}"
            yield Finding(
                message, summary.at("metrics", key), also=(metrics.at(key),), fix=f'"{key}": {metrics.document[key]!r}'
            )
    for key, value in metrics.document.items():
        family = run.metric_keys.find(key)
        if family is not None and family.derivable and key not in headline:
            yield Finding(
                f"the headline leaves out {key}, which is {value!r}", summary.at("metrics"), also=(metrics.at(key),)
            )
    if summary.document["run_id"] != run.one("run_metadata").document["run_id"]:
        yield Finding(
            f"its run_id is {summary.document['run_id']}, that of run_metadata.json {run.one('run_metadata').document['run_id']}",
            summary.at("run_id"),
            also=(run.one("run_metadata").at("run_id"),),
        )
    metadata = run.one("run_metadata")
    for key in ("name", "seed", "purpose"):
        said, asked = metadata.document[key], config.document["config"]["run"].get(key)
        if said != asked:
            message = f"{key} is {said!r} here, {asked!r} in {config.path}"
            yield Finding(message, metadata.at(key), also=(config.at("config", "run", key),))
    if summary.document["status"] == "ok":
        done = {stage["name"] for stage in summary.document["stages"]}
        for name in config.document["config"]["stages"]:
            if name not in done:
                yield Finding(f"says `ok`, but holds no record of the stage {name}", summary.at("stages"))
    asked = config.document["config"]["stages"]
    promised = {(promise["stage"], promise["output"]) for promise in config.document["artifacts"]}
    for i, stage in enumerate(summary.document["stages"]):
        place, wired = summary.at("stages", i, "name"), asked.get(stage["name"], {}).get("in", {})
        if stage["name"] not in asked:
            yield Finding(f"records the stage {stage['name']}, which {config.path} does not have", place)
        elif sorted(wired) != sorted(stage["inputs"]):
            took, given = ", ".join(stage["inputs"]) or "nothing", ", ".join(wired) or "nothing"
            yield Finding(f"the stage {stage['name']} took {took}, {config.path} gives it {given}", place)
        for key in stage["outputs"]:
            if (stage["name"], key) not in promised:
                yield Finding(f"records the output {stage['name']}.{key}, which {config.path} does not promise", place)
    for i, stage in enumerate(summary.document["stages"]):
        for key, output in stage["outputs"].items():
            present = any(name == output["path"] or name.startswith(f"{output['path']}/") for name in run.files)
            if present and run.digest(output["path"]) != output["digest"]:
                place = summary.at("stages", i, "outputs", key, "digest")
                message = f"{output['path']} is not what the stage {stage['name']} wrote: its digest is {run.digest(output['path'])}"
                yield Finding(message, place, fix="put it back as it was, or run again under another name")


CHECK = Check(
    since="0.1.0",
    title="The summary agrees with the files",
    why="Summaries held the last value while the report said best, and went on to papers (wandb#2756, transformers#7197).",
    fix="run again under another name: a summary is written by its run, and by nobody afterwards",
    reads={"summary": 1, "metrics": 1, "resolved_config": 1, "run_metadata": 1},
    find=find,
)
