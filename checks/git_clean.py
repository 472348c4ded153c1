"""The code that ran is the code of a commit: nothing was changed since, and nothing was left out of it."""

from collections.abc import Iterator

from sealkit import Check, Finding, Severity, View

SHOWN = 3


def find(run: View) -> Iterator[Finding]:
    metadata = run.one("run_metadata")
    git = metadata.document["git"]
    if git["state"] != "ok":
        message = f"nobody can tell whether the code was committed: {git['reason']}"
        yield Finding(message, metadata.at("git", "state"), fix="run inside the repository that holds the code")
    if git["dirty"]:
        which = f" in {told(git['changed'], len(git['changed']))}" if git.get("changed") else ""
        message = f"uncommitted changes{which} went into the run; only their digest is kept, {git['diff']}"
        yield Finding(message, metadata.at("git", "diff"), fix="commit them and run again under another name")
    if git["untracked_count"]:
        message = f"no commit holds {told(git['untracked'], git['untracked_count'])}"
        fix = "git add what the run used, and list what runs write in .gitignore"
        yield Finding(message, metadata.at("git", "untracked"), fix=fix)


def told(names: list[str], count: int) -> str:
    more = f" and {count - SHOWN} more" if count > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


CHECK = Check(
    since="0.1.0",
    title="The working tree was clean",
    why="Commits were recorded without a dirty flag or without the diff, and new scripts were not captured at all "
    "(mlflow#1912, #7017, sacred#832, clearml#287).",
    fix="commit, and run again under another name",
    reads={"run_metadata": 1},
    find=find,
    severity=Severity.WARNING,
)
