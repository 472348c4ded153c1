"""A run says that it came to its end."""

from collections.abc import Iterator

from sealkit import Blocked, Check, Finding, View


def find(run: View) -> Iterator[Finding]:
    summary = run.one("summary")
    status, failure = summary.document["status"], summary.document["failure"]
    if status == "running":
        raise Blocked(
            f"{summary.path} still says `running`: the run was cut off, or goes on elsewhere",
            "wait for it, or go on with it: toolkit run CONFIG --resume",
        )
    if status == "failed":
        # The message names the stage or the check itself.
        yield Finding(
            f"the run failed: {failure['message'] if failure else 'no reason was kept'}", summary.at("status")
        )


CHECK = Check(
    since="0.1.0",
    title="The run finished",
    why="Outputs of killed and failed jobs were taken for complete ones (snakemake#627, #3808).",
    fix="mend what the failure names and run the config again under another name",
    reads={"summary": 1},
    find=find,
)
