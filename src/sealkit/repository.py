"""The repository that holds a folder, observed without running anything that it names.

git is called with hooks, fsmonitor, external diffs, filters, transports and credential helpers turned off, and asked only
for what it can tell from its own objects.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sealkit import digest

GIT_TIMEOUT = 60  # seconds, for one call
UNTRACKED_SHOWN = 100


@dataclass(frozen=True)
class Repository:
    """A repository as it stood. `state`: `ok`, `none` (no repository or no git), `refused` (git will not read it), or
    `empty` (no commit yet). Only with `ok` are the other fields set."""

    state: str
    reason: str | None = None
    commit: str | None = None
    branch: str | None = None
    shallow: bool = False
    dirty: bool = False
    diff: str | None = None
    untracked: tuple[str, ...] = ()
    untracked_count: int = 0

    def document(self) -> dict[str, object]:
        return {**asdict(self), "untracked": list(self.untracked)}


_OFF = {
    "core.fsmonitor": "false", "core.hooksPath": os.devnull, "core.pager": "cat", "core.sshCommand": "false",
    "credential.helper": "", "diff.external": "", "submodule.recurse": "false",
    # What would make the same changes another text, and so another digest, on another desk.
    "core.quotePath": "true", "diff.algorithm": "myers", "diff.context": "3", "diff.interHunkContext": "0",
    "diff.mnemonicPrefix": "false", "diff.noprefix": "false", "diff.orderFile": os.devnull, "diff.relative": "false",
}  # fmt: skip
# No transport at all: a repository with a promisor remote fetches what it lacks, through a program that it names.
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_GRAFT_FILE": os.devnull,
    "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C",
}  # fmt: skip


class _Git:
    """git in one folder, with everything off by which a repository could run a program."""

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        import git

        self._git = git.Git(str(folder))
        self._settings = dict(_OFF)
        _, names, _ = self("config", "-z", "--name-only", "--get-regexp", r"^filter\.")
        for name in filter(None, names.split("\0")):
            self._settings[name] = "false" if name.endswith(".required") else ""

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        # Not by `-c`, which would cut the name of a filter at its first `=`.
        mine = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
        environment = {**_ENVIRONMENT, "GIT_CONFIG_COUNT": str(mine + len(self._settings))}
        for number, (name, value) in enumerate(self._settings.items(), mine):
            environment |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
        command = ["git", "--no-optional-locks", "--no-replace-objects", *arguments]
        # Hostile names come back as bytes of any kind; surrogateescape would not survive JSON.
        with _in_no_hook():
            status, out, err = self._git.execute(
                command,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                kill_after_timeout=GIT_TIMEOUT if os.name != "nt" else None,
                env=environment,
            )
        text = out.decode("utf-8", "replace") if isinstance(out, bytes) else str(out)
        error = err.decode("utf-8", "replace") if isinstance(err, bytes) else str(err)
        return int(status or 0), text.strip("\n"), error.strip()


@contextlib.contextmanager
def _in_no_hook() -> Iterator[None]:
    """Git tells its hooks by these which repository they run for; it need not be the one that is asked about."""
    names = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY",
             "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_SHALLOW_FILE")  # fmt: skip
    held = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(held)


def _submodules(top: Path, listing: str) -> Iterator[tuple[str, Path]]:
    for entry in listing.split("\0"):
        mode, _, name = entry.partition(" ")[0], *entry.partition("\t")[1:]
        place = (top / name).resolve()
        if mode == "160000" and (place / ".git").exists() and top.resolve() in place.parents:
            yield name, place


def repository(folder: Path) -> Repository:
    """The repository that holds a folder."""
    try:
        git = _Git(folder)
    except Exception as error:  # GitPython raises its own errors of several families where git is absent
        return Repository("none", f"git cannot be run: {type(error).__name__}")
    status, inside, error_text = git("rev-parse", "--is-inside-work-tree")
    if "dubious ownership" in error_text:
        return Repository("refused", "git refuses it: dubious ownership (git config --global --add safe.directory …)")
    if status or inside != "true":
        return Repository("none", "no repository")
    status, commit, _ = git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if status:
        return Repository("empty", "the repository has no commit yet")
    _, branch, _ = git("symbolic-ref", "--short", "--quiet", "HEAD")
    _, shallow, _ = git("rev-parse", "--is-shallow-repository")
    _, top, _ = git("rev-parse", "--show-toplevel")
    top_git = _Git(Path(top))
    # Submodules are looked at one by one: git would go into them with their own settings, which may run a program.
    changes = (
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--no-renames",
        "--ignore-submodules=dirty",
        "--binary",
        "--full-index",
    )
    calls = [
        top_git("diff", *changes, "HEAD"),
        top_git("ls-files", "--others", "--exclude-standard", "-z"),
        top_git("ls-files", "--stage", "-z"),
    ]
    inner = [(name, repository(place)) for name, place in _submodules(Path(top), calls[2][1])]
    broken = [error for code, _, error in calls if code] + [
        str(seen.reason) for _, seen in inner if seen.state == "refused"
    ]
    if broken:
        return Repository("refused", f"git cannot compare the working tree: {broken[0].splitlines()[-1]}")
    diff, listing = calls[0][1], calls[1][1]
    diff += "".join(f"\n{name} {seen.diff}" for name, seen in inner if seen.dirty)
    untracked = sorted(name for name in listing.split("\0") if name)
    return Repository(
        "ok",
        commit=commit,
        branch=branch or None,
        shallow=shallow == "true",
        dirty=bool(diff),
        diff=digest.of_bytes(diff.encode()) if diff else None,
        untracked=tuple(untracked[:UNTRACKED_SHOWN]),
        untracked_count=len(untracked),
    )


def ancestry(folder: Path, older: str | None, newer: str | None) -> str:
    """How one commit stands to another: `same`, `ancestor`, `diverged`, or `unknown` (absent, shallow, no repository)."""
    if (
        not older
        or not newer
        or not re.fullmatch(r"[0-9a-f]{40,64}", older)
        or not re.fullmatch(r"[0-9a-f]{40,64}", newer)
    ):
        return "unknown"
    if older == newer:
        return "same"
    try:
        git = _Git(folder)
    except Exception:
        return "unknown"
    if any(git("cat-file", "-e", f"{commit}^{{commit}}")[0] for commit in (older, newer)):
        return "unknown"
    status, _, _ = git("merge-base", "--is-ancestor", older, newer)
    if status == 0:
        return "ancestor"
    _, shallow, _ = git("rev-parse", "--is-shallow-repository")
    return "diverged" if status == 1 and shallow != "true" else "unknown"


def find_repository(places: Sequence[Path], commit: str | None = None) -> tuple[Path, Repository]:
    """The first place in a repository that knows `commit`; else the first in any repository; else the first place."""
    found = [(place, repository(place)) for place in places]
    for place, seen in found:
        if seen.state == "ok" and commit and ancestry(place, commit, seen.commit) != "unknown":
            return place, seen
    return next(((place, seen) for place, seen in found if seen.state != "none"), found[0])
