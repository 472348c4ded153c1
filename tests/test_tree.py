"""Finding the files of a tree: patterns and captures, links, names and folders that are hostile."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from sealkit.finding import ReadError
from sealkit.trees import files as tree
from sealkit.trees.files import Found, find
from tests.trees import layout, write


def paths(root: Path, pattern: str, *, folders: bool = False, **known: str) -> list[str]:
    found, unread = find(root, layout("  - {path: a, media: json}\n").pattern(pattern, known), folders)
    assert unread == []
    return [one.path for one in found]


def found_in(root: Path, pattern: str) -> tuple[list[Found], list[ReadError]]:
    return find(root, layout("  - {path: a, media: json}\n").pattern(pattern, {}))


def test_a_name_is_captured_and_the_same_everywhere(tmp_path: Path) -> None:
    write(tmp_path, {"r/a/a.json": "", "r/a/b.json": "", "r/b/b.json": "", "r/c.json": ""})
    found, _ = found_in(tmp_path, "r/{run}/{run}.json")
    assert [(one.path, dict(one.names)) for one in found] == [
        ("r/a/a.json", {"run": "a", "path": "r/a/a.json"}),
        ("r/b/b.json", {"run": "b", "path": "r/b/b.json"}),
    ]


def test_two_stars_are_any_number_of_folders(tmp_path: Path) -> None:
    write(tmp_path, {"c/a.yaml": "", "c/d/a.yaml": "", "c/d/e/a.yaml": "", "a.yaml": "", "c/.git/a.yaml": "", "c/.venv/x/a.yaml": ""})  # fmt: skip
    assert paths(tmp_path, "c/**/*.yaml") == ["c/a.yaml", "c/d/a.yaml", "c/d/e/a.yaml"]


def test_two_stars_go_down_no_further_than_their_bound(tmp_path: Path) -> None:
    deep = "/".join(["d"] * 20)
    write(tmp_path, {f"{deep}/a.yaml": "", "d/d/a.yaml": ""})
    assert paths(tmp_path, "**/a.yaml") == ["d/d/a.yaml"]


def test_files_and_folders_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path, {"m/a/x": "", "m/b": ""})
    assert (paths(tmp_path, "m/*"), paths(tmp_path, "m/*", folders=True)) == (["m/b"], ["m/a"])


def test_no_link_to_a_folder_is_followed_but_at_the_end(tmp_path: Path) -> None:
    write(tmp_path, {"t/m/real/x": "", "away/m/x": ""})
    (tmp_path / "t/linked").symlink_to(tmp_path / "away")
    (tmp_path / "t/m/latest").symlink_to("real")
    assert paths(tmp_path / "t", "*/**/x") == ["m/real/x"]
    assert paths(tmp_path / "t", "m/*", folders=True) == ["m/latest", "m/real"]


def test_links_that_lead_to_themselves_or_nowhere_are_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone").symlink_to("nothing")
    (tmp_path / "up").mkdir()
    (tmp_path / "up/again").symlink_to("..")
    assert paths(tmp_path, "*", folders=True) == ["up"]
    assert paths(tmp_path, "**/*") == ["gone", "loop"]
    for name in ("gone", "loop"):
        with pytest.raises(ReadError, match="symbolic link"):
            Found(tmp_path, name, {}).text  # noqa: B018


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is closed to root")
def test_a_folder_that_is_closed_is_told(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(mode=0)
    try:
        found, unread = found_in(tmp_path, "shut/*")
    finally:
        (tmp_path / "shut").chmod(0o700)
    assert (found, [str(error) for error in unread]) == ([], ["shut/: cannot be looked into: Permission denied"])


def test_what_the_system_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    found, unread = found_in(tmp_path, "*")
    assert (found, [(str(one.at), one.message) for one in unread]) == (
        [],
        [(".", "cannot be looked into: Permission denied")],
    )


def test_no_more_files_are_looked_at_than_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "FOUND", 3)
    write(tmp_path, {f"{i}.json": "" for i in range(5)})
    found, unread = found_in(tmp_path, "*.json")
    assert [one.path for one in found] == ["0.json", "1.json", "2.json"]
    assert [(str(one.at), one.message) for one in unread] == [("3.json", "holds over 3 such files")]


def test_a_hundred_thousand_files_are_looked_through_in_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Entry:
        def __init__(self, name: str) -> None:
            self.name = name

        def is_dir(self, *, follow_symlinks: bool) -> bool:
            return False

    class Listing(list[Entry]):
        def __enter__(self) -> Listing:
            return self

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(os, "scandir", lambda path: Listing(Entry(f"{i}.txt") for i in range(100_000)))
    assert found_in(tmp_path, "*.json") == ([], [])
    found, unread = found_in(tmp_path, "*.txt")
    assert (len(found), len(unread)) == (tree.FOUND, 1)


@pytest.mark.parametrize("name", ["[a]", "a*", "{run}", "a\nb", "a\\b", "é", " "])
def test_names_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    write(tmp_path, {f"{name}/a.json": ""})
    assert paths(tmp_path, "{run}/a.json") == paths(tmp_path, "{m}/a.json", m=name) == [f"{name}/a.json"]


def test_a_name_that_is_no_text_is_told_and_its_neighbours_are_read(tmp_path: Path) -> None:
    write(tmp_path, {"a.json": ""})
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.json")).touch()
    found, unread = found_in(tmp_path, "*.json")
    assert [one.path for one in found] == ["a.json"]
    assert [(str(one.at), one.message) for one in unread] == [("b\\xff.json", "has a name that is not UTF-8")]


# Documents


def test_a_value_of_json_has_its_line_and_column(tmp_path: Path) -> None:
    write(tmp_path, {"a.json": '{"a": [1,\n  {"b": 2}],\n "c": {"d": 3}}\n'})
    (part,) = Found(tmp_path, "a.json", {}).parts("json")
    assert {where: (line, part.columns[where]) for where, line in part.lines.items()} == {
        "": (1, 0), "/a": (1, 1), "/a/0": (1, 7), "/a/1": (2, 2), "/a/1/b": (2, 3), "/c": (3, 1), "/c/d": (3, 7),
    }  # fmt: skip
    assert part.line_of("/a/1/nothing") == 2


def test_rows_of_jsonl_have_their_line_and_their_text(tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonl": '{"a": 1}\r\n{"a": 2}\n'})
    found = [(part.data, part.line, part.row) for part in Found(tmp_path, "a.jsonl", {}).parts("jsonl")]
    assert found == [({"a": 1}, 1, '{"a": 1}'), ({"a": 2}, 2, '{"a": 2}')]


def test_pattern_parts_hold_for_whole_names() -> None:
    assert re.fullmatch(layout("  - {path: a, media: json}\n").pattern("a*", {})[0] or "", "ba") is None
