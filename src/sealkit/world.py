"""What lies outside a run, observed: the repository, the host, installed packages and named models.

Nothing here runs what it finds: git is called with hooks, fsmonitor, external diffs, filters and the ext protocol
turned off, and packages are located by their metadata, without importing them.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sealkit import digest
from sealkit.finding import ReadError, UsageError

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


@dataclass(frozen=True)
class Model:
    """A named model where it was found. `name` is what the config says, `path` where that leads here and now."""

    name: str
    source: str
    path: Path
    tree: str
    weights: digest.Weights

    def document(self) -> dict[str, object]:
        return {
            "name": self.name,
            "source": self.source,
            "tree": self.tree,
            "weights": self.weights.digest,
            "tensors": self.weights.tensors,
            "excluded": list(self.weights.excluded),
        }


class _Git:
    """git in one folder, with everything off by which a repository could run a program."""

    _OFF = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "protocol.ext.allow=never", "core.pager=cat",
            "diff.external=", "core.sshCommand=false", "credential.helper=", "submodule.recurse=false")  # fmt: skip

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        import git

        self._git = git.Git(str(folder))
        self._filters: list[str] = []
        _, names, _ = self("config", "--name-only", "--get-regexp", r"^filter\..*\.(clean|smudge|process)$")
        self._filters = [f"{name}=" for name in names.split()]

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        options = [part for setting in (*self._OFF, *self._filters) for part in ("-c", setting)]
        command = ["git", "--no-optional-locks", "--no-replace-objects", *options, *arguments]
        # Hostile names come back as bytes of any kind; surrogateescape would not survive JSON.
        status, out, err = self._git.execute(
            command,
            with_extended_output=True,
            with_exceptions=False,
            stdout_as_string=False,
            kill_after_timeout=GIT_TIMEOUT if os.name != "nt" else None,
            env={"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
        )
        text = out.decode("utf-8", "replace") if isinstance(out, bytes) else str(out)
        error = err.decode("utf-8", "replace") if isinstance(err, bytes) else str(err)
        return int(status or 0), text.strip("\n"), error.strip()


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
    _, diff, _ = top_git("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--binary", "--full-index", "HEAD")
    _, listing, _ = top_git("ls-files", "--others", "--exclude-standard", "-z")
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


def host() -> dict[str, object]:
    return {
        "name": platform.node(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }


def python() -> str:
    return f"{platform.python_implementation()} {platform.python_version()}"


def packages() -> dict[str, str]:
    """Every installed distribution and its version, by normalised name."""
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution.version)
    return dict(sorted(found.items()))


def versions(names: Iterable[str]) -> dict[str, str | None]:
    """The installed version of each named distribution, None where it is absent."""
    result: dict[str, str | None] = {}
    for name in sorted(names):
        try:
            result[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            result[name] = None
    return result


def model(name: str, base: Path | None = None, *, fetch: bool = True) -> Model:
    """Find a model and take its digests: `package:NAME`, a folder (relative to `base`), or a name on the Hub.

    With `fetch` off only the Hub's local cache is looked at. Raises UsageError where it is not here and cannot be fetched, or holds no safetensors weights.
    """
    source, path = _locate(name, base or Path.cwd(), fetch)
    try:
        return Model(name, source, path, digest.tree(path, follow=True), digest.weights(path, follow=True))
    except ReadError as error:
        raise UsageError(f"model {name}: {error.at} {error.message}", error.fix) from error


def _locate(name: str, base: Path, fetch: bool) -> tuple[str, Path]:
    if name.startswith("package:"):
        return "package", _package_folder(name.removeprefix("package:"))
    folder = base / Path(name).expanduser()
    if folder.is_dir():
        return "path", folder
    if name.startswith((".", "/", "~", "models/")) or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        raise UsageError(
            f"model {name}: no such folder", "check the path; relative ones begin at the current directory"
        )
    return "hub", _hub_folder(name, fetch)


def _package_folder(name: str) -> Path:
    """The outermost folder with a `modules.json` (or `config.json`) among a distribution's files."""
    try:
        listed = importlib.metadata.distribution(name).files or []
    except importlib.metadata.PackageNotFoundError:
        raise UsageError(f"model package:{name}: the package is not installed", f"pip install {name}") from None
    for marker in ("modules.json", "config.json"):
        hits = sorted((file for file in listed if file.name == marker), key=lambda file: len(file.parts))
        if hits:
            return Path(str(hits[0].locate())).parent.resolve()
    raise UsageError(f"model package:{name}: the package holds no modules.json", "name a package that carries a model")


def _hub_folder(name: str, fetch: bool) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise UsageError(
            f"model {name}: no such folder, and the Hub is not reachable from the core install",
            "pip install 'sealkit[retrieval]', or name a folder",
        ) from None
    repositories = [name] if "/" in name else [f"sentence-transformers/{name}", name]
    for local_only in (True, False) if fetch else (True,):
        for repository_name in repositories:
            try:
                return Path(snapshot_download(repository_name, local_files_only=local_only))
            except Exception as error:  # offline, absent and gated come as many families of errors
                last = error
    raise UsageError(
        f"model {name}: no such folder, and the Hub did not give it ({type(last).__name__})",
        "check the name, or name a local folder or package:NAME",
    )
