"""The repository that holds a folder, observed without running anything that it names.

git is called with hooks, fsmonitor, external diffs, filters, transports and credential helpers turned off, and asked only
for what it can tell from its own objects.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sealkit import digest

GIT_TIMEOUT = 60  # seconds, for one call
SHOWN = 100


@dataclass(frozen=True)
class Repository:
    """A repository as it stood. `state`: `ok`, `none` (no repository or no git), `refused` (git will not read it), or
    `empty` (no commit yet). Only with `ok` are the other fields set, but for the `commit` of a repository that lost it."""

    state: str
    reason: str | None = None
    commit: str | None = None
    branch: str | None = None
    shallow: bool = False
    dirty: bool = False
    diff: str | None = None
    changed: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    untracked_count: int = 0

    def document(self) -> dict[str, object]:
        return {**asdict(self), "changed": list(self.changed), "untracked": list(self.untracked)}


_OFF = {
    "core.fsmonitor": "false", "core.hooksPath": os.devnull, "core.pager": "cat", "core.sshCommand": "false",
    "credential.helper": "", "diff.external": "", "submodule.recurse": "false",
    # What would make the same changes another text, and so another digest, on another desk.
    "core.quotePath": "true", "diff.algorithm": "myers", "diff.context": "3", "diff.interHunkContext": "0",
    "diff.mnemonicPrefix": "false", "diff.noprefix": "false", "diff.orderFile": os.devnull, "diff.relative": "false",
    "diff.indentHeuristic": "true", "diff.suppressBlankEmpty": "false",
    # A change of the same size and time is a change.
    "core.bigFileThreshold": "512m", "core.checkStat": "default", "core.trustctime": "true",
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
        self.index: Path | None = None
        self._settings = dict(_OFF)
        # The name of a filter is any bytes, and goes back as the same ones.
        _, names, _ = self.raw("config", "-z", "--name-only", "--get-regexp", r"^filter\.")
        for name in filter(None, os.fsdecode(names).split("\0")):
            self._settings[name] = "false" if name.endswith(".required") else ""

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Status, output and errors of one call. Names of any bytes do not survive JSON: what is no UTF-8 is replaced."""
        status, out, err = self.raw(*arguments)
        return status, out.decode("utf-8", "replace").strip("\n"), err.decode("utf-8", "replace").strip()

    def raw(self, *arguments: str) -> tuple[int, bytes, bytes]:
        # Not by `-c`, which would cut the name of a filter at its first `=`.
        mine = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
        environment = {**_ENVIRONMENT, "GIT_CONFIG_COUNT": str(mine + len(self._settings))}
        for number, (name, value) in enumerate(self._settings.items(), mine):
            environment |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
        if self.index is not None:
            environment["GIT_INDEX_FILE"] = str(self.index)
        command = ["git", "--no-optional-locks", "--no-replace-objects", *arguments]
        with _in_no_hook():
            status, out, err = self._git.execute(
                command,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                kill_after_timeout=GIT_TIMEOUT if os.name != "nt" else None,
                env=environment,
            )
        said, error = (part if isinstance(part, bytes) else str(part).encode() for part in (out, err))
        return int(status or 0), said, error


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


def _submodules(top: Path, entries: Sequence[tuple[str, str, str]]) -> Iterator[tuple[str, Path]]:
    for name in (name for _, mode, name in entries if mode == "160000"):
        place = (top / name).resolve()
        if (place / ".git").exists() and top.resolve() in place.parents:
            yield name, place


def _index(listing: str) -> list[tuple[str, str, str]]:
    """(tag, mode, name) of every entry of `git ls-files --stage -v -z`."""
    fields = (entry.split("\t", 1) for entry in listing.split("\0") if entry)
    return [(about.split()[0], about.split()[1], name) for about, name in fields]


def _looked_away(top: Path, entries: Sequence[tuple[str, str, str]]) -> list[str]:
    """Files that git was told to take for unchanged (lower case) or to skip (S) although they are there."""
    return [name for tag, _, name in entries if tag.islower() or (tag == "S" and os.path.lexists(top / name))]


def repository(folder: Path, without: Path | None = None) -> Repository:
    """The repository that holds a folder. New files in the folder `without` do not count: a run does not report itself."""
    try:
        git = _Git(folder)
    except Exception as error:  # GitPython raises its own errors of several families where git is absent
        return Repository("none", f"git cannot be run: {type(error).__name__}")
    status, inside, error_text = git("rev-parse", "--is-inside-work-tree")
    if "dubious ownership" in error_text:
        return Repository("refused", "git refuses it: dubious ownership (git config --global --add safe.directory …)")
    if status and "not a git repository" not in error_text and "must be run in a work tree" not in error_text:
        return Repository("refused", f"git cannot read it: {(error_text.splitlines() or ['no reason given'])[-1]}")
    if status or inside != "true":
        return Repository("none", "no repository")
    status, commit, _ = git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if status:
        _, named, _ = git("rev-parse", "--verify", "--quiet", "HEAD")
        if re.fullmatch(r"[0-9a-f]{40,64}", named):
            return Repository("refused", f"HEAD is {named}, and the repository does not hold that commit", commit=named)
        return Repository("empty", "the repository has no commit yet")
    _, branch, _ = git("symbolic-ref", "--short", "--quiet", "HEAD")
    _, shallow, _ = git("rev-parse", "--is-shallow-repository")
    _, top, _ = git("rev-parse", "--show-toplevel")
    top_git = _Git(Path(top))
    _, git_index, _ = top_git("rev-parse", "--git-path", "index")
    # Submodules are looked at one by one: git would go into them with their own settings, which may run a program.
    changes = (
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--no-renames",
        "--ignore-submodules=dirty",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        "--full-index",  # names every content by its digest: other bytes are another text, binary ones too
    )
    with tempfile.TemporaryDirectory() as scratch:
        # `git diff` notes new times in the index: in a copy, so that nothing of the repository is written or locked.
        top_git.index = Path(scratch) / "index"
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(
                Path(top) / git_index, top_git.index
            )  # with its time: git tells by it which files to read again
        calls = [
            top_git("diff", *changes, "HEAD"),
            top_git("ls-files", "--others", "--exclude-standard", "-z", *_excluded(Path(top), without)),
            top_git("ls-files", "--stage", "-v", "-z"),
            top_git("diff", "--name-only", "-z", *changes, "HEAD"),
        ]
    entries = _index(calls[2][1])
    inner = [(name, repository(place)) for name, place in _submodules(Path(top), entries)]
    broken = [error for code, _, error in calls if code] + [
        str(seen.reason) for _, seen in inner if seen.state == "refused"
    ]
    broken += [f"it was told to look away from {name}" for name in _looked_away(Path(top), entries)]
    if broken:
        return Repository("refused", f"git cannot compare the working tree: {broken[0].splitlines()[-1]}")
    diff, listing, names = calls[0][1], calls[1][1], calls[3][1]
    diff += "".join(f"\n{name} {seen.diff}" for name, seen in inner if seen.dirty)
    untracked = sorted(name for name in listing.split("\0") if name)
    return Repository(
        "ok",
        commit=commit,
        branch=branch or None,
        shallow=shallow == "true",
        dirty=bool(diff),
        diff=digest.of_bytes(diff.encode()) if diff else None,
        changed=tuple(
            sorted([*filter(None, names.split("\0")), *(name for name, seen in inner if seen.dirty)])[:SHOWN]
        ),
        untracked=tuple(untracked[:SHOWN]),
        untracked_count=len(untracked),
    )


def _excluded(top: Path, without: Path | None) -> list[str]:
    """What tells `git ls-files` to leave out a folder below `top`."""
    if without is None or top.resolve() not in without.resolve().parents:
        return []
    name = without.resolve().relative_to(top.resolve())
    lock = name.with_name(f".{name.name}.lock")  # which lies beside a run while it goes on
    return ["--", *(f":(exclude,literal){path.as_posix()}" for path in (name, lock))]


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


def find_repository(
    places: Sequence[Path], commit: str | None = None, without: Path | None = None
) -> tuple[Path, Repository]:
    """The first place in a repository that knows `commit`; else the first in any repository; else the first place."""
    found = [(place, repository(place, without)) for place in places]
    for place, seen in found:
        if seen.state == "ok" and commit and ancestry(place, commit, seen.commit) != "unknown":
            return place, seen
    return next(((place, seen) for place, seen in found if seen.state != "none"), found[0])
