"""The world around a run: repositories of every kind, hostile ones among them, and models wherever they may lie."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sealkit import digest, world
from sealkit.finding import UsageError
from sealkit.named import model
from sealkit.pack import BUILT_IN
from sealkit.world import Repository, ancestry, find_repository, repository

HAS_GIT = shutil.which("git") is not None
needs_git = pytest.mark.skipif(not HAS_GIT, reason="git is not installed")
NOWHERE = "0" * 39 + "1"


@pytest.fixture(autouse=True)
def _a_desk_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the user's, nor of a hook that runs the tests, and no repository around the folder."""
    for name in [name for name in os.environ if name.startswith("GIT_") and name != "GIT_PYTHON_REFRESH"]:
        monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "gitconfig").write_text("[user]\n\tname = t\n\temail = t@example.org\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "home" / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def git(folder: Path, *arguments: str, check: bool = True) -> str:
    """Plain git, with everything on."""
    done = subprocess.run(["git", *arguments], cwd=folder, check=check, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


def commit(folder: Path, **files: str) -> str:
    for name, text in files.items():
        (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "--allow-empty", "-m", "more")
    return git(folder, "rev-parse", "HEAD")


def made(folder: Path) -> Path:
    """A repository on `main` with one commit of `a.txt`."""
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder, **{"a.txt": "one\n"})
    return folder


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return made(tmp_path / "repo")


# Five answers


@needs_git
def test_no_repository(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert repository(tmp_path / "plain") == Repository("none", "no repository")


def test_a_folder_that_is_not_there_is_in_no_repository(tmp_path: Path) -> None:
    assert repository(tmp_path / "gone").state == "none"


@needs_git
def test_a_repository_without_a_work_tree_holds_no_folder(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "bare.git")
    assert repository(tmp_path / "bare.git").state == "none"


def test_no_git(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repo))
    assert repository(repo) == Repository("none", "git cannot be run: GitCommandNotFound")
    assert ancestry(repo, NOWHERE, "0" * 40) == "unknown"


@needs_git
def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "new")
    (tmp_path / "new" / "a.txt").write_text("one\n")
    assert repository(tmp_path / "new") == Repository("empty", "the repository has no commit yet")


@needs_git
def test_a_clean_repository(repo: Path) -> None:
    head = git(repo, "rev-parse", "HEAD")
    assert len(head) == 40
    assert repository(repo) == Repository("ok", commit=head, branch="main")


@needs_git
def test_a_document_keeps_the_contract_of_run_metadata(repo: Path, tmp_path: Path) -> None:
    from jsonschema import Draft202012Validator

    metadata = BUILT_IN.contracts["run_metadata/v1"].schema
    schema = {**metadata["properties"]["git"], "$defs": metadata.get("$defs", {})}
    (repo / "new.txt").write_text("x")
    (repo / "a.txt").write_text("two\n")
    (tmp_path / "plain").mkdir()
    for seen in (repository(repo), repository(tmp_path / "plain")):
        document = json.loads(json.dumps(seen.document()))
        assert [error.message for error in Draft202012Validator(schema).iter_errors(document)] == []


@needs_git
def test_a_change_makes_it_dirty(repo: Path) -> None:
    (repo / "a.txt").write_text("two\n")
    seen = repository(repo)
    assert (seen.state, seen.dirty, seen.untracked) == ("ok", True, ())
    text = git(repo, "diff", "--binary", "--full-index", "HEAD")
    assert seen.diff == "sha256:" + hashlib.sha256(text.encode()).hexdigest()


@needs_git
def test_the_digest_is_that_of_the_change_and_of_nothing_else(repo: Path) -> None:
    (repo / "a.txt").write_text("two\n")
    first = repository(repo).diff
    (repo / "a.txt").write_text("three\n")
    second = repository(repo).diff
    (repo / "a.txt").write_text("two\n")
    os.utime(repo / "a.txt", (1, 1))
    (repo / "untracked.txt").write_text("x")
    assert repository(repo).diff == first != second
    git(repo, "add", "a.txt")
    assert repository(repo).diff == first


@needs_git
def test_bytes_that_are_no_text_count(repo: Path) -> None:
    found = set()
    for content in (b"caf\xe9\n", b"caf\xe8\n", b"\x00\x01", b"\x00\x02", b"one", b"one\r\n"):
        (repo / "a.txt").write_bytes(content)
        found.add(repository(repo).diff)
    assert len(found) == 6
    assert None not in found


@needs_git
def test_a_file_that_was_only_touched_is_no_change(repo: Path) -> None:
    os.utime(repo / "a.txt", (1, 1))
    assert repository(repo).dirty is False
    (repo / "a.txt").write_text("two\n")
    (repo / "a.txt").write_text("one\n")
    assert repository(repo).dirty is False


@needs_git
@pytest.mark.parametrize(
    "change",
    [
        lambda repo: (repo / "a.txt").unlink(),
        lambda repo: (repo / "a.txt").chmod(0o755),
        lambda repo: git(repo, "mv", "a.txt", "b.txt"),
        lambda repo: ((repo / "new.txt").write_text("x"), git(repo, "add", "new.txt")),
    ],
    ids=["removed", "mode", "renamed", "added"],
)
def test_other_changes_make_it_dirty_too(repo: Path, change: Callable[[Path], object]) -> None:
    change(repo)
    assert repository(repo).dirty is True


@needs_git
@pytest.mark.parametrize(
    "setting",
    [
        "diff.noprefix=true",
        "diff.mnemonicPrefix=true",
        "diff.context=10",
        "diff.interHunkContext=20",
        "diff.algorithm=patience",
        "diff.renames=false",
        "diff.renames=copies",
        "diff.relative=true",
        "diff.orderFile=order",
        "diff.suppressBlankEmpty=true",
        "diff.indentHeuristic=false",
        "diff.srcPrefix=x/",
        "core.compression=0",
        "core.bigFileThreshold=1",
        "core.quotePath=false",
        "core.abbrev=4",
        "color.ui=always",
    ],
)
def test_the_same_change_has_the_same_digest_on_every_desk(repo: Path, tmp_path: Path, setting: str) -> None:
    def lines(changed: Sequence[int]) -> str:
        return "".join(f"{i}{'!' if i in changed else ''}\n\n" for i in range(60))

    block = "def a():\n    x\n\n    y\n\n"
    commit(repo, **{"b.txt": lines([]), "ö.txt": "x\n", "block.txt": block, "bytes": "\0" * 500})
    (repo / "b.txt").write_text(lines([20, 27]))
    (repo / "ö.txt").write_text("y\n")
    (repo / "block.txt").write_text(block * 2)
    (repo / "bytes").write_bytes(b"\0" * 400 + b"\1" * 100)
    git(repo, "mv", "a.txt", "c.txt")
    (tmp_path / "order").write_text("ö*\nc*\nb*\n")
    before = repository(repo).diff
    key, _, value = setting.partition("=")
    git(repo, "config", "--global", key, str(tmp_path / "order") if value == "order" else value)
    assert before is not None
    assert repository(repo).diff == before


@needs_git
def test_untracked_files_are_listed_and_make_nothing_dirty(repo: Path) -> None:
    commit(repo, **{".gitignore": "*.log\n"})
    for name in ("b.txt", "with space.txt", "ö.txt", "new\nline.txt", "run.log"):
        (repo / name).write_text("x")
    seen = repository(repo)
    assert seen.dirty is False and seen.diff is None
    assert seen.untracked == ("b.txt", "new\nline.txt", "with space.txt", "ö.txt")
    assert seen.untracked_count == 4


@needs_git
def test_new_files_of_the_folder_that_does_not_count_are_left_out(repo: Path) -> None:
    for name in ("out/run [1]/a", "out/run 1/b", "c"):
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text("x")
    assert repository(repo, repo / "out" / "run [1]").untracked == ("c", "out/run 1/b")
    assert repository(repo / "out", repo / "out").untracked == ("c",)
    assert repository(repo, repo).untracked_count == repository(repo, repo.parent).untracked_count == 3


@needs_git
def test_changed_files_are_named(repo: Path) -> None:
    commit(repo, **{"a.py": "1", "b.py": "1", "ö.py": "1"})
    (repo / "a.py").write_text("2")
    (repo / "ö.py").unlink()
    assert repository(repo).changed == ("a.py", "ö.py")


@needs_git
def test_a_hundred_untracked_files_are_shown_and_all_are_counted(repo: Path) -> None:
    for i in range(105):
        (repo / f"n{i:03}").write_text("x")
    seen = repository(repo)
    assert seen.untracked == tuple(f"n{i:03}" for i in range(100))
    assert seen.untracked_count == 105


@needs_git
@pytest.mark.skipif(sys.platform != "linux", reason="only there may a name be any bytes")
def test_a_name_that_is_no_text_does_not_stop_it(repo: Path) -> None:
    Path(os.fsdecode(os.fsencode(repo) + b"/\xff.txt")).write_text("x")
    seen = repository(repo)
    assert seen.untracked_count == 1
    json.dumps(seen.document()).encode()


@needs_git
def test_from_a_subfolder_the_whole_repository_is_seen(repo: Path) -> None:
    (repo / "deep" / "er").mkdir(parents=True)
    (repo / "top.txt").write_text("x")
    (repo / "a.txt").write_text("two\n")
    assert repository(repo / "deep" / "er") == repository(repo)
    assert repository(repo / "deep" / "er").untracked == ("top.txt",)


@needs_git
def test_a_detached_head_has_no_branch(repo: Path) -> None:
    head = commit(repo, **{"a.txt": "two\n"})
    git(repo, "checkout", "-q", "--detach")
    assert repository(repo) == Repository("ok", commit=head, branch=None)


@needs_git
def test_a_second_work_tree_is_a_repository(repo: Path, tmp_path: Path) -> None:
    git(repo, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    seen = repository(tmp_path / "side")
    assert (seen.state, seen.branch) == ("ok", "side")


@needs_git
def test_the_repository_of_a_hook_is_not_taken_for_that_of_the_folder(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = made(tmp_path / "other")
    commit(other, **{"b.txt": "x\n"})
    before = repository(repo)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert repository(repo) == before
    assert os.environ["GIT_DIR"] == str(other / ".git")


@needs_git
def test_a_shallow_clone_says_so(repo: Path, tmp_path: Path) -> None:
    commit(repo, **{"a.txt": "two\n"})
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repo}", "clone")
    seen = repository(tmp_path / "clone")
    assert (seen.state, seen.shallow, seen.commit) == ("ok", True, git(repo, "rev-parse", "HEAD"))
    assert repository(repo).shallow is False


def _not_ours(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        for path in (repo, repo / ".git"):
            os.chown(path, 12345, 12345)
    else:
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    if "dubious" not in subprocess.run(["git", "status"], cwd=repo, capture_output=True, text=True).stderr:
        pytest.skip("this git reads repositories of others, or nobody else can be made their owner here")


@needs_git
def test_a_repository_of_somebody_else_is_refused(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _not_ours(repo, monkeypatch)
    assert repository(repo) == Repository(
        "refused", "git refuses it: dubious ownership (git config --global --add safe.directory …)"
    )
    assert ancestry(repo, NOWHERE, "0" * 40) == "unknown"


@needs_git
def test_a_repository_of_somebody_else_that_is_trusted_is_read(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _not_ours(repo, monkeypatch)
    git(repo, "config", "--global", "--add", "safe.directory", str(repo))
    assert repository(repo).state == "ok"


@needs_git
def test_what_git_cannot_compare_is_never_called_clean(repo: Path) -> None:
    blob = git(repo, "rev-parse", "HEAD:a.txt")
    (repo / "a.txt").write_text("two\n")
    (repo / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    seen = repository(repo)
    assert (seen.state, seen.dirty) != ("ok", False)


@needs_git
def test_a_filter_that_is_required_does_not_hide_a_change(repo: Path) -> None:
    """As Git LFS sets it up."""
    commit(repo, **{".gitattributes": "*.bin filter=lfs\n", "w.bin": "one\n"})
    for key, value in (("clean", "cat"), ("smudge", "cat"), ("required", "true")):
        git(repo, "config", f"filter.lfs.{key}", value)
    (repo / "w.bin").write_text("two\n")
    assert git(repo, "status", "--porcelain") == "M w.bin"
    seen = repository(repo)
    assert (seen.state, seen.dirty) == ("ok", True)


@needs_git
@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_a_file_that_git_was_told_to_look_away_from_is_never_called_clean(repo: Path, flag: str) -> None:
    git(repo, "update-index", flag, "a.txt")
    (repo / "a.txt").write_text("two\n")
    assert git(repo, "status", "--porcelain") == ""
    seen = repository(repo)
    assert (seen.state, seen.dirty) != ("ok", False)


@needs_git
def test_a_change_is_seen_whatever_git_was_told_to_trust(repo: Path) -> None:
    """The same size and the same time, as a restored backup has them."""
    git(repo, "config", "core.trustctime", "false")
    git(repo, "config", "core.checkStat", "minimal")
    os.utime(repo / "a.txt", (1, 1))
    git(repo, "update-index", "--refresh")
    time.sleep(1.1)  # git may know the time of the change to the second only
    (repo / "a.txt").write_text("two\n")
    os.utime(repo / "a.txt", (1, 1))
    assert git(repo, "status", "--porcelain") == ""
    assert repository(repo).dirty is True


@needs_git
def test_settings_that_git_cannot_read_are_no_absence(repo: Path) -> None:
    with (repo / ".git" / "config").open("a") as file:
        file.write("[core\n")
    seen = repository(repo)
    assert seen.state == "refused"
    assert seen.reason is not None and "bad config line" in seen.reason


@needs_git
def test_a_change_inside_of_a_submodule_makes_it_dirty(repo: Path, tmp_path: Path) -> None:
    made(tmp_path / "inner")
    git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "inner"), "sub")
    commit(repo)
    assert repository(repo).dirty is False
    (repo / "sub" / "a.txt").write_text("two\n")
    assert repository(repo).dirty is True
    git(repo / "sub", "commit", "-q", "-a", "-m", "two")
    assert repository(repo).dirty is True


# How two commits stand to each other


@needs_git
def test_ancestry(repo: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    second = commit(repo, **{"a.txt": "two\n"})
    git(repo, "checkout", "-q", "-b", "side", first)
    third = commit(repo, **{"a.txt": "three\n"})
    assert ancestry(repo, first, first) == "same"
    assert ancestry(repo, first, second) == "ancestor"
    assert ancestry(repo, first, third) == "ancestor"
    assert ancestry(repo, second, first) == "diverged"
    assert ancestry(repo, second, third) == "diverged"
    assert ancestry(repo, NOWHERE, second) == "unknown"
    assert ancestry(repo, second, NOWHERE) == "unknown"


@needs_git
@pytest.mark.parametrize("other", [None, "", "HEAD", "main", "abcdef1", "--help", "A" * 40, "0" * 39, "0" * 65])
def test_only_full_commit_ids_are_looked_for(repo: Path, other: str | None) -> None:
    head = git(repo, "rev-parse", "HEAD")
    assert ancestry(repo, other, head) == "unknown"
    assert ancestry(repo, head, other) == "unknown"
    assert ancestry(repo, other, other) == "unknown"


@needs_git
def test_a_blob_is_no_commit(repo: Path) -> None:
    assert ancestry(repo, git(repo, "rev-parse", "HEAD:a.txt"), git(repo, "rev-parse", "HEAD")) == "unknown"


@needs_git
def test_what_a_shallow_clone_cannot_know_is_unknown(repo: Path, tmp_path: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    second = commit(repo, **{"a.txt": "two\n"})
    git(repo, "checkout", "-q", "-b", "side", first)
    third = commit(repo, **{"a.txt": "three\n"})
    git(tmp_path, "clone", "-q", "--depth", "1", "--no-single-branch", f"file://{repo}", "clone")
    assert ancestry(tmp_path / "clone", first, third) == "unknown"
    assert ancestry(tmp_path / "clone", second, third) == "unknown"
    assert ancestry(tmp_path / "clone", third, third) == "same"


@needs_git
def test_outside_of_a_repository_ancestry_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert ancestry(tmp_path / "plain", NOWHERE, "0" * 40) == "unknown"
    assert ancestry(tmp_path / "gone", NOWHERE, "0" * 40) == "unknown"


@needs_git
@pytest.mark.parametrize("trick", ["replace", "graft"])
def test_ancestry_that_was_only_put_on_is_not_believed(repo: Path, trick: str) -> None:
    first = git(repo, "rev-parse", "HEAD")
    git(repo, "checkout", "-q", "--orphan", "other")
    second = commit(repo, **{"a.txt": "two\n"})
    assert ancestry(repo, first, second) == "diverged"
    if trick == "replace":
        git(repo, "replace", "--graft", second, first)
    else:
        (repo / ".git" / "info").mkdir(exist_ok=True)
        (repo / ".git" / "info" / "grafts").write_text(f"{second} {first}\n")
    assert subprocess.run(["git", "merge-base", "--is-ancestor", first, second], cwd=repo, check=False).returncode == 0
    assert ancestry(repo, first, second) == "diverged"


@needs_git
def test_the_first_place_whose_repository_knows_the_commit_is_found(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    other = made(tmp_path / "other")
    known = commit(other, **{"b.txt": "x\n"})
    commit(other, **{"b.txt": "y\n"})
    places = [tmp_path / "plain", repo, other]
    assert find_repository(places, known) == (other, repository(other))
    assert find_repository(places, NOWHERE) == (repo, repository(repo))
    assert find_repository(places) == (repo, repository(repo))
    assert find_repository([tmp_path / "plain"]) == (tmp_path / "plain", Repository("none", "no repository"))


# Hostile repositories: what a repository names to be run is not run


class Canary:
    """A program that leaves a mark when it is run."""

    def __init__(self, folder: Path) -> None:
        self.mark = folder / "sang"
        self.program = folder / "canary.sh"
        self.program.write_text(f'#!/bin/sh\ntouch "{self.mark}"\nexit 1\n')
        self.program.chmod(0o755)

    def sang(self) -> bool:
        seen = self.mark.exists()
        self.mark.unlink(missing_ok=True)
        return seen


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    return Canary(tmp_path)


def _changed(repo: Path) -> None:
    """Another content of the same size: git has to look into the file."""
    (repo / "a.txt").write_text("two\n")


def _fsmonitor(repo: Path, program: str) -> None:
    _changed(repo)
    git(repo, "config", "core.fsmonitor", program)


def _hook(repo: Path, program: str) -> None:
    _changed(repo)
    os.utime(repo / "a.txt", (1, 1))
    (repo / "b.txt").touch()
    os.utime(repo / "b.txt", (1, 1))
    for name in ("post-index-change", "pre-auto-gc", "post-checkout", "reference-transaction"):
        shutil.copy(program, repo / ".git" / "hooks" / name)


def _hooks_path(repo: Path, program: str) -> None:
    (repo / "hooks").mkdir()
    _hook(repo, program)
    shutil.copy(program, repo / "hooks" / "post-index-change")
    (repo / ".git" / "hooks" / "post-index-change").unlink()
    git(repo, "config", "core.hooksPath", "hooks")


def _external(repo: Path, program: str) -> None:
    _changed(repo)
    git(repo, "config", "diff.external", program)


def _driver(repo: Path, program: str) -> None:
    _changed(repo)
    (repo / ".gitattributes").write_text("*.txt diff=evil\n")
    git(repo, "config", "diff.evil.command", program)


def _textconv(repo: Path, program: str) -> None:
    _changed(repo)
    (repo / ".gitattributes").write_text("*.txt diff=evil\n")
    git(repo, "config", "diff.evil.textconv", program)


def _filter(name: str, key: str = "clean") -> Callable[[Path, str], None]:
    def prepare(repo: Path, program: str) -> None:
        _changed(repo)
        (repo / ".gitattributes").write_text(f"*.txt filter={name}\n")
        git(repo, "config", f"filter.{name}.{key}", program)

    return prepare


def _bytes(repo: Path, program: str) -> None:
    """The name of a filter may be any bytes."""
    _changed(repo)
    (repo / ".gitattributes").write_bytes(b"*.txt filter=ev\xffil\n")
    with (repo / ".git" / "config").open("ab") as file:
        file.write(b'[filter "ev\xffil"]\n\tclean = ' + os.fsencode(program) + b"\n")


def _included(repo: Path, program: str) -> None:
    _changed(repo)
    (repo / ".git" / "info").mkdir(exist_ok=True)
    (repo / ".git" / "info" / "attributes").write_text("*.txt filter=evil\n")
    (repo / ".git" / "more").write_text(f'[filter "evil"]\n\tclean = {program}\n')
    git(repo, "config", "include.path", "more")


def _promisor(repo: Path, program: str) -> None:
    git(repo, "clone", "-q", "--bare", ".", "../origin.git")
    blob = git(repo, "rev-parse", "HEAD:a.txt")
    _changed(repo)
    settings = {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": str(repo.parent / "origin.git"),
        "remote.origin.uploadpack": program,
    }
    for key, value in settings.items():
        git(repo, "config", key, value)
    (repo / ".git" / "objects" / blob[:2] / blob[2:]).unlink()


def _ssh(repo: Path, program: str) -> None:
    _promisor(repo, "git-upload-pack")
    git(repo, "config", "remote.origin.url", "ssh://host.invalid/x.git")
    git(repo, "config", "core.sshCommand", program)


def _ext(repo: Path, program: str) -> None:
    _promisor(repo, "git-upload-pack")
    git(repo, "config", "remote.origin.url", f"ext::{program} %S")
    git(repo, "config", "protocol.ext.allow", "always")


def _submodule(key: str) -> Callable[[Path, str], None]:
    def prepare(repo: Path, program: str) -> None:
        inner = made(repo.parent / "inner")
        git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "sub")
        commit(repo)
        shutil.rmtree(inner)
        settings = Path(git(repo / "sub", "rev-parse", "--absolute-git-dir"))
        (settings / "info").mkdir(exist_ok=True)
        (settings / "info" / "attributes").write_text("*.txt filter=evil\n")
        git(repo / "sub", "config", key, program)
        (repo / "sub" / "a.txt").write_text("two\n")

    return prepare


HOSTILE: dict[str, tuple[Callable[[Path, str], None], list[str]]] = {
    "fsmonitor": (_fsmonitor, ["status"]),
    "hook": (_hook, ["status"]),
    "hooksPath": (_hooks_path, ["status"]),
    "diff.external": (_external, ["diff"]),
    "diff driver": (_driver, ["diff"]),
    "textconv": (_textconv, ["diff"]),
    "filter clean": (_filter("evil"), ["diff"]),
    "filter process": (_filter("evil", "process"), ["diff"]),
    "filter with =": (_filter("a=b"), ["diff"]),
    "filter with a dot": (_filter("a.b"), ["diff"]),
    "filter with a space that git does not know": (_filter("a\u00a0b"), ["diff"]),
    "filter whose name is no text": (_bytes, ["diff"]),
    "filter in capitals": (_filter("EVIL"), ["diff"]),
    "filter in an included file": (_included, ["diff"]),
    "upload-pack of a promisor": (_promisor, ["diff"]),
    "sshCommand of a promisor": (_ssh, ["diff"]),
    "ext:: of a promisor": (_ext, ["diff"]),
    "filter of a submodule": (_submodule("filter.evil.clean"), ["diff", "HEAD"]),
    "fsmonitor of a submodule": (_submodule("core.fsmonitor"), ["diff", "HEAD"]),
}


@needs_git
@pytest.mark.skipif(os.name == "nt", reason="the canary is a shell script")
@pytest.mark.parametrize("case", HOSTILE)
def test_nothing_that_a_repository_names_is_run(tmp_path: Path, canary: Canary, case: str) -> None:
    prepare, command = HOSTILE[case]
    for name in ("proof", "seen"):
        (tmp_path / name).mkdir()
        prepare(made(tmp_path / name / "repo"), str(canary.program))
        canary.sang()
    git(tmp_path / "proof" / "repo", *command, check=False)
    if not canary.sang():
        pytest.skip("plain git of this version does not run it either")
    repo = tmp_path / "seen" / "repo"
    seen = repository(repo)
    assert not canary.sang(), "by looking at the repository"
    assert (seen.state, seen.dirty) != ("ok", False), "what may not be run may not hide a change"
    assert ancestry(repo, NOWHERE, git(repo, "rev-parse", "HEAD")) == "unknown"
    assert not canary.sang(), "by asking for a commit that is not there"
    find_repository([repo], NOWHERE)
    assert not canary.sang(), "by looking for a repository"


@needs_git
@pytest.mark.skipif(os.name == "nt", reason="the canary is a shell script")
def test_an_alias_is_not_run(repo: Path, canary: Canary) -> None:
    for name in ("mine", "diff", "rev-parse", "config", "ls-files", "symbolic-ref", "cat-file", "merge-base"):
        git(repo, "config", f"alias.{name}", f"!{canary.program} </dev/null")
    git(repo, "mine", check=False)
    assert canary.sang()
    head = repository(repo).commit
    ancestry(repo, NOWHERE, head)
    assert not canary.sang()


@needs_git
def test_looking_leaves_no_trace(repo: Path) -> None:
    os.utime(repo / "a.txt", (1, 1))  # plain git would note the new time in its index
    before = digest.tree(repo)
    repository(repo)
    ancestry(repo, NOWHERE, "0" * 40)
    assert digest.tree(repo) == before


@needs_git
def test_a_work_tree_elsewhere_is_not_listed(repo: Path, tmp_path: Path) -> None:
    """`core.worktree` may name any folder: its files are none of the repository's business."""
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "secret.txt").write_text("x")
    git(repo, "config", "core.worktree", str(tmp_path / "private"))
    assert "secret.txt" not in repository(repo).untracked


# Host and packages


def distribution(site: Path, name: str, version: str, files: dict[str, bytes]) -> None:
    """A distribution as pip leaves it behind: its files, METADATA and RECORD."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(content)
    (info / "RECORD").write_text(
        "".join(f"{path},,\n" for path in [*files, f"{info.name}/METADATA", f"{info.name}/RECORD"])
    )


def test_packages_are_listed_by_their_normal_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path / "site", "Fake_Model.Kit", "1.2.3", {})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    found = world.packages()
    assert found["fake-model-kit"] == "1.2.3"
    assert found["numpy"]
    assert list(found) == sorted(found)


def test_of_two_installed_versions_the_first_on_the_path_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("1.0", "2.0"):
        distribution(tmp_path / version, "fake-model", version, {})
        monkeypatch.syspath_prepend(str(tmp_path / version))
    assert world.packages()["fake-model"] == "2.0"
    assert world.versions(["fake-model"]) == {"fake-model": "2.0"}


def test_the_version_of_what_is_not_installed_is_none() -> None:
    found = world.versions(["sealkit-that-nobody-has", "numpy"])
    assert list(found) == ["numpy", "sealkit-that-nobody-has"]
    assert found["sealkit-that-nobody-has"] is None
    assert found["numpy"]


def test_host_and_python_are_named() -> None:
    assert set(world.host()) == {"name", "system", "machine", "cpus"}
    assert world.python().split() == [sys.implementation.name.replace("cp", "CP"), sys.version.split()[0]]


# Models


def safetensors(**tensors: list[float]) -> bytes:
    header: dict[str, Any] = {}
    data = b""
    for name, values in tensors.items():
        raw = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": [len(values)], "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


WEIGHTS = safetensors(a=[1.0, 2.0], b=[3.0])
FILES = {
    "modules.json": b"[]",
    "config.json": b"{}",
    "1_Pooling/config.json": b"{}",
    "model.safetensors": WEIGHTS,
}


def saved(folder: Path, files: dict[str, bytes] | None = None) -> Path:
    for name, content in (FILES if files is None else files).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def refusal(name: str, base: Path | None = None, *, fetch: bool = False) -> str:
    with pytest.raises(UsageError) as caught:
        model(name, base, fetch=fetch)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_model_in_a_folder(tmp_path: Path) -> None:
    folder = saved(tmp_path / "models" / "mine")
    found = model("models/mine", tmp_path)
    assert (found.name, found.source, found.path) == ("models/mine", "path", folder)
    assert found.tree == digest.tree(folder)
    assert found.weights == digest.weights(folder)
    assert found.document() == {
        "name": "models/mine",
        "source": "path",
        "tree": digest.tree(folder),
        "weights": digest.weights(folder).digest,
        "tensors": 2,
        "excluded": [],
        "licence": None,
        "purpose": None,
    }


def test_relative_names_begin_at_the_current_folder(tmp_path: Path) -> None:
    saved(tmp_path / "mine")
    assert model("mine").path == Path.cwd() / "mine"
    assert model("./mine").tree == model(str(tmp_path / "mine")).tree


def test_a_name_may_begin_at_home(tmp_path: Path) -> None:
    folder = saved(tmp_path / "home" / "mine")
    assert model("~/mine").path == folder


def test_a_folder_goes_before_the_hub(tmp_path: Path) -> None:
    saved(tmp_path / "org" / "mine")
    assert model("org/mine", tmp_path).source == "path"


@pytest.mark.parametrize(
    "name", ["./gone", "models/gone", "/gone/for/good", "~/gone", "a/b/c", "name with space", "C:\\gone"]
)
def test_a_folder_that_is_not_there(name: str) -> None:
    assert refusal(name) == (
        f"model {name}: no such folder\n  fix: check the path; relative ones begin at the current directory"
    )


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    assert "no such folder" in refusal("./model.safetensors")


def test_a_folder_with_no_files(tmp_path: Path) -> None:
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    assert refusal("./empty", fetch=True) == f"model ./empty: {tmp_path}/empty holds no files\n  fix: check the path"


def test_a_folder_that_only_a_run_names_is_not_read_unless_it_looks_like_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("read")

    (tmp_path / "home" / "private").mkdir()
    (tmp_path / "home" / "private" / "letter.txt").write_text("x")
    monkeypatch.setattr(digest, "tree", never)
    monkeypatch.setattr(digest, "weights", never)
    for name in ("~/private", str(tmp_path / "home"), "/"):
        assert refusal(name) == f"model {name}: holds neither modules.json nor config.json\n  fix: check the path"


@pytest.mark.parametrize("name", ["nul\0byte", "x" * 5000, "~nobody-of-that-name/model"])
def test_a_name_that_can_be_no_folder_is_refused(name: str) -> None:
    assert refusal(name).startswith(f"model {name[:200]}")


class Singing:
    """Touches a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_pickles_are_refused_and_never_opened(tmp_path: Path, canary: Canary) -> None:
    payload = pickle.dumps(Singing(canary.mark))
    pickle.loads(payload)  # noqa: S301
    assert canary.sang()
    saved(tmp_path / "old", {"config.json": b"{}", "pytorch_model.bin": payload})
    assert refusal("./old") == (
        f"model ./old: {tmp_path}/old holds no safetensors weights, and nothing else is read (pickles are never opened)"
        "\n  fix: save the model again with model.save_pretrained(path)"
    )
    assert not canary.sang()


def test_weights_of_which_only_a_pointer_is_here(tmp_path: Path) -> None:
    saved(
        tmp_path / "lfs",
        {**FILES, "model.safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"},
    )
    assert refusal("./lfs") == (
        "model ./lfs: model.safetensors is a Git LFS pointer, the content is not here"
        "\n  fix: git lfs pull --include 'model.safetensors'"
    )


def test_weights_that_were_cut_off(tmp_path: Path) -> None:
    saved(tmp_path / "torn", {**FILES, "model.safetensors": WEIGHTS[:-1]})
    assert refusal("./torn") == (
        f"model ./torn: model.safetensors is {len(WEIGHTS) - 1} bytes, its header promises {len(WEIGHTS)}"
        "\n  fix: the copy is torn: copy it again"
    )


def test_a_manifest_beside_a_model_says_what_it_was_trained_for_and_is_no_part_of_it(tmp_path: Path) -> None:
    before = model(str(saved(tmp_path / "mine")))
    manifest = tmp_path / "mine" / "model_manifest.json"
    for text, purpose in (
        ('{"training": {"purpose": "smoke"}}', "smoke"),
        ('{"training": null}', None),
        ('{"training": {"purpose": ["smoke"]}}', None),
        ("[]", None),
        ("{", None),
    ):
        manifest.write_text(text)
        after = model(str(tmp_path / "mine"))
        assert (after.purpose, after.tree) == (purpose, before.tree), text


README = "---\nlanguage: en\nlicense: {}\n---\n# A model\n\nlicense: none of this\n"


@pytest.mark.parametrize(
    ("files", "licence"),
    [
        ({}, None),
        ({"README.md": README.format("apache-2.0")}, "apache-2.0"),
        ({"README.md": README.format("apache-2.0").replace("\n", "\r\n")}, "apache-2.0"),
        ({"README.md": README.format("[mit, cc-by-4.0]")}, "mit, cc-by-4.0"),
        ({"README.md": README.format("other\nlicense_name: gemma")}, "gemma"),
        ({"README.md": README.format("other")}, "other"),
        ({"README.md": README.format("null"), "LICENSE": "All rights reserved"}, "see LICENSE"),
        ({"README.md": README.format("{a: b}"), "COPYING": "x"}, "see COPYING"),
        ({"README.md": README.format("!!python/object:os.system {}")}, None),
        ({"README.md": "# A model\n---\nlicense: mit\n---\n"}, None),
        ({"README.md": "---\nlicense: mit\n"}, None),
        ({"README.md": "\0"}, None),
    ],
)
def test_the_licence_of_a_model_is_what_its_folder_says(
    files: dict[str, str], licence: str | None, tmp_path: Path
) -> None:
    saved(tmp_path / "mine", FILES | {name: text.encode() for name, text in files.items()})
    assert model(str(tmp_path / "mine")).licence == licence


@pytest.mark.parametrize(
    ("said", "licence"),
    [
        ("License-Expression: MIT\nLicense: other words\n", "MIT"),
        ("License: BSD\n        and more\n", "BSD"),
        (
            "License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\nClassifier: Typing :: Typed\n",
            "MIT License",
        ),
        ("", None),
    ],
)
def test_where_the_folder_of_a_packaged_model_is_silent_the_package_speaks(
    said: str, licence: str | None, site: Path
) -> None:
    distribution(site, "fake-model", "1.0", {f"fake_model/{name}": content for name, content in FILES.items()})
    (metadata,) = site.glob("*.dist-info/METADATA")
    metadata.write_text(f"Metadata-Version: 2.1\nName: fake-model\nVersion: 1.0\n{said}\n")
    assert model("package:fake-model").licence == licence
    (site / "fake_model" / "README.md").write_text(README.format("cc0-1.0"))
    assert model("package:fake-model").licence == "cc0-1.0"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "site"


def test_a_model_in_a_package_is_found_without_importing_it(site: Path, canary: Canary) -> None:
    code = f"import pathlib\npathlib.Path({str(canary.mark)!r}).touch()\n".encode()
    files = {"fake_model/__init__.py": code} | {f"fake_model/model/{name}": content for name, content in FILES.items()}
    distribution(site, "fake-model", "1.0", files)
    found = model("package:fake-model")
    assert (found.name, found.source, found.path) == ("package:fake-model", "package", site / "fake_model" / "model")
    assert found.tree == digest.tree(site / "fake_model" / "model")
    assert not canary.sang()
    assert "fake_model" not in sys.modules
    subprocess.run([sys.executable, "-c", "import fake_model"], cwd=site, check=True)
    assert canary.sang()


def test_the_outermost_model_of_a_package_is_taken(site: Path) -> None:
    inner = {f"fake_model/a/draft/{name}": content for name, content in FILES.items()}
    outer = {f"fake_model/z/{name}": content for name, content in FILES.items()}
    distribution(site, "fake-model", "1.0", inner | outer)
    assert model("package:fake_model").path == site / "fake_model" / "z"


def test_a_package_may_hold_a_plain_transformer(site: Path) -> None:
    files = {f"fake_model/bert/{name}": FILES[name] for name in ("config.json", "model.safetensors")}
    distribution(site, "fake-model", "1.0", files)
    assert model("package:fake-model").path == site / "fake_model" / "bert"


def test_a_package_that_is_not_installed() -> None:
    assert refusal("package:sealkit-that-nobody-has") == (
        "model package:sealkit-that-nobody-has: the package is not installed\n  fix: pip install sealkit-that-nobody-has"
    )


def test_a_package_without_a_model(site: Path) -> None:
    distribution(site, "fake-model", "1.0", {"fake_model/__init__.py": b""})
    assert refusal("package:fake-model") == (
        "model package:fake-model: the package holds no modules.json\n  fix: name a package that carries a model"
    )


def test_a_package_that_names_nothing() -> None:
    assert refusal("package:").startswith("model package:: ")


def test_a_package_whose_files_are_gone(site: Path) -> None:
    distribution(site, "fake-model", "1.0", {f"fake_model/{name}": content for name, content in FILES.items()})
    shutil.rmtree(site / "fake_model")
    assert refusal("package:fake-model").startswith("model package:fake-model: ")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub, and no network."""
    pytest.importorskip("huggingface_hub")
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return cache


def cached(hub: Path, name: str) -> Path:
    """A model as the Hub's cache keeps it: a snapshot of links to blobs."""
    root = hub / f"models--{name.replace('/', '--')}"
    revision = "a" * 40
    snapshot = root / "snapshots" / revision
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(revision)
    (root / "blobs").mkdir()
    for path, content in FILES.items():
        blob = root / "blobs" / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        (snapshot / path).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / path).symlink_to(os.path.relpath(blob, (snapshot / path).parent))
    return snapshot


def test_a_model_in_the_cache_of_the_hub_is_read_through_its_links(hub: Path, tmp_path: Path) -> None:
    snapshot = cached(hub, "org/mine")
    found = model("org/mine", fetch=False)
    assert (found.source, found.path.resolve()) == ("hub", snapshot.resolve())
    copy = saved(tmp_path / "copy")
    assert found.tree == digest.tree(copy)
    assert found.weights == digest.weights(copy)


def test_a_short_name_is_looked_for_among_the_sentence_transformers_first(hub: Path) -> None:
    cached(hub, "short")
    assert model("short", fetch=False).path.parts[-3] == "models--short"
    cached(hub, "sentence-transformers/short")
    assert model("short", fetch=False).path.parts[-3] == "models--sentence-transformers--short"


def test_a_model_that_the_hub_does_not_give(hub: Path) -> None:
    assert refusal("org/gone") == (
        "model org/gone: no such folder, and the Hub did not give it (LocalEntryNotFoundError)"
        "\n  fix: check the name, or name a local folder or package:NAME"
    )


def test_a_name_of_the_hub_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert refusal("org/gone") == (
        "model org/gone: no such folder, and the Hub is not reachable from the core install"
        "\n  fix: pip install 'sealkit[retrieval]', or name a folder"
    )


def test_the_same_weights_under_another_name_are_the_same_weights(tmp_path: Path) -> None:
    one, two = saved(tmp_path / "one"), saved(tmp_path / "two", {**FILES, "README.md": b"renamed"})
    assert model(str(one)).weights == model(str(two)).weights
    assert model(str(one)).tree != model(str(two)).tree


@pytest.mark.parametrize(
    ("visible", "devices", "found"), [(None, True, True), ("", True, False), ("-1", True, False), ("0", False, False)]
)
def test_cuda_is_here_when_a_device_is_and_nobody_hides_it(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, devices: bool, found: bool
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(Path, "exists", lambda self: devices and str(self) == "/dev/nvidiactl")
    assert world.has_cuda() == found
